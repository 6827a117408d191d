//go:build unix

package faulttest_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

func TestProcessFaults(t *testing.T) {
	t.Parallel()
	t.Run("P1 a killed worker's tasks are claimable within the lease and two seconds, at no cost of a retry", killedWorker)
	t.Run("P2 a worker that slept through its lease changes nothing", sleptThroughItsLease)
	t.Run("P3 a report that the network held back is refused by its fence", heldInTheNetwork)
	t.Run("P4 a worker that slept for less than its lease completes its task", shortSleep)
	t.Run("P5 a task that kills its workers ends as poison, and its neighbours complete", poison)
	t.Run("P5 long neighbours of a task that kills its workers complete", poisonAmongLongTasks)
	t.Run("P5 a processor that ignores its time-out loses its task to another worker", deafProcessor)
	t.Run("P9 a worker that is killed while it drains leaves nothing half-written", killedInTheDrain)
	t.Run("P11 workers that die at random lose nothing and run little twice", restartLoop)
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

func killedWorker(t *testing.T) {
	t.Parallel()
	w := sharedWorld(t)
	// What is none of the dead worker's business stays as it is.
	others := append(tasks(2, doNothing, 0), newTask(doNothing, 0, func(t *domain.Task) { t.Delay = time.Hour }))
	w.add(t, others...)
	held := w.claim(t, 2, time.Minute)
	require.NoError(t, w.queue.UpdateTask(t.Context(), completed(held[0], `"done"`),
		ports.TaskUpdate{Lease: *held[1].Lease, Outcome: ports.OutcomeRetry, RetryIn: time.Hour}))
	var before []*domain.Task
	for _, task := range others {
		before = append(before, w.task(t, task.ID))
	}

	running := tasks(5, doHold, 0)
	w.add(t, running...)
	victim := spawn(t, w.worker("victim", len(running)))
	victim.awaitMany(t, "running all tasks", len(running), kind("start", ""))
	heir := spawn(t, w.quick("heir", len(running)))
	victim.kill(t)
	taken(t, w, time.Now(), heir, running...)
	for i, task := range others {
		require.Equal(t, before[i], w.task(t, task.ID))
	}
	require.EqualValues(t, 8, w.audit(t).Total())
}

func sleptThroughItsLease(t *testing.T) {
	t.Parallel()
	w := sharedWorld(t)
	_, a := w.child(t, w.apiOnly())
	task := newTask(doStale, 0)
	w.add(t, task)
	sleeper := spawn(t, w.worker("sleeper", 1))
	sleeper.await(t, "running the task", kind("start", ""))
	sleeper.pause(t)

	heir := spawn(t, w.quick("heir", 1))
	got := w.awaitStatus(t, domain.TaskStatusCompleted, task)
	require.Equal(t, onceRecovered, counters(got))
	require.Equal(t, `"heir"`, string(got.Result))
	w.awaitIdle(t)
	heir.signal(t, syscall.SIGTERM)
	require.Zero(t, heir.awaitExit(t))
	before, shown := w.dump(t), a.get(t, tasksPath+"/"+task.ID.String())

	sleeper.resume(t)
	require.Contains(t, sleeper.await(t, "its end", kind("cancelled", "")).Text, "lease lost")
	sleeper.await(t, "trying all that a lease is good for", kind("end", ""))
	tried := sleeper.seen(kind("stale", ""))
	require.Len(t, tried, len(staleCalls))
	for _, e := range tried {
		require.Contains(t, e.Text, ": true", "a lost lease is told")
	}
	require.EqualValues(t, 1, sleeper.stats(t).Stats.LeasesLost)
	require.Equal(t, before, w.dump(t), "a stale worker writes nothing")
	require.Equal(t, string(shown.body), string(a.get(t, tasksPath+"/"+task.ID.String()).body))
	w.audit(t)
}

// awaitIdle waits until a worker has found nothing to do, so that no further claim
// changes anything.
func (w *world) awaitIdle(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return w.raw.HExists(t.Context(), w.key("meta"), "idle").Val() }, patience, 10*time.Millisecond)
}

func heldInTheNetwork(t *testing.T) {
	t.Parallel()
	const lease, held = 500 * time.Millisecond, 2500 * time.Millisecond
	w := sharedWorld(t)
	p := newProxy(t, w.server.Addr())
	w.add(t, tasks(len(staleCalls), doNothing, 0)...)
	// Each call has a connection of its own, which the claim has opened.
	type result struct {
		name string
		err  error
		took time.Duration
	}
	results := make(chan result)
	calls := map[string]func(){}
	for name, call := range staleCalls {
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
	sleeper.pause(t)
	pause(t, 1500*time.Millisecond)
	sleeper.resume(t)
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
			case <-worker.exited:
				require.NotZero(t, worker.cmd.ProcessState.ExitCode())
				alive = false
				deaths++
			case <-tick.C:
			}
		}
		tick.Stop()
		worker.kill(t)
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
	require.LessOrEqual(t, got.Deliveries, 5, "it ran four times, and may have been given back once for another to run alone")
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
// killer's. On their last chance they run alone, and only the killer ends as poison.
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

func deafProcessor(t *testing.T) {
	t.Parallel()
	w := sharedWorld(t)
	task := newTask(doDeaf, 0, func(t *domain.Task) { t.Timeout = 300 * time.Millisecond })
	w.add(t, task)
	config := w.worker("deaf", 1)
	config.Grace, config.RetryBase = 300*time.Millisecond, 200*time.Millisecond
	deaf := spawn(t, config)
	deaf.await(t, "running the task", kind("start", ""))
	heir := spawn(t, w.quick("heir", 1))
	got := w.awaitStatus(t, domain.TaskStatusCompleted, task)
	require.Equal(t, [3]int{2, 2, 0}, counters(got))
	require.Equal(t, domain.ReasonTimeout, got.Errors[0].Reason)
	heir.await(t, "running the task", kind("start", task.ID.String()))
	w.awaitIdle(t)
	before := w.dump(t)

	require.Equal(t, 1, deaf.stats(t).Stats.BusyWorkers, "its worker is stuck")
	pause(t, lease)
	require.Equal(t, before, w.dump(t), "nothing is extended any more")
	deaf.order(t, order{Do: "release"})
	deaf.await(t, "the end of the processor", kind("end", ""))
	require.Eventually(t, func() bool { return deaf.stats(t).Stats.BusyWorkers == 0 }, patience, 10*time.Millisecond)
	require.Equal(t, before, w.dump(t), "what it returns so late is dropped")
	w.audit(t)
}

func killedInTheDrain(t *testing.T) {
	t.Parallel()
	w := sharedWorld(t)
	running, waiting := tasks(3, doHold, 0), newTask(doNothing, 0)
	w.add(t, running...)
	victim := spawn(t, w.worker("victim", len(running)))
	victim.awaitMany(t, "running all tasks", len(running), kind("start", ""))
	victim.signal(t, syscall.SIGTERM)
	require.Eventually(t, func() bool { return victim.stats(t).Stats.Draining }, patience, 5*time.Millisecond)
	w.add(t, waiting)
	heir := spawn(t, w.quick("heir", len(running)))
	victim.kill(t)
	taken(t, w, time.Now(), heir, running...)
	require.Equal(t, [3]int{1, 1, 0}, counters(w.awaitStatus(t, domain.TaskStatusCompleted, waiting)))
	require.Empty(t, victim.seen(kind("start", waiting.ID.String())), "nothing is claimed after the signal")
	w.audit(t)
}

func restartLoop(t *testing.T) {
	t.Parallel()
	const workers, slots, kills, count = 4, 4, 10, 1000
	w := sharedWorld(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	all := tasks(count, doSleep, 120*time.Millisecond)
	w.add(t, all...)
	var processes []*process
	names := 0
	hire := func() *process {
		names++
		p := spawn(t, w.worker(fmt.Sprintf("worker %d", names), slots))
		processes = append(processes, p)
		return p
	}
	team := make([]*process, workers)
	for i := range team {
		team[i] = hire()
	}
	for range kills {
		pause(t, time.Duration(300+random.IntN(600))*time.Millisecond)
		i := random.IntN(workers)
		team[i].kill(t)
		team[i] = hire()
	}
	w.awaitStats(t, "all tasks complete", func(s domain.QueueStats) bool { return s.Completed == count })
	runs := 0
	for _, p := range processes {
		runs += len(p.seen(kind("start", "")))
	}
	require.GreaterOrEqual(t, runs, count)
	// A slot goes on before the report of its last run is acknowledged.
	require.LessOrEqual(t, runs-count, 2*kills*slots, "what runs twice is what was running or not reported at a kill")
	for _, task := range all {
		require.Equal(t, 1, w.task(t, task.ID).Attempt)
	}
	require.EqualValues(t, count, w.audit(t).Total())
	t.Logf("%d tasks, %d runs, %d kills", count, runs, kills)
}
