package logline

import (
	"strings"
	"time"

	"logsift/domain"
)

// Where a line's header is looked for.
const (
	headerBytes  = 160
	headerTokens = 12
	// colouredBytes is how much of a line is searched for colours to pass over.
	colouredBytes = 4 << 10
)

// Parser reads lines of a log. Its zero value tells the format of each line by
// the line itself.
//
// Parsing does not fail: a line that cannot be read, or has another format than
// the one that is set, is a text without time and level.
type Parser struct {
	// Format is the one that the lines have.
	Format Format
	// Dates are those of the log, nil for nothing known. A parser with dates is for the
	// lines of one log in their order, and not safe for concurrent use.
	Dates *Dates
	// Zone is that of times that name none; nil is UTC.
	Zone *time.Location
}

// Fork returns a parser that knows the same of the log and goes on by itself.
func (p Parser) Fork() Parser {
	if p.Dates != nil {
		dates := *p.Dates
		p.Dates = &dates
	}
	return p
}

// times completes the times of lines that are read now.
func (p Parser) times(now time.Time) timeContext {
	return timeContext{now: now, dates: p.Dates, local: p.Zone}
}

// Parse reads what a line says of itself: its time, its level, and attributes.
// The message is the whole line, as it came, without a carriage return at its end.
//
// A line without a time, or with one outside of the years 1970 to 9999, has a
// zero Timestamp. A time without a zone is one of Zone. Without Dates, one without a
// year is of the newest year that does not put it more than a day after now, and a
// time of the day without a date is none. Times have whole microseconds; what is finer
// is cut.
//
// Colours (ANSI escape sequences) do not hinder the reading of a header; they stay
// in the message.
func (p Parser) Parse(line string, now time.Time) domain.LogEntry {
	line = strings.TrimSuffix(line, "\r")
	h := p.Header(line, now)
	return h.entry(line)
}

// entry is that of a line with this header.
func (h *Header) entry(line string) domain.LogEntry {
	return domain.LogEntry{Message: line, Timestamp: h.Time, Level: h.Level, Attributes: h.attributes(line)}
}

// Header is what stands around the text of a log line.
type Header struct {
	// Time is zero if the line has none. TimeBegin and TimeEnd are where it
	// stands; equal if it has none, or is JSON.
	Time               time.Time
	TimeBegin, TimeEnd int
	Level              domain.LogLevel
	// Format is the one that the line was read in, FormatText if in none.
	Format Format
	// Host, Program, PID and MessageID are the fields of syslog.
	Host, Program, PID, MessageID string
	// Stream is stdout or stderr in the logs of containers.
	Stream string
	// TextBegin and TextEnd are where the text stands, without time, level and
	// what is before them; of JSON and logfmt, the value of the message.
	TextBegin, TextEnd int

	// extraBegin and extraEnd are where an access log's request, syslog's
	// structured data or a container's own line stand.
	extraBegin, extraEnd int
	// levelBegins is whether the level belongs to the header.
	levelBegins bool
	layout      timeLayout
	// part is whether the record of a container goes on in the next one.
	part bool
}

// Header finds the header of a line. now is used as by [Parser.Parse]. The strings
// of the result are parts of the line, and nothing is allocated unless the header
// has colours.
func (p Parser) Header(line string, now time.Time) Header {
	h := p.read(line, now)
	p.note(&h, line, now)
	return h
}

// read finds the header of a line, whose time the parser's dates do not know yet.
func (p Parser) read(line string, now time.Time) Header {
	if p.Dates != nil {
		p.Dates.completed = time.Time{}
	}
	if strings.IndexByte(headOf(line), '\x1b') >= 0 {
		return p.parseColoured(line, now)
	}
	return p.parse(line, now, true)
}

// note tells the parser's dates the time of the line that was read last.
func (p Parser) note(h *Header, line string, now time.Time) {
	if p.Dates != nil && !h.Time.IsZero() {
		p.Dates.note(h.Time, h.atHead(line), now)
	}
}

// parse reads a line without colours. Only an outer line may be one of a
// container, with the inner line in it.
func (p Parser) parse(line string, now time.Time, outer bool) Header {
	text := Header{TextEnd: len(line), Format: FormatText}
	if line == "" || p.Format == FormatText {
		return text
	}
	for i := range formats {
		f := Format(i)
		if read := formats[i].read; read != nil && p.reads(f) {
			if h, ok := read(line, p.times(now), p.Format == f); ok {
				h.Format = f
				if f == FormatJSON {
					h.textLevel(line)
				}
				return h
			}
		}
	}
	if h := p.scan(line, now, outer); p.reads(h.Format) {
		return h
	}
	return text
}

// reads reports whether lines of this format are read as such.
func (p Parser) reads(f Format) bool { return p.Format == FormatAuto || p.Format == f }

// headOf is where a line's header is looked for.
func headOf(line string) string { return line[:min(len(line), headerBytes)] }

// scan finds the time and the level in the first words of a line, and tells by
// them which format it has.
func (p Parser) scan(line string, now time.Time, outer bool) Header {
	h := Header{TextEnd: len(line), Format: FormatText}
	head := headOf(line)
	pri, priLevel := 0, domain.LogLevelUnknown
	if p.reads(FormatSyslog) {
		pri, priLevel = syslogPriority(head)
		if pri > 0 && strings.HasPrefix(head[pri:], "1 ") {
			pri += len("1 ") // The version of RFC 5424, whatever follows it.
		}
	}
	f := p.times(now).find(head[pri:])
	if f.at.IsZero() && p.reads(FormatAccess) {
		if h, ok := readForwarded(h, line, p.times(now)); ok {
			return h
		}
	}
	if !f.at.IsZero() {
		f.begin, f.end = f.begin+pri, f.end+pri
		h.Format, h.layout = FormatPlain, f.layout
		h.Time, h.TimeBegin, h.TimeEnd = f.at, f.begin, f.end
		h.TextBegin = f.end
		for i := range formats {
			format := Format(i)
			if behind := formats[i].behindTime; behind != nil && p.reads(format) && (outer || format != FormatContainer) {
				if h, ok := behind(h, line); ok {
					h.Format = format
					if format == FormatContainer {
						h.addInner(line, now)
					}
					return h
				}
			}
		}
	}
	if i := strings.IndexByte(head[h.TimeEnd:], '\n'); i >= 0 && f.layout != layoutTwoLines {
		head = head[:h.TimeEnd+i]
	}
	if p.reads(FormatSyslog) {
		h.parseSyslog(head, f, pri)
	}
	var at levelPlace
	if len(line) > len(head) && len(head) == headerBytes {
		head = line[:min(len(line), levelBytes)]
		if i := strings.IndexByte(head[h.TimeEnd:], '\n'); i >= 0 && f.layout != layoutTwoLines {
			head = head[:h.TimeEnd+i]
		}
	}
	h.Level, at = scanLevel(head, h.TimeBegin, h.TimeEnd)
	h.levelBegins = h.Level != domain.LogLevelUnknown && at.header
	if priLevel != domain.LogLevelUnknown {
		h.Level, h.Format = priLevel, FormatSyslog
	} else if !at.header {
		h.Level = max(h.Level, traceLevel(line[h.TextBegin:]))
	}
	if h.Level != domain.LogLevelUnknown && h.Format == FormatText {
		h.Format = FormatPlain
	}
	if h.Program == "" && at.header && at.end > h.TextBegin {
		h.TextBegin = at.end
	}
	h.TextBegin = skipSeparators(head, h.TextBegin)
	h.addResponse(head)
	h.addObject(line, p.times(now))
	return h
}

// addResponse gives a line with a request of HTTP in quotes, and its status directly behind
// it, the level of an access log; so it does the protocol and the status in parentheses, as
// uWSGI writes them. A server's error in quotes counts more than the line's level, since
// the loggers of requests call all of them alike.
func (h *Header) addResponse(head string) {
	i := strings.Index(head, "HTTP/")
	if i < 0 {
		return
	}
	rest := head[i+len("HTTP/"):]
	n := 0
	for n < len(rest) && n < 3 && (isDigit(rest[n]) || rest[n] == '.') {
		n++
	}
	rest, quoted := strings.CutPrefix(rest[n:], `"`)
	if n == 0 || len(rest) < 4 || rest[0] != ' ' {
		return
	}
	status, behind := rest[1:4], rest[4:]
	if quoted && !endsStatus(behind) || !quoted && (i == 0 || head[i-1] != '(' || !strings.HasPrefix(behind, ")")) {
		return
	}
	l := statusLevel(status)
	if quoted && l == domain.LogLevelError || h.Level == domain.LogLevelUnknown && l != domain.LogLevelUnknown {
		h.Level, h.Format = max(h.Level, l), max(h.Format, FormatPlain)
	}
}

// endsStatus reports whether a number is a status by what is behind it: nothing, a size or
// - for none, or a reason or flags, which begin with a capital.
func endsStatus(behind string) bool {
	if behind == "" {
		return true
	}
	if behind[0] != ' ' || len(behind) == 1 {
		return behind == " "
	}
	c := behind[1]
	return c == '-' || isDigit(c) || c >= 'A' && c <= 'Z'
}

// addObject adds what a JSON object says that ends a line, behind the head of a syslog
// daemon, of compose or of kubectl. The time of the head counts, and the message becomes
// the text.
func (h *Header) addObject(line string, times timeContext) {
	if line[len(line)-1] != '}' {
		return
	}
	begin := strings.IndexByte(line[:min(len(line), levelBytes)], '{')
	if begin <= 0 || strings.IndexByte(" \t:|", line[begin-1]) < 0 {
		return
	}
	in, ok := readJSON(line[begin:], times, false)
	if !ok || in.TextBegin == 0 || in.Level == domain.LogLevelUnknown && in.Time.IsZero() {
		return
	}
	if in.Level != domain.LogLevelUnknown {
		h.Level, h.levelBegins = in.Level, true
	}
	if h.Time.IsZero() {
		h.Time, h.layout = in.Time, in.layout
	}
	h.Format = max(h.Format, FormatPlain)
	h.TextBegin, h.TextEnd = begin+in.TextBegin, begin+in.TextEnd
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
func (p Parser) parseColoured(line string, now time.Time) Header {
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
