package portstest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

var timeCases = []storeCase{
	{
		name:    "a delayed task is never early",
		promise: "ScheduledAt is when the task becomes ready.",
		run: func(t *testing.T, q *storeTest) {
			task := q.add(t, withDelay(time.Hour))
			q.Advance(time.Hour - 10*time.Second)
			require.Zero(t, q.promote(t))
			require.Empty(t, q.claim(t, 1))
			q.Advance(10 * time.Second)
			got := q.claimOne(t)
			require.Equal(t, task.ID, got.ID)
			require.False(t, got.StartedAt.Before(task.ScheduledAt))
			require.Equal(t, task.ScheduledAt, got.ScheduledAt)
		},
	},
	{
		name:    "due tasks are promoted in bounded steps",
		promise: "PromoteDue makes tasks ready whose time has come, at most limit of them, and tells when the next is due.",
		run: func(t *testing.T, q *storeTest) {
			m, err := q.Queue.PromoteDue(t.Context(), 10)
			require.NoError(t, err)
			require.Zero(t, m.Count)
			require.Negative(t, m.Next)
			for i := range 5 {
				q.add(t, withDelay(time.Duration(i+1)*time.Hour))
			}
			m, err = q.Queue.PromoteDue(t.Context(), 10)
			require.NoError(t, err)
			require.Zero(t, m.Count)
			require.InDelta(t, time.Hour.Seconds(), m.Next.Seconds(), 10)
			q.Advance(4*time.Hour + time.Minute)
			for _, want := range []int{3, 1, 0} {
				m, err = q.Queue.PromoteDue(t.Context(), 3)
				require.NoError(t, err)
				require.Equal(t, want, m.Count)
			}
			require.InDelta(t, (59 * time.Minute).Seconds(), m.Next.Seconds(), 10)
			require.Equal(t, int64(4), q.audit(t).Pending)
		},
	},
	{
		name:    "failed attempts run again after 1, 4 and 9 minutes and then no more",
		promise: "RetryIn is how long after the store's now the next attempt is due.",
		run: func(t *testing.T, q *storeTest) {
			task := q.add(t)
			policy := domain.RetryPolicy{}
			for attempt, want := range []time.Duration{time.Minute, 4 * time.Minute, 9 * time.Minute} {
				claimed := q.claimOne(t)
				require.Equal(t, attempt, claimed.Attempt)
				d := policy.Decide(claimed, domain.ErrClosed, domain.ReasonError, 0)
				require.True(t, d.Retry)
				require.Equal(t, want, d.In)
				q.update(t, retry(claimed, d.In))
				q.Advance(want - 5*time.Second)
				require.Empty(t, q.claim(t, 1), "not before its time")
				q.Advance(5 * time.Second)
			}
			claimed := q.claimOne(t)
			require.False(t, policy.Decide(claimed, domain.ErrClosed, domain.ReasonError, 0).Retry)
			q.update(t, fail(claimed, "for good"))
			got := q.get(t, task.ID)
			require.Equal(t, domain.TaskStatusFailed, got.Status)
			require.Equal(t, 4, got.Attempt)
			require.Len(t, got.Errors, 4)
		},
	},
	{
		name:    "an expired lease is recovered at no cost of a retry",
		promise: "ReapExpired takes tasks back whose lease has expired, as domain.Task.Recover says.",
		run: func(t *testing.T, q *storeTest) {
			task := q.in(t, domain.TaskStatusProcessing)
			m := q.reapAs(t, ports.ReapRequest{MaxRecoveries: 3, Limit: 10})
			require.Zero(t, m.Count)
			require.InDelta(t, lease.Seconds(), m.Next.Seconds(), 10)
			q.Advance(lease - 10*time.Second)
			require.Zero(t, q.reap(t))
			q.Advance(10 * time.Second)
			require.Equal(t, 1, q.reap(t))
			got := q.get(t, task.ID)
			require.Equal(t, domain.TaskStatusPending, got.Status)
			require.Equal(t, [3]int{0, 1, 1}, [3]int{got.Attempt, got.Deliveries, got.Recoveries})
			require.Len(t, got.Errors, 1)
			require.Equal(t, domain.ReasonLeaseExpired, got.Errors[0].Reason)
			require.Equal(t, task.StartedAt, got.Errors[0].StartedAt)
			require.Equal(t, task.ID, q.claimOne(t).ID, "claimable at once")
		},
	},
	{
		name:    "expired leases are renewed when the store was away",
		promise: "With Renew nothing is recovered: the leases that have expired last for Renew from now.",
		run: func(t *testing.T, q *storeTest) {
			q.addMany(t, 4)
			held := q.claim(t, 3)
			q.Advance(2 * lease)
			fresh := q.claimOne(t)
			ask := ports.ReapRequest{MaxRecoveries: 3, Limit: 2, Renew: lease}
			for _, want := range []int{2, 1, 0} {
				require.Equal(t, want, q.reapAs(t, ask).Count)
			}
			require.Zero(t, q.reap(t))
			q.Advance(lease - time.Second)
			require.Equal(t, int64(4), q.audit(t).Processing)
			require.Zero(t, q.reap(t))
			for _, task := range held {
				got := q.get(t, task.ID)
				require.Zero(t, got.Recoveries)
				require.Empty(t, got.Errors)
				require.True(t, got.Lease.ExpiresAt.After(task.Lease.ExpiresAt))
			}
			require.NoError(t, errOf(q.Queue.ExtendLease(t.Context(), lease, *held[0].Lease, *fresh.Lease)))
			q.update(t, complete(held[1], ""))
			q.Advance(2 * time.Second)
			require.Equal(t, 1, q.reap(t), "a renewed lease ends like any other")
		},
	},
	{
		name:    "a task that kills its workers ends as poison",
		promise: "A task fails with domain.ReasonPoison when it was recovered more often than MaxRecoveries.",
		run: func(t *testing.T, q *storeTest) {
			task := q.add(t, withKey("key"))
			for i := range 4 {
				require.Equal(t, task.ID, q.claimOne(t).ID)
				q.Advance(lease)
				m := q.reapAs(t, ports.ReapRequest{MaxRecoveries: 3, Limit: 10})
				require.Equal(t, 1, m.Count)
				require.Equal(t, i/3, m.Poisoned, "Poisoned counts what failed, and nothing that is ready again")
			}
			got := q.get(t, task.ID)
			require.Equal(t, domain.TaskStatusFailed, got.Status)
			require.Equal(t, [3]int{0, 4, 4}, [3]int{got.Attempt, got.Deliveries, got.Recoveries})
			require.Len(t, got.Errors, 4)
			require.Equal(t, domain.ReasonPoison, got.Errors[3].Reason)
			require.NotEmpty(t, got.LastError())
			require.False(t, got.CompletedAt.IsZero())
			q.add(t, withKey("key"))
			require.ErrorIs(t, q.Queue.RetryTask(t.Context(), task.ID), domain.ErrDuplicateTask, "its unique key was free for others")
		},
	},
	{
		name:    "a claimed task has the times that its wait is counted from",
		promise: "What Dequeue returns has the times and errors that domain.Task.QueueWait counts from.",
		run: func(t *testing.T, q *storeTest) {
			waited := func(task *domain.Task, want time.Duration) {
				wait, known := task.QueueWait()
				require.True(t, known)
				require.InDelta(t, want.Seconds(), wait.Seconds(), 5)
			}
			q.add(t)
			q.Advance(10 * time.Second)
			task := q.claimOne(t)
			waited(task, 10*time.Second)
			q.Advance(lease)
			require.Equal(t, 1, q.reap(t))
			q.Advance(20 * time.Second)
			task = q.claimOne(t)
			waited(task, 20*time.Second)
			q.update(t, retry(task, time.Hour))
			q.Advance(time.Hour + 30*time.Second)
			q.promote(t)
			task = q.claimOne(t)
			waited(task, 30*time.Second)
			require.NoError(t, q.Queue.ReleaseTask(t.Context(), *task.Lease))
			_, known := q.claimOne(t).QueueWait()
			require.False(t, known, "nobody noted when it was given back")
		},
	},
	{
		name:    "expired leases are recovered in bounded steps",
		promise: "Limit bounds the tasks of one call.",
		run: func(t *testing.T, q *storeTest) {
			q.addMany(t, 5)
			require.Len(t, q.claim(t, 5), 5)
			q.Advance(lease)
			for _, want := range []int{2, 2, 1, 0} {
				require.Equal(t, want, q.reapAs(t, ports.ReapRequest{MaxRecoveries: 3, Limit: 2}).Count)
			}
			require.Equal(t, int64(5), q.audit(t).Pending)
		},
	},
	{
		name:    "a task that has not begun in time ends and never runs",
		promise: "PromoteDue and Dequeue end the expired tasks, as domain.Task.Expire says.",
		run: func(t *testing.T, q *storeTest) {
			ready := q.add(t, expiresIn(time.Hour), withKey("k"))
			q.requireTime(t, ready.CreatedAt.Add(time.Hour), ready.ExpiresAt)
			delayed := q.add(t, expiresIn(time.Hour), withDelay(2*time.Hour))
			moved := q.add(t, expiresIn(time.Hour), withDelay(2*time.Hour))
			require.NoError(t, q.Queue.RunTaskNow(t.Context(), moved.ID))
			by := ready.CreatedAt.Add(time.Hour)
			given := q.add(t, func(task *domain.Task) { task.ExpiresAt = by.Add(500) })
			q.requireTime(t, by, given.ExpiresAt)
			m, err := q.Queue.PromoteDue(t.Context(), 10)
			require.NoError(t, err)
			require.Equal(t, [2]int{}, [2]int{m.Count, m.Expired})
			require.InDelta(t, time.Hour.Seconds(), m.Next.Seconds(), 10)
			q.Advance(time.Hour)
			late := q.add(t, func(task *domain.Task) { task.ExpiresAt = by })
			require.Empty(t, q.claim(t, 10), "also before the maintenance has ended them")
			ids := []domain.TaskID{ready.ID, delayed.ID, moved.ID, given.ID, late.ID}
			expired := 0
			for range 3 {
				m, err := q.Queue.PromoteDue(t.Context(), 2)
				require.NoError(t, err)
				expired += m.Expired
			}
			require.Equal(t, len(ids), expired, "those of claims and of this call")
			for _, id := range ids {
				got := q.get(t, id)
				require.Equal(t, domain.TaskStatusFailed, got.Status)
				require.Equal(t, [3]int{}, [3]int{got.Attempt, got.Deliveries, got.Recoveries}, "no run")
				require.Len(t, got.Errors, 1)
				require.Equal(t, domain.ReasonExpired, got.Errors[0].Reason)
				require.Equal(t, domain.ExpiredMessage, got.Errors[0].Message)
				require.False(t, got.CompletedAt.Before(got.CreatedAt))
				require.False(t, got.ExpiresAt.IsZero())
			}
			require.Equal(t, int64(len(ids)), q.audit(t).Failed)
			q.add(t, withKey("k"))
			q.claimOne(t)
		},
	},
	{
		name:    "a task that has begun does not expire",
		promise: "What has begun does not expire, also not while it waits for another attempt.",
		run: func(t *testing.T, q *storeTest) {
			var began []domain.TaskID
			for range 3 {
				began = append(began, q.add(t, expiresIn(time.Hour)).ID)
			}
			claimed := q.claim(t, 3)
			require.Len(t, claimed, 3)
			q.update(t, retry(claimed[0], 2*time.Hour))
			require.NoError(t, q.Queue.ReleaseTask(t.Context(), *claimed[1].Lease))
			q.Advance(3 * time.Hour)
			require.Equal(t, 1, q.reap(t))
			again := q.claim(t, 10)
			require.ElementsMatch(t, began, idsOf(again))
			for _, task := range again {
				q.requireTime(t, task.CreatedAt.Add(time.Hour), task.ExpiresAt, "it reads back as it was given")
				q.update(t, complete(task, ""))
			}
			require.Zero(t, q.promote(t))
			require.Equal(t, int64(3), q.audit(t).Completed)
		},
	},
	{
		name:    "a person's retry of an expired task does not expire anew",
		promise: "RunAgain clears the ExpiresAt of a task that has never begun.",
		run: func(t *testing.T, q *storeTest) {
			in := newTask(expiresIn(time.Hour))
			q.enqueue(t, in)
			cancelled := q.add(t, expiresIn(time.Hour))
			require.NoError(t, q.Queue.CancelTask(t.Context(), cancelled.ID))
			require.NoError(t, q.Queue.RetryTask(t.Context(), cancelled.ID))
			q.Advance(time.Hour)
			require.Equal(t, 1, q.promote(t))
			require.NoError(t, q.Queue.RetryTask(t.Context(), in.ID))
			q.Advance(time.Hour)
			require.Zero(t, q.promote(t))
			require.True(t, q.get(t, in.ID).ExpiresAt.IsZero())
			require.Equal(t, domain.TaskStatusPending, q.enqueue(t, in)[0].Status, "its contents are the same")
			changed := in.Clone()
			changed.ExpiresIn++
			require.ErrorIs(t, errOf(q.Queue.Enqueue(t.Context(), changed)), domain.ErrTaskExists)
			require.ElementsMatch(t, []domain.TaskID{in.ID, cancelled.ID}, idsOf(q.claim(t, 10)))
		},
	},
	{
		name:    "expired tasks hold nobody up",
		promise: "A task that has expired is not given out, and ends.",
		run: func(t *testing.T, q *storeTest) {
			for range 30 {
				q.add(t, expiresIn(time.Minute), withPriority(domain.PriorityHigh))
			}
			q.Advance(time.Minute)
			waits := []domain.TaskID{q.add(t, withPriority(domain.PriorityLow)).ID, q.add(t, expiresIn(time.Hour), withPriority(domain.PriorityLow)).ID}
			require.ElementsMatch(t, waits, idsOf(q.claim(t, 2)))
			q.promote(t)
			require.Equal(t, int64(30), q.audit(t).Failed)
		},
	},
	{
		name:    "failed tasks and those with a retention of their own are kept for another time",
		promise: "Failed is how long FAILED tasks are kept; a task with a Retention is due by that alone.",
		run: func(t *testing.T, q *storeTest) {
			keep := func(d time.Duration) func(*domain.Task) { return func(task *domain.Task) { task.Retention = d } }
			end := func(report func(*domain.Task) ports.TaskUpdate, change ...func(*domain.Task)) domain.TaskID {
				task := q.add(t, change...)
				q.update(t, report(q.claimOne(t)))
				return task.ID
			}
			done := func(task *domain.Task) ports.TaskUpdate { return complete(task, "done") }
			broken := func(task *domain.Task) ports.TaskUpdate { return fail(task, "broken") }
			short, long := end(done, keep(time.Minute)), end(broken, keep(10*time.Hour))
			cancelled := q.add(t, keep(4*time.Hour)).ID
			require.NoError(t, q.Queue.CancelTask(t.Context(), cancelled))
			again := end(broken, keep(time.Minute))
			require.NoError(t, q.Queue.RetryTask(t.Context(), again))
			held := q.claimOne(t)
			completed, failed := end(done), end(broken)
			require.NoError(t, q.Queue.DeleteTask(t.Context(), end(broken, keep(time.Minute))))
			expired := q.add(t, expiresIn(time.Second)).ID
			q.Advance(time.Second)
			require.Equal(t, 1, q.promote(t))
			gone := func(after time.Duration, want ...domain.TaskID) {
				t.Helper()
				q.Advance(after)
				ids, err := q.Queue.PurgeFinished(t.Context(), ports.PurgeRequest{Retention: time.Hour, FailedRetention: 3 * time.Hour, Limit: 10})
				require.NoError(t, err)
				require.ElementsMatch(t, want, ids)
			}
			gone(0)
			gone(time.Minute, short)
			q.update(t, complete(held, "done"))
			gone(time.Minute, again)
			gone(time.Hour, completed)
			gone(time.Hour)
			gone(time.Hour, failed, expired)
			gone(time.Hour, cancelled)
			gone(7*time.Hour, long)
			require.Zero(t, q.audit(t).Total())
		},
	},
	{
		name:    "finished tasks go after their retention and nothing else does",
		promise: "PurgeFinished removes tasks that reached their terminal state retention or longer ago, the first to finish first.",
		run: func(t *testing.T, q *storeTest) {
			const retention = 24 * time.Hour
			var ended []domain.TaskID
			for _, status := range []domain.TaskStatus{domain.TaskStatusCompleted, domain.TaskStatusFailed, domain.TaskStatusCancelled} {
				ended = append(ended, q.in(t, status).ID)
				q.Advance(time.Minute)
			}
			again := q.in(t, domain.TaskStatusFailed)
			retrying := q.in(t, domain.TaskStatusRetrying)
			running := q.in(t, domain.TaskStatusProcessing)
			require.NoError(t, q.Queue.RetryTask(t.Context(), again.ID))
			scheduled := q.add(t, withDelay(100*time.Hour))
			purge := func(limit int) []domain.TaskID {
				ids, err := q.Queue.PurgeFinished(t.Context(), ports.PurgeRequest{Retention: retention, Limit: limit})
				require.NoError(t, err)
				return ids
			}
			q.Advance(retention - 10*time.Minute)
			require.Empty(t, purge(10), "not before their time")
			for _, task := range q.claim(t, 10) {
				if task.ID == again.ID {
					q.update(t, complete(task, "run again"))
				} else {
					require.NoError(t, q.Queue.ReleaseTask(t.Context(), *task.Lease))
				}
			}
			q.Advance(10 * time.Minute)
			first := purge(2)
			require.Len(t, first, 2)
			q.requireOrder(t, ended, append(first, purge(10)...))
			require.Empty(t, purge(10))
			for _, id := range ended {
				require.ErrorIs(t, errOf(q.Queue.GetTask(t.Context(), id)), domain.ErrTaskNotFound)
			}
			for _, id := range []domain.TaskID{again.ID, retrying.ID, running.ID, scheduled.ID} {
				q.get(t, id)
			}
			require.Equal(t, int64(4), q.audit(t).Total())
			q.Advance(retention)
			require.Equal(t, []domain.TaskID{again.ID}, purge(10), "a task that ran again goes by its later end")
		},
	},
}
