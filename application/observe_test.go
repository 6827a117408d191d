package application_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// runLog is an observer of runs.
type runLog struct {
	mu   sync.Mutex
	ends []ports.RunEnd
}

func (l *runLog) ObserveRun(end ports.RunEnd) {
	l.mu.Lock()
	defer l.mu.Unlock()
	end.Task = end.Task.Clone()
	l.ends = append(l.ends, end)
}

// take returns what was observed since the last time.
func (l *runLog) take() []ports.RunEnd {
	l.mu.Lock()
	defer l.mu.Unlock()
	ends := l.ends
	l.ends = nil
	return ends
}

func TestTheObserverIsToldHowEachRunEnds(t *testing.T) {
	t.Parallel()
	const runs = 300 * time.Millisecond
	ignore := func(context.Context) { <-time.After(time.Minute) }
	for name, c := range map[string]struct {
		change  func(*domain.Task)
		process func(ctx context.Context) error
		// meanwhile is what happens while it runs.
		meanwhile func(t *testing.T, w *world, id domain.TaskID)
		outcome   ports.RunOutcome
		reason    domain.FailureReason
		lasts     time.Duration
	}{
		"a success":         {process: func(context.Context) error { pass(runs); return nil }, outcome: ports.RunCompleted, lasts: runs},
		"a failure":         {process: func(context.Context) error { return errors.New("no") }, outcome: ports.RunRetried, reason: domain.ReasonError},
		"the last failure":  {change: func(t *domain.Task) { t.MaxRetries = 0 }, process: func(context.Context) error { return errors.New("no") }, outcome: ports.RunFailed, reason: domain.ReasonError},
		"a permanent error": {process: func(context.Context) error { return domain.Permanent(errors.New("no")) }, outcome: ports.RunFailed, reason: domain.ReasonPermanent},
		"a panic":           {process: func(context.Context) error { panic("no") }, outcome: ports.RunRetried, reason: domain.ReasonPanic},
		"a time-out": {
			change:  func(t *domain.Task) { t.Timeout = runs },
			process: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			outcome: ports.RunRetried, reason: domain.ReasonTimeout, lasts: runs,
		},
		"a time-out that is ignored": {
			change:  func(t *domain.Task) { t.Timeout = runs },
			process: func(ctx context.Context) error { ignore(ctx); return nil },
			outcome: ports.RunRetried, reason: domain.ReasonTimeout, lasts: runs + application.DefaultTimeoutGrace,
		},
		"a cancelled task": {
			process: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			meanwhile: func(t *testing.T, w *world, id domain.TaskID) {
				t.Helper()
				require.NoError(t, w.queue.CancelTask(t.Context(), id))
			},
			outcome: ports.RunLeaseLost,
		},
		"a stop": {
			process: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			meanwhile: func(t *testing.T, w *world, _ domain.TaskID) {
				t.Helper()
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				require.Error(t, w.scheduler.Stop(ctx))
			},
			outcome: ports.RunReleased,
		},
	} {
		inBubble(t, name, func(t *testing.T) {
			log := &runLog{}
			w := startWorld(t, application.SchedulerConfig{Observer: log}, func(ctx context.Context, _ *domain.Task) ([]byte, error) { return nil, c.process(ctx) })
			task := newTestTask()
			if c.change != nil {
				c.change(task)
			}
			w.enqueue(task)
			settle(time.Millisecond)
			if c.meanwhile != nil {
				c.meanwhile(t, w, task.ID)
			}
			settle(20 * time.Second)
			ends := log.take()
			require.Len(t, ends, 1)
			require.Equal(t, task.ID, ends[0].Task.ID)
			require.Equal(t, c.outcome, ends[0].Outcome)
			require.Equal(t, c.reason, ends[0].Reason)
			require.Zero(t, ends[0].Wait)
			if c.lasts > 0 {
				require.Equal(t, c.lasts, ends[0].Duration)
			}
			settle(2 * time.Minute) // What ignored its context returns.
			require.NoError(t, ignoreRepeat(w.scheduler.Stop(t.Context())))
		})
	}
}

// ignoreRepeat leaves out the error of a stop that was cut short before.
func ignoreRepeat(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func TestTheWaitBeforeARunIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &runLog{}
		w := startWorld(t, application.SchedulerConfig{Observer: log, Workers: 1, Prefetch: 10}, func(context.Context, *domain.Task) ([]byte, error) {
			pass(2 * time.Second)
			return nil, nil
		})
		w.enqueue(newTestTask(), newTestTask(), newTestTask())
		settle(7 * time.Second)
		var waits []time.Duration
		for _, end := range log.take() {
			waits = append(waits, end.Wait)
		}
		require.Equal(t, []time.Duration{0, 2 * time.Second, 4 * time.Second}, waits, "the wait of a task that was claimed ahead goes on")
		w.stop()
	})
}

// batchCount counts the batches that are begun.
type batchCount int

func (c *batchCount) Begin(ctx context.Context, _ ports.Call) context.Context { return ctx }

func (c *batchCount) End(_ context.Context, call ports.Call) {
	if call.Op == ports.OpOpenBatch && call.Err == nil {
		*c++
	}
}

func TestABatchIsTold(t *testing.T) {
	t.Parallel()
	var begun batchCount
	w := newLogWorld(t, application.LogServiceConfig{BatchSize: 2, Observers: ports.Observers{&begun}})
	w.create(lines(3)...)
	require.EqualValues(t, 2, begun)
}
