package domain

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Errors to be matched with errors.Is. Stores return them, wrapped, for the
// cases that their names say; whatever else goes wrong in a store wraps
// ErrStoreUnavailable.
var (
	// ErrTaskNotFound: no task has this id.
	ErrTaskNotFound = errors.New("task not found")
	// ErrTaskExists: a task with this id but other contents exists.
	ErrTaskExists = errors.New("a different task with this id exists")
	// ErrDuplicateTask: another task holds the unique key.
	ErrDuplicateTask = errors.New("another task holds this unique key")
	// ErrInvalidTransition: the task's state forbids the step.
	ErrInvalidTransition = errors.New("invalid transition")
	// ErrLeaseLost: the lease is no longer held; nothing was changed.
	ErrLeaseLost = errors.New("lease lost")
	// ErrUnknownTaskType: nobody is known to work on tasks of the type. A
	// *UnknownTypeError names the type.
	ErrUnknownTaskType = errors.New("unknown task type")
	// ErrInvalidCursor: the cursor was not issued by this list.
	ErrInvalidCursor = errors.New("invalid cursor")
	// ErrInvalid: a value breaks a rule; every *ValidationError is one.
	ErrInvalid = errors.New("invalid value")
	// ErrLogNotFound: no log entry has this id.
	ErrLogNotFound = errors.New("log entry not found")
	// ErrAnalysisNotFound: no analysis is stored for this task.
	ErrAnalysisNotFound = errors.New("analysis not found")
	// ErrAnomalyNotFound: no stored analysis found an anomaly with this id.
	ErrAnomalyNotFound = errors.New("anomaly not found")
	// ErrBatchClosed: the log batch takes no more entries, since its analysis began.
	ErrBatchClosed = errors.New("log batch is closed")
	// ErrQueueFull: the limit of waiting tasks, or of queues with tasks, is reached;
	// nothing was stored. The same call goes through once workers have caught up, or
	// tasks of other queues are gone.
	ErrQueueFull = errors.New("queue full")
	// ErrKeyReused: the first request with this key was another one.
	ErrKeyReused = errors.New("the key was used for another request")
	// ErrKeyInUse: the first request with this key has no answer yet.
	ErrKeyInUse = errors.New("the first request with this key is still running")
	// ErrDocumentConflict: the document was saved by another meanwhile.
	ErrDocumentConflict = errors.New("document was changed meanwhile")
	// ErrScheduleNotFound: no schedule has this name.
	ErrScheduleNotFound = errors.New("schedule not found")
	// ErrScheduleConflict: the schedule was changed by another meanwhile.
	ErrScheduleConflict = errors.New("schedule was changed meanwhile")
	// ErrLimitNotFound: no limit has this name.
	ErrLimitNotFound = errors.New("limit not found")
	// ErrLimitExists: a limit of another name is of the same tasks.
	ErrLimitExists = errors.New("these tasks have a limit of another name")
	// ErrWorkflowNotFound: no workflow has this id.
	ErrWorkflowNotFound = errors.New("workflow not found")
	// ErrWorkflowExists: a workflow with this id but other contents exists.
	ErrWorkflowExists = errors.New("a different workflow with this id exists")
	// ErrStoreUnavailable: the store cannot be reached, or did not answer in
	// time. The outcome of a write is unknown; repeating it is safe.
	ErrStoreUnavailable = errors.New("store unavailable")
	// ErrStoreFull: the store refuses to take more (memory or disk is full).
	// Nothing was written.
	ErrStoreFull = errors.New("store full")
	// ErrStoreReadOnly: the store refuses writes, as a replica does.
	ErrStoreReadOnly = errors.New("store is read-only")
	// ErrStoreReplaced: the store's file was moved, deleted or replaced while it was
	// open. Nothing was written, and nothing will be before the process is started again.
	ErrStoreReplaced = errors.New("the file of the store was moved, deleted or replaced")
	// ErrCorruptRecord: what the store holds for this id cannot be read.
	ErrCorruptRecord = errors.New("corrupt record")
	// ErrClosed: the component was stopped or closed.
	ErrClosed = errors.New("closed")
)

// TransitionError says which step was refused. It is an ErrInvalidTransition. To is 0
// for a removal.
type TransitionError struct {
	TaskID   TaskID
	From, To TaskStatus
	// Node is whether it is not the state of the task that forbids the step, but its
	// workflow.
	Node bool
}

// Error names both states.
func (e *TransitionError) Error() string {
	switch {
	case e.Node && e.To == 0:
		return fmt.Sprintf("task %s cannot be removed without its workflow", e.TaskID)
	case e.Node && e.From == TaskStatusPending:
		return fmt.Sprintf("task %s cannot be run while it waits for other tasks of its workflow", e.TaskID)
	case e.Node:
		return fmt.Sprintf("task %s cannot run again before the tasks of its workflow do that it waits for", e.TaskID)
	case e.To == 0:
		return fmt.Sprintf("task %s cannot be removed while it is %s", e.TaskID, e.From)
	}
	return fmt.Sprintf("task %s cannot go from %s to %s", e.TaskID, e.From, e.To)
}

// Unwrap returns ErrInvalidTransition.
func (e *TransitionError) Unwrap() error { return ErrInvalidTransition }

// UnknownTypeError says which type nobody is known to work on, and which types somebody
// does. It is an ErrUnknownTaskType.
type UnknownTypeError struct {
	// Field is the name on the wire of what holds the type; "type" if it is empty.
	Field string
	Type  TaskType
	Known []TaskType
}

// Error names the known types.
func (e *UnknownTypeError) Error() string {
	known := make([]string, len(e.Known))
	for i, t := range e.Known {
		known[i] = strconv.Quote(string(t))
	}
	return fmt.Sprintf("%s %q has no processor and no worker; the known types are %s", cmp.Or(e.Field, "type"), e.Type, cmp.Or(strings.Join(known, ", "), "none"))
}

// Unwrap returns ErrUnknownTaskType.
func (e *UnknownTypeError) Unwrap() error { return ErrUnknownTaskType }

// ValidationError says which field breaks which rule. It is an ErrInvalid.
type ValidationError struct {
	// Field is the name on the wire, such as "priority".
	Field string
	// Value is the offending value, shortened where it is long; "" where
	// showing it would not help.
	Value string
	// Rule says what is allowed, such as "must be between 0 and 10".
	Rule string
}

// Error names the field, the rule and the value.
func (e *ValidationError) Error() string {
	if e.Value == "" {
		return e.Field + " " + e.Rule
	}
	return fmt.Sprintf("%s %s, not %q", e.Field, e.Rule, e.Value)
}

// Unwrap returns ErrInvalid.
func (e *ValidationError) Unwrap() error { return ErrInvalid }

// InField has a *ValidationError name its field as a part of outer, as in "task.queue". Any
// other err is returned as it is.
func InField(outer string, err error) error {
	if v, ok := findError[*ValidationError](err); ok {
		return &ValidationError{Field: outer + "." + v.Field, Value: v.Value, Rule: v.Rule}
	}
	return err
}

// DuplicateError says which task holds a unique key. It is an ErrDuplicateTask.
// UniqueKey is "" where the store did not look it up.
type DuplicateError struct {
	UniqueKey string
	Holder    TaskID
}

// Error names the key and its holder.
func (e *DuplicateError) Error() string {
	if e.UniqueKey == "" {
		return fmt.Sprintf("the task's unique key is held by task %s", e.Holder)
	}
	return fmt.Sprintf("unique key %q is held by task %s", e.UniqueKey, e.Holder)
}

// Unwrap returns ErrDuplicateTask.
func (e *DuplicateError) Unwrap() error { return ErrDuplicateTask }

// BatchError tells which items of a call that takes many were refused; the
// others were carried out. For a call with one item, errors.Is and errors.As
// see straight through it.
type BatchError struct {
	// Errs has one entry for each item of the call, nil where it went well.
	Errs []error
}

// NewBatchError returns a *BatchError, or nil if no entry of errs is an error.
func NewBatchError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return &BatchError{Errs: errs}
		}
	}
	return nil
}

// Error shows the first error and counts the rest.
func (e *BatchError) Error() string {
	failed := e.Unwrap()
	switch len(failed) {
	case 0:
		return "no item failed"
	case 1:
		return failed[0].Error()
	default:
		return fmt.Sprintf("%v (and %d more of %d items)", failed[0], len(failed)-1, len(e.Errs))
	}
}

// Unwrap returns the errors that are not nil.
func (e *BatchError) Unwrap() []error {
	var out []error
	for _, err := range e.Errs {
		if err != nil {
			out = append(out, err)
		}
	}
	return out
}

// ItemError returns what err says about item i of a call that takes many: the
// item's own error if err is a *BatchError, else err, which concerns them all.
func ItemError(err error, i int) error {
	if err == nil {
		return nil
	}
	var batch *BatchError
	if !errors.As(err, &batch) {
		return err
	}
	if i < len(batch.Errs) {
		return batch.Errs[i]
	}
	return nil
}

// permanentError marks an error that no retry can mend.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent wraps err so that the task which fails with it is not retried. A
// processor returns it for work that can never succeed. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether err was wrapped by [Permanent].
func IsPermanent(err error) bool {
	_, ok := findError[*permanentError](err)
	return ok
}

// retryAfterError carries the delay that a processor asks for.
type retryAfterError struct {
	delay time.Duration
	err   error
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }

// RetryAfter wraps err so that the next attempt is made after delay instead of
// the policy's own, as an AI service's Retry-After asks. A retry is still
// counted. RetryAfter(d, nil) is nil.
func RetryAfter(delay time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &retryAfterError{delay, err}
}

// RetryDelay returns the delay that err asks for, if [RetryAfter] wrapped it.
func RetryDelay(err error) (time.Duration, bool) {
	r, ok := findError[*retryAfterError](err)
	if !ok {
		return 0, false
	}
	return r.delay, true
}

// snoozeError carries how long a task is put back for.
type snoozeError struct{ delay time.Duration }

func (e *snoozeError) Error() string { return fmt.Sprintf("snoozed for %v", e.delay) }

// Snooze is what a processor returns that cannot do its work now, through no fault of the
// task: the task waits again and is ready after delay, from 0 to MaxScheduleAhead; what
// is beyond is cut to it. No attempt is counted and no error is kept, however often.
func Snooze(delay time.Duration) error {
	return &snoozeError{min(max(delay, 0), MaxScheduleAhead)}
}

// SnoozeDelay returns the delay of a [Snooze], also of one that was wrapped.
func SnoozeDelay(err error) (time.Duration, bool) {
	s, ok := findError[*snoozeError](err)
	if !ok {
		return 0, false
	}
	return s.delay, true
}

// maxErrorTree bounds how many errors of a tree findError looks at.
const maxErrorTree = 1000

// findError is errors.As for an error of anybody's making: it ends for one that
// unwraps to itself.
func findError[T error](err error) (T, bool) {
	left := maxErrorTree
	return findWithin[T](err, &left)
}

func findWithin[T error](err error, left *int) (found T, ok bool) {
	for err != nil && *left > 0 {
		*left--
		if found, ok = err.(T); ok { //nolint:errorlint // it is what errors.As does
			return found, true
		}
		if as, is := err.(interface{ As(any) bool }); is && as.As(&found) {
			return found, true
		}
		switch outer := err.(type) { //nolint:errorlint // it is what errors.As does
		case interface{ Unwrap() error }:
			err = outer.Unwrap()
		case interface{ Unwrap() []error }:
			for _, inner := range outer.Unwrap() {
				if found, ok = findWithin[T](inner, left); ok {
					return found, true
				}
			}
			return found, false
		default:
			return found, false
		}
	}
	return found, false
}
