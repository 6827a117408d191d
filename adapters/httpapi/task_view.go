package httpapi

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// taskView returns a task as lists show it.
func (a *API) taskView(t *domain.Task) wire.Task {
	errs := make([]wire.TaskError, len(t.Errors))
	for i, e := range t.Errors {
		errs[i] = wire.TaskError{
			Attempt: e.Attempt, Reason: string(e.Reason), Message: e.Message, Stack: e.Stack,
			StartedAt: timeView(e.StartedAt), At: timeView(e.At),
		}
	}
	var kept *time.Time
	if t.Workflow == nil && (t.Retention > 0 || a.cfg.Retention > 0) { // A node is kept with its workflow.
		kept = timeView(t.KeptUntil(a.cfg.Retention, a.cfg.FailedRetention))
	}
	var workflow *wire.WorkflowRef
	if ref := t.Workflow; ref != nil {
		workflow = &wire.WorkflowRef{ID: ref.ID, Ref: ref.Ref}
	}
	return wire.Task{
		Workflow: workflow, WaitingFor: t.WaitingFor,
		ID: t.ID, Type: string(t.Type), Queue: t.Queue, Payload: jsonView(t.Payload),
		Status: t.Status.String(), Priority: int(t.Priority), Attempt: t.Attempt, MaxRetries: t.MaxRetries,
		TimeoutSeconds: t.Timeout.Seconds(), UniqueKey: t.UniqueKey,
		UniqueWhile: string(t.UniqueWhile), UniqueForSeconds: t.UniqueFor.Seconds(),
		Key: t.Key, Group: t.Group, GroupSize: t.GroupSize, GroupAgeSeconds: t.GroupAge.Seconds(), Tags: t.Tags, Backoff: backoffView(t.Backoff),
		ExpiresAt: timeView(t.ExpiresAt), RetentionSeconds: t.Retention.Seconds(),
		Deliveries: t.Deliveries, Recoveries: t.Recoveries,
		CreatedAt: timeView(t.CreatedAt), ScheduledAt: timeView(t.ScheduledAt),
		StartedAt: timeView(t.StartedAt), CompletedAt: timeView(t.CompletedAt), KeptUntil: kept,
		Stopping: t.Stopping, Result: jsonView(t.Result), LastError: t.LastError(), Errors: errs,
	}
}

// backoffView returns the backoff of a task, nil if it has none of its own.
func backoffView(p domain.RetryPolicy) *wire.Backoff {
	if p == (domain.RetryPolicy{}) {
		return nil
	}
	return &wire.Backoff{Kind: string(p.Kind), BaseSeconds: p.Base.Seconds(), CapSeconds: p.Cap.Seconds(), Jitter: p.Jitter}
}

// singleTaskView returns a task as it is shown alone, with its history.
func (a *API) singleTaskView(t *domain.Task) wire.Task {
	view := a.taskView(t)
	if p := t.Progress; p != nil {
		view.Progress = &wire.Progress{Percent: p.Percent, Note: p.Note, Data: jsonView(p.Data), At: timeView(p.At)}
	}
	for _, h := range t.History() {
		view.History = append(view.History, wire.HistoryEntry{
			Status: h.Status.String(), At: timeView(h.At), Attempt: h.Attempt, Reason: string(h.Reason),
		})
	}
	return view
}

// timeView returns the time in UTC, nil for one that has not come.
func timeView(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// jsonView embeds stored bytes: JSON as it is, other bytes as a JSON string, none
// as null.
func jsonView(stored []byte) json.RawMessage {
	if len(stored) == 0 {
		return nil
	}
	if jsontext.Value(stored).IsValid(jsontext.AllowDuplicateNames(true)) {
		return stored
	}
	text, err := jsontext.AppendQuote(nil, strings.ToValidUTF8(string(stored), "\uFFFD"))
	if err != nil {
		return nil // AppendQuote fails on invalid UTF-8 only
	}
	return json.RawMessage(text)
}

// cursorView returns the cursor of the next page, nil on the last one.
func cursorView(cursor string) *string {
	if cursor == "" {
		return nil
	}
	return &cursor
}
