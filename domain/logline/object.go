package logline

import (
	"strconv"
	"time"

	"logsift/domain"
)

// objectReader reads the parts of an entry from the fields of a JSON object.
type objectReader struct {
	Header

	line  string
	times timeContext
	// time, level and text are the ranks of what was found, none if nothing.
	time, level, text uint8
	marks             LevelMarks
	// number, priority and letter are levels that need marks to be read: a number, one of
	// the name priority, and MongoDB's s.
	number, priority, letter string

	clock  clock
	noDate bool
	nanos  time.Duration
}

// Ranks of what no name of the table has.
const (
	rankGuess uint8 = 254 // a time by a name that only says so
	rankNone  uint8 = 255
)

// maxNested is how deep the table's names go.
const maxNested = 4

// readObject reads the members of the object whose { was read, and reports whether it
// came to the end of the object.
func (o *objectReader) readObject(s *jsonScanner, in path, depth int) bool {
	for fields := 0; ; fields++ {
		s.space()
		if s.one('}') {
			return true
		}
		if fields > 0 && !s.one(',') {
			return false
		}
		key, ok := s.text()
		if !ok || !s.one(':') {
			return false
		}
		o.marks.Note(key)
		at, known := in.join(key)
		var n named
		if known {
			n = at.named()
		}
		if n.nests && depth < maxNested && s.i < len(s.s) && s.s[s.i] == '{' {
			s.i++
			if !o.readObject(s, at, depth+1) {
				return false
			}
			continue
		}
		begin, end, ok := s.value()
		if !ok {
			return false
		}
		o.take(key, n, begin, end)
	}
}

// take takes a field whose value stands at a place of the line.
func (o *objectReader) take(key string, n named, begin, end int) {
	value := o.line[begin:end]
	if begin == end || o.line[begin-1] != '"' && (value[0] == '{' || value[0] == '[' || value == "null") {
		return
	}
	o.marks.note(n.field, key, value)
	switch n.field {
	case fieldTime:
		o.takeTime(value, n.rank)
	case fieldLevel:
		o.takeLevel(key, value, n.rank)
	case fieldText:
		if n.rank < o.text {
			o.text = n.rank
			o.TextBegin, o.TextEnd = begin, end
		}
	case fieldStatus, fieldRequest:
	case fieldNanos:
		if n, err := strconv.Atoi(value); err == nil && n >= 0 && n < 1e9 {
			o.nanos = time.Duration(n / 1000 * 1000)
		}
	case fieldNone:
		if key == "stream" && (value == streamOut || value == streamError) {
			o.Stream = value
		} else if o.time == rankNone && !o.noDate {
			if t, layout, ok := guessTime(key, value, o.times); ok {
				o.Time, o.layout, o.time = t, layout, rankGuess
			}
		}
	}
}

// takeTime takes a time, or one that has no clock or no date.
func (o *objectReader) takeTime(value string, rank uint8) {
	if rank >= o.time && !o.noDate && o.layout != layoutDate {
		return
	}
	t, layout, ok := readTime(value, o.times)
	switch {
	case ok && layout == layoutDate && o.noDate:
		o.completeWith(t, o.clock)
	case ok && (rank < o.time || o.Time.IsZero()):
		o.Time, o.layout, o.time = t, layout, rank
	case o.layout == layoutDate || o.Time.IsZero():
		p := timeParser{s: value}
		c, ok := p.clock()
		if !ok || p.i != len(value) {
			return
		}
		if o.layout == layoutDate {
			o.completeWith(o.Time, c)
			return
		}
		o.clock, o.noDate = c, true
	}
}

// completeWith puts a day and a clock together.
func (o *objectReader) completeWith(day time.Time, c clock) {
	if t, ok := c.on(day.Year(), int(day.Month()), day.Day()); ok {
		o.Time, o.layout, o.noDate, o.time = t, layoutFull, false, 0
	}
}

// takeLevel takes a level, or keeps one that cannot be read before all names are known.
func (o *objectReader) takeLevel(key, value string, rank uint8) {
	if rank >= o.level {
		return
	}
	switch number := isNumber(value); {
	case isWordOf(key, "s"):
		o.letter = value
	case number && isWordOf(key, "priority"):
		o.priority = value
	case number && isWordOf(key, "type"):
	case number:
		o.number = value
	default:
		if l, ok := ReadLevel(value, NumbersUnknown); ok {
			o.Level, o.level = l, rank
		}
	}
}

// finish completes what needs all of the fields.
func (o *objectReader) finish() {
	for _, kept := range [...]struct{ name, value string }{{"level", o.number}, {"priority", o.priority}, {"s", o.letter}} {
		if o.Level == domain.LogLevelUnknown && kept.value != "" {
			o.Level, _ = o.marks.Read(kept.name, kept.value)
		}
	}
	if o.nanos > 0 && o.Time.Nanosecond() == 0 {
		o.Time = o.Time.Add(o.nanos)
	}
	if o.Level == domain.LogLevelUnknown {
		o.Level = o.marks.Implied()
	}
	if o.noDate && o.Time.IsZero() && o.times.dates != nil {
		if t, ok := o.times.dayOf(o.clock); ok {
			o.Time, o.layout = t, layoutClock
		}
	}
}

// ReadTime reads the value of a time's field: a time in any layout of log lines, or a
// number of seconds, milli-, micro- or nanoseconds since 1970, also with an exponent.
// now is used as by [Parser.Parse].
func (p Parser) ReadTime(value string, now time.Time) (time.Time, bool) {
	t, _, ok := readTime(value, p.times(now))
	return t, ok
}

func readTime(value string, times timeContext) (time.Time, timeLayout, bool) {
	value = value[:min(len(value), headerBytes)]
	p := timeParser{s: value, timeContext: times}
	if t, ok := p.parse(); ok && p.layout != layoutClock && (p.layout != layoutDate || p.i == len(value)) && p.atBoundary() {
		if rest := value[p.i:]; p.layout == layoutCompact && rest != "" && (rest[0] != '.' || !isNumber(rest[1:])) {
			return time.Time{}, 0, false
		}
		return t, p.layout, true
	}
	// A number with an exponent.
	digits := 0
	for digits < len(value) && (isDigit(value[digits]) || value[digits] == '.') {
		digits++
	}
	if digits == 0 || digits == len(value) || value[digits]|0x20 != 'e' {
		return time.Time{}, 0, false
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || n < 1e9 || n >= 1e19 {
		return time.Time{}, 0, false
	}
	for n >= 1e11 {
		n /= 1000
	}
	t := time.UnixMicro(int64(n*1e6 + 0.5)).UTC()
	return t, layoutCompact, t.Year() >= 2000 && t.Year() <= 2100
}
