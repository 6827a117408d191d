package builtin

import (
	"cmp"
	"context"
	"errors"
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
	// Documents keeps what is learned from one analysis to the next, shared by all
	// workers. Without it, logs are judged by themselves, and there are no
	// baselines.
	Documents ports.DocumentStore
	// MaxTemplates bounds the templates of one source; lines of further templates
	// share one. It defaults to 5000.
	MaxTemplates int
	// MaxLogIDs bounds the log ids, and the sessions, that one anomaly names. It
	// defaults to domain.MaxAnomalyLogIDs, which is what stores take; evaluations
	// set it higher to see all.
	MaxLogIDs int
	// NormalAfter is how long something that was judged unusual must last before it is
	// learned as normal. It defaults to DefaultNormalAfter.
	NormalAfter time.Duration
}

// DefaultNormalAfter is a week: what lasts so long was seen at every time of the day
// and on every day, and nobody stopped it.
const DefaultNormalAfter = 7 * 24 * time.Hour

func (c Config) withDefaults() Config {
	if c.MaxTemplates <= 0 {
		c.MaxTemplates = 5000
	}
	if c.MaxLogIDs <= 0 {
		c.MaxLogIDs = domain.MaxAnomalyLogIDs
	}
	if c.NormalAfter <= 0 {
		c.NormalAfter = DefaultNormalAfter
	}
	return c
}

// Analyzer is a ports.LogAnalyzer. It is safe for concurrent use.
type Analyzer struct {
	cfg    Config
	memory *memory
}

var _ ports.LogAnalyzer = (*Analyzer)(nil)

// New returns an analyser.
func New(cfg Config) *Analyzer {
	a := &Analyzer{cfg: cfg.withDefaults()}
	if cfg.Documents != nil {
		a.memory = newMemory(cfg.Documents, a.cfg.NormalAfter)
	}
	return a
}

// checkEvery is how many lines are worked on between two looks at the context.
const checkEvery = 4096

// Analyze compares the logs with what it learned from earlier ones, and learns from
// them; or it compares them with the baseline that the request names, and changes the
// baseline only if the request is to learn it. An unknown baseline is an error of kind
// misconfigured. Where the state cannot be read or written, logs are judged by
// themselves and the result has a warning; a request that names a baseline then
// fails as unavailable, so that it is tried again, up to its last attempt.
func (a *Analyzer) Analyze(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	analysis := a.Begin(req, requestLogs(req.Logs))
	if err := ctx.Err(); err != nil {
		return domain.AnalysisResult{}, fmt.Errorf("analyse logs: %w", err)
	}
	for i := range req.Logs {
		if err := analysis.Add(ctx, &req.Logs[i]); err != nil {
			return domain.AnalysisResult{}, err
		}
	}
	return analysis.Finish(ctx)
}

// Entries are the entries of an analysis that were added, by their numbers, the first
// having 0. They are asked for the few that anomalies show.
type Entries interface {
	ID(n int) domain.LogID
	Message(n int) string
}

// requestLogs are entries that a request has.
type requestLogs []domain.LogEntry

func (l requestLogs) ID(n int) domain.LogID { return l[n].ID }
func (l requestLogs) Message(n int) string  { return l[n].Message }

// Analysis is one in the making: it takes the entries one by one, as [Analyzer.Analyze]
// takes them together, and keeps some 60 bytes of each, not its text. It is used by one
// goroutine.
type Analysis struct {
	analyzer *Analyzer
	req      domain.AnalysisRequest
	entries  Entries
	result   domain.AnalysisResult
	learned  remembered
	groups   []*group
	bySource map[string]*group
	// current is the group of the last entry, since entries of one source mostly
	// follow each other.
	current *group
	lines   int
	// received is when the last of the entries came, in Unix seconds.
	received int64
}

// Begin begins an analysis. What it judges are the entries that [Analysis.Add] is given,
// not the request's; entries has the same ones.
func (a *Analyzer) Begin(req domain.AnalysisRequest, entries Entries) *Analysis {
	return &Analysis{
		analyzer: a, req: req, entries: entries, bySource: map[string]*group{},
		result: domain.AnalysisResult{
			Analyzer: Name, SchemaVersion: domain.AnalysisSchemaVersion, Baseline: req.Baseline, Anomalies: []domain.Anomaly{},
		},
	}
}

// Add takes the next entry, of which nothing is kept. Its errors are those of
// [Analyzer.Analyze].
func (an *Analysis) Add(ctx context.Context, e *domain.LogEntry) error {
	if an.lines%checkEvery == 0 {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("analyse logs: %w", err)
		}
	}
	if an.current == nil || an.current.source != e.Source {
		if err := an.turnTo(ctx, e.Source); err != nil {
			return err
		}
	}
	an.current.add(e, an.lines)
	an.received = max(an.received, e.ReceivedAt.Unix())
	an.lines++
	return nil
}

// turnTo makes the group of a source the current one.
func (an *Analysis) turnTo(ctx context.Context, source string) error {
	if g, ok := an.bySource[source]; ok {
		an.current = g
		return nil
	}
	if an.lines == 0 {
		var err error
		if an.learned, err = an.analyzer.recall(ctx, &an.req, &an.result); err != nil {
			return err
		}
	}
	source = strings.Clone(source)
	var base, learned *learnedSource
	if d := an.learned.document; d != nil {
		base, learned = d.sources[source], d.source(source, an.req.Baseline != "" && !an.req.Learn)
	}
	g, err := newGroup(&an.analyzer.cfg, source, learned, an.entries)
	if err != nil {
		return err
	}
	g.base = base
	if base != nil {
		g.relearned, g.heldBefore = an.learned.document.has(an.req.TaskID), an.learned.document.heldBy(an.req.TaskID)
	}
	g.streaming = an.req.Baseline == ""
	an.bySource[source] = g
	an.groups = append(an.groups, g)
	an.current = g
	return nil
}

// Lines is how many entries were added.
func (an *Analysis) Lines() int { return an.lines }

// Finish judges the entries that were added. The analysis takes no more after it.
func (an *Analysis) Finish(ctx context.Context) (domain.AnalysisResult, error) {
	result := &an.result
	result.LogCount, result.AnalysedCount = an.lines, an.lines
	for _, g := range an.groups {
		if err := ctx.Err(); err != nil {
			return domain.AnalysisResult{}, fmt.Errorf("analyse logs: %w", err)
		}
		g.finish()
		result.TemplateCount += g.templateCount()
		g.widen(&result.Window)
		if an.req.Learn {
			continue
		}
		result.Anomalies = append(result.Anomalies, g.detect()...)
		if g.lines < minLines && !g.ready() {
			result.Warnings = append(result.Warnings, fmt.Sprintf("%s has only %s: too few to tell what is rare", g.name(), count(g.lines, "line")))
		}
	}
	var silent []string
	if !an.req.Learn {
		result.Anomalies = append(result.Anomalies, silentGroups(an.groups)...)
		if d := an.learned.document; d != nil && an.req.Baseline == "" && !d.has(an.req.TaskID) {
			names, found := an.silentSources(d)
			silent, result.Anomalies = names, append(result.Anomalies, found...)
		}
	}
	rank(result)
	if an.learned.document != nil && (an.req.Learn || an.req.Baseline == "") {
		if err := an.learn(ctx, silent); err != nil {
			return domain.AnalysisResult{}, err
		}
	}
	result.Summary = summary(result)
	if an.req.Learn {
		result.Summary = fmt.Sprintf("learned %s of %s as normal", count(result.AnalysedCount, "line"), count(result.TemplateCount, "template"))
	}
	return *result, nil
}

// recall loads what the request is compared with, or learns. Without it the
// document is nil.
func (a *Analyzer) recall(ctx context.Context, req *domain.AnalysisRequest, result *domain.AnalysisResult) (remembered, error) {
	if a.memory == nil && req.Baseline == "" {
		return remembered{}, nil
	}
	if a.memory == nil {
		return remembered{}, &domain.AnalyzerError{
			Kind: domain.AnalyzerMisconfigured, Message: fmt.Sprintf("the baseline %q cannot be used: there is no store for learned state", req.Baseline),
		}
	}
	learned, err := a.memory.load(ctx, keyOf(req.Baseline))
	switch {
	case ctx.Err() != nil:
		return remembered{}, fmt.Errorf("analyse logs: %w", ctx.Err())
	case errors.Is(err, errStateVersion) && req.Baseline != "":
		return remembered{}, &domain.AnalyzerError{Kind: domain.AnalyzerMisconfigured, Message: fmt.Sprintf("the baseline %q cannot be read: %s", req.Baseline, err), Err: err}
	case err != nil && req.Baseline != "" && (req.Learn || !req.LastAttempt):
		return remembered{}, &domain.AnalyzerError{Kind: domain.AnalyzerUnavailable, Message: fmt.Sprintf("the baseline %q cannot be loaded", req.Baseline), Err: err}
	case err != nil:
		result.Warnings = append(result.Warnings, "the logs were judged by themselves, since what was learned before cannot be loaded: "+err.Error())
		if req.Baseline != "" {
			result.DegradedReason = "the baseline could not be loaded"
		}
		return remembered{}, nil
	case learned.document.outdated && req.Baseline != "" && !req.Learn:
		return remembered{}, &domain.AnalyzerError{
			Kind: domain.AnalyzerMisconfigured, Message: fmt.Sprintf("the baseline %q was learned by an earlier version of logsift: learn it again", req.Baseline),
		}
	case learned.document.outdated:
		result.Warnings = append(result.Warnings, "what an earlier version of logsift learned is not used: it is learned anew")
	case learned.revision == 0 && req.Baseline != "" && !req.Learn:
		return remembered{}, &domain.AnalyzerError{
			Kind: domain.AnalyzerMisconfigured, Message: fmt.Sprintf("there is no baseline %q: learn it first", req.Baseline),
		}
	}
	return learned, nil
}

// learn adds the logs to the state that the request names, and that these sources were
// found silent.
func (an *Analysis) learn(ctx context.Context, silent []string) error {
	batch := make([]addition, 0, len(an.groups)+len(silent))
	for _, g := range an.groups {
		add := g.addition()
		add.received = an.received
		batch = append(batch, add)
	}
	for _, name := range silent {
		batch = append(batch, addition{source: name})
	}
	err := an.analyzer.memory.save(ctx, keyOf(an.req.Baseline), an.learned, an.req.TaskID, batch)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("analyse logs: %w", ctx.Err())
	case an.req.Learn:
		return &domain.AnalyzerError{Kind: domain.AnalyzerUnavailable, Message: fmt.Sprintf("the baseline %q cannot be saved", an.req.Baseline), Err: err}
	}
	an.result.Warnings = append(an.result.Warnings, "nothing was learned from these logs: "+err.Error())
	return nil
}

// rank puts the most severe anomalies first and keeps as many as a result holds.
func rank(r *domain.AnalysisResult) {
	slices.SortStableFunc(r.Anomalies, func(a, b domain.Anomaly) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Score, a.Score), a.FirstSeen.Compare(b.FirstSeen), cmp.Compare(a.ID, b.ID))
	})
	if len(r.Anomalies) > domain.MaxAnomalies {
		r.Anomalies, r.Truncated = r.Anomalies[:domain.MaxAnomalies], true
	}
	if len(r.Anomalies) > 0 {
		r.Severity = r.Anomalies[0].Severity
	}
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
	return fmt.Sprintf("%s in %s of %s", found, count(r.AnalysedCount, "line"), count(r.TemplateCount, "template"))
}
