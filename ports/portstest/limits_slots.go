package portstest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// slotCases are the promises of how many tasks run at the same time.
var slotCases = []storeCase{
	{
		name:    "no more run at the same time than a limit says",
		promise: "A claim gives a task out only if its limits have a free slot. A slot is held from the claim until the lease ends.",
		run: func(t *testing.T, q *storeTest) {
			for _, l := range q.scopes(2) {
				q.limit(t, l)
				tasks := q.addOf(t, 5, "a")
				free := q.add(t, ofKey("b"), withQueue(otherQueue), withType("other"))
				first := q.requireClaims(t, tasks[0], tasks[1], free)
				require.Empty(t, q.claim(t, 10))
				q.complete(t, first...)
				second := q.claim(t, 1)
				second = append(second, q.claim(t, 10)...)
				require.ElementsMatch(t, idsOf(tasks[2:4]), idsOf(second), l.Name)
				q.complete(t, second...)
				q.complete(t, q.requireClaims(t, tasks[4])...)
				q.unlimit(t, l.Name)
			}
		},
	},
	{
		name:    "each key of a queue has slots of its own",
		promise: "A limit of keys is a rule for each key that a task of the queue has; tasks without one are free. An exception takes the place of the rule in all that it says.",
		run: func(t *testing.T, q *storeTest) {
			var want []*domain.Task
			for _, key := range []string{"a", "b", "more", "rated"} {
				tasks := q.addOf(t, 4, key)
				want = append(want, tasks[:map[string]int{"a": 1, "b": 1, "more": 3, "rated": 2}[key]]...)
			}
			want = append(want, q.addOf(t, 3, "")...)
			want = append(want, q.addOf(t, 3, "a", withQueue(otherQueue))...)
			q.limit(t, ofKeys(1), keyLimit("more", 3), withRate(keyLimit("rated", 0), 2, 0, time.Hour))
			q.requireClaims(t, want...)
			q.unlimit(t, "key-more")
			require.Empty(t, q.claim(t, 10), "the rule holds again, and more run than it lets")
			q.unlimit(t, "keys")
			require.Len(t, q.claim(t, 100), 3+3+1, "what no limit holds back")
		},
	},
	{
		name:    "a task is under all of its limits at once",
		promise: "A task takes one slot of each limit that it is under: that of its queue, that of its type, and the one for its key in its queue.",
		run: func(t *testing.T, q *storeTest) {
			q.limit(t, queueLimit(5), typeLimit(3), ofKeys(2))
			a, b := q.addOf(t, 4, "a"), q.addOf(t, 1, "b")
			c := q.addOf(t, 4, "c", withType("other"))
			d := q.addOf(t, 3, "d", withPriority(domain.PriorityLow))
			first := q.requireClaims(t, a[0], a[1], b[0], c[0], c[1])
			of := func(key string) []*domain.Task {
				return slices.DeleteFunc(slices.Clone(first), func(task *domain.Task) bool { return task.Key != key })
			}
			q.complete(t, of("b")...)
			q.requireClaims(t, d[0])
			q.complete(t, of("c")...)
			q.requireClaims(t, c[2], c[3])
			require.NoError(t, q.Queue.CancelTask(t.Context(), c[2].ID, c[3].ID))
			require.Empty(t, q.claim(t, 10), "the type has no slot")
			q.complete(t, of("a")...)
			q.requireClaims(t, a[2], a[3])
		},
	},
	{
		name:    "what is held back holds nobody up",
		promise: "A task that is held back is PENDING, and holds nobody up: the same claim gives out others, also those of a lower priority.",
		run: func(t *testing.T, q *storeTest) {
			const many = 3000
			q.limit(t, ofKeys(1))
			tasks := q.addOf(t, many, "a", withPriority(domain.PriorityCritical))
			low := q.add(t, ofKey("b"), withPriority(domain.PriorityLowest))
			lowest := q.add(t, withPriority(domain.PriorityLowest))
			q.requireClaims(t, tasks[0], low, lowest)
			require.Empty(t, q.claim(t, 1))
			require.Equal(t, domain.TaskStatusPending, q.get(t, tasks[1].ID).Status)
			require.Equal(t, int64(many-1), q.stats(t).Pending)
		},
	},
	{
		name:    "a claim that waits is woken when a slot becomes free",
		promise: "A slot is held until the lease ends: by a report, a release, a cancellation, a recovery. A claim that waits is woken when a slot becomes free, and when a limit is changed or deleted.",
		run: func(t *testing.T, q *storeTest) {
			handles := q.handles(t, 1)
			for i, free := range []func(task *domain.Task, l domain.Limit){
				func(task *domain.Task, _ domain.Limit) { q.complete(t, task) },
				func(task *domain.Task, _ domain.Limit) { q.update(t, fail(task, "failed")) },
				func(task *domain.Task, _ domain.Limit) { q.update(t, retry(task, time.Hour)) },
				func(task *domain.Task, _ domain.Limit) { q.update(t, snooze(task, time.Hour)) },
				func(task *domain.Task, _ domain.Limit) {
					require.NoError(t, q.Queue.ReleaseTask(t.Context(), *task.Lease))
				},
				func(task *domain.Task, _ domain.Limit) {
					require.NoError(t, q.Queue.CancelTask(t.Context(), task.ID))
				},
				func(*domain.Task, domain.Limit) {
					q.Advance(lease + time.Second)
					require.Equal(t, 1, q.reap(t))
				},
				func(_ *domain.Task, l domain.Limit) {
					l.Concurrency, l.Retries = 2, ""
					q.limit(t, l)
				},
				func(_ *domain.Task, l domain.Limit) { q.unlimit(t, l.Name) },
			} {
				scopes := q.scopes(1)
				l := scopes[i%len(scopes)]
				q.limit(t, l)
				q.addOf(t, 2, "a")
				held := q.claimOne(t)
				testWake(t, q, handles[i%len(handles)].Queue, func() { free(held, l) })
				if i < 8 {
					q.unlimit(t, l.Name)
				}
				for _, task := range q.listAll(t, domain.TaskFilter{}) {
					_ = q.Queue.CancelTask(t.Context(), task.ID)
				}
			}
		},
	},
	{
		name:    "a lease that has expired holds its slot until it is recovered",
		promise: "A lease that has expired holds its slot until it is recovered.",
		run: func(t *testing.T, q *storeTest) {
			for _, l := range q.scopes(1) {
				q.limit(t, l)
				tasks := q.addOf(t, 2, "a")
				q.requireClaims(t, tasks[0])
				q.Advance(2 * lease)
				require.Empty(t, q.claim(t, 10))
				require.Equal(t, 1, q.reap(t))
				q.complete(t, q.requireClaims(t, tasks[0])...)
				q.complete(t, q.requireClaims(t, tasks[1])...)
				q.unlimit(t, l.Name)
			}
		},
	},
	{
		name:    "a limit is of the tasks that were there before it too",
		promise: "From its return on no claim goes beyond it, whenever the task was enqueued. What runs already goes on and counts.",
		run: func(t *testing.T, q *storeTest) {
			for _, l := range q.scopes(2) {
				q.addOf(t, 6, "a")
				running := q.claim(t, 3)
				require.Len(t, running, 3)
				q.limit(t, l)
				require.Empty(t, q.claim(t, 10))
				q.complete(t, running[0])
				require.Empty(t, q.claim(t, 10), "there are two still")
				q.complete(t, running[1])
				running = append(running[2:], q.claim(t, 10)...)
				require.Len(t, running, 2)
				l.Concurrency = 3
				q.limit(t, l)
				running = append(running, q.claim(t, 10)...)
				require.Len(t, running, 3)
				q.complete(t, running...)
				q.complete(t, q.claim(t, 10)...)
				q.unlimit(t, l.Name)
			}
		},
	},
	{
		name:    "a call that ends a run twice frees one slot",
		promise: "A slot is held until the lease ends: by a report, a release, a cancellation. So at no moment do more tasks of a limit hold leases than its Concurrency.",
		run: func(t *testing.T, q *storeTest) {
			for _, l := range q.scopes(1) {
				for _, free := range []func(task *domain.Task){
					func(task *domain.Task) {
						require.NoError(t, q.Queue.ReleaseTask(t.Context(), *task.Lease, *task.Lease))
					},
					func(task *domain.Task) { q.complete(t, task, task) },
					func(task *domain.Task) { q.update(t, complete(task, ""), complete(task, "")) },
					func(task *domain.Task) { _ = q.Queue.CancelTask(t.Context(), task.ID, task.ID) },
				} {
					q.limit(t, l)
					tasks := q.addOf(t, 4, "a")
					free(q.claimOne(t))
					require.Len(t, q.claim(t, 10), 1, l.Name)
					_ = q.Queue.CancelTask(t.Context(), idsOf(tasks)...)
					q.unlimit(t, l.Name)
				}
			}
		},
	},
	{
		name:    "a limit of many keys that was deleted is set again",
		promise: "DeleteLimit removes the limit. What nothing else holds back is ready at once. SetLimit: what a limit admits begins.",
		run: func(t *testing.T, q *storeTest) {
			q.limit(t, ofKeys(1))
			tasks := make([]*domain.Task, 3000)
			for i := range tasks {
				tasks[i] = newTask(ofKey(strconv.Itoa(i)))
			}
			q.enqueue(t, tasks...)
			q.unlimit(t, "keys")
			q.limit(t, ofKeys(1))
			n := 0
			for got := q.claim(t, 1000); len(got) > 0; got = q.claim(t, 1000) {
				n += len(got)
			}
			require.Len(t, tasks, n)
		},
	},
	{
		name:    "no claim of many slips through when a limit is set",
		promise: "From its return on no claim goes beyond it.",
		run: func(t *testing.T, q *storeTest) {
			const claimers = 6
			q.addOf(t, 2*claimers, "a")
			handles := q.handles(t, 1)
			var set atomic.Bool
			var held, after atomic.Int64
			begun := make(chan struct{})
			done := make(chan error, claimers)
			run := func(queue ports.TaskQueue) error {
				for late := 0; late < 20; {
					if set.Load() {
						late++
					}
					got, err := queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease})
					if err != nil {
						return err
					}
					switch {
					case len(got) == 0:
					case late > 0:
						after.Add(1)
					case held.Add(1) == 2:
						close(begun)
					case held.Load() > 2:
						if err := queue.ReleaseTask(t.Context(), *got[0].Lease); err != nil {
							return err
						}
					}
				}
				return nil
			}
			for i := range claimers {
				go func() { done <- run(handles[i%len(handles)].Queue) }()
			}
			<-begun
			q.limit(t, ofKeys(1))
			set.Store(true)
			for range claimers {
				require.NoError(t, <-done)
			}
			require.Empty(t, q.claim(t, 10))
			require.Zero(t, after.Load())
		},
	},
	{
		name:    "many that claim and report at the same time never exceed a limit",
		promise: "At no moment do more tasks of a limit hold leases than its Concurrency.",
		run:     testLimitsUnderLoad,
	},
}

// testLimitsUnderLoad counts the tasks that run by who runs them: never more than the
// store has given leases.
func testLimitsUnderLoad(t *testing.T, q *storeTest) {
	const keys, perKey, workers = 4, 40, 8
	want := map[string]int64{"k0": 1, "k1": 2, "k2": 2, "k3": 2}
	q.limit(t, ofKeys(2), keyLimit("k0", 1))
	if q.Partition == nil {
		want["all"] = 3
		q.limit(t, queueLimit(3))
	}
	var order []domain.TaskID
	for i := range perKey * keys {
		task := q.add(t, ofKey(fmt.Sprint("k", i%keys)))
		if i%keys == 0 {
			order = append(order, task.ID)
		}
	}
	handles := q.handles(t, 1)
	var mu sync.Mutex
	running, most, done := map[string]int64{}, map[string]int64{}, map[domain.TaskID]int{}
	var got []domain.TaskID
	count := func(task *domain.Task, by int64) {
		mu.Lock()
		defer mu.Unlock()
		for _, k := range []string{task.Key, "all"} {
			running[k] += by
			most[k] = max(most[k], running[k])
		}
		if by > 0 && task.Key == "k0" && done[task.ID] == 0 {
			got = append(got, task.ID)
		}
		done[task.ID]++
	}
	ctx := soonContext(t)
	var finished atomic.Int64
	require.NoError(t, errors.Join(atOnce(workers, func(i int) error {
		queue := handles[i%len(handles)].Queue
		for n := 0; finished.Load() < keys*perKey; n++ {
			tasks, err := queue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1 + i%3, Lease: lease, Wait: 50 * time.Millisecond})
			if err != nil {
				return err
			}
			for j, task := range tasks {
				count(task, 1)
				<-time.After(time.Millisecond) // its work
				count(task, -1)
				if (n+j)%5 == 4 {
					err = queue.ReleaseTask(ctx, *task.Lease)
				} else if err = queue.UpdateTask(ctx, complete(task, "")); err == nil {
					finished.Add(1)
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	})...))
	for k, n := range want {
		require.LessOrEqual(t, most[k], n, "of %s", k)
	}
	require.Equal(t, order, got, "the order of the key of which one runs at a time")
	require.Equal(t, int64(keys*perKey), q.audit(t).Completed)
	for _, l := range q.listLimits(t) {
		require.Zero(t, [2]int64{l.Running, l.Waiting}, l.Name)
	}
}
