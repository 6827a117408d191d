package application_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// flakyLogs fails to save while it is told to, and counts the calls.
type flakyLogs struct {
	ports.LogStore

	away  atomic.Bool
	calls atomic.Int64
}

func (l *flakyLogs) SaveLogs(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error) {
	l.calls.Add(1)
	if l.away.Load() {
		return 0, domain.ErrStoreUnavailable
	}
	return l.LogStore.SaveLogs(ctx, batch, entries...)
}

// lines are all lines that the runs of the task have logged, as "level message".
func (l *flakyLogs) lines(t *testing.T, task domain.TaskID) (texts []string, entries []domain.LogEntry) {
	t.Helper()
	for skip := 0; ; {
		page, next, err := l.ListBatch(t.Context(), task, skip, domain.MaxPageSize)
		require.NoError(t, err)
		if next == skip {
			return texts, entries
		}
		skip = next
		entries = append(entries, page...)
		for _, e := range page {
			texts = append(texts, e.Level.String()+" "+e.Message)
		}
	}
}

func startLogged(t *testing.T, p processorFunc) (*world, *flakyLogs) {
	t.Helper()
	logs := &flakyLogs{LogStore: memstore.NewLogRepository(memstore.Config{})}
	w := newWorld(t, application.SchedulerConfig{RunLog: logs, Lease: time.Hour}, p)
	require.NoError(t, w.scheduler.Start(t.Context()))
	return w, logs
}

func TestARunsLogIsStoredWhileItRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, logs := startLogged(t, func(ctx context.Context, task *domain.Task) ([]byte, error) {
			log := application.RunLogger(ctx)
			log.Info("begins", "n", 1, slog.Group("http", "status", 200))
			application.Log(ctx, domain.LogLevelWarn, " \n", nil)
			log.WithGroup("g").With("who", "me").Error("broken\n", "task_id", "another")
			pass(5 * time.Second)
			if task.Attempt == 0 {
				return nil, fmt.Errorf("again")
			}
			log.Debug("last words \xff")
			return nil, nil
		})
		task := newTestTask(func(t *domain.Task) { t.Backoff = domain.RetryPolicy{Kind: domain.RetryFixed, Base: 10 * time.Second} })
		w.enqueue(task)
		settle(time.Second)
		texts, entries := logs.lines(t, task.ID)
		require.Equal(t, []string{"info begins", "error broken"}, texts, "live")
		require.Equal(t, "task:"+string(task.Type), entries[0].Source)
		require.Equal(t, map[string]string{"task_id": task.ID.String(), "attempt": "1", "n": "1", "http.status": "200"}, entries[0].Attributes)
		require.Equal(t, map[string]string{"task_id": task.ID.String(), "attempt": "1", "g.who": "me", "g.task_id": "another"}, entries[1].Attributes)
		logs.away.Store(true)
		settle(17 * time.Second)
		logs.away.Store(false)
		settle(3 * time.Second)
		texts, entries = logs.lines(t, task.ID)
		require.Equal(t, []string{"info begins", "error broken", "info begins", "error broken", "debug last words \uFFFD"}, texts, "lines wait for the store")
		require.Equal(t, "2", entries[4].Attributes["attempt"])
		application.Log(t.Context(), domain.LogLevelInfo, "without a run it does nothing", nil)
		w.stop()
	})
}

func TestNothingIsLoggedBehindARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, logs := startLogged(t, func(ctx context.Context, _ *domain.Task) ([]byte, error) {
			go func() {
				pass(2 * time.Second)
				application.Log(ctx, domain.LogLevelInfo, "late", nil)
			}()
			return nil, nil
		})
		task := newTestTask()
		w.enqueue(task)
		settle(5 * time.Second)
		texts, _ := logs.lines(t, task.ID)
		require.Empty(t, texts)
		w.stop()
	})
}

func TestARunsLogIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, logs := startLogged(t, func(ctx context.Context, _ *domain.Task) ([]byte, error) {
			for i := range application.MaxRunLines + 7 {
				application.Log(ctx, domain.LogLevelInfo, strconv.Itoa(i), nil)
			}
			return nil, domain.Snooze(time.Second)
		})
		task := newTestTask()
		w.enqueue(task)
		settle(10 * time.Millisecond)
		w.stop() // What was logged is stored before it returns.
		texts, _ := logs.lines(t, task.ID)
		require.Len(t, texts, application.MaxRunLines+1)
		require.Equal(t, "info 1999", texts[application.MaxRunLines-1])
		require.Contains(t, texts[application.MaxRunLines], "warn 7 more lines were dropped")
	})
	synctest.Test(t, func(t *testing.T) {
		w, logs := startLogged(t, func(ctx context.Context, _ *domain.Task) ([]byte, error) {
			application.Log(ctx, domain.LogLevelInfo, strings.Repeat("x", 2*application.MaxRunLine), nil)
			for range 999 {
				application.Log(ctx, domain.LogLevelInfo, "x", nil)
			}
			return nil, domain.Snooze(time.Second)
		})
		task := newTestTask()
		w.enqueue(task)
		settle(20 * time.Second)
		_, entries := logs.lines(t, task.ID)
		require.InDelta(t, application.MaxTaskLines, len(entries), 1100, "of all runs together")
		require.Len(t, entries[0].Message, application.MaxRunLine)
		calls := logs.calls.Load()
		settle(20 * time.Second)
		require.InDelta(t, calls+20, logs.calls.Load(), 5, "each further run asks how many there are")
		w.stop()
	})
}

// The log of a worker of another program, and what goes when a task is purged.
func TestWorkersOfOtherProgramsLog(t *testing.T) {
	t.Parallel()
	logs := &flakyLogs{LogStore: memstore.NewLogRepository(memstore.Config{})}
	s := application.NewWorkerService(memstore.NewTaskQueue(memstore.Config{}), application.WorkerServiceConfig{RunLog: logs})
	task := domain.NewTask(uuid.New(), "mail", nil)
	task.Lease = &domain.Lease{TaskID: task.ID, Delivery: 3}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for range 2 { // its answer was lost
		require.NoError(t, s.LogRun(t.Context(), task, domain.LogEntry{Message: "one", Timestamp: at}, domain.LogEntry{Message: "two", Timestamp: at, Level: domain.LogLevelError}))
	}
	require.NoError(t, s.LogRun(t.Context(), task, domain.LogEntry{Message: "three"}))
	texts, entries := logs.lines(t, task.ID)
	require.Equal(t, []string{"unknown one", "error two", "unknown three"}, texts)
	require.Equal(t, "task:mail", entries[0].Source)
	more, err := application.RunLogPurger{Logs: logs}.PurgeTasks(t.Context(), task.ID)
	require.NoError(t, err)
	require.False(t, more)
	texts, _ = logs.lines(t, task.ID)
	require.Empty(t, texts)

	analysis := domain.NewTask(uuid.New(), domain.TaskTypeLogAnalysis, nil)
	analysis.Lease = task.Lease
	require.NoError(t, s.LogRun(t.Context(), analysis, domain.LogEntry{Message: "one"}))
	texts, _ = logs.lines(t, analysis.ID)
	require.Empty(t, texts, "its batch is what it analyses")
}
