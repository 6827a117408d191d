package portstest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// Completed are reports that tasks are COMPLETED, without results.
func Completed(tasks []*domain.Task) []ports.TaskUpdate {
	return each(tasks, func(task **domain.Task) ports.TaskUpdate { return complete(*task, "") })
}

// BenchmarkTaskQueue measures a task's way from its enqueue to its completion, in
// calls of several sizes. ns/op and the allocations are those of one round of
// calls; enqueue-ns, claim-ns and complete-ns are for one task. The payload is
// about that of an analysis task with twenty log ids.
func BenchmarkTaskQueue(b *testing.B, newQueue func(b *testing.B) ports.TaskQueue) {
	b.Helper()
	ids := make([]domain.LogID, 20)
	for i := range ids {
		ids[i] = uuid.New()
	}
	payload := domain.NewLogAnalysisTask(uuid.New(), ids...).Payload
	for _, size := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("calls of %d", size), func(b *testing.B) {
			queue := newQueue(b)
			var enqueue, claim, complete time.Duration
			b.ReportAllocs()
			for b.Loop() {
				tasks := make([]*domain.Task, size)
				for i := range tasks {
					tasks[i] = domain.NewTask(uuid.Must(uuid.NewV7()), "work", payload)
				}
				begun := time.Now()
				_, err := queue.Enqueue(b.Context(), tasks...)
				enqueue += time.Since(begun)
				require.NoError(b, err)

				begun = time.Now()
				claimed, err := queue.Dequeue(b.Context(), ports.ClaimRequest{ID: uuid.New(), Max: size, Lease: lease})
				claim += time.Since(begun)
				require.NoError(b, err)
				require.Len(b, claimed, size)

				updates := Completed(claimed)
				begun = time.Now()
				err = queue.UpdateTask(b.Context(), updates...)
				complete += time.Since(begun)
				require.NoError(b, err)
			}
			perTask := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(b.N*size) }
			b.ReportMetric(perTask(enqueue), "enqueue-ns")
			b.ReportMetric(perTask(claim), "claim-ns")
			b.ReportMetric(perTask(complete), "complete-ns")
		})
	}
}
