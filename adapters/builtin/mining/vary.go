package mining

import "strings"

// Evidence is how many different words at one place, all else being equal, tell that
// the place varies. Few values of a plain word are often the point of a statement
// ("link up", "link down"); an identifier or a number seldom is.
type Evidence struct {
	Plain  int // plain words
	First  int // at the begin, where the subject or verb stands
	Caps   int // words in capitals: states and kinds
	After  int // after a preposition, the name of a kind of thing, or a key
	Idents int // identifiers, or numbers among words
	Marked int // words with digits
	Pairs  int // several places at once
}

// DefaultEvidence is what a miner needs.
func DefaultEvidence() Evidence {
	return Evidence{Plain: 6, First: 10, Caps: 10, After: 4, Idents: 3, Marked: 2, Pairs: 6}
}

// The kinds of words by their look, from what seldom varies to what always does.
const (
	lookPlain = iota
	lookCaps
	lookIdent
	lookMarked
	lookMark
)

func lookOf(word string) int {
	if word == markWord || word == anyWord {
		return lookMark
	}
	upper, lower, ident := 0, 0, false
	for i := range len(word) {
		switch b := word[i]; {
		case b == mark:
			return lookMarked
		case b >= 'A' && b <= 'Z':
			ident = ident || i > 0 && word[i-1] >= 'a' && word[i-1] <= 'z'
			upper++
		case b >= 'a' && b <= 'z':
			lower++
		case classes[b] == classInner:
			ident = ident || b != '-' && i > 0 && i < len(word)-1
		}
	}
	switch {
	case lower == 0 && upper >= 2:
		return lookCaps
	case ident:
		return lookIdent
	}
	return lookPlain
}

// lookAt is the look of the word at pos. A name in quotes or tight brackets is an
// identifier.
func lookAt(tokens []string, pos int) int {
	look := lookOf(tokens[pos])
	if look < lookIdent && isEnclosed(tokens, pos) {
		return lookIdent
	}
	return look
}

// isEnclosed tells whether the word stands right behind a quote or bracket.
func isEnclosed(tokens []string, pos int) bool {
	return endsWith(tokens[pos-1], '"', '\'') || endsWith(tokens[pos-1], '<', '[')
}

// isFirst tells whether the word is the first one but for a level, values and the like.
func isFirst(tokens []string, pos int) bool {
	for i := 1; i < pos; i += 2 {
		if look := lookOf(tokens[i]); look != lookCaps && look != lookMark && !isEnclosed(tokens, i) {
			return false
		}
	}
	return !isEnclosed(tokens, pos)
}

// isKeyed tells whether the word is the value of a key.
func isKeyed(tokens []string, pos int) bool { return endsWith(tokens[pos-1], '=', ':') }

func endsWith(s string, a, b byte) bool {
	n := len(s)
	return n > 0 && (s[n-1] == a || s[n-1] == b)
}

func isConstant(word string) bool { return strings.IndexByte(word, mark) < 0 && word != anyWord }

// varies tells whether templates that differ at pos only are of one statement.
func (e *Evidence) varies(family []*Template, pos int) bool {
	return len(family) >= e.need(family, pos)
}

// need is how many different words at pos tell that it varies.
func (e *Evidence) need(family []*Template, pos int) int {
	var looks [lookMark + 1]int
	for _, t := range family {
		looks[lookAt(t.tokens, pos)]++
	}
	n := len(family)
	need := e.Plain
	switch {
	case looks[lookMark]+looks[lookMarked] == n, looks[lookMark]+looks[lookIdent]+looks[lookMarked] == n && looks[lookMark] > 0:
		need = e.Marked
	case looks[lookCaps]*2 > n:
		need = e.Caps
	case family[0].tokens[pos+1] == ":" && family[0].tokens[pos+2][0] == mark:
		need = e.Idents // a host before its port
	case pos > 1 && isFirst(family[0].tokens, pos) && family[0].tokens[pos+1] == ": ":
		need = e.After // the name of a logger
	case isFirst(family[0].tokens, pos):
		need = e.First
	case looks[lookMark]+looks[lookMarked]+looks[lookIdent] == n, looks[lookMark] > 0:
		need = e.Idents
	case followsPreposition(family[0].tokens, pos), isKeyed(family[0].tokens, pos):
		need = e.After
	}
	return need
}

func followsPreposition(tokens []string, pos int) bool {
	if pos < 3 || tokens[pos-1] != " " {
		return false
	}
	switch tokens[pos-2] {
	case "for", "from", "to", "by", "on", "at", "in", "of", "with", "as", "via", "into", "named",
		"node", "host", "file", "device", "interface", "module", "service", "class", "package", "queue":
		return true
	}
	return false
}

// holdsValue tells whether the word looks like a value, and is no key.
func holdsValue(tokens []string, pos int) bool {
	next := tokens[pos+1]
	return (lookAt(tokens, pos) >= lookIdent || isKeyed(tokens, pos)) && (next == "" || next[0] != '=')
}
