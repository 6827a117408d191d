package redact

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// scanner finds the secrets of one view in one pass: it looks at each word once,
// and at the separators that can stand in the middle of a secret.
type scanner struct {
	*view
	ips   bool
	forms *forms
	// inner is whether the text is what a base64 word of another text holds.
	inner bool
	found []span
	// bare is the last value without quotes that was looked at, behind a separator
	// that was percent-encoded to bareCode bytes.
	bare     value
	bareCode int
	// runs are the last runs of bytes of each set, blobs the last of base64 and how often it
	// was looked at, cookieEnd the end of the last list of cookies, tableEnd that of
	// the last table and callEnd that of the last list of arguments. No place is read
	// again and again, however often a line repeats the begin of something.
	runs      []span
	blobs     span
	blobTries int
	cookieEnd int
	tableEnd  int
	callEnd   int
	// command is the command whose arguments follow, told what the last label said of
	// the next value, and vendorEnd the end of the group of a vendor's keys.
	command   command
	told      told
	vendorEnd int
	// noUser is the end of the text behind a URL's scheme that is known to hold no @.
	noUser int
	// last is the begin of the last secret.
	last int
	// covered is the end of the last secret or placeholder that began so far. Secrets
	// that were found ahead of here are in ahead, in the order of their begins: what is
	// before them is still looked at.
	covered, here int
	ahead         []span
}

// scan returns the secrets of a view. They are good until the next call.
func (s *Session) scan(v *view) []span {
	sc := s.scanner.of(v)
	sc.ips = s.ips
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

// of makes s the scanner of a view.
func (s *scanner) of(v *view) *scanner {
	forms, runs := loadForms(), s.runs
	if runs == nil {
		runs = make([]span, forms.sets+setsOfOthers)
	}
	clear(runs)
	*s = scanner{view: v, forms: forms, runs: runs, found: s.found[:0]}
	return s
}

// add notes a secret, unless it is empty.
func (s *scanner) add(from, to int, class Class) {
	if from >= to || s.onlyWildcards(from, to) || placeholder(s.text[from:to]) == to-from {
		return
	}
	found := span{from, to, class}
	s.found = append(s.found, found)
	s.last = from
	if from <= s.here {
		s.covered = max(s.covered, to)
		return
	}
	at := len(s.ahead)
	for at > 0 && s.ahead[at-1].from > from && len(s.ahead)-at < maxColumns {
		at--
	}
	s.ahead = slices.Insert(s.ahead, at, found)
}

// reach notes that the scanner is at a place.
func (s *scanner) reach(at int) {
	s.here = at
	for len(s.ahead) > 0 && s.ahead[0].from <= at {
		s.covered = max(s.covered, s.ahead[0].to)
		s.ahead = s.ahead[1:]
	}
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
	for _, c := range []byte("@:=-~>,|*${") {
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
			s.reach(i)
			from := i
			for i++; i < len(t) && kinds[t[i]]&alnum != 0; i++ {
			}
			s.word(from, i)
			continue
		case t[i] == '<':
			s.reach(i)
			if n := placeholder(t[i:]); n > 0 {
				i += n
				s.covered = i
				continue
			}
		case kind != 0:
			s.reach(i)
			s.event(i)
		}
		i++
	}
	s.lines()
}

// event looks at a separator.
func (s *scanner) event(at int) {
	t := s.text
	if shapes := s.forms.signs[t[at]]; len(shapes) > 0 && s.form(at, shapes) {
		return
	}
	switch t[at] {
	case ':':
		if strings.HasPrefix(t[at:], "://") {
			s.url(at)
			return
		}
		next := at + 1
		if next+1 < len(t) && (t[next] == '=' || t[next] == ':' && t[next+1] == ' ') { // := or LDIF's ::
			next++
		}
		s.assignment(at, next)
	case '=':
		next := at + 1
		for next < len(t) && next-at < 3 && (t[next] == '=' || t[next] == '>') { // =>, ==, ===
			next++
		}
		if at > 0 && t[at-1] == '=' {
			return
		}
		s.assignment(at, next)
	case '>':
		s.element(at)
	case ',':
		s.pair(at)
	case '@':
		s.atSign(at)
	case '-':
		s.dash(at)
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
	if (from >= s.covered || from == s.last) && from+1 < len(t) && s.key(from) {
		return
	}
	if kinds[c]&digit != 0 {
		s.number(from, to)
	}
	length := to - from
	if length >= 4 && isDigit(t[from+2]) && isDigit(t[from+3]) && isLetter(c) && isLetter(t[from+1]) {
		s.iban(from)
	}
	if length >= minShortBlob {
		s.blob(from, to)
	}
	if length >= 2 && cueLengths[c]>>(length&63)&1 != 0 && cueStarts.has(c|0x20, t[from+1]|0x20) {
		s.cue(from, to)
	}
	if to < len(t) && behindName[t[to]] {
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
	setURL64  = newAlphabet(wordlike + "-")
	setDotted = newAlphabet(wordlike + "-.")
	setBase64 = newAlphabet(alnums + "+/=")
	// setToken is token68 of RFC 9110, the form of credentials in headers, without
	// its padding.
	setToken = newAlphabet(alnums + "-._~+/")
)
