package application_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
)

// Not parallel: the goroutines of other tests would be counted too.
func TestStartingAndStoppingLeavesNothing(t *testing.T) {
	cycles := 1000
	if testing.Short() {
		cycles = 50
	}
	queue := memstore.NewTaskQueue(memstore.Config{})
	before := goleak.IgnoreCurrent()
	for range cycles {
		scheduler, err := application.NewScheduler(queue, application.SchedulerConfig{Workers: 4, Maintain: true}, nil)
		require.NoError(t, err)
		ran := make(chan struct{})
		require.NoError(t, scheduler.RegisterProcessor(testType, processorFunc(func(context.Context, *domain.Task) ([]byte, error) {
			close(ran)
			return nil, nil
		})))
		require.NoError(t, scheduler.Start(t.Context()))
		_, err = scheduler.ScheduleTask(t.Context(), domain.NewTask(uuid.New(), testType, nil))
		require.NoError(t, err)
		<-ran
		require.NoError(t, scheduler.Stop(t.Context()))
	}
	goleak.VerifyNone(t, before)
	stats, err := queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, cycles, stats.Completed)
}
