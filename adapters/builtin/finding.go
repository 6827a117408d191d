package builtin

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strings"

	"logsift/domain"
)

// finding is what one detector says about a template, a service, or sessions.
type finding struct {
	kind       domain.AnomalyKind
	severity   domain.Severity
	confidence float64
	// surprise, from 0 to 1, is how far what was seen is from what was expected.
	surprise float64
	evidence string
	expected float64
	// observed is what stands against expected: how many lines or sessions.
	observed int
	// lines are those that show it, sessions the ids whose session counts are unusual.
	lines    []int32
	sessions []string
	// at is the stretch of time in which it began, counted from 1, if it has one; until is
	// that in which it ended, or 0.
	at, until int
}

// rank orders findings: the first is the one that the anomaly is called by.
func (f *finding) rank(other *finding) int {
	return cmp.Or(cmp.Compare(other.severity, f.severity), cmp.Compare(other.confidence, f.confidence), cmp.Compare(other.surprise, f.surprise))
}

// subject is what an anomaly is about.
type subject struct {
	// key names it in every run.
	key      string
	template string
	id       string
	service  string
	category domain.AnomalyCategory
	level    domain.LogLevel
	// also says what else the same cause brought about.
	also []string
}

// ofTemplate is the subject that is one template.
func (g *group) ofTemplate(s *serviceTemplate) subject {
	return subject{
		key: s.text, template: s.text, id: s.template.ID().String(), service: g.serviceName(s.service),
		category: s.words.categoryOf(), level: s.level,
	}
}

// anomaly makes one anomaly of the findings on a subject: it is called by the first,
// which is the gravest, and when it was and its samples are by those of the same kind. It
// has the evidence of all, and names the lines and the sessions of those that are as severe,
// or at least medium.
func (g *group) anomaly(about subject, found []finding) domain.Anomaly {
	best := found[0]
	a := domain.Anomaly{
		ID: shortHash(g.source, about.service, about.key), Kind: best.kind, Severity: best.severity,
		Category: about.category, Template: cutBytes(about.template, domain.MaxAnomalyTemplate), TemplateID: about.id,
		SuggestedAction: actionOf(best.kind, about.category, about.level),
		Source:          "local", Count: best.observed, Expected: best.expected, LogIDs: []domain.LogID{}, SampleLines: []string{},
	}
	var evidence, sessions []string
	var lines, shown []int32
	kinds := map[domain.AnomalyKind]bool{}
	for i := range found {
		f := &found[i]
		kinds[f.kind] = true
		if f.evidence != "" && !slices.Contains(evidence, f.evidence) {
			evidence = append(evidence, f.evidence)
		}
		if f.severity == best.severity || f.severity >= domain.SeverityMedium {
			lines, sessions = union(lines, f.lines), append(sessions, f.sessions...)
		}
		if f.severity == best.severity && f.kind == best.kind {
			shown = union(shown, f.lines)
		}
	}
	// Several detectors often see one fact, so that each kind adds little.
	a.Confidence = min(0.99, best.confidence+0.03*float64(len(kinds)-1))
	a.Score = a.Confidence * (0.5 + 0.5*best.surprise)
	a.Evidence = strings.Join(append(evidence, about.also...), "; ")
	if about.service != "" {
		a.Services = []string{about.service}
	}
	g.show(&a, lines, shown)
	a.Sessions = firstOf(sessions, g.cfg.MaxLogIDs)
	return a
}

// show names lines in the anomaly, and shows when some of them were and what they say.
func (g *group) show(a *domain.Anomaly, lines, shown []int32) {
	for _, line := range lines[:min(len(lines), g.cfg.MaxLogIDs)] {
		a.LogIDs = append(a.LogIDs, g.entries.ID(g.number(line)))
	}
	for _, line := range shown[:min(len(shown), domain.MaxAnomalySamples)] {
		a.SampleLines = append(a.SampleLines, sampleLine(g.entries.Message(g.number(line))))
	}
	first, last := int64(noTime), int64(noTime)
	for _, line := range shown {
		at := g.times[line]
		if at != noTime && (first == noTime || at < first) {
			first = at
		}
		last = max(last, at)
	}
	a.FirstSeen, a.LastSeen = timeOf(first), timeOf(last)
}

// union joins two rising lists of lines.
func union(a, b []int32) []int32 {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// firstOf returns the first strings, each once.
func firstOf(all []string, limit int) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range all {
		if len(out) == limit {
			break
		}
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// surprise maps how many times more, or less, than expected something was to 0 to
// 1: twice is 0.2, ten times 0.5, a thousand times 0.75.
func surpriseOf(observed, expected float64) float64 {
	times := math.Abs(math.Log2((observed + 0.5) / (expected + 0.5)))
	return times / (times + 3.5)
}

// rarity is how rare n of total is, from 0 to 1.
func rarity(n, total int) float64 {
	return max(0, 1-math.Log1p(float64(n))/math.Log1p(float64(total)+1))
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

// shorten is cutBytes with a mark where something is cut.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return cutBytes(s, limit) + "…"
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
