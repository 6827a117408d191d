package mining

import "strings"

// How many different words at one place, all else being equal, tell that the
// place varies. Few values of a plain word are often the point of a statement
// ("link up", "link down"); an identifier or a number seldom is.
const (
	manyPlain  = 6  // plain words
	manyFirst  = 10 // at the begin, where the subject or verb stands
	manyCaps   = 10 // words in capitals: states and kinds
	manyAfter  = 4  // after a preposition or the name of a kind of thing
	manyIdents = 3  // identifiers, or numbers among words
	manyMarked = 2  // words with digits
	manyPairs  = 6  // identifiers at several places at once
)

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

func isConstant(word string) bool { return strings.IndexByte(word, mark) < 0 && word != anyWord }

// varies tells whether templates that differ at pos only are of one statement.
func varies(family []*Template, pos int) bool {
	var looks [lookMark + 1]int
	for _, t := range family {
		looks[lookOf(t.tokens[pos])]++
	}
	n := len(family)
	need := manyPlain
	switch {
	case looks[lookMark]+looks[lookMarked] == n, looks[lookMark]+looks[lookIdent]+looks[lookMarked] == n && looks[lookMark] > 0:
		need = manyMarked
	case looks[lookCaps]*2 > n:
		need = manyCaps
	case pos == 1:
		need = manyFirst
	case looks[lookMark]+looks[lookMarked]+looks[lookIdent] == n, looks[lookMark] > 0:
		need = manyIdents
	case followsPreposition(family[0].tokens, pos):
		need = manyAfter
	}
	return n >= need
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
	return lookOf(tokens[pos]) >= lookIdent && (next == "" || next[0] != '=')
}
