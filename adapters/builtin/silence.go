package builtin

import (
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
		evidence: fmt.Sprintf("no line of %s for %s; its longest pause before was %s", g.name(), span(silent), span(pause)),
	}
	if g.lines > 0 {
		f.lines = []int32{int32(g.lines - 1)}
	}
	return g.anomaly(subject{key: "all lines", service: g.source, category: domain.CategoryUnknown}, []finding{f})
}

// silentGroups finds the sources of one request whose lines end while those of another
// go on.
func silentGroups(groups []*group) []domain.Anomaly {
	var out []domain.Anomaly
	for _, g := range groups {
		own := g.end - g.begin
		if g.lines < minLines || g.begin == noTime || own < buckets*time.Second.Microseconds() {
			continue
		}
		until := g.end
		for _, other := range groups {
			if other.begin == noTime || other.begin > g.end-own/2 || other.end <= until {
				continue
			}
			after := 0
			for _, t := range other.times {
				if t > g.end {
					after++
				}
			}
			if after >= fewerExpected {
				until = other.end
			}
		}
		silent, pause := until-g.end, longestPause(g.times)
		expected := float64(g.lines) * float64(silent) / float64(own)
		if expected >= fewerExpected && silent >= silentFactor*pause {
			out = append(out, g.silence(time.Duration(silent)*time.Microsecond, time.Duration(pause)*time.Microsecond, expected))
		}
	}
	return out
}

// longestPause is the longest time between two lines, in microseconds.
func longestPause(times []int64) int64 {
	sorted := slices.Sorted(slices.Values(times))
	longest := int64(0)
	for i := 1; i < len(sorted); i++ {
		if sorted[i-1] != noTime {
			longest = max(longest, sorted[i]-sorted[i-1])
		}
	}
	return longest
}
