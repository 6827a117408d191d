package application

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"logsift/domain"
)

// The causes that a run's context ends with.
var (
	errTimedOut  = errors.New("time-out of the task passed")
	errLeaseLost = fmt.Errorf("%w: the task was cancelled, or others have it now", domain.ErrLeaseLost)
	errDraining  = errors.New("worker is stopping")
)

// run is one claimed task on its way from the claim to the acknowledged report.
type run struct {
	// task is the processor's to change once it runs; the scheduler reads its
	// own copy of the values, info.
	task  *domain.Task
	info  domain.Task
	lease domain.Lease
	// group are the runs that share the slot of this one, itself first; nil for none. self is
	// the run alone.
	group *groupRun
	self  [1]*run
	// settled arbitrates between a processor that returns and a scheduler that
	// waits no longer for it; whoever sets it first has the say.
	settled atomic.Bool
	// returned is closed when the processor has returned; set before it is called.
	returned chan struct{}
	// entered is when the run began to wait for a slot, guarded by the pool.
	entered time.Time
	// claimed is when this process got the task, began when the processor was called,
	// and took how long the run was. Each is set before others see the run in the
	// state that it tells of.
	claimed, began time.Time
	took           time.Duration

	// progress is the newest that the processor said, nil for nothing. What was saved of
	// it, and when, belongs to the goroutine that saves it.
	progress atomic.Pointer[domain.Progress]
	saved    *domain.Progress
	savedAt  time.Time

	// log is what the processor has logged, nil for nothing; the saver's lock guards it.
	log *runLog

	// The book's lock guards these.
	until  time.Time               // the lease lasts until then at least, by this process's monotonic clock
	cancel context.CancelCauseFunc // ends the processor's context; nil before it runs
	ended  bool                    // the processor is done, its report or release is under way
	lost   bool                    // the store says so
	// expired is whether the run was stopped because its lease was about to end while
	// the store did not answer. Nobody may have the task yet: it is given back, or
	// reported if the processor is done, once the store answers.
	expired bool
}

// waited returns how long the task of a run that has begun had been ready before, and
// whether that is known, as domain.Task.QueueWait says: by the store's clock up to the
// claim, by that of the process from then on.
func (r *run) waited() (wait time.Duration, known bool) {
	wait, known = r.info.QueueWait()
	return wait + r.began.Sub(r.claimed), known
}

// timeout is how long the run may take, or the shortest of its group.
func (r *run) timeout() time.Duration {
	shortest := orDefault(r.info.Timeout, domain.DefaultTimeout)
	for _, member := range r.all()[1:] {
		shortest = min(shortest, orDefault(member.info.Timeout, domain.DefaultTimeout))
	}
	return shortest
}

func newRun(task *domain.Task) *run {
	r := &run{task: task, info: *task, claimed: time.Now()}
	r.self[0] = r
	if task.Lease != nil {
		r.lease = *task.Lease
	}
	return r
}

// leaseBook knows every lease that this scheduler holds, from the claim until
// its report is acknowledged, and until when each lasts. It counts from before
// the call that granted a lease, so it never takes one to last longer than the
// store does.
type leaseBook struct {
	margin time.Duration
	lost   *atomic.Int64

	mu   sync.Mutex // guards held, and the fields of runs that say so
	held map[*run]struct{}
}

func newLeaseBook(lease time.Duration, lost *atomic.Int64) *leaseBook {
	return &leaseBook{margin: min(lease/10, time.Second), lost: lost, held: make(map[*run]struct{})}
}

func (b *leaseBook) add(runs []*run, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range runs {
		r.until = until
		b.held[r] = struct{}{}
	}
}

// begin notes how to stop the run, and reports whether it may begin.
func (b *leaseBook) begin(r *run, cancel context.CancelCauseFunc) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.cancel = cancel
	return !r.lost && !r.expired
}

// end notes that the run's outcome is known, and reports whether its lease may be
// held still. It goes on being extended until it is settled.
func (b *leaseBook) end(r *run) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.ended = true
	return !r.lost
}

// isLost reports whether the store says that the lease of the run is lost.
func (b *leaseBook) isLost(r *run) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return r.lost
}

// settled forgets a run; held is whether the store still had its lease.
func (b *leaseBook) settled(r *run, held bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.held, r)
	if !held && !r.expired {
		b.lost.Add(1)
	}
}

// snapshot returns the runs whose leases are held.
func (b *leaseBook) snapshot() []*run {
	b.mu.Lock()
	defer b.mu.Unlock()
	runs := make([]*run, 0, len(b.held))
	for r := range b.held {
		runs = append(runs, r)
	}
	return runs
}

// recoveries returns how many leases each task lost that lost any, is held and has not
// ended, but for those given.
func (b *leaseBook) recoveries(but []*run) []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []int
	for r := range b.held {
		if r.info.Recoveries > 0 && !r.ended && !slices.Contains(but, r) {
			out = append(out, r.info.Recoveries)
		}
	}
	return out
}

// running returns the tasks whose processors run and are waited for, in no order.
func (b *leaseBook) running() []domain.RunningTask {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []domain.RunningTask
	for r := range b.held {
		if r.cancel != nil && !r.ended && !r.expired {
			out = append(out, domain.RunningTask{
				TaskID: r.info.ID, Type: r.info.Type, Queue: r.info.Queue,
				Attempt: r.info.Attempt + 1, StartedAt: r.info.StartedAt,
			})
		}
	}
	return out
}

// extended notes that a lease lasts longer.
func (b *leaseBook) extended(r *run, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(r.until) {
		r.until = until
	}
}

// lose notes that the store says that a lease is lost, and stops its run. For a
// run whose report is under way this says nothing, for it may be that very
// report which ended the lease.
func (b *leaseBook) lose(r *run) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, held := b.held[r]; !held || r.ended {
		return
	}
	r.lost = true
	delete(b.held, r)
	b.stop(r)
}

// stop ends the context of a run for good.
func (b *leaseBook) stop(r *run) {
	if r.expired {
		return
	}
	b.lost.Add(1)
	if r.cancel != nil {
		r.cancel(errLeaseLost)
	}
}

// expire stops the runs whose leases are about to end, so that none works on
// while another worker has its task.
func (b *leaseBook) expire(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.held {
		if !r.ended && !now.Before(r.until.Add(-b.margin)) {
			b.stop(r)
			r.expired = true
		}
	}
}

// deadline returns when expire will have something to do unless leases are
// extended, and whether there is anything.
func (b *leaseBook) deadline() (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var first time.Time
	for r := range b.held {
		if !r.ended && !r.expired && (first.IsZero() || r.until.Before(first)) {
			first = r.until
		}
	}
	return first.Add(-b.margin), !first.IsZero()
}
