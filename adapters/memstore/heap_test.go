package memstore

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"logsift/domain"
	"logsift/ports"
)

// TestHeap compares a heap with a sorted list of what is live.
func TestHeap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		live := map[int]bool{}
		h := newHeap(cmp.Compare[int], func(v int) bool { return live[v] }, func() int { return len(live) })
		for range rapid.IntRange(0, 1000).Draw(rt, "pushes") {
			v := rapid.IntRange(0, 99).Draw(rt, "item")
			if rapid.IntRange(0, 2).Draw(rt, "stale") == 0 {
				delete(live, v)
				continue
			}
			h.push(v)
			live[v] = true
			require.LessOrEqual(rt, len(h.items), 2*100+heapSlack+1)
		}
		var got, want []int
		for v, ok := h.peek(); ok; v, ok = h.peek() {
			require.Equal(rt, v, h.pop())
			if len(got) == 0 || got[len(got)-1] != v {
				got = append(got, v)
			}
		}
		for v := range live {
			want = append(want, v)
		}
		slices.Sort(want)
		require.Equal(rt, want, got)
	})
}

// TestHeapsLetGo does much to few tasks, and looks for what is left in the heaps.
func TestHeapsLetGo(t *testing.T) {
	t.Parallel()
	const many = 1000
	enqueue := func(t *testing.T, q *TaskQueue, change func(*domain.Task)) *domain.Task {
		t.Helper()
		task := domain.NewTask(uuid.New(), "test", nil)
		change(task)
		out, err := q.Enqueue(t.Context(), task)
		require.NoError(t, err)
		return out[0]
	}
	bounded := func(t *testing.T, q *TaskQueue) {
		t.Helper()
		for name, h := range map[string]*heap[entry]{
			"due": q.due, "leases": q.leases, "expiries": q.expiries, "ended": q.ended, "failed": q.failed, "kept": q.kept,
		} {
			require.LessOrEqual(t, len(h.items), 2*len(q.tasks)+heapSlack+1, name)
		}
		for l, r := range q.ready {
			require.LessOrEqual(t, len(r.plain.items)+len(r.heads.items), 2*len(q.tasks)+heapSlack+1, "%v", l)
		}
	}

	t.Run("of tasks that were finished and purged before they would have expired", func(t *testing.T) {
		t.Parallel()
		q := NewTaskQueue(Config{})
		for range many {
			enqueue(t, q, func(task *domain.Task) { task.ExpiresIn = time.Hour })
		}
		for n := 0; n < many; {
			tasks, err := q.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 100, Lease: time.Minute})
			require.NoError(t, err)
			for _, task := range tasks {
				require.NoError(t, q.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeCompleted}))
			}
			n += len(tasks)
		}
		purged, err := q.PurgeFinished(t.Context(), ports.PurgeRequest{Limit: many})
		require.NoError(t, err)
		require.Len(t, purged, many)
		bounded(t, q)
	})

	t.Run("of tasks that were deleted before they were due", func(t *testing.T) {
		t.Parallel()
		q := NewTaskQueue(Config{})
		var ids []domain.TaskID
		for range many {
			ids = append(ids, enqueue(t, q, func(task *domain.Task) { task.Delay, task.ExpiresIn = time.Hour, 2*time.Hour }).ID)
		}
		require.NoError(t, q.DeleteTask(t.Context(), ids...))
		bounded(t, q)
	})

	t.Run("of what was replaced", func(t *testing.T) {
		t.Parallel()
		q := NewTaskQueue(Config{})
		var holder *domain.Task
		for range many {
			holder = enqueue(t, q, func(task *domain.Task) {
				task.UniqueKey, task.OnConflict, task.ExpiresIn = "key", domain.ConflictReplace, time.Hour
			})
		}
		bounded(t, q)
		tasks, err := q.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: time.Minute})
		require.NoError(t, err)
		require.Len(t, tasks, 1)
		require.Equal(t, holder.ID, tasks[0].ID)
	})

	t.Run("of what became ready again and again in a paused queue, beside many others", func(t *testing.T) {
		t.Parallel()
		q := NewTaskQueue(Config{})
		task := enqueue(t, q, func(*domain.Task) {})
		for range many {
			enqueue(t, q, func(task *domain.Task) { task.Type = "other" })
		}
		require.NoError(t, q.PauseQueue(t.Context(), task.Queue))
		for range many {
			require.NoError(t, q.CancelTask(t.Context(), task.ID))
			require.NoError(t, q.RetryTask(t.Context(), task.ID))
		}
		bounded(t, q)
		require.Less(t, len(q.lane(task).plain.items), 2*heapSlack, "whatever other lanes have")
		require.NoError(t, q.ResumeQueue(t.Context(), task.Queue))
		claim := ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: time.Minute, Types: []domain.TaskType{task.Type}}
		tasks, err := q.Dequeue(t.Context(), claim)
		require.NoError(t, err)
		require.Len(t, tasks, 1)
	})
}
