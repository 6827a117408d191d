package builtin

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"logsift/domain"
)

// Bounds of the detectors that look at counts over time.
const (
	// stretchBefore is how many stretches a template must have been seen in before it
	// can be missed, stretchLonely how many times deeper a gap, or higher a surge, must
	// be than any other: what comes and goes is the nature of the log.
	stretchBefore, stretchLonely = 6, 3
	// burstShare is the part of a surge of errors that a template must have to be
	// called by it.
	burstShare = 0.1
	// burstOwn is the part of a template's lines that a surge must have for all of them
	// to be called one.
	burstOwn = 0.9
	// spikeLines is how many lines a spike of a single template has at least.
	spikeLines = 2 * minCount
	// floodShare is the part of all lines from which errors are the state of the
	// source, whenever they come.
	floodShare = 0.5
	// longestSurge is how long lines can come in far larger numbers for it to be a surge:
	// what lasts longer than a day is a state of the source.
	longestSurge = 24 * time.Hour
)

// stretch is a run of buckets, end not included, with far more or far fewer lines
// than the other buckets say is usual.
type stretch struct {
	begin, end int
	observed   int
	usual      usual
}

// findSurge finds the one run of buckets with far more lines than the others have, of
// which there must be at least some: the one that exceeds most a level between the
// mean and the peak, and no other does by a third as much.
func findSurge(counts []int, some int) (stretch, bool) {
	peak := slices.Max(counts)
	if peak == 0 {
		return stretch{}, false
	}
	level := math.Sqrt(float64(sum(counts)) / float64(len(counts)) * float64(peak))
	begin, end, height := farthest(counts, func(n int) float64 { return float64(n) - level })
	others := slices.Concat(counts[:begin], counts[end:])
	if len(others) < some {
		return stretch{}, false
	}
	out := stretch{begin: begin, end: end, observed: sum(counts[begin:end]), usual: usualBeside(others, end-begin)}
	_, _, left := farthest(counts[:begin], func(n int) float64 { return float64(n) - level/2 })
	_, _, right := farthest(counts[end:], func(n int) float64 { return float64(n) - level/2 })
	return out, out.usual.farMore(out.observed) && height >= stretchLonely*max(left, right)
}

// findGap finds the one run of buckets in which lines that come steadily stay away:
// the one that falls short most of half of the mean (Kadane's maximum subarray),
// and no other does by a third as much.
func findGap(counts []int) (stretch, bool) {
	total := sum(counts)
	if total < fewerExpected {
		return stretch{}, false
	}
	half := float64(total) / float64(len(counts)) / 2
	begin, end, depth := farthest(counts, func(n int) float64 { return half - float64(n) })
	if counts[begin] > 0 && end-begin > 1 && sum(counts[begin+1:end]) == 0 {
		begin++ // the lines stopped within that bucket
	}
	others := slices.Concat(counts[:begin], counts[end:])
	if begin < stretchBefore || len(others) < len(counts)/3 {
		return stretch{}, false
	}
	out := stretch{begin: begin, end: end, observed: sum(counts[begin:end]), usual: usualBeside(others, end-begin)}
	half = out.usual.least / float64(end-begin) / 2
	_, _, left := farthest(counts[:begin], func(n int) float64 { return half - float64(n) })
	_, _, right := farthest(counts[end:], func(n int) float64 { return half - float64(n) })
	return out, out.usual.farFewer(out.observed) && depth >= stretchLonely*max(left, right)
}

// farthest returns the run of counts that is farthest in a direction, and how far.
func farthest(counts []int, by func(n int) float64) (begin, end int, distance float64) {
	from, sum := 0, 0.0
	for i, n := range counts {
		if sum <= 0 {
			from, sum = i, 0
		}
		if sum += by(n); sum > distance {
			begin, end, distance = from, i+1, sum
		}
	}
	return begin, end, distance
}

// surgeOf says how many of something came in a surge, within the time from the first to the
// last of its lines; ok reports whether that is short enough for a surge.
func (g *group) surgeOf(s stretch, what string, lines []int32) (text string, ok bool) {
	first, last := g.times[lines[0]], g.times[lines[0]]
	for _, line := range lines {
		first, last = min(first, g.times[line]), max(last, g.times[line])
	}
	lasted, long := timeOf(last).Sub(timeOf(first)), g.clock.duration(s.end-s.begin)
	took, in := long, ""
	if lasted < long/2 {
		took, in = max(lasted, time.Second), " in "+domain.Span(long)
	}
	text = fmt.Sprintf("%s within %s; %s%s", count(s.observed, what), domain.Span(took), s.usual.text(s.observed, 0), in)
	return text, lasted <= longestSurge
}

// surge finds the stretch of time in which a template has far more lines than in the
// rest, with these lines and a text that says so. Where there are in all no more lines than
// history says, there is none.
func (g *group) surge(s *serviceTemplate) (surge stretch, lines []int32, text string, ok bool) {
	n := len(s.lines)
	if usual := g.usualOf(s.learned, n); !g.clock.valid() || n < minCount || usual.known && float64(n) <= usual.most {
		return stretch{}, nil, "", false
	}
	counts := g.clock.count(s.lines)
	if surge, ok = findSurge(counts[:], buckets/2); !ok {
		return stretch{}, nil, "", false
	}
	lines = g.clock.within(s.lines, surge.begin, surge.end)
	text, ok = g.surgeOf(surge, "line", lines)
	return surge, lines, text, ok
}

// bySpike finds templates with far more lines in one stretch of time than usual.
func (g *group) bySpike(s *serviceTemplate) (finding, bool) {
	surge, lines, evidence, ok := g.surge(s)
	if !ok || len(s.lines) < spikeLines {
		return finding{}, false
	}
	severity := domain.SeverityLow
	if s.level >= domain.LogLevelWarn && !s.dump {
		severity = domain.SeverityMedium
	}
	return finding{
		kind: domain.AnomalyFrequencySpike, severity: severity, confidence: 0.6, surprise: surpriseOf(float64(surge.observed), surge.usual.most),
		expected: surge.usual.most, observed: surge.observed, lines: lines, at: surge.begin + 1, until: surge.end, evidence: evidence,
	}, true
}

// byDrop finds templates that stay away for a while, or for good, while the source
// goes on as before.
func (g *group) byDrop(s *serviceTemplate) (finding, bool) {
	if !g.clock.valid() || len(s.lines) < fewerExpected {
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
func (g *group) dropped(missing stretch, lines []int32) finding {
	before := g.clock.within(lines, 0, missing.begin)
	expected, lasted := missing.usual.least, domain.Span(g.clock.duration(missing.end-missing.begin))
	f := finding{
		kind: domain.AnomalyFrequencyDrop, severity: domain.SeverityLow, confidence: 0.6,
		surprise: surpriseOf(float64(missing.observed), expected), expected: expected, observed: missing.observed, at: missing.begin + 1, until: missing.end,
		lines:    union(before[max(0, len(before)-3):], g.clock.within(lines, missing.begin, missing.end)),
		evidence: fmt.Sprintf("only %s within %s; %s", count(missing.observed, "line"), lasted, missing.usual.text(missing.observed, 0)),
	}
	if missing.observed == 0 {
		f.evidence = fmt.Sprintf("no line within %s; %s", lasted, missing.usual.text(0, 0))
	}
	if missing.observed == 0 && missing.end == buckets {
		f.kind, f.severity, f.confidence = domain.AnomalyMissingEvent, domain.SeverityMedium, 0.7
		f.evidence = fmt.Sprintf("no line in the last %s; %s", theLast(lasted), missing.usual.text(0, 0))
	}
	return f
}

// goesOn reports whether the other lines of the source keep coming during a gap:
// where all stay away, that is told once, not for each template.
func (g *group) goesOn(missing stretch, own *[buckets]int) bool {
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

// errorBursts finds, in each service, the stretch of time with far more errors than
// usual, or errors that are at least half of all lines, and the templates that make
// them up, by their numbers.
func (g *group) errorBursts() map[int]finding {
	type errors struct {
		lines  int
		shapes map[int][]int32
	}
	services := make([]errors, len(g.services))
	for _, service := range g.serviceOf {
		services[service].lines++
	}
	for n, s := range g.templates {
		if s.level < domain.LogLevelError || s.dump {
			continue
		}
		own := &services[s.service]
		if own.shapes == nil {
			own.shapes = map[int][]int32{}
		}
		own.shapes[n] = s.lines
	}
	out := map[int]finding{}
	for _, own := range services {
		maps.Copy(out, g.errorBurst(own.shapes, own.lines))
	}
	return out
}

// errorBurst is errorBursts of one service: shapes are the lines of its templates of
// errors, total is how many lines it has.
func (g *group) errorBurst(shapes map[int][]int32, total int) map[int]finding {
	errors := 0
	for _, lines := range shapes {
		errors += len(lines)
	}
	if errors < minCount {
		return nil
	}
	f := finding{kind: domain.AnomalyErrorBurst, severity: domain.SeverityHigh, confidence: 0.8}
	var text string
	surge, ok := g.errorSurge(shapes)
	if ok {
		lines := slices.Concat(slices.Collect(maps.Values(shapes))...)
		text, ok = g.surgeOf(surge, "error", g.clock.within(lines, surge.begin, surge.end))
	}
	switch {
	case ok:
		errors = surge.observed
		f.expected, f.surprise = surge.usual.most, surpriseOf(float64(errors), surge.usual.most)
		f.evidence, f.at, f.until = text, surge.begin+1, surge.end
		within := map[int][]int32{}
		for n, lines := range shapes {
			within[n] = g.clock.within(lines, surge.begin, surge.end)
		}
		shapes = within
	case share(errors, total) >= floodShare:
		f.kind, f.confidence, f.surprise = domain.AnomalyRecurringError, 0.7, share(errors, total)
		f.evidence = fmt.Sprintf("%d of %s are errors", errors, count(total, "line"))
	default:
		return nil
	}
	out := map[int]finding{}
	for n, lines := range shapes {
		if float64(len(lines)) < burstShare*float64(errors) {
			continue
		}
		own := f
		own.lines, own.observed = lines, len(lines)
		if len(lines) < errors {
			own.evidence += fmt.Sprintf(" (%d of them like this)", len(lines))
		}
		out[n] = own
	}
	return out
}

// errorSurge finds a surge of the lines of all these templates together.
func (g *group) errorSurge(shapes map[int][]int32) (stretch, bool) {
	if !g.clock.valid() {
		return stretch{}, false
	}
	counts := g.clock.count(slices.Concat(slices.Collect(maps.Values(shapes))...))
	return findSurge(counts[:], buckets/4)
}
