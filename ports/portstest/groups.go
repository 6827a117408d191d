package portstest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// groupAge is the age of groups of these cases.
const groupAge = 10 * time.Second

// inGroup puts a task in a group of runs of so many tasks.
func inGroup(name string, size int) func(*domain.Task) {
	return func(t *domain.Task) { t.Group, t.GroupSize, t.GroupAge = name, size, groupAge }
}

// requireRun requires that a claim of one task gives just these, in this order.
func (q *storeTest) requireRun(t *testing.T, want ...*domain.Task) []*domain.Task {
	t.Helper()
	got := q.claim(t, 1)
	require.Equal(t, idsOf(want), idsOf(got))
	for _, task := range got {
		require.Equal(t, domain.TaskStatusProcessing, task.Status)
		require.Equal(t, got[0].Lease.ClaimID, task.Lease.ClaimID)
	}
	return got
}

var groupCases = []storeCase{
	{
		name:    "the fields of a group survive a round trip, with their defaults",
		promise: "A task with a Group is stored as domain.Task.AsEnqueued has it, with its GroupAge as its Delay.",
		run: func(t *testing.T, q *storeTest) {
			long := strings.Repeat("ä", domain.MaxKey/2)
			in := newTask(func(task *domain.Task) { task.Group = long })
			out := q.enqueue(t, in)[0]
			require.Equal(t, out, q.get(t, in.ID))
			require.True(t, in.AsEnqueued().SameContents(out))
			require.Equal(t, long, out.Group)
			require.Equal(t, [2]time.Duration{domain.DefaultGroupAge, domain.DefaultGroupAge}, [2]time.Duration{out.GroupAge, out.Delay})
			require.Equal(t, domain.DefaultGroupSize, out.GroupSize)
			require.Equal(t, out.CreatedAt.Add(domain.DefaultGroupAge), out.ScheduledAt)
			require.Equal(t, int64(1), q.stats(t).Scheduled)

			again := in.Clone()
			again.GroupSize, again.GroupAge = domain.DefaultGroupSize, domain.DefaultGroupAge
			require.Equal(t, out, q.enqueue(t, again)[0], "the same, in more words")
			for name, change := range map[string]func(*domain.Task){
				"size": func(task *domain.Task) { task.GroupSize = 7 },
				"age":  func(task *domain.Task) { task.GroupAge = time.Second },
				"name": func(task *domain.Task) { task.Group = long[:2] },
				"none": func(task *domain.Task) { task.Group = "" },
			} {
				other := in.Clone()
				change(other)
				if q.Partition != nil && (name == "name" || name == "none") {
					continue // It is of another part, which knows nothing of the first.
				}
				require.ErrorIs(t, errOf(q.Queue.Enqueue(t.Context(), other)), domain.ErrTaskExists, name)
			}
			q.requireSound(t)
		},
	},
	{
		name:    "a full group is one run at once, the oldest first",
		promise: "When an enqueue brings a group to the GroupSize of the new task, the oldest becomes ready; a claim takes further members along, the oldest first whatever their priority, directly behind it, and may be more than Max.",
		run: func(t *testing.T, q *storeTest) {
			q.add(t, inGroup("b", 5))
			q.add(t, inGroup("a", 5), withType("other"))
			q.add(t, inGroup("a", 5), withQueue(otherQueue))
			q.add(t, withDelay(time.Hour))
			var all []*domain.Task
			for i := range 5 {
				require.Empty(t, q.claim(t, 10), "%d tasks are not enough", i)
				all = append(all, q.add(t, inGroup("a", 5), withPriority(domain.Priority(9-i))))
			}
			require.Equal(t, [2]int64{1, 8}, [2]int64{q.stats(t).Pending, q.stats(t).Scheduled})
			for i, task := range q.requireRun(t, all...) {
				require.Equal(t, [2]int{1, 0}, [2]int{task.Deliveries, task.Attempt})
				require.Equal(t, domain.Priority(9-i), task.Priority)
				require.Equal(t, "a", task.Group)
				require.Equal(t, task.Status, q.get(t, task.ID).Status)
			}
			require.Empty(t, q.claim(t, 10))
			q.requireSound(t)
		},
	},
	{
		name:    "a group that is old enough is one run of who is there",
		promise: "A task with a Group is scheduled for its creation plus GroupAge, and takes along further members of its group.",
		run: func(t *testing.T, q *storeTest) {
			old := q.addMany(t, 2, inGroup("a", 5))
			q.Advance(groupAge / 2)
			young := q.addMany(t, 2, inGroup("a", 5))
			require.Empty(t, q.claim(t, 10), "never early")
			q.Advance(groupAge / 2)
			q.requireRun(t, append(old, young...)...)
			late := q.add(t, inGroup("a", 5))
			require.Empty(t, q.claim(t, 10))
			q.Advance(groupAge)
			require.Equal(t, 1, q.promote(t), "what was taken along is not due any more")
			q.requireRun(t, late)
			q.requireSound(t)
		},
	},
	{
		name:    "a run has no more than its size, and what is left goes on",
		promise: "To its GroupSize in all. If then the group still has so many members, and none of them is ready, the oldest becomes ready.",
		run: func(t *testing.T, q *storeTest) {
			all := q.addMany(t, 47, inGroup("a", 10))
			q.requireRun(t, all[:10]...)
			require.Equal(t, idsOf(all[10:30]), idsOf(q.claim(t, 11)), "Max is reached by the second run")
			q.requireRun(t, all[30:40]...)
			require.Empty(t, q.claim(t, 100), "seven are not enough")
			all = append(all, q.addMany(t, 1, inGroup("a", 3))...)
			q.requireRun(t, all[40:]...) // The size of the oldest counts, which begins the run.
			few := q.addMany(t, 3, inGroup("b", 3), withPriority(domain.PriorityLow))
			few = append(few, q.addMany(t, 2, inGroup("b", 10))...)
			require.Equal(t, idsOf(few[:3]), idsOf(q.claim(t, 1)))
			require.Empty(t, q.claim(t, 1))
			q.Advance(groupAge)
			q.promote(t)
			q.requireRun(t, few[3:]...)
			q.requireSound(t)
		},
	},
	{
		name:    "a run is as large as there is room for",
		promise: "As far as MaxBytes lets it. A single task comes however large it is.",
		run: func(t *testing.T, q *storeTest) {
			all := q.addMany(t, 20, inGroup("a", 10), withBytes(1000))
			ask := func(bytes int) []*domain.Task {
				return q.dequeue(t, ports.ClaimRequest{ID: uuid.New(), Max: 100, MaxBytes: bytes, Lease: lease})
			}
			require.Equal(t, idsOf(all[:1]), idsOf(ask(10)))
			got := ask(4500)
			require.True(t, len(got) > 1 && len(got) < 10, "%d", len(got))
			require.Equal(t, idsOf(all[1:1+len(got)]), idsOf(got))
			all = all[1+len(got):]
			require.Equal(t, idsOf(all[:10]), idsOf(q.claim(t, 1)))
			q.requireSound(t)
		},
	},
	{
		name:    "each member has a slot of its limits",
		promise: "As far as the limits of queue and type let it.",
		run: func(t *testing.T, q *storeTest) {
			for _, l := range []domain.Limit{queueLimit(3), typeLimit(3), withRate(queueLimit(0), 3, 3, time.Hour), withRate(typeLimit(0), 3, 3, time.Hour)} {
				q.limit(t, l)
				all := q.addMany(t, 12, inGroup("a", 5))
				got := q.requireRun(t, all[:3]...)
				require.Empty(t, q.claim(t, 10))
				if l.Concurrency == 3 {
					q.complete(t, got[:2]...)
					q.complete(t, q.requireRun(t, all[3:5]...)...)
					q.complete(t, got[2])
					require.Equal(t, int64(0), q.listLimits(t)[0].Running)
				}
				q.unlimit(t, l.Name)
				q.complete(t, q.claim(t, 100)...)
				q.Advance(groupAge)
				q.complete(t, q.claim(t, 100)...)
				require.Zero(t, q.stats(t).Pending+q.stats(t).Scheduled)
				q.requireSound(t)
			}
		},
	},
	{
		name:    "what waits for its next run is taken along by nobody, and begins a run",
		promise: "The members of a group are those of its tasks that are PENDING, and ready or never claimed.",
		run: func(t *testing.T, q *storeTest) {
			q.addMany(t, 3, inGroup("a", 3))
			run := q.claim(t, 1)
			q.update(t, retry(run[0], time.Minute), snooze(run[1], 2*time.Minute), complete(run[2], ""))
			q.Advance(time.Second)
			three := q.addMany(t, 3, inGroup("a", 3))
			q.complete(t, q.requireRun(t, three...)...)

			one := q.add(t, inGroup("a", 3), func(task *domain.Task) { task.GroupAge = time.Hour })
			q.Advance(time.Minute)
			q.promote(t)
			got := q.requireRun(t, run[0], one)
			require.Equal(t, [2]int{1, 2}, [2]int{got[0].Attempt, got[0].Deliveries})
			q.Advance(time.Minute)
			q.promote(t)
			q.requireRun(t, run[1])
			q.requireSound(t)
		},
	},
	{
		name:    "what comes back begins a run at once",
		promise: "A retried, recovered or released member is ready at its time, and takes along who is there.",
		run: func(t *testing.T, q *storeTest) {
			q.addMany(t, 3, inGroup("a", 3))
			run := q.claim(t, 1)
			require.NoError(t, q.Queue.ReleaseTask(t.Context(), *run[1].Lease))
			one := q.add(t, inGroup("a", 3))
			q.complete(t, q.requireRun(t, run[1], one)...)

			q.Advance(lease)
			require.Equal(t, 2, q.reap(t))
			got := q.requireRun(t, run[0], run[2])
			require.Equal(t, [2]int{1, 2}, [2]int{got[0].Recoveries, got[0].Deliveries})

			q.update(t, fail(got[0], "bad"))
			require.NoError(t, q.Queue.CancelTask(t.Context(), got[1].ID))
			two := q.addMany(t, 2, inGroup("a", 5))
			require.NoError(t, q.Queue.RetryTask(t.Context(), got[0].ID))
			q.requireRun(t, got[0], two[0], two[1])
			alone := q.addMany(t, 3, inGroup("a", 5))
			require.NoError(t, q.Queue.RunTaskNow(t.Context(), alone[1].ID))
			require.ElementsMatch(t, idsOf(alone), idsOf(q.claim(t, 1)))
			q.requireSound(t)
		},
	},
	{
		name:    "who has left is not counted",
		promise: "The members of a group are those of its tasks that are PENDING, and ready or never claimed.",
		run: func(t *testing.T, q *storeTest) {
			for _, leave := range []func(task *domain.Task) error{
				func(task *domain.Task) error { return q.Queue.CancelTask(t.Context(), task.ID) },
				func(task *domain.Task) error { return q.Queue.DeleteTask(t.Context(), task.ID) },
				func(task *domain.Task) error {
					q.Advance(2 * time.Second)
					q.promote(t)
					return nil
				},
			} {
				left := q.add(t, inGroup("a", 3), expiresIn(2*time.Second))
				stay := q.add(t, inGroup("a", 3))
				require.NoError(t, leave(left))
				stay2 := q.add(t, inGroup("a", 3))
				require.Empty(t, q.claim(t, 10))
				q.complete(t, q.requireRun(t, stay, stay2, q.add(t, inGroup("a", 3)))...)
			}
			first := q.addMany(t, 2, inGroup("a", 3))
			q.add(t, inGroup("a", 3), expiresIn(time.Second))
			q.Advance(time.Second)
			q.requireRun(t, first...)
			q.promote(t)
			require.Equal(t, int64(2), q.stats(t).Failed, "two expired, and neither ran")

			young := func(task *domain.Task) { task.GroupAge = time.Second }
			ready := q.addMany(t, 2, inGroup("b", 10), young)
			q.add(t, inGroup("b", 10), young, expiresIn(2*time.Second))
			ready = append(ready, q.add(t, inGroup("b", 10), young))
			q.Advance(2 * time.Second)
			require.Equal(t, idsOf(ready), idsOf(q.claim(t, 10)), "all were ready")
			q.requireSound(t)
		},
	},
	{
		name:    "each member has a lease of its own",
		promise: "A claim takes members along: each is PROCESSING, has its Lease, and counts a delivery.",
		run: func(t *testing.T, q *storeTest) {
			q.addMany(t, 6, inGroup("a", 6))
			run := q.claim(t, 1)
			q.update(t, complete(run[0], "0"), fail(run[1], "bad"), retry(run[2], time.Hour))
			require.NoError(t, q.Queue.CancelTask(t.Context(), run[3].ID))
			q.Advance(lease / 2)
			_, err := q.Queue.ExtendLease(t.Context(), lease, *run[4].Lease, *run[3].Lease)
			require.NoError(t, domain.ItemError(err, 0))
			require.ErrorIs(t, domain.ItemError(err, 1), domain.ErrLeaseLost)
			q.Advance(lease / 2)
			require.Equal(t, 1, q.reap(t))
			for i, want := range []domain.TaskStatus{
				domain.TaskStatusCompleted, domain.TaskStatusFailed, domain.TaskStatusRetrying, domain.TaskStatusCancelled, domain.TaskStatusProcessing, domain.TaskStatusPending,
			} {
				require.Equal(t, want, q.get(t, run[i].ID).Status, "%d", i)
			}
			q.requireSound(t)
		},
	},
	{
		name:    "a repeat of a claim gives all members again",
		promise: "A repeat claims no others: it gives those of its tasks that it still holds, as far as MaxBytes has room, and gives the others back.",
		run: func(t *testing.T, q *storeTest) {
			all := q.addMany(t, 20, inGroup("a", 8), withBytes(1000))
			id := uuid.New()
			ask := func(bytes int) []*domain.Task {
				return q.dequeue(t, ports.ClaimRequest{ID: id, Max: 1, MaxBytes: bytes, Lease: lease})
			}
			require.Equal(t, idsOf(all[:8]), idsOf(ask(0)))
			again := ask(0)
			require.ElementsMatch(t, idsOf(all[:8]), idsOf(again))
			for _, task := range again {
				require.Equal(t, 1, task.Deliveries)
			}
			kept := ask(4500)
			require.True(t, len(kept) > 0 && len(kept) < 8)
			rest := q.claim(t, 1)
			require.Len(t, rest, 8)
			require.Empty(t, slices.DeleteFunc(idsOf(rest), func(id domain.TaskID) bool { return !slices.Contains(idsOf(kept), id) }))
			q.requireSound(t)
		},
	},
	{
		name:    "a paused queue gives out no group",
		promise: "PauseQueue has the queue give out no tasks.",
		run: func(t *testing.T, q *storeTest) {
			if q.Queues == nil {
				t.Skip("queues are not paused")
			}
			require.NoError(t, q.Queues.PauseQueue(t.Context(), domain.DefaultQueue))
			all := q.addMany(t, 5, inGroup("a", 4))
			require.Empty(t, q.claim(t, 10))
			require.NoError(t, q.Queues.ResumeQueue(t.Context(), domain.DefaultQueue))
			q.requireRun(t, all[:4]...)
			q.requireSound(t)
		},
	},
	{
		name:    "a claim that waits is woken by a group that is full",
		promise: "The call is woken by an enqueue of this or another process, and if more members are left than a run takes.",
		run: func(t *testing.T, q *storeTest) {
			handles := q.handles(t, 1)
			for _, h := range handles {
				q.addMany(t, 2, inGroup("a", 3))
				testWake(t, q, h.Queue, func() { q.add(t, inGroup("a", 3)) })
			}
			// One enqueue is three runs, of which the first makes the second ready, and so on.
			ctx := soonContext(t)
			runs := make(chan int, 3)
			for i := range 3 {
				go func() {
					got, _ := handles[i%len(handles)].Queue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease, Wait: time.Minute})
					runs <- len(got)
				}()
			}
			<-time.After(50 * time.Millisecond)
			q.addMany(t, 9, inGroup("a", 3))
			begin := time.Now()
			for range 3 {
				require.Equal(t, 3, <-runs)
			}
			require.Less(t, time.Since(begin), soon)
			q.requireSound(t)
		},
	},
	{
		name:    "a member is replaced by one of its group only",
		promise: "ConflictReplace changes the holder if domain.Task.Replaceable says so; it keeps its place, a Delay counting from now.",
		run: func(t *testing.T, q *storeTest) {
			replacing := func(change ...func(*domain.Task)) *domain.Task {
				return newTask(append(change, withKey("k"), or(domain.ConflictReplace))...)
			}
			holder := q.add(t, inGroup("a", 3), withKey("k"))
			if q.Partition == nil { // Elsewhere they are of several parts, which know nothing of each other.
				for _, other := range []*domain.Task{replacing(), replacing(inGroup("b", 3))} {
					require.ErrorIs(t, errOf(q.Queue.Enqueue(t.Context(), other)), domain.ErrDuplicateTask)
				}
			}
			q.Advance(groupAge - time.Second)
			got := q.enqueue(t, replacing(inGroup("a", 3), withPayload("new")))[0]
			require.Equal(t, holder.ID, got.ID)
			q.Advance(2 * time.Second)
			require.Empty(t, q.claim(t, 1), "it is as young as what replaced it")
			two := q.addMany(t, 2, inGroup("a", 3))
			run := q.requireRun(t, append([]*domain.Task{holder}, two...)...)
			require.Equal(t, "new", string(run[0].Payload))

			q.complete(t, run...)
			young := q.add(t, inGroup("b", 3), withKey("k"))
			q.enqueue(t, replacing(inGroup("b", 3), func(task *domain.Task) { task.GroupAge = time.Second }))
			require.Equal(t, [2]time.Duration{groupAge, time.Second}, [2]time.Duration{q.get(t, young.ID).GroupAge, q.get(t, young.ID).Delay})
			q.Advance(time.Second)
			q.requireRun(t, young)
			q.requireSound(t)
		},
	},
	{
		name:    "groups outlast a restart",
		promise: "A store that is durable keeps who has gathered.",
		run: func(t *testing.T, q *storeTest) {
			all := q.addMany(t, 2, inGroup("a", 3))
			q = q.restarted(t)
			all = append(all, q.add(t, inGroup("a", 3)))
			q.requireRun(t, all...)
			q.requireSound(t)
		},
	},
	{
		name:    "many that enqueue, claim and report at the same time run each task once, in runs of one group",
		promise: "Each step of a task is one atomic change in the store. To its GroupSize in all.",
		run: func(t *testing.T, q *storeTest) {
			const producers, tasks, size = 4, 60, 7
			handles := q.handles(t, 1)
			var mu sync.Mutex
			runs := map[domain.TaskID]int{}
			ctx := soonContext(t)
			claim := func(i, most int) (int, error) {
				h := handles[i%len(handles)].Queue
				got, err := h.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: most, Lease: lease})
				if err != nil {
					return 0, err
				}
				if len(got) > most+size-1 && (q.Partition == nil || len(got) > most+3*size) {
					return 0, fmt.Errorf("%d tasks for %d", len(got), most)
				}
				mu.Lock()
				defer mu.Unlock()
				for i, task := range got {
					runs[task.ID]++
					if same := i > 0 && task.SameGroup(got[i-1]); most == 1 && q.Partition == nil && i > 0 && !same {
						return 0, fmt.Errorf("%q is taken along by %q", task.Group, got[i-1].Group)
					}
				}
				return len(got), reportAll(ctx, h, got)
			}
			errs := atOnce(2*producers, func(i int) error {
				if i < producers {
					for n := range tasks {
						if _, err := handles[i%len(handles)].Queue.Enqueue(ctx, newTask(inGroup([]string{"a", "b"}[(i+n)%2], size))); err != nil {
							return err
						}
					}
					return nil
				}
				for range 2 * tasks / size {
					if _, err := claim(i, 1+i%3); err != nil {
						return err
					}
				}
				return nil
			})
			require.Equal(t, make([]error, 2*producers), errs)
			for {
				n, err := claim(0, 1)
				require.NoError(t, err)
				if n == 0 {
					break
				}
				require.Equal(t, size, n, "no run is smaller unless it has the age")
			}
			require.LessOrEqual(t, q.stats(t).Scheduled, int64(2*(size-1)))
			q.Advance(groupAge)
			for n := 1; n > 0; {
				var err error
				n, err = claim(0, 1)
				require.NoError(t, err)
			}
			require.Len(t, runs, producers*tasks)
			for id, n := range runs {
				require.Equal(t, 1, n, "%s", id)
			}
			q.requireSound(t)
		},
	},
}

// reportAll completes tasks.
func reportAll(ctx context.Context, queue ports.TaskQueue, tasks []*domain.Task) error {
	return queue.UpdateTask(ctx, each(tasks, func(task **domain.Task) ports.TaskUpdate { return complete(*task, "") })...)
}
