package domain

import "bytes"

// UniqueWhile is until when a task holds its unique key.
type UniqueWhile string

const (
	// UniqueWhileUnfinished: until it has finished. A task that a person runs again takes
	// the key again.
	UniqueWhileUnfinished UniqueWhile = ""
	// UniqueWhileWaiting: until it is claimed. A task that waits again after that, for a
	// retry or since it was given back, holds it no more; one that a person runs again
	// does.
	UniqueWhileWaiting UniqueWhile = "waiting"
)

// ParseUniqueWhile reads the name of a UniqueWhile, "" for the default. The error is a
// *ValidationError.
func ParseUniqueWhile(name string) (UniqueWhile, error) {
	if name == "unfinished" {
		return UniqueWhileUnfinished, nil
	}
	w := UniqueWhile(name)
	return w, (&TaskOptions{UniqueWhile: w}).validateOptions()
}

// OnConflict is what Enqueue does with a task whose unique key another one holds.
type OnConflict string

const (
	// ConflictReject refuses it, with a *DuplicateError.
	ConflictReject OnConflict = ""
	// ConflictKeep stores nothing, and returns the holder.
	ConflictKeep OnConflict = "keep"
	// ConflictReplace gives the holder the payload, the priority and the time of the new
	// task, and returns it: see [Task.Replaceable].
	ConflictReplace OnConflict = "replace"
)

// ParseOnConflict reads the name of an OnConflict, "" for the default. The error is a
// *ValidationError.
func ParseOnConflict(name string) (OnConflict, error) {
	if name == "reject" {
		return ConflictReject, nil
	}
	c := OnConflict(name)
	return c, c.validate()
}

func (c OnConflict) validate() error {
	if c != ConflictReject && c != ConflictKeep && c != ConflictReplace {
		return &ValidationError{Field: "on_conflict", Value: CutString(string(c), MaxNameLength), Rule: "must be reject, keep or replace"}
	}
	return nil
}

// EnqueueOutcome is what an enqueue that was not refused did.
type EnqueueOutcome string

// The outcomes of an enqueue.
const (
	// EnqueueCreated: the task is stored, by this or by an earlier call that was the same.
	EnqueueCreated EnqueueOutcome = "created"
	// EnqueueExisting: nothing was stored, since another task holds the unique key.
	EnqueueExisting EnqueueOutcome = "existing"
	// EnqueueReplaced: the task that holds the unique key was changed.
	EnqueueReplaced EnqueueOutcome = "replaced"
)

// EnqueueOutcome is what became of the task, for which Enqueue returned stored.
func (t *Task) EnqueueOutcome(stored *Task) EnqueueOutcome {
	switch {
	case stored.ID == t.ID:
		return EnqueueCreated
	case t.OnConflict == ConflictReplace:
		return EnqueueReplaced
	}
	return EnqueueExisting
}

// Replaceable reports whether by, which has the same unique key, may replace what the
// task does: it waits and was never claimed, and both have the same queue, type and group.
func (t *Task) Replaceable(by *Task) bool {
	return t.Status == TaskStatusPending && t.Deliveries == 0 && t.Queue == by.Queue && t.Type == by.Type && t.Group == by.Group
}

// SameReplacement reports whether both tasks ask for the same payload, priority and time.
func (t *Task) SameReplacement(other *Task) bool {
	return bytes.Equal(t.Payload, other.Payload) && t.Priority == other.Priority && t.Delay == other.Delay &&
		(t.Delay > 0 || t.ScheduledAt.Equal(other.ScheduledAt))
}

// SameOrigin reports whether both tasks are the same but for what a replacement changes.
// It takes the place of [Task.SameContents] for a task that was replaced.
func (t *Task) SameOrigin(other *Task) bool {
	return t.ID == other.ID && t.Type == other.Type && t.Queue == other.Queue &&
		t.MaxRetries == other.MaxRetries && t.Timeout == other.Timeout && t.UniqueKey == other.UniqueKey &&
		bytes.Equal(t.EncodeOptions(), other.EncodeOptions())
}
