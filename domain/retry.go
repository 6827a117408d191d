package domain

import (
	"math"
	"time"
)

// RetryKind is the shape of a [RetryPolicy].
type RetryKind string

const (
	// RetryQuadratic waits attempt² × Base: 1, 4 and 9 minutes by default.
	RetryQuadratic RetryKind = "quadratic"
	// RetryExponential waits 2^(attempt-1) × Base.
	RetryExponential RetryKind = "exponential"
	// RetryFixed waits Base each time.
	RetryFixed RetryKind = "fixed"
)

// Defaults of a [RetryPolicy].
const (
	DefaultRetryBase = time.Minute
	DefaultRetryCap  = 24 * time.Hour
)

// RetryPolicy says how long to wait before a task is tried again. It is a
// plain value; the zero value is the default: quadratic, one minute, no jitter,
// capped at 24 hours.
type RetryPolicy struct {
	// Kind defaults to RetryQuadratic.
	Kind RetryKind `json:"kind,omitempty"`
	// Base defaults to one minute.
	Base time.Duration `json:"base,omitempty"`
	// Cap bounds every delay, also those that a processor asks for. It
	// defaults to 24 hours.
	Cap time.Duration `json:"cap,omitempty"`
	// Jitter, from 0 to 1, is the part of the delay that is spread at random:
	// with 0.2 a delay d becomes one between 0.8 d and 1.2 d. The cap holds
	// after it.
	Jitter float64 `json:"jitter,omitempty"`
}

// Validate checks the fields. The error is a *ValidationError.
func (p RetryPolicy) Validate() error { return p.validate("retry") }

// validate checks the fields, which are those of the named one.
func (p RetryPolicy) validate(of string) error {
	switch p.Kind {
	case "", RetryQuadratic, RetryExponential, RetryFixed:
	default:
		return &ValidationError{Field: of + ".kind", Value: string(p.Kind), Rule: "must be quadratic, exponential or fixed"}
	}
	if p.Base < 0 {
		return &ValidationError{Field: of + ".base", Value: p.Base.String(), Rule: "must not be negative"}
	}
	if p.Cap < 0 {
		return &ValidationError{Field: of + ".cap", Value: p.Cap.String(), Rule: "must not be negative"}
	}
	if !(p.Jitter >= 0 && p.Jitter <= 1) {
		return &ValidationError{Field: of + ".jitter", Rule: "must be between 0 and 1"}
	}
	return nil
}

// Delay returns how long to wait after the given attempt, counted from 1, has
// failed. random is from [0,1) and places the delay within the jitter; without
// jitter it is not used. The result is between 0 and Cap.
func (p RetryPolicy) Delay(attempt int, random float64) time.Duration {
	base := p.Base
	if base == 0 {
		base = DefaultRetryBase
	}
	n := float64(max(attempt, 1))
	var factor float64
	switch p.Kind {
	case RetryExponential:
		factor = math.Pow(2, n-1)
	case RetryFixed:
		factor = 1
	case RetryQuadratic:
		factor = n * n
	default:
		factor = n * n
	}
	d := float64(base) * factor
	if p.Jitter > 0 {
		d *= 1 - p.Jitter + 2*p.Jitter*random
	}
	return p.bound(d)
}

func (p RetryPolicy) bound(d float64) time.Duration {
	limit := p.Cap
	if limit == 0 {
		limit = DefaultRetryCap
	}
	if d >= float64(limit) {
		return limit
	}
	return time.Duration(max(d, 0))
}

// Decision is what to do with a task whose attempt has failed.
type Decision struct {
	// Retry is whether to try again, In is after how long.
	Retry bool
	In    time.Duration
	// Reason is why the attempt failed.
	Reason FailureReason
}

// Decide says what follows the failure of the task's running attempt, the
// one after t.Attempt: nothing more for a [Permanent] error or when no retries
// are left; else a retry, after the delay of [RetryAfter] if err has one. The task's own
// Backoff, if it has one, takes the place of p. reason is why it failed, as far as the
// caller knows; a permanent error overrides it.
func (p RetryPolicy) Decide(t *Task, err error, reason FailureReason, random float64) Decision {
	if t.Backoff != (RetryPolicy{}) {
		p = t.Backoff
	}
	if IsPermanent(err) {
		return Decision{Reason: ReasonPermanent}
	}
	if t.Attempt >= t.MaxRetries {
		return Decision{Reason: reason}
	}
	if d, ok := RetryDelay(err); ok {
		return Decision{Retry: true, In: p.bound(float64(d)), Reason: reason}
	}
	return Decision{Retry: true, In: p.Delay(t.Attempt+1, random), Reason: reason}
}
