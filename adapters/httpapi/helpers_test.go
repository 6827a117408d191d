package httpapi_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/openapitest"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

const (
	tasksPath     = "/api/v1/queue/tasks"
	batchPath     = "/api/v1/queue/tasks:batch"
	statsPath     = "/api/v1/queue/stats"
	logsPath      = "/api/v1/logs"
	anomaliesPath = "/api/v1/anomalies"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// queueStub is a queue service that keeps tasks in a map and counts its calls.
type queueStub struct {
	mu     sync.Mutex
	tasks  map[domain.TaskID]*domain.Task
	writes int   // calls that could have changed something
	err    error // what every call but GetSchedulerStats returns, if not nil
	// partErr is what each task of a call is refused with, if not nil.
	partErr error
	filter  domain.TaskFilter // of the newest list
	page    domain.TaskPage
	bulk    domain.BulkRequest // the newest one
	result  domain.BulkResult  // of every bulk action
	stats   domain.QueueStats
	sched   domain.SchedulerStats
}

func (q *queueStub) write() error {
	q.writes++
	return q.err
}

func (q *queueStub) ScheduleTasks(_ context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.write(); err != nil {
		return nil, err
	}
	out, errs := make([]*domain.Task, len(tasks)), make([]error, len(tasks))
	for i, t := range tasks {
		out[i], errs[i] = q.schedule(t)
	}
	return out, domain.NewBatchError(errs)
}

func (q *queueStub) schedule(t *domain.Task) (*domain.Task, error) {
	if q.partErr != nil {
		return nil, q.partErr
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	if !slices.Contains(q.sched.TaskTypes, t.Type) {
		return nil, fmt.Errorf("%w: %s", domain.ErrUnknownTaskType, t.Type)
	}
	if old, ok := q.tasks[t.ID]; ok {
		if !old.SameContents(t) {
			return nil, domain.ErrTaskExists
		}
		return old.Clone(), nil
	}
	for _, old := range q.tasks {
		if t.UniqueKey != "" && old.UniqueKey == t.UniqueKey {
			return nil, &domain.DuplicateError{UniqueKey: t.UniqueKey, Holder: old.ID}
		}
	}
	t = t.Clone()
	t.CreatedAt = now
	if t.Delay > 0 {
		t.ScheduledAt = now.Add(t.Delay)
	}
	q.tasks[t.ID] = t
	return t.Clone(), nil
}

func (q *queueStub) GetTask(_ context.Context, id domain.TaskID) (*domain.Task, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return nil, q.err
	}
	t, ok := q.tasks[id]
	if !ok {
		return nil, fmt.Errorf("%w: %s", domain.ErrTaskNotFound, id)
	}
	return t.Clone(), nil
}

func (q *queueStub) ListTasks(_ context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.filter = filter
	return q.page, q.err
}

// change applies f to the task, whose error is that of a call for one item.
func (q *queueStub) change(ids []domain.TaskID, f func(*domain.Task) error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.write(); err != nil {
		return err
	}
	t, ok := q.tasks[ids[0]]
	if !ok {
		return domain.NewBatchError([]error{domain.ErrTaskNotFound})
	}
	return domain.NewBatchError([]error{f(t)})
}

func (q *queueStub) DeleteTask(_ context.Context, ids ...domain.TaskID) error {
	return q.change(ids, func(t *domain.Task) error {
		if t.Status == domain.TaskStatusProcessing {
			return &domain.TransitionError{TaskID: t.ID, From: t.Status}
		}
		delete(q.tasks, t.ID)
		return nil
	})
}

func (q *queueStub) RetryTask(_ context.Context, ids ...domain.TaskID) error {
	return q.change(ids, (*domain.Task).RunAgain)
}

func (q *queueStub) CancelTask(_ context.Context, ids ...domain.TaskID) error {
	return q.change(ids, func(t *domain.Task) error { return t.MarkAsCancelled(now) })
}

func (q *queueStub) RunTaskNow(_ context.Context, ids ...domain.TaskID) error {
	return q.change(ids, (*domain.Task).RunNow)
}

func (q *queueStub) ChangeTasks(_ context.Context, req domain.BulkRequest) (domain.BulkResult, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bulk = req
	return q.result, q.write()
}

func (q *queueStub) GetQueueStats(context.Context) (domain.QueueStats, error) { return q.stats, q.err }

func (q *queueStub) GetSchedulerStats() domain.SchedulerStats { return q.sched }

// logsStub is a log service that remembers what it got.
type logsStub struct {
	mu        sync.Mutex
	entries   []domain.LogEntry
	writes    int
	err       error
	filter    domain.LogFilter
	page      domain.LogPage
	anomalies domain.AnomalyFilter
	found     domain.AnomalyPage
	history   domain.AnomalyHistory
	behind    domain.AnomalyLogs
	asked     []any // the arguments of the newest call for one anomaly
}

var analysisTask = uuid.MustParse("0190f000-0000-7000-8000-00000000a1a1")

func (l *logsStub) CreateLogs(_ context.Context, entries ...domain.LogEntry) (domain.LogReceipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes++
	if l.err != nil {
		return domain.LogReceipt{}, l.err
	}
	receipt := domain.LogReceipt{TaskIDs: []domain.TaskID{analysisTask}}
	for i := range entries {
		if err := entries[i].Validate(); err != nil {
			return domain.LogReceipt{}, fmt.Errorf("the API let an invalid entry through: %v", err) //nolint:errorlint // it must not look like the client's fault
		}
		receipt.LogIDs = append(receipt.LogIDs, entries[i].ID)
	}
	l.entries = append(l.entries, entries...)
	return receipt, nil
}

func (l *logsStub) GetLog(_ context.Context, id domain.LogID) (domain.LogEntry, error) {
	if l.err != nil {
		return domain.LogEntry{}, l.err
	}
	for _, e := range l.entries {
		if e.ID == id {
			return e, nil
		}
	}
	return domain.LogEntry{}, domain.ErrLogNotFound
}

func (l *logsStub) ListLogs(_ context.Context, filter domain.LogFilter) (domain.LogPage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.filter = filter
	return l.page, l.err
}

func (l *logsStub) ListAnomalies(_ context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.anomalies = filter
	return l.found, l.err
}

func (l *logsStub) GetAnomaly(_ context.Context, id string) (domain.AnomalyHistory, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = []any{id}
	if l.err == nil && l.history.ID == "" {
		return l.history, domain.ErrAnomalyNotFound
	}
	return l.history, l.err
}

func (l *logsStub) ListAnomalyLogs(_ context.Context, id string, limit int, cursor string) (domain.AnomalyLogs, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = []any{id, limit, cursor}
	return l.behind, l.err
}

// fleetStub is a fleet service that keeps which queues are paused.
type fleetStub struct {
	mu         sync.Mutex // guards what calls change
	queues     map[string]domain.QueueInfo
	schedulers []domain.SchedulerReport
	minutes    int // of the newest call for the history
	history    []domain.HistoryPoint
	err        error
}

func (f *fleetStub) ListQueues(context.Context) ([]domain.QueueInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := slices.SortedFunc(maps.Values(f.queues), func(a, b domain.QueueInfo) int { return strings.Compare(a.Name, b.Name) })
	return out, f.err
}

func (f *fleetStub) PauseQueue(_ context.Context, name string) (domain.QueueInfo, error) {
	return f.set(name, now)
}

func (f *fleetStub) ResumeQueue(_ context.Context, name string) (domain.QueueInfo, error) {
	return f.set(name, time.Time{})
}

func (f *fleetStub) set(name string, pausedAt time.Time) (domain.QueueInfo, error) {
	if err := domain.ValidateName("queue", name); err != nil || f.err != nil {
		return domain.QueueInfo{}, cmp.Or(f.err, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	info := f.queues[name]
	info.Name, info.Paused, info.PausedAt = name, !pausedAt.IsZero(), pausedAt
	f.queues[name] = info
	return info, nil
}

func (f *fleetStub) ListSchedulers(context.Context) ([]domain.SchedulerReport, error) {
	return f.schedulers, f.err
}

func (f *fleetStub) GetHistory(_ context.Context, minutes int) ([]domain.HistoryPoint, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.minutes = minutes
	return f.history, f.err
}

type probeFunc func(context.Context) map[string]error

func (f probeFunc) Ready(ctx context.Context) map[string]error { return f(ctx) }

// world is an API over stubs.
type world struct {
	queue *queueStub
	fleet *fleetStub
	logs  *logsStub
	keyed *keyedStub
	ready map[string]error
	log   *observer.ObservedLogs
	api   *httpapi.API
}

func newWorld(cfg httpapi.Config, change ...func(*httpapi.Deps)) *world {
	core, log := observer.New(zapcore.DebugLevel)
	w := &world{
		queue: &queueStub{
			tasks: map[domain.TaskID]*domain.Task{},
			sched: domain.SchedulerStats{TaskTypes: []domain.TaskType{"echo", domain.TaskTypeLogAnalysis}},
		},
		fleet: &fleetStub{queues: map[string]domain.QueueInfo{}},
		logs:  &logsStub{}, keyed: &keyedStub{calls: map[string]*keyedStubCall{}}, log: log,
	}
	deps := httpapi.Deps{
		Queue: w.queue, Fleet: w.fleet, Logs: w.logs, KeyedCalls: w.keyed, Logger: zap.New(core),
		Readiness: probeFunc(func(context.Context) map[string]error { return w.ready }),
		Now:       func() time.Time { return now },
	}
	for _, f := range change {
		f(&deps)
	}
	w.api = httpapi.New(deps, cfg)
	return w
}

// add puts a task into the queue.
func (w *world) add(change func(*domain.Task)) *domain.Task {
	t := domain.NewTask(uuid.New(), "echo", []byte(`{"n":1}`))
	t.CreatedAt = now
	if change != nil {
		change(t)
	}
	w.queue.tasks[t.ID] = t
	return t
}

// do sends a request; headers are pairs of name and value.
func (w *world) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	out := httptest.NewRecorder()
	openapitest.API().Handler(w.api.Handler()).ServeHTTP(out, r)
	return out
}

// answer requires a JSON answer of the status and decodes it.
func answer[T any](t *testing.T, res *httptest.ResponseRecorder, status int) T {
	t.Helper()
	require.Equal(t, status, res.Code, res.Body.String())
	require.Equal(t, "application/json", res.Header().Get("Content-Type"))
	require.True(t, strings.HasSuffix(res.Body.String(), "\n"), "answers end with a newline")
	return decode[T](t, res.Body)
}

// problem requires a problem of the status and kind and decodes it.
func problem(t *testing.T, res *httptest.ResponseRecorder, status int, kind string) wire.Problem {
	t.Helper()
	require.Equal(t, status, res.Code, res.Body.String())
	require.Equal(t, "application/problem+json", res.Header().Get("Content-Type"))
	p := decode[wire.Problem](t, res.Body)
	require.Equal(t, "urn:logsift:problem:"+kind, p.Type)
	require.Equal(t, status, p.Status)
	require.NotEmpty(t, p.Title)
	require.NotEmpty(t, p.Detail)
	require.Equal(t, res.Header().Get("X-Request-Id"), p.RequestID)
	require.NotEmpty(t, p.RequestID)
	require.Equal(t, "</problems/"+kind+`>; rel="help"`, res.Header().Get("Link"))
	return p
}

// fieldProblem requires a 400 that names the field and only that.
func fieldProblem(t *testing.T, res *httptest.ResponseRecorder, field string) wire.Problem {
	t.Helper()
	p := problem(t, res, http.StatusBadRequest, "invalid-request")
	require.Len(t, p.Errors, 1, p.Detail)
	require.Equal(t, field, p.Errors[0].Field, p.Detail)
	require.NotEmpty(t, p.Errors[0].Detail)
	return p
}

func decode[T any](t *testing.T, r io.Reader) T {
	t.Helper()
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var v T
	require.NoError(t, dec.Decode(&v))
	return v
}
