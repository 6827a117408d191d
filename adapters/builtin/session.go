package builtin

import (
	"cmp"
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
	minCoverage     = 0.2
	maxSessionKinds = 3
	// likeCoverage is how much two kinds may differ in what they cover for the one
	// with the longer sessions to come first.
	likeCoverage = 0.1
	// nested is the share of one kind's sessions that lie within one session of
	// another kind above which they tell nothing more.
	nested = 0.9
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
	kinds  map[string]int32
	names  []string
}

// sessionID is one id: its text, its kind, and how many lines hold it.
type sessionID struct {
	text  string
	kind  int32
	lines int32
}

func newSessionFinder(lines int) *sessionFinder {
	return &sessionFinder{numbers: map[string]int32{}, kinds: map[string]int32{}, ends: make([]int32, 0, lines)}
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
			f.ids = append(f.ids, sessionID{text: text, kind: f.kind(kindOf(text, id.key))})
		}
		if !slices.Contains(f.places[begin:], n) {
			f.places = append(f.places, n)
			f.ids[n].lines++
		}
	}
	f.ends = append(f.ends, int32(len(f.places)))
}

func (f *sessionFinder) kind(name string) int32 {
	k, ok := f.kinds[name]
	if !ok {
		k = int32(len(f.names))
		name = strings.Clone(name)
		f.kinds[name] = k
		f.names = append(f.names, name)
	}
	return k
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
// that cover most lines by ids which several lines share. Where two kinds cover
// about the same, the one with the longer sessions comes first, and a kind whose
// sessions lie within those of another is left out.
func (f *sessionFinder) sets() []*sessionSet {
	type kind struct {
		number       int32
		ids, covered int
	}
	kinds := make([]kind, len(f.names))
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
		return cmp.Or(cmp.Compare(step(b), step(a)), cmp.Compare(a.ids, b.ids), cmp.Compare(f.names[a.number], f.names[b.number]))
	})
	var out []*sessionSet
	for _, k := range kinds {
		if len(out) == maxSessionKinds {
			break
		}
		s := f.set(k.number)
		if !slices.ContainsFunc(out, s.within) {
			out = append(out, s)
		}
	}
	return out
}

// set gathers the sessions of one kind.
func (f *sessionFinder) set(kind int32) *sessionSet {
	s := &sessionSet{kind: strings.TrimSpace(f.names[kind]), of: make([]int32, len(f.ends))}
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
