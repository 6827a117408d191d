package domain

import (
	"fmt"
	"time"
)

// Limits of a [Document].
const (
	MaxDocumentKey  = 256
	MaxDocumentData = 4 << 20
)

// Document is a document that an analyser keeps between analyses and shares with
// its like in other processes: what it learned, what it asked an AI service, what
// that cost. Its contents are the analyser's.
type Document struct {
	Key string
	// Revision rises with each save of the key. It is 0 for a key that has nothing.
	Revision int64
	Data     []byte
}

// Validate checks the limits. The error is a *ValidationError.
func (s *Document) Validate() error {
	if s.Key == "" || len(s.Key) > MaxDocumentKey {
		return &ValidationError{Field: "key", Rule: fmt.Sprintf("must be 1 to %d bytes", MaxDocumentKey)}
	}
	if s.Revision < 0 {
		return &ValidationError{Field: "revision", Rule: "must not be negative"}
	}
	if len(s.Data) > MaxDocumentData {
		return rangeError("data", len(s.Data), fmt.Sprintf("must be at most %d bytes", MaxDocumentData))
	}
	return nil
}

// ValidateSave checks a document that is to be saved, and how long it is to last: 0 for
// no end. The error is a *ValidationError.
func (s *Document) ValidateSave(ttl time.Duration) error {
	if ttl < 0 {
		return &ValidationError{Field: "ttl", Value: ttl.String(), Rule: "must not be negative"}
	}
	return s.Validate()
}

// EmptyDocuments returns a document that has nothing for each of the keys. The error is a
// *ValidationError for the first one that is none.
func EmptyDocuments(keys ...string) ([]Document, error) {
	out := make([]Document, len(keys))
	for i, key := range keys {
		out[i].Key = key
		if err := out[i].Validate(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
