package portstest

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

func holdingWhile(while domain.UniqueWhile) func(*domain.Task) {
	return func(t *domain.Task) { t.UniqueWhile = while }
}

func holdingFor(d time.Duration) func(*domain.Task) {
	return func(t *domain.Task) { t.UniqueFor = d }
}

func or(what domain.OnConflict) func(*domain.Task) {
	return func(t *domain.Task) { t.OnConflict = what }
}

func withPayload(payload string) func(*domain.Task) {
	return func(t *domain.Task) { t.Payload = []byte(payload) }
}

// enqueueAs enqueues a task, requires that it has this outcome, and returns what is stored.
func (q *storeTest) enqueueAs(t *testing.T, want domain.EnqueueOutcome, task *domain.Task) *domain.Task {
	t.Helper()
	stored := q.enqueue(t, task)[0]
	require.Equal(t, want, task.EnqueueOutcome(stored))
	require.Equal(t, q.get(t, stored.ID), stored, "it is returned as it is stored now")
	return stored
}

// requireHeld requires that the task holds the unique key, or that it is free if id is nil.
func (q *storeTest) requireHeld(t *testing.T, key string, holder *domain.Task, message ...any) {
	t.Helper()
	other := newTask(withKey(key))
	_, err := q.Queue.Enqueue(t.Context(), other)
	if holder == nil {
		require.NoError(t, err, message...)
		require.NoError(t, q.Queue.DeleteTask(t.Context(), other.ID))
		return
	}
	var duplicate *domain.DuplicateError
	require.ErrorAs(t, err, &duplicate, message...)
	require.Equal(t, holder.ID, duplicate.Holder, message...)
}

// requireSound requires that the counts add up, and that a check finds nothing.
func (q *storeTest) requireSound(t *testing.T) {
	t.Helper()
	q.audit(t)
	if q.Verifier != nil {
		found, _ := q.verify(t, false)
		require.Empty(t, found)
	}
}

var uniqueCases = []storeCase{
	{
		name:    "a cancelled task keeps its key until its run has stopped",
		promise: "While it is Stopping it keeps its unique key, if it held that; also if it is deleted, until the lease would have ended.",
		run: func(t *testing.T, q *storeTest) {
			cancelRun := func(change ...func(*domain.Task)) *domain.Task {
				t.Helper()
				q.add(t, append(change, withKey("k"))...)
				task := q.claimOne(t)
				require.NoError(t, q.Queue.CancelTask(t.Context(), task.ID))
				return task
			}
			stopped := func(task *domain.Task) {
				t.Helper()
				require.ErrorIs(t, domain.ItemError(q.Queue.ReleaseTask(t.Context(), *task.Lease), 0), domain.ErrLeaseLost)
			}
			task := cancelRun()
			q.requireHeld(t, "k", task)
			kept := q.enqueueAs(t, domain.EnqueueExisting, newTask(withKey("k"), or(domain.ConflictKeep)))
			require.Equal(t, task.ID, kept.ID)
			require.Equal(t, kept, q.enqueue(t, kept)[0], "an enqueue that is repeated shows it too")
			stopped(task)
			q.requireHeld(t, "k", nil, "its run has stopped")

			task = cancelRun()
			q.Advance(lease - time.Second)
			q.requireHeld(t, "k", task)
			q.Advance(2 * time.Second)
			q.requireHeld(t, "k", nil, "its lease has ended")

			task = cancelRun()
			require.NoError(t, q.Queue.RetryTask(t.Context(), task.ID))
			stopped(task)
			q.Advance(2 * lease)
			q.requireHeld(t, "k", task, "it runs again")
			require.NoError(t, q.Queue.CancelTask(t.Context(), task.ID))
			q.requireHeld(t, "k", nil, "it was not claimed again")

			task = cancelRun()
			require.NoError(t, q.Queue.DeleteTask(t.Context(), task.ID))
			q.requireHeld(t, "k", task, "it may run yet")
			q.Advance(lease + time.Second)
			task = cancelRun(holdingWhile(domain.UniqueWhileWaiting))
			q.requireHeld(t, "k", nil, "it had no key any more")
			stopped(task)

			task = cancelRun(holdingFor(2 * lease))
			stopped(task)
			q.requireHeld(t, "k", task, "it holds the key for a time, whatever becomes of it")
			q.requireSound(t)
		},
	},
	{
		name:    "a key that is held while its task waits is free from the claim on",
		promise: "UniqueWhileWaiting: until it is claimed; a task that waits again holds it no more.",
		run: func(t *testing.T, q *storeTest) {
			for name, back := range map[string]func(claimed *domain.Task){
				"retry":   func(c *domain.Task) { q.update(t, retry(c, time.Hour)) },
				"snooze":  func(c *domain.Task) { q.update(t, snooze(c, time.Hour)) },
				"release": func(c *domain.Task) { require.NoError(t, q.Queue.ReleaseTask(t.Context(), *c.Lease)) },
				"reap": func(*domain.Task) {
					q.Advance(lease)
					require.Equal(t, 1, q.reap(t))
				},
			} {
				task := q.add(t, withKey(name), holdingWhile(domain.UniqueWhileWaiting))
				q.requireHeld(t, name, task)
				require.NoError(t, q.Queue.RunTaskNow(t.Context(), task.ID))
				q.requireHeld(t, name, task, "run now, and not claimed yet")
				claimed := q.claimOne(t)
				q.requireHeld(t, name, nil, "claimed")
				back(claimed)
				q.requireHeld(t, name, nil, name)
				next := q.add(t, withKey(name))
				require.NoError(t, q.Queue.CancelTask(t.Context(), task.ID))
				q.requireHeld(t, name, next, "the end of one that let go takes nothing from another")
				require.ErrorIs(t, q.Queue.RetryTask(t.Context(), task.ID), domain.ErrDuplicateTask)
				require.NoError(t, q.Queue.DeleteTask(t.Context(), next.ID))
				require.NoError(t, q.Queue.RetryTask(t.Context(), task.ID))
				q.requireHeld(t, name, task, "a person has it run again")
				again := q.claimOne(t)
				require.Equal(t, task.ID, again.ID)
				q.requireHeld(t, name, nil, "until it is claimed again")
				q.update(t, complete(again, ""))
			}
			q.requireSound(t)
		},
	},
	{
		name:    "a key that is held for a time is free after it and not before",
		promise: "UniqueFor: the unique key is held for so long after the enqueue, whatever becomes of the task.",
		run: func(t *testing.T, q *storeTest) {
			for name, end := range map[string]func(task *domain.Task){
				"claimed":   func(*domain.Task) { q.claimOne(t) },
				"completed": func(*domain.Task) { q.update(t, complete(q.claimOne(t), "")) },
				"cancelled": func(task *domain.Task) { require.NoError(t, q.Queue.CancelTask(t.Context(), task.ID)) },
				"deleted":   func(task *domain.Task) { require.NoError(t, q.Queue.DeleteTask(t.Context(), task.ID)) },
			} {
				asked := newTask(withKey(name), holdingFor(time.Hour))
				task := q.enqueueAs(t, domain.EnqueueCreated, asked)
				require.Equal(t, time.Hour, task.UniqueFor)
				end(task)
				q.Advance(30 * time.Minute)
				if name != "deleted" {
					q.enqueueAs(t, domain.EnqueueCreated, asked)
				}
				q.Advance(29 * time.Minute)
				q.requireHeld(t, name, task, name)
				if name == "cancelled" {
					require.NoError(t, q.Queue.RetryTask(t.Context(), task.ID), "it is not asked for its key")
					q.claimOne(t)
				}
				q.Advance(2 * time.Minute)
				next := q.add(t, withKey(name))
				q.requireHeld(t, name, next, "in the place of one whose time has passed")
				q.Advance(time.Hour)
				_, err := q.Queue.PurgeFinished(t.Context(), ports.PurgeRequest{Limit: 1000})
				require.NoError(t, err)
				q.requireHeld(t, name, next, "which is not forgotten with it")
				q.claimOne(t)
			}
			q.requireSound(t)
		},
	},
	{
		name:    "an enqueue that keeps the holder gives it as it is",
		promise: "ConflictKeep returns the holder as it is stored now.",
		run: func(t *testing.T, q *storeTest) {
			keep := func() *domain.Task { return newTask(withKey("k"), or(domain.ConflictKeep), withPayload("other")) }
			holder := q.enqueueAs(t, domain.EnqueueCreated, keep())
			require.Equal(t, holder, q.enqueueAs(t, domain.EnqueueExisting, keep()))
			claimed := q.claimOne(t)
			require.Equal(t, domain.TaskStatusProcessing, q.enqueueAs(t, domain.EnqueueExisting, keep()).Status)
			q.update(t, complete(claimed, ""))
			require.NotEqual(t, holder.ID, q.enqueueAs(t, domain.EnqueueCreated, keep()).ID)

			gone := q.add(t, withKey("gone"), holdingFor(time.Hour))
			require.NoError(t, q.Queue.DeleteTask(t.Context(), gone.ID))
			var duplicate *domain.DuplicateError
			require.ErrorAs(t, errOf(q.Queue.Enqueue(t.Context(), newTask(withKey("gone"), or(domain.ConflictKeep)))), &duplicate)
			require.Equal(t, gone.ID, duplicate.Holder)
			q.requireSound(t)
		},
	},
	{
		name:    "a waiting task is replaced as often as is asked for",
		promise: "ConflictReplace: the holder has the payload, the priority and the time of the new task.",
		run: func(t *testing.T, q *storeTest) {
			replace := func(change ...func(*domain.Task)) *domain.Task {
				return newTask(append(change, withKey("k"), or(domain.ConflictReplace), func(t *domain.Task) { t.MaxRetries = 9 })...)
			}
			asked := newTask(withKey("k"), withDelay(time.Hour), withPayload("0"), func(t *domain.Task) {
				t.Tags, t.TraceParent = []string{"tag"}, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
			})
			first := q.enqueueAs(t, domain.EnqueueCreated, asked)
			other := q.add(t)
			if q.Events != nil {
				q.at = readEvents(t, q.Events, ports.EventRequest{Max: 1}).Next
			}
			var last *domain.Task
			for i, change := range [][]func(*domain.Task){
				{withDelay(2 * time.Hour), withPayload("later")},
				{withPriority(domain.PriorityHigh), withPayload("at once")},
				{withPriority(domain.PriorityLow), withDelay(time.Minute), withPayload("")},
				{func(task *domain.Task) { task.ScheduledAt = first.CreatedAt.Add(time.Hour) }, withPayload("at a time")},
				{withPriority(domain.PriorityLow), withPayload("at once again")},
				{withPriority(domain.PriorityLow), withPayload("at once and other")},
			} {
				q.Advance(time.Second)
				next := replace(change...)
				got := q.enqueueAs(t, domain.EnqueueReplaced, next)
				require.Equal(t, string(next.Payload), string(got.Payload), i)
				require.Equal(t, next.Priority, got.Priority)
				switch {
				case next.Delay > 0:
					require.WithinDuration(t, first.CreatedAt.Add(time.Duration(i+1)*time.Second+next.Delay), got.ScheduledAt, soon)
				default:
					require.True(t, next.ScheduledAt.Equal(got.ScheduledAt))
				}
				want := *first
				want.Payload, want.Priority, want.ScheduledAt, want.Delay = got.Payload, got.Priority, got.ScheduledAt, next.Delay
				require.Equal(t, &want, got, "all else stays")
				q.Advance(time.Second)
				require.Equal(t, got, q.enqueueAs(t, domain.EnqueueReplaced, next), "a repeat changes nothing")
				require.Equal(t, got, q.enqueueAs(t, domain.EnqueueCreated, asked), "nor does one of the first")
				changed := asked.Clone()
				changed.Timeout++
				require.ErrorIs(t, errOf(q.Queue.Enqueue(t.Context(), changed)), domain.ErrTaskExists)
				q.requireSound(t)
				last = next
			}
			if q.Events != nil {
				for _, e := range readEvents(t, q.Events, ports.EventRequest{After: q.at, Max: ports.MaxEvents}).Events {
					require.Equal(t, [2]domain.TaskStatus{domain.TaskStatusPending, domain.TaskStatusPending}, [2]domain.TaskStatus{e.From, e.To})
					require.Equal(t, first.ID, e.TaskID)
				}
			}
			got := q.claim(t, 5)
			require.ElementsMatch(t, []domain.TaskID{other.ID, first.ID}, idsOf(got))
			if q.Partition == nil {
				require.Equal(t, first.ID, got[1].ID, "it has the lower priority")
			}
			own := got[slices.Index(idsOf(got), first.ID)]
			require.Equal(t, "at once and other", string(own.Payload))
			require.Equal(t, asked.TraceParent, own.TraceParent)
			q.enqueueAs(t, domain.EnqueueReplaced, last)
			q.update(t, complete(own, ""))
			q.enqueueAs(t, domain.EnqueueCreated, replace())
		},
	},
	{
		name:    "a replaced task is claimed when its new time has come",
		promise: "The holder has the time of the new task, a Delay counting from now.",
		run: func(t *testing.T, q *storeTest) {
			debounced := func() *domain.Task {
				return newTask(withKey("k"), or(domain.ConflictReplace), withDelay(10*time.Minute))
			}
			first := q.enqueueAs(t, domain.EnqueueCreated, debounced())
			for range 3 {
				q.Advance(9 * time.Minute)
				require.Empty(t, q.claim(t, 1))
				q.enqueueAs(t, domain.EnqueueReplaced, debounced())
			}
			q.Advance(11 * time.Minute)
			require.Equal(t, first.ID, q.claimOne(t).ID)
			require.Empty(t, q.claim(t, 1))
		},
	},
	{
		name:    "what cannot be replaced is refused",
		promise: "Where the holder was claimed before, is of another queue or type, or was deleted, the task is refused.",
		run: func(t *testing.T, q *storeTest) {
			holder := q.add(t, withKey("k"))
			refused := func(change ...func(*domain.Task)) {
				t.Helper()
				var duplicate *domain.DuplicateError
				q.unchanged(t, holder.ID, func() {
					_, err := q.Queue.Enqueue(t.Context(), newTask(append(change, withKey("k"), or(domain.ConflictReplace), withPayload("no"))...))
					require.ErrorAs(t, err, &duplicate)
					require.Equal(t, holder.ID, duplicate.Holder)
				})
			}
			refused(withQueue("other"))
			refused(withType("other"))
			claimed := q.claimOne(t)
			refused()
			require.NoError(t, q.Queue.ReleaseTask(t.Context(), *claimed.Lease))
			refused()
			q.update(t, retry(q.claimOne(t), time.Hour))
			refused()
			q.requireSound(t)

			gone := q.add(t, withKey("gone"), holdingFor(time.Hour))
			require.NoError(t, q.Queue.DeleteTask(t.Context(), gone.ID))
			require.ErrorIs(t, errOf(q.Queue.Enqueue(t.Context(), newTask(withKey("gone"), or(domain.ConflictReplace)))), domain.ErrDuplicateTask)
		},
	},
	{
		name:    "tasks of one call find each other",
		promise: "If another task holds the unique key, the task's OnConflict decides.",
		run: func(t *testing.T, q *storeTest) {
			tasks := []*domain.Task{
				newTask(withKey("k"), or(domain.ConflictReplace), withDelay(time.Hour)),
				newTask(withKey("k"), or(domain.ConflictKeep)),
				newTask(withKey("k")),
				newTask(),
				newTask(withKey("k"), or(domain.ConflictReplace), withPayload("1")),
				newTask(withKey("k"), or(domain.ConflictReplace), withPayload("2")),
				newTask(withKey("t"), holdingFor(time.Hour)),
				newTask(withKey("t"), or(domain.ConflictKeep)),
				newTask(withKey("t")),
			}
			out, err := q.Queue.Enqueue(t.Context(), tasks...)
			for i, want := range []domain.EnqueueOutcome{
				domain.EnqueueCreated, domain.EnqueueExisting, "", domain.EnqueueCreated, domain.EnqueueReplaced, domain.EnqueueReplaced,
				domain.EnqueueCreated, domain.EnqueueExisting, "",
			} {
				if want == "" {
					require.ErrorIs(t, domain.ItemError(err, i), domain.ErrDuplicateTask)
					continue
				}
				require.NoError(t, domain.ItemError(err, i))
				require.Equal(t, want, tasks[i].EnqueueOutcome(out[i]), i)
			}
			require.Equal(t, "2", string(q.get(t, tasks[0].ID).Payload))
			require.Equal(t, int64(3), q.audit(t).Pending)
			q.requireSound(t)
		},
	},
	{
		name:    "of all who enqueue with one key at the same time one creates the task",
		promise: "Each step is one atomic change in the store.",
		run: func(t *testing.T, q *storeTest) {
			handles := q.handles(t, 1)
			rules := []domain.OnConflict{domain.ConflictReject, domain.ConflictKeep, domain.ConflictReplace}
			tasks := make([]*domain.Task, 24)
			for i := range tasks {
				tasks[i] = newTask(withKey("k"), or(rules[i%3]), withDelay(time.Hour))
			}
			stored := make([]*domain.Task, len(tasks))
			errs := atOnce(len(tasks), func(i int) error {
				out, err := handles[i%len(handles)].Queue.Enqueue(t.Context(), tasks[i])
				if err == nil {
					stored[i] = out[0]
				}
				return err
			})
			created, holders := 0, map[domain.TaskID]bool{}
			for i, err := range errs {
				if rules[i%3] == domain.ConflictReject && err != nil {
					require.ErrorIs(t, err, domain.ErrDuplicateTask)
					continue
				}
				require.NoError(t, err)
				holders[stored[i].ID] = true
				if tasks[i].EnqueueOutcome(stored[i]) == domain.EnqueueCreated {
					created++
				}
			}
			require.Equal(t, 1, created)
			require.Len(t, holders, 1)
			require.Equal(t, int64(1), q.audit(t).Total())
			q.requireSound(t)
		},
	},
}
