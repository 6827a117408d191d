package memstore

import (
	"context"
	"fmt"
	"slices"
	"sync"

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

// cancelWatch tells one watcher of cancelled tasks.
type cancelWatch struct {
	mu sync.Mutex // held by calls, which must not overlap
	// cancelled is nil when the watch has ended; mu guards it.
	cancelled func(ids []domain.TaskID)
}

func (w *cancelWatch) call(ids []domain.TaskID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancelled != nil {
		w.cancelled(ids)
	}
}

// end waits for a call under way; no other follows.
func (w *cancelWatch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancelled = nil
}

func (q *TaskQueue) WatchCancelled(ctx context.Context, cancelled func(ids []domain.TaskID)) error {
	w := &cancelWatch{cancelled: cancelled}
	q.mu.Lock()
	q.watches[w] = struct{}{}
	q.mu.Unlock()
	w.call(nil)
	<-ctx.Done()
	q.mu.Lock()
	delete(q.watches, w)
	q.mu.Unlock()
	w.end()
	return fmt.Errorf("watch cancelled tasks: %w", ctx.Err())
}

// tellCancelled calls the watchers.
func (q *TaskQueue) tellCancelled(ids []domain.TaskID) {
	if len(ids) == 0 {
		return
	}
	q.mu.Lock()
	watches := make([]*cancelWatch, 0, len(q.watches))
	for w := range q.watches {
		watches = append(watches, w)
	}
	q.mu.Unlock()
	for _, w := range watches {
		w.call(slices.Clone(ids))
	}
}
