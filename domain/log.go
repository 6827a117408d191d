package domain

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// LogID names a log entry.
type LogID = uuid.UUID

// BatchID names the entries that are analysed together. By custom it is the id
// of the task that analyses them.
type BatchID = uuid.UUID

// LogLevel is the level that a log entry claims for itself. The zero value is
// an unknown level.
type LogLevel uint8

// The levels, in rising order.
const (
	LogLevelUnknown LogLevel = iota
	LogLevelTrace
	LogLevelDebug
	LogLevelInfo
	LogLevelWarn
	LogLevelError
	LogLevelFatal
)

// LogLevels lists every level, in rising order.
func LogLevels() []LogLevel {
	return []LogLevel{LogLevelUnknown, LogLevelTrace, LogLevelDebug, LogLevelInfo, LogLevelWarn, LogLevelError, LogLevelFatal}
}

var logLevelNames = [...]string{"unknown", "trace", "debug", "info", "warn", "error", "fatal"}

// logLevelAliases maps the words that logs use to levels.
var logLevelAliases = map[string]LogLevel{
	"unknown": LogLevelUnknown,
	"trace":   LogLevelTrace, "finest": LogLevelTrace, "finer": LogLevelTrace,
	"debug": LogLevelDebug, "dbg": LogLevelDebug, "fine": LogLevelDebug, "verbose": LogLevelDebug,
	"info": LogLevelInfo, "information": LogLevelInfo, "informational": LogLevelInfo, "notice": LogLevelInfo, "log": LogLevelInfo, "config": LogLevelInfo,
	"warn": LogLevelWarn, "warning": LogLevelWarn,
	"error": LogLevelError, "err": LogLevelError, "severe": LogLevelError, "failure": LogLevelError,
	"fatal": LogLevelFatal, "critical": LogLevelFatal, "crit": LogLevelFatal, "alert": LogLevelFatal,
	"emerg": LogLevelFatal, "emergency": LogLevelFatal, "panic": LogLevelFatal,
}

// LookupLogLevel returns the level that a word of a log line stands for, in
// any case, and whether it stands for one. It allocates nothing.
func LookupLogLevel(word string) (LogLevel, bool) {
	const longest = len("informational")
	if len(word) < 3 || len(word) > longest {
		return 0, false
	}
	var lower [longest]byte
	for i := range len(word) {
		if lower[i] = word[i] | 0x20; lower[i] < 'a' || lower[i] > 'z' {
			return 0, false
		}
	}
	switch lower[0] {
	case 't', 'd', 'i', 'w', 'e', 'f', 'n', 's', 'c', 'a', 'p', 'u', 'v', 'l':
	default: // Most words need no look at the map.
		return 0, false
	}
	l, ok := logLevelAliases[string(lower[:len(word)])]
	return l, ok
}

// ParseLogLevel reads a level name. The error is a *ValidationError for the
// field "level".
func ParseLogLevel(s string) (LogLevel, error) {
	if l, ok := LookupLogLevel(s); ok {
		return l, nil
	}
	return 0, &ValidationError{Field: "level", Value: CutString(s, 32), Rule: "must be one of " + strings.Join(logLevelNames[:], ", ")}
}

// String returns the level in lower case.
func (l LogLevel) String() string {
	if int(l) >= len(logLevelNames) {
		return logLevelNames[LogLevelUnknown]
	}
	return logLevelNames[l]
}

// MarshalText writes the name of the level.
func (l LogLevel) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads a name as [ParseLogLevel] does.
func (l *LogLevel) UnmarshalText(text []byte) error {
	parsed, err := ParseLogLevel(string(text))
	if err != nil {
		return err
	}
	*l = parsed
	return nil
}

// Limits of a log entry, in bytes and entries.
const (
	MaxLogMessage    = 1 << 20
	MaxLogSource     = 256
	MaxLogAttributes = 64
	MaxLogAttribute  = 4 << 10
)

// LogEntry is one log line, or several that belong together.
type LogEntry struct {
	ID LogID
	// Timestamp is the time that the entry claims, in whole microseconds. A
	// store replaces a zero Timestamp by the time of the arrival.
	Timestamp time.Time
	// ReceivedAt is the store's time of the arrival.
	ReceivedAt time.Time
	Level      LogLevel
	// Source is where the entry comes from: a file, a host, a service.
	Source string
	// Message is the entry's text as it came, at most MaxLogMessage bytes of
	// valid UTF-8.
	Message string
	// Attributes are further named values of the entry.
	Attributes map[string]string
}

// Validate checks the limits. The error is a *ValidationError.
func (e *LogEntry) Validate() error {
	if e.ID == uuid.Nil {
		return &ValidationError{Field: "id", Rule: "must be a UUID that is not nil"}
	}
	if strings.TrimSpace(e.Message) == "" {
		return &ValidationError{Field: "message", Rule: "must not be empty"}
	}
	if len(e.Message) > MaxLogMessage {
		return rangeError("message", len(e.Message), fmt.Sprintf("must be at most %d bytes", MaxLogMessage))
	}
	if !utf8.ValidString(e.Message) {
		return &ValidationError{Field: "message", Rule: "must be valid UTF-8"}
	}
	if len(e.Source) > MaxLogSource || !utf8.ValidString(e.Source) {
		return &ValidationError{Field: "source", Rule: fmt.Sprintf("must be UTF-8 of at most %d bytes", MaxLogSource)}
	}
	if len(e.Attributes) > MaxLogAttributes {
		return rangeError("attributes", len(e.Attributes), fmt.Sprintf("must be at most %d", MaxLogAttributes))
	}
	for k, v := range e.Attributes {
		if k == "" || len(k) > MaxLogSource || len(v) > MaxLogAttribute || !utf8.ValidString(k) || !utf8.ValidString(v) {
			return &ValidationError{Field: "attributes", Value: CutString(k, MaxLogSource), Rule: fmt.Sprintf("must be UTF-8 with values of at most %d bytes", MaxLogAttribute)}
		}
	}
	if y := e.Timestamp.Year(); !e.Timestamp.IsZero() && (y < 1970 || y > 9999) {
		return &ValidationError{Field: "timestamp", Value: e.Timestamp.String(), Rule: "must be between the years 1970 and 9999"}
	}
	return nil
}
