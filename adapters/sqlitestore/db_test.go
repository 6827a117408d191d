package sqlitestore_test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
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

func TestClose(t *testing.T) {
	t.Parallel()

	t.Run("ends a waiting claim and refuses further calls", func(t *testing.T) {
		t.Parallel()
		db, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), sqlitestore.Config{})
		require.NoError(t, err)
		queue := sqlitestore.NewTaskQueue(db)
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
	})
}

func TestTwoHandles(t *testing.T) {
	t.Parallel()

	t.Run("a waiting claim is woken by a commit through another handle", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "store.db")
		waiter := sqlitestore.NewTaskQueue(open(t, path, sqlitestore.Config{PollInterval: sqlitestore.MaxPollInterval}))
		other := sqlitestore.NewTaskQueue(open(t, path, sqlitestore.Config{}))
		claimed := make(chan *domain.Task, 1)
		go func() {
			defer close(claimed)
			if tasks, err := waiter.Dequeue(t.Context(), claim(1, 30*time.Second)); err == nil && len(tasks) == 1 {
				claimed <- tasks[0]
			}
		}()
		made, err := other.Enqueue(t.Context(), newTask())
		require.NoError(t, err)
		got := <-claimed
		require.NotNil(t, got)
		require.Equal(t, made[0].ID, got.ID)
	})

	t.Run("a waiting claim learns of a scheduled task through another handle", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "store.db")
		waiter := sqlitestore.NewTaskQueue(open(t, path, sqlitestore.Config{PollInterval: sqlitestore.MaxPollInterval}))
		other := sqlitestore.NewTaskQueue(open(t, path, sqlitestore.Config{}))
		task := newTask()
		task.Delay = 200 * time.Millisecond
		_, err := other.Enqueue(t.Context(), task)
		require.NoError(t, err)
		got, err := waiter.Dequeue(t.Context(), claim(1, 30*time.Second))
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.False(t, got[0].StartedAt.Before(got[0].ScheduledAt))
	})

	t.Run("refuse a report on what the other has taken away", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "store.db")
		worker, person := sqlitestore.NewTaskQueue(open(t, path, sqlitestore.Config{})), sqlitestore.NewTaskQueue(open(t, path, sqlitestore.Config{}))
		_, err := worker.Enqueue(t.Context(), newTask(), newTask())
		require.NoError(t, err)
		tasks, err := worker.Dequeue(t.Context(), claim(2, 0))
		require.NoError(t, err)
		require.Len(t, tasks, 2)
		require.NoError(t, person.CancelTask(t.Context(), tasks[0].ID))
		err = worker.UpdateTask(t.Context(),
			ports.TaskUpdate{Lease: *tasks[0].Lease, Outcome: ports.OutcomeCompleted},
			ports.TaskUpdate{Lease: *tasks[1].Lease, Outcome: ports.OutcomeCompleted})
		require.ErrorIs(t, domain.ItemError(err, 0), domain.ErrLeaseLost)
		require.NoError(t, domain.ItemError(err, 1))
	})

	t.Run("give each task to one and keep the counts right", func(t *testing.T) {
		t.Parallel()
		const handles, each = 3, 200
		path := filepath.Join(t.TempDir(), "store.db")
		var queues []*sqlitestore.TaskQueue
		for range handles {
			queues = append(queues, sqlitestore.NewTaskQueue(open(t, path, sqlitestore.Config{Synchronous: sqlitestore.SynchronousNormal, BusyTimeout: time.Minute})))
		}
		var mu sync.Mutex
		runs := make(map[domain.TaskID]int)
		var group sync.WaitGroup
		errs := make(chan error, handles)
		for _, queue := range queues {
			group.Go(func() {
				errs <- func() error {
					for range each / 20 {
						tasks := make([]*domain.Task, 20)
						for i := range tasks {
							tasks[i] = newTask()
						}
						if _, err := queue.Enqueue(t.Context(), tasks...); err != nil {
							return err
						}
						claimed, err := queue.Dequeue(t.Context(), claim(20, 0))
						if err != nil {
							return err
						}
						for _, task := range claimed {
							mu.Lock()
							runs[task.ID]++
							mu.Unlock()
							if err := queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *task.Lease, Outcome: ports.OutcomeCompleted}); err != nil {
								return err
							}
						}
					}
					return nil
				}()
			})
		}
		group.Wait()
		for range handles {
			require.NoError(t, <-errs)
		}
		require.Len(t, runs, handles*each)
		for _, n := range runs {
			require.Equal(t, 1, n)
		}
		for _, queue := range queues {
			stats, err := queue.GetQueueStats(t.Context())
			require.NoError(t, err)
			require.Equal(t, int64(handles*each), stats.Completed)
			require.Equal(t, int64(handles*each), stats.Total())
		}
	})
}

func TestEnqueueOfMany(t *testing.T) {
	t.Parallel()
	queue := sqlitestore.NewTaskQueue(open(t, filepath.Join(t.TempDir(), "store.db"), sqlitestore.Config{}))
	var tasks []*domain.Task
	for i := range 100 {
		task := newTask()
		if i%3 == 0 {
			task.UniqueKey = "held by the first"
		}
		tasks = append(tasks, task, task)
	}
	stored, err := queue.Enqueue(t.Context(), tasks...)
	var batch *domain.BatchError
	require.ErrorAs(t, err, &batch)
	for i, task := range tasks {
		if i > 1 && task.UniqueKey != "" {
			require.ErrorIs(t, batch.Errs[i], domain.ErrDuplicateTask)
			require.Nil(t, stored[i])
			continue
		}
		require.NoError(t, batch.Errs[i])
		require.Equal(t, task.ID, stored[i].ID)
		require.Equal(t, stored[i&^1].CreatedAt, stored[i].CreatedAt, "a task that is named twice is stored once")
	}
	claimed, err := queue.Dequeue(t.Context(), claim(1000, 0))
	require.NoError(t, err)
	require.Len(t, claimed, 67)
	for _, task := range claimed {
		require.JSONEq(t, `{"n":1}`, string(task.Payload))
	}
}

func TestCreationTimeIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	var offset atomic.Int64
	config := sqlitestore.Config{Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }}
	db, err := sqlitestore.Open(t.Context(), path, config)
	require.NoError(t, err)
	queue := sqlitestore.NewTaskQueue(db)
	gone, err := queue.Enqueue(t.Context(), newTask())
	require.NoError(t, err)
	require.NoError(t, queue.DeleteTask(t.Context(), gone[0].ID))
	require.NoError(t, db.Close())
	offset.Store(-int64(time.Hour))
	next, err := sqlitestore.NewTaskQueue(open(t, path, config)).Enqueue(t.Context(), newTask())
	require.NoError(t, err)
	require.True(t, next[0].CreatedAt.After(gone[0].CreatedAt), "the clock was set back and the newest task is gone")
}

func TestClaimsAreForgottenWithTheirLeases(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	var offset atomic.Int64
	queue := sqlitestore.NewTaskQueue(open(t, path, sqlitestore.Config{
		Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) },
	}))
	claims := func() (n int) {
		require.NoError(t, raw(t, path).QueryRowContext(t.Context(), "SELECT count(*) FROM claim").Scan(&n))
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
	offset.Store(int64(2 * time.Minute))
	reap()
	require.Equal(t, 1, claims(), "one lease was extended")
	again, err := queue.Dequeue(t.Context(), long)
	require.NoError(t, err)
	require.Len(t, again, 1)
	require.Equal(t, tasks[0].ID, again[0].ID)

	require.NoError(t, queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *tasks[0].Lease, Outcome: ports.OutcomeCompleted}))
	reap()
	require.Zero(t, claims())
}

func TestFaults(t *testing.T) {
	t.Parallel()

	t.Run("a lock that another program keeps gives an error in bounded time", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "store.db")
		queue := sqlitestore.NewTaskQueue(open(t, path, sqlitestore.Config{BusyTimeout: 50 * time.Millisecond}))
		other, err := raw(t, path).Conn(t.Context())
		require.NoError(t, err)
		_, err = other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
		require.NoError(t, err)
		_, err = queue.Enqueue(t.Context(), newTask())
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
		_, err = queue.GetQueueStats(t.Context())
		require.NoError(t, err, "reading goes on")
		_, err = other.ExecContext(t.Context(), "ROLLBACK")
		require.NoError(t, err)
		require.NoError(t, other.Close())
		_, err = queue.Enqueue(t.Context(), newTask())
		require.NoError(t, err)
	})

	t.Run("a call that waits for the lock ends with its context and has written nothing", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "store.db")
		queue := sqlitestore.NewTaskQueue(open(t, path, sqlitestore.Config{BusyTimeout: time.Minute}))
		other, err := raw(t, path).Conn(t.Context())
		require.NoError(t, err)
		_, err = other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		task := newTask()
		_, err = queue.Enqueue(ctx, task)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = other.ExecContext(t.Context(), "ROLLBACK")
		require.NoError(t, err)
		require.NoError(t, other.Close())
		_, err = queue.Enqueue(t.Context(), newTask())
		require.NoError(t, err)
		_, err = queue.GetTask(t.Context(), task.ID)
		require.ErrorIs(t, err, domain.ErrTaskNotFound)
	})

	t.Run("a task that cannot be read is set FAILED and stops nobody", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "store.db")
		queue := sqlitestore.NewTaskQueue(open(t, path, sqlitestore.Config{}))
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

	t.Run("a repeated enqueue is known after the schedule of the task has moved on", func(t *testing.T) {
		t.Parallel()
		queue := sqlitestore.NewTaskQueue(open(t, filepath.Join(t.TempDir(), "store.db"), sqlitestore.Config{}))
		task := newTask()
		task.ScheduledAt = time.Now().Add(time.Hour)
		_, err := queue.Enqueue(t.Context(), task)
		require.NoError(t, err)
		require.NoError(t, queue.RunTaskNow(t.Context(), task.ID))
		again, err := queue.Enqueue(t.Context(), task)
		require.NoError(t, err)
		require.Zero(t, again[0].ScheduledAt)
	})
}
