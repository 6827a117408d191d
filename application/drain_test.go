package application_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/application"
	"logsift/domain"
)

func TestDrain(t *testing.T) {
	t.Parallel()

	inBubble(t, "running tasks finish, prefetched ones are given back at once", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{Workers: 1, Prefetch: 1}, func(context.Context, *domain.Task) ([]byte, error) {
			pass(10 * time.Second)
			return nil, nil
		})
		running, ahead, behind := newTestTask(), newTestTask(), newTestTask()
		w.enqueue(running, ahead, behind)
		synctest.Wait()
		stopped := make(chan error, 1)
		begun := time.Now()
		go func() { stopped <- w.scheduler.Stop(t.Context()) }()
		synctest.Wait()
		require.True(t, w.stats().Draining)
		require.Equal(t, domain.TaskStatusPending, w.task(ahead.ID).Status)
		require.NoError(t, <-stopped)
		require.Equal(t, 10*time.Second, time.Since(begun))
		require.Equal(t, domain.TaskStatusCompleted, w.task(running.ID).Status)
		require.Zero(t, w.task(ahead.ID).Attempt)
		require.Zero(t, w.task(behind.ID).Deliveries)
		require.EqualValues(t, 1, w.stats().ReleasedTasks)
	})

	inBubble(t, "what does not finish in time is cancelled and given back uncounted", func(t *testing.T) {
		var cause error
		w := startWorld(t, application.SchedulerConfig{Workers: 1}, func(ctx context.Context, _ *domain.Task) ([]byte, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return nil, ctx.Err()
		})
		task := newTestTask()
		w.enqueue(task)
		synctest.Wait()
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err := w.scheduler.Stop(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "1 runs were cut short and given back")
		require.Equal(t, 3*time.Second, time.Since(begun))
		require.ErrorContains(t, cause, "stopping")
		got := w.task(task.ID)
		require.Equal(t, domain.TaskStatusPending, got.Status)
		require.Zero(t, got.Attempt)
		require.Zero(t, got.Recoveries)
		require.Empty(t, got.Errors)
		require.True(t, got.Ready(time.Now()))
		require.Equal(t, err, w.scheduler.Stop(t.Context()), "a further call gives the same answer")
	})

	inBubble(t, "work that is done in the grace is reported", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{Workers: 1}, func(ctx context.Context, _ *domain.Task) ([]byte, error) {
			<-ctx.Done()
			pass(500 * time.Millisecond)
			return []byte(`1`), nil
		})
		task := newTestTask()
		w.enqueue(task)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, w.scheduler.Stop(ctx))
		require.Equal(t, domain.TaskStatusCompleted, w.task(task.ID).Status)
	})

	inBubble(t, "a processor that never returns is abandoned and its task given back", func(t *testing.T) {
		wake := make(chan struct{})
		w := startWorld(t, application.SchedulerConfig{Workers: 2}, func(context.Context, *domain.Task) ([]byte, error) {
			<-wake
			return []byte(`"late"`), nil
		})
		task := newTestTask()
		w.enqueue(task)
		synctest.Wait()
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		require.ErrorContains(t, w.scheduler.Stop(ctx), "1 runs were abandoned")
		require.Equal(t, 4*time.Second, time.Since(begun))
		require.Equal(t, domain.TaskStatusPending, w.task(task.ID).Status)
		close(wake)
		synctest.Wait()
		require.Equal(t, domain.TaskStatusPending, w.task(task.ID).Status, "the late result is dropped")
	})

	inBubble(t, "a store that is down does not hold it up", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{Workers: 1}, func(ctx context.Context, _ *domain.Task) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		w.enqueue(newTestTask())
		synctest.Wait()
		w.queue.set(func(q *faultyQueue) { q.down = true })
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		require.ErrorContains(t, w.scheduler.Stop(ctx), "could not be reported or given back")
		require.LessOrEqual(t, time.Since(begun), 5*time.Second)
	})

	inBubble(t, "tasks that are on their way from the store are given back", func(t *testing.T) {
		w := newWorld(t, application.SchedulerConfig{Workers: 2}, func(context.Context, *domain.Task) ([]byte, error) {
			pass(time.Second)
			return nil, nil
		})
		w.queue.slowReply = 500 * time.Millisecond
		for range 10 {
			w.enqueue(newTestTask())
		}
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(1700 * time.Millisecond)
		require.EqualValues(t, 2, w.queueStats().Completed)
		require.NotZero(t, w.queueStats().Processing, "claimed, but not arrived")
		w.stop()
		require.EqualValues(t, 8, w.queueStats().Pending)
	})

	inBubble(t, "a second call may give up waiting", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{Workers: 1}, func(context.Context, *domain.Task) ([]byte, error) {
			pass(10 * time.Second)
			return nil, errors.New("failed while draining, which counts")
		})
		task := newTestTask()
		w.enqueue(task)
		synctest.Wait()
		first := make(chan error, 1)
		go func() { first <- w.scheduler.Stop(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.scheduler.Stop(ctx), context.DeadlineExceeded)
		require.NoError(t, <-first)
		require.Equal(t, 1, w.task(task.ID).Attempt)
	})
}

func TestADrainTellsWhatCouldNotBeReported(t *testing.T) {
	t.Parallel()
	for name, done := range map[string]error{"reports of success": nil, "reports of failures": errors.New("failed")} {
		inBubble(t, name, func(t *testing.T) {
			w := startWorld(t, application.SchedulerConfig{Lease: time.Second}, func(context.Context, *domain.Task) ([]byte, error) {
				pass(500 * time.Millisecond)
				return nil, done
			})
			w.enqueue(newTestTask(), newTestTask(), newTestTask())
			synctest.Wait()
			w.queue.set(func(q *faultyQueue) { q.down = true })
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			require.ErrorContains(t, w.scheduler.Stop(ctx), "3 runs could not be reported or given back")
		})
	}
}
