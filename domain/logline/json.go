package logline

import (
	"strings"

	"logsift/domain"
)

// jsonObject is a JSON object on each line.
var jsonObject = format{
	name: "json",
	examples: []string{
		`{"time":"2026-03-01T10:11:12Z","level":"error","msg":"cannot start"}`,
		`{"@t":"2026-03-01T10:11:12Z","@mt":"cannot start {Id}","@l":"Error"}`,
	},
	products:   []string{"ndjson", "jsonl", "docker", "mongodb", "pino", "bunyan", "gelf"},
	read:       readJSON,
	attributes: jsonAttributes,
}

func jsonAttributes(_ Header, line string, out attributes) attributes {
	eachJSONField(line, func(key, value string) { out.add(attributeOfField(key), value) })
	return out
}

// readJSON reads time, level and message of a line that is a JSON object, by the names of
// the table. It reports false for what is no object; an object that breaks off is one if
// its message was read, with a time or a level.
func readJSON(line string, times timeContext, _ bool) (Header, bool) {
	if line[0] != '{' {
		return Header{}, false
	}
	o := objectReader{line: line, times: times, time: rankNone, level: rankNone, text: rankNone}
	o.TextEnd = len(line)
	s := jsonScanner{s: line, i: 1}
	whole := o.readObject(&s, path{}, 0)
	o.finish()
	return o.Header, whole || o.text != rankNone && (!o.Time.IsZero() || o.Level != domain.LogLevelUnknown)
}

// textLevel gives a line whose fields tell no level that of its message, as the
// lines have that Docker wraps. The text stays where it is.
func (h *Header) textLevel(line string) {
	if h.Level != domain.LogLevelUnknown || h.TextBegin == 0 {
		return
	}
	text := line[h.TextBegin:h.TextEnd]
	if strings.HasPrefix(text, `{\"`) {
		text = strings.TrimSuffix(unescape(text, `"\/`), `\n`)
	}
	in := Parser{}.parse(text, h.Time, false)
	h.Level = in.Level
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
