package wire

import (
	"time"

	"github.com/google/uuid"
)

// Anomaly is something unusual that an analysis found.
type Anomaly struct {
	// ID is the same for the same anomaly in every analysis.
	ID string `json:"id"`
	// TaskID is the task that analysed the entries, FoundAt when its result was
	// stored.
	TaskID   uuid.UUID  `json:"task_id"`
	FoundAt  *time.Time `json:"found_at"`
	Kind     string     `json:"kind"`
	Category string     `json:"category"`
	// Severity is info, low, medium, high or critical.
	Severity string `json:"severity"`
	// Score ranks anomalies of one severity, Confidence is how sure the detector
	// is; both are from 0 to 1.
	Score      float64 `json:"score"`
	Confidence float64 `json:"confidence"`
	TemplateID string  `json:"template_id"`
	Template   string  `json:"template"`
	// LogIDs are the first of the entries that show the anomaly, Count is how
	// many do.
	LogIDs      []uuid.UUID `json:"log_ids"`
	SampleLines []string    `json:"sample_lines"`
	Count       int         `json:"count"`
	// Expected is how many would have been usual, 0 where that is not known.
	Expected  float64    `json:"expected"`
	FirstSeen *time.Time `json:"first_seen"`
	LastSeen  *time.Time `json:"last_seen"`
	Services  []string   `json:"services"`
	// Sessions are ids found in the lines (of a request, a block, an instance)
	// whose sessions are unusual, the first 100 of them.
	Sessions []string `json:"sessions"`
	Evidence string   `json:"evidence"`
	// Explanation and SuggestedAction are text for a person. An AI service may
	// have written them: show them as text only.
	Explanation     string `json:"explanation"`
	SuggestedAction string `json:"suggested_action"`
	// Cause is a short name of what brought it about, "" where nobody knows;
	// anomalies of one analysis with the same cause belong together.
	Cause string `json:"cause"`
	// Source is "local" if the built-in analyser alone is behind it, "llm+local" if
	// an AI service explained it.
	Source string `json:"source"`
}

// AnomalyList is one page of anomalies, newest analysis first.
type AnomalyList struct {
	Anomalies []Anomaly `json:"anomalies"`
	// NextCursor continues the list; null on the last page.
	NextCursor *string `json:"next_cursor"`
}

// AnomalyHistory is one anomaly over all analyses that found it: the words of the
// newest finding, the counts of all added, the span from the first to the last.
type AnomalyHistory struct {
	Anomaly
	// Analyses is how many analyses found it, TaskIDs are their tasks, the newest
	// first.
	Analyses int         `json:"analyses"`
	TaskIDs  []uuid.UUID `json:"task_ids"`
	// Truncated is whether there are more findings than the 1000 newest, which are
	// all that is counted then.
	Truncated bool `json:"truncated"`
}

// AnomalyLogs is one page of the log entries behind an anomaly: those of the
// newest finding first, and within a finding the last one first.
type AnomalyLogs struct {
	Logs []LogEntry `json:"logs"`
	// Missing is how many of the page's entries are no longer stored.
	Missing int `json:"missing"`
	// NextCursor continues the list; null on the last page. Before that a page may
	// be shorter than its limit.
	NextCursor *string `json:"next_cursor"`
}
