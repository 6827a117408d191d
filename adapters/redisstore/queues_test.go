package redisstore_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/redistest"
	"logsift/adapters/redisstore/verify"
	"logsift/domain"
	"logsift/ports"
)

// What goes into a paused queue wakes nobody: a claim that waits would find nothing,
// and do so again with each task.
func TestAPausedQueueWakesNobody(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	queue := openQueue(t, server.URL(), redisstore.Config{Namespace: "n", PollInterval: time.Minute})
	rdb := storetest.Raw(t, server)

	require.NoError(t, queue.PauseQueue(t.Context(), domain.DefaultQueue))
	got := make(chan []*domain.Task, 1)
	go func() {
		tasks, err := queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute, Wait: time.Minute})
		if err != nil {
			t.Errorf("dequeue: %v", err)
		}
		got <- tasks
	}()
	require.Eventually(t, func() bool { return rdb.HExists(t.Context(), "{n:0}:meta", "idle").Val() }, 5*time.Second, time.Millisecond)
	// The confirmation of the subscription wakes the claim once.
	require.Eventually(t, func() bool { return rdb.PubSubNumSub(t.Context(), "{n:0}:wake").Val()["{n:0}:wake"] == 1 }, 5*time.Second, time.Millisecond)

	const tasks = 50
	steps := tasks
	before := calls(t, rdb)["evalsha"]
	for i := range tasks {
		task := storetest.NewTask("{}")
		if i%2 == 1 {
			task.Delay = time.Millisecond
		}
		batch := []*domain.Task{task}
		if i%5 == 0 {
			batch = append(batch, storetest.NewTask("{}"))
		}
		enqueue(t, queue, batch...)
	}
	require.Eventually(t, func() bool {
		_, err := queue.PromoteDue(t.Context(), 100)
		require.NoError(t, err)
		steps++
		return rdb.ZCard(t.Context(), "{n:0}:due").Val() == 0
	}, 5*time.Second, time.Millisecond)
	require.Empty(t, got)
	require.LessOrEqual(t, calls(t, rdb)["evalsha"]-before, steps+3, "the steps of this test, one refresh of the ready lists, and no claims")
	require.NoError(t, queue.ResumeQueue(t.Context(), domain.DefaultQueue))
	select {
	case tasks := <-got:
		require.Len(t, tasks, 1)
	case <-time.After(5 * time.Second):
		require.Fail(t, "the end of the pause did not wake the claim: a task of the pause had used up the wake-up")
	}
}

func TestPausesAreBounded(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	queue := p.Queue
	require.NoError(t, queue.PauseQueue(t.Context(), "first"))
	for i := range 1023 {
		p.Do(t, "HSET", p.Key("lanes"), "!q"+strconv.Itoa(i), 1700000000000000)
	}
	err := queue.PauseQueue(t.Context(), "last")
	var invalid *domain.ValidationError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, "queue", invalid.Field)
	require.NoError(t, queue.PauseQueue(t.Context(), "first"), "a repeat is none more")
	require.NoError(t, queue.ResumeQueue(t.Context(), "q7"))
	require.NoError(t, queue.PauseQueue(t.Context(), "last"))
	require.Empty(t, p.Verify(t, false))
}

func TestARepairKeepsPauses(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	queue := p.Queue
	p.Enqueue(t)
	for _, name := range []string{domain.DefaultQueue, "other"} {
		require.NoError(t, queue.PauseQueue(t.Context(), name))
	}
	before, err := queue.ListQueues(t.Context())
	require.NoError(t, err)
	p.Do(t, "HSET", p.Key("meta"), "lanes", "x")
	p.Do(t, "HSET", p.Key("lanes"), "!other", "long ago")
	found := p.Verify(t, true)
	require.Equal(t, []string{verify.KindLanesDamaged}, storetest.Kinds(found))
	require.True(t, found[0].Repaired())
	require.Empty(t, p.Verify(t, false))
	after, err := queue.ListQueues(t.Context())
	require.NoError(t, err)
	require.Equal(t, before[0].PausedAt, after[0].PausedAt)
	require.True(t, after[1].Paused, "a pause whose time is damaged goes on")
	require.WithinDuration(t, time.Now(), after[1].PausedAt, time.Minute)
	require.Empty(t, p.Drain(t))
}

// A pause that reached a part of the partitions only is told, and a repeat makes it
// whole.
func TestAPauseOfSomePartitionsIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Partitions = 3
	p := storetest.NewPatientIn(t, w.World, storetest.Raw(t, w.Server))
	queue := p.Queue
	require.NoError(t, queue.PauseQueue(t.Context(), "mail"))
	require.Empty(t, p.Verify(t, true))
	p.Do(t, "HDEL", "{"+w.Namespace+":2}:lanes", "!mail")
	found := p.Verify(t, true)
	require.Equal(t, []string{verify.KindLanesDamaged}, storetest.Kinds(found))
	require.Contains(t, found[0].Detail, `"mail"`)
	require.False(t, found[0].Repaired(), "which of both is meant only a person knows")
	require.NoError(t, queue.PauseQueue(t.Context(), "mail"))
	require.Empty(t, p.Verify(t, true))
}

func TestReportsThatAreDamagedAreLeftOut(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	registry := p.Open(t).SchedulerRegistry
	sound := domain.SchedulerReport{ID: uuid.New()}
	_, err := registry.ReportScheduler(t.Context(), sound, time.Minute)
	require.NoError(t, err)
	reports, ends := "{"+p.Namespace+":fleet}:schedulers", "{"+p.Namespace+":fleet}:ends"
	for _, record := range []string{"", "short", "1234567{", "1234567{}", "1234567null"} {
		id := uuid.New()
		p.Do(t, "HSET", reports, id, record)
		p.Do(t, "ZADD", ends, 9e15, id)
	}
	p.Do(t, "ZADD", ends, 9e15, uuid.New())
	p.Do(t, "ZADD", ends, 9e15, "none")
	list, err := registry.ListSchedulers(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, sound.ID, list[0].ID)

	p.Do(t, "DEL", ends)
	p.Do(t, "SET", ends, "foreign")
	_, err = registry.ListSchedulers(t.Context())
	require.Error(t, err)
	found := p.Verify(t, true)
	require.Equal(t, []string{verify.KindKeyType}, storetest.Kinds(found))
	_, err = registry.ReportScheduler(t.Context(), sound, time.Minute)
	require.NoError(t, err)
	list, err = registry.ListSchedulers(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
}

// Nothing is left of schedulers once the last of them is gone for long.
func TestReportsLeaveNothingInRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rdb := storetest.Raw(t, w.Server)
	registry := w.Open(t).SchedulerRegistry
	report := func() {
		_, err := registry.ReportScheduler(t.Context(), domain.SchedulerReport{ID: uuid.New()}, time.Minute)
		require.NoError(t, err)
	}
	for range 5 {
		report()
		w.Advance(2 * time.Minute)
	}
	report()
	for _, part := range []string{"schedulers", "ends"} {
		key := "{" + w.Namespace + ":fleet}:" + part
		ttl := rdb.PTTL(t.Context(), key).Val()
		require.Positive(t, ttl)
		require.LessOrEqual(t, ttl, ports.MaxReportTTL)
	}
	require.Equal(t, int64(1), rdb.HLen(t.Context(), "{"+w.Namespace+":fleet}:schedulers").Val(), "what has ended is removed")
}
