package sqlitestore_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/sqlitestore"
	"logsift/domain"
	"logsift/ports"
)

func newTasks(n int) []*domain.Task {
	tasks := make([]*domain.Task, n)
	for i := range tasks {
		tasks[i] = newTask()
	}
	return tasks
}

// perTask reports tasks a second instead of the time of a call.
func perTask(b *testing.B, tasks int) {
	b.Helper()
	b.ReportMetric(float64(tasks)*float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
}

// BenchmarkEnqueue measures acknowledged enqueues with a sync of each commit.
func BenchmarkEnqueue(b *testing.B) {
	b.Run("one", func(b *testing.B) {
		queue := sqlitestore.NewTaskQueue(open(b, filepath.Join(b.TempDir(), "store.db"), sqlitestore.Config{}))
		for b.Loop() {
			_, err := queue.Enqueue(b.Context(), newTask())
			require.NoError(b, err)
		}
		perTask(b, 1)
	})
	b.Run("one of 64 callers", func(b *testing.B) {
		queue := sqlitestore.NewTaskQueue(open(b, filepath.Join(b.TempDir(), "store.db"), sqlitestore.Config{}))
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, err := queue.Enqueue(b.Context(), newTask())
				require.NoError(b, err)
			}
		})
		perTask(b, 1)
	})
	b.Run("1000", func(b *testing.B) {
		queue := sqlitestore.NewTaskQueue(open(b, filepath.Join(b.TempDir(), "store.db"), sqlitestore.Config{}))
		for b.Loop() {
			_, err := queue.Enqueue(b.Context(), newTasks(1000)...)
			require.NoError(b, err)
		}
		perTask(b, 1000)
	})
}

// BenchmarkDrain measures the claim and the report of 100 tasks at a time.
func BenchmarkDrain(b *testing.B) {
	queue := sqlitestore.NewTaskQueue(open(b, filepath.Join(b.TempDir(), "store.db"), sqlitestore.Config{}))
	left := 0
	for b.Loop() {
		if left == 0 {
			b.StopTimer()
			for range 20 {
				_, err := queue.Enqueue(b.Context(), newTasks(1000)...)
				require.NoError(b, err)
			}
			left = 200
			b.StartTimer()
		}
		left--
		tasks, err := queue.Dequeue(b.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 100, Lease: time.Minute})
		require.NoError(b, err)
		require.Len(b, tasks, 100)
		updates := make([]ports.TaskUpdate, len(tasks))
		for i, task := range tasks {
			updates[i] = ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeCompleted, Result: []byte(`{"ok":true}`)}
		}
		require.NoError(b, queue.UpdateTask(b.Context(), updates...))
	}
	perTask(b, 100)
}
