package sqlitestore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"logsift/domain"
	"logsift/ports"
)

const (
	// promotePerClaim is how many due tasks a claim makes ready first at most.
	promotePerClaim = 500
	// passedPerClaim is after how many tasks that it cannot give out, as they have expired
	// or cannot be read, a claim ends its transaction: other writers wait for that.
	passedPerClaim = 500
)

// Dequeue makes due tasks ready first, so that claims do not depend on a promoter.
func (q *TaskQueue) Dequeue(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	wanted := selection{slices.Clone(req.Queues), slices.Clone(req.Types)}
	if req.Wait == 0 {
		tasks, _, err := q.claim(ctx, req, wanted)
		return tasks, err
	}
	// Joining before the first look: what becomes ready in between wakes.
	w := q.db.hub.join(&wanted)
	defer q.db.hub.leave(w)
	end := time.NewTimer(req.Wait)
	defer end.Stop()
	for {
		tasks, next, err := q.claim(ctx, req, wanted)
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

// claim claims what is ready now. If nothing is, next is when the next task
// becomes due, or never.
func (q *TaskQueue) claim(ctx context.Context, req ports.ClaimRequest, wanted selection) (tasks []*domain.Task, next int64, err error) {
	for more := true; more && len(tasks) == 0 && err == nil; {
		tasks, next, more, err = q.claimSome(ctx, req, wanted)
	}
	return tasks, next, err
}

// claimSome claims in one transaction. more says that it ended at passedPerClaim.
func (q *TaskQueue) claimSome(ctx context.Context, req ports.ClaimRequest, wanted selection) (tasks []*domain.Task, next int64, more bool, err error) {
	var expired int64
	err = q.db.writer.do(ctx, "dequeue", func(tx *transaction) (err error) {
		tasks, next, more, expired = nil, never, false, 0
		if tasks, err = tx.repeat(req); err != nil || len(tasks) > 0 {
			return err
		}
		if _, err := tx.promote(promotePerClaim); err != nil {
			return err
		}
		if err := tx.wakeKeys(); err != nil {
			return err
		}
		// A task that cannot be read makes room for another one.
		room, passed := req.Room(), 0
		for len(tasks) < req.Max && room > 0 {
			granted, found, others, err := tx.claim(req, req.Max-len(tasks), room, wanted, &expired)
			if err != nil {
				return err
			}
			for _, t := range granted {
				room -= len(t.Payload)
			}
			tasks = append(tasks, granted...)
			if found == 0 || found == len(granted) && !others {
				break
			}
			if passed += found - len(granted); passed >= passedPerClaim {
				more = true
				break
			}
		}
		// What the end of others makes ready is worth a further look.
		more = more || tx.stepsLeft || tx.acting
		if len(tasks) == 0 && !more {
			next, err = nextClaim(tx.statements, tx.limits, tx.now, &wanted)
		}
		return err
	})
	if err != nil {
		return nil, 0, false, err
	}
	q.expired.Add(expired)
	return tasks, next, more, nil
}

// repeat returns the tasks that the claim holds already, in the order in which
// it got them, with leases that last anew, and gives back those that it has no room
// for.
func (tx *transaction) repeat(req ports.ClaimRequest) ([]*domain.Task, error) {
	_, known, err := tx.number("SELECT until_us FROM claim WHERE id = ?", req.ID[:])
	if err != nil || !known {
		return nil, err
	}
	seqs, err := tx.numbers("SELECT seq FROM task INDEXED BY task_wake WHERE state = 3 AND state <> 1 AND state < 5 AND claim = ? ORDER BY seq", req.ID[:])
	if err != nil || len(seqs) == 0 {
		return nil, err
	}
	recs, full, err := tx.recordsWithin(req.Room(), shapeWhole, bySeq, seqList(seqs))
	if err != nil {
		return nil, err
	}
	var rest []*record
	if full {
		if rest, err = tx.records(shapeChange, bySeq, seqList(seqs[len(recs):])); err != nil {
			return nil, err
		}
		seqs = seqs[:len(recs)]
	}
	for _, rec := range rest {
		if rec.corrupt != nil {
			continue
		}
		if err := rec.task.Release(); err != nil {
			return nil, err
		}
		if err := tx.save(rec, reportReleased); err != nil {
			return nil, err
		}
	}
	until := tx.now + req.Lease.Microseconds()
	if err := tx.renew(seqs, req.Lease); err != nil {
		return nil, err
	}
	if err := tx.remember(req.ID, until); err != nil {
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
		rec.task.Lease.ExpiresAt = timeOf(until)
		tasks = append(tasks, rec.task)
	}
	slices.SortStableFunc(tasks, func(a, b *domain.Task) int { return int(b.Priority - a.Priority) })
	return tasks, nil
}

// remember notes until when a claim can be repeated.
func (tx *transaction) remember(id domain.ClaimID, until int64) error {
	_, err := tx.exec("INSERT OR REPLACE INTO claim (id, until_us) VALUES (?, ?)", id[:], until)
	return err
}

// claim grants leases on at most n ready tasks, and about so many bytes as there is
// room for. found is how many it looked at, those among them that cannot be read or have
// expired and were set FAILED, and those that are not ready. It counts the expired ones.
// others says that there may be more, if all were granted.
func (tx *transaction) claim(req ports.ClaimRequest, n, room int, wanted selection, expired *int64) (tasks []*domain.Task, found int, others bool, err error) {
	seqs, others, err := tx.oldest(wanted, n, req.Ageing)
	if err != nil || len(seqs) == 0 {
		return nil, 0, false, err
	}
	recs, full, err := tx.recordsWithin(room, shapeClaim, bySeq, seqList(seqs))
	if err != nil {
		return nil, 0, false, err
	}
	if full {
		seqs, others = seqs[:len(recs)], false
	}
	if len(recs) < len(seqs) {
		if err := tx.doubtHeads(seqs); err != nil {
			return nil, 0, false, err
		}
	}
	found = len(seqs)
	// run are those that came along with others, and those that ended there.
	granted, run, passed := seqs[:0], map[int64]bool{}, 0
	for i, rec := range recs {
		if len(run) > 0 {
			// What came along with others may have taken the room.
			if len(tasks) >= n || passed >= passedPerClaim || room <= 0 || len(rec.task.Payload) > room {
				found -= len(recs) - i
				break
			}
			if run[rec.seq] || rec.corrupt == nil && !tx.admits(rec.lane) {
				found--
				continue
			}
		}
		if ended, err := tx.endInstead(rec, expired); err != nil {
			return nil, 0, false, err
		} else if ended {
			continue
		}
		if err := tx.grant(rec, req); err != nil {
			return nil, 0, false, err
		}
		room -= len(rec.task.Payload)
		granted, tasks = append(granted, rec.seq), append(tasks, rec.task)
		if rec.task.Group == "" {
			continue
		}
		if err := tx.saveGranted(req, granted); err != nil {
			return nil, 0, false, err
		}
		along, ended, completed, err := tx.takeAlong(rec.task, req, room, expired)
		if err != nil {
			return nil, 0, false, err
		}
		granted, others, run[rec.seq] = granted[:0], others || completed, true
		for _, t := range along {
			room -= len(t.Payload)
			run[microsOf(t.CreatedAt)] = true
		}
		for _, seq := range ended {
			run[seq] = true
		}
		passed += len(ended)
		tasks, found = append(tasks, along...), found+len(along)+len(ended)
	}
	if err := tx.saveGranted(req, granted); err != nil {
		return nil, 0, false, err
	}
	if len(tasks) == 0 {
		return nil, found, others, nil
	}
	if err := tx.letGoUnique(tasks); err != nil {
		return nil, 0, false, err
	}
	return tasks, found, others, tx.remember(req.ID, tx.now+req.Lease.Microseconds())
}

// endInstead ends a task that is not to be given out: it cannot be read, or has expired.
func (tx *transaction) endInstead(rec *record, expired *int64) (ended bool, err error) {
	switch {
	case rec.corrupt != nil:
		return true, tx.quarantine(rec)
	case rec.task.Expired(timeOf(tx.now)):
		*expired++
		return true, tx.expire(rec)
	}
	return false, nil
}

// grant grants a lease on a task, which saveGranted is to write.
func (tx *transaction) grant(rec *record, req ports.ClaimRequest) error {
	if err := loadFailures(tx.statements, rec); err != nil {
		return err
	}
	if err := rec.task.MarkAsProcessing(req.ID, req.Lease, rec.stepTime(tx.now)); err != nil {
		return err
	}
	// The lease lasts from now, whatever the task's times say.
	rec.task.Lease.ExpiresAt = timeOf(tx.now + req.Lease.Microseconds())
	tx.move(rec.lane, rec.member(), rec.state, stateProcessing)
	tx.emit(rec.task, rec.state, stateProcessing, "")
	rec.state, rec.claim, rec.report = stateProcessing, req.ID, 0
	tx.hold(rec)
	return nil
}

// saveGranted writes the leases of tasks.
func (tx *transaction) saveGranted(req ports.ClaimRequest, seqs []int64) error {
	if len(seqs) == 0 {
		return nil
	}
	_, err := tx.exec(`UPDATE task SET state = 3, wake_us = ?, claim = ?, deliveries = deliveries + 1,
		started_us = max(?, started_us), report = 0 WHERE seq IN (SELECT value FROM json_each(?))`,
		tx.now+req.Lease.Microseconds(), req.ID[:], tx.now, seqList(seqs))
	return err
}

// doubtHeads has the lanes look for their oldest ready tasks again that have one of
// these: a damaged file may name one that is not ready.
func (tx *transaction) doubtHeads(seqs []int64) error {
	ids, err := tx.numbers("SELECT id FROM lane WHERE head IN (SELECT value FROM json_each(?))", seqList(seqs))
	if err != nil {
		return err
	}
	lanes, err := tx.lanesByID(ids)
	for _, l := range lanes {
		l.headGone = true
		tx.change(l)
	}
	if err != nil || !slices.ContainsFunc(lanes, func(l *lane) bool { return l.keyed }) {
		return err
	}
	return tx.doubtLines(seqs)
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
	tx.move(rec.lane, rec.member(), rec.state, stateFailed)
	tx.emit(rec.task, rec.state, stateFailed, e.Reason)
	delete(tx.held, rec.task.ID)
	return err
}
