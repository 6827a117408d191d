package portstest_test

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
	"logsift/ports/portstest"
)

// analyzerSabotageEnv selects the sabotaged analyser in the test binary that
// TestBrokenLogAnalyzersFail runs again.
const analyzerSabotageEnv = "LOGSIFT_SABOTAGE_ANALYZER"

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

// brokenAnalyzer is a sound analyser of which the result is spoiled, or which is
// replaced.
type brokenAnalyzer struct {
	soundAnalyzer

	spoil   func(r *domain.AnalysisResult)
	replace func(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error)
}

func (a *brokenAnalyzer) Analyze(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	if a.replace != nil {
		return a.replace(ctx, req)
	}
	r, err := a.soundAnalyzer.Analyze(ctx, req)
	if a.spoil != nil && len(r.Anomalies) > 0 {
		a.spoil(&r)
	}
	return r, err
}

// analyzerSabotages break one promise each. caught is the case that must fail.
var analyzerSabotages = map[string]struct {
	caught string
	breaks func(a *brokenAnalyzer)
}{
	"it misses the worst": {"finds_fatal_lines_among_routine", func(a *brokenAnalyzer) {
		a.spoil = func(r *domain.AnalysisResult) { r.Anomalies = r.Anomalies[1:] }
	}},
	"it makes ids up": {"names_only_entries_of_the_request", func(a *brokenAnalyzer) {
		a.spoil = func(r *domain.AnalysisResult) { r.Anomalies[0].LogIDs = append(r.Anomalies[0].LogIDs, uuid.New()) }
	}},
	"it counts an entry twice": {"names_one_entry", func(a *brokenAnalyzer) {
		a.spoil = func(r *domain.AnalysisResult) { r.Anomalies[0].Count *= 2 }
	}},
	"a severity is none": {"gives_valid_severities", func(a *brokenAnalyzer) {
		a.spoil = func(r *domain.AnalysisResult) { r.Anomalies[0].Severity = domain.SeverityCritical + 1 }
	}},
	"the result's severity is not that of its anomalies": {"gives_valid_severities", func(a *brokenAnalyzer) {
		a.spoil = func(r *domain.AnalysisResult) { r.Severity = domain.SeverityInfo }
	}},
	"scores are per cent": {"gives_scores_and_confidences_between_0_and_1", func(a *brokenAnalyzer) {
		a.spoil = func(r *domain.AnalysisResult) { r.Anomalies[0].Score *= 100 }
	}},
	"the least severe is first": {"gives_the_most_severe_first", func(a *brokenAnalyzer) {
		a.spoil = func(r *domain.AnalysisResult) { slices.Reverse(r.Anomalies) }
	}},
	"there is no limit of anomalies": {"gives_no_more_anomalies_than_a_result_holds", func(a *brokenAnalyzer) {
		a.spoil = func(r *domain.AnalysisResult) {
			for len(r.Anomalies) <= domain.MaxAnomalies {
				r.Anomalies = append(r.Anomalies, r.Anomalies[0])
			}
		}
	}},
	"sample lines are whole": {"keeps_the_limits_of_an_anomaly", func(a *brokenAnalyzer) {
		a.spoil = func(r *domain.AnalysisResult) {
			r.Anomalies[0].SampleLines[0] = strings.Repeat("a", domain.MaxSampleLine+1)
		}
	}},
	"the entries are not counted": {"tells_how_much_was_analysed", func(a *brokenAnalyzer) {
		a.spoil = func(r *domain.AnalysisResult) { r.AnalysedCount = 0 }
	}},
	"ids are random": {"gives_the_same_anomaly_the_same_id_in_every_run", func(a *brokenAnalyzer) {
		a.spoil = func(r *domain.AnalysisResult) { r.Anomalies[0].ID = uuid.NewString() }
	}},
	"anomalies share an id": {"gives_the_same_anomaly_the_same_id_in_every_run", func(a *brokenAnalyzer) {
		a.spoil = func(r *domain.AnalysisResult) {
			for i := range r.Anomalies {
				r.Anomalies[i].ID = "anomaly"
			}
		}
	}},
	"the entries are put in order": {"neither_keeps_nor_changes_entries", func(a *brokenAnalyzer) {
		a.replace = func(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
			slices.SortStableFunc(req.Logs, func(a, b domain.LogEntry) int { return int(b.Level) - int(a.Level) })
			return a.soundAnalyzer.Analyze(ctx, req)
		}
	}},
	"no entries are an anomaly": {"finds_nothing_in_no_entries", func(a *brokenAnalyzer) {
		a.replace = func(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
			r, err := a.soundAnalyzer.Analyze(ctx, req)
			if len(r.Anomalies) == 0 {
				r.Anomalies = []domain.Anomaly{{ID: "silence", Severity: domain.SeverityInfo}}
			}
			return r, err
		}
	}},
	"contexts are not looked at": {"ends_with_its_context", func(a *brokenAnalyzer) {
		a.replace = func(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
			return a.soundAnalyzer.Analyze(context.WithoutCancel(ctx), req)
		}
	}},
	"a context's error is hidden": {"ends_with_its_context", func(a *brokenAnalyzer) {
		a.replace = func(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
			r, err := a.soundAnalyzer.Analyze(ctx, req)
			if err != nil {
				err = &domain.AnalyzerError{Kind: domain.AnalyzerUnavailable, Message: err.Error()}
			}
			return r, err
		}
	}},
	"callers get each other's results": {"works_for_many_callers_at_once", func(a *brokenAnalyzer) {
		var mu sync.Mutex
		var last domain.AnalysisResult
		a.replace = func(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
			r, err := a.soundAnalyzer.Analyze(ctx, req)
			mu.Lock()
			defer mu.Unlock()
			if last.Anomalies == nil {
				last = r
			}
			return last, err
		}
	}},
	"samples steer the terminal": {"bears_whatever_a_line_may_hold", func(a *brokenAnalyzer) {
		a.replace = func(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
			r, err := a.soundAnalyzer.Analyze(ctx, req)
			for _, e := range req.Logs {
				if strings.Contains(e.Message, "\x1b") && len(r.Anomalies) > 0 {
					r.Anomalies[0].SampleLines[0] = e.Message
				}
			}
			return r, err
		}
	}},
	"a time is not looked at": {"bears_whatever_a_line_may_hold", func(a *brokenAnalyzer) {
		a.replace = func(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
			r, err := a.soundAnalyzer.Analyze(ctx, req)
			for _, e := range req.Logs {
				// Beyond the year 9999 a time is no JSON.
				r.Window.To = maxTime(r.Window.To, e.Timestamp.Add(time.Second))
			}
			return r, err
		}
	}},
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// TestBrokenLogAnalyzersFail proves that the suite can fail: an analyser that
// breaks a promise fails the case of that promise.
func TestBrokenLogAnalyzersFail(t *testing.T) {
	t.Parallel()
	for sabotage, s := range analyzerSabotages {
		t.Run(sabotage, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSabotagedLogAnalyzer$/^suite$/^"+s.caught+"$")
			cmd.Env = append(os.Environ(), analyzerSabotageEnv+"="+sabotage)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the suite passed an analyser of which holds: %s\n%s", sabotage, out)
			require.Contains(t, string(out), "--- FAIL: TestSabotagedLogAnalyzer/suite/"+s.caught)
			require.Contains(t, string(out), "the broken promise: ")
		})
	}
}

// TestSabotagedLogAnalyzer runs the suite on a sabotaged analyser when
// TestBrokenLogAnalyzersFail asks for one, and on the sound one otherwise.
func TestSabotagedLogAnalyzer(t *testing.T) {
	s := analyzerSabotages[os.Getenv(analyzerSabotageEnv)]
	t.Run("suite", func(t *testing.T) {
		portstest.TestLogAnalyzer(t, func(*testing.T) ports.LogAnalyzer {
			a := &brokenAnalyzer{}
			if s.breaks != nil {
				s.breaks(a)
			}
			return a
		})
	})
}
