package memstore_test

import (
	"sync/atomic"
	"testing"
	"time"

	"logsift/adapters/memstore"
	"logsift/ports"
	"logsift/ports/portstest"
)

// clock is a store's clock that a test moves.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

func TestTaskQueueKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestTaskQueue(t, func(*testing.T) portstest.QueueHarness {
		c := &clock{}
		return portstest.QueueHarness{Queue: memstore.NewTaskQueue(memstore.Config{Now: c.now}), Advance: c.advance}
	})
}

func TestQueueControllerKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestQueueController(t, func(*testing.T) portstest.ControllerHarness {
		c := &clock{}
		return portstest.ControllerHarness{Queue: memstore.NewTaskQueue(memstore.Config{Now: c.now}), Advance: c.advance}
	})
}

func TestSchedulerRegistryKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestSchedulerRegistry(t, func(*testing.T) portstest.RegistryHarness {
		c := &clock{}
		return portstest.RegistryHarness{Registry: memstore.NewSchedulerRegistry(memstore.Config{Now: c.now}), Advance: c.advance}
	})
}

func TestTaskEventsKeepTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestTaskEvents(t, func(*testing.T) portstest.EventHarness {
		c := &clock{}
		return portstest.EventHarness{Queue: memstore.NewTaskQueue(memstore.Config{Now: c.now}), Advance: c.advance}
	})
}

func BenchmarkTaskQueue(b *testing.B) {
	portstest.BenchmarkTaskQueue(b, func(*testing.B) ports.TaskQueue { return memstore.NewTaskQueue(memstore.Config{}) })
}
