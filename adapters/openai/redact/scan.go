package redact

import (
	"strings"
	"unicode/utf8"
)

// scanner finds the secrets of one view in one pass: it looks at each word once,
// and at the separators that can stand in the middle of a secret.
type scanner struct {
	*view
	ips bool
	// inner is whether the text is what a base64 word of another text holds.
	inner bool
	found []span
	// bare is the last value without quotes that was looked at, behind a separator
	// that was percent-encoded to bareCode bytes.
	bare     value
	bareCode int
	// run is the last run of base64url, blobs the last of base64 and how often it
	// was looked at, cookieEnd the end of the last list of cookies. No place is read
	// again and again, however often a line repeats the begin of something.
	run       span
	blobs     span
	blobTries int
	cookieEnd int
	// noUser is the end of the text behind a URL's scheme that is known to hold no @.
	noUser int
	// last is the begin of the last secret.
	last int
	// covered is the end of the last secret or placeholder so far.
	covered int
}

// scan returns the secrets of a view, behind those of out.
func (s *Session) scan(v *view, out []span) []span {
	sc := scanner{view: v, ips: s.ips, found: out}
	sc.scan()
	for _, k := range s.known {
		for from := 0; ; {
			at := strings.Index(v.text[from:], k.value)
			if at < 0 {
				break
			}
			from += at + len(k.value)
			sc.add(from-len(k.value), from, k.class)
		}
	}
	return sc.found
}

// add notes a secret, unless it is empty.
func (s *scanner) add(from, to int, class Class) {
	if from >= to || s.onlyWildcards(from, to) {
		return
	}
	s.found = append(s.found, span{from, to, class})
	s.last, s.covered = from, max(s.covered, to)
}

// wildcards reports whether a part of the view stands for a wildcard among others.
func (s *scanner) wildcards(from, to int) bool {
	return len(s.places) > 0 && strings.Contains(s.source[s.place(from):s.place(to)], wildcard)
}

// onlyWildcards reports whether nothing of a value is left but wildcards and what
// is between them.
func (s *scanner) onlyWildcards(from, to int) bool {
	if !s.wildcards(from, to) {
		return false
	}
	rest := strings.ReplaceAll(s.source[s.place(from):s.place(to)], wildcard, "")
	return !strings.ContainsFunc(rest, func(r rune) bool { return r >= utf8.RuneSelf || isAlnum(byte(r)) })
}

// Kinds of bytes.
const (
	alnum = 1 << iota
	// event is a byte that can be in the middle of a secret, or in front of one.
	event
	upper
	lower
	digit
)

var kinds = func() (table [256]uint8) {
	for b := range 256 {
		switch c := byte(b); {
		case c >= 'a' && c <= 'z':
			table[b] = alnum | lower
		case c >= 'A' && c <= 'Z':
			table[b] = alnum | upper
		case c >= '0' && c <= '9':
			table[b] = alnum | digit
		}
	}
	for _, c := range []byte("@:=-~>,") {
		table[c] = event
	}
	return table
}()

func isDigit(b byte) bool { return kinds[b]&digit != 0 }
func isAlnum(b byte) bool { return kinds[b]&alnum != 0 }

func (s *scanner) scan() {
	t := s.text
	for i := 0; i < len(t); {
		switch kind := kinds[t[i]]; {
		case kind&alnum != 0:
			from := i
			for i++; i < len(t) && kinds[t[i]]&alnum != 0; i++ {
			}
			s.word(from, i)
			continue
		case t[i] == '<':
			if n := placeholder(t[i:]); n > 0 {
				i += n
				s.covered = i
				continue
			}
		case kind != 0:
			s.event(i)
		}
		i++
	}
	s.lines()
}

// event looks at a separator.
func (s *scanner) event(at int) {
	t := s.text
	switch t[at] {
	case ':':
		if strings.HasPrefix(t[at:], "://") {
			s.url(at)
			return
		}
		next := at + 1
		if next < len(t) && t[next] == '=' {
			next++
		}
		s.assignment(at, next)
	case '=':
		next := at + 1
		if next < len(t) && t[next] == '>' {
			next++
		}
		s.assignment(at, next)
	case '>':
		s.element(at)
	case ',':
		s.pair(at)
	case '@':
		s.at(at)
	case '-':
		s.dashes(at)
	case '~':
		s.azureSecret(at)
	}
}

// word looks at the letters and digits from..to.
func (s *scanner) word(from, to int) {
	t := s.text
	c := t[from]
	if kinds[c]&digit != 0 && from > 0 && (t[from-1] == '[' || t[from-1] == ';') {
		// What is left of a colour whose first character was taken out: [31mword.
		if m := setDigit.end(t, from); m+1 < to && t[m] == 'm' {
			from, c = m+1, t[m+1]
		}
	}
	if (from >= s.covered || from == s.last) && from+1 < len(t) && pairs.has(c, t[from+1]) && s.shape(from) {
		return
	}
	if kinds[c]&digit != 0 {
		s.number(from, to)
	}
	length := to - from
	if length >= 4 && isDigit(t[from+2]) && isDigit(t[from+3]) && isLetter(c) && isLetter(t[from+1]) {
		s.iban(from)
	}
	switch {
	case length >= minBlob:
		s.blob(from)
	case length == len("bearer") && c|0x20 == 'b' && equalFold(t[from:to], "bearer"):
		s.bearer(to)
	case length == len("basic") && c|0x20 == 'b' && equalFold(t[from:to], "basic"):
		s.basic(to)
	}
	if from >= 2 && t[from-1] == '-' && t[from-2] == '-' {
		s.flag(from)
	}
	if to+1 < len(t) && t[to] == ' ' && isQuote(t[to+1]) {
		s.spoken(from, to)
	}
	if s.ips {
		s.ip(from, to)
	}
}

// equalFold compares with a word of lower-case ASCII.
func equalFold(s, word string) bool {
	if len(s) != len(word) {
		return false
	}
	for i := range len(word) {
		c := s[i]
		if kinds[c]&upper != 0 {
			c |= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// alphabet is a set of bytes.
type alphabet [256]bool

func newAlphabet(bytes string) *alphabet {
	var a alphabet
	for _, b := range []byte(bytes) {
		a[b] = true
	}
	return &a
}

// end returns the end of the run of bytes of the alphabet that begins at from.
func (a *alphabet) end(t string, from int) int {
	for from < len(t) && a[t[from]] {
		from++
	}
	return from
}

const (
	digits   = "0123456789"
	lowers   = "abcdefghijklmnopqrstuvwxyz"
	uppers   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	alnums   = digits + lowers + uppers
	hexes    = digits + "abcdefABCDEF"
	wordlike = alnums + "_"
)

var (
	setDigit  = newAlphabet(digits)
	setHex    = newAlphabet(hexes)
	setLower  = newAlphabet(lowers)
	setUpper  = newAlphabet(digits + uppers)
	setAlnum  = newAlphabet(alnums)
	setWord   = newAlphabet(wordlike)
	setURL64  = newAlphabet(wordlike + "-")
	setDotted = newAlphabet(wordlike + "-.")
	setBase64 = newAlphabet(alnums + "+/=")
	setPath   = newAlphabet(wordlike + "-+/=.@")
	// setToken is token68 of RFC 9110, the form of credentials in headers, without
	// its padding.
	setToken = newAlphabet(alnums + "-._~+/")
)
