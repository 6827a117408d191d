package application

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"logsift/domain"
)

// checkPause is how long the checker waits after a check, so that many cancellations
// share one, and after one that failed.
const checkPause = 100 * time.Millisecond

// leaseChecker stops runs whose tasks were cancelled, without waiting for a heartbeat:
// when it is told of cancelled tasks, it extends the leases of those that this process
// has, and the store says which are lost.
type leaseChecker struct {
	*DefaultScheduler

	wake chan struct{} // has an item when there is something to check

	mu  sync.Mutex // guards the fields below
	ids map[domain.TaskID]struct{}
	all bool
}

// watch is told of cancelled tasks until ctx ends.
func (c *leaseChecker) watch(ctx context.Context) {
	var wait backoff
	for ctx.Err() == nil {
		err := c.cfg.Runs.WatchCancelled(ctx, func(ids []domain.TaskID) {
			c.add(ids)
			wait.reset()
		})
		if ctx.Err() == nil {
			c.logger.Warn("runs of cancelled tasks go on until the next heartbeat", zap.Error(err))
			sleep(ctx, wait.next(c.cfg.Random()))
		}
	}
}

// add has tasks checked, all if there are no ids.
func (c *leaseChecker) add(ids []domain.TaskID) {
	c.mu.Lock()
	c.all = c.all || len(ids) == 0
	if c.ids == nil {
		c.ids = make(map[domain.TaskID]struct{}, len(ids))
	}
	for _, id := range ids {
		c.ids[id] = struct{}{}
	}
	c.mu.Unlock()
	notify(c.wake)
}

// take returns the runs to check.
func (c *leaseChecker) take() []*run {
	c.mu.Lock()
	all, ids := c.all, c.ids
	c.all, c.ids = false, nil
	c.mu.Unlock()
	runs := c.leases.snapshot()
	if !all {
		runs = slices.DeleteFunc(runs, func(r *run) bool {
			_, cancelled := ids[r.info.ID]
			return !cancelled
		})
	}
	return runs
}

func (c *leaseChecker) run(ctx context.Context) {
	for {
		select {
		case <-c.wake:
		case <-ctx.Done():
			return
		}
		runs := c.take()
		if len(runs) == 0 {
			continue
		}
		if !c.extend(ctx, runs) {
			ids := make(map[domain.TaskID]struct{}, len(runs))
			for _, r := range runs {
				ids[r.info.ID] = struct{}{}
			}
			c.add(slices.Collect(maps.Keys(ids)))
		}
		if !sleep(ctx, checkPause) {
			return
		}
	}
}
