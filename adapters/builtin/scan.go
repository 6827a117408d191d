package builtin

import "strings"

// Bounds of what is read in one line for ids and numbers.
const (
	scanBytes      = 4 << 10
	minSessionID   = 8
	minIDDigits    = 4
	maxSessionID   = 128
	maxIDsPerLine  = 6
	maxNumbers     = 8
	maxNumberBytes = 12
	maxKeyBytes    = 24
)

// idToken is a token that may name a session, and the word before it.
type idToken struct{ text, key string }

// number is a value of its own in a line: place counts the numbers before it.
type number struct {
	line  int32
	place uint8
	timed bool
	value float64
}

// scanner takes ids and numbers out of lines. It is used by one goroutine; its
// results are valid until the next call of scan.
type scanner struct {
	ids     []idToken
	numbers []number
}

// part is a run of characters between delimiters.
type part struct {
	begin, end int
	digits     int
	// odd is whether it holds a character that neither an id nor a plain number
	// has, such as those of a path.
	odd bool
}

// scan reads one line.
func (s *scanner) scan(text string, line int32) {
	s.ids, s.numbers = s.ids[:0], s.numbers[:0]
	text = text[:min(len(text), scanBytes)]
	var before part
	for i := 0; i < len(text); {
		if isDelimiter(text[i]) {
			i++
			continue
		}
		p := part{begin: i}
		for i < len(text) && !isDelimiter(text[i]) {
			switch c := text[i]; {
			case c >= '0' && c <= '9':
				p.digits++
			case c == '/' || c == '%' || c == '\\':
				p.odd = true
			}
			i++
		}
		p.end = i
		for p.end > p.begin && text[p.end-1] == '.' {
			p.end-- // the end of a sentence
		}
		if p.digits > 0 {
			s.take(text, p, before, line)
		}
		before = p
	}
}

// take notes a part with digits as an id or a number, or not at all.
func (s *scanner) take(text string, p, before part, line int32) {
	token := text[p.begin:p.end]
	if n := p.end - p.begin; n >= minSessionID && n <= maxSessionID && p.digits >= minIDDigits && !p.odd && strings.IndexByte(token, '.') < 0 {
		if len(s.ids) < maxIDsPerLine {
			s.ids = append(s.ids, idToken{token, key(text, before)})
		}
	}
	if len(s.numbers) == maxNumbers || p.odd || p.end-p.begin > maxNumberBytes || !standsAlone(text, p) {
		return
	}
	if value, unit, ok := parseNumber(token); ok {
		timed := isTimeUnit(unit)
		if unit == "" {
			timed = isTimeUnit(nextWord(text, p.end)) || isTimeKey(key(text, before))
		}
		s.numbers = append(s.numbers, number{line: line, place: uint8(len(s.numbers)), value: value, timed: timed})
	}
}

// key is the word before an id or a number, where that is short and has no digits.
func key(text string, before part) string {
	if before.digits > 0 || before.odd || before.end-before.begin > maxKeyBytes {
		return ""
	}
	return text[before.begin:before.end]
}

// standsAlone reports whether a part is no piece of an address, a time or a ratio.
func standsAlone(text string, p part) bool {
	if p.end < len(text) && text[p.end] == ':' {
		return false
	}
	if p.begin == 0 {
		return true
	}
	if c := text[p.begin-1]; c == ':' || c == '#' || c == '@' {
		return c == ':' && p.begin > 1 && (text[p.begin-2] < '0' || text[p.begin-2] > '9')
	}
	return true
}

// parseNumber reads digits, at most one point, and a unit of letters after them.
// Numbers that begin with a zero they do not need are ids or dates.
func parseNumber(s string) (value float64, unit string, ok bool) {
	i, scale := 0, 1.0
	point := false
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && !point && i > 0 {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		value = value*10 + float64(c-'0')
		if point {
			scale *= 10
		}
	}
	if i == 0 || len(s)-i > 3 || s[0] == '0' && i > 1 && s[1] != '.' {
		return 0, "", false
	}
	for _, c := range []byte(s[i:]) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return 0, "", false
		}
	}
	return value / scale, s[i:], true
}

// nextWord is the word after a place, at most 12 bytes.
func nextWord(text string, at int) string {
	for at < len(text) && text[at] == ' ' {
		at++
	}
	begin := at
	for at < len(text) && at-begin < 12 && text[at]|0x20 >= 'a' && text[at]|0x20 <= 'z' {
		at++
	}
	return text[begin:at]
}

func isTimeUnit(word string) bool {
	switch word {
	case "ns", "us", "ms", "s", "sec", "secs", "second", "seconds", "msec", "millis", "milliseconds", "usec", "microseconds", "minutes":
		return true
	}
	return false
}

func isTimeKey(word string) bool {
	for _, w := range [...]string{"elapsed", "latency", "duration", "took", "time"} {
		if len(word) >= len(w) && strings.EqualFold(word[len(word)-len(w):], w) {
			return true
		}
	}
	return false
}

// isDelimiter reports whether a character sets parts of a line apart.
func isDelimiter(c byte) bool {
	switch c {
	case ' ', '\t', '\n', '\r', '=', ':', ',', '(', ')', '[', ']', '"', '\'', '{', '}', ';', '|', '<', '>', '#', '@', '&', '?':
		return true
	}
	return false
}

// kindOf is what the ids of one kind have in common: a prefix such as "blk_",
// "req-" or "job", or for ids without one their form and the word before them.
func kindOf(id, key string) string {
	if isUUID(id) {
		return "uuid " + strings.ToLower(key)
	}
	letters := 0
	for letters < len(id) && (id[letters]|0x20 >= 'a' && id[letters]|0x20 <= 'z') {
		letters++
	}
	if letters >= 2 && letters < len(id) && (id[letters] == '_' || id[letters] == '-') {
		return id[:letters+1]
	}
	if isHex(id) {
		if letters == 0 && !strings.ContainsAny(id, "abcdefABCDEF") {
			return "number " + strings.ToLower(key)
		}
		return "hex " + strings.ToLower(key)
	}
	if letters >= 2 {
		return id[:letters]
	}
	return "mixed " + strings.ToLower(key)
}

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

func isUUID(s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' &&
		isHex(s[:8]) && isHex(s[9:13]) && isHex(s[14:18]) && isHex(s[19:23]) && isHex(s[24:])
}

// podAlphabet is what Kubernetes makes the generated part of names of
// (k8s.io/apimachinery/pkg/util/rand).
const podAlphabet = "bcdfghjklmnpqrstvwxz2456789"

// serviceOf returns the service that wrote a line, or "": an attribute, or the name
// of a Kubernetes deployment before the hashes of its replica set and its pod, if
// the line's text begins with the name of a pod.
func serviceOf(attributes map[string]string, text string) string {
	if len(attributes) > 0 {
		for _, name := range [...]string{"service.name", "service", "app", "k8s.deployment.name", "container"} {
			if v := attributes[name]; v != "" {
				return v
			}
		}
	}
	begin := 0
	for begin < len(text) && text[begin] == ' ' {
		begin++
	}
	end := begin
	for end < len(text) && end-begin < 200 && text[end] != ' ' {
		end++
	}
	name, ok := cutGenerated(text[begin:end], 5, 5)
	if !ok {
		return ""
	}
	name, ok = cutGenerated(name, 6, 10)
	if !ok {
		return ""
	}
	return name
}

// cutGenerated takes "-" and a generated part off a name.
func cutGenerated(name string, least, most int) (string, bool) {
	i := strings.LastIndexByte(name, '-')
	if n := len(name) - i - 1; i < 1 || n < least || n > most {
		return "", false
	}
	for _, c := range []byte(name[i+1:]) {
		if strings.IndexByte(podAlphabet, c) < 0 {
			return "", false
		}
	}
	return name[:i], true
}
