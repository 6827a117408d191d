package portstest

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// BenchmarkTaskQueue measures a task's way from its enqueue to its completion, in
// calls of several sizes; ns/task is for one task, ns/op for one round of calls.
func BenchmarkTaskQueue(b *testing.B, newQueue func(b *testing.B) ports.TaskQueue) {
	b.Helper()
	for _, size := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("calls of %d", size), func(b *testing.B) {
			queue := newQueue(b)
			b.ReportAllocs()
			for b.Loop() {
				tasks := make([]*domain.Task, size)
				for i := range tasks {
					tasks[i] = newTask()
				}
				_, err := queue.Enqueue(b.Context(), tasks...)
				require.NoError(b, err)
				claimed, err := queue.Dequeue(b.Context(), ports.ClaimRequest{ID: uuid.New(), Max: size, Lease: lease})
				require.NoError(b, err)
				require.Len(b, claimed, size)
				updates := make([]ports.TaskUpdate, size)
				for i, task := range claimed {
					updates[i] = complete(task, "")
				}
				require.NoError(b, queue.UpdateTask(b.Context(), updates...))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/task")
		})
	}
}
