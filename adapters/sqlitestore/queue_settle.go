package sqlitestore

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// leaseLost is the item error of a lease that is no longer held.
func leaseLost(lease domain.Lease) error {
	return fmt.Errorf("task %s, delivery %d: %w", lease.TaskID, lease.Delivery, domain.ErrLeaseLost)
}

func (q *TaskQueue) ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
	if len(leases) == 0 {
		return nil, nil
	}
	if err := ports.ValidateLease(lease); err != nil {
		return nil, err
	}
	leases = slices.Clone(leases)
	var out []domain.Lease
	var errs []error
	err := q.db.writer.do(ctx, "extend lease", func(tx *transaction) error {
		out, errs = make([]domain.Lease, len(leases)), make([]error, len(leases))
		recs, err := tx.loadByID(taskIDs(leases))
		if err != nil {
			return err
		}
		until := tx.now + lease.Microseconds()
		var seqs []int64
		for i, l := range leases {
			rec := recs[l.TaskID]
			if rec == nil || !rec.holds(l) {
				errs[i] = leaseLost(l)
				continue
			}
			l.ExpiresAt = timeOf(until)
			out[i] = l
			seqs = append(seqs, rec.seq)
		}
		return tx.renew(seqs, lease)
	})
	if err != nil {
		return nil, err
	}
	return out, domain.NewBatchError(errs)
}

func taskIDs(leases []domain.Lease) []domain.TaskID {
	ids := make([]domain.TaskID, len(leases))
	for i, l := range leases {
		ids[i] = l.TaskID
	}
	return ids
}

func (q *TaskQueue) UpdateTask(ctx context.Context, updates ...ports.TaskUpdate) error {
	if len(updates) == 0 {
		return nil
	}
	updates = slices.Clone(updates)
	refused := make([]error, len(updates))
	ids := make([]domain.TaskID, len(updates))
	for i, u := range updates {
		refused[i], ids[i] = u.Validate(), u.Lease.TaskID
		updates[i].Result = append([]byte(nil), u.Result...)
	}
	var errs []error
	err := q.db.writer.do(ctx, "update task", func(tx *transaction) error {
		errs = append([]error(nil), refused...)
		recs, err := tx.loadByID(ids)
		if err != nil {
			return err
		}
		var completed []*record
		for i, u := range updates {
			if errs[i] != nil {
				continue
			}
			if errs[i], err = tx.settle(recs[u.Lease.TaskID], u, &completed); err != nil {
				return err
			}
		}
		return tx.complete(completed)
	})
	if err != nil {
		return err
	}
	return domain.NewBatchError(errs)
}

// settle records one report. refused is why nothing was changed. A task that is
// completed is appended to completed, and left for complete to write.
func (tx *transaction) settle(rec *record, u ports.TaskUpdate, completed *[]*record) (refused, err error) {
	if rec == nil || !rec.granted(u.Lease) {
		return leaseLost(u.Lease), nil
	}
	if rec.state != stateProcessing {
		repeated, err := tx.repeats(rec, u)
		if err == nil && !repeated {
			refused = leaseLost(u.Lease)
		}
		return refused, err
	}
	t, at := rec.task, rec.stepTime(tx.now)
	switch u.Outcome {
	case ports.OutcomeCompleted:
		if err := t.MarkAsCompleted(u.Result, at); err != nil {
			return err, nil
		}
		tx.move(rec.lane, rec.member(), rec.state, stateCompleted)
		tx.emit(t, rec.state, stateCompleted, "")
		delete(tx.held, t.ID)
		rec.state, rec.wake, rec.report = stateCompleted, microsOf(at), 0
		*completed = append(*completed, rec)
		return nil, nil
	case ports.OutcomeRetry:
		err = t.MarkAsRetrying(u.Failure, timeOf(tx.now+u.RetryIn.Microseconds()), at)
	case ports.OutcomeSnooze:
		err = t.Snooze(timeOf(tx.now + u.RetryIn.Microseconds()))
	case ports.OutcomeFailed:
		err = t.MarkAsFailed(u.Failure, at)
	}
	if err != nil {
		return err, nil
	}
	return nil, tx.save(rec, reportOf(u))
}

// repeats reports whether u is the report that put the task in its state.
func (tx *transaction) repeats(rec *record, u ports.TaskUpdate) (bool, error) {
	if u.Outcome != ports.OutcomeCompleted || rec.state != stateCompleted {
		return rec.report == reportOf(u), nil
	}
	result := rec.task.Result
	if result == nil {
		err := tx.each(func(r *row) error {
			result = r.blob(0)
			return r.err
		}, "SELECT data FROM result WHERE seq = ?", rec.seq)
		if err != nil {
			return false, err
		}
	}
	return bytes.Equal(result, u.Result), nil
}

// complete writes that tasks were completed, all in as few statements as there
// can be: it is what most tasks end with.
func (tx *transaction) complete(recs []*record) error {
	if len(recs) == 0 {
		return nil
	}
	seqs := make([]int64, len(recs))
	var results []any
	for i, rec := range recs {
		seqs[i] = rec.seq
		if len(rec.task.Result) > 0 {
			results = append(results, rec.seq, rec.task.Result)
		}
	}
	if _, err := tx.insert("INSERT OR REPLACE INTO result (seq, data) VALUES ", 2, results, ""); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE task SET state = 5, wake_us = max(?, started_us), attempt = attempt + 1, report = 0
		WHERE seq IN (SELECT value FROM json_each(?))`, tx.now, seqList(seqs))
	return err
}

// ReleaseTask accepts a repeat until the task is claimed again.
func (q *TaskQueue) ReleaseTask(ctx context.Context, leases ...domain.Lease) error {
	if len(leases) == 0 {
		return nil
	}
	leases = slices.Clone(leases)
	var errs []error
	err := q.db.writer.do(ctx, "release task", func(tx *transaction) error {
		errs = make([]error, len(leases))
		recs, err := tx.loadByID(taskIDs(leases))
		if err != nil {
			return err
		}
		for i, lease := range leases {
			rec := recs[lease.TaskID]
			if rec == nil || !rec.granted(lease) || rec.state != stateProcessing && rec.report != reportReleased {
				errs[i] = leaseLost(lease)
				if rec != nil && rec.granted(lease) && rec.stopping(0) {
					if _, err := tx.exec("UPDATE task SET report = 0 WHERE seq = ?", rec.seq); err != nil {
						return err
					}
					rec.report = 0
					if err := tx.dropKept(rec); err != nil {
						return err
					}
				}
				continue
			}
			if rec.state != stateProcessing {
				continue
			}
			if errs[i] = rec.task.Release(); errs[i] == nil {
				if err := tx.save(rec, reportReleased); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return domain.NewBatchError(errs)
}
