package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// leaseLost is the item error of a lease that is no longer held.
func leaseLost(lease domain.Lease) error {
	return fmt.Errorf("task %s, delivery %d: %w", lease.TaskID, lease.Delivery, domain.ErrLeaseLost)
}

// ExtendLease extends leases as [ports.TaskConsumer] says. A lease that is
// refused comes back as it was given.
func (q *TaskQueue) ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error) {
	if err := checkLease(lease); err != nil {
		return nil, err
	}
	if len(leases) == 0 {
		return nil, nil
	}
	leases = append([]domain.Lease(nil), leases...)
	var out []domain.Lease
	var errs []error
	err := q.db.writer.do(ctx, "extend lease", func(tx *transaction) error {
		out, errs = append([]domain.Lease(nil), leases...), make([]error, len(leases))
		recs, err := tx.loadByID(taskIDs(leases))
		if err != nil {
			return err
		}
		until := tx.now + lease.Microseconds()
		var seqs []int64
		for i := range out {
			rec := recs[out[i].TaskID]
			if rec == nil || !rec.holds(out[i]) {
				errs[i] = leaseLost(out[i])
				continue
			}
			out[i].ExpiresAt = timeOf(until)
			seqs = append(seqs, rec.seq)
		}
		if len(seqs) == 0 {
			return nil
		}
		_, err = tx.exec("UPDATE task SET wake_us = ? WHERE seq IN (SELECT value FROM json_each(?))", until, seqList(seqs))
		return err
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

// UpdateTask records reports as [ports.TaskConsumer] says.
func (q *TaskQueue) UpdateTask(ctx context.Context, updates ...ports.TaskUpdate) error {
	if len(updates) == 0 {
		return nil
	}
	updates = append([]ports.TaskUpdate(nil), updates...)
	refused := make([]error, len(updates))
	ids := make([]domain.TaskID, len(updates))
	for i, u := range updates {
		refused[i], ids[i] = checkUpdate(u), u.Lease.TaskID
		updates[i].Result = append([]byte(nil), u.Result...)
	}
	var errs []error
	err := q.db.writer.do(ctx, "update task", func(tx *transaction) error {
		errs = append([]error(nil), refused...)
		recs, err := tx.loadByID(ids)
		if err != nil {
			return err
		}
		for i, u := range updates {
			if errs[i] != nil {
				continue
			}
			if errs[i], err = tx.settle(recs[u.Lease.TaskID], u); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return domain.NewBatchError(errs)
}

// checkUpdate checks the fields of a report.
func checkUpdate(u ports.TaskUpdate) error {
	switch {
	case u.Outcome < ports.OutcomeCompleted || u.Outcome > ports.OutcomeFailed:
		return &domain.ValidationError{Field: "outcome", Value: fmt.Sprint(u.Outcome), Rule: "must be completed, retry or failed"}
	case len(u.Result) > domain.MaxResult:
		return &domain.ValidationError{Field: "result", Value: fmt.Sprint(len(u.Result)), Rule: fmt.Sprintf("must be at most %d bytes", domain.MaxResult)}
	case u.RetryIn < 0 || u.RetryIn > domain.MaxScheduleAhead:
		return &domain.ValidationError{Field: "retry_in", Value: u.RetryIn.String(), Rule: "must be between 0 and 10 years"}
	}
	return nil
}

// settle records one report. refused is why nothing was changed.
func (tx *transaction) settle(rec *record, u ports.TaskUpdate) (refused, err error) {
	if rec == nil || !rec.granted(u.Lease) {
		return leaseLost(u.Lease), nil
	}
	report := reportOf(u)
	if rec.state != stateProcessing {
		if rec.report != report {
			return leaseLost(u.Lease), nil
		}
		return nil, nil
	}
	t, at := rec.task, rec.at(tx.now)
	switch u.Outcome {
	case ports.OutcomeCompleted:
		err = t.MarkAsCompleted(nil, at)
	case ports.OutcomeRetry:
		err = t.MarkAsRetrying(u.Failure, timeOf(tx.now+u.RetryIn.Microseconds()), at)
	case ports.OutcomeFailed:
		err = t.MarkAsFailed(u.Failure, at)
	}
	if err != nil {
		return err, nil
	}
	if u.Outcome == ports.OutcomeCompleted && len(u.Result) > 0 {
		if _, err := tx.exec("INSERT OR REPLACE INTO result (seq, data) VALUES (?, ?)", rec.seq, u.Result); err != nil {
			return nil, err
		}
	}
	return nil, tx.save(rec, report)
}

// ReleaseTask gives tasks back as [ports.TaskConsumer] says. A repeat is
// accepted until the task is claimed again.
func (q *TaskQueue) ReleaseTask(ctx context.Context, leases ...domain.Lease) error {
	if len(leases) == 0 {
		return nil
	}
	leases = append([]domain.Lease(nil), leases...)
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
