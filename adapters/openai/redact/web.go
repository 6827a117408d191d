package redact

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// url looks at the user and password of a URL whose :// is at at.
func (s *scanner) url(at int) {
	t := s.text
	if at < s.noUser || at == 0 || !isAlnum(t[at-1]) {
		return
	}
	from := at + len("://")
	end, slash := from, -1
	for ; end < len(t) && end-from < maxURL && s.inURL(at, end); end++ {
		if strings.HasPrefix(t[end:], "://") {
			break // another URL, which is looked at by itself
		}
		if c := t[end]; slash < 0 && (c == '/' || c == '?' || c == '#') && s.separates(at, end) {
			slash = end
		}
	}
	authority := t[from:end]
	if slash >= 0 {
		authority = t[from:slash]
	}
	sign := strings.LastIndexByte(authority, '@')
	colon := strings.IndexByte(authority, ':')
	if sign < 0 && slash >= 0 && colon >= 0 && !isPort(authority[colon+1:]) {
		// A password with a slash in it, which should have been encoded.
		sign = strings.LastIndexByte(t[from:end], '@')
	}
	if sign < 0 {
		if strings.IndexByte(t[from:end], '@') < 0 {
			s.noUser = end
		}
		return
	}
	sign += from
	switch {
	case colon >= 0 && from+colon < sign:
		if v := (value{from + colon + 1, sign, true}); v.from < v.to && !s.public(v, at) {
			s.add(v.from, v.to, URLPassword)
		}
	case sign-from >= 16 && countDigits(t[from:sign]) >= 2: // a token instead of a user
		s.add(from, sign, URLPassword)
	}
	s.covered = max(s.covered, sign)
}

// maxURL bounds how far behind :// the password of a URL is looked for.
const maxURL = 1 << 10

// inURL reports whether the byte at i belongs to the URL whose :// is at at.
func (s *scanner) inURL(at, i int) bool {
	if !s.separates(at, i) {
		return true
	}
	switch c := s.text[i]; c {
	case '"', '\'', '`', '<', '>':
		return false
	default:
		return c > ' '
	}
}

func isPort(s string) bool { return s != "" && countDigits(s) == len(s) && len(s) <= 5 }

// atSign looks at what is on both sides of an @: an e-mail address, or a password and a
// host.
func (s *scanner) atSign(at int) {
	if at <= s.covered || at+1 == len(s.text) {
		return
	}
	t := s.text
	from := at
	for from > 0 && setLocal[t[from-1]] {
		from--
	}
	switch {
	case strings.HasPrefix(t[at+1:], "tcp("), strings.HasPrefix(t[at+1:], "unix("), strings.HasPrefix(t[at+1:], "//"),
		strings.Contains(t[max(0, from-maxName):from], ":thin:"):
		s.driver(at)
		return
	case from > 0 && s.driverLike(from) && s.hostFollows(at+1, t[from-1] == ':') && (t[from-1] != ':' || s.plainLogin(from, at)):
		s.driver(at)
		return
	}
	for from < at && strings.IndexByte(".-%+", t[from]) >= 0 {
		from++
	}
	end := at + 1
	for end < len(t) && setHost[t[end]] {
		end++
	}
	for end > at+1 && (t[end-1] == '.' || t[end-1] == '-') {
		end--
	}
	if from < at && (isMailHost(t[at+1:end]) || end > at+1 && s.wildcards(at+1, end)) {
		s.add(from, end, Email)
	}
}

var setLocal, setHost = func() (*alphabet, *alphabet) {
	local, host := newAlphabet(wordlike+".%+-"), newAlphabet(alnums+".-")
	for b := 0x80; b < 0x100; b++ {
		local[b], host[b] = true, true
	}
	return local, host
}()

// driverLike reports whether a special character before from belongs to a password:
// a name and a colon are before it, without a space.
func (s *scanner) driverLike(from int) bool {
	t := s.text
	for i := from - 1; i > 0 && from-i < maxName && t[i] > ' ' && t[i] != '/' && !isQuote(t[i]) && strings.IndexByte("<>(){}[],;=&", t[i]) < 0; i-- {
		if t[i] == ':' {
			return isLetter(t[i-1]) || isDigit(t[i-1])
		}
	}
	return false
}

// hostFollows reports whether a host is at the given place: a name with a dot or a
// port, and not the line of a class or an address in memory. Where what is before it
// could be a mail address, it must have a port.
func (s *scanner) hostFollows(at int, mail bool) bool {
	t := s.text
	end := setHost.end(t, at)
	port := end+1 < len(t) && t[end] == ':' && isDigit(t[end+1])
	host := t[at:end]
	switch {
	case host == "" || countDigits(host) == len(host):
		return false
	case mail:
		return port || strings.Trim(host, digits+".") == ""
	case port || strings.IndexByte(host, '.') > 0:
		return true
	}
	return setHex.end(host, 0) < len(host)
}

// plainLogin reports whether the word from..to behind a colon can be a password: it is
// no word, or a user in small letters is before it, and no name of a class.
func (s *scanner) plainLogin(from, to int) bool {
	t := s.text
	begin := from - 1
	for begin > 0 && setDotted[t[begin-1]] {
		begin--
	}
	return countDigits(t[from:to]) > 0 || kindsOf(t[begin:from])&upper == 0 && (begin == 0 || t[begin-1] != '[')
}

// driver looks at the password of user:password@tcp(host) and user/password@host,
// the forms of database drivers that are no URLs.
func (s *scanner) driver(at int) {
	t := s.text
	from := at
	for from > 0 && at-from < 2*maxName && t[from-1] > ' ' && !isQuote(t[from-1]) && t[from-1] != '<' && t[from-1] != '=' {
		from--
	}
	login := t[from:at]
	cut := strings.IndexByte(login, ':')
	if thin := strings.Index(login, ":thin:"); thin >= 0 { // jdbc:oracle:thin:user/password@host
		cut = strings.IndexByte(login, '/')
	}
	if cut > 0 && cut+1 < len(login) {
		s.add(from+cut+1, at, URLPassword)
	}
}

// notMail are the last labels of what looks like a mail host and is none: units of
// systemd and names of files.
var notMail = map[string]bool{
	"service": true, "socket": true, "slice": true, "mount": true, "timer": true, "target": true, "scope": true, "device": true,
	"png": true, "jpg": true, "jpeg": true, "gif": true, "svg": true, "webp": true, "css": true, "js": true, "html": true,
	"json": true, "xml": true, "yaml": true, "yml": true, "log": true, "txt": true, "java": true, "py": true, "go": true,
}

// isMailHost reports whether a host has labels with dots between, of which the last
// is of letters.
func isMailHost(host string) bool {
	dot := strings.LastIndexByte(host, '.')
	if dot <= 0 || strings.Contains(host, "..") {
		return false
	}
	last := host[dot+1:]
	if len(last) < 2 || notMail[last] {
		return false
	}
	if strings.HasPrefix(last, "xn--") {
		return true
	}
	for i := range len(last) {
		if !isLetter(last[i]) && last[i] < utf8.RuneSelf {
			return false
		}
	}
	return true
}

// skipSpaces skips the spaces behind a word, and the + that a form writes for one.
func skipSpaces(t string, at int) int {
	for at < len(t) && (t[at] == ' ' || t[at] == '\t' || t[at] == '+') {
		at++
	}
	return at
}

// bearer looks at the token behind the word, which ends at to.
func (s *scanner) bearer(_, to int) {
	t := s.text
	from := to
	for from < len(t) && strings.IndexByte(" \t+:='\"", t[from]) >= 0 {
		from++
	}
	if from == to {
		return
	}
	end := setToken.end(t, from)
	if last := padding(t, end); last < len(t) && isAlnum(t[last]) && last > end {
		return // a name and a value
	}
	end = padding(t, end)
	if size := end - from; size >= 20 || size >= 8 && countDigits(t[from:end]) > 0 {
		s.add(from, end, Authorization)
	}
}

// basic looks at the base64 of user:password behind the word, which ends at to.
func (s *scanner) basic(_, to int) {
	t := s.text
	from := skipSpaces(t, to)
	if from == to {
		return
	}
	end := padding(t, setBlob.end(t, from))
	if plain, ok := decode(t[from:end]); ok && strings.Contains(plain, ":") {
		s.add(from, end, Authorization)
	}
}

// schemes are the first words of an authorization header, which stay.
var schemes = map[string]bool{
	"basic": true, "bearer": true, "digest": true, "negotiate": true, "ntlm": true, "token": true, "apikey": true, "key": true,
	"oauth": true, "hmac": true, "signature": true, "aws": true, "aws4-hmac-sha256": true, "sharedkey": true, "dpop": true,
	"googlelogin": true, "splunk": true, "genie": true, "hawk": true, "kerberos": true, "vapid": true, "scram-sha-256": true,
}

// authorization looks at a scheme and its credentials.
func (s *scanner) authorization(sep, from int) {
	t := s.text
	v := s.value(sep, from)
	if v.from >= v.to {
		return
	}
	word := v.from
	for word < len(t) && setToken[t[word]] {
		word++
	}
	next := skipSpaces(t, word)
	if next > word && schemes[strings.ToLower(t[v.from:word])] {
		v.from = next
		if !v.quoted {
			v.to = s.credentialsEnd(sep, next)
		}
	}
	if v.from < v.to && !s.public(v, sep) {
		s.add(v.from, v.to, Authorization)
	}
}

// credentialsEnd returns the end of one word, or of the line if it is a list of
// parameters.
func (s *scanner) credentialsEnd(sep, from int) int {
	end := s.bareEnd(sep, from)
	if equals := strings.IndexByte(s.text[from:end], '='); equals > 0 && from+equals+1 < end && s.text[from+equals+1] != '=' {
		return s.lineEnd(end)
	}
	if end < len(s.text) && isQuote(s.text[end]) && end > from && s.text[end-1] == '=' {
		return s.lineEnd(end)
	}
	return end
}

// cookieAttributes are names in a Set-Cookie header that are no cookies.
var cookieAttributes = map[string]bool{
	"path": true, "domain": true, "expires": true, "max-age": true, "samesite": true, "version": true, "priority": true, "comment": true,
}

// cookies looks at the values of a Cookie or Set-Cookie header.
func (s *scanner) cookies(sep, from int) {
	t := s.text
	if sep < s.cookieEnd {
		return
	}
	v := s.value(sep, from)
	if v.from >= v.to {
		return
	}
	if !v.quoted {
		v.to = s.lineEnd(v.from)
		for i := v.from; i < v.to; i++ {
			if isQuote(t[i]) && (i == v.from || t[i-1] != '=') {
				v.to = i // of the string that the header is in
			}
		}
	}
	s.cookieEnd = v.to
	for at := v.from; at < v.to; {
		end := at
		for end < v.to && t[end] != ';' {
			end++
		}
		if name, _, ok := strings.Cut(t[at:end], "="); ok && !cookieAttributes[strings.ToLower(strings.TrimSpace(name))] {
			begin, stop := at+len(name)+1, end
			for begin < stop && isQuote(t[begin]) {
				begin++
			}
			if space := strings.IndexAny(t[begin:stop], " \""); space >= 0 {
				stop = begin + space
			}
			if c := (value{begin, stop, true}); begin < stop && !s.public(c, sep) {
				s.add(begin, stop, Cookie)
			}
		}
		at = end + 1
	}
}

// decode decodes base64 in either alphabet, with or without padding, and reports
// whether its text can be read.
func decode(s string) (string, bool) {
	s = strings.TrimRight(s, "=")
	coding := base64.RawStdEncoding
	if strings.ContainsAny(s, "-_") {
		coding = base64.RawURLEncoding
	}
	if len(s)%4 == 1 {
		s = s[:len(s)-1]
	}
	out, err := coding.DecodeString(s)
	if err != nil {
		return "", false
	}
	if len(out) > 8 && out[1] == 0 && out[3] == 0 && out[5] == 0 { // UTF-16
		for i := range len(out) / 2 {
			if out[2*i+1] != 0 {
				return "", false
			}
			out[i] = out[2*i]
		}
		out = out[:len(out)/2]
	}
	for _, b := range out {
		if (b < ' ' && b != '\n' && b != '\t' && b != '\r') || b >= 0x7f {
			return "", false
		}
	}
	return string(out), true
}
