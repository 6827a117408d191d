package domain

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// ClaimID names one claim call. The caller makes it, at random, so that a call
// whose reply was lost can be repeated and gives the same tasks.
type ClaimID = uuid.UUID

// Lease is the right to work on a task until it expires. TaskID, Delivery and
// ClaimID together are the fence: a store compares them in the same atomic step
// in which it writes, so that a late worker changes nothing.
type Lease struct {
	TaskID TaskID
	// ClaimID is the id of the claim that granted the lease.
	ClaimID ClaimID
	// Delivery is the number of this claim of the task, from 1.
	Delivery int
	// ExpiresAt is when the lease ends, by the store's clock.
	ExpiresAt time.Time
}

// SameFence reports whether both leases are the same grant, whatever their
// expiry.
func (l Lease) SameFence(other Lease) bool {
	return l.TaskID == other.TaskID && l.ClaimID == other.ClaimID && l.Delivery == other.Delivery
}

// FailureReason says why an attempt or a task failed.
type FailureReason string

const (
	// ReasonError: the processor returned an error.
	ReasonError FailureReason = "error"
	// ReasonPermanent: the processor returned a [Permanent] error.
	ReasonPermanent FailureReason = "permanent"
	// ReasonTimeout: the task's time-out passed.
	ReasonTimeout FailureReason = "timeout"
	// ReasonPanic: the processor panicked; the stack is kept.
	ReasonPanic FailureReason = "panic"
	// ReasonLeaseExpired: the worker stopped extending its lease. It costs no
	// attempt.
	ReasonLeaseExpired FailureReason = "lease_expired"
	// ReasonPoison: the lease expired more often than the limit allows, so the
	// task is taken to kill its workers.
	ReasonPoison FailureReason = "poison"
	// ReasonExpired: the task had not begun by its ExpiresAt.
	ReasonExpired FailureReason = "expired"
	// ReasonPredecessor: the task was cancelled since a task that it waited for did not
	// end as it asks for.
	ReasonPredecessor FailureReason = "predecessor"
	// ReasonCorruptRecord: the stored record cannot be read.
	ReasonCorruptRecord FailureReason = "corrupt_record"
)

// FailureReasons lists every reason, in the order of the constants.
func FailureReasons() []FailureReason {
	return []FailureReason{ReasonError, ReasonPermanent, ReasonTimeout, ReasonPanic, ReasonLeaseExpired, ReasonPoison, ReasonExpired, ReasonPredecessor, ReasonCorruptRecord}
}

// ParseFailureReason returns the reason of this name. The error is a *ValidationError for the
// field "reason".
func ParseFailureReason(name string) (FailureReason, error) {
	if r := FailureReason(name); slices.Contains(FailureReasons(), r) {
		return r, nil
	}
	names := make([]string, 0, len(FailureReasons()))
	for _, r := range FailureReasons() {
		names = append(names, string(r))
	}
	return "", &ValidationError{Field: "reason", Value: CutString(name, 32), Rule: "must be one of " + strings.Join(names, ", ")}
}

// Limits of what is kept of a failure.
const (
	// MaxErrorMessage is in bytes; a longer message is cut.
	MaxErrorMessage = 4 << 10
	// MaxErrorStack is in bytes; a longer stack is cut.
	MaxErrorStack = 8 << 10
	// MaxTaskErrors is how many errors a task keeps; the oldest go first.
	MaxTaskErrors = 128
)

// TaskError is one failure of a task.
type TaskError struct {
	// Attempt is the run that failed, from 1. For a lease that expired, which
	// is no attempt, it is the number of attempts before it.
	Attempt int
	Reason  FailureReason
	// Message is what the processor said, at most MaxErrorMessage bytes.
	Message string
	// Stack is where a processor panicked, at most MaxErrorStack bytes.
	Stack string
	// StartedAt and At are the begin and the end of the run, by the store's
	// clock.
	StartedAt, At time.Time
}

// Bounded returns e with message and stack as UTF-8 and cut to their limits, never
// inside a character.
func (e TaskError) Bounded() TaskError {
	e.Message = boundedText(e.Message, MaxErrorMessage)
	e.Stack = boundedText(e.Stack, MaxErrorStack)
	return e
}

// boundedText cuts before it mends, since text may be huge, and after, since mending
// makes it longer.
func boundedText(s string, limit int) string {
	return CutString(strings.ToValidUTF8(CutString(s, limit), "\uFFFD"), limit)
}
