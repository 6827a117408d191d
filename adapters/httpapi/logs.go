package httpapi

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// logParams are the query parameters of createLogs. Those with an underscore are
// the names that VictoriaLogs has for them.
var logParams = []string{"source", "_msg_field", "_time_field", "_stream_fields"}

// createLogs stores log entries and has them analysed. All of the body is read
// before anything is stored, so that a body which is too large, or breaks off,
// leaves nothing behind. With an Idempotency-Key, entries that are sent again on
// the same lines are known by it and not stored twice.
func (a *API) createLogs(w http.ResponseWriter, r *http.Request) error {
	media, err := mediaType(r, append([]string{mediaJSON, mediaPlain}, ndjsonTypes...)...)
	if err != nil {
		return err
	}
	in, err := a.newIntake(r)
	if err != nil {
		return err
	}
	if err := in.readParams(r.URL.Query()); err != nil {
		return err
	}
	b, err := a.openBody(w, r, a.cfg.MaxBodyBytes)
	if err != nil {
		return err
	}
	defer b.close()
	text := withoutBOM(b)
	switch media {
	case mediaPlain:
		err = in.lines(text, in.plainEntry)
	case mediaJSON:
		err = eachValue(text, func(n int, value jsontext.Value) error { return in.take(n, value, in.jsonEntry) })
	default:
		err = in.lines(text, in.jsonEntry)
	}
	if err != nil {
		return err
	}
	receipt, err := a.store(r.Context(), "http", in)
	if err == nil {
		err = in.err()
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusAccepted, wire.LogReceipt{
		Accepted: len(receipt.LogIDs), Rejected: listOf(in.rejected), RejectedCount: in.rejectedCount,
		LogIDs: listOf(receipt.LogIDs), TaskIDs: listOf(receipt.TaskIDs),
	})
}

func (a *API) getLog(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	entry, err := a.logs.GetLog(r.Context(), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, logView(&entry))
}

// listLogs lists log entries; the level is the least.
func (a *API) listLogs(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r)
	filter := domain.LogFilter{
		From: q.time("from"), To: q.time("to"),
		MinLevel: named(q, "level", domain.ParseLogLevel),
		Source:   q.text("source"), Text: q.text("text"),
		Limit: q.limit(), Cursor: q.cursor(),
	}
	if err := q.err(); err != nil {
		return err
	}
	if err := filter.Validate(); err != nil {
		return err
	}
	page, err := a.logs.ListLogs(r.Context(), filter)
	if err != nil {
		return err
	}
	out := wire.LogList{Logs: make([]wire.LogEntry, len(page.Logs)), NextCursor: cursorView(page.NextCursor)}
	for i := range page.Logs {
		out.Logs[i] = logView(&page.Logs[i])
	}
	return writeJSON(w, http.StatusOK, out)
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
