package domain

import "github.com/google/uuid"

// Finding is one broken invariant of a store.
type Finding struct {
	// Kind names the invariant; each store has kinds of its own.
	Kind string
	// ID is the task, log entry or analysis that it is about; uuid.Nil for none,
	// or where what stands in the place of an id is none.
	ID uuid.UUID
	// Place is where in the store it was found, such as a key.
	Place string
	// Detail says what is wrong, for a person.
	Detail string
	// Action says what was done about it, "" for nothing.
	Action string
}

// Repaired reports whether something was done about it.
func (f Finding) Repaired() bool { return f.Action != "" }

// VerifySummary counts what a check has looked at and found so far.
type VerifySummary struct {
	// Tasks, Logs, Analyses and States (of analysers) are how many records were
	// read.
	Tasks, Logs, Analyses, States int64
	// Findings is how many there are, Repaired how many of them were mended.
	Findings, Repaired int64
}

// Clean reports whether nothing broken is left.
func (s VerifySummary) Clean() bool { return s.Findings == s.Repaired }
