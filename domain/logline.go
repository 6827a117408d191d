package domain

import (
	"strings"
	"time"
)

// Where a line's header is looked for.
const (
	headerBytes  = 160
	headerTokens = 12
	// colouredBytes are those of a line in which colours are passed over.
	colouredBytes = 4 << 10
)

// LogParser reads lines of a log. Its zero value tells the format of each line by
// the line itself.
//
// Parsing does not fail: a line that cannot be read, or has another format than
// the one that is set, is a text without time and level.
type LogParser struct {
	// Format is the one that the lines have.
	Format LogFormat
}

// ParseLogLine reads what a line says of itself, in whatever format: its time,
// its level, and attributes. The message is the whole line, as it came, without a
// carriage return at its end.
//
// A line without a time, or with one outside of the years 1970 to 9999, has a
// zero Timestamp. A time without a zone is taken as UTC, one without a year as of
// the newest year that does not put it more than a day after now. A time of the
// day without a date is none. Times have whole microseconds; what is finer is cut.
//
// It knows RFC 3339 and ISO 8601, syslog (RFC 5424 with its structured data, and
// RFC 3164) and journalctl, JSON by the usual field names, logfmt, the access and
// error logs of Apache and nginx, klog, Log4j and Logback, Python, Go, Ruby, .NET,
// Tomcat, Android, Redis, PostgreSQL, MySQL, MongoDB, Kafka, Docker and CRI,
// Windows' CBS, HDFS, Spark, BGL, OpenStack, auditd, and seconds to nanoseconds
// since 1970. The level of an access log's line is that of its status: error from
// 500, warn from 400, info below.
//
// Colours (ANSI escape sequences) do not hinder the reading of a header; they stay
// in the message.
func ParseLogLine(line string, now time.Time) LogEntry { return LogParser{}.ParseLine(line, now) }

// ParseLine reads a line as [ParseLogLine] does, in the parser's format.
func (p LogParser) ParseLine(line string, now time.Time) LogEntry {
	line = strings.TrimSuffix(line, "\r")
	h := p.ParseHeader(line, now)
	return LogEntry{Message: line, Timestamp: h.Time, Level: h.Level, Attributes: h.attributes(line)}
}

// LogHeader is what stands around the text of a log line.
type LogHeader struct {
	// Time is zero if the line has none. TimeBegin and TimeEnd are where it
	// stands; equal if it has none, or is JSON.
	Time               time.Time
	TimeBegin, TimeEnd int
	Level              LogLevel
	// Format is the one that the line was read in, LogFormatText if in none.
	Format LogFormat
	// Host, Program, PID and MessageID are those of syslog.
	Host, Program, PID, MessageID string
	// Stream is stdout or stderr in the logs of containers.
	Stream string
	// TextBegin and TextEnd are where the text stands, without time, level and
	// what is before them; of JSON and logfmt, the value of the message.
	TextBegin, TextEnd int

	// extraBegin and extraEnd are where an access log's request or syslog's
	// structured data stand.
	extraBegin, extraEnd int
	// levelBegins is whether the level belongs to the header.
	levelBegins bool
	layout      timeLayout
}

// ParseLogHeader finds the header of a line in whatever format. now is used as by
// [ParseLogLine]. The strings of the result are parts of the line, and nothing is
// allocated unless the header has colours.
func ParseLogHeader(line string, now time.Time) LogHeader { return LogParser{}.ParseHeader(line, now) }

// ParseHeader finds the header of a line as [ParseLogHeader] does, in the parser's
// format.
func (p LogParser) ParseHeader(line string, now time.Time) LogHeader {
	if head := line[:min(len(line), headerBytes)]; strings.IndexByte(head, '\x1b') >= 0 {
		return p.parseColoured(line, now)
	}
	return p.parse(line, now, true)
}

// parse reads a line without colours. Only an outer line may be one of a
// container, with the inner line in it.
func (p LogParser) parse(line string, now time.Time, outer bool) LogHeader {
	text := LogHeader{TextEnd: len(line), Format: LogFormatText}
	if line == "" || p.Format == LogFormatText {
		return text
	}
	if p.reads(LogFormatJSON) && line[0] == '{' {
		if h, ok := parseJSONHeader(line, now); ok {
			return h
		}
	}
	if p.reads(LogFormatLogfmt) && logfmtKey(line) > 0 {
		if h, ok := parseLogfmtHeader(line, now, p.Format == LogFormatLogfmt); ok {
			return h
		}
	}
	if p.reads(LogFormatSyslog) && line[0] == '<' {
		if h, ok := parseSyslog5424(line, now); ok {
			return h
		}
	}
	if p.Format == LogFormatJSON || p.Format == LogFormatLogfmt {
		return text
	}
	if h := p.scan(line, now, outer); p.reads(h.Format) {
		return h
	}
	return text
}

// reads reports whether lines of this format are read as such.
func (p LogParser) reads(f LogFormat) bool { return p.Format == LogFormatAuto || p.Format == f }

// scan finds the time and the level in the first words of a line, and tells by
// them which format it has.
func (p LogParser) scan(line string, now time.Time, outer bool) LogHeader {
	h := LogHeader{TextEnd: len(line), Format: LogFormatText}
	head := line[:min(len(line), headerBytes)]
	pri, priLevel := 0, LogLevelUnknown
	if p.reads(LogFormatSyslog) {
		pri, priLevel = syslogPriority(head)
	}
	f := findTime(head[pri:], now)
	if !f.at.IsZero() {
		f.begin, f.end = f.begin+pri, f.end+pri
		h.Format, h.layout = LogFormatPlain, f.layout
		h.Time, h.TimeBegin, h.TimeEnd = f.at, f.begin, f.end
		h.TextBegin = f.end
		if f.begin == 0 && outer && p.reads(LogFormatContainer) && h.parseContainer(line, now) {
			return h
		}
		if f.layout == layoutAccess && p.reads(LogFormatAccess) && h.parseAccess(line) {
			return h
		}
		if level, end, format := markedLevel(head, f); format != LogFormatAuto && (format == LogFormatPlain || p.reads(format)) {
			h.Level, h.Format, h.TextBegin = level, format, skipSeparators(head, end)
			return h
		}
	}
	if i := strings.IndexByte(head[h.TimeEnd:], '\n'); i >= 0 && f.layout != layoutTwoLines {
		head = head[:h.TimeEnd+i]
	}
	if p.reads(LogFormatSyslog) {
		h.parseSyslog(head, f, pri)
	}
	var at levelPlace
	h.Level, at = scanLevel(head, h.TimeBegin, h.TimeEnd)
	h.levelBegins = h.Level != LogLevelUnknown && at.header
	if priLevel != LogLevelUnknown {
		h.Level, h.Format = priLevel, LogFormatSyslog
	} else if h.Level != LogLevelUnknown && h.Format == LogFormatText {
		h.Format = LogFormatPlain
	}
	if h.Program == "" && at.header && at.end > h.TextBegin {
		h.TextBegin = at.end
	}
	h.TextBegin = skipSeparators(head, h.TextBegin)
	return h
}

// skipSeparators passes over what sets the header off from the text.
func skipSeparators(head string, at int) int {
	if at == 0 {
		return 0
	}
	for at < len(head) {
		switch head[at] {
		case ' ', '\t', ']', ')', ':', '|', ',', '>', '-', '"':
			at++
		default:
			return at
		}
	}
	return at
}

// parseColoured reads a line whose header has ANSI escape sequences as if they
// were not there.
func (p LogParser) parseColoured(line string, now time.Time) LogHeader {
	var plain strings.Builder
	plain.Grow(len(line))
	// removed are the places in the plain line where bytes were taken out.
	type gap struct{ at, bytes int }
	var gaps []gap
	for i := 0; i < len(line); {
		if i > colouredBytes {
			plain.WriteString(line[i:])
			break
		}
		n := escapeLength(line[i:])
		if n == 0 {
			next := strings.IndexByte(line[i+1:], '\x1b')
			if next < 0 {
				next = len(line) - i - 1
			}
			plain.WriteString(line[i : i+1+next])
			i += 1 + next
			continue
		}
		gaps = append(gaps, gap{plain.Len(), n})
		i += n
	}
	h := p.parse(plain.String(), now, true)
	// A place at a gap is behind it, so that a text begins behind its colour; an
	// end is before it.
	place := func(at int, end bool) int {
		out := at
		for _, g := range gaps {
			if g.at > at || end && g.at == at {
				break
			}
			out += g.bytes
		}
		return out
	}
	if h.TimeEnd > h.TimeBegin {
		h.TimeBegin, h.TimeEnd = place(h.TimeBegin, false), place(h.TimeEnd, true)
	}
	if h.TextBegin > 0 || h.TextEnd < plain.Len() {
		h.TextBegin, h.TextEnd = place(h.TextBegin, false), max(place(h.TextBegin, false), place(h.TextEnd, true))
	} else {
		h.TextEnd = len(line)
	}
	h.extraBegin, h.extraEnd = 0, 0
	return h
}

// escapeLength is the length of the control sequence (ECMA-48, section 5.4) at the
// begin of s, such as a colour's; 0 if there is none.
func escapeLength(s string) int {
	if len(s) < 3 || s[0] != '\x1b' || s[1] != '[' {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0x40 && c <= 0x7e:
			return i + 1
		case c < 0x20 || c > 0x3f:
			return 0
		}
	}
	return 0
}
