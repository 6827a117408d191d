package sqlitestore_test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/sqlitestore"
	"logsift/domain"
	"logsift/ports"
)

// open opens a store that is closed when the test ends.
func open(tb testing.TB, path string, config sqlitestore.Config) *sqlitestore.DB {
	tb.Helper()
	db, err := sqlitestore.Open(tb.Context(), path, config)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

// raw opens the file beside the store, as another program would.
func raw(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

func execute(tb testing.TB, db *sql.DB, query string, args ...any) {
	tb.Helper()
	_, err := db.ExecContext(tb.Context(), query, args...)
	require.NoError(tb, err)
}

// lock locks the file as another program may, until it is released.
func lock(t *testing.T, path string) (release func()) {
	t.Helper()
	other, err := raw(t, path).Conn(t.Context())
	require.NoError(t, err)
	run := func(query string) {
		_, err := other.ExecContext(t.Context(), query)
		require.NoError(t, err)
	}
	run("BEGIN IMMEDIATE")
	return func() {
		run("ROLLBACK")
		require.NoError(t, other.Close())
	}
}

func countTasks(tb testing.TB, path string) (n int64) {
	tb.Helper()
	require.NoError(tb, raw(tb, path).QueryRowContext(tb.Context(), "SELECT count(*) FROM task").Scan(&n))
	return n
}

func newTask() *domain.Task {
	return domain.NewTask(uuid.Must(uuid.NewV7()), "test", []byte(`{"n":1}`))
}

func claim(n int, wait time.Duration) ports.ClaimRequest {
	return ports.ClaimRequest{ID: uuid.New(), Max: n, Lease: time.Minute, Wait: wait}
}

func TestOpen(t *testing.T) {
	t.Parallel()

	t.Run("refuses a file that is no database", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "notes.txt")
		require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("not a database\n"), 1000), 0o600))
		_, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
		require.ErrorIs(t, err, domain.ErrCorruptRecord)
	})

	t.Run("refuses a database of another program", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "other.db")
		execute(t, raw(t, path), "CREATE TABLE other (x)")
		_, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
		require.ErrorContains(t, err, "another program")
	})

	t.Run("refuses a file of a newer version and leaves it as it is", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "store.db")
		db, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
		require.NoError(t, err)
		require.NoError(t, db.Close())
		file := raw(t, path)
		execute(t, file, "PRAGMA user_version = 999")
		_, err = sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
		require.ErrorContains(t, err, "version 999")
		var version int
		require.NoError(t, file.QueryRowContext(t.Context(), "PRAGMA user_version").Scan(&version))
		require.Equal(t, 999, version)
	})

	t.Run("says which path cannot be opened", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "missing", "store.db")
		_, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
		require.ErrorContains(t, err, path)
		_, err = sqlitestore.Open(t.Context(), t.TempDir(), sqlitestore.Config{})
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	})

	t.Run("refuses a file that may not be written", func(t *testing.T) {
		t.Parallel()
		if os.Geteuid() == 0 {
			t.Skip("the superuser may write every file")
		}
		path := filepath.Join(t.TempDir(), "store.db")
		require.NoError(t, os.WriteFile(path, nil, 0o400))
		_, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
		require.ErrorIs(t, err, domain.ErrStoreReadOnly)
	})

	t.Run("refuses settings out of range", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "store.db")
		for _, config := range []sqlitestore.Config{
			{BusyTimeout: -1}, {Synchronous: "off"}, {PollInterval: time.Hour},
		} {
			_, err := sqlitestore.Open(t.Context(), path, config)
			require.ErrorIs(t, err, domain.ErrInvalid)
		}
		_, err := sqlitestore.Open(t.Context(), ":memory:", sqlitestore.Config{})
		require.ErrorIs(t, err, domain.ErrInvalid)
	})

	t.Run("takes a path with characters that mean something in a URL", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "a b?c#d%20.db")
		open(t, path, sqlitestore.Config{})
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.NotZero(t, info.Size())
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	})

	t.Run("lets many open a new file at once", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "store.db")
		var group sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			group.Go(func() {
				db, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
				if err == nil {
					err = db.Close()
				}
				errs[i] = err
			})
		}
		group.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
	})
}

func TestCloseEndsAWaitingClaimAndRefusesFurtherCalls(t *testing.T) {
	t.Parallel()
	db, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), sqlitestore.Config{})
	require.NoError(t, err)
	queue := db.TaskQueue
	waiting := make(chan error, 1)
	go func() {
		_, err := queue.Dequeue(context.WithoutCancel(t.Context()), claim(1, time.Minute))
		waiting <- err
	}()
	require.NoError(t, db.Close())
	require.NoError(t, db.Close())
	require.ErrorIs(t, <-waiting, domain.ErrClosed)
	_, err = queue.Enqueue(t.Context(), newTask())
	require.ErrorIs(t, err, domain.ErrClosed)
	_, err = queue.GetQueueStats(t.Context())
	require.ErrorIs(t, err, domain.ErrClosed)
}

func TestAReportOfAnotherResultIsNoRepeat(t *testing.T) {
	t.Parallel()
	queue := newWorld(t).open(t).TaskQueue
	_, err := queue.Enqueue(t.Context(), newTask())
	require.NoError(t, err)
	tasks, err := queue.Dequeue(t.Context(), claim(1, 0))
	require.NoError(t, err)
	report := ports.TaskUpdate{Lease: *tasks[0].Lease, Outcome: ports.OutcomeCompleted, Result: []byte("kept")}
	require.NoError(t, queue.UpdateTask(t.Context(), report))
	report.Result = []byte("other")
	require.ErrorIs(t, queue.UpdateTask(t.Context(), report), domain.ErrLeaseLost)
}

func TestCreationTimeIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	queue := w.open(t).TaskQueue
	gone, err := queue.Enqueue(t.Context(), newTask())
	require.NoError(t, err)
	require.NoError(t, queue.DeleteTask(t.Context(), gone[0].ID))
	w.advance(-time.Hour)
	next, err := w.open(t).Enqueue(t.Context(), newTask())
	require.NoError(t, err)
	require.True(t, next[0].CreatedAt.After(gone[0].CreatedAt), "the clock was set back and the newest task is gone")
}

func TestClaimsAreForgottenWithTheirLeases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	queue := w.open(t).TaskQueue
	claims := func() (n int) {
		require.NoError(t, raw(t, w.path).QueryRowContext(t.Context(), "SELECT count(*) FROM claim").Scan(&n))
		return n
	}
	reap := func() {
		_, err := queue.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 3, Limit: 10})
		require.NoError(t, err)
	}
	_, err := queue.Enqueue(t.Context(), newTask(), newTask(), newTask())
	require.NoError(t, err)
	long, short := claim(2, 0), claim(1, 0)
	tasks, err := queue.Dequeue(t.Context(), long)
	require.NoError(t, err)
	_, err = queue.Dequeue(t.Context(), short)
	require.NoError(t, err)
	reap()
	require.Equal(t, 2, claims())

	_, err = queue.ExtendLease(t.Context(), time.Hour, *tasks[0].Lease)
	require.NoError(t, err)
	w.advance(2 * time.Minute)
	reap()
	require.Equal(t, 1, claims(), "one lease was extended")
	again, err := queue.Dequeue(t.Context(), long)
	require.NoError(t, err)
	require.Len(t, again, 1)
	require.Equal(t, tasks[0].ID, again[0].ID)

	require.NoError(t, queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *tasks[0].Lease, Outcome: ports.OutcomeCompleted}))
	reap()
	require.Equal(t, 1, claims(), "the repeat made its lease last anew")
	w.advance(2 * time.Minute)
	reap()
	require.Zero(t, claims())
}

func TestFaults(t *testing.T) {
	t.Parallel()

	t.Run("a lock that another program keeps gives an error in bounded time", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "store.db")
		queue := open(t, path, sqlitestore.Config{BusyTimeout: 50 * time.Millisecond}).TaskQueue
		release := lock(t, path)
		_, err := queue.Enqueue(t.Context(), newTask())
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
		_, err = queue.GetQueueStats(t.Context())
		require.NoError(t, err, "reading goes on")
		release()
		_, err = queue.Enqueue(t.Context(), newTask())
		require.NoError(t, err)
	})

	t.Run("a call that waits for the lock ends with its context and has written nothing", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "store.db")
		queue := open(t, path, sqlitestore.Config{BusyTimeout: time.Minute}).TaskQueue
		release := lock(t, path)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		task := newTask()
		_, err := queue.Enqueue(ctx, task)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		release()
		_, err = queue.Enqueue(t.Context(), newTask())
		require.NoError(t, err)
		_, err = queue.GetTask(t.Context(), task.ID)
		require.ErrorIs(t, err, domain.ErrTaskNotFound)
	})

	t.Run("a task that cannot be read is set FAILED and stops nobody", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "store.db")
		queue := open(t, path, sqlitestore.Config{}).TaskQueue
		made, err := queue.Enqueue(t.Context(), newTask(), newTask(), newTask(), newTask())
		require.NoError(t, err)
		file := raw(t, path)
		execute(t, file, "DELETE FROM contents WHERE seq = ?", made[0].CreatedAt.UnixMicro())
		execute(t, file, "UPDATE contents SET timeout_ns = -1 WHERE seq = ?", made[1].CreatedAt.UnixMicro())
		execute(t, file, "UPDATE task SET id = x'00' WHERE seq = ?", made[2].CreatedAt.UnixMicro())

		_, err = queue.GetTask(t.Context(), made[0].ID)
		require.ErrorIs(t, err, domain.ErrCorruptRecord)
		page, err := queue.ListTasks(t.Context(), domain.TaskFilter{})
		require.NoError(t, err)
		require.Len(t, page.Tasks, 3, "all but the one without an id")

		got, err := queue.Dequeue(t.Context(), claim(2, 0))
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.Equal(t, made[3].ID, got[0].ID)
		for _, bad := range made[:2] {
			task, err := queue.GetTask(t.Context(), bad.ID)
			require.NoError(t, err)
			require.Equal(t, domain.TaskStatusFailed, task.Status)
			require.Equal(t, domain.ReasonCorruptRecord, task.Errors[0].Reason)
		}
		stats, err := queue.GetQueueStats(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(3), stats.Failed)
		require.Equal(t, int64(1), stats.Processing)
		require.Equal(t, int64(4), stats.Total())
	})
}
