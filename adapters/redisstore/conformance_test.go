package redisstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/layout"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/domain"
	"logsift/ports/portstest"
)

// world is a world that gives its stores to the suites.
type world struct{ *storetest.World }

// newWorld returns a part of the server that all tests share.
func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{storetest.NewWorld(t)}
}

func (w *world) queue(t *testing.T) *redisstore.TaskQueue {
	t.Helper()
	return w.Open(t).TaskQueue
}

// store opens the world as a store of all roles.
func (w *world) store(t *testing.T) portstest.Store {
	t.Helper()
	client := w.Open(t)
	s := portstest.Store{
		Queue: client, Queues: client, Limits: client, Events: client, Runs: client, Schedulers: client, Schedules: client, Workflows: client, Logs: client,
		Verifier: redisstore.NewVerifier(client),
		Advance:  w.Advance, Reopen: w.store, Restart: w.store,
	}
	if w.Partitions > 1 {
		s.Partition = func(id domain.TaskID, key string) int {
			if key != "" {
				return layout.PartitionOf([]byte(key), w.Partitions)
			}
			return layout.PartitionOf(id[:], w.Partitions)
		}
	}
	if w.Partitions == 1 && w.Server != nil {
		s.Harm = func(t *testing.T) {
			t.Helper()
			require.NoError(t, storetest.Raw(t, w.Server).Del(t.Context(), "{"+w.Namespace+":0}:ready:0").Err())
		}
	}
	return s
}

// A store of three partitions keeps the contract in secure_test.go.
func TestTheStoreKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestStore(t, func(t *testing.T) portstest.Store {
		t.Helper()
		return newWorld(t).store(t)
	})
}
