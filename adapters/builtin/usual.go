package builtin

import (
	"fmt"
	"math"
)

// Bounds of what is far from usual.
const (
	// routineFactor times what is usual, and routineMore, is still as usual.
	routineFactor, routineMore = 3, 3
	// minCount is how many lines are far more than usual at least; moreFactor is how
	// many times the usual they must be, moreScore by how many deviations.
	minCount, moreFactor, moreScore = 10, 5, 6
	// fewerExpected is how many lines are usual at least where some are missed,
	// fewerShare the part of them that may be there, so that a fall by three quarters
	// is found although numbers vary, fewerScore by how many deviations they fall short.
	fewerExpected, fewerShare, fewerScore = 20, 1.0 / 3, 6
)

// usual is how many lines of something (of a template, of the errors, of a service) are
// normal among those that are judged: by history, which is the named baseline or
// what was learned before, or by the rest of the log itself. The zero value knows
// nothing.
type usual struct {
	known bool
	// least and most are what is normal: two, since a share of the other lines and a
	// rate over time may say different things. below and above are the deviations
	// of the numbers about them.
	least, most  float64
	below, above float64
}

// covers reports whether n lines are as usual.
func (u usual) covers(n int) bool {
	return u.known && float64(n) <= routineFactor*u.most+routineMore
}

// farMore reports whether n lines are far more than usual.
func (u usual) farMore(n int) bool {
	return u.known && n >= minCount && float64(n) > moreFactor*(u.most+1) && float64(n)-u.most >= moreScore*u.above
}

// farFewer reports whether n lines are far fewer than usual.
func (u usual) farFewer(n int) bool {
	return u.known && u.least >= fewerExpected && float64(n) <= fewerShare*u.least && u.least-float64(n) >= fewerScore*u.below
}

// text says what is normal beside n of total lines.
func (u usual) text(n, total int) string {
	expected := u.most
	if float64(n) < u.least {
		expected = u.least
	}
	if expected < 0.05 || expected < 0.5 && total == 0 {
		return "normally there are none"
	}
	if expected >= 0.5 {
		rounded := int(math.Round(expected))
		return fmt.Sprintf("%d %s normal", rounded, are(rounded))
	}
	return fmt.Sprintf("1 in %s is normal", plain(math.Round(float64(total)/expected)))
}

// usualBeside is what is usual in n stretches of time by the others, whose counts
// these are.
func usualBeside(others []int, n int) usual {
	if len(others) == 0 {
		return usual{}
	}
	mean, variance := moments(others)
	expected := mean * float64(n)
	deviation := math.Sqrt(expected*max(1, variance/max(mean, 1e-9)) + 1)
	return usual{known: true, least: expected, most: expected, below: deviation, above: deviation}
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

// usualOf is what history says of a template, of which there are n lines now.
func (g *group) usualOf(learned *learnedTemplate, n int) usual {
	if !g.ready() || learned == nil {
		return usual{}
	}
	return g.learned.usual(learned, n, g.lines, g.clock.seconds, g.season())
}

// usual is how many lines of a template are normal among total lines in so many
// seconds, of which n are there, by its share beside the other lines and by its rate
// over time. season is how many times more lines are normal at that time than on
// average.
func (k *learnedSource) usual(learned *learnedTemplate, n, total int, seconds, season float64) usual {
	u := usual{known: true, least: float64(n), most: float64(n)} // without other lines, a share says nothing
	byRate := seconds >= learnedSeconds && k.seconds >= learnedSeconds
	if others := k.lines - learned.lines; others >= minCount {
		u.least = float64(learned.lines) / float64(others) * float64(max(0, total-n))
		u.most = u.least
	} else if byRate {
		u.least, u.most = math.Inf(1), 0
	}
	if byRate {
		rate := float64(learned.lines) / k.seconds * seconds * season
		u.least, u.most = min(u.least, rate), max(u.most, rate)
	}
	over := k.variation(learned)
	u.below, u.above = math.Sqrt(over*u.least+1), math.Sqrt(over*u.most+1)
	return u
}

// variation is how many times more the numbers of a template vary from minute to
// minute than those of independent events do.
func (k *learnedSource) variation(learned *learnedTemplate) float64 {
	if k.minutes <= 2 {
		return 1
	}
	minutes := float64(k.minutes)
	mean := float64(learned.lines) / minutes
	return max(1, (learned.squares/minutes-mean*mean)/max(mean, 1e-9))
}
