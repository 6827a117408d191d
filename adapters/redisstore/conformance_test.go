package redisstore_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/ports"
	"logsift/ports/portstest"
)

// world is an isolated part of a shared server, with a clock of its own.
type world struct {
	server    *redistest.Server
	namespace string
	offset    atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server, namespace := redistest.Shared(t)
	return &world{server: server, namespace: namespace}
}

func (w *world) advance(d time.Duration) { w.offset.Add(int64(d)) }

func (w *world) open(t *testing.T) *redisstore.Client {
	t.Helper()
	client, err := redisstore.Open(t.Context(), redisstore.Config{
		URL: w.server.URL(), Namespace: w.namespace,
		ClockOffset: func() time.Duration { return time.Duration(w.offset.Load()) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

func (w *world) queue(t *testing.T) ports.TaskQueue {
	t.Helper()
	queue := redisstore.NewTaskQueue(w.open(t))
	t.Cleanup(queue.Close)
	return queue
}

func TestTaskQueueKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestTaskQueue(t, func(t *testing.T) portstest.QueueHarness {
		w := newWorld(t)
		return portstest.QueueHarness{
			Queue: w.queue(t), Advance: w.advance, Reopen: w.queue, Restart: w.queue,
		}
	})
}
