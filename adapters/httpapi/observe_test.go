package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
)

// diary is what observers write into.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// ObserveIngest implements httpapi.IntakeObserver.
func (d *diary) ObserveIngest(protocol string, accepted, rejected int) {
	d.note("%s +%d -%d", protocol, accepted, rejected)
}

// witness notes requests.
type witness struct {
	*diary

	name string
}

type witnessKey struct{}

// BeginRequest implements httpapi.RequestObserver.
func (w witness) BeginRequest(r *http.Request) (context.Context, func(string, int)) {
	w.note("%s begins in %v", w.name, r.Context().Value(witnessKey{}))
	return context.WithValue(r.Context(), witnessKey{}, w.name), func(route string, status int) {
		w.note("%s ends %s %d", w.name, route, status)
	}
}

// observed returns an API over stubs that is observed.
func observed(names ...string) (*apitest.World, *diary) {
	w, d := apitest.New(httpapi.Config{}), &diary{}
	deps := httpapi.Deps{
		Queue: w.Queue, Logs: w.Logs, Ingest: d,
		Readiness: apitest.ProbeFunc(func(context.Context) map[string]error { return w.Ready }),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			_, _ = io.WriteString(w, "figures for "+fmt.Sprint(r.Context().Value(witnessKey{})))
		}),
	}
	for _, name := range names {
		deps.Observers = append(deps.Observers, witness{d, name})
	}
	w.API = httpapi.New(deps, httpapi.Config{AllowedHosts: []string{"example.com"}})
	return w, d
}

func TestObserversAreToldOfEveryRequest(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"GET /api/v1/queue/tasks/x":                                         "/api/v1/queue/tasks/{id} 400",
		"POST /api/v1/queue/tasks/0190f000-0000-7000-8000-000000000001:run": "/api/v1/queue/tasks/{id}:run 404",
		"GET /api/v1/anomalies/a/logs":                                      "/api/v1/anomalies/{id}/logs 200",
		"GET /api/v1/queue/stats":                                           "/api/v1/queue/stats 200",
		"GET /":                                                             "/ 200",
		"GET /healthz":                                                      "/healthz 200",
		"GET /nowhere/at/all":                                               " 404",
		"PATCH /api/v1/logs":                                                " 405",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			w, d := observed("one", "two")
			method, target, _ := strings.Cut(path, " ")
			w.Do(method, target, "")
			require.Equal(t, []string{"one begins in <nil>", "two begins in one", "two ends " + want, "one ends " + want}, d.lines)
		})
	}
	t.Run("one for another host", func(t *testing.T) {
		t.Parallel()
		w, d := observed("one")
		r := httptest.NewRequest(http.MethodGet, "http://evil.test/healthz", nil)
		w.API.Handler().ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, []string{"one begins in <nil>", "one ends  421"}, d.lines)
	})
	t.Run("one that panics", func(t *testing.T) {
		t.Parallel()
		w, d := observed("one")
		w.Queue.Tasks = nil // A map that takes nothing.
		w.Do(http.MethodPost, "/api/v1/queue/tasks", `{"type":"echo"}`, "Content-Type", "application/json")
		require.Equal(t, []string{"one begins in <nil>", "one ends /api/v1/queue/tasks 500"}, d.lines)
	})
}

func TestTheMetricsAreServed(t *testing.T) {
	t.Parallel()
	w, _ := observed("one")
	res := w.Do(http.MethodGet, "/metrics", "")
	require.Equal(t, http.StatusOK, res.Code)
	require.Equal(t, "figures for one", res.Body.String())
	apitest.Problem(t, apitest.New(httpapi.Config{}).Do(http.MethodGet, "/metrics", ""), http.StatusNotFound, "no-such-path")
}

func TestOperationsAreServedAlone(t *testing.T) {
	t.Parallel()
	w, _ := observed()
	get := func(url string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		w.API.OperationsHandler([]string{"example.com"}).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, url, nil))
		return rec
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		require.Equal(t, http.StatusOK, get(path).Code, path)
	}
	for _, path := range []string{"/", "/api/v1/queue/stats", "/api/v1/logs", "/metrics/", "/v1/logs"} {
		apitest.Problem(t, get(path), http.StatusNotFound, "no-such-path")
	}
	apitest.Problem(t, get("http://evil.test/metrics"), http.StatusMisdirectedRequest, "host-not-allowed")
	apitest.Problem(t, get("http://evil.test/nowhere"), http.StatusMisdirectedRequest, "host-not-allowed")
}

func TestLogEntriesAreToldOfByProtocol(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path, media, body, want string
	}{
		"lines":               {"/api/v1/logs", "text/plain", "one\ntwo\n", "http +2 -0"},
		"values, one wrong":   {"/api/v1/logs", "application/x-ndjson", "{\"message\":\"a\"}\n{\n", "http +1 -1"},
		"values, all wrong":   {"/api/v1/logs", "application/x-ndjson", "{\n{\n", "http +0 -2"},
		"bulk, one refused":   {"/_bulk", "application/x-ndjson", "{\"index\":{}}\n{\"message\":\"a\"}\n{\"delete\":{\"_id\":\"x\"}}\n", "elasticsearch +1 -1"},
		"bulk, all refused":   {"/_bulk", "application/x-ndjson", "{\"delete\":{\"_id\":\"x\"}}\n", "elasticsearch +0 -1"},
		"streams":             {"/loki/api/v1/push", "application/json", `{"streams":[{"stream":{"app":"x"},"values":[["1700000000000000000","a"]]}]}`, "loki +1 -0"},
		"records":             {"/v1/logs", "application/json", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a"}}]}]}]}`, "otlp +1 -0"},
		"records, none given": {"/v1/logs", "application/json", `{}`, "otlp +0 -0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, d := observed()
			w.Do(http.MethodPost, c.path, c.body, "Content-Type", c.media)
			require.Equal(t, []string{c.want}, d.lines)
		})
	}
	t.Run("entries that the store does not take", func(t *testing.T) {
		t.Parallel()
		w, d := observed()
		w.Logs.Err = io.ErrUnexpectedEOF
		w.Do(http.MethodPost, "/api/v1/logs", "one\n", "Content-Type", "text/plain")
		require.Equal(t, []string{"http +0 -0"}, d.lines)
	})
}
