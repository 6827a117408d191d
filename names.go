package logsift

import (
	"time"

	"logsift/domain"
)

// TaskID names a task; it is a UUID.
type TaskID = domain.TaskID

// StoredTask is a task as the store has it.
type StoredTask = domain.Task

// RetryPolicy says how long a task waits after a run that failed.
type RetryPolicy = domain.RetryPolicy

// ValidationError names the field that breaks a rule; it is an ErrInvalid.
type ValidationError = domain.ValidationError

// DuplicateError names the task that holds the unique key; it is an ErrDuplicateTask.
type DuplicateError = domain.DuplicateError

// BatchError has an error for each of several tasks.
type BatchError = domain.BatchError

// Errors to be matched with errors.Is.
var (
	ErrTaskNotFound     = domain.ErrTaskNotFound
	ErrTaskExists       = domain.ErrTaskExists
	ErrDuplicateTask    = domain.ErrDuplicateTask
	ErrLeaseLost        = domain.ErrLeaseLost
	ErrScheduleNotFound = domain.ErrScheduleNotFound
	ErrLimitNotFound    = domain.ErrLimitNotFound
	ErrLimitExists      = domain.ErrLimitExists
	ErrWorkflowNotFound = domain.ErrWorkflowNotFound
	ErrQueueFull        = domain.ErrQueueFull
	ErrInvalid          = domain.ErrInvalid
	ErrStoreUnavailable = domain.ErrStoreUnavailable
	ErrStoreFull        = domain.ErrStoreFull
	ErrClosed           = domain.ErrClosed
)

// Values of options and fields.
const (
	StatusFailed    = domain.TaskStatusFailed
	StatusCancelled = domain.TaskStatusCancelled

	ConflictKeep       = domain.ConflictKeep
	ConflictReplace    = domain.ConflictReplace
	UniqueWhileWaiting = domain.UniqueWhileWaiting

	TaskCreated  = domain.EnqueueCreated
	TaskExisting = domain.EnqueueExisting
	TaskReplaced = domain.EnqueueReplaced

	RetryQuadratic   = domain.RetryQuadratic
	RetryExponential = domain.RetryExponential
	RetryFixed       = domain.RetryFixed

	OverlapSkip     = domain.OverlapSkip
	OverlapReplace  = domain.OverlapReplace
	LimitQueue      = domain.LimitQueue
	LimitType       = domain.LimitType
	LimitKey        = domain.LimitKey
	RetriesOvertake = domain.RetriesOvertake

	MissedSkip = domain.MissedSkip
	MissedAll  = domain.MissedAll
)

// Permanent wraps an error of a handler: the task fails at once, and is not retried.
func Permanent(err error) error { return domain.Permanent(err) }

// RetryAfter wraps an error of a handler: the next run is after this delay.
func RetryAfter(delay time.Duration, err error) error { return domain.RetryAfter(delay, err) }

// Snooze is the error of a handler that cannot do its work yet: the task waits for this
// delay, and no run is counted.
func Snooze(delay time.Duration) error { return domain.Snooze(delay) }
