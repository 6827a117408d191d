package domain

import (
	"strings"
	"time"
)

// Defaults of a [LineJoiner].
const (
	DefaultJoinLines = 500
	DefaultJoinBytes = 256 << 10
)

// LineJoiner puts the lines of an entry together that has several: a stack trace
// of Java, Python, Go, Node, .NET or Ruby, an indented block, a dump. It is given
// the lines of one source in their order; lines of several sources need a joiner
// each. The zero value is ready to use. It is not safe for concurrent use.
//
// A line begins a new entry if it says a time or a level of itself, or is JSON,
// logfmt or the like. Any other line belongs to the entry before:
//
//   - if it is part of a stack trace, by what such lines look like, or by standing
//     indented in one;
//   - if the entry before has a header and most entries of the source have one, so
//     that a line without is not one by itself.
//
// So lines of a log whose entries have no headers stay apart, but for the stack
// traces in it. Blank lines are left out, unless the entry goes on behind them.
//
// An entry that reaches a limit ends there, and the lines behind are an entry of
// their own. No line is ever changed or dropped.
type LineJoiner struct {
	// Parser reads the lines' headers.
	Parser LogParser
	// MaxLines and MaxBytes bound an entry; 0 is DefaultJoinLines and
	// DefaultJoinBytes. A single line may be longer.
	MaxLines, MaxBytes int

	first  string // the only line of the open entry, if joined is empty
	joined []byte
	lines  int // of the open entry, blank ones not counted
	blanks int // that were seen since

	headed bool // the open entry has a header
	trace  traceKind
	indent int // of the open entry's first line
	layout timeLayout
	stream string

	// heads and orphans count lines with and without a header that are no part of
	// a trace; both are halved now and then, so that what was long ago fades.
	heads, orphans int
}

// traceKind is what the open entry is in the middle of.
type traceKind uint8

const (
	traceNone traceKind = iota
	// traceFrames: what is indented belongs to it.
	traceFrames
	// tracePython: behind the frames, a line that is not indented ends it.
	tracePython
	// traceGo: functions are not indented.
	traceGo
	// traceBlock: an open bracket, closed by a line that begins with one.
	traceBlock
)

// JoinedLines is an entry that is complete.
type JoinedLines struct {
	// Text are the lines, with newlines in between.
	Text string
	// Lines is how many lines were joined, blank ones in between not counted.
	Lines int
}

// Add takes the next line, without its line end, and returns the entry before it
// if the line does not belong to that; ok is false if there is none. The entry of
// the line itself is kept until [LineJoiner.Flush] or a line of another one. now
// is used as by [ParseLogLine].
func (j *LineJoiner) Add(line string, now time.Time) (done JoinedLines, ok bool) {
	if strings.TrimSpace(line) == "" {
		if j.lines > 0 {
			j.blanks++
		}
		return JoinedLines{}, false
	}
	h := j.Parser.ParseHeader(line, now)
	body := line
	if h.Format == LogFormatContainer {
		body = line[h.extraBegin:]
	} else if h.Format == LogFormatJSON && h.Stream != "" && h.TextBegin > 0 {
		body = dockerText(line[h.TextBegin:h.TextEnd])
	}
	headed := j.isHead(&h, body)
	if j.lines > 0 && j.continues(body, &h, headed) && j.fits(line) {
		j.append(line)
		return JoinedLines{}, false
	}
	done, ok = j.Flush()
	j.begin(line, body, &h, headed)
	return done, ok
}

// Flush returns the entry that is open, if there is one. The next line begins
// another, unless it is part of a stack trace that was cut, which goes on.
func (j *LineJoiner) Flush() (done JoinedLines, ok bool) {
	if j.lines == 0 {
		return JoinedLines{}, false
	}
	done = JoinedLines{Text: j.first, Lines: j.lines}
	if len(j.joined) > 0 {
		done.Text = string(j.joined)
	}
	j.first, j.joined, j.lines, j.blanks = "", j.joined[:0], 0, 0
	if cap(j.joined) > DefaultJoinBytes {
		j.joined = nil
	}
	return done, true
}

// Pending is the number of bytes of the open entry; 0 if there is none.
func (j *LineJoiner) Pending() int { return max(len(j.first), len(j.joined)) }

// isHead reports whether a line says of itself that an entry begins with it.
func (j *LineJoiner) isHead(h *LogHeader, body string) bool {
	if isIndented(body) && (j.lines == 0 || indentOf(body) > j.indent) {
		return false
	}
	switch h.Format {
	case LogFormatAuto, LogFormatText:
		return false
	case LogFormatPlain:
		if h.Time.IsZero() && j.layout == layoutTwoLines && j.lines == 1 && j.headed {
			return false // java.util.logging has the level on the second line.
		}
		if h.Time.IsZero() {
			return h.levelBegins && !isTraceLine(body)
		}
		// A number may be a time only in a log whose entries begin with numbers.
		return h.layout != layoutCompact || j.heads == 0 || j.layout == layoutCompact
	case LogFormatContainer:
		in := j.Parser.parseInner(body, h.Time)
		return j.isHead(&in, body)
	case LogFormatJSON:
		if h.Stream == "" || h.TextBegin == 0 {
			return true
		}
		in := j.Parser.parseInner(body, h.Time)
		return j.isHead(&in, body)
	case LogFormatLogfmt, LogFormatSyslog, LogFormatAccess, LogFormatKlog, LogFormatLogcat, LogFormatRedis:
	}
	return true
}

// parseInner reads the line in a container's line.
func (p LogParser) parseInner(body string, now time.Time) LogHeader {
	return LogParser{}.parse(body, now, false)
}

// dockerText is a line as Docker wrote it into JSON, without its end and with its
// first tab.
func dockerText(s string) string {
	s = strings.TrimSuffix(s, `\n`)
	if rest, ok := strings.CutPrefix(s, `\t`); ok {
		return "\t" + rest
	}
	return s
}

// continues reports whether a line belongs to the open entry.
func (j *LineJoiner) continues(body string, h *LogHeader, headed bool) bool {
	if headed || h.Stream != j.stream {
		return false
	}
	indented := isIndented(body) && indentOf(body) > j.indent
	switch {
	case j.trace == traceBlock && j.blanks == 0 && isClosing(body):
		j.trace = traceNone
		return true
	case j.trace == tracePython && !indented && j.blanks == 0 && j.inPython(body):
		return true
	case j.trace == traceGo && isGoFunction(body):
		return true
	case beginsTrace(body):
		// It is an entry by itself behind a line without a header, unless it is the
		// next one of a chain.
		if !j.headed && (j.trace == traceNone || j.blanks == 0) {
			return false
		}
		j.trace = traceOf(body)
		return true
	case isTraceLine(body):
		if kind := traceOf(body); kind != traceNone {
			j.trace = kind
		} else if j.trace == traceNone {
			j.trace = traceFrames
		}
		return true
	case indented && (j.trace != traceNone || j.headed) && j.blanks == 0:
		return true
	}
	j.count(false)
	return j.headed && j.heads*3 >= j.orphans
}

// inPython reports whether the line ends a traceback: the exception behind the
// frames.
func (j *LineJoiner) inPython(body string) bool {
	word, _, _ := strings.Cut(body, ":")
	if word == "" || strings.IndexByte(word, ' ') >= 0 {
		return false
	}
	j.trace = traceFrames
	return true
}

func (j *LineJoiner) fits(line string) bool {
	maxLines, maxBytes := j.MaxLines, j.MaxBytes
	if maxLines == 0 {
		maxLines = DefaultJoinLines
	}
	if maxBytes == 0 {
		maxBytes = DefaultJoinBytes
	}
	return j.lines < maxLines && j.Pending()+j.blanks+1+len(line) <= maxBytes
}

func (j *LineJoiner) append(line string) {
	if len(j.joined) == 0 {
		j.joined = append(j.joined, j.first...)
		j.first = ""
	}
	for range j.blanks + 1 {
		j.joined = append(j.joined, '\n')
	}
	j.joined = append(j.joined, line...)
	j.lines++
	j.blanks = 0
}

func (j *LineJoiner) begin(line, body string, h *LogHeader, headed bool) {
	kind := traceOf(body)
	if kind == traceNone && !headed && isTraceLine(body) {
		// A trace that was cut goes on.
		kind = max(j.trace, traceFrames)
	}
	j.first, j.lines = line, 1
	j.headed, j.trace, j.indent, j.stream = headed, kind, indentOf(body), h.Stream
	if headed {
		j.count(true)
		j.layout = h.layout
	}
}

// count keeps the balance of lines with and without a header.
func (j *LineJoiner) count(head bool) {
	const memory = 64
	if head {
		j.heads++
	} else {
		j.orphans++
	}
	if j.heads+j.orphans > memory {
		j.heads, j.orphans = (j.heads+1)/2, j.orphans/2
	}
}

func isIndented(s string) bool { return s != "" && (s[0] == ' ' || s[0] == '\t') }

// indentOf counts the white space at the begin of s.
func indentOf(s string) int { return len(s) - len(strings.TrimLeft(s, " \t")) }

func isClosing(s string) bool { return s[0] == '}' || s[0] == ']' || s[0] == ')' }
