package mining

import (
	"fmt"
	"slices"
	"strings"
)

// Wildcard stands for a part of a template that varies.
const Wildcard = "<*>"

// ID names a template. It is a hash of the masked form of the first line of the
// template, so it is the same in every process and run that sees that line first,
// and it stays when the template becomes more general. Of two templates that are
// merged, the older one keeps its id.
type ID uint64

// String returns the id as 16 hexadecimal digits.
func (id ID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// Template is what lines of one statement have in common.
type Template struct {
	id ID
	// tokens are the words, at odd places, and what is between them.
	tokens []string
	// skeleton is a hash of what is between the words and of their number, sum
	// one of the words; see wordHash.
	skeleton, sum uint64
	// general is whether a word was replaced by anyWord.
	general bool
	count   int
	// merged is the template that this one was merged into, or is a form of.
	merged *Template
	// birth and seen are epochs; order numbers the births within one.
	birth, seen, order uint64
}

// Words of templates that stand for what varies.
const (
	// markWord was masked by its look.
	markWord = "\x01"
	// anyWord was found to vary: too many lines are alike but there.
	anyWord = "\x02"
)

// ID returns the name of the template.
func (t *Template) ID() ID { return t.id }

// Root returns the template that this one was merged into, or itself.
func (t *Template) Root() *Template {
	for t.merged != nil {
		t = t.merged
	}
	return t
}

// Count is how many lines the miner learned of the template and of those that
// were merged into it. What a snapshot brought is not counted.
func (t *Template) Count() int { return t.count }

// Rest tells whether the template takes the lines that came when there were as
// many templates as there may be.
func (t *Template) Rest() bool { return t.id == restID }

// Tokens returns the words, at odd places, and what is between them. Joined they
// are the template.
func (t *Template) Tokens() []string {
	out := make([]string, len(t.tokens))
	for i, token := range t.tokens {
		out[i] = readable(token)
	}
	return out
}

// String returns the template as valid UTF-8 without control characters.
func (t *Template) String() string { return readable(strings.Join(t.tokens, "")) }

var wildcards = strings.NewReplacer(markWord, Wildcard, anyWord, Wildcard)

func readable(s string) string { return strings.ToValidUTF8(wildcards.Replace(s), "\uFFFD") }

// restID is that of the rest. No line is masked to the empty one's text with a
// control character that restID is a hash of.
var restID = ID(hashString(hashSeed, "\x00rest"))

// tokenize cuts a masked line.
func tokenize(masked string, words []span) []string {
	out := make([]string, 0, 2*len(words)+1)
	at := int32(0)
	for _, w := range words {
		out = append(out, masked[at:w.begin], masked[w.begin:w.end])
		at = w.end
	}
	return append(out, masked[at:])
}

// maxPart is how many words a part of a list has at most.
const maxPart = 8

// collapse leaves out what a list repeats: parts of several words, with a value among them,
// that stand behind each other.
func collapse(tokens []string) []string {
	out := tokens
	for i := 1; i < len(out); i += 2 {
		for n := 4; n <= 2*maxPart && i+2*n <= len(out); n += 2 {
			part := out[i : i+n-1]
			if !slices.Equal(part, out[i+n:i+2*n-1]) || !slices.Contains(part, markWord) || !hasConstant(part) {
				continue
			}
			if len(out) == len(tokens) {
				out = slices.Clone(tokens)
			}
			out = slices.Delete(out, i, i+n)
			n = 2
		}
	}
	return out
}

func hasConstant(part []string) bool {
	for i := 0; i < len(part); i += 2 {
		if isConstant(part[i]) {
			return true
		}
	}
	return false
}

// newTemplate returns a template of these tokens.
func newTemplate(id ID, tokens []string) *Template {
	t := &Template{id: id, tokens: tokens, skeleton: hashSeed}
	for i, token := range tokens {
		if i%2 == 0 {
			t.skeleton = hashString(t.skeleton, token)
			continue
		}
		t.sum += wordHash(i, token)
		t.general = t.general || token == anyWord
	}
	return t
}

// generalize replaces the word at pos by anyWord.
func (t *Template) generalize(pos int) {
	t.sum += wordHash(pos, anyWord) - wordHash(pos, t.tokens[pos])
	t.tokens[pos] = anyWord
	t.general = true
}

// cover replaces the words that are not those of tokens, which are as many.
func (t *Template) cover(tokens []string) {
	for i := 1; i < len(t.tokens); i += 2 {
		if t.tokens[i] != tokens[i] && t.tokens[i] != anyWord {
			t.generalize(i)
		}
	}
}

// runKey is the key of the template with single wildcards for its runs, and whether it has
// runs.
func (t *Template) runKey() (key uint64, has bool) {
	if !t.general {
		return t.key(), false
	}
	single := singleRuns(t.tokens)
	return newTemplate(0, single).key(), len(single) < len(t.tokens)
}

// singleRuns returns tokens with one wildcard for each run of them with blanks between.
func singleRuns(tokens []string) []string {
	out := make([]string, 0, len(tokens))
	for i, token := range tokens {
		n := len(out)
		switch {
		case i%2 == 1 && isWildcard(token) && n > 2 && out[n-1] == " " && out[n-2] == anyWord:
			out = out[:n-1]
		case i%2 == 1 && isWildcard(token):
			out = append(out, anyWord)
		default:
			out = append(out, token)
		}
	}
	return out
}

// covers tells whether each line of these tokens belongs to the template, and how
// many tokens are the same.
func (t *Template) covers(tokens []string) (same int, ok bool) {
	if len(t.tokens) != len(tokens) {
		return 0, false
	}
	for i, token := range t.tokens {
		switch {
		case token == tokens[i]:
			same++
		case token != anyWord || i%2 == 0:
			return 0, false
		}
	}
	return same, true
}

// coversBut tells whether the template covers the tokens but for the word at pos.
func (t *Template) coversBut(tokens []string, pos int) bool {
	if len(t.tokens) != len(tokens) {
		return false
	}
	for i, token := range t.tokens {
		if i != pos && token != tokens[i] && (i%2 == 0 || !isWildcard(token) || !isWildcard(tokens[i])) {
			return false
		}
	}
	return true
}

func isWildcard(word string) bool { return word == markWord || word == anyWord }

// The hash is FNV-1a: it is the same in every process. What has the same hash is
// still compared, since lines may be made to collide.
const (
	hashSeed  = 14695981039346656037
	hashPrime = 1099511628211
)

// hashString continues the hash h by s and a mark of its end.
func hashString(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * hashPrime
	}
	return (h ^ 0x1ff) * hashPrime
}

// wordHash is what a word adds to the sum of its template. Sums let one word be
// replaced without reading the others. Both kinds of wildcards are the same here.
func wordHash(pos int, word string) uint64 {
	if word == anyWord {
		word = markWord
	}
	h := hashString(hashSeed^uint64(pos)*0x9e3779b97f4a7c15, word)
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h ^ h>>29
}
