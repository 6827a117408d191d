package portstest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// orderCases are the promises of the order in which the tasks of a key run.
var orderCases = []storeCase{
	{
		name:    "the tasks of a key run in order, one at a time",
		promise: "If domain.Limit.Ordered, the tasks of a key run one at a time, the highest priority first and within one the oldest first among those that are ready, of whatever type.",
		run: func(t *testing.T, q *storeTest) {
			later := q.add(t, ofKey("a"), withPriority(domain.PriorityCritical), withDelay(time.Hour))
			var want []domain.TaskID
			for i := range 6 {
				want = append(want, q.add(t, ofKey("a"), withType([]domain.TaskType{"x", "y", "z"}[i%3])).ID)
			}
			q.limit(t, ofKeys(1))
			first := q.claimOne(t)
			high := q.add(t, ofKey("a"), withType("y"), withPriority(domain.PriorityHigh))
			gone := q.add(t, ofKey("a"), withType("z"), withPriority(domain.PriorityHigh))
			expires := q.add(t, ofKey("a"), withType("y"), withPriority(domain.PriorityHigh), expiresIn(time.Minute))
			q.complete(t, first)
			q.Advance(2 * time.Minute)
			q.promote(t)
			require.Equal(t, domain.TaskStatusFailed, q.get(t, expires.ID).Status)
			require.NoError(t, q.Queue.CancelTask(t.Context(), gone.ID))
			got := []domain.TaskID{first.ID}
			for range 4 {
				task := q.claim(t, 10)
				require.Len(t, task, 1)
				got = append(got, task[0].ID)
				require.Empty(t, q.claim(t, 10), "one at a time")
				q.complete(t, task...)
			}
			q.Advance(time.Hour)
			task := q.claimOne(t)
			require.Equal(t, later.ID, task.ID, "from when it is ready")
			q.complete(t, task)
			for range 2 {
				task := q.claimOne(t)
				got = append(got, task.ID)
				q.complete(t, task)
			}
			require.Equal(t, slices.Insert(want, 1, high.ID), got)
		},
	},
	{
		name:    "a task of another type holds up those of its key behind it if they are in order, and else does not",
		promise: "One that a claim did not ask for holds up those of its key behind it. Where several may run at the same time, the tasks of a key that are of another type hold nobody up.",
		run: func(t *testing.T, q *storeTest) {
			ask := func(typ domain.TaskType) []*domain.Task {
				return q.dequeue(t, ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: lease, Types: []domain.TaskType{typ}})
			}
			q.limit(t, ofKeys(1), keyLimit("b", 2))
			for _, key := range []string{"a", "b"} {
				q.addOf(t, 3, key, withType("y"))
				q.addOf(t, 3, key, withType("x"))
			}
			got := ask("x")
			require.Len(t, got, 2)
			require.Equal(t, "b", got[0].Key)
			require.Len(t, ask("y"), 1, "the first of the other key")
			cancel := func(status domain.TaskStatus) {
				for _, task := range q.listAll(t, domain.TaskFilter{Status: status, Type: "y"}) {
					if task.Key == "a" {
						require.NoError(t, q.Queue.CancelTask(t.Context(), task.ID))
					}
				}
			}
			cancel(domain.TaskStatusPending)
			require.Empty(t, ask("x"))
			testWake(t, q, q.Queue, func() { cancel(domain.TaskStatusProcessing) })
			q.add(t, ofKey("a"), withType("y"), withPriority(domain.PriorityHigh))
			require.Empty(t, ask("x"))
			cancel(domain.TaskStatusPending)
			require.Len(t, ask("x"), 1)
		},
	},
	{
		name:    "a task that has begun blocks its key until it has finished",
		promise: "Under domain.RetriesBlock a task holds the slot of its key from its first claim under the limit until it has finished or is deleted.",
		run: func(t *testing.T, q *storeTest) {
			q.limit(t, ofKeys(1))
			tasks := q.addOf(t, 2, "a")
			high := q.add(t, ofKey("a"), withPriority(domain.PriorityHigh))
			task := q.claimOne(t)
			require.Equal(t, high.ID, task.ID)
			q.add(t, ofKey("a"), withPriority(domain.PriorityCritical))
			again := func(how string) {
				t.Helper()
				q.limit(t, ofKeys(1)) // a repeat changes nothing
				task = q.claimOne(t)
				require.Equal(t, high.ID, task.ID, how)
				require.Empty(t, q.claim(t, 10), how)
			}
			for how, update := range map[string]ports.TaskUpdate{"retry": retry(task, time.Hour), "snooze": snooze(task, time.Hour)} {
				update.Lease = *task.Lease
				q.update(t, update)
				require.Empty(t, q.claim(t, 10), how)
				q.Advance(time.Hour)
				again(how)
			}
			require.NoError(t, q.Queue.ReleaseTask(t.Context(), *task.Lease))
			again("release")
			q.Advance(2 * lease)
			require.Equal(t, 1, q.reap(t))
			again("recovery")
			q.update(t, retry(task, time.Hour))
			require.NoError(t, q.Queue.RunTaskNow(t.Context(), high.ID))
			again("run now")
			q.update(t, fail(task, "failed"))
			require.NoError(t, q.Queue.RetryTask(t.Context(), high.ID))
			critical := q.claimOne(t)
			require.Equal(t, domain.PriorityCritical, critical.Priority, "who has finished is as any other")
			q.update(t, retry(critical, time.Hour))
			require.Empty(t, q.claim(t, 10))
			testWake(t, q, q.Queue, func() { require.NoError(t, q.Queue.DeleteTask(t.Context(), critical.ID)) })
			for _, want := range tasks {
				task := q.claimOne(t)
				require.Equal(t, want.ID, task.ID)
				q.complete(t, task)
			}
		},
	},
	{
		name:    "a task that waits to run again is overtaken if the limit says so",
		promise: "domain.RetriesOvertake: others of its key run until the task is ready again.",
		run: func(t *testing.T, q *storeTest) {
			q.limit(t, overtake(ofKeys(1)))
			tasks := q.addOf(t, 4, "a")
			first := q.requireClaims(t, tasks[0])[0]
			q.update(t, retry(first, time.Minute))
			second := q.requireClaims(t, tasks[1])[0]
			q.Advance(time.Minute)
			require.Empty(t, q.claim(t, 10), "one at a time")
			require.NoError(t, q.Queue.ReleaseTask(t.Context(), *second.Lease))
			q.complete(t, q.requireClaims(t, tasks[0])...)
			second = q.requireClaims(t, tasks[1])[0]
			q.update(t, snooze(second, time.Minute))
			q.requireClaims(t, tasks[2])
			q.Advance(2 * lease)
			require.Equal(t, 1, q.reap(t))
			q.complete(t, q.requireClaims(t, tasks[1])...)
			q.complete(t, q.requireClaims(t, tasks[2])...)
			q.complete(t, q.requireClaims(t, tasks[3])...)
		},
	},
}
