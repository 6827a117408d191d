package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// Metrics are what a cell found, by name. Names in _ms and _s are times, in _us
// processor time for one task; rate is in tasks a second, bytes_queued and
// bytes_done in bytes for one task.
type Metrics map[string]float64

// Queue is what a benchmark itself needs of a task queue; the scheduler uses the
// rest.
type Queue interface {
	ports.TaskEnqueuer
	ports.TaskReader
}

// Store tells what a store uses.
type Store interface {
	// ServerCPU is the processor time that the store's server has used since it
	// started; 0 for a store without one.
	ServerCPU(ctx context.Context) (time.Duration, error)
	// Bytes is what the store takes now: memory if it keeps its data there, else
	// disk.
	Bytes(ctx context.Context) (int64, error)
}

// Holder is a process of its own that works on the queue and finishes nothing,
// made to be killed.
type Holder interface {
	// AwaitTasks returns when the process has begun n more tasks.
	AwaitTasks(n int) error
	// Kill ends the process at whatever instruction it is, and returns when it
	// is gone. Further calls do nothing.
	Kill() error
}

// Deps are what a run works with. All are needed.
type Deps struct {
	// Queue is empty.
	Queue Queue
	// Scheduler works on Queue with Cell.Workers workers. It was not started;
	// the run starts and stops it.
	Scheduler ports.TaskScheduler
	Store     Store
	// ProcessCPU is the processor time that this process has used.
	ProcessCPU func() time.Duration
	// Hold starts a process that calls [Hold], and returns once that is ready.
	// The process ends with ctx.
	Hold func(ctx context.Context) (Holder, error)
}

// DeliveryError says that a run did not deliver each task once.
type DeliveryError struct {
	// Tasks were enqueued to be run. Missing of them were not run, Repeated more
	// than once. Foreign tasks were run that were not to be.
	Tasks, Missing, Repeated, Foreign int
	// Waiting tasks were enqueued that were not due.
	Waiting int
	// Stats is what the store counts; it should be Tasks completed, Waiting
	// scheduled and nothing else.
	Stats domain.QueueStats
}

// Error tells all counts.
func (e *DeliveryError) Error() string {
	s := e.Stats
	return fmt.Sprintf("delivery was not exact: of %d tasks %d were not run, %d were run more than once, and %d others were run; "+
		"the store counts %d completed of these %d, %d failed, %d cancelled, %d ready, %d processing, %d retrying, and %d scheduled of %d",
		e.Tasks, e.Missing, e.Repeated, e.Foreign,
		s.Completed, e.Tasks, s.Failed, s.Cancelled, s.Pending, s.Processing, s.Retrying, s.Scheduled, e.Waiting)
}

// Bounds of a run's waiting.
const (
	pollInterval = 5 * time.Millisecond
	// patience is how long a run waits for a store in which nothing moves: longer
	// than a lease, so that tasks are taken back from a worker that lost them.
	patience    = 40 * time.Second
	stopTimeout = 15 * time.Second
)

// Run measures one cell. It fails with the error of the store, with a
// *domain.ValidationError for the cell, or with a [*DeliveryError]; soon after
// ctx ends, with its error. The scheduler is stopped when it returns.
func Run(ctx context.Context, cell Cell, deps Deps) (Metrics, error) {
	if err := cell.Validate(); err != nil {
		return nil, err
	}
	r := &run{Cell: cell, Deps: deps}
	m, err := works[cell.Work](r, ctx)
	if err == nil {
		err = r.finish(ctx)
	}
	err = errors.Join(err, r.stop(ctx))
	if err == nil {
		err = r.check(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", cell.Work, cell.Args(), err)
	}
	return m, nil
}

// run is a cell that is being measured.
type run struct {
	Cell
	Deps

	// ledger has the tasks that are to be run, others those that are not due.
	ledger  *ledger
	others  *ledger
	started bool
}

// expect prepares for so many tasks in all, of which the first target runs are
// what await waits for.
func (r *run) expect(tasks, target int) { r.ledger = newLedger(tasks, target) }

// start starts the scheduler, once.
func (r *run) start(ctx context.Context) error {
	if r.started {
		return nil
	}
	if err := r.Scheduler.RegisterProcessor(taskType, r.ledger); err != nil {
		return err
	}
	if err := r.Scheduler.Start(ctx); err != nil {
		return err
	}
	r.started = true
	return nil
}

// stop stops the scheduler. It may be called more than once.
func (r *run) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return r.Scheduler.Stop(ctx)
}

// handled is how many runs there were.
func (r *run) handled() int { return int(r.ledger.handled.Load()) }

// await waits until the target of runs is reached or limit has passed; 0 is no
// limit.
func (r *run) await(ctx context.Context, limit time.Duration) error {
	var passed <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		passed = timer.C
	}
	select {
	case <-r.ledger.reached:
	case <-passed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// finish has everything run that is to be run: it returns when the store says
// that none of it is unfinished, or that nothing has moved for a time of
// patience. What the latter means, check tells.
func (r *run) finish(ctx context.Context) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	var last domain.QueueStats
	for moved := time.Now(); time.Since(moved) < patience; {
		s, err := r.Queue.GetQueueStats(ctx)
		if err != nil {
			return err
		}
		if s.Pending+s.Processing+s.Retrying == 0 && s.Scheduled <= int64(r.waiting()) {
			return nil
		}
		if s.Completed != last.Completed || s.Pending != last.Pending || s.Processing != last.Processing {
			moved, last = time.Now(), s
		}
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
	return nil
}

// waiting is how many tasks were enqueued that are not due.
func (r *run) waiting() int {
	if r.others == nil {
		return 0
	}
	return int(r.others.made.Load())
}

// check returns a *DeliveryError unless each task was delivered once.
func (r *run) check(ctx context.Context) error {
	s, err := r.Queue.GetQueueStats(ctx)
	if err != nil {
		return err
	}
	e := &DeliveryError{Tasks: int(r.ledger.made.Load()), Foreign: int(r.ledger.foreign.Load()), Waiting: r.waiting(), Stats: s}
	e.Missing, e.Repeated = r.ledger.tally()
	if e.Missing+e.Repeated+e.Foreign > 0 ||
		s.Completed != int64(e.Tasks) || s.Scheduled != int64(e.Waiting) || s.Total() != int64(e.Tasks+e.Waiting) {
		return e
	}
	return nil
}

// mark is where the accounting of time began.
type mark struct {
	at             time.Time
	server, client time.Duration
}

func (r *run) mark(ctx context.Context) (mark, error) {
	server, err := r.Store.ServerCPU(ctx)
	return mark{server: server, client: r.ProcessCPU(), at: time.Now()}, err
}

// since ends the accounting for n tasks.
func (r *run) since(ctx context.Context, m mark, n int) (Metrics, error) {
	wall := time.Since(m.at).Seconds()
	client := (r.ProcessCPU() - m.client).Seconds()
	now, err := r.Store.ServerCPU(ctx)
	server := (now - m.server).Seconds()
	tasks := float64(max(n, 1))
	return Metrics{
		"n": float64(n), "wall_s": wall, "rate": float64(n) / wall,
		"server_us": server / tasks * 1e6, "client_us": client / tasks * 1e6,
		"server_s": server, "client_s": client,
	}, err
}

// quantiles adds least, median, 99th percentile and greatest in milliseconds.
func quantiles(m Metrics, d []time.Duration) {
	if len(d) == 0 {
		return
	}
	slices.Sort(d)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	m["min_ms"] = ms(d[0])
	m["p50_ms"] = ms(d[len(d)/2])
	m["p99_ms"] = ms(d[min(len(d)-1, len(d)*99/100)])
	m["max_ms"] = ms(d[len(d)-1])
	m["samples"] = float64(len(d))
}

// pause waits for d, or returns the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// together runs f in n goroutines and returns when all have ended: the error of
// the first that failed, whose failure ends the context of the others.
func together(ctx context.Context, n int, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			if err := f(ctx); err != nil {
				cancel(err)
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}
