package httpapi

import (
	"net/http"

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
