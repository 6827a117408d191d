package oteltrace

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"logsift/domain"
	"logsift/ports"
)

// system is that of spans about the queue.
var system = attribute.String("messaging.system", "logsift")

// taskQueue is a task queue whose calls are traced where they are part of a trace.
type taskQueue struct {
	ports.TaskQueue

	t *Tracing
}

var _ ports.TaskQueue = (*taskQueue)(nil)

// Queue returns a queue that does what the given one does, within a trace as spans of
// it. Tasks that are enqueued within a trace get its TraceParent.
func (t *Tracing) Queue(queue ports.TaskQueue) ports.TaskQueue {
	return &taskQueue{TaskQueue: queue, t: t}
}

// inTrace reports whether ctx is part of a trace.
func inTrace(ctx context.Context) bool { return trace.SpanContextFromContext(ctx).IsValid() }

// Enqueue implements ports.TaskEnqueuer.
func (q *taskQueue) Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	if !inTrace(ctx) || len(tasks) == 0 {
		return q.TaskQueue.Enqueue(ctx, tasks...)
	}
	attributes := []attribute.KeyValue{
		system, attribute.String("messaging.operation.name", "enqueue"), attribute.String("messaging.operation.type", "send"),
		attribute.Int("messaging.batch.message_count", len(tasks)),
	}
	name := "enqueue"
	if queue := commonQueue(tasks); queue != "" {
		name += " " + queue
		attributes = append(attributes, attribute.String("messaging.destination.name", queue))
	}
	if len(tasks) == 1 {
		attributes = append(attributes, attribute.String("messaging.message.id", tasks[0].ID.String()))
	}
	ctx, span := q.t.begin(ctx, name, trace.SpanKindProducer, attributes...)
	parent := q.t.traceParent(ctx)
	named := make([]*domain.Task, len(tasks))
	for i, task := range tasks {
		c := *task
		if c.TraceParent == "" {
			c.TraceParent = parent
		}
		named[i] = &c
	}
	stored, err := q.TaskQueue.Enqueue(ctx, named...)
	end(span, err)
	return stored, err
}

// commonQueue returns the queue that all tasks go to, "" if there are several.
func commonQueue(tasks []*domain.Task) string {
	for _, t := range tasks {
		if t.Queue != tasks[0].Queue {
			return ""
		}
	}
	return tasks[0].Queue
}

// inStore makes a call to the store, as a span if it is part of a trace.
func inStore[T any](ctx context.Context, t *Tracing, name string, call func(context.Context) (T, error), attributes ...attribute.KeyValue) (T, error) {
	if !inTrace(ctx) {
		return call(ctx)
	}
	ctx, span := t.begin(ctx, name, trace.SpanKindClient, append(attributes, attribute.String("db.operation.name", name))...)
	v, err := call(ctx)
	end(span, err)
	return v, err
}

// GetTask implements ports.TaskReader.
func (q *taskQueue) GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	return inStore(ctx, q.t, "GetTask", func(ctx context.Context) (*domain.Task, error) { return q.TaskQueue.GetTask(ctx, id) })
}

// ListTasks implements ports.TaskReader.
func (q *taskQueue) ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	return inStore(ctx, q.t, "ListTasks", func(ctx context.Context) (domain.TaskPage, error) { return q.TaskQueue.ListTasks(ctx, filter) })
}

// GetQueueStats implements ports.TaskReader.
func (q *taskQueue) GetQueueStats(ctx context.Context) (domain.QueueStats, error) {
	return inStore(ctx, q.t, "GetQueueStats", q.TaskQueue.GetQueueStats)
}

// DeleteTask implements ports.TaskManager.
func (q *taskQueue) DeleteTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, "DeleteTask", q.TaskQueue.DeleteTask, ids)
}

// RetryTask implements ports.TaskManager.
func (q *taskQueue) RetryTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, "RetryTask", q.TaskQueue.RetryTask, ids)
}

// CancelTask implements ports.TaskManager.
func (q *taskQueue) CancelTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, "CancelTask", q.TaskQueue.CancelTask, ids)
}

// RunTaskNow implements ports.TaskManager.
func (q *taskQueue) RunTaskNow(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, "RunTaskNow", q.TaskQueue.RunTaskNow, ids)
}

func (q *taskQueue) manage(ctx context.Context, name string, f func(context.Context, ...domain.TaskID) error, ids []domain.TaskID) error {
	_, err := inStore(ctx, q.t, name, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx, ids...) })
	return err
}
