package domain

import "strings"

// markedLevel reads the level of the layouts that mark it by one character, and
// where the header ends with it. The format is LogFormatAuto if it is none of them.
func markedLevel(head string, f foundTime) (LogLevel, int, LogFormat) {
	switch {
	case f.layout == layoutKlog:
		end := f.end
		// Thread and file:line] follow.
		if i := strings.Index(head[end:], "] "); i >= 0 {
			end += i + 1
		}
		return levelOfLetter(head[f.begin]), end, LogFormatKlog
	case f.layout == layoutLogcat:
		// Process, thread, level.
		rest := head[f.end:]
		for range 3 {
			word, after := cutWord(strings.TrimLeft(rest, " "))
			if len(word) == 1 && levelOfLetter(word[0]) != LogLevelUnknown {
				return levelOfLetter(word[0]), len(head) - len(after), LogFormatLogcat
			}
			rest = after
		}
	case f.begin >= 3 && head[f.begin-1] == ' ' && head[f.begin-3] == '[' && levelOfLetter(head[f.begin-2]) != LogLevelUnknown:
		return levelOfLetter(head[f.begin-2]), f.end, LogFormatPlain
	case isRedis(head[:f.begin]) && len(head) > f.end+2 && head[f.end] == ' ' && head[f.end+2] == ' ':
		switch head[f.end+1] {
		case '.':
			return LogLevelDebug, f.end + 2, LogFormatRedis
		case '-', '*':
			return LogLevelInfo, f.end + 2, LogFormatRedis
		case '#':
			return LogLevelWarn, f.end + 2, LogFormatRedis
		}
	}
	return 0, 0, LogFormatAuto
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
		for at < len(head) && isGap(head[at]) {
			at++
		}
		if at >= timeBegin && at < timeEnd {
			at = timeEnd
			continue
		}
		begin := at
		for at < len(head) && !isGap(head[at]) {
			at++
			if head[at-1] == ']' && at < len(head) && head[at] == '[' {
				break // [warning][config] are two.
			}
		}
		word := head[begin:at]
		if len(word) == 1 && first && begin >= timeEnd && strings.HasPrefix(head[at:], "  ") {
			// MongoDB before 4.4: a letter, and a component in a column of its own.
			if l := levelOfLetter(word[0]); l != LogLevelUnknown {
				return l, levelPlace{begin: begin, end: at, header: true}
			}
		}
		if timeEnd > 0 && begin < timeBegin && at > timeBegin {
			// The time is a part of this token, as in [2026-… or time=….
			at = timeEnd
			continue
		}
		l, sort := tokenLevel(word, first && begin >= timeEnd, begin == 0)
		if sort != levelNone {
			return l, levelPlace{begin: begin, end: at, header: sort == levelHeader && prose < 2}
		}
		switch {
		case isClock(word):
			first = true // A time of the day, without a date.
		case begin >= timeEnd && len(word) > 1:
			first = false
		}
		if isProse(word) {
			prose++
		}
	}
	return LogLevelUnknown, levelPlace{}
}

func isGap(c byte) bool { return c == ' ' || c == '\t' || c == '|' || c == '\n' }

// isClock reports whether the word begins as 15:04 or [15:04 does.
func isClock(word string) bool {
	word = strings.TrimPrefix(word, "[")
	i := 0
	for i < len(word) && isDigit(word[i]) {
		i++
	}
	return i > 0 && i <= 2 && i+2 < len(word) && word[i] == ':' && isDigit(word[i+1]) && isDigit(word[i+2])
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

// tokenLevel reads a token that stands right after the time, or begins the line,
// or neither.
func tokenLevel(token string, afterTime, begins bool) (LogLevel, levelSort) {
	if len(token) < 3 {
		return 0, levelNone
	}
	if begins && len(token) == 5 && token[4] == ':' {
		if l := levelOfDotNet(token[:4]); l != LogLevelUnknown {
			return l, levelHeader
		}
	}
	if i := strings.IndexByte(token, '='); i > 0 {
		return keyLevel(token[:i], token[i+1:])
	}
	open := token[0] == '[' || token[0] == '<' || token[0] == '('
	if !open && !isLetter(token[0]) && !isMark(token[0]) {
		return 0, levelNone
	}
	word := trimMarks(token)
	l, ok := levelOfWord(word)
	if !ok && (open || afterTime && len(word) == 3) {
		l = levelOfCode(word)
		ok = l != LogLevelUnknown
	}
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

// isMark reports whether c is punctuation that stands around words.
func isMark(c byte) bool {
	switch c {
	case '[', ']', '<', '>', '(', ')', '{', '}', ':', ',', ';', '"', '\'', '!':
		return true
	}
	return false
}

// trimMarks removes the punctuation around a word.
func trimMarks(s string) string {
	for s != "" && isMark(s[0]) {
		s = s[1:]
	}
	for s != "" && isMark(s[len(s)-1]) {
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

// levelOfCode is the level of three capitals, as zerolog and Serilog write them,
// and of MySQL's own names.
func levelOfCode(word string) LogLevel {
	switch word {
	case "TRC", "VRB":
		return LogLevelTrace
	case "DBG":
		return LogLevelDebug
	case "INF", "Note", "System":
		return LogLevelInfo
	case "WRN":
		return LogLevelWarn
	case "ERR":
		return LogLevelError
	case "FTL", "CRT", "PNC":
		return LogLevelFatal
	}
	return LogLevelUnknown
}

// levelOfDotNet is the level of four letters, as .NET's console logger writes
// them before a colon.
func levelOfDotNet(word string) LogLevel {
	switch word {
	case "trce":
		return LogLevelTrace
	case "dbug":
		return LogLevelDebug
	case "info":
		return LogLevelInfo
	case "warn":
		return LogLevelWarn
	case "fail":
		return LogLevelError
	case "crit":
		return LogLevelFatal
	}
	return LogLevelUnknown
}

// levelOfWord is LookupLogLevel without allocations, for levels that are known.
func levelOfWord(word string) (LogLevel, bool) {
	const longest = len("informational")
	if len(word) < 3 || len(word) > longest {
		return 0, false
	}
	var lower [longest]byte
	for i := range len(word) {
		if !isLetter(word[i]) {
			return 0, false
		}
		lower[i] = word[i] | 0x20
	}
	switch lower[0] {
	case 't', 'd', 'i', 'w', 'e', 'f', 'n', 's', 'c', 'a', 'p', 'v', 'l':
	default:
		return 0, false
	}
	l := logLevelAliases[string(lower[:len(word)])]
	return l, l != LogLevelUnknown
}
