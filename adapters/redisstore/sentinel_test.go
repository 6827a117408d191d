package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
	"logsift/ports"
	"logsift/ports/portstest"
)

func TestASentinelGroup(t *testing.T) {
	t.Parallel()
	group := redistest.StartSentinel(t)
	group.Patience(t, time.Minute) // Nothing is to be lost in the tests of the contracts.
	newWorld := worlds(group.URL(), 1)
	t.Run("goes on after its master has died", func(t *testing.T) { testFailover(t, group) })
	t.Run("keeps the contract after a fail-over", func(t *testing.T) {
		portstest.TestStore(t, func(t *testing.T) portstest.Store {
			t.Helper()
			return newWorld().store(t)
		})
	})
	t.Run("may have a password that its sentinels have not", func(t *testing.T) {
		for _, s := range group.Sentinels {
			require.NoError(t, storetest.Raw(t, s).Do(t.Context(), "SENTINEL", "SET", "logsift", "auth-pass", "secret").Err())
		}
		for _, s := range group.Servers {
			rdb := redis.NewClient(&redis.Options{Addr: s.Addr()})
			require.NoError(t, rdb.ConfigSet(t.Context(), "masterauth", "secret").Err())
			require.NoError(t, rdb.ConfigSet(t.Context(), "requirepass", "secret").Err())
			require.NoError(t, rdb.Close())
		}
		w := newWorld()
		w.URL = strings.Replace(w.URL, "://", "://:secret@", 1)
		enqueue(t, w.queue(t), storetest.NewTask(`{}`))
		_, err := redisstore.Open(t.Context(), redisstore.Config{URL: group.URL()})
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	})
}

// testFailover kills the master after its replica was cut off: what the master
// acknowledged in between is lost, and all else is served on. Redis replicates without
// waiting, so that it can happen at any time. What a queue that is worked on makes of it
// is judged by bootstrap/systemtest/chaos.
func testFailover(t *testing.T, group *redistest.Sentinel) {
	t.Helper()
	w := worlds(group.URL(), 1)()
	w.Namespace = "failover"
	queue := w.queue(t)
	kept := enqueue(t, queue, newTasks(300)...)
	running := claim(t, queue, 10)
	master := group.Master(t)
	conn := storetest.Raw(t, master).Conn()
	require.NoError(t, conn.Set(t.Context(), "last", "write", 0).Err())
	require.Equal(t, int64(1), conn.Wait(t.Context(), 1, 10*time.Second).Val(), "the replica has all")
	require.NoError(t, conn.Close())
	group.CutLink(t)
	lost := enqueue(t, queue, newTasks(30)...)
	group.Patience(t, 500*time.Millisecond)
	master.Kill(t)
	killed := time.Now()
	group.AwaitFailover(t, master)
	group.Patience(t, time.Minute)
	next := storetest.NewTask(`{}`)
	require.Eventually(t, func() bool {
		_, err := queue.Enqueue(t.Context(), next)
		return err == nil
	}, 20*time.Second, time.Millisecond)
	require.Less(t, time.Since(killed), 30*time.Second, "the service goes on soon")
	master.Restart(t)

	for _, task := range lost {
		_, err := queue.GetTask(t.Context(), task.ID)
		require.ErrorIs(t, err, domain.ErrTaskNotFound, "a loss that was brought about")
	}
	for tasks := running; len(tasks) > 0; tasks = claim(t, queue, 100) {
		for _, task := range tasks {
			require.NoError(t, queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeCompleted}), "leases outlast it too")
		}
	}
	for _, task := range append(kept, next) {
		got, err := queue.GetTask(t.Context(), task.ID)
		require.NoError(t, err)
		require.Equal(t, domain.TaskStatusCompleted, got.Status)
	}
	_, err := redisstore.NewVerifier(w.Open(t)).Verify(t.Context(), ports.VerifyRequest{Report: func(finding domain.Finding) {
		t.Errorf("after the fail-over: %+v", finding)
	}})
	require.NoError(t, err)
}
