package builtin

import (
	"fmt"
	"iter"
	"math"
	"slices"

	"logsift/domain"
)

// Bounds of the detector of outlying numbers.
const (
	// minValues is how many values there must be at a place.
	minValues = 50
	// outlierScore is how many robust deviations on a logarithmic scale a value
	// must be away, outlierFactor how many times the nearest of the others,
	// maxOutliers the share of the values that may be.
	outlierScore, outlierFactor, maxOutliers = 8, 3, 0.01
	// counterShare is the share of values that are larger than the one before from
	// which they are a counter's.
	counterShare = 0.98
	// leastSpread is the least robust deviation: a tenth.
	leastSpread = 0.1
)

// place is one number in the lines of one template.
type place struct {
	template int32
	place    uint8
	of       quantity
}

// byNumbers finds values that are far from the others at their place in the lines
// of a template: durations, sizes, counts. On a logarithmic scale, since such values
// differ by factors; identifiers, which are spread evenly, have no outliers there.
func (g *group) byNumbers() map[int32][]finding {
	out := map[int32][]finding{}
	for p, all := range g.places() {
		if isCounter(all) {
			continue
		}
		if f, ok := outliers(all, p.of); ok {
			out[p.template] = addOutlier(out[p.template], f)
		}
	}
	return out
}

// places gives the numbers of each place where there are enough, in the order of their
// lines. They are valid until the next ones.
func (g *group) places() iter.Seq2[place, []number] {
	return func(yield func(place, []number) bool) {
		byTemplate := make([]number, g.numbers.count)
		ends := sortInto(byTemplate, g.numbers.all, len(g.templates), func(n number) int { return int(g.templateOf[n.line]) })
		var byPlace []number
		begin := 0
		for t, end := range ends {
			own := byTemplate[begin:end]
			begin = end
			if len(own) < minValues {
				continue
			}
			byPlace = slices.Grow(byPlace[:0], len(own))[:len(own)]
			first := 0
			for p, last := range sortInto(byPlace, slices.Values(own), (math.MaxUint8+1)*quantities, placeNumber) {
				if last-first >= minValues && !yield(place{int32(t), uint8(p / quantities), quantity(p % quantities)}, byPlace[first:last]) {
					return
				}
				first = last
			}
		}
	}
}

// placeNumber numbers the places and quantities of a template.
func placeNumber(n number) int { return int(n.place)*quantities + int(n.of) }

// sortInto writes numbers to out in the order of their keys, which are below limit, and
// returns where those of each key end.
func sortInto(out []number, all iter.Seq[number], limit int, key func(number) int) (ends []int) {
	ends = make([]int, limit+1)
	for n := range all {
		ends[key(n)+1]++
	}
	for i := range limit {
		ends[i+1] += ends[i]
	}
	for n := range all {
		k := key(n)
		out[ends[k]] = n
		ends[k]++
	}
	return ends[:limit]
}

// numbers are many, in blocks, so that none is copied when there are more.
type numbers struct {
	blocks [][]number
	count  int
}

const numbersBlock = 4096

// add takes the numbers of a line.
func (l *numbers) add(more []number) {
	l.count += len(more)
	for _, n := range more {
		last := len(l.blocks) - 1
		if last < 0 || len(l.blocks[last]) == numbersBlock {
			l.blocks = append(l.blocks, make([]number, 0, numbersBlock))
			last++
		}
		l.blocks[last] = append(l.blocks[last], n)
	}
}

// all gives each number.
func (l *numbers) all(yield func(number) bool) {
	for _, block := range l.blocks {
		for _, n := range block {
			if !yield(n) {
				return
			}
		}
	}
}

// addOutlier adds what was found at one place of a template. Where the same lines are
// unusual at several places, the one that is farthest from normal tells it.
func addOutlier(found []finding, f finding) []finding {
	for i := range found {
		if slices.Equal(found[i].lines, f.lines) {
			if found[i].rank(&f) > 0 {
				found[i] = f
			}
			return found
		}
	}
	return append(found, f)
}

// isCounter reports whether values nearly always rise from line to line: they number
// something, and the first of them are not small.
func isCounter(all []number) bool {
	rises := 0
	for i := 1; i < len(all); i++ {
		if all[i].value > all[i-1].value {
			rises++
		}
	}
	return float64(rises) >= counterShare*float64(len(all)-1)
}

// outliers finds the values at one place that are far above or below the rest,
// and set off from it by a gap.
func outliers(all []number, of quantity) (finding, bool) {
	sorted := make([]float64, len(all))
	for i, n := range all {
		sorted[i] = of.scale(n.value)
	}
	slices.Sort(sorted)
	n := len(sorted)
	median := sorted[n/2]
	spread := max(leastSpread, (sorted[n-1-n/4]-sorted[n/4])/1.349)
	most := max(1, int(maxOutliers*float64(n)))
	gap := math.Log(outlierFactor)
	above, below := math.Inf(1), math.Inf(-1)
	for i := n - 1; i >= n-most; i-- {
		if sorted[i]-sorted[i-1] >= gap && sorted[i]-median >= outlierScore*spread {
			above = sorted[i]
		}
	}
	for i := range most {
		if sorted[i+1]-sorted[i] >= gap && median-sorted[i] >= outlierScore*spread {
			below = sorted[i]
		}
	}
	usual := of.unscale(median)
	f := finding{kind: domain.AnomalyNumericOutlier, severity: domain.SeverityLow, confidence: 0.6}
	farthest, value := 0.0, 0.0
	timed := false
	for _, x := range all {
		v := of.scale(x.value)
		if v < above && v > below {
			continue
		}
		f.lines = append(f.lines, x.line)
		timed = timed || x.timed && v >= above
		if d := math.Abs(v - median); d > farthest {
			farthest, value = d, x.value
		}
	}
	if len(f.lines) == 0 {
		return finding{}, false
	}
	if timed {
		// Something took far longer than it ever does.
		f.severity = domain.SeverityMedium
	}
	f.observed = len(f.lines)
	f.surprise = surpriseOf(value, usual)
	f.evidence = fmt.Sprintf("%s in %d of %s; %s is normal, and half are from %s to %s",
		of.text(value), len(f.lines), count(n, "line"), of.text(usual), of.text(of.unscale(sorted[n/4])), of.text(of.unscale(sorted[n-1-n/4])))
	return f, true
}
