//go:build browser

package browser_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/bootstrap"
	"logsift/domain"
)

// pageCase is a page and what it must show: selectors with a part of their text.
type pageCase struct {
	name, path string
	shows      [][2]string
}

// check opens the page and looks at it in every view.
func (p pageCase) check(t *testing.T, base string, allowed ...string) {
	t.Helper()
	tb := newTab(t, base)
	for _, text := range allowed {
		tb.allow(text)
	}
	tb.open(p.path)
	for _, v := range views {
		tb.look(v)
		for _, want := range p.shows {
			tb.shows(want[0], want[1])
		}
		require.Equal(t, 1, eval[int](tb, "__t.count('h1')"), "a page has one heading")
		tb.fits()
		tb.accessible()
		tb.picture(v.name)
	}
}

// Every page, in every view: it shows its data, fits the window, and has no barrier
// that axe-core knows.
func TestPagesShowTheirData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.seedTasks()
	w.seedSample()
	flow := w.seedPlans()
	require.Equal(t, http.StatusOK, w.call(http.MethodPost, "/api/v1/queue/schedules/nightly:run", "", nil, nil))
	require.Equal(t, http.StatusCreated, w.call(http.MethodPut, "/api/v1/queue/limits/senders", "application/json", strings.NewReader(`{"scope":"key","queue":"mail","concurrency":2}`), nil))
	gathered := w.add("row.save", `{"row":1}`, func(t *domain.Task) { t.Group, t.GroupSize, t.GroupAge = "rows", 50, 24*time.Hour })
	anomaly, entries := explained(time.Now().Add(-25 * time.Minute))
	w.anomalyOf(anomaly, entries...)
	for _, p := range []pageCase{
		{"overview", "/", [][2]string{{".tile", "Pending"}, {"tbody tr", "410 Gone"}, {"tbody tr", "pool exhausted"}, {"svg.chart", ""}}},
		{"tasks", "/ui/tasks", [][2]string{{"tbody tr", "Failed"}, {"tbody tr", "Scheduled"}, {"tbody tr", "Retrying"}, {"tbody tr", "encoder exited with status 137"}, {"tbody tr", "in the group rows, due in"}}},
		{"task", "/ui/tasks/" + s.failed.String(), [][2]string{{"h1", "Task"}, {"main", "webhook.deliver"}, {".page-head .badge", "Failed"}, {"main", "503 Service Unavailable"}, {"main", "410 Gone"}, {"main pre", "order.paid"}}},
		{"task of a group", "/ui/tasks/" + gathered.String(), [][2]string{{"main dl", "rows runs with up to 49 others, waits for 1 d at most"}, {"main dl", "in 23 h"}}},
		{"dead letters", "/ui/dead?reason=permanent", [][2]string{{"h1", "Dead letters"}, {"tbody tr", "webhook.deliver"}, {"tbody .badge", "Permanent"}, {"tbody tr", "410 Gone"}, {"tbody tr", "in 6 d"}}},
		{"panicked", "/ui/tasks/" + s.panicked.String(), [][2]string{{"main", "index out of range"}}},
		{"anomalies", "/ui/anomalies", [][2]string{{"tbody tr", "pool exhausted"}, {"tbody tr", "redis"}, {"tbody tr svg.sparkline", ""}}},
		{"anomaly", "/ui/anomalies/an-explained-one", [][2]string{{"h1", "pool exhausted"}, {".page-head", "Error burst"}, {".panel", "Explained by an AI service"}, {".log-line", "pool exhausted"}, {"svg.chart path", ""}}},
		{"logs", "/ui/logs?level=info", [][2]string{{".log-line", "pool exhausted"}}},
		{"queues", "/ui/queues", [][2]string{{"tbody tr", "mail"}, {"tbody .chip", "email.send 7"}, {"tbody tr", "each key of mail"}}},
		{"schedules", "/ui/schedules", [][2]string{{"tbody tr", "nightly"}, {"tbody tr", "every 1"}, {"tbody .badge", "fired"}, {"tbody button", "Pause"}}},
		{"schedule", "/ui/schedules/nightly", [][2]string{{"h1", "nightly"}, {"main", "log_analysis"}, {"tbody tr", "run by hand"}}},
		{"workflows", "/ui/workflows", [][2]string{{"tbody tr", "daily"}, {"tbody tr", "of 3"}}},
		{"workflow", "/ui/workflows/" + flow.ID.String(), [][2]string{{".page-head", "daily"}, {"svg.graph text", "load"}, {"tbody tr", "alarm"}, {"tbody .badge", ""}}},
		{"settings", "/ui/settings", [][2]string{{".panel", "No key is needed"}, {".setting.changed", "--store"}, {".setting", "--retry-base"}}},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.check(t, w.app.URL())
		})
	}
}

// A page without data says what to do.
func TestEmptyPagesSayWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withoutWorkers)
	const unknown = "018f3c2e-0000-7000-8000-000000000001"
	tb := newTab(t, w.app.URL())
	tb.allow("404") // of what does not exist
	for _, p := range []pageCase{
		{"overview", "/", [][2]string{{"main", "Send your first logs"}, {"main pre", "curl"}}},
		{"tasks", "/ui/tasks", [][2]string{{".empty", "There are no tasks"}, {".empty pre", "curl"}}},
		{"filtered tasks", "/ui/tasks?status=FAILED", [][2]string{{".empty button", "Clear"}}},
		{"dead letters", "/ui/dead", [][2]string{{".empty", "There are no dead letters"}}},
		{"no task", "/ui/tasks/" + unknown, [][2]string{{"main a", "tasks"}}},
		{"anomalies", "/ui/anomalies", [][2]string{{".empty", "No anomalies yet"}, {".empty pre", "curl"}}},
		{"filtered anomalies", "/ui/anomalies?severity=high", [][2]string{{".empty button", "Clear filters"}}},
		{"no anomaly", "/ui/anomalies/unknown", [][2]string{{".empty a", "All anomalies"}}},
		{"logs", "/ui/logs", [][2]string{{".empty", "No logs yet"}, {".empty pre", "curl"}}},
		{"filtered logs", "/ui/logs?text=nothing", [][2]string{{".empty button", "Clear filters"}}},
		{"queues", "/ui/queues", [][2]string{{".empty", "No queues yet"}}},
		{"schedules", "/ui/schedules", [][2]string{{".empty", "No schedules yet"}}},
		{"workflows", "/ui/workflows", [][2]string{{".empty", "No workflows yet"}}},
		{"no page", "/ui/nowhere", [][2]string{{"main", "no page"}}},
	} {
		tb.open(p.path)
		for _, want := range p.shows {
			tb.shows(want[0], want[1])
		}
		tb.fits()
		tb.accessible()
	}
}

func TestWorkersTellWhatTheyRun(t *testing.T) {
	t.Parallel()
	// An AI service that does not answer keeps a task running.
	ai := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(ai.Close)
	w := newWorld(t, func(c *bootstrap.Config) {
		c.Analyzer, c.AIBaseURL, c.AIModel = bootstrap.AnalyzerOpenAI, ai.URL+"/v1", "model"
	})
	require.Equal(t, http.StatusAccepted, w.call(http.MethodPost, "/api/v1/logs?source=app", "text/plain", strings.NewReader("2026-05-01 08:00:00 INFO started\n2026-05-01 08:00:01 ERROR cannot open /etc/app.conf: permission denied\n"), nil))
	require.Equal(t, http.StatusOK, w.call(http.MethodPost, "/api/v1/worker/tasks:claim", "application/json", strings.NewReader(`{"types":["resize"]}`), nil))
	pageCase{"workers", "/ui/workers", [][2]string{
		{".worker", "Running"}, {".worker", "1 of 2 workers busy"}, {".worker tbody tr", "log_analysis"}, {"[data-since]", "s"},
		{"[aria-label$='over HTTP']", "resize"}, {"[aria-label$='over HTTP']", "0 leases held"}, {".page-head", "1 process, 1 of 2 workers busy, and 1 worker over HTTP"},
	}}.check(t, w.app.URL())
}
