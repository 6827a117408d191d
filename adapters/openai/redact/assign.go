package redact

import "strings"

// assignment looks at what stands behind a name: the separator is at sep, the value
// begins at from or some spaces later.
func (s *scanner) assignment(sep, from int) {
	n, ok := s.nameBefore(sep)
	if !ok || sep < s.covered {
		return
	}
	r := s.ruleOf(n)
	if r == ruleNone && equalFold(s.text[n.from:n.to], "value") {
		// A name and a value side by side, as in {"name":"PASSWORD","value":"…"}.
		if before, ok := s.wordBefore(n.from); ok {
			n, r = before, s.ruleOf(before)
		}
	}
	s.apply(r, n, sep, from)
}

// wordBefore returns the name before a place, across separators and an end of line.
func (s *scanner) wordBefore(at int) (name, bool) {
	t := s.text
	for at > 0 && strings.IndexByte("\"'`, \t\n\r-", t[at-1]) >= 0 {
		at--
	}
	return s.nameBefore(at)
}

// apply looks at the value of a name with a rule.
func (s *scanner) apply(r rule, n name, sep, from int) {
	switch r {
	case ruleID:
		return
	case ruleNone:
		s.lone(n, from)
		return
	case ruleCookie:
		s.cookies(sep, from)
		return
	case ruleAuthorization:
		s.authorization(sep, from)
		return
	default:
	}
	v := s.value(sep, from)
	if v.from >= v.to || s.public(v, sep) {
		return
	}
	text := s.text[v.from:v.to]
	if r == rulePassword && !v.quoted && s.text[sep] == ':' && s.startsLine(n.from) {
		v.to = s.lineEnd(v.to) // YAML: the rest of the line is the value.
	}
	if r == ruleToken && !v.quoted && s.text[sep] == ':' && setLower.end(text, 0) == len(text) {
		return // "Unexpected token: identifier"
	}
	if class, ok := classOf(r, text, s.text[n.from:n.to]); ok {
		s.add(v.from, v.to, class)
	}
}

// classOf decides by the value.
func classOf(r rule, value, name string) (Class, bool) {
	switch r {
	case rulePassword:
		if value[0] == '/' && (equalFold(name, "pwd") || equalFold(name, "oldpwd")) {
			return "", false // the shell's working directory
		}
		if numeric(value) && equalFold(name, "pass") {
			return "", false // how many tests pass
		}
		return Password, true
	case ruleToken:
		return Token, len(value) >= 8 || len(value) >= 6 && !numeric(value)
	case ruleSecret:
		if strings.HasPrefix(value, "AKIA") || strings.HasPrefix(value, "ASIA") {
			return AWSAccessKey, true
		}
		if len(value) == 40 && random(value) {
			return AWSSecretKey, true
		}
		return SecretValue, len(value) >= 8 || len(value) >= 4 && !numeric(value)
	case ruleSession:
		return Cookie, len(value) >= 16 && !numeric(value)
	case ruleCode:
		return SecretValue, len(value) >= 3 && len(value) <= 10 && countDigits(value) == len(value)
	case ruleDigest:
		return SecretValue, len(value) >= 16 && mixed(value) && strings.IndexByte(value[:min(len(value), maxJudged)], ' ') < 0
	case ruleWeak:
		return SecretValue, len(value) >= 20 && random(value)
	case ruleNone, ruleID, ruleCookie, ruleAuthorization:
	}
	return "", false
}

// lone looks at a value whose name says nothing.
func (s *scanner) lone(n name, from int) {
	t := s.text
	for from < len(t) && (t[from] == ' ' || isQuote(t[from])) {
		from++
	}
	end := setBlob.end(t, from)
	if end-from < minLone || end <= s.covered || !isLetter(t[n.to-1]) {
		return
	}
	if random(t[from:end]) {
		s.add(from, padding(t, end), HighEntropy)
	}
}

// minLone is the least length of a value that is a secret for looking random, as
// 128 bits in base64 or more.
const minLone = 22

func isLetter(b byte) bool { return kinds[b]&(upper|lower) != 0 }

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
	case c == '{' || c == '(':
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
	for i := open + 1; i < len(t); i++ {
		if t[i] == t[open] && s.width(i) <= s.width(open) {
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
	"null": true, "nil": true, "none": true, "true": true, "false": true, "undefined": true, "(null)": true, "<nil>": true,
	"yes": true, "no": true, "on": true, "off": true, "empty": true, "unset": true, "set": true, "present": true, "n/a": true,
	"redacted": true, "[redacted]": true, "<redacted>": true, "filtered": true, "hidden": true, "masked": true, "removed": true,
	"string": true, "str": true, "int": true, "bool": true, "object": true, "optional": true, "function": true,
	"missing": true, "invalid": true, "incorrect": true, "required": true, "expired": true, "wrong": true, "not": true,
	"is": true, "must": true, "cannot": true, "failed": true, "failure": true, "error": true, "accepted": true, "rejected": true,
	"changed": true, "unknown": true, "for": true, "from": true, "the": true, "authentication": true, "user": true, "valid": true,
}

// public reports whether a value is no secret whatever its name: a mask, a
// variable, a word of publicWords, or a placeholder.
func (s *scanner) public(v value, sep int) bool {
	text := strings.TrimRight(s.text[v.from:v.to], ".,:;!?")
	switch {
	case text == "", strings.HasPrefix(text, placeholderBegin):
		return true
	case strings.HasPrefix(text, "${"), strings.HasPrefix(text, "$("), strings.HasPrefix(text, "{{"),
		strings.HasPrefix(text, "%("), strings.HasPrefix(text, "<%"):
		return true
	case len(text) <= len("authentication") && publicWords[strings.ToLower(text)]:
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

// element looks at the text of an XML element with a name; its tag ends at at.
func (s *scanner) element(at int) {
	t := s.text
	if at == 0 || at+1 == len(t) || t[at+1] == '<' || !setName[t[at-1]] && !isQuote(t[at-1]) {
		return
	}
	open := strings.LastIndexByte(t[max(0, at-2*maxName):at], '<')
	if open < 0 {
		return
	}
	open += max(0, at-2*maxName) + 1
	end := setName.end(t, open)
	if end < at && t[end] == ':' {
		open = end + 1
		end = setName.end(t, open)
	}
	if end == open {
		return
	}
	r := s.ruleOf(name{open, end})
	length := strings.IndexByte(t[at+1:], '<')
	if r == ruleNone || length < 0 {
		return
	}
	v := value{at + 1, at + 1 + length, true}
	if s.public(v, at) {
		return
	}
	if class, ok := classOf(r, t[v.from:v.to], t[open:end]); ok {
		s.add(v.from, v.to, class)
	}
}

// pair looks at a name and a value that are two strings in a row.
func (s *scanner) pair(at int) {
	t := s.text
	if at == 0 || !isQuote(t[at-1]) {
		return
	}
	next := at + 1
	for next < len(t) && t[next] == ' ' {
		next++
	}
	if next == len(t) || !isQuote(t[next]) {
		return
	}
	// A name that is itself a value, as in "type":"password", says nothing.
	if n, ok := s.nameBefore(at); ok && (n.from < 2 || t[n.from-2] != ':' && t[n.from-2] != '=') {
		if r := s.ruleOf(n); r != ruleNone && r != ruleID {
			s.apply(r, n, at, next)
		}
	}
}

// flag looks at a long option of a command, which begins at from, and its value
// behind a space.
func (s *scanner) flag(from int) {
	t := s.text
	n := name{from, setDotted.end(t, from)}
	if n.to+1 >= len(t) || t[n.to] != ' ' {
		return
	}
	if next := t[n.to+1:]; strings.HasPrefix(next, "--") || len(next) > 2 && next[0] == '-' && next[2] == ' ' {
		return // the option is a switch
	}
	if equalFold(t[n.from:n.to], "user") {
		s.userAndPassword(n.to)
		return
	}
	if r := s.ruleOf(n); r == rulePassword || r == ruleToken || r == ruleSecret {
		s.apply(r, n, n.to, n.to+1)
	}
}

// userAndPassword looks at curl's user:password behind the space at at.
func (s *scanner) userAndPassword(at int) {
	v := s.value(at, at+1)
	if _, password, ok := strings.Cut(s.text[v.from:v.to], ":"); ok {
		s.add(v.to-len(password), v.to, Password)
	}
}

// spoken looks at the word from..to if a quote follows: SQL's PASSWORD '…' and
// IDENTIFIED BY '…', and sentences.
func (s *scanner) spoken(from, to int) {
	t := s.text
	n := name{from, to}
	if to-from == len("by") && from >= len("identified ") && equalFold(t[from-len("identified "):from], "identified ") {
		n.from, n.to = from-len("identified "), from-1
	} else if s.ruleOf(n) != rulePassword {
		return
	}
	if v := s.quoted(to + 1); !s.public(v, to) {
		s.add(v.from, v.to, Password)
	}
}
