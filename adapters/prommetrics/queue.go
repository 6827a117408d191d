package prommetrics

import (
	"context"
	"errors"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// call is a method of the task queue.
type call uint8

const (
	callEnqueue call = iota
	callDequeue
	callDequeueWait
	callExtendLease
	callUpdateTask
	callReleaseTask
	callGetTask
	callListTasks
	callGetQueueStats
	callDeleteTask
	callRetryTask
	callCancelTask
	callRunTaskNow
	callPromoteDue
	callReapExpired
	callPurgeFinished
	callCount
)

var callNames = [callCount]string{
	callEnqueue: "enqueue", callDequeue: "dequeue", callDequeueWait: "dequeue_wait", callExtendLease: "extend_lease",
	callUpdateTask: "update_task", callReleaseTask: "release_task", callGetTask: "get_task", callListTasks: "list_tasks",
	callGetQueueStats: "get_queue_stats", callDeleteTask: "delete_task", callRetryTask: "retry_task",
	callCancelTask: "cancel_task", callRunTaskNow: "run_task_now", callPromoteDue: "promote_due",
	callReapExpired: "reap_expired", callPurgeFinished: "purge_finished",
}

// String returns the value of the label call.
func (c call) String() string { return callNames[c] }

// kindUnavailable is the kind of error that every call may meet.
const kindUnavailable = "unavailable"

// errorKinds are the values of the label kind; the first that an error matches
// counts.
var errorKinds = []struct {
	err  error
	kind string
}{
	{domain.ErrStoreUnavailable, kindUnavailable},
	{domain.ErrStoreFull, "full"},
	{domain.ErrStoreReadOnly, "read_only"},
	{domain.ErrLeaseLost, "lease_lost"},
	{domain.ErrTaskNotFound, "not_found"},
	{domain.ErrTaskExists, "task_exists"},
	{domain.ErrDuplicateTask, "duplicate"},
	{domain.ErrInvalidTransition, "invalid_transition"},
	{domain.ErrInvalidCursor, "invalid_cursor"},
	{domain.ErrInvalid, "invalid"},
	{domain.ErrCorruptRecord, "corrupt_record"},
	{domain.ErrClosed, "closed"},
	{context.Canceled, "canceled"},
	{context.DeadlineExceeded, "timeout"},
}

func errorKind(err error) string {
	for _, k := range errorKinds {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	return other
}

// taskQueue is a task queue whose calls are measured.
type taskQueue struct {
	queue ports.TaskQueue
	m     *Metrics
}

var _ ports.TaskQueue = (*taskQueue)(nil)

// Queue returns a queue that does what the given one does, and counts and measures
// it.
func (m *Metrics) Queue(queue ports.TaskQueue) ports.TaskQueue {
	return &taskQueue{queue: queue, m: m}
}

// done notes a call that began at begun.
func (q *taskQueue) done(ctx context.Context, c call, begun time.Time, err error) {
	observe(q.m.calls[c], time.Since(begun), q.m.traceOf(ctx))
	if err == nil {
		return
	}
	var batch *domain.BatchError
	if !errors.As(err, &batch) {
		q.m.callErrors.WithLabelValues(c.String(), errorKind(err)).Inc()
		return
	}
	for _, item := range batch.Errs {
		if item != nil {
			q.m.callErrors.WithLabelValues(c.String(), errorKind(item)).Inc()
		}
	}
}

// Enqueue implements ports.TaskEnqueuer.
func (q *taskQueue) Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	begun := time.Now()
	stored, err := q.queue.Enqueue(ctx, tasks...)
	q.done(ctx, callEnqueue, begun, err)
	q.countEnqueued(stored)
	return stored, err
}

// countEnqueued counts the tasks, those beside each other that are of one kind at
// once.
func (q *taskQueue) countEnqueued(stored []*domain.Task) {
	for first := 0; first < len(stored); {
		t := stored[first]
		if t == nil {
			first++
			continue
		}
		last := first + 1
		for last < len(stored) && stored[last] != nil && stored[last].Type == t.Type && stored[last].Queue == t.Queue {
			last++
		}
		q.m.enqueued.WithLabelValues(q.m.types.of(string(t.Type)), q.m.queues.of(t.Queue)).Add(float64(last - first))
		first = last
	}
}

// Dequeue implements ports.TaskConsumer.
func (q *taskQueue) Dequeue(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	c := callDequeue
	if req.Wait > 0 {
		c = callDequeueWait
	}
	begun := time.Now()
	tasks, err := q.queue.Dequeue(ctx, req)
	q.done(ctx, c, begun, err)
	return tasks, err
}

// ExtendLease implements ports.TaskConsumer.
func (q *taskQueue) ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
	begun := time.Now()
	extended, err := q.queue.ExtendLease(ctx, lease, leases...)
	q.done(ctx, callExtendLease, begun, err)
	return extended, err
}

// UpdateTask implements ports.TaskConsumer.
func (q *taskQueue) UpdateTask(ctx context.Context, updates ...ports.TaskUpdate) error {
	begun := time.Now()
	err := q.queue.UpdateTask(ctx, updates...)
	q.done(ctx, callUpdateTask, begun, err)
	return err
}

// ReleaseTask implements ports.TaskConsumer.
func (q *taskQueue) ReleaseTask(ctx context.Context, leases ...domain.Lease) error {
	begun := time.Now()
	err := q.queue.ReleaseTask(ctx, leases...)
	q.done(ctx, callReleaseTask, begun, err)
	return err
}

// GetTask implements ports.TaskReader.
func (q *taskQueue) GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	begun := time.Now()
	task, err := q.queue.GetTask(ctx, id)
	q.done(ctx, callGetTask, begun, err)
	return task, err
}

// ListTasks implements ports.TaskReader.
func (q *taskQueue) ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	begun := time.Now()
	page, err := q.queue.ListTasks(ctx, filter)
	q.done(ctx, callListTasks, begun, err)
	return page, err
}

// GetQueueStats implements ports.TaskReader.
func (q *taskQueue) GetQueueStats(ctx context.Context) (domain.QueueStats, error) {
	begun := time.Now()
	stats, err := q.queue.GetQueueStats(ctx)
	q.done(ctx, callGetQueueStats, begun, err)
	return stats, err
}

// DeleteTask implements ports.TaskManager.
func (q *taskQueue) DeleteTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, callDeleteTask, q.queue.DeleteTask, ids)
}

// RetryTask implements ports.TaskManager.
func (q *taskQueue) RetryTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, callRetryTask, q.queue.RetryTask, ids)
}

// CancelTask implements ports.TaskManager.
func (q *taskQueue) CancelTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, callCancelTask, q.queue.CancelTask, ids)
}

// RunTaskNow implements ports.TaskManager.
func (q *taskQueue) RunTaskNow(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, callRunTaskNow, q.queue.RunTaskNow, ids)
}

func (q *taskQueue) manage(ctx context.Context, c call, f func(context.Context, ...domain.TaskID) error, ids []domain.TaskID) error {
	begun := time.Now()
	err := f(ctx, ids...)
	q.done(ctx, c, begun, err)
	return err
}

// PromoteDue implements ports.QueueMaintainer.
func (q *taskQueue) PromoteDue(ctx context.Context, limit int) (ports.Maintained, error) {
	begun := time.Now()
	done, err := q.queue.PromoteDue(ctx, limit)
	q.done(ctx, callPromoteDue, begun, err)
	return done, err
}

// ReapExpired implements ports.QueueMaintainer.
func (q *taskQueue) ReapExpired(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
	begun := time.Now()
	done, err := q.queue.ReapExpired(ctx, req)
	q.done(ctx, callReapExpired, begun, err)
	q.m.poisoned.Add(float64(done.Poisoned))
	return done, err
}

// PurgeFinished implements ports.QueueMaintainer.
func (q *taskQueue) PurgeFinished(ctx context.Context, retention time.Duration, limit int) ([]domain.TaskID, error) {
	begun := time.Now()
	ids, err := q.queue.PurgeFinished(ctx, retention, limit)
	q.done(ctx, callPurgeFinished, begun, err)
	return ids, err
}
