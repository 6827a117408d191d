package builtin

import (
	"fmt"
	"slices"

	"logsift/domain"
)

// Bounds of the detectors.
const (
	// minLines is how many lines a source needs before anything is called rare or
	// new.
	minLines = 200
	// maxRareShare bounds the share of the lines up to which a template can be
	// rare; where below it the line is drawn, the data says.
	maxRareShare = 0.02
	// manyRare is the share of rare templates above which rarity is the nature of
	// the log and says little.
	manyRare = 0.5
	// fewLines, or fewShare of all lines if that is more, is how many lines an error
	// has that hardly ever happens.
	fewLines, fewShare = 3, 0.001
	// minCount is how many lines make a spike or a burst at least.
	minCount = 10
)

// detect runs the detectors and returns an anomaly for each shape, service or
// course with a finding.
func (g *group) detect() []domain.Anomaly {
	found := make([][]finding, len(g.shapes))
	add := func(n int, f finding, ok bool) {
		if ok {
			found[n] = append(found[n], f)
		}
	}
	limit, rareShare := g.rareLimit()
	bursts := g.errorBursts()
	for n, s := range g.shapes {
		if f, ok := bursts[n]; ok {
			add(n, f, true)
		}
		f, ok := g.bySeverity(s)
		add(n, f, ok)
		f, ok = g.byRarity(s, limit, rareShare)
		add(n, f, ok)
		f, ok = g.bySpike(s)
		add(n, f, ok)
		f, ok = g.byDrop(s)
		add(n, f, ok)
		f, ok = g.byKnown(s)
		add(n, f, ok)
	}
	for n, fs := range g.byNumbers() {
		found[n] = append(found[n], fs...)
	}
	var out []domain.Anomaly
	for _, courses := range g.courses {
		for n, f := range courses.rareShapes() {
			found[n] = append(found[n], f)
		}
		out = append(out, courses.anomalies()...)
	}
	for n, fs := range found {
		if len(fs) > 0 {
			out = append(out, g.anomaly(g.ofShape(g.shapes[n]), fs))
		}
	}
	out = append(out, g.byService()...)
	return append(out, g.byAbsence()...)
}

// bySeverity finds shapes that call themselves warnings or worse. What a log had
// before, and has no more of now, is its routine.
func (g *group) bySeverity(s *shape) (finding, bool) {
	share := float64(len(s.lines)) / float64(len(g.logs))
	severity := severityOf(s, share)
	if severity == 0 {
		return finding{}, false
	}
	f := finding{
		kind: domain.AnomalyRareTemplate, severity: severity, confidence: 0.6, observed: len(s.lines), lines: s.lines,
		surprise: rarity(len(s.lines), len(g.logs)),
		evidence: fmt.Sprintf("level %s in %d of %d lines", s.level, len(s.lines), len(g.logs)),
	}
	if len(s.lines) >= minCount {
		f.kind = domain.AnomalyErrorBurst
	}
	if g.ready() && s.known != nil {
		_, f.expected = g.expected(s.known, len(s.lines))
		f.surprise = surpriseOf(float64(len(s.lines)), f.expected)
		f.evidence += fmt.Sprintf(", where %.1f are usual", f.expected)
		if g.isUsual(s) {
			f.severity, f.confidence = min(f.severity, usualSeverity(s)), 0.4
		}
	}
	if f.severity >= domain.SeverityMedium && s.level >= domain.LogLevelError {
		f.sessions = g.sessionsOf(s.lines, 1)
	}
	return f, true
}

// isUsual reports whether a shape was learned, and comes as often as that says.
func (g *group) isUsual(s *shape) bool {
	if !g.ready() || s.known == nil {
		return false
	}
	_, most := g.expected(s.known, len(s.lines))
	return float64(len(s.lines)) <= usualFactor*most+usualMore
}

// usualSeverity is how severe a shape can be that comes as often as ever: what is
// fatal, or tells of a crash or lost data, does not become harmless by habit.
func usualSeverity(s *shape) domain.Severity {
	if !s.dump && (s.level == domain.LogLevelFatal || s.level == domain.LogLevelError && containsAny(s.lower, grave)) {
		return domain.SeverityMedium
	}
	return domain.SeverityLow
}

// rareLimit chooses the count up to which a template is rare: below maxRareShare
// of the lines, where the gap between neighbouring counts is widest in
// proportion. It also returns the share of the templates that are rare by that.
func (g *group) rareLimit() (limit int, share float64) {
	total := len(g.logs)
	counts := make([]int, len(g.shapes))
	for i, s := range g.shapes {
		counts[i] = s.total()
	}
	if g.known != nil {
		total += g.known.lines
	}
	if total < minLines || len(g.shapes) < 3 {
		return 0, 0
	}
	slices.Sort(counts)
	limit = widestGap(counts, 1, max(1, int(maxRareShare*float64(total))))
	rare := 0
	for _, c := range counts {
		if c <= limit {
			rare++
		}
	}
	return limit, float64(rare) / float64(len(counts))
}

// total is how many lines of the shape there are, those learned before included.
func (s *shape) total() int {
	if s.known != nil {
		return len(s.lines) + s.known.lines
	}
	return len(s.lines)
}

// widestGap returns the count from least to most after which the next one in the
// rising list is largest in proportion, or 0 if there is no gap.
func widestGap(counts []int, least, most int) int {
	limit, widest := 0, 1.0
	for i := 0; i+1 < len(counts) && counts[i] <= most; i++ {
		if counts[i] < least {
			continue
		}
		if gap := float64(counts[i+1]) / float64(counts[i]); gap > widest {
			widest, limit = gap, counts[i]
		}
	}
	return limit
}

// byRarity finds shapes that few lines have.
func (g *group) byRarity(s *shape, limit int, rareShare float64) (finding, bool) {
	if s.total() > limit {
		return finding{}, false
	}
	f := finding{
		kind: domain.AnomalyRareTemplate, severity: domain.SeverityLow, confidence: 0.5, observed: len(s.lines), lines: s.lines,
		surprise: rarity(len(s.lines), len(g.logs)),
		evidence: fmt.Sprintf("%d of %d lines have this shape", len(s.lines), len(g.logs)),
	}
	switch {
	case rareShare > manyRare && s.level < domain.LogLevelWarn:
		// In a log of single lines, one more is no news.
		return finding{}, false
	case s.dump:
	case rareShare > manyRare:
		f.confidence = 0.3
	case s.level >= domain.LogLevelError && s.total() <= max(fewLines, int(fewShare*float64(len(g.logs)))):
		f.severity = domain.SeverityHigh
	case s.level >= domain.LogLevelError:
		f.severity = domain.SeverityMedium
	case s.level == domain.LogLevelWarn:
		f.severity = domain.SeverityMedium
	}
	if g.isUsual(s) {
		f.severity = min(f.severity, usualSeverity(s))
	}
	return f, true
}
