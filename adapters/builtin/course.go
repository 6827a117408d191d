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
	// rareSessionShare bounds the share of the sessions up to which a shape can be
	// rare, usualRareShare is where it is if the data has no wide gap below that.
	rareSessionShare, usualRareShare = 0.05, 0.01
	// rareCourseShare bounds the share of the sessions up to which a course can be.
	rareCourseShare = 0.02
	// coreShare bounds the share of the sessions that may lack a shape of the core.
	coreShare = 0.25
	// gapShrink is the share of the sessions that is added to both counts of a gap,
	// and gapLeast how many at least, so that 1 and 4 sessions are not far apart.
	gapShrink, gapLeast = 0.0025, 1
	// wideGap is how many times larger the count after a gap must be for the gap to
	// part the unusual from the usual.
	wideGap = 3
	// manyUnusual is the share of the sessions that unusual ones can be; beyond it,
	// to vary is the nature of the sessions. oddCourses is that for courses.
	manyUnusual, oddCourses = 0.15, 0.05
	// maxCourses bounds the courses that are told one by one; the rest is told as one.
	maxCourses = 20
)

// courses compares the sessions of one kind: which shapes few of them have, and
// which course few of them take. A course is how often a session has each shape
// of the core, those that nearly every session has.
type courses struct {
	g     *group
	set   *sessionSet
	known *knownSessions
	// total is how many sessions there are, with those learned before.
	total int
	// in is how many sessions have each shape; own counts those of the logs alone.
	in, own []int
	// courseOf is the course of each session; count how many sessions take it.
	core     []bool
	courseOf []uint64
	count    map[uint64]int
	ownCount map[uint64]int
}

func newCourses(g *group, set *sessionSet) *courses {
	c := &courses{g: g, set: set, own: make([]int, len(g.shapes))}
	if g.known != nil {
		c.known = g.known.sessions[set.kind]
	}
	last := make([]int32, len(g.shapes))
	for i, lines := range set.lines {
		for _, line := range lines {
			if n := g.shapeOf[line]; last[n] != int32(i)+1 {
				last[n] = int32(i) + 1
				c.own[n]++
			}
		}
	}
	c.in, c.total = slices.Clone(c.own), len(set.ids)
	if c.known != nil {
		c.total = c.join(c.total, c.known.total)
		for n, s := range g.shapes {
			before := 0
			for _, id := range s.before {
				before += c.known.shapes[id]
			}
			c.in[n] = c.join(c.own[n], before)
		}
	}
	c.findCore()
	c.findCourses()
	return c
}

// join adds what was known to what the logs have, unless it has that already.
func (c *courses) join(own, known int) int {
	if c.g.relearned {
		return max(own, known)
	}
	return own + known
}

// learned is what the sessions add to what is known.
func (c *courses) learned() *knownSessions {
	out := &knownSessions{total: len(c.set.ids), shapes: map[shapeID]int{}, courses: maps.Clone(c.ownCount)}
	for n, in := range c.own {
		if in > 0 {
			out.shapes[c.g.shapes[n].id(c.g)] = in
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
// lack a shape.
func (c *courses) findCore() {
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

// findCourses counts the sessions by their course.
func (c *courses) findCourses() {
	c.count = map[uint64]int{}
	c.courseOf = make([]uint64, len(c.set.ids))
	counts := make([]uint32, len(c.in))
	for i, lines := range c.set.lines {
		course := uint64(0)
		for _, line := range lines {
			if n := c.g.shapeOf[line]; c.core[n] {
				counts[n]++
			}
		}
		for _, line := range lines {
			n := c.g.shapeOf[line]
			if counts[n] > 0 {
				// A sum, so that the order of the shapes does not matter.
				course += mix(c.g.shapes[n].id(c.g).hash() + uint64(counts[n])*0x9E3779B97F4A7C15)
				counts[n] = 0
			}
		}
		c.courseOf[i] = course
		c.count[course]++
	}
	c.ownCount = maps.Clone(c.count)
	if c.known != nil {
		for course, n := range c.ownCount {
			c.count[course] = c.join(n, c.known.courses[course])
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

// rareShapes finds the shapes that few sessions have, here and by what was learned.
func (c *courses) rareShapes() map[int]finding {
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
	for n, s := range c.g.shapes {
		if c.own[n] == 0 || c.in[n] > limit || float64(c.own[n]) > max(1, manyUnusual*float64(len(c.set.ids))) {
			continue
		}
		f := finding{
			kind: domain.AnomalyRareTemplate, severity: severity, confidence: confidence, observed: len(s.lines),
			surprise: rarity(c.in[n], c.total),
			evidence: fmt.Sprintf("%d of %d sessions (%s) have this line", c.in[n], c.total, c.set.kind),
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
	return out
}

// rareCourse is a course that few sessions take.
type rareCourse struct {
	course   uint64
	sessions []int32
	// missing are the shapes of the core that it lacks.
	missing []int
}

// anomalies finds the courses that few sessions take. Whether courses tell
// anything, the data says: there must be a wide gap between rare and usual ones,
// and the rare ones must be few.
func (c *courses) anomalies() []domain.Anomaly {
	if c.total < minSessions {
		return nil
	}
	var counts []int
	for _, n := range c.count {
		counts = append(counts, n)
	}
	slices.Sort(counts)
	limit, ratio := gapAfter(counts, max(1, rareCourseShare*float64(c.total)), c.total)
	if ratio < wideGap {
		return nil
	}
	odd, sessions := c.oddCourses(limit)
	if float64(sessions) > max(1, oddCourses*float64(len(c.set.ids))) {
		return nil
	}
	var out []domain.Anomaly
	confidence := min(0.9, 0.5+0.1*ratio/wideGap)
	for i, o := range odd {
		if i == maxCourses && len(odd) > maxCourses+1 {
			rest := rareCourse{}
			for _, o := range odd[i:] {
				rest.sessions = append(rest.sessions, o.sessions...)
			}
			return append(out, c.anomaly(rest, "other courses", confidence))
		}
		out = append(out, c.anomaly(o, fmt.Sprintf("course %x", o.course), confidence))
	}
	return out
}

// oddCourses gathers the sessions of the courses that at most limit sessions take.
// Those that lack the same shapes of the core are told together.
func (c *courses) oddCourses(limit int) ([]rareCourse, int) {
	index := map[string]int{}
	var out []rareCourse
	total := 0
	cut := c.cut()
	for i, course := range c.courseOf {
		if c.count[course] > limit || cut(int32(i)) {
			continue
		}
		missing := c.missing(int32(i))
		key := fmt.Sprintf("%v", missing)
		if len(missing) == 0 {
			key = strconv.FormatUint(course, 16)
		}
		n, ok := index[key]
		if !ok {
			n = len(out)
			index[key] = n
			out = append(out, rareCourse{course: course, missing: missing})
		}
		out[n].sessions = append(out[n].sessions, int32(i))
		total++
	}
	slices.SortFunc(out, func(a, b rareCourse) int {
		return cmp.Or(cmp.Compare(len(b.sessions), len(a.sessions)), cmp.Compare(a.sessions[0], b.sessions[0]))
	})
	return out, total
}

// cut returns a function that reports whether a session may have begun before the
// logs or end after them: it touches the first or last lines, as many as nine of
// ten sessions last. Where sessions are not short beside the logs, none is left out.
func (c *courses) cut() func(session int32) bool {
	lengths := make([]int, len(c.set.lines))
	for i, lines := range c.set.lines {
		lengths[i] = int(lines[len(lines)-1] - lines[0])
	}
	slices.Sort(lengths)
	usual := lengths[len(lengths)*9/10]
	total := len(c.g.logs)
	if usual > total/50 {
		usual = 0
	}
	return func(session int32) bool {
		lines := c.set.lines[session]
		return int(lines[0]) < usual || int(lines[len(lines)-1]) >= total-usual
	}
}

// missing returns the shapes of the core that a session lacks.
func (c *courses) missing(session int32) []int {
	has := map[int32]bool{}
	for _, line := range c.set.lines[session] {
		has[c.g.shapeOf[line]] = true
	}
	var out []int
	for n, core := range c.core {
		if core && !has[int32(n)] {
			out = append(out, n)
		}
	}
	return out
}

// anomaly tells of one rare course.
func (c *courses) anomaly(o rareCourse, key string, confidence float64) domain.Anomaly {
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
		s := c.g.shapes[o.missing[0]]
		about.key, about.template, about.id = missingKey(c.g, o.missing), s.text, s.template.ID().String()
		about.category = categoryOf(s.lower)
		f.expected, f.observed = float64(len(o.sessions)), 0
		f.evidence = fmt.Sprintf("%d of %d sessions (%s), such as %s, lack %s that %d have", len(o.sessions), c.total, c.set.kind, first, plural(len(o.missing), "line"), c.in[o.missing[0]])
	default:
		about.key, about.template = key, "the course of "+first
		f.observed = len(f.lines)
		what := "unlike any"
		if usual := c.usual(); usual >= 0 {
			f.expected = float64(len(c.set.lines[usual]) * len(o.sessions))
			what = c.difference(o.sessions[0], usual)
		}
		f.evidence = fmt.Sprintf("%d of %d sessions (%s), such as %s, have the lines of the others in numbers of their own: %s", len(o.sessions), c.total, c.set.kind, first, what)
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

// missingKey names the shapes that are missing in every run.
func missingKey(g *group, missing []int) string {
	names := make([]string, len(missing))
	for i, n := range missing {
		names[i] = g.shapes[n].template.ID().String()
	}
	slices.Sort(names)
	return "missing " + strings.Join(names, " ")
}

// service is that of the lines, if all have the same; otherwise the source.
func (c *courses) service(lines []int32) string {
	first := c.g.serviceOf[lines[0]]
	for _, line := range lines {
		if c.g.serviceOf[line] != first {
			return c.g.source
		}
	}
	return c.g.serviceName(first)
}

// usual is a session that takes the course which most sessions take, or -1 if the
// logs have none.
func (c *courses) usual() int32 {
	most, best := uint64(0), 0
	for course, n := range c.count {
		if n > best || n == best && course < most {
			most, best = course, n
		}
	}
	return int32(slices.Index(c.courseOf, most))
}

// difference says which number of lines of a session is farthest from that of a
// usual one.
func (c *courses) difference(session, usual int32) string {
	own, other := c.counts(session), c.counts(usual)
	shape, distance := -1, 0
	for n, core := range c.core {
		if d := own[int32(n)] - other[int32(n)]; core && d*d > distance {
			shape, distance = n, d*d
		}
	}
	if shape < 0 {
		return "unlike most"
	}
	return fmt.Sprintf("%d of %q, where %d are usual", own[int32(shape)], cutBytes(c.g.shapes[shape].text, 120), other[int32(shape)])
}

func (c *courses) counts(session int32) map[int32]int {
	out := map[int32]int{}
	for _, line := range c.set.lines[session] {
		out[c.g.shapeOf[line]]++
	}
	return out
}
