package redisstore_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
	"logsift/ports"
	"logsift/ports/portstest"
)

// world is an isolated part of a Redis, with a clock of its own.
type world struct {
	server     *redistest.Server // the server of url, if that is one
	url        string
	namespace  string
	partitions int
	offset     atomic.Int64
}

// newWorld returns a part of the server that all tests share.
func newWorld(t *testing.T) *world {
	t.Helper()
	server, namespace := redistest.Shared(t)
	return &world{server: server, url: server.URL(), namespace: namespace, partitions: 1}
}

func (w *world) advance(d time.Duration) { w.offset.Add(int64(d)) }

func (w *world) open(t *testing.T) *redisstore.Client {
	t.Helper()
	client, err := redisstore.Open(t.Context(), redisstore.Config{
		URL: w.url, Namespace: w.namespace, Partitions: w.partitions,
		ClockOffset: func() time.Duration { return time.Duration(w.offset.Load()) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

func (w *world) queue(t *testing.T) ports.TaskQueue {
	t.Helper()
	return w.eventQueue(t)
}

func (w *world) eventQueue(t *testing.T) portstest.EventQueue {
	t.Helper()
	queue := redisstore.NewTaskQueue(w.open(t))
	t.Cleanup(queue.Close)
	return queue
}

// harness gives the queue of the world to the suite.
func (w *world) harness(t *testing.T) portstest.QueueHarness {
	t.Helper()
	h := portstest.QueueHarness{Queue: w.queue(t), Advance: w.advance, Reopen: w.queue, Restart: w.queue}
	if w.partitions > 1 {
		h.NoUniqueKeys = true
		h.Partition = func(id domain.TaskID) int { return redisstore.PartitionOf(id, w.partitions) }
	}
	return h
}

// The other suites run in secure_test.go.
func TestTaskQueueKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestTaskQueue(t, func(t *testing.T) portstest.QueueHarness {
		t.Helper()
		return newWorld(t).harness(t)
	})
}

// eventHarness gives the queue of the world to the suite of events.
func (w *world) eventHarness(t *testing.T) portstest.EventHarness {
	t.Helper()
	h := portstest.EventHarness{Queue: w.eventQueue(t), Advance: w.advance, Reopen: w.eventQueue}
	if w.partitions > 1 {
		h.Partition = func(id domain.TaskID) int { return redisstore.PartitionOf(id, w.partitions) }
	}
	return h
}

func TestTaskEventsKeepTheContract(t *testing.T) {
	t.Parallel()
	for name, partitions := range map[string]int{"one partition": 1, "three partitions": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			portstest.TestTaskEvents(t, func(t *testing.T) portstest.EventHarness {
				t.Helper()
				w := newWorld(t)
				w.partitions = partitions
				return w.eventHarness(t)
			})
		})
	}
}

// controlled gives the queue of the world to the suite of ports.QueueController.
func (w *world) controlled(t *testing.T) portstest.ControllerHarness {
	t.Helper()
	open := func(t *testing.T) portstest.ControlledQueue {
		t.Helper()
		queue := redisstore.NewTaskQueue(w.open(t))
		t.Cleanup(queue.Close)
		return queue
	}
	return portstest.ControllerHarness{Queue: open(t), Advance: w.advance, Reopen: open, Restart: open}
}

// registry gives the registry of schedulers of the world to the suite.
func (w *world) registry(t *testing.T) portstest.RegistryHarness {
	t.Helper()
	open := func(t *testing.T) ports.SchedulerRegistry {
		t.Helper()
		return redisstore.NewSchedulerRegistry(w.open(t))
	}
	return portstest.RegistryHarness{Registry: open(t), Advance: w.advance, Reopen: open, Restart: open}
}

func TestQueueControllerKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestQueueController(t, func(t *testing.T) portstest.ControllerHarness {
		t.Helper()
		return newWorld(t).controlled(t)
	})
}
