package memstore_test

import (
	"sync/atomic"
	"testing"
	"time"

	"logsift/adapters/memstore"
	"logsift/ports"
	"logsift/ports/portstest"
)

func TestTheStoreKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestStore(t, func(*testing.T) portstest.Store {
		var offset atomic.Int64
		config := memstore.Config{Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }}
		store := memstore.New(config)
		return portstest.Store{
			Queue: store, Queues: store, Limits: store, Events: store, Runs: store, Schedulers: store, Schedules: store, Workflows: store, Logs: store,
			Advance: func(d time.Duration) { offset.Add(int64(d)) },
		}
	})
}

func BenchmarkTaskQueue(b *testing.B) {
	portstest.BenchmarkTaskQueue(b, func(*testing.B) ports.TaskQueue { return memstore.NewTaskQueue(memstore.Config{}) })
}
