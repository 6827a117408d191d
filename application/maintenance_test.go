package application_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

func TestReaper(t *testing.T) {
	t.Parallel()

	inBubble(t, "a dead worker's task runs within its lease and two seconds", func(t *testing.T) {
		var runs journal
		w := newWorld(t, application.SchedulerConfig{}, func(_ context.Context, task *domain.Task) ([]byte, error) {
			runs.note(task)
			return nil, nil
		})
		task := newTestTask()
		w.enqueue(task)
		_, err := w.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: 4 * time.Second})
		require.NoError(t, err)
		died := time.Now()
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(6 * time.Second)
		require.Len(t, runs.times(), 1)
		require.LessOrEqual(t, runs.times()[0].Sub(died), 6*time.Second)
		got := w.task(task.ID)
		require.Equal(t, []int{1, 2, 1}, []int{got.Attempt, got.Deliveries, got.Recoveries})
		require.Equal(t, 3, got.MaxRetries)
		w.stop()
	})

	inBubble(t, "a task that kills its workers fails as poison", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{Workers: application.NoWorkers, Maintain: true}, nil)
		task := newTestTask()
		w.enqueue(task)
		for range 4 {
			_, err := w.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Second})
			require.NoError(t, err)
			settle(3 * time.Second)
		}
		got := w.task(task.ID)
		require.Equal(t, domain.TaskStatusFailed, got.Status)
		require.Equal(t, domain.ReasonPoison, got.Errors[len(got.Errors)-1].Reason)
		require.Equal(t, 4, got.Deliveries)
		require.Zero(t, got.Attempt)
		w.stop()
	})

	inBubble(t, "several maintainers take each task back once", func(t *testing.T) {
		w := startWorld(t, application.SchedulerConfig{Workers: application.NoWorkers, Maintain: true}, nil)
		for range 3 {
			other, err := application.NewScheduler(w.queue, application.SchedulerConfig{Workers: application.NoWorkers, Maintain: true}, nil)
			require.NoError(t, err)
			require.NoError(t, other.Start(t.Context()))
			defer func() { require.NoError(t, other.Stop(t.Context())) }()
		}
		var tasks []*domain.Task
		for range 1000 {
			tasks = append(tasks, newTestTask())
		}
		w.enqueue(tasks...)
		_, err := w.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1000, Lease: time.Second})
		require.NoError(t, err)
		settle(5 * time.Second)
		for _, task := range tasks {
			require.Equal(t, 1, w.task(task.ID).Recoveries)
		}
		w.stop()
	})
}

// purger records what it is told, and fails at first when tasks were removed.
type purger struct {
	mu    sync.Mutex
	fails int
	told  [][]domain.TaskID
}

func (p *purger) PurgeTasks(_ context.Context, ids ...domain.TaskID) (more bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, ids)
	if p.fails > 0 && len(ids) > 0 {
		p.fails--
		return false, domain.ErrStoreUnavailable
	}
	return false, nil
}

// calls returns what it was told, call by call, without the rounds in which no
// task was removed.
func (p *purger) calls() [][]domain.TaskID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.told), func(ids []domain.TaskID) bool { return len(ids) == 0 })
}

func TestADeadWorkersTaskIsRecoveredWhateverElseGoesOn(t *testing.T) {
	t.Parallel()
	dead := func(t *testing.T, queue ports.TaskQueue) domain.TaskID {
		t.Helper()
		task := newTestTask()
		_, err := queue.Enqueue(t.Context(), task)
		require.NoError(t, err)
		_, err = queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: 15 * time.Second})
		require.NoError(t, err)
		return task.ID
	}
	maintain := func(t *testing.T, queue ports.TaskQueue) *application.DefaultScheduler {
		t.Helper()
		s, err := application.NewScheduler(queue, application.SchedulerConfig{Workers: application.NoWorkers, Maintain: true}, nil)
		require.NoError(t, err)
		require.NoError(t, s.Start(t.Context()))
		return s
	}
	recovered := func(t *testing.T, queue ports.TaskQueue, id domain.TaskID) {
		t.Helper()
		got, err := queue.GetTask(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, []int{int(domain.TaskStatusPending), 1}, []int{int(got.Status), got.Recoveries})
	}
	inBubble(t, "processes that begin again and again", func(t *testing.T) {
		queue := memstore.NewTaskQueue(memstore.Config{})
		id := dead(t, queue)
		for range 4 {
			s := maintain(t, queue)
			settle(14 * time.Second)
			require.NoError(t, s.Stop(t.Context()))
			settle(2 * time.Second)
		}
		recovered(t, queue, id)
	})
	inBubble(t, "a part of the queue that is away", func(t *testing.T) {
		queue := partlyAway{memstore.NewTaskQueue(memstore.Config{})}
		id := dead(t, queue)
		s := maintain(t, queue)
		settle(time.Minute)
		recovered(t, queue, id)
		require.NoError(t, s.Stop(t.Context()))
	})
}

// partlyAway is a queue of which a part does not answer the reaper.
type partlyAway struct{ ports.TaskQueue }

func (q partlyAway) ReapExpired(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
	done, err := q.TaskQueue.ReapExpired(ctx, req)
	return done, errors.Join(err, domain.ErrStoreUnavailable)
}

func TestFinishedTasksArePurgedAfterTheirRetention(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &purger{fails: 2}
		// The retention is no multiple of the interval, so that all tasks are due
		// at the first look after it.
		w := startWorld(t, application.SchedulerConfig{Purger: p, PurgeInterval: 7 * time.Minute}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
		var tasks []*domain.Task
		for range 250 {
			tasks = append(tasks, newTestTask())
		}
		w.enqueue(tasks...)
		settle(24*time.Hour - time.Second)
		require.EqualValues(t, 250, w.queueStats().Completed)
		require.Empty(t, p.calls())
		settle(7 * time.Minute)
		require.Zero(t, w.queueStats().Total())
		require.EqualValues(t, 250, w.stats().PurgedTasks)
		told := p.calls()
		require.Equal(t, 5, len(told), "three batches, the first of them three times")
		require.Equal(t, told[0], told[2], "after an error it is told the same again")
		w.stop()
	})
}
