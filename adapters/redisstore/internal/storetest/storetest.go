// Package storetest gives tests a store in a Redis, and the means to break it.
package storetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
	"logsift/ports"
)

// World is an isolated part of a Redis, with a clock of its own.
type World struct {
	Server     *redistest.Server // the server of URL, if that is one
	URL        string
	Namespace  string
	Partitions int
	offset     atomic.Int64
}

// NewWorld returns a part of the server that all tests share.
func NewWorld(t *testing.T) *World {
	t.Helper()
	server, namespace := redistest.Shared(t)
	return &World{Server: server, URL: server.URL(), Namespace: namespace, Partitions: 1}
}

// Advance moves the clock of the store.
func (w *World) Advance(d time.Duration) { w.offset.Add(int64(d)) }

// Open returns a client of the world.
func (w *World) Open(t *testing.T) *redisstore.Client {
	t.Helper()
	client, err := redisstore.Open(t.Context(), redisstore.Config{
		URL: w.URL, Namespace: w.Namespace, Partitions: w.Partitions,
		ClockOffset: func() time.Duration { return time.Duration(w.offset.Load()) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

// Raw returns a plain client of a server.
func Raw(t *testing.T, server *redistest.Server) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { require.NoError(t, rdb.Close()) })
	return rdb
}

// NewTask returns a task of type work.
func NewTask(payload string) *domain.Task {
	return domain.NewTask(uuid.New(), "work", []byte(payload))
}

// LogLines returns so many log entries.
func LogLines(n int) []domain.LogEntry {
	out := make([]domain.LogEntry, n)
	for i := range out {
		out[i] = domain.LogEntry{ID: uuid.New(), Level: domain.LogLevelInfo, Source: "api", Message: fmt.Sprintf("line %d", i)}
	}
	return out
}

// Result returns an analysis with so many anomalies.
func Result(anomalies int) domain.AnalysisResult {
	r := domain.AnalysisResult{Analyzer: "builtin"}
	for range anomalies {
		r.Anomalies = append(r.Anomalies, domain.Anomaly{ID: "a", Severity: domain.SeverityHigh, LastSeen: time.Unix(1700000000, 0).UTC()})
	}
	return r
}

// T is a test, or a run of a property.
type T interface {
	require.TestingT
	Context() context.Context
}

// Patient is a queue and logs with the means to break them.
type Patient struct {
	*World

	Queue    *redisstore.TaskQueue
	Logs     *redisstore.LogRepository
	Verifier ports.StoreVerifier
	Redis    redis.UniversalClient
}

// NewPatient returns a patient in a new world.
func NewPatient(t *testing.T) *Patient {
	t.Helper()
	w := NewWorld(t)
	return NewPatientIn(t, w, Raw(t, w.Server))
}

// NewPatientIn returns a patient in a world, whose keys rdb reaches.
func NewPatientIn(t *testing.T, w *World, rdb redis.UniversalClient) *Patient {
	t.Helper()
	client := w.Open(t)
	return &Patient{
		World: w, Queue: client.TaskQueue, Logs: client.LogRepository,
		Verifier: redisstore.NewVerifier(client), Redis: rdb,
	}
}

// Key is the key of a part of the queue.
func (p *Patient) Key(part string) string { return "{" + p.Namespace + ":0}:" + part }

// LogKey is the key of a part of the logs.
func (p *Patient) LogKey(part string) string { return "{" + p.Namespace + ":logs}:" + part }

// Do runs a raw command.
func (p *Patient) Do(t T, args ...any) any {
	for i, a := range args {
		if id, ok := a.(uuid.UUID); ok {
			args[i] = id[:]
		}
	}
	out, err := p.Redis.Do(t.Context(), args...).Result()
	if err != nil && err != redis.Nil { //nolint:errorlint // go-redis returns it as it is.
		require.NoError(t, err, "%v", args)
	}
	return out
}

// Verify returns what a check found.
func (p *Patient) Verify(t T, repair bool) []domain.Finding {
	var out []domain.Finding
	summary, err := p.Verifier.Verify(t.Context(), ports.VerifyRequest{
		Repair: repair, Report: func(f domain.Finding) { out = append(out, f) },
	})
	require.NoError(t, err)
	require.Equal(t, int64(len(out)), summary.Findings)
	return out
}

// Mend repairs what a check finds, and returns that. It requires that all of it is
// repaired, and that another check finds nothing.
func (p *Patient) Mend(t T) []domain.Finding {
	found := p.Verify(t, true)
	for _, f := range found {
		require.True(t, f.Repaired(), "%v", f)
	}
	require.Empty(t, p.Verify(t, true))
	return found
}

// Enqueue stores a task that was changed by edits.
func (p *Patient) Enqueue(t T, edits ...func(*domain.Task)) domain.TaskID {
	task := NewTask(`{"n":1}`)
	for _, edit := range edits {
		edit(task)
	}
	_, err := p.Queue.Enqueue(t.Context(), task)
	require.NoError(t, err)
	return task.ID
}

// Delayed gives a task a delay.
func Delayed(d time.Duration) func(*domain.Task) { return func(t *domain.Task) { t.Delay = d } }

// Unique gives a task a unique key.
func Unique(key string) func(*domain.Task) { return func(t *domain.Task) { t.UniqueKey = key } }

// Claim claims one task.
func (p *Patient) Claim(t T) *domain.Task {
	got, err := p.Queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
	require.NoError(t, err)
	require.Len(t, got, 1)
	return got[0]
}

// Report ends a run.
func (p *Patient) Report(t T, task *domain.Task, outcome ports.Outcome) {
	require.NoError(t, p.Queue.UpdateTask(t.Context(), ports.TaskUpdate{
		Lease: *task.Lease, Outcome: outcome, Result: []byte(`{}`), RetryIn: time.Hour,
		Failure: domain.TaskError{Reason: domain.ReasonError, Message: "failed"},
	}))
}

// In enqueues a task and takes it to a status.
func (p *Patient) In(t T, status domain.TaskStatus, edits ...func(*domain.Task)) domain.TaskID {
	id := p.Enqueue(t, edits...)
	switch status {
	case domain.TaskStatusPending:
	case domain.TaskStatusCancelled:
		require.NoError(t, p.Queue.CancelTask(t.Context(), id))
	default:
		task := p.Claim(t)
		require.Equal(t, id, task.ID)
		switch status {
		case domain.TaskStatusCompleted:
			p.Report(t, task, ports.OutcomeCompleted)
		case domain.TaskStatusFailed:
			p.Report(t, task, ports.OutcomeFailed)
		case domain.TaskStatusRetrying:
			p.Report(t, task, ports.OutcomeRetry)
		default:
		}
	}
	return id
}

// Status is the status of a task, 0 if there is none.
func (p *Patient) Status(t T, id domain.TaskID) domain.TaskStatus {
	page, err := p.Queue.ListTasks(t.Context(), domain.TaskFilter{Limit: 200})
	require.NoError(t, err)
	for _, task := range page.Tasks {
		if task.ID == id {
			return task.Status
		}
	}
	return 0
}

// Drain works all tasks that can be worked, now and later, and returns the ids of
// those that completed.
func (p *Patient) Drain(t T) map[domain.TaskID]bool {
	done := map[domain.TaskID]bool{}
	for range 4 {
		p.Advance(30 * 24 * time.Hour)
		for {
			m, err := p.Queue.PromoteDue(t.Context(), 1000)
			require.NoError(t, err)
			r, err := p.Queue.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 100, Limit: 1000})
			require.NoError(t, err)
			got, err := p.Queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 100, Lease: time.Minute})
			require.NoError(t, err)
			for _, task := range got {
				p.Report(t, task, ports.OutcomeCompleted)
				done[task.ID] = true
			}
			if m.Count+r.Count+len(got) == 0 {
				break
			}
		}
	}
	return done
}

// I56 is a number as states have it.
func I56(n int64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	return string(b[1:])
}

// SetState overwrites bytes of a stored state, from a place counted from 0.
func (p *Patient) SetState(t T, id domain.TaskID, at int, bytes string) {
	s, err := p.Redis.HGet(t.Context(), p.Key("state"), string(id[:])).Result()
	require.NoError(t, err)
	p.Do(t, "HSET", p.Key("state"), id, s[:at]+bytes+s[at+len(bytes):])
}

// SetRecord changes a record.
func (p *Patient) SetRecord(t T, id domain.TaskID, change func(string) string) {
	s, err := p.Redis.HGet(t.Context(), p.Key("tasks"), string(id[:])).Result()
	require.NoError(t, err)
	p.Do(t, "HSET", p.Key("tasks"), id, change(s))
}

// Kinds are the kinds of findings.
func Kinds(findings []domain.Finding) []string {
	out := make([]string, len(findings))
	for i, f := range findings {
		out[i] = f.Kind
	}
	return out
}

// Fill stores a task in each status, and logs with an analysis.
func (p *Patient) Fill(t T) map[domain.TaskID]domain.TaskStatus {
	out := map[domain.TaskID]domain.TaskStatus{}
	for _, status := range []domain.TaskStatus{domain.TaskStatusCompleted, domain.TaskStatusFailed, domain.TaskStatusRetrying, domain.TaskStatusCancelled, domain.TaskStatusProcessing, domain.TaskStatusPending} {
		out[p.In(t, status, Unique(status.String()))] = status
	}
	out[p.Enqueue(t, Delayed(time.Hour))] = domain.TaskStatusPending
	out[p.Enqueue(t, Unique("for a time"), func(t *domain.Task) { t.UniqueFor = time.Hour })] = domain.TaskStatusPending
	return out
}

// RequireStatuses fails the test unless these are the tasks.
func (p *Patient) RequireStatuses(t T, want map[domain.TaskID]domain.TaskStatus) {
	page, err := p.Queue.ListTasks(t.Context(), domain.TaskFilter{Limit: 200})
	require.NoError(t, err)
	got := map[domain.TaskID]domain.TaskStatus{}
	for _, task := range page.Tasks {
		got[task.ID] = task.Status
	}
	require.Equal(t, want, got)
}
