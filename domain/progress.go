package domain

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// Limits of a [Progress], in bytes.
const (
	MaxProgressNote = 200
	MaxProgressData = 4 << 10
)

// Progress is how far a run has come, as its processor says.
type Progress struct {
	// Percent is from 0 to 100.
	Percent int
	// Note is for people, UTF-8 of at most MaxProgressNote bytes.
	Note string
	// Data is JSON of at most MaxProgressData bytes, or nothing.
	Data []byte
	// At is when it was stored, by the store's clock.
	At time.Time
}

// Validate checks all fields but At. The error is a *ValidationError.
func (p Progress) Validate() error {
	switch {
	case p.Percent < 0 || p.Percent > 100:
		return rangeError("progress.percent", p.Percent, "must be between 0 and 100")
	case len(p.Note) > MaxProgressNote || !utf8.ValidString(p.Note):
		return &ValidationError{Field: "progress.note", Rule: fmt.Sprintf("must be UTF-8 of at most %d bytes", MaxProgressNote)}
	case len(p.Data) > MaxProgressData || len(p.Data) > 0 && !json.Valid(p.Data):
		return &ValidationError{Field: "progress.data", Rule: fmt.Sprintf("must be JSON of at most %d bytes", MaxProgressData)}
	}
	return nil
}
