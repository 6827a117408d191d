package domain

import "time"

// clock is a time of the day with its offset from UTC.
type clock struct {
	hour, minute, second, nanos int
	offset                      time.Duration
}

// clock reads 15:04:05 with fraction and zone; 15.04.05, 150405 and 15:4:5 too.
func (p *timeParser) clock() (clock, bool) {
	var c clock
	var ok1, ok2, ok3 bool
	c.hour, ok1 = p.upToTwoDigits()
	p.oneOf(":.")
	c.minute, ok2 = p.upToTwoDigits()
	p.oneOf(":.")
	c.second, ok3 = p.upToTwoDigits()
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
	c.offset = p.zone()
	return c, true
}

// halfDay reads " AM" or " PM", and returns the hours to add.
func (p *timeParser) halfDay() (hours int, ok bool) {
	if p.i+3 > len(p.s) || p.s[p.i] != ' ' || p.s[p.i+2]|0x20 != 'm' || p.i+3 < len(p.s) && isLetter(p.s[p.i+3]) {
		return 0, false
	}
	switch p.s[p.i+1] | 0x20 {
	case 'a':
	case 'p':
		hours = 12
	default:
		return 0, false
	}
	p.i += 3
	return hours, true
}

// on returns the time of a clock on a day, and false if there is no such day.
func (c clock) on(year, month, day int) (time.Time, bool) {
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return time.Time{}, false
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

// clockWithoutYear reads a clock, and a year after it if there is one; else the
// year is the newest that does not put the time more than a day after now.
func (p *timeParser) clockWithoutYear(month, day int) (time.Time, bool) {
	c, ok := p.clock()
	if !ok {
		return time.Time{}, false
	}
	if p.layout == layoutSyslog {
		mark := p.i
		if p.one(' ') {
			if year, ok := p.number(4); ok && year >= 1970 && year <= 2100 && (p.i == len(p.s) || p.s[p.i] == ' ' || p.s[p.i] == ']') {
				p.layout = layoutFull
				return c.on(year, month, day)
			}
		}
		p.i = mark
	}
	newest := p.now.Year()
	if month == 1 && p.now.Month() == time.December {
		newest++
	}
	// Up to eight years lie between two 29th of February.
	for year := newest; year >= newest-9; year-- {
		if t, ok := c.on(year, month, day); ok && !t.After(p.now.Add(24*time.Hour)) {
			return t, true
		}
	}
	return time.Time{}, false
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

// zone reads Z, +07, +0700, +07:00, or " -0700", " UTC", " EST", and returns the
// offset from UTC. Of zones that are named by letters it knows those of RFC 5322
// (section 4.3), which are not ambiguous; any other is taken as UTC.
func (p *timeParser) zone() time.Duration {
	if p.i == len(p.s) {
		return 0
	}
	switch p.s[p.i] {
	case 'Z', 'z':
		p.i++
		return 0
	case ' ', '+', '-', 'U', 'G':
	default:
		return 0
	}
	mark := p.i
	apart := p.one(' ')
	if offset, ok := namedZone(p.s[p.i:]); ok {
		p.i += 3
		return offset
	}
	negative := p.i < len(p.s) && p.s[p.i] == '-'
	if p.oneOf("+-") {
		hours, ok1 := p.number(2)
		colon := p.one(':')
		minutes, ok2 := p.number(2)
		if ok1 && hours <= 14 && (ok2 && minutes < 60 || !ok2 && !colon && !apart) && p.atBoundary() {
			offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
			if negative {
				return -offset
			}
			return offset
		}
	}
	p.i = mark
	return 0
}

// namedZone reads a zone of three letters.
func namedZone(s string) (time.Duration, bool) {
	if len(s) < 3 || len(s) > 3 && (isLetter(s[3]) || isDigit(s[3])) {
		return 0, false
	}
	switch s[:3] {
	case "UTC", "GMT":
		return 0, true
	case "EDT":
		return -4 * time.Hour, true
	case "EST", "CDT":
		return -5 * time.Hour, true
	case "CST", "MDT":
		return -6 * time.Hour, true
	case "MST", "PDT":
		return -7 * time.Hour, true
	case "PST":
		return -8 * time.Hour, true
	}
	return 0, false
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
