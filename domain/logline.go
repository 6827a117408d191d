package domain

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Where a line's header is looked for.
const (
	headerBytes  = 160
	headerTokens = 12
)

// ParseLogLine reads what a text line says of itself: its time, if it begins
// with one in a common layout, and its level. The message is the whole line
// without a carriage return at its end. A line without a time has a zero
// Timestamp. A time without a zone is taken as UTC, one without a year as of the
// year before or up to a day after now. Lines that are JSON objects are read by
// their usual field names.
//
// It knows RFC 3339 and ISO 8601, syslog (RFC 3164), the Apache and nginx logs,
// Log4j, klog, glog, Go, Redis, PostgreSQL, HDFS, Spark, BGL, and seconds to
// nanoseconds since 1970.
func ParseLogLine(line string, now time.Time) LogEntry {
	line = strings.TrimSuffix(line, "\r")
	e := LogEntry{Message: line}
	if strings.HasPrefix(line, "{") && parseJSONLine(line, now, &e) {
		return e
	}
	head := line[:min(len(line), headerBytes)]
	t, begin, end := ScanLogTime(head, now)
	e.Timestamp = t
	if !t.IsZero() {
		if l, ok := markedLevel(head, begin, end); ok {
			e.Level = l
			return e
		}
	}
	e.Level = scanLevel(head)
	return e
}

// ScanLogTime finds the time among the first words of a line, and where in the
// line it begins and ends. The time is zero if there is none. now is used as by
// [ParseLogLine].
func ScanLogTime(line string, now time.Time) (t time.Time, begin, end int) {
	const words = 6
	line = line[:min(len(line), headerBytes)]
	first := time.Time{}
	firstBegin, firstEnd := 0, 0
	at := 0
	for word := 0; word < words && at < len(line); word++ {
		for at < len(line) && (line[at] == ' ' || line[at] == '[' || line[at] == '\t' || line[at] == '"') {
			at++
		}
		p := timeParser{s: line[at:], now: now}
		if got, ok := p.parse(); ok {
			if !p.epoch {
				return got.UTC().Truncate(time.Microsecond), at, at + p.i
			}
			// Seconds since 1970 may be any number; a better time may follow.
			if first.IsZero() {
				first, firstBegin, firstEnd = got.UTC().Truncate(time.Microsecond), at, at+p.i
			}
		}
		for at < len(line) && line[at] != ' ' && line[at] != '\t' {
			at++
		}
	}
	return first, firstBegin, firstEnd
}

// timeParser reads one time at the beginning of s; i is how far it came.
type timeParser struct {
	s     string
	i     int
	now   time.Time
	epoch bool
}

// parse tells by the first characters which layout it may be.
func (p *timeParser) parse() (time.Time, bool) {
	digits := 0
	for digits < len(p.s) && p.s[digits] >= '0' && p.s[digits] <= '9' {
		digits++
	}
	next := byte(0)
	if digits < len(p.s) {
		next = p.s[digits]
	}
	switch {
	case digits == 4 && (next == '-' || next == '/' || next == '.'):
		return p.yearFirst(4, next)
	case digits == 2 && next == '/':
		if len(p.s) > 3 && isLetter(p.s[3]) {
			return p.dayMonthYear('/')
		}
		return p.yearFirst(2, next)
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

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// number reads exactly n digits.
func (p *timeParser) number(n int) (int, bool) {
	if p.i+n > len(p.s) {
		return 0, false
	}
	v := 0
	for _, c := range []byte(p.s[p.i : p.i+n]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	p.i += n
	return v, true
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
	if !p.oneOf(string(sep)) {
		return time.Time{}, false
	}
	month, ok1 := p.number(2)
	ok2 := p.oneOf(string(sep))
	day, ok3 := p.number(2)
	if !ok1 || !ok2 || !ok3 || !p.oneOf(" Tt-_:") {
		return time.Time{}, false
	}
	return p.clock(year, month, day)
}

// compactDay reads 20060102-15:04:05 and 060102 150405.
func (p *timeParser) compactDay(yearDigits int) (time.Time, bool) {
	year, _ := p.number(yearDigits)
	month, _ := p.number(2)
	day, _ := p.number(2)
	if yearDigits == 2 {
		year += 2000
	}
	if !p.oneOf("- T") {
		return time.Time{}, false
	}
	return p.clock(year, month, day)
}

// dayMonthYear reads 02/Jan/2006:15:04:05 -0700 and 2 Jan 2006 15:04:05.
func (p *timeParser) dayMonthYear(sep byte) (time.Time, bool) {
	n := strings.IndexByte(p.s, sep)
	day, ok := p.number(n)
	if !ok || !p.oneOf(string(sep)) {
		return time.Time{}, false
	}
	month, ok := p.month()
	if !ok || !p.oneOf(string(sep)) {
		return time.Time{}, false
	}
	year, ok := p.number(4)
	if !ok || !p.oneOf(": ") {
		return time.Time{}, false
	}
	return p.clock(year, month, day)
}

// monthFirst reads Jan _2 15:04:05 [2006], a week day before it, and klog's
// I0102 15:04:05.
func (p *timeParser) monthFirst() (time.Time, bool) {
	if strings.IndexByte("IWEFD", p.s[0]) >= 0 && p.s[1] >= '0' && p.s[1] <= '9' {
		p.i = 1
		month, ok1 := p.number(2)
		day, ok2 := p.number(2)
		if !ok1 || !ok2 || !p.oneOf(" ") {
			return time.Time{}, false
		}
		return p.withoutYear(month, day)
	}
	if isWeekday(p.s) {
		p.i = 3
		p.oneOf(",")
		if !p.oneOf(" ") {
			return time.Time{}, false
		}
	}
	month, ok := p.month()
	if !ok || !p.oneOf(" ") {
		return time.Time{}, false
	}
	p.oneOf(" ")
	day, ok := p.number(2)
	if !ok {
		if day, ok = p.number(1); !ok {
			return time.Time{}, false
		}
	}
	if !p.oneOf(" ") {
		return time.Time{}, false
	}
	return p.withoutYear(month, day)
}

// withoutYear reads a clock, and a year after it if there is one; else the year
// is the newest that does not put the time more than a day after now.
func (p *timeParser) withoutYear(month, day int) (time.Time, bool) {
	t, ok := p.clock(p.now.Year(), month, day)
	if !ok {
		// 29 February, seen in a year that has none.
		return time.Time{}, false
	}
	mark := p.i
	if p.oneOf(" ") {
		if year, ok := p.number(4); ok && year >= 1970 && year <= 2100 && (p.i == len(p.s) || strings.IndexByte(" ]", p.s[p.i]) >= 0) {
			return t.AddDate(year-t.Year(), 0, 0), true
		}
	}
	p.i = mark
	if t.After(p.now.Add(24 * time.Hour)) {
		t = t.AddDate(-1, 0, 0)
	}
	return t, true
}

var monthNames = [...]string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

func (p *timeParser) month() (int, bool) {
	if p.i+3 > len(p.s) {
		return 0, false
	}
	for n, name := range monthNames {
		if strings.EqualFold(p.s[p.i:p.i+3], name) {
			p.i += 3
			return n + 1, true
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

// clock reads 15:04:05 with fraction and zone; 15.04.05 and 150405 too.
func (p *timeParser) clock(year, month, day int) (time.Time, bool) {
	hour, ok1 := p.number(2)
	p.oneOf(":.")
	minute, ok2 := p.number(2)
	p.oneOf(":.")
	second, ok3 := p.number(2)
	if !ok1 || !ok2 || !ok3 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, false
	}
	nanos := p.fraction()
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	if t.Day() != day && second < 60 {
		return time.Time{}, false
	}
	return t.Add(-p.zone()), true
}

// fraction reads .000 or ,000 or :000 and returns nanoseconds.
func (p *timeParser) fraction() int {
	if p.i+1 >= len(p.s) || strings.IndexByte(".,:", p.s[p.i]) < 0 || p.s[p.i+1] < '0' || p.s[p.i+1] > '9' {
		return 0
	}
	p.i++
	nanos, unit := 0, 100_000_000
	for p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
		nanos += int(p.s[p.i]-'0') * unit
		unit /= 10
		p.i++
	}
	return nanos
}

// zone reads Z, +07:00, +0700 or " -0700", " UTC", and returns the offset from
// UTC.
func (p *timeParser) zone() time.Duration {
	if p.oneOf("Zz") {
		return 0
	}
	mark := p.i
	p.oneOf(" ")
	if strings.HasPrefix(p.s[p.i:], "UTC") || strings.HasPrefix(p.s[p.i:], "GMT") {
		p.i += 3
		return 0
	}
	negative := p.i < len(p.s) && p.s[p.i] == '-'
	if p.oneOf("+-") {
		hours, ok1 := p.number(2)
		p.oneOf(":")
		minutes, ok2 := p.number(2)
		if ok1 && ok2 && hours <= 14 && minutes < 60 && (p.i == len(p.s) || !(p.s[p.i] >= '0' && p.s[p.i] <= '9')) {
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

// sinceEpoch reads seconds, milli-, micro- or nanoseconds since 1970 of the years
// 2000 to 2100.
func (p *timeParser) sinceEpoch(digits int) (time.Time, bool) {
	n, err := strconv.ParseInt(p.s[:digits], 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	var t time.Time
	switch digits {
	case 10:
		t = time.Unix(n, 0)
	case 13:
		t = time.UnixMilli(n)
	case 16:
		t = time.UnixMicro(n)
	default:
		t = time.Unix(0, n)
	}
	p.i, p.epoch = digits, true
	if digits == 10 {
		t = t.Add(time.Duration(p.fraction()))
	}
	return t, t.Year() >= 2000 && t.Year() <= 2100
}

// markedLevel reads the level of the layouts that mark it by one character:
// klog's before the time and Redis' after it.
func markedLevel(head string, begin, end int) (LogLevel, bool) {
	switch head[begin] {
	case 'I', 'D':
		if head[begin+1] >= '0' && head[begin+1] <= '9' {
			return LogLevelInfo, true
		}
	case 'W':
		if head[begin+1] >= '0' && head[begin+1] <= '9' {
			return LogLevelWarn, true
		}
	case 'E':
		if head[begin+1] >= '0' && head[begin+1] <= '9' {
			return LogLevelError, true
		}
	case 'F':
		if head[begin+1] >= '0' && head[begin+1] <= '9' {
			return LogLevelFatal, true
		}
	}
	if begin > 0 && head[begin-1] == ' ' && strings.IndexByte(head[:begin], ':') > 0 && len(head) > end+2 && head[end] == ' ' && head[end+2] == ' ' {
		switch head[end+1] {
		case '.':
			return LogLevelDebug, true
		case '-', '*':
			return LogLevelInfo, true
		case '#':
			return LogLevelWarn, true
		}
	}
	return 0, false
}

// scanLevel looks for a word that is a level among the first words. A word in
// lower case counts only where its place says that it is meant so: in brackets,
// before a colon, or after level=.
func scanLevel(head string) LogLevel {
	at := 0
	for token := 0; token < headerTokens && at < len(head); token++ {
		for at < len(head) && (head[at] == ' ' || head[at] == '\t' || head[at] == '|') {
			at++
		}
		begin := at
		for at < len(head) && head[at] != ' ' && head[at] != '\t' && head[at] != '|' {
			at++
		}
		if l, ok := tokenLevel(head[begin:at]); ok {
			return l
		}
	}
	return LogLevelUnknown
}

func tokenLevel(token string) (LogLevel, bool) {
	if _, value, ok := strings.Cut(token, "="); ok {
		key := token[:len(token)-len(value)-1]
		if strings.EqualFold(key, "level") || strings.EqualFold(key, "lvl") || strings.EqualFold(key, "severity") {
			return LookupLogLevel(strings.Trim(value, `"',;`))
		}
		return 0, false
	}
	word := strings.Trim(token, "[]<>():,;\"'")
	if len(word) < 3 {
		return 0, false
	}
	l, ok := LookupLogLevel(word)
	if !ok {
		// Apache writes [core:error].
		if i := strings.LastIndexByte(word, ':'); i > 0 && strings.HasPrefix(token, "[") {
			return LookupLogLevel(word[i+1:])
		}
		return 0, false
	}
	set := len(word) < len(token) && (strings.IndexByte("[<(", token[0]) >= 0 || token[len(token)-1] == ':')
	if set {
		return l, true
	}
	// LOG and CONFIG are levels only where they are set off.
	if l == LogLevelInfo && (word == "LOG" || word == "CONFIG" || word == "NOTICE" && token != word) {
		return 0, false
	}
	return l, word == strings.ToUpper(word)
}

// Names that JSON lines use for their time and level.
var (
	jsonTimeNames  = []string{"time", "timestamp", "@timestamp", "ts", "date"}
	jsonLevelNames = []string{"level", "severity", "lvl", "log.level"}
)

// parseJSONLine reads time and level of a JSON object. It reports whether the
// line is one.
func parseJSONLine(line string, now time.Time, e *LogEntry) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(line), &fields) != nil {
		return false
	}
	text := func(names []string) string {
		for _, name := range names {
			if raw, ok := fields[name]; ok {
				return strings.Trim(string(raw), `"`)
			}
		}
		return ""
	}
	e.Timestamp, _, _ = ScanLogTime(text(jsonTimeNames), now)
	e.Level, _ = LookupLogLevel(text(jsonLevelNames))
	return true
}
