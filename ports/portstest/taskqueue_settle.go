package portstest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

var settleCases = []storeCase{
	{
		name:    "a completed task keeps its result",
		promise: "UpdateTask records how runs ended: each counts an attempt and ends its lease.",
		run: func(t *testing.T, q *storeTest) {
			task := q.in(t, domain.TaskStatusProcessing)
			q.update(t, complete(task, "\x00result\xff"))
			got := q.get(t, task.ID)
			require.Equal(t, domain.TaskStatusCompleted, got.Status)
			require.Equal(t, "\x00result\xff", string(got.Result))
			require.Equal(t, 1, got.Attempt)
			require.Nil(t, got.Lease)
			require.False(t, got.CompletedAt.Before(got.StartedAt))
			require.Empty(t, got.Errors)
			require.Equal(t, int64(1), q.audit(t).Completed)
		},
	},
	{
		name:    "a failed task keeps its errors, one for each attempt",
		promise: "UpdateTask keeps reason, message and stack of each failure.",
		run: func(t *testing.T, q *storeTest) {
			q.add(t)
			first := q.claimOne(t)
			q.update(t, ports.TaskUpdate{Lease: *first.Lease, Outcome: ports.OutcomeRetry, RetryIn: time.Minute,
				Failure: domain.TaskError{Attempt: 99, Reason: domain.ReasonPanic, Message: "première", Stack: "goroutine 1"}})
			got := q.get(t, first.ID)
			require.Equal(t, domain.TaskStatusRetrying, got.Status)
			require.WithinDuration(t, got.Errors[0].At.Add(time.Minute), got.ScheduledAt, 0)
			q.Advance(time.Minute)
			second := q.claimOne(t)
			require.Equal(t, got.Errors, second.Errors, "a claimed task carries its errors")
			q.update(t, fail(second, "zweite"))
			got = q.get(t, first.ID)
			require.Equal(t, domain.TaskStatusFailed, got.Status)
			require.Equal(t, 2, got.Attempt)
			require.Equal(t, 2, got.Deliveries)
			require.Len(t, got.Errors, 2)
			require.Equal(t, domain.TaskError{Attempt: 1, Reason: domain.ReasonPanic, Message: "première", Stack: "goroutine 1",
				StartedAt: first.StartedAt, At: got.Errors[0].At}, got.Errors[0])
			require.Equal(t, domain.TaskError{Attempt: 2, Reason: domain.ReasonError, Message: "zweite",
				StartedAt: second.StartedAt, At: got.CompletedAt}, got.Errors[1])
		},
	},
	{
		name:    "a repeated report counts once",
		promise: "A repeat of the same report is accepted and counts once.",
		run: func(t *testing.T, q *storeTest) {
			for _, report := range []func(*domain.Task) ports.TaskUpdate{
				func(task *domain.Task) ports.TaskUpdate { return complete(task, "r") },
				func(task *domain.Task) ports.TaskUpdate { return fail(task, "f") },
				func(task *domain.Task) ports.TaskUpdate { return retry(task, time.Hour) },
				func(task *domain.Task) ports.TaskUpdate { return snooze(task, time.Hour) },
			} {
				q.add(t)
				task := q.claimOne(t)
				q.update(t, report(task))
				counted := q.get(t, task.ID).Attempt
				q.unchanged(t, task.ID, func() { q.update(t, report(task), report(task)) })
				require.Equal(t, counted, q.get(t, task.ID).Attempt)
			}
			q.audit(t)
		},
	},
	{
		name:    "a second report of another outcome is refused",
		promise: "Exactly one report is kept.",
		run: func(t *testing.T, q *storeTest) {
			task := q.in(t, domain.TaskStatusProcessing)
			q.update(t, complete(task, "first"))
			q.unchanged(t, task.ID, func() {
				require.ErrorIs(t, q.Queue.UpdateTask(t.Context(), fail(task, "late")), domain.ErrLeaseLost)
				require.ErrorIs(t, q.Queue.UpdateTask(t.Context(), retry(task, time.Second)), domain.ErrLeaseLost)
				require.ErrorIs(t, q.Queue.ReleaseTask(t.Context(), *task.Lease), domain.ErrLeaseLost)
			})
		},
	},
	{
		name:    "a lease that was recovered changes nothing any more",
		promise: "A report, an extension or a release whose lease is no longer held gets ErrLeaseLost and changes nothing.",
		run: func(t *testing.T, q *storeTest) {
			old := q.in(t, domain.TaskStatusProcessing)
			q.Advance(lease)
			require.Equal(t, 1, q.reap(t))
			q.refuses(t, *old.Lease)
			current := q.claimOne(t)
			require.Equal(t, 2, current.Deliveries)
			q.refuses(t, *old.Lease)
			q.update(t, complete(current, "new"))
			q.refuses(t, *old.Lease)
			require.Equal(t, "new", string(q.get(t, old.ID).Result))
		},
	},
	{
		name:    "both parts of the fence are compared",
		promise: "The fence is compared in the step that writes.",
		run: func(t *testing.T, q *storeTest) {
			task := q.in(t, domain.TaskStatusProcessing)
			claim, delivery, id := *task.Lease, *task.Lease, *task.Lease
			claim.ClaimID = uuid.New()
			delivery.Delivery++
			id.TaskID = uuid.New()
			q.refuses(t, claim)
			q.refuses(t, delivery)
			require.ErrorIs(t, q.Queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: id, Outcome: ports.OutcomeCompleted}), domain.ErrLeaseLost)
			q.update(t, complete(task, ""))
		},
	},
	{
		name:    "a lease that expired but was not recovered is still held",
		promise: "A lease that has expired but was not yet recovered is still held.",
		run: func(t *testing.T, q *storeTest) {
			q.addMany(t, 3)
			tasks := q.claim(t, 3)
			q.Advance(2 * lease)
			require.NoError(t, errOf(q.Queue.ExtendLease(t.Context(), lease, *tasks[0].Lease)))
			require.NoError(t, q.Queue.ReleaseTask(t.Context(), *tasks[1].Lease))
			q.update(t, complete(tasks[2], ""))
			require.Zero(t, q.reap(t))
		},
	},
	{
		name:    "cancelling or deleting a task ends its lease",
		promise: "The worker of a cancelled task learns of it by domain.ErrLeaseLost.",
		run: func(t *testing.T, q *storeTest) {
			handles := q.handles(t, 1)
			person := handles[len(handles)-1].Queue
			task := q.in(t, domain.TaskStatusProcessing)
			require.NoError(t, person.CancelTask(t.Context(), task.ID))
			q.refuses(t, *task.Lease)
			require.NoError(t, person.DeleteTask(t.Context(), task.ID))
			require.ErrorIs(t, errOf(q.Queue.ExtendLease(t.Context(), lease, *task.Lease)), domain.ErrLeaseLost)
			require.ErrorIs(t, q.Queue.UpdateTask(t.Context(), complete(task, "")), domain.ErrLeaseLost)
			require.ErrorIs(t, errOf(q.Queue.GetTask(t.Context(), task.ID)), domain.ErrTaskNotFound, "a late report must not bring a deleted task back")
			require.Zero(t, q.audit(t).Total())
		},
	},
	{
		name:    "an extended lease lasts from now",
		promise: "ExtendLease makes the leases last for lease from the store's now.",
		run: func(t *testing.T, q *storeTest) {
			task := q.in(t, domain.TaskStatusProcessing)
			q.Advance(lease / 2)
			for range 2 {
				extended, err := q.Queue.ExtendLease(t.Context(), lease, *task.Lease)
				require.NoError(t, err)
				require.True(t, extended[0].SameFence(*task.Lease))
				require.WithinDuration(t, task.Lease.ExpiresAt.Add(lease/2), extended[0].ExpiresAt, 5*time.Second)
				require.Equal(t, extended[0].ExpiresAt, q.get(t, task.ID).Lease.ExpiresAt)
			}
			q.Advance(lease * 3 / 4)
			require.Zero(t, q.reap(t))
			q.Advance(lease / 2)
			require.Equal(t, 1, q.reap(t))
		},
	},
	{
		name:    "a released task is ready at once and nothing is counted",
		promise: "ReleaseTask gives tasks back unfinished: PENDING again, ready at once, nothing counted but the delivery.",
		run: func(t *testing.T, q *storeTest) {
			task := q.in(t, domain.TaskStatusProcessing)
			require.NoError(t, q.Queue.ReleaseTask(t.Context(), *task.Lease))
			require.NoError(t, q.Queue.ReleaseTask(t.Context(), *task.Lease), "a repeat")
			got := q.get(t, task.ID)
			require.Equal(t, domain.TaskStatusPending, got.Status)
			require.Zero(t, got.Attempt+got.Recoveries)
			require.Equal(t, 1, got.Deliveries)
			require.Nil(t, got.Lease)
			require.Empty(t, got.Errors)
			require.Equal(t, int64(1), q.audit(t).Pending)
			again := q.claimOne(t)
			require.Equal(t, 2, again.Deliveries)
			q.refuses(t, *task.Lease)
		},
	},
	{
		name:    "a snoozed task waits for its time and nothing is counted",
		promise: "OutcomeSnooze: the task goes back to wait, PENDING and ready after RetryIn; no attempt is counted and no error kept.",
		run: func(t *testing.T, q *storeTest) {
			task := q.add(t, withKey("snoozed"))
			for n := range 3 {
				claimed := q.claimOne(t)
				require.Equal(t, n+1, claimed.Deliveries)
				history := claimed.History()
				q.update(t, snooze(claimed, time.Minute))
				got := q.get(t, task.ID)
				require.Equal(t, domain.TaskStatusPending, got.Status)
				require.Zero(t, got.Attempt+got.Recoveries)
				require.Nil(t, got.Lease)
				require.Empty(t, got.Errors)
				require.Equal(t, history[:1], got.History())
				require.WithinDuration(t, claimed.StartedAt.Add(time.Minute), got.ScheduledAt, 5*time.Second)
				require.Equal(t, int64(1), q.audit(t).Scheduled)
				require.Empty(t, q.claim(t, 1), "it is not ready before its time")
				if task.UniqueKey != "" {
					require.ErrorIs(t, errOf(q.Queue.Enqueue(t.Context(), newTask(withKey("snoozed")))), domain.ErrDuplicateTask, "it keeps its unique key")
				}
				require.ErrorIs(t, q.Queue.UpdateTask(t.Context(), complete(claimed, "")), domain.ErrLeaseLost)
				q.Advance(time.Minute + time.Second)
			}
			claimed := q.claimOne(t)
			_, known := claimed.QueueWait()
			require.False(t, known, "nobody knows how long a snoozed task was ready")
			require.Equal(t, int64(1), q.audit(t).Processing)
			q.update(t, snooze(claimed, 0))
			q.update(t, complete(q.claimOne(t), ""))
			require.Equal(t, 1, q.get(t, task.ID).Attempt)
		},
	},
	{
		name:    "refused reports do not keep the others out",
		promise: "Where some items are refused, the others are carried out.",
		run: func(t *testing.T, q *storeTest) {
			q.addMany(t, 4)
			tasks := q.claim(t, 4)
			lost := complete(tasks[1], "")
			lost.Lease.ClaimID = uuid.New()
			big := complete(tasks[3], strings.Repeat("x", domain.MaxResult+1))
			err := q.Queue.UpdateTask(t.Context(), complete(tasks[0], ""), lost, fail(tasks[2], ""), big, ports.TaskUpdate{Lease: *tasks[3].Lease})
			require.NoError(t, domain.ItemError(err, 0))
			require.ErrorIs(t, domain.ItemError(err, 1), domain.ErrLeaseLost)
			require.NoError(t, domain.ItemError(err, 2))
			requireField(t, domain.ItemError(err, 3), "result")
			requireField(t, domain.ItemError(err, 4), "outcome")
			s := q.audit(t)
			require.Equal(t, [3]int64{1, 1, 2}, [3]int64{s.Completed, s.Failed, s.Processing})
		},
	},
	{
		name:    "messages are cut to their limits and errors to the newest",
		promise: "A task keeps at most MaxTaskErrors errors of bounded size.",
		run: func(t *testing.T, q *storeTest) {
			q.add(t, func(task *domain.Task) { task.MaxRetries = 100 })
			var id domain.TaskID
			for range domain.MaxTaskErrors + 2 {
				task := q.claimOne(t)
				id = task.ID
				q.update(t, ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeRetry, Failure: domain.TaskError{
					Reason: domain.ReasonError, Message: strings.Repeat("é", domain.MaxErrorMessage), Stack: strings.Repeat("s", domain.MaxErrorStack+1),
				}})
				q.Advance(time.Second)
			}
			got := q.get(t, id)
			require.Len(t, got.Errors, domain.MaxTaskErrors)
			require.Equal(t, 3, got.Errors[0].Attempt)
			require.Equal(t, domain.MaxTaskErrors+2, got.Errors[domain.MaxTaskErrors-1].Attempt)
			require.Len(t, got.Errors[0].Message, domain.MaxErrorMessage)
			require.Len(t, got.Errors[0].Stack, domain.MaxErrorStack)
		},
	},
}

// refuses requires that a lease can do nothing to its task.
func (q *storeTest) refuses(t *testing.T, l domain.Lease) {
	t.Helper()
	q.unchanged(t, l.TaskID, func() {
		for _, outcome := range []ports.Outcome{ports.OutcomeCompleted, ports.OutcomeRetry, ports.OutcomeFailed, ports.OutcomeSnooze} {
			err := q.Queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: l, Outcome: outcome, Result: []byte("stale")})
			require.ErrorIs(t, err, domain.ErrLeaseLost)
		}
		extended, err := q.Queue.ExtendLease(t.Context(), lease, l)
		require.ErrorIs(t, err, domain.ErrLeaseLost)
		require.Equal(t, []domain.Lease{{}}, extended)
		require.ErrorIs(t, q.Queue.ReleaseTask(t.Context(), l), domain.ErrLeaseLost)
	})
}
