package redisstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
	"logsift/ports"
)

var (
	deleteScript  = layout.LoadScript("queue/delete")
	rerunScript   = layout.LoadScript("queue/rerun")
	cancelScript  = layout.LoadScript("queue/cancel")
	runNowScript  = layout.LoadScript("queue/run_now")
	promoteScript = layout.LoadScript("queue/promote")
	reapScript    = layout.LoadScript("queue/reap")
	purgeScript   = layout.LoadScript("queue/purge")
)

func (p *partition) DeleteTask(ctx context.Context, ids ...domain.TaskID) error {
	return p.manage(ctx, deleteScript, 0, ids, func(t *readyTable) []any {
		return []any{p.client.Offset(), t.epoch}
	})
}

func (p *partition) RetryTask(ctx context.Context, ids ...domain.TaskID) error {
	return p.manage(ctx, rerunScript, domain.TaskStatusPending, ids, func(t *readyTable) []any {
		return []any{p.client.Offset(), t.epoch, p.keys.Wake}
	})
}

func (p *partition) CancelTask(ctx context.Context, ids ...domain.TaskID) error {
	return p.manage(ctx, cancelScript, domain.TaskStatusCancelled, ids, func(t *readyTable) []any {
		return []any{p.client.Offset(), t.epoch, p.keys.Wake}
	})
}

func (p *partition) RunTaskNow(ctx context.Context, ids ...domain.TaskID) error {
	return p.manage(ctx, runNowScript, domain.TaskStatusPending, ids, func(t *readyTable) []any {
		return []any{p.client.Offset(), t.epoch, p.keys.Wake}
	})
}

// byWorkflow is the highest reply for a task whose workflow forbids the step: the status is
// taken from it.
const byWorkflow = -10

// manage runs a script over ids and reads its replies: 0 for done, -2 for no
// such task, the status that forbids the step, byWorkflow less the status, or the holder of a
// unique key.
func (p *partition) manage(ctx context.Context, s *layout.Script, to domain.TaskStatus, ids []domain.TaskID, head func(*readyTable) []any) error {
	if len(ids) == 0 {
		return nil
	}
	reply, err := p.withTable(ctx, func(table *readyTable) ([]any, error) {
		args := head(table)
		for _, id := range ids {
			args = append(args, id[:])
		}
		return p.client.RunSlice(ctx, s, p.keys.All(table.ready), args...)
	})
	if err != nil {
		return err
	}
	errs := make([]error, len(ids))
	for i, id := range ids {
		if holder := layout.TextAt(reply, i); holder != "" {
			by, err := uuid.FromBytes([]byte(holder))
			if err != nil {
				return fmt.Errorf("redis script %s: holder of unique key: %w", s.Name, err)
			}
			errs[i] = &domain.DuplicateError{Holder: by}
			continue
		}
		switch n, _ := layout.IntAt(reply, i); n {
		case 0:
		case -2:
			errs[i] = fmt.Errorf("task %s: %w", id, domain.ErrTaskNotFound)
		default:
			node := n <= byWorkflow
			if node {
				n = byWorkflow - n
			}
			errs[i] = &domain.TransitionError{Node: node, TaskID: id, From: layout.StatusOf[byte(n)], To: to}
		}
	}
	return domain.NewBatchError(errs)
}

func (p *partition) PromoteDue(ctx context.Context, limit int) (ports.Maintained, error) {
	if err := ports.ValidateLimit(limit); err != nil {
		return ports.Maintained{}, err
	}
	done, err := p.promote(ctx, limit)
	if err == nil {
		err = p.carryTurns(ctx)
	}
	if err == nil {
		done.Expired += int(p.expired.Swap(0))
	}
	return done, err
}

// promote is PromoteDue without what claims have counted.
func (p *partition) promote(ctx context.Context, limit int) (ports.Maintained, error) {
	expired := layout.EncodeFailure(domain.TaskError{Reason: domain.ReasonExpired, Message: domain.ExpiredMessage})
	reply, err := p.withTable(ctx, func(table *readyTable) ([]any, error) {
		args := []any{p.client.Offset(), table.epoch, p.keys.Wake, limit, expired}
		for list := range table.names {
			if table.isPaused(list) {
				args = append(args, list)
			}
		}
		return p.client.RunSlice(ctx, promoteScript, p.keys.All(table.ready), args...)
	})
	done := maintained(reply)
	done.Expired, done.Poisoned = done.Poisoned, 0
	return done, err
}

func (p *partition) ReapExpired(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
	if err := req.Validate(); err != nil {
		return ports.Maintained{}, err
	}
	expired := layout.EncodeFailure(domain.TaskError{Reason: domain.ReasonLeaseExpired, Message: "lease expired: the worker stopped reporting"})
	reply, err := p.withTable(ctx, func(table *readyTable) ([]any, error) {
		return p.client.RunSlice(ctx, reapScript, p.keys.All(table.ready),
			p.client.Offset(), table.epoch, p.keys.Wake, req.Limit, req.MaxRecoveries, expired, req.Renew.Microseconds())
	})
	return maintained(reply), err
}

func maintained(reply []any) ports.Maintained {
	n, _ := layout.IntAt(reply, 0)
	next, ok := layout.IntAt(reply, 1)
	if !ok {
		next = -1
	}
	poisoned, _ := layout.IntAt(reply, 2)
	return ports.Maintained{Count: int(n), Poisoned: int(poisoned), Next: microDuration(next)}
}

func (p *partition) PurgeFinished(ctx context.Context, req ports.PurgeRequest) ([]domain.TaskID, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	var out []domain.TaskID
	for more := true; more && len(out) < req.Limit; {
		reply, err := p.client.RunSlice(ctx, purgeScript, p.keys.All(nil), p.client.Offset(), req.Retention.Microseconds(),
			req.Failed().Microseconds(), req.Limit-len(out))
		if err != nil {
			return out, err
		}
		for i := 1; i < len(reply); i++ {
			id, err := uuid.FromBytes([]byte(layout.TextAt(reply, i)))
			if err != nil {
				return out, fmt.Errorf("redis script %s: task id: %w", purgeScript.Name, err)
			}
			out = append(out, id)
		}
		n, _ := layout.IntAt(reply, 0)
		more = n == 1
	}
	return out, nil
}
