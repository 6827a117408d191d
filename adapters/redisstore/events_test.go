package redisstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/redistest"
	"logsift/adapters/redisstore/verify"
	"logsift/domain"
	"logsift/ports"
)

// readEvents reads one page without waiting.
func readEvents(t storetest.T, queue ports.TaskEventReader, after string) domain.TaskEventPage {
	page, err := queue.ReadTaskEvents(t.Context(), ports.EventRequest{After: after, Max: ports.MaxEvents})
	require.NoError(t, err)
	return page
}

// work takes a task from its enqueue to its completion.
func work(t *testing.T, queue ports.TaskQueue) {
	t.Helper()
	enqueue(t, queue, storetest.NewTask(`{}`))
	tasks := claim(t, queue, 1)
	require.Len(t, tasks, 1)
	require.NoError(t, queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *tasks[0].Lease, Outcome: ports.OutcomeCompleted}))
}

func TestNoEventIsKeptWhileNobodyReads(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	work(t, p.Queue)
	require.Equal(t, int64(0), p.Do(t, "EXISTS", p.Key("events")))
	require.Nil(t, p.Do(t, "HGET", p.Key("meta"), "told"))

	page := readEvents(t, p.Queue, "")
	work(t, p.Queue)
	require.Equal(t, int64(4), p.Do(t, "XLEN", p.Key("events")), "the begin, and one entry a call")
	ttl, err := p.Redis.PTTL(t.Context(), p.Key("events")).Result()
	require.NoError(t, err)
	require.Greater(t, ttl, ports.EventLinger+15*time.Second)
	require.LessOrEqual(t, ttl, 2*ports.EventLinger, "the key goes by itself")
	require.Len(t, readEvents(t, p.Queue, page.Next).Events, 3)

	p.Advance(2 * ports.EventLinger)
	work(t, p.Queue)
	require.Equal(t, int64(4), p.Do(t, "XLEN", p.Key("events")), "nobody has come back")
	p.Do(t, "DEL", p.Key("events"))
	page = readEvents(t, p.Queue, "")
	p.Do(t, "DEL", p.Key("events"))
	work(t, p.Queue)
	require.Equal(t, int64(0), p.Do(t, "EXISTS", p.Key("events")), "a step makes no key that would stay")
	require.True(t, readEvents(t, p.Queue, page.Next).Lost)
}

func TestTheMemoryOfEventsIsBounded(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	readEvents(t, p.Queue, "")
	const batch = 500
	for range 3 * ports.EventsKept / batch {
		tasks := newTasks(batch)
		enqueue(t, p.Queue, tasks...)
	}
	entries, err := p.Redis.XLen(t.Context(), p.Key("events")).Result()
	require.NoError(t, err)
	require.InDelta(t, ports.EventsKept/batch, entries, 2)
	bytes, err := p.Redis.MemoryUsage(t.Context(), p.Key("events"), 0).Result()
	require.NoError(t, err)
	t.Logf("%d events take %d bytes", ports.EventsKept, bytes)
	require.Less(t, bytes, int64(40*ports.EventsKept))
}

func TestDamagedEventsHarmNoTask(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(p *storetest.Patient){
		"the stream is gone":          func(p *storetest.Patient) { p.Do(t, "DEL", p.Key("events")) },
		"the stream is another type":  func(p *storetest.Patient) { p.Do(t, "DEL", p.Key("events")); p.Do(t, "SET", p.Key("events"), "x") },
		"the stream is cut off":       func(p *storetest.Patient) { p.Do(t, "XTRIM", p.Key("events"), "MAXLEN", "1") },
		"an entry is too many":        func(p *storetest.Patient) { p.Do(t, "XADD", p.Key("events"), "*", "s", "x") },
		"an entry is another one":     func(p *storetest.Patient) { p.Do(t, "XADD", p.Key("events"), "9007199254740993-1", "s", "x", "y", "z") },
		"the number is none":          func(p *storetest.Patient) { p.Do(t, "HSET", p.Key("meta"), "told", "x") },
		"the number is another one":   func(p *storetest.Patient) { p.Do(t, "HSET", p.Key("meta"), "told", "7") },
		"the number is huge":          func(p *storetest.Patient) { p.Do(t, "HSET", p.Key("meta"), "told", "9223372036854775807") },
		"the end of reading is none":  func(p *storetest.Patient) { p.Do(t, "HSET", p.Key("meta"), "watch", "x") },
		"the end of reading is never": func(p *storetest.Patient) { p.Do(t, "HSET", p.Key("meta"), "watch", "9e99") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := storetest.NewPatient(t)
			page := readEvents(t, p.Queue, "")
			work(t, p.Queue)
			harm(p)
			work(t, p.Queue)
			for _, f := range p.Verify(t, true) {
				require.Equal(t, verify.KindKeyType, f.Kind)
				require.True(t, f.Repaired())
			}
			page = readEvents(t, p.Queue, page.Next)
			if !page.Lost {
				require.Len(t, page.Events, 6, "what is not lost is told")
			}
			work(t, p.Queue)
			require.Len(t, readEvents(t, p.Queue, page.Next).Events, 3)
		})
	}
}

func TestARepairHasReadersBeginAnew(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	page := readEvents(t, p.Queue, "")
	id := p.Enqueue(t)
	require.Empty(t, p.Verify(t, true), "events are no finding")
	page = readEvents(t, p.Queue, page.Next)
	require.Len(t, page.Events, 1)
	p.Do(t, "ZREM", p.Key("ready:0"), id)
	require.NotEmpty(t, p.Verify(t, true))
	require.True(t, readEvents(t, p.Queue, page.Next).Lost, "what is mended has no event")
}

func TestEventsOfAFullServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	queue := openQueue(t, server.URL(), redisstore.Config{})
	for range 4 {
		enqueue(t, queue, storetest.NewTask(`{}`))
	}
	tasks := claim(t, queue, 3)
	page := readEvents(t, queue, "")
	require.NoError(t, storetest.Raw(t, server).ConfigSet(t.Context(), "maxmemory", "1mb").Err())
	_, err := queue.Enqueue(t.Context(), storetest.NewTask(`{}`))
	require.ErrorIs(t, err, domain.ErrStoreFull)
	require.NoError(t, queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *tasks[0].Lease, Outcome: ports.OutcomeCompleted}))
	require.NoError(t, queue.ReleaseTask(t.Context(), *tasks[1].Lease))
	require.NoError(t, queue.CancelTask(t.Context(), tasks[2].ID))
	require.NoError(t, queue.DeleteTask(t.Context(), tasks[2].ID))
	require.Len(t, claim(t, queue, 1), 1)
	page, err = queue.ReadTaskEvents(t.Context(), ports.EventRequest{After: page.Next, Max: 10, Wait: time.Minute})
	require.NoError(t, err)
	require.Len(t, page.Events, 5, "finishing is told too")
	require.NoError(t, storetest.Raw(t, server).Do(t.Context(), "FLUSHALL").Err())
	require.True(t, readEvents(t, queue, page.Next).Lost, "reading begins anew, although memory is full")
}

func TestACursorHoldsEveryPartition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Partitions = redisstore.MaxPartitions
	queue := w.queue(t)
	page := readEvents(t, queue, "")
	require.LessOrEqual(t, len(page.Next), domain.MaxEventCursor)
	tasks := newTasks(200)
	enqueue(t, queue, tasks...)
	page = readEvents(t, queue, page.Next)
	require.Len(t, page.Events, len(tasks))
	require.LessOrEqual(t, len(page.Next), domain.MaxEventCursor)
	other := newWorld(t).queue(t)
	_, err := other.ReadTaskEvents(t.Context(), ports.EventRequest{After: page.Next, Max: 1})
	require.ErrorIs(t, err, domain.ErrInvalidCursor, "it is of another queue")
}

func TestCloseEndsReaders(t *testing.T) {
	t.Parallel()
	queue := newWorld(t).Open(t).TaskQueue
	page := readEvents(t, queue, "")
	ended := make(chan error, 1)
	go func() {
		_, err := queue.ReadTaskEvents(t.Context(), ports.EventRequest{After: page.Next, Max: 1, Wait: time.Hour})
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("it does not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	queue.Close()
	require.ErrorIs(t, <-ended, domain.ErrClosed)
}

func TestEventsKeepTheirOrderWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Partitions = 3
	queue := w.queue(t)
	page := readEvents(t, queue, "")
	const tasks = 30
	for range tasks {
		enqueue(t, queue, storetest.NewTask(`{}`))
	}
	w.Advance(-10 * time.Second)
	require.Len(t, claim(t, queue, tasks), tasks)

	steps := map[domain.TaskID][]domain.TaskStatus{}
	for range 2 * tasks {
		var err error
		page, err = queue.ReadTaskEvents(t.Context(), ports.EventRequest{After: page.Next, Max: 7})
		require.NoError(t, err)
		require.False(t, page.Lost)
		for _, e := range page.Events {
			steps[e.TaskID] = append(steps[e.TaskID], e.To)
		}
	}
	require.Len(t, steps, tasks)
	for id, to := range steps {
		require.Equal(t, []domain.TaskStatus{domain.TaskStatusPending, domain.TaskStatusProcessing}, to, "task %s", id)
	}
}
