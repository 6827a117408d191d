package redisstore_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
)

// requireNotReady checks that the queue is not ready for a reason that names what, as
// soon as a task would be refused, and ready again once it is mended.
func requireNotReady(t *testing.T, queue *redisstore.TaskQueue, kind error, what string, mend func()) {
	t.Helper()
	_, err := queue.Enqueue(t.Context(), storetest.NewTask(`{}`))
	require.ErrorIs(t, err, kind, "what this is about: a task is refused")
	err = queue.Ready(t.Context())
	require.ErrorIs(t, err, kind)
	require.ErrorContains(t, err, what)
	mend()
	require.Eventually(t, func() bool { return queue.Ready(t.Context()) == nil }, 5*time.Second, 20*time.Millisecond)
	enqueue(t, queue, storetest.NewTask(`{}`))
}

func TestAStoreThatRefusesWritesIsNotReady(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	queue := openQueue(t, server.URL(), redisstore.Config{})
	rdb := storetest.Raw(t, server)
	enqueue(t, queue, storetest.NewTask(`{}`))
	require.NoError(t, queue.Ready(t.Context()))
	require.Empty(t, rdb.Keys(t.Context(), "*absent*").Val(), "asking leaves nothing")
	set := func(name, value string) func() {
		return func() {
			t.Helper()
			require.NoError(t, rdb.ConfigSet(t.Context(), name, value).Err())
		}
	}
	stored := func() int64 {
		t.Helper()
		stats := statsOf(t, queue)
		return stats.Total()
	}
	for _, c := range []struct {
		name       string
		harm, mend func()
		kind       error
		what       string
	}{
		{"no memory is left", set("maxmemory", "1"), set("maxmemory", "0"), domain.ErrStoreFull, "maxmemory"},
		{"no replica follows", set("min-replicas-to-write", "1"), set("min-replicas-to-write", "0"), domain.ErrStoreReadOnly, "NOREPLICAS"},
		{"it is a replica", func() { rdb.ReplicaOf(t.Context(), "127.0.0.1", "1") }, func() { rdb.ReplicaOf(t.Context(), "NO", "ONE") }, domain.ErrStoreReadOnly, "replica"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := stored()
			c.harm()
			requireNotReady(t, queue, c.kind, c.what, c.mend)
			require.Equal(t, before+1, stored(), "the refused task left nothing, the next one was stored")
		})
	}
	t.Run("no snapshot can be written", func(t *testing.T) {
		dir := rdb.ConfigGet(t.Context(), "dir").Val()["dir"]
		require.NoError(t, rdb.ConfigSet(t.Context(), "save", "3600 1").Err())
		name := filepath.Join(dir, "dump.rdb")
		require.NoError(t, os.RemoveAll(name))
		require.NoError(t, os.MkdirAll(filepath.Join(name, "x"), 0o700), "a folder in its place")
		save := func(status string) {
			require.Eventually(t, func() bool {
				rdb.BgSave(t.Context())
				return strings.Contains(rdb.Info(t.Context(), "persistence").Val(), "rdb_last_bgsave_status:"+status)
			}, 10*time.Second, 20*time.Millisecond)
		}
		save("err")
		requireNotReady(t, queue, domain.ErrStoreReadOnly, "MISCONF", func() {
			require.NoError(t, os.RemoveAll(name))
			save("ok")
		})
	})
	t.Run("its layout is a later one", func(t *testing.T) {
		before := rdb.HGetAll(t.Context(), "{logsift:0}:meta").Val()
		require.NoError(t, rdb.HSet(t.Context(), "{logsift:0}:meta", "lanes", "4:1", "generation", uuid.NewString()).Err())
		requireNotReady(t, queue, domain.ErrStoreUnavailable, "newer version", func() {
			require.NoError(t, rdb.HSet(t.Context(), "{logsift:0}:meta", "lanes", before["lanes"], "generation", uuid.NewString()).Err())
		})
	})
	t.Run("it hangs", func(t *testing.T) {
		server.Pause(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, queue.Ready(ctx), domain.ErrStoreUnavailable)
		server.Resume(t)
		require.NoError(t, queue.Ready(t.Context()))
	})
	t.Run("it is away", func(t *testing.T) {
		server.Kill(t)
		requireNotReady(t, queue, domain.ErrStoreUnavailable, server.Addr(), func() { server.Restart(t) })
	})
}

// Readers that have all connections of the process, and wait, do not make it unready.
func TestReadersDoNotHoldUpReadiness(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := openClient(t, server.URL()+"?pool_size=1", redisstore.Config{})
	queue := client.TaskQueue
	require.NoError(t, queue.Ready(t.Context()))
	release := redisstore.HoldConnection(t, client)
	require.NoError(t, queue.Ready(t.Context()))
	release()
}
