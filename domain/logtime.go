package domain

import (
	"strings"
	"time"
)

// ScanLogTime finds the time in the header of a line, and where in the line it
// begins and ends. The time is zero if there is none. now is used as by
// [ParseLogLine].
func ScanLogTime(line string, now time.Time) (t time.Time, begin, end int) {
	f := findTime(line[:min(len(line), headerBytes)], now)
	return f.at, f.begin, f.end
}

// foundTime is a time in a line and where it stands.
type foundTime struct {
	at         time.Time
	begin, end int
	layout     timeLayout
}

// timeLayout tells layouts apart that say more than the time.
type timeLayout uint8

const (
	layoutFull     timeLayout = iota + 1
	layoutCompact             // digits only: it may be any number
	layoutDigits              // 060102 150405: seldom another number
	layoutSyslog              // Jan _2 15:04:05
	layoutKlog                // I0102 15:04:05
	layoutLogcat              // 01-02 15:04:05
	layoutAccess              // 02/Jan/2006:15:04:05
	layoutTwoLines            // Jan 02, 2006 3:04:05 PM, the level on the next line
)

// findTime tries the first words of a line. Digits alone are a time only at the
// begin or behind a tag, and two words of prose end the header, so that a number
// or a date that the text speaks of is not taken for the line's own time.
func findTime(head string, now time.Time) foundTime {
	const words = 6
	var found foundTime
	prose, tag := 0, true
	for at, word := 0, 0; word < words && prose < 2; word++ {
		for at < len(head) && strings.IndexByte(" \t[(\"'", head[at]) >= 0 {
			at++
		}
		if at == len(head) {
			break
		}
		key := timeKey(head[at:])
		p := timeParser{s: head[at+key:], now: now}
		if t, ok := p.parse(); ok && p.atBoundary() && (p.layout != layoutCompact && p.layout != layoutDigits || tag || key > 0) {
			f := foundTime{at: t, begin: at + key, end: at + key + p.i, layout: p.layout}
			switch {
			case found.at.IsZero() && p.layout != layoutCompact:
				return f // Most lines end here.
			case found.at.IsZero():
				// A time that can be nothing else may follow.
				found = f
				at = f.end
			case p.layout == layoutFull:
				return f
			case p.layout == layoutSyslog:
				// It has no year, the first one has.
				found.end = f.end
				return found
			}
		}
		begin := at
		for at < len(head) && head[at] != ' ' && head[at] != '\t' {
			at++
		}
		if isProse(head[begin:at]) {
			prose++
		}
		tag = tag && isTag(head[begin:at])
	}
	return found
}

// timeKey is the length of a key such as time= in front of a value.
func timeKey(s string) int {
	i := strings.IndexByte(s[:min(len(s), 12)], '=')
	if i < 0 {
		return 0
	}
	switch s[:i] {
	case "time", "ts", "timestamp", "@timestamp", "t", "date":
	default:
		return 0
	}
	i++
	if i < len(s) && s[i] == '"' {
		i++
	}
	return i
}

// isProse reports whether the word is one of a sentence: letters, not all of
// them capitals.
func isProse(word string) bool {
	lower := false
	for i := range len(word) {
		if !isLetter(word[i]) {
			return false
		}
		lower = lower || word[i] >= 'a'
	}
	return lower
}

// isTag reports whether the word is a mark in front of a number of seconds: "-"
// or capitals that are no level.
func isTag(word string) bool {
	for i := range len(word) {
		if c := word[i]; (c < 'A' || c > 'Z') && c != '_' && c != '-' {
			return false
		}
	}
	_, ok := levelOfWord(word)
	return !ok
}

// timeParser reads one time at the beginning of s; i is how far it came.
type timeParser struct {
	s      string
	i      int
	now    time.Time
	layout timeLayout
}

// parse tells by the first characters which layout it may be. Times outside of
// the years 1970 to 9999 are none.
func (p *timeParser) parse() (time.Time, bool) {
	t, ok := p.parseLayout()
	if !ok {
		return time.Time{}, false
	}
	if unix := t.Unix(); unix < 0 || unix > lastSecond {
		return time.Time{}, false
	}
	return t, true
}

// lastSecond is the last one of the year 9999, since 1970.
const lastSecond = 253402300799

func (p *timeParser) parseLayout() (time.Time, bool) {
	p.layout = layoutFull
	digits := 0
	for digits < len(p.s) && isDigit(p.s[digits]) {
		digits++
	}
	next, after := byte(0), byte(0)
	if digits < len(p.s) {
		next = p.s[digits]
	}
	if digits+1 < len(p.s) {
		after = p.s[digits+1]
	}
	switch {
	case digits == 4 && (next == '-' || next == '/' || next == '.'):
		return p.yearFirst(4, next)
	case digits == 2 && (next == '/' || next == '-') && isLetter(after):
		return p.dayMonthYear(next)
	case (digits == 1 || digits == 2) && (next == '/' || next == '.') && !p.shortYear(digits):
		return p.yearLast(digits, next)
	case digits == 2 && next == '/':
		return p.yearFirst(2, next)
	case digits == 2 && next == '-':
		return p.monthDay()
	case (digits == 1 || digits == 2) && next == ' ':
		return p.dayMonthYear(' ')
	case digits == 8 && (next == '-' || next == ' ' || next == 'T'):
		return p.compactDay(4)
	case digits == 6 && next == ' ':
		return p.compactDay(2)
	case digits == 10 || digits == 13 || digits == 16 || digits == 19:
		return p.sinceEpoch(digits)
	case digits == 0 && len(p.s) > 4 && isLetter(p.s[0]):
		return p.monthFirst()
	}
	return time.Time{}, false
}

// atBoundary reports whether what was read is not the begin of something longer.
func (p *timeParser) atBoundary() bool {
	return p.i == len(p.s) || !isLetter(p.s[p.i]) && !isDigit(p.s[p.i])
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// number reads exactly n digits.
func (p *timeParser) number(n int) (int, bool) {
	if p.i+n > len(p.s) {
		return 0, false
	}
	v := 0
	for _, c := range []byte(p.s[p.i : p.i+n]) {
		if !isDigit(c) {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	p.i += n
	return v, true
}

// upToTwoDigits reads two digits, or one before something else.
func (p *timeParser) upToTwoDigits() (int, bool) {
	if p.i >= len(p.s) || !isDigit(p.s[p.i]) {
		return 0, false
	}
	v := int(p.s[p.i] - '0')
	if p.i++; p.i < len(p.s) && isDigit(p.s[p.i]) {
		v = v*10 + int(p.s[p.i]-'0')
		p.i++
	}
	return v, true
}

// one reads this character.
func (p *timeParser) one(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

// oneOf reads one of these characters.
func (p *timeParser) oneOf(chars string) bool {
	if p.i < len(p.s) && strings.IndexByte(chars, p.s[p.i]) >= 0 {
		p.i++
		return true
	}
	return false
}

// yearFirst reads 2006-01-02 15:04:05 and its kin, also with a year of two digits.
func (p *timeParser) yearFirst(yearDigits int, sep byte) (time.Time, bool) {
	year, _ := p.number(yearDigits)
	if yearDigits == 2 {
		year += 2000
	}
	p.one(sep)
	month, ok1 := p.number(2)
	ok2 := p.one(sep)
	day, ok3 := p.number(2)
	if !ok1 || !ok2 || !ok3 || !p.oneOf(" Tt-_:") {
		return time.Time{}, false
	}
	p.one(' ') // MySQL pads the hour.
	return p.clockOn(year, month, day)
}

// shortYear reports whether the date that begins with so many digits is
// 06/01/02, whose year comes first.
func (p *timeParser) shortYear(digits int) bool {
	return digits == 2 && len(p.s) > 8 && p.s[2] == '/' && p.s[5] == '/' && !isDigit(p.s[8])
}

// yearLast reads 01/02/2006 3:04:05 PM, with the month first unless it cannot be
// one, and 02.01.2006 15:04:05 with the day first; without a year 01.02 15:04:05.
func (p *timeParser) yearLast(digits int, sep byte) (time.Time, bool) {
	first, _ := p.number(digits)
	p.one(sep)
	second, ok := p.number(2)
	if !ok {
		second, ok = p.number(1)
	}
	if !ok {
		return time.Time{}, false
	}
	if digits == 2 && sep == '.' && p.one(' ') {
		p.layout = layoutLogcat
		return p.clockWithoutYear(first, second)
	}
	if !p.one(sep) {
		return time.Time{}, false
	}
	year, ok := p.number(4)
	if !ok {
		return time.Time{}, false
	}
	p.one(',')
	if !p.oneOf(" T") {
		return time.Time{}, false
	}
	if sep == '.' || first > 12 {
		first, second = second, first
	}
	return p.clockOn(year, first, second)
}

// compactDay reads 20060102-15:04:05 and 060102 150405.
func (p *timeParser) compactDay(yearDigits int) (time.Time, bool) {
	year, _ := p.number(yearDigits)
	month, _ := p.number(2)
	day, _ := p.number(2)
	if yearDigits == 2 {
		year += 2000
	}
	if p.one(' ') {
		p.layout = layoutDigits
	} else if !p.oneOf("-T") {
		return time.Time{}, false
	}
	return p.clockOn(year, month, day)
}

// dayMonthYear reads 02/Jan/2006:15:04:05 -0700, 2 Jan 2006 15:04:05 and
// 02-Jan-2006 15:04:05.
func (p *timeParser) dayMonthYear(sep byte) (time.Time, bool) {
	day, ok := p.number(2)
	if !ok {
		day, _ = p.number(1)
	}
	if !p.one(sep) {
		return time.Time{}, false
	}
	month, ok := p.month()
	if !ok || !p.one(sep) {
		return time.Time{}, false
	}
	year, ok := p.number(4)
	if !ok || !p.oneOf(": ") {
		return time.Time{}, false
	}
	if sep == '/' {
		p.layout = layoutAccess
	}
	return p.clockOn(year, month, day)
}

// monthDay reads Android's 01-02 15:04:05.000.
func (p *timeParser) monthDay() (time.Time, bool) {
	p.layout = layoutLogcat
	month, _ := p.number(2)
	p.one('-')
	day, ok := p.number(2)
	if !ok || !p.one(' ') {
		return time.Time{}, false
	}
	return p.clockWithoutYear(month, day)
}

// monthFirst reads Jan _2 15:04:05 [2006], a week day before it or before
// 2 Jan 2006 15:04:05, and klog's I0102 15:04:05.
func (p *timeParser) monthFirst() (time.Time, bool) {
	if isDigit(p.s[1]) {
		p.layout = layoutKlog
		p.i = 1
		month, ok1 := p.number(2)
		day, ok2 := p.number(2)
		if strings.IndexByte("IWEF", p.s[0]) < 0 || !ok1 || !ok2 || !p.one(' ') {
			return time.Time{}, false
		}
		return p.clockWithoutYear(month, day)
	}
	if isWeekday(p.s) {
		p.i = 3
		p.one(',')
		if !p.one(' ') {
			return time.Time{}, false
		}
		if p.i < len(p.s) && isDigit(p.s[p.i]) {
			return p.dayMonthYear(' ')
		}
	}
	month, ok := p.month()
	if !ok || !p.one(' ') {
		return time.Time{}, false
	}
	p.one(' ')
	day, ok := p.number(2)
	if !ok {
		day, ok = p.number(1)
	}
	if ok && p.one(',') {
		// As java.util.logging writes it.
		if !p.one(' ') {
			return time.Time{}, false
		}
		year, ok := p.number(4)
		p.one(',')
		if !ok || !p.one(' ') {
			return time.Time{}, false
		}
		p.layout = layoutTwoLines
		return p.clockOn(year, month, day)
	}
	if !ok || !p.one(' ') {
		return time.Time{}, false
	}
	p.layout = layoutSyslog
	return p.clockWithoutYear(month, day)
}

// month reads the first three letters of a month's name.
func (p *timeParser) month() (int, bool) {
	if p.i+3 > len(p.s) {
		return 0, false
	}
	a, b, c := p.s[p.i]|0x20, p.s[p.i+1]|0x20, p.s[p.i+2]|0x20
	const names = "janfebmaraprmayjunjulaugsepoctnovdec"
	for m := 0; m < len(names); m += 3 {
		if names[m] == a && names[m+1] == b && names[m+2] == c {
			p.i += 3
			return m/3 + 1, true
		}
	}
	return 0, false
}

func isWeekday(s string) bool {
	switch s[:3] {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}
