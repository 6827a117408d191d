package ports

import (
	"context"
	"time"

	"logsift/domain"
)

// TaskProcessor runs tasks of one type.
type TaskProcessor interface {
	// Process does the work of one attempt and returns the result to keep, JSON
	// by custom. It may run more than once for one task, at the same time too if
	// its worker loses its lease, and must bear that. It is called by many
	// goroutines at once.
	//
	// ctx ends when the task's time-out passes, when the lease is lost (the task
	// was cancelled, or others have it now), or when the worker stops without
	// time left; Process must then return soon, and its outcome is not kept in
	// the latter two cases. An error fails the attempt; wrapped by
	// domain.Permanent it fails the task, by domain.RetryAfter it names the time
	// of the next attempt. A domain.Snooze puts the task back uncounted. A panic fails the attempt.
	Process(ctx context.Context, task *domain.Task) (result []byte, err error)
}

// GroupProcessor is a TaskProcessor that runs tasks of a group together, which the same claim
// gave: in one slot, up to the GroupSize of the first. Where there is one only, and for tasks
// without a group, it is Process that is called.
type GroupProcessor interface {
	TaskProcessor
	// ProcessGroup does the work of one attempt of each task, and returns as many answers,
	// in the order of the tasks; another number fails all attempts. What Process says holds
	// for it, and for each answer as for what Process returns. ctx ends when the shortest of
	// the time-outs passes, which is that of all then, and when the leases of all tasks are
	// lost; the answer for a task whose lease is lost is not kept. A panic fails all attempts.
	ProcessGroup(ctx context.Context, tasks []*domain.Task) []TaskResult
}

// TaskResult is what came of one task of a group, as Process returns it.
type TaskResult struct {
	Result []byte
	Err    error
}

// TaskScheduler runs tasks: it claims them from a queue, runs the processor of
// their type, reports the outcome, and maintains the queue.
type TaskScheduler interface {
	// RegisterProcessor sets the processor for a type. It fails with a
	// *domain.ValidationError for a name that is none, for a type that has one
	// already, or once the scheduler has started.
	RegisterProcessor(taskType domain.TaskType, processor TaskProcessor) error
	// Start begins to work and returns. It fails if the scheduler was started
	// before.
	Start(ctx context.Context) error
	// Stop drains: it claims no more at once, lets running tasks finish until
	// ctx ends, then cancels them and gives them back uncounted. It returns when
	// no goroutine of the scheduler is left, nil if every task finished.
	// Further calls wait for the first.
	Stop(ctx context.Context) error
	// ScheduleTask enqueues one task. Somebody must be known to work on its type,
	// else the error is a *domain.UnknownTypeError. Other errors are those of
	// TaskEnqueuer.Enqueue.
	ScheduleTask(ctx context.Context, task *domain.Task) (*domain.Task, error)
	// ScheduleLogAnalysis enqueues one task that analyses these entries.
	ScheduleLogAnalysis(ctx context.Context, logIDs ...domain.LogID) (*domain.Task, error)
	// GetSchedulerStats describes this scheduler.
	GetSchedulerStats() domain.SchedulerStats
}

// RunOutcome is what became of a run.
type RunOutcome uint8

// The outcomes of a run.
const (
	RunCompleted RunOutcome = iota + 1
	// RunRetried: it failed, and the task will be tried again.
	RunRetried
	// RunFailed: it failed, and the task with it.
	RunFailed
	// RunLeaseLost: its lease ended before it did; others have the task, or nobody
	// needs it any more.
	RunLeaseLost
	// RunReleased: it was cut short by a worker that stops, and the task given back.
	RunReleased
	// RunSnoozed: the processor put the task back.
	RunSnoozed
)

// String returns the name of the outcome, in lower case with underscores.
func (o RunOutcome) String() string {
	switch o {
	case RunCompleted:
		return "completed"
	case RunRetried:
		return "retried"
	case RunFailed:
		return "failed"
	case RunLeaseLost:
		return "lease_lost"
	case RunReleased:
		return "released"
	case RunSnoozed:
		return "snoozed"
	}
	return "unknown"
}

// RunEnd is how a run has ended.
type RunEnd struct {
	// Task is the task as it was claimed. It belongs to the scheduler and must be
	// neither kept nor changed.
	Task    *domain.Task
	Outcome RunOutcome
	// Reason goes with RunRetried and RunFailed.
	Reason domain.FailureReason
	// Wait is how long the task was ready before the run began, by the store's clock
	// up to its claim and by the process's from then on. It is known unless the task
	// was given back or run again by a person before: then it is negative.
	Wait time.Duration
	// Duration is how long the processor ran. If it has not returned yet, it is
	// how long the scheduler waited for it.
	Duration time.Duration
}

// RunObserver is told how runs end. What it is told is what the scheduler decided;
// the report of that to the queue follows, and may still be lost.
type RunObserver interface {
	// ObserveRun is called once for each run whose processor was called, by many
	// goroutines at once. It must return at once.
	ObserveRun(end RunEnd)
}
