package domain

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// TaskID names a task. Whoever creates a task makes its id (version 7 by
// custom), so that an enqueue can be repeated without making two tasks.
type TaskID = uuid.UUID

// TaskType selects the processor that runs a task. It is a name as
// [ValidateName] allows.
type TaskType string

// TaskTypeLogAnalysis is the type of the tasks that analyse log entries.
const TaskTypeLogAnalysis TaskType = "log_analysis"

// Priority orders ready tasks: a higher one is claimed first.
type Priority int

// The range of priorities, and names for some of them.
const (
	PriorityLowest   Priority = 0
	PriorityLow      Priority = 2
	PriorityNormal   Priority = 5
	PriorityHigh     Priority = 8
	PriorityCritical Priority = 10
)

// Aged is the priority of a task that has waited: a level more for each step of it, up to
// PriorityCritical. A step of 0 is none.
func (p Priority) Aged(waited, step time.Duration) Priority {
	if step <= 0 || waited < step {
		return p
	}
	return min(p+Priority(min(waited/step, time.Duration(PriorityCritical))), PriorityCritical)
}

// Limits and defaults of a task.
const (
	DefaultQueue      = "default"
	DefaultMaxRetries = 3
	DefaultTimeout    = 10 * time.Minute

	MaxNameLength    = 64
	MaxUniqueKey     = 256
	MaxMaxRetries    = 100
	MaxTimeout       = 24 * time.Hour
	MaxScheduleAhead = 10 * 365 * 24 * time.Hour
	// MaxPayload and MaxResult are in bytes.
	MaxPayload = 1 << 20
	MaxResult  = 4 << 20
)

// Task is one piece of work. A store returns copies: changing one changes
// nothing in the store.
type Task struct {
	ID   TaskID
	Type TaskType
	// Queue is the name of the queue; workers may be bound to some of them.
	Queue string
	// Payload is what the processor reads, JSON by custom, at most MaxPayload
	// bytes.
	Payload []byte
	// Priority is from PriorityLowest to PriorityCritical.
	Priority Priority
	// MaxRetries is how often the task is retried after a failed attempt: it
	// runs MaxRetries+1 times at most.
	MaxRetries int
	// Timeout bounds one attempt; its context is cancelled when it has passed.
	Timeout time.Duration
	// UniqueKey, if not empty, is held by one task at a time: while it is unfinished,
	// unless UniqueWhile or UniqueFor says otherwise.
	UniqueKey string
	// OnConflict says what Enqueue does if another task holds the unique key. It is no
	// part of the contents and is not stored.
	OnConflict OnConflict
	// Delay asks Enqueue to make the task ready this long after the store's
	// now. It excludes a ScheduledAt, and reads back as it was given.
	Delay time.Duration
	// TraceParent names the trace and the span that the task was enqueued in, as
	// [ValidateTraceParent] says; "" for none. It is no part of the contents: of
	// repeated enqueues, that of the first is kept.
	TraceParent string
	TaskOptions

	Status TaskStatus
	// Attempt counts the runs that a processor reported.
	Attempt int
	// Deliveries counts the claims that were granted.
	Deliveries int
	// Recoveries counts the leases that expired.
	Recoveries int

	// CreatedAt is the store's time of the enqueue. Times that have not come
	// are zero; all are UTC, in whole microseconds.
	CreatedAt time.Time
	// ScheduledAt is when the task becomes ready: given at its creation, or
	// the time of the next attempt. Zero for a task that was ready at once.
	ScheduledAt time.Time
	// StartedAt is the begin of the newest run.
	StartedAt time.Time
	// CompletedAt is when the task reached a terminal state.
	CompletedAt time.Time

	// Lease is held by the worker of a PROCESSING task, else nil.
	Lease *Lease
	// Stopping is whether the run of a CANCELLED task may go on yet: its worker has not told that
	// it has stopped, and its lease has not ended.
	Stopping bool
	// Progress is how far a PROCESSING task has come, nil if its processor does not say.
	// Stores show it in one task, not in lists.
	Progress *Progress
	// WaitingFor are the refs of the first MaxWaitingFor tasks of its workflow that a PENDING
	// task waits for, nil if it waits for none. Stores show them in one task, not in lists.
	WaitingFor []string
	// Result is what the processor returned, JSON by custom.
	Result []byte
	// Errors are the failures, oldest first, at most MaxTaskErrors.
	Errors []TaskError
}

// NewTask returns a PENDING task with the defaults: queue "default", normal
// priority, 3 retries, 10 minutes for an attempt. Callers change the fields
// that they want otherwise before they enqueue it.
func NewTask(id TaskID, typ TaskType, payload []byte) *Task {
	return &Task{
		ID: id, Type: typ, Payload: payload,
		Queue: DefaultQueue, Priority: PriorityNormal,
		MaxRetries: DefaultMaxRetries, Timeout: DefaultTimeout,
		Status: TaskStatusPending,
	}
}

// LogAnalysisPayload is the payload of a log analysis task. It names the
// entries one by one, or the batch that they were stored in.
type LogAnalysisPayload struct {
	LogIDs []LogID `json:"log_ids,omitempty"`
	// BatchID is the batch to analyse; by custom the id of the task itself.
	BatchID *BatchID `json:"batch_id,omitempty"`
	// Baseline names a baseline to compare with, by the rules of [ValidateName];
	// "" is what was learned from the logs analysed before.
	Baseline string `json:"baseline,omitempty"`
	// Learn has Baseline made of, or extended by, these logs: they are normal.
	Learn bool `json:"learn,omitempty"`
}

// NewLogAnalysisTask returns a task that analyses these log entries.
func NewLogAnalysisTask(id TaskID, logIDs ...LogID) *Task {
	return NewLogAnalysisTaskOf(id, LogAnalysisPayload{LogIDs: logIDs})
}

// NewLogBatchTask returns a task that analyses the log batch of the same id.
func NewLogBatchTask(id TaskID) *Task {
	return NewLogAnalysisTaskOf(id, LogAnalysisPayload{BatchID: &id})
}

// NewLogAnalysisTaskOf returns a log analysis task with this payload.
func NewLogAnalysisTaskOf(id TaskID, p LogAnalysisPayload) *Task {
	payload, err := json.Marshal(p)
	if err != nil {
		// A struct of UUIDs always marshals.
		panic(fmt.Sprintf("marshal log analysis payload: %v", err))
	}
	return NewTask(id, TaskTypeLogAnalysis, payload)
}

// ParseLogAnalysisPayload reads the payload of a log analysis task. The error
// is a *ValidationError for the field "payload".
func ParseLogAnalysisPayload(payload []byte) (LogAnalysisPayload, error) {
	var p LogAnalysisPayload
	if err := json.Unmarshal(payload, &p); err != nil {
		return p, &ValidationError{Field: "payload", Rule: "must be a JSON object with log_ids or batch_id: " + err.Error()}
	}
	if len(p.LogIDs) == 0 && p.BatchID == nil {
		return p, &ValidationError{Field: "payload", Rule: "must name at least one log in log_ids, or a batch_id"}
	}
	if p.Baseline != "" {
		if err := ValidateName("payload.baseline", p.Baseline); err != nil {
			return p, err
		}
	}
	if p.Learn && p.Baseline == "" {
		return p, &ValidationError{Field: "payload.baseline", Rule: "must be named by a task that learns it"}
	}
	return p, nil
}

// Validate checks what a caller may set. The error is a *ValidationError.
func (t *Task) Validate() error {
	if err := t.ValidateStored(); err != nil {
		return err
	}
	return t.validateGroupDelay()
}

// ValidateStored is as Validate, for what a store has of it: a task of a group has a Delay.
func (t *Task) ValidateStored() error {
	if t.ID == uuid.Nil {
		return &ValidationError{Field: "id", Rule: "must be a UUID that is not nil"}
	}
	if err := ValidateName("type", string(t.Type)); err != nil {
		return err
	}
	if err := ValidateName("queue", t.Queue); err != nil {
		return err
	}
	if err := ValidatePriority(int(t.Priority)); err != nil {
		return err
	}
	if len(t.Payload) > MaxPayload {
		return rangeError("payload", len(t.Payload), fmt.Sprintf("must be at most %d bytes", MaxPayload))
	}
	if t.MaxRetries < 0 || t.MaxRetries > MaxMaxRetries {
		return rangeError("max_retries", t.MaxRetries, fmt.Sprintf("must be between 0 and %d", MaxMaxRetries))
	}
	if t.Timeout < time.Millisecond || t.Timeout > MaxTimeout {
		return &ValidationError{Field: "timeout_seconds", Value: t.Timeout.String(), Rule: "must be between 1ms and " + MaxTimeout.String()}
	}
	if len(t.UniqueKey) > MaxUniqueKey || !utf8.ValidString(t.UniqueKey) {
		return &ValidationError{Field: "unique_key", Rule: fmt.Sprintf("must be UTF-8 of at most %d bytes", MaxUniqueKey)}
	}
	if t.Delay < 0 || t.Delay > MaxScheduleAhead {
		return &ValidationError{Field: "delay_seconds", Value: t.Delay.String(), Rule: "must be between 0 and 10 years"}
	}
	if t.TraceParent != "" {
		if err := ValidateTraceParent(t.TraceParent); err != nil {
			return err
		}
	}
	if err := t.validateOptions(); err != nil {
		return err
	}
	if err := t.OnConflict.validate(); err != nil {
		return err
	}
	if t.UniqueKey == "" && (t.UniqueWhile != "" || t.UniqueFor != 0 || t.OnConflict != "") {
		return &ValidationError{Field: "unique_key", Rule: "must be given with unique_while, unique_for_seconds and on_conflict"}
	}
	if err := t.validateGroupTime(); err != nil {
		return err
	}
	if t.Delay > 0 && !t.ScheduledAt.IsZero() {
		return &ValidationError{Field: "delay_seconds", Rule: "cannot be combined with scheduled_at"}
	}
	if y := t.ScheduledAt.Year(); !t.ScheduledAt.IsZero() && (y < 2000 || y > 2100) {
		return &ValidationError{Field: "scheduled_at", Value: t.ScheduledAt.String(), Rule: "must be between the years 2000 and 2100"}
	}
	return nil
}

// ValidatePriority checks that p is a priority. The error is a
// *ValidationError for the field "priority".
func ValidatePriority(p int) error {
	if p < int(PriorityLowest) || p > int(PriorityCritical) {
		return rangeError("priority", p, fmt.Sprintf("must be between %d and %d", PriorityLowest, PriorityCritical))
	}
	return nil
}

// ValidateName checks a task type or queue name: 1 to 64 letters, digits,
// dots, underscores and hyphens, the first a letter or digit.
func ValidateName(field, name string) error {
	ok := name != "" && len(name) <= MaxNameLength
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		ok = alnum || i > 0 && strings.IndexByte("._-", c) >= 0
	}
	if !ok {
		return &ValidationError{
			Field: field, Value: CutString(name, MaxNameLength),
			Rule: "must be 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
		}
	}
	return nil
}

// LastError returns the message of the newest failure, or "".
func (t *Task) LastError() string {
	if len(t.Errors) == 0 {
		return ""
	}
	return t.Errors[len(t.Errors)-1].Message
}

// LastReason returns the reason of the newest failure, or "".
func (t *Task) LastReason() FailureReason {
	if len(t.Errors) == 0 {
		return ""
	}
	return t.Errors[len(t.Errors)-1].Reason
}

// KeptUntil returns until when a finished task is kept where those without a Retention of their own are
// kept for retention, or failed if they are FAILED and that is longer; zero for a task that is
// not finished.
func (t *Task) KeptUntil(retention, failed time.Duration) time.Time {
	switch {
	case !t.Status.Terminal():
		return time.Time{}
	case t.Retention > 0:
		retention = t.Retention
	case t.Status == TaskStatusFailed:
		retention = max(retention, failed)
	}
	return t.CompletedAt.Add(retention)
}

// Ready reports whether the task can be claimed at now.
func (t *Task) Ready(now time.Time) bool {
	return t.Status == TaskStatusPending && !t.ScheduledAt.After(now)
}

// QueueWait returns how long a task that was just claimed had been ready before,
// and whether that is known: it is not for one that was given back or snoozed, or run
// again by a person, since its newest claim but one, nor for one that became ready since its
// group was complete. A scheduled task that a person made ready counts from its creation.
func (t *Task) QueueWait() (wait time.Duration, known bool) {
	if t.Deliveries != t.Attempt+t.Recoveries+1 || t.Group != "" && t.ScheduledAt.IsZero() {
		return 0, false
	}
	ready := t.CreatedAt
	if t.ScheduledAt.After(ready) {
		ready = t.ScheduledAt
	}
	if n := len(t.Errors); n > 0 && t.Errors[n-1].At.After(ready) {
		ready = t.Errors[n-1].At
	}
	return max(t.StartedAt.Sub(ready), 0), true
}

// Clone returns a deep copy.
func (t *Task) Clone() *Task {
	c := *t
	c.Payload = append([]byte(nil), t.Payload...)
	c.TaskOptions = t.cloneOptions()
	c.Result = append([]byte(nil), t.Result...)
	c.Errors = append([]TaskError(nil), t.Errors...)
	c.WaitingFor = append([]string(nil), t.WaitingFor...)
	if t.Lease != nil {
		l := *t.Lease
		c.Lease = &l
	}
	if t.Progress != nil {
		p := *t.Progress
		p.Data = append([]byte(nil), p.Data...)
		c.Progress = &p
	}
	return &c
}

// AsEnqueued returns a PENDING task with a copy of what the caller of Enqueue sets, and with
// the defaults of its group, whose age is its Delay. The store adds what it decides: the time
// of creation, and when the task is due.
func (t *Task) AsEnqueued() *Task {
	c := &Task{
		ID: t.ID, Type: t.Type, Queue: t.Queue, Payload: append([]byte(nil), t.Payload...), Priority: t.Priority,
		MaxRetries: t.MaxRetries, Timeout: t.Timeout, UniqueKey: t.UniqueKey, Delay: t.Delay,
		TraceParent: t.TraceParent, TaskOptions: t.cloneOptions(), ScheduledAt: t.ScheduledAt, Status: TaskStatusPending,
	}
	if c.Group != "" {
		c.TaskOptions = c.withGroupDefaults()
		c.Delay = c.GroupAge
	}
	return c
}

// SameContents reports whether both tasks ask for the same work: everything
// that the caller of Enqueue sets is equal, but for the trace. A repeated enqueue is
// recognised by it.
func (t *Task) SameContents(other *Task) bool {
	return t.SameOrigin(other) && t.SameReplacement(other)
}

// HistoryEntry is one step in the life of a task.
type HistoryEntry struct {
	Status TaskStatus
	At     time.Time
	// Attempt is the run that the step belongs to, 0 for the creation.
	Attempt int
	// Reason is set where a run failed.
	Reason FailureReason
}

// History returns the known steps of the task, oldest first, derived from its
// times and errors. Releases, snoozes, and what a person cancelled and ran again, leave
// no trace in it.
func (t *Task) History() []HistoryEntry {
	out := []HistoryEntry{{Status: TaskStatusPending, At: t.CreatedAt}}
	for i, e := range t.Errors {
		run := e.Attempt
		next := TaskStatusRetrying
		switch {
		case e.Reason == ReasonPredecessor:
			out = append(out, HistoryEntry{Status: TaskStatusCancelled, At: e.At, Attempt: run, Reason: e.Reason})
			continue
		case e.Reason == ReasonLeaseExpired:
			run, next = e.Attempt+1, TaskStatusPending
		case t.Status == TaskStatusFailed && i == len(t.Errors)-1:
			next = TaskStatusFailed
		}
		if !e.StartedAt.IsZero() {
			out = append(out, HistoryEntry{Status: TaskStatusProcessing, At: e.StartedAt, Attempt: run})
		}
		out = append(out, HistoryEntry{Status: next, At: e.At, Attempt: run, Reason: e.Reason})
	}
	switch t.Status {
	case TaskStatusProcessing:
		out = append(out, HistoryEntry{Status: TaskStatusProcessing, At: t.StartedAt, Attempt: t.Attempt + 1})
	case TaskStatusCompleted:
		out = append(out,
			HistoryEntry{Status: TaskStatusProcessing, At: t.StartedAt, Attempt: t.Attempt},
			HistoryEntry{Status: TaskStatusCompleted, At: t.CompletedAt, Attempt: t.Attempt})
	case TaskStatusCancelled:
		if last := out[len(out)-1]; last.Reason != ReasonPredecessor || !last.At.Equal(t.CompletedAt) {
			out = append(out, HistoryEntry{Status: TaskStatusCancelled, At: t.CompletedAt, Attempt: t.Attempt})
		}
	case TaskStatusPending, TaskStatusRetrying, TaskStatusFailed:
		// The last error, or the creation, already says so.
	}
	return out
}

func rangeError(field string, value int, rule string) error {
	return &ValidationError{Field: field, Value: strconv.Itoa(value), Rule: rule}
}

// CutString returns at most limit bytes of s, and does not cut a UTF-8 character. What
// it cuts off is not kept in memory.
func CutString(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := limit
	for end > 0 && limit-end < utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.Clone(s[:end])
}
