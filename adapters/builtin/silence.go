package builtin

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"logsift/domain"
)

// Bounds of a source that goes silent.
const (
	// silentFactor is how many times longer than its longest pause a source must be
	// silent, silentLeast how long at least.
	silentFactor, silentLeast = 3, 5 * time.Minute
	// steadyArrivals is how many batches of a source must have come, and how many of its
	// longest pauses they must span, for its silence to tell anything.
	steadyArrivals, steadyPauses = 10, 10
	// habit is after how many silences a source is known to be silent at times.
	habit = 3
)

// arrivals are how steadily the batches of a source come, by the time at which its
// entries were received.
type arrivals struct {
	// first and last are the first and the last arrival, in Unix seconds; pause is the
	// longest time between two.
	first, last, pause int64
	batches            int
	// told is whether the source is silent and an anomaly says so, silences how often it
	// was.
	told     bool
	silences int
}

// silent returns for how long the source has been silent at now, if that is unusual.
func (a arrivals) silent(now int64) (time.Duration, bool) {
	d := time.Duration(now-a.last) * time.Second
	steady := a.batches >= steadyArrivals && a.last-a.first >= steadyPauses*a.pause
	return d, steady && d >= silentLeast && now-a.last >= silentFactor*a.pause
}

// plus notes a batch that came at now. A silence that was unusual is not a pause of the
// source until it is a habit.
func (a arrivals) plus(now int64) arrivals {
	if a.batches == 0 {
		return arrivals{first: now, last: now, batches: 1}
	}
	if _, silent := a.silent(now); silent {
		a.silences++
	}
	if _, silent := a.silent(now); !silent || a.silences >= habit {
		a.pause = max(a.pause, now-a.last)
	}
	a.last = max(a.last, now)
	a.batches++
	a.told = false
	return a
}

// silentSources returns the learned sources from which nothing came for unusually long,
// each once, and an anomaly for each.
func (an *Analysis) silentSources(d *document) (names []string, out []domain.Anomaly) {
	for _, name := range slices.Sorted(maps.Keys(d.sources)) {
		k := d.sources[name]
		silent, ok := k.arrivals.silent(an.received)
		if an.bySource[name] != nil || k.arrivals.told || !ok {
			continue
		}
		names = append(names, name)
		expected := 0.0
		if k.seconds > 0 {
			expected = float64(k.lines) / k.seconds * silent.Seconds() * k.season(time.Unix(an.received, 0))
		}
		g := &group{cfg: &an.analyzer.cfg, source: name}
		out = append(out, g.silence(silent, time.Duration(k.arrivals.pause)*time.Second, expected))
	}
	return names, out
}

// silence is the anomaly that the source has been silent for so long.
func (g *group) silence(silent, pause time.Duration, expected float64) domain.Anomaly {
	f := finding{
		kind: domain.AnomalyMissingEvent, severity: domain.SeverityMedium, confidence: 0.8, surprise: surpriseOf(0, expected), expected: expected,
		evidence: fmt.Sprintf("no line of %s for %s; its longest pause before was %s", g.name(), domain.Span(silent), domain.Span(pause)),
	}
	if g.lines > 0 {
		f.lines = []int32{int32(g.lines - 1)}
	}
	return g.anomaly(subject{key: "all lines", service: g.source, category: domain.CategoryUnknown}, []finding{f})
}

// silentGroups finds the sources of one request whose lines end while those of another,
// which began before, go on.
func silentGroups(groups []*group) []domain.Anomaly {
	if len(groups) < 2 {
		return nil
	}
	ends := make([]ending, 0, len(groups))
	for _, g := range groups {
		if e, ok := g.ending(); ok {
			ends = append(ends, e)
		}
	}
	until := goingOn(ends)
	var out []domain.Anomaly
	for i, e := range ends {
		g, own := e.group, e.end-e.begin
		if g.lines < minLines || own < buckets*time.Second.Microseconds() {
			continue
		}
		silent := until[i] - e.end
		expected := float64(g.lines) * float64(silent) / float64(own)
		if expected >= fewerExpected && silent >= silentFactor*e.pause {
			out = append(out, g.silence(time.Duration(silent)*time.Microsecond, time.Duration(e.pause)*time.Microsecond, expected))
		}
	}
	return out
}

// ending is how the lines of a source end, in microseconds: last is the time after which it
// has fewer than fewerExpected lines, pause the longest time between two.
type ending struct {
	group                   *group
	begin, end, last, pause int64
}

// ending returns how the lines end, if there are enough to tell.
func (g *group) ending() (ending, bool) {
	if g.begin == noTime || g.lines < fewerExpected {
		return ending{}, false
	}
	sorted := slices.Sorted(slices.Values(g.times))
	e := ending{group: g, begin: g.begin, end: g.end, last: sorted[len(sorted)-fewerExpected]}
	for i := 1; i < len(sorted); i++ {
		if sorted[i-1] != noTime {
			e.pause = max(e.pause, sorted[i]-sorted[i-1])
		}
	}
	return e, true
}

// goingOn returns, for each source, the end of the one that goes on longest after it and
// that was there for half of its time; its own if none does. It takes n log n steps: the
// sources are added in the order of their begin to a tree of Fenwick, whose places are those
// of the times last, the latest first.
func goingOn(ends []ending) []int64 {
	out := make([]int64, len(ends))
	byBegin, byHalf := make([]int, len(ends)), make([]int, len(ends))
	lasts := make([]int64, len(ends))
	for i, e := range ends {
		byBegin[i], byHalf[i], lasts[i], out[i] = i, i, e.last, e.end
	}
	half := func(i int) int64 { return ends[i].end - (ends[i].end-ends[i].begin)/2 }
	slices.SortFunc(byBegin, func(a, b int) int { return cmp.Compare(ends[a].begin, ends[b].begin) })
	slices.SortFunc(byHalf, func(a, b int) int { return cmp.Compare(half(a), half(b)) })
	slices.Sort(lasts)
	// later is how many sources go on after a time.
	later := func(at int64) int {
		n, _ := slices.BinarySearch(lasts, at+1)
		return len(lasts) - n
	}
	tree := make([]int64, len(ends)+1)
	for i := range tree {
		tree[i] = noTime
	}
	for _, i := range byHalf {
		for len(byBegin) > 0 && ends[byBegin[0]].begin <= half(i) {
			e := &ends[byBegin[0]]
			byBegin = byBegin[1:]
			for place := later(e.last) + 1; place < len(tree); place += place & -place {
				tree[place] = max(tree[place], e.end)
			}
		}
		for place := later(ends[i].end); place > 0; place -= place & -place {
			out[i] = max(out[i], tree[place])
		}
	}
	return out
}
