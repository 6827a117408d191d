package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

var (
	deleteScript  = loadScript("delete")
	rerunScript   = loadScript("rerun")
	cancelScript  = loadScript("cancel")
	runNowScript  = loadScript("run_now")
	promoteScript = loadScript("promote")
	reapScript    = loadScript("reap")
	purgeScript   = loadScript("purge")
)

// DeleteTask implements ports.TaskManager.
func (q *TaskQueue) DeleteTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, deleteScript, 0, ids, func(t *laneTable) []any {
		return []any{t.generation, len(t.names)}
	})
}

// RetryTask implements ports.TaskManager.
func (q *TaskQueue) RetryTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, rerunScript, domain.TaskStatusPending, ids, func(t *laneTable) []any {
		return []any{t.generation, len(t.names), q.keys.wake}
	})
}

// CancelTask implements ports.TaskManager.
func (q *TaskQueue) CancelTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, cancelScript, domain.TaskStatusCancelled, ids, func(t *laneTable) []any {
		return []any{q.client.offset(), t.generation, len(t.names)}
	})
}

// RunTaskNow implements ports.TaskManager.
func (q *TaskQueue) RunTaskNow(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, runNowScript, domain.TaskStatusPending, ids, func(t *laneTable) []any {
		return []any{t.generation, len(t.names), q.keys.wake}
	})
}

// manage runs a script over ids and reads its replies: 0 for done, -2 for no
// such task, the status that forbids the step, or the holder of a unique key.
func (q *TaskQueue) manage(ctx context.Context, s *script, to domain.TaskStatus, ids []domain.TaskID, head func(*laneTable) []any) error {
	if len(ids) == 0 {
		return nil
	}
	reply, err := q.withLanes(ctx, func(table *laneTable) ([]any, error) {
		args := head(table)
		for _, id := range ids {
			args = append(args, id[:])
		}
		return q.client.runSlice(ctx, s, q.keys.all(table.ready), args...)
	})
	if err != nil {
		return err
	}
	errs := make([]error, len(ids))
	for i, id := range ids {
		if holder := textAt(reply, i); holder != "" {
			by, err := uuid.FromBytes([]byte(holder))
			if err != nil {
				return fmt.Errorf("redis script %s: holder of unique key: %w", s.name, err)
			}
			errs[i] = &domain.DuplicateError{Holder: by}
			continue
		}
		switch n, _ := intAt(reply, i); n {
		case 0:
		case -2:
			errs[i] = fmt.Errorf("task %s: %w", id, domain.ErrTaskNotFound)
		default:
			errs[i] = &domain.TransitionError{TaskID: id, From: statusOf[byte(n)], To: to}
		}
	}
	return domain.NewBatchError(errs)
}

// PromoteDue implements ports.QueueMaintainer.
func (q *TaskQueue) PromoteDue(ctx context.Context, limit int) (ports.Maintained, error) {
	if err := validateLimit(limit); err != nil {
		return ports.Maintained{}, err
	}
	reply, err := q.withLanes(ctx, func(table *laneTable) ([]any, error) {
		return q.client.runSlice(ctx, promoteScript, q.keys.all(table.ready),
			q.client.offset(), table.generation, len(table.names), q.keys.wake, limit)
	})
	return maintained(reply), err
}

// ReapExpired implements ports.QueueMaintainer.
func (q *TaskQueue) ReapExpired(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
	if err := validateLimit(req.Limit); err != nil {
		return ports.Maintained{}, err
	}
	if req.MaxRecoveries < 0 || req.MaxRecoveries > maxRecoveries {
		return ports.Maintained{}, &domain.ValidationError{Field: "max_recoveries", Value: strconv.Itoa(req.MaxRecoveries), Rule: fmt.Sprintf("must be between 0 and %d", maxRecoveries)}
	}
	expired := encodeFailure(domain.TaskError{Reason: domain.ReasonLeaseExpired, Message: "lease expired: the worker stopped reporting"})
	reply, err := q.withLanes(ctx, func(table *laneTable) ([]any, error) {
		return q.client.runSlice(ctx, reapScript, q.keys.all(table.ready),
			q.client.offset(), table.generation, len(table.names), q.keys.wake, req.Limit, req.MaxRecoveries, expired)
	})
	return maintained(reply), err
}

// maxRecoveries is what the packed state can count.
const maxRecoveries = 254

func maintained(reply []any) ports.Maintained {
	n, _ := intAt(reply, 0)
	next, ok := intAt(reply, 1)
	if !ok {
		next = -1
	}
	return ports.Maintained{Count: int(n), Next: microDuration(next)}
}

// PurgeFinished implements ports.QueueMaintainer.
func (q *TaskQueue) PurgeFinished(ctx context.Context, retention time.Duration, limit int) ([]domain.TaskID, error) {
	if err := validateLimit(limit); err != nil {
		return nil, err
	}
	if retention < 0 {
		return nil, &domain.ValidationError{Field: "retention", Value: retention.String(), Rule: "must not be negative"}
	}
	var out []domain.TaskID
	for more := true; more && len(out) < limit; {
		reply, err := q.client.runSlice(ctx, purgeScript, q.keys.all(nil), q.client.offset(), retention.Microseconds(), limit-len(out))
		if err != nil {
			return out, err
		}
		for i := 1; i < len(reply); i++ {
			id, err := uuid.FromBytes([]byte(textAt(reply, i)))
			if err != nil {
				return out, fmt.Errorf("redis script purge: task id: %w", err)
			}
			out = append(out, id)
		}
		n, _ := intAt(reply, 0)
		more = n == 1
	}
	return out, nil
}

func validateLimit(limit int) error {
	if limit < 1 || limit > ports.MaxClaim {
		return &domain.ValidationError{Field: "limit", Value: strconv.Itoa(limit), Rule: fmt.Sprintf("must be between 1 and %d", ports.MaxClaim)}
	}
	return nil
}

// ceilMicro is a time in microseconds, rounded up.
func ceilMicro(t time.Time) int64 {
	us := t.UnixMicro()
	if t.Nanosecond()%1000 != 0 {
		us++
	}
	return us
}
