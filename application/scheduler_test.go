package application_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/mock/gomock"
	"github.com/stretchr/testify/require"

	"logsift/application"
	"logsift/domain"
	"logsift/mocks"
	"logsift/ports"
)

func TestNewSchedulerNamesABadSetting(t *testing.T) {
	t.Parallel()
	for field, cfg := range map[string]application.SchedulerConfig{
		"workers":        {Workers: -2},
		"prefetch":       {Prefetch: -1},
		"lease":          {Lease: time.Millisecond},
		"queues":         {Queues: []string{"a=1", "b=-1"}},
		"timeout_grace":  {TimeoutGrace: -1},
		"drain_grace":    {DrainGrace: -1},
		"retention":      {Retention: -1},
		"purge_interval": {PurgeInterval: -1},
		"retry.jitter":   {RetryPolicy: domain.RetryPolicy{Jitter: 2}},
	} {
		_, err := application.NewScheduler(nil, cfg, nil)
		var invalid *domain.ValidationError
		require.ErrorAs(t, err, &invalid, field)
		require.Equal(t, field, invalid.Field)
	}
}

func TestSchedulerLife(t *testing.T) {
	t.Parallel()
	nothing := processorFunc(func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })

	t.Run("a scheduler with workers needs a processor", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, application.SchedulerConfig{}, nil)
		require.ErrorContains(t, w.scheduler.Start(t.Context()), "no processor is registered")
	})
	inBubble(t, "it starts once, and takes no processors after that", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{}, nothing)
		require.ErrorContains(t, w.scheduler.Start(t.Context()), "started before")
		require.ErrorIs(t, w.scheduler.RegisterProcessor("other", nothing), domain.ErrInvalid)
		w.stop()
		w.stop()
		require.ErrorIs(t, w.scheduler.Start(t.Context()), domain.ErrClosed)
	})
	t.Run("a type has one processor and a valid name", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, application.SchedulerConfig{}, nothing)
		require.ErrorIs(t, w.scheduler.RegisterProcessor(testType, nothing), domain.ErrInvalid)
		require.ErrorIs(t, w.scheduler.RegisterProcessor("no name", nothing), domain.ErrInvalid)
		require.ErrorIs(t, w.scheduler.RegisterProcessor("other", nil), domain.ErrInvalid)
		require.NoError(t, w.scheduler.RegisterProcessor("also", nothing))
		require.Equal(t, []domain.TaskType{"also", testType}, w.stats().TaskTypes)
	})
	inBubble(t, "the end of the context of Start does not stop it", func(t *testing.T) {
		w := newWorld(t, application.SchedulerConfig{}, nothing)
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, w.scheduler.Start(ctx))
		cancel()
		task := newTestTask()
		w.enqueue(task)
		synctest.Wait()
		require.Equal(t, domain.TaskStatusCompleted, w.task(task.ID).Status)
		w.stop()
	})
	t.Run("stopping what never started is nothing", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, application.SchedulerConfig{}, nothing)
		w.stop()
		require.ErrorIs(t, w.scheduler.Start(t.Context()), domain.ErrClosed)
	})
	inBubble(t, "without workers it claims nothing but maintains", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{Workers: application.NoWorkers, Maintain: true}, nil)
		task := newTestTask()
		w.enqueue(task)
		_, err := w.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: task.ID, Max: 1, Lease: time.Second})
		require.NoError(t, err)
		settle(3 * time.Second)
		require.Equal(t, domain.TaskStatusPending, w.task(task.ID).Status, "recovered from its dead worker")
		require.Equal(t, 1, w.queue.count("Dequeue"))
		require.EqualValues(t, 1, w.stats().RecoveredTasks)
		w.stop()
	})
}

func TestScheduleTask(t *testing.T) {
	t.Parallel()
	w := newWorld(t, application.SchedulerConfig{}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
	stored, err := w.scheduler.ScheduleTask(t.Context(), newTestTask())
	require.NoError(t, err)
	require.Equal(t, domain.TaskStatusPending, stored.Status)

	_, err = w.scheduler.ScheduleTask(t.Context(), newTestTask(func(t *domain.Task) { t.Type = "tset" }))
	require.ErrorIs(t, err, domain.ErrUnknownTaskType)
	require.ErrorContains(t, err, `the known types are "test"`)
	_, err = w.scheduler.ScheduleTask(t.Context(), newTestTask(func(t *domain.Task) { t.Priority = 11 }))
	require.ErrorIs(t, err, domain.ErrInvalid)
	_, err = w.scheduler.ScheduleTask(t.Context(), nil)
	require.ErrorIs(t, err, domain.ErrInvalid)
	_, err = w.scheduler.ScheduleLogAnalysis(t.Context())
	require.ErrorIs(t, err, domain.ErrInvalid)
	_, err = w.scheduler.ScheduleLogAnalysis(t.Context(), stored.ID)
	require.ErrorIs(t, err, domain.ErrUnknownTaskType)
}

func TestRetriesComeAfterOneFourAndNineMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs journal
		w := startWorld(t, application.SchedulerConfig{}, func(_ context.Context, task *domain.Task) ([]byte, error) {
			runs.note(task)
			return nil, errors.New("no luck")
		})
		start := time.Now()
		task := newTestTask()
		w.enqueue(task)
		for i, due := range []time.Duration{0, time.Minute, 5 * time.Minute, 14 * time.Minute} {
			if due > 0 {
				settle(time.Until(start.Add(due)) - time.Microsecond)
				require.Len(t, runs.times(), i, "a microsecond early it does not run")
				require.Equal(t, domain.TaskStatusRetrying, w.task(task.ID).Status)
			}
			settle(time.Until(start.Add(due)))
			require.Len(t, runs.times(), i+1)
			require.Equal(t, due, runs.times()[i].Sub(start))
		}
		settle(time.Hour)
		require.Len(t, runs.times(), 4)
		done := w.task(task.ID)
		require.Equal(t, domain.TaskStatusFailed, done.Status)
		require.Equal(t, 4, done.Attempt)
		require.Len(t, done.Errors, 4)
		stats := w.stats()
		require.EqualValues(t, []int64{4, 4, 3}, []int64{stats.ProcessedTasks, stats.FailedTasks, stats.RetriedTasks})
		w.stop()
	})
}

func TestAnErrorSteersTheRetry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status domain.TaskStatus
		reason domain.FailureReason
		due    time.Duration
	}{
		"a permanent error is not retried":         {domain.Permanent(errors.New("bad")), domain.TaskStatusFailed, domain.ReasonPermanent, 0},
		"an error may name the delay of the retry": {domain.RetryAfter(7*time.Second, errors.New("busy")), domain.TaskStatusRetrying, domain.ReasonError, 7 * time.Second},
	} {
		inBubble(t, name, func(t *testing.T) {
			w := startWorld(t, application.SchedulerConfig{}, func(context.Context, *domain.Task) ([]byte, error) { return nil, c.err })
			task := newTestTask()
			w.enqueue(task)
			synctest.Wait()
			got := w.task(task.ID)
			require.Equal(t, c.status, got.Status)
			require.Equal(t, c.reason, got.Errors[0].Reason)
			if c.due > 0 {
				require.WithinDuration(t, time.Now().Add(c.due), got.ScheduledAt, 0)
			}
			w.stop()
		})
	}
}

func TestWhatAProcessorDoesToItself(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do      func()
		message string
	}{
		"a panic fails the attempt":                     {func() { panic("boom") }, "panic: boom"},
		"a panic with a permanent error is retried too": {func() { panic(domain.Permanent(errors.New("boom"))) }, "panic: boom"},
		"an exit of the goroutine fails the attempt":    {runtime.Goexit, "Goexit"},
	} {
		inBubble(t, name, func(t *testing.T) {
			var runs journal
			w := startWorld(t, application.SchedulerConfig{Workers: 1}, func(_ context.Context, task *domain.Task) ([]byte, error) {
				if runs.note(task) == 1 {
					c.do()
				}
				return []byte(`"fine"`), nil
			})
			bad, good := newTestTask(), newTestTask()
			w.enqueue(bad, good)
			synctest.Wait()
			require.Equal(t, domain.TaskStatusCompleted, w.task(good.ID).Status, "the worker lives")
			failed := w.task(bad.ID)
			require.Equal(t, domain.TaskStatusRetrying, failed.Status)
			require.Equal(t, domain.ReasonPanic, failed.Errors[0].Reason)
			require.Contains(t, failed.Errors[0].Message, c.message)
			require.Contains(t, failed.Errors[0].Stack, "application")
			require.EqualValues(t, 1, w.stats().PanickedTasks)
			settle(time.Minute)
			require.Equal(t, domain.TaskStatusCompleted, w.task(bad.ID).Status)
			w.stop()
		})
	}
}

func TestAResultThatIsTooLargeFailsForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{}, func(context.Context, *domain.Task) ([]byte, error) {
			return make([]byte, domain.MaxResult+1), nil
		})
		task := newTestTask()
		w.enqueue(task)
		synctest.Wait()
		require.Equal(t, domain.TaskStatusFailed, w.task(task.ID).Status)
		require.Contains(t, w.task(task.ID).LastError(), "too large")
		w.stop()
	})
}

func TestTimeOut(t *testing.T) {
	t.Parallel()
	short := func(t *domain.Task) { t.Timeout = time.Second }

	inBubble(t, "an attempt that ends with its context has timed out", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{}, func(ctx context.Context, _ *domain.Task) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		task := newTestTask(short)
		w.enqueue(task)
		settle(time.Second)
		got := w.task(task.ID)
		require.Equal(t, domain.TaskStatusRetrying, got.Status)
		require.Equal(t, domain.ReasonTimeout, got.Errors[0].Reason)
		require.EqualValues(t, 1, w.stats().TimedOutTasks)
		w.stop()
	})
	inBubble(t, "work that is done a little late is kept", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{}, func(ctx context.Context, _ *domain.Task) ([]byte, error) {
			pass(2 * time.Second)
			return []byte(`1`), nil
		})
		task := newTestTask(short)
		w.enqueue(task)
		settle(3 * time.Second)
		require.Equal(t, domain.TaskStatusCompleted, w.task(task.ID).Status)
		w.stop()
	})
	inBubble(t, "a processor that ignores it keeps its worker and loses its result", func(t *testing.T) {
		wake := make(chan struct{})
		var runs journal
		w := startWorld(t, application.SchedulerConfig{Workers: 2, Prefetch: 1}, func(_ context.Context, task *domain.Task) ([]byte, error) {
			if runs.note(task) == 1 {
				<-wake
			}
			return []byte(`"late"`), nil
		})
		stuck := newTestTask(short, func(t *domain.Task) { t.MaxRetries = 0 })
		w.enqueue(stuck)
		settle(6*time.Second - time.Microsecond)
		require.Equal(t, domain.TaskStatusProcessing, w.task(stuck.ID).Status)
		settle(time.Microsecond)
		got := w.task(stuck.ID)
		require.Equal(t, domain.TaskStatusFailed, got.Status)
		require.Equal(t, domain.ReasonTimeout, got.Errors[0].Reason)
		require.Equal(t, 1, w.stats().BusyWorkers, "the worker is stuck")

		other := newTestTask()
		w.enqueue(other)
		synctest.Wait()
		require.Equal(t, domain.TaskStatusCompleted, w.task(other.ID).Status, "the other worker works")

		close(wake)
		synctest.Wait()
		require.Zero(t, w.stats().BusyWorkers)
		require.Equal(t, domain.TaskStatusFailed, w.task(stuck.ID).Status)
		require.Nil(t, w.task(stuck.ID).Result)
		w.stop()
	})
	inBubble(t, "tasks do not wait for workers that are all stuck", func(t *testing.T) {
		wake := make(chan struct{})
		w := startWorld(t, application.SchedulerConfig{Workers: 1, Prefetch: 3}, func(context.Context, *domain.Task) ([]byte, error) {
			<-wake
			return nil, nil
		})
		stuck, next := newTestTask(short, func(t *domain.Task) { t.MaxRetries = 0 }), newTestTask()
		w.enqueue(stuck, next)
		synctest.Wait()
		require.Equal(t, domain.TaskStatusProcessing, w.task(next.ID).Status, "it is prefetched")
		settle(6*time.Second + 10*time.Millisecond)
		require.Equal(t, domain.TaskStatusPending, w.task(next.ID).Status, "it is given back")
		close(wake)
		synctest.Wait()
		require.Equal(t, domain.TaskStatusCompleted, w.task(next.ID).Status)
		w.stop()
	})
}

func TestOnlyKnownTypesAreClaimed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
		other, known := newTestTask(func(t *domain.Task) { t.Type = "other"; t.Priority = 10 }), newTestTask()
		w.enqueue(other, known)
		synctest.Wait()
		require.Equal(t, domain.TaskStatusCompleted, w.task(known.ID).Status)
		require.Equal(t, domain.TaskStatusPending, w.task(other.ID).Status)
		require.Zero(t, w.task(other.ID).Deliveries)
		w.stop()
	})
}

func TestWorkersBoundWhatRunsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{Workers: 3, Prefetch: 2}, func(context.Context, *domain.Task) ([]byte, error) {
			pass(time.Second)
			return nil, nil
		})
		for range 10 {
			w.enqueue(newTestTask())
		}
		synctest.Wait()
		require.Equal(t, 3, w.stats().BusyWorkers)
		require.EqualValues(t, 5, w.queueStats().Processing, "3 run and 2 are prefetched")
		settle(4 * time.Second)
		require.EqualValues(t, 10, w.queueStats().Completed)
		w.stop()
	})
}

func TestShortTasksAreClaimedAhead(t *testing.T) {
	t.Parallel()
	inBubble(t, "so that workers need not wait for a claim", func(t *testing.T) {
		w := newWorld(t, application.SchedulerConfig{Workers: 10}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
		for range 2000 {
			w.enqueue(newTestTask())
		}
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(time.Second)
		require.EqualValues(t, 2000, w.queueStats().Completed)
		require.Less(t, w.queue.count("Dequeue"), 60, "200 claims would be one for each ten")
		w.stop()
	})

	inBubble(t, "long ones are not", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{Workers: 2}, func(context.Context, *domain.Task) ([]byte, error) {
			<-time.After(time.Second)
			return nil, nil
		})
		for range 20 {
			w.enqueue(newTestTask())
		}
		for range 5 {
			settle(time.Second)
			require.LessOrEqual(t, w.queueStats().Processing, int64(4), "two run, and two may have been claimed as two ended")
		}
		w.stop()
	})

	inBubble(t, "and given back if what runs turns out to be long", func(t *testing.T) {
		w := newWorld(t, application.SchedulerConfig{Workers: 2}, func(ctx context.Context, task *domain.Task) ([]byte, error) {
			if task.Priority < domain.PriorityNormal {
				<-time.After(time.Minute)
			}
			return nil, nil
		})
		for range 200 {
			w.enqueue(newTestTask())
		}
		for range 100 {
			long := newTestTask()
			long.Priority = domain.PriorityLow
			w.enqueue(long)
		}
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(2 * time.Second)
		require.EqualValues(t, 200, w.queueStats().Completed)
		require.EqualValues(t, 2, w.queueStats().Processing, "only what runs is held")
		require.NotZero(t, w.stats().ReleasedTasks)
		w.stop()
	})
}

func TestReportsTravelTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, application.SchedulerConfig{Workers: 50}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
		w.queue.delay["UpdateTask"] = 100 * time.Millisecond
		for range 50 {
			w.enqueue(newTestTask())
		}
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(time.Second)
		require.EqualValues(t, 50, w.queueStats().Completed)
		require.LessOrEqual(t, w.queue.count("UpdateTask"), 3)
		require.LessOrEqual(t, w.queue.count("Dequeue"), 3, "a claim takes as many as there are free workers")
		w.stop()
	})
}

func TestReportsGatherWhatComesOneAfterAnother(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) *world {
		t.Helper()
		w := startWorld(t, application.SchedulerConfig{Workers: 50}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
		w.queue.set(func(q *faultyQueue) {
			q.delay["Dequeue"], q.delay["UpdateTask"] = 100*time.Microsecond, 100*time.Microsecond
		})
		settle(time.Second)
		w.queue.set(func(q *faultyQueue) { clear(q.calls) })
		return w
	}
	inBubble(t, "of a steady flow, a call has several", func(t *testing.T) {
		const n = 400
		w := begin(t)
		for range n {
			w.enqueue(newTestTask())
			pass(100 * time.Microsecond)
		}
		settle(3 * time.Millisecond)
		require.EqualValues(t, n, w.queueStats().Completed)
		require.Less(t, w.queue.count("UpdateTask"), n/4)
		w.stop()
	})
	inBubble(t, "nobody who waits for one run after another waits longer", func(t *testing.T) {
		w := begin(t)
		for range 20 {
			task := newTestTask()
			w.enqueue(task)
			settle(time.Millisecond)
			require.Equal(t, domain.TaskStatusCompleted, w.task(task.ID).Status)
		}
		w.stop()
	})
	inBubble(t, "what is enough for a call does not wait", func(t *testing.T) {
		w := begin(t)
		for round := range int64(20) {
			tasks := make([]*domain.Task, 20)
			for i := range tasks {
				tasks[i] = newTestTask()
			}
			w.enqueue(tasks...)
			settle(time.Millisecond)
			// Others than the first reports, of any number, may be too few to go at once.
			require.GreaterOrEqual(t, w.queueStats().Completed, 20*round+12)
			settle(3 * time.Millisecond)
		}
		w.stop()
	})
}

func TestQueuesWithWeights(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T, workers int, queues ...string) (*world, *journal) {
		t.Helper()
		var runs journal
		w := newWorld(t, application.SchedulerConfig{Workers: workers, Queues: queues}, func(_ context.Context, task *domain.Task) ([]byte, error) {
			runs.note(task)
			pass(10 * time.Millisecond)
			return nil, nil
		})
		return w, &runs
	}
	enqueue := func(w *world, queue string, n int) []*domain.Task {
		tasks := make([]*domain.Task, n)
		for i := range tasks {
			tasks[i] = newTestTask(func(t *domain.Task) { t.Queue = queue })
		}
		w.enqueue(tasks...)
		return tasks
	}
	// of counts the runs of a queue.
	of := func(w *world, ids []domain.TaskID, queue string) (n int) {
		for _, id := range ids {
			if w.task(id).Queue == queue {
				n++
			}
		}
		return n
	}
	inBubble(t, "each has its share, and what is left over goes to those who wait", func(t *testing.T) {
		w, runs := begin(t, 1, "a=3", "b", "empty=5", "last=0")
		enqueue(w, "last", 4)
		enqueue(w, "b", 40)
		enqueue(w, "a", 40)
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(time.Minute)
		ids := runs.tasks()
		require.Len(t, ids, 84)
		for first := 0; first < 40; first += 8 {
			require.InDelta(t, 6, of(w, ids[first:first+8], "a"), 1)
		}
		require.Equal(t, 4, of(w, ids[80:], "last"))
		w.stop()
	})
	inBubble(t, "a queue has no more for the time when it was empty", func(t *testing.T) {
		w, runs := begin(t, 10, "a=3", "b", "new=5")
		enqueue(w, "a", 9000)
		enqueue(w, "b", 9000)
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(3 * time.Second)
		enqueue(w, "new", 900)
		settle(50 * time.Millisecond) // for what was claimed before
		first := len(runs.tasks())
		settle(100 * time.Millisecond)
		require.InDelta(t, 50, of(w, runs.tasks()[first:first+90], "new"), 5)
		w.stop()
	})
	inBubble(t, "the first of strict order goes first, when it comes", func(t *testing.T) {
		w, runs := begin(t, 1, "a=0", "b=0")
		enqueue(w, "b", 100)
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(500 * time.Millisecond)
		id := enqueue(w, "a", 1)[0].ID
		settle(60 * time.Millisecond)
		require.Contains(t, runs.tasks(), id)
		w.stop()
	})
	inBubble(t, "nobody looks again and again where nothing is", func(t *testing.T) {
		w, runs := begin(t, 1, "a=3", "b", "c=0")
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(time.Minute)
		require.LessOrEqual(t, w.queue.count("Dequeue"), 20)
		enqueue(w, "c", 1)
		synctest.Wait()
		require.Len(t, runs.tasks(), 1, "it is waited for")
		w.stop()
	})
}

func TestAgeing(t *testing.T) {
	t.Parallel()
	inBubble(t, "of those that run here, and of those that run elsewhere", func(t *testing.T) {
		var runs journal
		w := newWorld(t, application.SchedulerConfig{Workers: 1, Ageing: time.Minute}, func(_ context.Context, task *domain.Task) ([]byte, error) {
			runs.note(task)
			return nil, nil
		})
		elsewhere := application.NewWorkerService(w.queue, application.WorkerServiceConfig{Ageing: time.Minute})
		low := newTestTask(func(t *domain.Task) { t.Priority = domain.PriorityLow })
		w.enqueue(low)
		settle(3*time.Minute + time.Second)
		normal := newTestTask()
		w.enqueue(normal)
		first := claimFor(t, elsewhere, 1)[0].Task
		require.Equal(t, low.ID, first.ID)
		require.NoError(t, w.queue.ReleaseTask(t.Context(), *first.Lease))
		require.NoError(t, w.scheduler.Start(t.Context()))
		synctest.Wait()
		require.Equal(t, []domain.TaskID{low.ID, normal.ID}, runs.tasks())
		w.stop()
	})
}

func TestNothingIsClaimedAfterStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctrl := gomock.NewController(t)
		queue := mocks.NewMockTaskQueue(ctrl)
		task := newTestTask()
		task.Lease = &domain.Lease{TaskID: task.ID, Delivery: 1}
		first := queue.EXPECT().Dequeue(gomock.Any(), gomock.Any()).Return([]*domain.Task{task}, nil)
		second := queue.EXPECT().Dequeue(gomock.Any(), gomock.Any()).After(first).
			DoAndReturn(func(ctx context.Context, _ ports.ClaimRequest) ([]*domain.Task, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
		queue.EXPECT().UpdateTask(gomock.Any(), gomock.Any()).After(second).Return(nil)
		queue.EXPECT().PromoteDue(gomock.Any(), gomock.Any()).Return(ports.Maintained{Next: -1}, nil).AnyTimes()
		queue.EXPECT().ReapExpired(gomock.Any(), gomock.Any()).Return(ports.Maintained{Next: -1}, nil).AnyTimes()
		queue.EXPECT().PurgeFinished(gomock.Any(), gomock.Any()).Return(nil, nil).AnyTimes()

		s, err := application.NewScheduler(queue, application.SchedulerConfig{Workers: 2}, nil)
		require.NoError(t, err)
		require.NoError(t, s.RegisterProcessor(testType, processorFunc(func(context.Context, *domain.Task) ([]byte, error) {
			pass(4 * time.Second)
			return nil, nil
		})))
		require.NoError(t, s.Start(t.Context()))
		synctest.Wait()
		require.NoError(t, s.Stop(t.Context()))
	})
}

func TestStatsFollowTheLifeOfTheScheduler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{Workers: 4}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
		stats := w.stats()
		require.True(t, stats.Running)
		require.False(t, stats.Draining)
		require.Equal(t, 4, stats.WorkersCount)
		require.Equal(t, time.Now(), stats.StartedAt)
		w.stop()
		require.False(t, w.stats().Running)
		require.Empty(t, w.stats().LastStoreError, "a stop is no error of the store")
	})
}
