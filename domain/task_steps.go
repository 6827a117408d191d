package domain

import (
	"fmt"
	"time"
)

// step moves the task to next, or returns a *TransitionError.
func (t *Task) step(next TaskStatus) error {
	if !t.Status.CanBecome(next) {
		return &TransitionError{TaskID: t.ID, From: t.Status, To: next}
	}
	t.Status, t.Progress, t.Stopping = next, nil, false
	return nil
}

// MarkAsProcessing grants a lease of the given length to a claim.
func (t *Task) MarkAsProcessing(claim ClaimID, lease time.Duration, now time.Time) error {
	if err := t.step(TaskStatusProcessing); err != nil {
		return err
	}
	t.Deliveries++
	t.StartedAt = now
	t.Lease = &Lease{TaskID: t.ID, ClaimID: claim, Delivery: t.Deliveries, ExpiresAt: now.Add(lease)}
	return nil
}

// MarkAsCompleted records the success of the running attempt.
func (t *Task) MarkAsCompleted(result []byte, now time.Time) error {
	if err := t.step(TaskStatusCompleted); err != nil {
		return err
	}
	t.Attempt++
	t.Result = result
	t.finish(now)
	return nil
}

// MarkAsRetrying records the failure of the running attempt and when the next
// one is due. The attempt's number and times are filled in.
func (t *Task) MarkAsRetrying(failure TaskError, due, now time.Time) error {
	if err := t.step(TaskStatusRetrying); err != nil {
		return err
	}
	t.Attempt++
	t.addError(failure, now)
	t.Lease = nil
	t.ScheduledAt = due
	return nil
}

// MarkAsFailed records the last failure of a task. From PROCESSING it counts
// as an attempt, except for a poison task, whose worker reported nothing.
func (t *Task) MarkAsFailed(failure TaskError, now time.Time) error {
	reported := t.Status == TaskStatusProcessing && failure.Reason != ReasonPoison
	if err := t.step(TaskStatusFailed); err != nil {
		return err
	}
	if reported {
		t.Attempt++
	}
	t.addError(failure, now)
	t.finish(now)
	return nil
}

// MarkAsCancelled ends the task on a person's word.
func (t *Task) MarkAsCancelled(now time.Time) error {
	if err := t.step(TaskStatusCancelled); err != nil {
		return err
	}
	t.finish(now)
	return nil
}

// MarkAsReleased ends the wait of a PENDING task for its predecessors: it is due now, or
// after its Delay, or at its ScheduledAt if that has not come.
func (t *Task) MarkAsReleased(now time.Time) {
	if due := now.Add(ceilMicro(t.Delay)); due.After(t.ScheduledAt) {
		t.ScheduledAt = due
	}
}

// MarkAsDropped cancels a task that waits for a predecessor which did not end as it asks
// for.
func (t *Task) MarkAsDropped(message string, now time.Time) error {
	if err := t.MarkAsCancelled(now); err != nil {
		return err
	}
	t.addError(TaskError{Reason: ReasonPredecessor, Message: message}, now)
	return nil
}

// Promote makes a task ready whose time has come: a RETRYING one becomes
// PENDING, a PENDING one stays so.
func (t *Task) Promote() error {
	if t.Status == TaskStatusPending {
		return nil
	}
	if t.Status != TaskStatusRetrying {
		return &TransitionError{TaskID: t.ID, From: t.Status, To: TaskStatusPending}
	}
	return t.step(TaskStatusPending)
}

// Expired reports whether the task may not begin any more at now.
func (t *Task) Expired(now time.Time) bool {
	return t.Status == TaskStatusPending && t.Deliveries == 0 && !t.ExpiresAt.IsZero() && !t.ExpiresAt.After(now)
}

// ExpiredMessage is that of the failure of an expired task.
const ExpiredMessage = "expired: it had not begun in time"

// Expire ends a task that is [Task.Expired].
func (t *Task) Expire(now time.Time) error {
	if !t.Expired(now) {
		return &TransitionError{TaskID: t.ID, From: t.Status, To: TaskStatusFailed}
	}
	return t.MarkAsFailed(TaskError{Reason: ReasonExpired, Message: ExpiredMessage}, now)
}

// Release gives a task back that a draining worker does not finish. Nothing is
// counted.
func (t *Task) Release() error {
	if t.Status != TaskStatusProcessing {
		return &TransitionError{TaskID: t.ID, From: t.Status, To: TaskStatusPending}
	}
	t.Lease = nil
	return t.step(TaskStatusPending)
}

// Snooze puts a task back that its processor cannot work on now, until due. Nothing is
// counted.
func (t *Task) Snooze(due time.Time) error {
	if err := t.Release(); err != nil {
		return err
	}
	t.ScheduledAt = due
	return nil
}

// Recover takes a task back from a worker whose lease expired: it becomes
// PENDING and claimable at once, or FAILED with reason poison if its leases
// expired more than maxRecoveries times.
func (t *Task) Recover(maxRecoveries int, now time.Time) error {
	if t.Status != TaskStatusProcessing {
		return &TransitionError{TaskID: t.ID, From: t.Status, To: TaskStatusPending}
	}
	t.Recoveries++
	if t.Recoveries > maxRecoveries {
		return t.MarkAsFailed(TaskError{
			Reason:  ReasonPoison,
			Message: fmt.Sprintf("poison: the lease expired %d times, the limit is %d", t.Recoveries, maxRecoveries),
		}, now)
	}
	t.addError(TaskError{Reason: ReasonLeaseExpired, Message: "lease expired: the worker stopped reporting"}, now)
	t.Lease = nil
	return t.step(TaskStatusPending)
}

// RunAgain returns a FAILED or CANCELLED task to PENDING on a person's word.
// It is ready at once and has all its retries and recoveries again; its errors
// are kept. Its ExpiresAt is cleared if it has never begun: it does not expire anew.
func (t *Task) RunAgain() error {
	if t.Status != TaskStatusFailed && t.Status != TaskStatusCancelled {
		return &TransitionError{TaskID: t.ID, From: t.Status, To: TaskStatusPending}
	}
	t.Attempt, t.Recoveries = 0, 0
	t.ScheduledAt, t.CompletedAt = time.Time{}, time.Time{}
	if t.Deliveries == 0 {
		t.ExpiresAt = time.Time{}
	}
	return t.step(TaskStatusPending)
}

// RunNow makes a waiting task ready at once on a person's word: a scheduled
// PENDING one, or a RETRYING one.
func (t *Task) RunNow() error {
	if err := t.Promote(); err != nil {
		return err
	}
	t.ScheduledAt = time.Time{}
	return nil
}

// finish ends whatever the task was doing.
func (t *Task) finish(now time.Time) {
	t.CompletedAt = now
	t.Lease = nil
}

// addError appends a failure of the newest run.
func (t *Task) addError(e TaskError, now time.Time) {
	e = e.Bounded()
	e.Attempt, e.At, e.StartedAt = t.Attempt, now, t.StartedAt
	t.Errors = append(t.Errors, e)
	if n := len(t.Errors) - MaxTaskErrors; n > 0 {
		t.Errors = append([]TaskError(nil), t.Errors[n:]...)
	}
}
