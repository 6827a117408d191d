package redistest

import (
	"strconv"
	"testing"

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
		own := redis.NewClient(&redis.Options{Addr: node.Addr()})
		t.Cleanup(func() { require.NoError(t, own.Close()) })
		n, err := own.DBSize(t.Context()).Result()
		require.NoError(t, err)
		require.Positive(t, n, "each node has its share of the slots")
	}
	cluster.Nodes[1].Kill(t)
	cluster.Nodes[1].Restart(t)
	cluster.Await(t)
	require.NoError(t, rdb.Set(t.Context(), "a", "y", 0).Err())
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
	first.Restart(t)
	require.Equal(t, second, group.Master(t), "a master that comes back is a replica")
}
