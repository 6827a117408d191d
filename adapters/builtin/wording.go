package builtin

import (
	"fmt"
	"math"
	"time"

	"logsift/domain"
)

// count writes a number of things.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// theLast is a span as it stands behind "the last".
func theLast(span string) string {
	switch span {
	case "1 day":
		return "day"
	case "1 h":
		return "hour"
	case "1 min":
		return "minute"
	}
	return span
}

// percent writes a share, with a digit behind the point where it is small.
func percent(share float64) string {
	switch share *= 100; {
	case share == 0:
		return "none"
	case share < 0.1:
		return "less than 0.1 %"
	}
	return plain(math.Round(10*share)/10) + " %"
}

// verb is the form of a verb for a number of things.
func verb(n int, plural string) string {
	switch {
	case n != 1:
		return plural
	case plural == "have":
		return "has"
	}
	return plural + "s"
}

// are is the verb for a number of things.
func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// quantity is what a number in a line counts.
type quantity uint8

// The quantities: those with a unit are compared in seconds and bytes.
const (
	plainNumber quantity = iota
	inSeconds
	inBytes
	quantities = iota // how many there are
)

// unitOf returns what a word counts in, and how many seconds or bytes it is.
func unitOf(word string) (quantity, float64) {
	var lower [maxNumberBytes]byte // on the stack, since this is for each number
	if word == "" || len(word) > len(lower) || word[0] >= '0' && word[0] <= '9' {
		return plainNumber, 1
	}
	for i := range len(word) {
		c := word[i]
		if isCapital(c) {
			c |= 0x20
		}
		lower[i] = c
	}
	switch string(lower[:len(word)]) {
	case "ns":
		return inSeconds, 1e-9
	case "us", "µs", "usec", "microseconds":
		return inSeconds, 1e-6
	case "ms", "msec", "msecs", "millis", "milliseconds":
		return inSeconds, 1e-3
	case "s", "sec", "secs", "second", "seconds":
		return inSeconds, 1
	case "min", "mins", "minute", "minutes":
		return inSeconds, 60
	case "hours":
		return inSeconds, 3600
	case "byte", "bytes":
		return inBytes, 1
	case "kb", "kib":
		return inBytes, 1 << 10
	case "mb", "mib":
		return inBytes, 1 << 20
	case "gb", "gib":
		return inBytes, 1 << 30
	case "tb", "tib":
		return inBytes, 1 << 40
	}
	return plainNumber, 1
}

// scale is the logarithm of a value, by which values are compared: of a time in
// milliseconds, so that those below one are alike.
func (q quantity) scale(v float64) float64 {
	if q == inSeconds {
		v *= 1e3
	}
	return math.Log1p(v)
}

// unscale is the value of which scale gave the logarithm.
func (q quantity) unscale(x float64) float64 {
	if q == inSeconds {
		return math.Expm1(x) / 1e3
	}
	return math.Expm1(x)
}

// text writes a value of the quantity.
func (q quantity) text(v float64) string {
	switch q {
	case inSeconds:
		switch {
		case v == 0:
			return "0 s"
		case v < 1e-3:
			return plain(v*1e6) + " µs"
		case v < 1:
			return plain(v*1e3) + " ms"
		case v < 60:
			return plain(v) + " s"
		}
		return domain.Span(time.Duration(v * float64(time.Second)))
	case inBytes:
		for _, u := range [...]struct {
			name string
			size float64
		}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
			if v >= u.size {
				return plain(v/u.size) + " " + u.name
			}
		}
		return plain(v) + " bytes"
	case plainNumber:
	}
	return plain(v)
}

// plain writes a number with at most three digits that matter, or a whole one.
func plain(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
