package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/openapitest"
	"logsift/adapters/httpapi/wire"
	"logsift/adapters/memstore"
	"logsift/domain"
)

// World is an API over stubs.
type World struct {
	Queue      *QueueStub
	Operations *OperationsStub
	Schedules  *SchedulesStub
	Limits     *LimitsStub
	Workflows  *memstore.TaskQueue
	Logs       *LogsStub
	Workers    *WorkersStub
	Idempotent *IdempotentStub
	Ready      map[string]error
	Log        *observer.ObservedLogs
	API        *httpapi.API
}

// New returns an API over stubs.
func New(cfg httpapi.Config, change ...func(*httpapi.Deps)) *World {
	core, log := observer.New(zapcore.DebugLevel)
	w := &World{Queue: &QueueStub{}, Operations: &OperationsStub{}, Schedules: &SchedulesStub{}, Limits: &LimitsStub{}, Workflows: memstore.NewTaskQueue(memstore.Config{Now: func() time.Time { return Now }}), Logs: &LogsStub{}, Workers: &WorkersStub{}, Idempotent: &IdempotentStub{}, Log: log}
	w.Forget()
	deps := httpapi.Deps{
		Queue: w.Queue, Operations: w.Operations, Schedules: w.Schedules, Limits: w.Limits, Workflows: w.Workflows, Logs: w.Logs, Workers: w.Workers, Idempotent: w.Idempotent, Logger: zap.New(core),
		States:    memstore.NewLogRepository(memstore.Config{}),
		Readiness: ProbeFunc(func(context.Context) map[string]error { return w.Ready }),
		Now:       func() time.Time { return Now },
	}
	for _, f := range change {
		f(&deps)
	}
	w.API = httpapi.New(deps, cfg)
	return w
}

// Forget makes the stubs as New made them. A fuzz test calls it for each input: a new
// API would cost ten times what the request does. It must not run beside a request.
func (w *World) Forget() {
	*w.Queue = QueueStub{
		Tasks: map[domain.TaskID]*domain.Task{},
		Sched: domain.SchedulerStats{TaskTypes: []domain.TaskType{"echo", domain.TaskTypeLogAnalysis}},
	}
	*w.Operations = OperationsStub{Queues: map[string]domain.QueueInfo{}}
	*w.Schedules = SchedulesStub{Records: map[string]domain.ScheduleRecord{}}
	*w.Limits = LimitsStub{Limits: map[string]domain.LimitUse{}}
	*w.Logs = LogsStub{}
	*w.Workers = WorkersStub{TaskQueue: memstore.NewTaskQueue(memstore.Config{})}
	*w.Idempotent = IdempotentStub{Calls: map[string]*IdempotentStubCall{}}
	w.Log.TakeAll()
}

// Run runs f as a parallel subtest with an API of its own.
func Run(t *testing.T, name string, cfg httpapi.Config, f func(t *testing.T, w *World)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		f(t, New(cfg))
	})
}

// Add puts a task into the queue.
func (w *World) Add(change func(*domain.Task)) *domain.Task {
	t := domain.NewTask(uuid.New(), "echo", []byte(`{"n":1}`))
	t.CreatedAt = Now
	if change != nil {
		change(t)
	}
	w.Queue.Tasks[t.ID] = t
	return t
}

// Do sends a request; headers are pairs of name and value.
func (w *World) Do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return openapitest.API().Serve(w.API.Handler(), r)
}

// Answer requires a JSON answer of the status and decodes it.
func Answer[T any](t *testing.T, res *httptest.ResponseRecorder, status int) T {
	t.Helper()
	require.Equal(t, status, res.Code, res.Body.String())
	require.Equal(t, "application/json", res.Header().Get("Content-Type"))
	require.True(t, strings.HasSuffix(res.Body.String(), "\n"), "answers end with a newline")
	return Decode[T](t, res.Body)
}

// Problem requires a problem of the status and kind and decodes it.
func Problem(t *testing.T, res *httptest.ResponseRecorder, status int, kind string) wire.Problem {
	t.Helper()
	require.Equal(t, status, res.Code, res.Body.String())
	require.Equal(t, "application/problem+json", res.Header().Get("Content-Type"))
	p := Decode[wire.Problem](t, res.Body)
	require.Equal(t, "urn:logsift:problem:"+kind, p.Type)
	require.Equal(t, status, p.Status)
	require.NotEmpty(t, p.Title)
	require.NotEmpty(t, p.Detail)
	require.Equal(t, res.Header().Get("X-Request-Id"), p.RequestID)
	require.NotEmpty(t, p.RequestID)
	require.Equal(t, "</problems/"+kind+`>; rel="help"`, res.Header().Get("Link"))
	return p
}

// FieldProblem requires a 400 that names the field and only that.
func FieldProblem(t *testing.T, res *httptest.ResponseRecorder, field string) wire.Problem {
	t.Helper()
	p := Problem(t, res, http.StatusBadRequest, "invalid-request")
	require.Len(t, p.Errors, 1, p.Detail)
	require.Equal(t, field, p.Errors[0].Field, p.Detail)
	require.NotEmpty(t, p.Errors[0].Detail)
	return p
}

// Decode decodes JSON that has no other fields.
func Decode[T any](t *testing.T, r io.Reader) T {
	t.Helper()
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var v T
	require.NoError(t, dec.Decode(&v))
	return v
}

// Keyring are keys of every kind, by name.
type Keyring struct {
	Text map[string]string
	Keys apikey.Keys
}

// NewKeyring makes keys.
func NewKeyring() Keyring {
	ring := Keyring{Text: map[string]string{"none": "", "bad": "ls_aaaaaaaaaa_" + strings.Repeat("a", 52)}}
	var list []apikey.Key
	add := func(name string, role apikey.Role, expires time.Time, revoked time.Time) {
		key, text := apikey.New(name, role, Now.Add(-time.Hour), expires)
		key.Revoked = revoked
		list, ring.Text[name] = append(list, key), text
	}
	add("expired", apikey.Admin, Now, time.Time{})
	add("revoked", apikey.Admin, time.Time{}, Now.Add(-time.Minute))
	add("ingest", apikey.Ingest, time.Time{}, time.Time{})
	add("worker", apikey.Worker, time.Time{}, time.Time{})
	add("read", apikey.Read, Now.Add(time.Second), time.Time{})
	add("write", apikey.Write, time.Time{}, time.Time{})
	add("admin", apikey.Admin, time.Time{}, time.Time{})
	ring.Keys = apikey.Of(list...)
	// The right id with the secret of another key.
	parts, other := strings.Split(ring.Text["admin"], "_"), strings.Split(ring.Text["write"], "_")
	ring.Text["forged"] = "ls_" + parts[1] + "_" + other[2]
	return ring
}

// Bearer is the header of the key of the name.
func (k Keyring) Bearer(name string) []string {
	if k.Text[name] == "" {
		return nil
	}
	return []string{"Authorization", "Bearer " + k.Text[name]}
}

// Guarded is an API that asks for keys.
func Guarded(cfg httpapi.Config) (*World, Keyring) {
	ring := NewKeyring()
	w := New(cfg, func(deps *httpapi.Deps) {
		deps.Keys = func() apikey.Keys { return ring.Keys }
		deps.Dashboard = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") })
	})
	return w, ring
}

// Messages are those of the entries.
func Messages(entries []domain.LogEntry) []string {
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Message
	}
	return out
}

// Gzipped compresses data.
func Gzipped(t *testing.T, data []byte) string {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, err := z.Write(data)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return buf.String()
}

// Zstandard compresses data.
func Zstandard(t *testing.T, data []byte) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	out := z.EncodeAll(data, nil)
	require.NoError(t, z.Close())
	return string(out)
}

// Snapped compresses data.
func Snapped(data []byte) string { return string(snappy.Encode(nil, data)) }

// SignIn returns the cookie of a session.
func SignIn(t *testing.T, w *World, key string) string {
	t.Helper()
	res := w.Do("POST", "/api/v1/session", fmt.Sprintf(`{"key":%q}`, key), "Content-Type", "application/json")
	require.Equal(t, http.StatusOK, res.Code, res.Body.String())
	cookies := res.Result().Cookies()
	require.Len(t, cookies, 1)
	return cookies[0].Name + "=" + cookies[0].Value
}
