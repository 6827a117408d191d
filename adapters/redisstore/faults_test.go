package redisstore_test

import (
	"context"
	"regexp"
	"strconv"
	"strings"
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
)

func openClient(t *testing.T, url string, config redisstore.Config) *redisstore.Client {
	t.Helper()
	config.URL = url
	client, err := redisstore.Open(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

func openQueue(t *testing.T, url string, config redisstore.Config) *redisstore.TaskQueue {
	t.Helper()
	return openClient(t, url, config).TaskQueue
}

func openLogs(t *testing.T, url string, config redisstore.Config) *redisstore.LogRepository {
	t.Helper()
	return openClient(t, url, config).LogRepository
}

// newTasks makes n tasks.
func newTasks(n int) []*domain.Task {
	out := make([]*domain.Task, n)
	for i := range out {
		out[i] = storetest.NewTask(`{}`)
	}
	return out
}

// enqueue enqueues tasks in one call.
func enqueue(t *testing.T, q ports.TaskEnqueuer, tasks ...*domain.Task) []*domain.Task {
	t.Helper()
	stored, err := q.Enqueue(t.Context(), tasks...)
	require.NoError(t, err)
	return stored
}

func statsOf(t *testing.T, q ports.TaskReader) domain.QueueStats {
	t.Helper()
	stats, err := q.GetQueueStats(t.Context())
	require.NoError(t, err)
	return stats
}

// calls are how often a server has run each command that it has run, those in scripts too.
func calls(t *testing.T, rdb redis.UniversalClient) map[string]int {
	t.Helper()
	stats, err := rdb.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	out := map[string]int{}
	for _, match := range regexp.MustCompile(`(?m)^cmdstat_(\S+):calls=([1-9]\d*)`).FindAllStringSubmatch(stats, -1) {
		out[match[1]], err = strconv.Atoi(match[2])
		require.NoError(t, err)
	}
	return out
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
	stats := statsOf(t, newWorld(t).queue(t))
	require.Contains(t, strings.Join(stats.Warnings, "\n"), "append-only file")

	queue := openQueue(t, redistest.Start(t, "--appendonly", "yes").URL(), redisstore.Config{})
	require.Empty(t, statsOf(t, queue).Warnings)
}

func TestAcknowledgedTasksSurviveAKilledServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	queue := openQueue(t, server.URL(), redisstore.Config{})
	var ids []domain.TaskID
	for range 200 {
		task := storetest.NewTask(`{}`)
		enqueue(t, queue, task)
		ids = append(ids, task.ID)
	}
	running := claim(t, queue, 10)
	require.Len(t, running, 10)
	server.Kill(t)
	_, err := queue.Enqueue(t.Context(), storetest.NewTask(`{}`))
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

func TestAServerThatFillsNamesTheTasksThatItTook(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	queue := openQueue(t, server.URL(), redisstore.Config{})
	used, err := storetest.Raw(t, server).Info(t.Context(), "memory").Result()
	require.NoError(t, err)
	var bytes int64
	for line := range strings.Lines(used) {
		if text, found := strings.CutPrefix(line, "used_memory:"); found {
			bytes, err = strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			require.NoError(t, err)
		}
	}
	require.NoError(t, storetest.Raw(t, server).ConfigSet(t.Context(), "maxmemory", strconv.FormatInt(bytes+8<<20, 10)).Err())
	tasks := make([]*domain.Task, 10_000)
	for i := range tasks {
		tasks[i] = storetest.NewTask(`"` + strings.Repeat("x", 1000) + `"`)
	}
	stored, err := queue.Enqueue(t.Context(), tasks...)
	require.ErrorIs(t, err, domain.ErrStoreFull)
	took := int64(0)
	for i := range tasks {
		if item := domain.ItemError(err, i); item != nil {
			require.ErrorIs(t, item, domain.ErrStoreFull)
			require.Nil(t, stored[i])
			continue
		}
		require.Equal(t, tasks[i].ID, stored[i].ID)
		took++
	}
	require.Positive(t, took)
	require.Equal(t, took, statsOf(t, queue).Total())
}

func TestAFrozenServerDelaysNobodyForLong(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	queue := openQueue(t, server.URL(), redisstore.Config{CallTimeout: 500 * time.Millisecond, IOTimeout: 200 * time.Millisecond})
	server.Pause(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := queue.Enqueue(ctx, storetest.NewTask(`{}`))
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	require.NoError(t, ctx.Err(), "the call ended by its own limit")
	server.Resume(t)
	_, err = queue.Enqueue(ctx, storetest.NewTask(`{}`))
	require.NoError(t, err)
}

func TestForgottenScriptsAreLoadedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	queue := w.queue(t)
	rdb := storetest.Raw(t, w.Server)
	for range 3 {
		require.NoError(t, rdb.ScriptFlush(t.Context()).Err())
		enqueue(t, queue, storetest.NewTask(`{}`))
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
	queue := openQueue(t, server.URL(), redisstore.Config{})
	enqueue(t, queue, storetest.NewTask(`{}`), storetest.NewTask(`{}`))
	tasks := claim(t, queue, 1)
	server.Flush(t)

	err := queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *tasks[0].Lease, Outcome: ports.OutcomeCompleted})
	require.ErrorIs(t, err, domain.ErrLeaseLost)
	require.Empty(t, claim(t, queue, 10))
	require.Zero(t, statsOf(t, queue).Total())

	_, err = queue.Enqueue(t.Context(), storetest.NewTask(`{}`))
	require.NoError(t, err, "the queue goes on")
	require.Len(t, claim(t, queue, 10), 1)
}

func TestACorruptRecordIsSetAside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	queue := w.queue(t)
	bad, good, cut, gone := storetest.NewTask(`{}`), storetest.NewTask(`{}`), storetest.NewTask(`{}`), storetest.NewTask(`{}`)
	enqueue(t, queue, bad, good, cut, gone)
	rdb := storetest.Raw(t, w.Server)
	tasks := "{" + w.Namespace + ":0}:tasks"
	require.NoError(t, rdb.HSet(t.Context(), tasks, string(bad.ID[:]), "\x01\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff garbage").Err())
	require.NoError(t, rdb.HSet(t.Context(), tasks, string(cut.ID[:]), "x").Err())
	require.NoError(t, rdb.HDel(t.Context(), tasks, string(gone.ID[:])).Err())

	claimed := claim(t, queue, 10)
	require.Len(t, claimed, 1)
	require.Equal(t, good.ID, claimed[0].ID, "the others go on")
	for _, id := range []domain.TaskID{bad.ID, cut.ID} {
		_, err := queue.GetTask(t.Context(), id)
		require.ErrorIs(t, err, domain.ErrCorruptRecord)
	}
	page, err := queue.ListTasks(t.Context(), domain.TaskFilter{Status: domain.TaskStatusFailed})
	require.NoError(t, err)
	require.Len(t, page.Tasks, 2)
	require.Equal(t, domain.ReasonCorruptRecord, page.Tasks[0].Errors[0].Reason)
	require.Empty(t, claim(t, queue, 10))
	require.NoError(t, queue.DeleteTask(t.Context(), bad.ID, cut.ID))
	require.Equal(t, int64(1), statsOf(t, queue).Total())
}

func TestClosingEndsAWaitingClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	queue := w.Open(t).TaskQueue
	done := make(chan error, 1)
	go func() {
		_, err := queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute, Wait: time.Hour})
		done <- err
	}()
	rdb, channel := storetest.Raw(t, w.Server), "{"+w.Namespace+":0}:wake"
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
	queue := openQueue(t, server.URL(), redisstore.Config{})
	published := func() int { return calls(t, storetest.Raw(t, server))["publish"] }
	for range 100 {
		enqueue(t, queue, storetest.NewTask(`{}`))
		require.Len(t, claim(t, queue, 1), 1)
	}
	require.Zero(t, published(), "nobody waited, so nobody had to be woken")
	require.Empty(t, claim(t, queue, 1))
	enqueue(t, queue, storetest.NewTask(`{}`))
	require.Zero(t, published(), "a claim that does not wait is not notified")
	require.Len(t, claim(t, queue, 1), 1)
	waited, err := queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute, Wait: time.Nanosecond})
	require.NoError(t, err)
	require.Empty(t, waited)
	enqueue(t, queue, storetest.NewTask(`{}`))
	require.Equal(t, 1, published())
}
