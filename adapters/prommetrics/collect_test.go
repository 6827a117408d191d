package prommetrics_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/mock/gomock"
	"github.com/stretchr/testify/require"

	"logsift/adapters/prommetrics"
	"logsift/domain"
	"logsift/mocks"
	"logsift/ports"
)

// statsReader is a store whose statistics a test sets.
type statsReader struct {
	ports.TaskReader

	calls atomic.Int64
	read  func(ctx context.Context) (domain.QueueStats, error)
}

func (r *statsReader) GetQueueStats(ctx context.Context) (domain.QueueStats, error) {
	r.calls.Add(1)
	return r.read(ctx)
}

func TestTheStoreIsToldOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prommetrics.Config{MaxNames: 2})
	store := &statsReader{read: func(context.Context) (domain.QueueStats, error) {
		return domain.QueueStats{Pending: 1, Scheduled: 2, Processing: 3, Retrying: 4, Completed: 5, Failed: 6, Cancelled: 7, OldestPending: 1500 * time.Millisecond}, nil
	}}
	queues := mocks.NewMockQueueController(gomock.NewController(t))
	queues.EXPECT().ListQueues(gomock.Any()).AnyTimes().Return([]domain.QueueInfo{
		{Name: "a", Pending: map[domain.TaskType]int64{"x": 3, "y": 4}, OldestPending: time.Second},
		{Name: "b", Paused: true},
		{Name: "c", Pending: map[domain.TaskType]int64{"x": 1}, OldestPending: time.Minute},
		{Name: "d", Paused: true, Pending: map[domain.TaskType]int64{"x": 2}, OldestPending: time.Hour},
	}, nil)
	limits := mocks.NewMockLimitKeeper(gomock.NewController(t))
	limits.EXPECT().ListLimits(gomock.Any()).AnyTimes().Return([]domain.LimitUse{
		{Limit: domain.Limit{Name: "k", Scope: domain.LimitKey}, Running: 2, Waiting: 3}, {Limit: domain.Limit{Name: "q", Scope: domain.LimitQueue}, Running: 4},
	}, nil)
	require.NoError(t, w.CollectStore(store, queues, limits))
	w.require(t, "logsift_store_up", "logsift_store_up 1")
	w.require(t, "logsift_limit_running", `logsift_limit_running{limit="k"} 2`, `logsift_limit_running{limit="q"} 4`)
	w.require(t, "logsift_limit_waiting", `logsift_limit_waiting{limit="k"} 3`)
	w.require(t, "logsift_tasks",
		`logsift_tasks{state="pending"} 1`, `logsift_tasks{state="scheduled"} 2`, `logsift_tasks{state="processing"} 3`,
		`logsift_tasks{state="retrying"} 4`, `logsift_tasks{state="completed"} 5`, `logsift_tasks{state="failed"} 6`, `logsift_tasks{state="cancelled"} 7`)
	w.require(t, "logsift_oldest_pending_task_age_seconds", "logsift_oldest_pending_task_age_seconds 1.5")
	w.require(t, "logsift_queue_pending_tasks",
		`logsift_queue_pending_tasks{queue="a",type="x"} 3`, `logsift_queue_pending_tasks{queue="a",type="y"} 4`,
		`logsift_queue_pending_tasks{queue="d",type="x"} 2`, `logsift_queue_pending_tasks{queue="other",type="x"} 1`)
	w.require(t, "logsift_queue_oldest_pending_task_age_seconds",
		`logsift_queue_oldest_pending_task_age_seconds{queue="a"} 1`, `logsift_queue_oldest_pending_task_age_seconds{queue="d"} 3600`,
		`logsift_queue_oldest_pending_task_age_seconds{queue="other"} 60`)
	w.require(t, "logsift_queue_paused",
		`logsift_queue_paused{queue="a"} 0`, `logsift_queue_paused{queue="d"} 1`, `logsift_queue_paused{queue="other"} 1`)
	w.lint(t)
}

func TestTheStoreIsAskedOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, prommetrics.Config{})
		store := &statsReader{read: func(context.Context) (domain.QueueStats, error) {
			<-time.After(100 * time.Millisecond)
			return domain.QueueStats{}, nil
		}}
		require.NoError(t, w.CollectStore(store, nil, nil))
		var scrapes sync.WaitGroup
		for range 3 {
			scrapes.Go(func() { w.require(t, "logsift_store_up", "logsift_store_up 1") })
		}
		scrapes.Wait()
		require.EqualValues(t, 1, store.calls.Load(), "who comes meanwhile waits for the call that is under way")
		<-time.After(999 * time.Millisecond)
		w.scrape(t, "")
		require.EqualValues(t, 1, store.calls.Load())
		<-time.After(time.Millisecond)
		w.scrape(t, "")
		require.EqualValues(t, 2, store.calls.Load())
	})
}

func TestAStoreThatDoesNotAnswerIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, prommetrics.Config{})
		answer := func(context.Context) (domain.QueueStats, error) { return domain.QueueStats{Pending: 1}, nil }
		store := &statsReader{read: func(ctx context.Context) (domain.QueueStats, error) { return answer(ctx) }}
		require.NoError(t, w.CollectStore(store, nil, nil))
		w.require(t, "logsift_store_up", "logsift_store_up 1")

		<-time.After(time.Minute)
		answer = func(context.Context) (domain.QueueStats, error) {
			return domain.QueueStats{}, fmt.Errorf("refused: %w", domain.ErrStoreUnavailable)
		}
		w.require(t, "logsift_store_up", "logsift_store_up 0")
		w.require(t, "logsift_tasks")
		w.require(t, "logsift_oldest_pending_task_age_seconds")

		<-time.After(time.Minute)
		answer = func(ctx context.Context) (domain.QueueStats, error) {
			<-ctx.Done()
			return domain.QueueStats{}, ctx.Err()
		}
		begun := time.Now()
		w.require(t, "logsift_store_up", "logsift_store_up 0")
		require.Equal(t, 2*time.Second, time.Since(begun), "a scrape waits no longer")
	})
}

func TestTheSchedulerIsToldOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prommetrics.Config{})
	require.NoError(t, w.CollectScheduler(func() domain.SchedulerStats {
		return domain.SchedulerStats{
			Running: true, Draining: true, WorkersCount: 10, BusyWorkers: 4, RecoveredTasks: 1, PurgedTasks: 2, LeasesLost: 3,
			ReleasedTasks: 5, StartedAt: time.UnixMilli(1500),
		}
	}))
	for name, want := range map[string]string{
		"running": "1", "draining": "1", "workers": "10", "workers_busy": "4", "start_time_seconds": "1.5",
		"recovered_tasks_total": "1", "purged_tasks_total": "2", "leases_lost_total": "3", "released_tasks_total": "5",
	} {
		name = "logsift_scheduler_" + name
		w.require(t, name, name+" "+want)
	}
	w.lint(t)
}

func TestAFileOfKeysThatCannotBeUsedIsToldOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prommetrics.Config{})
	usable := true
	require.NoError(t, w.CollectKeys(func() bool { return usable }))
	w.require(t, "logsift_api_keys_file_usable", "logsift_api_keys_file_usable 1")
	usable = false
	w.require(t, "logsift_api_keys_file_usable", "logsift_api_keys_file_usable 0")
	w.lint(t)
}

type aiState struct{ open, spent bool }

func (s aiState) BreakerOpen() bool { return s.open }
func (s aiState) BudgetSpent() bool { return s.spent }

func TestTheStateOfTheAIServiceIsToldOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prommetrics.Config{})
	require.NoError(t, w.CollectAI(aiState{open: true}, domain.Cost{AmountMicros: 2_500_000, Currency: "EUR"}))
	w.require(t, "logsift_ai_breaker_open", "logsift_ai_breaker_open 1")
	w.require(t, "logsift_ai_budget_spent", "logsift_ai_budget_spent 0")
	w.require(t, "logsift_ai_daily_budget", `logsift_ai_daily_budget{currency="EUR"} 2.5`)
	w.require(t, "logsift_ai_cost_total", `logsift_ai_cost_total{currency="EUR"} 0`)
	w.lint(t)
}

func TestMetricsAreRegisteredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prommetrics.Config{})
	_, err := prommetrics.New(w.registry, prommetrics.Config{})
	require.ErrorContains(t, err, "register metrics")
	require.NoError(t, w.CollectScheduler(func() domain.SchedulerStats { return domain.SchedulerStats{} }))
	require.Error(t, w.CollectScheduler(func() domain.SchedulerStats { return domain.SchedulerStats{} }))
	require.NoError(t, w.CollectStore(&statsReader{}, nil, nil))
	require.Error(t, w.CollectStore(&statsReader{}, nil, nil))
	require.NoError(t, w.CollectAI(aiState{}, domain.Cost{}))
	require.Error(t, w.CollectAI(aiState{}, domain.Cost{}))
}
