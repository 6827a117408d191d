package builtin

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"logsift/adapters/builtin/mining"
	"logsift/domain"
)

// Bounds of the comparison with what was learned.
const (
	// learnedSeconds is how long logs must have been seen, and be, for their rates to
	// be compared, in seconds.
	learnedSeconds = 60
	// steadyShare is the share of the minutes in which a line must have been seen
	// to be missed when it is not there.
	steadyShare = 0.5
)

// templateID names a template in learned state.
type templateID struct {
	template mining.ID
	service  string
}

// hash is the same in every process.
func (id templateID) hash() uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(id.service) {
		h = (h ^ uint64(id.service[i])) * 1099511628211
	}
	return mix(h ^ uint64(id.template))
}

func (s *serviceTemplate) id(g *group) templateID {
	return templateID{s.template.ID(), g.services[s.service]}
}

// learnedTemplate is what was learned of one template.
type learnedTemplate struct {
	lines int
	level domain.LogLevel
	// active is in how many minutes it was seen; squares the sum of the squares of
	// its lines in each.
	active  int
	squares float64
	// seen is the number of the batch that had it last.
	seen uint64
	// window counts its lines over several batches, where one cannot tell whether
	// there are too few.
	window window
}

// window is a stretch of time over several batches.
type window struct {
	// since is when it began, in Unix seconds, 0 if there is none; start is how many
	// lines of the source were learned by then, lines how many of the template since.
	since        int64
	start, lines int
	// low is since when there are too few, in Unix seconds, or 0.
	low int64
}

// suspect is what was judged unusual of a template, and so is not learned as normal
// until it has lasted.
type suspect struct {
	learnedTemplate
	// since and until are when it was seen first and last, in Unix seconds; start is
	// how many lines of the source had been seen by then.
	since, until int64
	start        int
	// cold is whether nothing was known of the source when it was seen first.
	cold bool
}

// learnedService counts the lines of a service, and those that are warnings or worse.
type learnedService struct{ lines, troubled int }

// learnedSessions is what was learned of the sessions of one kind: how many have
// each template, how many have the same session counts, and how long their gaps are.
type learnedSessions struct {
	total         int
	templates     map[templateID]int
	sessionCounts map[uint64]int
	gaps          map[gapID]learnedGap
}

// learnedSource is what was learned of one source.
type learnedSource struct {
	// snapshot is a snapshot of the miner.
	snapshot []byte
	lines    int
	// seconds is how long the source was seen, minutes how many minutes had lines
	// of it, until when, in Unix seconds.
	seconds float64
	minutes int
	until   int64
	// seen is the number of the batch that was learned last.
	seen      uint64
	templates map[templateID]*learnedTemplate
	// all counts the lines that were not learned, too; suspects are those.
	all      int
	suspects map[templateID]*suspect
	// hours and days are how many lines the source has by the hour of the day and by
	// the day of the week, in UTC.
	hours [24]slot
	days  [7]slot
	// arrivals say how steadily its lines come.
	arrivals arrivals
	services map[string]learnedService
	sessions map[string]*learnedSessions
	// several is whether this is what several sources have in common, so that what
	// is absent tells nothing.
	several bool
}

// absence is a learned template that the lines do not have.
type absence struct {
	id      templateID
	learned *learnedTemplate
}

// recognise attaches what was learned to the templates: before are the templates that
// the miner had at the beginning, which may have become parts of others since.
func (g *group) recognise(before []*mining.Template) {
	templates := make(map[learnedName]*serviceTemplate, len(g.templates))
	for _, s := range g.templates {
		templates[learnedName{s.template, g.services[s.service]}] = s
	}
	roots := make(map[mining.ID]*mining.Template, len(before))
	for _, t := range before {
		roots[t.ID()] = t.Root()
	}
	for id, learned := range g.learned.templates {
		root, ok := roots[id.template]
		if !ok {
			continue
		}
		s, ok := templates[learnedName{root, id.service}]
		if !ok {
			g.absent = append(g.absent, absence{id: id, learned: learned})
			continue
		}
		s.before = append(s.before, id)
	}
	for id, known := range g.learned.suspects {
		if root, ok := roots[id.template]; ok {
			if s, ok := templates[learnedName{root, id.service}]; ok {
				s.suspect = known
			}
		}
	}
	if g.relearned {
		g.forgetOwn()
	}
	for _, s := range g.templates {
		slices.SortFunc(s.before, compareIDs)
		for _, id := range s.before {
			s.learned = s.learned.plus(g.learned.templates[id])
		}
		if g.relearned && s.wasHeld {
			s.suspect = s.suspect.minus(len(s.lines))
		} else if g.relearned {
			s.learned = s.learned.minus(len(s.lines))
		}
	}
}

// forgetOwn takes the lines of the group out of what was learned, where an earlier
// delivery of the same batch has put them: it is judged as it was then.
func (g *group) forgetOwn() {
	learned := *g.learned
	for _, s := range g.templates {
		s.wasHeld = g.heldBefore[heldKey(g.source, s.id(g))]
		if !s.wasHeld {
			learned.lines -= len(s.lines)
		}
	}
	learned.all -= g.lines
	learned.seconds = max(0, learned.seconds-g.clock.seconds)
	learned.services = maps.Clone(learned.services)
	for _, all := range g.perService() {
		name := g.services[all.service]
		own := learned.services[name]
		lines, troubled := g.notHeld(all.lines, func(s *serviceTemplate) bool { return s.wasHeld }), g.notHeld(all.troubled, func(s *serviceTemplate) bool { return s.wasHeld })
		learned.services[name] = learnedService{own.lines - lines, own.troubled - troubled}
	}
	g.learned = &learned
}

// notHeld counts the lines whose template is not held.
func (g *group) notHeld(lines []int32, held func(*serviceTemplate) bool) int {
	n := 0
	for _, line := range lines {
		if !held(g.templates[g.templateOf[line]]) {
			n++
		}
	}
	return n
}

type learnedName struct {
	template *mining.Template
	service  string
}

// plus adds what was learned of another template that is the same by now.
func (k *learnedTemplate) plus(other *learnedTemplate) *learnedTemplate {
	if k == nil {
		return other
	}
	return &learnedTemplate{
		lines: k.lines + other.lines, level: max(k.level, other.level), active: max(k.active, other.active),
		squares: k.squares + other.squares, seen: max(k.seen, other.seen),
	}
}

// minus takes away lines that were learned in an earlier delivery of the batch.
func (k *learnedTemplate) minus(lines int) *learnedTemplate {
	if k == nil || k.lines <= lines {
		return nil
	}
	out := *k
	out.lines -= lines
	return &out
}

// minus takes away lines that were held back in an earlier delivery of the batch.
func (k *suspect) minus(lines int) *suspect {
	if k == nil || k.lines <= lines {
		return nil
	}
	out := *k
	out.lines -= lines
	return &out
}

// ready reports whether enough was learned to compare with.
func (g *group) ready() bool { return g.learned != nil && g.learned.lines >= minLines }

// byLearned compares a template with what was learned of it.
func (g *group) byLearned(s *serviceTemplate) (finding, bool) {
	if !g.ready() {
		return finding{}, false
	}
	if s.learned == nil {
		if s.suspect != nil && s.suspect.cold {
			return finding{}, false // it was there from the beginning: its level judges it
		}
		return g.isNew(s), true
	}
	n := len(s.lines)
	usual := g.usualOf(s.learned, n)
	f := finding{observed: n, lines: s.lines, confidence: 0.7, severity: domain.SeverityLow}
	switch {
	case s.learned.level < domain.LogLevelWarn && s.level >= domain.LogLevelWarn && s.learned.level != domain.LogLevelUnknown:
		f.kind, f.severity = domain.AnomalySeverityShift, domain.SeverityMedium
		f.evidence = fmt.Sprintf("%s %s the level %s; %s is normal", count(n, "line"), verb(n, "have"), s.level, s.learned.level)
		if s.level >= domain.LogLevelError {
			f.severity = domain.SeverityHigh
		}
		f.surprise = surpriseOf(float64(n), 0)
	case usual.farMore(n):
		f.kind, f.expected, f.surprise = domain.AnomalyFrequencySpike, usual.most, surpriseOf(float64(n), usual.most)
		f.evidence = fmt.Sprintf("%s; %s by what was learned", count(n, "line"), usual.text(n, g.lines))
		switch {
		case s.level >= domain.LogLevelError && !s.dump:
			f.severity = domain.SeverityHigh
		case s.level >= domain.LogLevelWarn && !s.dump:
			f.severity = domain.SeverityMedium
		}
	default:
		return g.isFewer(s.learned, n, s.lines)
	}
	return f, true
}

// isFewer finds that there are far fewer lines of a template than was learned, in the
// logs or over the batches of its window: n are there now.
func (g *group) isFewer(learned *learnedTemplate, n int, lines []int32) (finding, bool) {
	usual, lasted := g.usualOf(learned, n), g.clock.seconds
	steady := g.learned.minutes < 2 || float64(learned.active) >= steadyShare*float64(g.learned.minutes)
	if w := learned.window; g.streaming && w.since > 0 {
		n, lasted = n+w.lines, float64(g.clock.until-w.since)
		total := g.learned.lines - w.start + g.lines
		usual = g.learned.usual(learned, n, total, lasted, g.season())
		steady = lasted >= learnedSeconds
	}
	if g.learned.several || !usual.farFewer(n) || n == 0 && !steady {
		return finding{}, false
	}
	f := finding{
		kind: domain.AnomalyFrequencyDrop, severity: domain.SeverityLow, confidence: 0.7, observed: n, lines: lines,
		expected: usual.least, surprise: surpriseOf(float64(n), usual.least),
	}
	while := ""
	if lasted >= learnedSeconds {
		while = " in " + domain.Span(time.Duration(lasted*float64(time.Second)))
	}
	f.evidence = fmt.Sprintf("only %s%s; %s by what was learned", count(n, "line"), while, usual.text(n, 0))
	if steady {
		f.severity = domain.SeverityMedium
	}
	if n == 0 {
		f.kind = domain.AnomalyMissingEvent
		f.evidence = fmt.Sprintf("no line%s; %s by what was learned", while, usual.text(0, 0))
	}
	return f, true
}

// isNew tells of a template that was never seen. How grave that is, its level says: a
// new line of information is little news.
func (g *group) isNew(s *serviceTemplate) finding {
	f := finding{
		kind: domain.AnomalyNewTemplate, severity: domain.SeverityLow, confidence: 0.6, observed: len(s.lines), lines: s.lines,
		surprise: surpriseOf(float64(len(s.lines)), 0),
		evidence: fmt.Sprintf("never seen in the %s learned before, and %s now", count(g.learned.lines, "line"), times(len(s.lines))),
	}
	if s.suspect != nil {
		f.evidence = fmt.Sprintf("not among the %s learned as normal; seen since %s ago, %s now",
			count(g.learned.lines, "line"), domain.Span(time.Duration(max(0, g.clock.until-s.suspect.since))*time.Second), times(len(s.lines)))
	}
	switch {
	case s.dump || s.level < domain.LogLevelWarn:
		if g.clock.valid() {
			f.at = int(g.clock.of[s.lines[0]]) + 1
		}
		return f
	case s.stray:
		f.severity = usualSeverity(s)
		return f
	case s.isCritical():
		f.severity = domain.SeverityCritical
	case s.level >= domain.LogLevelError || s.grave:
		f.severity = domain.SeverityHigh
	default:
		f.severity = domain.SeverityMedium
	}
	f.confidence = 0.8
	f.sessions = g.sessionsOf(s.lines, 1)
	if f.severity < domain.SeverityHigh {
		f.sessions = g.sessionsOf(s.lines, manyUnusual)
	}
	return f
}

// times writes how often something was seen.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// byLearnedShare compares the share of a service's lines that are warnings or worse
// with the share that was learned.
func (g *group) byLearnedShare(all *serviceLines) (finding, bool) {
	if !g.ready() {
		return finding{}, false
	}
	learned := g.learned.services[g.services[all.service]]
	// What was there from the beginning is not among what was learned: its level judges it.
	cold := func(s *serviceTemplate) bool { return s.suspect != nil && s.suspect.cold }
	n, troubled := g.notHeld(all.lines, cold), g.notHeld(all.troubled, cold)
	if learned.lines < shiftLines || n < shiftErrors || troubled < shiftErrors/2 {
		return finding{}, false
	}
	before, after := share(learned.troubled, learned.lines), share(troubled, n)
	if after < shiftFactor*before || proportionScore(learned.troubled, learned.lines, troubled, n) < shiftScore {
		return finding{}, false
	}
	expected := before * float64(n)
	return finding{
		kind: domain.AnomalySeverityShift, severity: domain.SeverityMedium, confidence: 0.8, surprise: surpriseOf(float64(troubled), expected),
		expected: expected, observed: troubled, lines: all.troubled,
		evidence: fmt.Sprintf("%s of the lines are warnings or worse; %s is normal by what was learned", percent(after), percent(before)),
	}, true
}

// byAbsence finds learned templates that the lines should have by now and do not. Those
// of one service are one anomaly.
func (g *group) byAbsence() []domain.Anomaly {
	if !g.ready() {
		return nil
	}
	type missed struct {
		id      templateID
		finding finding
	}
	missing := map[string][]missed{}
	for _, a := range g.absent {
		if f, ok := g.isFewer(a.learned, 0, nil); ok {
			missing[a.id.service] = append(missing[a.id.service], missed{a.id, f})
		}
	}
	var out []domain.Anomaly
	for _, service := range slices.Sorted(maps.Keys(missing)) {
		all := missing[service]
		slices.SortFunc(all, func(a, b missed) int {
			return cmp.Or(cmp.Compare(b.finding.expected, a.finding.expected), compareIDs(a.id, b.id))
		})
		t, ok := g.miner.Lookup(all[0].id.template)
		if !ok {
			continue
		}
		text := readText(t.String())
		about := subject{key: t.String(), template: t.String(), id: t.ID().String(), service: cmp.Or(service, g.source), category: text.categoryOf()}
		for i, m := range all[1:] {
			if t, ok := g.miner.Lookup(m.id.template); ok && i < maxAlso {
				about.also = append(about.also, fmt.Sprintf("missing too: %s (%s normal)", shorten(t.String(), alsoBytes), plain(math.Round(m.finding.expected))))
			}
		}
		if more := len(all) - 1 - maxAlso; more > 0 {
			about.also = append(about.also, fmt.Sprintf("and %s of line", count(more, "other kind")))
		}
		out = append(out, g.anomaly(about, []finding{all[0].finding}))
	}
	return out
}
