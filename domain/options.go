package domain

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// Limits of [TaskOptions].
const (
	// MaxKey is in bytes.
	MaxKey  = 256
	MaxTags = 8
	// MaxUniqueFor bounds UniqueFor.
	MaxUniqueFor = 365 * 24 * time.Hour
	// MaxRetention bounds a Retention.
	MaxRetention = 10 * 365 * 24 * time.Hour
)

// TaskOptions are what only some tasks ask for. A store keeps them as one piece, so
// that a task without any costs nothing more.
type TaskOptions struct {
	// Key relates the tasks of a queue that have the same one, such as those of one
	// customer. It is UTF-8 of at most MaxKey bytes; "" for none.
	Key string `json:"key,omitempty"`
	// Tags are up to MaxTags different names, as [ValidateName] allows.
	Tags []string `json:"tags,omitempty"`
	// Backoff says when this task is retried. The zero value leaves it to the
	// scheduler.
	Backoff RetryPolicy `json:"backoff,omitzero"`
	// UniqueWhile is how long the task holds its unique key.
	UniqueWhile UniqueWhile `json:"unique_while,omitempty"`
	// UniqueFor, if not 0, takes the place of UniqueWhile: the unique key is held for so
	// long after the enqueue, to at most MaxUniqueFor, whatever becomes of the task.
	UniqueFor time.Duration `json:"unique_for,omitempty"`
	// ExpiresAt is when the task ends FAILED with [ReasonExpired] if its first run has
	// not begun by then; zero for never. What has begun does not expire, also not while
	// it waits for another attempt.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// ExpiresIn asks Enqueue for an ExpiresAt this long after the task's creation. It
	// excludes an ExpiresAt, and reads back as it was given.
	ExpiresIn time.Duration `json:"expires_in,omitempty"`
	// Retention is how long the task is kept when it has finished, in whatever state. 0
	// leaves it to the queue, see ports.PurgeRequest.
	Retention time.Duration `json:"retention,omitempty"`
	// Group, if not empty, gathers the tasks of one queue and type with the same Group into
	// one run: UTF-8 of at most MaxKey bytes. Such a task is scheduled for its creation plus
	// GroupAge, so it excludes another time, and a Key. What is gathered runs as soon as it is
	// GroupSize tasks, or one of them is as old as its GroupAge.
	Group string `json:"group,omitempty"`
	// GroupSize is how many tasks the run has at most that this one begins, from MinGroupSize
	// to MaxGroupSize. 0 is DefaultGroupSize if there is a Group.
	GroupSize int `json:"group_size,omitempty"`
	// GroupAge is how long the task waits for others, more than 0 and at most MaxGroupAge. 0
	// is DefaultGroupAge if there is a Group.
	GroupAge time.Duration `json:"group_age,omitempty"`
	// Workflow is the node that the task is; nil for none. It is no caller's to set: tasks
	// of workflows are created with these.
	Workflow *WorkflowRef `json:"workflow,omitempty"`
}

// EncodeOptions returns the options as a store keeps them, nil if there are none. Equal options
// have equal encodings.
func (o *TaskOptions) EncodeOptions() []byte {
	if o.empty() {
		return nil
	}
	encoded, err := json.Marshal(o.AsGiven())
	if err != nil {
		// Strings and finite numbers always marshal.
		panic(fmt.Sprintf("marshal task options: %v", err))
	}
	return encoded
}

// empty reports whether there are no options, as most tasks have none.
func (o *TaskOptions) empty() bool {
	return o.Key == "" && len(o.Tags) == 0 && o.Backoff == (RetryPolicy{}) && o.ExpiresAt.IsZero() && o.ExpiresIn == 0 && o.Retention == 0 &&
		o.UniqueWhile == "" && o.UniqueFor == 0 && o.Group == "" && o.GroupSize == 0 && o.GroupAge == 0 && o.Workflow == nil
}

// AsGiven returns the options without what a store fills in, with their defaults, and in its
// precision.
func (o *TaskOptions) AsGiven() TaskOptions {
	given := o.withGroupDefaults()
	given.ExpiresAt = given.ExpiresAt.UTC().Truncate(time.Microsecond)
	if given.ExpiresIn > 0 {
		given.ExpiresAt = time.Time{}
	}
	return given
}

// Expiry returns the ExpiresAt of a task with these options, as they were given, that was
// created at that time; zero for none.
func (o *TaskOptions) Expiry(created time.Time) time.Time {
	switch {
	case o.ExpiresIn > 0:
		return created.Add(ceilMicro(o.ExpiresIn))
	case o.ExpiresAt.IsZero():
		return time.Time{}
	}
	return o.AsGiven().ExpiresAt
}

// ceilMicro rounds up to whole microseconds.
func ceilMicro(d time.Duration) time.Duration {
	return (d + time.Microsecond - 1).Truncate(time.Microsecond)
}

// DecodeTaskOptions is the inverse of EncodeOptions. The error wraps ErrCorruptRecord.
func DecodeTaskOptions(encoded []byte) (o TaskOptions, err error) {
	if len(encoded) == 0 {
		return o, nil
	}
	if err := json.Unmarshal(encoded, &o); err != nil {
		return TaskOptions{}, fmt.Errorf("%w: task options: %w", ErrCorruptRecord, err)
	}
	return o, nil
}

func (o *TaskOptions) cloneOptions() TaskOptions {
	c := *o
	c.Tags = slices.Clone(o.Tags)
	if o.Workflow != nil {
		ref := *o.Workflow
		c.Workflow = &ref
	}
	return c
}

func (o *TaskOptions) validateOptions() error {
	if o.empty() {
		return nil
	}
	if len(o.Key) > MaxKey || !utf8.ValidString(o.Key) {
		return &ValidationError{Field: "key", Rule: fmt.Sprintf("must be UTF-8 of at most %d bytes", MaxKey)}
	}
	if len(o.Tags) > MaxTags {
		return rangeError("tags", len(o.Tags), fmt.Sprintf("must be at most %d", MaxTags))
	}
	for i, tag := range o.Tags {
		if err := ValidateName("tags", tag); err != nil {
			return err
		}
		if slices.Contains(o.Tags[:i], tag) {
			return &ValidationError{Field: "tags", Value: tag, Rule: "must be different names"}
		}
	}
	if o.UniqueWhile != UniqueWhileUnfinished && o.UniqueWhile != UniqueWhileWaiting {
		return &ValidationError{Field: "unique_while", Value: CutString(string(o.UniqueWhile), MaxNameLength), Rule: "must be unfinished or waiting"}
	}
	if o.UniqueFor < 0 || o.UniqueFor > MaxUniqueFor {
		return &ValidationError{Field: "unique_for_seconds", Value: o.UniqueFor.String(), Rule: "must be between 0 and " + MaxUniqueFor.String()}
	}
	if o.UniqueFor > 0 && o.UniqueWhile != "" {
		return &ValidationError{Field: "unique_for_seconds", Rule: "cannot be combined with unique_while"}
	}
	if y := o.ExpiresAt.Year(); !o.ExpiresAt.IsZero() && (y < 2000 || y > 2100) {
		return &ValidationError{Field: "expires_at", Value: o.ExpiresAt.String(), Rule: "must be between the years 2000 and 2100"}
	}
	if o.ExpiresIn < 0 || o.ExpiresIn > MaxScheduleAhead {
		return &ValidationError{Field: "expires_in_seconds", Value: o.ExpiresIn.String(), Rule: "must be between 0 and 10 years"}
	}
	if o.ExpiresIn > 0 && !o.ExpiresAt.IsZero() {
		return &ValidationError{Field: "expires_in_seconds", Rule: "cannot be combined with expires_at"}
	}
	if o.Retention < 0 || o.Retention > MaxRetention {
		return &ValidationError{Field: "retention_seconds", Value: o.Retention.String(), Rule: "must be between 0 and 10 years"}
	}
	if err := o.validateGroup(); err != nil {
		return err
	}
	return o.Backoff.validate("backoff")
}
