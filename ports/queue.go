package ports

//go:generate go tool mockgen -source=$GOFILE -destination=../mocks/$GOFILE -package=mocks -write_package_comment=false

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"logsift/domain"
)

// TaskQueue is a durable queue of tasks: the roles below, composed.
//
// These rules hold for all of its methods:
//
//   - Each step of a task is one atomic change in the store. A task is in
//     exactly one state at any moment, and the counts always add up.
//   - Time is the store's. No method uses the caller's clock.
//   - All methods may be called at the same time, by any number of goroutines
//     and processes.
//   - Every call may be repeated with the same arguments, and then has the
//     outcome of the first: an enqueue, a claim or a report whose reply was lost
//     does nothing twice.
//   - A call ends soon after its context, with the context's error wrapped. What
//     it was writing may or may not have been written.
//   - A store that cannot be reached gives an error that wraps
//     domain.ErrStoreUnavailable, in bounded time; one that takes no more, one
//     that wraps domain.ErrStoreFull or domain.ErrStoreReadOnly.
//   - Where a call takes many items and some are refused, the others are carried
//     out, and the error is a *domain.BatchError with one entry for each item. A
//     store of several servers may reach some of them only: then the entries for
//     the items of the others wrap domain.ErrStoreUnavailable. A call without items
//     does nothing.
//   - Tasks that go in and come out are copies; neither side keeps them.
type TaskQueue interface {
	TaskEnqueuer
	TaskConsumer
	TaskReader
	TaskManager
	QueueMaintainer
}

// TaskEnqueuer takes tasks in.
type TaskEnqueuer interface {
	// Enqueue stores the tasks, in one step for each MaxEnqueue of them, and
	// returns them as stored: CreatedAt and, for those with a Delay, ScheduledAt
	// filled in. If a later step fails, the error says nothing of the earlier
	// ones; repeating the call is safe. Of a task's fields only those that
	// a caller may set are read (ID to TraceParent, and ScheduledAt). Tasks of one
	// priority are claimed in the order of their creation, and within a call in
	// the order of its arguments.
	//
	// A task whose id is taken by one with the same contents is returned as it
	// is stored now, whatever its state. Item errors: domain.ErrInvalid,
	// domain.ErrTaskExists (the id is taken by other contents),
	// domain.ErrDuplicateTask (a *domain.DuplicateError: another unfinished task
	// holds the unique key). The returned slice has nil at refused items.
	Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error)
}

// MaxEnqueue is how many tasks Enqueue stores in one step at most.
const MaxEnqueue = 500

// ClaimRequest asks for tasks to work on.
type ClaimRequest struct {
	// ID names the claim. It must be random and new for each claim; a repeat
	// with the same id, while its leases last, gives those of its tasks whose
	// leases are still held by it, and claims no others.
	ID domain.ClaimID
	// Max is how many tasks to claim at most, from 1 to MaxClaim.
	Max int
	// Lease is how long the claim lasts unless it is extended, from MinLease to
	// MaxLease.
	Lease time.Duration
	// Queues and Types restrict the claim; empty for all. A task of another
	// queue or type is left where it is and holds nobody up.
	Queues []string
	Types  []domain.TaskType
	// Wait is how long to wait for a task if none is ready; 0 for not at all.
	// The call is woken by an enqueue of this or another process, and when a
	// scheduled task becomes due, without polling in between.
	Wait time.Duration
}

// Limits of a ClaimRequest.
const (
	MaxClaim = 1000
	MinLease = 100 * time.Millisecond
	MaxLease = time.Hour
)

// Validate checks the fields. The error is a *domain.ValidationError.
func (r ClaimRequest) Validate() error {
	switch {
	case r.ID == (domain.ClaimID{}):
		return &domain.ValidationError{Field: "id", Rule: "must be a random UUID"}
	case r.Max < 1 || r.Max > MaxClaim:
		return &domain.ValidationError{Field: "max", Value: strconv.Itoa(r.Max), Rule: fmt.Sprintf("must be between 1 and %d", MaxClaim)}
	case r.Wait < 0:
		return &domain.ValidationError{Field: "wait", Value: r.Wait.String(), Rule: "must not be negative"}
	}
	for _, name := range r.Queues {
		if err := domain.ValidateName("queues", name); err != nil {
			return err
		}
	}
	for _, name := range r.Types {
		if err := domain.ValidateName("types", string(name)); err != nil {
			return err
		}
	}
	return ValidateLease(r.Lease)
}

// ValidateLease checks the length of a lease. The error is a
// *domain.ValidationError for the field "lease".
func ValidateLease(lease time.Duration) error {
	if lease < MinLease || lease > MaxLease {
		return &domain.ValidationError{Field: "lease", Value: lease.String(), Rule: fmt.Sprintf("must be between %v and %v", MinLease, MaxLease)}
	}
	return nil
}

// Outcome is how a run ended.
type Outcome uint8

// The outcomes of a run.
const (
	OutcomeCompleted Outcome = iota + 1
	// OutcomeRetry: it failed and is to be tried again.
	OutcomeRetry
	// OutcomeFailed: it failed for good.
	OutcomeFailed
)

// TaskUpdate is a worker's report about one run.
type TaskUpdate struct {
	// Lease is that of the claimed task. Its ExpiresAt is not read.
	Lease   domain.Lease
	Outcome Outcome
	// Result goes with OutcomeCompleted, at most domain.MaxResult bytes.
	Result []byte
	// Failure goes with the others; its Reason, Message and Stack are read.
	Failure domain.TaskError
	// RetryIn goes with OutcomeRetry: how long after the store's now the next
	// attempt is due.
	RetryIn time.Duration
}

// TaskConsumer gives tasks out and takes reports back. A report, an extension
// or a release whose lease is no longer held, be it expired and recovered,
// cancelled, deleted or reported otherwise, gets the item error
// domain.ErrLeaseLost and changes nothing; the fence is compared in the step
// that writes. A lease that has expired but was not yet recovered is still held.
type TaskConsumer interface {
	// Dequeue claims ready tasks, the highest priority first and within one the
	// oldest first. It returns no tasks and no error if none became ready in
	// time. Each task is PROCESSING, has its Lease, and counts a delivery.
	//
	// When ctx ends while it waits, it returns the context's error and has
	// claimed nothing. A *domain.ValidationError tells of a field of req.
	Dequeue(ctx context.Context, req ClaimRequest) ([]*domain.Task, error)

	// ExtendLease makes the leases last for lease from the store's now, and
	// returns them with their new ExpiresAt, aligned with the arguments.
	ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error)

	// UpdateTask records how runs ended: each counts an attempt and ends its
	// lease. A repeat of the same report is accepted and counts once, for as
	// long as the task is in the state that the report put it in.
	// Item errors: domain.ErrLeaseLost, domain.ErrInvalid.
	UpdateTask(ctx context.Context, updates ...TaskUpdate) error

	// ReleaseTask gives tasks back unfinished: PENDING again, ready at once,
	// nothing counted but the delivery.
	ReleaseTask(ctx context.Context, leases ...domain.Lease) error
}

// TaskReader looks at tasks.
type TaskReader interface {
	// GetTask returns the task, or domain.ErrTaskNotFound.
	GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error)

	// ListTasks returns a page of the tasks that the filter selects, newest
	// first by CreatedAt. Paging through sees each task that is selected for
	// the whole time exactly once, whatever is enqueued, changed or deleted
	// meanwhile. A page may be shorter than asked for and still have a
	// NextCursor. Errors: domain.ErrInvalid, domain.ErrInvalidCursor.
	ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error)

	// GetQueueStats counts the tasks by state, at a cost that does not grow
	// with their number.
	GetQueueStats(ctx context.Context) (domain.QueueStats, error)
}

// TaskManager changes tasks on a person's word. Item errors of all methods:
// domain.ErrTaskNotFound, and a *domain.TransitionError where the state of the
// task forbids the step.
type TaskManager interface {
	// DeleteTask removes tasks with all that belongs to them. A PROCESSING task
	// is refused, with To being 0 in the *domain.TransitionError.
	DeleteTask(ctx context.Context, ids ...domain.TaskID) error
	// RetryTask runs FAILED and CANCELLED tasks again, ready at once, as
	// domain.Task.RunAgain says. It takes the task's unique key again, or is
	// refused with domain.ErrDuplicateTask.
	RetryTask(ctx context.Context, ids ...domain.TaskID) error
	// CancelTask ends PENDING, RETRYING and PROCESSING tasks. The worker of a
	// PROCESSING one learns of it by domain.ErrLeaseLost.
	CancelTask(ctx context.Context, ids ...domain.TaskID) error
	// RunTaskNow makes scheduled and RETRYING tasks ready at once; a task that
	// is ready already stays as it is.
	RunTaskNow(ctx context.Context, ids ...domain.TaskID) error
}

// ReapRequest tells how to recover tasks from dead workers.
type ReapRequest struct {
	// MaxRecoveries is how often a task may be recovered before it fails with
	// domain.ReasonPoison. 0 fails it at the first.
	MaxRecoveries int
	// Limit bounds the tasks of one call, from 1 to MaxClaim.
	Limit int
}

// Maintained is what a maintenance call did.
type Maintained struct {
	// Count is how many tasks it changed. If it is the limit, there may be more.
	Count int
	// Poisoned is how many of them failed with domain.ReasonPoison.
	Poisoned int
	// Next is how long it is until there is more to do, by the store's clock;
	// negative if nothing is in sight.
	Next time.Duration
}

// QueueMaintainer does the work that no worker does. Any number of processes
// may call it at the same time; each task is moved once.
type QueueMaintainer interface {
	// PromoteDue makes tasks ready whose time has come: scheduled ones, and
	// RETRYING ones, which become PENDING.
	PromoteDue(ctx context.Context, limit int) (Maintained, error)
	// ReapExpired takes tasks back whose lease has expired, as
	// domain.Task.Recover says. Whether it has is checked in the step that
	// takes it back.
	ReapExpired(ctx context.Context, req ReapRequest) (Maintained, error)
	// PurgeFinished removes tasks with all that belongs to them that reached
	// their terminal state retention or longer ago, at most limit of them, the
	// first to finish first, and returns their ids.
	PurgeFinished(ctx context.Context, retention time.Duration, limit int) ([]domain.TaskID, error)
}
