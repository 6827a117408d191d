package application

import (
	"context"
	"fmt"
	"time"

	"logsift/domain"
)

// depthInterval is how old what is known of the queue's depth may be.
const depthInterval = 250 * time.Millisecond

// queueDepth is how many tasks wait in the queue, as far as is known: those that
// the store counted, and the batches that were opened here since.
type queueDepth struct {
	readAt  time.Time // zero if it was never read
	waiting int64
}

// admit returns domain.ErrQueueFull if as many tasks wait as may. Tasks whose time
// has not come do not count: they wait for their time and not for a worker.
func (s *LogService) admit(ctx context.Context) error {
	if s.cfg.MaxPending == 0 {
		return nil
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if s.depth.readAt.IsZero() || time.Since(s.depth.readAt) >= depthInterval {
		stats, err := s.queue.GetQueueStats(ctx)
		if err != nil {
			return fmt.Errorf("read the depth of the queue: %w", err)
		}
		s.depth = queueDepth{readAt: time.Now(), waiting: stats.Pending + stats.Retrying}
	}
	if s.depth.waiting >= int64(s.cfg.MaxPending) {
		return fmt.Errorf("%w: %d tasks wait, the limit is %d", domain.ErrQueueFull, s.depth.waiting, s.cfg.MaxPending)
	}
	return nil
}
