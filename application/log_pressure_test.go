package application_test

import (
	"testing"
	"time"

	"github.com/golang/mock/gomock"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

func TestBackPressure(t *testing.T) {
	t.Parallel()

	inBubble(t, "a full queue takes no entries until workers have caught up", func(t *testing.T) {
		w := newLogWorld(t, application.LogServiceConfig{BatchSize: 1, MaxPending: 3})
		w.create(lines(3)...)
		_, err := w.service.CreateLogs(t.Context(), lines(1)...)
		require.ErrorIs(t, err, domain.ErrQueueFull)
		require.ErrorContains(t, err, "3 tasks wait, the limit is 3")
		page, err := w.service.ListLogs(t.Context(), domain.LogFilter{})
		require.NoError(t, err)
		require.Len(t, page.Logs, 3, "nothing of the refused call is stored")

		claimed, err := w.queue.Dequeue(t.Context(), ports.ClaimRequest{ID: newTestTask().ID, Max: 1, Lease: time.Minute})
		require.NoError(t, err)
		require.Len(t, claimed, 1)
		pass(250 * time.Millisecond)
		w.create(lines(1)...)
		_, err = w.service.CreateLogs(t.Context(), lines(1)...)
		require.ErrorIs(t, err, domain.ErrQueueFull, "the batch that was opened since counts at once")
	})

	t.Run("tasks for another attempt count, tasks of the future and finished ones do not", func(t *testing.T) {
		t.Parallel()
		full, queue, _ := mockedLogs(t, application.LogServiceConfig{MaxPending: 10})
		queue.EXPECT().GetQueueStats(gomock.Any()).Return(domain.QueueStats{Pending: 4, Retrying: 6}, nil)
		_, err := full.CreateLogs(t.Context(), lines(1)...)
		require.ErrorIs(t, err, domain.ErrQueueFull)

		service, queue, logs := mockedLogs(t, application.LogServiceConfig{MaxPending: 10})
		queue.EXPECT().GetQueueStats(gomock.Any()).Return(domain.QueueStats{
			Pending: 4, Retrying: 5, Scheduled: 100, Processing: 100, Completed: 100, Failed: 100, Cancelled: 100,
		}, nil)
		queue.EXPECT().Enqueue(gomock.Any(), gomock.Any()).Return(nil, nil)
		logs.EXPECT().SaveLogs(gomock.Any(), gomock.Any(), gomock.Any()).Return(1, nil)
		_, err = service.CreateLogs(t.Context(), lines(1)...)
		require.NoError(t, err)
	})

	inBubble(t, "tasks of other queues and types keep nothing out", func(t *testing.T) {
		queue := memstore.NewTaskQueue(memstore.Config{})
		service, err := application.NewLogService(memstore.NewLogRepository(memstore.Config{}), queue,
			application.LogServiceConfig{BatchSize: 1, MaxPending: 3, Queues: queue, Queue: "logs"}, nil)
		require.NoError(t, err)
		for range 10 {
			_, err := queue.Enqueue(t.Context(), newTestTask(), newTestTask(func(t *domain.Task) { t.Queue = "logs" }))
			require.NoError(t, err)
		}
		require.NoError(t, queue.PauseQueue(t.Context(), domain.DefaultQueue))
		_, err = service.CreateLogs(t.Context(), lines(3)...)
		require.NoError(t, err)
		pass(time.Second)
		_, err = service.CreateLogs(t.Context(), lines(1)...)
		require.ErrorIs(t, err, domain.ErrQueueFull)
	})

	inBubble(t, "the depth is read four times a second at most, however many calls there are", func(t *testing.T) {
		service, queue, logs := mockedLogs(t, application.LogServiceConfig{MaxPending: 10})
		queue.EXPECT().Enqueue(gomock.Any(), gomock.Any()).Return(nil, nil).AnyTimes()
		logs.EXPECT().SaveLogs(gomock.Any(), gomock.Any(), gomock.Any()).Return(1, nil).AnyTimes()
		queue.EXPECT().GetQueueStats(gomock.Any()).Return(domain.QueueStats{}, nil).Times(4)
		for range 100 {
			_, err := service.CreateLogs(t.Context(), lines(1)...)
			require.NoError(t, err)
			pass(10 * time.Millisecond)
		}
	})

	t.Run("a store that cannot tell its depth takes nothing", func(t *testing.T) {
		t.Parallel()
		service, queue, _ := mockedLogs(t, application.LogServiceConfig{MaxPending: 1})
		queue.EXPECT().GetQueueStats(gomock.Any()).Return(domain.QueueStats{}, domain.ErrStoreUnavailable)
		_, err := service.CreateLogs(t.Context(), lines(1)...)
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	})

	t.Run("without a limit nobody asks for the depth", func(t *testing.T) {
		t.Parallel()
		w := newLogWorld(t, application.LogServiceConfig{BatchSize: 1})
		w.create(lines(100)...)
	})
}
