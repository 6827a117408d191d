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

// DeleteTask is that of the queue, within the partition.
func (p *partition) DeleteTask(ctx context.Context, ids ...domain.TaskID) error {
	return p.manage(ctx, deleteScript, 0, ids, func(t *laneTable) []any {
		return []any{p.client.offset(), t.generation, len(t.names)}
	})
}

// RetryTask is that of the queue, within the partition.
func (p *partition) RetryTask(ctx context.Context, ids ...domain.TaskID) error {
	return p.manage(ctx, rerunScript, domain.TaskStatusPending, ids, func(t *laneTable) []any {
		return []any{p.client.offset(), t.generation, len(t.names), p.keys.wake}
	})
}

// CancelTask is that of the queue, within the partition.
func (p *partition) CancelTask(ctx context.Context, ids ...domain.TaskID) error {
	return p.manage(ctx, cancelScript, domain.TaskStatusCancelled, ids, func(t *laneTable) []any {
		return []any{p.client.offset(), t.generation, len(t.names)}
	})
}

// RunTaskNow is that of the queue, within the partition.
func (p *partition) RunTaskNow(ctx context.Context, ids ...domain.TaskID) error {
	return p.manage(ctx, runNowScript, domain.TaskStatusPending, ids, func(t *laneTable) []any {
		return []any{p.client.offset(), t.generation, len(t.names), p.keys.wake}
	})
}

// manage runs a script over ids and reads its replies: 0 for done, -2 for no
// such task, the status that forbids the step, or the holder of a unique key.
func (p *partition) manage(ctx context.Context, s *script, to domain.TaskStatus, ids []domain.TaskID, head func(*laneTable) []any) error {
	if len(ids) == 0 {
		return nil
	}
	reply, err := p.withLanes(ctx, func(table *laneTable) ([]any, error) {
		args := head(table)
		for _, id := range ids {
			args = append(args, id[:])
		}
		return p.client.runSlice(ctx, s, p.keys.all(table.ready), args...)
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

// PromoteDue is that of the queue, within the partition.
func (p *partition) PromoteDue(ctx context.Context, limit int) (ports.Maintained, error) {
	if err := validateLimit(limit); err != nil {
		return ports.Maintained{}, err
	}
	reply, err := p.withLanes(ctx, func(table *laneTable) ([]any, error) {
		args := []any{p.client.offset(), table.generation, len(table.names), p.keys.wake, limit}
		for lane := range table.names {
			if table.asleep(lane) {
				args = append(args, lane)
			}
		}
		return p.client.runSlice(ctx, promoteScript, p.keys.all(table.ready), args...)
	})
	return maintained(reply), err
}

// ReapExpired is that of the queue, within the partition.
func (p *partition) ReapExpired(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
	if err := validateLimit(req.Limit); err != nil {
		return ports.Maintained{}, err
	}
	if req.MaxRecoveries < 0 || req.MaxRecoveries > maxRecoveries {
		return ports.Maintained{}, &domain.ValidationError{Field: "max_recoveries", Value: strconv.Itoa(req.MaxRecoveries), Rule: fmt.Sprintf("must be between 0 and %d", maxRecoveries)}
	}
	expired := encodeFailure(domain.TaskError{Reason: domain.ReasonLeaseExpired, Message: "lease expired: the worker stopped reporting"})
	reply, err := p.withLanes(ctx, func(table *laneTable) ([]any, error) {
		return p.client.runSlice(ctx, reapScript, p.keys.all(table.ready),
			p.client.offset(), table.generation, len(table.names), p.keys.wake, req.Limit, req.MaxRecoveries, expired)
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
	poisoned, _ := intAt(reply, 2)
	return ports.Maintained{Count: int(n), Poisoned: int(poisoned), Next: microDuration(next)}
}

// PurgeFinished is that of the queue, within the partition.
func (p *partition) PurgeFinished(ctx context.Context, retention time.Duration, limit int) ([]domain.TaskID, error) {
	if err := validateLimit(limit); err != nil {
		return nil, err
	}
	if retention < 0 {
		return nil, &domain.ValidationError{Field: "retention", Value: retention.String(), Rule: "must not be negative"}
	}
	var out []domain.TaskID
	for more := true; more && len(out) < limit; {
		reply, err := p.client.runSlice(ctx, purgeScript, p.keys.all(nil), p.client.offset(), retention.Microseconds(), limit-len(out))
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
