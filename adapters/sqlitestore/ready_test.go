package sqlitestore

import (
	"context"
	"database/sql"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// openStore opens a store in a folder of its own and returns its path.
func openStore(t *testing.T, config Config) (db *DB, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store.db")
	db, err := Open(t.Context(), path, config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db, path
}

// beside opens the file beside the store, as another program would.
func beside(t *testing.T, path string) *sql.DB {
	t.Helper()
	file, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	return file
}

// occupy takes all free connections of the pools until the test ends.
func occupy(t *testing.T, pools ...*sql.DB) {
	t.Helper()
	for _, pool := range pools {
		for range pool.Stats().MaxOpenConnections - pool.Stats().InUse {
			conn, err := pool.Conn(t.Context())
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, conn.Close()) })
		}
	}
}

func TestReady(t *testing.T) {
	t.Parallel()

	t.Run("reports that another process has locked the file, and when it no longer has", func(t *testing.T) {
		t.Parallel()
		db, path := openStore(t, Config{})
		require.NoError(t, db.Ready(t.Context()))
		other := beside(t, path)
		conn, err := other.Conn(t.Context())
		require.NoError(t, err)
		_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
		require.NoError(t, err)
		err = db.Ready(t.Context())
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
		require.ErrorContains(t, err, "another process has locked the file for ")
		_, err = conn.ExecContext(t.Context(), "ROLLBACK")
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		require.Eventually(t, func() bool { return db.Ready(t.Context()) == nil }, 5*time.Second, 10*time.Millisecond)
	})

	t.Run("reports a file that cannot be written", func(t *testing.T) {
		t.Parallel()
		db, _ := openStore(t, Config{})
		require.NoError(t, db.writer.do(t.Context(), "prepare", func(*transaction) error { return db.writer.plain("PRAGMA query_only = 1") }))
		require.ErrorIs(t, db.Ready(t.Context()), domain.ErrStoreReadOnly)
	})

	t.Run("is held up by no reader", func(t *testing.T) {
		t.Parallel()
		db, _ := openStore(t, Config{})
		occupy(t, db.reads, db.searches)
		require.NoError(t, db.Ready(t.Context()))
	})
}

func TestSearches(t *testing.T) {
	t.Parallel()
	search := domain.LogFilter{Text: "needle"}

	t.Run("are few at once, wait for their turn as long as their context lasts, and hold up no read", func(t *testing.T) {
		t.Parallel()
		db, _ := openStore(t, Config{})
		logs, queue := db.LogRepository, db.TaskQueue
		require.LessOrEqual(t, db.searches.Stats().MaxOpenConnections, max(runtime.GOMAXPROCS(0)/2, 1))
		occupy(t, db.searches)
		waiting, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := logs.ListLogs(waiting, search)
			ended <- err
		}()
		require.Eventually(t, func() bool { return db.searches.Stats().WaitCount == 1 }, 5*time.Second, time.Millisecond)
		_, err := queue.GetQueueStats(t.Context())
		require.NoError(t, err)
		_, err = logs.ListLogs(t.Context(), domain.LogFilter{})
		require.NoError(t, err, "the newest entries are no search")
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})

	t.Run("end with their context in the middle of a query", func(t *testing.T) {
		t.Parallel()
		db, _ := openStore(t, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		begun := make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			ended <- db.search(ctx, "count for ever", func(s *statements) error {
				close(begun)
				_, _, err := s.number("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
				return err
			})
		}()
		<-begun
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		_, err := db.ListLogs(t.Context(), search)
		require.NoError(t, err, "the connection is used again, or another one is made")
	})

	t.Run("cannot write", func(t *testing.T) {
		t.Parallel()
		db, _ := openStore(t, Config{})
		for _, pool := range []*sql.DB{db.reads, db.searches} {
			_, err := pool.ExecContext(t.Context(), "DELETE FROM task")
			require.ErrorIs(t, translate("delete", err), domain.ErrStoreReadOnly)
		}
		_, err := db.Enqueue(t.Context(), domain.NewTask(uuid.New(), "test", nil))
		require.NoError(t, err)
	})
}
