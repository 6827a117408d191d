package builtin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"logsift/domain"
	"logsift/ports"
)

// Name is what results give as their analyser.
const Name = "builtin"

// Config configures an [Analyzer]. The zero value works.
type Config struct {
	// States keeps what is learned from one analysis to the next, shared by all
	// workers. Without it, logs are judged by themselves, and there are no
	// baselines.
	States ports.StateStore
	// MaxTemplates bounds the templates of one source; lines of further shapes
	// share one. It defaults to 5000.
	MaxTemplates int
	// MaxLogIDs bounds the log ids, and the sessions, that one anomaly names. It
	// defaults to domain.MaxAnomalyLogIDs, which is what stores take; evaluations
	// set it higher to see all.
	MaxLogIDs int
}

func (c Config) withDefaults() Config {
	if c.MaxTemplates <= 0 {
		c.MaxTemplates = 5000
	}
	if c.MaxLogIDs <= 0 {
		c.MaxLogIDs = domain.MaxAnomalyLogIDs
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
	if cfg.States != nil {
		a.memory = newMemory(cfg.States)
	}
	return a
}

// checkEvery is how many lines are worked on between two looks at the context.
const checkEvery = 4096

// Analyze implements ports.LogAnalyzer.
//
// The logs are compared with what was learned from those analysed before, and
// extend that; or with the baseline that the request names, which they leave as it
// is, unless the request is to learn it. An unknown baseline is an error of kind
// misconfigured. Where the state cannot be read or written, logs are judged by
// themselves and the result has a warning; a request that names a baseline then
// fails as unavailable, so that it is tried again, up to its last attempt.
func (a *Analyzer) Analyze(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	result := domain.AnalysisResult{
		Analyzer: Name, SchemaVersion: domain.AnalysisSchemaVersion, Baseline: req.Baseline,
		LogCount: len(req.Logs), AnalysedCount: len(req.Logs), Anomalies: []domain.Anomaly{},
	}
	if err := ctx.Err(); err != nil {
		return domain.AnalysisResult{}, fmt.Errorf("analyse logs: %w", err)
	}
	known, err := a.recall(ctx, &req, &result)
	if err != nil {
		return domain.AnalysisResult{}, err
	}
	groups := bySource(&a.cfg, req.Logs)
	for _, g := range groups {
		if known.document != nil {
			g.base = known.document.sources[g.source]
			g.known = known.document.source(g.source, req.Baseline != "" && !req.Learn)
			g.relearned = g.base != nil && known.document.has(req.TaskID)
		}
		if err := g.mine(ctx); err != nil {
			return domain.AnalysisResult{}, err
		}
		result.TemplateCount += g.templateCount()
		g.widen(&result.Window)
		if req.Learn {
			continue
		}
		result.Anomalies = append(result.Anomalies, g.detect()...)
		if len(g.logs) < minLines && !g.ready() {
			result.Warnings = append(result.Warnings, fmt.Sprintf("%s has few lines (%d): too few to tell what is rare", g.name(), len(g.logs)))
		}
	}
	rank(&result)
	if known.document != nil && (req.Learn || req.Baseline == "") {
		if err := a.learn(ctx, &req, known, groups, &result); err != nil {
			return domain.AnalysisResult{}, err
		}
	}
	result.Summary = summary(&result)
	if req.Learn {
		result.Summary = fmt.Sprintf("learned %d lines of %d templates as normal", result.AnalysedCount, result.TemplateCount)
	}
	return result, nil
}

// recall loads what the request is compared with, or learns. Without it the
// document is nil.
func (a *Analyzer) recall(ctx context.Context, req *domain.AnalysisRequest, result *domain.AnalysisResult) (remembered, error) {
	if len(req.Logs) == 0 || a.memory == nil && req.Baseline == "" {
		return remembered{}, nil
	}
	if a.memory == nil {
		return remembered{}, &domain.AnalyzerError{
			Kind: domain.AnalyzerMisconfigured, Message: fmt.Sprintf("the baseline %q cannot be used: there is no store for learned state", req.Baseline),
		}
	}
	known, err := a.memory.load(ctx, keyOf(req.Baseline))
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
	case known.revision == 0 && req.Baseline != "" && !req.Learn:
		return remembered{}, &domain.AnalyzerError{
			Kind: domain.AnalyzerMisconfigured, Message: fmt.Sprintf("there is no baseline %q: learn it first", req.Baseline),
		}
	}
	return known, nil
}

// learn adds the logs to the state that the request names.
func (a *Analyzer) learn(ctx context.Context, req *domain.AnalysisRequest, known remembered, groups []*group, result *domain.AnalysisResult) error {
	batch := make([]learned, len(groups))
	for i, g := range groups {
		batch[i] = g.learned()
	}
	err := a.memory.save(ctx, keyOf(req.Baseline), known, req.TaskID, batch)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("analyse logs: %w", ctx.Err())
	case req.Learn:
		return &domain.AnalyzerError{Kind: domain.AnalyzerUnavailable, Message: fmt.Sprintf("the baseline %q cannot be saved", req.Baseline), Err: err}
	}
	result.Warnings = append(result.Warnings, "nothing was learned from these logs: "+err.Error())
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
	return fmt.Sprintf("%s in %d lines of %d templates", found, r.AnalysedCount, r.TemplateCount)
}
