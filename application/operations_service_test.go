package application_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
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

// faultyRegistry is a registry whose store can fail, and that counts its calls.
type faultyRegistry struct {
	ports.SchedulerRegistry

	mu       sync.Mutex
	down     bool
	hangs    bool // calls do not return before their context ends
	reported []time.Time
	removed  int
}

func newFaultyRegistry() *faultyRegistry {
	return &faultyRegistry{SchedulerRegistry: memstore.NewSchedulerRegistry(memstore.Config{})}
}

func (r *faultyRegistry) set(down, hangs bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down, r.hangs = down, hangs
}

func (r *faultyRegistry) fault(ctx context.Context, note func()) error {
	r.mu.Lock()
	down, hangs := r.down, r.hangs
	note()
	r.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if down {
		return fmt.Errorf("connection refused: %w", domain.ErrStoreUnavailable)
	}
	return nil
}

func (r *faultyRegistry) ReportScheduler(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error) {
	if err := r.fault(ctx, func() { r.reported = append(r.reported, time.Now()) }); err != nil {
		return time.Time{}, err
	}
	return r.SchedulerRegistry.ReportScheduler(ctx, report, ttl)
}

func (r *faultyRegistry) RemoveScheduler(ctx context.Context, id domain.SchedulerID) error {
	if err := r.fault(ctx, func() { r.removed++ }); err != nil {
		return err
	}
	return r.SchedulerRegistry.RemoveScheduler(ctx, id)
}

// reports is how often the registry was told of a scheduler.
func (r *faultyRegistry) reports() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.reported)
}

// only returns the one report that lasts.
func (r *faultyRegistry) only(t *testing.T) domain.SchedulerReport {
	t.Helper()
	list, err := r.ListSchedulers(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	return list[0]
}

func TestASchedulerTellsOfItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := newFaultyRegistry()
		release := make(chan struct{})
		w := startWorld(t, application.SchedulerConfig{
			Workers: 2, Queues: []string{domain.DefaultQueue, "mail"}, Registry: registry,
			Process: application.ProcessInfo{Host: "h\xff", PID: 7, Version: strings.Repeat("v", 5000)},
		}, func(context.Context, *domain.Task) ([]byte, error) {
			<-release
			return nil, nil
		})
		synctest.Wait()
		first := registry.only(t)
		require.NotEqual(t, uuid.Nil, first.ID)
		require.Equal(t, []any{"h", 7, strings.Repeat("v", domain.MaxReportText)}, []any{first.Host, first.PID, first.Version})
		require.Equal(t, []string{domain.DefaultQueue, "mail"}, first.Queues)
		require.Equal(t, w.stats(), first.Stats)
		require.Empty(t, first.Running)

		older, younger := newTestTask(), newTestTask(func(task *domain.Task) { task.Queue = "mail" })
		w.enqueue(older)
		settle(10 * time.Millisecond)
		w.enqueue(younger)
		settle(3 * time.Second)
		busy := registry.only(t)
		require.Equal(t, first.ID, busy.ID)
		require.Equal(t, 2, busy.Stats.BusyWorkers)
		require.Equal(t, []domain.RunningTask{
			{TaskID: older.ID, Type: testType, Queue: domain.DefaultQueue, Attempt: 1, StartedAt: w.task(older.ID).StartedAt},
			{TaskID: younger.ID, Type: testType, Queue: "mail", Attempt: 1, StartedAt: w.task(younger.ID).StartedAt},
		}, busy.Running, "what runs, the longest first")
		require.Equal(t, busy.Running, w.scheduler.GetRunningTasks())

		close(release)
		settle(3 * time.Second)
		done := registry.only(t)
		require.Empty(t, done.Running)
		require.Equal(t, int64(2), done.Stats.ProcessedTasks)

		before := registry.reports()
		settle(time.Hour)
		idle := registry.reports() - before
		require.InDelta(t, 360, idle, 60, "one report in ten seconds where nothing changes")
		require.Equal(t, done.ID, registry.only(t).ID, "it lasts for as long as the scheduler runs")

		w.stop()
		list, err := registry.ListSchedulers(t.Context())
		require.NoError(t, err)
		require.Empty(t, list, "who has stopped is gone at once")
	})
}

func TestASchedulerNamesThoseThatRunLongest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const tasks = domain.MaxRunningReported + 50
		registry := newFaultyRegistry()
		release := make(chan struct{})
		w := startWorld(t, application.SchedulerConfig{Workers: tasks, Registry: registry}, func(context.Context, *domain.Task) ([]byte, error) {
			<-release
			return nil, nil
		})
		var first domain.TaskID
		for i := range tasks {
			task := newTestTask()
			if i == 0 {
				first = task.ID
			}
			w.enqueue(task)
			settle(time.Millisecond)
		}
		settle(5 * time.Second)
		report := registry.only(t)
		require.Equal(t, tasks, report.Stats.BusyWorkers)
		require.Len(t, report.Running, domain.MaxRunningReported)
		require.Equal(t, first, report.Running[0].TaskID)
		for i := 1; i < len(report.Running); i++ {
			require.False(t, report.Running[i].StartedAt.Before(report.Running[i-1].StartedAt))
		}
		close(release)
	})
}

func TestARegistryThatFailsHarmsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := newFaultyRegistry()
		registry.set(true, false)
		w := startWorld(t, application.SchedulerConfig{Registry: registry}, func(context.Context, *domain.Task) ([]byte, error) { return nil, nil })
		task := newTestTask()
		w.enqueue(task)
		settle(time.Minute)
		require.Equal(t, domain.TaskStatusCompleted, w.task(task.ID).Status)
		require.Contains(t, w.stats().LastStoreError, "connection refused")
		require.LessOrEqual(t, registry.reports(), 31, "a call in two seconds, not more")
		registry.set(false, false)
		settle(3 * time.Second)
		require.Equal(t, int64(1), registry.only(t).Stats.ProcessedTasks)
		settle(3 * time.Second)
		require.Empty(t, w.stats().LastStoreError)

		registry.set(false, true)
		begin := time.Now()
		w.stop()
		require.LessOrEqual(t, time.Since(begin), 3*time.Second, "a store that hangs does not hold the stop up")
		require.Equal(t, 1, registry.removed)
	})
}

func TestASchedulerThatDoesNothingTellsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := newFaultyRegistry()
		w := startWorld(t, application.SchedulerConfig{Workers: application.NoWorkers, Registry: registry}, nil)
		settle(time.Minute)
		w.stop()
		require.Zero(t, registry.reports()+registry.removed)

		w = startWorld(t, application.SchedulerConfig{Workers: application.NoWorkers, Maintain: true, Registry: registry}, nil)
		settle(time.Second)
		require.Zero(t, registry.only(t).Stats.WorkersCount)
		w.stop()
	})
}

func TestOperationsShowWhatItChanges(t *testing.T) {
	t.Parallel()
	queue := memstore.NewTaskQueue(memstore.Config{})
	operations := application.NewOperationsService(queue, memstore.NewSchedulerRegistry(memstore.Config{}), application.NewRunHistory(memstore.NewLogRepository(memstore.Config{}), nil))
	_, err := queue.Enqueue(t.Context(), newTestTask())
	require.NoError(t, err)
	paused, err := operations.PauseQueue(t.Context(), domain.DefaultQueue)
	require.NoError(t, err)
	require.True(t, paused.Paused)
	require.Equal(t, int64(1), paused.Ready())
	resumed, err := operations.ResumeQueue(t.Context(), domain.DefaultQueue)
	require.NoError(t, err)
	require.False(t, resumed.Paused)
	unknown, err := operations.ResumeQueue(t.Context(), "never-used")
	require.NoError(t, err)
	require.Equal(t, domain.QueueInfo{Name: "never-used"}, unknown)
	_, err = operations.PauseQueue(t.Context(), "a b")
	require.ErrorIs(t, err, domain.ErrInvalid)
	points, err := operations.GetHistory(t.Context(), 3)
	require.NoError(t, err)
	require.Len(t, points, 3)
}
