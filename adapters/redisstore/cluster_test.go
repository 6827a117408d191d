package redisstore_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
	"logsift/ports"
	"logsift/ports/portstest"
)

// worlds makes isolated parts of a group of servers.
func worlds(url string, partitions int) func() *world {
	var n atomic.Int64
	return func() *world {
		return &world{url: url, namespace: fmt.Sprintf("test-%d-%d", partitions, n.Add(1)), partitions: partitions}
	}
}

func TestACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, "--cluster-require-full-coverage", "no")
	newWorld := worlds(cluster.URL(), 3)

	t.Run("keeps the contract of the queue", func(t *testing.T) {
		portstest.TestTaskQueue(t, func(t *testing.T) portstest.QueueHarness {
			t.Helper()
			return newWorld().harness(t)
		})
	})
	t.Run("keeps the contract of the logs", func(t *testing.T) {
		portstest.TestLogRepository(t, func(t *testing.T) portstest.LogHarness {
			t.Helper()
			return newWorld().logHarness(t)
		})
	})
	t.Run("keeps the contract of events", func(t *testing.T) {
		portstest.TestTaskEvents(t, func(t *testing.T) portstest.EventHarness {
			t.Helper()
			return newWorld().eventHarness(t)
		})
	})
	t.Run("holds parts of a queue on every node, and claims drain them all", func(t *testing.T) {
		testSpread(t, cluster)
	})
	t.Run("is verified and mended", func(t *testing.T) {
		w := worlds(cluster.URL(), 1)()
		rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{cluster.Nodes[0].Addr()}})
		t.Cleanup(func() { require.NoError(t, rdb.Close()) })
		testMended(t, newPatientIn(t, w, rdb))
	})
	// What follows disturbs the Cluster.
	t.Run("is refused if one master may drop tasks", func(t *testing.T) {
		bad := cluster.Nodes[2]
		rdb := raw(t, bad)
		require.NoError(t, rdb.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
		_, err := redisstore.Open(t.Context(), redisstore.Config{URL: cluster.URL()})
		require.ErrorContains(t, err, bad.Addr()+" has maxmemory-policy allkeys-lru")
		require.NoError(t, rdb.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err())
	})
	t.Run("takes what it can while a node is away, and goes on when it is back", func(t *testing.T) {
		testNodeAway(t, cluster)
	})
}

// testSpread enqueues to many partitions and looks where their keys are.
func testSpread(t *testing.T, cluster *redistest.Cluster) {
	t.Helper()
	const tasks = 600
	w := worlds(cluster.URL(), 12)()
	queue := w.queue(t)
	want := map[domain.TaskID]bool{}
	in := make([]*domain.Task, tasks)
	for i := range in {
		in[i] = newTask(`{}`)
		want[in[i].ID] = true
	}
	_, err := queue.Enqueue(t.Context(), in...)
	require.NoError(t, err)
	total := 0
	for _, node := range cluster.Nodes {
		rdb := raw(t, node)
		held := 0
		for i := range w.partitions {
			key := fmt.Sprintf("{%s:%d}:tasks", w.namespace, i)
			slot, err := rdb.ClusterKeySlot(t.Context(), key).Result()
			require.NoError(t, err)
			keys, err := rdb.ClusterGetKeysInSlot(t.Context(), int(slot), 1000).Result()
			require.NoError(t, err)
			if len(keys) > 0 {
				n, err := rdb.HLen(t.Context(), key).Result()
				require.NoError(t, err)
				held += int(n)
			}
		}
		t.Logf("%s holds %d of %d tasks", node.Addr(), held, tasks)
		require.Positive(t, held, "every node holds a part of the queue")
		total += held
	}
	require.Equal(t, tasks, total)
	stats, err := queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(tasks), stats.Pending)

	for len(want) > 0 {
		claimed := claim(t, queue, 37)
		require.NotEmpty(t, claimed)
		updates := make([]ports.TaskUpdate, len(claimed))
		for i, task := range claimed {
			require.True(t, want[task.ID], "each task is claimed once")
			delete(want, task.ID)
			updates[i] = ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeCompleted}
		}
		require.NoError(t, queue.UpdateTask(t.Context(), updates...))
	}
	stats, err = queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.Equal(t, domain.QueueStats{Completed: tasks, Warnings: stats.Warnings}, stats)
}

// testNodeAway kills a node under a queue that is spread over all of them.
func testNodeAway(t *testing.T, cluster *redistest.Cluster) {
	t.Helper()
	w := worlds(cluster.URL(), 12)()
	w.namespace = "node-away"
	queue := w.queue(t)
	batch := func() (stored, refused int) {
		tasks := make([]*domain.Task, 60)
		for i := range tasks {
			tasks[i] = newTask(`{}`)
		}
		out, err := queue.Enqueue(t.Context(), tasks...)
		for i := range tasks {
			if item := domain.ItemError(err, i); item != nil {
				require.ErrorIs(t, item, domain.ErrStoreUnavailable)
				require.Nil(t, out[i])
				refused++
			} else {
				require.Equal(t, tasks[i].ID, out[i].ID)
				stored++
			}
		}
		return stored, refused
	}
	stored, refused := batch()
	require.Equal(t, [2]int{60, 0}, [2]int{stored, refused})
	cluster.Nodes[2].Kill(t)
	stored, refused = batch()
	require.Positive(t, stored, "the other nodes take what is theirs")
	require.Positive(t, refused, "what was not stored is told for each task")
	_, err := queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
	require.ErrorIs(t, err, domain.ErrStoreUnavailable, "nobody knows what the claim took before")
	cluster.Nodes[2].Restart(t)
	cluster.Await(t)
	stored, refused = batch()
	require.Equal(t, [2]int{60, 0}, [2]int{stored, refused}, "the node has lost its data, and the queue goes on")
	require.Len(t, claim(t, queue, 10), 10)
}
