package portstest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

var claimCases = []storeCase{
	{
		name:    "the highest priority comes first and within one the oldest",
		promise: "Dequeue claims the highest priority first and within one the oldest first.",
		run: func(t *testing.T, q *storeTest) {
			var want [11][]domain.TaskID
			for i := range 33 {
				p := domain.Priority((i * 7) % 11)
				want[p] = append(want[p], q.add(t, withPriority(p), withType([]domain.TaskType{"a", "b"}[i%2])).ID)
			}
			var order, got []domain.TaskID
			for p := 10; p >= 0; p-- {
				order = append(order, want[p]...)
			}
			for range 11 {
				got = append(got, idsOf(q.claim(t, 3))...)
			}
			q.requireOrder(t, order, got, "in calls of three")
			require.Empty(t, q.claim(t, 1))
		},
	},
	{
		name:    "a claimed task is processing under its lease",
		promise: "Each task is PROCESSING, has its Lease, and counts a delivery.",
		run: func(t *testing.T, q *storeTest) {
			stored := q.add(t)
			claim := uuid.New()
			got := q.claimAs(t, claim, 10)
			require.Len(t, got, 1)
			task := got[0]
			require.Equal(t, domain.TaskStatusProcessing, task.Status)
			require.Equal(t, 1, task.Deliveries)
			require.Zero(t, task.Attempt)
			require.False(t, task.StartedAt.Before(stored.CreatedAt))
			require.Equal(t, claim, task.Lease.ClaimID)
			require.Equal(t, 1, task.Lease.Delivery)
			require.Equal(t, task.ID, task.Lease.TaskID)
			require.WithinDuration(t, task.StartedAt.Add(lease), task.Lease.ExpiresAt, time.Second)
			require.Equal(t, task, q.get(t, task.ID), "what is claimed is what is stored")
		},
	},
	{
		name:    "the same claim id gives the same tasks and no others",
		promise: "A repeat with the same id gives those of its tasks whose leases are still held by it, and claims no others.",
		run: func(t *testing.T, q *storeTest) {
			q.addMany(t, 10)
			id := uuid.New()
			first := q.claimAs(t, id, 4)
			require.Len(t, first, 4)
			require.ElementsMatch(t, idsOf(first), idsOf(q.claimAs(t, id, 4)))
			require.ElementsMatch(t, idsOf(first), idsOf(q.claimAs(t, id, 10)))
			require.Equal(t, int64(4), q.stats(t).Processing)
			for _, task := range q.claimAs(t, id, 4) {
				require.Equal(t, 1, task.Deliveries, "a repeat is no delivery")
				require.Equal(t, id, task.Lease.ClaimID)
			}
			q.update(t, complete(first[0], ""))
			require.NoError(t, q.Queue.ReleaseTask(t.Context(), *first[1].Lease))
			require.ElementsMatch(t, idsOf(first[2:]), idsOf(q.claimAs(t, id, 4)), "what it no longer holds it is not given")
		},
	},
	{
		name:    "a claim is bounded in bytes",
		promise: "MaxBytes is about how many bytes of payloads to claim at most. A single task comes however large it is.",
		run: func(t *testing.T, q *storeTest) {
			ask := func(bytes int) []domain.TaskID {
				return idsOf(q.dequeue(t, ports.ClaimRequest{ID: uuid.New(), Max: 100, MaxBytes: bytes, Lease: lease}))
			}
			var ids []domain.TaskID
			for i := range 12 {
				ids = append(ids, q.add(t, withBytes(1000), withType([]domain.TaskType{"a", "b"}[i%2])).ID)
			}
			got := ask(2500)
			q.requireBeginning(t, ids, got, 2)
			require.Equal(t, int64(12-len(got)), q.audit(t).Pending, "what there was no room for is still ready")
			require.Len(t, ask(0), 12-len(got))
			ids = nil
			for range 12 {
				ids = append(ids, q.add(t, withBytes(domain.MaxPayload)).ID)
			}
			got = ask(1)
			q.requireBeginning(t, ids, got, 1)
			got = ask(0)
			require.GreaterOrEqual(t, len(got), 3, "payloads of 1 MiB")
			require.LessOrEqual(t, len(got), 3+q.partCount(ids), "payloads of 1 MiB")
		},
	},
	{
		name:    "a repeat that asks for less gives the rest back",
		promise: "A repeat gives those of its tasks that it still holds as far as MaxBytes has room for them, and gives the others back as ReleaseTask does.",
		run: func(t *testing.T, q *storeTest) {
			q.addSized(t, 40, 1000)
			id := uuid.New()
			ask := func(bytes int) []*domain.Task {
				return q.dequeue(t, ports.ClaimRequest{ID: id, Max: 40, MaxBytes: bytes, Lease: lease})
			}
			first := ask(0)
			require.Len(t, first, 40)
			require.ElementsMatch(t, idsOf(first), idsOf(ask(0)))
			kept := ask(4500)
			require.True(t, len(kept) > 0 && len(kept) < 10, "%d", len(kept))
			stats := q.audit(t)
			require.Equal(t, [2]int64{int64(len(kept)), int64(40 - len(kept))}, [2]int64{stats.Processing, stats.Pending})
			require.ElementsMatch(t, idsOf(kept), idsOf(ask(4500)), "it holds those still")
			require.ElementsMatch(t, idsOf(kept), idsOf(ask(0)), "and no others")
			again := q.claim(t, 100)
			require.Len(t, again, 40-len(kept))
			for _, task := range again {
				require.Equal(t, [3]int{0, 2, 0}, [3]int{task.Attempt, task.Deliveries, task.Recoveries})
				require.Empty(t, task.Errors)
			}
			q.update(t, complete(kept[0], ""), complete(again[0], ""))
			require.LessOrEqual(t, len(ask(1)), q.partCount(idsOf(kept)))
			q.audit(t)
		},
	},
	{
		name:    "a repeat makes its leases last anew",
		promise: "A repeat gives those of its tasks that it still holds, with leases that last anew.",
		run: func(t *testing.T, q *storeTest) {
			q.addMany(t, 3)
			id := uuid.New()
			first := q.claimAs(t, id, 3)
			for range 5 {
				q.Advance(lease * 2 / 3)
				again := q.claimAs(t, id, 3)
				require.ElementsMatch(t, idsOf(first), idsOf(again))
				require.True(t, again[0].Lease.ExpiresAt.After(first[0].Lease.ExpiresAt))
				require.Equal(t, again[0].Lease.ExpiresAt, q.get(t, again[0].ID).Lease.ExpiresAt)
				require.Zero(t, q.reap(t))
			}
			q.Advance(lease)
			require.Equal(t, 3, q.reap(t))
		},
	},
	{
		name:    "another handle may repeat a claim",
		promise: "Every call may be repeated with the same arguments.",
		run: func(t *testing.T, q *storeTest) {
			other := q.other(t)
			q.addMany(t, 5)
			id := uuid.New()
			first := q.claimAs(t, id, 3)
			require.ElementsMatch(t, idsOf(first), idsOf(other.claimAs(t, id, 3)))
			require.Len(t, other.claim(t, 10), 2)
		},
	},
	{
		name:    "queues and types that are not asked for are left alone",
		promise: "A task of another queue or type is left where it is and holds nobody up.",
		run: func(t *testing.T, q *storeTest) {
			q.add(t, withType("other"), withPriority(10))
			q.add(t, withQueue("far"), withPriority(10))
			want := q.add(t, withPriority(0))
			ask := func(queues []string, types ...domain.TaskType) []*domain.Task {
				return q.dequeue(t, ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: lease, Queues: queues, Types: types})
			}
			require.Empty(t, ask([]string{"none"}))
			require.Empty(t, ask(nil, "none"))
			require.Empty(t, ask([]string{"far"}, "other"))
			require.Equal(t, []domain.TaskID{want.ID}, idsOf(ask([]string{domain.DefaultQueue}, "work", "none")))
			require.Len(t, ask([]string{"far", "near"}), 1)
			require.Len(t, ask(nil), 1)
		},
	},
	{
		name:    "a task that comes back keeps its place",
		promise: "Tasks of one priority are claimed in the order of their creation.",
		run: func(t *testing.T, q *storeTest) {
			released := q.add(t)
			recovered := q.add(t)
			retried := q.add(t)
			again := q.add(t)
			delayed := q.add(t, withDelay(time.Second))
			claimed := map[domain.TaskID]*domain.Task{}
			for _, task := range q.claim(t, 4) {
				claimed[task.ID] = task
			}
			require.NoError(t, q.Queue.ReleaseTask(t.Context(), *claimed[released.ID].Lease))
			q.update(t, retry(claimed[retried.ID], time.Second), fail(claimed[again.ID], "x"))
			require.NoError(t, q.Queue.RetryTask(t.Context(), again.ID))
			q.Advance(lease)
			require.Equal(t, 1, q.reap(t))
			young := q.add(t)
			q.requireOrder(t, []domain.TaskID{released.ID, recovered.ID, retried.ID, again.ID, delayed.ID, young.ID}, idsOf(q.claim(t, 10)))
		},
	},
	{
		name:    "a claim that waits is woken by an enqueue",
		promise: "The call is woken by an enqueue, without polling in between.",
		run:     func(t *testing.T, q *storeTest) { testWake(t, q, q.Queue, func() { q.add(t) }) },
	},
	{
		name:    "a claim that waits is woken from another handle",
		promise: "The call is woken by an enqueue of this or another process.",
		run: func(t *testing.T, q *storeTest) {
			testWake(t, q, q.other(t).Queue, func() { q.add(t) })
		},
	},
	{
		name:    "a claim that waits is woken when a task becomes due",
		promise: "The call is woken when a scheduled task becomes due.",
		run: func(t *testing.T, q *storeTest) {
			for _, waiting := range q.handles(t, 1) {
				task := q.add(t, withDelay(400*time.Millisecond))
				begin := time.Now()
				got, err := waiting.Queue.Dequeue(soonContext(t), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease, Wait: time.Minute})
				require.NoError(t, err)
				require.Len(t, got, 1)
				require.Less(t, time.Since(begin), soon)
				require.False(t, got[0].StartedAt.Before(task.ScheduledAt), "never early")
			}
		},
	},
	{
		name:    "a claim that waits is woken by a task that is due sooner",
		promise: "The call is woken by an enqueue, and when a scheduled task becomes due.",
		run: func(t *testing.T, q *storeTest) {
			q.add(t, withDelay(time.Hour))
			for _, waiting := range q.handles(t, 1) {
				testWake(t, q, waiting.Queue, func() { q.add(t, withDelay(100*time.Millisecond)) })
			}
		},
	},
	{
		name:    "a claim that waits is woken by tasks that come back",
		promise: "The call is woken when a task becomes ready.",
		run: func(t *testing.T, q *storeTest) {
			held := q.in(t, domain.TaskStatusProcessing)
			testWake(t, q, q.Queue, func() { require.NoError(t, q.Queue.ReleaseTask(t.Context(), *held.Lease)) })
			failed := q.in(t, domain.TaskStatusFailed)
			testWake(t, q, q.Queue, func() { require.NoError(t, q.Queue.RetryTask(t.Context(), failed.ID)) })
			later := q.add(t, withDelay(time.Hour))
			testWake(t, q, q.Queue, func() { require.NoError(t, q.Queue.RunTaskNow(t.Context(), later.ID)) })
		},
	},
	{
		name:    "a wait that is over gives nothing",
		promise: "It returns no tasks and no error if none became ready in time.",
		run: func(t *testing.T, q *storeTest) {
			q.add(t, withDelay(time.Hour))
			require.Empty(t, q.dequeue(t, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease, Wait: 50 * time.Millisecond}))
		},
	},
	{
		name:    "a cancelled wait claims nothing",
		promise: "When ctx ends while it waits, it returns the context's error and has claimed nothing.",
		run: func(t *testing.T, q *storeTest) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := q.Queue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease, Wait: time.Minute})
				done <- err
			}()
			cancel()
			select {
			case err := <-done:
				require.ErrorIs(t, err, context.Canceled)
			case <-time.After(soon):
				require.Fail(t, "the wait did not end with its context")
			}
			q.add(t)
			require.Len(t, q.claim(t, 1), 1)
		},
	},
	{
		name:    "concurrent claims give each task once",
		promise: "All methods may be called at the same time, by any number of goroutines and processes.",
		run: func(t *testing.T, q *storeTest) {
			const tasks, claimers = 500, 12
			handles := q.handles(t, 1)
			ctx, stop := context.WithCancel(soonContext(t))
			defer stop()
			var mu sync.Mutex
			seen := map[domain.TaskID]int{}
			var wg sync.WaitGroup
			errs := make(chan error, claimers)
			for i := range claimers {
				wg.Go(func() {
					for ctx.Err() == nil {
						got, err := handles[i%len(handles)].Queue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1 + i%7, Lease: lease, Wait: time.Minute})
						if err != nil && ctx.Err() == nil {
							errs <- err
							return
						}
						mu.Lock()
						for _, task := range got {
							seen[task.ID]++
						}
						if len(seen) == tasks {
							stop()
						}
						mu.Unlock()
					}
				})
			}
			for range tasks / 50 {
				q.addMany(t, 50)
			}
			wg.Wait()
			select {
			case err := <-errs:
				require.NoError(t, err)
			default:
			}
			require.Len(t, seen, tasks, "none is missed")
			for id, n := range seen {
				require.Equal(t, 1, n, "task %s", id)
			}
			q.audit(t)
		},
	},
}

// testWake starts a claim that waits on a handle, does something that should wake
// it, and requires that it comes back soon with a task.
func testWake(t *testing.T, q *storeTest, waiting ports.TaskQueue, wake func()) {
	t.Helper()
	type reply struct {
		tasks []*domain.Task
		err   error
	}
	done := make(chan reply, 1)
	ctx := soonContext(t)
	go func() {
		tasks, err := waiting.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease, Wait: time.Minute})
		done <- reply{tasks, err}
	}()
	// Most runs catch the claim while it waits; one that has not begun to wait yet
	// finds the task, which is right too.
	select {
	case r := <-done:
		require.Fail(t, "the claim came back before there was a task", "%v %v", r.tasks, r.err)
	case <-time.After(100 * time.Millisecond):
	}
	begin := time.Now()
	wake()
	r := <-done
	require.NoError(t, r.err)
	require.NotEmpty(t, r.tasks)
	require.Less(t, time.Since(begin), soon, "the claim must be woken, not find the task by a slow poll")
	q.complete(t, r.tasks...)
}
