package portstest

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

var listCases = []storeCase{
	{
		name:    "the newest task comes first whatever its state",
		promise: "ListTasks returns a page of the tasks that the filter selects, newest first by CreatedAt.",
		run: func(t *testing.T, q *storeTest) {
			var want []domain.TaskID
			for range 3 {
				for _, status := range domain.TaskStatuses() {
					want = append(want, q.in(t, status).ID)
					if status == domain.TaskStatusPending {
						// Keep it from being claimed by the next.
						require.NoError(t, q.Queue.CancelTask(t.Context(), want[len(want)-1]))
					}
				}
			}
			want = append(want, q.add(t, withPriority(1)).ID, q.add(t, withPriority(9)).ID, q.add(t, withDelay(time.Hour)).ID, q.add(t, withType("b")).ID)
			slices.Reverse(want)
			for _, limit := range []int{0, 1, 4, domain.MaxPageSize} {
				require.Equal(t, want, idsOf(q.listAll(t, domain.TaskFilter{Limit: limit})), "limit %d", limit)
			}
		},
	},
	{
		name:    "each filter selects what it says",
		promise: "ListTasks returns the tasks that the filter selects.",
		run: func(t *testing.T, q *storeTest) {
			q.add(t, withTags("red", "blue"), func(task *domain.Task) { task.ExpiresIn, task.Key = time.Hour, `"tags":["re"]` })
			q.update(t, retry(q.claimOne(t), 0))
			ends := fail(q.claimOne(t), "broken")
			ends.Failure.Reason = domain.ReasonPermanent
			q.update(t, ends)
			q.in(t, domain.TaskStatusRetrying)
			q.in(t, domain.TaskStatusCompleted)
			for i := range 12 {
				q.add(t, withType([]domain.TaskType{"a", "b"}[i%2]), withQueue([]string{"x", "y", "z"}[i%3]), withPriority(domain.Priority(i%4)),
					withTags([]string{"red", "reddish"}[i/2%2]))
			}
			q.add(t, withDelay(time.Hour), withType("a"), withTags("red"))
			all := q.listAll(t, domain.TaskFilter{})
			require.Len(t, all, 16)
			middle := all[8].CreatedAt
			for _, f := range []domain.TaskFilter{
				{Status: domain.TaskStatusPending},
				{Status: domain.TaskStatusFailed},
				{Status: domain.TaskStatusProcessing},
				{Type: "a"},
				{Queue: "y"},
				{Type: "b", Queue: "z"},
				{Type: "a", Queue: "none"},
				{Status: domain.TaskStatusRetrying, Type: "work"},
				{Tag: "red"},
				{Tag: "blue"},
				{Tag: "re"},
				{Tag: "red", Queue: "x", Status: domain.TaskStatusPending},
				{Reason: domain.ReasonError},
				{Reason: domain.ReasonPermanent},
				{Reason: domain.ReasonPanic},
				{Reason: domain.ReasonPermanent, Tag: "red"},
				{Reason: domain.ReasonPermanent, Status: domain.TaskStatusRetrying},
				{CreatedAfter: middle},
				{CreatedBefore: middle},
				{CreatedBefore: middle.Add(time.Nanosecond)},
				{CreatedAfter: middle.Add(-time.Nanosecond)},
				{CreatedAfter: all[12].CreatedAt, CreatedBefore: all[3].CreatedAt},
				{CreatedAfter: all[3].CreatedAt, CreatedBefore: all[12].CreatedAt},
			} {
				var want []domain.TaskID
				for _, task := range all {
					if f.Matches(task) {
						want = append(want, task.ID)
					}
				}
				for _, f.Limit = range []int{0, 1, 5} {
					require.Equal(t, want, nilIfEmpty(idsOf(q.listAll(t, f))), "%+v", f)
				}
			}
		},
	},
	{
		name:    "paging sees each task that stays once, whatever changes meanwhile",
		promise: "Paging through sees each task that is selected for the whole time exactly once.",
		run: func(t *testing.T, q *storeTest) {
			tasks := q.addMany(t, 60)
			var seen []domain.TaskID
			filter := domain.TaskFilter{Limit: 7}
			deleted := map[domain.TaskID]bool{}
			for round := 0; ; round++ {
				page, err := q.Queue.ListTasks(t.Context(), filter)
				require.NoError(t, err)
				seen = append(seen, idsOf(page.Tasks)...)
				if page.NextCursor == "" {
					break
				}
				filter.Cursor = page.NextCursor
				q.addMany(t, 3)
				for _, task := range q.claim(t, 2) {
					if round%2 == 0 {
						q.update(t, complete(task, ""))
					} else {
						q.update(t, retry(task, time.Minute))
					}
				}
				victim := tasks[round*5+3].ID
				if !q.get(t, victim).Status.Terminal() {
					require.NoError(t, q.Queue.CancelTask(t.Context(), victim))
				}
				require.NoError(t, q.Queue.DeleteTask(t.Context(), victim))
				deleted[victim] = true
			}
			counts := map[domain.TaskID]int{}
			for _, id := range seen {
				counts[id]++
			}
			for _, task := range tasks {
				if deleted[task.ID] {
					require.LessOrEqual(t, counts[task.ID], 1)
				} else {
					require.Equal(t, 1, counts[task.ID])
				}
			}
		},
	},
	{
		name:    "listed tasks are whole",
		promise: "ListTasks returns tasks as GetTask does.",
		run: func(t *testing.T, q *storeTest) {
			for _, status := range domain.TaskStatuses() {
				task := q.in(t, status)
				page, err := q.Queue.ListTasks(t.Context(), domain.TaskFilter{Limit: 1})
				require.NoError(t, err)
				require.Equal(t, q.get(t, task.ID), page.Tasks[0])
				q.clear(t)
			}
		},
	},
	{
		name:    "a page of large tasks ends early",
		promise: "A page ends early, with a NextCursor, once its tasks have MaxCallBytes.",
		run: func(t *testing.T, q *storeTest) {
			const size = 900_000
			var want []domain.TaskID
			for i := range 12 {
				large := strings.Repeat("x", size)
				task := q.add(t, withQueue([]string{"a", "b"}[i%2]), func(task *domain.Task) { task.Payload = []byte(large) })
				if i%3 == 0 {
					q.update(t, complete(q.claimOne(t), large))
				}
				want = append(want, task.ID)
			}
			slices.Reverse(want)
			for _, f := range []domain.TaskFilter{{}, {Limit: 200}, {Type: "work"}} {
				require.Equal(t, want, idsOf(q.listAll(t, f)))
			}
			for _, name := range []string{"a", "b"} {
				require.Len(t, q.listAll(t, domain.TaskFilter{Queue: name}), 6)
			}
			var page domain.TaskPage
			for first := true; first || page.NextCursor != ""; first = false {
				var err error
				page, err = q.Queue.ListTasks(t.Context(), domain.TaskFilter{Cursor: page.NextCursor})
				require.NoError(t, err)
				bytes := 0
				for _, task := range page.Tasks {
					require.Less(t, bytes, ports.MaxCallBytes, "the page was full before this task")
					bytes += len(task.Payload) + len(task.Result)
				}
			}
		},
	},
	{
		name:    "tasks are found by type and queue behind many others",
		promise: "ListTasks returns a page of the tasks that the filter selects.",
		run: func(t *testing.T, q *storeTest) {
			first := q.add(t, withType("rare"), withQueue("rare"), withTags("rare"))
			require.NoError(t, q.Queue.CancelTask(t.Context(), first.ID))
			ids := idsOf(q.addMany(t, 3000))
			for part := range slices.Chunk(ids, ports.MaxEnqueue) {
				require.NoError(t, q.Queue.CancelTask(t.Context(), part...))
			}
			for _, f := range []domain.TaskFilter{{Type: "rare"}, {Queue: "rare"}, {Tag: "rare"}, {Type: "rare", Status: domain.TaskStatusCancelled, Limit: 1}} {
				page, err := q.Queue.ListTasks(t.Context(), f)
				require.NoError(t, err)
				require.Equal(t, []domain.TaskID{first.ID}, idsOf(page.Tasks), "%+v", f)
			}
			page, err := q.Queue.ListTasks(t.Context(), domain.TaskFilter{Type: "none"})
			require.NoError(t, err)
			require.Empty(t, page)
		},
	},
	{
		name:    "a cursor that is none is refused",
		promise: "Errors: domain.ErrInvalidCursor.",
		run: func(t *testing.T, q *storeTest) {
			q.addMany(t, 3)
			for _, cursor := range []string{"garbage", "%", "0", uuid.NewString(), base64.RawURLEncoding.EncodeToString([]byte("x1.zz")), "\x00"} {
				require.ErrorIs(t, errOf(q.Queue.ListTasks(t.Context(), domain.TaskFilter{Cursor: cursor})), domain.ErrInvalidCursor, "%q", cursor)
			}
		},
	},
	{
		name:    "counts add up after every step",
		promise: "A task is in exactly one state at any moment, and the counts always add up.",
		run: func(t *testing.T, q *storeTest) {
			q.addMany(t, 8)
			q.add(t, withDelay(time.Hour))
			expect := func(want domain.QueueStats) {
				t.Helper()
				got := q.audit(t)
				got.OldestPending, got.Warnings = 0, nil
				require.Equal(t, want, got)
			}
			expect(domain.QueueStats{Pending: 8, Scheduled: 1})
			tasks := q.claim(t, 6)
			expect(domain.QueueStats{Pending: 2, Scheduled: 1, Processing: 6})
			q.update(t, complete(tasks[0], ""), fail(tasks[1], ""), retry(tasks[2], time.Minute))
			expect(domain.QueueStats{Pending: 2, Scheduled: 1, Processing: 3, Completed: 1, Failed: 1, Retrying: 1})
			require.NoError(t, q.Queue.ReleaseTask(t.Context(), *tasks[3].Lease))
			require.NoError(t, q.Queue.CancelTask(t.Context(), tasks[4].ID))
			expect(domain.QueueStats{Pending: 3, Scheduled: 1, Processing: 1, Completed: 1, Failed: 1, Retrying: 1, Cancelled: 1})
			q.Advance(lease)
			require.Equal(t, 1, q.reap(t))
			require.Equal(t, 1, q.promote(t))
			expect(domain.QueueStats{Pending: 5, Scheduled: 1, Completed: 1, Failed: 1, Cancelled: 1})
			q.Advance(time.Hour)
			require.Equal(t, 1, q.promote(t))
			require.NoError(t, q.Queue.RetryTask(t.Context(), tasks[1].ID))
			expect(domain.QueueStats{Pending: 7, Completed: 1, Cancelled: 1})
			ids, err := q.Queue.PurgeFinished(t.Context(), ports.PurgeRequest{Retention: time.Minute, Limit: 10})
			require.NoError(t, err)
			require.Len(t, ids, 2)
			expect(domain.QueueStats{Pending: 7})
		},
	},
	{
		name:    "the oldest ready task is known by its age",
		promise: "OldestPending is the age of the ready task that waits longest, 0 if none waits.",
		run: func(t *testing.T, q *storeTest) {
			require.Zero(t, q.stats(t).OldestPending)
			q.add(t, withPriority(1))
			q.Advance(time.Minute)
			q.add(t, withPriority(9), withType("b"))
			q.Advance(time.Minute)
			require.InDelta(t, (2 * time.Minute).Seconds(), q.stats(t).OldestPending.Seconds(), 5)
			young := q.dequeue(t, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease, Types: []domain.TaskType{"b"}})
			require.Len(t, young, 1)
			require.InDelta(t, (2 * time.Minute).Seconds(), q.stats(t).OldestPending.Seconds(), 5)
			q.claim(t, 1)
			require.Zero(t, q.stats(t).OldestPending)
		},
	},
}

func nilIfEmpty[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}
