package bootstrap_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
	"logsift/domain"
)

// answeringAI is an AI service that explains the first anomaly, and counts what it
// was asked.
func answeringAI(t *testing.T) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		content, _ := json.Marshal(`{"summary":"The file is locked.","findings":[{"anomalies":[1],"cause":"file rights","explanation":"It may not read its file.",` +
			`"suggested_action":"Look at its rights.","category":"config","severity":"info","relevance":1}]}`)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"model":"m-7","choices":[{"finish_reason":"stop","message":{"content":`+string(content)+`}}],"usage":{"prompt_tokens":1000,"completion_tokens":100}}`)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// analysis waits for the result of a task.
func analysis(t *testing.T, a *bootstrap.App, lines string) domain.AnalysisResult {
	t.Helper()
	var r domain.AnalysisResult
	require.NoError(t, json.Unmarshal(awaitStatus(t, a, sendLogs(t, a, lines), "COMPLETED").Result, &r))
	return r
}

func TestAnAIServiceExplainsWhatTheBuiltInAnalyserFinds(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		url, asked := answeringAI(t)
		c := withAI(config(store), url)
		c.AIPrices.Input, c.AIPrices.Output, c.AIDailyBudget = 1_000_000, 2_000_000, 5_000_000
		a := start(t, c)
		first := analysis(t, a, someLines)
		require.Equal(t, "openai", first.Analyzer, first.DegradedReason)
		require.Equal(t, "llm+local", first.Anomalies[0].Source)
		require.Equal(t, "It may not read its file.", first.Anomalies[0].Explanation)
		require.NotEmpty(t, first.Anomalies[0].LogIDs)
		require.EqualValues(t, 1200, first.Cost.AmountMicros)
		require.EqualValues(t, 1, asked.Load())

		// What was said is kept in the store, for other processes too.
		second := analysis(t, start(t, c), someLines)
		require.Equal(t, "It may not read its file.", second.Anomalies[0].Explanation)
		require.Equal(t, 1, second.Cache.Hits)
		require.EqualValues(t, 1, asked.Load())
	})
}

func TestAnAIServiceThatRefusesTheKeyLosesNothing(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(server.Close)
	a := start(t, withAI(config("memory:"), server.URL))
	var ready wire.Readiness
	require.Equal(t, http.StatusOK, call(t, a, http.MethodGet, "/readyz", "", "", &ready))
	require.Equal(t, wire.Component{Ready: true}, ready.Components["analyzer"])

	r := analysis(t, a, someLines)
	require.Equal(t, "builtin", r.Analyzer)
	require.NotEmpty(t, r.Anomalies)
	require.Equal(t, "the AI service refuses the key (LOGSIFT_AI_API_KEY) (HTTP 401); analysed by the built-in analyser", r.DegradedReason)

	require.Equal(t, http.StatusOK, call(t, a, http.MethodGet, "/readyz", "", "", &ready), "logs are still analysed")
	require.True(t, ready.Components["analyzer"].Ready)
	require.True(t, ready.Components["analyzer"].Degraded)
	require.True(t, strings.HasPrefix(ready.Components["analyzer"].Reason, "the AI service refuses the key"))
}

func TestAnAIServiceThatAsksToWaitFreesTheWorker(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusTeapot) // It refuses the request: the detector alone.
	}))
	t.Cleanup(server.Close)
	c := withAI(config("memory:"), server.URL)
	c.Workers = 1
	a := start(t, c)
	waiting := awaitStatus(t, a, sendLogs(t, a, someLines), "RETRYING")
	require.Contains(t, waiting.Errors[0].Message, "the AI service asks to wait")
	require.InDelta(t, 600, time.Until(*waiting.ScheduledAt).Seconds(), 30, "as long as it asked")
	other := analysis(t, a, "2026-05-01 08:00:01 FATAL out of memory\n")
	require.NotEmpty(t, other.Anomalies, "the only worker is free for others")
}

func TestAnAIServiceThatIsDownLosesNothing(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close() // Nobody listens there.
	c := withAI(config("memory:"), server.URL)
	c.Retry = domain.RetryPolicy{Kind: domain.RetryFixed, Base: 10 * time.Millisecond, Cap: 10 * time.Millisecond}
	a := start(t, c)
	r := analysis(t, a, someLines)
	require.Equal(t, "builtin", r.Analyzer)
	require.NotEmpty(t, r.Anomalies)
	require.Contains(t, r.DegradedReason, "cannot reach the AI service")
	require.Equal(t, http.StatusOK, call(t, a, http.MethodGet, "/readyz", "", "", nil))
}
