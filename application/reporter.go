package application

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"logsift/domain"
	"logsift/ports"
)

// Bounds of one report call: how many runs, and about how many bytes.
const (
	maxReports     = maxCall
	maxReportBytes = 8 << 20
)

// settlement is what the queue is to be told about a run: how it ended, or that
// the task is given back.
type settlement struct {
	run     *run
	update  ports.TaskUpdate
	release bool
}

func (st *settlement) size() int {
	return len(st.update.Result) + len(st.update.Failure.Message) + len(st.update.Failure.Stack)
}

// outbox holds the settlements that the reporter has not sent.
type outbox struct {
	wake chan struct{} // has an item when something changed

	mu     sync.Mutex // guards the fields below
	items  []settlement
	closed bool
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// put adds settlements behind the others.
func (o *outbox) put(items ...settlement) {
	o.mu.Lock()
	o.items = append(o.items, items...)
	o.mu.Unlock()
	notify(o.wake)
}

// putBack adds settlements before the others.
func (o *outbox) putBack(items []settlement) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.items = append(items, o.items...)
}

// close lets take say that nothing more will come.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	notify(o.wake)
}

// take returns what one call should send, at least one settlement if there is
// one, and whether it is the last.
func (o *outbox) take() (items []settlement, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, size := 0, 0
	for n < len(o.items) && n < maxReports {
		size += o.items[n].size()
		if n > 0 && size > maxReportBytes {
			break
		}
		n++
	}
	items, o.items = o.items[:n:n], o.items[n:]
	return items, o.closed && len(o.items) == 0
}

// settle hands the outcome of a run to the reporter.
func (s *DefaultScheduler) settle(st settlement) {
	s.pool.owe(st.size())
	s.outbox.put(st)
}

// release hands runs to the reporter that are to be given back.
func (s *DefaultScheduler) release(runs []*run) {
	for _, r := range runs {
		if s.leases.end(r) {
			s.settle(settlement{run: r, release: true})
		}
	}
}

// report tells the queue how runs ended, until ctx ends or the outbox is closed
// and empty. What comes while a call is under way travels with the next. A call
// that fails is repeated for as long as the leases may last.
func (s *DefaultScheduler) report(ctx context.Context) {
	var wait backoff
	for ctx.Err() == nil {
		items, last := s.outbox.take()
		if len(items) == 0 {
			if last {
				return
			}
			select {
			case <-s.outbox.wake:
			case <-ctx.Done():
			}
			continue
		}
		again := s.send(ctx, items)
		if len(again) == 0 {
			wait.reset()
			continue
		}
		s.outbox.putBack(again)
		sleep(ctx, wait.next(s.cfg.Random()))
	}
}

// send sends settlements and returns those to send again.
func (s *DefaultScheduler) send(ctx context.Context, items []settlement) (again []settlement) {
	var reports, releases []settlement
	var updates []ports.TaskUpdate
	var leases []domain.Lease
	for _, st := range items {
		if st.release {
			releases, leases = append(releases, st), append(leases, st.run.lease)
		} else {
			reports, updates = append(reports, st), append(updates, st.update)
		}
	}
	if len(reports) > 0 {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		err := s.queue.UpdateTask(call, updates...)
		cancel()
		again = s.acknowledge(ctx, "UpdateTask", reports, err)
	}
	if len(releases) > 0 {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		err := s.queue.ReleaseTask(call, leases...)
		cancel()
		again = append(again, s.acknowledge(ctx, "ReleaseTask", releases, err)...)
	}
	return again
}

// acknowledge takes the answer to a call apart and returns what to send again.
func (s *DefaultScheduler) acknowledge(ctx context.Context, call string, items []settlement, err error) (again []settlement) {
	var storeErr error
	givenUp := 0
	for i, st := range items {
		item := domain.ItemError(err, i)
		switch {
		case item == nil:
			if st.release {
				s.counters.released.Add(1)
			} else {
				s.cfg.History.ended(st.update.Outcome, st.run.took)
			}
		case errors.Is(item, domain.ErrLeaseLost):
			s.counters.leasesLost.Add(1)
			s.logger.Debug("lease was lost before the report", taskFields(st.run)...)
		case errors.Is(item, domain.ErrInvalid):
			s.logger.Error("queue refuses a report", append(taskFields(st.run), zap.Error(item))...)
		default:
			storeErr = item
			if !s.leases.over(st.run, time.Now()) {
				again = append(again, st)
				continue
			}
			s.counters.leasesLost.Add(1)
			givenUp++
			s.logger.Debug("report given up", taskFields(st.run)...)
		}
		s.leases.remove(st.run)
		s.pool.paid(st.size())
	}
	if givenUp > 0 {
		s.logger.Warn("reports given up, their leases ended before the store answered; the tasks run again", zap.Int("tasks", givenUp))
	}
	s.noteStore(ctx, call, storeErr)
	if len(again) == 0 {
		// Nothing is left to repeat, so no later call would take the error back.
		s.outage.succeeded(call)
	}
	return again
}
