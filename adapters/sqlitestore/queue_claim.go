package sqlitestore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// promotePerClaim is how many due tasks a claim makes ready first at most.
const promotePerClaim = 500

// Dequeue claims ready tasks as [ports.TaskConsumer] says. Due tasks are made
// ready first, so that claims do not depend on a promoter.
func (q *TaskQueue) Dequeue(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	wants := wanted(req)
	if req.Wait == 0 {
		tasks, _, err := q.claim(ctx, req, wants)
		return tasks, err
	}
	// Joining before the first look: what becomes ready in between wakes.
	w := q.db.hub.join(wants)
	defer q.db.hub.leave(w)
	end := time.NewTimer(req.Wait)
	defer end.Stop()
	for {
		tasks, next, err := q.claim(ctx, req, wants)
		if err != nil || len(tasks) > 0 {
			return tasks, err
		}
		q.db.hub.sleepUntil(w, next)
		sleep := q.db.config.PollInterval
		if next != never {
			sleep = min(sleep, max(time.Duration(next-q.db.now())*time.Microsecond, time.Millisecond))
		}
		due := time.NewTimer(sleep)
		select {
		case <-ctx.Done():
			err = fmt.Errorf("dequeue: %w", ctx.Err())
		case <-q.db.closed:
			err = fmt.Errorf("dequeue: %w", domain.ErrClosed)
		case <-end.C:
			due.Stop()
			return nil, nil
		case <-w.woken:
		case <-due.C:
		}
		due.Stop()
		if err != nil {
			return nil, err
		}
	}
}

// wanted returns whether the claim may take tasks of a queue and type.
func wanted(req ports.ClaimRequest) func(queue string, typ domain.TaskType) bool {
	queues, types := slices.Clone(req.Queues), slices.Clone(req.Types)
	return func(queue string, typ domain.TaskType) bool {
		return (len(queues) == 0 || slices.Contains(queues, queue)) && (len(types) == 0 || slices.Contains(types, typ))
	}
}

// claim claims what is ready now. If nothing is, next is when the next task
// becomes due, or never.
func (q *TaskQueue) claim(ctx context.Context, req ports.ClaimRequest, wants func(string, domain.TaskType) bool) (tasks []*domain.Task, next int64, err error) {
	err = q.db.writer.do(ctx, "dequeue", func(tx *transaction) (err error) {
		tasks, next = nil, never
		if tasks, err = tx.repeat(req.ID); err != nil || len(tasks) > 0 {
			return err
		}
		if tx.total(stateScheduled)+tx.total(stateRetrying) > 0 {
			if _, err := tx.promote(promotePerClaim); err != nil {
				return err
			}
		}
		// A task that cannot be read makes room for another one.
		for len(tasks) < req.Max {
			more, found, err := tx.claim(req, req.Max-len(tasks), wants)
			if err != nil {
				return err
			}
			tasks = append(tasks, more...)
			if found == len(more) {
				break
			}
		}
		if len(tasks) == 0 {
			next, err = nextWake(tx.statements, stateScheduled, stateRetrying)
		}
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return tasks, next, nil
}

// repeat returns the tasks that the claim holds already, in the order in which
// it got them.
func (tx *transaction) repeat(id domain.ClaimID) ([]*domain.Task, error) {
	_, known, err := tx.number("SELECT until_us FROM claim WHERE id = ?", id[:])
	if err != nil || !known {
		return nil, err
	}
	seqs, err := tx.numbers("SELECT seq FROM task INDEXED BY task_wake WHERE state = 3 AND state <> 1 AND claim = ? ORDER BY seq", id[:])
	if err != nil {
		return nil, err
	}
	recs, err := tx.records(whole, bySeq, seqList(seqs))
	if err != nil {
		return nil, err
	}
	var tasks []*domain.Task
	for _, rec := range recs {
		if rec.corrupt != nil {
			continue
		}
		if err := loadFailures(tx.statements, rec); err != nil {
			return nil, err
		}
		tasks = append(tasks, rec.task)
	}
	slices.SortStableFunc(tasks, func(a, b *domain.Task) int { return int(b.Priority - a.Priority) })
	return tasks, nil
}

// claim grants leases on at most n ready tasks. found is how many it looked at,
// those among them that cannot be read and were set FAILED.
func (tx *transaction) claim(req ports.ClaimRequest, n int, wants func(string, domain.TaskType) bool) (tasks []*domain.Task, found int, err error) {
	seqs, err := tx.heads(n, wants)
	if err != nil || len(seqs) == 0 {
		return nil, 0, err
	}
	recs, err := tx.records(ready, bySeq, seqList(seqs))
	if err != nil {
		return nil, 0, err
	}
	granted := seqs[:0]
	for _, rec := range recs {
		if rec.corrupt != nil {
			if err := tx.quarantine(rec); err != nil {
				return nil, 0, err
			}
			continue
		}
		if err := loadFailures(tx.statements, rec); err != nil {
			return nil, 0, err
		}
		if err := rec.task.MarkAsProcessing(req.ID, req.Lease, rec.at(tx.now)); err != nil {
			return nil, 0, err
		}
		// The lease lasts from now, whatever the task's times say.
		rec.task.Lease.ExpiresAt = timeOf(tx.now + req.Lease.Microseconds())
		granted, tasks = append(granted, rec.seq), append(tasks, rec.task)
		tx.move(rec.lane, stateReady, stateProcessing)
		tx.tell(rec.task, stateReady, stateProcessing, "")
		rec.state, rec.claim, rec.report = stateProcessing, req.ID, 0
		tx.hold(rec)
	}
	if len(tasks) == 0 {
		return nil, len(recs), nil
	}
	until := tx.now + req.Lease.Microseconds()
	_, err = tx.exec(`UPDATE task SET state = 3, wake_us = ?, claim = ?, deliveries = deliveries + 1,
		started_us = max(?, started_us), report = 0 WHERE seq IN (SELECT value FROM json_each(?))`,
		until, req.ID[:], tx.now, seqList(granted))
	if err != nil {
		return nil, 0, err
	}
	_, err = tx.exec("INSERT OR REPLACE INTO claim (id, until_us) VALUES (?, ?)", req.ID[:], until)
	return tasks, len(recs), err
}

// heads returns the first n ready tasks that are wanted, in the order of claims.
func (tx *transaction) heads(n int, wants func(string, domain.TaskType) bool) ([]int64, error) {
	var out []int64
	byPriority := make(map[domain.Priority][]*lane)
	for _, l := range tx.lanes {
		if l.counts[stateReady] > 0 && !tx.paused[l.queue] && wants(l.queue, l.typ) {
			byPriority[l.priority] = append(byPriority[l.priority], l)
		}
	}
	for p := domain.PriorityCritical; p >= domain.PriorityLowest && len(out) < n; p-- {
		var seqs []int64
		for _, l := range byPriority[p] {
			head, err := tx.numbers("SELECT seq FROM task INDEXED BY task_lane WHERE state = 1 AND state <> 3 AND lane = ? ORDER BY seq LIMIT ?", l.id, n-len(out))
			if err != nil {
				return nil, err
			}
			seqs = append(seqs, head...)
		}
		slices.Sort(seqs)
		out = append(out, seqs[:min(len(seqs), n-len(out))]...)
	}
	return out, nil
}

// quarantine sets a task FAILED whose record cannot be read, so that it stops
// nobody. What is stored of it is kept.
func (tx *transaction) quarantine(rec *record) error {
	n, _, err := tx.number("SELECT ifnull(max(n), 0) + 1 FROM failure WHERE seq = ?", rec.seq)
	if err != nil {
		return err
	}
	e := domain.TaskError{Attempt: rec.task.Attempt, Reason: domain.ReasonCorruptRecord, Message: rec.corrupt.Error()}.Bounded()
	_, err = tx.exec("INSERT INTO failure (seq, n, attempt, reason, message, stack, started_us, at_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		rec.seq, n, e.Attempt, string(e.Reason), bytesOf(e.Message), []byte{}, microsOf(rec.task.StartedAt), tx.now)
	if err != nil {
		return err
	}
	_, err = tx.exec("UPDATE task SET state = 6, wake_us = max(?, started_us), report = 0, failures = ? WHERE seq = ?", tx.now, n, rec.seq)
	tx.move(rec.lane, rec.state, stateFailed)
	tx.tell(rec.task, rec.state, stateFailed, e.Reason)
	delete(tx.held, rec.task.ID)
	return err
}
