package fault_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/application"
	"logsift/bootstrap"
	"logsift/domain"
)

func TestDiskFaults(t *testing.T) {
	t.Parallel()
	t.Run("a Redis whose disk is full takes no tasks and gives none out, and goes on by itself", fullDiskEverySecond)
	t.Run("a Redis that syncs always and dies of a full disk has lost nothing", fullDiskAlways)
	t.Run("an embedded store on a full disk refuses what does not fit and stays sound", fullDiskEmbedded)
}

// smallDisk is a file system of 1.5 MB.
func smallDisk(t *testing.T) string {
	t.Helper()
	needs(t, "tmpfs")
	dir := t.TempDir()
	require.NoError(t, command("mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", dir))
	// Lazily: whoever still has a file open there is about to end.
	t.Cleanup(func() { require.NoError(t, command("umount", "-l", dir)) })
	return dir
}

// fill takes all space that is left on a disk and returns how to give it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	require.NoError(t, err)
	for chunk := make([]byte, 4096); err == nil; _, err = f.Write(chunk) {
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, f.Close())
	return func() { require.NoError(t, os.Remove(name)) }
}

func fullDiskEverySecond(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	w := newWorld(t, "--appendonly", "yes", "--appendfsync", "everysec", "--dir", dir)
	_, a := app(t, w.apiOnly())
	a.posted(t)
	free := fill(t, dir)
	// Redis notices by a write that does not fit, or by the sync after it.
	require.Eventually(t, func() bool { return a.post(t).status != http.StatusCreated }, patience, 20*time.Millisecond)
	refused(t, a.post(t), http.StatusServiceUnavailable, "store-read-only")
	require.Equal(t, http.StatusOK, a.get(t, statsPath).status)
	waiting := w.pending(t)
	require.NotZero(t, waiting)
	var worked atomic.Int64
	s := w.scheduler(t, application.SchedulerConfig{Workers: 2}, func(ctx context.Context, task *domain.Task) ([]byte, error) {
		worked.Add(1)
		return complete(ctx, task)
	})
	require.Eventually(t, func() bool { return s.GetSchedulerStats().LastStoreError != "" }, patience, 10*time.Millisecond)
	require.Contains(t, s.GetSchedulerStats().LastStoreError, "MISCONF")
	pause(t, time.Second)
	require.Zero(t, worked.Load(), "claims stop")
	require.Equal(t, waiting, w.pending(t))

	free()
	require.Eventually(t, func() bool { return a.post(t).status == http.StatusCreated }, patience, 50*time.Millisecond)
	task := newTask(doNothing, 0)
	w.add(t, task)
	w.awaitStatus(t, domain.TaskStatusCompleted, task)
	w.server.Restart(t)
	w.awaitStats(t, "all is there again", func(st domain.QueueStats) bool { return st.Pending > waiting && st.Completed == 1 })
	w.audit(t)
}

// pending is how many tasks are ready.
func (w *world) pending(t *testing.T) int64 {
	t.Helper()
	stats, err := w.queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	return stats.Pending
}

func fullDiskAlways(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	w := newWorld(t, "--appendonly", "yes", "--appendfsync", "always", "--dir", dir)
	_, a := app(t, w.apiOnly())
	l := newLoad(t, a)
	l.awaitMore(t, 10)
	free := fill(t, dir)
	require.Eventually(t, func() bool {
		got := a.post(t)
		return got.status == http.StatusServiceUnavailable && strings.Contains(string(got.body), "store-unavailable")
	}, patience, 20*time.Millisecond, "Redis ends itself")
	acked, _ := l.end()
	free()
	w.server.Restart(t)
	a.awaitOK(t, "/readyz", patience)
	for _, id := range acked {
		require.Equal(t, domain.TaskStatusPending, w.task(t, id).Status)
	}
	w.audit(t)
}

func fullDiskEmbedded(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	file := filepath.Join(dir, "logsift.db")
	c := bootstrap.DefaultConfig()
	c.Store, c.Addr, c.LogLevel, c.Workers = "sqlite:"+file, "127.0.0.1:0", "error", 0
	running, a := app(t, c)
	var acked []domain.TaskID
	for range 5 {
		acked = append(acked, a.posted(t))
	}
	free := fill(t, dir)
	// There may be room in the file for some more.
	var got answer
	require.Eventually(t, func() bool {
		if got = a.post(t); got.status != http.StatusCreated {
			return true
		}
		acked = append(acked, decode[wire.Task](t, got).ID)
		return false
	}, patience, time.Millisecond)
	refused(t, got, http.StatusInsufficientStorage, "store-full")
	logs := a.call(t, http.MethodPost, "/api/v1/logs?source=app", "text/plain", strings.Repeat("2026-05-01 08:00:00 ERROR full\n", 1000))
	require.Equal(t, http.StatusInsufficientStorage, logs.status, "%s", logs.body)
	require.EqualValues(t, len(acked), decode[wire.Stats](t, a.get(t, statsPath)).TotalTasks)
	for _, id := range acked {
		require.Equal(t, http.StatusOK, a.get(t, tasksPath+"/"+id.String()).status)
	}
	free()
	require.Eventually(t, func() bool { return a.post(t).status == http.StatusCreated }, patience, 10*time.Millisecond)

	// A process that dies while the disk is full leaves a sound file too.
	free = fill(t, dir)
	require.NoError(t, running.Stop(t.Context()))
	free()
	sound(t, file)
	c.Workers = 2
	_, a = app(t, c)
	for _, id := range acked {
		a.awaitTask(t, id, domain.TaskStatusCompleted)
	}
	sound(t, file)
}

// sound requires that SQLite finds nothing wrong with a file.
func sound(t *testing.T, file string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file)
	require.NoError(t, err)
	defer func() { require.NoError(t, errors.Join(db.Close())) }()
	var verdict string
	require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict))
	require.Equal(t, "ok", verdict)
}
