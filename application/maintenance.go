package application

import (
	"context"
	"time"

	"go.uber.org/zap"

	"logsift/domain"
	"logsift/ports"
)

const (
	// maxCall bounds the tasks of one claim, report or maintenance call, so that none
	// holds up a store that works on one call at a time for more than a few
	// milliseconds.
	maxCall = 500
	// purgeBatch is less, since a purged task may take many log entries with it.
	purgeBatch = 100
	// reapInterval bounds the sleep of the reaper.
	reapInterval = 1500 * time.Millisecond
	// minSleep keeps maintenance from spinning where the store says that there is
	// something to do at once, and another process does it.
	minSleep = 10 * time.Millisecond
	// scheduleInterval bounds the sleep of what fires schedules, since another process may
	// set one.
	scheduleInterval = time.Second
	// purgeTimeout bounds a call of the purger.
	purgeTimeout = 30 * time.Second
)

// promote makes due tasks ready until ctx ends.
func (s *DefaultScheduler) promote(ctx context.Context) {
	s.repeat(ctx, "PromoteDue", s.cfg.PollInterval, func(ctx context.Context) (ports.Maintained, error) {
		return s.queue.PromoteDue(ctx, maxCall)
	})
}

// reap takes tasks back from dead workers until ctx ends. When the store did not take
// heartbeats, leases have ended whose workers may live: they are renewed, and what is
// not extended then is taken back. Leases are not renewed anew before those have ended
// that were, so that a store which fails in part all the time, or a queue that has a
// part of it away, delays a recovery by one lease and does not prevent it. A process
// that begins cannot know; it gives what has ended by then the time in which living
// workers extend their leases once the store is back, and no more, since it may be one
// that begins again and again.
func (s *DefaultScheduler) reap(ctx context.Context) {
	s.leasesMissed.Store(true)
	lease := max(s.cfg.Lease/2, ports.MinLease)
	var renewed time.Time // until when leases last that were renewed, and a little longer
	s.repeat(ctx, "ReapExpired", reapInterval, func(ctx context.Context) (ports.Maintained, error) {
		req := ports.ReapRequest{MaxRecoveries: s.cfg.MaxRecoveries, Limit: maxCall}
		renew := time.Now().After(renewed) && s.leasesMissed.Swap(false)
		if renew {
			req.Renew = lease
		}
		done, err := s.queue.ReapExpired(ctx, req)
		more := done.Count == maxCall
		if err == nil && !more {
			lease = s.cfg.Lease
		}
		if err != nil || renew && more {
			s.leasesMissed.Store(true)
		}
		switch {
		case renew && done.Count > 0 && !more:
			renewed = time.Now().Add(req.Renew + s.cfg.Lease/4)
		case !renew && done.Count > 0:
			s.counters.recovered.Add(int64(done.Count))
			s.logger.Warn("took tasks back whose workers stopped reporting", zap.Int("tasks", done.Count))
		}
		return done, err
	})
}

// repeat calls do until ctx ends: again at once while there is more to do, else
// when there will be, else after interval.
func (s *DefaultScheduler) repeat(ctx context.Context, name string, interval time.Duration, do func(context.Context) (ports.Maintained, error)) {
	var wait backoff
	for {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		done, err := do(call)
		cancel()
		pause := interval
		switch {
		case !s.noteStore(ctx, name, err):
			pause = wait.next(s.cfg.Random())
		case done.Count >= maxCall:
			wait.reset()
			pause = 0
		default:
			wait.reset()
			if done.Next >= 0 {
				pause = min(max(done.Next, minSleep), interval)
			}
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// purge removes tasks whose retention has passed, and what belongs to them,
// until ctx ends. It removes no further tasks before the purger has dealt with
// those that are removed. While there is more it rests between two steps for as long as
// a step takes: it keeps up with what comes in, and leaves the store to others for half
// of the time.
func (s *DefaultScheduler) purge(ctx context.Context) {
	var wait backoff
	var removed []domain.TaskID
	for {
		begun := time.Now()
		more, err := s.purgeOnce(ctx, &removed)
		pause := s.cfg.PurgeInterval
		switch {
		case err != nil:
			pause = wait.next(s.cfg.Random())
		default:
			wait.reset()
			if more {
				pause = time.Since(begun)
			}
		}
		if !sleep(ctx, pause) {
			if len(removed) > 0 {
				s.logger.Warn("stopped before what belongs to purged tasks was removed", zap.Int("tasks", len(removed)))
			}
			return
		}
	}
}

// purgeOnce removes one batch of tasks unless removed holds one already, and
// tells the purger, also when there was none to remove, since it has old things
// of its own. It reports whether there may be more.
func (s *DefaultScheduler) purgeOnce(ctx context.Context, removed *[]domain.TaskID) (more bool, err error) {
	if len(*removed) == 0 {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		*removed, err = s.queue.PurgeFinished(call, ports.PurgeRequest{Retention: s.cfg.Retention, FailedRetention: s.cfg.FailedRetention, Limit: purgeBatch})
		cancel()
		if !s.noteStore(ctx, "PurgeFinished", err) {
			return false, err
		}
		s.counters.purged.Add(int64(len(*removed)))
	}
	more = len(*removed) >= purgeBatch
	if s.cfg.Purger != nil {
		call, cancel := context.WithTimeout(ctx, purgeTimeout)
		moreOld, err := s.cfg.Purger.PurgeTasks(call, *removed...)
		cancel()
		if !s.noteStore(ctx, "PurgeTasks", err) {
			return false, err
		}
		more = more || moreOld
	}
	*removed = nil
	return more, nil
}

// fireSchedules enqueues the tasks of schedules at their ticks until ctx ends. What has
// begun by then goes on until calls ends.
func (s *DefaultScheduler) fireSchedules(ctx, calls context.Context) {
	var wait backoff
	for {
		done, err := s.cfg.Schedules.fireDue(calls)
		if done.broken != nil {
			s.logger.Warn("schedules cannot be fired", zap.Error(done.broken))
		}
		pause := scheduleInterval
		switch {
		case !s.noteStore(ctx, "FireSchedules", err):
			pause = wait.next(s.cfg.Random())
		case done.count > 0 && done.next >= 0:
			wait.reset()
			pause = min(done.next, pause)
		case done.next >= 0:
			wait.reset()
			pause = min(max(done.next, minSleep), pause)
		default:
			wait.reset()
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-s.cfg.Schedules.changed:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}
