package domain

import (
	"strings"
	"time"
)

// Where a line's header is looked for.
const (
	headerBytes  = 160
	headerTokens = 12
)

// Names of the attributes that [ParseLogLine] sets for lines of syslog.
const (
	AttributeHost    = "host"
	AttributeProgram = "program"
	AttributePID     = "pid"
)

// ParseLogLine reads what a text line says of itself: its time, if it begins
// with one in a common layout, its level, and host, program and pid of a line of
// syslog as attributes. The message is the whole line without a carriage return
// at its end.
//
// A line without a time, or with one outside of the years 1970 to 9999, has a
// zero Timestamp. A time without a zone is taken as UTC, one without a year as of
// the newest year that does not put it more than a day after now. Lines that are
// JSON objects are read by their usual field names.
//
// It knows RFC 3339 and ISO 8601, syslog (RFC 3164 and 5424), the Apache and
// nginx logs, Log4j, logfmt, klog, Go, Python, Tomcat, Android, Redis, PostgreSQL,
// HDFS, Spark, BGL, and seconds to nanoseconds since 1970.
func ParseLogLine(line string, now time.Time) LogEntry {
	line = strings.TrimSuffix(line, "\r")
	h := ParseLogHeader(line, now)
	e := LogEntry{Message: line, Timestamp: h.Time, Level: h.Level}
	if h.Program != "" {
		e.Attributes = make(map[string]string, 3)
		e.Attributes[AttributeProgram] = h.Program
		if h.Host != "" {
			e.Attributes[AttributeHost] = h.Host
		}
		if h.PID != "" {
			e.Attributes[AttributePID] = h.PID
		}
	}
	return e
}

// LogHeader is what stands around the text of a log line.
type LogHeader struct {
	// Time is zero if the line has none, or is JSON with a time that is not of
	// its header. TimeBegin and TimeEnd are where it stands; equal if it is none.
	Time               time.Time
	TimeBegin, TimeEnd int
	Level              LogLevel
	// Host, Program and PID are those of syslog.
	Host, Program, PID string
	// TextBegin and TextEnd are where the text stands, without time, level and
	// what is before them; of a JSON object, the value of its message.
	TextBegin, TextEnd int
}

// ParseLogHeader finds the header of a line. now is used as by [ParseLogLine].
// The strings of the result are parts of the line, and nothing is allocated.
func ParseLogHeader(line string, now time.Time) LogHeader {
	if strings.HasPrefix(line, "{") {
		if h, ok := parseJSONHeader(line, now); ok {
			return h
		}
	}
	h := LogHeader{TextEnd: len(line)}
	head := line[:min(len(line), headerBytes)]
	pri, priLevel := syslogPriority(head)
	f := findTime(head[pri:], now)
	if !f.at.IsZero() {
		f.begin, f.end = f.begin+pri, f.end+pri
		h.Time, h.TimeBegin, h.TimeEnd = f.at, f.begin, f.end
		h.TextBegin = f.end
		if level, end, ok := markedLevel(head, f); ok {
			h.Level, h.TextBegin = level, skipSeparators(head, end)
			return h
		}
	}
	h.parseSyslog(head, f)
	var at levelPlace
	h.Level, at = scanLevel(head, h.TimeBegin, h.TimeEnd)
	if priLevel != LogLevelUnknown {
		h.Level = priLevel
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
	for at < len(head) && strings.IndexByte(" \t]):|,>-\"", head[at]) >= 0 {
		at++
	}
	return at
}

// syslogPriority reads <PRI> and the version of RFC 5424 after it, and returns
// where they end.
func syslogPriority(head string) (end int, level LogLevel) {
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
	i++
	if strings.HasPrefix(head[i:], "1 ") {
		i += 2
	}
	return i, syslogSeverity(pri & 7)
}

// syslogSeverity is the level of a severity from 0 to 7.
func syslogSeverity(n int) LogLevel {
	return [...]LogLevel{
		LogLevelFatal, LogLevelFatal, LogLevelFatal, LogLevelError,
		LogLevelWarn, LogLevelInfo, LogLevelInfo, LogLevelDebug,
	}[n]
}

// parseSyslog reads "host program[pid]: " after the time at the begin of a line.
// With a time that other logs have too, the pid must be there.
func (h *LogHeader) parseSyslog(head string, f foundTime) {
	classic := f.layout == layoutSyslog
	if f.at.IsZero() || !classic && f.layout != layoutFull || strings.HasPrefix(head, "[") {
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
	pid := ""
	if strings.HasPrefix(head, "<") && !classic {
		// RFC 5424: host, program, pid, message id, text.
		pid, text = cutWord(text)
		_, text = cutWord(text)
		h.Host, h.Program, h.PID = known(host), known(program), known(pid)
		h.TextBegin = len(head) - len(text)
		return
	}
	name, ok := strings.CutSuffix(program, ":")
	if !ok {
		return
	}
	if i := strings.LastIndexByte(name, '['); i > 0 && name[len(name)-1] == ']' {
		name, pid = name[:i], name[i+1:len(name)-1]
	}
	if name == "" || !classic && !isNumber(pid) {
		return
	}
	h.Host, h.Program, h.PID = host, name, pid
	// The program stays part of the text: it says whose line it is.
	h.TextBegin = len(head) - len(rest)
}

// known is the value of a field of RFC 5424, where - is none.
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

// markedLevel reads the level of the layouts that mark it by one character, and
// where the header ends with it.
func markedLevel(head string, f foundTime) (LogLevel, int, bool) {
	switch {
	case f.layout == layoutKlog:
		return levelOfLetter(head[f.begin]), f.end, true
	case f.layout == layoutLogcat:
		// Process, thread, level.
		rest := head[f.end:]
		for range 3 {
			word, after := cutWord(strings.TrimLeft(rest, " "))
			if len(word) == 1 && levelOfLetter(word[0]) != LogLevelUnknown {
				return levelOfLetter(word[0]), len(head) - len(after), true
			}
			rest = after
		}
	case f.begin >= 3 && head[f.begin-1] == ' ' && head[f.begin-3] == '[' && levelOfLetter(head[f.begin-2]) != LogLevelUnknown:
		return levelOfLetter(head[f.begin-2]), f.end, true
	case isRedis(head[:f.begin]) && len(head) > f.end+2 && head[f.end] == ' ' && head[f.end+2] == ' ':
		switch head[f.end+1] {
		case '.':
			return LogLevelDebug, f.end + 2, true
		case '-', '*':
			return LogLevelInfo, f.end + 2, true
		case '#':
			return LogLevelWarn, f.end + 2, true
		}
	}
	return 0, 0, false
}

// isRedis reports whether s is a pid and a role, such as "12:M ".
func isRedis(s string) bool {
	n := len(s)
	return n >= 4 && s[n-1] == ' ' && strings.IndexByte("MSCX", s[n-2]) >= 0 && s[n-3] == ':' && isNumber(s[:n-3])
}

// levelOfLetter is the level that a letter stands for, as in klog and Android.
func levelOfLetter(c byte) LogLevel {
	switch c {
	case 'V':
		return LogLevelTrace
	case 'D':
		return LogLevelDebug
	case 'I':
		return LogLevelInfo
	case 'W':
		return LogLevelWarn
	case 'E':
		return LogLevelError
	case 'F':
		return LogLevelFatal
	}
	return LogLevelUnknown
}

// levelPlace is where a level was found.
type levelPlace struct {
	begin, end int
	// header is whether all before it belongs to the header.
	header bool
}

// scanLevel looks for a word that is a level among the first words. A word that
// is not in capitals counts only where its place says that it is meant so: in
// brackets, before a colon, after level=, or right after the time.
func scanLevel(head string, timeBegin, timeEnd int) (LogLevel, levelPlace) {
	prose := 0
	first := timeEnd > 0
	for at, token := 0, 0; token < headerTokens && at < len(head); token++ {
		for at < len(head) && (head[at] == ' ' || head[at] == '\t' || head[at] == '|') {
			at++
		}
		if at >= timeBegin && at < timeEnd {
			at = timeEnd
			continue
		}
		begin := at
		for at < len(head) && head[at] != ' ' && head[at] != '\t' && head[at] != '|' {
			at++
		}
		word := head[begin:at]
		if timeEnd > 0 && begin < timeBegin && at > timeBegin {
			// The time is a part of this token, as in [2026-… or time=….
			at = timeEnd
			continue
		}
		l, sort := tokenLevel(word, first && begin >= timeEnd)
		if sort != levelNone {
			return l, levelPlace{begin: begin, end: at, header: sort == levelHeader && prose < 2}
		}
		if begin >= timeEnd && len(word) > 1 {
			first = false
		}
		if isProse(word) {
			prose++
		}
	}
	return LogLevelUnknown, levelPlace{}
}

// levelSort says how a level stands in a line.
type levelSort uint8

const (
	levelNone levelSort = iota
	// levelHeader: as part of the header.
	levelHeader
	// levelText: as part of the text, which needs it.
	levelText
)

func tokenLevel(token string, afterTime bool) (LogLevel, levelSort) {
	if len(token) < 3 {
		return 0, levelNone
	}
	if i := strings.IndexByte(token, '='); i > 0 {
		return keyLevel(token[:i], token[i+1:])
	}
	word := trimMarks(token)
	open := token[0] == '[' || token[0] == '<' || token[0] == '('
	l, ok := levelOfWord(word)
	if !ok {
		i := strings.IndexByte(word, ':')
		if i <= 0 {
			return 0, levelNone
		}
		if open {
			// Apache writes [core:error].
			l, ok = levelOfWord(word[strings.LastIndexByte(word, ':')+1:])
		} else if isUpper(word[:i]) {
			// Python writes ERROR:logger:text.
			if l, ok = levelOfWord(word[:i]); ok {
				return l, levelText
			}
		}
		if ok {
			return l, levelHeader
		}
		return 0, levelNone
	}
	switch {
	case open, isUpper(word) && token[len(token)-1] == ':':
		return l, levelHeader
	case token[len(token)-1] == ':':
		return l, levelText
	case isMeant(word) && (isUpper(word) || afterTime):
		return l, levelHeader
	}
	return 0, levelNone
}

// isMeant is false for words that are levels only where they are set off.
func isMeant(word string) bool {
	switch word {
	case "LOG", "CONFIG", "FINE", "log", "config", "fine", "panic", "alert", "failure", "Failure", "Alert", "emergency", "Emergency":
		return false
	}
	return true
}

func keyLevel(key, value string) (LogLevel, levelSort) {
	switch key {
	case "level", "lvl", "severity", "loglevel", "LEVEL", "Level", "log.level":
		if l, ok := levelOfWord(trimMarks(value)); ok {
			return l, levelText
		}
	}
	return 0, levelNone
}

// trimMarks removes the punctuation around a word.
func trimMarks(s string) string {
	const marks = "[]<>(){}:,;\"'!"
	for s != "" && strings.IndexByte(marks, s[0]) >= 0 {
		s = s[1:]
	}
	for s != "" && strings.IndexByte(marks, s[len(s)-1]) >= 0 {
		s = s[:len(s)-1]
	}
	return s
}

func isUpper(word string) bool {
	for i := range len(word) {
		if word[i] >= 'a' && word[i] <= 'z' {
			return false
		}
	}
	return true
}

// levelOfWord is LookupLogLevel without allocations, for levels that are known.
func levelOfWord(word string) (LogLevel, bool) {
	var lower [len("informational")]byte
	if len(word) < 3 || len(word) > len(lower) {
		return 0, false
	}
	for i := range len(word) {
		if !isLetter(word[i]) {
			return 0, false
		}
		lower[i] = word[i] | 0x20
	}
	l := logLevelAliases[string(lower[:len(word)])]
	return l, l != LogLevelUnknown
}
