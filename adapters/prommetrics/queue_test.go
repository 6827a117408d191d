package prommetrics_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang/mock/gomock"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/adapters/prommetrics"
	"logsift/application/observe"
	"logsift/domain"
	"logsift/mocks"
	"logsift/ports"
)

// clock is a store's clock that a test moves.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

func task(typ domain.TaskType, queue string) *domain.Task {
	t := domain.NewTask(uuid.New(), typ, nil)
	t.Queue = queue
	return t
}

func TestCallsAndTasksAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prommetrics.Config{})
	q := observe.Queue(memstore.NewTaskQueue(memstore.Config{}), nil, w.Metrics)
	_, err := q.Enqueue(t.Context(), task("a", "x"), task("a", "x"), task("b", "x"), task("a", "x"), task("a", "y"))
	require.NoError(t, err)
	refused := task("a", "x")
	refused.Priority = 99
	_, err = q.Enqueue(t.Context(), refused, task("a", "x"))
	require.ErrorIs(t, err, domain.ErrInvalid)
	claim := ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute}
	_, err = q.Dequeue(t.Context(), claim)
	require.NoError(t, err)
	claim.ID, claim.Wait = uuid.New(), time.Second
	_, err = q.Dequeue(t.Context(), claim)
	require.NoError(t, err)
	err = q.CancelTask(t.Context(), uuid.New(), uuid.New())
	require.ErrorIs(t, err, domain.ErrTaskNotFound)

	w.require(t, "logsift_tasks_enqueued_total",
		`logsift_tasks_enqueued_total{queue="x",type="a"} 4`,
		`logsift_tasks_enqueued_total{queue="x",type="b"} 1`,
		`logsift_tasks_enqueued_total{queue="y",type="a"} 1`)
	scrape := w.scrape(t, "")
	for call, n := range map[string]int{"enqueue": 2, "dequeue": 1, "dequeue_wait": 1, "cancel_task": 1, "update_task": 0} {
		require.Contains(t, scrape, fmt.Sprintf("logsift_store_call_duration_seconds_count{call=%q} %d\n", call, n))
	}
	require.Contains(t, scrape, `logsift_store_call_errors_total{call="enqueue",kind="invalid"} 1`)
	require.Contains(t, scrape, `logsift_store_call_errors_total{call="cancel_task",kind="not_found"} 2`, "each item counts")
	require.Contains(t, scrape, `logsift_store_call_errors_total{call="dequeue",kind="unavailable"} 0`, "there from the begin, so that a rate sees the first")
	w.lint(t)
}

func TestErrorsAreCountedByKind(t *testing.T) {
	t.Parallel()
	for kind, err := range map[string]error{
		"unavailable": fmt.Errorf("dial 10.0.0.1: %w", domain.ErrStoreUnavailable), "full": domain.ErrStoreFull,
		"read_only": domain.ErrStoreReadOnly, "lease_lost": domain.ErrLeaseLost, "invalid": &domain.ValidationError{Field: "max"},
		"invalid_transition": &domain.TransitionError{}, "duplicate": &domain.DuplicateError{}, "task_exists": domain.ErrTaskExists,
		"corrupt_record": domain.ErrCorruptRecord, "closed": domain.ErrClosed, "canceled": context.Canceled,
		"timeout": context.DeadlineExceeded, "invalid_cursor": domain.ErrInvalidCursor, "other": fmt.Errorf("odd"),
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, prommetrics.Config{})
			queue := mocks.NewMockTaskQueue(gomock.NewController(t))
			queue.EXPECT().UpdateTask(gomock.Any()).Return(err)
			require.Equal(t, err, observe.Queue(queue, nil, w.Metrics).UpdateTask(t.Context()), "the error is the queue's own")
			require.Contains(t, w.scrape(t, ""), fmt.Sprintf(`logsift_store_call_errors_total{call="update_task",kind=%q} 1`, kind))
		})
	}
}

func TestPoisonIsCounted(t *testing.T) {
	t.Parallel()
	w, c := newWorld(t, prommetrics.Config{}), &clock{}
	q := observe.Queue(memstore.NewTaskQueue(memstore.Config{Now: c.now}), nil, w.Metrics)
	w.require(t, "logsift_tasks_poisoned_total", "logsift_tasks_poisoned_total 0")
	_, err := q.Enqueue(t.Context(), task("a", "x"))
	require.NoError(t, err)
	for range 2 {
		_, err = q.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
		require.NoError(t, err)
		c.advance(time.Hour)
		_, err = q.ReapExpired(t.Context(), ports.ReapRequest{MaxRecoveries: 1, Limit: 10})
		require.NoError(t, err)
	}
	w.require(t, "logsift_tasks_poisoned_total", "logsift_tasks_poisoned_total 1")
}

func TestExpiredTasksAreCounted(t *testing.T) {
	t.Parallel()
	w, c := newWorld(t, prommetrics.Config{}), &clock{}
	q := observe.Queue(memstore.NewTaskQueue(memstore.Config{Now: c.now}), nil, w.Metrics)
	late := task("a", "x")
	late.ExpiresIn = time.Minute
	_, err := q.Enqueue(t.Context(), late)
	require.NoError(t, err)
	c.advance(time.Hour)
	_, err = q.PromoteDue(t.Context(), 10)
	require.NoError(t, err)
	w.require(t, "logsift_tasks_expired_total", "logsift_tasks_expired_total 1")
}

func TestNamesThatUsersChooseAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prommetrics.Config{MaxNames: 2})
	q := observe.Queue(memstore.NewTaskQueue(memstore.Config{}), nil, w.Metrics)
	for i := range 20 {
		_, err := q.Enqueue(t.Context(), task("t", fmt.Sprintf("q%d", i)))
		require.NoError(t, err)
	}
	w.require(t, "logsift_tasks_enqueued_total",
		`logsift_tasks_enqueued_total{queue="q0",type="t"} 1`,
		`logsift_tasks_enqueued_total{queue="q1",type="t"} 1`,
		`logsift_tasks_enqueued_total{queue="other",type="t"} 18`)

	// One that is worked with takes the place of one that is not.
	for range 5 {
		_, err := q.Enqueue(t.Context(), task("t", "real"))
		require.NoError(t, err)
	}
	w.require(t, "logsift_tasks_enqueued_total",
		`logsift_tasks_enqueued_total{queue="q1",type="t"} 1`,
		`logsift_tasks_enqueued_total{queue="real",type="t"} 3`,
		`logsift_tasks_enqueued_total{queue="other",type="t"} 20`)
}

func TestQueuesThatOnlyStandThereTakeNoPlaceForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prommetrics.Config{MaxNames: 2})
	store := &statsReader{read: func(context.Context) (domain.QueueStats, error) { return domain.QueueStats{}, nil }}
	queues := mocks.NewMockQueueController(gomock.NewController(t))
	junk := make([]domain.QueueInfo, 100)
	for i := range junk {
		junk[i] = domain.QueueInfo{Name: fmt.Sprintf("junk%d", i), Pending: map[domain.TaskType]int64{"t": 1}}
	}
	queues.EXPECT().ListQueues(gomock.Any()).AnyTimes().Return(junk, nil)
	require.NoError(t, w.CollectStore(store, queues, nil))
	for range 20 {
		w.scrape(t, "")
	}
	for range 3 {
		w.ObserveRun(ports.RunEnd{Task: task("t", "real"), Outcome: ports.RunCompleted})
	}
	w.require(t, "logsift_task_queue_wait_seconds_count",
		`logsift_task_queue_wait_seconds_count{queue="other"} 2`, `logsift_task_queue_wait_seconds_count{queue="real"} 1`)
}

// nothing is a queue that does nothing, so that the cost of measuring is seen alone.
type nothing struct{ ports.TaskQueue }

func (nothing) UpdateTask(context.Context, ...ports.TaskUpdate) error { return nil }
func (nothing) Enqueue(_ context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	return tasks, nil
}

func BenchmarkMeasuring(b *testing.B) {
	w := newWorld(b, prommetrics.Config{})
	ctx := b.Context()
	tasks := []*domain.Task{task("a", "x")}
	many := make([]*domain.Task, 1000)
	for i := range many {
		many[i] = task("a", "x")
	}
	for name, q := range map[string]ports.TaskQueue{"plain": nothing{}, "measured": observe.Queue(nothing{}, nil, w.Metrics)} {
		b.Run("UpdateTask/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = q.UpdateTask(ctx)
			}
		})
		b.Run("Enqueue/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = q.Enqueue(ctx, tasks...)
			}
		})
		b.Run("Enqueue1000/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = q.Enqueue(ctx, many...)
			}
		})
	}
	b.Run("ObserveRun", func(b *testing.B) {
		b.ReportAllocs()
		end := ports.RunEnd{Task: tasks[0], Outcome: ports.RunCompleted, Wait: time.Millisecond, Duration: time.Millisecond}
		for b.Loop() {
			w.ObserveRun(end)
		}
	})
}
