package portstest

import (
	"cmp"
	"context"
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

func ofKey(key string) func(*domain.Task) { return func(t *domain.Task) { t.Key = key } }

// ofKeys is a rule for each key of the default queue, of typeLimit one for the type of
// new tasks, and of queueLimit one for their queue.
func ofKeys(concurrency int) domain.Limit {
	return domain.Limit{Name: "keys", Scope: domain.LimitKey, Queue: domain.DefaultQueue, Concurrency: concurrency}
}

func typeLimit(concurrency int) domain.Limit {
	return domain.Limit{Name: "type", Scope: domain.LimitType, Type: "work", Concurrency: concurrency}
}

func queueLimit(concurrency int) domain.Limit {
	return domain.Limit{Name: "queue", Scope: domain.LimitQueue, Queue: domain.DefaultQueue, Concurrency: concurrency}
}

// keyLimit is the limit of one key.
func keyLimit(key string, concurrency int) domain.Limit {
	return domain.Limit{Name: "key-" + key, Scope: domain.LimitKey, Queue: domain.DefaultQueue, Key: key, Concurrency: concurrency}
}

// withRate gives a limit a rate in the place of its concurrency.
func withRate(l domain.Limit, count, burst int, per time.Duration) domain.Limit {
	l.Concurrency, l.Rate = 0, domain.Rate{Count: count, Burst: burst, Per: per}
	return l
}

func overtake(l domain.Limit) domain.Limit {
	l.Retries = domain.RetriesOvertake
	return l
}

// limit sets limits. A store of several parts keeps those of keys alone: it skips the case
// for others.
func (q *storeTest) limit(t *testing.T, limits ...domain.Limit) {
	t.Helper()
	for _, l := range limits {
		if l.Scope != domain.LimitKey && q.Partition != nil {
			t.Skip("a store of several parts keeps no such limit")
		}
		require.NoError(t, q.Limits.SetLimit(t.Context(), l))
	}
}

// scopes are limits of each scope. All are of tasks with the key "a".
func (q *storeTest) scopes(n int) []domain.Limit {
	out := []domain.Limit{overtakes(ofKeys(n)), overtakes(keyLimit("a", n))}
	if q.Partition == nil {
		out = append(out, typeLimit(n), queueLimit(n))
	}
	return out
}

// overtakes is overtake for a limit that runs one at a time.
func overtakes(l domain.Limit) domain.Limit {
	if l.Ordered() {
		l = overtake(l)
	}
	return l
}

func (q *storeTest) unlimit(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, q.Limits.DeleteLimit(t.Context(), name))
}

func (q *storeTest) listLimits(t *testing.T) []domain.LimitUse {
	t.Helper()
	got, err := q.Limits.ListLimits(t.Context())
	require.NoError(t, err)
	return got
}

// addOf enqueues n tasks of a key in one call.
func (q *storeTest) addOf(t *testing.T, n int, key string, change ...func(*domain.Task)) []*domain.Task {
	t.Helper()
	tasks := make([]*domain.Task, n)
	for i := range tasks {
		tasks[i] = newTask(append(slices.Clone(change), ofKey(key))...)
	}
	return q.enqueue(t, tasks...)
}

func (q *storeTest) complete(t *testing.T, tasks ...*domain.Task) {
	t.Helper()
	for _, task := range tasks {
		q.update(t, complete(task, ""))
	}
}

// requireClaims requires that a claim for many gives these tasks, in whatever order.
func (q *storeTest) requireClaims(t *testing.T, want ...*domain.Task) []*domain.Task {
	t.Helper()
	got := q.claim(t, 100)
	require.ElementsMatch(t, idsOf(want), idsOf(got))
	return got
}

func limitNames(list []domain.LimitUse) []string {
	return each(list, func(l *domain.LimitUse) string { return l.Name })
}

var limitCases = []storeCase{
	{
		name:    "gives back every field of a limit",
		promise: "SetLimit stores the limit, in place of that of the same name; ListLimits returns the limits by name.",
		run: func(t *testing.T, q *storeTest) {
			require.Empty(t, q.listLimits(t))
			odd := keyLimit("ä b", 3)
			odd.Name = "odd"
			all := []domain.Limit{
				overtake(ofKeys(1)), odd,
				{Name: "both", Scope: domain.LimitKey, Queue: otherQueue, Concurrency: domain.MaxConcurrency, Rate: domain.Rate{Count: 7, Per: 1500 * time.Millisecond, Burst: 9}},
			}
			if q.Partition == nil {
				all = append(all, queueLimit(4), withRate(typeLimit(0), domain.MaxRateCount, 0, domain.MaxRatePer))
			}
			q.limit(t, all...)
			slices.SortFunc(all, func(a, b domain.Limit) int { return cmp.Compare(a.Name, b.Name) })
			for _, h := range q.handles(t, 1) {
				list := (&storeTest{Store: h}).listLimits(t)
				require.Equal(t, all, each(list, func(l *domain.LimitUse) domain.Limit { return l.Limit }))
			}
			moved := keyLimit("c", 2)
			moved.Name = "keys"
			q.limit(t, moved)
			list := q.listLimits(t)
			require.Len(t, list, len(all))
			require.Contains(t, list, domain.LimitUse{Limit: moved})
		},
	},
	{
		name:    "no two limits are of the same tasks",
		promise: "SetLimit: domain.ErrLimitExists, a limit of another name is of the same tasks.",
		run: func(t *testing.T, q *storeTest) {
			for _, l := range q.scopes(2) {
				q.limit(t, l)
				other := l
				other.Name, other.Concurrency = "other", 3
				require.ErrorIs(t, q.Limits.SetLimit(t.Context(), other), domain.ErrLimitExists)
			}
			require.Len(t, q.listLimits(t), len(q.scopes(2)))
		},
	},
	{
		name:    "a limit is deleted once",
		promise: "DeleteLimit removes the limit, or domain.ErrLimitNotFound.",
		run: func(t *testing.T, q *storeTest) {
			q.limit(t, ofKeys(1), keyLimit("a", 2))
			q.unlimit(t, "keys")
			require.Equal(t, []string{"key-a"}, limitNames(q.listLimits(t)))
			require.ErrorIs(t, q.Limits.DeleteLimit(t.Context(), "keys"), domain.ErrLimitNotFound)
			other := ofKeys(2)
			other.Name = "other"
			q.limit(t, other)
		},
	},
	{
		name:    "keeps so many limits and no more",
		promise: "SetLimit: a *domain.ValidationError for name if there are MaxLimits others.",
		run: func(t *testing.T, q *storeTest) {
			require.NoError(t, errors.Join(atOnce(4, func(i int) error {
				for n := i; n < ports.MaxLimits; n += 4 {
					if err := q.Limits.SetLimit(t.Context(), keyLimit(strconv.Itoa(n), 2)); err != nil {
						return err
					}
				}
				return nil
			})...))
			requireField(t, q.Limits.SetLimit(t.Context(), ofKeys(1)), "name")
			q.limit(t, keyLimit("7", 5))
			require.Len(t, q.listLimits(t), ports.MaxLimits)
			q.unlimit(t, "key-7")
			q.limit(t, ofKeys(1))
		},
	},
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
			tasks := make([]*domain.Task, many)
			for i := range tasks {
				tasks[i] = newTask(ofKey("a"), withPriority(domain.PriorityCritical))
			}
			tasks = q.enqueue(t, tasks...)
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
	{
		name:    "no more begin in a time than a limit says",
		promise: "Each claim that is granted takes a token. Time is the store's.",
		run: func(t *testing.T, q *storeTest) {
			for _, l := range q.scopes(0) {
				l = withRate(l, 6, 3, time.Hour)
				q.limit(t, l)
				q.addOf(t, 30, "a")
				took := func(after time.Duration) int {
					q.Advance(after)
					got := q.claim(t, 100)
					q.complete(t, got...)
					return len(got)
				}
				require.Equal(t, 3, took(0), l.Name)
				require.Zero(t, took(9*time.Minute), l.Name)
				require.Equal(t, 1, took(2*time.Minute), l.Name)
				require.Zero(t, took(0), l.Name)
				require.Equal(t, 2, took(20*time.Minute), l.Name)
				require.Equal(t, 3, took(10*time.Hour), "no more than the burst")
				l.Rate.Burst = 0
				q.limit(t, l)
				require.Equal(t, 6, took(0), "another rate begins with a full bucket of its count")
				l.Concurrency = 2
				q.limit(t, overtakes(l))
				require.Zero(t, took(0), "the same rate goes on")
				require.Equal(t, 2, took(50*time.Minute), "both kinds at once")
				require.Equal(t, 2, took(0), "both kinds at once")
				q.unlimit(t, l.Name)
				q.complete(t, q.claim(t, 100)...)
			}
		},
	},
	{
		name:    "each key has tokens of its own",
		promise: "A limit of keys is a rule for each key that a task of the queue has.",
		run: func(t *testing.T, q *storeTest) {
			q.limit(t, withRate(ofKeys(0), 2, 0, time.Hour))
			a, b := q.addOf(t, 5, "a"), q.addOf(t, 5, "b")
			q.requireClaims(t, a[0], a[1], b[0], b[1])
			q.Advance(31 * time.Minute)
			q.requireClaims(t, a[2], b[2])
			q.unlimit(t, "keys")
			q.requireClaims(t, a[3], a[4], b[3], b[4])
		},
	},
	{
		name:    "a claim that waits is woken by the next token",
		promise: "A claim that waits is woken when the next token comes.",
		run: func(t *testing.T, q *storeTest) {
			handles := q.handles(t, 1)
			for i, l := range q.scopes(0) {
				q.limit(t, withRate(l, 3, 1, time.Second))
				q.addOf(t, 2, "a")
				first := q.claimOne(t)
				begin := time.Now()
				got, err := handles[i%len(handles)].Queue.Dequeue(soonContext(t), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease, Wait: time.Minute})
				require.NoError(t, err)
				require.Len(t, got, 1, l.Name)
				require.Less(t, time.Since(begin), soon)
				require.GreaterOrEqual(t, got[0].StartedAt.Sub(first.StartedAt), 333*time.Millisecond, "never early")
				q.unlimit(t, l.Name)
			}
			// When the claim began to wait, no token was to come.
			l := ofKeys(1)
			l.Rate = domain.Rate{Count: 3, Burst: 1, Per: time.Second}
			q.limit(t, l)
			before := q.add(t, ofKey("b"))
			behind := q.add(t, ofKey("b"), withType("other"))
			done := make(chan []*domain.Task, 1)
			ctx := soonContext(t)
			go func() {
				got, _ := q.Queue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease, Wait: time.Minute, Types: []domain.TaskType{"other"}})
				done <- got
			}()
			<-time.After(50 * time.Millisecond)
			q.complete(t, q.requireClaims(t, before)...)
			begin := time.Now()
			require.Equal(t, []domain.TaskID{behind.ID}, idsOf(<-done))
			require.Less(t, time.Since(begin), soon)
		},
	},
	{
		name:    "a repeat of a claim takes neither slots nor tokens, and no token comes back",
		promise: "A repeat of a claim takes no token. No token comes back, also not that of a task that was given back.",
		run: func(t *testing.T, q *storeTest) {
			for _, l := range q.scopes(3) {
				l.Rate = domain.Rate{Count: 4, Per: time.Hour}
				q.limit(t, l)
				q.addOf(t, 8, "a")
				id := uuid.New()
				first := q.claimAs(t, id, 2)
				require.Len(t, first, 2)
				for range 3 {
					require.ElementsMatch(t, idsOf(first), idsOf(q.claimAs(t, id, 2)))
				}
				third := q.claim(t, 10)
				require.Len(t, third, 1, "the third slot")
				require.NoError(t, q.Queue.ReleaseTask(t.Context(), *third[0].Lease))
				again := q.claim(t, 10)
				require.Len(t, again, 1, "the fourth token")
				q.complete(t, append(first, again...)...)
				require.Empty(t, q.claim(t, 10), "three slots, and no token")
				q.unlimit(t, l.Name)
				q.complete(t, q.claim(t, 10)...)
			}
		},
	},
	{
		name:    "tells how much of a limit is used",
		promise: "ListLimits returns the limits by name, with their use at one moment.",
		run: func(t *testing.T, q *storeTest) {
			use := func(name string, running, waiting int64) {
				t.Helper()
				for _, l := range q.listLimits(t) {
					if l.Name == name {
						require.Equal(t, [2]int64{running, waiting}, [2]int64{l.Running, l.Waiting}, name)
						return
					}
				}
				require.Fail(t, "there is no limit", name)
			}
			q.limit(t, ofKeys(1), keyLimit("c", 2))
			use("keys", 0, 0)
			q.addOf(t, 4, "a")
			q.addOf(t, 3, "b")
			q.addOf(t, 4, "c")
			q.add(t)
			q.add(t, ofKey("a"), withDelay(time.Hour))
			claimed := q.claim(t, 10)
			require.Len(t, claimed, 1+1+2+1)
			use("keys", 2, 3+2)
			use("key-c", 2, 2)
			for _, task := range claimed {
				if task.Key == "a" {
					q.update(t, retry(task, time.Minute))
				}
			}
			use("keys", 2, 3+2)
			q.Advance(2 * lease)
			require.Equal(t, 4, q.reap(t))
			q.promote(t)
			use("keys", 2, 3+2)
			use("key-c", 0, 2)
			if q.Partition == nil {
				q.limit(t, typeLimit(1), queueLimit(9))
				use("type", 0, 0)
				q.claimOne(t)
				use("type", 1, 0)
				use("queue", 1, 0)
			}
		},
	},
	{
		name:    "keeps limits and what is used of them over a restart",
		promise: "LimitKeeper keeps limits, to which every claim of every process keeps.",
		run: func(t *testing.T, q *storeTest) {
			q.limit(t, ofKeys(1), withRate(keyLimit("b", 0), 1, 0, 24*time.Hour))
			a, b := q.addOf(t, 2, "a"), q.addOf(t, 2, "b")
			first := q.requireClaims(t, a[0], b[0])
			for _, task := range first {
				if task.Key == "a" {
					q.update(t, retry(task, time.Hour))
				} else {
					q.complete(t, task)
				}
			}
			again := q.restarted(t)
			require.Empty(t, again.claim(t, 10))
			again.Advance(2 * time.Hour)
			again.requireClaims(t, a[0])
			again.unlimit(t, "key-b")
			again.requireClaims(t, b[1])
		},
	},
	{
		name:    "ends a call of limits whose context has ended",
		promise: "A call ends soon after its context, with the context's error wrapped.",
		run: func(t *testing.T, q *storeTest) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.ErrorIs(t, q.Limits.SetLimit(ctx, ofKeys(1)), context.Canceled)
			require.ErrorIs(t, q.Limits.DeleteLimit(ctx, "keys"), context.Canceled)
			require.ErrorIs(t, errOf(q.Limits.ListLimits(ctx)), context.Canceled)
			require.Empty(t, q.listLimits(t))
		},
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

func badLimitRequests() []badRequest {
	set := func(field string, change func(l *domain.Limit)) badRequest {
		return badRequest{"SetLimit", field, func(ctx context.Context, s *Store) error {
			l := ofKeys(1)
			change(&l)
			return s.Limits.SetLimit(ctx, l)
		}}
	}
	out := []badRequest{
		set("name", func(l *domain.Limit) { l.Name = "" }),
		set("scope", func(l *domain.Limit) { l.Scope = "all" }),
		set("queue", func(l *domain.Limit) { l.Queue = "{}" }),
		set("type", func(l *domain.Limit) { l.Type = "work" }),
		set("key", func(l *domain.Limit) { l.Key = "\xff" }),
		set("concurrency", func(l *domain.Limit) { l.Concurrency = 0 }),
		set("concurrency", func(l *domain.Limit) { l.Concurrency = domain.MaxConcurrency + 1 }),
		set("retries", func(l *domain.Limit) { l.Retries = "often" }),
		set("rate.count", func(l *domain.Limit) { l.Rate = domain.Rate{Count: -1, Per: time.Minute} }),
		set("rate.per_seconds", func(l *domain.Limit) { l.Rate = domain.Rate{Count: 1} }),
		set("rate.burst", func(l *domain.Limit) { l.Rate = domain.Rate{Count: 1, Per: time.Minute, Burst: -1} }),
		{"DeleteLimit", "name", func(ctx context.Context, s *Store) error { return s.Limits.DeleteLimit(ctx, "{a}") }},
	}
	return out
}
