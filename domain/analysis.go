package domain

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Severity ranks an anomaly. The zero value is no severity.
type Severity uint8

// The severities, in rising order.
const (
	SeverityInfo Severity = iota + 1
	SeverityLow
	SeverityMedium
	SeverityHigh
	SeverityCritical
)

var severityNames = [...]string{
	SeverityInfo: "info", SeverityLow: "low", SeverityMedium: "medium",
	SeverityHigh: "high", SeverityCritical: "critical",
}

// Severities lists every severity, in rising order.
func Severities() []Severity {
	return []Severity{SeverityInfo, SeverityLow, SeverityMedium, SeverityHigh, SeverityCritical}
}

// ParseSeverity reads the name of a severity, in lower case. The error is a
// *ValidationError for the field "severity".
func ParseSeverity(s string) (Severity, error) {
	for i, name := range severityNames {
		if i > 0 && name == s {
			return Severity(i), nil
		}
	}
	return 0, &ValidationError{Field: "severity", Value: CutString(s, 32), Rule: "must be one of info, low, medium, high, critical"}
}

// Valid reports whether s is one of the constants.
func (s Severity) Valid() bool { return s >= SeverityInfo && s <= SeverityCritical }

// String returns the severity in lower case.
func (s Severity) String() string {
	if !s.Valid() {
		return "none"
	}
	return severityNames[s]
}

// MarshalText writes the name of the severity; no severity is an empty text.
func (s Severity) MarshalText() ([]byte, error) {
	if s == 0 {
		return []byte{}, nil
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads a name as [ParseSeverity] does; an empty text is no
// severity.
func (s *Severity) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*s = 0
		return nil
	}
	parsed, err := ParseSeverity(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// AnomalyKind says what about the logs is unusual.
type AnomalyKind string

// The kinds of anomaly.
const (
	AnomalyNewTemplate    AnomalyKind = "new_template"
	AnomalyRareTemplate   AnomalyKind = "rare_template"
	AnomalyFrequencySpike AnomalyKind = "frequency_spike"
	AnomalyFrequencyDrop  AnomalyKind = "frequency_drop"
	AnomalyMissingEvent   AnomalyKind = "missing_event"
	AnomalyErrorBurst     AnomalyKind = "error_burst"
	AnomalyRecurringError AnomalyKind = "recurring_error"
	AnomalySeverityShift  AnomalyKind = "severity_shift"
	AnomalyNumericOutlier AnomalyKind = "numeric_outlier"
	AnomalyCountVector    AnomalyKind = "count_vector"
)

var anomalyKinds = [...]AnomalyKind{
	AnomalyNewTemplate, AnomalyRareTemplate, AnomalyFrequencySpike, AnomalyFrequencyDrop, AnomalyMissingEvent,
	AnomalyErrorBurst, AnomalyRecurringError, AnomalySeverityShift, AnomalyNumericOutlier, AnomalyCountVector,
}

// AnomalyKinds lists every kind, in the order of the constants.
func AnomalyKinds() []AnomalyKind { return slices.Clone(anomalyKinds[:]) }

// Valid reports whether k is one of the constants.
func (k AnomalyKind) Valid() bool { return slices.Contains(anomalyKinds[:], k) }

// ParseAnomalyKind reads the name of a kind. The error is a *ValidationError for
// the field "kind".
func ParseAnomalyKind(s string) (AnomalyKind, error) {
	if k := AnomalyKind(s); k.Valid() {
		return k, nil
	}
	return "", &ValidationError{Field: "kind", Value: CutString(s, 32), Rule: "must be one of " + anomalyKindNames()}
}

func anomalyKindNames() string {
	names := make([]string, len(anomalyKinds))
	for i, k := range anomalyKinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

// AnomalyCategory says what an anomaly is about.
type AnomalyCategory string

// The categories of anomaly.
const (
	CategoryResource   AnomalyCategory = "resource"
	CategoryNetwork    AnomalyCategory = "network"
	CategoryAuth       AnomalyCategory = "auth"
	CategoryConfig     AnomalyCategory = "config"
	CategoryDependency AnomalyCategory = "dependency"
	CategoryData       AnomalyCategory = "data"
	CategoryCrash      AnomalyCategory = "crash"
	CategorySecurity   AnomalyCategory = "security"
	CategoryUnknown    AnomalyCategory = "unknown"
)

// AnomalyCategories lists every category, in the order of the constants.
func AnomalyCategories() []AnomalyCategory {
	return []AnomalyCategory{
		CategoryResource, CategoryNetwork, CategoryAuth, CategoryConfig, CategoryDependency,
		CategoryData, CategoryCrash, CategorySecurity, CategoryUnknown,
	}
}

// Limits of an analysis. They bound what one result can cost in the store.
const (
	MaxAnomalies       = 1000
	MaxAnomalyLogIDs   = 100
	MaxAnomalySamples  = 5
	MaxSampleLine      = 500
	MaxAnomalyTemplate = 2000
	MaxAnomalySessions = 100
)

// Anomaly is something unusual that an analysis found.
type Anomaly struct {
	// ID is a stable hash of the source, service and template, or what else it is
	// about: the same anomaly has the same id in every run, whatever its kind.
	ID       string          `json:"id"`
	Kind     AnomalyKind     `json:"kind"`
	Category AnomalyCategory `json:"category"`
	Severity Severity        `json:"severity"`
	// Score, from 0 to 1, ranks anomalies of one severity.
	Score float64 `json:"score"`
	// Confidence, from 0 to 1, is how sure the detector is.
	Confidence float64 `json:"confidence"`
	TemplateID string  `json:"template_id,omitempty"`
	// Template is the line with its variable parts as <*>, at most
	// MaxAnomalyTemplate bytes.
	Template string `json:"template,omitempty"`
	// LogIDs are entries of the input that show the anomaly, the first
	// MaxAnomalyLogIDs of them.
	LogIDs []LogID `json:"log_ids"`
	// SampleLines are at most MaxAnomalySamples lines of at most MaxSampleLine
	// bytes each.
	SampleLines []string `json:"sample_lines"`
	// Count is how many entries show the anomaly; Expected is how many would
	// have been usual, where the detector knows.
	Count    int     `json:"count"`
	Expected float64 `json:"expected,omitempty"`
	// FirstSeen and LastSeen are zero if none of the entries has a time.
	FirstSeen time.Time `json:"first_seen,omitzero"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
	// Services are the sources of the entries.
	Services []string `json:"services,omitempty"`
	// Sessions are the ids found in the lines (of a request, a block, an
	// instance) whose sessions are unusual, the first MaxAnomalySessions of them.
	Sessions []string `json:"sessions,omitempty"`
	// Evidence is the detector's reason in a sentence.
	Evidence string `json:"evidence,omitempty"`
	// Explanation and SuggestedAction are text for a person, never executed.
	Explanation     string `json:"explanation,omitempty"`
	SuggestedAction string `json:"suggested_action,omitempty"`
	// Cause is a short name of what brought it about, if somebody knows; anomalies
	// of one analysis with the same Cause belong together.
	Cause string `json:"cause,omitempty"`
	// Source is who the anomaly is from: "local" if the detector alone, "llm+local"
	// if an AI service explained what the detector found.
	Source string `json:"source"`
}

// TimeWindow is a span of log time, both ends included, zero if no entry has a time.
type TimeWindow struct {
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
}

// Usage is what an AI service charged for.
type Usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CachedTokens     int `json:"cached_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	ReasoningTokens  int `json:"reasoning_tokens"`
	Calls            int `json:"calls"`
	// Estimated is whether the service told nothing and the tokens are a guess.
	Estimated bool `json:"estimated,omitempty"`
}

// Cost is what the calls of an analysis cost, by a price table of the operator.
type Cost struct {
	// AmountMicros is in millionths of Currency.
	AmountMicros int64  `json:"amount_micros"`
	Currency     string `json:"currency"`
}

// CacheUse counts explanations that were known already, and those asked for.
type CacheUse struct {
	Hits   int `json:"hits"`
	Misses int `json:"misses"`
}

// AnalysisResult is what an analyser says about some log entries. It is also
// the result of a log analysis task.
type AnalysisResult struct {
	// Analyzer is "builtin" or "openai".
	Analyzer string `json:"analyzer"`
	// DegradedReason says why the analysis is less than was asked for, if it is.
	DegradedReason string     `json:"degraded_reason,omitempty"`
	Window         TimeWindow `json:"window"`
	// LogCount is how many entries were asked for, AnalysedCount how many were
	// analysed, MissingCount how many of them the repository no longer had.
	LogCount      int `json:"log_count"`
	AnalysedCount int `json:"analysed_count"`
	MissingCount  int `json:"missing_count,omitempty"`
	// MissingLogIDs are the first of those.
	MissingLogIDs []LogID `json:"missing_log_ids,omitempty"`
	// Truncated is whether a limit cut the anomalies.
	Truncated     bool   `json:"truncated,omitempty"`
	TemplateCount int    `json:"template_count"`
	Summary       string `json:"summary"`
	// Severity is the highest of the anomalies, or none.
	Severity  Severity  `json:"severity"`
	Anomalies []Anomaly `json:"anomalies"`
	// Baseline is what the logs were compared with, if the request named it.
	Baseline      string    `json:"baseline,omitempty"`
	Model         string    `json:"model,omitempty"`
	PromptVersion string    `json:"prompt_version,omitempty"`
	SchemaVersion int       `json:"schema_version"`
	Usage         *Usage    `json:"usage,omitempty"`
	Cost          *Cost     `json:"cost,omitempty"`
	Cache         *CacheUse `json:"cache,omitempty"`
	// Redactions counts, by class, what was replaced before anything was sent to
	// an AI service.
	Redactions map[string]int `json:"redactions,omitempty"`
	Warnings   []string       `json:"warnings,omitempty"`
}

// AnalysisSchemaVersion is the version of the JSON form of [AnalysisResult].
const AnalysisSchemaVersion = 1

// AnalysisRequest is what an analyser works on.
type AnalysisRequest struct {
	TaskID TaskID
	// Logs are the entries, in the order of their arrival.
	Logs []LogEntry
	// Baseline names learned state to compare with; "" is what was learned from
	// the logs analysed before.
	Baseline string
	// Learn is whether the logs are normal ones: the state that Baseline names is
	// made of them, or extended by them, and nothing is reported.
	Learn bool
	// LastAttempt is whether the task will not be retried: an analyser that can
	// give a lesser result then gives that instead of an error.
	LastAttempt bool
}

// Analysis is a stored result.
type Analysis struct {
	TaskID TaskID
	// StoredAt is the store's time.
	StoredAt time.Time
	Result   AnalysisResult
}

// AnalyzerErrorKind says what kind of fault an analyser met.
type AnalyzerErrorKind string

// The kinds of analyser error, and what the queue does about each.
const (
	// AnalyzerUnavailable: unreachable, timed out, overloaded or broken;
	// retried.
	AnalyzerUnavailable AnalyzerErrorKind = "unavailable"
	// AnalyzerRateLimited: asked to wait; retried after RetryAfter.
	AnalyzerRateLimited AnalyzerErrorKind = "rate_limited"
	// AnalyzerBadAnswer: the answer could not be understood; retried.
	AnalyzerBadAnswer AnalyzerErrorKind = "bad_answer"
	// AnalyzerTooLarge: the request is too large for the service; permanent.
	AnalyzerTooLarge AnalyzerErrorKind = "too_large"
	// AnalyzerRefused: the service refused this request; permanent.
	AnalyzerRefused AnalyzerErrorKind = "refused"
	// AnalyzerMisconfigured: wrong key, model or address; permanent.
	AnalyzerMisconfigured AnalyzerErrorKind = "misconfigured"
	// AnalyzerQuota: the account has no quota left; permanent.
	AnalyzerQuota AnalyzerErrorKind = "quota"
)

// AnalyzerError is the error of a log analyser. It never holds a key, a prompt
// or a log line.
type AnalyzerError struct {
	Kind AnalyzerErrorKind
	// Message is for a person: what is wrong and what to do.
	Message string
	// StatusCode is the HTTP status, 0 if there was no answer.
	StatusCode int
	// RetryAfter is how long the service asked to wait, 0 if it did not.
	RetryAfter time.Duration
	// Err is the cause, if there is one.
	Err error
}

// Error shows kind and message.
func (e *AnalyzerError) Error() string {
	if e.StatusCode != 0 {
		return fmt.Sprintf("analyzer %s (HTTP %d): %s", e.Kind, e.StatusCode, e.Message)
	}
	return fmt.Sprintf("analyzer %s: %s", e.Kind, e.Message)
}

// Unwrap returns the cause.
func (e *AnalyzerError) Unwrap() error { return e.Err }

// Retryable reports whether the same request may succeed later.
func (e *AnalyzerError) Retryable() bool {
	switch e.Kind {
	case AnalyzerUnavailable, AnalyzerRateLimited, AnalyzerBadAnswer:
		return true
	case AnalyzerTooLarge, AnalyzerRefused, AnalyzerMisconfigured, AnalyzerQuota:
		return false
	}
	return false
}
