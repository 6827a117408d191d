package memstore

import (
	"context"
	"fmt"
	"slices"

	"logsift/domain"
	"logsift/ports"
)

var _ ports.RunTracker = (*TaskQueue)(nil)

func (q *TaskQueue) SaveProgress(ctx context.Context, progress ...ports.RunProgress) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("save progress: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	errs := make([]error, len(progress))
	for i, p := range progress {
		if errs[i] = p.Validate(); errs[i] != nil {
			continue
		}
		t, err := q.leased(p.Lease)
		if err != nil {
			errs[i] = err
			continue
		}
		kept := p.Progress
		kept.Data, kept.At = slices.Clone(kept.Data), q.cfg.now()
		t.Progress = &kept
	}
	return domain.NewBatchError(errs)
}

func (q *TaskQueue) WatchCancelled(ctx context.Context, cancelled func(ids []domain.TaskID)) error {
	end := q.watches.Add(cancelled)
	defer end()
	<-ctx.Done()
	return fmt.Errorf("watch cancelled tasks: %w", ctx.Err())
}

// tellCancelled calls the watchers.
func (q *TaskQueue) tellCancelled(ids []domain.TaskID) {
	if len(ids) == 0 {
		return
	}
	q.watches.Tell(ids)
}
