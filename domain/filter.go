package domain

import (
	"fmt"
	"slices"
	"time"
)

// Limits of a list page.
const (
	DefaultPageSize = 50
	MaxPageSize     = 200
)

// TaskFilter selects tasks. The zero value selects all.
type TaskFilter struct {
	// Status is 0 for all. TaskStatusPending selects scheduled tasks too.
	Status TaskStatus
	Type   TaskType
	Queue  string
	// Tag is one of the task's Tags, Reason that of its newest error; "" for any.
	Tag    string
	Reason FailureReason
	// CreatedAfter and CreatedBefore bound CreatedAt, both excluded; zero for
	// no bound.
	CreatedAfter, CreatedBefore time.Time
	// Limit is the size of a page, from 1 to MaxPageSize; 0 is DefaultPageSize.
	Limit int
	// Cursor continues a list where an earlier page ended; "" begins it.
	Cursor string
}

// PageSize returns Limit or its default.
func (f TaskFilter) PageSize() int { return pageSize(f.Limit) }

// Validate checks the fields but the cursor. The error is a *ValidationError.
func (f TaskFilter) Validate() error {
	if f.Status != 0 && !f.Status.Valid() {
		return rangeError("status", int(f.Status), "must be a task status")
	}
	if f.Type != "" {
		if err := ValidateName("type", string(f.Type)); err != nil {
			return err
		}
	}
	if f.Queue != "" {
		if err := ValidateName("queue", f.Queue); err != nil {
			return err
		}
	}
	if f.Tag != "" {
		if err := ValidateName("tag", f.Tag); err != nil {
			return err
		}
	}
	if f.Reason != "" {
		if _, err := ParseFailureReason(string(f.Reason)); err != nil {
			return err
		}
	}
	return validateLimit(f.Limit)
}

// Matches reports whether the filter selects the task.
func (f TaskFilter) Matches(t *Task) bool {
	return (f.Status == 0 || t.Status == f.Status) &&
		(f.Type == "" || t.Type == f.Type) &&
		(f.Queue == "" || t.Queue == f.Queue) &&
		(f.Tag == "" || slices.Contains(t.Tags, f.Tag)) &&
		(f.Reason == "" || t.LastReason() == f.Reason) &&
		(f.CreatedAfter.IsZero() || t.CreatedAt.After(f.CreatedAfter)) &&
		(f.CreatedBefore.IsZero() || t.CreatedAt.Before(f.CreatedBefore))
}

// TaskPage is one page of a list, newest first by CreatedAt.
type TaskPage struct {
	Tasks []*Task
	// NextCursor continues the list; "" on the last page.
	NextCursor string
}

// LogFilter selects log entries. The zero value selects all.
type LogFilter struct {
	// From and To bound Timestamp: From included, To excluded; zero for no
	// bound.
	From, To time.Time
	// MinLevel selects this level and those above it; entries of unknown level
	// only if it is LogLevelUnknown.
	MinLevel LogLevel
	Source   string
	// Text must occur in the message, ASCII letters in either case.
	Text   string
	Limit  int
	Cursor string
}

// PageSize returns Limit or its default.
func (f LogFilter) PageSize() int { return pageSize(f.Limit) }

// Validate checks the fields but the cursor. The error is a *ValidationError.
func (f LogFilter) Validate() error {
	if len(f.Source) > MaxLogSource {
		return &ValidationError{Field: "source", Rule: fmt.Sprintf("must be at most %d bytes", MaxLogSource)}
	}
	if len(f.Text) > MaxLogSource {
		return &ValidationError{Field: "text", Rule: fmt.Sprintf("must be at most %d bytes", MaxLogSource)}
	}
	return validateLimit(f.Limit)
}

// Matches reports whether the filter selects the entry.
func (f LogFilter) Matches(e *LogEntry) bool {
	return (f.From.IsZero() || !e.Timestamp.Before(f.From)) &&
		(f.To.IsZero() || e.Timestamp.Before(f.To)) &&
		e.Level >= f.MinLevel &&
		(f.Source == "" || e.Source == f.Source) &&
		(f.Text == "" || containsFold(e.Message, f.Text))
}

// LogPage is one page of log entries, newest first by Timestamp.
type LogPage struct {
	Logs       []LogEntry
	NextCursor string
}

// AnomalyFilter selects stored anomalies. The zero value selects all.
type AnomalyFilter struct {
	// MinSeverity selects this severity and those above it; 0 for all.
	MinSeverity Severity
	// ID selects the findings of one anomaly, in every analysis that found it.
	ID   string
	Kind AnomalyKind
	// Source selects anomalies that name this source among their services.
	Source string
	// Text must occur in the template or a sample line, ASCII letters in either
	// case.
	Text string
	// From and To bound LastSeen: From included, To excluded.
	From, To time.Time
	Limit    int
	Cursor   string
}

// PageSize returns Limit or its default.
func (f AnomalyFilter) PageSize() int { return pageSize(f.Limit) }

// Validate checks the fields but the cursor. The error is a *ValidationError.
func (f AnomalyFilter) Validate() error {
	if f.MinSeverity != 0 && !f.MinSeverity.Valid() {
		return rangeError("severity", int(f.MinSeverity), "must be a severity")
	}
	if f.Kind != "" {
		if _, err := ParseAnomalyKind(string(f.Kind)); err != nil {
			return err
		}
	}
	for _, text := range []struct{ field, value string }{{"id", f.ID}, {"source", f.Source}, {"text", f.Text}} {
		if len(text.value) > MaxLogSource {
			return &ValidationError{Field: text.field, Rule: fmt.Sprintf("must be at most %d bytes", MaxLogSource)}
		}
	}
	return validateLimit(f.Limit)
}

// Matches reports whether the filter selects the anomaly.
func (f AnomalyFilter) Matches(a *Anomaly) bool {
	if a.Severity < f.MinSeverity ||
		f.ID != "" && a.ID != f.ID || f.Kind != "" && a.Kind != f.Kind ||
		!f.From.IsZero() && a.LastSeen.Before(f.From) ||
		!f.To.IsZero() && !a.LastSeen.Before(f.To) {
		return false
	}
	if f.Source != "" && !slices.Contains(a.Services, f.Source) {
		return false
	}
	return f.Text == "" || containsFold(a.Template, f.Text) ||
		slices.ContainsFunc(a.SampleLines, func(line string) bool { return containsFold(line, f.Text) })
}

// FoundAnomaly is an anomaly with the analysis that found it.
type FoundAnomaly struct {
	Anomaly
	TaskID TaskID
	// FoundAt is when the analysis was stored, by the store's clock.
	FoundAt time.Time
}

// AnomalyPage is one page of anomalies, newest analysis first and, within one,
// in the order of its result.
type AnomalyPage struct {
	Anomalies  []FoundAnomaly
	NextCursor string
}

func pageSize(limit int) int {
	if limit == 0 {
		return DefaultPageSize
	}
	return limit
}

func validateLimit(limit int) error {
	if limit < 0 || limit > MaxPageSize {
		return rangeError("limit", limit, fmt.Sprintf("must be between 1 and %d", MaxPageSize))
	}
	return nil
}

// containsFold reports whether s contains part, ASCII letters in either case.
func containsFold(s, part string) bool {
	lower := func(c byte) byte {
		if c >= 'A' && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}
	for i := 0; i+len(part) <= len(s); i++ {
		j := 0
		for j < len(part) && lower(s[i+j]) == lower(part[j]) {
			j++
		}
		if j == len(part) {
			return true
		}
	}
	return false
}
