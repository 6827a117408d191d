package domain

import (
	"strings"
	"time"
)

// parseJSONHeader reads time, level and message of a line that is a JSON object,
// by the names that loggers use for them; the first of each counts. It reads no
// further than it must, and reports false for what is no object.
func parseJSONHeader(line string, now time.Time) (LogHeader, bool) {
	h := LogHeader{TextEnd: len(line), Format: LogFormatJSON}
	s := jsonScanner{s: line, i: 1}
	haveText := false
	for fields := 0; ; fields++ {
		s.space()
		if s.one('}') {
			h.textLevel(line)
			return h, true
		}
		if fields > 0 && !s.one(',') {
			return h, false
		}
		key, ok := s.text()
		if !ok || !s.one(':') {
			return h, false
		}
		begin, end, ok := s.value()
		if !ok {
			return h, false
		}
		value := line[begin:end]
		switch fieldOf(key) {
		case fieldTime:
			if h.Time.IsZero() {
				h.Time, h.layout = jsonTime(value, now)
			}
		case fieldLevel:
			if h.Level == LogLevelUnknown {
				h.Level = jsonLevel(key, value)
			}
		case fieldText:
			if end == begin {
				break
			}
			if line[begin] == '{' && key == "log" {
				// Elastic's common schema nests the level.
				if h.Level == LogLevelUnknown {
					eachJSONField(value, func(key, value string) {
						if key == "level" {
							h.Level = jsonLevel(key, value)
						}
					})
				}
			} else if !haveText && line[begin] != '{' && line[begin] != '[' {
				haveText = true
				h.TextBegin, h.TextEnd = begin, end
			}
		case fieldNone:
			if key == "stream" && (value == "stdout" || value == "stderr") {
				h.Stream = value
			}
		}
		if haveText && h.Level != LogLevelUnknown && !h.Time.IsZero() {
			return h, true
		}
	}
}

// textLevel gives a line whose fields tell no level that of its message, as the
// lines have that Docker wraps. The text stays where it is.
func (h *LogHeader) textLevel(line string) {
	if h.Level == LogLevelUnknown && h.TextBegin > 0 {
		text := line[h.TextBegin:h.TextEnd]
		in := LogParser{}.parse(text, h.Time, false)
		h.Level = in.Level
	}
}

// eachJSONField gives each scalar member of an object to f: strings without their
// quotes and without the escapes of quotes, slashes and backslashes.
func eachJSONField(line string, f func(key, value string)) {
	if !strings.HasPrefix(line, "{") {
		return
	}
	s := jsonScanner{s: line, i: 1}
	for fields := 0; ; fields++ {
		s.space()
		if fields > 0 && !s.one(',') {
			return
		}
		key, ok := s.text()
		if !ok || !s.one(':') {
			return
		}
		begin, end, ok := s.value()
		if !ok {
			return
		}
		if value := line[begin:end]; value != "null" && (value == "" || value[0] != '{' && value[0] != '[') {
			f(key, unescape(value, `"\/`))
		}
	}
}

// jsonTime reads the value of a time; MongoDB has it in an object.
func jsonTime(value string, now time.Time) (time.Time, timeLayout) {
	if rest, ok := strings.CutPrefix(value, `{"$date":"`); ok {
		value = rest
	}
	p := timeParser{s: value[:min(len(value), headerBytes)], now: now}
	if t, ok := p.parse(); ok {
		return t, p.layout
	}
	return time.Time{}, 0
}

// jsonLevel reads a level by its name, by its number as of pino and bunyan (10 is
// trace, 60 is fatal) or of GELF (0 to 7, as in syslog), or by MongoDB's letter.
func jsonLevel(key, value string) LogLevel {
	if l, ok := levelOfWord(value); ok {
		return l
	}
	switch {
	case len(value) == 1 && isDigit(value[0]) && value[0] <= '7':
		return syslogSeverity(int(value[0] - '0'))
	case len(value) == 2 && value[1] == '0' && value[0] >= '1' && value[0] <= '6':
		return LogLevelTrace + LogLevel(value[0]-'1')
	case len(value) == 1 && key == "s":
		return levelOfLetter(value[0])
	}
	return LogLevelUnknown
}

// jsonScanner reads the fields of one object without building anything.
type jsonScanner struct {
	s string
	i int
}

func (s *jsonScanner) space() {
	for s.i < len(s.s) && strings.IndexByte(" \t\r\n", s.s[s.i]) >= 0 {
		s.i++
	}
}

// one reads this character and the space around it.
func (s *jsonScanner) one(c byte) bool {
	s.space()
	if s.i == len(s.s) || s.s[s.i] != c {
		return false
	}
	s.i++
	s.space()
	return true
}

// text reads a string and returns what is between its quotes, as it is written.
func (s *jsonScanner) text() (string, bool) {
	s.space()
	if s.i == len(s.s) || s.s[s.i] != '"' {
		return "", false
	}
	s.i++
	begin := s.i
	for {
		n := strings.IndexByte(s.s[s.i:], '"')
		if n < 0 {
			return "", false
		}
		s.i += n + 1
		// A quote after an odd number of backslashes is part of the string.
		slashes := 0
		for k := s.i - 2; k >= begin && s.s[k] == '\\'; k-- {
			slashes++
		}
		if slashes%2 == 0 {
			return s.s[begin : s.i-1], true
		}
	}
}

// value passes over a value and returns where it begins and ends, without the
// quotes of a string.
func (s *jsonScanner) value() (begin, end int, ok bool) {
	s.space()
	if s.i < len(s.s) && s.s[s.i] == '"' {
		begin = s.i + 1
		_, ok = s.text()
		return begin, s.i - 1, ok
	}
	begin = s.i
	depth := 0
	for s.i < len(s.s) {
		switch s.s[s.i] {
		case '"':
			if _, ok := s.text(); !ok {
				return 0, 0, false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return begin, len(strings.TrimRight(s.s[:s.i], " \t\r\n")), s.i > begin
			}
			depth--
		case ',':
			if depth == 0 {
				return begin, len(strings.TrimRight(s.s[:s.i], " \t\r\n")), s.i > begin
			}
		}
		s.i++
	}
	return 0, 0, false
}
