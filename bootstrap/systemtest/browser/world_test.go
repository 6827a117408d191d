//go:build browser

package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/adapters/sqlitestore"
	"logsift/bootstrap"
	"logsift/domain"
	"logsift/ports"
)

// world is a whole logsift with a store of its own, which the test changes from
// beside it too, as another process would.
type world struct {
	t     *testing.T
	app   *bootstrap.App
	queue *sqlitestore.TaskQueue
	logs  *sqlitestore.LogRepository
	key   string // for the API, if it asks for one
}

// newWorld starts a logsift. Its workers know the tasks of log analysis only, so
// that tasks of other types stay as the test puts them.
func newWorld(t *testing.T, changes ...func(*bootstrap.Config)) *world {
	t.Helper()
	file := filepath.Join(t.TempDir(), "logsift.db")
	db, err := sqlitestore.Open(t.Context(), file, sqlitestore.Config{Synchronous: sqlitestore.SynchronousNormal})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	w := &world{t: t, queue: db.TaskQueue, logs: db.LogRepository}
	w.start(append([]func(*bootstrap.Config){func(c *bootstrap.Config) { c.Store = "sqlite:" + file }}, changes...)...)
	return w
}

// newMemoryWorld starts a logsift that keeps everything in memory, and works on
// nothing.
func newMemoryWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	w.start(func(c *bootstrap.Config) { c.Store, c.Workers = "memory:", 0 })
	return w
}

func (w *world) start(changes ...func(*bootstrap.Config)) {
	w.t.Helper()
	c := bootstrap.DefaultConfig()
	c.Addr, c.LogLevel, c.Workers = "127.0.0.1:0", "error", 2
	c.BatchSize, c.BatchAge, c.DrainTimeout = 100_000, 100*time.Millisecond, 100*time.Millisecond
	for _, change := range changes {
		change(&c)
	}
	app, err := bootstrap.New(w.t.Context(), c)
	require.NoError(w.t, err)
	require.NoError(w.t, app.Start(w.t.Context()))
	// What a drain cuts short is no matter here.
	w.t.Cleanup(func() { _ = app.Stop(context.WithoutCancel(w.t.Context())) })
	w.app = app
}

// call sends a request to the API and decodes the answer into out, if it is not nil and
// the answer no problem.
func (w *world) call(method, path, contentType string, body io.Reader, out any) int {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.app.URL()+path, body)
	require.NoError(w.t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if strings.HasSuffix(contentType, "gzip") {
		req.Header.Set("Content-Type", "text/plain")
		req.Header.Set("Content-Encoding", "gzip")
	}
	if w.key != "" {
		req.Header.Set("Authorization", "Bearer "+w.key)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	if out != nil && res.StatusCode < http.StatusBadRequest {
		require.NoError(w.t, json.Unmarshal(raw, out), "%d %s", res.StatusCode, raw)
	}
	return res.StatusCode
}

// create makes a task through the API.
func (w *world) create(body string) wire.Task {
	w.t.Helper()
	var task wire.Task
	require.Equal(w.t, http.StatusCreated, w.call(http.MethodPost, "/api/v1/queue/tasks", "application/json", strings.NewReader(body), &task))
	return task
}

// task reads a task by the API.
func (w *world) task(id domain.TaskID) wire.Task {
	w.t.Helper()
	var task wire.Task
	require.Equal(w.t, http.StatusOK, w.call(http.MethodGet, "/api/v1/queue/tasks/"+id.String(), "", nil, &task))
	return task
}

// awaitStatus waits until the task has the status; "" is that it is gone.
func (w *world) awaitStatus(id domain.TaskID, status string) {
	w.t.Helper()
	var task wire.Task
	require.Eventually(w.t, func() bool {
		task = wire.Task{}
		code := w.call(http.MethodGet, "/api/v1/queue/tasks/"+id.String(), "", nil, &task)
		return code == http.StatusOK && task.Status == status || code == http.StatusNotFound && status == ""
	}, patience, patience/500, "task %s should become %q", id, status)
}

// add puts a task into the store.
func (w *world) add(typ domain.TaskType, payload string, changes ...func(*domain.Task)) domain.TaskID {
	w.t.Helper()
	task := domain.NewTask(uuid.Must(uuid.NewV7()), typ, []byte(payload))
	for _, change := range changes {
		change(task)
	}
	_, err := w.queue.Enqueue(w.t.Context(), task)
	require.NoError(w.t, err)
	return task.ID
}

// claim takes a task of the type, for longer than the test lasts.
func (w *world) claim(typ domain.TaskType) domain.Lease {
	w.t.Helper()
	tasks, err := w.queue.Dequeue(w.t.Context(), ports.ClaimRequest{
		ID: uuid.New(), Max: 1, Lease: time.Hour, Types: []domain.TaskType{typ}, Wait: patience,
	})
	require.NoError(w.t, err)
	require.Len(w.t, tasks, 1, "a task of type %s should be ready", typ)
	return *tasks[0].Lease
}

// report ends a run.
func (w *world) report(u ports.TaskUpdate) {
	w.t.Helper()
	require.NoError(w.t, w.queue.UpdateTask(w.t.Context(), u))
}

// fail runs a task of the type to its end, with these errors one after the other.
func (w *world) fail(typ domain.TaskType, errors ...domain.TaskError) {
	w.t.Helper()
	for i, failure := range errors {
		u := ports.TaskUpdate{Lease: w.claim(typ), Outcome: ports.OutcomeFailed, Failure: failure}
		if i < len(errors)-1 {
			u.Outcome, u.RetryIn = ports.OutcomeRetry, 0
		}
		w.report(u)
		_, err := w.queue.PromoteDue(w.t.Context(), 100)
		require.NoError(w.t, err)
	}
}

// states are the tasks that seedTasks makes, by what became of them.
type states struct {
	pending, scheduled, processing, completed, failed, panicked, retrying, cancelled domain.TaskID
}

const stack = `goroutine 41 [running]:
runtime/debug.Stack()
	/usr/local/go/src/runtime/debug/stack.go:26 +0x5e
example.test/render.(*Renderer).Page(0xc0001a2000, 0x11)
	/src/render/page.go:188 +0x1d4
example.test/render.(*Processor).Process(0xc00011e0f0)
	/src/render/processor.go:57 +0x9c`

// seedTasks makes tasks in every state.
func (w *world) seedTasks() states {
	w.t.Helper()
	var s states
	mail := func(t *domain.Task) { t.Queue = "mail" }
	for range 6 {
		s.pending = w.add("email.send", `{"to":"ada@example.test","template":"welcome","locale":"en"}`, mail)
	}
	w.add("email.send", `{"to":"grace@example.test","template":"invoice"}`, mail, func(t *domain.Task) { t.Priority = domain.PriorityHigh })
	s.scheduled = w.add("report.nightly", `{"day":"2026-11-24"}`, func(t *domain.Task) { t.Delay, t.UniqueKey = 2*time.Hour, "nightly:2026-11-24" })
	s.completed = w.add("invoice.pdf", `{"invoice":20412}`)
	w.report(ports.TaskUpdate{Lease: w.claim("invoice.pdf"), Outcome: ports.OutcomeCompleted, Result: []byte(`{"pages":3,"bytes":48211,"url":"s3://invoices/20412.pdf"}`)})
	s.failed = w.add("webhook.deliver", `{"url":"https://shop.example.test/hook","event":"order.paid"}`)
	w.fail("webhook.deliver",
		domain.TaskError{Reason: domain.ReasonError, Message: "POST https://shop.example.test/hook: 503 Service Unavailable"},
		domain.TaskError{Reason: domain.ReasonTimeout, Message: "context deadline exceeded after 10s"},
		domain.TaskError{Reason: domain.ReasonPermanent, Message: "POST https://shop.example.test/hook: 410 Gone"})
	s.panicked = w.add("report.render", `{"report":"q3"}`)
	w.fail("report.render", domain.TaskError{Reason: domain.ReasonPanic, Message: "runtime error: index out of range [17] with length 17", Stack: stack})
	s.retrying = w.add("video.encode", `{"video":"a81f","profile":"1080p"}`, func(t *domain.Task) { t.Queue = "media" })
	w.report(ports.TaskUpdate{Lease: w.claim("video.encode"), Outcome: ports.OutcomeRetry, RetryIn: 30 * time.Minute,
		Failure: domain.TaskError{Reason: domain.ReasonError, Message: "encoder exited with status 137"}})
	s.cancelled = w.add("crm.sync", `{"account":7}`)
	require.NoError(w.t, w.queue.CancelTask(w.t.Context(), s.cancelled))
	s.processing = w.add("thumbnail.make", `{"image":"9c31.jpg","sizes":[64,256,1024]}`, func(t *domain.Task) { t.Queue = "media" })
	w.claim("thumbnail.make")
	return s
}

// seedSample sends logs of a day with faults, real ones of nginx, PostgreSQL and
// Redis, and waits until they were analysed.
func (w *world) seedSample() {
	w.t.Helper()
	const folder = "../../../cmd/logsift/sample"
	entries, err := os.ReadDir(folder)
	require.NoError(w.t, err)
	for _, entry := range entries {
		source, isLog := strings.CutSuffix(entry.Name(), ".log.gz")
		if !isLog {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		require.NoError(w.t, err)
		require.Equal(w.t, http.StatusAccepted, w.call(http.MethodPost, "/api/v1/logs?source="+source, "gzip", bytes.NewReader(raw), nil))
	}
	w.awaitAnalyses(1)
}

// seedLogs stores entries of now, that the logs page shows by its time presets.
func (w *world) seedLogs(entries ...domain.LogEntry) domain.BatchID {
	w.t.Helper()
	batch := uuid.Must(uuid.NewV7())
	for i := range entries {
		if entries[i].ID == uuid.Nil {
			entries[i].ID = uuid.Must(uuid.NewV7())
		}
	}
	_, err := w.logs.SaveLogs(w.t.Context(), batch, entries...)
	require.NoError(w.t, err)
	return batch
}

// awaitAnalyses waits until all analyses are done, of which there are at least n.
func (w *world) awaitAnalyses(n int64) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		var list wire.TaskList
		w.call(http.MethodGet, "/api/v1/queue/tasks?type=log_analysis&limit=200", "", nil, &list)
		done := int64(0)
		for _, task := range list.Tasks {
			if task.Status != "COMPLETED" {
				return false
			}
			done++
		}
		return done >= n
	}, patience, patience/300, "the logs should be analysed")
}

// anomalyOf stores an analysis that found this anomaly in these entries.
func (w *world) anomalyOf(a domain.Anomaly, entries ...domain.LogEntry) {
	w.t.Helper()
	batch := w.seedLogs(entries...)
	for _, e := range entries {
		a.LogIDs = append(a.LogIDs, e.ID)
	}
	require.NoError(w.t, w.logs.SaveAnalysis(w.t.Context(), batch, domain.AnalysisResult{
		Analyzer: "builtin", SchemaVersion: domain.AnalysisSchemaVersion, LogCount: len(entries), AnalysedCount: len(entries),
		Severity: a.Severity, Anomalies: []domain.Anomaly{a},
	}))
}

// explained is an anomaly with the words of an AI service, and its entries.
func explained(at time.Time) (domain.Anomaly, []domain.LogEntry) {
	var entries []domain.LogEntry
	var samples []string
	for i := range 40 {
		message := "pool exhausted: 50 of 50 connections in use, waited 30000 ms for shard " + string(rune('a'+i%5))
		entries = append(entries, domain.LogEntry{
			ID: uuid.Must(uuid.NewV7()), Timestamp: at.Add(time.Duration(i*i) * time.Second), Level: domain.LogLevelError,
			Source: "checkout", Message: message, Attributes: map[string]string{"trace_id": "4bf92f3577b34da6", "host": "web-3", "pid": "2211"},
		})
		if i < 3 {
			samples = append(samples, message)
		}
	}
	return domain.Anomaly{
		ID: "an-explained-one", Kind: domain.AnomalyErrorBurst, Category: domain.CategoryDependency, Severity: domain.SeverityCritical,
		Score: 0.93, Confidence: 0.88, TemplateID: "t1", Template: "pool exhausted: <*> of <*> connections in use, waited <*> ms for shard <*>",
		SampleLines: samples, Count: len(entries), Expected: 1.5, FirstSeen: entries[0].Timestamp, LastSeen: entries[len(entries)-1].Timestamp,
		Services: []string{"checkout", "payments"}, Sessions: []string{"4bf92f3577b34da6", "req-20411"},
		Evidence:        "40 errors in 25 minutes, where 1.5 are usual",
		Explanation:     "The checkout service ran out of database connections. Requests waited 30 s each and failed; the rise begins right after the deployment at 08:00.",
		SuggestedAction: "Look for queries that hold their connection too long, and raise the pool of the checkout service to 100 until they are fixed.",
		Cause:           "connection pool exhausted", Source: "llm+local",
	}, entries
}

// withoutWorkers has a logsift work on nothing.
func withoutWorkers(c *bootstrap.Config) { c.Workers = 0 }

// claimNow takes a task of the type if one can be had at once.
func (w *world) claimNow(typ domain.TaskType) []*domain.Task {
	w.t.Helper()
	tasks, err := w.queue.Dequeue(w.t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Hour, Types: []domain.TaskType{typ}})
	require.NoError(w.t, err)
	return tasks
}

// seedPlans makes the schedule nightly, and a workflow whose tasks load, mail and alarm wait for
// each other.
func (w *world) seedPlans() (flow wire.Workflow) {
	w.t.Helper()
	const body = `{"every_seconds":3600,"task":{"type":"log_analysis","queue":"reports","payload":{"batch_id":"018f3c2e-0000-7000-8000-000000000001"}}}`
	require.Equal(w.t, http.StatusCreated, w.call(http.MethodPut, "/api/v1/queue/schedules/nightly", "application/json", strings.NewReader(body), nil))
	const node = `"type":"log_analysis","payload":{"batch_id":"018f3c2e-0000-7000-8000-000000000001"}`
	const graph = `{"name":"daily","tasks":[{"ref":"load",` + node + `},{"ref":"mail",` + node + `,"after":["load"]},{"ref":"alarm",` + node + `,"after":["load"],"when":"failure"}]}`
	require.Equal(w.t, http.StatusCreated, w.call(http.MethodPost, "/api/v1/queue/workflows", "application/json", strings.NewReader(graph), &flow))
	return flow
}
