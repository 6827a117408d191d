package portstest

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

var manageCases = []storeCase{
	{
		name:    "each step is allowed from some states and refused from the others",
		promise: "A *domain.TransitionError tells where the state of the task forbids the step.",
		run: func(t *testing.T, q *storeTest) {
			type step struct {
				name string
				call func(ctx context.Context, ids ...domain.TaskID) error
				to   domain.TaskStatus
				from []domain.TaskStatus
			}
			for _, s := range []step{
				{"delete", q.Queue.DeleteTask, 0, []domain.TaskStatus{
					domain.TaskStatusPending, domain.TaskStatusCompleted, domain.TaskStatusFailed, domain.TaskStatusRetrying, domain.TaskStatusCancelled,
				}},
				{"retry", q.Queue.RetryTask, domain.TaskStatusPending, []domain.TaskStatus{domain.TaskStatusFailed, domain.TaskStatusCancelled}},
				{"cancel", q.Queue.CancelTask, domain.TaskStatusCancelled, []domain.TaskStatus{
					domain.TaskStatusPending, domain.TaskStatusProcessing, domain.TaskStatusRetrying,
				}},
				{"run now", q.Queue.RunTaskNow, domain.TaskStatusPending, []domain.TaskStatus{domain.TaskStatusPending, domain.TaskStatusRetrying}},
			} {
				allowed := map[domain.TaskStatus]bool{}
				for _, from := range s.from {
					allowed[from] = true
				}
				for _, from := range domain.TaskStatuses() {
					task := q.in(t, from)
					if allowed[from] {
						require.NoError(t, s.call(t.Context(), task.ID), "%s from %s", s.name, from)
						if s.to != 0 {
							require.Equal(t, s.to, q.get(t, task.ID).Status)
						}
					} else {
						q.unchanged(t, task.ID, func() {
							var refused *domain.TransitionError
							require.ErrorAs(t, s.call(t.Context(), task.ID), &refused, "%s from %s", s.name, from)
							require.Equal(t, domain.TransitionError{TaskID: task.ID, From: from, To: s.to}, *refused)
						})
					}
					q.clear(t)
				}
			}
		},
	},
	{
		name:    "an unknown id is refused for its item only",
		promise: "Item errors of all methods: domain.ErrTaskNotFound.",
		run: func(t *testing.T, q *storeTest) {
			for _, call := range []func(ctx context.Context, ids ...domain.TaskID) error{
				q.Queue.RunTaskNow, q.Queue.CancelTask, q.Queue.RetryTask, q.Queue.CancelTask, q.Queue.DeleteTask,
			} {
				task := q.add(t)
				if q.get(t, task.ID).Status == domain.TaskStatusPending {
					// Each of the calls can be made on a PENDING or a CANCELLED task.
					if err := call(t.Context(), task.ID); err != nil {
						require.NoError(t, q.Queue.CancelTask(t.Context(), task.ID))
						require.NoError(t, call(t.Context(), task.ID))
					}
				}
				err := call(t.Context(), uuid.New(), uuid.New())
				require.ErrorIs(t, domain.ItemError(err, 0), domain.ErrTaskNotFound)
				require.ErrorIs(t, domain.ItemError(err, 1), domain.ErrTaskNotFound)
			}
			require.ErrorIs(t, errOf(q.Queue.GetTask(t.Context(), uuid.New())), domain.ErrTaskNotFound)
		},
	},
	{
		name:    "a deleted task leaves nothing behind",
		promise: "DeleteTask removes tasks with all that belongs to them.",
		run: func(t *testing.T, q *storeTest) {
			for _, status := range domain.TaskStatuses() {
				if status == domain.TaskStatusProcessing {
					continue
				}
				task := q.in(t, status)
				require.NoError(t, q.Queue.DeleteTask(t.Context(), task.ID))
				require.ErrorIs(t, errOf(q.Queue.GetTask(t.Context(), task.ID)), domain.ErrTaskNotFound)
				require.ErrorIs(t, q.Queue.DeleteTask(t.Context(), task.ID), domain.ErrTaskNotFound)
				require.Zero(t, q.audit(t).Total())
				require.Empty(t, q.claim(t, 10))
				fresh := q.enqueue(t, newTask(func(n *domain.Task) { n.ID = task.ID }))
				require.Empty(t, fresh[0].Errors)
				require.Empty(t, q.get(t, task.ID).Result)
				require.NoError(t, q.Queue.DeleteTask(t.Context(), task.ID))
			}
			q.Advance(48 * time.Hour)
			require.Zero(t, q.promote(t))
			ids, err := q.Queue.PurgeFinished(t.Context(), ports.PurgeRequest{Limit: 10})
			require.NoError(t, err)
			require.Empty(t, ids)
		},
	},
	{
		name:    "a task that runs again has all its retries and keeps its errors",
		promise: "RetryTask runs FAILED and CANCELLED tasks again, as domain.Task.RunAgain says.",
		run: func(t *testing.T, q *storeTest) {
			task := q.in(t, domain.TaskStatusFailed)
			require.NoError(t, q.Queue.RetryTask(t.Context(), task.ID))
			got := q.get(t, task.ID)
			require.Equal(t, domain.TaskStatusPending, got.Status)
			require.Zero(t, got.Attempt+got.Recoveries)
			require.True(t, got.CompletedAt.IsZero())
			require.Equal(t, task.Errors, got.Errors)
			again := q.claimOne(t)
			require.Equal(t, 2, again.Deliveries, "a delivery number is never used twice")
			q.update(t, complete(again, "at last"))
			require.Equal(t, domain.TaskStatusCompleted, q.get(t, task.ID).Status)
		},
	},
	{
		name:    "running again takes the unique key or is refused",
		promise: "RetryTask takes the task's unique key again, or is refused with domain.ErrDuplicateTask.",
		run: func(t *testing.T, q *storeTest) {
			first := q.add(t, withKey("key"))
			require.NoError(t, q.Queue.CancelTask(t.Context(), first.ID))
			second := q.add(t, withKey("key"))
			q.unchanged(t, first.ID, func() {
				var duplicate *domain.DuplicateError
				require.ErrorAs(t, q.Queue.RetryTask(t.Context(), first.ID), &duplicate)
				require.Equal(t, second.ID, duplicate.Holder)
			})
			require.NoError(t, q.Queue.CancelTask(t.Context(), second.ID))
			require.NoError(t, q.Queue.RetryTask(t.Context(), first.ID))
			require.ErrorIs(t, errOf(q.Queue.Enqueue(t.Context(), newTask(withKey("key")))), domain.ErrDuplicateTask)
		},
	},
	{
		name:    "a waiting task can be run now",
		promise: "RunTaskNow makes scheduled and RETRYING tasks ready at once; a ready task stays as it is.",
		run: func(t *testing.T, q *storeTest) {
			later := q.add(t, withDelay(time.Hour))
			retrying := q.in(t, domain.TaskStatusRetrying)
			ready := q.add(t)
			require.NoError(t, q.Queue.RunTaskNow(t.Context(), later.ID, retrying.ID, ready.ID))
			require.Equal(t, ready, q.get(t, ready.ID))
			require.True(t, q.get(t, later.ID).ScheduledAt.IsZero())
			s := q.audit(t)
			require.Equal(t, [3]int64{3, 0, 0}, [3]int64{s.Pending, s.Scheduled, s.Retrying})
			require.Len(t, q.claim(t, 10), 3)
			q.Advance(2 * time.Hour)
			require.Zero(t, q.promote(t), "what was run is not promoted again")
		},
	},
}

// clear ends and removes every task.
func (q *storeTest) clear(t *testing.T) {
	t.Helper()
	for _, task := range q.listAll(t, domain.TaskFilter{}) {
		if !task.Status.Terminal() {
			require.NoError(t, q.Queue.CancelTask(t.Context(), task.ID))
		}
		require.NoError(t, q.Queue.DeleteTask(t.Context(), task.ID))
	}
}
