package redistest

import (
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func TestAClusterHoldsKeysOnEveryNode(t *testing.T) {
	t.Parallel()
	cluster := StartCluster(t)
	require.Contains(t, cluster.URL(), "redis+cluster://"+cluster.Nodes[0].Addr()+",")
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{cluster.Nodes[0].Addr()}})
	t.Cleanup(func() { require.NoError(t, rdb.Close()) })
	for i := range 50 {
		require.NoError(t, rdb.Set(t.Context(), strconv.Itoa(i), "x", 0).Err())
	}
	for _, node := range cluster.Nodes {
		require.NotEqual(t, ":0", send(t, node, "DBSIZE"), "each node has its share of the slots")
	}
	cluster.Nodes[1].Kill(t)
	cluster.Nodes[1].Restart(t)
	cluster.Await(t)
	require.NoError(t, rdb.Set(t.Context(), "a", "y", 0).Err())
}

func TestAReplicaTakesThePlaceOfItsMasterInACluster(t *testing.T) {
	t.Parallel()
	cluster := StartReplicatedCluster(t, "--cluster-node-timeout", "1000")
	// Its slot, 1584, is one of the first master's.
	setReplicated(t, cluster.Nodes[0], "3")
	cluster.Nodes[0].Kill(t)
	require.Equal(t, cluster.Nodes[3], cluster.AwaitPromotion(t, 0))
	require.Equal(t, ":1", send(t, cluster.Nodes[3], "EXISTS 3"))
	cluster.Nodes[0].Restart(t)
	cluster.Await(t)
}

// setReplicated sets a key, and returns when a replica has it. WAIT speaks of what its
// own connection wrote.
func setReplicated(t *testing.T, master *Server, key string) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: master.Addr()})
	defer func() { _ = client.Close() }() // It was only a test's.
	conn := client.Conn()
	require.NoError(t, conn.Set(t.Context(), key, "v", 0).Err())
	require.Eventually(t, func() bool { return conn.Wait(t.Context(), 1, time.Second).Val() == 1 }, time.Minute, 10*time.Millisecond)
}

func TestAReplicaWhoseLinkIsCutKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	group := StartSentinel(t)
	first := group.Master(t)
	setReplicated(t, first, "kept")
	group.CutLink(t)
	require.Equal(t, "+OK", send(t, first, "SET lost v"))
	first.Kill(t)
	require.Equal(t, ":1", send(t, group.AwaitFailover(t, first), "EXISTS kept lost"))
}

func TestASentinelGroupReplacesItsMaster(t *testing.T) {
	t.Parallel()
	group := StartSentinel(t)
	first := group.Master(t)
	require.Equal(t, group.Servers[0], first)
	require.Equal(t, first, group.KillMaster(t))
	second := group.AwaitFailover(t, first)
	require.Equal(t, group.Servers[1], second)
	require.Equal(t, second, group.Master(t))
	require.Equal(t, "+OK", send(t, second, "SET k v"))
	group.Patience(t, time.Minute) // A busy machine must not bring another change about.
	group.Rejoin(t, first)
	require.Equal(t, ":1", send(t, first, "EXISTS k"), "a master that comes back is a replica")
	require.Equal(t, second, group.Master(t))
}
