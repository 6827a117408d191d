package domain

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Span writes how long something lasts as a person says it: "250 ms", "9.7 s",
// "45 s", "18 min", "10 h 42 min", "3 days 4 h".
func Span(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strconv.FormatFloat(math.Round(d.Seconds()*10)/10, 'f', -1, 64) + " s"
	case d < time.Minute-time.Second/2:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Minute:
		return joinUnit("1 min", int(d.Round(time.Second).Seconds())-60, "s")
	case d < time.Hour-time.Minute/2:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 24*time.Hour-time.Minute/2:
		m := int(d.Round(time.Minute).Minutes())
		return joinUnit(fmt.Sprintf("%d h", m/60), m%60, "min")
	}
	h := int(d.Round(time.Hour).Hours())
	days := "1 day"
	if h >= 48 {
		days = fmt.Sprintf("%d days", h/24)
	}
	return joinUnit(days, h%24, "h")
}

// joinUnit adds a smaller unit to a span, if there is any of it.
func joinUnit(larger string, n int, unit string) string {
	if n == 0 {
		return larger
	}
	return fmt.Sprintf("%s %d %s", larger, n, unit)
}
