package mining

import (
	"cmp"
	"slices"
)

// index finds templates that are alike, and merges those that are of one
// statement. Only templates with the same skeleton, that is with the same
// punctuation and number of words, are compared.
type index struct {
	byID map[ID]*Template
	// exact finds templates by skeleton and words.
	exact map[uint64]*Template
	// general and recent are the templates of a skeleton: those with words that
	// were found to vary, and the others, the oldest first.
	general, recent map[uint64][]*Template
	// families are the templates that are alike but for one word.
	families map[uint64][]*Template
}

func newIndex() *index {
	return &index{
		byID: map[ID]*Template{}, exact: map[uint64]*Template{}, families: map[uint64][]*Template{},
		general: map[uint64][]*Template{}, recent: map[uint64][]*Template{},
	}
}

// list returns the templates in the order of their birth.
func (x *index) list() []*Template {
	out := make([]*Template, 0, len(x.byID)+1)
	for _, t := range x.byID {
		out = append(out, t)
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
			return t
		}
		t = s
	}
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
		if len(family) < 2 || !varies(family, pos) {
			continue
		}
		family = slices.DeleteFunc(slices.Clone(family), func(o *Template) bool { return !o.coversBut(t.tokens, pos) })
		if len(family) > 1 {
			return x.unite(family)
		}
	}
	key, ok := t.pairsKey()
	if family := x.families[key]; ok && len(family) >= manyPairs {
		family = slices.DeleteFunc(slices.Clone(family), func(o *Template) bool { return !alike(o.tokens, t.tokens) })
		if len(family) >= manyPairs {
			return x.unite(family)
		}
	}
	return nil
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
	s := list[0]
	for _, t := range list {
		x.unlink(t)
	}
	for _, t := range list[1:] {
		s.absorb(t)
	}
	x.link(s)
	return s
}
