package application_test

import (
	"context"
	"sync/atomic"
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

// waitWorld is a queue that counts how often it is looked at.
type waitWorld struct {
	*memstore.TaskQueue

	t           *testing.T
	gets, reads atomic.Int64
	lose        atomic.Bool // events are lost
	waiter      *application.TaskWaiter
}

func newWaitWorld(t *testing.T) *waitWorld {
	t.Helper()
	w := &waitWorld{TaskQueue: memstore.NewTaskQueue(memstore.Config{}), t: t}
	w.waiter = application.NewTaskWaiter(w, w)
	return w
}

func (w *waitWorld) GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	w.gets.Add(1)
	return w.TaskQueue.GetTask(ctx, id)
}

func (w *waitWorld) ReadTaskEvents(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error) {
	w.reads.Add(1)
	page, err := w.TaskQueue.ReadTaskEvents(ctx, req)
	if w.lose.Load() && len(page.Events) > 0 {
		page.Events, page.Lost = nil, true
	}
	return page, err
}

func (w *waitWorld) add() *domain.Task {
	w.t.Helper()
	stored, err := w.Enqueue(w.t.Context(), newTestTask())
	require.NoError(w.t, err)
	return stored[0]
}

// finish runs the oldest task.
func (w *waitWorld) finish(result string) {
	w.t.Helper()
	tasks, err := w.Dequeue(w.t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
	require.NoError(w.t, err)
	require.NoError(w.t, w.UpdateTask(w.t.Context(), ports.TaskUpdate{Lease: *tasks[0].Lease, Outcome: ports.OutcomeCompleted, Result: []byte(result)}))
}

// wait waits beside the test.
func (w *waitWorld) wait(ctx context.Context, id domain.TaskID) func() (*domain.Task, error) {
	var task *domain.Task
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		task, err = w.waiter.WaitTask(ctx, id)
	}()
	synctest.Wait()
	return func() (*domain.Task, error) {
		<-done
		return task, err
	}
}

func TestAWaitEndsWithTheTaskAndNeverPolls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWaitWorld(t)
		first, second := w.add(), w.add()
		waits := []func() (*domain.Task, error){w.wait(t.Context(), first.ID), w.wait(t.Context(), second.ID), w.wait(t.Context(), first.ID)}
		looks := w.gets.Load()
		for range 3 {
			settle(10 * time.Minute) // longer than events are kept without a reader
			w.finish("done")
			w.add()
		}
		for i, wait := range waits {
			task, err := wait()
			require.NoError(t, err)
			require.Equal(t, "done", string(task.Result))
			require.Equal(t, []domain.TaskID{first.ID, second.ID, first.ID}[i], task.ID)
		}
		require.Equal(t, looks+int64(len(waits)), w.gets.Load(), "each looks once more")
		reads := w.reads.Load()
		settle(time.Hour)
		require.Equal(t, reads, w.reads.Load(), "nobody waits, nobody reads")
		task, err := w.waiter.WaitTask(t.Context(), first.ID)
		require.NoError(t, err)
		require.Equal(t, domain.TaskStatusCompleted, task.Status)
		require.Equal(t, reads, w.reads.Load(), "a finished task needs no events")
	})
}

func TestAWaiterWhoseEventsAreLostLooksAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWaitWorld(t)
		task := w.add()
		wait := w.wait(t.Context(), task.ID)
		w.lose.Store(true)
		w.finish("done")
		got, err := wait()
		require.NoError(t, err)
		require.Equal(t, domain.TaskStatusCompleted, got.Status)
	})
}

func TestAWaitEndsWithoutTheTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWaitWorld(t)
		task := w.add()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		impatient, patient := w.wait(ctx, task.ID), w.wait(t.Context(), task.ID)
		settle(2 * time.Minute)
		_, err := impatient()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, w.DeleteTask(t.Context(), task.ID))
		_, err = patient()
		require.ErrorIs(t, err, domain.ErrTaskNotFound)
	})
}
