package fault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/application"
	"logsift/bootstrap"
	"logsift/domain"
	"logsift/ports"
)

// lease is that of workers unless a test says otherwise, and takeover how long
// after a worker's death its tasks have to be claimable: the lease and what the
// reaper may take on a slow machine.
const (
	lease    = 2 * time.Second
	takeover = lease + 5*time.Second
)

// world is a queue on a Redis, seen by the test itself.
type world struct {
	server    *redistest.Server
	namespace string
	queue     *redisstore.TaskQueue
	client    *redisstore.Client
	raw       *redis.Client
	// offset moves the clock of the queue.
	offset atomic.Int64
}

// sharedWorld is on the server of all tests, which works well.
func sharedWorld(t *testing.T) *world {
	t.Helper()
	server, namespace := redistest.Shared(t)
	return openWorld(t, server, namespace)
}

// newWorld is on a server of its own.
func newWorld(t *testing.T, args ...string) *world {
	t.Helper()
	return openWorld(t, redistest.Start(t, args...), "logsift")
}

func openWorld(t *testing.T, server *redistest.Server, namespace string) *world {
	t.Helper()
	w := &world{server: server, namespace: namespace}
	w.client, w.queue = w.open(t, server.URL(), 0)
	w.raw = redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, w.raw.Close()) })
	return w
}

// open opens the queue by a URL, with time-outs of its own unless they are 0.
func (w *world) open(t *testing.T, url string, timeout time.Duration) (*redisstore.Client, *redisstore.TaskQueue) {
	t.Helper()
	client, err := redisstore.Open(t.Context(), redisstore.Config{
		URL: url, Namespace: w.namespace, CallTimeout: timeout, IOTimeout: timeout,
		ClockOffset: func() time.Duration { return time.Duration(w.offset.Load()) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client, client.TaskQueue
}

// worker is the configuration of a worker of this queue.
func (w *world) worker(name string, workers int) childConfig {
	return childConfig{Role: roleWorker, Name: name, URL: w.server.URL(), Namespace: w.namespace, Workers: workers}
}

// quick is a worker whose tasks complete at once.
func (w *world) quick(name string, workers int) childConfig {
	c := w.worker(name, workers)
	c.Quick = true
	return c
}

// newTask makes a task of the workers.
func newTask(do string, d time.Duration, change ...func(*domain.Task)) *domain.Task {
	payload, err := json.Marshal(work{Do: do, For: d})
	if err != nil {
		panic(err) // A struct of plain fields always marshals.
	}
	task := domain.NewTask(uuid.Must(uuid.NewV7()), taskType, payload)
	for _, f := range change {
		f(task)
	}
	return task
}

// tasks makes n tasks that do the same.
func tasks(n int, do string, d time.Duration) []*domain.Task {
	out := make([]*domain.Task, n)
	for i := range out {
		out[i] = newTask(do, d)
	}
	return out
}

func (w *world) add(t *testing.T, tasks ...*domain.Task) {
	t.Helper()
	_, err := w.queue.Enqueue(t.Context(), tasks...)
	require.NoError(t, err)
}

func (w *world) task(t *testing.T, id domain.TaskID) *domain.Task {
	t.Helper()
	task, err := w.queue.GetTask(t.Context(), id)
	require.NoError(t, err)
	return task
}

// claim claims n tasks for a lease.
func (w *world) claim(t *testing.T, n int, lease time.Duration) []*domain.Task {
	t.Helper()
	got, err := w.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: n, Lease: lease, Wait: patience})
	require.NoError(t, err)
	require.Len(t, got, n)
	return got
}

func completed(task *domain.Task, result string) ports.TaskUpdate {
	return ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeCompleted, Result: []byte(result)}
}

// awaitStatus waits for tasks to reach a status and returns the last of them.
func (w *world) awaitStatus(t *testing.T, status domain.TaskStatus, tasks ...*domain.Task) *domain.Task {
	t.Helper()
	var task *domain.Task
	for _, want := range tasks {
		require.Eventually(t, func() bool {
			var err error
			task, err = w.queue.GetTask(t.Context(), want.ID)
			return err == nil && task.Status == status
		}, patience, 10*time.Millisecond, "task %s should become %s", want.ID, status)
	}
	return task
}

// awaitStats waits until the counts are as wanted.
func (w *world) awaitStats(t *testing.T, what string, want func(domain.QueueStats) bool) {
	t.Helper()
	var stats domain.QueueStats
	ok := func() bool {
		var err error
		stats, err = w.queue.GetQueueStats(t.Context())
		return err == nil && want(stats)
	}
	require.Eventually(t, ok, patience, 20*time.Millisecond, "%s", what)
}

// counters are those of a task that faults must not mix up.
func counters(task *domain.Task) [3]int {
	return [3]int{task.Attempt, task.Deliveries, task.Recoveries}
}

// onceRecovered is a task that a dead worker lost once and another completed.
var onceRecovered = [3]int{1, 2, 1}

// dump returns everything that the namespace holds, by key.
func (w *world) dump(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	keys := w.raw.Scan(t.Context(), 0, "{"+w.namespace+":*", 1000).Iterator()
	for keys.Next(t.Context()) {
		value, err := w.raw.Dump(t.Context(), keys.Val()).Result()
		require.NoError(t, err)
		out[keys.Val()] = value
	}
	require.NoError(t, keys.Err())
	return out
}

// audit requires that nothing in the store contradicts anything else in it, and
// returns the counts.
func (w *world) audit(t *testing.T) domain.QueueStats {
	t.Helper()
	var findings []domain.Finding
	_, err := redisstore.NewVerifier(w.client).Verify(t.Context(), ports.VerifyRequest{
		Report: func(f domain.Finding) { findings = append(findings, f) },
	})
	require.NoError(t, err)
	require.Empty(t, findings)
	stats, err := w.queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	return stats
}

// key is the name of a part of the queue.
func (w *world) key(part string) string { return "{" + w.namespace + ":0}:" + part }

// processorFunc is a processor made of a function.
type processorFunc func(context.Context, *domain.Task) ([]byte, error)

func (f processorFunc) Process(ctx context.Context, t *domain.Task) ([]byte, error) { return f(ctx, t) }

// complete is a processor that completes its task at once.
func complete(context.Context, *domain.Task) ([]byte, error) { return []byte(`"test"`), nil }

// scheduler runs a scheduler in this process until the test ends. It has a
// connection of its own.
func (w *world) scheduler(t *testing.T, config application.SchedulerConfig, process processorFunc) *application.DefaultScheduler {
	t.Helper()
	_, queue := w.open(t, w.server.URL(), 0)
	if config.Lease == 0 {
		config.Lease = lease
	}
	s, err := application.NewScheduler(queue, config, nil)
	require.NoError(t, err)
	if process != nil {
		require.NoError(t, s.RegisterProcessor(taskType, process))
	}
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() {
		// A test that cares about the end stops it before.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Second)
		defer cancel()
		_ = s.Stop(ctx)
	})
	return s
}

// maintainer recovers, promotes and purges for tests whose workers may all be
// dead.
func (w *world) maintainer(t *testing.T) *application.DefaultScheduler {
	t.Helper()
	return w.scheduler(t, application.SchedulerConfig{Workers: application.NoWorkers, Maintain: true}, nil)
}

// receive waits for an item, or the end, of a channel.
func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	var v T
	select {
	case v = <-ch:
	case <-time.After(patience):
		require.Fail(t, "what should happen does not")
	}
	return v
}

// pause waits for time to pass where there is nothing to wait for.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// shortLease is that of a product whose calls to Redis are to end soon: a call may
// take half of it. callLimit adds what a busy machine may take.
const (
	shortLease = 2 * time.Second
	callLimit  = shortLease/2 + 2*time.Second
)

// api is the HTTP API of a product.
type api struct{ base string }

// answer is what an API answered.
type answer struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration
}

// config is that of a product on the world's queue.
func (w *world) config() bootstrap.Config {
	c := bootstrap.DefaultConfig()
	c.Store, c.Namespace, c.Addr, c.LogLevel, c.LogFormat = w.server.URL(), w.namespace, "127.0.0.1:0", "error", "json"
	c.Workers, c.Lease, c.BatchAge = 2, 8*time.Second, 20*time.Millisecond
	c.DrainTimeout, c.Retry = 5*time.Second, domain.RetryPolicy{Kind: domain.RetryFixed, Base: 100 * time.Millisecond, Cap: domain.DefaultRetryCap}
	return c
}

// apiOnly is that of a product without workers.
func (w *world) apiOnly() bootstrap.Config {
	c := w.config()
	c.Workers = 0
	return c
}

// app runs a product in this process until the test ends.
func app(t *testing.T, c bootstrap.Config) (*bootstrap.App, api) {
	t.Helper()
	a, err := bootstrap.New(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, a.Start(t.Context()))
	// A test that cares about the end has stopped it before.
	t.Cleanup(func() { _ = a.Stop(context.WithoutCancel(t.Context())) })
	return a, api{a.URL()}
}

// child runs a product in a process of its own.
func (w *world) child(t *testing.T, c bootstrap.Config) (*process, api) {
	t.Helper()
	p := spawn(t, childConfig{Role: roleApp, App: &c})
	return p, api{"http://" + p.await(t, "being ready", kind("ready", "")).Text}
}

// try sends a request. Nothing of the connection stays.
func (a api) try(ctx context.Context, method, path, contentType string, body io.Reader) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return answer{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return send(req)
}

// send sends a request on a connection of its own.
func send(req *http.Request) (answer, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	begun := time.Now()
	res, err := (&http.Client{Transport: transport, Timeout: patience}).Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return answer{status: res.StatusCode, header: res.Header, body: raw, took: time.Since(begun)}, err
}

func (a api) call(t *testing.T, method, path, contentType, body string) answer {
	t.Helper()
	got, err := a.try(t.Context(), method, path, contentType, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	return got
}

func (a api) get(t *testing.T, path string) answer {
	t.Helper()
	return a.call(t, http.MethodGet, path, "", "")
}

// The API's paths, and a task that completes although its log entry is not there.
const (
	tasksPath    = "/api/v1/queue/tasks"
	statsPath    = "/api/v1/queue/stats"
	analysisTask = `{"type":"log_analysis","payload":{"log_ids":["0198c5a2-0000-7000-8000-000000000001"]}}`
)

// post schedules an analysis.
func (a api) post(t *testing.T) answer {
	t.Helper()
	return a.call(t, http.MethodPost, tasksPath, "application/json", analysisTask)
}

// posted schedules an analysis that has to be accepted, and returns its id.
func (a api) posted(t *testing.T) domain.TaskID {
	t.Helper()
	got := a.post(t)
	require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
	return decode[wire.Task](t, got).ID
}

// sendLogs stores some log lines and returns the id of the task that analyses them.
func (a api) sendLogs(t *testing.T) domain.TaskID {
	t.Helper()
	got := a.call(t, http.MethodPost, "/api/v1/logs?source=app", "text/plain",
		"2026-05-01 08:00:00 INFO started\n2026-05-01 08:00:01 ERROR cannot open /etc/app.conf: permission denied\n")
	require.Equal(t, http.StatusAccepted, got.status, "%s", got.body)
	ids := decode[wire.LogReceipt](t, got).TaskIDs
	require.Len(t, ids, 1)
	return ids[0]
}

func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var out T
	require.NoError(t, json.Unmarshal(a.body, &out), "%d %s", a.status, a.body)
	return out
}

// refused requires that an answer says that the store is away, and to come again.
func refused(t *testing.T, got answer, status int, problem string) {
	t.Helper()
	require.Equal(t, status, got.status, "%s", got.body)
	require.Equal(t, "urn:logsift:problem:"+problem, decode[wire.Problem](t, got).Type)
	if status == http.StatusServiceUnavailable {
		require.NotEmpty(t, got.header.Get("Retry-After"))
	}
}

// awaitOK waits until a path answers with 200.
func (a api) awaitOK(t *testing.T, path string, within time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool {
		got, err := a.try(t.Context(), http.MethodGet, path, "", nil)
		return err == nil && got.status == http.StatusOK
	}, within, 20*time.Millisecond, "%s should answer", path)
}

// awaitTask waits until a task has a status.
func (a api) awaitTask(t *testing.T, id domain.TaskID, status domain.TaskStatus) wire.Task {
	t.Helper()
	var task wire.Task
	require.Eventually(t, func() bool {
		got := a.get(t, fmt.Sprintf("%s/%s", tasksPath, id))
		task = wire.Task{}
		return got.status == http.StatusOK && json.Unmarshal(got.body, &task) == nil && task.Status == status.String()
	}, patience, 20*time.Millisecond, "task %s should become %s", id, status)
	return task
}

// info reads a section of Redis' own figures: by name, and what is a list by
// name:item too.
func (w *world) info(t *testing.T, section string) map[string]string {
	t.Helper()
	text, err := w.raw.Info(t.Context(), section).Result()
	require.NoError(t, err)
	out := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		out[name] = value
		for item := range strings.SplitSeq(value, ",") {
			if key, figure, ok := strings.Cut(item, "="); ok {
				out[name+":"+key] = figure
			}
		}
	}
	return out
}
