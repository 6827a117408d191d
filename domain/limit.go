package domain

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// LimitScope says of which tasks a [Limit] is.
type LimitScope string

// The scopes of limits.
const (
	// LimitQueue: all tasks of a queue together.
	LimitQueue LimitScope = "queue"
	// LimitType: all tasks of a type together, of whatever queue.
	LimitType LimitScope = "type"
	// LimitKey: the tasks of each key of a queue together, or those of one key.
	LimitKey LimitScope = "key"
)

// RetryOrder says whether other tasks of its key may overtake a task that waits to run
// again.
type RetryOrder string

// The orders of retries.
const (
	// RetriesBlock: none of its key runs before the task has finished.
	RetriesBlock RetryOrder = "block"
	// RetriesOvertake: others of its key run until the task is ready again.
	RetriesOvertake RetryOrder = "overtake"
)

// Bounds of a [Limit].
const (
	MaxConcurrency = 1_000_000
	// MaxRateCount bounds the Count and the Burst of a Rate, MinRatePer and MaxRatePer its Per.
	MaxRateCount = 1_000_000
	MinRatePer   = time.Second
	MaxRatePer   = 24 * time.Hour
	// MaxRateFill bounds how long an empty bucket needs to be full.
	MaxRateFill = 30 * 24 * time.Hour
)

// Rate is how many tasks may begin in a time: a bucket of at most Burst tokens, to which
// Count are added evenly in each Per, and of which each claimed task takes one. It begins
// full. The zero value is no rate.
type Rate struct {
	Count int           `json:"count"`
	Per   time.Duration `json:"per"`
	// Burst is how many may begin at once; 0 stands for Count.
	Burst int `json:"burst,omitempty"`
}

// Limit bounds how many tasks run at the same time, how many begin in a time, or both.
type Limit struct {
	// Name is a name as [ValidateName] allows. No two limits are of the same tasks.
	Name  string     `json:"name"`
	Scope LimitScope `json:"scope"`
	// Queue goes with LimitQueue and LimitKey, Type with LimitType.
	Queue string   `json:"queue,omitempty"`
	Type  TaskType `json:"type,omitempty"`
	// Key goes with LimitKey: "" makes a rule for each key that a task of the queue has
	// (tasks without one are free), else the limit is an exception for this key, which
	// takes the place of the rule in all that it says.
	Key string `json:"key,omitempty"`
	// Concurrency is how many may run at the same time, to MaxConcurrency; 0 for no bound.
	Concurrency int  `json:"concurrency,omitempty"`
	Rate        Rate `json:"rate,omitzero"`
	// Retries goes with LimitKey and a Concurrency of 1; "" is RetriesBlock there.
	Retries RetryOrder `json:"retries,omitempty"`
}

// LimitUse is a limit and what it does now.
type LimitUse struct {
	Limit

	// Running is how many slots are held; for a rule of keys, by all of them together.
	Running int64
	// Waiting is how many tasks are ready and have no slot. It is counted for LimitKey alone.
	Waiting int64
}

// Validate checks the limit. The error is a *ValidationError.
func (l *Limit) Validate() error {
	if err := ValidateName("name", l.Name); err != nil {
		return err
	}
	if err := l.validateTarget(); err != nil {
		return err
	}
	switch {
	case l.Concurrency < 0 || l.Concurrency > MaxConcurrency:
		return rangeError("concurrency", l.Concurrency, fmt.Sprintf("must be between 1 and %d", MaxConcurrency))
	case l.Concurrency == 0 && l.Rate == Rate{}:
		return &ValidationError{Field: "concurrency", Rule: "is required, or rate"}
	case l.Retries != "" && l.Retries != RetriesBlock && l.Retries != RetriesOvertake:
		return &ValidationError{Field: "retries", Value: CutString(string(l.Retries), MaxNameLength), Rule: "must be block or overtake"}
	case l.Retries != "" && (l.Scope != LimitKey || l.Concurrency != 1):
		return &ValidationError{Field: "retries", Rule: "goes with the scope key and a concurrency of 1"}
	}
	return l.Rate.validate()
}

func (l *Limit) validateTarget() error {
	switch l.Scope {
	case LimitQueue, LimitKey:
		if l.Type != "" {
			return &ValidationError{Field: "type", Rule: "goes with the scope type"}
		}
		if err := ValidateName("queue", l.Queue); err != nil {
			return err
		}
	case LimitType:
		if l.Queue != "" {
			return &ValidationError{Field: "queue", Rule: "goes with the scopes queue and key"}
		}
		if err := ValidateName("type", string(l.Type)); err != nil {
			return err
		}
	default:
		return &ValidationError{Field: "scope", Value: CutString(string(l.Scope), MaxNameLength), Rule: "must be queue, type or key"}
	}
	switch {
	case l.Key != "" && l.Scope != LimitKey:
		return &ValidationError{Field: "key", Rule: "goes with the scope key"}
	case len(l.Key) > MaxKey || !utf8.ValidString(l.Key):
		return &ValidationError{Field: "key", Rule: fmt.Sprintf("must be UTF-8 of at most %d bytes", MaxKey)}
	}
	return nil
}

// SameTasks reports whether both limits are of the same tasks.
func (l *Limit) SameTasks(o *Limit) bool {
	return l.Scope == o.Scope && l.Queue == o.Queue && l.Type == o.Type && l.Key == o.Key
}

// Ordered reports whether the tasks of a key run in order: one at a time.
func (l *Limit) Ordered() bool { return l.Scope == LimitKey && l.Concurrency == 1 }

// Blocks reports whether a task that has begun holds its slot until it has finished.
func (l *Limit) Blocks() bool { return l.Ordered() && l.Retries != RetriesOvertake }

func (r Rate) validate() error {
	switch {
	case r == Rate{}:
		return nil
	case r.Count < 1 || r.Count > MaxRateCount:
		return rangeError("rate.count", r.Count, fmt.Sprintf("must be between 1 and %d", MaxRateCount))
	case r.Per < MinRatePer || r.Per > MaxRatePer:
		return &ValidationError{Field: "rate.per_seconds", Value: r.Per.String(), Rule: fmt.Sprintf("must be between %v and %v", MinRatePer, MaxRatePer)}
	case r.Burst < 0 || r.Burst > MaxRateCount:
		return rangeError("rate.burst", r.Burst, fmt.Sprintf("must be between 1 and %d", MaxRateCount))
	case time.Duration(r.Size()) > MaxRateFill/r.Interval():
		return rangeError("rate.burst", r.Burst, fmt.Sprintf("must be what comes within %v", MaxRateFill))
	}
	return nil
}

// Size is how many tokens the bucket holds.
func (r Rate) Size() int {
	if r.Burst == 0 {
		return r.Count
	}
	return r.Burst
}

// Interval is the time from one token to the next.
func (r Rate) Interval() time.Duration { return r.Per / time.Duration(r.Count) }

// The state of a bucket is one time: when it is full again if nobody takes a token. A
// bucket whose time has passed needs no state. One whose time is later than that of an empty
// bucket, by more than clockSlack, is from before the clock was set back, and counts as full.

// clockSlack is how far the clock may go back without an effect on buckets.
const clockSlack = time.Minute

// tokenSlack is how late a token may be taken without a loss for the rate: about what it takes to
// wake a claim. So much more than a bucket of Burst tokens lets begin may begin at once.
const tokenSlack = 50 * time.Millisecond

// missing is how long the bucket needs to be full.
func (r Rate) missing(full, now time.Time) time.Duration {
	d := full.Sub(now)
	if d < 0 || d > time.Duration(r.Size())*r.Interval()+clockSlack {
		return 0
	}
	return d
}

// Tokens is how many tokens there are at now in a bucket that is full at full.
func (r Rate) Tokens(full, now time.Time) int {
	return max(r.Size()-int((r.missing(full, now)+r.Interval()-1)/r.Interval()), 0)
}

// Take returns when the bucket is full if n tokens are taken at now. Who takes a token soon after
// it came makes those that follow no later.
func (r Rate) Take(full, now time.Time, n int) time.Time {
	begin := now.Add(r.missing(full, now))
	if late := now.Sub(full); late > 0 && late <= tokenSlack {
		begin = full
	}
	return begin.Add(time.Duration(n) * r.Interval())
}

// NextToken is when the bucket has a token, which may be past.
func (r Rate) NextToken(full time.Time) time.Time {
	return full.Add(-time.Duration(r.Size()-1) * r.Interval())
}
