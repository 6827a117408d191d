package builtin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// Name is what results give as their analyser.
const Name = "builtin"

// Config configures an [Analyzer]. The zero value works.
type Config struct {
	// SimilarityThreshold is the share of equal tokens, from 0 to 1, above which
	// two lines are of one shape. It defaults to 0.5.
	SimilarityThreshold float64
	// Depth is how many of the first tokens lead to a template. It defaults to 3.
	Depth int
	// MaxChildren bounds the branches for one token. It defaults to 100.
	MaxChildren int
	// MaxTemplates bounds the templates of one source; lines of further shapes
	// share one. It defaults to 5000.
	MaxTemplates int
}

func (c Config) withDefaults() Config {
	if c.SimilarityThreshold <= 0 {
		c.SimilarityThreshold = 0.5
	}
	if c.Depth <= 0 {
		c.Depth = 3
	}
	if c.MaxChildren <= 0 {
		c.MaxChildren = 100
	}
	if c.MaxTemplates <= 0 {
		c.MaxTemplates = 5000
	}
	return c
}

// Analyzer is a ports.LogAnalyzer. It is safe for concurrent use.
type Analyzer struct{ cfg Config }

var _ ports.LogAnalyzer = (*Analyzer)(nil)

// New returns an analyser.
func New(cfg Config) *Analyzer { return &Analyzer{cfg: cfg.withDefaults()} }

// checkEvery is how many lines are worked on between two looks at the context.
const checkEvery = 4096

// Analyze implements ports.LogAnalyzer.
func (a *Analyzer) Analyze(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	result := domain.AnalysisResult{
		Analyzer: Name, SchemaVersion: domain.AnalysisSchemaVersion,
		LogCount: len(req.Logs), AnalysedCount: len(req.Logs), Anomalies: []domain.Anomaly{},
	}
	if err := ctx.Err(); err != nil {
		return domain.AnalysisResult{}, fmt.Errorf("analyse logs: %w", err)
	}
	for _, g := range bySource(req.Logs) {
		if err := g.mine(ctx, a.cfg); err != nil {
			return domain.AnalysisResult{}, err
		}
		result.TemplateCount += len(g.templates)
		result.Anomalies = append(result.Anomalies, g.detect()...)
		if g.begin.IsZero() {
			continue
		}
		if result.Window.From.IsZero() || g.begin.Before(result.Window.From) {
			result.Window.From = g.begin
		}
		if g.end.After(result.Window.To) {
			result.Window.To = g.end
		}
		if len(g.logs) < minLines {
			result.Warnings = append(result.Warnings, fmt.Sprintf("%s has few lines (%d): too few to tell what is rare", g.name(), len(g.logs)))
		}
	}
	slices.SortStableFunc(result.Anomalies, func(a, b domain.Anomaly) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Score, a.Score), a.FirstSeen.Compare(b.FirstSeen), cmp.Compare(a.ID, b.ID))
	})
	if len(result.Anomalies) > domain.MaxAnomalies {
		result.Anomalies, result.Truncated = result.Anomalies[:domain.MaxAnomalies], true
	}
	if len(result.Anomalies) > 0 {
		result.Severity = result.Anomalies[0].Severity
	}
	result.Summary = summary(&result)
	return result, nil
}

func summary(r *domain.AnalysisResult) string {
	counts := map[domain.Severity]int{}
	for _, a := range r.Anomalies {
		counts[a.Severity]++
	}
	var parts []string
	for s := domain.SeverityCritical; s >= domain.SeverityInfo; s-- {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	found := "no anomalies"
	if len(parts) > 0 {
		found = strings.Join(parts, ", ")
	}
	return fmt.Sprintf("%s in %d lines of %d templates", found, r.AnalysedCount, r.TemplateCount)
}

// group are the entries of one source.
type group struct {
	source string
	logs   []*domain.LogEntry
	// times are those of the entries; an entry that claims none has that of the
	// entry before it.
	times      []time.Time
	begin, end time.Time

	templates []*template
	// templateOf is the template of each line, sessions the ids found in it.
	templateOf []*template
	sessions   *sessionFinder
}

func (g *group) name() string {
	if g.source == "" {
		return "the source without a name"
	}
	return g.source
}

// bySource sets the entries apart, in the order in which the sources appear.
func bySource(logs []domain.LogEntry) []*group {
	var out []*group
	groups := map[string]*group{}
	for i := range logs {
		e := &logs[i]
		g, ok := groups[e.Source]
		if !ok {
			g = &group{source: e.Source}
			groups[e.Source] = g
			out = append(out, g)
		}
		g.logs = append(g.logs, e)
	}
	return out
}

// mine finds the templates and the times of the lines.
func (g *group) mine(ctx context.Context, cfg Config) error {
	d := newDrain(cfg)
	m := &masker{}
	g.sessions = newSessionFinder()
	g.templateOf = make([]*template, len(g.logs))
	now := g.logs[len(g.logs)-1].ReceivedAt
	for i, e := range g.logs {
		if i%checkEvery == 0 {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("analyse logs: %w", err)
			}
		}
		l := m.mask(e.Message, now)
		g.templateOf[i] = d.add(l, i)
		g.sessions.add(l.ids)
	}
	g.templates = d.templates
	g.readTimes()
	return nil
}

// readTimes fills in times. Where some entries claim a time of their own, those
// that do not, such as the further lines of a stack trace, have that of the entry
// before them, not the time of their arrival.
func (g *group) readTimes() {
	own := func(e *domain.LogEntry) bool { return !e.Timestamp.IsZero() && !e.Timestamp.Equal(e.ReceivedAt) }
	some := slices.ContainsFunc(g.logs, own)
	g.times = make([]time.Time, len(g.logs))
	var last time.Time
	for i, e := range g.logs {
		if own(e) || !some {
			last = e.Timestamp
		}
		g.times[i] = last
		if last.IsZero() {
			continue
		}
		if g.begin.IsZero() || last.Before(g.begin) {
			g.begin = last
		}
		if last.After(g.end) {
			g.end = last
		}
	}
}
