package builtin

import (
	"fmt"
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

// place is one number in the lines of one shape.
type place struct {
	shape int32
	place uint8
}

// byNumbers finds values that are far from the others at their place in the lines
// of a shape: durations, sizes, counts. On a logarithmic scale, since such values
// differ by factors; identifiers, which are spread evenly, have no outliers there.
func (g *group) byNumbers() map[int32][]finding {
	values := map[place][]number{}
	for _, n := range g.numbers {
		p := place{g.shapeOf[n.line], n.place}
		values[p] = append(values[p], n)
	}
	places := make([]place, 0, len(values))
	for p, all := range values {
		if len(all) >= minValues {
			places = append(places, p)
		}
	}
	slices.SortFunc(places, func(a, b place) int { return 16*int(a.shape-b.shape) + int(a.place) - int(b.place) })
	out := map[int32][]finding{}
	for _, p := range places {
		if isCounter(values[p]) {
			continue
		}
		if f, ok := outliers(values[p]); ok {
			out[p.shape] = append(out[p.shape], f)
		}
	}
	return out
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
func outliers(all []number) (finding, bool) {
	sorted := make([]float64, len(all))
	for i, n := range all {
		sorted[i] = math.Log1p(n.value)
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
	usual := math.Expm1(median)
	f := finding{kind: domain.AnomalyNumericOutlier, severity: domain.SeverityLow, confidence: 0.6}
	farthest, value := 0.0, 0.0
	timed := false
	for _, x := range all {
		v := math.Log1p(x.value)
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
	f.evidence = fmt.Sprintf("a value of %s in %d of %d lines, where %s is usual and half are from %s to %s",
		plain(value), len(f.lines), n, plain(usual), plain(math.Expm1(sorted[n/4])), plain(math.Expm1(sorted[n-1-n/4])))
	return f, true
}

// plain writes a number with at most four digits that matter.
func plain(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4g", v)
}
