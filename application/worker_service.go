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
	// RetryPolicy says when a failed task runs again.
	RetryPolicy domain.RetryPolicy
	// Runs keeps how far runs have come; it is needed for that only.
	Runs ports.RunTracker
	// Types, if set, announces the types that are claimed.
	Types *TaskTypes
	// History and Observer, if set, count the runs.
	History  *RunHistory
	Observer ports.RunObserver
	// Random is that of a SchedulerConfig.
	Random func() float64
}

// WorkerService is the queue for workers of other programs: it gives tasks out and takes
// reports, by the rules of a [DefaultScheduler]. It keeps nothing of a claim: what a report
// needs is in the claimed task. It is safe for concurrent use.
type WorkerService struct {
	queue ports.TaskConsumer
	cfg   WorkerServiceConfig
	clock *storeClock
}

// NewWorkerService returns the service of a queue.
func NewWorkerService(queue ports.TaskConsumer, cfg WorkerServiceConfig) *WorkerService {
	cfg.Lease = orDefault(cfg.Lease, DefaultLease)
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	s := &WorkerService{queue: queue, cfg: cfg, clock: &storeClock{}}
	if cfg.History != nil {
		s.clock = cfg.History.clock
	}
	return s
}

// ClaimTasks claims tasks as ports.TaskConsumer says, and announces their types. A Lease
// of 0 is that of the configuration.
func (s *WorkerService) ClaimTasks(ctx context.Context, req ports.ClaimRequest) ([]*domain.Task, error) {
	req.Lease = orDefault(req.Lease, s.cfg.Lease)
	if err := req.Validate(); err != nil {
		return nil, err
	}
	s.cfg.Types.announce(ctx, req.Types...)
	ctx, cancel := context.WithTimeout(ctx, req.Wait+req.TimeLimit(callTimeout))
	defer cancel()
	tasks, err := s.queue.Dequeue(ctx, req)
	for _, t := range tasks {
		if wait, known := t.QueueWait(); known {
			s.cfg.History.started(wait)
		}
	}
	return tasks, err
}

// ExtendLeases extends leases as ports.TaskConsumer says, and keeps how far the runs whose
// leases are held have come, each of them, unless progress is nil. A lease of 0 is that of
// the configuration.
func (s *WorkerService) ExtendLeases(ctx context.Context, lease time.Duration, progress *domain.Progress, leases ...domain.Lease) ([]domain.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	extended, err := s.queue.ExtendLease(ctx, orDefault(lease, s.cfg.Lease), leases...)
	if progress == nil {
		return extended, err
	}
	var runs []ports.RunProgress
	for i, l := range leases {
		if domain.ItemError(err, i) == nil {
			runs = append(runs, ports.RunProgress{Lease: l, Progress: *progress})
		}
	}
	if len(runs) > 0 {
		// A lease that was lost in between is told of by the next call.
		if saved := s.cfg.Runs.SaveProgress(ctx, runs...); saved != nil && !errors.Is(saved, domain.ErrLeaseLost) {
			return nil, fmt.Errorf("keep the progress of %d runs: %w", len(runs), saved)
		}
	}
	return extended, err
}

// ReleaseTasks gives tasks back as ports.TaskConsumer says, even if ctx has ended.
func (s *WorkerService) ReleaseTasks(ctx context.Context, leases ...domain.Lease) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	return s.queue.ReleaseTask(ctx, leases...)
}

// ReportRuns records how runs ended, with retries as the policy and each task's MaxRetries
// say, and returns the states that the tasks are in then, 0 for a report that is refused.
// The errors are those of ports.TaskConsumer.UpdateTask. Every report may be repeated.
func (s *WorkerService) ReportRuns(ctx context.Context, runs ...ports.RunReport) ([]domain.TaskStatus, error) {
	updates := make([]ports.TaskUpdate, len(runs))
	for i, run := range runs {
		updates[i] = s.updateOf(run)
	}
	statuses, errs := make([]domain.TaskStatus, len(runs)), make([]error, len(runs))
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
			if errs[done+i] = domain.ItemError(err, i); errs[done+i] == nil {
				statuses[done+i] = s.noteEnded(runs[done+i], part[i])
			}
		}
		done += len(part)
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
	return failedUpdate(s.cfg.RetryPolicy, run.Task, *run.Task.Lease, runResult{err: run.Err}, domain.ReasonError, s.cfg.Random())
}

// noteEnded counts a run whose report the store has taken, and returns the task's state. The
// store does not tell a repeat, which is counted again.
func (s *WorkerService) noteEnded(run ports.RunReport, update ports.TaskUpdate) domain.TaskStatus {
	took := max(s.clock.now().Sub(run.Task.StartedAt), 0)
	s.cfg.History.ended(update.Outcome, took)
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
	if s.cfg.Observer != nil {
		s.cfg.Observer.ObserveRun(ports.RunEnd{Task: run.Task, Outcome: outcome, Reason: update.Failure.Reason, Wait: run.Waited, Duration: took})
	}
	return status
}
