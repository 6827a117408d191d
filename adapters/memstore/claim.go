package memstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"logsift/domain"
	"logsift/ports"
)

func (q *TaskQueue) Dequeue(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	var timeout <-chan time.Time
	if req.Wait > 0 {
		timer := time.NewTimer(req.Wait)
		defer timer.Stop()
		timeout = timer.C
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("dequeue: %w", err)
		}
		tasks, next, changed := q.claim(req)
		if len(tasks) > 0 || req.Wait == 0 {
			return tasks, nil
		}
		var due <-chan time.Time
		stop := func() bool { return true }
		if next >= 0 {
			timer := time.NewTimer(next)
			due, stop = timer.C, timer.Stop
		}
		select {
		case <-changed:
		case <-due:
		case <-timeout:
			stop()
			return nil, nil
		case <-ctx.Done():
		}
		stop()
	}
}

// claim takes what is ready. It returns how long it is until the next task is
// due, or may begin by its limits, negative for none, and the channel that is closed when something changes.
func (q *TaskQueue) claim(req ports.ClaimRequest) ([]*domain.Task, time.Duration, <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.cfg.now()
	for c, ok := q.oldClaims.peek(); ok && c.at.Before(now); c, ok = q.oldClaims.peek() {
		q.oldClaims.pop()
		delete(q.claims, c.id)
	}
	if before, repeated := q.claims[req.ID]; repeated {
		return q.repeat(req, before.tasks, now), -1, q.changed
	}
	q.expired += q.expire(now, len(q.tasks))
	q.promote(now, ports.MaxClaim)
	q.refill(now)
	next := q.untilDue(now)
	sooner := func(at time.Time) {
		if wait := max(at.Sub(now), 0); next < 0 || wait < next {
			next = wait
		}
	}
	if r, ok := q.limits.refills.peek(); ok {
		sooner(r.at)
	}
	var out []*domain.Task
	room := req.Room()
	claim := func(t *domain.Task) bool {
		started := now
		if t.CreatedAt.After(now) {
			started = t.CreatedAt
		}
		// A ready task is PENDING, so the step cannot be refused.
		if err := q.step(t, func() error { return t.MarkAsProcessing(req.ID, req.Lease, started) }); err != nil {
			return false
		}
		if t.UniqueWhile == domain.UniqueWhileWaiting {
			q.free(t)
		}
		q.renew(t, now.Add(req.Lease))
		out = append(out, t.Clone())
		return true
	}
	for len(out) < req.Max {
		var best *domain.Task
		var from *readyTasks
		var level domain.Priority
		for l, r := range q.ready {
			if _, paused := q.paused[l.queue]; paused {
				continue
			}
			if len(req.Queues) > 0 && !slices.Contains(req.Queues, l.queue) ||
				len(req.Types) > 0 && !slices.Contains(req.Types, l.typ) {
				continue
			}
			t := r.peek()
			if t == nil {
				continue
			}
			aged := l.priority.Aged(now.Sub(t.CreatedAt), req.Ageing)
			if best != nil && (aged < level || aged == level && t.CreatedAt.After(best.CreatedAt)) {
				continue
			}
			if ok, token := q.lets(l.queue, l.typ); ok {
				best, from, level = t, r, aged
			} else if !token.IsZero() {
				sooner(token)
			}
		}
		if best == nil || len(out) > 0 && len(best.Payload) > room {
			break
		}
		from.take(best)
		room -= len(best.Payload)
		if claim(best) {
			q.takeAlong(best, &room, claim)
		}
	}
	if len(out) > 0 {
		ids := make([]domain.TaskID, len(out))
		for i, t := range out {
			ids[i] = t.ID
		}
		q.remember(req, ids, now)
	}
	return out, next, q.changed
}

// remember keeps the tasks of a claim until their leases have surely ended.
func (q *TaskQueue) remember(req ports.ClaimRequest, ids []domain.TaskID, now time.Time) {
	until := now.Add(req.Lease + time.Minute)
	q.claims[req.ID] = claimed{ids, until}
	q.oldClaims.push(claimEnd{until, req.ID})
}

// repeat extends the leases that a claim still holds, as far as it has room for the
// tasks, and gives the others back.
func (q *TaskQueue) repeat(req ports.ClaimRequest, ids []domain.TaskID, now time.Time) []*domain.Task {
	q.remember(req, ids, now)
	var out []*domain.Task
	room := req.Room()
	for _, id := range ids {
		t, ok := q.tasks[id]
		if !ok || t.Lease == nil || t.Lease.ClaimID != req.ID {
			continue
		}
		if len(out) > 0 && len(t.Payload) > room {
			room = 0
			q.release(t)
			continue
		}
		room -= len(t.Payload)
		q.renew(t, now.Add(req.Lease))
		out = append(out, t.Clone())
	}
	return out
}
