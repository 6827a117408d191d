package bootstrap_test

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
)

// otlpCollector takes traces as any OTLP/HTTP collector does.
type otlpCollector struct {
	*httptest.Server

	mu    sync.Mutex
	spans map[string]*tracepb.Span // by name
	all   []*tracepb.Span
}

func newCollector(t *testing.T) *otlpCollector {
	t.Helper()
	c := &otlpCollector{spans: map[string]*tracepb.Span{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			body = unzipped
		}
		raw, err := io.ReadAll(body)
		var req collectorpb.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(raw, &req) != nil {
			http.Error(w, "no traces", http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, resource := range req.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				for _, s := range scope.Spans {
					c.all = append(c.all, s)
					c.spans[s.Name] = s
				}
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

// TestOneTraceCrossesProcesses has one system take logs in and another analyse them;
// both send their traces to a collector.
func TestOneTraceCrossesProcesses(t *testing.T) {
	t.Parallel()
	const id, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	traces := newCollector(t)
	var leaked sync.Map
	ai, release := aiService(t, func(w http.ResponseWriter, r *http.Request) {
		if parent := r.Header.Get("Traceparent"); parent != "" {
			leaked.Store(parent, true)
		}
		noAnomalies(w, r)
	})
	close(release)

	c := config("sqlite:" + filepath.Join(t.TempDir(), "x.db"))
	c.OTLPEndpoint, c.Workers = traces.URL, 0
	api := start(t, c)
	w := withAI(c, ai)
	w.Addr, w.Workers = "", 2
	worker := start(t, w)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api.URL()+"/api/v1/logs", strings.NewReader(someLines+"panic: the secret line\n"))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("Traceparent", "00-"+id+"-"+span+"-01")
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	require.NoError(t, err)
	var receipt wire.LogReceipt
	require.NoError(t, json.NewDecoder(res.Body).Decode(&receipt))
	require.NoError(t, res.Body.Close())
	awaitStatus(t, api, receipt.TaskIDs[0].String(), "COMPLETED")
	for _, a := range []*bootstrap.App{worker, api} {
		require.NoError(t, a.Stop(t.Context()), "the end sends what is left")
	}

	traces.mu.Lock()
	defer traces.mu.Unlock()
	parents := map[string]string{
		"enqueue default": "POST /api/v1/logs", "SaveLogs": "POST /api/v1/logs", "process log_analysis": "enqueue default",
		"CloseBatch": "process log_analysis", "GetLogs": "process log_analysis", "analyze openai": "process log_analysis",
		"SaveAnalysis": "process log_analysis", "chat model": "analyze openai",
	}
	root := traces.spans["POST /api/v1/logs"]
	require.NotNil(t, root)
	require.Equal(t, span, hex.EncodeToString(root.ParentSpanId))
	for name, parent := range parents {
		require.Contains(t, traces.spans, name)
		require.Equal(t, id, hex.EncodeToString(traces.spans[name].TraceId), name)
		require.Equal(t, hex.EncodeToString(traces.spans[parent].SpanId), hex.EncodeToString(traces.spans[name].ParentSpanId), "%s is below %s", name, parent)
	}
	for _, s := range traces.all {
		require.NotContains(t, s.String(), "secret", "no span holds what was logged")
	}
	leaked.Range(func(parent, _ any) bool {
		require.Fail(t, "the AI service learned of the trace", parent)
		return false
	})
}

func TestACollectorThatIsAwayHarmsNothing(t *testing.T) {
	t.Parallel()
	c := config("memory:")
	c.OTLPEndpoint = "http://127.0.0.1:1"
	a := start(t, c)
	awaitStatus(t, a, sendLogs(t, a, someLines), "COMPLETED")
	begun := time.Now()
	require.NoError(t, a.Stop(t.Context()))
	require.Less(t, time.Since(begun), 8*time.Second)
}
