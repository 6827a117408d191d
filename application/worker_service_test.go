package application_test

import (
	"errors"
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
	tasks, err := s.ClaimTasks(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: most, Types: []domain.TaskType{testType}})
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
				statuses, err := s.ReportRuns(t.Context(), run)
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
		statuses, err := s.ReportRuns(t.Context(), run)
		require.NoError(t, err)
		require.Equal(t, []domain.TaskStatus{domain.TaskStatusFailed}, statuses)
		points := readHistory(t, history, 1)
		require.Equal(t, int64(3), points[0].Failed, "a report and its repeat, and this one")
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
	_, err = s.ReportRuns(t.Context(), runs...)
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	queue.set(func(q *faultyQueue) { q.down = false })
	stale := runs[1]
	require.NoError(t, s.ReleaseTasks(t.Context(), *stale.Task.Lease))
	retaken := claimFor(t, s, 1)[0]
	require.Equal(t, stale.Task.ID, retaken.Task.ID)
	before := queue.count("UpdateTask")
	statuses, err := s.ReportRuns(t.Context(), runs...)
	require.ErrorIs(t, domain.ItemError(err, 1), domain.ErrLeaseLost)
	require.NoError(t, domain.ItemError(err, 599))
	require.Equal(t, 3, queue.count("UpdateTask")-before, "2 of 2 MiB, one of them with 499 more, and the rest")
	require.Zero(t, statuses[1])
	require.Equal(t, domain.TaskStatusCompleted, statuses[599])
	_, err = s.ExtendLeases(t.Context(), 0, nil, *stale.Task.Lease, *retaken.Task.Lease)
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
