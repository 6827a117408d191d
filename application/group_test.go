package application_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// groupFunc is a processor of groups; a run of one is one of them.
type groupFunc func(context.Context, []*domain.Task) []ports.TaskResult

func (f groupFunc) ProcessGroup(ctx context.Context, tasks []*domain.Task) []ports.TaskResult {
	return f(ctx, tasks)
}

func (f groupFunc) Process(ctx context.Context, task *domain.Task) ([]byte, error) {
	r := f(ctx, []*domain.Task{task})[0]
	return r.Result, r.Err
}

// startGroups returns a world whose processor runs groups, and notes the sizes of its runs.
func startGroups(t *testing.T, cfg application.SchedulerConfig, f groupFunc) (*world, func() []int) {
	t.Helper()
	var mu sync.Mutex
	var sizes []int
	w := newWorld(t, cfg, nil)
	require.NoError(t, w.scheduler.RegisterProcessor(testType, groupFunc(func(ctx context.Context, tasks []*domain.Task) []ports.TaskResult {
		mu.Lock()
		sizes = append(sizes, len(tasks))
		mu.Unlock()
		return f(ctx, tasks)
	})))
	require.NoError(t, w.scheduler.Start(t.Context()))
	return w, func() []int {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(sizes)
	}
}

// gather enqueues n tasks of a group of the size.
func (w *world) gather(group string, n, size int, change ...func(*domain.Task)) []*domain.Task {
	w.t.Helper()
	tasks := make([]*domain.Task, n)
	for i := range tasks {
		tasks[i] = newTestTask(append(change, func(t *domain.Task) {
			t.Group, t.GroupSize, t.GroupAge = group, size, 10*time.Second
		})...)
	}
	w.enqueue(tasks...)
	return tasks
}

// allWell answers with the payload of each task.
func allWell(_ context.Context, tasks []*domain.Task) []ports.TaskResult {
	out := make([]ports.TaskResult, len(tasks))
	for i, t := range tasks {
		out[i].Result = t.Payload
	}
	return out
}

func runOutcomes(ends []ports.RunEnd) []ports.RunOutcome {
	out := make([]ports.RunOutcome, len(ends))
	for i, end := range ends {
		out[i] = end.Outcome
	}
	return out
}

// panickingError is an error whose text panics.
type panickingError struct{}

func (panickingError) Error() string { panic("no text") }

func (w *world) states(tasks []*domain.Task) []domain.TaskStatus {
	w.t.Helper()
	out := make([]domain.TaskStatus, len(tasks))
	for i, t := range tasks {
		out[i] = w.task(t.ID).Status
	}
	return out
}

func TestGroups(t *testing.T) {
	t.Parallel()

	inBubble(t, "a group runs when it is full, and when it is old enough", func(t *testing.T) {
		w, sizes := startGroups(t, application.SchedulerConfig{Workers: 2}, allWell)
		tasks := w.gather("a", 7, 5)
		w.gather("b", 3, 5)
		settle(9 * time.Second)
		require.Equal(t, []int{5}, sizes())
		require.Equal(t, string(tasks[0].Payload), string(w.task(tasks[0].ID).Result))
		settle(2 * time.Second)
		require.ElementsMatch(t, []int{5, 2, 3}, sizes())
		w.enqueue(newTestTask())
		synctest.Wait()
		require.ElementsMatch(t, []int{5, 2, 3, 1}, sizes(), "a task without a group is alone")
		require.EqualValues(t, 11, w.queueStats().Completed)
		require.EqualValues(t, 11, w.stats().ProcessedTasks)
		w.stop()
	})

	inBubble(t, "a group takes one slot, however large it is", func(t *testing.T) {
		release := make(chan struct{})
		w, sizes := startGroups(t, application.SchedulerConfig{Workers: 2}, func(ctx context.Context, tasks []*domain.Task) []ports.TaskResult {
			<-release
			return allWell(ctx, tasks)
		})
		w.gather("a", 50, 10)
		synctest.Wait()
		require.Equal(t, []int{10, 10}, sizes())
		require.Equal(t, 2, w.stats().BusyWorkers)
		close(release)
		synctest.Wait()
		require.Equal(t, []int{10, 10, 10, 10, 10}, sizes())
		w.stop()
	})

	inBubble(t, "each task has its own answer", func(t *testing.T) {
		var ends runLog
		w, _ := startGroups(t, application.SchedulerConfig{Observer: &ends}, func(_ context.Context, _ []*domain.Task) []ports.TaskResult {
			return []ports.TaskResult{
				{Result: []byte("1")}, {Err: errors.New("bad")}, {Err: domain.Permanent(errors.New("worse"))},
				{Err: domain.RetryAfter(time.Hour, errors.New("later"))}, {Err: domain.Snooze(time.Minute)}, {Result: make([]byte, domain.MaxResult+1)},
			}
		})
		tasks := w.gather("a", 6, 6)
		synctest.Wait()
		require.Equal(t, []domain.TaskStatus{
			domain.TaskStatusCompleted, domain.TaskStatusRetrying, domain.TaskStatusFailed, domain.TaskStatusRetrying, domain.TaskStatusPending, domain.TaskStatusFailed,
		}, w.states(tasks))
		require.Equal(t, "1", string(w.task(tasks[0].ID).Result))
		require.Equal(t, "bad", w.task(tasks[1].ID).LastError())
		require.Equal(t, time.Hour, w.task(tasks[3].ID).ScheduledAt.Sub(w.task(tasks[3].ID).Errors[0].At))
		require.Zero(t, w.task(tasks[4].ID).Attempt)
		require.Equal(t, []ports.RunOutcome{ports.RunCompleted, ports.RunRetried, ports.RunFailed, ports.RunRetried, ports.RunSnoozed, ports.RunFailed}, runOutcomes(ends.take()))
		w.stop()
	})

	for name, f := range map[string]groupFunc{
		"a panic": func(context.Context, []*domain.Task) []ports.TaskResult { panic("boom") },
		"the end of the goroutine": func(context.Context, []*domain.Task) []ports.TaskResult {
			runtime.Goexit()
			return nil
		},
		"a wrong number of answers": func(_ context.Context, tasks []*domain.Task) []ports.TaskResult {
			return make([]ports.TaskResult, len(tasks)+1)
		},
		"an error that panics": func(_ context.Context, tasks []*domain.Task) []ports.TaskResult {
			out := make([]ports.TaskResult, len(tasks))
			out[1].Err = panickingError{}
			return out
		},
		"a time-out": func(ctx context.Context, tasks []*domain.Task) []ports.TaskResult {
			<-ctx.Done()
			out := make([]ports.TaskResult, len(tasks))
			for i := range out {
				out[i].Err = ctx.Err()
			}
			return out
		},
	} {
		inBubble(t, name+" fails all", func(t *testing.T) {
			w, sizes := startGroups(t, application.SchedulerConfig{Workers: 1}, func(ctx context.Context, tasks []*domain.Task) []ports.TaskResult {
				pass(time.Millisecond) // Their creations are some microseconds apart.
				return f(ctx, tasks)
			})
			tasks := w.gather("a", 3, 3, func(t *domain.Task) { t.Timeout = time.Second })
			settle(2 * time.Second)
			for _, task := range tasks {
				got := w.task(task.ID)
				require.Equal(t, domain.TaskStatusRetrying, got.Status)
				require.Equal(t, 1, got.Attempt)
				require.NotEmpty(t, got.LastError())
			}
			settle(2 * time.Minute)
			require.Equal(t, []int{3, 3}, sizes(), "they run again together")
			w.stop()
		})
	}

	inBubble(t, "a processor that ignores the time-out keeps its worker", func(t *testing.T) {
		release := make(chan struct{})
		w, _ := startGroups(t, application.SchedulerConfig{Workers: 2, TimeoutGrace: time.Second}, func(ctx context.Context, tasks []*domain.Task) []ports.TaskResult {
			<-release
			return allWell(ctx, tasks)
		})
		tasks := w.gather("a", 3, 3, func(t *domain.Task) { t.Timeout = time.Second })
		settle(3 * time.Second)
		require.Equal(t, slices.Repeat([]domain.TaskStatus{domain.TaskStatusRetrying}, 3), w.states(tasks))
		require.EqualValues(t, 3, w.stats().TimedOutTasks)
		close(release)
		synctest.Wait()
		require.Zero(t, w.stats().BusyWorkers)
		require.Equal(t, slices.Repeat([]domain.TaskStatus{domain.TaskStatusRetrying}, 3), w.states(tasks), "what it returns is dropped")
		w.stop()
	})

	inBubble(t, "a task that is cancelled alone ends alone", func(t *testing.T) {
		release := make(chan struct{})
		var alone, all error
		var index int
		runs := &countedRuns{}
		w := newWorld(t, application.SchedulerConfig{Runs: runs, Lease: time.Minute}, nil)
		runs.RunTracker = w.queue.TaskQueue.(ports.RunTracker)
		require.NoError(t, w.scheduler.RegisterProcessor(testType, groupFunc(func(ctx context.Context, tasks []*domain.Task) []ports.TaskResult {
			index = slices.IndexFunc(tasks, func(t *domain.Task) bool { return string(t.Payload) == "2" })
			if err := application.Progress(application.MemberContext(ctx, index), 7, "", nil); err != nil {
				panic(err)
			}
			<-application.MemberContext(ctx, index).Done()
			alone, all = context.Cause(application.MemberContext(ctx, index)), ctx.Err()
			<-release
			return allWell(ctx, tasks)
		})))
		require.NoError(t, w.scheduler.Start(t.Context()))
		n := 0
		tasks := w.gather("a", 4, 4, func(t *domain.Task) { t.Payload = fmt.Append(nil, n); n++ })
		settle(2 * time.Second)
		require.Equal(t, 7, w.task(tasks[2].ID).Progress.Percent)
		require.Nil(t, w.task(tasks[1].ID).Progress)
		require.NoError(t, w.queue.CancelTask(t.Context(), tasks[2].ID))
		settle(time.Second)
		require.ErrorIs(t, alone, domain.ErrLeaseLost)
		require.NoError(t, all, "the others run on")
		require.True(t, w.task(tasks[2].ID).Stopping)
		close(release)
		settle(time.Second)
		require.Equal(t, []domain.TaskStatus{domain.TaskStatusCompleted, domain.TaskStatusCompleted, domain.TaskStatusCancelled, domain.TaskStatusCompleted}, w.states(tasks))
		require.False(t, w.task(tasks[2].ID).Stopping)
		require.Empty(t, w.task(tasks[2].ID).Result)
		w.stop()
	})

	inBubble(t, "the run ends when all of its leases are lost", func(t *testing.T) {
		ended := make(chan error, 1)
		w, _ := startGroups(t, application.SchedulerConfig{Lease: 3 * time.Second}, func(ctx context.Context, tasks []*domain.Task) []ports.TaskResult {
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return allWell(ctx, tasks)
		})
		tasks := w.gather("a", 3, 3)
		synctest.Wait()
		for i, task := range tasks {
			require.NoError(t, w.queue.CancelTask(t.Context(), task.ID))
			settle(2 * time.Second)
			require.Equal(t, i == 2, len(ended) == 1)
		}
		require.ErrorIs(t, <-ended, domain.ErrLeaseLost)
		require.EqualValues(t, 3, w.stats().LeasesLost)
		w.stop()
	})

	inBubble(t, "leases that end while the store is away stop the run, and the tasks are given back", func(t *testing.T) {
		ended := make(chan error, 2)
		w, _ := startGroups(t, application.SchedulerConfig{Workers: 1, Lease: 3 * time.Second}, func(ctx context.Context, tasks []*domain.Task) []ports.TaskResult {
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return slices.Repeat([]ports.TaskResult{{Err: ctx.Err()}}, len(tasks))
		})
		tasks := w.gather("a", 3, 3)
		synctest.Wait()
		w.queue.set(func(q *faultyQueue) { q.down = true })
		require.ErrorIs(t, <-ended, domain.ErrLeaseLost)
		require.NoError(t, w.scheduler.Stop(stopSoon(t, w)))
		for _, task := range tasks {
			require.Zero(t, w.task(task.ID).Attempt)
			require.Empty(t, w.task(task.ID).Errors)
		}
	})

	inBubble(t, "a drain gives all back that does not end in time, and what waits at once", func(t *testing.T) {
		w, sizes := startGroups(t, application.SchedulerConfig{Workers: 1, Prefetch: 3}, func(ctx context.Context, tasks []*domain.Task) []ports.TaskResult {
			<-ctx.Done()
			out := slices.Repeat([]ports.TaskResult{{Err: ctx.Err()}}, len(tasks))
			out[0] = ports.TaskResult{Result: []byte("done")}
			return out
		})
		tasks := w.gather("a", 6, 3)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorContains(t, w.scheduler.Stop(ctx), "2 runs were cut short")
		require.Equal(t, []int{3}, sizes())
		require.EqualValues(t, 5, w.stats().ReleasedTasks)
		for i, task := range tasks {
			got := w.task(task.ID)
			require.Equal(t, i == 0, got.Status == domain.TaskStatusCompleted)
			if i > 0 {
				require.Equal(t, domain.TaskStatusPending, got.Status)
				require.Zero(t, got.Attempt)
			}
		}
	})

	inBubble(t, "a processor of single tasks gets them one by one", func(t *testing.T) {
		var runs journal
		w := startWorld(t, application.SchedulerConfig{Workers: 2}, func(_ context.Context, task *domain.Task) ([]byte, error) {
			runs.note(task)
			pass(time.Second)
			return nil, nil
		})
		tasks := w.gather("a", 6, 6)
		settle(10 * time.Second)
		require.Len(t, runs.tasks(), 6)
		require.Equal(t, slices.Repeat([]domain.TaskStatus{domain.TaskStatusCompleted}, 6), w.states(tasks))
		w.stop()
	})
}

// stopSoon has the store of a world come back after a while, and returns the context of a
// Stop that waits for it.
func stopSoon(t *testing.T, w *world) context.Context {
	t.Helper()
	go func() {
		pass(time.Second)
		w.queue.set(func(q *faultyQueue) { q.down = false })
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
