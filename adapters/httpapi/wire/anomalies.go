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
	Evidence  string     `json:"evidence"`
	// Explanation and SuggestedAction are text for a person. An AI service may
	// have written them: show them as text only.
	Explanation     string `json:"explanation"`
	SuggestedAction string `json:"suggested_action"`
	// Source is the analyser that found it: "local" or "llm".
	Source string `json:"source"`
}

// AnomalyList is one page of anomalies, newest analysis first.
type AnomalyList struct {
	Anomalies []Anomaly `json:"anomalies"`
	// NextCursor continues the list; null on the last page.
	NextCursor *string `json:"next_cursor"`
}
