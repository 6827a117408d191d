package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
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

// maxPairs is how many pairs of queue and type may have tasks.
const maxPairs = 1024

// fill gives as many queues a task as may have one, and returns the tasks' ids.
func fill(t *testing.T, q ports.TaskQueue, prefix string) []domain.TaskID {
	t.Helper()
	tasks, ids := make([]*domain.Task, maxPairs), make([]domain.TaskID, maxPairs)
	for i := range tasks {
		tasks[i] = taskOf(fmt.Sprintf("%s-%d", prefix, i))
		ids[i] = tasks[i].ID
	}
	enqueue(t, q, tasks...)
	return ids
}

// requireFull checks that a task of one more queue is refused.
func requireFull(t *testing.T, q ports.TaskQueue, queue string) {
	t.Helper()
	_, err := q.Enqueue(t.Context(), taskOf(queue))
	require.ErrorIs(t, err, domain.ErrQueueFull)
	var invalid *domain.ValidationError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, "queue", invalid.Field)
	require.Contains(t, invalid.Rule, "delete the tasks")
}

func TestAFullTableOfQueues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := storetest.NewPatientIn(t, w.World, storetest.Raw(t, w.Server))
	q, other := w.queue(t), w.queue(t)
	ids := fill(t, q, "q")
	seen, err := q.ReadTaskEvents(t.Context(), ports.EventRequest{Max: 10})
	require.NoError(t, err)
	requireFull(t, q, "more")
	requireFull(t, other, "more")
	analysis := domain.NewTask(uuid.New(), domain.TaskTypeLogAnalysis, []byte(`{}`))
	_, err = q.Enqueue(t.Context(), analysis)
	require.NoError(t, err, "there is always room for analyses of logs")
	known, unknown := taskOf("q-7"), taskOf("more")
	out, err := q.Enqueue(t.Context(), known, unknown)
	require.NoError(t, domain.ItemError(err, 0), "the others of a call are stored")
	require.ErrorIs(t, domain.ItemError(err, 1), domain.ErrQueueFull)
	require.Equal(t, known.ID, out[0].ID)
	require.Nil(t, out[1])
	require.Empty(t, p.Verify(t, false))

	require.NoError(t, q.DeleteTask(t.Context(), ids[3]))
	require.Eventually(t, func() bool {
		_, err := other.Enqueue(t.Context(), taskOf("more"))
		return err == nil
	}, 10*time.Second, 10*time.Millisecond, "a queue without a task makes room")
	events, err := q.ReadTaskEvents(t.Context(), ports.EventRequest{Max: 10, After: seen.Next})
	require.NoError(t, err)
	require.True(t, events.Lost, "events name queues as tasks do, so that a reader begins anew")
	requireFull(t, q, "still-more")
	requireServed(t, q, "more")
	require.Empty(t, p.Verify(t, false))
}

// sweepStep is a hook that calls a function before or after a step of a sweep, once.
type sweepStep struct {
	redis.Hook

	step          string
	once          sync.Once
	before, after func()
}

func (h *sweepStep) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *sweepStep) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *sweepStep) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		mine := slices.Contains(cmd.Args(), any(h.step))
		if mine && h.before != nil {
			h.once.Do(h.before)
		}
		err := next(ctx, cmd)
		if mine && h.after != nil {
			h.once.Do(h.after)
		}
		return err
	}
}

// Whatever happens while a sweep looks for ready lists without tasks, none is freed that has
// one.
func TestAReadyListThatHasATaskIsNotFreed(t *testing.T) {
	t.Parallel()
	add := func(t *testing.T, w *world) *domain.Task {
		t.Helper()
		task := taskOf("q-3")
		enqueue(t, w.queue(t), task)
		return task
	}
	for name, hook := range map[string]func(f func()) *sweepStep{
		"when all records were read for the first time": func(f func()) *sweepStep { return &sweepStep{step: "close", before: f} },
		"when the ready lists are closed":               func(f func()) *sweepStep { return &sweepStep{step: "close", after: f} },
		"when all records were read again":              func(f func()) *sweepStep { return &sweepStep{step: "free", before: f} },
	} {
		t.Run("a task comes "+name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := storetest.NewPatientIn(t, w.World, storetest.Raw(t, w.Server))
			client := w.Open(t)
			q := client.TaskQueue
			ids := fill(t, q, "q")
			require.NoError(t, q.DeleteTask(t.Context(), ids[3], ids[4]))
			var task *domain.Task
			redisstore.Hook(client, hook(func() { task = add(t, w) }))
			requireServed(t, q, "more")
			require.NotNil(t, task, "a sweep was needed")
			page, err := q.ListTasks(t.Context(), domain.TaskFilter{Queue: "q-3"})
			require.NoError(t, err)
			require.Len(t, page.Tasks, 1)
			requireServed(t, q, "q-3")
			require.Empty(t, p.Verify(t, false))
		})
	}
	t.Run("another sweep closes ready lists meanwhile", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		p := storetest.NewPatientIn(t, w.World, storetest.Raw(t, w.Server))
		client := w.Open(t)
		q := client.TaskQueue
		ids := fill(t, q, "q")
		require.NoError(t, q.DeleteTask(t.Context(), ids[3:500]...))
		redisstore.Hook(client, &sweepStep{step: "free", before: func() {
			// It has seen no task of the ready list, which has one, and is closed again.
			add(t, w)
			p.Do(t, "HSET", p.Key("meta"), "sweep", "another")
			p.Do(t, "HSET", p.Key("lanes"), "q-3|work", -4)
		}})
		_, err := q.Enqueue(t.Context(), taskOf("more"))
		require.ErrorIs(t, err, domain.ErrQueueFull)
		requireServed(t, q, "q-3")
		require.Empty(t, p.Verify(t, false))
	})
}

// Processes that use more queues than may have tasks, and remove what they have done, do
// not come into each other's way for long, and no task gets into another queue.
func TestQueuesComeAndGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := storetest.NewPatientIn(t, w.World, storetest.Raw(t, w.Server))
	var working sync.WaitGroup
	for n := range 4 {
		q := w.queue(t)
		working.Go(func() {
			for round := range 12 {
				tasks, ids := make([]*domain.Task, 100), make([]domain.TaskID, 100)
				for i := range tasks {
					tasks[i] = taskOf(fmt.Sprintf("q-%d-%d-%d", n, round, i))
					ids[i] = tasks[i].ID
				}
				began := time.Now()
				for {
					_, err := q.Enqueue(t.Context(), tasks...)
					if err == nil {
						break
					}
					if time.Since(began) > 20*time.Second {
						t.Errorf("enqueue: %v", err)
						return
					}
				}
				name := tasks[50].Queue
				got, err := q.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 5, Lease: time.Minute, Queues: []string{name}})
				if err != nil || len(got) != 1 || got[0].ID != ids[50] {
					t.Errorf("claim of %s: %d tasks, %v", name, len(got), err)
					return
				}
				if err := q.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *got[0].Lease, Outcome: ports.OutcomeCompleted}); err != nil {
					t.Errorf("update: %v", err)
				}
				if err := q.DeleteTask(t.Context(), ids...); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
		})
	}
	working.Wait()
	require.Empty(t, p.Verify(t, false))
}
