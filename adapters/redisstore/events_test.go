package redisstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
	"logsift/ports"
	"logsift/ports/portstest"
)

// readEvents reads one page without waiting.
func readEvents(t tester, queue ports.TaskEventReader, after string) domain.TaskEventPage {
	page, err := queue.ReadTaskEvents(t.Context(), ports.EventRequest{After: after, Max: ports.MaxEvents})
	require.NoError(t, err)
	return page
}

// work takes a task from its enqueue to its completion.
func work(t *testing.T, queue ports.TaskQueue) {
	t.Helper()
	_, err := queue.Enqueue(t.Context(), newTask(`{}`))
	require.NoError(t, err)
	tasks := claim(t, queue, 1)
	require.Len(t, tasks, 1)
	require.NoError(t, queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *tasks[0].Lease, Outcome: ports.OutcomeCompleted}))
}

func TestNoEventIsKeptWhileNobodyReads(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	work(t, p.queue)
	require.Equal(t, int64(0), p.do(t, "EXISTS", p.key("events")))
	require.Nil(t, p.do(t, "HGET", p.key("meta"), "told"))

	page := readEvents(t, p.queue, "")
	work(t, p.queue)
	require.Equal(t, int64(4), p.do(t, "XLEN", p.key("events")), "the begin, and one entry a call")
	ttl, err := p.rdb.PTTL(t.Context(), p.key("events")).Result()
	require.NoError(t, err)
	require.Greater(t, ttl, ports.EventLinger+15*time.Second)
	require.LessOrEqual(t, ttl, 2*ports.EventLinger, "the key goes by itself")
	require.Len(t, readEvents(t, p.queue, page.Next).Events, 3)

	p.w.advance(2 * ports.EventLinger)
	work(t, p.queue)
	require.Equal(t, int64(4), p.do(t, "XLEN", p.key("events")), "nobody has come back")
	p.do(t, "DEL", p.key("events"))
	page = readEvents(t, p.queue, "")
	p.do(t, "DEL", p.key("events"))
	work(t, p.queue)
	require.Equal(t, int64(0), p.do(t, "EXISTS", p.key("events")), "a step makes no key that would stay")
	require.True(t, readEvents(t, p.queue, page.Next).Lost)
}

func TestTheMemoryOfEventsIsBounded(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	readEvents(t, p.queue, "")
	const batch = 500
	for range 3 * ports.EventsKept / batch {
		tasks := make([]*domain.Task, batch)
		for i := range tasks {
			tasks[i] = newTask(``)
		}
		_, err := p.queue.Enqueue(t.Context(), tasks...)
		require.NoError(t, err)
	}
	entries, err := p.rdb.XLen(t.Context(), p.key("events")).Result()
	require.NoError(t, err)
	require.InDelta(t, ports.EventsKept/batch, entries, 2)
	bytes, err := p.rdb.MemoryUsage(t.Context(), p.key("events"), 0).Result()
	require.NoError(t, err)
	t.Logf("%d events take %d bytes", ports.EventsKept, bytes)
	require.Less(t, bytes, int64(40*ports.EventsKept))
}

func TestDamagedEventsHarmNoTask(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(p *patient){
		"the stream is gone":          func(p *patient) { p.do(t, "DEL", p.key("events")) },
		"the stream is another type":  func(p *patient) { p.do(t, "DEL", p.key("events")); p.do(t, "SET", p.key("events"), "x") },
		"the stream is cut off":       func(p *patient) { p.do(t, "XTRIM", p.key("events"), "MAXLEN", "1") },
		"an entry is too many":        func(p *patient) { p.do(t, "XADD", p.key("events"), "*", "s", "x") },
		"an entry is another one":     func(p *patient) { p.do(t, "XADD", p.key("events"), "9007199254740993-1", "s", "x", "y", "z") },
		"the number is none":          func(p *patient) { p.do(t, "HSET", p.key("meta"), "told", "x") },
		"the number is another one":   func(p *patient) { p.do(t, "HSET", p.key("meta"), "told", "7") },
		"the number is huge":          func(p *patient) { p.do(t, "HSET", p.key("meta"), "told", "9223372036854775807") },
		"the end of reading is none":  func(p *patient) { p.do(t, "HSET", p.key("meta"), "watch", "x") },
		"the end of reading is never": func(p *patient) { p.do(t, "HSET", p.key("meta"), "watch", "9e99") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			page := readEvents(t, p.queue, "")
			work(t, p.queue)
			harm(p)
			work(t, p.queue)
			for _, f := range p.verify(t, true) {
				require.Equal(t, domain.FindingKeyType, f.Kind)
				require.True(t, f.Repaired())
			}
			page = readEvents(t, p.queue, page.Next)
			if !page.Lost {
				require.Len(t, page.Events, 6, "what is not lost is told")
			}
			work(t, p.queue)
			require.Len(t, readEvents(t, p.queue, page.Next).Events, 3)
		})
	}
}

func TestARepairHasReadersBeginAnew(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	page := readEvents(t, p.queue, "")
	id := p.enqueue(t)
	require.Empty(t, p.verify(t, true), "events are no finding")
	page = readEvents(t, p.queue, page.Next)
	require.Len(t, page.Events, 1)
	p.do(t, "ZREM", p.key("ready:0"), id)
	require.NotEmpty(t, p.verify(t, true))
	require.True(t, readEvents(t, p.queue, page.Next).Lost, "what is mended has no event")
}

func TestEventsOfAFullServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	queue := openQueue(t, server, redisstore.Config{})
	for range 4 {
		_, err := queue.Enqueue(t.Context(), newTask(`{}`))
		require.NoError(t, err)
	}
	tasks := claim(t, queue, 3)
	page := readEvents(t, queue, "")
	require.NoError(t, raw(t, server).ConfigSet(t.Context(), "maxmemory", "1mb").Err())
	_, err := queue.Enqueue(t.Context(), newTask(`{}`))
	require.ErrorIs(t, err, domain.ErrStoreFull)
	require.NoError(t, queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *tasks[0].Lease, Outcome: ports.OutcomeCompleted}))
	require.NoError(t, queue.ReleaseTask(t.Context(), *tasks[1].Lease))
	require.NoError(t, queue.CancelTask(t.Context(), tasks[2].ID))
	require.NoError(t, queue.DeleteTask(t.Context(), tasks[2].ID))
	require.Len(t, claim(t, queue, 1), 1)
	page, err = queue.ReadTaskEvents(t.Context(), ports.EventRequest{After: page.Next, Max: 10, Wait: time.Minute})
	require.NoError(t, err)
	require.Len(t, page.Events, 5, "finishing is told too")
	require.NoError(t, raw(t, server).Do(t.Context(), "FLUSHALL").Err())
	require.True(t, readEvents(t, queue, page.Next).Lost, "reading begins anew, although memory is full")
}

func TestACursorHoldsEveryPartition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.partitions = redisstore.MaxPartitions
	queue := w.eventQueue(t)
	page := readEvents(t, queue, "")
	require.LessOrEqual(t, len(page.Next), domain.MaxEventCursor)
	tasks := make([]*domain.Task, 200)
	for i := range tasks {
		tasks[i] = newTask(``)
	}
	_, err := queue.Enqueue(t.Context(), tasks...)
	require.NoError(t, err)
	page = readEvents(t, queue, page.Next)
	require.Len(t, page.Events, len(tasks))
	require.LessOrEqual(t, len(page.Next), domain.MaxEventCursor)
	other := newWorld(t).eventQueue(t)
	_, err = other.ReadTaskEvents(t.Context(), ports.EventRequest{After: page.Next, Max: 1})
	require.ErrorIs(t, err, domain.ErrInvalidCursor, "it is of another queue")
}

func TestCloseEndsReaders(t *testing.T) {
	t.Parallel()
	queue := redisstore.NewTaskQueue(newWorld(t).open(t))
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

var _ portstest.EventQueue = (*redisstore.TaskQueue)(nil)

func TestEventsKeepTheirOrderWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.partitions = 3
	queue := w.eventQueue(t)
	page := readEvents(t, queue, "")
	const tasks = 30
	for range tasks {
		_, err := queue.Enqueue(t.Context(), newTask(`{}`))
		require.NoError(t, err)
	}
	w.advance(-10 * time.Second)
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
