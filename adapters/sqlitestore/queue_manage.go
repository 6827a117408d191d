package sqlitestore

import (
	"context"
	"fmt"
	"slices"

	"logsift/domain"
)

// maxBatch is how many tasks or log entries one transaction changes or removes,
// where a call may name any number of them.
const maxBatch = 500

func (q *TaskQueue) DeleteTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.manage(ctx, "delete task", ids, func(tx *transaction, recs map[domain.TaskID]*record, ids []domain.TaskID) ([]error, error) {
		errs := make([]error, len(ids))
		var gone []*record
		for i, id := range ids {
			rec := recs[id]
			switch {
			case rec == nil:
				errs[i] = taskNotFound(id)
			case rec.state == stateProcessing:
				errs[i] = &domain.TransitionError{TaskID: id, From: domain.TaskStatusProcessing}
			case rec.workflow != 0:
				errs[i] = &domain.TransitionError{TaskID: id, From: rec.task.Status, Node: true}
			default:
				gone = append(gone, rec)
				delete(recs, id)
			}
		}
		return errs, tx.remove(gone)
	})
}

func (q *TaskQueue) RetryTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.change(ctx, "retry task", ids, func(tx *transaction, rec *record) (refused, err error) {
		if rec.workflow != 0 {
			return tx.rerunNode(rec)
		}
		if err := rec.task.RunAgain(); err != nil {
			return err, nil
		}
		return tx.retake(rec)
	})
}

func (q *TaskQueue) CancelTask(ctx context.Context, ids ...domain.TaskID) error {
	return q.change(ctx, "cancel task", ids, (*transaction).cancel)
}

// cancel cancels a task, which the caller saves.
func (tx *transaction) cancel(rec *record) (refused, err error) {
	running := rec.state == stateProcessing
	refused = rec.task.MarkAsCancelled(rec.stepTime(tx.now))
	if running && refused == nil {
		if err = tx.cancelRunning(rec.task.ID); err == nil {
			rec.stops, _, err = tx.number("SELECT wake_us FROM task WHERE seq = ?", rec.seq)
		}
		if err == nil && rec.stops > tx.now && rec.task.UniqueKey != "" {
			err = tx.keepUnique(rec)
		}
	}
	return refused, err
}

func (q *TaskQueue) RunTaskNow(ctx context.Context, ids ...domain.TaskID) error {
	return q.change(ctx, "run task now", ids, func(_ *transaction, rec *record) (refused, err error) {
		if rec.state == stateReady {
			return nil, nil
		}
		if rec.waits {
			return &domain.TransitionError{TaskID: rec.task.ID, From: rec.task.Status, To: domain.TaskStatusPending, Node: true}, nil
		}
		return rec.task.RunNow(), nil
	})
}

func taskNotFound(id domain.TaskID) error {
	return fmt.Errorf("task %s: %w", id, domain.ErrTaskNotFound)
}

// change makes one step with each task. A step that is refused leaves the task
// as it is.
func (q *TaskQueue) change(ctx context.Context, action string, ids []domain.TaskID, step func(tx *transaction, rec *record) (refused, err error)) error {
	return q.manage(ctx, action, ids, func(tx *transaction, recs map[domain.TaskID]*record, ids []domain.TaskID) ([]error, error) {
		errs := make([]error, len(ids))
		for i, id := range ids {
			rec := recs[id]
			if rec != nil && rec.workflow != 0 && i > 0 {
				// Steps of others of this call may have changed it.
				if err := tx.follow(); err != nil {
					return nil, err
				}
				now, err := tx.reload(rec.seq)
				if err != nil {
					return nil, err
				}
				rec = now
			}
			if rec == nil {
				errs[i] = taskNotFound(id)
				continue
			}
			before := rec.task.Clone()
			refused, err := step(tx, rec)
			if err != nil {
				return nil, err
			}
			if refused != nil {
				errs[i], rec.task = refused, before
				continue
			}
			if err := tx.save(rec, rec.stops); err != nil {
				return nil, err
			}
		}
		return errs, nil
	})
}

// manage calls fn with the records of some ids at a time, each time in a
// transaction, and gathers the item errors.
func (q *TaskQueue) manage(ctx context.Context, action string, ids []domain.TaskID,
	fn func(tx *transaction, recs map[domain.TaskID]*record, ids []domain.TaskID) ([]error, error),
) error {
	var all []error
	for part := range slices.Chunk(slices.Clone(ids), maxBatch) {
		var errs []error
		err := q.db.writer.do(ctx, action, func(tx *transaction) error {
			recs, err := tx.loadByID(part)
			if err == nil {
				errs, err = fn(tx, recs, part)
			}
			return err
		})
		if err != nil {
			return err
		}
		all = append(all, errs...)
	}
	return domain.NewBatchError(all)
}

// remove deletes tasks with all that belongs to them.
func (tx *transaction) remove(recs []*record) error {
	if len(recs) == 0 {
		return nil
	}
	seqs := make([]int64, len(recs))
	for i, rec := range recs {
		seqs[i] = rec.seq
		tx.move(rec.lane, rec.member(), rec.state, 0)
		tx.emit(rec.task, rec.state, 0, "")
	}
	tx.clockDirty = true
	list := seqList(seqs)
	for _, query := range []string{
		"DELETE FROM contents WHERE seq IN (SELECT value FROM json_each(?))",
		"DELETE FROM result WHERE seq IN (SELECT value FROM json_each(?))",
		"DELETE FROM failure WHERE seq IN (SELECT value FROM json_each(?))",
		"DELETE FROM task WHERE seq IN (SELECT value FROM json_each(?))",
	} {
		if _, err := tx.exec(query, list); err != nil {
			return err
		}
	}
	return nil
}
