package redact

import "strings"

// A cue is a word behind which a secret may stand without a sign that assigns it:
// the verb of a protocol, a keyword of SQL, the name of a program.
var cues map[string]func(s *scanner, from, to int)

// cueStarts holds the first two letters of the cues, in small letters, and cueLengths
// for each first byte a bit for each length.
var (
	cueStarts  pairSet
	cueLengths [256]uint64
)

// pairSet is a set of pairs of bytes.
type pairSet [256][4]uint64

func (p *pairSet) add(a, b byte)      { p[a][b>>6] |= 1 << (b & 63) }
func (p *pairSet) has(a, b byte) bool { return p[a][b>>6]&(1<<(b&63)) != 0 }

// maxCue is no less than the length of the longest cue.
const maxCue = 40

func init() { // The functions look for cues themselves.
	cues = map[string]func(s *scanner, from, to int){
		"bearer": (*scanner).bearer, "basic": (*scanner).basic,
		"by": (*scanner).identified, "values": (*scanner).inserted,
		"auth": (*scanner).verb, "pass": (*scanner).verb, "login": (*scanner).verb, "identify": (*scanner).verb, "oper": (*scanner).verb, "authenticate": (*scanner).verb,
		"setuser": (*scanner).redisUser, "on": (*scanner).redisOn, "converttosecurestring": (*scanner).first, "securestring": (*scanner).first,
		"echo": (*scanner).piped, "printf": (*scanner).piped, "net": (*scanner).netUser,
	}
	for _, word := range []string{
		"password", "passwd", "passwort", "passphrase", "passcode", "pwd", "pw", "psk", "secret", "token", "key", "community", "string",
		"requirepass", "masterauth", "bindpw", "rootpw", "pin", "passe", "assword", "asswd",
	} {
		cues[word] = (*scanner).said
	}
	cues["pass"] = func(s *scanner, from, to int) { s.verb(from, to); s.said(from, to) }
	for _, word := range []string{
		"networkcredential", "getconnection", "pscredential", "passwordauthentication", "usernamepasswordcredentials", "usernamepasswordauthenticationtoken",
		"usernamepasswordtoken", "httpbasicauth", "basicauth", "setbasicauth", "basicawscredentials", "createuser", "signin", "setcredentials", "addlogin",
	} {
		cues[word] = (*scanner).call
	}
	for _, word := range []string{"creds", "credentials", "account"} {
		cues[word] = (*scanner).loginSaid
	}
	cues["login"] = func(s *scanner, from, to int) { s.verb(from, to); s.loginSaid(from, to) }
	for name := range programs {
		cues[name] = (*scanner).program
	}
	for word := range cues {
		cueStarts.add(word[0], word[1])
		cueLengths[word[0]] |= 1 << len(word)
		cueLengths[word[0]&^0x20] |= 1 << len(word)
	}
}

// cue looks at what follows the word from..to if it is a cue.
func (s *scanner) cue(from, to int) {
	var lower [maxCue]byte
	if to-from > len(lower) {
		return
	}
	word := lower[:copy(lower[:], s.text[from:to])]
	for i, c := range word {
		if kinds[c]&upper != 0 {
			word[i] = c | 0x20
		}
	}
	if look := cues[string(word)]; look != nil {
		look(s, from, to)
	}
}

// argument returns the word that follows at: behind spaces, or as the next of a list
// of strings.
func (s *scanner) argument(at int) value {
	t := s.text
	i := at
	if i < len(t) && isQuote(t[i]) {
		i++
	}
	if i < len(t) && t[i] == ',' {
		i++
	}
	begin := i
	for i < len(t) && (t[i] == ' ' || t[i] == '\t') {
		i++
	}
	if i+2 < len(t) && t[i] == 'a' && isDigit(t[i+1]) { // the audit log's a0="mysql" a1="-p"
		if end := setDigit.end(t, i+1); end < len(t) && t[end] == '=' {
			i = end + 1
		}
	}
	if i == len(t) || t[i] < ' ' || i == begin && (i == at || !isQuote(t[i])) {
		return value{}
	}
	return s.value(at, i)
}

// end returns where the text goes on behind a value.
func (s *scanner) after(v value) int {
	if v.quoted && v.to < len(s.text) && isQuote(s.text[v.to]) {
		return v.to + 1
	}
	return v.to
}

// endsHere reports whether a line or a quoted string ends at a place.
func (s *scanner) endsHere(at int) bool {
	t := s.text
	return at >= len(t) || t[at] < ' ' || isQuote(t[at]) || t[at] == '<' || strings.IndexByte(")]}", t[at]) >= 0
}

// verb looks at the arguments of a command of Redis, IMAP, POP3, FTP, SMTP or IRC,
// such as AUTH, PASS or LOGIN: in capitals, where a command can begin, with nothing
// behind them, or as strings in a row, as Redis' MONITOR shows them.
func (s *scanner) verb(from, to int) {
	t := s.text
	monitored := from > 0 && isQuote(t[from-1]) && to+2 < len(t) && isQuote(t[to]) && t[to+1] == ' ' && isQuote(t[to+2])
	if !monitored && (kinds[t[from]]&upper == 0 || kinds[t[to-1]]&upper == 0 || !s.commandBegins(from)) {
		s.call(from, to)
		return
	}
	if s.resp(to) {
		return
	}
	word := strings.ToUpper(t[from:to])
	var first, last value
	n := 0
	at := to
	for ; n < 3 && (!s.endsHere(at) || s.listed(at)); n++ {
		v := s.argument(at)
		if v.from >= v.to {
			break
		}
		if n == 0 {
			first = v
		}
		last, at = v, s.after(v)
	}
	if n > 0 && (word == "AUTH" || word == "AUTHENTICATE") && mechanisms[strings.ToLower(t[first.from:first.to])] {
		if n == 2 {
			s.add(last.from, last.to, Password)
		}
		return
	}
	least, most := 1, 2
	switch word {
	case "PASS":
		most = 1
	case "LOGIN", "OPER":
		least = 2
	}
	if n < least || n > most || !s.endsHere(at) {
		return
	}
	if text := t[last.from:last.to]; !s.public(last, to) && !testNamed(text) && (word != "PASS" || strings.IndexByte(text, '/') < 0) {
		s.add(last.from, last.to, Password)
	}
}

// listed reports whether another string of a list follows the quote at a place.
func (s *scanner) listed(at int) bool {
	t := s.text
	if at >= len(t) || !isQuote(t[at]) {
		return false
	}
	at++
	for at < len(t) && (t[at] == ',' || t[at] == ' ') {
		at++
	}
	return at < len(t) && isQuote(t[at])
}

// mechanisms are ways of SASL and of FTP to prove who one is, which AUTH names.
var mechanisms = map[string]bool{
	"plain": true, "login": true, "cram-md5": true, "digest-md5": true, "xoauth2": true, "oauthbearer": true, "ntlm": true, "gssapi": true, "gss-spnego": true,
	"external": true, "anonymous": true, "scram-sha-1": true, "scram-sha-256": true, "scram-sha-512": true, "tls": true, "ssl": true, "tls-c": true, "tls-p": true, "sasl": true,
}

// commandBegins reports whether a command of a protocol can begin at a place: that of
// a line or a quoted string, behind a prompt, or behind a tag or number.
func (s *scanner) commandBegins(at int) bool {
	t := s.text
	if at == 0 || t[at-1] < ' ' || isQuote(t[at-1]) {
		return true
	}
	if t[at-1] == ':' || t[at-1] == '>' || t[at-1] == '=' {
		return true
	}
	if t[at-1] != ' ' || at < 2 {
		return false
	}
	switch before := t[at-2]; {
	case strings.IndexByte(":<>*$#-]+=", before) >= 0 || isDigit(before):
		return true
	default:
		word := t[:at-1]
		word = word[strings.LastIndexAny(word, " \n")+1:]
		return equalFold(word, "authinfo") || equalFold(word, "nickserv") || equalFold(word, "redis-cli") || equalFold(word, "command") || equalFold(word, "cmd") || equalFold(word, "sent") || equalFold(word, "send")
	}
}

// resp looks at the arguments in Redis' protocol: each behind its length, on a line
// of its own.
func (s *scanner) resp(at int) bool {
	t := s.text
	found := false
	for {
		for at < len(t) && (t[at] == '\n' || t[at] == '\r') {
			at++
		}
		end := at
		if at+1 < len(t) && t[at] == '$' {
			end = setDigit.end(t, at+1)
		}
		if end < at+2 {
			return found
		}
		for end < len(t) && (t[end] == '\n' || t[end] == '\r') {
			end++
		}
		to := end
		for to < len(t) && t[to] > '\r' {
			to++
		}
		s.add(end, to, Password)
		found, at = true, to
	}
}

// call looks at the last string of auth("user", "…") and the like, and at the second
// of SQL's sp_addlogin 'user', '…', 'database'.
func (s *scanner) call(_, to int) {
	t := s.text
	if to+1 >= len(t) || t[to] != '(' && (t[to] != ' ' || !isQuote(t[to+1])) || to < s.callEnd {
		return
	}
	at := to + 1
	var last value
	for n := 0; at < len(t) && isQuote(t[at]) && (t[to] == '(' || n < 2); n++ {
		last = s.quoted(at)
		at = s.after(last)
		for at < len(t) && (t[at] == ',' || t[at] == ' ') {
			at++
		}
	}
	s.callEnd = at
	if last.from < last.to && (t[to] == ' ' || at < len(t) && t[at] == ')') && !s.public(last, to) {
		s.add(last.from, last.to, Password)
	}
}

// first looks at the first argument of a command, behind its options.
func (s *scanner) first(_, to int) {
	v := s.argument(to)
	for n := 0; v.from < v.to && s.text[v.from] == '-' && n < 4; n++ {
		v = s.argument(v.to)
	}
	if v.from < v.to && !s.public(v, to) {
		s.add(v.from, v.to, Password)
	}
}

// redisUser looks at the passwords and hashes of ACL SETUSER.
func (s *scanner) redisUser(_, to int) {
	v := s.argument(to)
	for n := 0; v.from < v.to && n < maxArguments; n++ {
		if c := s.text[v.from]; c == '>' || c == '<' || c == '#' {
			s.add(v.from+1, v.to, Password)
		}
		v = s.argument(s.after(v))
	}
}

// redisOn looks at the password of a line of an ACL file: user NAME on >….
func (s *scanner) redisOn(_, to int) {
	if t := s.text; strings.HasPrefix(t[to:], " >") && to+2 < len(t) && t[to+2] > ' ' {
		if v := s.argument(to); v.from+1 < v.to {
			s.add(v.from+1, v.to, Password)
		}
	}
}

// identified looks at SQL's IDENTIFIED BY '…' and IDENTIFIED WITH plugin BY '…'.
func (s *scanner) identified(from, to int) {
	const verb = "identified"
	at := from - len(verb)
	for at >= max(0, from-2*maxName) && s.text[at] != ';' && !equalFold(s.text[at:at+len(verb)], verb) {
		at--
	}
	if at < max(0, from-2*maxName) || s.text[at] == ';' {
		return
	}
	v := s.argument(to)
	if v.from < v.to && equalFold(s.text[v.from:v.to], "password") {
		v = s.argument(v.to)
	}
	if v.from < v.to && !s.public(v, to) {
		s.add(v.from, v.to, Password)
	}
}

// maxColumns bounds the columns of a table that are looked at.
const maxColumns = 64

// inserted looks at the values of an INSERT whose columns say which are secret.
func (s *scanner) inserted(from, to int) {
	t := s.text
	last := from - 1
	for last > 0 && t[last] <= ' ' {
		last--
	}
	if last <= 0 || t[last] != ')' || to < s.tableEnd {
		return
	}
	begin := max(0, last-16*maxName)
	open := strings.LastIndexByte(t[begin:last], '(')
	if open < 0 {
		return
	}
	open += begin + 1
	var rules [maxColumns]rule
	n, secret := 0, false
	for at := open; at <= last && n < maxColumns; n++ {
		end := at
		for end < last && t[end] != ',' {
			end++
		}
		rules[n] = s.ruleOfText(at, end)
		secret = secret || rules[n].secret()
		at = end + 1
	}
	if !secret {
		return
	}
	at := to
	for {
		for at < len(t) && (t[at] <= ' ' || t[at] == ',') {
			at++
		}
		if at == len(t) || t[at] != '(' {
			break
		}
		at = s.tuple(at+1, rules[:n])
	}
	s.tableEnd = at
}

// tuple looks at the values of a row of SQL from its bracket on, and returns its end.
func (s *scanner) tuple(at int, rules []rule) int {
	t := s.text
	for column := 0; at < len(t); column++ {
		for at < len(t) && t[at] <= ' ' {
			at++
		}
		v := value{at, at, false}
		depth := 0
		for at < len(t) && (depth > 0 || t[at] != ',' && t[at] != ')') {
			switch {
			case isQuote(t[at]):
				v = s.quoted(at)
				at = s.after(v)
				continue
			case t[at] == '(':
				depth++
			case t[at] == ')':
				depth--
			}
			at++
		}
		if !v.quoted {
			v.to = at
		}
		if column < len(rules) && rules[column].secret() && v.from < v.to && !s.public(v, v.from) {
			s.add(v.from, v.to, Password)
		}
		if at == len(t) || t[at] == ')' {
			return min(at+1, len(t))
		}
		at++
	}
	return at
}

// ruleOfText returns the rule of a name that stands in a text, with quotes or spaces
// round it.
func (s *scanner) ruleOfText(from, to int) rule {
	t := s.text
	for from < to && (t[from] <= ' ' || isQuote(t[from])) {
		from++
	}
	for from < to && (t[to-1] <= ' ' || isQuote(t[to-1])) {
		to--
	}
	if from == to || to-from > maxName || setName.end(t, from) < to {
		return ruleNone
	}
	return s.ruleOf(name{from, to})
}
