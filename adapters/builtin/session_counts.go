package builtin

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"logsift/domain"
)

// Bounds of the detectors that compare sessions.
const (
	// rareSessionShare bounds the share of the sessions up to which a template can be
	// rare, usualRareShare is where it is if the data has no wide gap below that.
	rareSessionShare, usualRareShare = 0.05, 0.01
	// rareCountsShare bounds the share of the sessions up to which session counts can be.
	rareCountsShare = 0.02
	// coreShare bounds the share of the sessions that may lack a template of the core.
	coreShare = 0.25
	// gapShrink is the share of the sessions that is added to both counts of a gap,
	// and gapLeast how many at least, so that 1 and 4 sessions are not far apart.
	gapShrink, gapLeast = 0.0025, 1
	// wideGap is how many times larger the count after a gap must be for the gap to
	// part the unusual from the usual.
	wideGap = 3
	// manyUnusual is the share of the sessions that unusual ones can be; beyond it,
	// to vary is the nature of the sessions. oddCounts is that for session counts.
	manyUnusual, oddCounts = 0.15, 0.05
	// maxFailed is the share of the sessions up to which they can have failed: as many more
	// must have gone well, twice. minMissing is how many lines a failure takes.
	maxFailed, minMissing = 1.0 / 3, 2
	// shortSession is the part of the logs up to which sessions are short, maxBorder that up
	// to which it can be said whether one ended.
	shortSession, maxBorder = 0.02, 0.1
	// maxCounts bounds the session counts that are reported one by one; the rest is told as one.
	maxCounts = 20
)

// sessionCounts compares the sessions of one kind: which templates few of them have, and
// which session counts few of them have. Session counts are how often a session has each template
// of the core, those that nearly every session has.
type sessionCounts struct {
	g       *group
	set     *sessionSet
	learned *learnedSessions
	// total is how many sessions there are, with those learned before.
	total int
	// in is how many sessions have each template; own counts those of the logs alone.
	in, own []int
	// countsOf is the session counts of each session; count how many sessions have the same.
	core     []bool
	countsOf []uint64
	count    map[uint64]int
	ownCount map[uint64]int
	gaps     *sessionGaps
}

func newSessionCounts(g *group, set *sessionSet) *sessionCounts {
	c := &sessionCounts{g: g, set: set, own: make([]int, len(g.templates))}
	if g.learned != nil {
		c.learned = g.learned.sessions[set.kind]
	}
	last := make([]int32, len(g.templates))
	for i, lines := range set.lines {
		for _, line := range lines {
			if n := g.templateOf[line]; last[n] != int32(i)+1 {
				last[n] = int32(i) + 1
				c.own[n]++
			}
		}
	}
	c.in, c.total = slices.Clone(c.own), len(set.ids)
	if c.learned != nil {
		c.total = c.join(c.total, c.learned.total)
		for n, s := range g.templates {
			before := 0
			for _, id := range s.before {
				before += c.learned.templates[id]
			}
			c.in[n] = c.join(c.own[n], before)
		}
	}
	c.findCore()
	c.findCounts()
	c.gaps = newSessionGaps(g, set, c.learned)
	return c
}

// join adds what was learned to what the logs have, unless it has that already.
func (c *sessionCounts) join(own, learned int) int {
	if c.g.relearned {
		return max(own, learned)
	}
	return own + learned
}

// addition is what the sessions add to what was learned.
func (c *sessionCounts) addition() *learnedSessions {
	out := &learnedSessions{total: len(c.set.ids), templates: map[templateID]int{}, sessionCounts: maps.Clone(c.ownCount), gaps: c.gaps.addition()}
	for n, in := range c.own {
		if in > 0 {
			out.templates[c.g.templates[n].id(c.g)] = in
		}
	}
	return out
}

// gapAfter returns the count up to which the rising counts are unusual: the one at
// most most after which the next is largest in proportion, and that proportion.
func gapAfter(counts []int, most float64, total int) (limit int, ratio float64) {
	shrink := gapShrink*float64(total) + gapLeast
	for i := 0; i+1 < len(counts) && float64(counts[i]) <= most; i++ {
		if r := (float64(counts[i+1]) + shrink) / (float64(counts[i]) + shrink); r > ratio {
			limit, ratio = counts[i], r
		}
	}
	return limit, ratio
}

// findCore chooses the core by the widest gap between the numbers of sessions that
// lack a template.
func (c *sessionCounts) findCore() {
	lacking := make([]int, len(c.in), len(c.in)+1)
	for n, in := range c.in {
		lacking[n] = c.total - in
	}
	lacking = append(lacking, c.total)
	slices.Sort(lacking)
	limit, _ := gapAfter(lacking, coreShare*float64(c.total), c.total)
	c.core = make([]bool, len(c.in))
	for n, in := range c.in {
		c.core[n] = c.total-in <= limit
	}
}

// findCounts counts the sessions by their session counts.
func (c *sessionCounts) findCounts() {
	c.count = map[uint64]int{}
	c.countsOf = make([]uint64, len(c.set.ids))
	counts := make([]uint32, len(c.in))
	for i, lines := range c.set.lines {
		countsKey := uint64(0)
		for _, line := range lines {
			if n := c.g.templateOf[line]; c.core[n] {
				counts[n]++
			}
		}
		for _, line := range lines {
			n := c.g.templateOf[line]
			if counts[n] > 0 {
				// A sum, so that the order of the templates does not matter.
				countsKey += mix(c.g.templates[n].id(c.g).hash() + uint64(counts[n])*0x9E3779B97F4A7C15)
				counts[n] = 0
			}
		}
		c.countsOf[i] = countsKey
		c.count[countsKey]++
	}
	c.ownCount = maps.Clone(c.count)
	if c.learned != nil {
		for countsKey, n := range c.ownCount {
			c.count[countsKey] = c.join(n, c.learned.sessionCounts[countsKey])
		}
	}
}

// mix spreads the bits of a number (the finaliser of SplitMix64, Steele et al.,
// OOPSLA 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// rareTemplates finds the templates that few sessions have, here and by what was learned.
func (c *sessionCounts) rareTemplates() map[int]finding {
	if c.total < minSessions {
		return nil
	}
	var counts []int
	for _, in := range c.in {
		if in > 0 {
			counts = append(counts, in)
		}
	}
	slices.Sort(counts)
	limit, ratio := gapAfter(append(counts, c.total), max(1, rareSessionShare*float64(c.total)), c.total)
	severity, confidence := domain.SeverityMedium, min(0.9, 0.5+0.1*ratio/wideGap)
	if ratio < wideGap {
		severity, confidence, limit = domain.SeverityLow, 0.4, int(usualRareShare*float64(c.total))
	}
	out := map[int]finding{}
	unusual := map[int32]bool{}
	for n, s := range c.g.templates {
		if c.own[n] == 0 || c.in[n] > limit || float64(c.own[n]) > max(1, manyUnusual*float64(len(c.set.ids))) {
			continue
		}
		f := finding{
			kind: domain.AnomalyRareTemplate, severity: severity, confidence: confidence, observed: len(s.lines),
			surprise: rarity(c.in[n], c.total),
			evidence: fmt.Sprintf("%d of %d sessions (%s) %s this line", c.in[n], c.total, c.set.kind, verb(c.in[n], "have")),
		}
		for _, line := range s.lines {
			if i := c.set.of[line]; i >= 0 {
				f.lines = append(f.lines, line)
				f.sessions = append(f.sessions, c.set.ids[i])
				unusual[i] = true
			}
		}
		if len(f.lines) > 0 {
			out[n] = f
		}
	}
	if float64(len(unusual)) > max(1, manyUnusual*float64(len(c.set.ids))) {
		for n, f := range out {
			f.severity, f.confidence = domain.SeverityLow, 0.3
			out[n] = f
		}
	}
	for n := range c.g.templates {
		if f, ok := c.failing(n); ok {
			out[n] = f
		}
	}
	return out
}

// failing tells of sessions that fail with an error, up to half of all, if more do than was
// learned.
func (c *sessionCounts) failing(n int) (finding, bool) {
	s := c.g.templates[n]
	own, before := c.own[n], c.in[n]-c.own[n]
	if own == 0 || s.level < domain.LogLevelError || s.dump || s.stray || 2*own > len(c.set.ids) {
		return finding{}, false
	}
	if c.learned != nil && c.learned.total >= minSessions && before > 0 {
		normal := usual{known: true, most: share(before, c.learned.total) * float64(len(c.set.ids))}
		if normal.covers(own) {
			return finding{}, false
		}
	}
	f := finding{
		kind: domain.AnomalyRareTemplate, severity: domain.SeverityMedium, confidence: 0.6, observed: len(s.lines),
		surprise: rarity(own, len(c.set.ids)),
		evidence: fmt.Sprintf("%d of %d sessions (%s) %s with this line", own, len(c.set.ids), c.set.kind, verb(own, "fail")),
	}
	for _, line := range s.lines {
		if i := c.set.of[line]; i >= 0 {
			f.lines = append(f.lines, line)
			f.sessions = append(f.sessions, c.set.ids[i])
		}
	}
	return f, len(f.lines) > 0
}

// rareCounts are session counts that few sessions have.
type rareCounts struct {
	countsKey uint64
	sessions  []int32
	// missing are the templates of the core that it lacks.
	missing []int
}

// anomalies finds the sessions that failed, and the session counts that few sessions
// have. Whether session counts tell anything, the data says: there must be a wide gap
// between rare and usual ones, and the rare ones must be few beside those that failed.
func (c *sessionCounts) anomalies() []domain.Anomaly {
	if c.total < minSessions {
		return nil
	}
	var out []domain.Anomaly
	failed, failedCounts := map[int32]bool{}, map[uint64]int{}
	for _, o := range c.failures() {
		for _, i := range o.sessions {
			failed[i] = true
			failedCounts[c.countsOf[i]]++
		}
		out = append(out, c.anomaly(o, "", max(0.5, 0.8-share(len(o.sessions), len(c.set.ids)))))
	}
	var counts []int
	for countsKey, n := range c.count {
		if n -= failedCounts[countsKey]; n > 0 {
			counts = append(counts, n)
		}
	}
	slices.Sort(counts)
	limit, ratio := gapAfter(counts, max(1, rareCountsShare*float64(c.total)), c.total)
	if ratio < wideGap {
		return out
	}
	odd, sessions := c.oddCounts(limit, failed)
	if float64(sessions) > max(1, oddCounts*float64(len(c.set.ids))) {
		return out
	}
	confidence := min(0.9, 0.5+0.1*ratio/wideGap)
	for i, o := range odd {
		if i == maxCounts && len(odd) > maxCounts+1 {
			rest := rareCounts{}
			for _, o := range odd[i:] {
				rest.sessions = append(rest.sessions, o.sessions...)
			}
			return append(out, c.anomaly(rest, "other courses", confidence))
		}
		out = append(out, c.anomaly(o, fmt.Sprintf("course %x", o.countsKey), confidence))
	}
	return out
}

// failures finds sessions that lack several lines which most others have: too many of
// them to be rare, as in an outage. Lines that a third of the sessions may do
// without go each their own way; those that a failure takes go together, and nothing
// comes in their place.
func (c *sessionCounts) failures() []rareCounts {
	own := len(c.set.ids)
	var usual []int
	for n, in := range c.in {
		if float64(in) >= (1-maxFailed)*float64(c.total) && c.own[n] > 0 {
			usual = append(usual, n)
		}
	}
	index := map[string]int{}
	var groups []rareCounts
	lacking, alone := make([]int, len(c.in)), make([]int, len(c.in))
	cut, short := c.cut(maxBorder)
	if !short {
		return nil
	}
	for i := range c.set.lines {
		if cut(int32(i)) {
			continue
		}
		missing := c.missing(int32(i), usual)
		for _, n := range missing {
			lacking[n]++
		}
		if len(missing) < minMissing {
			for _, n := range missing {
				alone[n]++
			}
			continue
		}
		key := fmt.Sprint(missing)
		n, ok := index[key]
		if !ok {
			n = len(groups)
			index[key] = n
			groups = append(groups, rareCounts{missing: missing})
		}
		groups[n].sessions = append(groups[n].sessions, int32(i))
	}
	total := 0
	groups = slices.DeleteFunc(groups, func(o rareCounts) bool {
		n := len(o.sessions)
		together := !slices.ContainsFunc(o.missing, func(t int) bool { return float64(alone[t]) > maxFailed*float64(lacking[t]) })
		keep := together && !c.hasOthers(o)
		if keep {
			total += n
		}
		return !keep
	})
	switch {
	case float64(total) > maxFailed*float64(own):
		return nil
	case float64(total) <= oddCounts*float64(own):
		// What is rare is judged by that.
		return slices.DeleteFunc(groups, func(o rareCounts) bool { return float64(len(o.sessions)) <= rareCountsShare*float64(own) })
	}
	return groups
}

// hasOthers reports whether most of the sessions have lines that few others have, and
// that tell of no trouble: they are of another sort.
func (c *sessionCounts) hasOthers(o rareCounts) bool {
	in := map[int32]int{}
	for _, i := range o.sessions {
		for n := range c.counts(i) {
			in[n]++
		}
	}
	for n, with := range in {
		others := c.own[n] - with
		if 2*with > len(o.sessions) && float64(others) < rareSessionShare*float64(len(c.set.ids)) && c.g.templates[n].level < domain.LogLevelWarn {
			return true
		}
	}
	return false
}

// oddCounts gathers the sessions of the session counts that at most limit sessions have.
// Those that lack the same templates of the core are told together. Sessions that failed
// are told already.
func (c *sessionCounts) oddCounts(limit int, failed map[int32]bool) ([]rareCounts, int) {
	index := map[string]int{}
	var out []rareCounts
	total := 0
	cut, _ := c.cut(shortSession)
	var core []int
	for n, in := range c.core {
		if in {
			core = append(core, n)
		}
	}
	for i, countsKey := range c.countsOf {
		if c.count[countsKey] > limit || failed[int32(i)] || cut(int32(i)) {
			continue
		}
		missing := c.missing(int32(i), core)
		key := fmt.Sprintf("%v", missing)
		if len(missing) == 0 {
			key = strconv.FormatUint(countsKey, 16)
		}
		n, ok := index[key]
		if !ok {
			n = len(out)
			index[key] = n
			out = append(out, rareCounts{countsKey: countsKey, missing: missing})
		}
		out[n].sessions = append(out[n].sessions, int32(i))
		total++
	}
	slices.SortFunc(out, func(a, b rareCounts) int {
		return cmp.Or(cmp.Compare(len(b.sessions), len(a.sessions)), cmp.Compare(a.sessions[0], b.sessions[0]))
	})
	return out, total
}

// cut returns a function that reports whether a session may have begun before the logs or
// end after them: it touches the first or last of their time, as long as nine of ten
// sessions last, or of their lines if they have no times. Where that is more than this
// part of the logs, sessions are not short beside them, and none is left out.
func (c *sessionCounts) cut(most float64) (cut func(session int32) bool, short bool) {
	at := func(line int32) float64 { return float64(line) }
	begin, end := 0.0, float64(c.g.lines-1)
	if c.g.claimed {
		at = func(line int32) float64 { return float64(c.g.times[line]) }
		begin, end = float64(c.g.begin), float64(c.g.end)
	}
	lengths := make([]float64, len(c.set.lines))
	for i, lines := range c.set.lines {
		lengths[i] = at(lines[len(lines)-1]) - at(lines[0])
	}
	slices.Sort(lengths)
	usual := lengths[len(lengths)*9/10]
	short = usual <= most*(end-begin)
	return func(session int32) bool {
		lines := c.set.lines[session]
		return short && (at(lines[0]) < begin+usual || at(lines[len(lines)-1]) > end-usual)
	}, short
}

// missing returns the templates among these that a session lacks. Since most sessions have
// each of these, they are no more than the lines.
func (c *sessionCounts) missing(session int32, among []int) []int {
	has := make(map[int32]bool, len(c.set.lines[session]))
	for _, line := range c.set.lines[session] {
		has[c.g.templateOf[line]] = true
	}
	var out []int
	for _, n := range among {
		if !has[int32(n)] {
			out = append(out, n)
		}
	}
	return out
}

// anomaly reports one case of rare session counts.
func (c *sessionCounts) anomaly(o rareCounts, key string, confidence float64) domain.Anomaly {
	f := finding{
		kind: domain.AnomalyCountVector, severity: domain.SeverityMedium, confidence: confidence,
		surprise: rarity(len(o.sessions), c.total),
	}
	for _, i := range o.sessions {
		f.sessions = append(f.sessions, c.set.ids[i])
		f.lines = append(f.lines, c.set.lines[i]...)
	}
	slices.Sort(f.lines)
	about := subject{category: domain.CategoryUnknown, service: c.service(f.lines)}
	first := f.sessions[0]
	switch {
	case len(o.missing) > 0:
		f.kind = domain.AnomalyMissingEvent
		s := c.g.templates[o.missing[0]]
		about.key, about.template, about.id = missingKey(c.g, o.missing), s.text, s.template.ID().String()
		about.category = s.words.categoryOf()
		f.expected, f.observed = float64(len(o.sessions)), 0
		f.evidence = fmt.Sprintf("%d of %d sessions (%s), such as %s, %s %s that %d have", len(o.sessions), c.total, c.set.kind, first, verb(len(o.sessions), "lack"), plural(len(o.missing), "line"), c.in[o.missing[0]])
	default:
		about.key, about.template = key, "the course of "+first
		f.observed = len(f.lines)
		what := "unlike any"
		if usual := c.usual(); usual >= 0 {
			f.expected = float64(len(c.set.lines[usual]) * len(o.sessions))
			what = c.difference(o.sessions[0], usual)
		}
		f.evidence = fmt.Sprintf("in %d of %d sessions (%s), such as %s, the usual lines come in other numbers: %s", len(o.sessions), c.total, c.set.kind, first, what)
	}
	return c.g.anomaly(about, []finding{f})
}

// plural writes a number of things.
func plural(n int, what string) string {
	if n == 1 {
		return "a " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// missingKey names the templates that are missing in every run.
func missingKey(g *group, missing []int) string {
	names := make([]string, len(missing))
	for i, n := range missing {
		names[i] = g.templates[n].template.ID().String()
	}
	slices.Sort(names)
	return "missing " + strings.Join(names, " ")
}

// service is that of the lines, if all have the same; otherwise the source.
func (c *sessionCounts) service(lines []int32) string {
	first := c.g.serviceOf[lines[0]]
	for _, line := range lines {
		if c.g.serviceOf[line] != first {
			return c.g.source
		}
	}
	return c.g.serviceName(first)
}

// usual is a session with the session counts that most sessions have, or -1 if the
// logs have none.
func (c *sessionCounts) usual() int32 {
	most, best := uint64(0), 0
	for countsKey, n := range c.count {
		if n > best || n == best && countsKey < most {
			most, best = countsKey, n
		}
	}
	return int32(slices.Index(c.countsOf, most))
}

// difference says which number of lines of a session is farthest from that of a
// usual one.
func (c *sessionCounts) difference(session, usual int32) string {
	own, other := c.counts(session), c.counts(usual)
	furthest, distance := -1, 0
	for n, core := range c.core {
		if d := own[int32(n)] - other[int32(n)]; core && d*d > distance {
			furthest, distance = n, d*d
		}
	}
	if furthest < 0 {
		return "unlike most"
	}
	return fmt.Sprintf("%d of %q, where %d %s usual", own[int32(furthest)], cutBytes(c.g.templates[furthest].text, 120), other[int32(furthest)], are(other[int32(furthest)]))
}

func (c *sessionCounts) counts(session int32) map[int32]int {
	out := map[int32]int{}
	for _, line := range c.set.lines[session] {
		out[c.g.templateOf[line]]++
	}
	return out
}
