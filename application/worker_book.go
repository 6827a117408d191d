package application

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// leaseSlack is how long a lease may outlast its run's time-out and grace.
const leaseSlack = 10 * time.Second

// reportLease is how long the lease of such a run lasts at most while its end is reported, a little
// after its time-out and grace: no longer than leaseSlack after them.
const reportLease = leaseSlack / 2

// What a process knows of the workers of other programs is bounded. Beyond it tasks are
// given out as ever, and the workers and runs are not shown.
const (
	maxBookWorkers = 200
	maxBookRuns    = 50_000
	// maxBookReports is how many of the newest reports are known again, at least.
	maxBookReports = 1 << 16
)

// workerBook is what a [WorkerService] knows of the workers that call it: a name for each,
// and what it holds. It is safe for concurrent use.
type workerBook struct {
	mu      sync.Mutex // guards the fields below
	workers map[string]*bookWorker
	runs    int // of all workers
	// reports are runs whose reports were taken, earlier those before them.
	reports, earlier map[reportKey]struct{}
}

// reportKey names a run among those of all tasks.
type reportKey struct {
	task     domain.TaskID
	delivery int
}

func keyOfReport(l *domain.Lease) reportKey { return reportKey{l.TaskID, l.Delivery} }

// bookWorker is one worker.
type bookWorker struct {
	report domain.SchedulerReport // without what it runs
	runs   map[domain.TaskID]bookRun
	// seen is when it last called, calls how many of its claims wait now.
	seen  time.Time
	calls int
	// told is when others were last told of it, zero for never or if it has changed.
	told time.Time
}

// bookRun is a run that a worker is at.
type bookRun struct {
	ports.RunReport

	// ends is when its lease does, over when its time-out with the grace is.
	ends, over time.Time
}

func newWorkerBook() *workerBook {
	return &workerBook{workers: map[string]*bookWorker{}, reports: map[reportKey]struct{}{}}
}

// worker returns the worker of the name, nil if there are too many.
func (b *workerBook) worker(name string) *bookWorker {
	w := b.workers[name]
	if w == nil {
		if len(b.workers) >= maxBookWorkers {
			return nil
		}
		w = &bookWorker{runs: map[domain.TaskID]bookRun{}, report: domain.SchedulerReport{
			ID: uuid.New(), Worker: reportText(name), Stats: domain.SchedulerStats{Running: true, StartedAt: time.Now()},
		}}
		b.workers[name] = w
	}
	w.seen = time.Now()
	return w
}

// claims notes that a worker waits for tasks, until the returned function is called.
func (b *workerBook) claims(name string, req ports.ClaimRequest) (done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.worker(name)
	if w == nil {
		return func() {}
	}
	w.calls++
	types, queues := slices.Clone(req.Types), slices.Clone(req.Queues)
	slices.Sort(types)
	if !slices.Equal(w.report.Stats.TaskTypes, types) || !slices.Equal(w.report.Queues, queues) {
		w.report.Stats.TaskTypes, w.report.Queues, w.told = types, queues, time.Time{}
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		w.calls--
		w.seen = time.Now()
	}
}

// holds notes that a worker holds the leases of runs, which last for lease since a moment
// ago, and returns which of the runs it did not know before, and which are over.
func (b *workerBook) holds(name string, lease time.Duration, runs ...ports.RunReport) (fresh, over []int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.worker(name)
	now := time.Now()
	for i, run := range runs {
		r := bookRun{RunReport: run, ends: now.Add(longest(run.Task, lease)), over: now.Add(timeLeft(run.Task, lease))}
		if !r.over.After(now) {
			over = append(over, i)
		}
		known := false
		if w != nil {
			var old bookRun
			if old, known = w.runs[run.Task.ID]; known {
				known = old.Task.Lease.Delivery == run.Task.Lease.Delivery
			} else if b.runs >= maxBookRuns {
				fresh = append(fresh, i)
				continue
			} else {
				b.runs++
			}
			w.runs[run.Task.ID], w.told = r, time.Time{}
		}
		if !known {
			fresh = append(fresh, i)
		}
	}
	return fresh, over
}

// timeLeft is how much of its time-out and of the grace a run has, whose lease was set to
// last for lease just now. Both times are the store's.
func timeLeft(task *domain.Task, lease time.Duration) time.Duration {
	now := task.Lease.ExpiresAt.Add(-lease)
	return task.StartedAt.Add(orDefault(task.Timeout, domain.DefaultTimeout) + DefaultTimeoutGrace).Sub(now)
}

// longest is how long the lease may last at most: a while beyond the end of the run, in
// which the process that knows of the run ends it. It is in whole seconds.
func longest(task *domain.Task, lease time.Duration) time.Duration {
	return min(lease, max(timeLeft(task, lease), 0).Truncate(time.Second)+leaseSlack)
}

// drops notes that a worker holds the lease no longer.
func (b *workerBook) drops(name string, lease *domain.Lease, change func(stats *domain.SchedulerStats)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.worker(name)
	if w == nil {
		return
	}
	w.told = time.Time{}
	change(&w.report.Stats)
	if r, ok := w.runs[lease.TaskID]; ok && r.Task.Lease.Delivery == lease.Delivery {
		b.remove(w, lease.TaskID)
	}
}

func (b *workerBook) remove(w *bookWorker, id domain.TaskID) {
	delete(w.runs, id)
	b.runs--
}

// first reports whether this is the first report of the run that was taken here.
func (b *workerBook) first(lease *domain.Lease) bool {
	key := keyOfReport(lease)
	b.mu.Lock()
	defer b.mu.Unlock()
	_, known := b.reports[key]
	if _, before := b.earlier[key]; known || before {
		return false
	}
	if len(b.reports) >= maxBookReports {
		b.reports, b.earlier = make(map[reportKey]struct{}, maxBookReports), b.reports
	}
	b.reports[key] = struct{}{}
	return true
}

// overdue returns runs whose time is over, at most limit of them, by their worker.
func (b *workerBook) overdue(limit int) map[string][]ports.RunReport {
	b.mu.Lock()
	defer b.mu.Unlock()
	out, now := map[string][]ports.RunReport{}, time.Now()
	for name, w := range b.workers {
		for _, r := range w.runs {
			if limit > 0 && !r.over.After(now) {
				out[name] = append(out[name], r.RunReport)
				limit--
			}
		}
	}
	return out
}

// bookReport is what is to be told of a worker, and for how long.
type bookReport struct {
	domain.SchedulerReport

	ttl time.Duration
}

// tell returns what is to be told of workers: what has changed since the last time, and
// each at least every registerAtLeast while it calls. Leases that ended are forgotten, and
// workers who hold none and are silent for registrationTTL.
func (b *workerBook) tell() (out []bookReport) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for name, w := range b.workers {
		last := now
		var running []domain.RunningTask
		for id, r := range w.runs {
			if !r.ends.After(now) {
				b.remove(w, id)
				w.told = time.Time{}
				continue
			}
			if r.ends.After(last) {
				last = r.ends
			}
			t := r.Task
			running = append(running, domain.RunningTask{TaskID: id, Type: t.Type, Queue: t.Queue, Attempt: t.Attempt + 1, StartedAt: t.StartedAt})
		}
		silent := now.Sub(w.seen)
		if w.calls > 0 {
			silent = 0
		}
		switch {
		case silent > registrationTTL && len(running) == 0:
			delete(b.workers, name)
			continue
		case !w.told.IsZero() && (now.Sub(w.told) < registerAtLeast || silent > now.Sub(w.told)):
			continue
		}
		slices.SortFunc(running, func(a, b domain.RunningTask) int {
			return cmp.Or(a.StartedAt.Compare(b.StartedAt), strings.Compare(a.TaskID.String(), b.TaskID.String()))
		})
		r := w.report.Clone()
		r.Stats.BusyWorkers = len(running)
		r.Running = running[:min(len(running), domain.MaxRunningReported)]
		w.told = now
		out = append(out, bookReport{r, min(max(registrationTTL-silent, last.Sub(now), registerInterval), ports.MaxReportTTL)})
	}
	return out
}

// untold has a worker told of again.
func (b *workerBook) untold(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w := b.workers[name]; w != nil {
		w.told = time.Time{}
	}
}

// ids are those under which others were told of the workers.
func (b *workerBook) ids() (out []domain.SchedulerID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.workers {
		out = append(out, w.report.ID)
	}
	return out
}
