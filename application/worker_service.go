package application

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// WorkerServiceConfig configures a [WorkerService]. The zero value works.
type WorkerServiceConfig struct {
	// Lease is how long claims last that do not say so. 0 is DefaultLease.
	Lease time.Duration
	// Ageing is that of all claims, see SchedulerConfig.
	Ageing time.Duration
	// RetryPolicy says when a failed task runs again.
	RetryPolicy domain.RetryPolicy
	// Runs keeps how far runs have come; it is needed for that only.
	Runs ports.RunTracker
	// RunLog, if set, keeps what workers log of their runs.
	RunLog ports.LogStore
	// Types, if set, announces the types that are claimed.
	Types *TaskTypes
	// History and Observer, if set, count the runs.
	History  *RunHistory
	Observer ports.RunObserver
	// Random is that of a SchedulerConfig.
	Random func() float64
}

// WorkerService is the queue for workers of other programs: it gives tasks out and takes
// reports, by the rules of a [DefaultScheduler]. Each worker has a name. What a report needs
// is in the claimed task, so that any process may take it; what this process remembers of
// claims is there to be shown, and to end runs whose time is over. It is safe for
// concurrent use.
type WorkerService struct {
	queue ports.TaskConsumer
	cfg   WorkerServiceConfig
	clock *storeClock
	book  *workerBook
}

// NewWorkerService returns the service of a queue.
func NewWorkerService(queue ports.TaskConsumer, cfg WorkerServiceConfig) *WorkerService {
	cfg.Lease = orDefault(cfg.Lease, DefaultLease)
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	s := &WorkerService{queue: queue, cfg: cfg, clock: &storeClock{}, book: newWorkerBook()}
	if cfg.History != nil {
		s.clock = cfg.History.clock
	}
	return s
}

// ClaimTasks claims tasks as ports.TaskConsumer says, and announces their types. A Lease
// of 0 is that of the configuration, and so is the Ageing.
func (s *WorkerService) ClaimTasks(ctx context.Context, worker string, req ports.ClaimRequest) ([]*domain.Task, error) {
	req.Lease, req.Ageing = orDefault(req.Lease, s.cfg.Lease), s.cfg.Ageing
	if err := req.Validate(); err != nil {
		return nil, err
	}
	s.cfg.Types.announce(ctx, req.Types...)
	defer s.book.claims(worker, req)()
	ctx, cancel := context.WithTimeout(ctx, req.Wait+req.TimeLimit(callTimeout))
	defer cancel()
	tasks, err := s.queue.Dequeue(ctx, req)
	runs := make([]ports.RunReport, len(tasks))
	for i, t := range tasks {
		runs[i] = runOf(t)
	}
	fresh, _ := s.book.holds(worker, req.Lease, runs...)
	s.shorten(ctx, req.Lease, runs...)
	for _, i := range fresh {
		if runs[i].Waited >= 0 {
			s.cfg.History.started(runs[i].Waited)
		}
	}
	return tasks, err
}

// runOf is a run of a claimed task that has not ended: what a report needs of it, without
// its payload.
func runOf(t *domain.Task) ports.RunReport {
	lease := *t.Lease
	run := ports.RunReport{Waited: -1, Task: &domain.Task{
		ID: t.ID, Type: t.Type, Queue: t.Queue, Timeout: t.Timeout, Attempt: t.Attempt, MaxRetries: t.MaxRetries,
		TaskOptions: domain.TaskOptions{Backoff: t.Backoff}, StartedAt: t.StartedAt, Lease: &lease,
	}}
	if wait, known := t.QueueWait(); known {
		run.Waited = wait
	}
	return run
}

// ExtendLeases extends the leases of runs as ports.TaskConsumer says, and keeps how far
// those have come whose leases are held, each of them, unless progress is nil. A lease of 0
// is that of the configuration. A run whose time is over ends instead, and its lease is
// lost.
func (s *WorkerService) ExtendLeases(ctx context.Context, worker string, lease time.Duration, progress *domain.Progress, runs ...ports.RunReport) ([]domain.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	lease = orDefault(lease, s.cfg.Lease)
	leases := make([]domain.Lease, len(runs))
	for i, run := range runs {
		leases[i] = *run.Task.Lease
	}
	extended, err := s.queue.ExtendLease(ctx, lease, leases...)
	if batch := (*domain.BatchError)(nil); err != nil && !errors.As(err, &batch) {
		return nil, err
	}
	errs := make([]error, len(runs))
	var held []ports.RunReport
	var places []int
	for i, run := range runs {
		if errs[i] = domain.ItemError(err, i); errs[i] == nil {
			extended := extended[i]
			run.Task.Lease = &extended
			held, places = append(held, run), append(places, i)
		} else if errors.Is(errs[i], domain.ErrLeaseLost) {
			s.book.drops(worker, run.Task.Lease, func(stats *domain.SchedulerStats) { stats.LeasesLost++ })
		}
	}
	_, over := s.book.holds(worker, lease, held...)
	if len(over) > 0 {
		ended := make([]ports.RunReport, len(over))
		for n, h := range over {
			ended[n] = held[h]
		}
		err := s.endRuns(ctx, worker, ended...)
		for n, h := range over {
			i := places[h]
			if errs[i] = domain.ItemError(err, n); errs[i] == nil {
				errs[i] = fmt.Errorf("task %s: its time-out of %v passed: %w", runs[i].Task.ID, runs[i].Task.Timeout, domain.ErrLeaseLost)
			}
			extended[i] = domain.Lease{}
		}
	}
	for h, shorter := range s.shorten(ctx, lease, held...) {
		if i := places[h]; errs[i] == nil {
			extended[i] = shorter
		}
	}
	if progress == nil {
		return extended, domain.NewBatchError(errs)
	}
	var come []ports.RunProgress
	for i, l := range leases {
		if errs[i] == nil {
			come = append(come, ports.RunProgress{Lease: l, Progress: *progress})
		}
	}
	if len(come) > 0 {
		// A lease that was lost in between is told of by the next call.
		if saved := s.cfg.Runs.SaveProgress(ctx, come...); saved != nil && !errors.Is(saved, domain.ErrLeaseLost) {
			return nil, fmt.Errorf("keep the progress of %d runs: %w", len(come), saved)
		}
	}
	return extended, domain.NewBatchError(errs)
}

// shorten has leases that were set to last for lease end soon after the time of their runs,
// where that is earlier. A process that sees to the end of a run may be lost; then the task
// is taken back when its lease ends. Where the store fails, the lease is as long as it is.
// It returns the leases that are shorter now.
func (s *WorkerService) shorten(ctx context.Context, lease time.Duration, runs ...ports.RunReport) map[int]domain.Lease {
	shorter, out := map[time.Duration][]int{}, map[int]domain.Lease{}
	for i, run := range runs {
		if most := longest(run.Task, lease); most < lease {
			shorter[most] = append(shorter[most], i)
		}
	}
	for most, places := range shorter {
		leases := make([]domain.Lease, len(places))
		for n, i := range places {
			leases[n] = *runs[i].Task.Lease
		}
		got, err := s.queue.ExtendLease(ctx, most, leases...)
		for n := range got {
			if domain.ItemError(err, n) == nil {
				out[places[n]] = got[n]
			}
		}
	}
	return out
}

// overdueError is the error of a run that its worker did not end in time.
type overdueError struct{ timeout time.Duration }

func (e overdueError) Error() string {
	return fmt.Sprintf("time-out of %v passed, and the worker did not report within %v of it", e.timeout, DefaultTimeoutGrace)
}

// endRuns reports runs whose time is over, as a worker that keeps its time-outs would.
func (s *WorkerService) endRuns(ctx context.Context, worker string, runs ...ports.RunReport) error {
	for i := range runs {
		runs[i].Err = overdueError{orDefault(runs[i].Task.Timeout, domain.DefaultTimeout)}
	}
	_, err := s.ReportRuns(ctx, worker, runs...)
	return err
}

// endOverdue ends the runs whose time is over and whose worker says nothing.
func (s *WorkerService) endOverdue(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for worker, runs := range s.book.overdue(maxCall) {
		// What another process has ended has no lease by now, and is not counted again.
		leases := make([]domain.Lease, len(runs))
		for i, run := range runs {
			leases[i] = *run.Task.Lease
		}
		_, err := s.queue.ExtendLease(ctx, min(s.cfg.Lease, reportLease), leases...)
		var held []ports.RunReport
		for i, run := range runs {
			switch item := domain.ItemError(err, i); {
			case item == nil:
				held = append(held, run)
			case errors.Is(item, domain.ErrLeaseLost):
				s.book.drops(worker, run.Task.Lease, func(stats *domain.SchedulerStats) { stats.LeasesLost++ })
			default:
				return item
			}
		}
		if err := s.endRuns(ctx, worker, held...); err != nil && !errors.Is(err, domain.ErrLeaseLost) {
			return err
		}
	}
	return nil
}

// ReleaseTasks gives tasks back as ports.TaskConsumer says, even if ctx has ended.
func (s *WorkerService) ReleaseTasks(ctx context.Context, worker string, leases ...domain.Lease) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	err := s.queue.ReleaseTask(ctx, leases...)
	for i := range leases {
		if domain.ItemError(err, i) == nil {
			s.book.drops(worker, &leases[i], func(stats *domain.SchedulerStats) { stats.ReleasedTasks++ })
		}
	}
	return err
}

// ReportRuns records how runs ended, with retries as the policy and each task's MaxRetries
// say, and returns the states that the tasks are in then, 0 for a report that is refused.
// The errors are those of ports.TaskConsumer.UpdateTask. Every report may be repeated.
func (s *WorkerService) ReportRuns(ctx context.Context, worker string, runs ...ports.RunReport) ([]domain.TaskStatus, error) {
	updates := make([]ports.TaskUpdate, len(runs))
	for i, run := range runs {
		updates[i] = s.updateOf(run)
	}
	statuses, errs := make([]domain.TaskStatus, len(runs)), make([]error, len(runs))
	var lost []domain.Lease
	for done := 0; done < len(updates); {
		part, size := partOf(updates[done:])
		call, cancel := context.WithTimeout(ctx, callTimeout+ports.TransferTime(size))
		err := s.queue.UpdateTask(call, part...)
		cancel()
		if batch := (*domain.BatchError)(nil); err != nil && !errors.As(err, &batch) {
			if done == 0 {
				return nil, fmt.Errorf("report %d runs: %w", len(runs), err)
			}
			for i := done; i < len(errs); i++ {
				errs[i] = err
			}
			break
		}
		for i := range part {
			run := runs[done+i]
			if errs[done+i] = domain.ItemError(err, i); errs[done+i] == nil {
				statuses[done+i] = s.noteEnded(worker, run, part[i])
			} else if errors.Is(errs[done+i], domain.ErrLeaseLost) {
				s.book.drops(worker, run.Task.Lease, func(stats *domain.SchedulerStats) { stats.LeasesLost++ })
				lost = append(lost, *run.Task.Lease)
			}
		}
		done += len(part)
	}
	if len(lost) > 0 {
		// Cancelled ones have stopped. It is shown to people only, and so left if the store is away.
		_ = s.ReleaseTasks(ctx, worker, lost...)
	}
	return statuses, domain.NewBatchError(errs)
}

// partOf returns the first updates, at least one, that may travel in one call, and their
// size.
func partOf(updates []ports.TaskUpdate) (part []ports.TaskUpdate, size int) {
	for i, u := range updates {
		more := len(u.Result) + len(u.Failure.Message)
		if i == maxCall || i > 0 && size+more > ports.MaxCallBytes {
			return updates[:i], size
		}
		size += more
	}
	return updates, size
}

// updateOf decides what follows a run.
func (s *WorkerService) updateOf(run ports.RunReport) ports.TaskUpdate {
	if run.Err == nil {
		return ports.TaskUpdate{Lease: *run.Task.Lease, Outcome: ports.OutcomeCompleted, Result: run.Result}
	}
	if delay, snoozed := domain.SnoozeDelay(run.Err); snoozed {
		return ports.TaskUpdate{Lease: *run.Task.Lease, Outcome: ports.OutcomeSnooze, RetryIn: delay}
	}
	reason := domain.ReasonError
	if _, overdue := errors.AsType[overdueError](run.Err); overdue {
		reason = domain.ReasonTimeout
	}
	return failedUpdate(s.cfg.RetryPolicy, run.Task, *run.Task.Lease, runResult{err: run.Err}, reason, s.cfg.Random())
}

// noteEnded counts a run whose report the store has taken, unless it is a repeat, and
// returns the task's state.
func (s *WorkerService) noteEnded(worker string, run ports.RunReport, update ports.TaskUpdate) domain.TaskStatus {
	outcome, status := ports.RunCompleted, domain.TaskStatusCompleted
	switch update.Outcome {
	case ports.OutcomeCompleted:
	case ports.OutcomeRetry:
		outcome, status = ports.RunRetried, domain.TaskStatusRetrying
	case ports.OutcomeSnooze:
		outcome, status = ports.RunSnoozed, domain.TaskStatusPending
	case ports.OutcomeFailed:
		outcome, status = ports.RunFailed, domain.TaskStatusFailed
	}
	first := s.book.first(run.Task.Lease)
	s.book.drops(worker, run.Task.Lease, func(stats *domain.SchedulerStats) {
		if !first || outcome == ports.RunSnoozed {
			return
		}
		stats.ProcessedTasks++
		if outcome != ports.RunCompleted {
			stats.FailedTasks++
		}
		if outcome == ports.RunRetried {
			stats.RetriedTasks++
		}
		if update.Failure.Reason == domain.ReasonTimeout {
			stats.TimedOutTasks++
		}
	})
	if !first {
		return status
	}
	took := max(s.clock.now().Sub(run.Task.StartedAt), 0)
	s.cfg.History.ended(update.Outcome, took)
	if s.cfg.Observer != nil {
		s.cfg.Observer.ObserveRun(ports.RunEnd{Task: run.Task, Outcome: outcome, Reason: update.Failure.Reason, Wait: run.Waited, Duration: took})
	}
	return status
}
