package application

import (
	"context"
	"errors"
	"time"

	"logsift/domain"
)

// heartbeat extends all held leases three times in their length, in one call,
// until ctx ends. It stops the runs whose lease the store says is lost, and
// those whose lease runs out while the store does not answer.
func (s *DefaultScheduler) heartbeat(ctx context.Context) {
	interval := s.cfg.Lease / 3
	next := time.Now().Add(interval)
	var wait backoff
	for {
		wake := next
		// A lease that is added meanwhile lasts for two thirds of its length at
		// least, which is after the next beat.
		if deadline, ok := s.leases.deadline(); ok && deadline.Before(wake) {
			wake = deadline
		}
		if !sleep(ctx, time.Until(wake)) {
			return
		}
		now := time.Now()
		s.leases.expire(now)
		if now.Before(next) {
			continue
		}
		if s.extend(ctx, s.leases.snapshot()) {
			wait.reset()
			next = now.Add(interval)
		} else {
			next = time.Now().Add(min(wait.next(s.cfg.Random()), interval))
		}
	}
}

// extend extends the leases of the runs and reports whether the store answered.
func (s *DefaultScheduler) extend(ctx context.Context, runs []*run) bool {
	if len(runs) == 0 {
		return s.noteStore(ctx, "ExtendLease", nil)
	}
	start := time.Now()
	limit := start.Add(s.cfg.Lease / 3)
	if deadline, ok := s.leases.deadline(); ok && deadline.Before(limit) {
		limit = deadline
	}
	call, cancel := context.WithDeadline(ctx, limit)
	defer cancel()

	leases := make([]domain.Lease, len(runs))
	for i, r := range runs {
		leases[i] = r.lease
	}
	_, err := s.queue.ExtendLease(call, s.cfg.Lease, leases...)
	var storeErr error
	for i, r := range runs {
		switch item := domain.ItemError(err, i); {
		case item == nil:
			s.leases.extended(r, start.Add(s.cfg.Lease))
		case errors.Is(item, domain.ErrLeaseLost):
			s.leases.lose(r)
		default:
			storeErr = item
		}
	}
	if storeErr != nil {
		s.leasesMissed.Store(true)
	}
	return s.noteStore(ctx, "ExtendLease", storeErr)
}

// noteStore records whether a call to the store failed, and reports whether it
// did not. A call that ended because its scheduler stopped says nothing.
func (s *DefaultScheduler) noteStore(ctx context.Context, call string, err error) bool {
	if err == nil {
		s.health.succeeded(call)
		return true
	}
	if ctx.Err() == nil {
		s.health.failed(call, err)
	}
	return false
}
