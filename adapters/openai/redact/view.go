package redact

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// view is a text as who reads it would understand it: escapes of JSON, HTML and
// URLs are undone, full-width and look-alike separators are the plain ones, and
// control and invisible characters and the escape sequences of terminals are gone.
// A template's wildcard is a digit. The rules look at the view only, so they need
// to know plain text only.
type view struct {
	source string
	text   string
	// places holds for each byte of text, and for its end, where it is in source.
	// It is empty where text is source.
	places []int32
	buffer []byte
}

// plain are the bytes that stand for themselves wherever they are.
var plain = func() (table [256]bool) {
	for b := byte(' '); b < 0x7f; b++ {
		table[b] = b != '%' && b != '\\' && b != '&' && b != '<'
	}
	table['\n'], table['\t'], table['\r'] = true, true, true
	return table
}()

// of makes v the view of a text. It stays valid until the next call.
func (v *view) of(text string) *view {
	v.source, v.text = text, text
	v.places, v.buffer = v.places[:0], v.buffer[:0]
	for at := range len(text) {
		if plain[text[at]] {
			continue
		}
		if _, _, n := readEscape(text[at:]); n > 0 {
			v.build(at)
			break
		}
	}
	return v
}

// build makes the view of a text whose first escape is at the given place.
func (v *view) build(first int) {
	v.buffer = append(v.buffer, v.source[:first]...)
	for i := range first {
		v.places = append(v.places, int32(i))
	}
	for at := first; at < len(v.source); {
		if b := v.source[at]; plain[b] {
			v.put(string(rune(b)), at)
			at++
			continue
		}
		r, raw, n := readEscape(v.source[at:])
		switch {
		case n == 0:
			_, n = utf8.DecodeRuneInString(v.source[at:])
			v.put(v.source[at:at+n], at)
		case raw:
			v.put(v.source[at:at+n], at)
		case r >= 0:
			var b [utf8.UTFMax]byte
			v.put(string(utf8.AppendRune(b[:0], r)), at)
		}
		at += n
	}
	v.places = append(v.places, int32(len(v.source)))
	v.text = string(v.buffer)
}

func (v *view) put(s string, at int) {
	for i := range len(s) {
		v.buffer = append(v.buffer, s[i])
		v.places = append(v.places, int32(at))
	}
}

// place returns where a byte of the view is in the source.
func (v *view) place(at int) int {
	if len(v.places) == 0 {
		return at
	}
	return int(v.places[at])
}

// width returns how many bytes of the source a byte of the view stands for: more
// than one if it was escaped, and the more, the more often.
func (v *view) width(at int) int {
	if len(v.places) == 0 {
		return 1
	}
	return int(v.places[at+1] - v.places[at])
}

// encoded returns the width of a byte that was percent-encoded, and 0 for others.
func (v *view) encoded(at int) int {
	if len(v.places) == 0 || v.source[v.places[at]] != '%' {
		return 0
	}
	if w := v.width(at); w > 1 {
		return w
	}
	return 0
}

// dropped is what readEscape returns for what the view leaves out.
const dropped = -1

// readEscape reads what a text begins with if it stands for something else: the
// character, or dropped, and its length. The length is 0 if it stands for itself.
// If raw is true it is to be copied as it is, although it begins like an escape.
func readEscape(s string) (r rune, raw bool, n int) {
	switch c := s[0]; {
	case c == '%':
		r, n = percent(s)
		return r, false, n
	case c == '\\':
		return backslash(s)
	case c == '&':
		r, n = entity(s)
		return r, false, n
	case c == '<':
		if strings.HasPrefix(s, wildcard) {
			return wildcardDigit, false, len(wildcard)
		}
		return 0, false, 0
	case c == 0x1b:
		return dropped, false, terminal(s)
	case c < ' ' || c == 0x7f:
		return dropped, false, 1
	case c < utf8.RuneSelf:
		return 0, false, 0
	}
	r, n = utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n > 1 {
		// What was a control character: who made the text replaced it.
		return dropped, false, n + colour(s[n:])
	}
	if folded, ok := fold(r); ok {
		return folded, false, n
	}
	return 0, false, 0
}

// wildcard is what templates have for a part that varies.
const (
	wildcard      = "<*>"
	wildcardDigit = '0'
)

// percent reads %40, and %2540, which was encoded twice. A byte that is no ASCII
// stands for itself.
func percent(s string) (rune, int) {
	n := 1
	for strings.HasPrefix(s[n:], "25") && len(s) >= n+4 && isHex(s[n+2]) && isHex(s[n+3]) {
		n += 2
	}
	if len(s) < n+2 || !isHex(s[n]) || !isHex(s[n+1]) {
		return 0, 0
	}
	b := unhex(s[n])<<4 | unhex(s[n+1])
	switch {
	case b >= utf8.RuneSelf:
		return 0, 0
	case b < ' ' && b != '\n' && b != '\t' && b != '\r':
		return dropped, n + 2
	}
	return rune(b), n + 2
}

// backslash reads the escapes of JSON and of programming languages. Several
// backslashes are one escape: JSON is often put into JSON.
func backslash(s string) (r rune, raw bool, n int) {
	for n < len(s) && s[n] == '\\' {
		n++
	}
	if n == len(s) {
		return 0, true, n
	}
	code := 0
	switch s[n] {
	case '"', '\'', '`', '/':
		return rune(s[n]), false, n + 1
	case 'n', 'r':
		return '\n', false, n + 1
	case 't':
		return '\t', false, n + 1
	case 'u':
		code = 4
	case 'x':
		code = 2
	}
	if code == 0 || len(s) < n+1+code {
		return 0, true, n
	}
	for _, b := range []byte(s[n+1 : n+1+code]) {
		if !isHex(b) {
			return 0, true, n
		}
		r = r<<4 | rune(unhex(b))
	}
	n += 1 + code
	switch folded, ok := fold(r); {
	case ok:
		return folded, false, n
	case r == 0x1b || (r < ' ' && r != '\n' && r != '\r' && r != '\t'):
		return dropped, false, n
	case r >= 0xd800 && r < 0xe000:
		return unicode.ReplacementChar, false, n // half of a pair; no rule asks which
	}
	return r, false, n
}

var entities = [...]struct {
	text string
	r    rune
}{
	{"&amp;", '&'},
	{"&quot;", '"'},
	{"&apos;", '\''},
	{"&lt;", '<'},
	{"&gt;", '>'},
	{"&colon;", ':'},
	{"&equals;", '='},
	{"&commat;", '@'},
}

// reference matches a character reference by number.
var reference = regexp.MustCompile(`^&#([xX]?)([0-9a-fA-F]{2,6});`)

const maxReference = 12

// entity reads the character references of HTML: those by number, and the names that
// encoders write.
func entity(s string) (rune, int) {
	if n := reference.FindStringSubmatchIndex(s[:min(len(s), maxReference)]); n != nil {
		base, digits := 10, s[n[4]:n[5]]
		if n[3] > n[2] {
			base = 16
		}
		if code, err := strconv.ParseInt(digits, base, 32); err == nil && code >= ' ' && code < 0x7f {
			return rune(code), n[1]
		}
		return 0, 0
	}
	for _, e := range &entities {
		if len(s) >= len(e.text) && strings.EqualFold(s[:len(e.text)], e.text) {
			return e.r, len(e.text)
		}
	}
	return 0, 0
}

// colour returns the length of what is left of a sequence for a colour or for
// clearing a line whose first character was replaced, or 0.
func colour(s string) int {
	if !strings.HasPrefix(s, "[") {
		return 0
	}
	n := 1
	for n < len(s) && (isDigit(s[n]) || s[n] == ';') {
		n++
	}
	if n < len(s) && (s[n] == 'm' || s[n] == 'K') {
		return n + 1
	}
	return 0
}

// maxTitle bounds a terminal's command.
const maxTitle = 256

// terminal returns the length of the escape sequence that s begins with, 1 at
// least: ECMA-48's control sequences and commands such as the one for the title.
func terminal(s string) int {
	if len(s) < 2 {
		return 1
	}
	switch s[1] {
	default:
		return 1
	case '[':
		for n := 2; n < len(s); n++ {
			if s[n] >= '@' && s[n] <= '~' {
				return n + 1
			}
			if s[n] < ' ' || s[n] > '?' {
				return n
			}
		}
		return len(s)
	case ']':
		if n := strings.IndexByte(s[:min(len(s), maxTitle)], '\a'); n > 0 {
			return n + 1
		}
		return 2
	}
}

// lookalikes are characters that are shown like a separator of ASCII, or are meant
// as one in other scripts.
var lookalikes = map[rune]rune{
	'∶': ':', '꞉': ':', 'ː': ':', '˸': ':', '։': ':', '׃': ':', '﹕': ':', '︓': ':',
	'→': '=', '⇒': '=', '➔': '=', '➜': '=', '⟶': '=', '⟹': '=', '꞊': '=', '﹦': '=', '᐀': '=', '⹀': '=', '゠': '=', '═': '=',
	'﹫': '@',
	'“': '"', '”': '"', '„': '"', '‟': '"', '«': '"', '»': '"', '″': '"', '〃': '"',
	'‘': '\'', '’': '\'', '‚': '\'', '‛': '\'', '′': '\'', 'ʼ': '\'', 'ʹ': '\'',
	'‐': '-', '‑': '-', '‒': '-', '–': '-', '—': '-', '―': '-', '−': '-', '﹣': '-', '⁃': '-',
	'․': '.', '。': '.', '｡': '.',
	'⁄': '/', '∕': '/', '⧸': '/',
	'﹔': ';', ';': ';', '﹐': ',', '、': ',', '،': ',',
	'﹤': '<', '﹥': '>', '﹠': '&', '﹖': '?', 'ߺ': '_', '﹍': '_',
}

// fold returns what a character beyond ASCII stands for, or dropped, and false if
// it stands for itself.
func fold(r rune) (rune, bool) {
	switch {
	case r < utf8.RuneSelf:
		return 0, false
	case r >= '！' && r <= '～': // the full-width forms of ASCII
		return r - '！' + '!', true
	case r == utf8.RuneError:
		return 0, false
	case unicode.Is(unicode.Zs, r) || r == '\u2028' || r == '\u2029':
		return ' ', true
	case unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Variation_Selector):
		return dropped, true
	}
	if plain, ok := lookalikes[r]; ok {
		return plain, true
	}
	if r >= 0x2100 && r < 0x2500 || r >= 0x1d400 && r < 0x1f200 { // letters and digits with a form
		if plain := norm.NFKC.String(string(r)); len(plain) == 1 {
			return rune(plain[0]), true
		}
	}
	return 0, false
}

func isHex(b byte) bool { return isDigit(b) || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F' }

func unhex(b byte) byte {
	if isDigit(b) {
		return b - '0'
	}
	return b&0xf + 9
}
