package ingest

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
)

// LogParams are the query parameters of Create. Those with an underscore are
// the names that VictoriaLogs has for them.
var LogParams = []string{"source", zoneParam, "_msg_field", "_time_field", "_stream_fields"}

// Create stores log entries and has them analysed. All of the body is read
// before anything is stored, so that a body which is too large, or breaks off,
// leaves nothing behind. With an Idempotency-Key, entries that are sent again on
// the same lines are known by it and not stored twice.
func (e *Endpoints) Create(w http.ResponseWriter, r *http.Request) error {
	media, err := request.MediaType(r, append([]string{wire.MediaJSON, mediaPlain}, request.NDJSONTypes...)...)
	if err != nil {
		return err
	}
	in, err := e.receive(w, r)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := in.readParams(r.URL.Query()); err != nil {
		return err
	}
	text := withoutBOM(in)
	switch media {
	case mediaPlain:
		err = in.text(text)
	case wire.MediaJSON:
		err = request.EachValue(text, func(n int, value jsontext.Value) error { return in.take(n, value, in.jsonEntry) })
	default:
		err = in.lines(text, in.jsonEntry)
	}
	if err != nil {
		return err
	}
	receipt, err := e.store(r.Context(), "http", in)
	if err == nil {
		err = in.err()
	}
	if err != nil {
		return err
	}
	return wire.Write(w, http.StatusAccepted, wire.LogReceipt{
		Accepted: len(receipt.LogIDs), Rejected: wire.List(in.rejected), RejectedCount: in.rejectedCount,
		LogIDs: wire.List(receipt.LogIDs), TaskIDs: wire.List(receipt.TaskIDs),
	})
}
