package domain

import "fmt"

// Limits of a [State].
const (
	MaxStateKey  = 256
	MaxStateData = 4 << 20
)

// State is a document that an analyser keeps between analyses and shares with
// its like in other processes: what it learned, what it asked an AI service, what
// that cost. Its contents are the analyser's.
type State struct {
	Key string
	// Revision rises with each save of the key. It is 0 for a key that has nothing.
	Revision int64
	Data     []byte
}

// Validate checks the limits. The error is a *ValidationError.
func (s *State) Validate() error {
	if s.Key == "" || len(s.Key) > MaxStateKey {
		return &ValidationError{Field: "key", Rule: fmt.Sprintf("must be 1 to %d bytes", MaxStateKey)}
	}
	if s.Revision < 0 {
		return &ValidationError{Field: "revision", Rule: "must not be negative"}
	}
	if len(s.Data) > MaxStateData {
		return rangeError("data", len(s.Data), fmt.Sprintf("must be at most %d bytes", MaxStateData))
	}
	return nil
}
