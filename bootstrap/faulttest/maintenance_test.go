//go:build unix

package faulttest_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

func TestMaintenanceFaults(t *testing.T) {
	t.Parallel()
	t.Run("P10 several recoverers and schedulers take each task back once", manyRecoverers)
	t.Run("P12 cleaning up takes what is old and finished, whole, and nothing else", cleaningUp)
}

func manyRecoverers(t *testing.T) {
	t.Parallel()
	const count = 1000
	w := sharedWorld(t)
	old := spawn(t, w.quick("old", 1))
	old.pause(t) // with a view of the queue that will be out of date
	all := tasks(count, doNothing, 0)
	w.add(t, all...)
	w.claim(t, count, lease)

	var schedulers []*application.DefaultScheduler
	for range 4 {
		schedulers = append(schedulers, w.maintainer(t))
	}
	for range 2 {
		// None claims ahead, and so none gives a task back: that would be one delivery more.
		schedulers = append(schedulers, w.scheduler(t, application.SchedulerConfig{Workers: 4, Lease: 10 * time.Second, PrefetchWindow: -1}, complete))
	}
	w.awaitStats(t, "all tasks are recovered and complete", func(s domain.QueueStats) bool { return s.Completed == count })
	var recovered int64
	for _, s := range schedulers {
		require.NoError(t, s.Stop(t.Context()))
		recovered += s.GetSchedulerStats().RecoveredTasks
	}
	require.EqualValues(t, count, recovered, "each is counted by one of them")
	for _, task := range all {
		require.Equal(t, onceRecovered, counters(w.task(t, task.ID)))
	}
	before := w.dump(t)
	old.resume(t)
	require.Zero(t, old.stats(t).Stats.RecoveredTasks)
	pause(t, lease) // for it to claim, recover and promote, if it would
	require.Zero(t, old.stats(t).Stats.RecoveredTasks)
	require.Equal(t, before, w.dump(t), "one that wakes up late finds nothing to do")
	w.audit(t)
}

func cleaningUp(t *testing.T) {
	t.Parallel()
	const retention, backlog = 24 * time.Hour, 20_000
	w := newWorld(t, "--slowlog-log-slower-than", "10000", "--slowlog-max-len", "1000")
	var failed []*domain.Task
	finish := func(n int) {
		w.add(t, tasks(n, doNothing, 0)...)
		var updates []ports.TaskUpdate
		for i, task := range w.claim(t, n, time.Minute) {
			update := completed(task, `"kept"`)
			if i%3 == 0 {
				failed = append(failed, task)
				update = ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeFailed, Failure: domain.TaskError{Reason: domain.ReasonError, Message: "kept"}}
			}
			updates = append(updates, update)
		}
		require.NoError(t, w.queue.UpdateTask(t.Context(), updates...))
	}
	for range backlog / ports.MaxClaim {
		finish(ports.MaxClaim)
	}
	w.offset.Store(int64(retention))
	// What is not finished, or not for long enough, in each state.
	finish(10)
	keep := tasks(6, doNothing, 0)
	w.add(t, keep...)
	held := w.claim(t, 4, time.Hour)
	require.NoError(t, w.queue.UpdateTask(t.Context(), completed(held[0], ""),
		ports.TaskUpdate{Lease: *held[1].Lease, Outcome: ports.OutcomeRetry, RetryIn: time.Hour}))
	require.NoError(t, w.queue.CancelTask(t.Context(), keep[5].ID))
	// Old ones that a person has run again are not old any more.
	for _, task := range failed[:5] {
		require.NoError(t, w.queue.RetryTask(t.Context(), task.ID))
		keep = append(keep, task)
	}

	// Tasks complete, fail and run again meanwhile, and the cleaners are killed.
	worker := w.scheduler(t, application.SchedulerConfig{Workers: 1, Lease: time.Hour, Retention: 1000 * time.Hour}, complete)
	slow := newProxy(t, w.server.Addr()) // so that there is time to kill in
	slow.toxic(t, "latency", "upstream", map[string]int{"latency": 5})
	cleaner := w.worker("cleaner", 1)
	cleaner.URL = slow.url
	cleaner.Offset, cleaner.Retention, cleaner.Lease = retention, retention, time.Hour
	midway := 0
	left := int64(backlog)
	for range 4 {
		p := spawn(t, cleaner)
		require.Eventually(t, func() bool {
			stats, err := w.queue.GetQueueStats(t.Context())
			return err == nil && stats.Total() < left-500
		}, patience, time.Millisecond)
		p.kill(t)
		stats := w.audit(t)
		if left = stats.Total(); left > 50 {
			midway++
		}
		again := newTask(doNothing, 0, func(t *domain.Task) { t.Delay = time.Hour })
		w.add(t, again)
		require.NoError(t, w.queue.CancelTask(t.Context(), again.ID))
		require.NoError(t, w.queue.RetryTask(t.Context(), again.ID))
		w.awaitStatus(t, domain.TaskStatusCompleted, again)
		keep = append(keep, again)
	}
	require.NotZero(t, midway, "a cleaner was killed while it cleaned")
	require.NoError(t, worker.Stop(t.Context()))
	cleaner.URL = w.server.URL()
	require.NoError(t, w.raw.SlowLogReset(t.Context()).Err())
	require.NoError(t, w.raw.ConfigResetStat(t.Context()).Err())
	spawn(t, cleaner)
	w.awaitStats(t, "the old tasks go", func(s domain.QueueStats) bool { return s.Total() < 100 })
	// On a machine that does other things too, a single script may be off the
	// processor for a while; the worst is told only.
	require.Less(t, w.meanTime(t, "evalsha"), 10*time.Millisecond)
	stalls, err := w.raw.SlowLogGet(t.Context(), 100).Result()
	require.NoError(t, err)
	for _, entry := range stalls {
		t.Logf("a script took %v", entry.Duration)
	}
	for _, task := range keep {
		w.task(t, task.ID)
	}
	stats := w.audit(t)
	require.EqualValues(t, 2, stats.Processing)
	require.EqualValues(t, 1, stats.Retrying)
	for _, part := range []string{"tasks", "state"} {
		require.EqualValues(t, stats.Total(), w.raw.HLen(t.Context(), w.key(part)).Val(), "of what is gone nothing is left in %s", part)
	}
}

// meanTime is what Redis took for a command on average.
func (w *world) meanTime(t *testing.T, name string) time.Duration {
	t.Helper()
	usec, ok := w.info(t, "commandstats")["cmdstat_"+name+":usec_per_call"]
	require.True(t, ok)
	us, err := strconv.ParseFloat(usec, 64)
	require.NoError(t, err)
	return time.Duration(us * float64(time.Microsecond))
}
