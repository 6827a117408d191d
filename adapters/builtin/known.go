package builtin

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"logsift/adapters/builtin/mining"
	"logsift/domain"
)

// Bounds of the comparison with what was learned.
const (
	// usualFactor times what was expected, and usualMore, is still as usual.
	usualFactor, usualMore = 3, 3
	// knownSeconds is how long logs must have been seen, and be, for their rates to
	// be compared.
	knownSeconds = 60
	// steadyShare is the share of the minutes in which a line must have been seen
	// to be missed when it is not there.
	steadyShare = 0.5
	// maxAbsent bounds the missing shapes that are told.
	maxAbsent = 50
)

// shapeID names a shape in learned state.
type shapeID struct {
	template mining.ID
	service  string
}

// hash is the same in every process.
func (id shapeID) hash() uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(id.service) {
		h = (h ^ uint64(id.service[i])) * 1099511628211
	}
	return mix(h ^ uint64(id.template))
}

func (s *shape) id(g *group) shapeID { return shapeID{s.template.ID(), g.services[s.service]} }

// knownShape is what was learned of one shape.
type knownShape struct {
	lines int
	level domain.LogLevel
	// active is in how many minutes it was seen; squares the sum of the squares of
	// its lines in each.
	active  int
	squares float64
	// seen is the number of the batch that had it last.
	seen uint64
}

// knownService counts the lines of a service, and those that are warnings or worse.
type knownService struct{ lines, troubled int }

// knownSessions is what was learned of the sessions of one kind: how many have
// each shape, and how many take each course.
type knownSessions struct {
	total   int
	shapes  map[shapeID]int
	courses map[uint64]int
}

// knownSource is what was learned of one source.
type knownSource struct {
	// templates is a snapshot of the miner.
	templates []byte
	lines     int
	// seconds is how long the source was seen, minutes how many minutes had lines
	// of it, until when, in Unix seconds.
	seconds float64
	minutes int
	until   int64
	// seen is the number of the batch that was learned last.
	seen     uint64
	shapes   map[shapeID]*knownShape
	services map[string]knownService
	sessions map[string]*knownSessions
	// several is whether this is what several sources have in common, so that what
	// is absent tells nothing.
	several bool
}

// absence is a known shape that the lines do not have.
type absence struct {
	id    shapeID
	known *knownShape
}

// recognise attaches what was learned to the shapes: before are the templates that
// the miner had at the beginning, which may have become parts of others since.
func (g *group) recognise(before []*mining.Template) {
	shapes := make(map[shapeKeyByName]*shape, len(g.shapes))
	for _, s := range g.shapes {
		shapes[shapeKeyByName{s.template, g.services[s.service]}] = s
	}
	roots := make(map[mining.ID]*mining.Template, len(before))
	for _, t := range before {
		roots[t.ID()] = t.Root()
	}
	for id, known := range g.known.shapes {
		root, ok := roots[id.template]
		if !ok {
			continue
		}
		s, ok := shapes[shapeKeyByName{root, id.service}]
		if !ok {
			g.absent = append(g.absent, absence{id: id, known: known})
			continue
		}
		s.before = append(s.before, id)
	}
	if g.relearned {
		g.forgetOwn()
	}
	for _, s := range g.shapes {
		slices.SortFunc(s.before, compareIDs)
		for _, id := range s.before {
			s.known = s.known.plus(g.known.shapes[id])
		}
		if g.relearned {
			s.known = s.known.minus(len(s.lines))
		}
	}
}

// forgetOwn takes the lines of the group out of what is known, where an earlier
// delivery of the same batch has put them: it is judged as it was then.
func (g *group) forgetOwn() {
	known := *g.known
	known.lines -= len(g.logs)
	known.seconds = max(0, known.seconds-g.clock.seconds)
	known.services = maps.Clone(known.services)
	for _, all := range g.perService() {
		name := g.services[all.service]
		own := known.services[name]
		known.services[name] = knownService{own.lines - len(all.lines), own.troubled - len(all.troubled)}
	}
	g.known = &known
}

type shapeKeyByName struct {
	template *mining.Template
	service  string
}

// plus adds what was learned of another shape that is the same by now.
func (k *knownShape) plus(other *knownShape) *knownShape {
	if k == nil {
		return other
	}
	return &knownShape{
		lines: k.lines + other.lines, level: max(k.level, other.level), active: max(k.active, other.active),
		squares: k.squares + other.squares, seen: max(k.seen, other.seen),
	}
}

// minus takes away lines that were learned in an earlier delivery of the batch.
func (k *knownShape) minus(lines int) *knownShape {
	if k == nil || k.lines <= lines {
		return nil
	}
	out := *k
	out.lines -= lines
	return &out
}

// ready reports whether enough was learned to compare with.
func (g *group) ready() bool { return g.known != nil && g.known.lines >= minLines }

// expected is how many lines of a shape would be as usual: the least and the most
// of what its share beside the other lines and its rate over time say. n is how many
// there are.
func (g *group) expected(known *knownShape, n int) (least, most float64) {
	if known == nil {
		return 0, 0
	}
	// Without enough other lines, a share says nothing.
	least, most = float64(n), float64(n)
	byRate := g.clock.seconds >= knownSeconds && g.known.seconds >= knownSeconds
	if others := g.known.lines - known.lines; others >= minCount {
		least = float64(known.lines) / float64(others) * float64(len(g.logs)-n)
		most = least
	} else if byRate {
		least, most = math.Inf(1), 0
	}
	if byRate {
		rate := float64(known.lines) / g.known.seconds * g.clock.seconds
		least, most = min(least, rate), max(most, rate)
	}
	return least, most
}

// spread is by how much a number of lines varies, given what is expected: as that
// of independent events, or more, if the minutes varied more.
func (g *group) spread(known *knownShape, expected float64) float64 {
	over := 1.0
	if known != nil && g.known.minutes > 2 {
		minutes := float64(g.known.minutes)
		mean := float64(known.lines) / minutes
		over = max(1, (known.squares/minutes-mean*mean)/max(mean, 1e-9))
	}
	return math.Sqrt(over*expected + 1)
}

// byKnown compares a shape with what was learned of it.
func (g *group) byKnown(s *shape) (finding, bool) {
	if !g.ready() {
		return finding{}, false
	}
	if s.known == nil {
		return g.isNew(s), true
	}
	n := float64(len(s.lines))
	least, most := g.expected(s.known, len(s.lines))
	f := finding{observed: len(s.lines), lines: s.lines, confidence: 0.7}
	switch {
	case s.known.level < domain.LogLevelWarn && s.level >= domain.LogLevelWarn && s.known.level != domain.LogLevelUnknown:
		f.kind, f.severity, f.expected = domain.AnomalySeverityShift, domain.SeverityMedium, 0
		f.evidence = fmt.Sprintf("%d lines with the level %s, where %s is usual", len(s.lines), s.level, s.known.level)
		if s.level >= domain.LogLevelError {
			f.severity = domain.SeverityHigh
		}
		f.surprise = surpriseOf(n, 0)
	case n >= minCount && n > spikeFactor*(most+1) && (n-most)/g.spread(s.known, most) >= spikeScore:
		f.kind, f.severity, f.expected = domain.AnomalyFrequencySpike, domain.SeverityLow, most
		f.evidence = fmt.Sprintf("%d lines, where %.1f are usual by what was learned", len(s.lines), most)
		if s.level >= domain.LogLevelWarn {
			f.severity = domain.SeverityMedium
		}
		f.surprise = surpriseOf(n, most)
	case least >= gapExpected && n <= gapShare*least && (least-n)/g.spread(s.known, least) >= gapScore:
		f.kind, f.severity, f.expected = domain.AnomalyFrequencyDrop, domain.SeverityLow, least
		f.evidence = fmt.Sprintf("%d lines, where %.1f are usual by what was learned", len(s.lines), least)
		f.surprise = surpriseOf(n, least)
	default:
		return finding{}, false
	}
	return f, true
}

// isNew tells of a shape that was never seen. How grave that is, its level says: a
// new line of information is little news.
func (g *group) isNew(s *shape) finding {
	f := finding{
		kind: domain.AnomalyNewTemplate, severity: domain.SeverityLow, confidence: 0.6, observed: len(s.lines), lines: s.lines,
		surprise: surpriseOf(float64(len(s.lines)), 0),
		evidence: fmt.Sprintf("never seen in the %d lines learned before, and %d times now", g.known.lines, len(s.lines)),
	}
	isGrave := containsAny(s.lower, grave)
	switch {
	case s.dump || s.level < domain.LogLevelWarn:
		return f
	case s.level == domain.LogLevelFatal && isGrave:
		f.severity = domain.SeverityCritical
	case s.level >= domain.LogLevelError || isGrave:
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

// byKnownShare compares the share of a service's lines that are warnings or worse
// with the share that was learned.
func (g *group) byKnownShare(all *serviceLines) (finding, bool) {
	if !g.ready() {
		return finding{}, false
	}
	known := g.known.services[g.services[all.service]]
	n, troubled := len(all.lines), len(all.troubled)
	if known.lines < shiftLines || n < shiftErrors || troubled < shiftErrors/2 {
		return finding{}, false
	}
	before, after := share(known.troubled, known.lines), share(troubled, n)
	if after < shiftFactor*before || proportionScore(known.troubled, known.lines, troubled, n) < shiftScore {
		return finding{}, false
	}
	expected := before * float64(n)
	return finding{
		kind: domain.AnomalySeverityShift, severity: domain.SeverityMedium, confidence: 0.8, surprise: surpriseOf(float64(troubled), expected),
		expected: expected, observed: troubled, lines: all.troubled,
		evidence: fmt.Sprintf("%.1f %% of the lines are warnings or worse, %.1f %% of those learned before", 100*after, 100*before),
	}, true
}

// byAbsence finds known shapes that the lines should have by now and do not.
func (g *group) byAbsence() []domain.Anomaly {
	if !g.ready() || g.known.several {
		return nil
	}
	type missed struct {
		absence
		expected float64
	}
	var all []missed
	for _, a := range g.absent {
		least, _ := g.expected(a.known, 0)
		steady := g.known.minutes < 2 || float64(a.known.active) >= steadyShare*float64(g.known.minutes)
		if least >= gapExpected && steady && least/g.spread(a.known, least) >= gapScore {
			all = append(all, missed{a, least})
		}
	}
	slices.SortFunc(all, func(a, b missed) int {
		if a.expected != b.expected {
			return int(math.Copysign(1, b.expected-a.expected))
		}
		return compareIDs(a.id, b.id)
	})
	var out []domain.Anomaly
	for _, m := range all[:min(len(all), maxAbsent)] {
		t, ok := g.miner.Lookup(m.id.template)
		if !ok {
			continue
		}
		text := t.String()
		service := m.id.service
		if service == "" {
			service = g.source
		}
		out = append(out, g.anomaly(subject{
			key: text, template: text, id: t.ID().String(), service: service, category: categoryOf(plainWords(text)),
		}, []finding{{
			kind: domain.AnomalyMissingEvent, severity: domain.SeverityMedium, confidence: 0.7, surprise: surpriseOf(0, m.expected),
			expected: m.expected, evidence: fmt.Sprintf("no line, where %.0f are usual by what was learned", m.expected),
		}}))
	}
	return out
}
