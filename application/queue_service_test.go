package application_test

import (
	"testing"

	"github.com/golang/mock/gomock"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
	"logsift/mocks"
)

func newQueueService(t *testing.T) *application.QueueService {
	t.Helper()
	scheduler := mocks.NewMockTaskScheduler(gomock.NewController(t))
	scheduler.EXPECT().GetSchedulerStats().Return(domain.SchedulerStats{TaskTypes: []domain.TaskType{"log_analysis", testType}}).AnyTimes()
	return application.NewQueueService(memstore.NewTaskQueue(memstore.Config{}), scheduler, nil)
}

func TestScheduleTasksRefusesItemByItem(t *testing.T) {
	t.Parallel()
	s := newQueueService(t)
	holder := newTestTask(func(t *domain.Task) { t.UniqueKey = "one" })
	_, err := s.ScheduleTasks(t.Context(), holder)
	require.NoError(t, err)

	tasks := []*domain.Task{
		newTestTask(func(t *domain.Task) { t.Type = "unknown" }),
		newTestTask(),
		newTestTask(func(t *domain.Task) { t.UniqueKey = "one" }),
		newTestTask(func(t *domain.Task) { t.MaxRetries = -1 }),
		nil,
		newTestTask(),
	}
	stored, err := s.ScheduleTasks(t.Context(), tasks...)
	require.Len(t, stored, len(tasks))
	require.ErrorIs(t, domain.ItemError(err, 0), domain.ErrUnknownTaskType)
	require.ErrorContains(t, domain.ItemError(err, 0), `type "unknown" has no processor and no worker; the known types are "log_analysis", "test"`)
	require.ErrorIs(t, domain.ItemError(err, 2), domain.ErrDuplicateTask)
	require.ErrorIs(t, domain.ItemError(err, 3), domain.ErrInvalid)
	require.ErrorIs(t, domain.ItemError(err, 4), domain.ErrInvalid)
	for _, i := range []int{1, 5} {
		require.NoError(t, domain.ItemError(err, i))
		require.Equal(t, tasks[i].ID, stored[i].ID)
	}
	for _, i := range []int{0, 2, 3, 4} {
		require.Nil(t, stored[i])
	}
	stats, err := s.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, stats.Total())
}

func TestScheduleTasksWithoutTasksDoesNothing(t *testing.T) {
	t.Parallel()
	stored, err := newQueueService(t).ScheduleTasks(t.Context())
	require.NoError(t, err)
	require.Empty(t, stored)
}

func TestAStoreThatIsDownRefusesTheWholeCall(t *testing.T) {
	t.Parallel()
	ctrl := gomock.NewController(t)
	queue, scheduler := mocks.NewMockTaskQueue(ctrl), mocks.NewMockTaskScheduler(ctrl)
	scheduler.EXPECT().GetSchedulerStats().Return(domain.SchedulerStats{TaskTypes: []domain.TaskType{testType}})
	queue.EXPECT().Enqueue(gomock.Any(), gomock.Any()).Return(nil, domain.ErrStoreUnavailable)
	_, err := application.NewQueueService(queue, scheduler, nil).ScheduleTasks(t.Context(), newTestTask(), newTestTask(func(t *domain.Task) { t.Type = "unknown" }))
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	var batch *domain.BatchError
	require.NotErrorAs(t, err, &batch)
}

func TestAQueueServiceChangesTasksOnAPersonsWord(t *testing.T) {
	t.Parallel()
	s := newQueueService(t)
	task := newTestTask()
	_, err := s.ScheduleTasks(t.Context(), task)
	require.NoError(t, err)
	status := func() domain.TaskStatus {
		got, err := s.GetTask(t.Context(), task.ID)
		require.NoError(t, err)
		return got.Status
	}
	require.NoError(t, s.RunTaskNow(t.Context(), task.ID))
	require.NoError(t, s.CancelTask(t.Context(), task.ID))
	require.Equal(t, domain.TaskStatusCancelled, status())
	require.ErrorIs(t, s.RunTaskNow(t.Context(), task.ID), domain.ErrInvalidTransition)
	require.NoError(t, s.RetryTask(t.Context(), task.ID))
	require.Equal(t, domain.TaskStatusPending, status())
	page, err := s.ListTasks(t.Context(), domain.TaskFilter{})
	require.NoError(t, err)
	require.Len(t, page.Tasks, 1)
	_, err = s.ListTasks(t.Context(), domain.TaskFilter{Limit: 1000})
	require.ErrorIs(t, err, domain.ErrInvalid)
	require.NoError(t, s.DeleteTask(t.Context(), task.ID))
	_, err = s.GetTask(t.Context(), task.ID)
	require.ErrorIs(t, err, domain.ErrTaskNotFound)
	require.ErrorIs(t, s.DeleteTask(t.Context(), uuid.New()), domain.ErrTaskNotFound)
}

func TestScheduleLogAnalysisIsTheSchedulers(t *testing.T) {
	t.Parallel()
	scheduler := mocks.NewMockTaskScheduler(gomock.NewController(t))
	id := uuid.New()
	want := domain.NewLogAnalysisTask(uuid.New(), id)
	scheduler.EXPECT().ScheduleLogAnalysis(gomock.Any(), id).Return(want, nil)
	got, err := application.NewQueueService(nil, scheduler, nil).ScheduleLogAnalysis(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, want, got)
}
