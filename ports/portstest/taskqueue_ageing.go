package portstest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// claimAged claims up to n tasks, each of which has gained a level for each minute of its life.
func (q *storeTest) claimAged(t *testing.T, n int, types ...domain.TaskType) []*domain.Task {
	t.Helper()
	return q.dequeue(t, ports.ClaimRequest{ID: uuid.New(), Max: n, Lease: lease, Ageing: time.Minute, Types: types})
}

// addOverTime enqueues tasks of all priorities and two types, in 20 s each, and returns them
// in the order in which they are claimed with ageing.
func (q *storeTest) addOverTime(t *testing.T, n int) []domain.TaskID {
	t.Helper()
	const every = 20 * time.Second
	tasks := make([]*domain.Task, n)
	for i := range tasks {
		tasks[i] = q.add(t, withPriority(domain.Priority((i*7)%11)), withType([]domain.TaskType{"a", "b"}[i/3%2]))
		q.Advance(every)
	}
	q.Advance(every / 2)
	level := map[domain.TaskID]domain.Priority{}
	for i, task := range tasks {
		level[task.ID] = min(task.Priority+domain.Priority((time.Duration(n-i)*every+every/2)/time.Minute), domain.PriorityCritical)
	}
	slices.SortStableFunc(tasks, func(a, b *domain.Task) int { return cmp.Compare(level[b.ID], level[a.ID]) })
	return idsOf(tasks)
}

var ageingCases = []storeCase{
	{
		name:    "a waiting task gains a level in each time of ageing",
		promise: "With Ageing the highest domain.Priority.Aged comes first, and among equals the oldest.",
		run: func(t *testing.T, q *storeTest) {
			low := q.add(t, withPriority(2))
			old := q.add(t, withPriority(9), withType("other"))
			q.Advance(90 * time.Second)
			middle := q.add(t, withPriority(4))
			q.Advance(100 * time.Second)
			high, top := q.add(t, withPriority(6)), q.add(t, withPriority(domain.PriorityCritical))
			want := []domain.TaskID{old.ID, top.ID, high.ID, low.ID, middle.ID}
			got := q.claimAged(t, 10)
			q.requireOrder(t, want, idsOf(got), "in one call")
			for _, task := range got {
				require.NoError(t, q.Queue.ReleaseTask(t.Context(), *task.Lease))
			}
			var one []domain.TaskID
			for range want {
				one = append(one, idsOf(q.claimAged(t, 1))...)
			}
			q.requireOrder(t, want, one, "in calls of one")
		},
	},
	{
		name:    "ageing decides between many lists",
		promise: "With Ageing the highest domain.Priority.Aged comes first, and among equals the oldest.",
		run: func(t *testing.T, q *storeTest) {
			for _, n := range []int{1, 7, 100} {
				want := q.addOverTime(t, 50)
				var got []domain.TaskID
				for len(got) < len(want) {
					some := q.claimAged(t, n, "a", "b")
					require.NotEmpty(t, some)
					got = append(got, idsOf(some)...)
				}
				q.requireOrder(t, want, got, "in calls of %d", n)
				require.Empty(t, q.claimAged(t, 1))
			}
		},
	},
	{
		name:    "ageing and limits go together",
		promise: "With Ageing, each queue, type and priority offers the task that would be claimed from it first.",
		run: func(t *testing.T, q *storeTest) {
			if q.Limits == nil || q.Partition != nil {
				t.Skip("the store keeps no such limits")
			}
			q.limit(t, typeLimit(2), keyLimit("a", 1))
			plain := q.add(t, withPriority(0))
			keyed := []*domain.Task{q.add(t, ofKey("a"), withPriority(1)), q.add(t, ofKey("a"), withPriority(3))}
			q.Advance(20 * time.Minute)
			young := q.add(t, withType("other"), withPriority(domain.PriorityCritical))
			got := q.claimAged(t, 10)
			require.Equal(t, []domain.TaskID{plain.ID, keyed[1].ID, young.ID}, idsOf(got), "two by the limit of the type, and by the order of the key")
			q.complete(t, got[0])
			require.Empty(t, q.claimAged(t, 10), "by the limit of the key")
			q.complete(t, got[1])
			require.Equal(t, keyed[0].ID, q.claimAged(t, 1)[0].ID)
		},
	},
	{
		name:    "keys of a low priority have their turns with ageing",
		promise: "With Ageing turns and the order within a key stay as they are.",
		run: func(t *testing.T, q *storeTest) {
			keys := []string{"a", q.beside("a", "b")}
			var low []domain.TaskID
			for i := range 6 {
				low = append(low, q.addOf(t, 1, keys[i%2], withPriority(0))[0].ID)
			}
			q.Advance(3*time.Minute + time.Second)
			young := idsOf(q.addOf(t, 3, "a", withPriority(2)))
			older := idsOf(q.addOf(t, 1, keys[1], withPriority(4)))
			require.Equal(t, slices.Concat(older, low, young), idsOf(q.claimAged(t, 20)))
		},
	},
}
