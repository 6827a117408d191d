package application_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

func TestHeartbeat(t *testing.T) {
	t.Parallel()

	inBubble(t, "a long run keeps its lease", func(t *testing.T) {
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

	inBubble(t, "a cancelled task stops within a third of the lease", func(t *testing.T) {
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

	inBubble(t, "a processor that ignores a lost lease keeps its worker, and the others work", func(t *testing.T) {
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

	inBubble(t, "a task that is cancelled while it is prefetched does not run", func(t *testing.T) {
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
		require.Equal(t, []domain.TaskID{running.ID}, runs.tasks())
		w.stop()
	})
}

func TestStoreOutage(t *testing.T) {
	t.Parallel()
	const outage = 30 * time.Second

	inBubble(t, "runs whose leases outlast it are reported after it", func(t *testing.T) {
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

	inBubble(t, "runs whose leases end in it stop before, and run again", func(t *testing.T) {
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
		require.Equal(t, []int{2, 0}, []int{got.Deliveries, got.Recoveries}, "and made no poison")
		require.EqualValues(t, 1, w.stats().LeasesLost)
		w.stop()
	})

	inBubble(t, "a report is kept until the store answers", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{}, func(context.Context, *domain.Task) ([]byte, error) {
			pass(time.Second)
			return nil, nil
		})
		task := newTestTask()
		w.enqueue(task)
		synctest.Wait()
		w.queue.set(func(q *faultyQueue) { q.down = true })
		settle(10 * outage)
		w.queue.set(func(q *faultyQueue) { q.down = false })
		settle(10 * time.Second)
		require.Equal(t, domain.TaskStatusCompleted, w.task(task.ID).Status)
		require.Equal(t, 1, w.task(task.ID).Deliveries, "nobody took it meanwhile, so it need not run again")
		require.Zero(t, w.stats().LeasesLost)
		require.Empty(t, w.stats().LastStoreError)
		w.stop()
	})

	inBubble(t, "outages never make poison of what living workers run", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{Workers: 2}, func(ctx context.Context, _ *domain.Task) ([]byte, error) {
			select {
			case <-time.After(time.Minute):
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		// Others take tasks back too; one of them begins when the store is back.
		maintain := func() *application.DefaultScheduler {
			other, err := application.NewScheduler(w.queue, application.SchedulerConfig{Workers: application.NoWorkers, Maintain: true}, nil)
			require.NoError(t, err)
			require.NoError(t, other.Start(t.Context()))
			return other
		}
		defer func(other *application.DefaultScheduler) { require.NoError(t, other.Stop(t.Context())) }(maintain())
		first, second := newTestTask(), newTestTask()
		w.enqueue(first, second)
		for range 6 {
			settle(10 * time.Second)
			w.queue.set(func(q *faultyQueue) { q.down = true })
			settle(outage)
			w.queue.set(func(q *faultyQueue) { q.down = false })
			young := maintain()
			settle(10 * time.Second)
			require.NoError(t, young.Stop(t.Context()))
		}
		settle(2 * time.Minute)
		for _, task := range []*domain.Task{first, second} {
			got := w.task(task.ID)
			require.Equal(t, domain.TaskStatusCompleted, got.Status)
			require.Equal(t, []int{1, 0}, []int{got.Attempt, got.Recoveries})
		}
		w.stop()
	})

	inBubble(t, "what waits to be reported is bounded", func(t *testing.T) {
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

	inBubble(t, "what waits to be reported is bounded in bytes", func(t *testing.T) {
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

	inBubble(t, "a store that flaps costs at most a log line a second", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
		before := w.logs.Len()
		for i := range 600 {
			w.queue.set(func(q *faultyQueue) { q.down = i%2 == 0 })
			settle(100 * time.Millisecond)
		}
		require.LessOrEqual(t, w.logs.Len()-before, 60)
		w.stop()
	})
}

func TestLostReplies(t *testing.T) {
	t.Parallel()

	inBubble(t, "tasks of a claim whose reply was lost are found again", func(t *testing.T) {
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

	inBubble(t, "a claim whose leases end before it is found again loses nothing", func(t *testing.T) {
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

	inBubble(t, "a report whose reply was lost counts once", func(t *testing.T) {
		w := newWorld(t, application.SchedulerConfig{}, func(context.Context, *domain.Task) ([]byte, error) { return nil, errors.New("no") })
		w.queue.loseReply["UpdateTask"] = 3
		task := newTestTask()
		w.enqueue(task)
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(5 * time.Second)
		require.Equal(t, 1, w.task(task.ID).Attempt)
		require.Len(t, w.task(task.ID).Errors, 1)
		require.Zero(t, w.stats().LeasesLost)
		require.Equal(t, 5, w.queue.count("UpdateTask"), "three of the report, two that ask whether others are taken")
		w.stop()
	})
}

func TestAReportThatTheStoreDoesNotTake(t *testing.T) {
	t.Parallel()
	const tooLarge = 1 << 20
	refuse := func(q *faultyQueue) {
		q.refuse = func(u ports.TaskUpdate) bool { return len(u.Result) > tooLarge }
	}

	inBubble(t, "holds nobody up and fails its task with the reason", func(t *testing.T) {
		large := newTestTask(func(task *domain.Task) { task.Payload = []byte(`"large"`) })
		w := newWorld(t, application.SchedulerConfig{Workers: 200}, func(_ context.Context, task *domain.Task) ([]byte, error) {
			if len(task.Payload) > 2 {
				return make([]byte, tooLarge+1), nil
			}
			return []byte(`{}`), nil
		})
		w.queue.set(refuse)
		w.queue.delay["UpdateTask"] = 10 * time.Millisecond // All of the first reports travel together.
		for i := range 300 {
			if i == 150 {
				w.enqueue(large)
			}
			w.enqueue(newTestTask())
		}
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(3 * time.Second)
		require.EqualValues(t, 300, w.queueStats().Completed, "nothing waits behind it")
		late := newTestTask()
		w.enqueue(late)
		settle(50 * time.Millisecond)
		require.Equal(t, domain.TaskStatusCompleted, w.task(late.ID).Status)
		settle(10 * time.Second)
		got := w.task(large.ID)
		require.Equal(t, domain.TaskStatusFailed, got.Status)
		require.Equal(t, domain.ReasonError, got.Errors[0].Reason)
		require.Contains(t, got.LastError(), "1048577 bytes: too large for the store")
		require.Less(t, w.queue.count("UpdateTask"), 60)
		require.Empty(t, w.stats().LastStoreError)
		require.Zero(t, w.stats().LeasesLost)
		w.stop()
	})

	inBubble(t, "is sent again if the store takes no report at all", func(t *testing.T) {
		w := newWorld(t, application.SchedulerConfig{}, func(context.Context, *domain.Task) ([]byte, error) { return []byte(`"kept"`), nil })
		w.queue.fail["UpdateTask"] = true
		task := newTestTask()
		w.enqueue(task)
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(10 * time.Minute)
		require.Equal(t, domain.TaskStatusProcessing, w.task(task.ID).Status)
		w.queue.set(func(q *faultyQueue) { q.fail["UpdateTask"] = false })
		settle(20 * time.Second)
		require.Equal(t, domain.TaskStatusCompleted, w.task(task.ID).Status)
		require.Equal(t, []byte(`"kept"`), w.task(task.ID).Result)
		w.stop()
	})

	inBubble(t, "is no poison if it can never be", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{}, func(context.Context, *domain.Task) ([]byte, error) {
			return nil, domain.RetryAfter(20*domain.MaxScheduleAhead, errors.New("busy"))
		})
		task := newTestTask()
		w.enqueue(task)
		settle(time.Minute)
		require.Contains(t, []domain.TaskStatus{domain.TaskStatusFailed, domain.TaskStatusRetrying}, w.task(task.ID).Status)
		require.Zero(t, w.task(task.ID).Recoveries)
		w.stop()
	})
}

func TestASlowLine(t *testing.T) {
	t.Parallel()
	for _, bytesPerSecond := range []int{2 << 20, 500_000} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, application.SchedulerConfig{Workers: 20}, func(_ context.Context, task *domain.Task) ([]byte, error) {
				return task.Payload[:100_000], nil
			})
			w.queue.line = bytesPerSecond
			var tasks []*domain.Task
			for range 20 {
				tasks = append(tasks, newTestTask(func(task *domain.Task) { task.Payload = make([]byte, domain.MaxPayload) }))
			}
			w.enqueue(tasks...)
			require.NoError(t, w.scheduler.Start(t.Context()))
			settle(5 * time.Minute)
			for _, task := range tasks {
				got := w.task(task.ID)
				require.Equal(t, domain.TaskStatusCompleted, got.Status)
				require.Equal(t, []int{1, 0}, []int{got.Attempt, got.Recoveries})
			}
			w.stop()
		})
	}
}
