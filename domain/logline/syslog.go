package logline

import (
	"strings"

	"logsift/domain"
)

// syslog is RFC 5424, RFC 3164, and what journalctl prints. [Parser.scan] reads the
// latter two.
var syslog = format{
	name: "syslog",
	examples: []string{
		`<27>1 2026-03-01T10:11:12Z web1 app 7 - - cannot start`,
		`Mar  1 10:11:12 web1 app[7]: cannot start`,
	},
	products:   []string{"rfc5424", "rfc3164", "journald", "journal"},
	read:       readSyslog5424,
	attributes: syslogAttributes,
}

func syslogAttributes(h Header, line string, out attributes) attributes {
	structuredData(line[h.extraBegin:h.extraEnd], &out)
	return out
}

// syslogPriority reads <PRI> and returns where it ends.
func syslogPriority(head string) (end int, level domain.LogLevel) {
	if !strings.HasPrefix(head, "<") {
		return 0, 0
	}
	i, pri := 1, 0
	for i < len(head) && i < 4 && isDigit(head[i]) {
		pri = pri*10 + int(head[i]-'0')
		i++
	}
	if i == 1 || pri > 191 || i == len(head) || head[i] != '>' {
		return 0, 0
	}
	return i + 1, syslogSeverity(pri & 7)
}

// syslogSeverity is the level of a severity from 0 to 7.
func syslogSeverity(n int) domain.LogLevel {
	return [...]domain.LogLevel{
		domain.LogLevelFatal, domain.LogLevelFatal, domain.LogLevelFatal, domain.LogLevelError,
		domain.LogLevelWarn, domain.LogLevelInfo, domain.LogLevelInfo, domain.LogLevelDebug,
	}[n]
}

// readSyslog5424 reads a line of RFC 5424. Of one that breaks off behind its
// header, or whose structured data are none, the rest is text.
func readSyslog5424(line string, times timeContext, _ bool) (Header, bool) {
	h := Header{TextEnd: len(line)}
	end, level := syslogPriority(line)
	rest, ok := strings.CutPrefix(line[end:], "1 ")
	if end == 0 || !ok {
		return h, false
	}
	h.Level = level
	stamp, rest := cutWord(rest)
	if stamp != "-" {
		p := timeParser{s: stamp, timeContext: times}
		t, ok := p.parse()
		if !ok || p.i != len(stamp) || p.layout != layoutFull {
			return h, false
		}
		h.Time, h.layout = t, layoutFull
		h.TimeBegin = end + len("1 ")
		h.TimeEnd = h.TimeBegin + len(stamp)
	}
	var fields [4]string
	for i := range fields {
		if fields[i], rest = cutWord(rest); fields[i] == "" {
			return h, false
		}
	}
	h.Host, h.Program, h.PID, h.MessageID = known(fields[0]), known(fields[1]), known(fields[2]), known(fields[3])
	h.extraBegin = len(line) - len(rest)
	h.extraEnd = h.extraBegin + structuredData(rest, nil)
	h.TextBegin = h.extraEnd
	if h.extraEnd == h.extraBegin && (rest == "-" || strings.HasPrefix(rest, "- ")) {
		h.TextBegin++
	}
	if strings.HasPrefix(line[h.TextBegin:], " ") {
		h.TextBegin++
	}
	if strings.HasPrefix(line[h.TextBegin:], "\uFEFF") {
		h.TextBegin += len("\uFEFF")
	}
	return h, true
}

// structuredData reads the elements of RFC 5424's structured data at the begin of
// s, gives each parameter to out as id.name, and returns where they end: 0 if they
// are none. out may be nil.
func structuredData(s string, out *attributes) int {
	at := 0
	for at < len(s) && s[at] == '[' {
		end := structuredElement(s[at:], out)
		if end == 0 {
			return 0
		}
		at += end
	}
	if at < len(s) && s[at] != ' ' {
		return 0
	}
	return at
}

// structuredElement reads [id name="value" ...] and returns where it ends, or 0.
func structuredElement(s string, out *attributes) int {
	i := 1
	for i < len(s) && s[i] != ' ' && s[i] != ']' && s[i] != '"' && s[i] != '=' {
		i++
	}
	id := s[1:i]
	if id == "" {
		return 0
	}
	for i < len(s) {
		if s[i] == ']' {
			return i + 1
		}
		if s[i] != ' ' {
			return 0
		}
		i++
		n := strings.IndexByte(s[i:], '=')
		if n <= 0 || i+n+1 >= len(s) || s[i+n+1] != '"' || strings.ContainsAny(s[i:i+n], " ]\"") {
			return 0
		}
		name := s[i : i+n]
		i += n + 2
		end := quotedEnd(s[i:])
		if end < 0 {
			return 0
		}
		if out != nil {
			out.add(id+"."+name, unescape(s[i:i+end], `"\]`))
		}
		i += end + 1
	}
	return 0
}

// parseSyslog reads "host program[pid]: " after the time at the begin of a line.
// With a time that other logs have too, as journalctl prints them, the pid must be
// there.
func (h *Header) parseSyslog(head string, f foundTime, pri int) {
	classic := f.layout == layoutSyslog
	if f.at.IsZero() || f.begin != pri || !classic && f.layout != layoutFull && f.layout != layoutCompact {
		return
	}
	host, rest := cutWord(strings.TrimPrefix(head[f.end:], " "))
	program, text := cutWord(rest)
	if host == "" || program == "" || host[len(host)-1] == ':' {
		return
	}
	if _, isLevel := levelOfWord(host); isLevel {
		return
	}
	name, ok := strings.CutSuffix(program, ":")
	if !ok && (!strings.HasPrefix(text, "<") || !strings.HasSuffix(program, "]")) {
		// Apple's syslogd has a level in between: program[pid] <Error>: text.
		return
	}
	pid := ""
	if i := strings.LastIndexByte(name, '['); i > 0 && name[len(name)-1] == ']' {
		name, pid = name[:i], name[i+1:len(name)-1]
	}
	if name == "" || !classic && !isNumber(pid) {
		return
	}
	h.Host, h.Program, h.PID, h.Format = host, name, pid, FormatSyslog
	// The program stays part of the text: it says whose line it is.
	h.TextBegin = len(head) - len(rest)
}

// known is the value of a field of RFC 5424, where - means no value.
func known(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

func isNumber(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// cutWord returns the first word of s and what comes after the space behind it.
func cutWord(s string) (word, rest string) {
	word, rest, _ = strings.Cut(s, " ")
	return word, rest
}
