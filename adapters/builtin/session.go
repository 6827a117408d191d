package builtin

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
)

// Bounds of what is taken for a session.
const (
	maxSessionIDs   = 500_000
	minSessions     = 50
	minSessionLines = 2
	maxSessionLines = 1000
	// minCoverage is the part of the lines that must name a session of a kind,
	// maxSessionKinds how many kinds are looked at.
	minCoverage     = 0.1
	maxSessionKinds = 3
	// likeCoverage is how much two kinds may differ in what they cover for the one
	// with the longer sessions to come first.
	likeCoverage = 0.1
	// minOrder is how much a template must tell at least about whether its line is the
	// first, or the last, of a session. For lines in no order, maxSpread is how much the
	// numbers of lines of a template may vary from session to session, where 1 is by
	// chance, and manyIDs how many times more ids than lines of each there must be.
	minOrder, maxSpread, manyIDs = 0.3, 0.9, 10
	// nested is the share of one kind's sessions that lie within one session of
	// another kind above which they tell nothing more.
	nested = 0.9
	// sameKind is the share of the ids of two kinds that must occur as both for the
	// two to be one: an instance is also named in paths.
	sameKind = 0.5
	// byChance is how many times fewer ids of one form than of another may look like
	// it by chance: of 100 hexadecimal ids of 8 characters, 2 have only digits.
	byChance = 10
)

// sessionFinder collects the ids that lines hold, and tells which kinds of them
// name sessions: blocks, requests, traces.
type sessionFinder struct {
	numbers map[string]int32
	ids     []sessionID
	// places are the ids of all lines, one line after the other; ends is where
	// those of each line end.
	places []int32
	ends   []int32
	kinds  []idKind
	// named are the kinds by form and the word before, byName by their names.
	named  map[idName]int32
	byName map[string]int32
}

// sessionID is one id: its text, how many lines hold it, and its kind: the one that
// most of its lines have, by the vote of Boyer and Moore. other is another kind that
// it has elsewhere, or -1.
type sessionID struct {
	text        string
	lines       int32
	kind, other int32
	votes       int32
}

// idName is the form of ids and the word before them.
type idName struct{ form, key string }

// idKind is what ids have in common: a prefix, or a form and the word before.
type idKind struct {
	name   string
	prefix bool
	idName
}

func newSessionFinder() *sessionFinder {
	return &sessionFinder{numbers: map[string]int32{}, named: map[idName]int32{}, byName: map[string]int32{}}
}

// add notes the ids of the next line. Nothing is kept of the strings but copies.
func (f *sessionFinder) add(ids []idToken) {
	begin := len(f.places)
	for _, id := range ids {
		n, ok := f.numbers[id.text]
		if !ok {
			if len(f.ids) >= maxSessionIDs {
				continue
			}
			n = int32(len(f.ids))
			text := strings.Clone(id.text)
			f.numbers[text] = n
			f.ids = append(f.ids, sessionID{text: text, kind: f.kindOf(text, id.key), other: -1})
		}
		known := &f.ids[n]
		if k := &f.kinds[known.kind]; k.prefix || k.key == id.key {
			known.votes++
		} else {
			known.vote(f.kind(idName{k.form, id.key}))
		}
		if !slices.Contains(f.places[begin:], n) {
			f.places = push(f.places, n)
			known.lines++
		}
	}
	f.ends = push(f.ends, int32(len(f.places)))
}

// vote counts a line in which the id is of another kind.
func (id *sessionID) vote(kind int32) {
	switch {
	case kind == id.kind:
		id.votes++
	case id.votes > 0:
		id.votes--
		id.other = kind
	default:
		id.kind, id.other = kind, id.kind
	}
}

// kindOf is the kind of an id that was not seen before.
func (f *sessionFinder) kindOf(id, key string) int32 {
	if prefix := prefixOf(id); prefix != "" {
		return f.kindNamed(idKind{name: prefix, prefix: true})
	}
	return f.kind(idName{formOf(id), key})
}

func (f *sessionFinder) kind(name idName) int32 {
	k, ok := f.named[name]
	if !ok {
		name.key = strings.Clone(name.key)
		k = f.kindNamed(idKind{name: strings.TrimSpace(name.form + " " + strings.ToLower(name.key)), idName: name})
		f.named[name] = k
	}
	return k
}

func (f *sessionFinder) kindNamed(kind idKind) int32 {
	k, ok := f.byName[kind.name]
	if !ok {
		k = int32(len(f.kinds))
		f.byName[kind.name] = k
		f.kinds = append(f.kinds, kind)
	}
	return k
}

// join gives the ids of kinds that are one the same kind: those of which most ids
// occur as both, and forms that look like another by chance.
func (f *sessionFinder) join() {
	count := make([]int, len(f.kinds))
	both := map[[2]int32]int{}
	for i := range f.ids {
		id := &f.ids[i]
		count[id.kind]++
		if id.other >= 0 {
			both[[2]int32{min(id.kind, id.other), max(id.kind, id.other)}]++
		}
	}
	root := make([]int32, len(f.kinds))
	for k := range root {
		root[k] = int32(k)
	}
	find := func(k int32) int32 {
		for root[k] != k {
			k = root[k]
		}
		return k
	}
	merge := func(a, b int32) {
		if a, b = find(a), find(b); a == b {
			return
		} else if count[a] < count[b] || count[a] == count[b] && f.kinds[a].name > f.kinds[b].name {
			a, b = b, a
		}
		root[b] = a
		count[a] += count[b]
	}
	pairs := slices.SortedFunc(maps.Keys(both), func(a, b [2]int32) int { return slices.Compare(a[:], b[:]) })
	pairs = slices.DeleteFunc(pairs, func(p [2]int32) bool {
		return float64(both[p]) < sameKind*float64(max(count[p[0]], count[p[1]]))
	})
	for _, p := range pairs {
		merge(p[0], p[1])
	}
	for _, forms := range [...][2]string{{formNumber, formHex}, {formHex, formMixed}} {
		for k := range f.kinds {
			if f.kinds[k].form != forms[0] || f.kinds[k].prefix {
				continue
			}
			wider, ok := f.byName[strings.TrimSpace(forms[1]+" "+strings.ToLower(f.kinds[k].key))]
			if ok && byChance*count[k] <= count[wider] {
				merge(int32(k), wider)
			}
		}
	}
	for i := range f.ids {
		f.ids[i].kind = find(f.ids[i].kind)
	}
}

// of returns the ids of a line.
func (f *sessionFinder) of(line int) []int32 {
	begin := int32(0)
	if line > 0 {
		begin = f.ends[line-1]
	}
	return f.places[begin:f.ends[line]]
}

// sessionSet are the sessions of one kind.
type sessionSet struct {
	kind string
	// ids are their names in the order of their first lines; lines those of each.
	ids   []string
	lines [][]int32
	// of is the session of each line, or -1.
	of []int32
}

// sets returns the sessions of the kinds of id that part the lines best: those
// that cover most lines by ids which several lines share, each with lines of several
// templates in an order, or in like numbers. Where two kinds cover about the same, the one with the longer
// sessions comes first, and a kind whose sessions lie within those of another is left
// out. templateOf is the template of each line, below templates; times are those of the
// lines, or nil.
func (f *sessionFinder) sets(templateOf []int32, templates int, times []int64) []*sessionSet {
	f.join()
	type kind struct {
		number       int32
		ids, covered int
	}
	kinds := make([]kind, len(f.kinds))
	for i := range kinds {
		kinds[i].number = int32(i)
	}
	for _, id := range f.ids {
		if id.lines >= minSessionLines && id.lines <= maxSessionLines {
			kinds[id.kind].ids++
			kinds[id.kind].covered += int(id.lines)
		}
	}
	total := len(f.ends)
	kinds = slices.DeleteFunc(kinds, func(k kind) bool {
		return k.ids < minSessions || float64(k.covered) < minCoverage*float64(total)
	})
	// Coverage in steps, so that the order is one.
	step := func(k kind) int { return int(float64(k.covered) / float64(total) / likeCoverage) }
	slices.SortFunc(kinds, func(a, b kind) int {
		return cmp.Or(cmp.Compare(step(b), step(a)), cmp.Compare(a.ids, b.ids), cmp.Compare(f.kinds[a.number].name, f.kinds[b.number].name))
	})
	var out []*sessionSet
	for _, k := range kinds {
		if len(out) == maxSessionKinds {
			break
		}
		s := f.set(k.number)
		s.sort(times)
		few := k.ids*k.ids >= manyIDs*k.covered
		if (s.order(templateOf, templates) >= minOrder || few && s.spread(templateOf, templates) <= maxSpread) && !slices.ContainsFunc(out, s.within) {
			out = append(out, s)
		}
	}
	return out
}

// set gathers the sessions of one kind.
func (f *sessionFinder) set(kind int32) *sessionSet {
	s := &sessionSet{kind: f.kinds[kind].name, of: make([]int32, len(f.ends))}
	numbers := map[int32]int32{}
	for line := range f.ends {
		s.of[line] = -1
		for _, n := range f.of(line) {
			id := &f.ids[n]
			if id.kind != kind || id.lines > maxSessionLines {
				continue
			}
			i, ok := numbers[n]
			if !ok {
				i = int32(len(s.ids))
				numbers[n] = i
				s.ids = append(s.ids, id.text)
				s.lines = append(s.lines, make([]int32, 0, id.lines))
			}
			s.lines[i] = append(s.lines[i], int32(line))
			s.of[line] = i
			break
		}
	}
	return s
}

// within reports whether nearly all sessions lie each in one session of other.
func (s *sessionSet) within(other *sessionSet) bool {
	inside := 0
	for _, lines := range s.lines {
		first := other.of[lines[0]]
		if first >= 0 && !slices.ContainsFunc(lines, func(line int32) bool { return other.of[line] != first }) {
			inside++
		}
	}
	return float64(inside) >= nested*float64(len(s.lines))
}

// sort puts the lines of each session in the order of their times: a log may be of several
// files, or of programs that write late.
func (s *sessionSet) sort(times []int64) {
	if times == nil {
		return
	}
	byTime := func(a, b int32) int { return cmp.Or(cmp.Compare(times[a], times[b]), cmp.Compare(a, b)) }
	for _, lines := range s.lines {
		if !slices.IsSortedFunc(lines, byTime) {
			slices.SortFunc(lines, byTime)
		}
	}
}

// order is how much the template of a line tells about whether the line is the first, or
// the last, of its session, whichever it tells more about, from 0 to 1. The lines
// of a request begin and end alike; those of a thread, a host or a user, who serve many
// requests, have no begin.
func (s *sessionSet) order(templateOf []int32, templates int) float64 {
	type count struct{ lines, first, last int }
	counts := make([]count, templates)
	lines, sessions := 0, 0
	for _, of := range s.lines {
		if len(of) < minSessionLines {
			continue
		}
		for _, line := range of {
			counts[templateOf[line]].lines++
		}
		counts[templateOf[of[0]]].first++
		counts[templateOf[of[len(of)-1]]].last++
		lines += len(of)
		sessions++
	}
	if sessions == 0 || sessions == lines {
		return 0
	}
	first, last := 0.0, 0.0
	for _, c := range counts {
		first += float64(c.lines) * entropy(share(c.first, c.lines))
		last += float64(c.lines) * entropy(share(c.last, c.lines))
	}
	whole := float64(lines) * entropy(share(sessions, lines))
	return 1 - min(first, last)/whole
}

// spread is how much the numbers of lines of a template vary from session to session,
// as the sum of the variances beside that of the means: 1 is what ids have that lines are
// given by chance, such as those of threads.
func (s *sessionSet) spread(templateOf []int32, templates int) float64 {
	own := make([]float64, templates)
	sums, squares := make([]float64, templates), make([]float64, templates)
	for _, of := range s.lines {
		for _, line := range of {
			own[templateOf[line]]++
		}
		for _, line := range of {
			t := templateOf[line]
			sums[t] += own[t]
			squares[t] += own[t] * own[t]
			own[t] = 0
		}
	}
	variance, mean, n := 0.0, 0.0, float64(len(s.lines))
	for t := range sums {
		mean += sums[t] / n
		variance += squares[t]/n - sums[t]/n*sums[t]/n
	}
	return variance / mean
}

// entropy is that of an event of this probability, in bits.
func entropy(p float64) float64 {
	if p <= 0 || p >= 1 {
		return 0
	}
	return -p*math.Log2(p) - (1-p)*math.Log2(1-p)
}
