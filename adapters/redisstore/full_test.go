package redisstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
	"logsift/ports"
)

// fullServer is a server that has reached its maxmemory since fill was called.
type fullServer struct {
	*world

	client *redisstore.Client
	tasks  *redisstore.TaskQueue
	logs   *redisstore.LogRepository
}

func startFull(t *testing.T) *fullServer {
	t.Helper()
	server := redistest.Start(t)
	f := &fullServer{world: &world{&storetest.World{Server: server, URL: server.URL(), Namespace: "full", Partitions: 1}}}
	f.client = f.Open(t)
	f.tasks, f.logs = f.client.TaskQueue, f.client.LogRepository
	t.Cleanup(f.tasks.Close)
	return f
}

// fill lets the server refuse every write that begins with one which needs memory.
func (f *fullServer) fill(t *testing.T) {
	t.Helper()
	require.NoError(t, storetest.Raw(t, f.Server).ConfigSet(t.Context(), "maxmemory", "1mb").Err())
	_, err := f.tasks.Enqueue(t.Context(), storetest.NewTask(`{}`))
	require.ErrorIs(t, err, domain.ErrStoreFull)
}

// add enqueues tasks, changed as given.
func (f *fullServer) add(t *testing.T, n int, change ...func(*domain.Task)) []domain.TaskID {
	t.Helper()
	ids := make([]domain.TaskID, n)
	for i := range ids {
		task := storetest.NewTask(`{}`)
		for _, c := range change {
			c(task)
		}
		enqueue(t, f.tasks, task)
		ids[i] = task.ID
	}
	return ids
}

// status requires that the task is in the state.
func (f *fullServer) status(t *testing.T, id domain.TaskID, want domain.TaskStatus) {
	t.Helper()
	task, err := f.tasks.GetTask(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, want, task.Status)
}

// TestWhatMustWorkWorksOnAFullServer calls each operation first of all on a server
// that is full: one that only works after another one's removal would show.
func TestWhatMustWorkWorksOnAFullServer(t *testing.T) {
	t.Parallel()
	failure := domain.TaskError{Reason: domain.ReasonError, Message: "failed"}
	reported := func(update ports.TaskUpdate, want domain.TaskStatus) func(*testing.T, *fullServer) func() {
		return func(t *testing.T, f *fullServer) func() {
			t.Helper()
			id := f.add(t, 1, func(task *domain.Task) { task.UniqueKey = "key" })[0]
			update.Lease = *claim(t, f.tasks, 1)[0].Lease
			return func() {
				require.NoError(t, f.tasks.UpdateTask(t.Context(), update))
				f.status(t, id, want)
			}
		}
	}
	managed := func(end ports.Outcome, step func(*redisstore.TaskQueue, context.Context, ...domain.TaskID) error, want domain.TaskStatus) func(*testing.T, *fullServer) func() {
		return func(t *testing.T, f *fullServer) func() {
			t.Helper()
			id := f.add(t, 1)[0]
			if end != 0 {
				require.NoError(t, f.tasks.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *claim(t, f.tasks, 1)[0].Lease, Outcome: end, RetryIn: time.Minute}))
			}
			return func() {
				require.NoError(t, step(f.tasks, t.Context(), id))
				if want != 0 {
					f.status(t, id, want)
					return
				}
				_, err := f.tasks.GetTask(t.Context(), id)
				require.ErrorIs(t, err, domain.ErrTaskNotFound)
			}
		}
	}
	for name, prepare := range map[string]func(*testing.T, *fullServer) func(){
		"a lease is extended for as long as the server is full": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			id := f.add(t, 1)[0]
			lease := *claim(t, f.tasks, 1)[0].Lease
			return func() {
				for range 10 {
					f.Advance(40 * time.Second)
					_, err := f.tasks.ExtendLease(t.Context(), time.Minute, lease)
					require.NoError(t, err)
					reaped, err := f.tasks.ReapExpired(t.Context(), ports.ReapRequest{Limit: 10})
					require.NoError(t, err)
					require.Zero(t, reaped.Count)
				}
				require.NoError(t, f.tasks.UpdateTask(t.Context(), ports.TaskUpdate{Lease: lease, Outcome: ports.OutcomeCompleted}))
				f.status(t, id, domain.TaskStatusCompleted)
			}
		},
		"a run completes":     reported(ports.TaskUpdate{Outcome: ports.OutcomeCompleted, Result: []byte(`{}`)}, domain.TaskStatusCompleted),
		"a run fails":         reported(ports.TaskUpdate{Outcome: ports.OutcomeFailed, Failure: failure}, domain.TaskStatusFailed),
		"a run is retried":    reported(ports.TaskUpdate{Outcome: ports.OutcomeRetry, Failure: failure, RetryIn: time.Minute}, domain.TaskStatusRetrying),
		"a task is deleted":   managed(0, (*redisstore.TaskQueue).DeleteTask, 0),
		"a task is cancelled": managed(0, (*redisstore.TaskQueue).CancelTask, domain.TaskStatusCancelled),
		"a retry runs now":    managed(ports.OutcomeRetry, (*redisstore.TaskQueue).RunTaskNow, domain.TaskStatusPending),
		"a task runs again":   managed(ports.OutcomeFailed, (*redisstore.TaskQueue).RetryTask, domain.TaskStatusPending),
		"a task is given back": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			id := f.add(t, 1)[0]
			lease := *claim(t, f.tasks, 1)[0].Lease
			return func() {
				require.NoError(t, f.tasks.ReleaseTask(t.Context(), lease))
				f.status(t, id, domain.TaskStatusPending)
			}
		},
		"a task is given back with a cancelled one": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			f.add(t, 2)
			claimed := claim(t, f.tasks, 2)
			require.NoError(t, f.tasks.CancelTask(t.Context(), claimed[0].ID))
			return func() {
				require.ErrorIs(t, f.tasks.ReleaseTask(t.Context(), *claimed[0].Lease), domain.ErrLeaseLost)
				require.ErrorIs(t, f.tasks.ReleaseTask(t.Context(), *claimed[0].Lease, *claimed[1].Lease), domain.ErrLeaseLost)
				f.status(t, claimed[0].ID, domain.TaskStatusCancelled)
				f.status(t, claimed[1].ID, domain.TaskStatusPending)
			}
		},
		"an expired lease is recovered": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			f.add(t, 2)
			require.Len(t, claim(t, f.tasks, 2), 2)
			return func() {
				f.Advance(time.Hour)
				reaped, err := f.tasks.ReapExpired(t.Context(), ports.ReapRequest{Limit: 10, MaxRecoveries: 1})
				require.NoError(t, err)
				require.Equal(t, 2, reaped.Count)
			}
		},
		"a due task is promoted": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			f.add(t, 1, func(task *domain.Task) { task.Delay = time.Minute })
			return func() {
				f.Advance(time.Hour)
				promoted, err := f.tasks.PromoteDue(t.Context(), 10)
				require.NoError(t, err)
				require.Equal(t, 1, promoted.Count)
			}
		},
		"a finished task is purged": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			id := f.add(t, 1)[0]
			require.NoError(t, f.tasks.CancelTask(t.Context(), id))
			return func() {
				gone, err := f.tasks.PurgeFinished(t.Context(), ports.PurgeRequest{Limit: 10})
				require.NoError(t, err)
				require.Equal(t, []domain.TaskID{id}, gone)
			}
		},
		"a ready task is claimed": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			f.add(t, 1)
			return func() { require.Len(t, claim(t, f.tasks, 1), 1) }
		},
		"a task is claimed when there is a token for its key": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			require.NoError(t, f.tasks.SetLimit(t.Context(), domain.Limit{
				Name: "rate", Scope: domain.LimitKey, Queue: domain.DefaultQueue, Rate: domain.Rate{Count: 1, Per: time.Minute},
			}))
			f.add(t, 2, func(task *domain.Task) { task.Key = "a" })
			require.Len(t, claim(t, f.tasks, 2), 1)
			return func() {
				f.Advance(time.Hour)
				require.Len(t, claim(t, f.tasks, 1), 1)
			}
		},
		"a due task is claimed": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			f.add(t, 1, func(task *domain.Task) { task.Delay = time.Minute })
			return func() {
				f.Advance(time.Hour)
				require.Len(t, claim(t, f.tasks, 1), 1)
			}
		},
		"a claim finds nothing": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			return func() {
				got, err := f.tasks.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute, Types: []domain.TaskType{"none"}})
				require.NoError(t, err)
				require.Empty(t, got)
			}
		},
		"a queue is paused and resumed": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			return func() {
				require.NoError(t, f.tasks.PauseQueue(t.Context(), "default"))
				require.NoError(t, f.tasks.ResumeQueue(t.Context(), "default"))
			}
		},
		"events are read": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			return func() {
				_, err := f.tasks.ReadTaskEvents(t.Context(), ports.EventRequest{Max: 10})
				require.NoError(t, err)
			}
		},
		"a process reports that it works": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			registry := f.client.SchedulerRegistry
			return func() {
				_, err := registry.ReportScheduler(t.Context(), domain.SchedulerReport{ID: uuid.New(), Host: "h", PID: 1}, time.Minute)
				require.NoError(t, err)
			}
		},
		"a batch of logs is closed and removed": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			batch := uuid.New()
			_, err := f.logs.SaveLogs(t.Context(), batch, storetest.LogLines(3)...)
			require.NoError(t, err)
			return func() {
				ids, err := f.logs.CloseBatch(t.Context(), batch)
				require.NoError(t, err)
				require.Len(t, ids, 3)
				require.NoError(t, f.logs.DeleteBatches(t.Context(), batch))
			}
		},
		"an analysis is stored": func(t *testing.T, f *fullServer) func() {
			t.Helper()
			return func() {
				task := uuid.New()
				require.NoError(t, f.logs.SaveAnalysis(t.Context(), task, storetest.Result(3)))
				stored, err := f.logs.GetAnalysis(t.Context(), task)
				require.NoError(t, err)
				require.Len(t, stored.Result.Anomalies, 3)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startFull(t)
			run := prepare(t, f)
			f.add(t, 1, func(task *domain.Task) { task.Type = "other" }) // The ready lists stand before.
			f.fill(t)
			run()
		})
	}
}
