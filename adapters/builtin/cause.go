package builtin

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"logsift/domain"
)

// Bounds of what has one cause.
const (
	// nearLines is how many lines the lines of one event are apart at most; nearTime is
	// more than what they are apart in time.
	nearLines = 3
	nearTime  = time.Second
	// twinWords is how many words a template must have for one that differs in a
	// single word to be its twin; one of more than maxTwinWords has none.
	twinWords, maxTwinWords = 4, 64
	// maxAlso bounds the other templates that an anomaly names, alsoBytes each of them.
	maxAlso, alsoBytes = 9, 100
)

// causes makes one anomaly of the templates whose findings have one cause: lines that come
// together each time (the messages of one event, the frames of a trace), the same
// statement with another word, the errors of which nothing is known, and what began in one
// stretch of time: anything that is at least medium, otherwise what ended together, too, or
// is a new line. It is called by the gravest of them. What stopped for good is an anomaly of
// its own, and errors of which nothing is known join none that came with something graver or
// known. together lists further templates that have one.
func (g *group) causes(found [][]finding, together [][]int) []domain.Anomaly {
	var members []int
	for n, fs := range found {
		if len(fs) > 0 {
			slices.SortStableFunc(fs, func(a, b finding) int { return a.rank(&b) })
			members = append(members, n)
		}
	}
	first := func(n int) int32 { return g.templates[n].lines[0] }
	slices.SortFunc(members, func(a, b int) int { return cmp.Compare(first(a), first(b)) })
	all := newSets(len(found))
	twins := map[twinKey]int{}
	begun := map[begunKey]int{}
	unknown := map[int]bool{}
	for i, n := range members {
		for _, m := range members[i+1:] {
			if first(m)-first(n) > nearLines {
				break
			}
			if g.together(n, m) {
				all.join(n, m)
			}
		}
		for _, key := range g.twinKeys(n) {
			joinKey(all, twins, key, n)
		}
		f := &found[n][0]
		for _, key := range f.begunKeys() {
			key.service = g.templates[n].service
			joinKey(all, begun, key, n)
		}
		if (f.at == 0 || f.severity < domain.SeverityMedium) && g.isUnknown(g.templates[n], f) {
			unknown[n] = true
		}
	}
	for _, same := range together {
		for _, n := range same {
			all.join(same[0], n)
			delete(unknown, n)
		}
	}
	stopped := func(n int) bool { return found[n][0].kind == domain.AnomalyMissingEvent }
	known := map[int]bool{}
	for _, n := range members {
		if !unknown[n] && !stopped(n) && found[n][0].severity >= domain.SeverityMedium {
			known[all.root(n)] = true
		}
	}
	maps.DeleteFunc(unknown, func(n int, _ bool) bool { return known[all.root(n)] })
	alike := slices.Sorted(maps.Keys(unknown))
	for _, n := range alike {
		all.join(alike[0], n)
	}
	type part struct {
		root    int
		stopped bool
	}
	groups := map[part][]int{}
	var order []part
	for _, n := range members {
		p := part{all.root(n), stopped(n)}
		if groups[p] == nil {
			order = append(order, p)
		}
		groups[p] = append(groups[p], n)
	}
	out := make([]domain.Anomaly, 0, len(order))
	for _, p := range order {
		unknown := 0
		if len(alike) > 1 && p == (part{root: all.root(alike[0])}) {
			unknown = len(alike)
		}
		out = append(out, g.cause(groups[p], found, unknown))
	}
	return out
}

// isUnknown reports whether a finding says no more than that lines call themselves errors, and
// nothing is known of what is normal there. Whether they are, nobody can tell one by one.
func (g *group) isUnknown(s *serviceTemplate, f *finding) bool {
	known := g.ready() && (s.suspect == nil || !s.suspect.cold)
	return f.severity == domain.SeverityMedium && f.kind != domain.AnomalySeverityShift && s.level == domain.LogLevelError && s.claimed && s.learned == nil && !known
}

// cause makes an anomaly of templates with one cause. unknown is how many of them are errors
// of which nothing is known, if it is called by those: the others are less grave then.
func (g *group) cause(members []int, found [][]finding, unknown int) domain.Anomaly {
	slices.SortStableFunc(members, func(a, b int) int {
		x, y := &found[a][0], &found[b][0]
		return cmp.Or(cmp.Compare(y.severity, x.severity), cmp.Compare(len(y.lines), len(x.lines)), x.rank(y))
	})
	chief := g.templates[members[0]]
	about := g.ofTemplate(chief)
	fs := found[members[0]]
	others := members[1:]
	var services []string
	if unknown > 0 {
		var all finding
		all, services = g.unknown(&about, members[:unknown], found)
		fs, others = []finding{all}, members
	}
	for i, n := range others {
		s := g.templates[n]
		for _, f := range found[n] {
			f.evidence = ""
			if unknown > 0 {
				f.lines = nil // the first has them all
			}
			fs = append(fs, f)
		}
		if about.category == domain.CategoryUnknown {
			about.category = s.words.categoryOf()
		}
		if i < maxAlso {
			also := fmt.Sprintf("with it: %s (%s)", shorten(s.text, alsoBytes), count(len(s.lines), "line"))
			switch f := &found[n][0]; f.kind {
			case domain.AnomalyFrequencyDrop:
				also = fmt.Sprintf("with it: %s (only %s)", shorten(s.text, alsoBytes), count(f.observed, "line"))
			case domain.AnomalyMissingEvent:
				also = fmt.Sprintf("with it: %s (stopped, too)", shorten(s.text, alsoBytes))
			default:
			}
			about.also = append(about.also, also)
		}
	}
	if more := len(others) - maxAlso; more > 0 {
		about.also = append(about.also, fmt.Sprintf("and %s of line", count(more, "other kind")))
	}
	a := g.anomaly(about, fs)
	if services != nil {
		a.Services = services
	}
	return a
}

// unknown is the finding on errors of which nothing is known, which are about no single
// template: the same in each batch. It returns their services, too.
func (g *group) unknown(about *subject, members []int, found [][]finding) (all finding, services []string) {
	all = finding{kind: domain.AnomalyRareTemplate, severity: domain.SeverityMedium}
	for _, n := range members {
		s, f := g.templates[n], &found[n][0]
		all.lines = append(all.lines, s.lines...)
		if name := g.serviceName(s.service); !slices.Contains(services, name) {
			services = append(services, name)
		}
		all.confidence, all.surprise = max(all.confidence, f.confidence), max(all.surprise, f.surprise)
	}
	slices.Sort(all.lines)
	all.observed = len(all.lines)
	if all.observed >= minCount {
		all.kind = domain.AnomalyRecurringError
	}
	about.key, about.service, about.template, about.id = "errors", g.source, "", ""
	all.evidence = fmt.Sprintf("%d of %s are errors of %s; nothing tells what is normal", all.observed, count(g.lines, "line"), count(len(members), "kind"))
	return all, services
}

// begunKey is what findings that began together have in common.
type begunKey struct {
	service   int32
	kind      domain.AnomalyKind
	at, until int
}

// begunKeys returns the keys of a finding, the service left out. A stretch may begin, and
// end, a bucket later for one that is rarer.
func (f *finding) begunKeys() []begunKey {
	switch {
	case f.at == 0:
		return nil
	case f.until == 0 && f.severity < domain.SeverityMedium:
		return []begunKey{{kind: f.kind, at: f.at}}
	}
	var out []begunKey
	for _, at := range [...]int{f.at, f.at + 1} {
		if f.severity >= domain.SeverityMedium {
			out = append(out, begunKey{at: at})
		}
		if f.until > 0 {
			out = append(out, begunKey{at: at, until: f.until}, begunKey{at: at, until: f.until + 1})
		}
	}
	return out
}

// together reports whether the lines of two templates come side by side each time.
func (g *group) together(a, b int) bool {
	x, y := g.templates[a], g.templates[b]
	if x.service != y.service || len(x.lines) != len(y.lines) {
		return false
	}
	for i, line := range x.lines {
		other := y.lines[i]
		if max(line-other, other-line) > nearLines || timeOf(g.times[other]).Sub(timeOf(g.times[line])).Abs() >= nearTime {
			return false
		}
	}
	return true
}

// twinKey is what templates of the same statement have in common: all words but the one
// at a place, as the sum of their hashes.
type twinKey struct {
	service, place, words int
	level                 domain.LogLevel
	others                uint64
}

// twinKeys returns the keys of a template, one for each of its words.
func (g *group) twinKeys(n int) []twinKey {
	s := g.templates[n]
	all := s.words.all
	if len(all) < twinWords || len(all) > maxTwinWords || s.level < domain.LogLevelWarn {
		return nil
	}
	hashes := make([]uint64, len(all))
	total := uint64(0)
	for i, w := range all {
		hash := fnv.New64a()
		_, _ = hash.Write(binary.AppendUvarint(nil, uint64(i)))
		_, _ = hash.Write([]byte(w.text))
		hashes[i] = hash.Sum64()
		total += hashes[i]
	}
	out := make([]twinKey, len(all))
	for i := range out {
		out[i] = twinKey{service: int(s.service), place: i, words: len(all), level: s.level, others: total - hashes[i]}
	}
	return out
}

// sets are disjoint sets of numbers.
type sets []int

func newSets(n int) sets {
	s := make(sets, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func (s sets) root(n int) int {
	for s[n] != n {
		s[n] = s[s[n]]
		n = s[n]
	}
	return n
}

func (s sets) join(a, b int) { s[s.root(b)] = s.root(a) }

// joinKey joins n with the one that had the key before.
func joinKey[K comparable](s sets, keys map[K]int, key K, n int) {
	if m, ok := keys[key]; ok {
		s.join(m, n)
		return
	}
	keys[key] = n
}
