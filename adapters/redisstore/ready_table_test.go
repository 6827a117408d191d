package redisstore_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/domain"
	"logsift/ports"
)

// keysOf are the keys of the world's namespace.
func (w *world) keysOf(t *testing.T, rdb *redis.Client) []string {
	t.Helper()
	keys, err := rdb.Keys(t.Context(), "{"+w.Namespace+":*").Result()
	require.NoError(t, err)
	return keys
}

// backup copies the world's keys, and returns a function that puts back what it copied,
// as a fail-over to an older copy does.
func (w *world) backup(t *testing.T) (restore func()) {
	t.Helper()
	rdb := storetest.Raw(t, w.Server)
	kept := map[string]string{}
	for _, key := range w.keysOf(t, rdb) {
		kept[key] = rdb.Dump(t.Context(), key).Val()
	}
	return func() {
		t.Helper()
		_, err := rdb.TxPipelined(t.Context(), func(pipe redis.Pipeliner) error {
			for _, key := range w.keysOf(t, rdb) {
				pipe.Del(t.Context(), key)
			}
			for key, value := range kept {
				pipe.Restore(t.Context(), key, 0, value)
			}
			return nil
		})
		require.NoError(t, err)
	}
}

// taskOf makes a task of a queue.
func taskOf(queue string) *domain.Task {
	task := storetest.NewTask(`{}`)
	task.Queue = queue
	return task
}

// requireServed uses the queue in each way that needs the table of ready lists.
func requireServed(t *testing.T, q ports.TaskQueue, queue string) {
	t.Helper()
	first, second := taskOf(queue), taskOf(queue)
	second.Delay = time.Hour
	enqueue(t, q, first, second)
	require.NoError(t, q.RunTaskNow(t.Context(), second.ID))
	require.NoError(t, q.CancelTask(t.Context(), second.ID))
	require.NoError(t, q.RetryTask(t.Context(), second.ID))
	claimed, err := q.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: time.Minute, Queues: []string{queue}})
	require.NoError(t, err)
	ids := map[domain.TaskID]bool{}
	var leases []domain.Lease
	for _, task := range claimed {
		require.Equal(t, queue, task.Queue)
		ids[task.ID] = true
		leases = append(leases, *task.Lease)
	}
	require.True(t, ids[first.ID] && ids[second.ID], "what was filed under %s is found there", queue)
	require.NoError(t, q.ReleaseTask(t.Context(), leases...))
	_, err = q.GetTask(t.Context(), first.ID)
	require.NoError(t, err)
	_ = statsOf(t, q)
	_, err = q.ListTasks(t.Context(), domain.TaskFilter{Queue: queue})
	require.NoError(t, err)
	_, err = q.PromoteDue(t.Context(), 10)
	require.NoError(t, err)
	_, err = q.ReapExpired(t.Context(), ports.ReapRequest{Limit: 10, MaxRecoveries: 3})
	require.NoError(t, err)
	require.NoError(t, q.DeleteTask(t.Context(), first.ID))
}

// A fail-over may lose the first task of a queue, and with it the number that the queue
// and type got; after that the number goes to another pair. Processes that know the lost
// one must file nothing under the other's name.
func TestProcessesFollowDataThatWentBack(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 3} {
		t.Run(strconv.Itoa(partitions)+" partitions", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t).with(partitions)
			p := storetest.NewPatientIn(t, w.World, storetest.Raw(t, w.Server))
			a, b := w.queue(t), w.queue(t)
			requireServed(t, a, "one")
			restore := w.backup(t)
			requireServed(t, a, "two")
			requireServed(t, b, "two")
			restore()
			requireServed(t, a, "one")

			restore()
			c := w.queue(t)
			requireServed(t, c, "three") // which has the number of "two" now
			requireServed(t, a, "two")
			requireServed(t, b, "three")
			require.Empty(t, p.Verify(t, false))

			restore()
			require.NoError(t, b.PauseQueue(t.Context(), "three"))
			requireServed(t, b, "four")
			queues, err := a.ListQueues(t.Context())
			require.NoError(t, err)
			names := map[string]bool{}
			for _, q := range queues {
				names[q.Name] = q.Paused
			}
			require.Equal(t, map[string]bool{"one": false, "three": true, "four": false}, names)
			require.Empty(t, p.Verify(t, false))
		})
	}
}

func TestProcessesGoOnAfterAFlush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rdb := storetest.Raw(t, w.Server)
	a, b := w.queue(t), w.queue(t)
	requireServed(t, a, "one")
	requireServed(t, b, "two")
	require.NoError(t, rdb.Del(t.Context(), w.keysOf(t, rdb)...).Err())
	requireServed(t, b, "two")
	requireServed(t, a, "one")
}

// older makes the stored table what programs of an earlier layout keep, and returns the
// script by which they read and add ready lists.
var older = map[string]func(t *testing.T, p *storetest.Patient) (script string, keys []string){
	"layout 1": func(t *testing.T, p *storetest.Patient) (string, []string) {
		t.Helper()
		p.Do(t, "HDEL", p.Key("lanes"), "#")
		p.Do(t, "HSET", p.Key("meta"), "lanes", p.Redis.HLen(t.Context(), p.Key("lanes")).Val())
		return "lanes_layout_1.lua", []string{p.Key("lanes"), p.Key("meta")}
	},
	"the first": func(t *testing.T, p *storetest.Patient) (string, []string) {
		t.Helper()
		p.Do(t, "HSET", p.Key("lanes"), "#", p.Redis.HLen(t.Context(), p.Key("lanes")).Val()-1,
			"", p.Redis.HGet(t.Context(), p.Key("meta"), "generation").Val())
		p.Do(t, "HDEL", p.Key("meta"), "generation", "lanes")
		return "lanes_first.lua", []string{p.Key("lanes")}
	},
}

func TestAnEarlierLayoutIsUpgraded(t *testing.T) {
	t.Parallel()
	for name, downgrade := range older {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := storetest.NewPatientIn(t, w.World, storetest.Raw(t, w.Server))
			first := w.queue(t)
			want := []*domain.Task{taskOf("one"), taskOf("two")}
			enqueue(t, first, want...)
			file, keys := downgrade(t, p)
			require.Empty(t, p.Verify(t, false), "it is no fault")

			text, err := os.ReadFile("testdata/" + file)
			require.NoError(t, err)
			earlier := func(add ...any) error {
				return p.Redis.Eval(t.Context(), string(text), keys, append([]any{uuid.NewString(), 1024, ""}, add...)...).Err()
			}
			require.NoError(t, earlier("three|work"), "the program of the layout works on")
			requireServed(t, first, "four")
			before := p.Redis.HGetAll(t.Context(), p.Key("lanes")).Val()
			require.Error(t, earlier(), "once the layout is the newer one, it works no more")
			require.Error(t, earlier("five|work"))
			require.Equal(t, before, p.Redis.HGetAll(t.Context(), p.Key("lanes")).Val(), "nor does it write anything")

			second := w.queue(t)
			for _, task := range want {
				got, err := second.GetTask(t.Context(), task.ID)
				require.NoError(t, err)
				require.Equal(t, task.Queue, got.Queue)
			}
			for _, queue := range []string{"one", "two", "three"} {
				requireServed(t, second, queue)
			}
			require.Empty(t, p.Verify(t, false))
		})
	}
}

func TestALaterLayoutIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := storetest.NewPatientIn(t, w.World, storetest.Raw(t, w.Server))
	live := w.queue(t)
	requireServed(t, live, "one")
	p.Do(t, "HSET", p.Key("meta"), "lanes", "4:1", "generation", uuid.NewString())
	before := p.Redis.HGetAll(t.Context(), p.Key("lanes")).Val()
	_, err := live.Enqueue(t.Context(), taskOf("one"), taskOf("two"))
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	require.ErrorContains(t, err, "newer version")
	_, err = live.GetQueueStats(t.Context())
	require.ErrorContains(t, err, "newer version")
	require.Equal(t, before, p.Redis.HGetAll(t.Context(), p.Key("lanes")).Val())
	_, err = redisstore.Open(t.Context(), redisstore.Config{URL: w.URL, Namespace: w.Namespace})
	require.ErrorContains(t, err, "newer version")
}
