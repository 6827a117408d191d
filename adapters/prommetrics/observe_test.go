package prommetrics_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang/mock/gomock"
	"github.com/stretchr/testify/require"

	"logsift/adapters/prommetrics"
	"logsift/application/observe"
	"logsift/domain"
	"logsift/mocks"
	"logsift/ports"
)

func TestRunsAreCountedByWhatBecameOfThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prommetrics.Config{})
	work := task("work", "q")
	for _, end := range []ports.RunEnd{
		{Outcome: ports.RunCompleted, Wait: 2 * time.Second, Duration: 20 * time.Millisecond},
		{Outcome: ports.RunCompleted, Wait: -1, Duration: 30 * time.Millisecond},
		{Outcome: ports.RunRetried, Reason: domain.ReasonTimeout},
		{Outcome: ports.RunFailed, Reason: domain.ReasonPanic},
		{Outcome: ports.RunLeaseLost},
		{Outcome: ports.RunReleased},
		{Outcome: ports.RunFailed, Reason: "a reason that is not known"},
	} {
		end.Task = work
		w.ObserveRun(end)
	}
	w.require(t, "logsift_task_runs_total",
		`logsift_task_runs_total{outcome="completed",reason="none",type="work"} 2`,
		`logsift_task_runs_total{outcome="retried",reason="timeout",type="work"} 1`,
		`logsift_task_runs_total{outcome="failed",reason="panic",type="work"} 1`,
		`logsift_task_runs_total{outcome="failed",reason="other",type="work"} 1`,
		`logsift_task_runs_total{outcome="lease_lost",reason="none",type="work"} 1`,
		`logsift_task_runs_total{outcome="released",reason="none",type="work"} 1`)
	w.require(t, "logsift_task_run_duration_seconds_sum",
		`logsift_task_run_duration_seconds_sum{outcome="completed",type="work"} 0.05`,
		`logsift_task_run_duration_seconds_sum{outcome="retried",type="work"} 0`,
		`logsift_task_run_duration_seconds_sum{outcome="failed",type="work"} 0`,
		`logsift_task_run_duration_seconds_sum{outcome="lease_lost",type="work"} 0`,
		`logsift_task_run_duration_seconds_sum{outcome="released",type="work"} 0`)
	w.require(t, "logsift_task_queue_wait_seconds_sum", `logsift_task_queue_wait_seconds_sum{queue="q"} 2`)
	w.require(t, "logsift_task_queue_wait_seconds_count", `logsift_task_queue_wait_seconds_count{queue="q"} 6`)
	w.lint(t)
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prommetrics.Config{})
	for _, r := range []struct {
		method, route string
		status        int
	}{{"GET", "/api/v1/logs/{id}", 200}, {"GET", "/api/v1/logs/{id}", 404}, {"BREW", "", 405}} {
		ctx, done := w.BeginRequest(httptest.NewRequest(r.method, "/x", nil))
		require.NoError(t, ctx.Err())
		w.require(t, "logsift_http_requests_in_flight", "logsift_http_requests_in_flight 1")
		done(r.route, r.status)
	}
	w.require(t, "logsift_http_requests_in_flight", "logsift_http_requests_in_flight 0")
	w.require(t, "logsift_http_requests_total",
		`logsift_http_requests_total{code="200",method="GET",route="/api/v1/logs/{id}"} 1`,
		`logsift_http_requests_total{code="404",method="GET",route="/api/v1/logs/{id}"} 1`,
		`logsift_http_requests_total{code="405",method="other",route="none"} 1`)
	w.require(t, "logsift_http_request_duration_seconds_count",
		`logsift_http_request_duration_seconds_count{method="GET",route="/api/v1/logs/{id}"} 2`,
		`logsift_http_request_duration_seconds_count{method="other",route="none"} 1`)
}

func TestLogEntriesAreCountedByProtocol(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prommetrics.Config{})
	w.ObserveIngest("otlp", 5, 0)
	w.ObserveIngest("otlp", 1, 2)
	w.ObserveIngest("smoke", 1, 0)
	w.End(t.Context(), ports.Call{Op: ports.OpOpenBatch})
	w.require(t, "logsift_log_entries_accepted_total",
		`logsift_log_entries_accepted_total{protocol="http"} 0`, `logsift_log_entries_accepted_total{protocol="loki"} 0`,
		`logsift_log_entries_accepted_total{protocol="elasticsearch"} 0`, `logsift_log_entries_accepted_total{protocol="otlp"} 6`,
		`logsift_log_entries_accepted_total{protocol="other"} 1`)
	require.Contains(t, w.scrape(t, ""), `logsift_log_entries_rejected_total{protocol="otlp"} 2`)
	w.require(t, "logsift_log_batches_opened_total", "logsift_log_batches_opened_total 1")
}

func TestAnalysesAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prommetrics.Config{Analyzer: "openai"})
	inner := mocks.NewMockLogAnalyzer(gomock.NewController(t))
	a := observe.Analyzer("openai", inner, w.Metrics)
	fault := &domain.AnalyzerError{Kind: domain.AnalyzerRateLimited}
	gomock.InOrder(
		inner.EXPECT().Analyze(gomock.Any(), gomock.Any()).Return(domain.AnalysisResult{
			AnalysedCount: 10, Cache: &domain.CacheUse{Hits: 3, Misses: 1},
			Anomalies: []domain.Anomaly{
				{Severity: domain.SeverityHigh, Kind: domain.AnomalyErrorBurst}, {Severity: domain.SeverityHigh, Kind: domain.AnomalyErrorBurst},
				{Severity: domain.SeverityLow, Kind: "made up"},
			},
		}, nil),
		inner.EXPECT().Analyze(gomock.Any(), gomock.Any()).Return(domain.AnalysisResult{AnalysedCount: 1, DegradedReason: "no service"}, nil),
		inner.EXPECT().Analyze(gomock.Any(), gomock.Any()).Return(domain.AnalysisResult{}, fault),
		inner.EXPECT().Analyze(gomock.Any(), gomock.Any()).Return(domain.AnalysisResult{}, context.Canceled),
	)
	for _, want := range []error{nil, nil, fault, context.Canceled} {
		_, err := a.Analyze(t.Context(), domain.AnalysisRequest{})
		require.Equal(t, want, err)
	}
	w.require(t, "logsift_analyses_total",
		`logsift_analyses_total{analyzer="openai",outcome="completed"} 1`,
		`logsift_analyses_total{analyzer="openai",outcome="degraded"} 1`,
		`logsift_analyses_total{analyzer="openai",outcome="failed"} 2`)
	w.require(t, "logsift_analysis_errors_total",
		`logsift_analysis_errors_total{analyzer="openai",kind="unavailable"} 0`, `logsift_analysis_errors_total{analyzer="openai",kind="rate_limited"} 1`, `logsift_analysis_errors_total{analyzer="openai",kind="canceled"} 1`)
	w.require(t, "logsift_analysis_log_entries_total", `logsift_analysis_log_entries_total{analyzer="openai"} 11`)
	w.require(t, "logsift_anomalies_total",
		`logsift_anomalies_total{kind="error_burst",severity="high"} 2`, `logsift_anomalies_total{kind="other",severity="low"} 1`)
	w.require(t, "logsift_ai_cache_hits_total", "logsift_ai_cache_hits_total 3")
	w.require(t, "logsift_ai_cache_misses_total", "logsift_ai_cache_misses_total 1")
	w.require(t, "logsift_analysis_duration_seconds_count", `logsift_analysis_duration_seconds_count{analyzer="openai"} 4`)
	w.lint(t)
}

func TestRequestsToTheAIServiceAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prommetrics.Config{})
	usage := domain.Usage{PromptTokens: 100, CachedTokens: 40, CompletionTokens: 20, ReasoningTokens: 5, Calls: 1}
	for _, c := range []ports.Call{
		{Usage: usage, Cost: domain.Cost{AmountMicros: 1500, Currency: "USD"}},
		{Usage: usage, Cost: domain.Cost{AmountMicros: 500, Currency: "USD"}, Err: &domain.AnalyzerError{Kind: domain.AnalyzerBadAnswer}},
		{Cost: domain.Cost{Currency: "USD"}, Err: errors.New("odd")},
	} {
		c.Op = ports.OpChat
		w.End(t.Context(), c)
	}
	w.require(t, "logsift_ai_requests_total",
		`logsift_ai_requests_total{outcome="ok"} 1`, `logsift_ai_requests_total{outcome="bad_answer"} 1`, `logsift_ai_requests_total{outcome="other"} 1`)
	for name, want := range map[string]string{"prompt": "200", "cached_prompt": "80", "completion": "40", "reasoning": "10"} {
		name = "logsift_ai_" + name + "_tokens_total"
		w.require(t, name, name+" "+want)
	}
	w.require(t, "logsift_ai_cost_total", `logsift_ai_cost_total{currency="USD"} 0.002`)
	w.require(t, "logsift_ai_request_duration_seconds_count", "logsift_ai_request_duration_seconds_count 3")
	w.lint(t)
}

func TestDurationsNameTheirTraceToWhoReadsOpenMetrics(t *testing.T) {
	t.Parallel()
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	type key struct{}
	w := newWorld(t, prommetrics.Config{
		TraceID: func(ctx context.Context) string {
			id, _ := ctx.Value(key{}).(string)
			return id
		},
		TaskTraceID: func(*domain.Task) string { return id },
	})
	traced := context.WithValue(t.Context(), key{}, id)
	_, done := w.BeginRequest(httptest.NewRequest(http.MethodGet, "/", nil).WithContext(traced))
	done("/", 200)
	w.ObserveRun(ports.RunEnd{Task: task("a", "x"), Outcome: ports.RunCompleted})
	inner := mocks.NewMockTaskQueue(gomock.NewController(t))
	inner.EXPECT().GetQueueStats(gomock.Any()).Times(2).Return(domain.QueueStats{}, nil)
	for _, ctx := range []context.Context{t.Context(), traced} {
		_, err := observe.Queue(inner, nil, w.Metrics).GetQueueStats(ctx)
		require.NoError(t, err)
	}
	text := w.scrape(t, "application/openmetrics-text;version=1.0.0")
	require.True(t, strings.HasSuffix(text, "# EOF\n"))
	require.Contains(t, text, "# UNIT")
	for _, name := range []string{"logsift_http_request_duration_seconds", "logsift_task_run_duration_seconds", "logsift_task_queue_wait_seconds", "logsift_store_call_duration_seconds"} {
		require.Regexp(t, name+`_bucket\{.*\} \d+ # \{trace_id="`+id+`"\}`, text)
	}
	require.NotContains(t, w.scrape(t, "text/plain"), id, "the older format has no exemplars")
}

func TestEveryMetricSaysWhatItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prommetrics.Config{Version: "v1.2.3", Revision: "abc", GoVersion: "go1"})
	text := w.scrape(t, "")
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			require.Contains(t, text, "# HELP "+strings.Fields(name)[0]+" ")
		}
	}
	require.Contains(t, text, `logsift_build_info{goversion="go1",revision="abc",version="v1.2.3"} 1`)
	require.Contains(t, text, "go_goroutines ")
	require.Contains(t, text, "process_cpu_seconds_total ")
	w.lint(t)
}
