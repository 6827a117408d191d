package sqlitestore_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/sqlitestore"
	"logsift/domain"
	"logsift/ports"
	"logsift/ports/portstest"
)

// BenchmarkTaskQueue measures with a sync of each commit.
func BenchmarkTaskQueue(b *testing.B) {
	portstest.BenchmarkTaskQueue(b, func(b *testing.B) ports.TaskQueue {
		b.Helper()
		return open(b, filepath.Join(b.TempDir(), "store.db"), sqlitestore.Config{}).TaskQueue
	})
}

// BenchmarkEnqueueByMany measures acknowledged enqueues of one task by 64 callers,
// who share transactions.
func BenchmarkEnqueueByMany(b *testing.B) {
	queue := open(b, filepath.Join(b.TempDir(), "store.db"), sqlitestore.Config{}).TaskQueue
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := queue.Enqueue(b.Context(), newTask())
			require.NoError(b, err)
		}
	})
}

// BenchmarkQueues measures the way of 100 tasks from their enqueue to their completion,
// each of another queue, in files with several numbers of queues.
func BenchmarkQueues(b *testing.B) {
	for _, queues := range []int{10, 10_000, 50_000} {
		b.Run(strconv.Itoa(queues), func(b *testing.B) {
			const size = 100
			queue := open(b, filepath.Join(b.TempDir(), "store.db"), sqlitestore.Config{}).TaskQueue
			next := 0
			enqueue := func(n int) {
				tasks := make([]*domain.Task, n)
				for i := range tasks {
					tasks[i] = newTask()
					tasks[i].Queue = fmt.Sprint("queue-", next%queues)
					next++
				}
				_, err := queue.Enqueue(b.Context(), tasks...)
				require.NoError(b, err)
			}
			for range queues / 10 {
				// Each queue has a task that waits.
				enqueue(10)
			}
			for b.Loop() {
				enqueue(size)
				claimed, err := queue.Dequeue(b.Context(), claim(size, 0))
				require.NoError(b, err)
				require.Len(b, claimed, size)
				require.NoError(b, queue.UpdateTask(b.Context(), portstest.Completed(claimed)...))
			}
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}

// BenchmarkKeys drains tasks of 100 keys by claims of 100, with and without an order of each
// key, and tasks without keys.
func BenchmarkKeys(b *testing.B) {
	for _, of := range []string{"no keys", "keys", "keys in order"} {
		b.Run(of, func(b *testing.B) {
			const size = 100
			db := open(b, filepath.Join(b.TempDir(), "store.db"), sqlitestore.Config{})
			if of == "keys in order" {
				require.NoError(b, db.SetLimit(b.Context(), domain.Limit{Name: "order", Scope: domain.LimitKey, Queue: "default", Concurrency: 1}))
			}
			for n := 0; n < b.N; n += size {
				tasks := make([]*domain.Task, min(size, b.N-n))
				for i := range tasks {
					if tasks[i] = newTask(); of != "no keys" {
						tasks[i].Key = strconv.Itoa(i)
					}
				}
				_, err := db.Enqueue(b.Context(), tasks...)
				require.NoError(b, err)
			}
			b.ResetTimer()
			for done := 0; done < b.N; {
				claimed, err := db.Dequeue(b.Context(), claim(size, 0))
				require.NoError(b, err)
				require.NotEmpty(b, claimed)
				require.NoError(b, db.UpdateTask(b.Context(), portstest.Completed(claimed)...))
				done += len(claimed)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}
