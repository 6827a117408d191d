package mining

import (
	"bytes"
	"strings"
)

// Bounds of what is read of one line. The rest of a longer line is one variable
// part.
const (
	maxLineBytes = 4 << 10
	maxWords     = 160
)

// mark stands for a variable part in a masked line. Masked lines have no other
// control character.
const mark = 0x01

// The classes of bytes, in an order that the scanner relies on.
const (
	classDelimiter = iota // between words, such as = : , ( )
	classSpace            // white space and control characters
	classInner            // part of a word where letters and digits are, such as . - _ /
	classDigit
	classHex    // a letter that is a hexadecimal digit
	classLetter // any other ASCII letter
	classHigh   // a byte of a character beyond ASCII
)

var classes = func() (c [256]uint8) {
	for i := range c {
		b := byte(i)
		switch {
		case b <= ' ' || b == 0x7f:
			c[i] = classSpace
		case b >= 0x80:
			c[i] = classHigh
		case b >= '0' && b <= '9':
			c[i] = classDigit
		case b|0x20 >= 'a' && b|0x20 <= 'f':
			c[i] = classHex
		case b|0x20 >= 'g' && b|0x20 <= 'z':
			c[i] = classLetter
		}
	}
	for _, b := range []byte(`.-_/+*%$~\^`) {
		c[b] = classInner
	}
	return c
}()

// span is where a word stands.
type span struct{ begin, end int32 }

// scanner masks lines: it replaces the parts that vary by their look. Its slices
// are valid until it is used again.
type scanner struct {
	// buf is the masked line, words where the words stand in it.
	buf   []byte
	words []span

	s string
	// listEnd is where buf ended when a mark was written, listBegin where in s what it
	// stands for begins, and listPrefix what of its word was kept; single is whether it
	// stands for one value.
	listEnd, listBegin int
	listPrefix         string
	single             bool
	// name is where buf ends if a user's name is to follow there.
	name    int
	objects object
	// access is whether the status of an access log came: what is quoted after it
	// are the referrer and the browser.
	access bool
}

// scan masks a line. What looks like a value is replaced by a mark: numbers,
// addresses, paths, ids, dates, and lists of them. White space becomes one space;
// control characters and the sequences of terminals are left out.
func (sc *scanner) scan(s string) {
	sc.buf, sc.words = sc.buf[:0], sc.words[:0]
	sc.listEnd, sc.name, sc.objects, sc.access = 0, 0, object{}, false
	cut := len(s) > maxLineBytes
	if cut {
		s = s[:maxLineBytes]
	}
	sc.s = s
	for i := 0; i < len(s); {
		switch classes[s[i]] {
		case classSpace:
			switch s[i] {
			case 0x1b:
				i = skipEscape(s, i)
			case '\n':
				i = skipFrames(s, i+1)
			default:
				i++
			}
			if n := len(sc.buf); n > 0 && sc.buf[n-1] != ' ' {
				sc.buf = append(sc.buf, ' ')
			}
		case classDelimiter:
			i = sc.delimiter(i)
		default:
			if len(sc.words) == maxWords {
				cut = true
				i = len(s)
				break
			}
			i = sc.word(i)
		}
	}
	if n := len(sc.buf); n > 0 && sc.buf[n-1] == ' ' {
		sc.buf = sc.buf[:n-1]
	}
	if cut {
		sc.buf = append(sc.buf, ' ')
		sc.put(mark)
	}
}

// put writes a word of one byte.
func (sc *scanner) put(b byte) {
	sc.buf = append(sc.buf, b)
	sc.words = append(sc.words, span{int32(len(sc.buf) - 1), int32(len(sc.buf))})
}

// keep writes a part of the line as a word.
func (sc *scanner) keep(begin, end int) {
	from := int32(len(sc.buf))
	sc.buf = append(sc.buf, sc.s[begin:end]...)
	sc.words = append(sc.words, span{from, int32(len(sc.buf))})
}

// skipEscape returns the end of a terminal's escape sequence.
func skipEscape(s string, i int) int {
	i++
	if i == len(s) || s[i] != '[' {
		return i
	}
	for i++; i < len(s) && s[i] >= 0x20 && s[i] < 0x40; {
		i++
	}
	return min(i+1, len(s))
}

// delimiter copies the delimiter at i. Empty brackets and quotes that are words
// of their own hold an empty value.
func (sc *scanner) delimiter(i int) int {
	s, b := sc.s, sc.s[i]
	sc.buf = append(sc.buf, b)
	i++
	if i < len(s) && closes(b, s[i]) && (i < 2 || classes[s[i-2]] < classInner) && len(sc.words) < maxWords {
		sc.put(mark)
		return i
	}
	if b == '(' {
		if end := sc.apposition(i); end > i {
			return end
		}
	}
	end := sc.objects.delimiter(s, b, i)
	if b == '"' && sc.access {
		end = quoteEnd(s, i)
	}
	if b == '=' && end <= i {
		end = objectEnd(s, i)
	}
	if end > i && len(sc.words) < maxWords {
		sc.mask(i, end, 0)
		if b == '"' {
			sc.buf = append(sc.buf, '"')
			end++
		}
		return end
	}
	if (b == '"' || b == '\'') && len(sc.words) < maxWords {
		return sc.quotation(i)
	}
	return i
}

// quotation takes the text in quotes that begins at i, if it has several words, as one
// word: a name or a title has as many as it likes.
func (sc *scanner) quotation(i int) int {
	s := sc.s
	if i >= 2 && classes[s[i-2]] >= classInner {
		return i // behind a word: the quote that ends something
	}
	blanks, digits := 0, 0
	for k := i; k < len(s) && k < i+maxQuotation; k++ {
		switch c := s[k]; {
		case c == s[i-1]:
			if k == i || blanks == 0 || s[k-1] == ' ' || k+1 < len(s) && classes[s[k+1]] >= classInner {
				return i
			}
			if digits > 0 {
				sc.mask(i, k, 0)
			} else {
				sc.keep(i, k)
			}
			return k
		case c == ' ' && (k == i || blanks == 0 && isRequest(s[i:k], s[k+1:])):
			return i
		case c == ' ':
			blanks++
		case classes[c] == classDigit, c == '/' && s[k-1] <= ' ', c == '/' && k == i:
			digits++
		case classes[c] == classSpace, c == '"', c == '=', c == '{':
			return i
		}
	}
	return i
}

// isRequest tells whether a quotation is a request, a method and what it is for: its
// words say more than that there is one.
func isRequest(method, target string) bool {
	for i := range len(method) {
		if method[i] < 'A' || method[i] > 'Z' {
			return false
		}
	}
	return strings.HasPrefix(target, "/") || strings.HasPrefix(target, "http") || strings.HasPrefix(target, "*")
}

// maxQuotation is how long a text in quotes is at most that is one word.
const maxQuotation = 80

// apposition leaves out a quantity in brackets that says again the quantity before it,
// as in 2048 bytes (2 KB), and returns where it ends, or 0 if none begins at i. Lines
// with small quantities often lack it.
func (sc *scanner) apposition(i int) int {
	s, n := sc.s, len(sc.buf)-len("(")
	if n < 2 || sc.buf[n-1] != ' ' || i == len(s) || classes[s[i]] != classDigit {
		return 0
	}
	before := n - 1
	for before > 1 && (classes[sc.buf[before-1]] == classHex || classes[sc.buf[before-1]] == classLetter) {
		before--
	}
	if before < n-4 && sc.buf[n-2] == 's' && sc.buf[before-1] == ' ' {
		before-- // a unit, such as bytes
	} else {
		before = n - 1
	}
	if before != sc.listEnd {
		return 0
	}
	k := i
	for k < len(s) && (classes[s[k]] == classDigit || s[k] == '.') {
		k++
	}
	if k == len(s) || s[k] != ' ' {
		return 0
	}
	unit := k + 1
	for k = unit; k < len(s) && classes[s[k]] >= classHex; k++ {
	}
	if k == unit || k == len(s) || s[k] != ')' {
		return 0
	}
	sc.buf = sc.buf[:n-1]
	return k + 1
}

// quoteEnd returns where the quotation that begins at i ends, or 0 if it does not.
func quoteEnd(s string, i int) int {
	for k := i; k < len(s); k++ {
		switch s[k] {
		case '\\':
			k++
		case '"':
			return k
		}
	}
	return 0
}

func closes(open, b byte) bool {
	switch open {
	case '(':
		return b == ')'
	case '[':
		return b == ']'
	case '{':
		return b == '}'
	}
	return false
}

// wordShape is what a word is made of.
type wordShape struct {
	letters, hexes, digits, inner, slashes, dots int
	// runs counts the runs of digits; prefix the letters before anything else.
	runs, prefix int
}

// measure reads a word and returns its end. A dot belongs to it only before a
// letter or digit; characters beyond ASCII are words of their own, since many
// scripts put no spaces.
func measure(s string, begin int) (w wordShape, end int) {
	last := uint8(classSpace)
	for i := begin; i < len(s); i++ {
		c := classes[s[i]]
		if c < classInner || (c == classHigh) != (last == classHigh) && i > begin && (c == classHigh || last == classHigh) {
			return w, i
		}
		switch c {
		case classDigit:
			w.digits++
			if last != classDigit {
				w.runs++
			}
		case classHex:
			w.hexes++
		case classLetter, classHigh:
			w.letters++
		case classInner:
			switch s[i] {
			case '.':
				if i+1 == len(s) || classes[s[i+1]] < classDigit && s[i+1] != '_' && s[i+1] != '/' {
					return w, i
				}
				w.dots++
			case '/', '\\':
				w.slashes++
			}
			w.inner++
		}
		if w.digits == 0 && w.inner == 0 {
			w.prefix++
		}
		last = c
	}
	return w, len(s)
}

// word masks or keeps the word at i and returns where it ends.
func (sc *scanner) word(begin int) int {
	s := sc.s
	// A name comes after a space, maybe in quotes. After = it is the value of a
	// field, which is left to be found out.
	named := sc.name > 0 && len(sc.buf) > sc.name && len(sc.buf) <= sc.name+2 && sc.buf[sc.name] == ' '
	sc.name = 0
	if end, ok := pathAt(s, begin); ok {
		sc.mask(begin, end, 0)
		return end
	}
	if s[begin] == '-' && sc.placeholder(begin+1) {
		return begin + 1
	}
	if s[begin] == '.' && (begin+1 == len(s) || classes[s[begin+1]] < classDigit) {
		return sc.dots(begin)
	}
	w, end := measure(s, begin)
	if end == begin+1 && strings.HasPrefix(s[end:], `:\`) && w.letters+w.hexes == 1 {
		if pathEnd, ok := pathAt(s, end+1); ok { // of a drive
			sc.mask(begin, pathEnd, 0)
			return pathEnd
		}
	}
	if mailEnd := mailEnd(s, end); mailEnd > end {
		sc.mask(begin, mailEnd, 0)
		return mailEnd
	}
	if w.digits > 0 || w.hexes == 2 && w.hexes == end-begin {
		if addressEnd := colonHex(s, begin); addressEnd > end {
			sc.mask(begin, addressEnd, 0)
			return addressEnd
		}
	}
	if last := rangesEnd(s, end); last > end {
		sc.mask(begin, last, 0)
		return last
	}
	if w.digits == 0 {
		return sc.plainWord(begin, end, &w, named)
	}
	switch {
	case end < len(s) && s[end] == '=' && classes[s[begin]] > classDigit:
		sc.keep(begin, end) // a key
	case sc.isStatus(begin, end):
		sc.access = true
		sc.buf = append(sc.buf, s[begin], 'x', 'x')
		n := int32(len(sc.buf))
		sc.words = append(sc.words, span{n - 3, n})
	case named:
		sc.mask(begin, end, 0)
	case w.runs == 1 && w.inner == 0 && w.prefix >= 2 && w.prefix+w.digits == end-begin && (w.letters > 0 || end-begin < 6):
		sc.mask(begin, end, w.prefix)
	case w.letters+w.hexes == 0:
		end = unitEnd(s, end)
		sc.mask(begin, end, 0)
	default:
		sc.mask(begin, end, 0)
	}
	return end
}

// placeholder tells whether a dash that ends at end stands for a value that is
// missing in a list, as several dashes do and one before a bracket does, and
// leaves it out.
func (sc *scanner) placeholder(end int) bool {
	s, n := sc.s, len(sc.buf)
	if sc.listEnd == 0 || n != sc.listEnd+1 || sc.buf[n-1] != ' ' || end < len(s) && classes[s[end]] >= classInner {
		return false
	}
	before := end > 2 && s[end-3] == '-'
	after := end < len(s) && (s[end] == ']' || end+1 < len(s) && s[end+1] == '-')
	if before || after {
		sc.buf = sc.buf[:n-1]
	}
	return before || after
}

// dots copies a run of dots.
func (sc *scanner) dots(i int) int {
	for i < len(sc.s) && sc.s[i] == '.' {
		sc.buf = append(sc.buf, '.')
		i++
	}
	return i
}

// plainWord masks or keeps a word without digits.
func (sc *scanner) plainWord(begin, end int, w *wordShape, named bool) int {
	s := sc.s
	word := s[begin:end]
	switch {
	case named && w.letters+w.hexes > 0,
		w.slashes >= 2 && w.letters+w.hexes > 0,
		w.slashes == 1 && w.dots > 0,
		w.dots > 0 && isHost(s, word, end),
		w.letters == 0 && w.inner == 0 && len(word) >= 8:
		sc.mask(begin, end, 0)
		return end
	}
	if w.inner == 0 && len(word) >= 3 && len(word) <= 13 {
		switch kindOfWord(word) {
		case wordConstant:
			if end < len(s) && s[end] == '=' {
				break
			}
			sc.mask(begin, end, 0)
			return end
		case wordDate:
			if dateEnd := dateEnd(s, end); dateEnd > end {
				sc.mask(begin, dateEnd, 0)
				return dateEnd
			}
		case wordUser:
			sc.keep(begin, end)
			sc.name = len(sc.buf)
			return end
		}
	}
	sc.keep(begin, end)
	return end
}

// mask replaces the part from begin+prefix to end by a mark. What punctuation or
// spaces join to a mark before is one list with it.
func (sc *scanner) mask(begin, end, prefix int) {
	if sc.listEnd > 0 && sc.listPrefix == sc.s[begin:begin+prefix] {
		k := len(sc.buf)
		for k > sc.listEnd && (joins(sc.buf[k-1]) || sc.buf[k-1] == ' ') {
			k--
		}
		if between := sc.buf[k:]; k == sc.listEnd && !parts(between) && (!sc.single || string(between) != ":" || !sc.isPort(begin, end)) {
			sc.buf = sc.buf[:k]
			sc.single = false
			return
		}
	}
	if n := len(sc.buf); prefix == 0 && n > 1 && sc.buf[n-1] == '<' && sc.buf[n-2] == ' ' && (end == len(sc.s) || sc.s[end] != '>') {
		sc.buf = sc.buf[:n-1] // less than a number
	}
	from := int32(len(sc.buf))
	sc.buf = append(sc.buf, sc.s[begin:begin+prefix]...)
	sc.buf = append(sc.buf, mark)
	sc.words = append(sc.words, span{from, int32(len(sc.buf))})
	sc.listEnd, sc.listBegin, sc.listPrefix, sc.single = len(sc.buf), begin, sc.s[begin:begin+prefix], true
}

// isPort tells whether what a colon joins to a mark is a word of its own, as it is
// behind a name that looks like a word: the mark stands for a name or an address, not
// for a number, and there are no further colons.
func (sc *scanner) isPort(begin, end int) bool {
	s := sc.s
	if strings.IndexByte(s[begin:end], ':') >= 0 || end+1 < len(s) && s[end] == ':' && classes[s[end+1]] == classDigit {
		return false
	}
	name := s[sc.listBegin : begin-1]
	for i := range len(name) {
		if classes[name[i]] > classDigit {
			return true
		}
	}
	return strings.Count(name, ".") == 3
}

// parts tells whether what is between two values sets a name and what is said of it apart.
func parts(between []byte) bool {
	return len(between) > 1 && bytes.IndexByte(between, ':') >= 0 && bytes.IndexByte(between, ' ') >= 0
}

func joins(b byte) bool {
	switch b {
	case ':', ',', '#', '|', ';', '@', '&':
		return true
	}
	return false
}

// isStatus tells whether the word is the status of an access log: three digits
// after a quoted request. Its class stays in the template.
func (sc *scanner) isStatus(begin, end int) bool {
	n, s := len(sc.buf), sc.s
	return end-begin == 3 && n > 1 && sc.buf[n-1] == ' ' && sc.buf[n-2] == '"' && s[begin] >= '1' && s[begin] <= '5' &&
		classes[s[begin+1]] == classDigit && classes[s[begin+2]] == classDigit
}
