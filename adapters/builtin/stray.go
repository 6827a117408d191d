package builtin

import (
	"math"

	"logsift/domain"
)

// chance is the probability, over all that is tested, below which something is not by
// chance.
const chance = 0.05

// troubles are the templates of a level or worse, here and in what was learned: how
// many there are, and how many lines they have.
type troubles struct{ kinds, learnedKinds, lines, learnedLines int }

// findStrays marks the templates of warnings and errors that were never learned, and that
// tell nothing: they came once or twice, the history is so short that it may have missed
// them by chance, it knows several other kinds, and there are as many such lines as ever.
// A line that the history and the logs have in common falls into the logs with the
// probability of their part of both, and all k lines of a template with that to the power of
// k (a test of permutation); it is tested for each kind, so that Bonferroni's bound is the
// product.
func (g *group) findStrays() {
	if !g.ready() {
		return
	}
	part := share(g.lines, g.lines+g.learned.lines)
	for _, least := range [...]domain.LogLevel{domain.LogLevelWarn, domain.LogLevelError} {
		all := g.troubles(least)
		normal := usual{known: true, most: share(all.learnedLines, g.learned.lines) * float64(g.lines)}
		if all.learnedKinds < habit || !normal.covers(all.lines) {
			continue
		}
		for _, s := range g.templates {
			if s.level == least && !s.grave && s.learned == nil && s.suspect == nil && len(s.lines) < habit {
				s.stray = float64(all.kinds)*math.Pow(part, float64(len(s.lines))) > chance
			}
		}
	}
}

// troubles counts the templates of a level or worse.
func (g *group) troubles(least domain.LogLevel) (all troubles) {
	for _, s := range g.templates {
		if s.level < least || s.dump {
			continue
		}
		all.kinds++
		all.lines += len(s.lines)
		if s.learned != nil {
			all.learnedKinds++
			all.learnedLines += s.learned.lines
		}
	}
	for _, a := range g.absent {
		if a.learned.level >= least {
			all.kinds++
			all.learnedKinds++
			all.learnedLines += a.learned.lines
		}
	}
	return all
}
