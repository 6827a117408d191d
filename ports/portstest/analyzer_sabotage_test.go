package portstest_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
)

// soundAnalyzer calls each source with lines that are errors or worse an anomaly.
// It is the least that keeps the contract.
type soundAnalyzer struct{}

func (soundAnalyzer) Analyze(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	r := domain.AnalysisResult{
		Analyzer: "sound", Summary: "errors by source", SchemaVersion: domain.AnalysisSchemaVersion,
		LogCount: len(req.Logs), AnalysedCount: len(req.Logs), Anomalies: []domain.Anomaly{},
	}
	bySource := map[string]*domain.Anomaly{}
	for _, e := range req.Logs {
		if e.Level < domain.LogLevelError {
			continue
		}
		a, ok := bySource[e.Source]
		if !ok {
			a = &domain.Anomaly{ID: "errors of " + e.Source, Kind: domain.AnomalyErrorBurst, Category: domain.CategoryUnknown, Score: 0.5, Confidence: 0.5, Source: "local"}
			a.Services = []string{e.Source}
			bySource[e.Source] = a
		}
		a.Severity = max(a.Severity, domain.Severity(e.Level-domain.LogLevelError)+domain.SeverityHigh)
		a.Count++
		if len(a.LogIDs) < domain.MaxAnomalyLogIDs {
			a.LogIDs = append(a.LogIDs, e.ID)
		}
		if len(a.SampleLines) < domain.MaxAnomalySamples {
			line := strings.ReplaceAll(e.Message[:min(len(e.Message), domain.MaxSampleLine)], "\x1b", "")
			a.SampleLines = append(a.SampleLines, strings.ToValidUTF8(line, "?"))
		}
	}
	for _, a := range bySource {
		r.Anomalies = append(r.Anomalies, *a)
		r.Severity = max(r.Severity, a.Severity)
	}
	slices.SortFunc(r.Anomalies, func(a, b domain.Anomaly) int { return int(b.Severity) - int(a.Severity) })
	r.Anomalies = r.Anomalies[:min(len(r.Anomalies), domain.MaxAnomalies)]
	return r, ctx.Err()
}

// brokenAnalyzer is a sound analyser until a sabotage has replaced what it does.
type brokenAnalyzer struct {
	analyze func(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error)
}

func (a *brokenAnalyzer) Analyze(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	return a.analyze(ctx, req)
}

// spoils breaks each result that has anomalies, which is sound.
func spoils(spoil func(r *domain.AnalysisResult)) func(a *brokenAnalyzer) {
	return func(a *brokenAnalyzer) {
		answers(&a.analyze, func(_ domain.AnalysisRequest, r *domain.AnalysisResult) {
			if len(r.Anomalies) > 0 {
				spoil(r)
			}
		})
	}
}

var analyzerSabotages = map[string]sabotage[*brokenAnalyzer]{
	"it misses the worst":      {"Analyzer/finds_fatal_lines_among_routine", spoils(func(r *domain.AnalysisResult) { r.Anomalies = r.Anomalies[1:] })},
	"it makes ids up":          {"Analyzer/names_only_entries_of_the_request", spoils(func(r *domain.AnalysisResult) { r.Anomalies[0].LogIDs = append(r.Anomalies[0].LogIDs, uuid.New()) })},
	"it counts an entry twice": {"Analyzer/names_one_entry", spoils(func(r *domain.AnalysisResult) { r.Anomalies[0].Count *= 2 })},
	"a severity is none":       {"Analyzer/gives_valid_severities", spoils(func(r *domain.AnalysisResult) { r.Anomalies[0].Severity = domain.SeverityCritical + 1 })},
	"the result's severity is not that of its anomalies": {"Analyzer/gives_valid_severities", spoils(func(r *domain.AnalysisResult) { r.Severity = domain.SeverityInfo })},
	"scores are per cent":                                {"Analyzer/gives_scores_and_confidences_between_0_and_1", spoils(func(r *domain.AnalysisResult) { r.Anomalies[0].Score *= 100 })},
	"the least severe is first":                          {"Analyzer/gives_the_most_severe_first", spoils(func(r *domain.AnalysisResult) { slices.Reverse(r.Anomalies) })},
	"there is no limit of anomalies": {"Analyzer/gives_no_more_anomalies_than_a_result_holds", spoils(func(r *domain.AnalysisResult) {
		for len(r.Anomalies) <= domain.MaxAnomalies {
			r.Anomalies = append(r.Anomalies, r.Anomalies[0])
		}
	})},
	"sample lines are whole": {"Analyzer/keeps_the_limits_of_an_anomaly", spoils(func(r *domain.AnalysisResult) {
		r.Anomalies[0].SampleLines[0] = strings.Repeat("a", domain.MaxSampleLine+1)
	})},
	"the entries are not counted": {"Analyzer/counts_what_was_analysed", spoils(func(r *domain.AnalysisResult) { r.AnalysedCount = 0 })},
	"ids are random":              {"Analyzer/gives_the_same_anomaly_the_same_id_in_every_run", spoils(func(r *domain.AnalysisResult) { r.Anomalies[0].ID = uuid.NewString() })},
	"anomalies share an id": {"Analyzer/gives_the_same_anomaly_the_same_id_in_every_run", spoils(func(r *domain.AnalysisResult) {
		for i := range r.Anomalies {
			r.Anomalies[i].ID = "anomaly"
		}
	})},
	"the entries are put in order": {"Analyzer/neither_keeps_nor_changes_entries", func(a *brokenAnalyzer) {
		asks(&a.analyze, func(req *domain.AnalysisRequest) {
			slices.SortStableFunc(req.Logs, func(a, b domain.LogEntry) int { return int(b.Level) - int(a.Level) })
		})
	}},
	"no entries are an anomaly": {"Analyzer/finds_nothing_in_no_entries", func(a *brokenAnalyzer) {
		answers(&a.analyze, func(_ domain.AnalysisRequest, r *domain.AnalysisResult) {
			if len(r.Anomalies) == 0 {
				r.Anomalies = []domain.Anomaly{{ID: "silence", Severity: domain.SeverityInfo}}
			}
		})
	}},
	"contexts are not looked at": {"Analyzer/ends_with_its_context", func(a *brokenAnalyzer) {
		endures(&a.analyze)
	}},
	"a context's error is hidden": {"Analyzer/ends_with_its_context", func(a *brokenAnalyzer) {
		a.analyze = func(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
			r, err := soundAnalyzer{}.Analyze(ctx, req)
			if err != nil {
				err = &domain.AnalyzerError{Kind: domain.AnalyzerUnavailable, Message: err.Error()}
			}
			return r, err
		}
	}},
	"callers get each other's results": {"Analyzer/works_for_many_callers_at_once", func(a *brokenAnalyzer) {
		var mu sync.Mutex
		var last domain.AnalysisResult
		answers(&a.analyze, func(_ domain.AnalysisRequest, r *domain.AnalysisResult) {
			mu.Lock()
			defer mu.Unlock()
			if last.Anomalies == nil {
				last = *r
			}
			*r = last
		})
	}},
	"samples steer the terminal": {"Analyzer/bears_whatever_a_line_may_hold", func(a *brokenAnalyzer) {
		answers(&a.analyze, func(req domain.AnalysisRequest, r *domain.AnalysisResult) {
			for _, e := range req.Logs {
				if strings.Contains(e.Message, "\x1b") && len(r.Anomalies) > 0 {
					r.Anomalies[0].SampleLines[0] = e.Message
				}
			}
		})
	}},
	"a time is not looked at": {"Analyzer/bears_whatever_a_line_may_hold", func(a *brokenAnalyzer) {
		answers(&a.analyze, func(req domain.AnalysisRequest, r *domain.AnalysisResult) {
			for _, e := range req.Logs {
				// Beyond the year 9999 a time is no JSON.
				if to := e.Timestamp.Add(time.Second); to.After(r.Window.To) {
					r.Window.To = to
				}
			}
		})
	}},
}
