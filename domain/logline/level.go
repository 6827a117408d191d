package logline

import (
	"strings"

	"logsift/domain"
)

// levelOfLetter is the level that a letter stands for, as in klog and Android.
func levelOfLetter(c byte) domain.LogLevel {
	switch c {
	case 'V':
		return domain.LogLevelTrace
	case 'D':
		return domain.LogLevelDebug
	case 'I':
		return domain.LogLevelInfo
	case 'W':
		return domain.LogLevelWarn
	case 'E':
		return domain.LogLevelError
	case 'F':
		return domain.LogLevelFatal
	}
	return domain.LogLevelUnknown
}

// levelPlace is where a level was found.
type levelPlace struct {
	begin, end int
	// header is whether all before it belongs to the header.
	header bool
}

// levelBytes is how much of a line is searched for a level: the names of threads and
// classes before it may be long.
const levelBytes = 512

// scanLevel looks for a word that is a level among the first words. A word that
// is not in capitals counts only where its place says that it is meant so: in
// brackets, before a colon, after level=, in a column, or right after the time.
func scanLevel(head string, timeBegin, timeEnd int) (domain.LogLevel, levelPlace) {
	prose := 0
	first := timeEnd > 0
	columns := true // only numbers stand between the time and here
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
		if timeEnd > 0 && begin < timeBegin && at > timeBegin {
			// The time is a part of this token, as in [2026-… or time=….
			if l := levelBefore(head[begin:timeBegin]); l != domain.LogLevelUnknown {
				return l, levelPlace{begin: begin, end: timeEnd, header: true}
			}
			at = timeEnd
			continue
		}
		word, rest := head[begin:at], head[at:]
		if len(word) <= 2 && timeEnd > 0 {
			if l := levelOfColumn(word, rest, begin >= timeEnd && (first || columns), begin == 0 && timeBegin <= at+2); l != domain.LogLevelUnknown {
				return l, levelPlace{begin: begin, end: at, header: true}
			}
		}
		place := tokenPlace{afterTime: first && begin >= timeEnd, begins: begin == 0, prose: prose, rest: rest}
		l, sort := tokenLevel(word, place)
		if sort != levelNone {
			return l, levelPlace{begin: begin, end: at, header: sort == levelHeader && prose < 2}
		}
		switch {
		case isClock(word):
			first = true // A time of the day, without a date.
		case begin >= timeEnd && len(word) > 1:
			first = false
			columns = columns && isNumber(word)
		}
		if n := len(word) - 1; n > 0 && (word[n] == ',' || word[n] == '.' || word[n] == ';') {
			word = word[:n]
		}
		if isProse(word) {
			prose++
		}
	}
	return domain.LogLevelUnknown, levelPlace{}
}

// levelBefore reads a level that stands right before the time in one token, such as
// ERROR[11-18|09:00:01] or [ns_server:error,2026-11-18T09:00:01.
func levelBefore(s string) domain.LogLevel {
	s = strings.TrimRight(s, "[(<,")
	word := s[strings.LastIndexAny(s, ":[")+1:]
	l, ok := levelOfWord(word)
	if !ok && isUpper(word) {
		l = levelOfCode(word)
	}
	return l
}

// levelOfColumn reads a level of one letter: one in a column of its own, as MongoDB before
// 4.4, etcd, GlusterFS, WebSphere and Android write it behind the time and numbers
// (meant), CUPS before the time (before), and Telegraf with an exclamation mark.
func levelOfColumn(word, rest string, meant, before bool) domain.LogLevel {
	if word == "" {
		return domain.LogLevelUnknown
	}
	l := levelOfLetter(word[0])
	switch {
	case len(word) == 2 && (word[1] != '!' || !meant), l == domain.LogLevelUnknown:
		return domain.LogLevelUnknown
	case before || len(word) == 2 || strings.HasPrefix(rest, "  "):
		return l
	case !meant || len(rest) < 3 || rest[0] != ' ' && rest[0] != '\t':
		return domain.LogLevelUnknown
	}
	// The pronoun I is followed by a word.
	if next, _ := cutWord(rest[1:]); word == "I" && isProse(next) {
		return domain.LogLevelUnknown
	}
	return l
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

// tokenPlace is where a token stands: right after the time, at the begin of the line,
// behind how many words of prose, and before what.
type tokenPlace struct {
	afterTime, begins bool
	prose             int
	rest              string
}

// tokenLevel reads a token.
func tokenLevel(token string, at tokenPlace) (domain.LogLevel, levelSort) {
	if len(token) < 3 {
		return 0, levelNone
	}
	if at.begins && len(token) == 5 && token[4] == ':' {
		if l := levelOfDotNet(token[:4]); l != domain.LogLevelUnknown {
			return l, levelHeader
		}
	}
	switch token[0] {
	case '%':
		return severityOfCisco(token)
	case '=':
		return levelOfErlang(token)
	}
	if strings.EqualFold(token, "level:") {
		value, _ := cutWord(strings.TrimLeft(at.rest, " "))
		return keyLevel("level", value)
	}
	if i := strings.IndexByte(token, '='); i > 0 {
		return keyLevel(token[:i], token[i+1:])
	}
	column := strings.HasPrefix(at.rest, "  ")
	open := token[0] == '[' || token[0] == '<' || token[0] == '(' || token[0] == ':' && column && at.prose < 2
	if !open && !isLetter(token[0]) && !isMark(token[0]) {
		return partLevel(token, at)
	}
	word := trimMarks(token)
	l, ok := levelOfWord(word)
	if !ok && (open || at.afterTime && (len(word) == 3 || isUpper(word))) {
		l = levelOfCode(word)
		ok = l != domain.LogLevelUnknown
	}
	if !ok && open && len(word) == 1 && len(token) == 3 {
		l = levelOfLetter(word[0])
		ok = l != domain.LogLevelUnknown
	}
	if !ok {
		return partLevel(token, at)
	}
	colon := token[len(token)-1] == ':'
	switch {
	case open, isUpper(word) && colon:
		return l, levelHeader
	case colon:
		if deniesLevel(at.rest) {
			return 0, levelNone
		}
		return l, levelText
	case isMeant(word) && (isUpper(word) || at.afterTime || column && at.prose == 0):
		return l, levelHeader
	}
	return 0, levelNone
}

// deniesLevel reports whether what follows a word such as error: says that there is none.
func deniesLevel(rest string) bool {
	word, _ := cutWord(strings.TrimLeft(rest, " "))
	switch strings.ToLower(strings.Trim(word, `",;.`)) {
	case "none", "0", "null", "nil", "false", "no", "<nil>", "n/a", "-", "ok", "success":
		return true
	}
	return false
}

// partLevel reads a level that is a part of a token: the last of Apache's [core:error],
// the first of Python's ERROR:logger:text, [thread/WARN], ERROR/MainProcess], ERROR[7],
// app.ERROR:, critical/Component:, E/Tag, and a cell of comma-separated values.
func partLevel(token string, at tokenPlace) (domain.LogLevel, levelSort) {
	word := trimMarks(token)
	begin := 0
	for i := 0; i <= len(word); i++ {
		if i < len(word) && !separates[word[i]] {
			continue
		}
		part := word[begin:i]
		behind := byte(0)
		if i < len(word) {
			behind = word[i]
		}
		before := byte(0)
		if begin > 0 {
			before = word[begin-1]
		}
		begin = i + 1
		if l := partOf(part, before, behind, token, at); l != domain.LogLevelUnknown {
			if behind == ':' && before == 0 && token[0] != '[' {
				return l, levelText
			}
			return l, levelHeader
		}
	}
	return 0, levelNone
}

// separates are the characters between the parts of a token.
var separates = [256]bool{':': true, '/': true, '[': true, ',': true, '.': true, ')': true, '(': true, ']': true}

// partOf reads a part of a token between two characters, 0 for its ends.
func partOf(part string, before, behind byte, token string, at tokenPlace) domain.LogLevel {
	if len(part) == 1 && before == 0 && behind == '/' && (at.begins || at.afterTime) && len(token) > 3 && isLetter(token[2]) {
		return levelOfLetter(part[0])
	}
	if len(part) == 2 && before == 0 && behind == '(' && at.afterTime {
		return levelOfESXi(part)
	}
	if len(part) < 3 {
		return domain.LogLevelUnknown
	}
	if before != 0 && behind != 0 && (before != ',' || behind != ',') {
		return domain.LogLevelUnknown
	}
	upper := isUpper(part)
	bracketed := token[0] == '['
	switch {
	case before == 0 && behind == ':' && (upper || bracketed && at.prose == 0),
		before == 0 && behind == '[' && upper,
		before == 0 && behind == '/' && (upper || at.afterTime),
		before == ':' && behind == 0 && (upper || bracketed),
		before == '/' && behind == 0 && upper && (bracketed || strings.IndexByte(token, ']') > 0),
		before == '.' && behind == 0 && upper && token[len(token)-1] == ':',
		before == ')' && behind == 0 && upper && token[len(token)-1] == ':',
		before == ',' && behind == ',' && upper && isMeant(part):
	default:
		return domain.LogLevelUnknown
	}
	if l, ok := levelOfWord(part); ok {
		return l
	}
	if behind == '[' {
		return levelOfCode(part)
	}
	return domain.LogLevelUnknown
}

// severityOfCisco reads %FACILITY-3-MNEMONIC: and Huawei's and H3C's %%01FACILITY/3/MNEMONIC.
func severityOfCisco(token string) (domain.LogLevel, levelSort) {
	for i := 2; i+2 < len(token); i++ {
		if c := token[i]; (c == '-' || c == '/') && token[i+2] == c && token[i+1] >= '0' && token[i+1] <= '7' {
			return syslogSeverity(int(token[i+1] - '0')), levelText
		}
	}
	return 0, levelNone
}

// levelOfErlang reads =ERROR REPORT==== and its kin.
func levelOfErlang(token string) (domain.LogLevel, levelSort) {
	if token == "=CRASH" {
		return domain.LogLevelError, levelHeader
	}
	if l, ok := levelOfWord(token[1:]); ok && isUpper(token) {
		return l, levelHeader
	}
	return 0, levelNone
}

// levelOfESXi is the level of the two letters that VMware ESXi 8 writes before the
// priority in parentheses.
func levelOfESXi(word string) domain.LogLevel {
	switch word {
	case "Em", "Al", "Cr":
		return domain.LogLevelFatal
	case "Er":
		return domain.LogLevelError
	case "Wa":
		return domain.LogLevelWarn
	case "No", "In":
		return domain.LogLevelInfo
	case "Db":
		return domain.LogLevelDebug
	}
	return domain.LogLevelUnknown
}

// isMeant is false for words that are levels only where they are set off.
func isMeant(word string) bool {
	switch word {
	case "LOG", "CONFIG", "FINE", "log", "config", "fine", "panic", "alert", "failure", "Failure", "Alert", "emergency", "Emergency":
		return false
	}
	return true
}

func keyLevel(key, value string) (domain.LogLevel, levelSort) {
	switch key {
	case "level", "lvl", "severity", "loglevel", "LEVEL", "Level", "log.level":
		if l, ok := ReadLevel(trimMarks(value), NumbersUnknown); ok {
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

// levelOfCode is the level of an abbreviation, as zerolog, Serilog, logrus, slog-term,
// Grafana and lager write them, and of names that only one product has.
func levelOfCode(word string) domain.LogLevel {
	switch word {
	case "TRC", "VRB", "TRAC", "trce":
		return domain.LogLevelTrace
	case "DBG", "DEBU", "dbug", "debu":
		return domain.LogLevelDebug
	case "INF", "Note", "System", "NOTI", "noti", "SUCCESS", "inf":
		return domain.LogLevelInfo
	case "WRN", "WRNG", "wrn":
		return domain.LogLevelWarn
	case "ERR", "ERRO", "EROR", "erro", "eror":
		return domain.LogLevelError
	case "FTL", "CRT", "PNC", "FATA", "PANI", "DPANIC", "dpanic", "ALER", "aler", "EMER", "emer":
		return domain.LogLevelFatal
	}
	return domain.LogLevelUnknown
}

// levelOfDotNet is the level of four letters, as .NET's console logger writes
// them before a colon.
func levelOfDotNet(word string) domain.LogLevel {
	switch word {
	case "trce":
		return domain.LogLevelTrace
	case "dbug":
		return domain.LogLevelDebug
	case "info":
		return domain.LogLevelInfo
	case "warn":
		return domain.LogLevelWarn
	case "fail":
		return domain.LogLevelError
	case "crit":
		return domain.LogLevelFatal
	}
	return domain.LogLevelUnknown
}

// levelOfWord is [domain.LookupLogLevel] for levels that are known.
func levelOfWord(word string) (domain.LogLevel, bool) {
	l, ok := domain.LookupLogLevel(word)
	return l, ok && l != domain.LogLevelUnknown
}
