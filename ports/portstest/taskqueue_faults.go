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

var faultCases = []storeCase{
	{
		name:    "a cancelled context ends every call with its error",
		promise: "A call ends soon after its context, with the context's error wrapped.",
		run: func(t *testing.T, q *storeTest) {
			task := q.in(t, domain.TaskStatusProcessing)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			calls := map[string]func() error{
				"Enqueue": func() error { return errOf(q.Queue.Enqueue(ctx, newTask())) },
				"Dequeue": func() error {
					return errOf(q.Queue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease}))
				},
				"ExtendLease":   func() error { return errOf(q.Queue.ExtendLease(ctx, lease, *task.Lease)) },
				"UpdateTask":    func() error { return q.Queue.UpdateTask(ctx, complete(task, "")) },
				"ReleaseTask":   func() error { return q.Queue.ReleaseTask(ctx, *task.Lease) },
				"GetTask":       func() error { return errOf(q.Queue.GetTask(ctx, task.ID)) },
				"ListTasks":     func() error { return errOf(q.Queue.ListTasks(ctx, domain.TaskFilter{})) },
				"GetQueueStats": func() error { return errOf(q.Queue.GetQueueStats(ctx)) },
				"DeleteTask":    func() error { return q.Queue.DeleteTask(ctx, task.ID) },
				"RetryTask":     func() error { return q.Queue.RetryTask(ctx, task.ID) },
				"CancelTask":    func() error { return q.Queue.CancelTask(ctx, task.ID) },
				"RunTaskNow":    func() error { return q.Queue.RunTaskNow(ctx, task.ID) },
				"PromoteDue":    func() error { return errOf(q.Queue.PromoteDue(ctx, 1)) },
				"ReapExpired":   func() error { return errOf(q.Queue.ReapExpired(ctx, ports.ReapRequest{Limit: 1})) },
				"PurgeFinished": func() error { return errOf(q.Queue.PurgeFinished(ctx, ports.PurgeRequest{Limit: 1})) },
			}
			for name, call := range calls {
				require.ErrorIs(t, call(), context.Canceled, name)
			}
			require.Equal(t, task, q.get(t, task.ID))
			require.Equal(t, int64(1), q.stats(t).Total())
		},
	},
	{
		name:    "everything is still there after a restart",
		promise: "The queue is durable.",
		run: func(t *testing.T, q *storeTest) {
			before := map[domain.TaskID]*domain.Task{}
			for _, status := range domain.TaskStatuses() {
				if status == domain.TaskStatusPending {
					continue
				}
				task := q.in(t, status)
				before[task.ID] = q.get(t, task.ID)
			}
			ready := q.add(t, withKey("key"))
			later := q.add(t, withDelay(time.Hour))
			before[ready.ID], before[later.ID] = ready, later
			stats := q.audit(t)
			stats.OldestPending = 0

			again := q.restarted(t)
			for id, want := range before {
				require.Equal(t, want, again.get(t, id))
			}
			got := again.audit(t)
			got.OldestPending = 0
			require.Equal(t, stats, got)
			require.ErrorIs(t, errOf(again.Queue.Enqueue(t.Context(), newTask(withKey("key")))), domain.ErrDuplicateTask)
			require.Equal(t, ready.ID, again.claimOne(t).ID)
			again.Advance(2 * time.Hour)
			require.Equal(t, 2, again.promote(t), "the scheduled and the retrying task")
			require.Equal(t, 2, again.reap(t), "both leases, granted before and after")
		},
	},
	{
		name:    "concurrent workers, managers and maintainers leave a sound queue",
		promise: "All methods may be called at the same time.",
		run:     testConcurrentUse,
	},
}

// testConcurrentUse lets workers, managers and maintainers loose on one queue,
// then drains it and audits what is left.
func testConcurrentUse(t *testing.T, q *storeTest) {
	const producers, perProducer, workers = 4, 60, 6
	handles := q.handles(t, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	completed := map[domain.TaskID]int{}
	created := map[domain.TaskID]bool{}
	var produced, working sync.WaitGroup
	errs := make(chan error, 100)
	report := func(err error) {
		if err != nil && ctx.Err() == nil {
			select {
			case errs <- err:
			default:
			}
		}
	}
	for p := range producers {
		produced.Go(func() {
			for i := range perProducer {
				task := newTask(withPriority(domain.Priority(i % 11)))
				if i%10 == 0 {
					task.Delay = time.Duration(i) * time.Millisecond
				}
				_, err := handles[p%len(handles)].Queue.Enqueue(ctx, task)
				report(err)
				mu.Lock()
				created[task.ID] = true
				mu.Unlock()
			}
		})
	}
	for w := range workers {
		working.Go(func() {
			queue := handles[w%len(handles)].Queue
			for n := 0; ctx.Err() == nil; n++ {
				tasks, err := queue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 4, Lease: lease, Wait: 50 * time.Millisecond})
				report(err)
				for i, task := range tasks {
					switch (n + i) % 5 {
					case 0:
						report(queue.ReleaseTask(ctx, *task.Lease))
					case 1:
						report(queue.UpdateTask(ctx, retry(task, time.Millisecond)))
					default:
						if err := queue.UpdateTask(ctx, complete(task, task.ID.String())); err != nil {
							report(err)
							continue
						}
						mu.Lock()
						completed[task.ID]++
						mu.Unlock()
					}
				}
			}
		})
	}
	working.Go(func() {
		for ctx.Err() == nil {
			_, err := q.Queue.PromoteDue(ctx, 50)
			report(err)
			_, err = q.Queue.ReapExpired(ctx, ports.ReapRequest{MaxRecoveries: 3, Limit: 50})
			report(err)
			_, err = q.Queue.GetQueueStats(ctx)
			report(err)
			_, err = q.Queue.ListTasks(ctx, domain.TaskFilter{Limit: 20})
			report(err)
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	produced.Wait()
	deadline := time.After(time.Minute)
	for done := false; !done; {
		s := q.stats(t)
		done = s.Completed == producers*perProducer
		if !done {
			select {
			case <-deadline:
				require.Fail(t, "the queue was not drained", "%+v", s)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	stop()
	working.Wait()
	select {
	case err := <-errs:
		require.NoError(t, err)
	default:
	}
	q.audit(t)
	require.Len(t, created, producers*perProducer)
	for id := range created {
		// A report whose context ended may have been written without being counted.
		require.LessOrEqual(t, completed[id], 1, "exactly one report is kept")
		got := q.get(t, id)
		require.Equal(t, id.String(), string(got.Result))
		require.LessOrEqual(t, got.Attempt+got.Recoveries, got.Deliveries)
	}
}
