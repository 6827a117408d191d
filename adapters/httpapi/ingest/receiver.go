package ingest

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
	"logsift/domain/logline"
)

// maxRejected is how many rejected lines an answer names.
const maxRejected = 100

// receiver gathers the entries of a body, and what was wrong with the others.
type receiver struct {
	*request.Body

	source string // of entries that have none of their own, "" for none
	names  fieldNames
	caller string // see request.CallerID
	key    string // the Idempotency-Key, "" for none
	now    time.Time
	// parser reads lines of text and times; the lines of one body of text have dates in
	// common.
	parser logline.Parser

	entries       []domain.LogEntry
	rejected      []wire.RejectedLine
	rejectedCount int
	fields        fields // of the newest JSON object
	// copies counts the entries of each content id, see contentID.
	copies map[uuid.UUID]uint32
}

// receive receives the body of a request of logs. The receiver is to be closed.
func (e *Endpoints) receive(w http.ResponseWriter, r *http.Request) (*receiver, error) {
	key, err := request.CallersKey(r)
	if err != nil {
		return nil, err
	}
	zone, err := e.zoneOf(r)
	if err != nil {
		return nil, err
	}
	b, err := e.Bodies.Open(w, r, e.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	return &receiver{
		Body: b, names: defaultNames, caller: request.CallerID(r.Context()), key: key, now: e.Now(), parser: logline.Parser{Zone: zone},
	}, nil
}

// Where a request of any protocol names the zone of its times that name none.
const (
	zoneParam  = "timezone"
	zoneHeader = "Time-Zone"
)

// zoneOf returns the zone of a request: that of its query, else of its header, else the
// default.
func (e *Endpoints) zoneOf(r *http.Request) (*time.Location, error) {
	name := cmp.Or(r.URL.Query().Get(zoneParam), r.Header.Get(zoneHeader))
	if name == "" {
		return e.Zone, nil
	}
	return logline.ParseZone(name)
}

// storeWhole receives a request of logs, has read make entries of its whole body, and
// stores them. The receiver that it returns knows what was rejected, and is closed.
func (e *Endpoints) storeWhole(w http.ResponseWriter, r *http.Request, protocol string, read func(*receiver, []byte) error) (*receiver, error) {
	in, err := e.receive(w, r)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := in.All()
	if err != nil {
		return nil, err
	}
	if err := read(in, data); err != nil {
		return nil, err
	}
	_, err = e.store(r.Context(), protocol, in)
	return in, err
}

// maxNames is how many names of its own a request may give to each part of its
// entries.
const maxNames = 16

// readParams reads the parameters of Create.
func (in *receiver) readParams(q url.Values) error {
	in.source = q.Get("source")
	if len(in.source) > domain.MaxLogSource || !utf8.ValidString(in.source) {
		return &domain.ValidationError{Field: "source", Rule: fmt.Sprintf("must be UTF-8 of at most %d bytes", domain.MaxLogSource)}
	}
	for param, names := range map[string]*[]string{"_msg_field": &in.names.message, "_time_field": &in.names.time, "_stream_fields": &in.names.source} {
		given := splitNames(q.Get(param))
		if len(given) > maxNames {
			return &domain.ValidationError{Field: param, Rule: fmt.Sprintf("must have at most %d names", maxNames)}
		}
		*names = append(given, *names...)
		if param == "_time_field" {
			in.names.anyNumber = slices.Concat(given, in.names.anyNumber)
		}
	}
	in.names = in.names.ranked()
	return nil
}

// entryParser makes an entry of a line or value.
type entryParser func(text []byte) (domain.LogEntry, error)

// errLongLine is of a line or value that no entry can hold.
var errLongLine = &domain.ValidationError{Field: "line", Rule: fmt.Sprintf("must be at most %d bytes", domain.MaxLogMessage)}

// take adds the entry of a line or value, or rejects it.
func (in *receiver) take(n int, text []byte, parse entryParser) error {
	if err := in.Record(); err != nil {
		return err
	}
	if len(text) > domain.MaxLogMessage {
		in.reject(n, errLongLine)
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
func (in *receiver) add(n int, text []byte, entry domain.LogEntry) error {
	if err := in.check(n, text, &entry); err != nil {
		in.reject(n, err)
		return nil
	}
	return in.keep(entry)
}

// check makes an entry complete, and returns what is wrong with it.
func (in *receiver) check(n int, text []byte, entry *domain.LogEntry) error {
	switch {
	case entry.ID != uuid.Nil:
	case in.key != "":
		entry.ID = keyID(in.key, n, text)
	default:
		entry.ID = uuid.Must(uuid.NewV7())
	}
	entry.Timestamp = entry.Timestamp.UTC().Truncate(time.Microsecond)
	return entry.Validate()
}

// keep keeps an entry that is checked. It fails if the request has too many.
func (in *receiver) keep(entry domain.LogEntry) error {
	memory, work := entryCost(&entry)
	if err := in.Spend(work); err != nil {
		return err
	}
	in.entries = append(in.entries, entry)
	return in.Build(memory)
}

// entryCost is about what an entry takes in memory, and what it is for the store,
// which looks up and sorts each attribute, and may write a byte of one as several.
func entryCost(e *domain.LogEntry) (memory, work int64) {
	const (
		entry     = 160 // with its id in the answer
		attribute = 64
	)
	n := entry + len(e.Message) + len(e.Source)
	extra := 0
	for k, v := range e.Attributes {
		n += attribute + len(k) + len(v)
		extra += attribute + 2*len(v)
	}
	return int64(n), int64(n + extra)
}

// reject notes why a line or value was not added.
func (in *receiver) reject(n int, err error) {
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
func (in *receiver) err() error {
	if len(in.entries) > 0 {
		return nil
	}
	if in.rejectedCount == 0 {
		return &domain.ValidationError{Field: "body", Rule: "must have at least one log entry"}
	}
	errs := make(problem.FieldErrors, len(in.rejected))
	for i, rejected := range in.rejected {
		errs[i] = wire.FieldError{Field: fmt.Sprintf("line %d", rejected.Line), Detail: rejected.Reason}
	}
	return errs
}

// reasons says why the first few were rejected. noun is what they are.
func (in *receiver) reasons(noun string) string {
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
