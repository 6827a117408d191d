package mining

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
)

// index finds templates that are alike, and merges those that are of one
// statement. Only templates with the same skeleton, that is with the same
// punctuation and number of words, are compared.
type index struct {
	evidence Evidence
	byID     map[ID]*Template
	// exact finds templates by skeleton and words.
	exact map[uint64]*Template
	// general and recent are the templates of a skeleton: those with words that
	// were found to vary, and the others, the oldest first.
	general, recent map[uint64][]*Template
	// families are the templates that are alike but for one word.
	families map[uint64][]*Template
	// runs finds templates with runs of wildcards by what they are with single ones.
	runs map[uint64]*Template
}

func newIndex(e Evidence) *index {
	return &index{
		evidence: e,
		byID:     map[ID]*Template{}, exact: map[uint64]*Template{}, families: map[uint64][]*Template{},
		general: map[uint64][]*Template{}, recent: map[uint64][]*Template{}, runs: map[uint64]*Template{},
	}
}

// list returns the templates in the order of their birth, with the forms of others or
// without.
func (x *index) list(forms bool) []*Template {
	out := make([]*Template, 0, len(x.byID)+1)
	for _, t := range x.byID {
		if forms || t.merged == nil {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, byBirth)
	return out
}

func byBirth(a, b *Template) int {
	return cmp.Or(cmp.Compare(a.birth, b.birth), cmp.Compare(a.order, b.order), cmp.Compare(a.id, b.id))
}

// cover returns the template that lines of t belong to: of several, the one with
// the most words in common.
func (x *index) cover(t *Template) *Template {
	if known := x.exact[t.key()]; known != nil {
		if same, ok := known.covers(t.tokens); ok && same == len(t.tokens) {
			return known
		}
	}
	var best *Template
	most := -1
	for _, g := range last(x.general[t.skeleton], maxCovering) {
		if same, ok := g.covers(t.tokens); ok && same > most {
			best, most = g, same
		}
	}
	return best
}

func (t *Template) key() uint64 { return t.skeleton ^ t.sum }

// insert adds a template that none covers, and returns it, or the template that
// it was merged into.
func (x *index) insert(t *Template) *Template {
	x.project(t)
	x.link(t)
	for {
		s := x.merge(t)
		if s == nil {
			x.joinForms(t)
			return t
		}
		t = s
	}
}

// joinForms makes templates that differ in how many words are in a run of wildcards forms of
// the oldest: a name has as many words as it likes. A form stays in the index, since
// its lines have a skeleton of their own.
func (x *index) joinForms(t *Template) {
	key, has := t.runKey()
	other := x.runs[key]
	if has && other == nil {
		other, x.runs[key] = x.exact[key], t
	}
	if other != nil && slices.Equal(singleRuns(other.tokens), singleRuns(t.tokens)) {
		joinRoots(t.Root(), other.Root())
	}
}

// joinRoots merges the younger of two roots into the older, and returns it.
func joinRoots(a, b *Template) *Template {
	if byBirth(a, b) > 0 {
		a, b = b, a
	}
	if a != b {
		a.count, b.count = a.count+b.count, 0
		a.seen = max(a.seen, b.seen)
		b.merged = a
	}
	return a
}

// link enters a template everywhere; unlink takes it out.
func (x *index) link(t *Template) {
	x.byID[t.id] = t
	x.exact[t.key()] = t
	side := x.recent
	if t.general {
		side = x.general
	}
	side[t.skeleton] = append(side[t.skeleton], t)
	for key := range t.familyKeys {
		x.families[key] = append(x.families[key], t)
	}
}

func (x *index) unlink(t *Template) {
	delete(x.byID, t.id)
	if x.exact[t.key()] == t {
		delete(x.exact, t.key())
	}
	side := x.recent
	if t.general {
		side = x.general
	}
	without(side, t.skeleton, t)
	for key := range t.familyKeys {
		without(x.families, key, t)
	}
	if key, _ := t.runKey(); x.runs[key] == t {
		delete(x.runs, key)
	}
}

func without(lists map[uint64][]*Template, key uint64, t *Template) {
	list := lists[key]
	i := slices.Index(list, t)
	if i < 0 {
		return
	}
	list = slices.Delete(list, i, i+1)
	if len(list) == 0 {
		delete(lists, key)
		return
	}
	lists[key] = list
}

// familyKey is the same for templates that differ at pos only.
func (t *Template) familyKey(pos int) uint64 {
	return t.skeleton ^ (t.sum - wordHash(pos, t.tokens[pos])) ^ uint64(pos)*0xff51afd7ed558ccd
}

// familyKeys yields the keys of the families that the template belongs to.
func (t *Template) familyKeys(yield func(uint64) bool) {
	for pos := range t.related {
		if !yield(t.familyKey(pos)) {
			return
		}
	}
	if key, ok := t.pairsKey(); ok {
		yield(key)
	}
}

// pairsKey is the same for templates that differ only in words that look like
// values. There is none where such words are few, or more than the others.
func (t *Template) pairsKey() (key uint64, ok bool) {
	values, others := 0, 0
	key = t.skeleton ^ 0xc4ceb9fe1a85ec53
	for i := 1; i < len(t.tokens); i += 2 {
		switch w := t.tokens[i]; {
		case isWildcard(w):
			key += wordHash(i, w)
		case holdsValue(t.tokens, i):
			values++
			key += wordHash(i, "")
		default:
			others++
			key += wordHash(i, w)
		}
	}
	return key, values >= 2 && others >= values
}

// alike tells whether tokens differ only in words that look like values.
func alike(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		switch {
		case a[i] == b[i]:
		case i%2 == 0:
			return false
		case isWildcard(a[i]) && isWildcard(b[i]):
		case !holdsValue(a, i) || !holdsValue(b, i):
			return false
		}
	}
	return true
}

// related yields the places of words that may turn out to vary: not those found
// to vary already, not keys, and none where no other word is left to tell.
func (t *Template) related(yield func(int) bool) {
	constants := 0
	for i := 1; i < len(t.tokens); i += 2 {
		if isConstant(t.tokens[i]) {
			constants++
		}
	}
	for i, n := 1, 0; i < len(t.tokens) && n < maxRelated; i += 2 {
		w := t.tokens[i]
		others := constants
		if isConstant(w) {
			others--
		}
		if w == anyWord || others < 1 || t.tokens[i+1] != "" && t.tokens[i+1][0] == '=' {
			continue
		}
		n++
		if !yield(i) {
			return
		}
	}
}

// project carries what is known over to a new template: where a template is like
// it but for one word, the words that vary there vary here.
func (x *index) project(t *Template) {
	var like *Template
	for _, g := range last(x.general[t.skeleton], maxScanned) {
		if len(g.tokens) != len(t.tokens) {
			continue
		}
		differ := 0
		for i := 1; i < len(t.tokens) && differ < 2; i += 2 {
			if g.tokens[i] != t.tokens[i] && g.tokens[i] != anyWord {
				differ++
			}
		}
		if differ < 2 {
			like = g
		}
	}
	if like == nil {
		return
	}
	for i := 1; i < len(t.tokens); i += 2 {
		if like.tokens[i] == anyWord && t.tokens[i] != anyWord {
			t.generalize(i)
		}
	}
}

func last(list []*Template, n int) []*Template { return list[max(0, len(list)-n):] }

// merge looks for templates of one statement with t, and merges them into the
// oldest, which it returns, or nil if there are none.
func (x *index) merge(t *Template) *Template {
	if covered := x.covered(t); len(covered) > 0 {
		return x.unite(append(covered, t))
	}
	for pos := range t.related {
		family := x.families[t.familyKey(pos)]
		if len(family) < 2 || !x.evidence.varies(family, pos) {
			continue
		}
		family = slices.DeleteFunc(slices.Clone(family), func(o *Template) bool { return !o.coversBut(t.tokens, pos) })
		if len(family) > 1 {
			return x.unite(family)
		}
	}
	key, ok := t.pairsKey()
	if family := x.families[key]; ok && len(family) >= x.evidence.Pairs {
		family = slices.DeleteFunc(slices.Clone(family), func(o *Template) bool { return !alike(o.tokens, t.tokens) })
		if len(family) >= x.evidence.Pairs {
			return x.unite(family)
		}
	}
	if list := x.similar(t); len(list) > 0 {
		return x.unite(list)
	}
	return nil
}

// places is a set of places of words.
type places uint64

// differ returns where two templates of one skeleton have other words, and how many
// constant words they share; false if more than half of the words are others.
func differ(a, b *Template) (at places, shared int, ok bool) {
	if len(a.tokens) != len(b.tokens) || len(a.tokens) > 2*maxRelated {
		return 0, 0, false
	}
	differing := 0
	for i, token := range a.tokens {
		switch {
		case i%2 == 0:
			if token != b.tokens[i] {
				return 0, 0, false
			}
		case token == b.tokens[i]:
			if isConstant(token) {
				shared++
			}
		case !isWildcard(token) || !isWildcard(b.tokens[i]):
			at |= 1 << (i / 2)
			if differing++; differing > len(a.tokens)/4 {
				return 0, 0, false
			}
		}
	}
	return at, shared, true
}

// similar returns t and the templates that are like it but for several words which
// all vary: what differs are fewer words than what is the same (Du and Li, "Spell",
// ICDM 2016, ask for half of a line), and there are many combinations of them.
func (x *index) similar(t *Template) []*Template {
	var others []*Template
	var where []places
	for _, side := range []map[uint64][]*Template{x.recent, x.general} {
		for _, o := range last(side[t.skeleton], maxScanned) {
			if at, shared, ok := differ(o, t); ok && o != t && at != 0 && shared >= 2 && bits.OnesCount64(uint64(at)) <= shared {
				others, where = append(others, o), append(where, at)
			}
		}
	}
	if len(others)+1 < x.evidence.Pairs {
		return nil
	}
	var most int
	var common places
	for i, at := range where {
		if slices.Contains(where[:i], at) {
			continue
		}
		n := 0
		for _, o := range where {
			if o&^at == 0 {
				n++
			}
		}
		if n > most {
			most, common = n, at
		}
	}
	if most+1 < x.evidence.Pairs || bits.OnesCount64(uint64(common)) < 2 {
		return nil
	}
	list := []*Template{t}
	for i, o := range others {
		if where[i]&^common == 0 {
			list = append(list, o)
		}
	}
	for at := common; at != 0; at &= at - 1 {
		pos := 2*bits.TrailingZeros64(uint64(at)) + 1
		if strings.HasPrefix(t.tokens[pos+1], "=") || !manyWords(list, pos, x.evidence.need(list, pos)) {
			return nil
		}
	}
	return list
}

// manyWords tells whether there are many different words at a place.
func manyWords(list []*Template, pos, many int) bool {
	var seen []string
	for _, t := range list {
		if w := t.tokens[pos]; w == anyWord {
			return true
		} else if !slices.Contains(seen, w) {
			seen = append(seen, w)
		}
	}
	return len(seen) >= many
}

// covered returns the templates whose lines are all of t's.
func (x *index) covered(t *Template) []*Template {
	if !t.general {
		return nil
	}
	var out []*Template
	for _, side := range []map[uint64][]*Template{x.recent, x.general} {
		for _, o := range last(side[t.skeleton], maxScanned) {
			if o == t {
				continue
			}
			if _, ok := t.covers(o.tokens); ok {
				out = append(out, o)
			}
		}
	}
	return out
}

// unite merges templates into the oldest: words that are not the same in all vary.
func (x *index) unite(list []*Template) *Template {
	slices.SortFunc(list, byBirth)
	s, root := list[0], list[0].Root()
	for _, t := range list {
		x.unlink(t)
		root = joinRoots(root, t.Root())
	}
	for _, t := range list[1:] {
		s.cover(t.tokens)
		t.merged = s
	}
	x.link(s)
	return s
}
