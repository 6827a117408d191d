//go:build unix

package sqlitestore

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// TestAStoreLetsGoOfFilesThatAreNoLongerItsOwn does to the files of an open store what
// people do. Whatever it is, no call succeeds from then on, and what was put in place is
// as it was put there, and is what the next start reads.
func TestAStoreLetsGoOfFilesThatAreNoLongerItsOwn(t *testing.T) {
	t.Parallel()
	enqueue := func(db *DB) error {
		_, err := db.Enqueue(t.Context(), domain.NewTask(uuid.New(), "test", nil))
		return err
	}
	remove := func(names ...string) error {
		var errs []error
		for _, name := range names {
			errs = append(errs, os.Remove(name))
		}
		return errors.Join(errs...)
	}
	overwrite := func(from, to string) error {
		data, err := os.ReadFile(from)
		return errors.Join(err, os.WriteFile(to, data, 0o600))
	}
	const none, backed, all = 0, 100, 150
	for name, c := range map[string]struct {
		harm func(path, backup string) error
		// want is how many tasks the next start finds, moved how many are in the file
		// beside, "moved".
		want, moved int64
	}{
		"a backup is moved over it": {harm: func(path, backup string) error { return os.Rename(backup, path) }, want: backed},
		"it is moved away, and a backup put in its place": {harm: func(path, backup string) error {
			return errors.Join(os.Rename(path, filepath.Join(filepath.Dir(path), "moved")), os.Rename(backup, path))
		}, want: backed, moved: all},
		"it is moved away":                {harm: func(path, _ string) error { return os.Rename(path, filepath.Join(filepath.Dir(path), "moved")) }, want: none, moved: all},
		"it is deleted":                   {harm: func(path, _ string) error { return remove(path) }, want: none},
		"it is deleted with its log":      {harm: func(path, _ string) error { return remove(path, path+"-wal", path+"-shm") }, want: none},
		"it is cut off":                   {harm: func(path, _ string) error { return os.Truncate(path, 0) }, want: none},
		"a backup is written over it":     {harm: func(path, backup string) error { return overwrite(backup, path) }, want: backed},
		"its log is deleted":              {harm: func(path, _ string) error { return remove(path + "-wal") }, want: all},
		"the index of its log is deleted": {harm: func(path, _ string) error { return remove(path + "-shm") }, want: all},
		"its log is replaced": {harm: func(path, _ string) error {
			return errors.Join(os.WriteFile(path+".new", nil, 0o600), os.Rename(path+".new", path+"-wal"))
		}, want: all},
		"its folder is moved away": {harm: func(path, _ string) error {
			folder := filepath.Dir(path)
			return errors.Join(os.Rename(folder, folder+"-moved"), os.Mkdir(folder, 0o700))
		}, want: none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(t.TempDir(), "store")
			require.NoError(t, os.Mkdir(folder, 0o700))
			path, backup := filepath.Join(folder, "store.db"), filepath.Join(filepath.Dir(folder), "backup.db")
			db, err := Open(t.Context(), path, Config{})
			require.NoError(t, err)
			for range backed {
				require.NoError(t, enqueue(db))
			}
			copyTo, err := sql.Open("sqlite", path)
			require.NoError(t, err)
			_, err = copyTo.ExecContext(t.Context(), "VACUUM INTO '"+backup+"'")
			require.NoError(t, err)
			require.NoError(t, copyTo.Close())
			for range all - backed {
				require.NoError(t, enqueue(db))
			}
			before, err := os.ReadFile(backup)
			require.NoError(t, err)

			require.NoError(t, c.harm(path, backup))
			require.ErrorIs(t, enqueue(db), domain.ErrStoreReplaced, "the next write is refused already")
			require.ErrorIs(t, db.Ready(t.Context()), domain.ErrStoreReplaced)
			_, err = db.GetQueueStats(t.Context())
			require.ErrorIs(t, err, domain.ErrStoreReplaced, "what is read would be of another file")
			require.ErrorIs(t, db.Close(), domain.ErrStoreReplaced)
			if c.want == backed {
				after, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Equal(t, before, after, "nothing was written into the backup")
				require.NoFileExists(t, path+"-wal")
			}
			requireTasks(t, path, c.want)
			if c.moved > 0 {
				requireTasks(t, filepath.Join(folder, "moved"), c.moved)
			}
		})
	}
}

// requireTasks requires that a file is sound and has so many tasks.
func requireTasks(t *testing.T, path string, n int64) {
	t.Helper()
	db, err := Open(t.Context(), path, Config{})
	require.NoError(t, err)
	stats, err := db.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.Equal(t, n, stats.Total())
	require.NoError(t, db.read(t.Context(), "check", func(s *statements) error {
		return s.each(func(r *row) error {
			require.Equal(t, "ok", r.text(0))
			return nil
		}, "PRAGMA integrity_check")
	}))
	require.NoError(t, db.Close())
}

// TestAnIdleStoreNoticesThatItsFileIsGone and leaves the place to another process.
func TestAnIdleStoreNoticesThatItsFileIsGone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	db, err := Open(t.Context(), path, Config{})
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	require.Eventually(t, func() bool {
		_, err := os.Stat(path + "-wal")
		return os.IsNotExist(err)
	}, 5*time.Second, 10*time.Millisecond)
	requireTasks(t, path, 0)
	require.ErrorIs(t, db.Close(), domain.ErrStoreReplaced)
	requireTasks(t, path, 0)
}

// TestAVacuumIsNoHarm shrinks the file as SQLite does it.
func TestAVacuumIsNoHarm(t *testing.T) {
	t.Parallel()
	db, path := openStore(t, Config{})
	queue := db.TaskQueue
	var ids []domain.TaskID
	for range 50 {
		task := domain.NewTask(uuid.New(), "test", make([]byte, 100_000))
		_, err := queue.Enqueue(t.Context(), task)
		require.NoError(t, err)
		ids = append(ids, task.ID)
	}
	other, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	run := func(query string) {
		_, err := other.ExecContext(t.Context(), query)
		require.NoError(t, err)
	}
	run("PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(t, db.files.check())
	full, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, queue.DeleteTask(t.Context(), ids...))
	run("VACUUM")
	run("PRAGMA wal_checkpoint(TRUNCATE)")
	less, err := os.Stat(path)
	require.NoError(t, err)
	require.Less(t, less.Size(), full.Size()/2)
	require.NoError(t, db.files.check())
	require.NoError(t, other.Close())
	_, err = queue.Enqueue(t.Context(), domain.NewTask(uuid.New(), "test", nil))
	require.NoError(t, err)
}
