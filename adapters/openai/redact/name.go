package redact

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

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

// secret reports whether the rule makes most values a secret.
func (r rule) secret() bool { return r == rulePassword || r == ruleToken || r == ruleSecret }

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
	{"pass", rulePassword, false},
	{"bypass", ruleNone, false},
	{"compass", ruleNone, false},
	{"trespass", ruleNone, false},
	{"surpass", ruleNone, false},
	{"overpass", ruleNone, false},
	{"underpass", ruleNone, false},
	{"multipass", ruleNone, false},
	{"firstpass", ruleNone, false},
	{"secondpass", ruleNone, false},
	{"renderpass", ruleNone, false},
	{"passin", rulePassword, true},
	{"passout", rulePassword, true},
	{"passw0rd", rulePassword, false},
	{"p4ssword", rulePassword, false},
	{"pa55word", rulePassword, false},
	{"ssword", rulePassword, false},
	{"ssw0rd", rulePassword, false},
	{"pswd", rulePassword, false},
	{"passw", rulePassword, false},
	{"psw", rulePassword, true},
	{"passwds", rulePassword, false},
	{"bindpw", rulePassword, false},
	{"rootpw", rulePassword, false},
	{"userpw", rulePassword, false},
	{"dbpw", rulePassword, false},
	{"masterauth", rulePassword, false},
	{"rediscliauth", rulePassword, false},
	{"redisauth", rulePassword, false},
	{"psk", rulePassword, true},
	{"wpapsk", rulePassword, false},
	{"presharedkey", rulePassword, false},
	{"pincode", ruleCode, false},
	{"passe", rulePassword, true},
	{"clave", rulePassword, true},
	{"adgangskode", rulePassword, false},
	{"kodeord", rulePassword, false},
	{"lösenord", rulePassword, false},
	{"passord", rulePassword, false},
	{"salasana", rulePassword, false},
	{"jelszó", rulePassword, false},
	{"lozinka", rulePassword, false},
	{"geslo", rulePassword, true},
	{"parool", rulePassword, true},
	{"slaptažodis", rulePassword, false},
	{"κωδικός", rulePassword, false},
	{"סיסמה", rulePassword, false},
	{"المرور", rulePassword, false},
	{"السر", rulePassword, false},
	{"पासवर्ड", rulePassword, false},
	{"รหัสผ่าน", rulePassword, false},
	{"khẩu", rulePassword, false},
	{"암호", rulePassword, false},
	{"暗証番号", rulePassword, false},
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
	{"密码", rulePassword, false},
	{"密碼", rulePassword, false},
	{"口令", rulePassword, false},
	{"パスワード", rulePassword, false},
	{"비밀번호", rulePassword, false},

	{"token", ruleToken, false},
	{"токен", ruleToken, false},
	{"令牌", ruleToken, false},
	{"トークン", ruleToken, false},
	{"publickeytoken", ruleNone, false},
	{"jwt", ruleToken, true},
	{"pat", ruleToken, true},
	{"bearer", ruleToken, true},

	{"secret", ruleSecret, false},
	{"secrets", ruleSecret, false},
	{"apikey", ruleSecret, false},
	{"apikeys", ruleSecret, false},
	{"secretkey", ruleSecret, false},
	{"secretkeybase", ruleSecret, false},
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
	{"secretid", ruleSecret, false},
	{"keydata", ruleSecret, false},
	{"creds", ruleSecret, true},
	{"секрет", ruleSecret, false},
	{"密钥", ruleSecret, false},
	{"密鑰", ruleSecret, false},
	{"秘钥", ruleSecret, false},
	{"keystring", ruleSecret, false},

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
	{"csc", ruleCode, true},
	{"cvn", ruleCode, true},
	{"securitycode", ruleCode, false},

	{"sig", ruleDigest, true},
	{"hmac", ruleDigest, true},
	{"salt", ruleDigest, true},
	{"signature", ruleDigest, false},
	{"credential", ruleDigest, false},

	{"auth", ruleWeak, true},
	{"proxy", ruleWeak, true},
	{"key", ruleWeak, true},

	{"id", ruleID, true},
	{"ids", ruleID, true},
	{"uid", ruleID, true},
	{"guid", ruleID, true},
	{"uuid", ruleID, true},
	{"hash", ruleID, true},
	{"md5", ruleID, true},
	{"sha1", ruleID, true},
	{"sha256", ruleID, true},
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
	for at > 0 && (isQuote(t[at-1]) || t[at-1] == ']' || t[at-1] == '[' && at < len(t) && t[at] == ']') {
		at--
	}
	for at > 0 && (t[at-1] == '.' || t[at-1] == '_') { // password.....: …
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
	if !nameEnds[t[n.to-1]] && t[n.to-1] < utf8.RuneSelf || isDigit(t[n.from]) && isDigit(t[n.to-1]) {
		return ruleNone // a time, often
	}
	// Written apart, it is the word before that counts: "API key".
	if n.from > 0 && t[n.from-1] == ' ' && n.to-n.from <= len("phrase") && apart[strings.ToLower(t[n.from:n.to])] {
		for n.from--; n.from > 0 && isAlnum(t[n.from-1]); {
			n.from--
		}
	}
	var buffer [maxName + 16]byte
	var starts [maxName + 16]bool
	size := 0
	start, foreign := true, false
	for i := n.from; i < n.to && size < len(buffer); i++ {
		c := t[i]
		switch {
		case c == '_' || c == '-' || c == '.' || c == ' ':
			start = true
			continue
		case kinds[c]&upper != 0:
			start = start || kinds[t[i-1]]&upper == 0 || i+1 < n.to && kinds[t[i+1]]&lower != 0
			c |= 0x20
		case c >= utf8.RuneSelf:
			foreign = true
		}
		buffer[size], starts[size] = c, start
		start = false
		size++
	}
	r := lookup(buffer[:size], starts[:size])
	if foreign && !r.secret() {
		if f := foreignRule(t[n.from:n.to]); f != ruleNone {
			return f
		}
	}
	return r
}

// apart are the second halves of names that are written as two words.
var apart = set("key word phrase code")

// foreignRule returns whether a name is that of a secret that has letters beyond ASCII: in small letters
// with their marks, and with those of ASCII that look like its letters.
func foreignRule(text string) rule {
	for _, look := range [...]func(string) string{strings.ToLower, Latin} {
		plain := look(text)
		starts := make([]bool, len(plain))
		bare := make([]byte, 0, len(plain))
		start := true
		for _, c := range []byte(plain) {
			if c == '_' || c == '-' || c == '.' || c == ' ' {
				start = true
				continue
			}
			starts[len(bare)] = start
			bare = append(bare, c)
			start = false
		}
		if r := lookup(bare, starts[:len(bare)]); r.secret() {
			return r
		}
	}
	return ruleNone
}

// Latin returns a text in small letters, with those of ASCII for those that look like
// them.
func Latin(text string) string {
	return strings.Map(func(r rune) rune {
		if plain, ok := letters[r]; ok {
			return plain
		}
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(strings.ToLower(text)))
}

// letters are small letters that look like one of ASCII (Unicode's confusables.txt).
var letters = func() map[rune]rune {
	out := map[rune]rune{}
	for plain, looks := range map[rune]string{
		'a': "аɑα", 'b': "ЬƄ", 'c': "сϲⅽ", 'd': "ԁɗⅾ", 'e': "еєҽℯ", 'g': "ɡցǥ", 'h': "һհ", 'i': "іıɩιӏ", 'j': "јϳ", 'k': "кκ", 'l': "ӏⅼ",
		'm': "мⅿ", 'n': "пռո", 'o': "оοօσ०", 'p': "рρ", 'q': "ԛգ", 'r': "гᴦ", 's': "ѕꜱ", 't': "тτ", 'u': "цυս", 'v': "ѵν", 'w': "ԝωѡա", 'x': "хχ", 'y': "уγү", 'z': "ᴢ",
	} {
		for _, look := range looks {
			out[look] = plain
		}
	}
	return out
}()

// lookup finds the rule of a name of which only lower-case letters are left, and
// where its words start.
func lookup(text []byte, starts []bool) rule {
	for len(text) > 0 {
		for _, e := range endingsBy[text[len(text)-1]] {
			at := len(text) - len(e.text)
			if at >= 0 && string(text[at:]) == e.text && (!e.whole || starts[at]) {
				if e.rule == ruleID && at > 0 && lookup(text[:at], starts[:at]) == rulePassword {
					return rulePassword // password_hash
				}
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
