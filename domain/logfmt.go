package domain

import (
	"strings"
	"time"
)

// logfmtKey is the length of the key that begins s, if = follows it; else 0.
func logfmtKey(s string) int {
	const longest = 64
	for i := range min(len(s), longest) {
		switch c := s[i]; {
		case isLetter(c), c == '_', c == '.', c == '@', c == '-', i > 0 && (isDigit(c) || c == '/'):
		case c == '=' && i > 0:
			return i
		default:
			return 0
		}
	}
	return 0
}

// pair reads one key=value of logfmt at the begin of s, and where the next one
// may begin. A quoted value is between its quotes, as it is written. A key
// without = has no value. ok is false at the end.
func pair(s string) (key, value string, begin, next int, ok bool) {
	i := 0
	for i < len(s) && s[i] <= ' ' {
		i++
	}
	keyBegin := i
	for i < len(s) && s[i] > ' ' && s[i] != '=' && s[i] != '"' {
		i++
	}
	key = s[keyBegin:i]
	if i == len(s) || s[i] != '=' {
		if i < len(s) && i == keyBegin {
			i++ // A quote that belongs to nothing.
		}
		return key, "", i, i, key != "" || i < len(s)
	}
	i++
	if i < len(s) && s[i] == '"' {
		if n := quotedEnd(s[i+1:]); n >= 0 {
			return key, s[i+1 : i+1+n], i + 1, i + n + 2, true
		}
	}
	begin = i
	for i < len(s) && s[i] > ' ' {
		i++
	}
	return key, s[begin:i], begin, i, true
}

// parseLogfmtHeader reads time, level and message by the names that are in use for
// them. Unless the line is known to be logfmt, it must have two of them, and pairs
// at its begin.
func parseLogfmtHeader(line string, now time.Time, known bool) (LogHeader, bool) {
	h := LogHeader{TextEnd: len(line), Format: LogFormatLogfmt}
	haveText, named := false, 0
	for at := 0; ; {
		key, value, begin, next, ok := pair(line[at:])
		if !ok {
			break
		}
		switch fieldOf(key) {
		case fieldTime:
			if p := (timeParser{s: value, now: now}); h.Time.IsZero() {
				if t, ok := p.parse(); ok {
					named++
					h.Time, h.layout = t, p.layout
					h.TimeBegin, h.TimeEnd = at+begin, at+begin+p.i
				}
			}
		case fieldLevel:
			if l, ok := levelOfWord(value); ok && h.Level == LogLevelUnknown {
				named++
				h.Level = l
			}
		case fieldText:
			if !haveText {
				named++
				haveText = true
				h.TextBegin, h.TextEnd = at+begin, at+begin+len(value)
			}
			if h.Time.IsZero() && strings.HasPrefix(value, "audit(") {
				// Linux' auditd: type=SYSCALL msg=audit(1364481363.243:24287): ...
				p := timeParser{s: value[len("audit("):], now: now}
				if t, ok := p.parse(); ok {
					named++
					h.Time, h.layout = t, p.layout
					h.TimeBegin = at + begin + len("audit(")
					h.TimeEnd = h.TimeBegin + p.i
					h.TextBegin, h.TextEnd = at+next, len(line)
				}
			}
		case fieldNone:
		}
		if haveText && !h.Time.IsZero() && h.Level != LogLevelUnknown {
			break
		}
		at += next
	}
	return h, known || named >= 2
}

// eachPair gives each pair of logfmt to f, values without their escapes.
func eachPair(line string, f func(key, value string)) {
	for at := 0; ; {
		key, value, _, next, ok := pair(line[at:])
		if !ok {
			return
		}
		f(key, unescape(value, `"\`))
		at += next
	}
}

// field is what a named field of a line means.
type field uint8

const (
	fieldNone field = iota
	fieldTime
	fieldLevel
	fieldText
)

// fieldOf knows the names that loggers and shippers use.
func fieldOf(key string) field {
	switch key {
	case "time", "timestamp", "@timestamp", "ts", "date", "t", "@t", "datetime", "eventTime", "Timestamp", "asctime", "__REALTIME_TIMESTAMP":
		return fieldTime
	case "level", "severity", "lvl", "log.level", "levelname", "loglevel", "level_name", "s", "@l", "Level", "SeverityText", "severityText", "PRIORITY":
		return fieldLevel
	case "msg", "message", "event", "text", "body", "_msg", "@m", "@mt", "log", "short_message", "textPayload", "Message", "Body", "MESSAGE":
		return fieldText
	}
	return fieldNone
}
