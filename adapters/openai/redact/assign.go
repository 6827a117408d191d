package redact

import "strings"

// assignment looks at what stands behind a name: the separator is at sep, the value
// begins at from or some spaces later.
func (s *scanner) assignment(sep, from int) {
	t := s.text
	n, ok := s.nameBefore(sep)
	if !ok || sep < s.covered {
		return
	}
	if isDigit(t[n.from]) && strings.HasSuffix(t[:n.from], `";s:`) { // PHP writes s:8:"password";s:4:"…";
		if n, ok = s.nameBefore(n.from - len(";s:")); !ok {
			return
		}
	}
	if loginOptions[strings.ToLower(strings.TrimPrefix(t[n.from:n.to], "--"))] && strings.HasPrefix(t[n.from:], "--") {
		s.login(s.value(sep, from), ":") // --user=bob:…
	}
	r := s.ruleOf(n)
	if r != ruleID && s.vendorValue(n, sep, from) {
		return
	}
	if r == ruleNone || r == ruleID || r == ruleWeak {
		word := s.lastWord(n)
		switch {
		case labels[word]:
			s.label(sep, from)
			return
		case values[word]:
			if told := s.toldOf(n.from); told != ruleNone {
				r = told
			} else if before, ok := s.wordBefore(n.from); ok && r == ruleNone && word == "value" {
				// A name and a value side by side, as in {"PASSWORD", value: "…"}.
				n, r = before, s.ruleOf(before)
			}
		}
	}
	if r == ruleNone && t[sep] == ':' {
		r = s.clauseRule(n, sep, from)
	}
	s.apply(r, n, sep, from)
}

// clauseRule returns what a short sentence before a colon says of the value: "password
// is:", "password for bob:"; and the option /p: of Windows.
func (s *scanner) clauseRule(n name, sep, from int) rule {
	t := s.text
	if n.from == 0 {
		return ruleNone
	}
	if t[n.from-1] == '/' && n.to == n.from+1 && t[n.from]|0x20 == 'p' {
		if v := s.value(sep, from); looksSecret(t[v.from:v.to]) || strings.Contains(t[max(0, n.from-maxName):n.from], "/u:") {
			return rulePassword
		}
		return ruleNone
	}
	if t[n.from-1] != ' ' || from >= len(t) || t[from] != ' ' {
		return ruleNone
	}
	is := isWords[strings.ToLower(t[n.from:min(n.to, n.from+maxLabel)])]
	for back, before := 0, n; back < 4; back++ {
		var ok bool
		if before, ok = s.nameBefore(before.from); !ok || before.to == n.from {
			return ruleNone
		}
		word := t[before.from:before.to]
		if s.ruleOf(before) == rulePassword {
			if v := s.value(sep, from); is && back == 0 || looksSecret(t[v.from:v.to]) {
				return rulePassword
			}
			return ruleNone
		}
		if len(word) <= maxLabel && publicWords[strings.ToLower(word)] && !equalFold(word, "for") && !equalFold(word, "the") && !equalFold(word, "user") {
			return ruleNone
		}
	}
	return ruleNone
}

// wordBefore returns the name before a place, across separators and an end of line.
func (s *scanner) wordBefore(at int) (name, bool) {
	t := s.text
	for at > 0 && strings.IndexByte("\"'`, \t\n\r-", t[at-1]) >= 0 {
		at--
	}
	return s.nameBefore(at)
}

// lastWord returns the last word of a name in small letters, if it can be one of
// labels, values or plainNames.
func (s *scanner) lastWord(n name) string {
	from := n.to
	for from > n.from && isAlnum(s.text[from-1]) {
		from--
		if kinds[s.text[from]]&upper != 0 && (from == n.from || kinds[s.text[from-1]]&upper == 0) {
			break // requestName
		}
	}
	if size := n.to - from; size > maxLabel || size == 0 || size > 1 && !labelStarts.has(s.text[from]|0x20, s.text[from+1]|0x20) {
		return ""
	}
	return strings.ToLower(s.text[from:n.to])
}

// maxLabel is the length of the longest of labels and values.
const maxLabel = 12

// labels are names whose value is the name of something, and values are names whose
// value is the value of what was named before.
var labels, values = set("name key field id type param parameter property prop header env variable var attr attribute setting option column k provider vendor service integration"),
	set("value val content contents data text default v current string to newvalue key token")

// labelStarts holds the first two letters of labels, values and plainNames.
var labelStarts = func() (out pairSet) {
	for _, words := range [...]map[string]bool{labels, values, plainNames} {
		for word := range words {
			if len(word) > 1 {
				out.add(word[0], word[1])
			}
		}
	}
	return out
}()

func set(words string) map[string]bool {
	out := map[string]bool{}
	for _, word := range strings.Fields(words) {
		out[word] = true
	}
	return out
}

// told is what the value of a label, or an element, says of the next value.
type told struct {
	rule rule
	// to is the end of the label's value.
	to int
}

// maxTold is how far behind a label the value is that it tells of.
const maxTold = 4 * maxName

// label looks at the value of a label, which may be the name of a secret. A part of a
// form follows at once, behind an empty line.
func (s *scanner) label(sep, from int) {
	v := s.value(sep, from)
	if v.from >= v.to || v.to-v.from > maxName || setName.end(s.text, v.from) < v.to {
		s.lone(name{sep - 1, sep}, from)
		return
	}
	if s.vendorIn(v.from, v.to) {
		s.vendorEnd = v.to + maxTold
	}
	if r := s.ruleOf(name{v.from, v.to}); r.secret() {
		s.told = told{r, v.to}
		s.formPart(v.to)
	}
}

// toldOf returns what a label before at says of the value there.
func (s *scanner) toldOf(at int) rule {
	if s.told.rule == ruleNone || at < s.told.to || at-s.told.to > maxTold || strings.IndexByte(s.text[s.told.to:at], '}') >= 0 {
		return ruleNone
	}
	r := s.told.rule
	s.told = told{}
	return r
}

// formPart looks at a part of multipart/form-data whose name ends at the given place.
func (s *scanner) formPart(at int) {
	head := s.text[at:min(len(s.text), at+maxTold)]
	for _, empty := range [...]string{"\r\n\r\n", "\n\n"} {
		// Escaped, the two characters of an end of line are an end of line each.
		if n := strings.Index(head, empty); n >= 0 && !strings.Contains(head[:n], "--") {
			from := at + n + len(empty)
			for from < len(s.text) && (s.text[from] == '\n' || s.text[from] == '\r') {
				from++
			}
			to := from
			for to < len(s.text) && s.text[to] >= ' ' {
				to++
			}
			s.add(from, to, Password)
			return
		}
	}
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
	if open := skipSpaces(s.text, from); strings.HasPrefix(s.text[open:], "(") {
		s.call(from, open) // auth=("user", "…")
	}
	s.judge(r, n, s.value(sep, from), sep)
}

// judge looks at a value with a rule.
func (s *scanner) judge(r rule, n name, v value, sep int) {
	if r == rulePassword && s.text[sep] == ':' && v.from > sep {
		s.block(&v)
	}
	if v.from >= v.to {
		if r.secret() && !strings.HasPrefix(s.text[v.from:], placeholderBegin) { // its parts may have a name each
			s.told = told{r, sep}
		}
		return
	}
	if s.public(v, sep) {
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
		return
	}
	if (r == ruleWeak || r == ruleDigest) && strings.Contains(text, ":") && !strings.Contains(text, "://") {
		s.loginValue(v)
	}
}

// loginValue looks at a value of the form user:password.
func (s *scanner) loginValue(v value) {
	user, password, _ := strings.Cut(s.text[v.from:v.to], ":")
	if setLocal.end(user, 0) == len(user) && len(user) > 1 && len(password) > 3 && !numeric(password) && strings.IndexByte(password, ' ') < 0 && !isDigit(user[0]) {
		s.add(v.to-len(password), v.to, Password)
	}
}

// block moves a value to the next lines if YAML's | or > is all of it.
func (s *scanner) block(v *value) {
	t := s.text
	if v.quoted || v.from == len(t) || t[v.from] != '|' && t[v.from] != '>' {
		return
	}
	end := v.from + 1
	for end < len(t) && strings.IndexByte("+-123456789", t[end]) >= 0 {
		end++
	}
	if end < len(t) && t[end] == '\n' {
		v.from, v.to = trim(t, end, s.lineEnd(end+1))
	}
}

// classOf decides by the value.
func classOf(r rule, value, name string) (Class, bool) {
	switch r {
	case rulePassword:
		if value[0] == '/' && (equalFold(name, "pwd") || equalFold(name, "oldpwd")) {
			return "", false // the shell's working directory
		}
		if equalFold(name, "pass") && (numeric(value) || testNamed(value)) {
			return "", false // how many tests pass, or which
		}
		return Password, true
	case ruleToken:
		least := 6
		if numeric(value) {
			least = 8
		}
		return Token, len(value) >= least && !strings.HasPrefix(value, "0x") && (value[0] != '-' || least < 8) && !printed(value)
	case ruleSecret:
		if strings.HasPrefix(value, "AKIA") || strings.HasPrefix(value, "ASIA") {
			return AWSAccessKey, true
		}
		if len(value) == 40 && random(value) {
			return AWSSecretKey, true
		}
		return SecretValue, len(value) >= 8 || len(value) >= 4 && !numeric(value)
	case ruleSession:
		return Cookie, len(value) >= 16 && !numeric(value) && kindsOf(value)&(upper|lower) != 0 && !strings.HasPrefix(value, "S-1-") && !printed(value)
	case ruleCode:
		return SecretValue, len(value) >= 3 && len(value) <= 10 && countDigits(value) == len(value)
	case ruleDigest:
		return SecretValue, len(value) >= 16 && keyLike(value)
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

// element looks at the text of an XML element with a name, or behind a label; its tag
// ends at at.
func (s *scanner) element(at int) {
	t := s.text
	if at == 0 || at+1 == len(t) || !setName[t[at-1]] && !isQuote(t[at-1]) {
		return
	}
	open := strings.LastIndexByte(t[max(0, at-2*maxName):at], '<')
	if open < 0 {
		return
	}
	open += max(0, at-2*maxName) + 1
	if strings.HasPrefix(t[open-1:], placeholderBegin) {
		return
	}
	end := setName.end(t, open)
	if end < at && t[end] == ':' {
		open = end + 1
		end = setName.end(t, open)
	}
	from := at + 1
	if strings.HasPrefix(t[from:], cdata) {
		from += len(cdata)
	}
	if end == open || from == len(t) || t[from] == '<' {
		return
	}
	length := strings.IndexByte(t[from:min(len(t), from+maxURL)], '<')
	if length < 0 { // cut off
		length = min(s.lineEnd(from), from+maxURL) - from
	}
	v := value{from, from + length, true}
	if from > at+1 && strings.HasSuffix(t[v.from:v.to], "]]") {
		v.to -= len("]]")
	}
	r := s.ruleOf(name{open, end})
	if r == ruleNone || r == ruleID || r == ruleWeak {
		if labels[s.lastWord(name{open, end})] && t[end] == '>' {
			if r := s.ruleOfText(v.from, v.to); r.secret() {
				s.told = told{r, v.to}
			}
			return
		}
		if s.told.to > open { // told by an attribute of the tag
			r, s.told = s.told.rule, told{}
		} else if before := s.toldOf(open); before != ruleNone {
			r = before
		}
	}
	if r == ruleNone || v.from >= v.to || s.public(v, at) {
		return
	}
	if class, ok := classOf(r, t[v.from:v.to], t[open:end]); ok {
		s.add(v.from, v.to, class)
	}
}

const cdata = "<![CDATA["

// pair looks at a name and a value that are two strings in a row.
func (s *scanner) pair(at int) {
	t := s.text
	if at == 0 || !isQuote(t[at-1]) || at < s.tableEnd {
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
		if r := s.ruleOf(n); r.secret() && s.table(n.from, ',') {
			return
		} else if r != ruleNone && r != ruleID && t[n.from] != '-' && !strings.HasPrefix(t[next+1:], "-") {
			s.apply(r, n, at, next)
		}
	}
}
