package builtin

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"logsift/domain"
)

// Bounds of a shift of severity.
const (
	// shiftLines is how many lines there must be on either side, shiftErrors how
	// many troubled ones after it.
	shiftLines, shiftErrors = 100, 10
	// shiftFactor is how many times the share of troubled lines must be, and
	// shiftScore by how many deviations of a proportion.
	shiftFactor, shiftScore = 3, 6
	// shiftBuckets is how many buckets there must be on either side.
	shiftBuckets = 6
)

// serviceLines are the lines of one service, and those among them that are
// warnings or worse.
type serviceLines struct {
	service         int32
	lines, troubled []int32
}

// perService sets the lines of the services apart; those of none are the first.
func (g *group) perService() []serviceLines {
	out := make([]serviceLines, len(g.services))
	for i := range out {
		out[i].service = int32(i)
	}
	for line, service := range g.serviceOf {
		all := &out[service]
		all.lines = append(all.lines, int32(line))
		if s := g.templates[g.templateOf[line]]; s.level >= domain.LogLevelWarn && !s.dump {
			all.troubled = append(all.troubled, int32(line))
		}
	}
	return out
}

// byService looks at all lines of each service. A shift that templates with findings make
// up is a finding of the most frequent of them, and the others have the same cause: together
// lists the templates of each such shift.
func (g *group) byService(found [][]finding) (out []domain.Anomaly, together [][]int) {
	for _, all := range g.perService() {
		about := subject{key: "all lines", service: g.serviceName(all.service), category: domain.CategoryUnknown}
		f, ok := g.byLearnedShare(&all)
		if !ok {
			f, ok = g.byShift(&all)
		}
		if members := g.members(f.lines, found); len(members) > 0 {
			found[members[0]] = append(found[members[0]], f)
			together = append(together, members)
		} else if ok {
			out = append(out, g.anomaly(about, []finding{f}))
		}
		if f, ok := g.bySilence(&all); ok {
			out = append(out, g.anomaly(about, []finding{f}))
		}
	}
	return out, together
}

// members are the templates with findings that make up lines: those to which most of these
// lines belong, the most frequent first, that have few others.
func (g *group) members(lines []int32, found [][]finding) []int {
	of := map[int]int{}
	for _, line := range lines {
		of[int(g.templateOf[line])]++
	}
	var out []int
	for n, own := range of {
		if len(found[n]) > 0 && share(own, len(lines)) >= burstShare && share(own, len(g.templates[n].lines)) >= burstOwn {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b int) int { return cmp.Or(cmp.Compare(of[b], of[a]), cmp.Compare(a, b)) })
	return out
}

// byShift finds the time after which far more of the lines are warnings or worse,
// and stay so: the cut that parts the buckets best by a test of two proportions.
func (g *group) byShift(all *serviceLines) (finding, bool) {
	if !g.clock.valid() || len(all.troubled) < shiftErrors || len(all.lines) < 2*shiftLines {
		return finding{}, false
	}
	lines, troubled := g.clock.count(all.lines), g.clock.count(all.troubled)
	cut, score := 0, 0.0
	for b := shiftBuckets; b <= buckets-shiftBuckets; b++ {
		if z := proportionScore(sum(troubled[:b]), sum(lines[:b]), sum(troubled[b:]), sum(lines[b:])); z > score {
			cut, score = b, z
		}
	}
	n1, n2 := sum(lines[:cut]), sum(lines[cut:])
	e1, e2 := sum(troubled[:cut]), sum(troubled[cut:])
	if score < shiftScore || n1 < shiftLines || n2 < shiftLines || e2 < shiftErrors {
		return finding{}, false
	}
	before, after := share(e1, n1), share(e2, n2)
	if after < shiftFactor*before || !stays(troubled[cut:], lines[cut:], after/2) {
		return finding{}, false
	}
	return finding{
		kind: domain.AnomalySeverityShift, severity: domain.SeverityMedium, confidence: 0.8, surprise: surpriseOf(float64(e2), before*float64(n2)),
		expected: before * float64(n2), observed: e2, lines: g.clock.within(all.troubled, cut, buckets),
		evidence: fmt.Sprintf("%s of the lines of the last %s are warnings or worse; %s before", percent(after), theLast(domain.Span(g.clock.duration(buckets-cut))), percent(before)),
	}, true
}

// proportionScore is how many deviations the second proportion is above the
// first, after the pooled test of two proportions.
func proportionScore(e1, n1, e2, n2 int) float64 {
	if n1 == 0 || n2 == 0 {
		return 0
	}
	p := share(e1+e2, n1+n2)
	deviation := math.Sqrt(p * (1 - p) * (1/float64(n1) + 1/float64(n2)))
	if deviation == 0 {
		return 0
	}
	return (share(e2, n2) - share(e1, n1)) / deviation
}

// stays reports whether at least half of the buckets that have lines have the
// least share of troubled ones: a burst is no shift.
func stays(troubled, lines []int, least float64) bool {
	with, high := 0, 0
	for b, n := range lines {
		if n == 0 {
			continue
		}
		with++
		if share(troubled[b], n) >= least {
			high++
		}
	}
	return 2*high >= with
}

func share(n, total int) float64 {
	if total == 0 {
		return 0
	}
	return float64(n) / float64(total)
}

func sum(counts []int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}

// bySilence finds a stretch in which all lines stay away.
func (g *group) bySilence(all *serviceLines) (finding, bool) {
	if !g.clock.valid() || len(all.lines) < minLines {
		return finding{}, false
	}
	counts := g.clock.count(all.lines)
	missing, ok := findGap(counts[:])
	if !ok {
		return finding{}, false
	}
	f := g.dropped(missing, all.lines)
	if f.kind == domain.AnomalyFrequencyDrop {
		f.severity = domain.SeverityMedium
	}
	return f, true
}
