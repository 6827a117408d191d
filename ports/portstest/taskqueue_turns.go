package portstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// drain claims n tasks at a time until there are none, and returns the keys of what came, for
// each part of the queue.
func (q *storeTest) drain(t *testing.T, n int) map[int][]string {
	t.Helper()
	out := map[int][]string{}
	for {
		got := q.claim(t, n)
		if len(got) == 0 {
			return out
		}
		for _, task := range got {
			part := 0
			if q.Partition != nil {
				part = q.Partition(task.ID, task.Key)
			}
			out[part] = append(out[part], task.Key)
		}
	}
}

// requireTurns requires that in the order that keys were claimed from none has a second turn
// while another one that still has tasks waits for its first, but for one that had its
// turn just before.
func requireTurns(t *testing.T, order []string) {
	t.Helper()
	left := map[string]int{}
	for _, key := range order {
		left[key]++
	}
	since := map[string]map[string]int{} // turns of others since each key's last
	for key := range left {
		since[key] = map[string]int{}
	}
	for i, key := range order {
		for other := range left {
			if other != key && left[other] > 0 {
				since[other][key]++
				require.LessOrEqual(t, since[other][key], 2, "at %d, %q waits for %q in %q", i, other, key, order)
			}
		}
		since[key] = map[string]int{}
		left[key]--
	}
}

// beside returns a key like the other one whose tasks are of the same part of the queue as
// those of key.
func (q *storeTest) beside(key, other string) string {
	for i := 0; q.Partition != nil && q.Partition(uuid.Nil, other) != q.Partition(uuid.Nil, key); i++ {
		other = fmt.Sprint(other[:1], i)
	}
	return other
}

var turnCases = []storeCase{
	{
		name:    "the keys of a queue and type take turns",
		promise: "Many tasks of one key hold those of another up by a turn, not by their number.",
		run: func(t *testing.T, q *storeTest) {
			for _, n := range []int{1, 4} {
				q.addOf(t, 100, "a")
				q.addOf(t, 5, "")
				q.addOf(t, 3, "b")
				q.addOf(t, 8, "c")
				parts := q.drain(t, n)
				for _, order := range parts {
					requireTurns(t, order)
					for i, key := range slices.Compact(slices.Sorted(slices.Values(order))) {
						require.Less(t, slices.Index(order, key), 2+4, "%d", i)
					}
				}
			}
		},
	},
	{
		name:    "a key that comes late takes its turn at once, and has no other advantage",
		promise: "A key that had no such tasks for a while comes in its turn and has no other advantage.",
		run: func(t *testing.T, q *storeTest) {
			q.addOf(t, 100, "a")
			require.Len(t, q.claim(t, 40), 40)
			late := q.beside("a", "b")
			q.addOf(t, 20, late)
			var order []string
			for range 12 {
				order = append(order, q.claimOne(t).Key)
			}
			require.Contains(t, order[:2], late)
			requireTurns(t, order)
		},
	},
	{
		name:    "keys that come do not overtake those that wait",
		promise: "A key that had no such tasks for a while comes in its turn and has no other advantage.",
		run: func(t *testing.T, q *storeTest) {
			n := 0
			add := func(prefix string) {
				for {
					n++
					key := fmt.Sprint(prefix, n)
					if q.Partition == nil || q.Partition(uuid.Nil, key) == q.Partition(uuid.Nil, "z") {
						q.addOf(t, 1, key)
						return
					}
				}
			}
			for range 3 {
				add("z")
			}
			waiting := 3
			for range 50 {
				add("a")
				if strings.HasPrefix(q.claimOne(t).Key, "z") {
					waiting--
				}
			}
			require.Zero(t, waiting)
		},
	},
	{
		name:    "keys take turns within their priority, and a key's own tasks keep their order",
		promise: "The highest priority first. Within a key the oldest comes first, also if it was claimed before.",
		run: func(t *testing.T, q *storeTest) {
			low := q.addOf(t, 4, q.beside("a", "b"), withPriority(domain.PriorityLow))
			a := q.addOf(t, 6, "a")
			high := q.addOf(t, 2, "a", withPriority(domain.PriorityHigh))
			first := q.claimOne(t)
			require.Equal(t, high[0].ID, first.ID)
			require.NoError(t, q.Queue.ReleaseTask(t.Context(), *first.Lease))
			require.Equal(t, high[0].ID, q.claimOne(t).ID)
			require.Equal(t, high[1].ID, q.claimOne(t).ID)
			second := q.claimOne(t)
			require.Equal(t, a[0].ID, second.ID)
			q.update(t, retry(second, time.Second))
			require.Equal(t, a[1].ID, q.claimOne(t).ID)
			q.Advance(time.Second)
			require.Equal(t, a[0].ID, q.claimOne(t).ID)
			require.Equal(t, idsOf(a[2:]), idsOf(q.dequeue(t, ports.ClaimRequest{ID: uuid.New(), Max: 4, Lease: lease})))
			require.Equal(t, idsOf(low), idsOf(q.claim(t, 10)))
		},
	},
	{
		name:    "turns begin with the first task that has a key",
		promise: "Tasks without a key are one more key in this.",
		run: func(t *testing.T, q *storeTest) {
			q.addOf(t, 60, "")
			q.addOf(t, 5, "a")
			q.addOf(t, 20, "", withPriority(domain.PriorityHigh))
			for part, order := range q.drain(t, 3) {
				requireTurns(t, order[min(len(order), 20):])
				if q.Partition == nil {
					require.Equal(t, slices.Repeat([]string{""}, 20), order[:20], "%d", part)
				}
			}
		},
	},
	{
		name:    "tasks that are gone take no turns",
		promise: "Of keys that have ready tasks which may begin, none is claimed from twice before each of the others is once.",
		run: func(t *testing.T, q *storeTest) {
			a := q.addOf(t, 40, "a")
			other := q.beside("a", "b")
			b := q.addOf(t, 20, other)
			require.NoError(t, q.Queue.CancelTask(t.Context(), idsOf(a[:20])...))
			require.NoError(t, q.Queue.DeleteTask(t.Context(), idsOf(b[:4])...))
			last := q.addOf(t, 2, other)
			for _, order := range q.drain(t, 1) {
				requireTurns(t, order)
			}
			require.Greater(t, q.get(t, a[38].ID).StartedAt, q.get(t, last[1].ID).StartedAt)
		},
	},
	{
		name:    "a key that may not begin misses its turns",
		promise: "Of keys that have ready tasks which may begin, none is claimed from twice before each of the others is once.",
		run: func(t *testing.T, q *storeTest) {
			q.limit(t, keyLimit("a", 1))
			a := q.addOf(t, 30, "a")
			q.addOf(t, 60, q.beside("a", "b"))
			held := q.claimOne(t)
			require.Equal(t, a[0].ID, held.ID)
			require.Len(t, q.claim(t, 30), 30)
			q.complete(t, held)
			q.unlimit(t, "key-a")
			for _, order := range q.drain(t, 1) {
				require.Len(t, order, 29+30)
				requireTurns(t, order)
			}
		},
	},
}
