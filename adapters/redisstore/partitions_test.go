package redisstore_test

import (
	"fmt"
	"hash/fnv"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/layout"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/domain"
	"logsift/ports"
)

// with returns a handle on the same keys that is set to another number of
// partitions.
func (w *world) with(partitions int) *world {
	return &world{&storetest.World{Server: w.Server, URL: w.URL, Namespace: w.Namespace, Partitions: partitions}}
}

// taskIn makes a task that belongs to a partition.
func taskIn(partition, partitions int) *domain.Task {
	for {
		if task := storetest.NewTask(`{}`); layout.PartitionOf(task.ID[:], partitions) == partition {
			return task
		}
	}
}

func TestThePartitionOfATaskNeverChanges(t *testing.T) {
	t.Parallel()
	counts := make([]int, 64)
	for range 64_000 {
		id := uuid.Must(uuid.NewV7())
		sum := fnv.New64a()
		_, err := sum.Write(id[:])
		require.NoError(t, err)
		n := layout.PartitionOf(id[:], 64)
		require.Equal(t, int(sum.Sum64()%64), n, "it is the FNV-1a hash, whatever the version of the program")
		counts[n]++
	}
	require.Greater(t, slices.Min(counts), 800, "they are spread evenly")
}

func TestAnotherNumberOfPartitionsIsRefused(t *testing.T) {
	t.Parallel()
	open := func(w *world) error {
		client, err := redisstore.Open(t.Context(), redisstore.Config{URL: w.URL, Namespace: w.Namespace, Partitions: w.Partitions})
		if err == nil {
			require.NoError(t, client.Close())
		}
		return err
	}
	refused := func(t *testing.T, err error, rule string) {
		t.Helper()
		var invalid *domain.ValidationError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "partitions", invalid.Field)
		require.Contains(t, invalid.Rule, rule)
	}
	t.Run("a number that cannot be", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		refused(t, open(w.with(-1)), "between 1 and 64")
		refused(t, open(w.with(65)), "between 1 and 64")
	})
	for name, first := range map[string]int{"the first": 0, "the last": 2} {
		t.Run("once a task is in "+name+" of three", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t).with(3)
			early := w.with(5).queue(t)
			require.NoError(t, open(w.with(1)), "an empty queue has no number yet")
			enqueue(t, w.queue(t), taskIn(first, 3))
			require.NoError(t, open(w))
			refused(t, open(w.with(1)), "must be 3")
			refused(t, open(w.with(5)), "must be 3")
			for partition := range 5 {
				_, err := early.Enqueue(t.Context(), taskIn(partition, 5))
				require.ErrorIs(t, err, domain.ErrStoreUnavailable, "a process that was open before writes nothing either")
				require.ErrorContains(t, err, "must be 3")
			}
			require.Equal(t, int64(1), statsOf(t, w.queue(t)).Total())
		})
	}
	t.Run("several, once a task is in the only one", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		enqueue(t, w.queue(t), storetest.NewTask(`{}`))
		refused(t, open(w.with(3)), "must be 1")
	})
}

func TestAClaimTakesFromAsManyPartitionsAsItNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t).with(4)
	queue := w.queue(t)
	for i := range 4 {
		enqueue(t, queue, taskIn(i, 4), taskIn(i, 4))
	}
	req := ports.ClaimRequest{ID: uuid.New(), Max: 5, Lease: time.Minute}
	first, err := queue.Dequeue(t.Context(), req)
	require.NoError(t, err)
	require.Len(t, first, 5)
	again, err := w.queue(t).Dequeue(t.Context(), req)
	require.NoError(t, err)
	ids := func(tasks []*domain.Task) (ids []domain.TaskID) {
		for _, task := range tasks {
			ids = append(ids, task.ID)
		}
		return ids
	}
	require.ElementsMatch(t, ids(first), ids(again), "a repeat gathers what the claim holds anywhere")
	for _, task := range first {
		require.NoError(t, queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeCompleted}))
	}
	again, err = queue.Dequeue(t.Context(), req)
	require.NoError(t, err)
	require.Empty(t, again, "and claims no others, though there are some")
	require.Len(t, claim(t, queue, 10), 3)
}

func TestAClaimThatFailsInAPartitionIsRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t).with(2)
	rdb := storetest.Raw(t, w.Server)
	queue := w.queue(t)
	due := fmt.Sprintf("{%s:1}:due", w.Namespace)
	// Which partition a claim asks first is random.
	for range 10 {
		for i := range 2 {
			enqueue(t, queue, taskIn(i, 2))
		}
		require.NoError(t, rdb.Set(t.Context(), due, "damaged", 0).Err())
		req := ports.ClaimRequest{ID: uuid.New(), Max: 2, Lease: time.Minute}
		_, err := queue.Dequeue(t.Context(), req)
		require.ErrorIs(t, err, domain.ErrStoreUnavailable, "who is told of some tasks does not ask for the others again")
		require.NoError(t, rdb.Del(t.Context(), due).Err())
		tasks, err := queue.Dequeue(t.Context(), req)
		require.NoError(t, err)
		require.NotEmpty(t, tasks, "a repeat gives what the claim took before it failed")
		tasks = append(tasks, claim(t, queue, 2)...)
		require.Len(t, tasks, 2)
		for _, task := range tasks {
			require.NoError(t, queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeCompleted}))
		}
	}
}

// Tasks with keys are not in the partitions of their ids: whoever knows an id alone finds
// them all the same.
func TestTasksWithAKeyAreFoundByTheirIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t).with(4)
	rdb := storetest.Raw(t, w.Server)
	queue := w.queue(t)
	keyed := func(key, unique string) *domain.Task {
		task := storetest.NewTask(`{}`)
		task.Key, task.UniqueKey = key, unique
		return task
	}
	tasks := []*domain.Task{taskIn(0, 4), taskIn(3, 4)}
	for i := range 20 {
		tasks = append(tasks, keyed("customer", ""), keyed("customer", fmt.Sprint("both-", i)), keyed("", fmt.Sprint("unique-", i)))
	}
	enqueue(t, queue, tasks...)
	n, err := rdb.HLen(t.Context(), fmt.Sprintf("{%s:%d}:tasks", w.Namespace, layout.PartitionOf([]byte("customer"), 4))).Result()
	require.NoError(t, err)
	require.GreaterOrEqual(t, n, int64(40), "the tasks of one key are in one partition")

	ids := make([]domain.TaskID, len(tasks))
	for i, task := range tasks {
		ids[i] = task.ID
		got, err := w.queue(t).GetTask(t.Context(), task.ID)
		require.NoError(t, err)
		require.Equal(t, task.ID, got.ID)
	}
	claimed := claim(t, queue, 100)
	require.Len(t, claimed, len(tasks))
	leases, updates := make([]domain.Lease, len(tasks)), make([]ports.TaskUpdate, len(tasks))
	for i, task := range claimed {
		leases[i], updates[i] = *task.Lease, ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeFailed}
	}
	extended, err := w.queue(t).ExtendLease(t.Context(), time.Hour, leases...)
	require.NoError(t, err, "by a process that claimed nothing")
	for i, lease := range extended {
		require.Equal(t, leases[i].TaskID, lease.TaskID)
		require.True(t, lease.ExpiresAt.After(leases[i].ExpiresAt))
	}
	require.NoError(t, w.queue(t).ReleaseTask(t.Context(), leases[0]))
	lost := w.queue(t).UpdateTask(t.Context(), updates...)
	require.ErrorIs(t, domain.ItemError(lost, 0), domain.ErrLeaseLost)
	for i := range updates[1:] {
		require.NoError(t, domain.ItemError(lost, i+1))
	}
	gone := uuid.New()
	missing := w.queue(t).CancelTask(t.Context(), leases[0].TaskID, gone)
	require.NoError(t, domain.ItemError(missing, 0))
	require.ErrorIs(t, domain.ItemError(missing, 1), domain.ErrTaskNotFound)
	require.NoError(t, w.queue(t).RetryTask(t.Context(), ids...))
	require.NoError(t, w.queue(t).RunTaskNow(t.Context(), ids...))
	require.NoError(t, w.queue(t).DeleteTask(t.Context(), ids...))
	require.Zero(t, statsOf(t, queue).Total())
}
