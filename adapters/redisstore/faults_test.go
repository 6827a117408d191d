package redisstore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
	"logsift/ports"
)

func openQueue(t *testing.T, server *redistest.Server, config redisstore.Config) *redisstore.TaskQueue {
	t.Helper()
	config.URL = server.URL()
	client, err := redisstore.Open(t.Context(), config)
	require.NoError(t, err)
	queue := redisstore.NewTaskQueue(client)
	t.Cleanup(func() {
		queue.Close()
		require.NoError(t, client.Close())
	})
	return queue
}

func raw(t *testing.T, server *redistest.Server) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { require.NoError(t, rdb.Close()) })
	return rdb
}

func newTask(payload string) *domain.Task {
	return domain.NewTask(uuid.New(), "work", []byte(payload))
}

func claim(t *testing.T, q ports.TaskConsumer, n int) []*domain.Task {
	t.Helper()
	got, err := q.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: n, Lease: time.Minute})
	require.NoError(t, err)
	return got
}

func TestOpenRefusesAServerThatWouldLoseTasks(t *testing.T) {
	t.Parallel()
	t.Run("an eviction policy that may drop tasks", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
		_, err := redisstore.Open(t.Context(), redisstore.Config{URL: server.URL()})
		require.ErrorContains(t, err, "maxmemory-policy allkeys-lru")
		client, err := redisstore.Open(t.Context(), redisstore.Config{URL: server.URL(), AllowEviction: true})
		require.NoError(t, err)
		require.Contains(t, strings.Join(client.Warnings(), "\n"), "evict")
		require.NoError(t, client.Close())
	})
	t.Run("a replica", func(t *testing.T) {
		t.Parallel()
		master := redistest.Start(t)
		host, port, _ := strings.Cut(master.Addr(), ":")
		replica := redistest.Start(t, "--replicaof", host+" "+port)
		_, err := redisstore.Open(t.Context(), redisstore.Config{URL: replica.URL()})
		require.ErrorIs(t, err, domain.ErrStoreReadOnly)
	})
	t.Run("a wrong password, without showing it", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t, "--requirepass", "right")
		_, err := redisstore.Open(t.Context(), redisstore.Config{URL: "redis://:wrong@" + server.Addr() + "/0"})
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
		require.ErrorContains(t, err, "user and password")
		require.NotContains(t, err.Error(), "wrong@")
	})
	t.Run("no server, in bounded time and naming the address", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		server.Kill(t)
		_, err := redisstore.Open(t.Context(), redisstore.Config{URL: server.URL()})
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
		require.ErrorContains(t, err, server.Addr())
	})
}

func TestAServerWithoutAppendOnlyFileIsWarnedOf(t *testing.T) {
	t.Parallel()
	stats, err := newWorld(t).queue(t).GetQueueStats(t.Context())
	require.NoError(t, err)
	require.Contains(t, strings.Join(stats.Warnings, "\n"), "append-only file")

	queue := openQueue(t, redistest.Start(t, "--appendonly", "yes"), redisstore.Config{})
	stats, err = queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.Empty(t, stats.Warnings)
}

func TestAcknowledgedTasksSurviveAKilledServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	queue := openQueue(t, server, redisstore.Config{})
	var ids []domain.TaskID
	for range 200 {
		task := newTask(`{}`)
		_, err := queue.Enqueue(t.Context(), task)
		require.NoError(t, err)
		ids = append(ids, task.ID)
	}
	running := claim(t, queue, 10)
	require.Len(t, running, 10)
	server.Kill(t)
	_, err := queue.Enqueue(t.Context(), newTask(`{}`))
	require.ErrorIs(t, err, domain.ErrStoreUnavailable, "a store that is down is told, not waited for")
	server.Restart(t)
	for _, id := range ids {
		_, err := queue.GetTask(t.Context(), id)
		require.NoError(t, err)
	}
	for _, task := range running {
		require.NoError(t, queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeCompleted}),
			"a lease that was granted before the crash is still held after it")
	}
}

func TestAFullServerRefusesTasksAndStillFinishesThem(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	queue := openQueue(t, server, redisstore.Config{})
	for range 5 {
		_, err := queue.Enqueue(t.Context(), newTask(`{}`))
		require.NoError(t, err)
	}
	tasks := claim(t, queue, 4)
	require.NoError(t, raw(t, server).ConfigSet(t.Context(), "maxmemory", "1mb").Err())

	_, err := queue.Enqueue(t.Context(), newTask(`{}`))
	require.ErrorIs(t, err, domain.ErrStoreFull)
	stats, err := queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(5), stats.Total(), "a refused task leaves nothing behind")

	failure := domain.TaskError{Reason: domain.ReasonError, Message: "failed"}
	require.NoError(t, queue.UpdateTask(t.Context(),
		ports.TaskUpdate{Lease: *tasks[0].Lease, Outcome: ports.OutcomeCompleted, Result: []byte(`{}`)},
		ports.TaskUpdate{Lease: *tasks[1].Lease, Outcome: ports.OutcomeFailed, Failure: failure},
		ports.TaskUpdate{Lease: *tasks[2].Lease, Outcome: ports.OutcomeRetry, Failure: failure, RetryIn: time.Minute}))
	require.NoError(t, queue.ReleaseTask(t.Context(), *tasks[3].Lease))
	require.Len(t, claim(t, queue, 10), 2, "claims go on")
	require.Empty(t, claim(t, queue, 10), "a claim that finds nothing is no error")
}

func TestAFrozenServerDelaysNobodyForLong(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	queue := openQueue(t, server, redisstore.Config{CallTimeout: 500 * time.Millisecond, IOTimeout: 200 * time.Millisecond})
	server.Pause(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := queue.Enqueue(ctx, newTask(`{}`))
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	require.NoError(t, ctx.Err(), "the call ended by its own limit")
	server.Resume(t)
	_, err = queue.Enqueue(ctx, newTask(`{}`))
	require.NoError(t, err)
}

func TestForgottenScriptsAreLoadedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	queue := w.queue(t)
	rdb := raw(t, w.server)
	for range 3 {
		require.NoError(t, rdb.ScriptFlush(t.Context()).Err())
		_, err := queue.Enqueue(t.Context(), newTask(`{}`))
		require.NoError(t, err)
		require.NoError(t, rdb.ScriptFlush(t.Context()).Err())
		tasks := claim(t, queue, 1)
		require.Len(t, tasks, 1)
		require.NoError(t, rdb.ScriptFlush(t.Context()).Err())
		require.NoError(t, queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *tasks[0].Lease, Outcome: ports.OutcomeCompleted}))
	}
}

func TestAnEmptiedDatabaseLeavesNoHalfTasks(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	queue := openQueue(t, server, redisstore.Config{})
	_, err := queue.Enqueue(t.Context(), newTask(`{}`), newTask(`{}`))
	require.NoError(t, err)
	tasks := claim(t, queue, 1)
	server.Flush(t)

	err = queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *tasks[0].Lease, Outcome: ports.OutcomeCompleted})
	require.ErrorIs(t, err, domain.ErrLeaseLost)
	require.Empty(t, claim(t, queue, 10))
	stats, err := queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.Zero(t, stats.Total())

	_, err = queue.Enqueue(t.Context(), newTask(`{}`))
	require.NoError(t, err, "the queue goes on")
	require.Len(t, claim(t, queue, 10), 1)
}

func TestACorruptRecordIsSetAside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	queue := w.queue(t)
	bad, good, cut, gone := newTask(`{}`), newTask(`{}`), newTask(`{}`), newTask(`{}`)
	_, err := queue.Enqueue(t.Context(), bad, good, cut, gone)
	require.NoError(t, err)
	rdb := raw(t, w.server)
	tasks := "{" + w.namespace + ":0}:tasks"
	require.NoError(t, rdb.HSet(t.Context(), tasks, string(bad.ID[:]), "\x01\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff garbage").Err())
	require.NoError(t, rdb.HSet(t.Context(), tasks, string(cut.ID[:]), "x").Err())
	require.NoError(t, rdb.HDel(t.Context(), tasks, string(gone.ID[:])).Err())

	claimed := claim(t, queue, 10)
	require.Len(t, claimed, 1)
	require.Equal(t, good.ID, claimed[0].ID, "the others go on")
	for _, id := range []domain.TaskID{bad.ID, cut.ID} {
		_, err = queue.GetTask(t.Context(), id)
		require.ErrorIs(t, err, domain.ErrCorruptRecord)
	}
	page, err := queue.ListTasks(t.Context(), domain.TaskFilter{Status: domain.TaskStatusFailed})
	require.NoError(t, err)
	require.Len(t, page.Tasks, 2)
	require.Equal(t, domain.ReasonCorruptRecord, page.Tasks[0].Errors[0].Reason)
	require.Empty(t, claim(t, queue, 10))
	require.NoError(t, queue.DeleteTask(t.Context(), bad.ID, cut.ID))
	stats, err := queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(1), stats.Total())
}

func TestClosingEndsAWaitingClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	queue := redisstore.NewTaskQueue(w.open(t))
	done := make(chan error, 1)
	go func() {
		_, err := queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute, Wait: time.Hour})
		done <- err
	}()
	rdb, channel := raw(t, w.server), "{"+w.namespace+":0}:wake"
	require.Eventually(t, func() bool {
		n, err := rdb.PubSubNumSub(t.Context(), channel).Result()
		return err == nil && n[channel] == 1
	}, 10*time.Second, 5*time.Millisecond)
	queue.Close()
	queue.Close()
	require.ErrorIs(t, <-done, domain.ErrClosed)
}

func TestABusyQueuePublishesNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	queue := openQueue(t, server, redisstore.Config{})
	published := func() string {
		text, err := raw(t, server).Info(t.Context(), "commandstats").Result()
		require.NoError(t, err)
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "cmdstat_publish:") {
				return line
			}
		}
		return ""
	}
	for range 100 {
		_, err := queue.Enqueue(t.Context(), newTask(`{}`))
		require.NoError(t, err)
		require.Len(t, claim(t, queue, 1), 1)
	}
	require.Empty(t, published(), "nobody waited, so nobody had to be woken")
	require.Empty(t, claim(t, queue, 1))
	_, err := queue.Enqueue(t.Context(), newTask(`{}`))
	require.NoError(t, err)
	require.Contains(t, published(), "calls=1,")
}
