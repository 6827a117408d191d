package sqlitestore_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/sqlitestore"
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
		Synchronous:  sqlitestore.SynchronousNormal, // No test pulls the plug.
		PollInterval: sqlitestore.MaxPollInterval,   // Who waits is woken, and does not find a task by looking for it.
		Now:          func() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// store opens the file as a store of all roles.
func (w *world) store(t *testing.T) portstest.Store {
	t.Helper()
	db := w.open(t)
	return portstest.Store{
		Queue: db, Queues: db, Limits: db, Events: db, Runs: db, Schedulers: db, Schedules: db, Workflows: db, Logs: db,
		Verifier: db, MendsNothing: true,
		Harm: func(t *testing.T) {
			t.Helper()
			_, err := raw(t, w.path).ExecContext(t.Context(), "UPDATE lane SET ready = ready + 1")
			require.NoError(t, err)
		},
		Advance: w.advance, Reopen: w.store,
		Restart: func(t *testing.T) portstest.Store {
			t.Helper()
			require.NoError(t, db.Close())
			return w.store(t)
		},
	}
}

func TestTheStoreKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestStore(t, func(t *testing.T) portstest.Store {
		t.Helper()
		return newWorld(t).store(t)
	})
}
