package ports

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
//     that wraps domain.ErrStoreFull, domain.ErrStoreReadOnly or
//     domain.ErrStoreReplaced.
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
	// Enqueue stores the tasks, in steps of which each stores all or none of its
	// tasks, and returns them as stored: CreatedAt and, for those with a Delay,
	// ScheduledAt filled in. If a step fails after tasks were stored, the error is
	// a *domain.BatchError that has the failure at the tasks of this step and of
	// those that were not tried. What has no error is stored, whatever else happens.
	// Repeating the call is safe. Of a task's fields only those that
	// a caller may set are read (ID to TraceParent, and ScheduledAt). Tasks of one
	// priority are claimed in the order of their creation, and within a call in
	// the order of its arguments.
	//
	// A task whose id is taken by one with the same contents is returned as it
	// is stored now, whatever its state. Item errors: domain.ErrInvalid,
	// domain.ErrTaskExists (the id is taken by other contents),
	// domain.ErrDuplicateTask (a *domain.DuplicateError: another task
	// holds the unique key), domain.ErrQueueFull (the store bounds the pairs of queue
	// and type that have tasks at the same time, to no fewer than 1000, and this would
	// be one more: a *domain.ValidationError names the queue).
	//
	// If another task holds the unique key, the task's OnConflict decides. ConflictKeep
	// returns the holder as it is stored now. ConflictReplace changes the holder if
	// domain.Task.Replaceable says so, and returns it: it has the payload, the priority
	// and the time of the new task, a Delay counting from now, and keeps its id, its
	// place among the tasks of its priority, and all else. Where the holder was claimed
	// before, is of another queue, type or group, or was deleted, the task is refused as by
	// ConflictReject. domain.Task.EnqueueOutcome says which of it happened.
	//
	// A store of several parts may hold a unique key among the tasks of one Key or group only,
	// and among those without any.
	//
	// A task with a Group is stored as domain.Task.AsEnqueued has it, with its GroupAge as
	// its Delay. The members of a group are those of its tasks that are PENDING, and ready or
	// never claimed. When an enqueue brings a group to the GroupSize of the new task and none
	// of the members is ready, the oldest becomes ready at once, as by RunTaskNow.
	//
	// What a repeat can know: an id that is stored is created again, also if its
	// contents were replaced since; the newest replacement of a holder is one again, and
	// changes nothing, for as long as the holder has the key; whatever was
	// refused or gave another task left nothing behind, and is decided anew.
	//
	// The returned slice has
	// nil at refused items.
	Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error)
}

// MaxEnqueue is how many tasks a step of Enqueue stores at most, if it takes several.
const MaxEnqueue = 500

// ValidateTask checks a task that is to be enqueued. The error is a
// *domain.ValidationError.
func ValidateTask(task *domain.Task) error {
	if task == nil {
		return &domain.ValidationError{Field: "task", Rule: "must not be nil"}
	}
	if task.Workflow != nil {
		return &domain.ValidationError{Field: "workflow", Rule: "is what tasks have that are created with a workflow"}
	}
	return task.Validate()
}

// ClaimRequest asks for tasks to work on.
type ClaimRequest struct {
	// ID names the claim. It must be random and new for each claim. A repeat with
	// the same id, while its leases last, claims no others: it gives those of its
	// tasks that it still holds, with leases that last anew, as far as MaxBytes has
	// room for them, and gives the others back as ReleaseTask does. So a claim
	// whose answer is too much for a slow line is repeated with less MaxBytes.
	ID domain.ClaimID
	// Max is how many tasks to claim at most, from 1 to MaxClaim, but for those that the last
	// of them takes along, see Dequeue.
	Max int
	// MaxBytes is about how many bytes of payloads to claim at most, to
	// MaxCallBytes, which 0 stands for. A single task comes however large it is, of
	// each part of a queue that has several.
	MaxBytes int
	// Lease is how long the claim lasts unless it is extended, from MinLease to
	// MaxLease.
	Lease time.Duration
	// Queues and Types restrict the claim; empty for all. A task of another
	// queue or type is left where it is and holds nobody up.
	Queues []string
	Types  []domain.TaskType
	// Ageing is in which time a waiting task gains a level of priority, from MinAgeing to
	// MaxAgeing; 0 for never. The wait begins with the creation of the task, also where that
	// was to run later or is tried again.
	Ageing time.Duration
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
	// MinAgeing and MaxAgeing are a second and a year.
	MinAgeing = time.Second
	MaxAgeing = 365 * 24 * time.Hour
)

// Validate checks the fields. The error is a *domain.ValidationError.
func (r ClaimRequest) Validate() error {
	switch {
	case r.ID == (domain.ClaimID{}):
		return &domain.ValidationError{Field: "id", Rule: "must be a random UUID"}
	case r.Max < 1 || r.Max > MaxClaim:
		return &domain.ValidationError{Field: "max", Value: strconv.Itoa(r.Max), Rule: fmt.Sprintf("must be between 1 and %d", MaxClaim)}
	case r.MaxBytes < 0 || r.MaxBytes > MaxCallBytes:
		return &domain.ValidationError{Field: "max_bytes", Value: strconv.Itoa(r.MaxBytes), Rule: fmt.Sprintf("must be between 0 and %d", MaxCallBytes)}
	case r.Wait < 0:
		return &domain.ValidationError{Field: "wait", Value: r.Wait.String(), Rule: "must not be negative"}
	}
	if err := ValidateAgeing(r.Ageing); err != nil {
		return err
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

// Room is MaxBytes, or what 0 stands for.
func (r ClaimRequest) Room() int {
	if r.MaxBytes == 0 {
		return MaxCallBytes
	}
	return r.MaxBytes
}

// TimeLimit is how long the claim may take, beside its Wait, that may take base without
// the bytes of its tasks: as much longer as these need, but not for most of the lease,
// since a repeat that asks for less is worth more then.
func (r ClaimRequest) TimeLimit(base time.Duration) time.Duration {
	return min(base+TransferTime(r.Room()), max(base, 2*r.Lease/3))
}

// ValidateLease checks the length of a lease. The error is a
// *domain.ValidationError for the field "lease".
func ValidateLease(lease time.Duration) error {
	if lease < MinLease || lease > MaxLease {
		return &domain.ValidationError{Field: "lease", Value: lease.String(), Rule: fmt.Sprintf("must be between %v and %v", MinLease, MaxLease)}
	}
	return nil
}

// ValidateAgeing checks an Ageing. The error is a *domain.ValidationError.
func ValidateAgeing(step time.Duration) error {
	if step != 0 && (step < MinAgeing || step > MaxAgeing) {
		return &domain.ValidationError{Field: "ageing", Value: step.String(), Rule: fmt.Sprintf("must be 0 or between %v and %v", MinAgeing, MaxAgeing)}
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
	// OutcomeSnooze: the processor cannot work on the task now. It goes back to wait:
	// PENDING, and ready after RetryIn.
	OutcomeSnooze
)

// TaskUpdate is a worker's report about one run.
type TaskUpdate struct {
	// Lease is the lease of the claimed task. Its ExpiresAt is not read.
	Lease   domain.Lease
	Outcome Outcome
	// Result goes with OutcomeCompleted, at most domain.MaxResult bytes.
	Result []byte
	// Failure goes with OutcomeRetry and OutcomeFailed; its Reason, Message and Stack are read.
	Failure domain.TaskError
	// RetryIn goes with OutcomeRetry and OutcomeSnooze: how long after the store's now
	// the next run is due, from 0 to domain.MaxScheduleAhead.
	RetryIn time.Duration
}

// Validate checks the fields. The error is a *domain.ValidationError.
func (u TaskUpdate) Validate() error {
	switch {
	case u.Outcome < OutcomeCompleted || u.Outcome > OutcomeSnooze:
		return &domain.ValidationError{Field: "outcome", Value: strconv.Itoa(int(u.Outcome)), Rule: "must be completed, retry, failed or snooze"}
	case len(u.Result) > domain.MaxResult:
		return &domain.ValidationError{Field: "result", Value: strconv.Itoa(len(u.Result)), Rule: fmt.Sprintf("must be at most %d bytes", domain.MaxResult)}
	case u.RetryIn < 0 || u.RetryIn > domain.MaxScheduleAhead:
		return &domain.ValidationError{Field: "retry_in", Value: u.RetryIn.String(), Rule: "must be between 0 and 10 years"}
	}
	return nil
}

// TaskConsumer gives tasks out and takes reports back. A report, an extension
// or a release whose lease is no longer held, be it expired and recovered,
// cancelled, deleted or reported otherwise, gets the item error
// domain.ErrLeaseLost and changes nothing; the fence is compared in the step
// that writes. A lease that has expired but was not yet recovered is still held.
type TaskConsumer interface {
	// Dequeue claims ready tasks, the highest priority first and within one the
	// oldest first, as far as limits let it: see [LimitKeeper]. It returns no tasks and no
	// error if none became ready in time. A task that has expired is not given out, and
	// ends. Each task is PROCESSING, has its Lease, and counts a delivery.
	//
	// With Ageing, each queue, type and priority offers the task that would be claimed from it
	// first, and of what is offered the highest domain.Priority.Aged comes first, and among
	// equals the oldest. So turns and the order within a key stay as they are.
	//
	// Within a priority, the keys of a queue and type take turns, so that many tasks of one
	// key hold those of another up by a turn, not by their number: of keys that have ready
	// tasks which may begin, none is claimed from twice before each of the others is once.
	// Tasks without a key are one more key in this. A key that had no such tasks for a while
	// comes in its turn and has no other advantage. Within a key the oldest comes first, also
	// if it was claimed before.
	//
	// A task with a Group takes along further members of its group, the oldest first whatever
	// their priority, to its GroupSize in all, as far as MaxBytes and the limits of queue and
	// type let it. They come directly behind it, and may be more than Max; none that has
	// expired is among them. If then the group still has so many members, and none of them is
	// ready, the oldest becomes ready, as by RunTaskNow.
	//
	// When ctx ends while it waits, it returns the context's error and has
	// claimed nothing. A *domain.ValidationError names a field of req.
	Dequeue(ctx context.Context, req ClaimRequest) ([]*domain.Task, error)

	// ExtendLease makes the leases last for lease from the store's now, and
	// returns them with their new ExpiresAt, aligned with the arguments; the zero lease
	// in place of a refused one.
	ExtendLease(ctx context.Context, lease time.Duration, leases ...domain.Lease) ([]domain.Lease, error)

	// UpdateTask records how runs ended: each ends its lease and, but for
	// OutcomeSnooze, counts an attempt. A repeat of the same report is accepted and counts once, for as
	// long as the task is in the state that the report put it in.
	// Item errors: domain.ErrLeaseLost, domain.ErrInvalid.
	UpdateTask(ctx context.Context, updates ...TaskUpdate) error

	// ReleaseTask gives tasks back unfinished: PENDING again, ready at once,
	// nothing counted but the delivery. A release of the lease of a run that was cancelled
	// is refused as any other, and tells that the run has stopped: the task is not Stopping any more.
	ReleaseTask(ctx context.Context, leases ...domain.Lease) error
}

// TaskReader looks at tasks.
type TaskReader interface {
	// GetTask returns the task, or domain.ErrTaskNotFound.
	GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error)

	// ListTasks returns a page of the tasks that the filter selects, newest
	// first by CreatedAt. Paging through sees each task that is selected for
	// the whole time exactly once, whatever is enqueued, changed or deleted
	// meanwhile. A page ends early, with a NextCursor, once its tasks have
	// MaxCallBytes. A store that finds the tasks of a queue, a type, a tag or a reason by
	// looking at all may end a page early, even empty, after a bounded amount of work.
	// Errors: domain.ErrInvalid, domain.ErrInvalidCursor.
	ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error)

	// GetQueueStats counts the tasks by state, at a cost that does not grow
	// with their number.
	GetQueueStats(ctx context.Context) (domain.QueueStats, error)
}

// TaskManager changes tasks on a person's word. Item errors of all methods:
// domain.ErrTaskNotFound, and a *domain.TransitionError where the state of the
// task, or its workflow, forbids the step; see WorkflowKeeper.
type TaskManager interface {
	// DeleteTask removes tasks with all that belongs to them. A PROCESSING task
	// is refused, with To being 0 in the *domain.TransitionError.
	DeleteTask(ctx context.Context, ids ...domain.TaskID) error
	// RetryTask runs FAILED and CANCELLED tasks again, ready at once, as
	// domain.Task.RunAgain says. It takes the task's unique key again, or is
	// refused with domain.ErrDuplicateTask; a task that held its key for a time
	// (UniqueFor) does neither.
	RetryTask(ctx context.Context, ids ...domain.TaskID) error
	// CancelTask ends PENDING, RETRYING and PROCESSING tasks. The worker of a
	// PROCESSING one learns of it by domain.ErrLeaseLost; the task is Stopping until that
	// worker releases the lease, or the lease would have ended. While it is Stopping it keeps
	// its unique key, if it held that; also if it is deleted, until the lease would have ended.
	CancelTask(ctx context.Context, ids ...domain.TaskID) error
	// RunTaskNow makes scheduled and RETRYING tasks ready at once; a task that
	// is ready already stays as it is.
	RunTaskNow(ctx context.Context, ids ...domain.TaskID) error
}

// ReapRequest tells how to recover tasks from dead workers.
type ReapRequest struct {
	// MaxRecoveries is how often a task may be recovered before it fails with
	// domain.ReasonPoison, up to MaxRecoveries. 0 fails it at the first.
	MaxRecoveries int
	// Limit bounds the tasks of one call, from 1 to MaxClaim.
	Limit int
	// Renew, if it is not 0, recovers nothing: the leases that have expired last for
	// Renew from now, from MinLease to MaxLease. It is what to ask for when the store
	// did not take heartbeats for a while, since the workers may live.
	Renew time.Duration
}

// MaxRecoveries bounds a ReapRequest: a store counts no more.
const MaxRecoveries = 254

// Validate checks the fields. The error is a *domain.ValidationError.
func (r ReapRequest) Validate() error {
	if r.MaxRecoveries < 0 || r.MaxRecoveries > MaxRecoveries {
		return &domain.ValidationError{Field: "max_recoveries", Value: strconv.Itoa(r.MaxRecoveries), Rule: fmt.Sprintf("must be between 0 and %d", MaxRecoveries)}
	}
	if r.Renew != 0 {
		if err := ValidateLease(r.Renew); err != nil {
			return err
		}
	}
	return ValidateLimit(r.Limit)
}

// ValidateLimit checks how many tasks a maintenance call may change: from 1 to
// MaxClaim. The error is a *domain.ValidationError.
func ValidateLimit(limit int) error {
	if limit < 1 || limit > MaxClaim {
		return &domain.ValidationError{Field: "limit", Value: strconv.Itoa(limit), Rule: fmt.Sprintf("must be between 1 and %d", MaxClaim)}
	}
	return nil
}

// PurgeRequest tells which finished tasks to remove. A task with a Retention of its own is
// due by that alone.
type PurgeRequest struct {
	// Retention is how long COMPLETED and CANCELLED tasks are kept.
	Retention time.Duration
	// FailedRetention is how long FAILED tasks are kept, if that is longer.
	FailedRetention time.Duration
	// Limit bounds the tasks of one call, from 1 to MaxClaim.
	Limit int
}

// Failed is how long FAILED tasks are kept: the longer of the two.
func (r PurgeRequest) Failed() time.Duration { return max(r.Retention, r.FailedRetention) }

// Validate checks the fields. The error is a *domain.ValidationError.
func (r PurgeRequest) Validate() error {
	if r.Retention < 0 {
		return &domain.ValidationError{Field: "retention", Value: r.Retention.String(), Rule: "must not be negative"}
	}
	if r.FailedRetention < 0 {
		return &domain.ValidationError{Field: "failed_retention", Value: r.FailedRetention.String(), Rule: "must not be negative"}
	}
	return ValidateLimit(r.Limit)
}

// Maintained is what a maintenance call did.
type Maintained struct {
	// Count is how many tasks it changed, or leases it renewed. If it is the limit,
	// there may be more.
	Count int
	// Poisoned is how many of them failed with domain.ReasonPoison.
	Poisoned int
	// Expired is how many tasks ended with domain.ReasonExpired: those of Count, and those
	// that claims of this store ended since the call before.
	Expired int
	// Next is how long it is until there is more to do, by the store's clock;
	// negative if nothing is in sight.
	Next time.Duration
}

// QueueMaintainer does the work that no worker does. Any number of processes
// may call it at the same time; each task is moved once. A limit is from 1 to
// MaxClaim.
type QueueMaintainer interface {
	// PromoteDue makes tasks ready whose time has come: scheduled ones, and
	// RETRYING ones, which become PENDING. It ends the expired ones, as
	// domain.Task.Expire says.
	PromoteDue(ctx context.Context, limit int) (Maintained, error)
	// ReapExpired takes tasks back whose lease has expired, as
	// domain.Task.Recover says. Whether it has is checked in the step that
	// takes it back.
	ReapExpired(ctx context.Context, req ReapRequest) (Maintained, error)
	// PurgeFinished removes tasks with all that belongs to them that reached
	// their terminal state so long ago that none has to keep them, and returns their ids.
	// Of those that are kept for the same time the first to finish goes first.
	PurgeFinished(ctx context.Context, req PurgeRequest) ([]domain.TaskID, error)
}
