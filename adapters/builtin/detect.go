package builtin

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"logsift/domain"
)

// Bounds of the detectors.
const (
	// minLines is how many lines a source needs before anything is called rare.
	minLines = 200
	// maxRareShare bounds the share of the lines up to which a template can be
	// rare; where below it the line is drawn, the data says.
	maxRareShare = 0.02
	// manyRare is the share of rare templates above which rarity is the nature of
	// the log and says little.
	manyRare = 0.5
	// buckets is how many stretches of equal length the time is cut into.
	buckets = 60
	// minSpike is how many lines a bucket needs to be a spike, spikeFactor how
	// many times the usual, spikeScore how many robust deviations.
	minSpike, spikeFactor, spikeScore = 10, 5, 8
	// rareSessions is the share of the sessions below which a course is rare, and
	// rareTemplateSessions that for a template.
	rareSessions, rareTemplateSessions = 0.01, 0.02
	// maxCourses bounds the rare courses that are told one by one.
	maxCourses = 20
)

// finding is what a detector says about a template, or about sessions.
type finding struct {
	kind       domain.AnomalyKind
	severity   domain.Severity
	confidence float64
	evidence   string
	expected   float64
	// lines are those that show it; nil for all of the template's.
	lines []int32
}

// stats are the figures of one template that the detectors share.
type stats struct {
	t     *template
	text  string // in lower case
	level domain.LogLevel
	share float64
}

// detect runs the detectors and returns an anomaly for each template and each
// rare course with a finding.
func (g *group) detect() []domain.Anomaly {
	var out []domain.Anomaly
	all := make([]*stats, len(g.templates))
	for i, t := range g.templates {
		var levels [7]int
		for _, line := range t.lines {
			levels[g.logs[line].Level]++
		}
		s := &stats{t: t, text: strings.ToLower(t.String()), share: float64(len(t.lines)) / float64(len(g.logs))}
		s.level = levelOf(&levels, s.text)
		all[i] = s
	}
	cut, rareShare := g.rareCut()
	burst := g.errorBurst(all)
	rareInSessions, courses := g.rareCourses()
	for _, s := range all {
		var found []finding
		if f, ok := g.bySeverity(s, burst); ok {
			found = append(found, f)
		}
		if f, ok := g.byRarity(s, cut, rareShare); ok {
			found = append(found, f)
		}
		if f, ok := g.bySpike(s); ok {
			found = append(found, f)
		}
		if n, ok := rareInSessions[s.t]; ok {
			found = append(found, finding{
				kind: domain.AnomalyRareTemplate, severity: domain.SeverityLow, confidence: 0.7,
				evidence: fmt.Sprintf("in %d of %d sessions", n, courses.sessions),
			})
		}
		if len(found) > 0 {
			out = append(out, g.anomaly(s, found))
		}
	}
	return append(out, courses.anomalies...)
}

// bySeverity finds templates that call themselves warnings or worse.
func (g *group) bySeverity(s *stats, burst map[*template]finding) (finding, bool) {
	if f, ok := burst[s.t]; ok {
		return f, true
	}
	severity := severityOf(s.level, s.text, s.share)
	if severity == 0 {
		return finding{}, false
	}
	kind := domain.AnomalyRareTemplate
	if len(s.t.lines) >= minSpike {
		kind = domain.AnomalyErrorBurst
	}
	return finding{
		kind: kind, severity: severity, confidence: 0.6,
		evidence: fmt.Sprintf("level %s in %d of %d lines", s.level, len(s.t.lines), len(g.logs)),
	}, true
}

// rareCut chooses the count up to which a template is rare: below maxRareShare of
// the lines, where the gap between neighbouring counts is widest in proportion.
// It also returns the share of the templates that are rare by that.
func (g *group) rareCut() (limit int, share float64) {
	if len(g.logs) < minLines || len(g.templates) < 3 {
		return 0, 0
	}
	counts := make([]int, len(g.templates))
	for i, t := range g.templates {
		counts[i] = len(t.lines)
	}
	slices.Sort(counts)
	bound := max(1, int(maxRareShare*float64(len(g.logs))))
	widest := 1.0
	for i := 0; i+1 < len(counts) && counts[i] <= bound; i++ {
		if gap := float64(counts[i+1]) / float64(counts[i]); gap > widest {
			widest, limit = gap, counts[i]
		}
	}
	rare := 0
	for _, c := range counts {
		if c <= limit {
			rare++
		}
	}
	return limit, float64(rare) / float64(len(counts))
}

// byRarity finds templates that few lines have.
func (g *group) byRarity(s *stats, cut int, rareShare float64) (finding, bool) {
	if len(s.t.lines) > cut {
		return finding{}, false
	}
	f := finding{
		kind: domain.AnomalyRareTemplate, severity: domain.SeverityLow, confidence: 0.5,
		evidence: fmt.Sprintf("%d of %d lines have this shape", len(s.t.lines), len(g.logs)),
	}
	switch {
	case rareShare > manyRare && s.level < domain.LogLevelWarn:
		// In a log of single lines, one more is no news.
		return finding{}, false
	case rareShare > manyRare:
		f.confidence = 0.3
	case s.level >= domain.LogLevelError:
		f.severity = domain.SeverityHigh
	case s.level == domain.LogLevelWarn:
		f.severity = domain.SeverityMedium
	}
	return f, true
}

// bucketOf is the stretch of time that a line falls into, and false where the
// lines have no times to speak of.
func (g *group) bucketOf(line int32) (int, bool) {
	span := g.end.Sub(g.begin)
	if span < buckets*time.Second || g.times[line].IsZero() {
		return 0, false
	}
	return min(buckets-1, int(g.times[line].Sub(g.begin)*buckets/(span+1))), true
}

// bySpike finds templates with far more lines in one stretch of time than usual.
func (g *group) bySpike(s *stats) (finding, bool) {
	if len(s.t.lines) < 2*minSpike {
		return finding{}, false
	}
	var perBucket [buckets][]int32
	for _, line := range s.t.lines {
		if b, ok := g.bucketOf(line); ok {
			perBucket[b] = append(perBucket[b], line)
		}
	}
	counts := make([]int, buckets)
	peak := 0
	for b, lines := range perBucket {
		counts[b] = len(lines)
		if counts[b] > counts[peak] {
			peak = b
		}
	}
	usual, score := robust(counts, counts[peak])
	if counts[peak] < minSpike || score < spikeScore || float64(counts[peak]) < spikeFactor*(usual+1) {
		return finding{}, false
	}
	severity := domain.SeverityLow
	if s.level >= domain.LogLevelWarn {
		severity = domain.SeverityMedium
	}
	return finding{
		kind: domain.AnomalyFrequencySpike, severity: severity, confidence: 0.6, expected: usual, lines: perBucket[peak],
		evidence: fmt.Sprintf("%d lines within %v, %s usual", counts[peak], g.bucketLength(), usualText(usual)),
	}, true
}

func usualText(n float64) string {
	if n == 0 {
		return "where none are"
	}
	return fmt.Sprintf("where %.0f are", n)
}

func (g *group) bucketLength() time.Duration {
	return (g.end.Sub(g.begin) / buckets).Round(time.Second)
}

// robust returns the median of the counts, and how far value is from it in
// median absolute deviations. Counts vary by their root at least, as those of
// independent events do.
func robust(counts []int, value int) (median, score float64) {
	sorted := slices.Clone(counts)
	slices.Sort(sorted)
	median = float64(sorted[len(sorted)/2])
	for i, c := range counts {
		sorted[i] = int(math.Abs(float64(c) - median))
	}
	slices.Sort(sorted)
	deviation := 1.4826*float64(sorted[len(sorted)/2]) + math.Sqrt(median) + 1
	return median, (float64(value) - median) / deviation
}

// errorBurst finds the stretches of time with far more errors than usual, and
// the templates that make them up.
func (g *group) errorBurst(all []*stats) map[*template]finding {
	counts := make([]int, buckets)
	lines := make([]map[*template][]int32, buckets)
	total := 0
	for _, s := range all {
		if s.level < domain.LogLevelError {
			continue
		}
		for _, line := range s.t.lines {
			b, ok := g.bucketOf(line)
			if !ok {
				return nil
			}
			counts[b]++
			total++
			if lines[b] == nil {
				lines[b] = map[*template][]int32{}
			}
			lines[b][s.t] = append(lines[b][s.t], line)
		}
	}
	if total < minSpike {
		return nil
	}
	out := map[*template]finding{}
	for b, n := range counts {
		usual, score := robust(counts, n)
		if n < minSpike || score < spikeScore || float64(n) < spikeFactor*(usual+1) {
			continue
		}
		for t, own := range lines[b] {
			if before, ok := out[t]; ok && len(before.lines) >= len(own) || len(own)*10 < n {
				continue
			}
			out[t] = finding{
				kind: domain.AnomalyErrorBurst, severity: domain.SeverityHigh, confidence: 0.8, expected: usual, lines: own,
				evidence: fmt.Sprintf("%d errors within %v, %s usual; %d of them have this shape", n, g.bucketLength(), usualText(usual), len(own)),
			}
		}
	}
	return out
}

// courseReport is what the sessions of a group tell.
type courseReport struct {
	sessions  int
	anomalies []domain.Anomaly
}

// rareCourses looks at sessions: which templates few of them have, and which
// course (how often each of the common templates) few of them take.
func (g *group) rareCourses() (map[*template]int, courseReport) {
	sessions := g.sessions.sessions()
	report := courseReport{sessions: len(sessions)}
	if len(sessions) < minSessions {
		return nil, report
	}
	ids := make([]int32, 0, len(sessions))
	inSessions := map[*template]int{}
	for id, lines := range sessions {
		ids = append(ids, id)
		seen := map[*template]bool{}
		for _, line := range lines {
			if t := g.templateOf[line]; !seen[t] {
				seen[t] = true
				inSessions[t]++
			}
		}
	}
	slices.Sort(ids)
	rare := map[*template]int{}
	number := map[*template]int{}
	for i, t := range g.templates {
		number[t] = i
		if n := inSessions[t]; n > 0 && float64(n) < rareTemplateSessions*float64(len(sessions)) {
			rare[t] = n
		}
	}
	type course struct {
		key      string
		sessions []int32
	}
	courses := map[string]*course{}
	for _, id := range ids {
		counts := map[int]int{}
		odd := false
		for _, line := range sessions[id] {
			t := g.templateOf[line]
			if _, ok := rare[t]; ok {
				odd = true
				break
			}
			counts[number[t]]++
		}
		if odd {
			continue // told by its template
		}
		key := courseKey(counts)
		c, ok := courses[key]
		if !ok {
			c = &course{key: key}
			courses[key] = c
		}
		c.sessions = append(c.sessions, id)
	}
	var odd []*course
	for _, c := range courses {
		if float64(len(c.sessions)) < rareSessions*float64(len(sessions)) {
			odd = append(odd, c)
		}
	}
	slices.SortFunc(odd, func(a, b *course) int {
		return cmp.Or(cmp.Compare(len(b.sessions), len(a.sessions)), cmp.Compare(a.key, b.key))
	})
	for _, c := range odd[:min(len(odd), maxCourses)] {
		var lines []int32
		for _, id := range c.sessions {
			lines = append(lines, sessions[id]...)
		}
		first := g.sessions.names[c.sessions[0]]
		a := g.newAnomaly("course "+c.key, []finding{{
			kind: domain.AnomalyCountVector, severity: domain.SeverityLow, confidence: 0.6, lines: lines,
			evidence: fmt.Sprintf("%d of %d sessions took this course, such as %s: their lines differ in kind or number from those of the others", len(c.sessions), len(sessions), first),
		}}, lines)
		a.Template = fmt.Sprintf("sessions such as %s with %d lines each", first, len(lines)/len(c.sessions))
		report.anomalies = append(report.anomalies, a)
	}
	return rare, report
}

// courseKey writes template numbers and their counts in order.
func courseKey(counts map[int]int) string {
	numbers := make([]int, 0, len(counts))
	for n := range counts {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	var b strings.Builder
	for _, n := range numbers {
		fmt.Fprintf(&b, "%d:%d ", n, counts[n])
	}
	return b.String()
}

// anomaly makes one anomaly of the findings on a template.
func (g *group) anomaly(s *stats, found []finding) domain.Anomaly {
	a := g.newAnomaly(s.t.String(), found, s.t.lines)
	a.Template = cutBytes(s.t.String(), domain.MaxAnomalyTemplate)
	a.TemplateID = shortHash("template", g.source, s.t.String())
	a.Category = categoryOf(s.text)
	return a
}

// newAnomaly takes the most severe finding and names the evidence of all.
func (g *group) newAnomaly(subject string, found []finding, lines []int32) domain.Anomaly {
	best := found[0]
	var evidence []string
	for _, f := range found {
		if cmp.Or(cmp.Compare(f.severity, best.severity), cmp.Compare(f.confidence, best.confidence)) > 0 {
			best = f
		}
		if !slices.Contains(evidence, f.evidence) {
			evidence = append(evidence, f.evidence)
		}
	}
	confidence := best.confidence + 0.1*float64(len(found)-1)
	a := domain.Anomaly{
		ID: shortHash(g.source, string(best.kind), subject), Kind: best.kind, Severity: best.severity,
		Category: domain.CategoryUnknown, Source: "local", Confidence: min(1, confidence),
		Count: len(lines), Expected: best.expected, Evidence: strings.Join(evidence, "; "), LogIDs: []domain.LogID{}, SampleLines: []string{},
	}
	// Rarer is more telling.
	rarity := 1 - math.Log1p(float64(len(lines)))/math.Log1p(float64(len(g.logs))+1)
	a.Score = min(1, max(0, 0.5*a.Confidence+0.5*rarity))
	if g.source != "" {
		a.Services = []string{g.source}
	}
	shown := lines
	if best.lines != nil {
		shown = best.lines
	}
	for _, line := range shown[:min(len(shown), domain.MaxAnomalyLogIDs)] {
		a.LogIDs = append(a.LogIDs, g.logs[line].ID)
	}
	for _, line := range shown[:min(len(shown), domain.MaxAnomalySamples)] {
		a.SampleLines = append(a.SampleLines, sampleLine(g.logs[line].Message))
	}
	for _, line := range lines {
		t := g.times[line]
		if t.IsZero() {
			continue
		}
		if a.FirstSeen.IsZero() || t.Before(a.FirstSeen) {
			a.FirstSeen = t
		}
		if t.After(a.LastSeen) {
			a.LastSeen = t
		}
	}
	return a
}

// shortHash is a stable name for what is unusual.
func shortHash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// sampleLine is a line that can be shown: short and without control characters.
func sampleLine(s string) string {
	return cutBytes(strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' {
			return ' '
		}
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, cutBytes(s, domain.MaxSampleLine)), domain.MaxSampleLine)
}

// cutBytes returns at most limit bytes of s, whole UTF-8 characters only.
func cutBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && s[limit]&0xC0 == 0x80 {
		limit--
	}
	return s[:limit]
}
