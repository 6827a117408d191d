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
}

// Encode returns the options as a store keeps them, nil if there are none. Equal options
// have equal encodings.
func (o TaskOptions) Encode() []byte {
	if o.Key == "" && len(o.Tags) == 0 && o.Backoff == (RetryPolicy{}) && o.UniqueWhile == "" && o.UniqueFor == 0 {
		return nil
	}
	encoded, err := json.Marshal(o)
	if err != nil {
		// Strings and finite numbers always marshal.
		panic(fmt.Sprintf("marshal task options: %v", err))
	}
	return encoded
}

// DecodeTaskOptions is the inverse of Encode. The error wraps ErrCorruptRecord.
func DecodeTaskOptions(encoded []byte) (o TaskOptions, err error) {
	if len(encoded) == 0 {
		return o, nil
	}
	if err := json.Unmarshal(encoded, &o); err != nil {
		return TaskOptions{}, fmt.Errorf("%w: task options: %w", ErrCorruptRecord, err)
	}
	return o, nil
}

func (o TaskOptions) clone() TaskOptions {
	o.Tags = slices.Clone(o.Tags)
	return o
}

func (o TaskOptions) validate() error {
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
	return o.Backoff.validate("backoff")
}
