package application

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"logsift/domain"
	"logsift/ports"
)

// DefaultScheduler runs the tasks of a queue. Make one with [NewScheduler],
// register processors, Start it, and Stop it.
//
// A task runs with a context that ends when its time-out passes, when its lease
// is lost, or when the scheduler stops without time left. A processor that
// panics or calls runtime.Goexit fails its attempt and costs no worker. One that
// ignores its context fails its attempt too, and keeps its worker until it
// returns; what it returns then is dropped.
//
// While the store does not answer, runs go on until their leases are about to
// end; claims, reports and maintenance are repeated with growing pauses, up to
// 5 s, and go on by themselves once it answers.
type DefaultScheduler struct {
	queue    ports.TaskQueue
	cfg      SchedulerConfig
	logger   *zap.Logger
	registry registry
	counters counters
	health   *storeHealth
	leases   *leaseBook
	pool     *pool
	outbox   *outbox
	turns    *queueTurns    // nil if no queue has a weight
	progress *progressSaver // nil if the store keeps none
	runLogs  *runLogSaver   // nil if nobody keeps them
	// leasesMissed is whether the store may have let leases end whose workers live.
	leasesMissed atomic.Bool
	// id names the scheduler to other processes, whose clock is that of the store.
	id    domain.SchedulerID
	clock *storeClock

	mu        sync.Mutex // guards the fields below
	phase     phase
	startedAt time.Time
	drain     func(context.Context) error // set by Start
	stopErr   error                       // set before stopped is closed
	stopped   chan struct{}
}

var _ ports.TaskScheduler = (*DefaultScheduler)(nil)

// phase is where a scheduler is in its life.
type phase uint8

const (
	phaseNew phase = iota
	phaseRunning
	phaseDraining
	phaseStopped
)

// counters are the figures of domain.SchedulerStats. All but cut, which counts
// the runs that Stop cut short, are described there.
type counters struct {
	processed, failed, retried, recovered, purged atomic.Int64
	leasesLost, released, panicked, timedOut, cut atomic.Int64
}

// NewScheduler returns a scheduler for the queue. The error is a
// *domain.ValidationError for a field of cfg. A nil logger logs nothing.
func NewScheduler(queue ports.TaskQueue, cfg SchedulerConfig, logger *zap.Logger) (*DefaultScheduler, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	var turns *queueTurns
	var err error
	if cfg.Queues, turns, err = readQueues("queues", cfg.Queues); err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	if logger == nil {
		logger = zap.NewNop()
	}
	s := &DefaultScheduler{
		queue: queue, cfg: cfg, logger: logger, turns: turns,
		health: newStoreHealth(logger),
		pool:   newPool(cfg.workers(), cfg.Prefetch, cfg.PrefetchWindow),
		outbox: newOutbox(),
		id:     cfg.NewID(), clock: &storeClock{},
		stopped: make(chan struct{}),
	}
	if cfg.History != nil {
		s.clock = cfg.History.clock
	}
	s.leases = newLeaseBook(cfg.Lease, &s.counters.leasesLost)
	if cfg.RunLog != nil {
		s.runLogs = &runLogSaver{DefaultScheduler: s, changed: make(chan struct{}, 1)}
	}
	if cfg.Runs != nil {
		s.progress = &progressSaver{DefaultScheduler: s, changed: make(chan struct{}, 1)}
	}
	return s, nil
}

// RegisterProcessor sets the processor for a type, as ports.TaskScheduler says.
func (s *DefaultScheduler) RegisterProcessor(taskType domain.TaskType, processor ports.TaskProcessor) error {
	return s.registry.add(taskType, processor)
}

// Start begins to work and returns. Processors see the values of ctx; its end
// does not stop the scheduler, Stop does. It fails if the scheduler was started
// or stopped before, and if it has workers but no processor.
func (s *DefaultScheduler) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("start scheduler: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.phase {
	case phaseNew:
	case phaseRunning:
		return errors.New("start scheduler: it was started before")
	case phaseDraining, phaseStopped:
		return fmt.Errorf("start scheduler: it was stopped: %w", domain.ErrClosed)
	}
	types := s.registry.list()
	if s.cfg.workers() > 0 && len(types) == 0 {
		return errors.New("start scheduler: no processor is registered; register one, or set NoWorkers")
	}
	s.registry.freeze()
	s.phase, s.startedAt = phaseRunning, time.Now()
	s.launch(context.WithoutCancel(ctx), types)
	s.logger.Info("scheduler started", zap.Int("workers", s.cfg.workers()), zap.Any("types", types))
	return nil
}

// launch starts the goroutines and sets drain, which ends them.
func (s *DefaultScheduler) launch(base context.Context, types []domain.TaskType) {
	var fetchers, reporters, heartbeats, registrars, loggers sync.WaitGroup
	runs, cancelRuns := context.WithCancelCause(base)
	calls, cancelCalls := context.WithCancel(base)
	claims, stopClaims := context.WithCancel(calls)
	beat, stopBeat := context.WithCancel(base)
	registrar, stopRegistrar := context.WithCancel(base)
	logger, stopLogger := context.WithCancel(base)

	if s.cfg.workers() > 0 {
		f := &fetcher{DefaultScheduler: s, types: types}
		fetchers.Go(func() { f.run(claims, calls, runs) })
		fetchers.Go(func() { s.giveBack(claims) })
		reporters.Go(func() { s.sendReports(calls) })
		heartbeats.Go(func() { s.heartbeat(beat) })
		if s.runLogs != nil {
			loggers.Go(func() { s.runLogs.run(logger, calls) })
		}
		if s.cfg.Runs != nil {
			checker := &leaseChecker{DefaultScheduler: s, wake: make(chan struct{}, 1)}
			heartbeats.Go(func() { checker.watch(beat) })
			heartbeats.Go(func() { checker.run(beat) })
			heartbeats.Go(func() { s.progress.run(beat) })
		}
	}
	active := s.cfg.workers() > 0 || s.cfg.Maintain
	if s.cfg.History != nil {
		registrars.Go(func() { s.keepHistory(registrar, calls, active) })
	}
	if s.cfg.Served != nil {
		registrars.Go(func() { s.serveWorkers(registrar, calls) })
	}
	if active {
		fetchers.Go(func() { s.promote(claims) })
		fetchers.Go(func() { s.reap(claims) })
		fetchers.Go(func() { s.purge(claims) })
		if s.cfg.Schedules != nil {
			fetchers.Go(func() { s.fireSchedules(claims, calls) })
		}
		if s.cfg.Registry != nil {
			registrars.Go(func() {
				s.register(registrar)
				s.unregister(calls)
			})
		}
	}
	s.drain = func(ctx context.Context) error {
		waiting := s.pool.close()
		stopClaims()
		s.release(waiting)

		// Past the end of ctx the runs have one grace, and what is left to tell
		// the store another.
		defer context.AfterFunc(ctx, func() { cancelRuns(errDraining) })()
		<-s.pool.idle
		abort := context.AfterFunc(ctx, func() {
			if !sleep(calls, s.cfg.DrainGrace) {
				return
			}
			cancelCalls()
		})
		fetchers.Wait()
		s.outbox.close()
		reporters.Wait()
		stopLogger()
		loggers.Wait()
		stopRegistrar()
		registrars.Wait()
		abort()
		cancelCalls()
		stopBeat()
		heartbeats.Wait()
		cancelRuns(errDraining)
		return s.awaitStuck(ctx)
	}
}

// awaitStuck gives processors that nobody waits for a last chance to return, and
// says what did not go well in the drain.
func (s *DefaultScheduler) awaitStuck(ctx context.Context) error {
	if ctx.Err() == nil {
		grace, cancel := context.WithTimeout(ctx, s.cfg.DrainGrace)
		defer cancel()
		select {
		case <-s.pool.gone:
		case <-grace.Done():
		}
	}
	var errs []error
	if n := s.counters.cut.Load(); n > 0 {
		errs = append(errs, fmt.Errorf("%d runs were cut short and given back: %w", n, context.Cause(ctx)))
	}
	if _, n := s.pool.counts(); n > 0 {
		errs = append(errs, fmt.Errorf("%d runs were abandoned, since their processors ignore the end of their context", n))
	}
	if n := len(s.leases.snapshot()); n > 0 {
		errs = append(errs, fmt.Errorf("%d runs could not be reported or given back; they run again when their leases end", n))
	}
	if len(errs) > 0 {
		return fmt.Errorf("stop scheduler: %w", errors.Join(errs...))
	}
	return nil
}

// Stop drains, as ports.TaskScheduler says. It returns within twice the
// DrainGrace after ctx ends, and names in its error how many runs were cut
// short, abandoned (their processors have not returned, so their goroutines are
// left), or could not be reported. A further call waits for the first, or until
// its own ctx ends, whose error it then returns.
func (s *DefaultScheduler) Stop(ctx context.Context) error {
	s.mu.Lock()
	was, drain := s.phase, s.drain
	switch was {
	case phaseNew:
		s.phase = phaseStopped
		close(s.stopped)
	case phaseRunning:
		s.phase = phaseDraining
	case phaseDraining, phaseStopped:
	}
	s.mu.Unlock()

	if was != phaseRunning {
		select {
		case <-s.stopped:
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.stopErr
		case <-ctx.Done():
			return fmt.Errorf("wait for the scheduler to stop: %w", ctx.Err())
		}
	}
	s.logger.Info("scheduler is stopping")
	err := drain(ctx)
	s.logger.Info("scheduler stopped", zap.Error(err))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase, s.stopErr = phaseStopped, err
	close(s.stopped)
	return err
}

// ScheduleTask enqueues one task, as ports.TaskScheduler says. Its type is known if it has
// a processor here, or by the Types of the configuration.
func (s *DefaultScheduler) ScheduleTask(ctx context.Context, task *domain.Task) (*domain.Task, error) {
	if task == nil {
		return nil, &domain.ValidationError{Field: "task", Rule: "must not be nil"}
	}
	if err := task.Validate(); err != nil {
		return nil, err
	}
	if err := s.cfg.Types.check(ctx, s.registry.list(), task)(task.Type); err != nil {
		return nil, err
	}
	stored, err := s.queue.Enqueue(ctx, task)
	if err != nil {
		return nil, fmt.Errorf("enqueue task %s: %w", task.ID, err)
	}
	return stored[0], nil
}

// ScheduleLogAnalysis enqueues one task that analyses these entries, at least
// one. Its type must have a processor.
func (s *DefaultScheduler) ScheduleLogAnalysis(ctx context.Context, logIDs ...domain.LogID) (*domain.Task, error) {
	if len(logIDs) == 0 {
		return nil, &domain.ValidationError{Field: "log_ids", Rule: "must name at least one log entry"}
	}
	return s.ScheduleTask(ctx, domain.NewLogAnalysisTask(s.cfg.NewID(), logIDs...))
}

// GetSchedulerStats describes this scheduler. BusyWorkers counts stuck workers
// too. A run counts as processed before its report is sent.
func (s *DefaultScheduler) GetSchedulerStats() domain.SchedulerStats {
	s.mu.Lock()
	phase, startedAt := s.phase, s.startedAt
	s.mu.Unlock()
	busy, _ := s.pool.counts()
	c := &s.counters
	return domain.SchedulerStats{
		Running:        phase == phaseRunning || phase == phaseDraining,
		Draining:       phase == phaseDraining,
		WorkersCount:   s.cfg.workers(),
		BusyWorkers:    busy,
		ProcessedTasks: c.processed.Load(), FailedTasks: c.failed.Load(), RetriedTasks: c.retried.Load(),
		RecoveredTasks: c.recovered.Load(), PurgedTasks: c.purged.Load(),
		LeasesLost: c.leasesLost.Load(), ReleasedTasks: c.released.Load(),
		PanickedTasks: c.panicked.Load(), TimedOutTasks: c.timedOut.Load(),
		StartedAt: startedAt, TaskTypes: s.registry.list(),
		LastStoreError: s.health.lastError(),
	}
}
