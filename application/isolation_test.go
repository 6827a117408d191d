package application_test

import (
	"context"
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

func TestTasksOnTheirLastChanceRunOneByOneAndHoldUpNoOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		suspects := map[domain.TaskID]bool{}
		running, most := 0, 0
		w := newWorld(t, application.SchedulerConfig{Workers: 10, Lease: time.Second, MaxRecoveries: 1}, func(_ context.Context, task *domain.Task) ([]byte, error) {
			mu.Lock()
			suspect := suspects[task.ID]
			if suspect {
				running++
				most = max(most, running)
			}
			mu.Unlock()
			<-time.After(time.Second)
			mu.Lock()
			if suspect {
				running--
			}
			mu.Unlock()
			return nil, nil
		})
		var tasks []*domain.Task
		for range 5 {
			tasks = append(tasks, newTestTask())
			suspects[tasks[len(tasks)-1].ID] = true
		}
		w.enqueue(tasks...)
		// A worker that claims all of them dies.
		_, err := w.queue.TaskQueue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 10, Lease: time.Second})
		require.NoError(t, err)
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(3500 * time.Millisecond) // they are suspects, and the first of them runs
		var fresh []*domain.Task
		for range 9 {
			fresh = append(fresh, newTestTask())
		}
		w.enqueue(fresh...)
		settle(1500 * time.Millisecond)
		for _, task := range fresh {
			require.Equal(t, domain.TaskStatusCompleted, w.task(task.ID).Status, "it waits for no suspect")
		}
		settle(10 * time.Second)
		require.EqualValues(t, 14, w.queueStats().Completed)
		require.Equal(t, 1, most)
		w.stop()
	})
}

func TestATaskThatLostMoreLeasesThanItMayRuns(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int{"none": -1, "one": 1} {
		inBubble(t, name, func(t *testing.T) {
			w := newWorld(t, application.SchedulerConfig{Workers: 10, MaxRecoveries: limit}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
			task := newTestTask()
			w.enqueue(task)
			// Earlier processes had a higher limit.
			for range 12 {
				_, err := w.queue.TaskQueue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Second})
				require.NoError(t, err)
				pass(2 * time.Second)
				_, err = w.queue.TaskQueue.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 100, Limit: 1})
				require.NoError(t, err)
			}
			require.NoError(t, w.scheduler.Start(t.Context()))
			settle(time.Second)
			require.Equal(t, domain.TaskStatusCompleted, w.task(task.ID).Status)
			w.stop()
		})
	}
}

func TestShortTasksFillTheSlotsBesideOneThatIsIsolated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lost []domain.TaskID
		w := newWorld(t, application.SchedulerConfig{Workers: 10, MaxRecoveries: 1}, func(_ context.Context, task *domain.Task) ([]byte, error) {
			if slices.Contains(lost, task.ID) {
				pass(time.Minute)
			}
			pass(10 * time.Millisecond)
			return nil, nil
		})
		for range 2 {
			task := newTestTask()
			lost = append(lost, task.ID)
			w.enqueue(task)
		}
		_, err := w.queue.TaskQueue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 2, Lease: time.Second})
		require.NoError(t, err)
		pass(2 * time.Second)
		_, err = w.queue.TaskQueue.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 1, Limit: 2})
		require.NoError(t, err)
		require.NoError(t, w.scheduler.Start(t.Context()))
		settle(time.Second) // One of them runs, the other waits.
		var short []*domain.Task
		for range 300 {
			short = append(short, newTestTask())
		}
		w.enqueue(short...)
		settle(10 * time.Second)
		require.EqualValues(t, 300, w.queueStats().Completed)
		w.stop()
	})
}

func TestAKillerIsFoundAndItsNeighboursComplete(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const good, killers, slots = 20, 1, 10
		queue := memstore.NewTaskQueue(memstore.Config{})
		died := make(chan struct{}, 1)
		kills := map[domain.TaskID]bool{}
		// process starts one that shares the queue, and dies of a killer: nothing of it
		// reaches the queue any more.
		process := func() *world {
			w := newWorld(t, application.SchedulerConfig{Workers: slots, Lease: time.Second}, nil)
			w.queue.TaskQueue = queue
			require.NoError(t, w.scheduler.RegisterProcessor(testType, processorFunc(func(ctx context.Context, task *domain.Task) ([]byte, error) {
				if kills[task.ID] {
					<-time.After(1100 * time.Millisecond) // between two claims
					w.queue.set(func(q *faultyQueue) { q.down = true })
					select {
					case died <- struct{}{}:
					default:
					}
					<-ctx.Done()
					return nil, ctx.Err()
				}
				select {
				case <-time.After(10 * time.Second):
				case <-ctx.Done():
				}
				return nil, ctx.Err()
			})))
			require.NoError(t, w.scheduler.Start(t.Context()))
			return w
		}
		var tasks []*domain.Task
		for i := range good + killers {
			tasks = append(tasks, newTestTask())
			kills[tasks[i].ID] = i == 3
		}
		_, err := queue.Enqueue(t.Context(), tasks...)
		require.NoError(t, err)
		begun := time.Now()
		w := process()
		for stats := w.queueStats(); stats.Completed+stats.Failed < good+killers; stats = w.queueStats() {
			require.Less(t, time.Since(begun), 10*time.Minute)
			select {
			case <-died:
				pass(3 * time.Second) // until somebody has restarted it
				w = process()
			case <-time.After(time.Second):
			}
		}
		for _, task := range tasks {
			got, err := queue.GetTask(t.Context(), task.ID)
			require.NoError(t, err)
			want := domain.TaskStatusCompleted
			if kills[task.ID] {
				want = domain.TaskStatusFailed
			}
			require.Equal(t, want, got.Status)
		}
		require.Less(t, time.Since(begun), good*10*time.Second*2/3, "they do not run one by one")
		w.stop()
	})
}
