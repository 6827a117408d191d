package fault_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

func TestProcessFaults(t *testing.T) {
	t.Parallel()
	t.Run("a report that the network held back is refused by its fence", heldInTheNetwork)
	t.Run("a worker that slept for less than its lease completes its task", shortSleep)
	t.Run("a task that kills its workers ends as poison, and its neighbours complete", poison)
	t.Run("long neighbours of a task that kills its workers complete", poisonAmongLongTasks)
	t.Run("a worker that is killed while it drains leaves nothing half-written", killedInTheDrain)
	t.Run("a recoverer that wakes up late finds nothing to do", lateRecoverer)
}

// taken requires that tasks of a worker that died at a time were begun by another
// soon after, and completed as if nothing had happened but a recovery.
func taken(t *testing.T, w *world, died time.Time, by *process, tasks ...*domain.Task) {
	t.Helper()
	for _, task := range tasks {
		begun := by.await(t, "taking over a task", kind("start", task.ID.String()))
		require.LessOrEqual(t, begun.At.Sub(died), takeover)
		got := w.awaitStatus(t, domain.TaskStatusCompleted, task)
		require.Equal(t, onceRecovered, counters(got), "the death of a worker is not the task's failure")
		require.Len(t, got.Errors, 1)
		require.Equal(t, domain.ReasonLeaseExpired, got.Errors[0].Reason)
	}
}

// leaseCalls are all that a worker can do with a lease.
var leaseCalls = map[string]func(context.Context, ports.TaskConsumer, domain.Lease) error{
	"complete": func(ctx context.Context, q ports.TaskConsumer, l domain.Lease) error {
		return q.UpdateTask(ctx, ports.TaskUpdate{Lease: l, Outcome: ports.OutcomeCompleted, Result: []byte(`"result"`)})
	},
	"retry": func(ctx context.Context, q ports.TaskConsumer, l domain.Lease) error {
		return q.UpdateTask(ctx, ports.TaskUpdate{Lease: l, Outcome: ports.OutcomeRetry, RetryIn: time.Minute})
	},
	"fail": func(ctx context.Context, q ports.TaskConsumer, l domain.Lease) error {
		return q.UpdateTask(ctx, ports.TaskUpdate{Lease: l, Outcome: ports.OutcomeFailed})
	},
	"extend": func(ctx context.Context, q ports.TaskConsumer, l domain.Lease) error {
		return errOf(q.ExtendLease(ctx, time.Hour, l))
	},
	"release": func(ctx context.Context, q ports.TaskConsumer, l domain.Lease) error {
		return q.ReleaseTask(ctx, l)
	},
}

func heldInTheNetwork(t *testing.T) {
	t.Parallel()
	const lease, held = 500 * time.Millisecond, 2500 * time.Millisecond
	w := sharedWorld(t)
	p := newProxy(t, w.server.Addr())
	w.add(t, tasks(len(leaseCalls), doNothing, 0)...)
	// Each call has a connection of its own, which the claim has opened.
	type result struct {
		name string
		err  error
		took time.Duration
	}
	results := make(chan result)
	calls := map[string]func(){}
	for name, call := range leaseCalls {
		_, queue := w.open(t, p.url, patience)
		got, err := queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease})
		require.NoError(t, err)
		require.Len(t, got, 1)
		calls[name] = func() {
			begun := time.Now()
			err := call(t.Context(), queue, *got[0].Lease)
			results <- result{name, err, time.Since(begun)}
		}
	}
	p.toxic(t, "latency", "upstream", map[string]int{"latency": int(held.Milliseconds())})
	for _, call := range calls {
		go call()
	}
	// While the calls are on their way, the leases end and another has the tasks.
	recovered := 0
	require.Eventually(t, func() bool {
		m, err := w.queue.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 3, Limit: 100})
		recovered += m.Count
		return err == nil && recovered == len(calls)
	}, held, 20*time.Millisecond)
	var heirs []ports.TaskUpdate
	var ids []domain.TaskID
	for _, task := range w.claim(t, len(calls), time.Minute) {
		ids = append(ids, task.ID)
		heirs = append(heirs, completed(task, `"heir"`))
	}
	require.NoError(t, w.queue.UpdateTask(t.Context(), heirs...))
	before := w.dump(t)
	for range calls {
		r := receive(t, results)
		require.ErrorIs(t, r.err, domain.ErrLeaseLost, r.name)
		require.GreaterOrEqual(t, r.took, held, "%s was in the network", r.name)
	}
	require.Equal(t, before, w.dump(t), "what comes late writes nothing")
	for _, id := range ids {
		require.Equal(t, `"heir"`, string(w.task(t, id).Result))
	}
	w.audit(t)
}

func shortSleep(t *testing.T) {
	t.Parallel()
	w := sharedWorld(t)
	task := newTask(doSleep, 1200*time.Millisecond)
	w.add(t, task)
	config := w.worker("sleeper", 1)
	config.Lease = 3 * time.Second
	sleeper := spawn(t, config)
	sleeper.await(t, "running the task", kind("start", ""))
	other := spawn(t, w.quick("other", 1))
	sleeper.Pause()
	pause(t, 1500*time.Millisecond)
	sleeper.Resume()
	got := w.awaitStatus(t, domain.TaskStatusCompleted, task)
	require.Equal(t, [3]int{1, 1, 0}, counters(got))
	require.Equal(t, `"sleeper"`, string(got.Result))
	require.Zero(t, sleeper.stats(t).Stats.LeasesLost)
	require.Empty(t, other.seen(kind("start", "")))
	w.audit(t)
}

// undertaker starts a worker again whenever it has died, until done says so, and
// returns how often it died.
func undertaker(t *testing.T, config childConfig, done func() bool) int {
	t.Helper()
	deaths := 0
	for !done() {
		worker := spawn(t, config)
		tick := time.NewTicker(20 * time.Millisecond)
		for alive := true; alive && !done(); {
			select {
			case <-worker.Exited:
				require.NotZero(t, worker.Status())
				alive = false
				deaths++
			case <-tick.C:
			}
		}
		tick.Stop()
		worker.Kill()
		require.Less(t, deaths, 20, "this takes too many workers")
	}
	return deaths
}

// finished reports whether nothing is left to do, and fails if it takes too long.
func (w *world) finished(t *testing.T) func() bool {
	t.Helper()
	end := time.Now().Add(2 * patience)
	return func() bool {
		s, err := w.queue.GetQueueStats(t.Context())
		require.NoError(t, err)
		require.True(t, time.Now().Before(end), "the tasks do not end: %+v", s)
		return s.Total() == s.Completed+s.Failed+s.Cancelled
	}
}

// requirePoison requires that a task ended as poison after the recoveries that are
// allowed, and that the others completed.
func (w *world) requirePoison(t *testing.T, killer *domain.Task, healthy []*domain.Task) {
	t.Helper()
	got := w.task(t, killer.ID)
	require.Equal(t, domain.TaskStatusFailed, got.Status)
	require.Equal(t, domain.ReasonPoison, got.Errors[len(got.Errors)-1].Reason)
	require.Zero(t, got.Attempt)
	require.Equal(t, 4, got.Recoveries)
	for _, task := range healthy {
		got := w.task(t, task.ID)
		require.Equal(t, domain.TaskStatusCompleted, got.Status, "a healthy task is no poison: %+v", got.Errors)
		require.Equal(t, 1, got.Attempt)
	}
}

func poison(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]string{"it exits": doExit, "it takes more memory than there is": doAlloc} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := sharedWorld(t)
			w.maintainer(t)
			healthy, killer := tasks(9, doSleep, 20*time.Millisecond), newTask(do, 300*time.Millisecond)
			w.add(t, append(healthy, killer)...)
			require.LessOrEqual(t, undertaker(t, w.worker("worker", 10), w.finished(t)), 4)
			w.requirePoison(t, killer, healthy)
			w.audit(t)
		})
	}
}

// poisonAmongLongTasks has tasks beside a killer that are recovered and claimed
// together with it again and again, so that their recoveries grow in step with the
// killer's. They run in ever smaller company, and only the killer ends as poison.
func poisonAmongLongTasks(t *testing.T) {
	t.Parallel()
	w := sharedWorld(t)
	w.maintainer(t)
	healthy, killer := tasks(9, doSleep, 300*time.Millisecond), newTask(doExit, 20*time.Millisecond)
	w.add(t, append(healthy, killer)...)
	undertaker(t, w.worker("worker", 10), w.finished(t))
	w.requirePoison(t, killer, healthy)
	w.audit(t)
}

func killedInTheDrain(t *testing.T) {
	t.Parallel()
	w := sharedWorld(t)
	running, waiting := tasks(3, doHold, 0), newTask(doNothing, 0)
	w.add(t, running...)
	victim := spawn(t, w.worker("victim", len(running)))
	victim.awaitMany(t, "running all tasks", len(running), kind("start", ""))
	victim.terminate()
	require.Eventually(t, func() bool { return victim.stats(t).Stats.Draining }, patience, 5*time.Millisecond)
	w.add(t, waiting)
	heir := spawn(t, w.quick("heir", len(running)))
	victim.Kill()
	taken(t, w, time.Now(), heir, running...)
	require.Equal(t, [3]int{1, 1, 0}, counters(w.awaitStatus(t, domain.TaskStatusCompleted, waiting)))
	require.Empty(t, victim.seen(kind("start", waiting.ID.String())), "nothing is claimed after the signal")
	w.audit(t)
}

func lateRecoverer(t *testing.T) {
	t.Parallel()
	const count = 100
	w := sharedWorld(t)
	old := spawn(t, w.quick("old", 1))
	old.Pause() // with a view of the queue that will be out of date
	all := tasks(count, doNothing, 0)
	w.add(t, all...)
	w.claim(t, count, lease)
	// It does not claim ahead, and so gives no task back: that would be one delivery more.
	s := w.scheduler(t, application.SchedulerConfig{Workers: 4, Maintain: true, PrefetchWindow: -1}, complete)
	w.awaitStats(t, "all tasks are recovered and complete", func(s domain.QueueStats) bool { return s.Completed == count })
	require.NoError(t, s.Stop(t.Context()))
	require.EqualValues(t, count, s.GetSchedulerStats().RecoveredTasks)
	for _, task := range all {
		require.Equal(t, onceRecovered, counters(w.task(t, task.ID)))
	}
	before := w.dump(t)
	old.Resume()
	require.Zero(t, old.stats(t).Stats.RecoveredTasks)
	pause(t, lease) // for it to claim, recover and promote, if it would
	require.Zero(t, old.stats(t).Stats.RecoveredTasks)
	require.Equal(t, before, w.dump(t))
	w.audit(t)
}
