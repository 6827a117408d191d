package logline

import (
	"strings"
	"time"
)

// clock is a time of the day with its offset from UTC.
type clock struct {
	hour, minute, second, nanos int
	offset                      time.Duration
	// local is the zone instead of the offset, if it is not nil.
	local *time.Location
}

// clock reads 15:04:05 with fraction and zone; 15.04.05, 150405, 15:4:5 and 15:04 too.
func (p *timeParser) clock() (clock, bool) {
	var c clock
	var ok1, ok2, ok3 bool
	c.hour, ok1 = p.upToTwoDigits()
	colon := p.one(':')
	if !colon {
		p.one('.')
	}
	c.minute, ok2 = p.upToTwoDigits()
	end := p.i
	p.oneOf(":.")
	if c.second, ok3 = p.upToTwoDigits(); !ok3 && colon {
		p.i, ok3 = end, true
		if !p.atBoundary() {
			return c, false
		}
	}
	if !ok1 || !ok2 || !ok3 || c.hour > 23 || c.minute > 59 || c.second > 60 {
		return c, false
	}
	c.nanos = p.fraction()
	if half, ok := p.halfDay(); ok {
		if c.hour < 1 || c.hour > 12 {
			return c, false
		}
		c.hour = c.hour%12 + half
	}
	p.zoneOf(&c)
	return c, true
}

// zoneOf reads the zone of a clock, which is that of the log if there is none.
func (p *timeParser) zoneOf(c *clock) {
	mark := p.i
	c.offset, c.local = p.zone(), nil
	if p.i == mark {
		c.local = p.local
	}
}

// halfDay reads AM or PM, perhaps behind a space, and returns the hours to add.
func (p *timeParser) halfDay() (hours int, ok bool) {
	i := p.i
	if i < len(p.s) && p.s[i] == ' ' {
		i++
	}
	if i+2 > len(p.s) || p.s[i+1]|0x20 != 'm' || i+2 < len(p.s) && isLetter(p.s[i+2]) {
		return 0, false
	}
	switch p.s[i] | 0x20 {
	case 'a':
	case 'p':
		hours = 12
	default:
		return 0, false
	}
	p.i = i + 2
	return hours, true
}

// on returns the time of a clock on a day, and false if there is no such day.
func (c clock) on(year, month, day int) (time.Time, bool) {
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return time.Time{}, false
	}
	if c.local != nil {
		return time.Date(year, time.Month(month), day, c.hour, c.minute, c.second, c.nanos/1000*1000, c.local).UTC(), true
	}
	seconds := int64(daysSinceEpoch(year, month, day))*86400 + int64(c.hour)*3600 + int64(c.minute)*60 + int64(c.second)
	return time.Unix(seconds-int64(c.offset/time.Second), int64(c.nanos/1000*1000)).UTC(), true
}

// daysSinceEpoch counts the days from 1970-01-01 to a day of the Gregorian
// calendar, by the formula of Howard Hinnant's "chrono-Compatible Low-Level Date
// Algorithms" (days_from_civil) for years from 0 on.
func daysSinceEpoch(year, month, day int) int {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	ofEra := year - era*400
	ofYear := (153*(month-3)+2)/5 + day - 1
	return era*146097 + ofEra*365 + ofEra/4 - ofEra/100 + ofYear - 719468
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

func (p *timeParser) clockOn(year, month, day int) (time.Time, bool) {
	c, ok := p.clock()
	if !ok {
		return time.Time{}, false
	}
	return c.on(year, month, day)
}

// clockWithoutYear reads a clock, and a year after it if there is one; else the log
// tells the year, see [Dates].
func (p *timeParser) clockWithoutYear(month, day int) (time.Time, bool) {
	c, ok := p.clock()
	if !ok {
		return time.Time{}, false
	}
	if p.layout == layoutSyslog {
		mark := p.i
		if p.one(' ') {
			if year, ok := p.number(4); ok && year >= 1970 && year <= 2100 && (p.i == len(p.s) || strings.IndexByte(" ],>", p.s[p.i]) >= 0) {
				p.layout = layoutFull
				if c.offset == 0 {
					p.zoneOf(&c)
				}
				return c.on(year, month, day)
			}
		}
		p.i = mark
	}
	return p.withYear(c, month, day)
}

// fraction reads .000 or ,000 or :0 and returns nanoseconds. Behind a colon
// stand milliseconds without leading zeros.
func (p *timeParser) fraction() int {
	if p.i+1 >= len(p.s) || !isDigit(p.s[p.i+1]) || p.s[p.i] != '.' && p.s[p.i] != ',' && p.s[p.i] != ':' {
		return 0
	}
	colon := p.s[p.i] == ':'
	p.i++
	begin := p.i
	nanos, unit := 0, 100_000_000
	for p.i < len(p.s) && isDigit(p.s[p.i]) {
		nanos += int(p.s[p.i]-'0') * unit
		unit /= 10
		p.i++
	}
	if colon {
		for digits := p.i - begin; digits < 3; digits++ {
			nanos /= 10
		}
	}
	return nanos
}

// sinceEpoch reads seconds, milli-, micro- or nanoseconds since 1970 of the years
// 2000 to 2100.
func (p *timeParser) sinceEpoch(digits int) (time.Time, bool) {
	p.layout = layoutCompact
	n := int64(0)
	for _, c := range []byte(p.s[:digits]) {
		n = n*10 + int64(c-'0')
	}
	p.i = digits
	var t time.Time
	switch digits {
	case 10:
		t = time.Unix(n, int64(p.fraction()))
	case 13:
		t = time.UnixMilli(n)
	case 16:
		t = time.UnixMicro(n)
	default:
		t = time.Unix(0, n)
	}
	t = t.UTC()
	return t.Add(-time.Duration(t.Nanosecond() % 1000)), t.Year() >= 2000 && t.Year() <= 2100
}
