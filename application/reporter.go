package application

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"logsift/domain"
	"logsift/ports"
)

const (
	// maxReports bounds the runs of one report call, ports.MaxCallBytes its bytes.
	maxReports = maxCall
	// reportParts is into how many calls one is split that the store does not take.
	reportParts = 8
	// maxRefusals is how often a report is sent alone that the store does not take,
	// though it takes others.
	maxRefusals = 4
	// reportPause is between the begins of two calls while runs end one after another, so
	// that one call has what ended meanwhile.
	reportPause = 2 * time.Millisecond
	// enoughForCall is how many tasks or reports are worth a call at once: what one call
	// costs is little for each of them.
	enoughForCall = 8
)

// report is what the queue is to be told about a run: how it ended, or that
// the task is given back.
type report struct {
	run     *run
	update  ports.TaskUpdate
	release bool
	// stopped is whether the release only tells that a run has stopped whose lease is lost.
	stopped bool
	// reserved is its size when the pool was told of it.
	reserved int
	// share is with how many others it may travel at most, itself included; 0 for any
	// number.
	share int
	// err is why the store did not take it last.
	err error
	// refusals is how often the store did not take it alone.
	refusals int
	// replaced is the report that the store did not take, for which update stands.
	replaced *ports.TaskUpdate
}

func (rep *report) size() int {
	return len(rep.update.Result) + len(rep.update.Failure.Message) + len(rep.update.Failure.Stack)
}

// outbox holds the reports that the reporter has not sent.
type outbox struct {
	wake chan struct{} // has an item when something changed
	full chan struct{} // has an item when there may be enough for a call, or the last

	mu     sync.Mutex // guards the fields below
	items  []report
	closed bool
}

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1), full: make(chan struct{}, 1)}
}

// put adds reports behind the others.
func (o *outbox) put(items ...report) {
	o.mu.Lock()
	o.items = append(o.items, items...)
	enough := len(o.items) >= enoughForCall
	o.mu.Unlock()
	notify(o.wake)
	if enough {
		notify(o.full)
	}
}

// pause returns once there is enough for a call, at t, or when ctx ends.
func (o *outbox) pause(ctx context.Context, t time.Time) {
	o.mu.Lock()
	enough := o.closed || len(o.items) >= enoughForCall
	o.mu.Unlock()
	left := time.Until(t)
	if enough || left <= 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-o.full:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// putBack adds reports that were taken behind the others.
func (o *outbox) putBack(items []report) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.items = append(o.items, items...)
}

// has reports whether something is to be sent.
func (o *outbox) has() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.items) > 0
}

// close lets take say that nothing more will come.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	notify(o.wake)
	notify(o.full)
}

// take returns what one call should send, at least one report if there is
// one, and whether it is the last.
func (o *outbox) take() (items []report, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, most, size := 0, maxReports, 0
	for n < len(o.items) && n < most {
		if share := o.items[n].share; share > 0 {
			most = min(most, max(share, n))
		}
		size += o.items[n].size()
		if n > 0 && (n >= most || size > ports.MaxCallBytes) {
			break
		}
		n++
	}
	items, o.items = o.items[:n:n], o.items[n:]
	return items, o.closed && len(o.items) == 0
}

// report hands the outcomes of runs to the reporter.
func (s *DefaultScheduler) report(reps ...report) {
	for i := range reps {
		reps[i].reserved = reps[i].size()
		s.pool.reserve(reps[i].reserved)
	}
	s.outbox.put(reps...)
}

// release hands runs to the reporter that are to be given back, with those of their groups.
func (s *DefaultScheduler) release(runs []*run) {
	for _, r := range runs {
		for _, member := range r.all() {
			s.releaseOne(member)
		}
	}
}

func (s *DefaultScheduler) releaseOne(r *run) {
	if s.leases.end(r) {
		s.report(report{run: r, release: true})
	}
}

// tellStopped has the store told that a run has stopped whose lease is lost: its task may
// have been cancelled, and shows it.
func (s *DefaultScheduler) tellStopped(r *run) {
	s.outbox.put(report{run: r, release: true, stopped: true})
}

// sendReports tells the queue how runs ended, until ctx ends or the outbox is closed
// and empty. What comes while a call is under way travels with the next; while several
// come together, the next waits for more, but not long: a report on whose answer the
// next run depends comes alone, and is sent at once. A call that fails is repeated until the store answers it. If the store answers others,
// what it does not take is looked for, and holds nobody up meanwhile.
func (s *DefaultScheduler) sendReports(ctx context.Context) {
	var wait backoff
	var next time.Time
	for ctx.Err() == nil {
		s.outbox.pause(ctx, next)
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
		began := time.Now()
		again := s.send(ctx, items)
		if len(again) == 0 {
			wait.reset()
			next = time.Time{}
			if len(items) > 1 || s.outbox.has() {
				next = began.Add(reportPause)
			}
			continue
		}
		pause := time.NewTimer(wait.next(s.cfg.Random()))
		others := s.outbox.wake
		if s.takesOthers(ctx, again) {
			again = narrow(again)
		} else {
			others = nil // They would fail too.
		}
		select {
		case <-pause.C:
		case <-others:
		case <-ctx.Done():
		}
		pause.Stop()
		s.outbox.putBack(again)
	}
}

func runsOf(items []report) []*run {
	runs := make([]*run, len(items))
	for i, rep := range items {
		runs[i] = rep.run
	}
	return runs
}

// takesOthers reports whether the store takes writes and reports, other than those
// that it did not take: it extends their leases, and refuses a report of nobody.
func (s *DefaultScheduler) takesOthers(ctx context.Context, items []report) bool {
	if !s.extend(ctx, runsOf(items)) {
		return false
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	nobody := domain.Lease{TaskID: items[0].run.lease.TaskID}
	err := s.queue.UpdateTask(call, ports.TaskUpdate{Lease: nobody, Outcome: ports.OutcomeCompleted})
	return errors.Is(domain.ItemError(err, 0), domain.ErrLeaseLost)
}

// narrow makes of reports that the store does not take, though it takes others,
// what to send next: the same in smaller calls, and for a report that it does not take
// alone, in the end, one that says so.
func narrow(items []report) []report {
	if len(items) > 1 {
		for i := range items {
			items[i].share = max(len(items)/reportParts, 1)
		}
		return items
	}
	rep := &items[0]
	rep.refusals++
	if rep.refusals >= maxRefusals && rep.replaced == nil && !rep.release {
		rep.replace()
	}
	return items
}

// replace puts a report of a failure in place of one that the store does not take.
func (rep *report) replace() {
	refused := rep.update
	rep.replaced = &refused
	rep.update = ports.TaskUpdate{Lease: refused.Lease, Outcome: ports.OutcomeFailed, Failure: domain.TaskError{
		Reason: domain.ReasonError, Message: fmt.Sprintf("the store does not take the report of this run, of %d bytes: %v", rep.reserved, rep.err),
	}.Bounded()}
}

// noteReported counts a report that the store took.
func (s *DefaultScheduler) noteReported(rep report) {
	s.cfg.History.ended(rep.update.Outcome, rep.run.took)
	if rep.replaced != nil {
		s.logger.Error("store does not take a report, the task failed", append(taskFields(rep.run), zap.Int("bytes", rep.reserved), zap.Error(rep.err))...)
		if rep.replaced.Outcome == ports.OutcomeCompleted {
			s.counters.failed.Add(1)
		}
	}
}

// forget drops a report; held is whether the store still had the lease.
func (s *DefaultScheduler) forget(rep report, held bool) {
	s.leases.settled(rep.run, held)
	s.pool.release(rep.reserved)
}

// send sends reports and returns those to send again.
func (s *DefaultScheduler) send(ctx context.Context, items []report) (again []report) {
	var reports, releases []report
	var updates []ports.TaskUpdate
	var leases []domain.Lease
	for _, rep := range items {
		if rep.release {
			releases, leases = append(releases, rep), append(leases, rep.run.lease)
		} else {
			reports, updates = append(reports, rep), append(updates, rep.update)
		}
	}
	if len(reports) > 0 {
		size := 0
		for _, rep := range reports {
			size += rep.size()
		}
		call, cancel := context.WithTimeout(ctx, callTimeout+ports.TransferTime(size))
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
func (s *DefaultScheduler) acknowledge(ctx context.Context, call string, items []report, err error) (again []report) {
	var storeErr error
	for i, rep := range items {
		item := domain.ItemError(err, i)
		switch {
		case rep.stopped && (item == nil || errors.Is(item, domain.ErrLeaseLost)):
		case item == nil:
			if rep.release {
				s.counters.released.Add(1)
			} else {
				s.noteReported(rep)
			}
			s.forget(rep, true)
		case errors.Is(item, domain.ErrLeaseLost):
			s.logger.Debug("lease was lost before the report", taskFields(rep.run)...)
			s.forget(rep, false)
			if !rep.release {
				s.tellStopped(rep.run)
			}
		case errors.Is(item, domain.ErrInvalid) && rep.replaced == nil && !rep.release:
			rep.err = item
			rep.replace()
			s.outbox.put(rep)
		default:
			storeErr, rep.err = item, item
			again = append(again, rep)
		}
	}
	s.noteStore(ctx, call, storeErr)
	if len(again) == 0 {
		// Nothing is left to repeat, so no later call would take the error back.
		s.health.succeeded(call)
	}
	return again
}
