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
// has not come do not count: they wait for their time and not for a worker. Nor do
// those of other queues and types, which may be paused, or have no worker at all.
func (s *LogService) admit(ctx context.Context) error {
	if s.cfg.MaxPending == 0 {
		return nil
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if s.depth.readAt.IsZero() || time.Since(s.depth.readAt) >= depthInterval {
		waiting, err := s.countWaiting(ctx)
		if err != nil {
			return fmt.Errorf("read the depth of the queue: %w", err)
		}
		s.depth = queueDepth{readAt: time.Now(), waiting: waiting}
	}
	if s.depth.waiting >= int64(s.cfg.MaxPending) {
		return fmt.Errorf("%w: %d tasks wait, the limit is %d", domain.ErrQueueFull, s.depth.waiting, s.cfg.MaxPending)
	}
	return nil
}

// countWaiting counts the tasks that wait. It asks for those of the queue only if all
// of the store are too many, since that costs more.
func (s *LogService) countWaiting(ctx context.Context) (int64, error) {
	stats, err := s.queue.GetQueueStats(ctx)
	all := stats.Pending + stats.Retrying
	if err != nil || all < int64(s.cfg.MaxPending) || s.cfg.Queues == nil {
		return all, err
	}
	queues, err := s.cfg.Queues.ListQueues(ctx)
	for _, q := range queues {
		if q.Name == s.cfg.Queue {
			return q.Pending[domain.TaskTypeLogAnalysis], err
		}
	}
	return 0, err
}
