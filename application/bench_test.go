package application_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// BenchmarkScheduler measures what the scheduler itself costs for a task that
// does nothing, from its claim to its report. An op is one task; the store in
// memory has its share in it, and the enqueue has not.
func BenchmarkScheduler(b *testing.B) {
	for _, workers := range []int{1, 10, 100} {
		b.Run(strconv.Itoa(workers)+" workers", func(b *testing.B) {
			queue := memstore.NewTaskQueue(memstore.Config{})
			for left := b.N; left > 0; left -= ports.MaxEnqueue {
				tasks := make([]*domain.Task, min(left, ports.MaxEnqueue))
				for i := range tasks {
					tasks[i] = domain.NewTask(uuid.New(), testType, nil)
				}
				_, err := queue.Enqueue(b.Context(), tasks...)
				require.NoError(b, err)
			}
			scheduler, err := application.NewScheduler(queue, application.SchedulerConfig{Workers: workers}, nil)
			require.NoError(b, err)
			done := make(chan struct{}, b.N)
			noop := processorFunc(func(context.Context, *domain.Task) ([]byte, error) {
				done <- struct{}{}
				return nil, nil
			})
			require.NoError(b, scheduler.RegisterProcessor(testType, noop))
			b.ReportAllocs()
			b.ResetTimer()
			require.NoError(b, scheduler.Start(b.Context()))
			for range b.N {
				<-done
			}
			// A drain sends the last reports.
			require.NoError(b, scheduler.Stop(b.Context()))
			b.StopTimer()
			stats, err := queue.GetQueueStats(b.Context())
			require.NoError(b, err)
			require.EqualValues(b, b.N, stats.Completed)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}
