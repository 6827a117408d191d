package logline

import (
	"strings"
	"time"

	"logsift/domain"
)

// FindTime finds the time in the header of a line, and where in the line it
// begins and ends. The time is zero if there is none. now is used as by
// [Parser.Parse].
func FindTime(line string, now time.Time) (t time.Time, begin, end int) {
	return Parser{}.FindTime(line, now)
}

// FindTime is [FindTime] with what the parser knows.
func (p Parser) FindTime(line string, now time.Time) (t time.Time, begin, end int) {
	f := p.times(now).find(line[:min(len(line), headerBytes)])
	return f.at, f.begin, f.end
}

// foundTime is a time in a line and where it stands.
type foundTime struct {
	at         time.Time
	begin, end int
	layout     timeLayout
}

// timeContext completes what a time does not say itself.
type timeContext struct {
	now time.Time
	// dates is what is known of the log, nil for nothing.
	dates *Dates
	// local is the zone of times that name none, nil for UTC.
	local *time.Location
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
	layoutDate                // 2006-01-02 without a clock
	layoutClock               // 15:04:05 without a date
)

// Where a time is looked for: as one of the first words, or further on in brackets.
const (
	timeWords      = 6
	bracketedWords = 16
)

// find tries the first words of a line. Digits alone are a time only at the
// begin or behind a tag, and two words of prose end the header, so that a number
// or a date that the text speaks of is not taken for the line's own time.
func (c timeContext) find(head string) foundTime {
	var found foundTime
	prose, tag := 0, true
	for at, word := 0, 0; word < bracketedWords; word++ {
		for at < len(head) && isTimeMark(head[at]) {
			at++
		}
		if at == len(head) {
			break
		}
		bracketed := at > 0 && head[at-1] == '['
		if near := word < timeWords && prose < 2; near || bracketed {
			key := timeKey(head[at:])
			p := timeParser{s: head[at+key:], timeContext: c}
			if t, ok := p.parse(); ok && p.atBoundary() && p.counts(word, tag || key > 0, bracketed, near) {
				f := foundTime{at: t, begin: at + key, end: at + key + p.i, layout: p.layout}
				switch {
				case found.at.IsZero() && p.layout == layoutSyslog:
					return c.withYearBeside(f, head)
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
		}
		begin := at
		for at < len(head) && head[at] != ' ' && head[at] != '\t' {
			at++
			if at < len(head) && found.at.IsZero() && word < timeWords && isInnerMark(head[at-1]) && isDigit(head[at]) {
				p := timeParser{s: head[at:], timeContext: c}
				if t, ok := p.parse(); ok && p.atBoundary() && (p.layout == layoutFull || p.layout == layoutLogcat && head[at-1] == '[') {
					return foundTime{at: t, begin: at, end: at + p.i, layout: p.layout}
				}
			}
		}
		if isProse(head[begin:at]) {
			prose++
		}
		tag = tag && isTag(head[begin:at])
	}
	return found
}

// counts reports whether the time that was read may be the line's own, by its place:
// as which word it stands, behind tags only or not, in brackets or not, and near the
// begin or not.
func (p *timeParser) counts(word int, tag, bracketed, near bool) bool {
	switch p.layout {
	case layoutCompact:
		return near && (tag || bracketed && p.i < len(p.s) && p.s[p.i] == ']')
	case layoutDigits:
		return near && tag
	case layoutDate, layoutClock:
		return word == 0
	case layoutFull, layoutAccess:
		return true
	default:
		return near
	}
}

// isTimeMark reports whether c may stand before the time of a line.
func isTimeMark(c byte) bool {
	switch c {
	case ' ', '\t', '[', '(', '"', '\'', '#', '<', '*', '|':
		return true
	}
	return false
}

// isInnerMark reports whether a time may begin in the middle of a word behind c.
func isInnerMark(c byte) bool {
	switch c {
	case ',', '[', '(', '<', '|', ':':
		return true
	}
	return false
}

// withYearBeside gives a time without a year that of a whole time that follows, if both
// are of one day or two that meet.
func (c timeContext) withYearBeside(f foundTime, head string) foundTime {
	for at := f.end; ; {
		i := strings.Index(head[at:], "20")
		if i < 0 {
			return f
		}
		at += i
		p := timeParser{s: head[at:], timeContext: c}
		if t, ok := p.parse(); ok && p.layout == layoutFull && !isDigit(head[at-1]) {
			beside := f.at.AddDate(t.Year()-f.at.Year(), 0, 0)
			if apart := beside.Sub(t); apart > -48*time.Hour && apart < 48*time.Hour {
				f.at = beside
				return f
			}
		}
		at += len("20")
	}
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
	timeContext

	s      string
	i      int
	layout timeLayout
}

// parse chooses the layout by the first characters. It accepts times from the year 1970
// to 9999.
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
	short := digits == 1 || digits == 2
	switch {
	case digits == 4 && (next == '-' || next == '/' || next == '.'):
		return p.yearFirst(next)
	case digits == 4 && next == ' ' && isLetter(after):
		return p.yearMonthDay()
	case short && (next == '/' || next == '-') && isLetter(after), short && next == ' ':
		return p.dayMonthYear(next)
	case short && (next == '/' || next == '-' || next == '.') && isDigit(after):
		return p.numbers(digits, next)
	case short && next == ':' && p.dates != nil:
		return p.clockAlone()
	case digits == 8 && (next == '-' || next == ' ' || next == 'T' || next == ':'):
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

// gap passes over what stands between a date and a clock: a T, spaces, " - " and the
// like.
func (p *timeParser) gap() bool {
	const most = 4
	begin := p.i
	for p.i < len(p.s) && p.i-begin < most {
		switch p.s[p.i] {
		case ' ', '\t', 'T', 't', '-', '_', ':', ',', '|':
			p.i++
			continue
		}
		break
	}
	return p.i > begin
}

// yearFirst reads 2006-01-02 15:04:05 and its kin, with or without the zeros, the
// seconds, or the clock.
func (p *timeParser) yearFirst(sep byte) (time.Time, bool) {
	year, _ := p.number(4)
	p.one(sep)
	month, ok1 := p.upToTwoDigits()
	ok2 := p.one(sep)
	day, ok3 := p.upToTwoDigits()
	if !ok1 || !ok2 || !ok3 {
		return time.Time{}, false
	}
	end := p.i
	if p.gap() {
		if c, ok := p.clock(); ok {
			return c.on(year, month, day)
		}
	}
	p.i, p.layout = end, layoutDate
	return clock{}.on(year, month, day)
}

// yearMonthDay reads 2006 Jan _2 15:04:05.
func (p *timeParser) yearMonthDay() (time.Time, bool) {
	year, _ := p.number(4)
	p.one(' ')
	month, ok := p.month()
	if !ok || !p.one(' ') {
		return time.Time{}, false
	}
	p.one(' ')
	day, ok := p.upToTwoDigits()
	if !ok || !p.gap() {
		return time.Time{}, false
	}
	return p.clockOn(year, month, day)
}

// numbers reads a date whose year is not the first of four digits: 01/02/2006,
// 02.01.2006, 06/01/02, 01-02, each with a clock.
func (p *timeParser) numbers(digits int, sep byte) (time.Time, bool) {
	first, _ := p.number(digits)
	p.one(sep)
	second, ok := p.upToTwoDigits()
	if !ok {
		return time.Time{}, false
	}
	if !p.one(sep) {
		if digits == 1 || !p.oneOf(" |") {
			return time.Time{}, false
		}
		p.layout = layoutLogcat
		if first > 12 {
			first, second = second, first
		}
		return p.clockWithoutYear(first, second)
	}
	begin := p.i
	third, ok := p.number(4)
	if !ok {
		if third, ok = p.number(2); !ok || digits == 1 && sep == '.' {
			return time.Time{}, false
		}
	}
	long := p.i-begin == 4
	if !p.gap() {
		return time.Time{}, false
	}
	c, ok := p.clock()
	if !ok {
		return time.Time{}, false
	}
	if long {
		return p.dayAndMonth(c, first, second, third, sep)
	}
	return p.shortYear(c, first, second, third)
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
		p.one(' ') // MySQL pads the hour.
	} else if !p.oneOf("-T:") {
		return time.Time{}, false
	}
	return p.clockOn(year, month, day)
}

// dayMonthYear reads 02/Jan/2006:15:04:05 -0700, 2 Jan 2006 15:04:05,
// 02-Jan-2006 15:04:05, and 2 Jan 15:04:05.
func (p *timeParser) dayMonthYear(sep byte) (time.Time, bool) {
	day, _ := p.upToTwoDigits()
	if !p.one(sep) {
		return time.Time{}, false
	}
	month, ok := p.month()
	if !ok || !p.one(sep) {
		return time.Time{}, false
	}
	if sep == '/' {
		p.layout = layoutAccess
	}
	begin := p.i
	if year, ok := p.number(4); ok && p.gap() {
		return p.clockOn(year, month, day)
	}
	p.i = begin
	if year, ok := p.number(2); ok && p.oneOf(" ") {
		return p.clockOn(2000+year, month, day)
	}
	p.i = begin
	if sep == '/' {
		return time.Time{}, false
	}
	p.layout = layoutSyslog
	return p.clockWithoutYear(month, day)
}

// monthFirst reads Jan _2 15:04:05 [2006], Jan _2 2006 15:04:05, a week day before it
// or before 2 Jan 2006 15:04:05, and klog's I0102 15:04:05.
func (p *timeParser) monthFirst() (time.Time, bool) {
	if isDigit(p.s[1]) {
		return p.klog()
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
	if !ok || !p.oneOf(" -") {
		return time.Time{}, false
	}
	p.one(' ')
	day, ok := p.upToTwoDigits()
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
	begin := p.i
	if year, ok := p.number(4); ok && p.oneOf(" ,") {
		p.one(' ')
		return p.clockOn(year, month, day)
	}
	p.i = begin
	p.layout = layoutSyslog
	return p.clockWithoutYear(month, day)
}

// klog reads I0102 15:04:05, I060102 15:04:05 and I20060102 15:04:05.
func (p *timeParser) klog() (time.Time, bool) {
	p.layout = layoutKlog
	if levelOfLetter(p.s[0]) == domain.LogLevelUnknown {
		return time.Time{}, false
	}
	digits := 1
	for digits < len(p.s) && isDigit(p.s[digits]) {
		digits++
	}
	p.i = 1
	year := 0
	switch digits - 1 {
	case 4:
	case 6:
		year, _ = p.number(2)
		year += 2000
	case 8:
		year, _ = p.number(4)
	default:
		return time.Time{}, false
	}
	month, _ := p.number(2)
	day, _ := p.number(2)
	if !p.one(' ') {
		return time.Time{}, false
	}
	if year > 0 {
		return p.clockOn(year, month, day)
	}
	return p.clockWithoutYear(month, day)
}

// months are the names of the months; the first three letters are enough.
var months = [...]string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}

// month reads the name of a month, or the first three letters of one.
func (p *timeParser) month() (int, bool) {
	if p.i+3 > len(p.s) {
		return 0, false
	}
	const short = "janfebmaraprmayjunjulaugsepoctnovdec"
	a, b, c := p.s[p.i]|0x20, p.s[p.i+1]|0x20, p.s[p.i+2]|0x20
	for m := range months {
		if short[3*m] != a || short[3*m+1] != b || short[3*m+2] != c {
			continue
		}
		if rest := p.s[p.i:]; len(rest) > 3 && isLetter(rest[3]) {
			if n := len(months[m]); len(rest) >= n && strings.EqualFold(rest[:n], months[m]) {
				p.i += n
				return m + 1, true
			}
		}
		p.i += 3
		return m + 1, true
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
