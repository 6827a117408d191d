package httpapi

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

func (a *API) getLog(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	entry, err := a.logs.GetLog(r.Context(), id)
	if err != nil {
		return err
	}
	return wire.Write(w, http.StatusOK, logView(&entry))
}

// taskLogCursor begins the cursors of the log of a task; how many lines to skip follows.
const taskLogCursor = "t1."

// listTaskLog lists what the runs of a task have logged.
func (a *API) listTaskLog(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := request.NewQuery(r)
	limit, cursor := cmp.Or(q.Limit(), domain.DefaultPageSize), q.Cursor()
	if err := q.Err(); err != nil {
		return err
	}
	skip := 0
	if cursor != "" {
		digits, ok := strings.CutPrefix(cursor, taskLogCursor)
		if skip, err = strconv.Atoi(digits); !ok || err != nil || skip < 0 {
			return fmt.Errorf("%w: it is not one of this log's", domain.ErrInvalidCursor)
		}
	}
	lines, next, err := a.logs.ListTaskLog(r.Context(), id, skip, limit)
	if err != nil {
		return err
	}
	out := wire.TaskLog{Logs: make([]wire.LogEntry, len(lines)), NextCursor: taskLogCursor + strconv.Itoa(next), More: next > skip}
	for i := range lines {
		out.Logs[i] = logView(&lines[i])
	}
	return wire.Write(w, http.StatusOK, out)
}

// listLogs lists log entries; the level is the least.
func (a *API) listLogs(w http.ResponseWriter, r *http.Request) error {
	q := request.NewQuery(r)
	filter := domain.LogFilter{
		From: q.Time("from"), To: q.Time("to"),
		MinLevel: request.Named(q, "level", domain.ParseLogLevel),
		Source:   q.Text("source"), Text: q.Text("text"),
		Limit: q.Limit(), Cursor: q.Cursor(),
	}
	if err := q.Err(); err != nil {
		return err
	}
	if err := filter.Validate(); err != nil {
		return err
	}
	var page domain.LogPage
	selects := filter.Text != "" || filter.Source != "" || filter.MinLevel != 0
	err := a.search(r, selects, func() (err error) {
		page, err = a.logs.ListLogs(r.Context(), filter)
		return err
	})
	if err != nil {
		return err
	}
	out := wire.LogList{Logs: make([]wire.LogEntry, len(page.Logs)), NextCursor: cursorView(page.NextCursor)}
	for i := range page.Logs {
		out.Logs[i] = logView(&page.Logs[i])
	}
	return wire.Write(w, http.StatusOK, out)
}

func logView(e *domain.LogEntry) wire.LogEntry {
	attributes := e.Attributes
	if attributes == nil {
		attributes = map[string]string{}
	}
	return wire.LogEntry{
		ID: e.ID, Timestamp: timeView(e.Timestamp), ReceivedAt: timeView(e.ReceivedAt),
		Level: e.Level.String(), Source: e.Source, Message: e.Message, Attributes: attributes,
	}
}
