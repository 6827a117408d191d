package httpapi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// maxRejected is how many rejected lines an answer names.
const maxRejected = 100

// createLogs stores log entries and has them analysed. All of the body is read
// before anything is stored, so that a body which is too large, or breaks off,
// leaves nothing behind.
func (a *API) createLogs(w http.ResponseWriter, r *http.Request) error {
	media, err := mediaType(r, append([]string{mediaJSON, mediaPlain}, ndjsonTypes...)...)
	if err != nil {
		return err
	}
	source := r.URL.Query().Get("source")
	if len(source) > domain.MaxLogSource || !utf8.ValidString(source) {
		return &domain.ValidationError{Field: "source", Rule: fmt.Sprintf("must be UTF-8 of at most %d bytes", domain.MaxLogSource)}
	}
	b, err := a.openBody(w, r, a.cfg.MaxBodyBytes)
	if err != nil {
		return err
	}
	defer b.close()
	in := &intake{source: source, now: a.now(), newID: a.newID, limit: a.cfg.MaxLogEntries}
	text := withoutBOM(b)
	switch media {
	case mediaPlain:
		err = in.lines(text, plainEntry)
	case mediaJSON:
		err = eachValue(text, func(n int, value jsontext.Value) error { return in.take(n, value, jsonEntry) })
	default:
		err = in.lines(text, jsonEntry)
	}
	if err == nil {
		err = in.err()
	}
	if err != nil {
		return err
	}
	receipt, err := a.logs.CreateLogs(r.Context(), in.entries...)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusAccepted, wire.LogReceipt{
		Accepted: len(receipt.LogIDs), Rejected: listOf(in.rejected), RejectedCount: in.rejectedCount,
		LogIDs: listOf(receipt.LogIDs), TaskIDs: listOf(receipt.TaskIDs),
	})
}

// withoutBOM passes over the byte order mark that some editors write.
func withoutBOM(r io.Reader) *bufio.Reader {
	const bom = "\uFEFF"
	buffered := bufio.NewReaderSize(r, 64<<10)
	// An error here is met again by the next read.
	if head, err := buffered.Peek(len(bom)); err == nil && string(head) == bom {
		_, _ = buffered.Discard(len(bom))
	}
	return buffered
}

// intake gathers the entries of a body, and what was wrong with the others.
type intake struct {
	source string
	now    time.Time
	newID  func() uuid.UUID
	limit  int

	entries       []domain.LogEntry
	rejected      []wire.RejectedLine
	rejectedCount int
}

// entryParser makes an entry of a line or value. The source is that of the request,
// "" for none.
type entryParser func(text []byte, source string, now time.Time) (domain.LogEntry, error)

// take adds the entry of a line or value, or rejects it.
func (in *intake) take(n int, text []byte, parse entryParser) error {
	if len(text) > domain.MaxLogMessage {
		in.reject(n, fmt.Sprintf("must be at most %d bytes", domain.MaxLogMessage))
		return nil
	}
	entry, err := parse(text, in.source, in.now)
	if err == nil {
		entry.ID = in.newID()
		entry.Timestamp = entry.Timestamp.UTC().Truncate(time.Microsecond)
		err = entry.Validate()
	}
	if err != nil {
		in.reject(n, err.Error())
		return nil
	}
	if len(in.entries) == in.limit {
		return refuse(errTooLarge, "a request must have at most %d log entries", in.limit)
	}
	in.entries = append(in.entries, entry)
	return nil
}

func (in *intake) reject(n int, reason string) {
	in.rejectedCount++
	if len(in.rejected) < maxRejected {
		in.rejected = append(in.rejected, wire.RejectedLine{Line: n, Reason: reason})
	}
}

// lines takes the lines that are not blank.
func (in *intake) lines(r *bufio.Reader, parse entryParser) error {
	var line []byte
	for n, more := 1, true; more; n++ {
		var err error
		if line, more, err = readLine(r, line[:0]); err != nil {
			return err
		}
		if firstByte(line) == 0 {
			continue
		}
		if err := in.take(n, bytes.TrimRight(line, "\r\n"), parse); err != nil {
			return err
		}
	}
	return nil
}

// readLine appends the next line to line, with its end, and reports whether more
// may follow. Of a line that is too long it keeps only enough to tell so.
func readLine(r *bufio.Reader, line []byte) (_ []byte, more bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(line) <= domain.MaxLogMessage+len("\r\n") {
			line = append(line, part...)
		}
		switch {
		case err == nil:
			return line, true, nil
		case errors.Is(err, io.EOF):
			return line, false, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, false, err
		}
	}
}

// err refuses a body of which nothing can be stored.
func (in *intake) err() error {
	if len(in.entries) > 0 {
		return nil
	}
	if in.rejectedCount == 0 {
		return &domain.ValidationError{Field: "body", Rule: "must have at least one log entry"}
	}
	errs := make(fieldErrors, len(in.rejected))
	for i, rejected := range in.rejected {
		errs[i] = wire.FieldError{Field: fmt.Sprintf("line %d", rejected.Line), Detail: rejected.Reason}
	}
	return errs
}

// plainEntry reads a line of text. A source that the request names is the line's
// own; what the line says of it is kept as an attribute.
func plainEntry(text []byte, source string, now time.Time) (domain.LogEntry, error) {
	entry := domain.ParseLogLine(strings.ToValidUTF8(string(text), "\uFFFD"), now)
	if source != "" {
		if said := entry.Source; said != "" && said != source {
			if entry.Attributes == nil {
				entry.Attributes = map[string]string{}
			}
			entry.Attributes["source"] = said
		}
		entry.Source = source
	}
	return entry, nil
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
