package fault_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

func TestTimeFaults(t *testing.T) {
	t.Parallel()
	t.Run("workers whose clocks are an hour behind or ahead of the store's change nothing", skewedClocks)
	t.Run("a store whose clock steps back recovers nothing early, and retries late by the step at most", clockStepsBack)
	t.Run("a store whose clock steps forward may recover early, and keeps one completion", clockStepsForward)
}

// journal notes when runs began, by task.
type journal struct {
	mu   sync.Mutex // guards runs
	runs map[domain.TaskID][]time.Time
}

func (j *journal) note(id domain.TaskID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.runs == nil {
		j.runs = map[domain.TaskID][]time.Time{}
	}
	j.runs[id] = append(j.runs[id], time.Now())
}

func (j *journal) of(id domain.TaskID) []time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.runs[id]
}

func skewedClocks(t *testing.T) {
	t.Parallel()
	for name, offset := range map[string]time.Duration{"behind": time.Hour, "ahead": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const delay = 500 * time.Millisecond
			w := sharedWorld(t)
			w.offset.Store(int64(offset)) // that of the store; workers go by their own clocks
			held := newTask(doHold, 0)
			w.add(t, held)
			config := w.worker("victim", 1)
			config.Offset = offset
			victim := spawn(t, config)
			victim.await(t, "running the task", kind("start", ""))
			pause(t, 2*lease) // The lease is extended all the while.
			require.Equal(t, [3]int{0, 1, 0}, counters(w.task(t, held.ID)))

			var runs journal
			s := w.scheduler(t, application.SchedulerConfig{
				Workers: 1, Retention: 30 * time.Minute, PurgeInterval: 100 * time.Millisecond,
				RetryPolicy: domain.RetryPolicy{Kind: domain.RetryFixed, Base: delay, Cap: time.Hour},
			}, func(_ context.Context, task *domain.Task) ([]byte, error) {
				runs.note(task.ID)
				if task.Queue == "fails" && task.Attempt == 0 {
					return nil, errors.New("no")
				}
				return nil, nil
			})
			victim.Kill()
			died := time.Now()
			w.awaitStatus(t, domain.TaskStatusCompleted, held)
			require.LessOrEqual(t, runs.of(held.ID)[0].Sub(died), takeover)

			retried, later := newTask(doNothing, 0, func(t *domain.Task) { t.Queue = "fails" }), newTask(doNothing, 0, func(t *domain.Task) { t.Delay = delay })
			added := time.Now()
			w.add(t, retried, later)
			w.awaitStatus(t, domain.TaskStatusCompleted, retried, later)
			for _, waited := range []time.Duration{runs.of(retried.ID)[1].Sub(runs.of(retried.ID)[0]), runs.of(later.ID)[0].Sub(added)} {
				require.GreaterOrEqual(t, waited, delay)
				require.Less(t, waited, delay+3*time.Second)
			}
			pause(t, 300*time.Millisecond)
			require.EqualValues(t, 3, w.audit(t).Total(), "nothing is old yet")
			w.offset.Add(int64(30 * time.Minute))
			w.awaitStats(t, "what is old goes", func(st domain.QueueStats) bool { return st.Total() == 0 })
			require.Zero(t, s.GetSchedulerStats().LeasesLost)
		})
	}
}

const step = 5 * time.Minute

func clockStepsBack(t *testing.T) {
	t.Parallel()
	w := sharedWorld(t)
	var runs journal
	release := make(chan struct{})
	// The lease outlasts the pauses of a busy machine, and is extended at least once
	// while the clock is back.
	s := w.scheduler(t, application.SchedulerConfig{
		Workers: 3, Lease: 5 * lease, PrefetchWindow: -1, RetryPolicy: domain.RetryPolicy{Kind: domain.RetryFixed, Base: time.Second, Cap: time.Hour},
	}, func(_ context.Context, task *domain.Task) ([]byte, error) {
		runs.note(task.ID)
		switch {
		case task.Queue == "fails" && task.Attempt == 0:
			return nil, errors.New("no")
		case task.Queue == "long":
			<-release
		}
		return nil, nil
	})
	w.maintainer(t)
	long, retried := newTask(doNothing, 0, func(t *domain.Task) { t.Queue = "long" }), newTask(doNothing, 0, func(t *domain.Task) { t.Queue = "fails" })
	w.add(t, long, retried)
	w.awaitStatus(t, domain.TaskStatusProcessing, long)
	w.awaitStatus(t, domain.TaskStatusRetrying, retried)
	before := w.task(t, long.ID).CreatedAt

	w.offset.Store(-int64(step))
	pause(t, 3*lease)
	require.Len(t, runs.of(long.ID), 1, "nothing is recovered early")
	require.Equal(t, domain.TaskStatusRetrying, w.task(t, retried.ID).Status, "it is late")
	next := newTask(doNothing, 0)
	w.add(t, next)
	require.True(t, w.awaitStatus(t, domain.TaskStatusCompleted, next).CreatedAt.After(before), "the order of creation is kept")
	close(release)
	require.Equal(t, [3]int{1, 1, 0}, counters(w.awaitStatus(t, domain.TaskStatusCompleted, long)))
	require.Zero(t, s.GetSchedulerStats().LeasesLost)
	w.audit(t)
	w.offset.Store(0) // The step has passed.
	require.Equal(t, 2, w.awaitStatus(t, domain.TaskStatusCompleted, retried).Attempt)
	w.audit(t)
}

func clockStepsForward(t *testing.T) {
	t.Parallel()
	w := sharedWorld(t)
	began, ended := make(chan struct{}, 1), make(chan error, 1)
	run := func(ctx context.Context, task *domain.Task) ([]byte, error) {
		if task.Deliveries > 1 {
			return []byte(`"heir"`), nil
		}
		began <- struct{}{}
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return []byte(`"old"`), nil
	}
	task := newTask(doNothing, 0)
	w.add(t, task)
	var schedulers []*application.DefaultScheduler
	for range 3 {
		schedulers = append(schedulers, w.scheduler(t, application.SchedulerConfig{Workers: 1, Lease: 5 * time.Second}, run))
	}
	receive(t, began)
	// Should the lease be extended between the step and the look at it, it takes
	// another step.
	require.Eventually(t, func() bool {
		w.offset.Add(int64(step))
		_, err := w.queue.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 3, Limit: 10})
		return err == nil && w.task(t, task.ID).Recoveries == 1
	}, patience, 50*time.Millisecond)
	got := w.awaitStatus(t, domain.TaskStatusCompleted, task)
	require.Equal(t, onceRecovered, counters(got))
	require.Equal(t, `"heir"`, string(got.Result))
	require.ErrorContains(t, receive(t, ended), "lease lost")
	lost, processed := int64(0), int64(0)
	for _, s := range schedulers {
		require.NoError(t, s.Stop(t.Context()))
		lost, processed = lost+s.GetSchedulerStats().LeasesLost, processed+s.GetSchedulerStats().ProcessedTasks
	}
	require.Equal(t, [2]int64{1, 1}, [2]int64{lost, processed})
	require.Equal(t, got, w.task(t, task.ID))
	w.audit(t)
}
