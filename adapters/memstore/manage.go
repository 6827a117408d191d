package memstore

import (
	"context"
	"fmt"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// manage does a step to each of the tasks.
func (q *TaskQueue) manage(ctx context.Context, what string, ids []domain.TaskID, step func(t *domain.Task) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	errs := make([]error, len(ids))
	for i, id := range ids {
		if t, ok := q.tasks[id]; ok {
			errs[i] = step(t)
		} else {
			errs[i] = fmt.Errorf("task %s: %w", id, domain.ErrTaskNotFound)
		}
	}
	q.trim()
	return domain.NewBatchError(errs)
}

func (q *TaskQueue) DeleteTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, "delete task", ids, func(t *domain.Task) error {
		if t.Status == domain.TaskStatusProcessing {
			return &domain.TransitionError{TaskID: t.ID, From: t.Status}
		}
		if t.Workflow != nil {
			return &domain.TransitionError{TaskID: t.ID, From: t.Status, Node: true}
		}
		q.remove(t)
		return nil
	})
}

// remove forgets a task; what is left of it in the heaps is stale by that.
func (q *TaskQueue) remove(t *domain.Task) {
	q.counts[t.Status]--
	delete(q.tasks, t.ID)
	delete(q.asked, t.ID)
	delete(q.waiting, t.ID)
	delete(q.reported, t.ID)
	delete(q.replaced, t.ID)
	q.free(t)
	q.emit(t, t.Status, 0, "")
}

func (q *TaskQueue) RetryTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, "retry task", ids, func(t *domain.Task) error {
		again := t.Status == domain.TaskStatusFailed || t.Status == domain.TaskStatusCancelled
		if id, held := q.holder(t, q.cfg.now()); again && held && id != t.ID && t.UniqueFor == 0 {
			return &domain.DuplicateError{UniqueKey: t.UniqueKey, Holder: id}
		}
		if t.Workflow != nil {
			return q.runAgain(t)
		}
		if err := q.step(t, t.RunAgain); err != nil {
			return err
		}
		q.hold(t)
		q.makeReady(t)
		return nil
	})
}

func (q *TaskQueue) CancelTask(ctx context.Context, ids ...domain.TaskID) error {
	var running []domain.TaskID
	err := q.manage(ctx, "cancel task", ids, func(t *domain.Task) (err error) {
		running, err = q.cancel(t, running)
		return err
	})
	q.tellCancelled(running)
	return err
}

// cancel cancels a task, and adds it to those that were running if it was.
func (q *TaskQueue) cancel(t *domain.Task, running []domain.TaskID) ([]domain.TaskID, error) {
	lease, now, h := t.Lease, q.cfg.now(), q.unique[t.UniqueKey]
	if h.id == t.ID && h.until.IsZero() && lease != nil && lease.ExpiresAt.After(now) {
		// It keeps its unique key while its run stops.
		q.unique[t.UniqueKey] = holder{t.ID, lease.ExpiresAt}
	}
	if err := q.step(t, func() error { return t.MarkAsCancelled(now) }); err != nil {
		return running, err
	}
	if lease != nil {
		running = append(running, t.ID)
		q.reported[t.ID] = report{*lease, domain.TaskStatusCancelled}
	}
	return running, nil
}

func (q *TaskQueue) RunTaskNow(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, "run task", ids, func(t *domain.Task) error {
		if q.isReady(t) {
			return nil
		}
		if q.waits(t) {
			return &domain.TransitionError{TaskID: t.ID, From: t.Status, To: domain.TaskStatusPending, Node: true}
		}
		if err := q.step(t, t.RunNow); err != nil {
			return err
		}
		q.makeReady(t)
		return nil
	})
}

func (q *TaskQueue) PromoteDue(ctx context.Context, limit int) (ports.Maintained, error) {
	if err := ctx.Err(); err != nil {
		return ports.Maintained{}, fmt.Errorf("maintain queue: %w", err)
	}
	if err := ports.ValidateLimit(limit); err != nil {
		return ports.Maintained{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.cfg.now()
	expired := q.expire(now, limit)
	done := ports.Maintained{Count: expired + q.promote(now, limit-expired), Expired: expired + q.expired, Next: q.untilDue(now)}
	q.expired = 0
	if e, ok := q.expiries.peek(); ok {
		if next := until(e.at, true, now); done.Next < 0 || next < done.Next {
			done.Next = next
		}
	}
	return done, nil
}

// expire ends expired tasks, at most limit, and returns how many.
func (q *TaskQueue) expire(now time.Time, limit int) int {
	for n := 0; ; n++ {
		e, ok := q.expiries.peek()
		if !ok || n == limit || !e.task.Expired(now) {
			return n
		}
		q.expiries.pop()
		// A task that was just found to have expired can always be ended.
		_ = q.step(e.task, func() error { return e.task.Expire(now) })
	}
}

// promote makes due tasks ready, at most limit, and returns how many.
func (q *TaskQueue) promote(now time.Time, limit int) int {
	n := 0
	for n < limit {
		e, ok := q.due.peek()
		if !ok || e.at > now.UnixMicro() {
			break
		}
		q.due.pop()
		// A task that waits for its time can always be promoted.
		if err := q.step(e.task, e.task.Promote); err == nil {
			q.makeReady(e.task)
			n++
		}
	}
	return n
}

func (q *TaskQueue) untilDue(now time.Time) time.Duration {
	e, ok := q.due.peek()
	return until(e.at, ok, now)
}

func until(at int64, ok bool, now time.Time) time.Duration {
	if !ok {
		return -1
	}
	return max(0, time.UnixMicro(at).Sub(now))
}

func (q *TaskQueue) ReapExpired(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
	if err := ctx.Err(); err != nil {
		return ports.Maintained{}, fmt.Errorf("maintain queue: %w", err)
	}
	if err := req.Validate(); err != nil {
		return ports.Maintained{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.cfg.now()
	n, poisoned := 0, 0
	for n < req.Limit {
		e, ok := q.leases.peek()
		if !ok || e.at > now.UnixMicro() {
			break
		}
		q.leases.pop()
		t := e.task
		if req.Renew > 0 {
			q.renew(t, now.Add(req.Renew))
			n++
			continue
		}
		// A task that holds a lease can always be recovered.
		if err := q.step(t, func() error { return t.Recover(req.MaxRecoveries, now) }); err == nil {
			n++
			if t.Status == domain.TaskStatusPending {
				q.makeReady(t)
			} else {
				poisoned++
			}
		}
	}
	e, ok := q.leases.peek()
	return ports.Maintained{Count: n, Poisoned: poisoned, Next: until(e.at, ok, now)}, nil
}

// renew makes the lease of a task last until then.
func (q *TaskQueue) renew(t *domain.Task, until time.Time) {
	t.Lease.ExpiresAt = until
	q.leases.push(entry{until.UnixMicro(), t})
}

func (q *TaskQueue) PurgeFinished(ctx context.Context, req ports.PurgeRequest) ([]domain.TaskID, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("maintain queue: %w", err)
	}
	if err := req.Validate(); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.cfg.now()
	q.forget(now)
	out := q.purgeWorkflows(req, now)
	for len(out) < req.Limit {
		var first entry
		var from *heap[entry]
		for _, of := range []struct {
			ends      *heap[entry]
			retention time.Duration
		}{{q.kept, 0}, {q.ended, req.Retention}, {q.failed, req.Failed()}} {
			e, ok := of.ends.peek()
			if ok && e.at <= now.Add(-of.retention).UnixMicro() && (from == nil || e.at < first.at) {
				first, from = e, of.ends
			}
		}
		if from == nil {
			break
		}
		from.pop()
		q.remove(first.task)
		out = append(out, first.task.ID)
	}
	q.trim()
	return out, nil
}
