package application_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/mock/gomock"
	"github.com/stretchr/testify/require"

	"logsift/application"
	"logsift/domain"
	"logsift/mocks"
	"logsift/ports"
)

func TestBackPressure(t *testing.T) {
	t.Parallel()

	t.Run("a full queue takes no entries until workers have caught up", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
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
	})

	t.Run("tasks for another attempt count, tasks of the future and finished ones do not", func(t *testing.T) {
		t.Parallel()
		ctrl := gomock.NewController(t)
		queue, logs := mocks.NewMockTaskQueue(ctrl), mocks.NewMockLogRepository(ctrl)
		service, err := application.NewLogService(logs, queue, application.LogServiceConfig{MaxPending: 10}, nil)
		require.NoError(t, err)
		queue.EXPECT().GetQueueStats(gomock.Any()).Return(domain.QueueStats{Pending: 4, Retrying: 6}, nil)
		_, err = service.CreateLogs(t.Context(), lines(1)...)
		require.ErrorIs(t, err, domain.ErrQueueFull)

		service, err = application.NewLogService(logs, queue, application.LogServiceConfig{MaxPending: 10}, nil)
		require.NoError(t, err)
		queue.EXPECT().GetQueueStats(gomock.Any()).Return(domain.QueueStats{
			Pending: 4, Retrying: 5, Scheduled: 100, Processing: 100, Completed: 100, Failed: 100, Cancelled: 100,
		}, nil)
		queue.EXPECT().Enqueue(gomock.Any(), gomock.Any()).Return(nil, nil)
		logs.EXPECT().SaveLogs(gomock.Any(), gomock.Any(), gomock.Any()).Return(1, nil)
		_, err = service.CreateLogs(t.Context(), lines(1)...)
		require.NoError(t, err)
	})

	t.Run("the depth is read four times a second at most, however many calls there are", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctrl := gomock.NewController(t)
			queue, logs := mocks.NewMockTaskQueue(ctrl), mocks.NewMockLogRepository(ctrl)
			service, err := application.NewLogService(logs, queue, application.LogServiceConfig{MaxPending: 10}, nil)
			require.NoError(t, err)
			queue.EXPECT().Enqueue(gomock.Any(), gomock.Any()).Return(nil, nil).AnyTimes()
			logs.EXPECT().SaveLogs(gomock.Any(), gomock.Any(), gomock.Any()).Return(1, nil).AnyTimes()
			queue.EXPECT().GetQueueStats(gomock.Any()).Return(domain.QueueStats{}, nil).Times(4)
			for range 100 {
				_, err := service.CreateLogs(t.Context(), lines(1)...)
				require.NoError(t, err)
				pass(10 * time.Millisecond)
			}
		})
	})

	t.Run("a store that cannot tell its depth takes nothing", func(t *testing.T) {
		t.Parallel()
		ctrl := gomock.NewController(t)
		queue := mocks.NewMockTaskQueue(ctrl)
		service, err := application.NewLogService(mocks.NewMockLogRepository(ctrl), queue, application.LogServiceConfig{MaxPending: 1}, nil)
		require.NoError(t, err)
		queue.EXPECT().GetQueueStats(gomock.Any()).Return(domain.QueueStats{}, domain.ErrStoreUnavailable)
		_, err = service.CreateLogs(t.Context(), lines(1)...)
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	})

	t.Run("without a limit nobody asks for the depth", func(t *testing.T) {
		t.Parallel()
		w := newLogWorld(t, application.LogServiceConfig{BatchSize: 1})
		w.create(lines(100)...)
	})
}
