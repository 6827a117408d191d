package observe

import (
	"context"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// TraceParent returns the W3C trace parent of a context, "" for none.
type TraceParent func(ctx context.Context) string

// Queue returns a queue whose calls are observed. Tasks that are enqueued without a
// TraceParent get the one of the call, if traceParent is not nil.
func Queue(queue ports.TaskQueue, traceParent TraceParent, observers ...ports.Observer) ports.TaskQueue {
	if len(observers) == 0 {
		return queue
	}
	return &taskQueue{queue: queue, traceParent: traceParent, observers: observers}
}

type taskQueue struct {
	queue       ports.TaskQueue
	traceParent TraceParent
	observers   ports.Observers
}

func (q *taskQueue) Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	c := ports.Call{Op: ports.OpEnqueue, Tasks: tasks}
	ctx = q.observers.Begin(ctx, &c)
	stored, err := q.queue.Enqueue(ctx, q.traced(ctx, tasks)...)
	c.Tasks = stored
	q.observers.End(ctx, &c, err)
	return stored, err
}

// traced returns tasks that have a trace parent, if there is one.
func (q *taskQueue) traced(ctx context.Context, tasks []*domain.Task) []*domain.Task {
	if q.traceParent == nil {
		return tasks
	}
	parent := q.traceParent(ctx)
	if parent == "" {
		return tasks
	}
	traced := make([]*domain.Task, len(tasks))
	for i, t := range tasks {
		c := *t
		if c.TraceParent == "" {
			c.TraceParent = parent
		}
		traced[i] = &c
	}
	return traced
}

func (q *taskQueue) Dequeue(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	op := ports.OpDequeue
	if req.Wait > 0 {
		op = ports.OpDequeueWait
	}
	return made(ctx, q.observers, ports.Call{Op: op}, func(ctx context.Context) ([]*domain.Task, error) { return q.queue.Dequeue(ctx, req) })
}

func (q *taskQueue) ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
	return made(ctx, q.observers, ports.Call{Op: ports.OpExtendLease}, func(ctx context.Context) ([]domain.Lease, error) {
		return q.queue.ExtendLease(ctx, lease, leases...)
	})
}

func (q *taskQueue) UpdateTask(ctx context.Context, updates ...ports.TaskUpdate) error {
	c := ports.Call{Op: ports.OpUpdateTask}
	ctx = q.observers.Begin(ctx, &c)
	err := q.queue.UpdateTask(ctx, updates...)
	q.observers.End(ctx, &c, err)
	return err
}

func (q *taskQueue) ReleaseTask(ctx context.Context, leases ...domain.Lease) error {
	c := ports.Call{Op: ports.OpReleaseTask}
	ctx = q.observers.Begin(ctx, &c)
	err := q.queue.ReleaseTask(ctx, leases...)
	q.observers.End(ctx, &c, err)
	return err
}

func (q *taskQueue) GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	return made(ctx, q.observers, ports.Call{Op: ports.OpGetTask}, func(ctx context.Context) (*domain.Task, error) { return q.queue.GetTask(ctx, id) })
}

func (q *taskQueue) ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	return made(ctx, q.observers, ports.Call{Op: ports.OpListTasks}, func(ctx context.Context) (domain.TaskPage, error) { return q.queue.ListTasks(ctx, filter) })
}

func (q *taskQueue) GetQueueStats(ctx context.Context) (domain.QueueStats, error) {
	return made(ctx, q.observers, ports.Call{Op: ports.OpGetQueueStats}, q.queue.GetQueueStats)
}

func (q *taskQueue) DeleteTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, ports.OpDeleteTask, q.queue.DeleteTask, ids)
}

func (q *taskQueue) RetryTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, ports.OpRetryTask, q.queue.RetryTask, ids)
}

func (q *taskQueue) CancelTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, ports.OpCancelTask, q.queue.CancelTask, ids)
}

func (q *taskQueue) RunTaskNow(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, ports.OpRunTaskNow, q.queue.RunTaskNow, ids)
}

func (q *taskQueue) manage(ctx context.Context, op ports.Operation, do func(context.Context, ...domain.TaskID) error, ids []domain.TaskID) error {
	c := ports.Call{Op: op}
	ctx = q.observers.Begin(ctx, &c)
	err := do(ctx, ids...)
	q.observers.End(ctx, &c, err)
	return err
}

func (q *taskQueue) PromoteDue(ctx context.Context, limit int) (ports.Maintained, error) {
	return q.maintain(ctx, ports.OpPromoteDue, func(ctx context.Context) (ports.Maintained, error) { return q.queue.PromoteDue(ctx, limit) })
}

func (q *taskQueue) ReapExpired(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
	return q.maintain(ctx, ports.OpReapExpired, func(ctx context.Context) (ports.Maintained, error) { return q.queue.ReapExpired(ctx, req) })
}

func (q *taskQueue) maintain(ctx context.Context, op ports.Operation, do func(context.Context) (ports.Maintained, error)) (ports.Maintained, error) {
	c := ports.Call{Op: op}
	ctx = q.observers.Begin(ctx, &c)
	done, err := do(ctx)
	c.Poisoned, c.Expired = done.Poisoned, done.Expired
	q.observers.End(ctx, &c, err)
	return done, err
}

func (q *taskQueue) PurgeFinished(ctx context.Context, req ports.PurgeRequest) ([]domain.TaskID, error) {
	return made(ctx, q.observers, ports.Call{Op: ports.OpPurgeFinished}, func(ctx context.Context) ([]domain.TaskID, error) {
		return q.queue.PurgeFinished(ctx, req)
	})
}
