package redact

import "strings"

// behindName are the bytes behind a name that may part it from a value, besides the
// signs that assign one.
var behindName = func() (table [256]bool) {
	for _, b := range []byte(" \t|(,;\n\"]") {
		table[b] = true
	}
	return table
}()

// spoken looks at the word from..to if a quote, a bracket or the separator of a table
// follows: SQL's PASSWORD '…', setPassword("…"), a head of columns.
func (s *scanner) spoken(from, to int) {
	t := s.text
	switch sep := t[to]; sep {
	case ' ':
		next := to + 1
		for next < len(t) && t[next] == ' ' {
			next++
		}
		switch {
		case next == len(t):
		case next == to+1 && isQuote(t[next]):
			if s.ruleOf(name{from, to}) == rulePassword {
				if v := s.quoted(to + 1); !s.public(v, to) {
					s.add(v.from, v.to, Password)
				}
			}
		case t[next] == '|' || t[next] == '\t':
			s.cell(to, next)
		case t[next] == '\n':
			s.lastCell(from, to)
		case next == to+1 && namesPassword(t[from:to]):
			s.said(from, to)
		}
	case '(':
		if to+1 < len(t) && isQuote(t[to+1]) && s.ruleOf(s.nameAt(to)).secret() {
			s.call(from, to)
		}
	case ',':
		next := to + 1
		for next < len(t) && (t[next] == ' ' || t[next] == '<') { // {password, <<"…">>}
			next++
		}
		if from > 0 && (t[from-1] == '{' || t[from-1] == '(') && next < len(t) && isQuote(t[next]) {
			if r := s.ruleOf(name{from, to}); r.secret() {
				s.judge(r, name{from, to}, s.quoted(next), to)
			}
			return
		}
		s.cell(to, to)
	case '\n':
		s.lastCell(from, to)
	case ']': // [vendor] is the head of a section
		if from > 0 && t[from-1] == '[' && to+1 < len(t) && t[to+1] == '\n' && s.vendorIn(from, to) {
			s.vendorEnd = to + maxTold
		}
	case '"':
		if to+1 < len(t) && t[to+1] == '\n' {
			s.lastCell(from, to)
		}
	default:
		s.cell(to, to)
	}
}

// namesPassword reports whether a word of several is the name of a password, such as
// userPassword.
func namesPassword(word string) bool {
	for _, end := range [...]string{"password", "passwd", "pwd", "passphrase", "Pass", "PASS"} {
		if at := len(word) - len(end); at > 0 && (word[at:] == end || equalFold(word[at:], end)) {
			return true
		}
	}
	return false
}

// lastCell looks at the name that the word from..to ends, and with it a line.
func (s *scanner) lastCell(from, to int) {
	t := s.text
	begin := from
	for begin > 0 && (isQuote(t[begin-1]) || t[begin-1] == ' ' || setName[t[begin-1]]) && from-begin < maxName {
		begin--
	}
	if begin > 0 && strings.IndexByte(",;\t|", t[begin-1]) >= 0 && s.ruleOf(s.nameAt(to)).secret() {
		s.table(from, t[begin-1])
	}
}

// nameAt returns the name that ends at a place.
func (s *scanner) nameAt(to int) name {
	n, _ := s.nameBefore(to)
	return n
}

// cell looks at the name that ends at to, and with it a cell of a table or of a list,
// whose separator is at sep.
func (s *scanner) cell(to, sep int) {
	t := s.text
	n := s.nameAt(to)
	if n.from >= n.to || n.to != to || !s.ruleOf(n).secret() {
		return
	}
	if s.table(n.from, t[sep]) || t[sep] != '|' && t[sep] != '\t' {
		return
	}
	// Names and values in turns, on one line.
	end := s.lineEnd(sep + 1)
	cut := strings.IndexByte(t[sep+1:end], t[sep])
	last := cut < 0
	if !last {
		end = sep + 1 + cut
	}
	v := value{from: sep + 1, to: end}
	v.from, v.to = trim(t, v.from, v.to)
	if v.from >= v.to || s.public(v, sep) {
		return
	}
	begin := strings.LastIndexByte(t[max(0, n.from-maxTold):n.from], '\n') + 1 + max(0, n.from-maxTold)
	before := strings.Count(strings.Trim(t[begin:n.from], " "), t[sep:sep+1])
	if t[begin] == '|' {
		before--
	}
	if last && before%2 == 0 || before%2 == 0 && before > 0 || looksSecret(t[v.from:v.to]) {
		s.add(v.from, v.to, Password)
	}
}

// table looks at the rows below a head of columns, if the line of the place is one
// and has rows, and reports whether it is.
func (s *scanner) table(at int, separator byte) bool {
	t := s.text
	if at < s.tableEnd {
		return true
	}
	begin := max(0, at-8*maxName)
	begin += strings.LastIndexByte(t[begin:at], '\n') + 1
	end := s.lineEnd(at)
	if end == len(t) || end-begin > 16*maxName {
		return false
	}
	var rules [maxColumns]rule
	n := 0
	for from := begin; from <= end && n < maxColumns; n++ {
		to := from
		for to < end && t[to] != separator {
			to++
		}
		if f, l := trim(t, from, to); f < l {
			if plain := setTitle.end(t, f); plain < l {
				return false // no head
			}
			rules[n] = s.ruleOfText(f, l)
		}
		from = to + 1
	}
	rows := 0
	for from := end + 1; from < len(t); {
		to := s.lineEnd(from)
		if line := strings.TrimSpace(t[from:to]); line == "" || strings.Trim(line, "+-=| :") == "" {
			from = to + 1
			continue
		}
		if !s.row(from, to, separator, rules[:n]) {
			break
		}
		rows++
		s.tableEnd = to
		from = to + 1
	}
	return rows > 0
}

// setTitle are the bytes of the title of a column.
var setTitle = func() *alphabet {
	a := *setName
	for _, b := range []byte(" \"'`#/()") {
		a[b] = true
	}
	return &a
}()

// row looks at a row of a table, and reports whether it has as many cells as the head.
func (s *scanner) row(from, to int, separator byte, rules []rule) bool {
	t := s.text
	var cells [maxColumns]value
	n := 0
	for at := from; n < len(cells); n++ {
		begin, _ := trim(t, at, to)
		v := value{from: at}
		if begin < to && isQuote(t[begin]) && separator != '|' {
			v = s.quoted(begin)
			at = s.after(v)
		}
		for at < to && t[at] != separator {
			at++
		}
		if !v.quoted {
			v.to = at
			v.from, v.to = trim(t, v.from, v.to)
		}
		cells[n] = v
		if at >= to {
			n++
			break
		}
		at++
	}
	if n != len(rules) {
		return false
	}
	for i, r := range rules {
		if v := cells[i]; r.secret() && v.from < v.to && v.to <= to && !s.public(v, v.from) {
			s.add(v.from, v.to, Password)
		}
	}
	return true
}

// said looks at what follows a word such as password behind a space: a value by
// itself, the value of a setting, or that of a sentence.
func (s *scanner) said(from, to int) {
	t := s.text
	if to+1 >= len(t) || from < s.covered {
		return
	}
	n := s.nameAt(to)
	r := s.ruleOf(n)
	if t[to] != ' ' && (!isQuote(t[to]) || !s.listed(to)) {
		return
	}
	v := s.argument(to)
	if v.from >= v.to {
		return
	}
	text := t[v.from:v.to]
	words := s.before(n.from)
	// Cisco and others: the kind of the value, then the value.
	if len(text) == 1 && isDigit(text[0]) {
		if next := s.argument(v.to); next.from < next.to && (strings.IndexByte("05789", text[0]) >= 0 && (configured[words] || s.lineHas(n.from, accounts)) || text[0] >= '5' && t[next.from] == '$' || text[0] == '7' && cisco7(t[next.from:next.to])) {
			s.add(next.from, next.to, Password)
		}
		return
	}
	if device := s.lineHas(n.from, devices); device {
		r, words = rulePassword, "with"
	}
	if r.secret() && looksSecret(text) && s.lineHas(n.from, settings) {
		r = rulePassword
	}
	if r == ruleWeak && looksRandom(text) && s.vendorIn(s.clause(n.from), n.from) {
		r = ruleSecret
	}
	if encodings[strings.ToLower(text)] {
		if next := s.argument(v.to); next.from < next.to && (next.to-next.from >= minBlob || strings.Contains(text, "text")) {
			s.add(next.from, next.to, Password)
		}
		return
	}
	if strings.Trim(text, "-~.&+@/") == "" { // password - …
		if next := s.argument(v.to); r == rulePassword && next.from < next.to && looksSecret(t[next.from:next.to]) {
			s.add(next.from, next.to, Password)
		}
		return
	}
	switch {
	case strings.Trim(text, "=:<>|") == "" || r != rulePassword && (!r.secret() || !looksRandom(text)):
		return
	case equalFold(text, "level"): // enable password level 15 …
		if next := s.argument(s.argument(v.to).to); next.from < next.to && configured[words] {
			s.add(next.from, next.to, Password)
		}
		return
	case words == "set" && equalFold(text, "for"):
		s.setFor(v.to)
		return
	case s.public(v, to):
		s.sentence(to)
		return
	}
	word := strings.ToLower(t[from:to])
	switch compound := n.to-n.from > to-from; {
	case looksSecret(text), word == "requirepass", word == "masterauth", (compound || word == "bindpw" || word == "rootpw") && s.endsHere(s.after(v)), configured[words] && !verbs[strings.ToLower(text)]:
		s.add(v.from, v.to, Password)
	default:
		s.sentence(to)
	}
}

// loginSaid looks at user:password behind a word such as credentials.
func (s *scanner) loginSaid(_, to int) {
	v := s.argument(to)
	if _, password, ok := strings.Cut(s.text[v.from:v.to], ":"); ok && looksSecret(password) {
		s.loginValue(v)
	}
}

// configured are the words before a password in settings.
var configured = set("login user username enable ftp chap pap line neighbor secret snmp-server tacacs-server radius-server isakmp machine set with encrypted plain-text")

// encodings are words between password and an encrypted one.
var encodings = set("ascii-text plain-text cleartext enc encrypted encr hash hashed sha512 sha256 md5")

// settings are words of commands of routers behind which a secret is one.
var settings = set("set vpn ipsec crypto")

// devices are the words of settings behind which a key is a password, accounts those
// behind which the kind of a password is before it.
var devices, accounts = set("snmp-server tacacs-server radius-server isakmp"), set("username enable neighbor")

// lineHas reports whether one of the words is among the six before a place, on its line.
func (s *scanner) lineHas(at int, words map[string]bool) bool {
	head := s.text[max(0, at-maxName):at]
	fields := strings.Fields(head[strings.LastIndexByte(head, '\n')+1:])
	for _, word := range fields[max(0, len(fields)-6):] {
		if words[strings.ToLower(word)] {
			return true
		}
	}
	return false
}

// setFor looks at SQL's SET PASSWORD FOR user = '…', behind FOR.
func (s *scanner) setFor(at int) {
	t := s.text
	end := min(len(t), at+2*maxName)
	equals := strings.IndexByte(t[at:end], '=')
	if equals < 0 {
		return
	}
	if v := s.value(at+equals, at+equals+1); v.quoted {
		s.add(v.from, v.to, Password)
	}
}

// verbs are words behind password that say what is done with it.
var verbs = set("for of is was to and or in on has from by at with file reset change changed prompt policy expiry history manager")

// before returns the word before a place, or the third before it if it is that of
// login NAME password, in lower case.
func (s *scanner) before(at int) string {
	t := s.text
	head := t[max(0, at-maxName):at]
	if cut := strings.LastIndexByte(head, '\n'); cut >= 0 {
		head = head[cut+1:]
	}
	words := strings.Fields(head)
	for back := 1; back <= 2 && back <= len(words); back++ {
		if word := strings.ToLower(words[len(words)-back]); configured[word] {
			return word
		}
	}
	return ""
}

// sentence looks for what a sentence says that a password is: "password for bob was
// set to …". The word password ends at to.
func (s *scanner) sentence(to int) {
	t := s.text
	at := to
	last := ""
	if s.lineHas(to, setWords) {
		last = "set"
	}
	for range 8 {
		for at < len(t) && t[at] == ' ' {
			at++
		}
		end := at
		for end < len(t) && t[end] > ' ' {
			end++
		}
		word := strings.ToLower(t[at:min(end, at+maxLabel)])
		at = end
		if at >= len(t) || word == "" || strings.IndexByte(",.;", word[len(word)-1]) >= 0 {
			return
		}
		if isWords[word] || word == "to" && setWords[last] {
			v := s.argument(at)
			if v.from < v.to && equalFold(t[v.from:v.to], "now") {
				v = s.argument(v.to)
			}
			if v.from < v.to && !s.public(v, to) {
				v.to -= len(t[v.from:v.to]) - len(strings.TrimRight(t[v.from:v.to], ".,;:!?)"))
				if v.from < v.to && looksSecret(t[v.from:v.to]) {
					s.add(v.from, v.to, Password)
					return
				}
			}
		}
		if last != "set" || at-to > maxName/2 {
			last = word
		}
	}
}

var isWords, setWords = set("is was equals as = ist war lautet es est era è é"), set("set changed reset updated rotated now equal back")

// looksSecret reports whether a word is more than a word: it has letters and digits or
// signs, and is no address, path, time, version or name of a method.
func looksSecret(word string) bool {
	if len(word) < 6 || len(word) > 128 {
		return false
	}
	seen := kindsOf(word)
	signs := strings.ContainsAny(word, "!#$%^&*?+~@")
	if seen&(upper|lower) == 0 || seen&digit == 0 && !signs || strings.IndexByte(word, '/') >= 0 || strings.Contains(word, "=") || strings.Contains(word, "://") || strings.IndexByte(word, '(') >= 0 {
		return false
	}
	if at := strings.IndexByte(word, '@'); at > 0 && strings.IndexByte(word[at:], '.') > 0 {
		return false // a mail address
	}
	if word[0] == '-' || word[0] == '$' || word[0] == '%' || word[0] == '<' || word[0] == '[' || numeric(strings.Trim(word, "v[](),;:ms")) || isUUID(word) {
		return false
	}
	bare := strings.Trim(strings.ToLower(word), digits+"-_.,:;")
	return !methods[bare]
}

// methods are names with digits that stand behind password and are none.
var methods = set("sha scram-sha md pbkdf base utf aes rsa ssh argon2id argon bcrypt scrypt hmac-sha auth oauth ntlmv tls sslv http rfc ipv iso step page line port user node server host worker level attempt")

// looksRandom reports whether a word is a token: long, of letters and digits.
func looksRandom(word string) bool {
	return len(word) >= 16 && keyLike(word) && !isUUID(word)
}

// cisco7 reports whether a word has the form of a password of type 7.
func cisco7(word string) bool {
	return len(word) >= 6 && len(word)%2 == 0 && isDigit(word[0]) && isDigit(word[1]) && setHex.end(word, 0) == len(word)
}
