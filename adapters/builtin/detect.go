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
)

// detect runs the detectors and returns an anomaly for each cause: a template or several
// that come together, a service, session counts.
func (g *group) detect() []domain.Anomaly {
	found := make([][]finding, len(g.templates))
	add := func(n int, f finding, ok bool) {
		if ok {
			found[n] = append(found[n], f)
		}
	}
	limit, rareShare := g.rareLimit()
	g.findStrays()
	bursts := g.errorBursts()
	for n, s := range g.templates {
		f, burst := bursts[n]
		if burst {
			if g.usualOf(s.learned, len(s.lines)).covers(len(s.lines)) {
				f.severity = min(f.severity, usualSeverity(s))
			}
			add(n, f, true)
		}
		f, ok := g.bySeverity(s, burst)
		add(n, f, ok)
		levelSays := ok
		f, ok = g.byRarity(s, limit, rareShare)
		if levelSays {
			f.evidence = "" // it would say the same
		}
		add(n, f, ok)
		if !burst {
			f, ok = g.bySpike(s)
			add(n, f, ok)
		}
		f, ok = g.byDrop(s)
		add(n, f, ok)
		f, ok = g.byLearned(s)
		add(n, f, ok)
		s.held = !g.usualOf(s.learned, len(s.lines)).covers(len(s.lines)) &&
			slices.ContainsFunc(found[n], func(f finding) bool { return f.severity >= domain.SeverityMedium })
	}
	for n, fs := range g.byNumbers() {
		found[n] = append(found[n], fs...)
	}
	var out []domain.Anomaly
	for _, sessionCounts := range g.sessionCounts {
		for n, f := range sessionCounts.rareTemplates() {
			found[n] = append(found[n], f)
		}
		out = append(out, sessionCounts.anomalies()...)
	}
	if len(g.sessionCounts) > 0 {
		// The first kind covers most lines.
		gaps := g.sessionCounts[0].gaps
		out = append(out, gaps.slowSteps()...)
		out = append(out, gaps.slowServices()...)
	}
	services, together := g.byService(found)
	out = append(out, services...)
	out = append(out, g.causes(found, together)...)
	return append(out, g.byAbsence()...)
}

// bySeverity finds templates that call themselves warnings or worse. Only history can
// say that they are usual. burst is whether another finding says that they come in one.
func (g *group) bySeverity(s *serviceTemplate, burst bool) (finding, bool) {
	n := len(s.lines)
	severity := severityOf(s)
	if s.broken && n >= minCount {
		severity = max(severity, domain.SeverityHigh) // told so often, it is no blip
	}
	if s.stray {
		severity = min(severity, usualSeverity(s))
	}
	if severity == 0 || g.lines == 1 && !g.ready() && severity < domain.SeverityHigh {
		return finding{}, false // one line says nothing but of the worst
	}
	usual := g.usualOf(s.learned, n)
	f := finding{
		kind: domain.AnomalyRareTemplate, severity: severity, confidence: 0.6, observed: n, lines: s.lines,
		surprise: rarity(n, g.lines), evidence: fmt.Sprintf("%d of %s %s", n, count(g.lines, "line"), s.claim(n)),
	}
	if n >= minCount || n > 1 && share(n, g.lines) > maxRareShare {
		f.kind = domain.AnomalyRecurringError
	}
	if surge, _, text, ok := g.surge(s); ok && !burst && share(surge.observed, n) >= burstOwn {
		f.kind = domain.AnomalyErrorBurst
		if n < spikeLines {
			f.evidence += "; " + text
		}
	}
	if usual.known {
		f.expected, f.surprise = usual.most, surpriseOf(float64(n), usual.most)
		f.evidence += "; " + usual.text(n, g.lines)
		switch {
		case usual.covers(n):
			if f.severity, f.confidence = min(f.severity, usualSeverity(s)), 0.4; n >= minCount && f.severity < domain.SeverityMedium {
				return finding{}, false // routine
			}
		case usual.farMore(n) && s.level >= domain.LogLevelError && !s.dump:
			f.severity, f.confidence = max(f.severity, domain.SeverityHigh), 0.8
		}
	}
	if f.severity >= domain.SeverityMedium && s.level >= domain.LogLevelError {
		f.sessions = g.sessionsOf(s.lines, 1)
	}
	return f, true
}

// claim is what n lines of the template say of themselves, as a verb and its object.
func (s *serviceTemplate) claim(n int) string {
	what := map[domain.LogLevel][2]string{
		domain.LogLevelWarn: {"a warning", "warnings"}, domain.LogLevelError: {"an error", "errors"}, domain.LogLevelFatal: {"a fatal error", "fatal errors"},
	}[s.level]
	if !s.claimed {
		if what = [2]string{"tells of a failure", "tell of a failure"}; s.grave {
			what = [2]string{"tells of a crash or lost data", "tell of a crash or lost data"}
		}
		return what[min(n, 2)-1]
	}
	return are(n) + " " + what[min(n, 2)-1]
}

// usualSeverity is how severe a template can be that comes as often as ever: what is
// fatal, or tells of a crash or lost data, does not become harmless by habit.
func usualSeverity(s *serviceTemplate) domain.Severity {
	if !s.dump && (s.level == domain.LogLevelFatal || s.level == domain.LogLevelError && s.grave) {
		return domain.SeverityMedium
	}
	return domain.SeverityLow
}

// rareLimit chooses the count up to which a template is rare: below maxRareShare
// of the lines, where the gap between neighbouring counts is widest in
// proportion. It also returns the share of the templates that are rare by that.
func (g *group) rareLimit() (limit int, share float64) {
	total := g.lines
	counts := make([]int, len(g.templates))
	for i, s := range g.templates {
		counts[i] = s.total()
	}
	if g.learned != nil {
		total += g.learned.lines
	}
	if total < minLines || len(g.templates) < 3 {
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

// total is how many lines of the template there are, those learned before included.
func (s *serviceTemplate) total() int {
	if s.learned != nil {
		return len(s.lines) + s.learned.lines
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

// byRarity finds templates that few lines have.
func (g *group) byRarity(s *serviceTemplate, limit int, rareShare float64) (finding, bool) {
	if s.total() > limit {
		return finding{}, false
	}
	f := finding{
		kind: domain.AnomalyRareTemplate, severity: domain.SeverityLow, confidence: 0.5, observed: len(s.lines), lines: s.lines,
		surprise: rarity(len(s.lines), g.lines),
		evidence: fmt.Sprintf("only %d of %s %s like this", len(s.lines), count(g.lines, "line"), are(len(s.lines))),
	}
	switch {
	case rareShare > manyRare && s.level < domain.LogLevelWarn:
		// In a log of single lines, one more is no news.
		return finding{}, false
	case s.dump:
	case rareShare > manyRare:
		f.confidence = 0.3
	case s.level >= domain.LogLevelError:
		f.severity = domain.SeverityMedium
	}
	if s.stray || g.usualOf(s.learned, len(s.lines)).covers(len(s.lines)) {
		f.severity = min(f.severity, usualSeverity(s))
	}
	return f, true
}
