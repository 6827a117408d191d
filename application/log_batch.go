package application

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"logsift/domain"
	"logsift/ports"
)

// openBatch is a log batch that takes entries: its task waits in the queue.
type openBatch struct {
	id       domain.BatchID
	openedAt time.Time // before the task was enqueued, by the monotonic clock
	// reserved and bytes are how many entries were promised to the batch, and how
	// large they are; writing is how many calls are storing theirs; full is whether
	// it takes no more. The service's gate guards them.
	reserved, bytes, writing int
	full                     bool
}

// maxSaveBytes bounds the messages that one call stores; the last may go beyond it.
const maxSaveBytes = 4 << 20

// enter takes the gate, which guards the open batch, and leave gives it back. It
// is a channel rather than a mutex because it is held while a batch is opened,
// which is a call to the store, and waiting must end with ctx.
func (s *LogService) enter(ctx context.Context) error {
	select {
	case s.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the open log batch: %w", ctx.Err())
	}
}

func (s *LogService) leave() { <-s.gate }

// reserve returns a batch with room for the first of the entries, at least one, and
// how many the caller may store in it. The caller must call done after that.
func (s *LogService) reserve(ctx context.Context, entries []domain.LogEntry) (*openBatch, int, error) {
	if err := s.enter(ctx); err != nil {
		return nil, 0, err
	}
	defer s.leave()
	if s.open == nil || time.Since(s.open.openedAt) >= s.cfg.BatchAge {
		b, err := s.openNew(ctx)
		if err != nil {
			return nil, 0, err
		}
		s.open = b
	}
	b := s.open
	n, bytes := 0, 0
	for n < len(entries) && bytes < maxSaveBytes && b.reserved < s.cfg.BatchSize && b.bytes < s.cfg.BatchBytes {
		bytes += len(entries[n].Message)
		b.bytes += len(entries[n].Message)
		b.reserved++
		n++
	}
	b.writing++
	if b.reserved >= s.cfg.BatchSize || b.bytes >= s.cfg.BatchBytes {
		b.full = true
		s.open = nil
	}
	return b, n, nil
}

// openNew enqueues the task of a new batch. It is enqueued before the first entry
// is stored, so that no entry is ever stored that no task will analyse.
func (s *LogService) openNew(ctx context.Context) (*openBatch, error) {
	b := &openBatch{id: s.cfg.NewID(), openedAt: time.Now()}
	task := s.cfg.task(b.id)
	task.Delay = s.cfg.BatchAge
	call := ports.Call{Op: ports.OpOpenBatch, Batch: b.id}
	ctx = s.cfg.Observers.Begin(ctx, &call)
	_, err := s.queue.Enqueue(ctx, task)
	s.cfg.Observers.End(ctx, &call, err)
	if err != nil {
		return nil, fmt.Errorf("schedule the analysis of a log batch: %w", err)
	}
	s.depth.waiting++
	return b, nil
}

// done ends a reservation. The last one to store into a full batch has it
// analysed at once. closed is whether the batch turned out to be closed.
func (s *LogService) done(ctx context.Context, b *openBatch, closed bool) {
	// The gate is held by others for the length of a call to the store only.
	s.gate <- struct{}{}
	b.writing--
	if closed && s.open == b {
		s.open = nil
	}
	run := b.full && b.writing == 0 && !closed
	s.leave()
	if !run {
		return
	}
	if err := s.runNow(ctx, b); err != nil {
		s.logger.Debug("full log batch is analysed when it is due, not at once",
			zap.Stringer("task_id", b.id), zap.Error(err))
	}
}

// analysing returns the task that analyses entries which were stored in the batch: that
// of the batch, or a new one of their own if that was cancelled or deleted, or has
// failed, since the batch was opened.
func (s *LogService) analysing(ctx context.Context, b *openBatch, entries []domain.LogEntry) (domain.TaskID, error) {
	task, err := s.queue.GetTask(ctx, b.id)
	gone := errors.Is(err, domain.ErrTaskNotFound) ||
		err == nil && (task.Status == domain.TaskStatusCancelled || task.Status == domain.TaskStatusFailed)
	if !gone {
		// A store that does not answer now has kept the task that it had.
		return b.id, nil
	}
	s.gate <- struct{}{}
	if s.open == b {
		s.open = nil
	}
	s.leave()
	s.logger.Warn("the analysis task of the open log batch is gone, its entries get another", zap.Stringer("task_id", b.id))
	ids := make([]domain.LogID, len(entries))
	for i := range entries {
		ids[i] = entries[i].ID
	}
	own := s.cfg.task(s.cfg.NewID(), ids...)
	if _, err := s.queue.Enqueue(ctx, own); err != nil {
		return domain.TaskID{}, fmt.Errorf("schedule the analysis of log entries: %w", err)
	}
	return own.ID, nil
}

// runNow makes the task of a batch ready. A task that has begun is left alone.
func (s *LogService) runNow(ctx context.Context, b *openBatch) error {
	err := s.queue.RunTaskNow(ctx, b.id)
	if errors.Is(err, domain.ErrInvalidTransition) || errors.Is(err, domain.ErrTaskNotFound) {
		return nil
	}
	return err
}
