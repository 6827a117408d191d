package application_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// startTracked returns a world whose store knows of its runs.
func startTracked(t *testing.T, p processorFunc) (*world, *countedRuns) {
	t.Helper()
	runs := &countedRuns{}
	w := newWorld(t, application.SchedulerConfig{Runs: runs, Lease: time.Hour}, p)
	runs.RunTracker = w.queue.TaskQueue.(ports.RunTracker)
	require.NoError(t, w.scheduler.Start(t.Context()))
	return w, runs
}

// countedRuns counts the calls that save progress, some of which fail.
type countedRuns struct {
	ports.RunTracker

	saves atomic.Int64
	fails atomic.Int64 // those that are left
}

func (r *countedRuns) SaveProgress(ctx context.Context, progress ...ports.RunProgress) error {
	r.saves.Add(1)
	if r.fails.Add(-1) >= 0 {
		return domain.ErrStoreUnavailable
	}
	return r.RunTracker.SaveProgress(ctx, progress...)
}

func TestTheNewestProgressIsStoredWithinASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var refused error
		w, runs := startTracked(t, func(ctx context.Context, _ *domain.Task) ([]byte, error) {
			for percent := range 101 {
				if err := application.Progress(ctx, percent, "step", []byte(`{"n":1}`)); err != nil {
					return nil, err
				}
				pass(100 * time.Millisecond)
			}
			refused = application.Progress(ctx, 101, "", nil)
			pass(3 * ports.ProgressKept)
			return nil, nil
		})
		runs.fails.Store(2)
		task := newTestTask(func(t *domain.Task) { t.Timeout = 24 * time.Hour })
		w.enqueue(task)
		settle(5500 * time.Millisecond)
		got := w.task(task.ID).Progress
		require.InDelta(t, 50, got.Percent, 10, "it is at most a second old")
		require.Equal(t, "step", got.Note)
		settle(6 * time.Second)
		require.Equal(t, 100, w.task(task.ID).Progress.Percent)
		require.LessOrEqual(t, runs.saves.Load(), int64(15), "at most one a second")
		require.ErrorIs(t, refused, domain.ErrInvalid)
		saves := runs.saves.Load()
		settle(2 * ports.ProgressKept)
		require.Less(t, time.Since(w.task(task.ID).Progress.At), ports.ProgressKept, "what says nothing new is not forgotten")
		require.Less(t, runs.saves.Load(), saves+10)
		settle(2 * ports.ProgressKept)
		require.Equal(t, domain.TaskStatusCompleted, w.task(task.ID).Status)
		require.NoError(t, application.Progress(t.Context(), 1, "", nil), "without a run it does nothing")
		w.stop()
	})
}

func TestACancelledRunEndsWithinASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		w, _ := startTracked(t, func(ctx context.Context, task *domain.Task) ([]byte, error) {
			<-ctx.Done()
			ended <- context.Cause(ctx)
			pass(3 * time.Second)
			return nil, ctx.Err()
		})
		task, other := newTestTask(), newTestTask()
		w.enqueue(task, other)
		settle(time.Second) // between two heartbeats, which are twenty minutes apart
		begun := time.Now()
		require.NoError(t, w.queue.CancelTask(t.Context(), task.ID))
		require.ErrorIs(t, <-ended, domain.ErrLeaseLost)
		require.Less(t, time.Since(begun), time.Second)
		settle(2 * time.Second)
		require.True(t, w.task(task.ID).Stopping)
		settle(2 * time.Second)
		require.False(t, w.task(task.ID).Stopping, "its worker says that it has stopped, long before the lease ends")
		require.Equal(t, domain.TaskStatusProcessing, w.task(other.ID).Status)
		require.NoError(t, w.queue.CancelTask(t.Context(), other.ID))
		<-ended
		w.stop()
	})
}
