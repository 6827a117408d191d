package httpapi

import (
	"context"

	"logsift/adapters/httpapi/auth"
	"logsift/adapters/httpapi/ingest"
	"logsift/domain"
)

// auditedQueue tells the audit log what tasks are changed.
type auditedQueue struct{ QueueService }

// ScheduleTasks tells of the tasks that were stored.
func (q auditedQueue) ScheduleTasks(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	stored, err := q.QueueService.ScheduleTasks(ctx, tasks...)
	ids := make([]domain.TaskID, 0, len(stored))
	for _, task := range stored {
		if task != nil {
			ids = append(ids, task.ID)
		}
	}
	auth.RecordOf(ctx).Tasks(ids...)
	return stored, err
}

// DeleteTask tells of the tasks.
func (q auditedQueue) DeleteTask(ctx context.Context, ids ...domain.TaskID) error {
	auth.RecordOf(ctx).Tasks(ids...)
	return q.QueueService.DeleteTask(ctx, ids...)
}

// RetryTask tells of the tasks.
func (q auditedQueue) RetryTask(ctx context.Context, ids ...domain.TaskID) error {
	auth.RecordOf(ctx).Tasks(ids...)
	return q.QueueService.RetryTask(ctx, ids...)
}

// CancelTask tells of the tasks.
func (q auditedQueue) CancelTask(ctx context.Context, ids ...domain.TaskID) error {
	auth.RecordOf(ctx).Tasks(ids...)
	return q.QueueService.CancelTask(ctx, ids...)
}

// RunTaskNow tells of the tasks.
func (q auditedQueue) RunTaskNow(ctx context.Context, ids ...domain.TaskID) error {
	auth.RecordOf(ctx).Tasks(ids...)
	return q.QueueService.RunTaskNow(ctx, ids...)
}

// ChangeTasks tells of the tasks that were named, and of what was done.
func (q auditedQueue) ChangeTasks(ctx context.Context, req domain.BulkRequest) (domain.BulkResult, error) {
	result, err := q.QueueService.ChangeTasks(ctx, req)
	auth.RecordOf(ctx).Changed(req, result)
	return result, err
}

// auditedLogs tells the audit log what tasks analyse the logs.
type auditedLogs struct{ ingest.Service }

// CreateLogs tells of the tasks.
func (l auditedLogs) CreateLogs(ctx context.Context, entries ...domain.LogEntry) (domain.LogReceipt, error) {
	receipt, err := l.Service.CreateLogs(ctx, entries...)
	auth.RecordOf(ctx).Tasks(receipt.TaskIDs...)
	return receipt, err
}
