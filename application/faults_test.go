package application_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

func TestHeartbeat(t *testing.T) {
	t.Parallel()

	t.Run("a long run keeps its lease", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := startWorld(t, application.SchedulerConfig{Workers: 1, Prefetch: 1, Lease: 2 * time.Second}, func(context.Context, *domain.Task) ([]byte, error) {
				pass(9 * time.Minute)
				return nil, nil
			})
			running, ahead := newTestTask(), newTestTask()
			w.enqueue(running, ahead)
			settle(18*time.Minute + time.Second)
			for _, id := range []domain.TaskID{running.ID, ahead.ID} {
				require.Equal(t, domain.TaskStatusCompleted, w.task(id).Status)
				require.Equal(t, 1, w.task(id).Deliveries)
			}
			require.Zero(t, w.stats().RecoveredTasks)
			w.stop()
		})
	})

	t.Run("a cancelled task stops within a third of the lease", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var ended time.Time
			w := startWorld(t, application.SchedulerConfig{}, func(ctx context.Context, _ *domain.Task) ([]byte, error) {
				<-ctx.Done()
				ended = time.Now()
				return []byte(`"not kept"`), nil
			})
			task := newTestTask()
			w.enqueue(task)
			synctest.Wait()
			require.NoError(t, w.queue.CancelTask(t.Context(), task.ID))
			cancelled := time.Now()
			settle(5 * time.Second)
			require.False(t, ended.IsZero())
			require.LessOrEqual(t, ended.Sub(cancelled), 5*time.Second)
			require.Equal(t, domain.TaskStatusCancelled, w.task(task.ID).Status)
			require.Nil(t, w.task(task.ID).Result)
			stats := w.stats()
			require.EqualValues(t, 1, stats.LeasesLost)
			require.Zero(t, stats.ProcessedTasks)
			require.Zero(t, w.queue.count("UpdateTask"))
			w.stop()
		})
	})

	t.Run("a processor that ignores a lost lease keeps its worker, and the others work", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			wake := make(chan struct{})
			var runs journal
			w := startWorld(t, application.SchedulerConfig{Workers: 2}, func(_ context.Context, task *domain.Task) ([]byte, error) {
				if runs.note(task) == 1 {
					<-wake
				}
				return nil, nil
			})
			ignored, other := newTestTask(), newTestTask()
			w.enqueue(ignored)
			synctest.Wait()
			require.NoError(t, w.queue.CancelTask(t.Context(), ignored.ID))
			settle(time.Minute)
			w.enqueue(other)
			synctest.Wait()
			require.Equal(t, domain.TaskStatusCompleted, w.task(other.ID).Status)
			require.Equal(t, 1, w.stats().BusyWorkers)
			close(wake)
			synctest.Wait()
			require.Zero(t, w.stats().BusyWorkers)
			require.Equal(t, domain.TaskStatusCancelled, w.task(ignored.ID).Status)
			w.stop()
		})
	})

	t.Run("a task that is cancelled while it is prefetched does not run", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var runs journal
			w := startWorld(t, application.SchedulerConfig{Workers: 1, Prefetch: 1}, func(_ context.Context, task *domain.Task) ([]byte, error) {
				runs.note(task)
				pass(time.Minute)
				return nil, nil
			})
			running, ahead := newTestTask(), newTestTask()
			w.enqueue(running, ahead)
			synctest.Wait()
			require.NoError(t, w.queue.CancelTask(t.Context(), ahead.ID))
			settle(2 * time.Minute)
			require.Equal(t, []domain.TaskID{running.ID}, runs.ids)
			w.stop()
		})
	})
}

func TestStoreOutage(t *testing.T) {
	t.Parallel()
	const outage = 30 * time.Second

	t.Run("runs whose leases outlast it are reported after it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := startWorld(t, application.SchedulerConfig{Lease: time.Minute}, func(context.Context, *domain.Task) ([]byte, error) {
				pass(10 * time.Second)
				return nil, nil
			})
			first, waiting := newTestTask(), newTestTask()
			w.enqueue(first)
			settle(time.Second)
			w.queue.set(func(q *faultyQueue) { q.down = true })
			settle(outage / 2)
			w.enqueue(waiting)
			settle(outage / 2)
			require.Contains(t, w.stats().LastStoreError, "connection refused")
			require.Equal(t, domain.TaskStatusProcessing, w.task(first.ID).Status)
			w.queue.set(func(q *faultyQueue) { q.down = false })
			calls := w.queue.count("Dequeue")
			require.Less(t, calls, 20, "no busy loop")
			settle(5 * time.Second)
			require.Equal(t, domain.TaskStatusCompleted, w.task(first.ID).Status)
			require.Equal(t, domain.TaskStatusProcessing, w.task(waiting.ID).Status, "claims are back within 5 s")
			require.Empty(t, w.stats().LastStoreError)
			settle(11 * time.Second)
			require.Zero(t, w.stats().LeasesLost)
			require.Equal(t, 1, w.task(first.ID).Deliveries)
			require.Len(t, w.logs.FilterLevelExact(zap.WarnLevel).All(), 1)
			require.Equal(t, 1, w.logs.FilterMessage("store answers again").Len())
			w.stop()
		})
	})

	t.Run("runs whose leases end in it stop before, and run again", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var runs journal
			var ended time.Time
			w := startWorld(t, application.SchedulerConfig{}, func(ctx context.Context, task *domain.Task) ([]byte, error) {
				if runs.note(task) == 1 {
					<-ctx.Done()
					ended = time.Now()
					return nil, ctx.Err()
				}
				return nil, nil
			})
			task := newTestTask()
			w.enqueue(task)
			synctest.Wait()
			claimed := time.Now()
			w.queue.set(func(q *faultyQueue) { q.down = true })
			settle(outage)
			require.Equal(t, 14*time.Second, ended.Sub(claimed), "a second before the lease of 15 s ends")
			w.queue.set(func(q *faultyQueue) { q.down = false })
			settle(10 * time.Second)
			got := w.task(task.ID)
			require.Equal(t, domain.TaskStatusCompleted, got.Status)
			require.Equal(t, 1, got.Attempt, "the outage cost no attempt")
			require.Equal(t, 1, got.Recoveries)
			require.EqualValues(t, 1, w.stats().LeasesLost)
			w.stop()
		})
	})

	t.Run("a report is given up once its lease may be over", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := startWorld(t, application.SchedulerConfig{}, func(context.Context, *domain.Task) ([]byte, error) {
				pass(time.Second)
				return nil, nil
			})
			w.enqueue(newTestTask())
			synctest.Wait()
			w.queue.set(func(q *faultyQueue) { q.down = true })
			settle(outage)
			require.EqualValues(t, 1, w.stats().LeasesLost)
			w.queue.set(func(q *faultyQueue) { q.down = false })
			settle(10 * time.Second)
			require.EqualValues(t, 1, w.queueStats().Completed)
			require.Empty(t, w.stats().LastStoreError)
			w.stop()
		})
	})

	t.Run("what waits to be reported is bounded", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, application.SchedulerConfig{Workers: 1, Lease: time.Minute}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
			w.queue.fail["UpdateTask"] = true
			for range 3 {
				var tasks []*domain.Task
				for range 1000 {
					tasks = append(tasks, newTestTask())
				}
				w.enqueue(tasks...)
			}
			require.NoError(t, w.scheduler.Start(t.Context()))
			settle(outage)
			require.LessOrEqual(t, w.queueStats().Processing, int64(2*ports.MaxClaim+1), "a thousand, and what one claim adds")
			w.queue.set(func(q *faultyQueue) { q.fail["UpdateTask"] = false })
			settle(5 * time.Second)
			require.EqualValues(t, 3000, w.queueStats().Completed)
			require.Zero(t, w.stats().LeasesLost)
			w.stop()
		})
	})

	t.Run("what waits to be reported is bounded in bytes", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, application.SchedulerConfig{Workers: 1, Lease: time.Minute, PrefetchWindow: -1}, func(context.Context, *domain.Task) ([]byte, error) {
				return make([]byte, 4<<20), nil
			})
			w.queue.fail["UpdateTask"] = true
			for range 20 {
				w.enqueue(newTestTask())
			}
			require.NoError(t, w.scheduler.Start(t.Context()))
			settle(outage)
			require.EqualValues(t, 8, w.queueStats().Processing)
			w.queue.set(func(q *faultyQueue) { q.fail["UpdateTask"] = false })
			settle(5 * time.Second)
			require.EqualValues(t, 20, w.queueStats().Completed)
			w.stop()
		})
	})

	t.Run("a store that flaps costs at most a log line a second", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := startWorld(t, application.SchedulerConfig{}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
			before := w.logs.Len()
			for i := range 600 {
				w.queue.set(func(q *faultyQueue) { q.down = i%2 == 0 })
				settle(100 * time.Millisecond)
			}
			require.LessOrEqual(t, w.logs.Len()-before, 60)
			w.stop()
		})
	})
}

func TestLostReplies(t *testing.T) {
	t.Parallel()

	t.Run("tasks of a claim whose reply was lost are found again", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, application.SchedulerConfig{Workers: 2}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
			w.queue.loseReply["Dequeue"] = 2
			var ids []domain.TaskID
			for range 5 {
				task := newTestTask()
				ids = append(ids, task.ID)
				w.enqueue(task)
			}
			require.NoError(t, w.scheduler.Start(t.Context()))
			settle(time.Second)
			for _, id := range ids {
				require.Equal(t, domain.TaskStatusCompleted, w.task(id).Status)
				require.Equal(t, 1, w.task(id).Deliveries)
			}
			w.stop()
		})
	})

	t.Run("a claim whose leases end before it is found again loses nothing", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, application.SchedulerConfig{Workers: 2, Lease: 3 * time.Second}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
			w.queue.loseReply["Dequeue"] = 1
			reaped, cancelled := newTestTask(), newTestTask()
			w.enqueue(reaped, cancelled)
			require.NoError(t, w.scheduler.Start(t.Context()))
			synctest.Wait()
			w.queue.set(func(q *faultyQueue) { q.down = true })
			require.NoError(t, w.queue.CancelTask(t.Context(), cancelled.ID))
			settle(4 * time.Second)
			_, err := w.queue.TaskQueue.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 3, Limit: 10})
			require.NoError(t, err)
			w.queue.set(func(q *faultyQueue) { q.down = false })
			settle(15 * time.Second)
			require.Equal(t, domain.TaskStatusCompleted, w.task(reaped.ID).Status)
			require.Equal(t, 1, w.task(reaped.ID).Recoveries)
			require.Equal(t, domain.TaskStatusCancelled, w.task(cancelled.ID).Status)
			w.stop()
		})
	})

	t.Run("a task that is lost while its claim is found again does not run", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var runs journal
			w := newWorld(t, application.SchedulerConfig{Workers: 2}, func(_ context.Context, task *domain.Task) ([]byte, error) {
				runs.note(task)
				return nil, nil
			})
			w.queue.loseReply["Dequeue"] = 1
			w.queue.delay["ExtendLease"] = time.Second
			task, cancelled := newTestTask(), newTestTask()
			w.enqueue(task, cancelled)
			require.NoError(t, w.scheduler.Start(t.Context()))
			settle(500 * time.Millisecond)
			require.NoError(t, w.queue.CancelTask(t.Context(), cancelled.ID))
			settle(2 * time.Second)
			require.Equal(t, []domain.TaskID{task.ID}, runs.ids)
			w.stop()
		})
	})

	t.Run("a report whose reply was lost counts once", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, application.SchedulerConfig{}, func(context.Context, *domain.Task) ([]byte, error) { return nil, errors.New("no") })
			w.queue.loseReply["UpdateTask"] = 3
			task := newTestTask()
			w.enqueue(task)
			require.NoError(t, w.scheduler.Start(t.Context()))
			settle(5 * time.Second)
			require.Equal(t, 1, w.task(task.ID).Attempt)
			require.Len(t, w.task(task.ID).Errors, 1)
			require.Zero(t, w.stats().LeasesLost)
			require.Equal(t, 4, w.queue.count("UpdateTask"))
			w.stop()
		})
	})
}

func TestReaper(t *testing.T) {
	t.Parallel()

	t.Run("a dead worker's task runs within its lease and two seconds", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var runs journal
			w := newWorld(t, application.SchedulerConfig{}, func(_ context.Context, task *domain.Task) ([]byte, error) {
				runs.note(task)
				return nil, nil
			})
			task := newTestTask()
			w.enqueue(task)
			_, err := w.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: 4 * time.Second})
			require.NoError(t, err)
			died := time.Now()
			require.NoError(t, w.scheduler.Start(t.Context()))
			settle(6 * time.Second)
			require.Len(t, runs.times(), 1)
			require.LessOrEqual(t, runs.times()[0].Sub(died), 6*time.Second)
			got := w.task(task.ID)
			require.Equal(t, []int{1, 2, 1}, []int{got.Attempt, got.Deliveries, got.Recoveries})
			require.Equal(t, 3, got.MaxRetries)
			w.stop()
		})
	})

	t.Run("a task that kills its workers fails as poison", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := startWorld(t, application.SchedulerConfig{Workers: application.NoWorkers, Maintain: true}, nil)
			task := newTestTask()
			w.enqueue(task)
			for range 4 {
				_, err := w.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Second})
				require.NoError(t, err)
				settle(3 * time.Second)
			}
			got := w.task(task.ID)
			require.Equal(t, domain.TaskStatusFailed, got.Status)
			require.Equal(t, domain.ReasonPoison, got.Errors[len(got.Errors)-1].Reason)
			require.Equal(t, 4, got.Deliveries)
			require.Zero(t, got.Attempt)
			w.stop()
		})
	})

	t.Run("several maintainers take each task back once", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := startWorld(t, application.SchedulerConfig{Workers: application.NoWorkers, Maintain: true}, nil)
			for range 3 {
				other, err := application.NewScheduler(w.queue, application.SchedulerConfig{Workers: application.NoWorkers, Maintain: true}, nil)
				require.NoError(t, err)
				require.NoError(t, other.Start(t.Context()))
				defer func() { require.NoError(t, other.Stop(t.Context())) }()
			}
			var tasks []*domain.Task
			for range 1000 {
				tasks = append(tasks, newTestTask())
			}
			w.enqueue(tasks...)
			_, err := w.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1000, Lease: time.Second})
			require.NoError(t, err)
			settle(5 * time.Second)
			for _, task := range tasks {
				require.Equal(t, 1, w.task(task.ID).Recoveries)
			}
			w.stop()
		})
	})
}

// purger records what it is told, and fails at first when tasks were removed.
type purger struct {
	mu    sync.Mutex
	fails int
	told  [][]domain.TaskID
}

func (p *purger) PurgeTasks(_ context.Context, ids ...domain.TaskID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, ids)
	if p.fails > 0 && len(ids) > 0 {
		p.fails--
		return domain.ErrStoreUnavailable
	}
	return nil
}

// calls returns what it was told, call by call, without the rounds in which no
// task was removed.
func (p *purger) calls() [][]domain.TaskID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.told), func(ids []domain.TaskID) bool { return len(ids) == 0 })
}

func TestASuspectRunsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		beside := map[domain.TaskID]int{}
		running := 0
		w := newWorld(t, application.SchedulerConfig{Workers: 10, Lease: time.Second, MaxRecoveries: 1}, func(_ context.Context, task *domain.Task) ([]byte, error) {
			mu.Lock()
			running++
			beside[task.ID] = running
			mu.Unlock()
			<-time.After(300 * time.Millisecond)
			mu.Lock()
			running--
			mu.Unlock()
			return nil, nil
		})
		var tasks []*domain.Task
		for range 5 {
			tasks = append(tasks, newTestTask())
		}
		w.enqueue(tasks...)
		// A worker that claims all of them dies.
		_, err := w.queue.TaskQueue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: time.Second})
		require.NoError(t, err)
		fresh := newTestTask()
		w.enqueue(fresh)
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(10 * time.Second)
		require.EqualValues(t, 6, w.queueStats().Completed)
		for _, task := range tasks {
			require.Equal(t, 1, beside[task.ID], "it ran with nothing beside it")
		}
		w.stop()
	})
}

func TestFinishedTasksArePurgedAfterTheirRetention(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &purger{fails: 2}
		// The retention is no multiple of the interval, so that all tasks are due
		// at the first look after it.
		w := startWorld(t, application.SchedulerConfig{Purger: p, PurgeInterval: 7 * time.Minute}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
		var tasks []*domain.Task
		for range 250 {
			tasks = append(tasks, newTestTask())
		}
		w.enqueue(tasks...)
		settle(24*time.Hour - time.Second)
		require.EqualValues(t, 250, w.queueStats().Completed)
		require.Empty(t, p.calls())
		settle(7 * time.Minute)
		require.Zero(t, w.queueStats().Total())
		require.EqualValues(t, 250, w.stats().PurgedTasks)
		told := p.calls()
		require.Equal(t, 5, len(told), "three batches, the first of them three times")
		require.Equal(t, told[0], told[2], "after an error it is told the same again")
		w.stop()
	})
}
