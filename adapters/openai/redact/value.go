package redact

import "strings"

// value is a value in the text.
type value struct {
	from, to int
	quoted   bool
}

// value returns the value that begins at from or some spaces later. It ends at its
// closing quote or, without quotes, where the separator's format ends it.
func (s *scanner) value(sep, from int) value {
	t := s.text
	for from < len(t) && (t[from] == ' ' || t[from] == '\t') {
		from++
	}
	if from == len(t) {
		return value{}
	}
	if t[from] == '\n' { // PHP's ["password"]=> and, on the next line, string(4) "…"
		if open := strings.IndexByte(t[from:min(len(t), from+maxName)], '"'); open > 0 && strings.HasPrefix(strings.TrimSpace(t[from:from+open]), "string(") {
			return s.quoted(from + open)
		}
	}
	if next := from + 1; next < len(t) && isQuote(t[next]) && strings.IndexByte("bBrRuU@$", t[from]) >= 0 {
		from = next // Python's b'…', C#'s @"…"
	}
	switch c := t[from]; {
	case isQuote(c):
		return s.quoted(from)
	case c == '[':
		end := strings.IndexAny(t[from:], "]\n")
		if end < 0 {
			end = len(t) - from
		}
		return value{from + 1, from + end, true}
	case c == '{':
		// ODBC's {…} and Spring's {noop}…; else an object.
		end := from + 1
		for end < len(t) && t[end] > ' ' && strings.IndexByte("}{:=,", t[end]) < 0 && !isQuote(t[end]) {
			end++
		}
		if t[sep] != '=' || end == len(t) || t[end] != '}' || end == from+1 {
			return value{}
		}
		if end+1 == len(t) || !isAlnum(t[end+1]) {
			return value{from + 1, end, true}
		}
	case c == '(':
		return value{}
	}
	end := s.bareEnd(sep, from)
	if end < len(t) && end > from && t[end-1] == '(' && isQuote(t[end]) {
		return s.quoted(end) // Some("…"), Optional("…")
	}
	return value{from, end, false}
}

// quoted returns what is between the quote at open and its end. A quote that was
// escaped more often than the first is part of the value.
func (s *scanner) quoted(open int) value {
	t := s.text
	if triple := open + 2; triple < len(t) && t[open+1] == t[open] && t[triple] == t[open] {
		open = triple
	}
	for i := open + 1; i < len(t); i++ {
		if t[i] == t[open] && s.width(i) <= s.width(open) {
			if i > open+1 && i+2 < len(t) && t[i+1] == t[open] && isAlnum(t[i+2]) && s.width(i) == 1 {
				i++ // SQL and CSV write a quote twice
				continue
			}
			return value{open + 1, i, true}
		}
	}
	return value{open + 1, len(t), true}
}

// bareEnd returns the end of a value without quotes. In a=a=a=… all values end at
// the same place, which is looked for once.
func (s *scanner) bareEnd(sep, from int) int {
	last, code := &s.bare, s.encoded(sep)
	if from < last.from || from > last.to || code != s.bareCode {
		last.from, last.to, s.bareCode = from, s.findBareEnd(sep, from), code
	}
	return last.to
}

func (s *scanner) findBareEnd(sep, from int) int {
	t := s.text
	for i := from; i < len(t); i++ {
		c := t[i]
		if kinds[c]&alnum != 0 || !s.separates(sep, i) {
			continue
		}
		switch c {
		case ' ', '\t', '\n', '\r', '"', '`':
			return i
		case '\'':
			if i+1 == len(t) || !isAlnum(t[i+1]) {
				return i
			}
		case '<':
			if strings.HasPrefix(t[i+1:], "/") || strings.HasPrefix(t[i:], placeholderBegin) {
				return i
			}
		case ')', ']', '}', '>':
			if i+1 == len(t) || !isAlnum(t[i+1]) {
				return i
			}
		case ',', ';', '&', '|':
			if s.anotherFollows(i + 1) {
				return i
			}
		}
	}
	return len(t)
}

// separates reports whether a byte can end a value whose separator is at sep: one
// that was percent-encoded cannot, unless the separator was too.
func (s *scanner) separates(sep, at int) bool {
	w := s.encoded(at)
	return w == 0 || s.encoded(sep) >= w
}

// anotherFollows reports whether a comma or the like before at ends a value: the
// text ends, or a space, a quote or another name follows.
func (s *scanner) anotherFollows(at int) bool {
	t := s.text
	if at == len(t) || t[at] <= ' ' || isQuote(t[at]) {
		return true
	}
	end := setName.end(t, at)
	return end > at && end < len(t) && (t[end] == '=' || t[end] == ':' || t[end] == '[')
}

func (s *scanner) startsLine(at int) bool {
	for at > 0 && strings.IndexByte(" \t-\"'", s.text[at-1]) >= 0 {
		at--
	}
	return at == 0 || s.text[at-1] == '\n'
}

func (s *scanner) lineEnd(at int) int {
	if n := strings.IndexByte(s.text[at:], '\n'); n >= 0 {
		return at + n
	}
	return len(s.text)
}

// publicWords are values that say that there is no secret, or are words behind a
// colon in a sentence.
var publicWords = map[string]bool{
	"null": true, "nil": true, "none": true, "true": true, "false": true, "undefined": true,
	"yes": true, "no": true, "on": true, "off": true, "empty": true, "unset": true, "set": true, "present": true, "n/a": true,
	"redacted": true, "all": true, "filtered": true, "hidden": true, "masked": true, "removed": true,
	"string": true, "str": true, "int": true, "bool": true, "object": true, "optional": true, "function": true,
	"missing": true, "invalid": true, "incorrect": true, "required": true, "expired": true, "wrong": true, "not": true,
	"is": true, "must": true, "cannot": true, "failed": true, "failure": true, "error": true, "accepted": true, "rejected": true,
	"changed": true, "unknown": true, "reset": true, "protected": true, "policy": true, "prompt": true, "denied": true, "ok": true, "mismatch": true, "for": true, "from": true, "the": true, "authentication": true, "user": true, "valid": true,
}

// public reports whether a value is no secret whatever its name: a mask, a
// variable, a word of publicWords, or a placeholder.
func (s *scanner) public(v value, sep int) bool {
	text := strings.TrimRight(s.text[v.from:v.to], ".,:;!?")
	word := strings.Trim(text, "[]<>()*")
	switch {
	case text == "", strings.HasPrefix(text, placeholderBegin):
		return true
	case strings.HasPrefix(text, "${"), strings.HasPrefix(text, "$("), strings.HasPrefix(text, "{{"),
		strings.HasPrefix(text, "%("), strings.HasPrefix(text, "<%"):
		return true
	case len(word) <= len("authentication") && publicWords[strings.ToLower(word)]:
		return true
	case s.text[sep] == ':' && text[0] == ':': // C++'s scope: token::next
		return true
	}
	return strings.Trim(text, "*xX.•●-_#?<>") == "" || constant(text)
}

// constant reports whether a value is the name of a variable: $NAME or %NAME%.
func constant(text string) bool {
	if len(text) < 2 || text[0] != '$' && text[0] != '%' {
		return false
	}
	for _, c := range []byte(strings.Trim(text, "$%")) {
		if kinds[c]&(upper|digit) == 0 && c != '_' {
			return false
		}
	}
	return true
}

// numeric reports whether a value is a number: with a sign, a point, or hexadecimal.
func numeric(s string) bool {
	if hex, ok := strings.CutPrefix(s, "0x"); ok {
		return setHex.end(hex, 0) == len(hex)
	}
	return strings.Trim(s, digits+".-+") == ""
}

// testNamed reports whether a value is the name of a test of Go.
func testNamed(value string) bool {
	return strings.HasPrefix(value, "Test") || strings.HasPrefix(value, "Example") || strings.HasPrefix(value, "Benchmark")
}

// printed reports whether a value is an object as Java prints it: Token{78af589 or
// android.os.Binder@2b6e5d4.
func printed(value string) bool {
	at := strings.IndexAny(value, "{@")
	if at < 4 || kindsOf(value[:at])&upper == 0 || strings.Trim(value[:at], alnums+".$_") != "" {
		return false
	}
	end := setHex.end(value, at+1)
	return end >= at+5 && (end == len(value) || strings.IndexByte("}{ ", value[end]) >= 0)
}
