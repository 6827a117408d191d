package sqlitestore

import (
	"context"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// selectExpired selects the tasks that have expired, the first to expire first, and
// selectKept the finished tasks whose own retention has passed.
const (
	selectExpired = `SELECT seq FROM task INDEXED BY task_expiry
		WHERE expires_us > 0 AND state <= 2 AND deliveries = 0 AND expires_us <= ? ORDER BY expires_us LIMIT ?`
	selectKept = `SELECT seq FROM task INDEXED BY task_kept
		WHERE state >= 5 AND retention_us IS NOT NULL AND wake_us + retention_us <= ? ORDER BY wake_us + retention_us LIMIT ?`
)

// selectDue selects the tasks of one state whose attention is due, the first
// due first.
const selectDue = "SELECT seq, lane, state, wake_us, key, ifnull(workflow, 0) FROM task INDEXED BY task_wake WHERE state = ? AND state <> 1 AND (state < 5 OR retention_us IS NULL) AND wake_us <= ? ORDER BY wake_us, seq LIMIT ?"

// dueTask is a row of selectDue.
type dueTask struct {
	seq    int64
	laneID int64
	state  state
	wake   int64
	key    string
	// workflow is as in record.
	workflow int64
}

// due returns at most n tasks in one of the states whose attention is due at
// the given time, the first due first.
func (tx *transaction) due(at int64, n int, states ...state) ([]dueTask, error) {
	var out []dueTask
	for _, s := range states {
		// The states are merged: each list is in order already.
		var merged, list []dueTask
		err := tx.each(func(r *row) error {
			list = append(list, dueTask{seq: r.int(0), laneID: r.int(1), state: state(r.int(2)), wake: r.int(3), key: string(r.blob(4)), workflow: r.int(5)})
			return r.err
		}, selectDue, int64(s), at, n)
		if err != nil {
			return nil, err
		}
		for len(merged) < n && len(out)+len(list) > 0 {
			if len(list) == 0 || len(out) > 0 && out[0].wake <= list[0].wake {
				merged, out = append(merged, out[0]), out[1:]
			} else {
				merged, list = append(merged, list[0]), list[1:]
			}
		}
		out = merged
	}
	return out, nil
}

// seqsOf returns the keys of the tasks.
func seqsOf(tasks []dueTask) []int64 {
	seqs := make([]int64, len(tasks))
	for i, d := range tasks {
		seqs[i] = d.seq
	}
	return seqs
}

// promote makes at most n tasks ready whose time has come, and returns how many.
// Both steps are legal in any case: a scheduled task stays PENDING, a RETRYING
// one becomes so.
func (tx *transaction) promote(n int) (int, error) {
	tasks, err := tx.due(tx.now, n, stateScheduled, stateRetrying)
	if err != nil || len(tasks) == 0 {
		return 0, err
	}
	ids := make([]int64, len(tasks))
	for i, d := range tasks {
		ids[i] = d.laneID
	}
	lanes, err := tx.lanesByID(ids)
	if err != nil {
		return 0, err
	}
	for i, d := range tasks {
		tx.move(lanes[i], member{d.seq, d.key, d.workflow}, d.state, stateReady)
	}
	if err := tx.emitPromoted(tasks); err != nil {
		return 0, err
	}
	_, err = tx.exec("UPDATE task SET state = 1, wake_us = ?, report = 0 WHERE seq IN (SELECT value FROM json_each(?))", tx.now, seqList(seqsOf(tasks)))
	return len(tasks), err
}

func (q *TaskQueue) PromoteDue(ctx context.Context, limit int) (ports.Maintained, error) {
	if err := ports.ValidateLimit(limit); err != nil {
		return ports.Maintained{}, err
	}
	var done ports.Maintained
	err := q.db.writer.do(ctx, "promote due tasks", func(tx *transaction) (err error) {
		done = ports.Maintained{}
		if err := tx.follow(); err != nil {
			return err
		}
		if done.Expired, err = tx.expireDue(limit); err != nil {
			return err
		}
		if done.Count, err = tx.promote(limit - done.Expired); err != nil {
			return err
		}
		done.Count += done.Expired
		done.Next, err = tx.nextIn(stateScheduled, stateRetrying)
		if err != nil {
			return err
		}
		next, some, err := tx.number(`SELECT expires_us FROM task INDEXED BY task_expiry
			WHERE expires_us > 0 AND state <= 2 AND deliveries = 0 ORDER BY expires_us LIMIT 1`)
		if in := max(time.Duration(next-tx.now)*time.Microsecond, 0); some && (done.Next < 0 || in < done.Next) {
			done.Next = in
		}
		if tx.stepsLeft || tx.acting {
			done.Next = 0
		}
		return err
	})
	if err == nil {
		done.Expired += int(q.expired.Swap(0))
	}
	return done, err
}

// expireDue ends at most n expired tasks, and returns how many.
func (tx *transaction) expireDue(n int) (int, error) {
	seqs, err := tx.numbers(selectExpired, tx.now, n)
	if err != nil || len(seqs) == 0 {
		return 0, err
	}
	recs, err := tx.records(shapeChange, bySeq, seqList(seqs))
	for i := 0; err == nil && i < len(recs); i++ {
		err = tx.expire(recs[i])
	}
	return len(recs), err
}

// expire ends an expired task.
func (tx *transaction) expire(rec *record) error {
	if rec.corrupt != nil {
		return tx.quarantine(rec)
	}
	if err := rec.task.Expire(rec.stepTime(tx.now)); err != nil {
		return err
	}
	return tx.save(rec, 0)
}

// nextIn returns how long it is until a task in one of the states asks for
// attention, negative if none is in sight.
func (tx *transaction) nextIn(states ...state) (time.Duration, error) {
	next, err := nextWake(tx.statements, states...)
	if err != nil || next == never {
		return -1, err
	}
	return max(time.Duration(next-tx.now)*time.Microsecond, 0), nil
}

func (q *TaskQueue) ReapExpired(ctx context.Context, req ports.ReapRequest) (ports.Maintained, error) {
	if err := req.Validate(); err != nil {
		return ports.Maintained{}, err
	}
	var done ports.Maintained
	err := q.db.writer.do(ctx, "reap expired leases", func(tx *transaction) error {
		poisoned := 0 // The writer may do this more than once.
		tasks, err := tx.due(tx.now, req.Limit, stateProcessing)
		if err != nil {
			return err
		}
		if req.Renew > 0 {
			if err := tx.renew(seqsOf(tasks), req.Renew); err != nil {
				return err
			}
			done.Count = len(tasks)
			done.Next, err = tx.nextIn(stateProcessing)
			return err
		}
		recs, err := tx.records(shapeChange, bySeq, seqList(seqsOf(tasks)))
		if err != nil {
			return err
		}
		for _, rec := range recs {
			if err := tx.recover(rec, req.MaxRecoveries); err != nil {
				return err
			}
			if rec.corrupt == nil && rec.task.Status == domain.TaskStatusFailed {
				poisoned++
			}
		}
		// What the claims held may be gone too. A claim whose leases were extended
		// is left for later.
		_, err = tx.exec(`DELETE FROM claim WHERE until_us <= ? AND id NOT IN
			(SELECT claim FROM task INDEXED BY task_wake WHERE state = 3 AND state <> 1 AND state < 5)`, tx.now)
		if err != nil {
			return err
		}
		done.Count, done.Poisoned = len(recs), poisoned
		done.Next, err = tx.nextIn(stateProcessing)
		return err
	})
	return done, err
}

// renew makes the leases of tasks last for so long from now.
func (tx *transaction) renew(seqs []int64, lease time.Duration) error {
	if len(seqs) == 0 {
		return nil
	}
	_, err := tx.exec("UPDATE task SET wake_us = ? WHERE seq IN (SELECT value FROM json_each(?))", tx.now+lease.Microseconds(), seqList(seqs))
	return err
}

// recover takes one task back from its worker.
func (tx *transaction) recover(rec *record, maxRecoveries int) error {
	if rec.corrupt != nil {
		return tx.quarantine(rec)
	}
	if err := rec.task.Recover(maxRecoveries, rec.stepTime(tx.now)); err != nil {
		return err
	}
	return tx.save(rec, 0)
}

// PurgeFinished removes some tasks in each transaction. When it fails, it returns the
// ids that it has removed until then too.
func (q *TaskQueue) PurgeFinished(ctx context.Context, req ports.PurgeRequest) ([]domain.TaskID, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	var all []domain.TaskID
	for len(all) < req.Limit {
		n := min(req.Limit-len(all), maxBatch)
		var ids []domain.TaskID
		var found int
		err := q.db.writer.do(ctx, "purge finished tasks", func(tx *transaction) error {
			ids = nil
			if err := tx.forgetUnique(); err != nil {
				return err
			}
			if tx.limits != nil {
				if err := tx.forgetSlots(); err != nil {
					return err
				}
			}
			seqs, err := tx.finished(req, n)
			if err != nil {
				return err
			}
			recs, err := tx.records(shapeChange, bySeq, seqList(seqs))
			if err != nil {
				return err
			}
			for _, rec := range recs {
				if rec.task.ID != uuid.Nil {
					ids = append(ids, rec.task.ID)
				}
			}
			found = len(seqs)
			return tx.remove(recs)
		})
		if err != nil {
			return all, err
		}
		all = append(all, ids...)
		if found < n {
			break
		}
	}
	return all, nil
}

// finished returns at most n finished tasks that are to be removed.
func (tx *transaction) finished(req ports.PurgeRequest, n int) ([]int64, error) {
	seqs, err := tx.endedNodes(req, n)
	if err != nil {
		return nil, err
	}
	kept, err := tx.numbers(selectKept, tx.now, n-len(seqs))
	seqs = append(seqs, kept...)
	states := []state{stateCompleted, stateCancelled}
	if req.Failed() == req.Retention {
		states = append(states, stateFailed)
	} else if err == nil {
		var failed []dueTask
		failed, err = tx.due(tx.now-req.Failed().Microseconds(), n-len(seqs), stateFailed)
		seqs = append(seqs, seqsOf(failed)...)
	}
	if err != nil {
		return nil, err
	}
	others, err := tx.due(tx.now-req.Retention.Microseconds(), n-len(seqs), states...)
	return append(seqs, seqsOf(others)...), err
}
