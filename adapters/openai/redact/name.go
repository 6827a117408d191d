package redact

// rule is what a name says about its value.
type rule uint8

const (
	// ruleNone: nothing.
	ruleNone rule = iota
	// rulePassword: any value is a secret.
	rulePassword
	// ruleToken and ruleSecret: a secret unless it is too short or a number.
	ruleToken
	ruleSecret
	// ruleSession: the id of a session, if it is long and no plain word or number.
	ruleSession
	// ruleCookie: a list of cookies.
	ruleCookie
	// ruleAuthorization: a scheme and its credentials.
	ruleAuthorization
	// ruleCode: a secret if it is three to ten digits.
	ruleCode
	// ruleDigest: a secret if it is long and no word.
	ruleDigest
	// ruleWeak: a secret if it looks random.
	ruleWeak
	// ruleID: an id or checksum, which may look random.
	ruleID
)

// ending is an end of names, in lower case and without separators.
type ending struct {
	text string
	rule rule
	// whole is whether it must be a word of its own, not the end of a longer one:
	// a bypass is no pass.
	whole bool
}

var endings = [...]ending{
	{"password", rulePassword, false},
	{"passwords", rulePassword, false},
	{"passwd", rulePassword, false},
	{"passwort", rulePassword, false},
	{"kennwort", rulePassword, false},
	{"passphrase", rulePassword, false},
	{"passcode", rulePassword, false},
	{"pwd", rulePassword, false},
	{"pw", rulePassword, true},
	{"pass", rulePassword, true},
	{"userpass", rulePassword, false},
	{"dbpass", rulePassword, false},
	{"mnemonic", rulePassword, true},
	{"seedphrase", rulePassword, false},
	{"motdepasse", rulePassword, false},
	{"contraseña", rulePassword, false},
	{"contrasena", rulePassword, false},
	{"senha", rulePassword, true},
	{"wachtwoord", rulePassword, false},
	{"parola", rulePassword, true},
	{"hasło", rulePassword, true},
	{"heslo", rulePassword, true},
	{"şifre", rulePassword, true},
	{"пароль", rulePassword, false},
	{"Пароль", rulePassword, false},
	{"密码", rulePassword, false},
	{"密碼", rulePassword, false},
	{"口令", rulePassword, false},
	{"パスワード", rulePassword, false},
	{"비밀번호", rulePassword, false},

	{"token", ruleToken, false},
	{"jwt", ruleToken, true},
	{"pat", ruleToken, true},
	{"bearer", ruleToken, true},

	{"secret", ruleSecret, false},
	{"secrets", ruleSecret, false},
	{"apikey", ruleSecret, false},
	{"apikeys", ruleSecret, false},
	{"secretkey", ruleSecret, false},
	{"accesskey", ruleSecret, false},
	{"accesskeyid", ruleSecret, false},
	{"privatekey", ruleSecret, false},
	{"privatekeyid", ruleSecret, false},
	{"authkey", ruleSecret, false},
	{"encryptionkey", ruleSecret, false},
	{"encryptkey", ruleSecret, false},
	{"signingkey", ruleSecret, false},
	{"masterkey", ruleSecret, false},
	{"sharedkey", ruleSecret, false},
	{"accountkey", ruleSecret, false},
	{"storagekey", ruleSecret, false},
	{"consumerkey", ruleSecret, false},
	{"appkey", ruleSecret, true},
	{"clientkey", ruleSecret, false},
	{"serverkey", ruleSecret, false},
	{"servicekey", ruleSecret, false},
	{"deploykey", ruleSecret, false},
	{"licensekey", ruleSecret, false},
	{"subscriptionkey", ruleSecret, false},
	{"functionskey", ruleSecret, false},
	{"hmackey", ruleSecret, false},
	{"aeskey", ruleSecret, false},
	{"credentials", ruleSecret, false},

	{"session", ruleSession, true},
	{"sessionid", ruleSession, false},
	{"sessionkey", ruleSession, false},
	{"sessid", ruleSession, false},
	{"sid", ruleSession, true},
	{"cookie", ruleCookie, false},
	{"cookies", ruleCookie, false},
	{"authorization", ruleAuthorization, false},

	{"pin", ruleCode, true},
	{"otp", ruleCode, true},
	{"totp", ruleCode, true},
	{"mfacode", ruleCode, false},
	{"cvv", ruleCode, true},
	{"cvc", ruleCode, true},
	{"cvv2", ruleCode, true},
	{"securitycode", ruleCode, false},

	{"sig", ruleDigest, true},
	{"signature", ruleDigest, false},
	{"credential", ruleDigest, false},

	{"auth", ruleWeak, true},
	{"key", ruleWeak, true},

	{"id", ruleID, true},
	{"ids", ruleID, true},
	{"uid", ruleID, true},
	{"guid", ruleID, true},
	{"uuid", ruleID, true},
	{"hash", ruleID, true},
	{"etag", ruleID, true},
	{"digest", ruleID, true},
	{"checksum", ruleID, true},
	{"fingerprint", ruleID, true},
	{"integrity", ruleID, true},
}

// fillers are words behind the end of a name that change nothing.
var fillers = [...]string{"value", "plaintext", "plain", "text", "raw", "base64", "b64", "encoded", "encrypted", "hash", "hashed", "new", "old", "confirmation", "confirm", "again", "header"}

// maxName bounds the names that are looked at, in bytes.
const maxName = 64

// endingsBy holds the endings by their last byte, longer ones first.
var endingsBy = func() (index [256][]ending) {
	for _, e := range endings {
		last := e.text[len(e.text)-1]
		at := 0
		for at < len(index[last]) && len(index[last][at].text) >= len(e.text) {
			at++
		}
		index[last] = append(index[last], ending{})
		copy(index[last][at+1:], index[last][at:])
		index[last][at] = e
	}
	return index
}()

// nameEnds are the bytes that a name with a rule can end with.
var nameEnds = func() (table [256]bool) {
	mark := func(b byte) {
		table[b] = true
		if kinds[b]&lower != 0 {
			table[b-'a'+'A'] = true
		}
	}
	for _, e := range endings {
		mark(e.text[len(e.text)-1])
	}
	for _, f := range fillers {
		mark(f[len(f)-1])
	}
	for _, d := range []byte(digits) {
		mark(d)
	}
	return table
}()

// setName are the bytes of a name.
var setName = func() *alphabet {
	a := newAlphabet(wordlike + "-.")
	for b := 0x80; b < 0x100; b++ {
		a[b] = true
	}
	return a
}()

// name is a name in the text, from..to.
type name struct{ from, to int }

// nameBefore returns the name whose end is at most a quote, a bracket and some
// spaces before the given place.
func (s *scanner) nameBefore(at int) (name, bool) {
	t := s.text
	for spaces := 0; at > 0 && (t[at-1] == ' ' || t[at-1] == '\t') && spaces < 8; spaces++ {
		at--
	}
	for at > 0 && (isQuote(t[at-1]) || t[at-1] == ']') {
		at--
	}
	n := name{at, at}
	for n.from > 0 && n.to-n.from < maxName && setName[t[n.from-1]] {
		n.from--
	}
	return n, n.from < n.to
}

func isQuote(b byte) bool { return b == '"' || b == '\'' || b == '`' }

// ruleOf returns what a name says.
func (s *scanner) ruleOf(n name) rule {
	t := s.text
	if !nameEnds[t[n.to-1]] || isDigit(t[n.from]) && isDigit(t[n.to-1]) {
		return ruleNone // a time, often
	}
	// Written apart, it is the word before that counts: "API key".
	if n.to-n.from == len("key") && equalFold(t[n.from:n.to], "key") && n.from > 0 && t[n.from-1] == ' ' {
		for n.from--; n.from > 0 && isAlnum(t[n.from-1]); {
			n.from--
		}
	}
	var buffer [maxName + 16]byte
	var starts [maxName + 16]bool
	size := 0
	start := true
	for i := n.from; i < n.to && size < len(buffer); i++ {
		c := t[i]
		switch {
		case c == '_' || c == '-' || c == '.' || c == ' ':
			start = true
			continue
		case kinds[c]&upper != 0:
			start = start || kinds[t[i-1]]&upper == 0 || i+1 < n.to && kinds[t[i+1]]&lower != 0
			c |= 0x20
		}
		buffer[size], starts[size] = c, start
		start = false
		size++
	}
	return lookup(buffer[:size], starts[:size])
}

// lookup finds the rule of a name of which only lower-case letters are left, and
// where its words start.
func lookup(text []byte, starts []bool) rule {
	for len(text) > 0 {
		for _, e := range endingsBy[text[len(text)-1]] {
			at := len(text) - len(e.text)
			if at >= 0 && string(text[at:]) == e.text && (!e.whole || starts[at]) {
				return e.rule
			}
		}
		size := len(text)
		for size > 0 && isDigit(text[size-1]) {
			size--
		}
		if size == len(text) {
			size -= filler(text)
		}
		if size == len(text) || size == 0 {
			return ruleNone
		}
		text = text[:size]
	}
	return ruleNone
}

// fillersBy holds the fillers by their last byte.
var fillersBy = func() (index [256][]string) {
	for _, f := range fillers {
		last := f[len(f)-1]
		index[last] = append(index[last], f)
	}
	return index
}()

// filler returns the length of the filler that the text ends with.
func filler(text []byte) int {
	for _, f := range fillersBy[text[len(text)-1]] {
		if at := len(text) - len(f); at > 0 && string(text[at:]) == f {
			return len(f)
		}
	}
	return 0
}
