package memstore

import (
	"context"
	"fmt"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// leased returns the task that a lease holds, or ErrLeaseLost.
func (q *TaskQueue) leased(l domain.Lease) (*domain.Task, error) {
	if t, ok := q.tasks[l.TaskID]; ok && t.Lease != nil && t.Lease.SameFence(l) {
		return t, nil
	}
	return nil, fmt.Errorf("task %s, delivery %d: %w", l.TaskID, l.Delivery, domain.ErrLeaseLost)
}

func (q *TaskQueue) ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("extend lease: %w", err)
	}
	if len(leases) == 0 {
		return nil, nil
	}
	if err := ports.ValidateLease(lease); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	ends := q.cfg.now().Add(lease)
	out := make([]domain.Lease, len(leases))
	errs := make([]error, len(leases))
	for i, l := range leases {
		t, err := q.leased(l)
		if err != nil {
			errs[i] = err
			continue
		}
		q.renew(t, ends)
		out[i] = *t.Lease
	}
	return out, domain.NewBatchError(errs)
}

func (q *TaskQueue) UpdateTask(ctx context.Context, updates ...ports.TaskUpdate) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("update task: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	errs := make([]error, len(updates))
	for i, u := range updates {
		errs[i] = q.update(u)
	}
	return domain.NewBatchError(errs)
}

func (q *TaskQueue) update(u ports.TaskUpdate) error {
	if err := u.Validate(); err != nil {
		return err
	}
	to := domain.TaskStatusFailed
	switch u.Outcome {
	case ports.OutcomeCompleted:
		to = domain.TaskStatusCompleted
	case ports.OutcomeRetry:
		to = domain.TaskStatusRetrying
	case ports.OutcomeSnooze:
		to = domain.TaskStatusPending
	case ports.OutcomeFailed:
	}
	if r, ok := q.reported[u.Lease.TaskID]; ok && r.status == to && r.lease.SameFence(u.Lease) {
		return nil
	}
	t, err := q.leased(u.Lease)
	if err != nil {
		return err
	}
	now := q.cfg.now()
	if t.StartedAt.After(now) {
		now = t.StartedAt
	}
	lease := *t.Lease
	err = q.step(t, func() error {
		switch u.Outcome {
		case ports.OutcomeCompleted:
			return t.MarkAsCompleted(append([]byte(nil), u.Result...), now)
		case ports.OutcomeRetry:
			return t.MarkAsRetrying(u.Failure, now.Add(ceilMicro(u.RetryIn)), now)
		case ports.OutcomeSnooze:
			return t.Snooze(now.Add(ceilMicro(u.RetryIn)))
		case ports.OutcomeFailed:
		}
		return t.MarkAsFailed(u.Failure, now)
	})
	if err != nil {
		return err
	}
	q.reported[t.ID] = report{lease, to}
	if !to.Terminal() {
		if to == domain.TaskStatusPending {
			q.waiting[t.ID] = true
		}
		q.due.push(entry{t.ScheduledAt.UnixMicro(), t})
		q.notify(t.Queue)
	}
	return nil
}

func (q *TaskQueue) ReleaseTask(ctx context.Context, leases ...domain.Lease) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("release task: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	errs := make([]error, len(leases))
	for i, l := range leases {
		if r, ok := q.reported[l.TaskID]; ok && r.status == domain.TaskStatusPending && r.lease.SameFence(l) {
			continue
		}
		t, err := q.leased(l)
		if err != nil {
			errs[i] = err
			if r, ok := q.reported[l.TaskID]; ok && r.status == domain.TaskStatusCancelled && r.lease.SameFence(l) {
				delete(q.reported, l.TaskID)
				q.stopped(q.tasks[l.TaskID])
			}
			continue
		}
		q.release(t)
	}
	return domain.NewBatchError(errs)
}

// release gives back a task that has a lease, which no step forbids.
func (q *TaskQueue) release(t *domain.Task) {
	lease := *t.Lease
	if err := q.step(t, t.Release); err == nil {
		q.reported[t.ID] = report{lease, domain.TaskStatusPending}
		q.makeReady(t)
	}
}
