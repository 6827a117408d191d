package logline

import (
	"strings"

	"logsift/domain"
)

// logfmt is key=value pairs, as of logrus, slog and go-kit.
var logfmt = format{
	name:       "logfmt",
	examples:   []string{`time=2026-03-01T10:11:12Z level=error msg="cannot start"`},
	products:   []string{"logrus", "slog"},
	read:       readLogfmt,
	attributes: logfmtAttributes,
}

func logfmtAttributes(_ Header, line string, out attributes) attributes {
	eachPair(line, func(key, value string) { out.add(attributeOfField(key), value) })
	return out
}

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

// readLogfmt reads time, level and message by the names that are in use for
// them. Unless the line is known to be logfmt, it must have two of them, and pairs
// at its begin.
func readLogfmt(line string, times timeContext, set bool) (Header, bool) {
	h := Header{TextEnd: len(line)}
	if logfmtKey(line) == 0 {
		return h, false
	}
	haveText, request, named := false, false, 0
	status := domain.LogLevelUnknown
	var marks LevelMarks
	for at := 0; ; {
		key, value, begin, next, ok := pair(line[at:])
		if !ok {
			break
		}
		switch fieldOf(key) {
		case fieldTime:
			if h.Time.IsZero() || h.layout == layoutDate {
				if h.readTimeOf(value, at+begin, times) {
					named++
				}
			}
		case fieldLevel:
			if l, ok := marks.Read(key, value); ok && h.Level == domain.LogLevelUnknown {
				named++
				h.Level = l
			}
		case fieldStatus:
			if l := statusLevel(value); l > status {
				named++
				status = l
			}
		case fieldRequest:
			if !request {
				named++
				request = true
			}
		case fieldText:
			if !haveText {
				named++
				haveText = true
				h.TextBegin, h.TextEnd = at+begin, at+begin+len(value)
			}
			if h.Time.IsZero() && strings.HasPrefix(value, "audit(") {
				// Linux' auditd: type=SYSCALL msg=audit(1364481363.243:24287): ...
				p := timeParser{s: value[len("audit("):], timeContext: times}
				if t, ok := p.parse(); ok {
					named++
					h.Time, h.layout = t, p.layout
					h.TimeBegin = at + begin + len("audit(")
					h.TimeEnd = h.TimeBegin + p.i
					h.TextBegin, h.TextEnd = at+next, len(line)
				}
			}
		case fieldNone, fieldNanos:
		}
		if haveText && !h.Time.IsZero() && h.layout != layoutDate && h.Level != domain.LogLevelUnknown {
			break
		}
		at += next
	}
	if h.Level == domain.LogLevelUnknown && request {
		h.Level = status
	}
	return h, set || named >= 2
}

// readTimeOf reads the value of a field that stands at a place of the line: a time, or
// the clock of a date that was read before.
func (h *Header) readTimeOf(value string, at int, times timeContext) bool {
	if h.Time.IsZero() {
		t, layout, ok := readTime(value, times)
		if ok {
			h.Time, h.layout = t, layout
			h.TimeBegin, h.TimeEnd = at, at+len(value)
		}
		return ok
	}
	p := timeParser{s: value}
	c, ok := p.clock()
	if !ok || p.i != len(value) {
		return false
	}
	t, ok := c.on(h.Time.Year(), int(h.Time.Month()), h.Time.Day())
	if ok {
		h.Time, h.layout = t, layoutFull
		h.TimeEnd = at + len(value)
	}
	return ok
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
