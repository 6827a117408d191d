package application_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

const testType domain.TaskType = "test"

// processorFunc is a processor made of a function.
type processorFunc func(context.Context, *domain.Task) ([]byte, error)

func (f processorFunc) Process(ctx context.Context, t *domain.Task) ([]byte, error) { return f(ctx, t) }

// faultyQueue is a queue whose store can fail.
type faultyQueue struct {
	ports.TaskQueue

	mu        sync.Mutex
	down      bool
	fail      map[string]bool // calls that fail as if the store were down
	loseReply map[string]int  // calls that are carried out, and whose reply is lost
	delay     map[string]time.Duration
	slowReply time.Duration // how long the tasks of a claim are under way
	line      int           // how many bytes of tasks a second are under way; 0 for any number
	refuse    func(ports.TaskUpdate) bool
	calls     map[string]int
}

func newFaultyQueue() *faultyQueue {
	return &faultyQueue{
		TaskQueue: memstore.NewTaskQueue(memstore.Config{}),
		loseReply: map[string]int{}, delay: map[string]time.Duration{}, calls: map[string]int{}, fail: map[string]bool{},
	}
}

func (q *faultyQueue) set(f func(*faultyQueue)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f(q)
}

func (q *faultyQueue) count(call string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.calls[call]
}

// before counts a call and returns an error if the store is down.
func (q *faultyQueue) before(ctx context.Context, call string) error {
	q.mu.Lock()
	q.calls[call]++
	delay, down := q.delay[call], q.down || q.fail[call]
	q.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if down {
		return fmt.Errorf("connection refused: %w", domain.ErrStoreUnavailable)
	}
	return nil
}

// after loses the reply of a call that was carried out, if it is to.
func (q *faultyQueue) after(call string, err error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.loseReply[call] > 0 {
		q.loseReply[call]--
		return fmt.Errorf("reply lost: %w", domain.ErrStoreUnavailable)
	}
	return err
}

func (q *faultyQueue) Dequeue(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	if err := q.before(ctx, "Dequeue"); err != nil {
		return nil, err
	}
	tasks, err := q.TaskQueue.Dequeue(ctx, req)
	if len(tasks) > 0 {
		var slow time.Duration
		q.set(func(q *faultyQueue) {
			slow = q.slowReply
			if q.line > 0 {
				for _, t := range tasks {
					slow += time.Duration(len(t.Payload)) * time.Second / time.Duration(q.line)
				}
			}
		})
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if err = q.after("Dequeue", err); err != nil {
			return nil, err
		}
	}
	return tasks, err
}

func (q *faultyQueue) UpdateTask(ctx context.Context, updates ...ports.TaskUpdate) error {
	if err := q.before(ctx, "UpdateTask"); err != nil {
		return err
	}
	var refuse func(ports.TaskUpdate) bool
	q.set(func(q *faultyQueue) { refuse = q.refuse })
	if refuse != nil && slices.ContainsFunc(updates, refuse) {
		return fmt.Errorf("too large for the store: %w", domain.ErrStoreUnavailable)
	}
	return q.after("UpdateTask", q.TaskQueue.UpdateTask(ctx, updates...))
}

func (q *faultyQueue) ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
	if err := q.before(ctx, "ExtendLease"); err != nil {
		return nil, err
	}
	return q.TaskQueue.ExtendLease(ctx, lease, leases...)
}

func (q *faultyQueue) ReleaseTask(ctx context.Context, leases ...domain.Lease) error {
	if err := q.before(ctx, "ReleaseTask"); err != nil {
		return err
	}
	return q.TaskQueue.ReleaseTask(ctx, leases...)
}

func (q *faultyQueue) PromoteDue(ctx context.Context, limit int) (ports.Maintained, error) {
	if err := q.before(ctx, "PromoteDue"); err != nil {
		return ports.Maintained{}, err
	}
	return q.TaskQueue.PromoteDue(ctx, limit)
}

func (q *faultyQueue) ReapExpired(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
	if err := q.before(ctx, "ReapExpired"); err != nil {
		return ports.Maintained{}, err
	}
	return q.TaskQueue.ReapExpired(ctx, req)
}

func (q *faultyQueue) PurgeFinished(ctx context.Context, req ports.PurgeRequest) ([]domain.TaskID, error) {
	if err := q.before(ctx, "PurgeFinished"); err != nil {
		return nil, err
	}
	return q.TaskQueue.PurgeFinished(ctx, req)
}

// world is a scheduler over an in-process store that can fail.
type world struct {
	t         *testing.T
	queue     *faultyQueue
	scheduler *application.DefaultScheduler
	logs      *observer.ObservedLogs
}

func newWorld(t *testing.T, cfg application.SchedulerConfig, p processorFunc) *world {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	w := &world{t: t, queue: newFaultyQueue(), logs: logs}
	var err error
	w.scheduler, err = application.NewScheduler(w.queue, cfg, zap.New(core))
	require.NoError(t, err)
	t.Cleanup(func() {
		// After a test that failed half way, nothing is left of its scheduler. The
		// context has ended by now.
		_ = w.scheduler.Stop(t.Context())
	})
	if p != nil {
		require.NoError(t, w.scheduler.RegisterProcessor(testType, p))
	}
	return w
}

// startWorld returns a world whose scheduler runs.
func startWorld(t *testing.T, cfg application.SchedulerConfig, p processorFunc) *world {
	t.Helper()
	w := newWorld(t, cfg, p)
	require.NoError(t, w.scheduler.Start(t.Context()))
	return w
}

// stop drains without a deadline.
func (w *world) stop() {
	w.t.Helper()
	require.NoError(w.t, w.scheduler.Stop(w.t.Context()))
}

func (w *world) enqueue(tasks ...*domain.Task) {
	w.t.Helper()
	_, err := w.queue.Enqueue(w.t.Context(), tasks...)
	require.NoError(w.t, err)
}

func (w *world) task(id domain.TaskID) *domain.Task {
	w.t.Helper()
	task, err := w.queue.GetTask(w.t.Context(), id)
	require.NoError(w.t, err)
	return task
}

func (w *world) stats() domain.SchedulerStats { return w.scheduler.GetSchedulerStats() }

func (w *world) queueStats() domain.QueueStats {
	w.t.Helper()
	stats, err := w.queue.GetQueueStats(w.t.Context())
	require.NoError(w.t, err)
	return stats
}

func newTestTask(change ...func(*domain.Task)) *domain.Task {
	task := domain.NewTask(uuid.Must(uuid.NewV7()), testType, []byte(`{}`))
	for _, f := range change {
		f(task)
	}
	return task
}

// inBubble runs f as a parallel subtest whose clock is that of a bubble.
func inBubble(t *testing.T, name string, f func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, f)
	})
}

// pass waits by the clock of the bubble, which takes no real time.
func pass(d time.Duration) { <-time.After(d) }

// settle lets time pass and everything happen that is due by then. Only the
// test's own goroutine may call it.
func settle(d time.Duration) {
	pass(d)
	synctest.Wait()
}

// journal records when runs began.
type journal struct {
	mu   sync.Mutex
	runs []time.Time
	ids  []domain.TaskID
}

func (j *journal) note(t *domain.Task) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.runs = append(j.runs, time.Now())
	j.ids = append(j.ids, t.ID)
	return len(j.runs)
}

func (j *journal) tasks() []domain.TaskID {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.ids)
}

func (j *journal) times() []time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.runs)
}
