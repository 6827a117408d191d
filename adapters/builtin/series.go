package builtin

import (
	"fmt"
	"math"
	"slices"

	"logsift/domain"
)

// Bounds of the detectors that look at counts over time.
const (
	// spikeFactor is how many times the usual a bucket must have to be a spike,
	// spikeScore how many robust deviations.
	spikeFactor, spikeScore = 5, 8
	// gapScore is how many deviations the lines missing from a stretch must be,
	// gapExpected how many would have been usual in it at least, gapShare the part
	// of them that may be there.
	gapScore, gapExpected, gapShare = 6, 20, 0.25
	// gapBefore is how many buckets a shape must have been seen in before it can be
	// missed, gapLonely how many times deeper the gap must be than any other.
	gapBefore, gapLonely = 6, 3
)

// bySpike finds shapes with far more lines in one stretch of time than usual.
func (g *group) bySpike(s *shape) (finding, bool) {
	if !g.clock.valid() || len(s.lines) < 2*minCount {
		return finding{}, false
	}
	counts := g.clock.count(s.lines)
	peak := 0
	for b, n := range counts {
		if n > counts[peak] {
			peak = b
		}
	}
	n := counts[peak]
	usual, score := robust(counts[:], n)
	if n < minCount || score < spikeScore || float64(n) < spikeFactor*(usual+1) {
		return finding{}, false
	}
	severity := domain.SeverityLow
	if s.level >= domain.LogLevelWarn {
		severity = domain.SeverityMedium
	}
	return finding{
		kind: domain.AnomalyFrequencySpike, severity: severity, confidence: 0.6, surprise: surpriseOf(float64(n), usual),
		expected: usual, observed: n, lines: g.clock.within(s.lines, peak, peak+1),
		evidence: fmt.Sprintf("%d lines within %v, %s usual", n, g.clock.duration(1), usualText(usual)),
	}, true
}

func usualText(n float64) string {
	if n < 0.5 {
		return "where none are"
	}
	return fmt.Sprintf("where %.0f are", n)
}

// robust returns the median of the counts, and how far value is from it in
// median absolute deviations. Counts vary by their root at least, as those of
// independent events do.
func robust(counts []int, value int) (median, score float64) {
	sorted := slices.Clone(counts)
	slices.Sort(sorted)
	median = float64(sorted[len(sorted)/2])
	for i, c := range counts {
		sorted[i] = int(math.Abs(float64(c) - median))
	}
	slices.Sort(sorted)
	deviation := 1.4826*float64(sorted[len(sorted)/2]) + math.Sqrt(median) + 1
	return median, (float64(value) - median) / deviation
}

// gap is a stretch of buckets, end not included, with far fewer lines than usual.
type gap struct {
	begin, end int
	observed   int
	expected   float64
}

// findGap finds the one stretch in which lines that come steadily stay away. It
// is the run of buckets that misses most of half the usual number (Kadane's
// maximum subarray); it counts if what it misses is beyond the variation of the
// other buckets, and no other run misses a third as much.
func findGap(counts []int) (gap, bool) {
	total := 0
	for _, n := range counts {
		total += n
	}
	if total < gapExpected {
		return gap{}, false
	}
	begin, end, depth := deepest(counts, float64(total)/float64(len(counts))/2)
	if counts[begin] > 0 && end-begin > 1 && sum(counts[begin+1:end]) == 0 {
		begin++ // the lines stopped within that bucket
	}
	outside := slices.Concat(counts[:begin], counts[end:])
	if begin < gapBefore || len(outside) < len(counts)/2 {
		return gap{}, false
	}
	mean, variance := moments(outside)
	out := gap{begin: begin, end: end, expected: mean * float64(end-begin)}
	for _, n := range counts[begin:end] {
		out.observed += n
	}
	_, _, left := deepest(counts[:begin], mean/2)
	_, _, right := deepest(counts[end:], mean/2)
	missing := out.expected - float64(out.observed)
	deviation := math.Sqrt(out.expected * max(1, variance/max(mean, 1e-9)))
	if out.expected < gapExpected || float64(out.observed) > gapShare*out.expected || missing < gapScore*deviation || depth < gapLonely*max(left, right) {
		return gap{}, false
	}
	return out, true
}

// deepest returns the run of counts that falls short of usual by most, and by how
// much.
func deepest(counts []int, usual float64) (begin, end int, depth float64) {
	from, sum := 0, 0.0
	for i, n := range counts {
		if sum <= 0 {
			from, sum = i, 0
		}
		if sum += usual - float64(n); sum > depth {
			begin, end, depth = from, i+1, sum
		}
	}
	return begin, end, depth
}

func moments(counts []int) (mean, variance float64) {
	for _, n := range counts {
		mean += float64(n)
	}
	mean /= float64(len(counts))
	for _, n := range counts {
		variance += (float64(n) - mean) * (float64(n) - mean)
	}
	return mean, variance / float64(len(counts))
}

// byDrop finds shapes that stay away for a while, or for good, while the source
// goes on as before.
func (g *group) byDrop(s *shape) (finding, bool) {
	if !g.clock.valid() || len(s.lines) < gapExpected {
		return finding{}, false
	}
	counts := g.clock.count(s.lines)
	missing, ok := findGap(counts[:])
	if !ok || !g.goesOn(missing, &counts) {
		return finding{}, false
	}
	return g.dropped(missing, s.lines), true
}

// dropped is the finding that lines stay away. The lines that show it are those
// of the gap, and the last ones before it.
func (g *group) dropped(missing gap, lines []int32) finding {
	before := g.clock.within(lines, 0, missing.begin)
	f := finding{
		kind: domain.AnomalyFrequencyDrop, severity: domain.SeverityLow, confidence: 0.6,
		surprise: surpriseOf(float64(missing.observed), missing.expected), expected: missing.expected, observed: missing.observed,
		lines:    union(before[max(0, len(before)-3):], g.clock.within(lines, missing.begin, missing.end)),
		evidence: fmt.Sprintf("%d lines within %v, where %.0f are usual", missing.observed, g.clock.duration(missing.end-missing.begin), missing.expected),
	}
	if missing.observed == 0 && missing.end == buckets {
		f.kind, f.severity, f.confidence = domain.AnomalyMissingEvent, domain.SeverityMedium, 0.7
		f.evidence = fmt.Sprintf("no line in the last %v, where %.0f are usual", g.clock.duration(missing.end-missing.begin), missing.expected)
	}
	return f
}

// goesOn reports whether the other lines of the source keep coming during a gap:
// where all stay away, that is told once, not for each shape.
func (g *group) goesOn(missing gap, own *[buckets]int) bool {
	inside, outside := 0, 0
	for b, n := range g.total() {
		if n -= own[b]; b >= missing.begin && b < missing.end {
			inside += n
		} else {
			outside += n
		}
	}
	length := missing.end - missing.begin
	usual := float64(outside) / float64(buckets-length) * float64(length)
	return float64(inside) >= usual/2
}

// total counts all lines by bucket.
func (g *group) total() (counts [buckets]int) {
	for _, b := range g.clock.of {
		if b >= 0 {
			counts[b]++
		}
	}
	return counts
}

// errorBursts finds the stretches of time with far more errors than usual, and
// the shapes that make them up, by their numbers.
func (g *group) errorBursts() map[int]finding {
	if !g.clock.valid() {
		return nil
	}
	var counts [buckets]int
	perShape := map[int][buckets]int{}
	for n, s := range g.shapes {
		if s.level < domain.LogLevelError || s.dump {
			continue
		}
		own := g.clock.count(s.lines)
		perShape[n] = own
		for b, c := range own {
			counts[b] += c
		}
	}
	out := map[int]finding{}
	for b, total := range counts {
		usual, score := robust(counts[:], total)
		if total < minCount || score < spikeScore || float64(total) < spikeFactor*(usual+1) {
			continue
		}
		for n, own := range perShape {
			if before, ok := out[n]; ok && before.observed >= own[b] || own[b]*10 < total {
				continue
			}
			severity := domain.SeverityHigh
			if share(len(g.shapes[n].lines), len(g.logs)) > routineShare {
				severity = domain.SeverityMedium
			}
			out[n] = finding{
				kind: domain.AnomalyErrorBurst, severity: severity, confidence: 0.8, surprise: surpriseOf(float64(total), usual),
				expected: usual, observed: own[b], lines: g.clock.within(g.shapes[n].lines, b, b+1),
				evidence: fmt.Sprintf("%d errors within %v, %s usual; %d of them have this shape", total, g.clock.duration(1), usualText(usual), own[b]),
			}
		}
	}
	return out
}
