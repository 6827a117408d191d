package logline

import (
	"strings"
	"time"
	"unicode/utf8"

	"logsift/domain"
)

// Limits of a [Joiner].
const (
	// DefaultMaxLines and DefaultMaxBytes are those of an entry.
	DefaultMaxLines = 500
	DefaultMaxBytes = 256 << 10
	// apartLines is how many lines of a container's one stream may stand between two
	// lines of an entry of the other.
	apartLines = 16
	// bracketBytes are searched for brackets at the begin of an entry.
	bracketBytes = 4 << 10
)

// Joiner puts the lines of an entry together that has several: a stack trace
// of Java, Python, Go, Node, .NET, Ruby, PHP or Rust, an indented block, a dump. It is
// given the lines of one source in their order; lines of several sources need a joiner
// each. The zero value is ready to use. It is not safe for concurrent use.
//
// Only a line that looks like a continuation belongs to the entry before:
//
//   - a line of a stack trace, or one that stands indented in one;
//   - an indented line below one that has a time or a level, unless it begins with a
//     time, a level or a whole JSON object itself;
//   - a line within brackets that are open;
//   - the rest of a record that a container's runtime cut in parts, the further records
//     of an event of auditd, the further lines of MySQL's slow log, of a report of
//     Erlang, or below a time that stands alone.
//
// Any other line is an entry of its own, also one whose time or level is not known. So
// is the first line of a stack trace, unless the line before says that something is
// wrong. Standard output and standard error of a container are apart, though their lines
// are mixed. Blank lines are left out, unless the entry goes on behind them.
//
// How a line is joined depends on the entries that are open, and on nothing before them.
// An entry that reaches a limit ends there, and the lines behind are an entry of
// their own. No line is ever changed or dropped.
type Joiner struct {
	// Parser reads the lines' headers.
	Parser Parser
	// MaxLines and MaxBytes bound an entry; 0 is DefaultMaxLines and
	// DefaultMaxBytes. A single line may be longer.
	MaxLines, MaxBytes int

	// open are the entries that may go on: the second is of a container's standard error.
	open   [2]openEntry
	done   []Joined
	number int // of the next line
	// lineEnds is whether Docker's records have the ends of the program's lines, so that
	// one without is a part.
	lineEnds bool
}

// Joined is an entry that is complete.
type Joined struct {
	// Text are the lines, with newlines in between.
	Text string
	// Lines is how many lines were joined, blank ones in between not counted.
	Lines int
	// First and Last number the entry's first and last line among those that the joiner
	// was given, from 0.
	First, Last int

	header Header
}

// Entry is what [Parser.Parse] reads in the text. Of the lines before it, only those that
// began an entry say something of its time.
func (d *Joined) Entry() domain.LogEntry { return d.header.entry(d.Text) }

// openEntry is an entry that may go on.
type openEntry struct {
	first  string // the only line, if joined is empty
	joined []byte
	lines  int // blank ones not counted
	blanks int // that were seen since
	apart  int // lines of the other stream since

	begin, end int // numbers of the first and the last line

	// header is that of the first line, which was read at now; dates are those before it.
	header Header
	now    time.Time
	dates  Dates

	headed bool // the first line says a time or a level of itself
	whole  bool // nothing can follow the first line
	level  domain.LogLevel
	layout timeLayout
	indent int // of the first line

	trace     traceKind
	framed    bool // the trace has frames
	exception bool // the last line names an exception
	chained   bool // the last line says that another trace follows
	part      bool // the last line is a part of a record
	block     bool // a bracket at the end of a line is open
	depth     int  // of the brackets of a block
	rest      restKind
	audit     string // id of auditd's event
}

// restKind is what is known of all lines that follow in an entry.
type restKind uint8

const (
	restUnknown restKind = iota
	// restBare: the first line is a time alone.
	restBare
	// restReport: a report of Erlang, up to a blank line.
	restReport
	// restSlowTime and restSlow: MySQL's slow log, behind the time and behind the user.
	restSlowTime
	restSlow
)

// Add takes the next line, without its line end, and returns the entries that are
// complete by it; they are valid until the next call. The entry of the line itself is
// kept until a line of another one, or [Joiner.Flush]. now is used as by
// [Parser.Parse].
func (j *Joiner) Add(line string, now time.Time) []Joined {
	j.done = j.done[:0]
	number := j.number
	j.number++
	if isBlank(line) {
		j.open[0].blank()
		return nil
	}
	h := j.Parser.read(line, now)
	in, body := unwrap(h, line)
	e, other := &j.open[0], &j.open[1]
	if h.Stream == streamError {
		e, other = other, e
	}
	if other.apart++; other.lines > 0 && other.apart > apartLines {
		j.finish(other)
	}
	e.apart = 0
	part := j.isPart(&h, line)
	switch {
	case e.part && h.Stream != "" && j.fits(e, line):
		e.append(line, number)
	case isBlank(body):
		e.blank()
		return j.done
	default:
		headed := e.isHead(&in, body)
		if !headed {
			body = withoutPrefix(body, e)
		}
		if e.lines > 0 && e.continues(body, &in, headed) && j.fits(e, line) {
			e.append(line, number)
			break
		}
		j.finish(e)
		e.start(line, body, &in, headed, number)
		e.header, e.now = h, now
		if j.Parser.Dates != nil {
			e.dates = *j.Parser.Dates
			j.Parser.note(&h, line, now)
		}
	}
	e.part = part
	return j.done
}

// Text is a line as text: without the carriage returns at its end, and without the NULs
// around it that a file has where it was truncated while its writer went on, or after a
// crash. Bytes that are no UTF-8 become U+FFFD.
func Text(line string) string {
	line = strings.TrimLeft(strings.TrimRight(line, "\r\n\x00"), "\x00")
	if utf8.ValidString(line) {
		return line // The check is faster than the mending.
	}
	return strings.ToValidUTF8(line, "\uFFFD")
}

// Flush returns the entries that are open. The next line begins another, unless it is
// part of a stack trace that was cut, which goes on. They are valid until the next call.
func (j *Joiner) Flush() []Joined {
	j.done = j.done[:0]
	first, second := &j.open[0], &j.open[1]
	if second.begin < first.begin {
		first, second = second, first
	}
	j.finish(first)
	j.finish(second)
	return j.done
}

// Oldest is the number of the first line of the entries that are open; ok is false if
// none is.
func (j *Joiner) Oldest() (number int, ok bool) {
	number = j.number
	for i := range j.open {
		if e := &j.open[i]; e.lines > 0 {
			number, ok = min(number, e.begin), true
		}
	}
	return number, ok
}

// Pending is the number of bytes of the open entries; 0 if there is none.
func (j *Joiner) Pending() int { return j.open[0].size() + j.open[1].size() }

// finish completes an entry, if it has lines.
func (j *Joiner) finish(e *openEntry) {
	if e.lines == 0 {
		return
	}
	done := Joined{Text: e.first, Lines: e.lines, First: e.begin, Last: e.end, header: e.header}
	if len(e.joined) > 0 {
		done.Text = string(e.joined)
		p := j.Parser
		if p.Dates != nil {
			p.Dates = &e.dates
		}
		done.header = p.read(done.Text, e.now)
	}
	j.done = append(j.done, done)
	e.first, e.joined, e.lines, e.blanks = "", e.joined[:0], 0, 0
	if cap(e.joined) > DefaultMaxBytes {
		e.joined = nil
	}
}

func (j *Joiner) fits(e *openEntry, line string) bool {
	maxLines, maxBytes := j.MaxLines, j.MaxBytes
	if maxLines == 0 {
		maxLines = DefaultMaxLines
	}
	if maxBytes == 0 {
		maxBytes = DefaultMaxBytes
	}
	return e.lines < maxLines && e.size()+e.blanks+1+len(line) <= maxBytes
}

func (e *openEntry) size() int { return max(len(e.first), len(e.joined)) }

// blank notes a line with nothing in it, in whatever container.
func (e *openEntry) blank() {
	if e.lines > 0 {
		e.blanks++
	}
}

func (e *openEntry) append(line string, number int) {
	if len(e.joined) == 0 {
		e.joined = append(e.joined, e.first...)
		e.first = ""
	}
	for range e.blanks + 1 {
		e.joined = append(e.joined, '\n')
	}
	e.joined = append(e.joined, line...)
	e.lines++
	e.blanks = 0
	e.end = number
}

// start begins an entry with a line.
func (e *openEntry) start(line, body string, in *Header, headed bool, number int) {
	cut := e.trace
	*e = openEntry{
		first: line, joined: e.joined, lines: 1, begin: number, end: number,
		headed: headed, level: in.Level, layout: in.layout, indent: indentOf(body), audit: auditID(body),
		whole: headed && (in.Format == FormatJSON || in.Format == FormatAccess),
	}
	e.rest = firstRest(body, in)
	e.note(body)
	if e.trace == traceNone && !headed && isTraceLine(body) {
		// A trace that was cut goes on.
		e.trace = max(cut, traceFrames)
	}
}

// firstRest tells by the first line of an entry what follows it.
func firstRest(body string, in *Header) restKind {
	switch {
	case body[0] == '#':
		return slowRest(body)
	case body[0] == '=':
		if strings.Contains(body, " REPORT====") {
			return restReport
		}
	case in.Format == FormatPlain && in.Level == domain.LogLevelUnknown && !in.Time.IsZero() && in.TextBegin >= len(strings.TrimRight(body, " \t\r])")):
		return restBare
	}
	return restUnknown
}

// note keeps what a line of the entry says of those that follow.
func (e *openEntry) note(body string) {
	if kind := traceOf(body); kind != traceNone {
		e.trace = kind
	}
	e.chained = announcesTrace(body)
	e.exception = isException(body)
	if e.exception && e.trace == traceNone {
		e.trace = traceFrames
	}
	last := body[len(strings.TrimRight(body, " \t\r"))-1]
	switch {
	case e.block:
		e.depth += brackets(body)
		closed := isClosing(body) && indentOf(body) <= e.indent && !isOpening(last)
		e.block = e.depth > 0 && (!closed || e.headed)
	case isOpening(last) && (e.headed || e.trace != traceNone || len(body) <= 80):
		e.block, e.depth = true, max(brackets(body), 1)
	}
}

// isHead reports whether a line says of itself that an entry begins with it.
func (e *openEntry) isHead(in *Header, body string) bool {
	if indent := indentOf(body); indent > 0 {
		return e.isIndentedHead(in, body[indent:], indent)
	}
	switch {
	case in.Format != FormatPlain:
		return in.Format != FormatText
	case in.Time.IsZero():
		return in.levelBegins && !isTraceLine(body) && startsTrace(body) == traceNone
	case in.layout == layoutCompact:
		// Within a trace or a dump, a number is no time.
		return e.lines == 0 || e.trace == traceNone && !e.block && e.rest == restUnknown
	}
	return in.TimeBegin <= 1 || !isTraceLine(body) && startsTrace(body) == traceNone
}

// isIndentedHead is isHead for a line that begins with white space, by what follows it.
func (e *openEntry) isIndentedHead(in *Header, rest string, indent int) bool {
	if !in.Time.IsZero() && in.layout != layoutCompact && in.layout != layoutDigits {
		if at := in.TimeBegin - indent; at == 0 || at == 1 && rest[0] == '[' {
			return true
		}
	}
	inside := e.lines > 0 && (e.trace != traceNone || e.block)
	if rest[0] == '{' {
		if inside || !strings.HasSuffix(strings.TrimRight(rest, " \t\r"), "}") {
			return false
		}
		h := Parser{}.parse(rest, in.Time, false)
		return h.Format == FormatJSON && (!h.Time.IsZero() || h.Level != domain.LogLevelUnknown)
	}
	// A level that is set to the right, as by %5p, is indented by one.
	return (!inside || indent == 1) && beginsWithLevel(rest)
}

// beginsWithLevel reports whether the first word is a level that is meant as one.
func beginsWithLevel(s string) bool {
	end := 0
	for end < len(s) && !isGap(s[end]) {
		end++
	}
	_, sort := tokenLevel(s[:end], tokenPlace{begins: true, rest: s[end:]})
	return sort == levelHeader
}

// continues reports whether a line belongs to the entry, and notes what it says of those
// that follow.
func (e *openEntry) continues(body string, in *Header, headed bool) bool {
	if headed {
		return e.audit != "" && e.audit == auditID(body) || e.isSecondOfTwo(in)
	}
	if !e.takes(body) {
		return false
	}
	if isTraceLine(body) {
		e.framed = true
		e.trace = max(e.trace, traceFrames)
	}
	e.note(body)
	return true
}

// isSecondOfTwo reports whether a line with a level is the second of java.util.logging.
func (e *openEntry) isSecondOfTwo(in *Header) bool {
	if e.layout != layoutTwoLines || e.lines != 1 || e.blanks > 0 || !in.Time.IsZero() || !in.levelBegins {
		return false
	}
	e.level = in.Level
	return true
}

// takes reports whether a line without a header belongs to the entry.
func (e *openEntry) takes(body string) bool {
	indented := isIndented(body) && indentOf(body) > e.indent
	switch {
	case e.whole:
		return false
	case body[0] == '#' && slowRest(body) != restUnknown:
		if slowRest(body) == restSlowTime || e.rest == restSlow {
			return false
		}
		fits := e.rest == restSlowTime
		e.rest = restSlow
		return fits
	case e.rest >= restSlowTime:
		return !strings.HasSuffix(body, "started with:")
	case e.rest != restUnknown && e.blanks == 0, e.trace == traceDump:
		return body[0] != '='
	case e.trace == tracePython && !indented && e.blanks == 0 && isPythonEnd(body):
		e.trace = traceFrames
		e.framed = true
		return true
	case e.trace == traceGo && isGoLine(body):
		return true
	case e.trace == traceRust && e.blanks == 0:
		e.trace = traceFrames
		return true
	case !isIndented(body) && startsTrace(body) != traceNone:
		// No logger writes how a program of Go ends; and a trace within one that begins
		// alike is announced.
		kind := startsTrace(body)
		return e.chained || kind != traceGo && (kind != e.trace || isScriptPlace(body)) && e.takesTrace(false)
	case isException(body):
		return e.takesTrace(true)
	case isTraceLine(body) && (isIndented(body) || e.trace != traceNone || e.headed && (e.level >= domain.LogLevelWarn || e.level == domain.LogLevelUnknown)):
		return true
	case e.block && e.blanks == 0 && (e.headed || indented || isClosing(body) || body[0] == '"'):
		return true
	case indented && (e.trace != traceNone || e.headed) && e.blanks == 0:
		return true
	case e.framed && isClosing(strings.TrimLeft(body, `"'`)), e.trace != traceNone && isTraceEnd(body):
		return true
	}
	return e.headed && e.blanks == 0 && e.closes(body)
}

// takesTrace reports whether a line that begins a trace belongs to the entry: exception
// is whether it names an exception, as loggers and runtimes do behind what they say
// of it.
func (e *openEntry) takesTrace(exception bool) bool {
	switch {
	case e.chained:
		return true
	case e.framed, e.exception:
		return false
	case e.trace != traceNone && exception:
		return true
	case !e.headed:
		return false
	}
	return e.level >= domain.LogLevelWarn || exception && e.level == domain.LogLevelUnknown
}

// closes reports whether a line closes brackets that the entry has opened.
func (e *openEntry) closes(body string) bool {
	text := e.first
	if len(e.joined) > 0 {
		text = string(e.joined[:min(len(e.joined), bracketBytes)])
	}
	return (brackets(body) < 0 || strings.HasSuffix(text, ",")) && brackets(text) > 0
}

// brackets is how many brackets a text opens, less those that it closes. Those within
// quotes do not count.
func brackets(s string) int {
	depth, quoted := 0, false
	for i := 0; i < min(len(s), bracketBytes); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case isOpening(c):
			depth++
		case c == '}' || c == ']' || c == ')':
			depth--
		}
	}
	return depth
}

func isOpening(c byte) bool { return c == '{' || c == '[' || c == '(' }

func isClosing(s string) bool {
	return s != "" && strings.IndexByte("}])", strings.TrimLeft(s, " \t")[0]) >= 0
}

// slowRest tells what of MySQL's slow log a line is that begins with #.
func slowRest(body string) restKind {
	switch {
	case strings.HasPrefix(body, "# Time: "):
		return restSlowTime
	case strings.HasPrefix(body, "# User@Host: "):
		return restSlow
	}
	return restUnknown
}

// auditID is the id of the event that a record of auditd belongs to, "" if the line is
// no such record.
func auditID(s string) string {
	if !strings.HasPrefix(s, "type=") && !strings.HasPrefix(s, "node=") {
		return ""
	}
	_, rest, _ := strings.Cut(headOf(s), "msg=audit(")
	id, _, ok := strings.Cut(rest, ")")
	if !ok {
		return ""
	}
	return id
}

// withoutPrefix takes the name of the program off that docker compose and kubectl write
// before each line, if the entry's lines have it too.
func withoutPrefix(body string, e *openEntry) string {
	n := prefixLength(headOf(body))
	if n == 0 || n == len(body) || isBlank(body[n:]) {
		return body
	}
	first := e.first
	if len(e.joined) > 0 {
		first = string(e.joined[:min(len(e.joined), n)])
	}
	if e.lines > 0 && !strings.HasPrefix(first, body[:n]) {
		return body
	}
	return body[n:]
}

// prefixLength is the length of "web-1  | " or "[pod/web/app] " at the begin of a line.
func prefixLength(s string) int {
	if strings.HasPrefix(s, "[pod/") {
		head, _, ok := strings.Cut(s, "] ")
		if !ok {
			return 0
		}
		return len(head) + len("] ")
	}
	i := 0
	for i < len(s) && (isLetter(s[i]) || isDigit(s[i]) || s[i] == '-' || s[i] == '_' || s[i] == '.') {
		i++
	}
	name := i
	for i < len(s) && s[i] == ' ' {
		i++
	}
	if name == 0 || i == name || !strings.HasPrefix(s[i:], "| ") {
		return 0
	}
	return i + len("| ")
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

func isIndented(s string) bool { return s != "" && (s[0] == ' ' || s[0] == '\t') }

// indentOf counts the white space at the begin of s.
func indentOf(s string) int { return len(s) - len(strings.TrimLeft(s, " \t")) }
