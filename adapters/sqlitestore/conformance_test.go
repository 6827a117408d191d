package sqlitestore_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/sqlitestore"
	"logsift/ports"
	"logsift/ports/portstest"
)

// world is a store file of its own, with a clock that the test moves.
type world struct {
	path   string
	offset atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{path: filepath.Join(t.TempDir(), "store.db")}
}

func (w *world) advance(d time.Duration) { w.offset.Add(int64(d)) }

// open opens the file by a handle of its own, as another process would.
func (w *world) open(t *testing.T) *sqlitestore.DB {
	t.Helper()
	db, err := sqlitestore.Open(t.Context(), w.path, sqlitestore.Config{
		Synchronous: sqlitestore.SynchronousNormal, // No test pulls the plug.
		Now:         func() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestTaskQueueKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestTaskQueue(t, func(t *testing.T) portstest.QueueHarness {
		t.Helper()
		w := newWorld(t)
		first := w.open(t)
		again := func(t *testing.T) ports.TaskQueue {
			t.Helper()
			return sqlitestore.NewTaskQueue(w.open(t))
		}
		restart := func(t *testing.T) ports.TaskQueue {
			t.Helper()
			require.NoError(t, first.Close())
			return again(t)
		}
		return portstest.QueueHarness{Queue: sqlitestore.NewTaskQueue(first), Advance: w.advance, Reopen: again, Restart: restart}
	})
}

func TestTaskEventsKeepTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestTaskEvents(t, func(t *testing.T) portstest.EventHarness {
		t.Helper()
		w := newWorld(t)
		again := func(t *testing.T) portstest.EventQueue {
			t.Helper()
			return sqlitestore.NewTaskQueue(w.open(t))
		}
		return portstest.EventHarness{Queue: sqlitestore.NewTaskQueue(w.open(t)), Advance: w.advance, Reopen: again}
	})
}

func TestLogRepositoryKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestLogRepository(t, func(t *testing.T) portstest.LogHarness {
		t.Helper()
		w := newWorld(t)
		first := w.open(t)
		again := func(t *testing.T) ports.LogRepository {
			t.Helper()
			return sqlitestore.NewLogRepository(w.open(t))
		}
		restart := func(t *testing.T) ports.LogRepository {
			t.Helper()
			require.NoError(t, first.Close())
			return again(t)
		}
		return portstest.LogHarness{Repository: sqlitestore.NewLogRepository(first), Advance: w.advance, Reopen: again, Restart: restart}
	})
}

func TestQueueControllerKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestQueueController(t, func(t *testing.T) portstest.ControllerHarness {
		t.Helper()
		w := newWorld(t)
		first := w.open(t)
		again := func(t *testing.T) portstest.ControlledQueue {
			t.Helper()
			return sqlitestore.NewTaskQueue(w.open(t))
		}
		restart := func(t *testing.T) portstest.ControlledQueue {
			t.Helper()
			require.NoError(t, first.Close())
			return again(t)
		}
		return portstest.ControllerHarness{Queue: sqlitestore.NewTaskQueue(first), Advance: w.advance, Reopen: again, Restart: restart}
	})
}

func TestSchedulerRegistryKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestSchedulerRegistry(t, func(t *testing.T) portstest.RegistryHarness {
		t.Helper()
		w := newWorld(t)
		first := w.open(t)
		again := func(t *testing.T) ports.SchedulerRegistry {
			t.Helper()
			return sqlitestore.NewSchedulerRegistry(w.open(t))
		}
		restart := func(t *testing.T) ports.SchedulerRegistry {
			t.Helper()
			require.NoError(t, first.Close())
			return again(t)
		}
		return portstest.RegistryHarness{Registry: sqlitestore.NewSchedulerRegistry(first), Advance: w.advance, Reopen: again, Restart: restart}
	})
}
