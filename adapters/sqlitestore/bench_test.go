package sqlitestore_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/sqlitestore"
	"logsift/ports"
	"logsift/ports/portstest"
)

// BenchmarkTaskQueue measures with a sync of each commit.
func BenchmarkTaskQueue(b *testing.B) {
	portstest.BenchmarkTaskQueue(b, func(b *testing.B) ports.TaskQueue {
		b.Helper()
		return sqlitestore.NewTaskQueue(open(b, filepath.Join(b.TempDir(), "store.db"), sqlitestore.Config{}))
	})
}

// BenchmarkEnqueueByMany measures acknowledged enqueues of one task by 64 callers,
// who share transactions.
func BenchmarkEnqueueByMany(b *testing.B) {
	queue := sqlitestore.NewTaskQueue(open(b, filepath.Join(b.TempDir(), "store.db"), sqlitestore.Config{}))
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := queue.Enqueue(b.Context(), newTask())
			require.NoError(b, err)
		}
	})
}
