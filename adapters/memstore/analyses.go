package memstore

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// storedAnalysis is an analysis with its place.
type storedAnalysis struct {
	domain.Analysis
	number  int64
	removed bool
}

func (r *LogRepository) SaveAnalysis(ctx context.Context, task domain.TaskID, result domain.AnalysisResult) error {
	if err := ports.ValidateAnalysed(task); err != nil {
		return err
	}
	if err := r.begin(ctx, "save analysis"); err != nil {
		return err
	}
	defer r.mu.Unlock()
	if _, ok := r.analyses[task]; ok {
		return nil
	}
	r.number++
	a := &storedAnalysis{
		Analysis: domain.Analysis{TaskID: task, StoredAt: r.cfg.now(), Result: copyResult(result)},
		number:   r.number,
	}
	r.analyses[task] = a
	r.history = append(r.history, a)
	return nil
}

func copyResult(result domain.AnalysisResult) domain.AnalysisResult {
	result.MissingLogIDs = slices.Clone(result.MissingLogIDs)
	result.Warnings = slices.Clone(result.Warnings)
	result.Usage, result.Cost, result.Cache = copyValue(result.Usage), copyValue(result.Cost), copyValue(result.Cache)
	result.Redactions = maps.Clone(result.Redactions)
	result.Anomalies = slices.Clone(result.Anomalies)
	for i := range result.Anomalies {
		result.Anomalies[i] = copyAnomaly(result.Anomalies[i])
	}
	return result
}

func copyValue[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func copyAnomaly(a domain.Anomaly) domain.Anomaly {
	a.LogIDs = slices.Clone(a.LogIDs)
	a.SampleLines = slices.Clone(a.SampleLines)
	a.Services = slices.Clone(a.Services)
	a.Sessions = slices.Clone(a.Sessions)
	return a
}

func (r *LogRepository) GetAnalysis(ctx context.Context, task domain.TaskID) (domain.Analysis, error) {
	if err := r.begin(ctx, "get analysis"); err != nil {
		return domain.Analysis{}, err
	}
	defer r.mu.Unlock()
	a, ok := r.analyses[task]
	if !ok {
		return domain.Analysis{}, fmt.Errorf("analysis of task %s: %w", task, domain.ErrAnalysisNotFound)
	}
	out := a.Analysis
	out.Result = copyResult(a.Result)
	return out, nil
}

// ListAnomalies gives cursors of the analysis and the place in it of the last anomaly
// that was listed.
func (r *LogRepository) ListAnomalies(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error) {
	if err := filter.Validate(); err != nil {
		return domain.AnomalyPage{}, err
	}
	after, err := parsePosition(anomalyCursor, filter.Cursor, position{math.MaxInt64, -1})
	if err != nil {
		return domain.AnomalyPage{}, err
	}
	if err := r.begin(ctx, "list anomalies"); err != nil {
		return domain.AnomalyPage{}, err
	}
	defer r.mu.Unlock()
	var page domain.AnomalyPage
	var last position
	for i := len(r.history) - 1; i >= 0; i-- {
		a := r.history[i]
		if a.number > after.major {
			continue
		}
		for n := range a.Result.Anomalies {
			if a.number == after.major && int64(n) <= after.minor || !filter.Matches(&a.Result.Anomalies[n]) {
				continue
			}
			if len(page.Anomalies) == filter.PageSize() {
				page.NextCursor = last.cursor(anomalyCursor)
				return page, nil
			}
			page.Anomalies = append(page.Anomalies, domain.FoundAnomaly{
				Anomaly: copyAnomaly(a.Result.Anomalies[n]), TaskID: a.TaskID, FoundAt: a.StoredAt,
			})
			last = position{a.number, int64(n)}
		}
	}
	return page, nil
}

// PurgeAnalyses also removes documents that expired.
func (r *LogRepository) PurgeAnalyses(ctx context.Context, age time.Duration, limit int) (int, error) {
	if err := ports.ValidateLogPurge(age, limit); err != nil {
		return 0, err
	}
	if err := r.begin(ctx, "purge analyses"); err != nil {
		return 0, err
	}
	defer r.mu.Unlock()
	now := r.cfg.now()
	r.removeExpiredStates(now)
	until := now.Add(-age)
	n := 0
	for n < min(limit, len(r.history)) && !r.history[n].StoredAt.After(until) {
		n++
	}
	old := slices.Clone(r.history[:n])
	for _, a := range old {
		delete(r.analyses, a.TaskID)
	}
	r.removeAnalyses(old)
	return n, nil
}

// removeAnalyses takes analyses out of the history.
func (r *LogRepository) removeAnalyses(analyses []*storedAnalysis) {
	if len(analyses) == 0 {
		return
	}
	for _, a := range analyses {
		a.removed = true
	}
	r.history = slices.DeleteFunc(r.history, func(a *storedAnalysis) bool { return a.removed })
}
