package portstest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

var runCases = []storeCase{
	{
		name:    "the newest progress of a run is shown until the run ends",
		promise: "SaveProgress keeps how far runs have come, in place of what was kept of them, until the run ends.",
		run: func(t *testing.T, q *storeTest) {
			handles := q.handles(t, 1)
			reader := handles[len(handles)-1].Queue
			shown := func(id domain.TaskID) *domain.Progress {
				task, err := reader.GetTask(t.Context(), id)
				require.NoError(t, err)
				return task.Progress
			}
			for _, end := range []func(task *domain.Task){
				func(task *domain.Task) { q.update(t, complete(task, "")) },
				func(task *domain.Task) { q.update(t, snooze(task, 0)) },
				func(task *domain.Task) { require.NoError(t, q.Queue.ReleaseTask(t.Context(), *task.Lease)) },
				func(task *domain.Task) { require.NoError(t, q.Queue.CancelTask(t.Context(), task.ID)) },
				func(*domain.Task) { q.Advance(lease); q.reap(t) },
			} {
				q.add(t)
				task := q.claimOne(t)
				require.Nil(t, task.Progress)
				require.Nil(t, shown(task.ID))
				first := domain.Progress{Percent: 1}
				q.save(t, task, first)
				require.Equal(t, first.Percent, shown(task.ID).Percent)
				newest := domain.Progress{
					Percent: 100, Note: strings.Repeat("é", domain.MaxProgressNote/2), Data: []byte(`"` + strings.Repeat("x", domain.MaxProgressData-2) + `"`),
				}
				q.save(t, task, newest)
				q.save(t, task, newest)
				got := shown(task.ID)
				require.WithinDuration(t, task.StartedAt, got.At, 5*time.Second)
				newest.At = got.At
				require.Equal(t, newest, *got)
				q.unchanged(t, task.ID, func() {
					stale := *task.Lease
					stale.ClaimID = uuid.New()
					require.ErrorIs(t, q.Runs.SaveProgress(t.Context(), ports.RunProgress{Lease: stale}), domain.ErrLeaseLost)
				})
				end(task)
				require.Nil(t, shown(task.ID), "the run has ended")
				require.ErrorIs(t, q.Runs.SaveProgress(t.Context(), ports.RunProgress{Lease: *task.Lease, Progress: first}), domain.ErrLeaseLost)
				if again := q.claim(t, 1); len(again) > 0 {
					require.Nil(t, shown(task.ID), "another run has come to nothing yet")
					q.update(t, complete(again[0], ""))
				}
			}
			q.audit(t)
			if q.Verifier != nil {
				found, _ := q.verify(t, false)
				require.Empty(t, found)
			}
		},
	},
	{
		name:    "a cancelled run is stopping until it is released or its lease has ended",
		promise: "A CANCELLED task is Stopping until its worker releases the lease, or the lease would have ended.",
		run: func(t *testing.T, q *storeTest) {
			cancelRun := func() *domain.Task {
				t.Helper()
				q.add(t)
				task := q.claimOne(t)
				require.False(t, q.get(t, task.ID).Stopping, "it runs")
				require.NoError(t, q.Queue.CancelTask(t.Context(), task.ID))
				require.True(t, q.get(t, task.ID).Stopping)
				return task
			}
			stopped := func(l domain.Lease) {
				t.Helper()
				require.ErrorIs(t, domain.ItemError(q.Queue.ReleaseTask(t.Context(), l), 0), domain.ErrLeaseLost)
			}
			task := cancelRun()
			require.True(t, q.listAll(t, domain.TaskFilter{})[0].Stopping, "lists show it too")
			other := *task.Lease
			other.Delivery++
			stopped(other)
			require.True(t, q.get(t, task.ID).Stopping, "another run has stopped")
			require.ErrorIs(t, domain.ItemError(q.Queue.CancelTask(t.Context(), task.ID), 0), domain.ErrInvalidTransition)
			require.True(t, q.get(t, task.ID).Stopping)
			for range 2 {
				stopped(*task.Lease)
				got := q.get(t, task.ID)
				require.False(t, got.Stopping)
				require.Equal(t, domain.TaskStatusCancelled, got.Status)
			}

			ends := cancelRun()
			again := cancelRun()
			require.NoError(t, q.Queue.RetryTask(t.Context(), again.ID))
			require.False(t, q.get(t, again.ID).Stopping)
			stopped(*again.Lease)
			require.Equal(t, domain.TaskStatusPending, q.get(t, again.ID).Status)
			require.NoError(t, q.Queue.CancelTask(t.Context(), again.ID))
			require.False(t, q.get(t, again.ID).Stopping, "it never ran again")
			require.NoError(t, q.Queue.DeleteTask(t.Context(), cancelRun().ID))
			q.Advance(lease + time.Second)
			require.False(t, q.get(t, ends.ID).Stopping)
			q.audit(t)
			if q.Verifier != nil {
				found, _ := q.verify(t, false)
				require.Empty(t, found)
			}
		},
	},
	{
		name:    "progress extends no lease and is no event",
		promise: "SaveProgress is no step of the task, and no lease is extended. The others of a call are carried out.",
		run: func(t *testing.T, q *storeTest) {
			q.addMany(t, 2)
			tasks := q.claim(t, 2)
			q.Advance(lease / 2)
			err := q.Runs.SaveProgress(t.Context(),
				ports.RunProgress{Lease: *tasks[0].Lease, Progress: domain.Progress{Percent: 101}},
				ports.RunProgress{Lease: *tasks[1].Lease, Progress: domain.Progress{Percent: 50}})
			requireField(t, domain.ItemError(err, 0), "progress.percent")
			require.NoError(t, domain.ItemError(err, 1))
			require.NoError(t, q.Runs.SaveProgress(t.Context()))
			require.Equal(t, 50, q.get(t, tasks[1].ID).Progress.Percent)
			q.Advance(lease/2 + time.Second)
			require.Equal(t, 2, q.reap(t))
		},
	},
	{
		name:    "who watches is told of a cancelled run within a second, in any process",
		promise: "WatchCancelled calls cancelled soon after tasks were cancelled that were PROCESSING, by this process or another.",
		run: func(t *testing.T, q *storeTest) {
			handles := q.handles(t, 1)
			watches := make([]*cancelWatch, len(handles))
			for i := range handles {
				watches[i] = watchCancelled(t, handles[i].Runs)
				watches[i].next(t) // as it begins
			}
			var cancelled []domain.TaskID
			for i := range handles {
				waits := q.add(t)
				require.NoError(t, handles[i].Queue.CancelTask(t.Context(), waits.ID), "which no worker has")
				task := q.in(t, domain.TaskStatusProcessing)
				require.NoError(t, handles[i].Queue.CancelTask(t.Context(), task.ID))
				cancelled = append(cancelled, task.ID)
				begun := time.Now()
				for _, w := range watches {
					w.next(t, cancelled...)
				}
				require.Less(t, time.Since(begun), time.Second)
			}
			for _, w := range watches {
				w.stop()
			}
		},
	},
	{
		name:    "a watch that has ended calls nobody",
		promise: "WatchCancelled returns when ctx ends; no call is under way then, and none follows.",
		run: func(t *testing.T, q *storeTest) {
			var watching [2]struct {
				stop         context.CancelFunc
				begun, ended chan struct{}
			}
			var once sync.Once
			called := make(chan struct{})
			ended := func(i int) bool {
				select {
				case <-watching[i].ended:
					return true
				default:
					return false
				}
			}
			for i := range watching {
				w := &watching[i]
				w.begun, w.ended = make(chan struct{}), make(chan struct{})
				var ctx context.Context
				ctx, w.stop = context.WithCancel(t.Context())
				t.Cleanup(func() {
					w.stop()
					<-w.ended
				})
				var first sync.Once
				go func() {
					defer close(w.ended)
					_ = q.Runs.WatchCancelled(ctx, func(ids []domain.TaskID) {
						first.Do(func() { close(w.begun) })
						if ended(i) {
							t.Error("called after it had ended")
						}
						if len(ids) == 0 {
							return
						}
						// The first that is told ends both, and gives them time to return.
						once.Do(func() {
							defer close(called)
							for j := range watching {
								watching[j].stop()
								select {
								case <-watching[j].ended:
								case <-time.After(100 * time.Millisecond):
								}
							}
							if ended(i) {
								t.Error("ended while a call was under way")
							}
						})
					})
				}()
			}
			for i := range watching {
				<-watching[i].begun
			}
			require.NoError(t, q.Queue.CancelTask(t.Context(), q.in(t, domain.TaskStatusProcessing).ID))
			select {
			case <-called:
			case <-soonContext(t).Done():
				require.Fail(t, "nobody was told")
			}
			for i := range watching {
				<-watching[i].ended
			}
		},
	},
}

// save stores how far the run of a task has come.
func (q *storeTest) save(t *testing.T, task *domain.Task, p domain.Progress) {
	t.Helper()
	require.NoError(t, q.Runs.SaveProgress(t.Context(), ports.RunProgress{Lease: *task.Lease, Progress: p}))
}

// cancelWatch gathers what a watcher of cancelled tasks is told.
type cancelWatch struct {
	told chan []domain.TaskID
	stop func()
}

func watchCancelled(t *testing.T, runs ports.RunTracker) *cancelWatch {
	t.Helper()
	w := &cancelWatch{told: make(chan []domain.TaskID, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() {
		_ = runs.WatchCancelled(ctx, func(ids []domain.TaskID) { w.told <- ids })
	})
	w.stop = func() {
		cancel()
		ended.Wait()
	}
	t.Cleanup(w.stop)
	return w
}

// next waits for a call that has the last of the ids, or none. One of the others may
// come late.
func (w *cancelWatch) next(t *testing.T, ids ...domain.TaskID) {
	t.Helper()
	ctx := soonContext(t)
	for {
		select {
		case got := <-w.told:
			if len(got) == 0 || len(ids) > 0 && slices.Equal(ids[len(ids)-1:], got) {
				return
			}
			require.Subset(t, ids, got, "it was told of others")
		case <-ctx.Done():
			require.Fail(t, "it was not told")
		}
	}
}

func badRunsRequests() []badRequest {
	save := func(field string, p domain.Progress) badRequest {
		return badRequest{"SaveProgress", field, func(ctx context.Context, s *Store) error {
			return s.Runs.SaveProgress(ctx, ports.RunProgress{Lease: domain.Lease{TaskID: uuid.New()}, Progress: p})
		}}
	}
	return []badRequest{
		save("progress.percent", domain.Progress{Percent: -1}),
		save("progress.note", domain.Progress{Note: strings.Repeat("x", domain.MaxProgressNote+1)}),
		save("progress.note", domain.Progress{Note: "\xff"}),
		save("progress.data", domain.Progress{Data: []byte("{")}),
		save("progress.data", domain.Progress{Data: []byte(`"` + strings.Repeat("x", domain.MaxProgressData) + `"`)}),
	}
}
