package domain

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// Limits and defaults of groups.
const (
	DefaultGroupSize = 100
	DefaultGroupAge  = 10 * time.Second
	// MinGroupSize and MaxGroupSize are in tasks.
	MinGroupSize = 2
	MaxGroupSize = 1000
	// MaxGroupAge bounds a GroupAge, which is more than 0.
	MaxGroupAge = 24 * time.Hour
)

// withGroupDefaults returns the options with the size and the age of their group, if they
// name one.
func (o TaskOptions) withGroupDefaults() TaskOptions {
	if o.Group == "" {
		return o
	}
	if o.GroupSize == 0 {
		o.GroupSize = DefaultGroupSize
	}
	if o.GroupAge == 0 {
		o.GroupAge = DefaultGroupAge
	}
	o.GroupAge = ceilMicro(o.GroupAge)
	return o
}

func (o *TaskOptions) validateGroup() error {
	if o.Group == "" {
		const rule = "must be given with a group only"
		switch {
		case o.GroupSize != 0:
			return &ValidationError{Field: "group_size", Rule: rule}
		case o.GroupAge != 0:
			return &ValidationError{Field: "group_age_seconds", Rule: rule}
		}
		return nil
	}
	if len(o.Group) > MaxKey || !utf8.ValidString(o.Group) {
		return &ValidationError{Field: "group", Rule: fmt.Sprintf("must be UTF-8 of at most %d bytes", MaxKey)}
	}
	if o.GroupSize != 0 && (o.GroupSize < MinGroupSize || o.GroupSize > MaxGroupSize) {
		return rangeError("group_size", o.GroupSize, fmt.Sprintf("must be between %d and %d", MinGroupSize, MaxGroupSize))
	}
	if o.GroupAge < 0 || o.GroupAge > MaxGroupAge {
		return &ValidationError{Field: "group_age_seconds", Value: o.GroupAge.String(), Rule: "must be more than 0 and at most " + MaxGroupAge.String()}
	}
	if o.Key != "" {
		return &ValidationError{Field: "group", Rule: "cannot be combined with key"}
	}
	return nil
}

// validateGroupTime checks that a task with a group has no time but a Delay as that of a group.
func (t *Task) validateGroupTime() error {
	if t.Group == "" {
		return nil
	}
	if !t.ScheduledAt.IsZero() {
		return &ValidationError{Field: "group", Rule: "cannot be combined with scheduled_at"}
	}
	if t.Delay > MaxGroupAge {
		return errGroupDelay()
	}
	return nil
}

// validateGroupDelay checks that a task with a group has no Delay but the age of its group,
// which a stored task has. That of a task that replaced it may be another.
func (t *Task) validateGroupDelay() error {
	if t.Group != "" && t.Delay != 0 && t.Delay != t.withGroupDefaults().GroupAge {
		return errGroupDelay()
	}
	return nil
}

func errGroupDelay() error {
	return &ValidationError{Field: "group", Rule: "cannot be combined with delay_seconds"}
}

// SameGroup reports whether both tasks are of one group: they have the same queue, type and
// group.
func (t *Task) SameGroup(other *Task) bool {
	return t.Group != "" && t.Group == other.Group && t.Queue == other.Queue && t.Type == other.Type
}

// Gathers reports whether the task waits in its group for others: it is PENDING and was
// never claimed. It may be ready too.
func (t *Task) Gathers() bool {
	return t.Group != "" && t.Status == TaskStatusPending && t.Deliveries == 0
}
