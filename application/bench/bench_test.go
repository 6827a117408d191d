package bench_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/application/bench"
	"logsift/domain"
	"logsift/ports"
)

// brokenQueue is a sound queue of which a method may be replaced.
type brokenQueue struct {
	ports.TaskQueue

	enqueue func(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error)
	dequeue func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error)
	list    func(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error)
}

func (q *brokenQueue) Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	if q.enqueue != nil {
		return q.enqueue(ctx, tasks...)
	}
	return q.TaskQueue.Enqueue(ctx, tasks...)
}

func (q *brokenQueue) Dequeue(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	if q.dequeue != nil {
		return q.dequeue(ctx, req)
	}
	return q.TaskQueue.Dequeue(ctx, req)
}

func (q *brokenQueue) ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	if q.list != nil {
		return q.list(ctx, filter)
	}
	return q.TaskQueue.ListTasks(ctx, filter)
}

// fakeStore is a store whose server works 1 ms and grows by 1000 bytes whenever it
// is asked.
type fakeStore struct{ cpu, bytes int64 }

func (s *fakeStore) ServerCPU(context.Context) (time.Duration, error) {
	s.cpu++
	return time.Duration(s.cpu) * time.Millisecond, nil
}

func (s *fakeStore) Bytes(context.Context) (int64, error) {
	s.bytes += 1000
	return s.bytes, nil
}

// fakeHolder claims tasks and lets their leases expire once it is killed.
type fakeHolder struct {
	queue ports.TaskQueue
	ctx   context.Context //nolint:containedctx // It is the life of the process that this stands for.
	kill  context.CancelFunc
	gone  sync.WaitGroup
}

func (h *fakeHolder) AwaitTasks(n int) error {
	tasks, err := h.queue.Dequeue(h.ctx, ports.ClaimRequest{ID: uuid.New(), Max: n, Lease: application.DefaultLease})
	if len(tasks) < n {
		return errors.Join(errors.New("there are too few tasks"), err)
	}
	leases := make([]domain.Lease, n)
	for i, t := range tasks {
		leases[i] = *t.Lease
	}
	h.gone.Go(func() {
		tick := time.NewTicker(application.DefaultLease / 3)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_, _ = h.queue.ExtendLease(h.ctx, application.DefaultLease, leases...)
			case <-h.ctx.Done():
				return
			}
		}
	})
	return nil
}

func (h *fakeHolder) Kill() error {
	h.kill()
	h.gone.Wait()
	return nil
}

// measure runs a cell on a queue, with the scheduler of production.
func measure(t *testing.T, queue *brokenQueue, cell bench.Cell) (bench.Metrics, error) {
	t.Helper()
	if queue.TaskQueue == nil {
		queue.TaskQueue = memstore.NewTaskQueue(memstore.Config{})
	}
	scheduler, err := application.NewScheduler(queue, application.SchedulerConfig{Workers: cell.Workers()}, nil)
	require.NoError(t, err)
	var cpu time.Duration
	return bench.Run(t.Context(), cell, bench.Deps{
		Queue: queue, Scheduler: scheduler, Store: &fakeStore{},
		ProcessCPU: func() time.Duration { cpu += time.Millisecond; return cpu },
		Hold: func(context.Context) (bench.Holder, error) {
			ctx, kill := context.WithCancel(t.Context())
			return &fakeHolder{queue: queue.TaskQueue, ctx: ctx, kill: kill}, nil
		},
	})
}

func TestEveryWorkloadGivesItsFigures(t *testing.T) {
	t.Parallel()
	accounting := []string{"n", "wall_s", "rate", "server_us", "client_us", "server_s", "client_s"}
	latency := []string{"min_ms", "p50_ms", "p99_ms", "max_ms", "samples"}
	with := func(sets ...[]string) (out []string) {
		for _, s := range sets {
			out = append(out, s...)
		}
		return out
	}
	cases := map[string]struct {
		cell  bench.Cell
		names []string
	}{
		"w1":           {bench.Cell{Work: "w1", N: 300, Producers: 3, Cap: time.Minute}, accounting},
		"w2":           {bench.Cell{Work: "w2", N: 2500, Batch: 1000}, accounting},
		"w3":           {bench.Cell{Work: "w3", N: 3000, C: 10, Cap: time.Minute}, with(accounting, []string{"bytes_queued", "bytes_done"})},
		"w4":           {bench.Cell{Work: "w4", N: 30, C: 10}, with(accounting, latency)},
		"w5":           {bench.Cell{Work: "w5", N: 500, Rate: 2000, C: 10, Producers: 8}, with(accounting, latency, []string{"send_s", "failed"})},
		"w7 scheduled": {bench.Cell{Work: "w7", N: 500, C: 10, Scheduled: true, Depth: 1050, Cap: time.Minute}, with(accounting, []string{"list_first_ms", "list_deep_ms"})},
		"w7 ready":     {bench.Cell{Work: "w7", N: 500, C: 10, Depth: 1000, Cap: time.Minute}, accounting},
		"w8":           {bench.Cell{Work: "w8", C: 10, Cap: 4 * time.Minute}, []string{"restarted", "early", "first_s", "all_s"}},
		"w9":           {bench.Cell{Work: "w9", N: 50, C: 10}, latency},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, err := measure(t, &brokenQueue{}, c.cell)
				require.NoError(t, err)
				names := make([]string, 0, len(m))
				for name := range m {
					names = append(names, name)
				}
				require.ElementsMatch(t, c.names, names)
			})
		})
	}
}

func TestFiguresAreOfWhatWasMeasured(t *testing.T) {
	t.Parallel()

	t.Run("processor time is for a task, and bytes are those beyond the empty store", func(t *testing.T) {
		t.Parallel()
		m, err := measure(t, &brokenQueue{}, bench.Cell{Work: "w3", N: 100, C: 10, Cap: time.Minute})
		require.NoError(t, err)
		require.InDelta(t, 10, m["server_us"], 1e-6, "1 ms for 100 tasks")
		require.InDelta(t, 10, m["client_us"], 1e-6)
		require.InDelta(t, 10, m["bytes_queued"], 1e-6)
		require.InDelta(t, 20, m["bytes_done"], 1e-6)
		require.InDelta(t, 100/m["wall_s"], m["rate"], 1e-6)
	})

	t.Run("a task that is offered late is late from when it was to be offered", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			queue := &brokenQueue{}
			queue.enqueue = func(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
				<-time.After(10 * time.Millisecond)
				return queue.TaskQueue.Enqueue(ctx, tasks...)
			}
			m, err := measure(t, queue, bench.Cell{Work: "w5", N: 100, Rate: 1000, C: 10, Producers: 1})
			require.NoError(t, err)
			require.InDelta(t, 10, m["min_ms"], 0.1)
			require.InDelta(t, 100*10-99, m["max_ms"], 0.1, "one producer falls behind by 9 ms with each task")
			require.InDelta(t, 1, m["send_s"], 0.01)
		})
	})

	t.Run("what the limit cuts off is run, but not measured", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			queue := &brokenQueue{}
			queue.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
				<-time.After(time.Second)
				return queue.TaskQueue.Dequeue(ctx, req)
			}
			m, err := measure(t, queue, bench.Cell{Work: "w3", N: 100, C: 10, Cap: 2500 * time.Millisecond})
			require.NoError(t, err)
			require.Positive(t, m["n"])
			require.Less(t, m["n"], 100.0)
			require.InDelta(t, 2.5, m["wall_s"], 1e-6)
		})
	})

	t.Run("the tasks of a killed process wait for their lease", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			m, err := measure(t, &brokenQueue{}, bench.Cell{Work: "w8", C: 10, Cap: time.Minute})
			require.NoError(t, err)
			require.Zero(t, m["early"])
			require.InDelta(t, 10, m["restarted"], 0)
			require.Greater(t, m["first_s"], (application.DefaultLease*2/3).Seconds()-1)
			require.Less(t, m["all_s"], application.DefaultLease.Seconds()+2)
		})
	})
}

func TestDeliveryThatIsNotExactFails(t *testing.T) {
	t.Parallel()
	drain := bench.Cell{Work: "w3", N: ports.MaxEnqueue, C: 10, Cap: time.Minute} // preloaded by one call
	cases := map[string]struct {
		cell     bench.Cell
		sabotage func(*brokenQueue)
		missing  int
		repeated int
		foreign  int
	}{
		"an enqueue that drops a task": {
			cell: drain, missing: 1,
			sabotage: func(q *brokenQueue) {
				q.enqueue = func(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
					return q.TaskQueue.Enqueue(ctx, tasks[1:]...)
				}
			},
		},
		"a single enqueue that drops every 100th task": {
			cell: bench.Cell{Work: "w1", N: 1000, Producers: 4, Cap: time.Minute}, missing: 12,
			sabotage: func(q *brokenQueue) {
				var mu sync.Mutex
				n := 0
				q.enqueue = func(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
					mu.Lock()
					defer mu.Unlock()
					if n++; n%100 == 0 {
						return tasks, nil
					}
					return q.TaskQueue.Enqueue(ctx, tasks...)
				}
			},
		},
		"a claim whose tasks are lost": {
			cell: drain, missing: 10,
			sabotage: func(q *brokenQueue) {
				var once sync.Once
				q.dequeue = func(ctx context.Context, req ports.ClaimRequest) (tasks []*domain.Task, err error) {
					req.Lease = ports.MaxLease
					tasks, err = q.TaskQueue.Dequeue(ctx, req)
					once.Do(func() { tasks = nil })
					return tasks, err
				}
			},
		},
		"a claim that gives a task out twice": {
			cell: drain, repeated: 1,
			sabotage: func(q *brokenQueue) {
				var once sync.Once
				q.dequeue = func(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
					req.Max = max(req.Max-1, 1)
					tasks, err := q.TaskQueue.Dequeue(ctx, req)
					once.Do(func() {
						again := tasks[0].Clone()
						again.Lease.ClaimID = uuid.New()
						tasks = append(tasks, again)
					})
					return tasks, err
				}
			},
		},
		"a task that runs a day early": {
			cell: bench.Cell{Work: "w7", N: 100, C: 10, Scheduled: true, Depth: 200, Cap: time.Minute}, foreign: 1,
			sabotage: func(q *brokenQueue) {
				var once sync.Once
				q.enqueue = func(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
					once.Do(func() { tasks[0].ScheduledAt = time.Time{} })
					return q.TaskQueue.Enqueue(ctx, tasks...)
				}
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				queue := &brokenQueue{TaskQueue: memstore.NewTaskQueue(memstore.Config{})}
				c.sabotage(queue)
				m, err := measure(t, queue, c.cell)
				require.Nil(t, m, "a run that is not exact has no figures")
				var delivery *bench.DeliveryError
				require.ErrorAs(t, err, &delivery)
				require.Equal(t, [3]int{c.missing, c.repeated, c.foreign}, [3]int{delivery.Missing, delivery.Repeated, delivery.Foreign}, err.Error())
			})
		})
	}

	t.Run("a payload that is not the task's fails it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			queue := &brokenQueue{TaskQueue: memstore.NewTaskQueue(memstore.Config{})}
			queue.enqueue = func(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
				tasks[0].Payload = nil
				return queue.TaskQueue.Enqueue(ctx, tasks...)
			}
			_, err := measure(t, queue, drain)
			var delivery *bench.DeliveryError
			require.ErrorAs(t, err, &delivery)
			require.EqualValues(t, 1, delivery.Stats.Failed)
		})
	})

	t.Run("a list that ends early fails", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			queue := &brokenQueue{TaskQueue: memstore.NewTaskQueue(memstore.Config{})}
			queue.list = func(ctx context.Context, f domain.TaskFilter) (domain.TaskPage, error) {
				page, err := queue.TaskQueue.ListTasks(ctx, f)
				page.NextCursor = ""
				return page, err
			}
			_, err := measure(t, queue, bench.Cell{Work: "w7", N: 10, C: 10, Scheduled: true, Depth: 1000, Cap: time.Minute})
			require.ErrorContains(t, err, "the list ends after 100 tasks")
		})
	})
}

func TestARunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := memstore.NewTaskQueue(memstore.Config{})
		scheduler, err := application.NewScheduler(queue, application.SchedulerConfig{}, nil)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		begun := time.Now()
		_, err = bench.Run(ctx, bench.Cell{Work: "w4", N: 1000}, bench.Deps{
			Queue: queue, Scheduler: scheduler, Store: &fakeStore{}, ProcessCPU: func() time.Duration { return 0 },
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 4*time.Second, time.Since(begun))
		require.False(t, scheduler.GetSchedulerStats().Running)
	})
}

func TestHoldGivesItsTasksBackWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := memstore.NewTaskQueue(memstore.Config{})
		scheduler, err := application.NewScheduler(queue, application.SchedulerConfig{Workers: 3}, nil)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ready, begun, ended := make(chan struct{}), make(chan struct{}), make(chan error)
		go func() {
			ended <- bench.Hold(ctx, scheduler, func() { close(ready) }, func() { begun <- struct{}{} })
		}()
		<-ready
		_, err = queue.Enqueue(t.Context(), domain.NewTask(uuid.New(), "bench", nil), domain.NewTask(uuid.New(), "bench", nil))
		require.NoError(t, err)
		<-begun
		<-begun
		stats, err := queue.GetQueueStats(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, stats.Processing)
		cancel()
		require.NoError(t, <-ended)
		stats, err = queue.GetQueueStats(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, stats.Pending)
	})
}

func TestPlan(t *testing.T) {
	t.Parallel()

	t.Run("all cells are valid, and their sizes read as the peers' do", func(t *testing.T) {
		t.Parallel()
		cells, err := bench.Plan("w1", "w2", "w3", "w4", "w5", "w7", "w7m", "w8", "w9")
		require.NoError(t, err)
		got := make([]string, len(cells))
		for i, c := range cells {
			require.NoError(t, c.Validate())
			got[i] = c.Work + " " + c.Args()
		}
		require.Equal(t, []string{
			"w1 -n 20000 -producers 1 -cap 8s",
			"w1 -n 20000 -producers 16 -cap 8s",
			"w2 -n 200000 -batch 1000",
			"w3 -n 100000 -c 10 -cap 20s",
			"w3 -n 100000 -c 100 -cap 20s",
			"w4 -n 100 -c 10",
			"w5 -n 30000 -rate 2000 -c 100 -producers 64",
			"w7 -n 20000 -c 100 -scheduled -depth 1000 -cap 40s",
			"w7 -n 20000 -c 100 -scheduled -depth 100000 -cap 40s",
			"w7 -n 20000 -c 100 -depth 1000 -cap 40s",
			"w7 -n 20000 -c 100 -depth 100000 -cap 40s",
			"w7m -n 20000 -c 100 -scheduled -depth 1000000 -cap 40s",
			"w8 -c 10 -cap 240s",
			"w9 -n 500 -c 100",
		}, got)
	})

	t.Run("an unknown workload is refused", func(t *testing.T) {
		t.Parallel()
		_, err := bench.Plan("w3", "w6")
		require.ErrorContains(t, err, `work must be some of w1,w2,w3,w4,w5,w7,w8,w9,w7m, not "w6"`)
		require.ErrorIs(t, err, domain.ErrInvalid)
	})

	t.Run("sizes that cannot be are refused by name", func(t *testing.T) {
		t.Parallel()
		for field, cell := range map[string]bench.Cell{
			"work":      {Work: "w6"},
			"tasks":     {Work: "w3", Cap: time.Second},
			"rate":      {Work: "w5", N: 1, Producers: 1},
			"workers":   {Work: "w3", N: 1, C: 10_001},
			"depth":     {Work: "w7", N: 1},
			"producers": {Work: "w1", N: 1},
			"batch":     {Work: "w2", N: 1, Batch: 10_001},
			"cap":       {Work: "w3", N: 1, Cap: -1},
		} {
			var invalid *domain.ValidationError
			require.ErrorAs(t, cell.Validate(), &invalid)
			require.Equal(t, field, invalid.Field)
		}
	})
}
