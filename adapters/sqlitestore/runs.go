package sqlitestore

import (
	"context"
	"fmt"
	"slices"

	"logsift/domain"
	"logsift/ports"
)

var _ ports.RunTracker = (*TaskQueue)(nil)

func (q *TaskQueue) SaveProgress(ctx context.Context, progress ...ports.RunProgress) error {
	if len(progress) == 0 {
		return nil
	}
	progress = slices.Clone(progress)
	refused := make([]error, len(progress))
	ids := make([]domain.TaskID, len(progress))
	for i := range progress {
		p := &progress[i]
		refused[i], ids[i], p.Progress.Data = p.Validate(), p.Lease.TaskID, slices.Clone(p.Progress.Data)
	}
	var errs []error
	err := q.db.writer.do(ctx, "save progress", func(tx *transaction) error {
		errs = slices.Clone(refused)
		recs, err := tx.loadByID(ids)
		if err != nil {
			return err
		}
		var rows []any
		for i, p := range progress {
			rec := recs[p.Lease.TaskID]
			switch {
			case errs[i] != nil:
			case rec == nil || !rec.holds(p.Lease):
				errs[i] = leaseLost(p.Lease)
			default:
				rows = append(rows, rec.seq, int64(p.Lease.Delivery), int64(p.Progress.Percent), bytesOf(p.Progress.Note), append([]byte{}, p.Progress.Data...), tx.now)
			}
		}
		if _, err := tx.exec("DELETE FROM progress WHERE NOT EXISTS (SELECT 1 FROM task t WHERE t.seq = progress.seq AND t.state = 3)"); err != nil {
			return err
		}
		_, err = tx.insert("INSERT OR REPLACE INTO progress (seq, delivery, percent, note, data, at_us) VALUES ", 6, rows, "")
		return err
	})
	if err != nil {
		return err
	}
	return domain.NewBatchError(errs)
}

// loadProgress fills in how far the run of a task has come.
func loadProgress(q *statements, rec *record) error {
	if rec.state != stateProcessing {
		return nil
	}
	return q.each(func(r *row) error {
		p := domain.Progress{Percent: int(r.int(0)), Note: string(r.blob(1)), At: timeOf(r.int(3))}
		if data := r.blob(2); len(data) > 0 {
			p.Data = data
		}
		if p.Validate() == nil { // What is damaged is none.
			rec.task.Progress = &p
		}
		return r.err
	}, "SELECT percent, note, data, at_us FROM progress WHERE seq = ? AND delivery = ?", rec.seq, int64(rec.task.Deliveries))
}

// WatchCancelled is told at once of what is cancelled through its own [DB], and within
// watchInterval that others cancelled something.
func (q *TaskQueue) WatchCancelled(ctx context.Context, cancelled func(ids []domain.TaskID)) error {
	end := q.db.hub.watches.Add(cancelled)
	defer end()
	q.db.hub.begin()
	select {
	case <-ctx.Done():
		return fmt.Errorf("watch cancelled tasks: %w", ctx.Err())
	case <-q.db.closed:
		return fmt.Errorf("watch cancelled tasks: %w", domain.ErrClosed)
	}
}

// cancelRunning has those who watch told of a task that was being processed.
func (tx *transaction) cancelRunning(id domain.TaskID) error {
	tx.cancelled = append(tx.cancelled, id)
	_, err := tx.exec("UPDATE cancellation SET n = n + 1 WHERE id = 1")
	return err
}
