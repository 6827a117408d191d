package redisstore_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
	"logsift/ports"
	"logsift/ports/portstest"
)

// worlds makes isolated parts of a group of servers.
func worlds(url string, partitions int) func() *world {
	var n atomic.Int64
	return func() *world {
		return &world{&storetest.World{URL: url, Namespace: fmt.Sprintf("test-%d-%d", partitions, n.Add(1)), Partitions: partitions}}
	}
}

func TestACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, "--cluster-require-full-coverage", "no")
	newWorld := worlds(cluster.URL(), 3)

	t.Run("keeps the contract", func(t *testing.T) {
		portstest.TestStore(t, func(t *testing.T) portstest.Store {
			t.Helper()
			return newWorld().store(t)
		})
	})
	t.Run("holds parts of a queue on every node, and claims drain them all", func(t *testing.T) {
		testSpread(t, cluster)
	})
	t.Run("is verified and mended", func(t *testing.T) {
		w := worlds(cluster.URL(), 1)()
		rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{cluster.Nodes[0].Addr()}})
		t.Cleanup(func() { require.NoError(t, rdb.Close()) })
		testMended(t, storetest.NewPatientIn(t, w.World, rdb))
	})
	// What follows disturbs the Cluster.
	t.Run("is refused if one master may drop tasks", func(t *testing.T) {
		bad := cluster.Nodes[2]
		rdb := storetest.Raw(t, bad)
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
		in[i] = storetest.NewTask(`{}`)
		want[in[i].ID] = true
	}
	enqueue(t, queue, in...)
	total := 0
	for _, node := range cluster.Nodes {
		rdb := storetest.Raw(t, node)
		held := 0
		for i := range w.Partitions {
			key := fmt.Sprintf("{%s:%d}:tasks", w.Namespace, i)
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
	require.Equal(t, int64(tasks), statsOf(t, queue).Pending)

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
	stats := statsOf(t, queue)
	require.Equal(t, domain.QueueStats{Completed: tasks, Warnings: stats.Warnings}, stats)
}

// testNodeAway kills a node under a queue that is spread over all of them.
func testNodeAway(t *testing.T, cluster *redistest.Cluster) {
	t.Helper()
	w := worlds(cluster.URL(), 12)()
	w.Namespace = "node-away"
	queue := w.queue(t)
	batch := func() (stored, refused int) {
		tasks := newTasks(60)
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

// A replica that has taken the place of its master is found within seconds, by a process
// that heard of neither.
func TestAPromotedReplicaIsServedFromSoon(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartReplicatedCluster(t, "--cluster-node-timeout", "1000")
	w := worlds(cluster.URL(), 12)()
	queue := w.queue(t)
	serve := func() error {
		tasks := newTasks(60)
		_, enqueued := queue.Enqueue(t.Context(), tasks...)
		_, claimed := queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 60, Lease: time.Minute})
		_, counted := queue.GetQueueStats(t.Context())
		return errors.Join(enqueued, claimed, counted)
	}
	require.NoError(t, serve())
	cluster.Nodes[1].Kill(t)
	require.Error(t, serve(), "its tasks are away")
	cluster.AwaitPromotion(t, 1)
	promoted := time.Now()
	for err := serve(); err != nil; err = serve() {
		require.Less(t, time.Since(promoted), 5*time.Second, "%v", err)
	}
	for range 3 {
		require.NoError(t, serve(), "and all goes on")
	}
}

// testMended breaks a store here and there. A Cluster refuses scripts that touch
// keys of several slots.
func testMended(t *testing.T, p *storetest.Patient) {
	t.Helper()
	want := p.Fill(t)
	batch := uuid.New()
	_, err := p.Logs.SaveLogs(t.Context(), batch, storetest.LogLines(5)...)
	require.NoError(t, err)
	require.NoError(t, p.Logs.SaveAnalysis(t.Context(), batch, storetest.Result(1)))
	_, err = p.Logs.SaveDocument(t.Context(), domain.Document{Key: "key"}, time.Hour)
	require.NoError(t, err)
	require.Empty(t, p.Verify(t, true))
	p.Do(t, "RENAME", p.Key("ready:0"), p.Key("ready:3"))
	p.Do(t, "DEL", p.Key("completed"))
	p.Do(t, "SET", p.Key("completed"), "foreign")
	p.Do(t, "RPOP", p.LogKey("batch:")+string(batch[:]))
	p.Do(t, "DEL", p.LogKey("anomalies"))
	p.Do(t, "PERSIST", p.LogKey("state:key"))
	p.Mend(t)
	p.RequireStatuses(t, want)
}
