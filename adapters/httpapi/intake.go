package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// maxRejected is how many rejected lines an answer names.
const maxRejected = 100

// maxExpansion is how many times MaxBodyBytes the entries of a body may have.
const maxExpansion = 4

// intake gathers the entries of a body, and what was wrong with the others.
type intake struct {
	source string // of entries that have none of their own, "" for none
	names  fieldNames
	key    string // the Idempotency-Key, "" for none
	now    time.Time
	newID  func() uuid.UUID
	limit  int
	// maxBytes bounds the bytes of all entries, since those of a stream or resource
	// each get its attributes.
	maxBytes int64

	entries       []domain.LogEntry
	rejected      []wire.RejectedLine
	rejectedCount int
	bytes         int64
	// copies counts the entries of each content id, see contentID.
	copies map[uuid.UUID]uint32
}

// newIntake returns the intake of a request.
func (a *API) newIntake(r *http.Request) (*intake, error) {
	key, err := idempotencyKey(r)
	if err != nil {
		return nil, err
	}
	if key != "" {
		key = callersKey(r, key)
	}
	return &intake{names: defaultNames, key: key, now: a.now(), newID: a.newID, limit: a.cfg.MaxLogEntries, maxBytes: maxExpansion * a.cfg.MaxBodyBytes}, nil
}

// readParams reads the parameters of createLogs.
func (in *intake) readParams(q url.Values) error {
	in.source = q.Get("source")
	if len(in.source) > domain.MaxLogSource || !utf8.ValidString(in.source) {
		return &domain.ValidationError{Field: "source", Rule: fmt.Sprintf("must be UTF-8 of at most %d bytes", domain.MaxLogSource)}
	}
	in.names.message = withNames(q.Get("_msg_field"), in.names.message)
	in.names.time = withNames(q.Get("_time_field"), in.names.time)
	in.names.source = withNames(q.Get("_stream_fields"), in.names.source)
	return nil
}

// entryParser makes an entry of a line or value.
type entryParser func(text []byte) (domain.LogEntry, error)

// take adds the entry of a line or value, or rejects it.
func (in *intake) take(n int, text []byte, parse entryParser) error {
	if len(text) > domain.MaxLogMessage {
		in.reject(n, &domain.ValidationError{Field: "line", Rule: fmt.Sprintf("must be at most %d bytes", domain.MaxLogMessage)})
		return nil
	}
	entry, err := parse(text)
	if err != nil {
		in.reject(n, err)
		return nil
	}
	return in.add(n, text, entry)
}

// add adds an entry, or rejects it if it breaks a limit. n is its number in the
// request from 1, text what it was made of. An entry without an id gets one.
func (in *intake) add(n int, text []byte, entry domain.LogEntry) error {
	if err := in.check(n, text, &entry); err != nil {
		in.reject(n, err)
		return nil
	}
	return in.keep(entry)
}

// check makes an entry complete, and returns what is wrong with it.
func (in *intake) check(n int, text []byte, entry *domain.LogEntry) error {
	switch {
	case entry.ID != uuid.Nil:
	case in.key != "":
		entry.ID = keyedID(in.key, n, text)
	default:
		entry.ID = in.newID()
	}
	entry.Timestamp = entry.Timestamp.UTC().Truncate(time.Microsecond)
	return entry.Validate()
}

// keep keeps an entry that is checked. It fails if the request has too many.
func (in *intake) keep(entry domain.LogEntry) error {
	if len(in.entries) == in.limit {
		return refuse(errTooLarge, "a request must have at most %d log entries", in.limit)
	}
	if in.bytes += entryBytes(&entry); in.bytes > in.maxBytes {
		return refuse(errTooLarge, "the entries of a request must have at most %d bytes with their attributes", in.maxBytes)
	}
	in.entries = append(in.entries, entry)
	return nil
}

// entryBytes is about what an entry and its attributes take in memory.
func entryBytes(e *domain.LogEntry) int64 {
	const attribute = 64
	n := len(e.Message) + len(e.Source)
	for k, v := range e.Attributes {
		n += attribute + len(k) + len(v)
	}
	return int64(n)
}

// reject notes why a line or value was not added.
func (in *intake) reject(n int, err error) {
	in.rejectedCount++
	if len(in.rejected) == maxRejected {
		return
	}
	line := wire.RejectedLine{Line: n, Field: "line", Reason: err.Error()}
	var invalid *domain.ValidationError
	if errors.As(err, &invalid) {
		line.Field = invalid.Field
	}
	in.rejected = append(in.rejected, line)
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

// store stores the entries of an intake, if it has any, and tells how many came by
// the protocol.
func (a *API) store(ctx context.Context, protocol string, in *intake) (receipt domain.LogReceipt, err error) {
	if len(in.entries) > 0 {
		receipt, err = a.logs.CreateLogs(ctx, in.entries...)
	}
	if a.intake != nil {
		a.intake.ObserveIntake(protocol, len(receipt.LogIDs), in.rejectedCount)
	}
	return receipt, err
}

// reasons says why the first few were rejected. noun is what they are.
func (in *intake) reasons(noun string) string {
	const shown = 5
	var out []string
	for _, r := range in.rejected[:min(shown, len(in.rejected))] {
		out = append(out, fmt.Sprintf("%s %d: %s", noun, r.Line, r.Reason))
	}
	if more := in.rejectedCount - shown; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, "; ")
}

// lines takes the lines that are not blank.
func (in *intake) lines(r *bufio.Reader, parse entryParser) error {
	return eachLine(r, func(n int, line []byte) error {
		if firstByte(line) == 0 {
			return nil
		}
		return in.take(n, line, parse)
	})
}

// eachLine calls f with each line, without its end, numbered from 1. Of a line
// that is longer than an entry may be, f gets enough to tell so. The line is valid
// until f returns.
func eachLine(r *bufio.Reader, f func(n int, line []byte) error) error {
	var line []byte
	for n, more := 1, true; more; n++ {
		var err error
		if line, more, err = readLine(r, line[:0]); err != nil {
			return err
		}
		if err := f(n, bytes.TrimRight(line, "\r\n")); err != nil {
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

// plainEntry reads a line of text. A source that the request names is the line's
// own; what the line says of it is kept as an attribute.
func (in *intake) plainEntry(text []byte) (domain.LogEntry, error) {
	entry := domain.ParseLogLine(strings.ToValidUTF8(string(text), "\uFFFD"), in.now)
	if said := entry.Source; in.source != "" {
		if said != "" && said != in.source {
			entry.Attributes = addAttribute(entry.Attributes, "source", said)
		}
		entry.Source = in.source
	}
	return entry, nil
}
