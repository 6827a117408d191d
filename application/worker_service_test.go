package application_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// claimFor claims tasks for a worker.
func claimFor(t *testing.T, s *application.WorkerService, most int) []ports.RunReport {
	t.Helper()
	tasks, err := s.ClaimTasks(t.Context(), "w", ports.ClaimRequest{ID: uuid.New(), Max: most, Types: []domain.TaskType{testType}})
	require.NoError(t, err)
	runs := make([]ports.RunReport, len(tasks))
	for i, task := range tasks {
		runs[i] = ports.RunReport{Task: task, Waited: -1}
	}
	return runs
}

func TestWorkersRetryAsTheSchedulerDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := memstore.NewTaskQueue(memstore.Config{})
		history := application.NewRunHistory(newFaultyDocuments(), nil)
		s := application.NewWorkerService(queue, application.WorkerServiceConfig{RetryPolicy: domain.RetryPolicy{Cap: 3 * time.Minute}, History: history})
		task := newTestTask(func(t *domain.Task) { t.MaxRetries = 3 })
		_, err := queue.Enqueue(t.Context(), task)
		require.NoError(t, err)
		for _, c := range []struct {
			err  error
			want domain.TaskStatus
			in   time.Duration
		}{
			{errors.New("no luck"), domain.TaskStatusRetrying, time.Minute},
			{domain.RetryAfter(time.Second, errors.New("busy")), domain.TaskStatusRetrying, time.Second},
			{domain.RetryAfter(time.Hour, errors.New("busy")), domain.TaskStatusRetrying, 3 * time.Minute},
			{domain.Snooze(time.Hour), domain.TaskStatusPending, time.Hour},
			{domain.RetryAfter(time.Second, errors.New("the last one")), domain.TaskStatusFailed, 0},
		} {
			run := claimFor(t, s, 1)[0]
			run.Err = c.err
			_, snoozed := domain.SnoozeDelay(c.err)
			for range 2 { // the answer to the first is lost
				statuses, err := s.ReportRuns(t.Context(), "w", run)
				require.NoError(t, err)
				require.Equal(t, []domain.TaskStatus{c.want}, statuses)
			}
			got, err := queue.GetTask(t.Context(), task.ID)
			require.NoError(t, err)
			require.Equal(t, c.want, got.Status)
			if !snoozed {
				require.Len(t, got.Errors, run.Task.Attempt+1)
				require.Equal(t, domain.ReasonError, got.Errors[run.Task.Attempt].Reason)
			}
			if c.in > 0 {
				require.Equal(t, c.in, time.Until(got.ScheduledAt))
				settle(c.in)
			}
		}
		_, err = queue.Enqueue(t.Context(), newTestTask())
		require.NoError(t, err)
		run := claimFor(t, s, 1)[0]
		run.Err = domain.Permanent(errors.New("never"))
		settle(time.Second)
		statuses, err := s.ReportRuns(t.Context(), "w", run)
		require.NoError(t, err)
		require.Equal(t, []domain.TaskStatus{domain.TaskStatusFailed}, statuses)
		points := readHistory(t, history, 1)
		require.Equal(t, int64(2), points[0].Failed, "a repeat counts once")
		require.InDelta(t, 1, points[0].Run.P99.Seconds(), 0.1)
	})
}

func TestReportsTravelInParts(t *testing.T) {
	t.Parallel()
	queue := newFaultyQueue()
	s := application.NewWorkerService(queue, application.WorkerServiceConfig{Lease: time.Minute})
	tasks := make([]*domain.Task, 600)
	for i := range tasks {
		tasks[i] = newTestTask()
	}
	_, err := queue.Enqueue(t.Context(), tasks...)
	require.NoError(t, err)
	runs := claimFor(t, s, 600)
	require.Len(t, runs, 600)
	for i := range 3 {
		runs[i].Result = make([]byte, 2<<20)
	}
	queue.set(func(q *faultyQueue) { q.down = true })
	_, err = s.ReportRuns(t.Context(), "w", runs...)
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	queue.set(func(q *faultyQueue) { q.down = false })
	stale := runs[1]
	require.NoError(t, s.ReleaseTasks(t.Context(), "w", *stale.Task.Lease))
	retaken := claimFor(t, s, 1)[0]
	require.Equal(t, stale.Task.ID, retaken.Task.ID)
	before := queue.count("UpdateTask")
	statuses, err := s.ReportRuns(t.Context(), "w", runs...)
	require.ErrorIs(t, domain.ItemError(err, 1), domain.ErrLeaseLost)
	require.NoError(t, domain.ItemError(err, 599))
	require.Equal(t, 3, queue.count("UpdateTask")-before, "2 of 2 MiB, one of them with 499 more, and the rest")
	require.Zero(t, statuses[1])
	require.Equal(t, domain.TaskStatusCompleted, statuses[599])
	_, err = s.ExtendLeases(t.Context(), "w", 0, nil, stale, retaken)
	require.ErrorIs(t, domain.ItemError(err, 0), domain.ErrLeaseLost)
	require.NoError(t, domain.ItemError(err, 1))
}

func TestTypesThatSomebodyWorksOnAreKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		documents, schedulers := memstore.NewLogRepository(memstore.Config{}), newFaultyRegistry()
		queue := memstore.NewTaskQueue(memstore.Config{})
		schedules := memstore.New(memstore.Config{})
		var types *application.TaskTypes
		process := func(named ...domain.TaskType) (*application.QueueService, *application.WorkerService) {
			sources := []application.TypeSource{application.ScheduledTypes(schedules)}
			types = application.NewTaskTypes(schedulers, documents, zap.NewNop(), sources, named...)
			scheduler, err := application.NewScheduler(queue, application.SchedulerConfig{Workers: application.NoWorkers, Types: types}, nil)
			require.NoError(t, err)
			return application.NewQueueService(queue, scheduler, types), application.NewWorkerService(queue, application.WorkerServiceConfig{Types: types})
		}
		schedule := func(q *application.QueueService, typ domain.TaskType) error {
			_, err := q.ScheduleTasks(t.Context(), newTestTask(func(t *domain.Task) { t.Type = typ }))
			return domain.ItemError(err, 0)
		}
		one, worker := process("named")
		other, _ := process()
		require.NoError(t, schedule(one, "named"))
		var unknown *domain.UnknownTypeError
		require.ErrorAs(t, schedule(one, testType), &unknown)
		require.Equal(t, domain.UnknownTypeError{Type: testType, Known: []domain.TaskType{"named"}}, *unknown)
		require.ErrorIs(t, unknown, domain.ErrUnknownTaskType)

		// A process that runs says so; one that is gone is forgotten.
		running := domain.SchedulerReport{ID: uuid.New(), Stats: domain.SchedulerStats{TaskTypes: []domain.TaskType{"theirs"}}}
		_, err := schedulers.ReportScheduler(t.Context(), running, time.Minute)
		require.NoError(t, err)
		require.NoError(t, schedule(one, "theirs"))
		require.NoError(t, schedulers.RemoveScheduler(t.Context(), running.ID))
		require.NoError(t, schedule(one, "theirs"), "a restart harms nobody")
		settle(time.Minute + time.Second)
		require.ErrorIs(t, schedule(one, "theirs"), domain.ErrUnknownTaskType)

		// A claim announces to every process, for a day.
		require.Empty(t, claimFor(t, worker, 1))
		require.NoError(t, schedule(other, testType))
		require.Len(t, claimFor(t, worker, 1), 1)
		for range 24 {
			settle(time.Hour + time.Minute)
			require.Empty(t, claimFor(t, worker, 1))
		}
		require.NoError(t, schedule(other, testType), "who goes on is announced again")
		require.Len(t, claimFor(t, worker, 1), 1)
		settle(application.AnnouncementRetention + time.Second)
		require.ErrorIs(t, schedule(other, testType), domain.ErrUnknownTaskType)

		// A schedule names its type to every process, those that start later too, until it
		// is deleted.
		require.ErrorIs(t, schedule(other, "nightly"), domain.ErrUnknownTaskType)
		service := application.NewScheduleService(schedules, queue, types)
		_, _, err = service.PutSchedule(t.Context(), domain.Schedule{Name: "s", Every: domain.MaxEvery, Task: domain.NewTask(uuid.Nil, "nightly", nil)})
		require.NoError(t, err)
		require.NoError(t, schedule(one, "nightly"))
		settle(2 * application.AnnouncementRetention)
		later, _ := process()
		for _, q := range []*application.QueueService{one, other, later} {
			require.NoError(t, schedule(q, "nightly"))
		}
		require.NoError(t, service.DeleteSchedule(t.Context(), "s"))
		settle(2 * time.Minute)
		require.ErrorIs(t, schedule(later, "nightly"), domain.ErrUnknownTaskType)
	})
}

func TestAStoreThatIsAwaySaysNothingOfTypes(t *testing.T) {
	t.Parallel()
	documents := newFaultyDocuments()
	documents.set(func() { documents.down = true })
	queue := memstore.NewTaskQueue(memstore.Config{})
	types := application.NewTaskTypes(newFaultyRegistry(), documents, zap.NewNop(), nil)
	scheduler, err := application.NewScheduler(queue, application.SchedulerConfig{Workers: application.NoWorkers, Types: types}, nil)
	require.NoError(t, err)
	_, err = scheduler.ScheduleTask(t.Context(), newTestTask())
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	worker := application.NewWorkerService(queue, application.WorkerServiceConfig{Types: types})
	require.Empty(t, claimFor(t, worker, 1), "an announcement holds no claim up")
	documents.set(func() { documents.down = false })
	require.Empty(t, claimFor(t, worker, 1))
	_, err = scheduler.ScheduleTask(t.Context(), newTestTask())
	require.NoError(t, err, "what failed is announced by the next claim")
}

// served is a process that serves workers of other programs.
func served(t *testing.T, queue ports.TaskQueue, registry ports.SchedulerRegistry, observer ports.RunObserver) *application.WorkerService {
	t.Helper()
	w := application.NewWorkerService(queue, application.WorkerServiceConfig{RetryPolicy: domain.RetryPolicy{Kind: domain.RetryFixed, Base: time.Minute}, Observer: observer})
	s, err := application.NewScheduler(queue, application.SchedulerConfig{
		Workers: application.NoWorkers, Maintain: true, Registry: registry, Served: w, Process: application.ProcessInfo{Host: "h"},
	}, nil)
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, s.Stop(context.WithoutCancel(t.Context()))) })
	return w
}

// timedRuns counts runs by how they ended.
type timedRuns struct {
	mu    sync.Mutex
	ended map[domain.FailureReason]int
}

func (c *timedRuns) ObserveRun(run ports.RunEnd) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended[run.Reason]++
}

// lastLease remembers when the newest lease that was extended ends.
type lastLease struct {
	ports.TaskQueue

	ends atomic.Pointer[time.Time]
}

func (q *lastLease) ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
	out, err := q.TaskQueue.ExtendLease(ctx, lease, leases...)
	if err == nil && len(out) > 0 {
		q.ends.Store(&out[0].ExpiresAt)
	}
	return out, err
}

// A process that is lost while it reports such a run leaves a lease that ends as soon as any.
func TestNoLeaseOutlastsATimeoutForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(memstore.Config{})
		queue := &lastLease{TaskQueue: store}
		s := served(t, queue, store, nil)
		task := newTestTask(func(t *domain.Task) { t.Timeout = 10 * time.Second })
		_, err := store.Enqueue(t.Context(), task)
		require.NoError(t, err)
		begin := time.Now()
		_, err = s.ClaimTasks(t.Context(), "w", ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Hour, Types: []domain.TaskType{testType}})
		require.NoError(t, err)
		settle(20 * time.Second)
		got, err := store.GetTask(t.Context(), task.ID)
		require.NoError(t, err)
		require.Equal(t, domain.ReasonTimeout, got.Errors[0].Reason)
		require.LessOrEqual(t, queue.ends.Load().Sub(begin), task.Timeout+15*time.Second)
	})
}

func TestRunsOfWorkersEndWithTheirTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(memstore.Config{})
		counted := &timedRuns{ended: map[domain.FailureReason]int{}}
		one, two := served(t, store, store, counted), served(t, store, store, counted)
		task := newTestTask(func(t *domain.Task) { t.Timeout, t.MaxRetries = 10*time.Second, 2 })
		_, err := store.Enqueue(t.Context(), task)
		require.NoError(t, err)
		claim := func(s *application.WorkerService) ports.RunReport {
			tasks, err := s.ClaimTasks(t.Context(), "w", ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Hour, Types: []domain.TaskType{testType}})
			require.NoError(t, err)
			require.Len(t, tasks, 1)
			return ports.RunReport{Task: tasks[0], Waited: -1}
		}
		ended := func(status domain.TaskStatus, n int) {
			t.Helper()
			got, err := store.GetTask(t.Context(), task.ID)
			require.NoError(t, err)
			require.Equal(t, status, got.Status)
			require.Len(t, got.Errors, n)
			require.Equal(t, domain.ReasonTimeout, got.Errors[n-1].Reason)
			require.Contains(t, got.Errors[n-1].Message, "time-out of 10s passed, and the worker did not report")
			counted.mu.Lock()
			defer counted.mu.Unlock()
			require.Equal(t, map[domain.FailureReason]int{domain.ReasonTimeout: n}, counted.ended, "once over both processes")
		}
		heartbeat := func(s *application.WorkerService, run ports.RunReport) error {
			_, err := s.ExtendLeases(t.Context(), "w", time.Hour, nil, run)
			return domain.ItemError(err, 0)
		}

		// A worker that says nothing, on a lease that outlasts the time-out.
		run := claim(one)
		settle(14 * time.Second)
		require.NoError(t, heartbeat(two, run), "within the grace; both processes know of the run")
		settle(4 * time.Second)
		ended(domain.TaskStatusRetrying, 1)
		require.ErrorIs(t, heartbeat(one, run), domain.ErrLeaseLost)
		_, err = one.ReportRuns(t.Context(), "w", run)
		require.ErrorIs(t, domain.ItemError(err, 0), domain.ErrLeaseLost)

		// One that goes on to send heartbeats, in a process that nobody told of the run.
		settle(time.Minute)
		alone := func() *application.WorkerService {
			return application.NewWorkerService(store, application.WorkerServiceConfig{RetryPolicy: domain.RetryPolicy{Kind: domain.RetryFixed, Base: time.Minute}, Observer: counted})
		}
		run = claim(alone())
		settle(14 * time.Second)
		held, err := alone().ExtendLeases(t.Context(), "w", time.Hour, nil, run)
		require.NoError(t, err)
		require.Less(t, time.Until(held[0].ExpiresAt), 15*time.Second, "it is told when the lease ends")
		settle(5 * time.Second)
		require.ErrorIs(t, heartbeat(alone(), run), domain.ErrLeaseLost)
		ended(domain.TaskStatusRetrying, 2)
		settle(time.Minute)
		_ = claim(one)
		settle(20 * time.Second)
		ended(domain.TaskStatusFailed, 3)

		// One that says nothing, of a process that is gone.
		task = newTestTask(func(t *domain.Task) { t.Timeout = 10 * time.Second })
		_, err = store.Enqueue(t.Context(), task)
		require.NoError(t, err)
		_ = claim(alone())
		settle(24 * time.Second)
		got, err := store.GetTask(t.Context(), task.ID)
		require.NoError(t, err)
		require.Equal(t, domain.TaskStatusProcessing, got.Status)
		settle(5 * time.Second)
		got, err = store.GetTask(t.Context(), task.ID)
		require.NoError(t, err)
		require.Equal(t, []any{domain.TaskStatusPending, 1}, []any{got.Status, got.Recoveries})
	})
}

func TestWorkersAreListed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(memstore.Config{})
		s := served(t, store, store, nil)
		list := func() (out []domain.SchedulerReport) {
			t.Helper()
			all, err := store.ListSchedulers(t.Context())
			require.NoError(t, err)
			for _, r := range all {
				if r.Worker != "" {
					out = append(out, r)
				}
			}
			return out
		}
		_, err := store.Enqueue(t.Context(), newTestTask(), newTestTask(), newTestTask())
		require.NoError(t, err)
		tasks, err := s.ClaimTasks(t.Context(), "w", ports.ClaimRequest{ID: uuid.New(), Max: 3, Lease: time.Minute, Types: []domain.TaskType{testType}})
		require.NoError(t, err)
		runs := make([]ports.RunReport, len(tasks))
		for i := range tasks {
			runs[i] = ports.RunReport{Task: tasks[i]}
		}
		runs[1].Err = domain.Permanent(errors.New("no"))
		for range 2 {
			_, err = s.ReportRuns(t.Context(), "w", runs[:2]...)
			require.NoError(t, err)
		}
		settle(3 * time.Second)
		r := list()[0]
		require.Equal(t, []any{"w", "h", 1, []domain.TaskType{testType}}, []any{r.Worker, r.Host, r.Stats.BusyWorkers, r.Stats.TaskTypes})
		require.Equal(t, []int64{2, 1}, []int64{r.Stats.ProcessedTasks, r.Stats.FailedTasks}, "a repeat counts once")
		require.Equal(t, []domain.RunningTask{{TaskID: tasks[2].ID, Type: testType, Queue: tasks[2].Queue, Attempt: 1, StartedAt: tasks[2].StartedAt}}, r.Running)
		seen := r.SeenAt

		settle(45 * time.Second)
		require.Equal(t, seen, list()[0].SeenAt, "it says nothing, and holds a lease")
		settle(30 * time.Second)
		require.Empty(t, list(), "it is gone when its lease has ended")

		// A claim that waits is not silent.
		ctx, leave := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		waiting.Go(func() {
			_, err := s.ClaimTasks(ctx, "w", ports.ClaimRequest{ID: uuid.New(), Max: 1, Wait: time.Hour, Types: []domain.TaskType{"none"}})
			require.ErrorIs(t, err, context.Canceled)
		})
		settle(time.Minute)
		require.Less(t, time.Since(list()[0].SeenAt), 15*time.Second)
		leave()
		waiting.Wait()
		settle(20 * time.Second)
		require.Len(t, list(), 1)
		settle(25 * time.Second)
		require.Empty(t, list())

		for i := range 300 {
			_, err := s.ClaimTasks(t.Context(), fmt.Sprint("w", i), ports.ClaimRequest{ID: uuid.New(), Max: 1, Types: []domain.TaskType{"none"}})
			require.NoError(t, err)
		}
		settle(3 * time.Second)
		require.Len(t, list(), 200, "the list is bounded")
	})
}
