package ingest

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// OTLP takes the logs of an OTLP/HTTP exporter, as protobuf or as JSON. Success
// is exactly 200. Records that are refused do not keep the others from being
// stored; the answer counts them and says why, as partialSuccess.
func (e *Endpoints) OTLP(w http.ResponseWriter, r *http.Request) error {
	media, err := otlpMedia(r)
	if err != nil {
		return err
	}
	in, err := e.storeWhole(w, r, "otlp", func(in *receiver, data []byte) error {
		logs := &otlpReceiver{receiver: in}
		if media == wire.MediaJSON {
			return logs.readJSON(data)
		}
		return logs.readProto(data)
	})
	if err != nil {
		return err
	}
	return writeOTLP(w, media, otlpPartial{Rejected: int64(in.rejectedCount), Message: in.reasons("record")})
}

// otlpMedia returns the content type of an OTLP request.
func otlpMedia(r *http.Request) (string, error) {
	media, err := request.MediaType(r, mediaProtobuf, wire.MediaJSON, "application/protobuf")
	if err == nil && media != wire.MediaJSON {
		media = mediaProtobuf
	}
	return media, err
}

// otlpReceiver makes entries of log records. It holds what is known of the record's
// surroundings.
type otlpReceiver struct {
	*receiver

	n        int // the records so far
	resource otlpResource
	scope    otlpScope
}

// otlpResource is where records come from, read once for all of them.
type otlpResource struct {
	attributes    []field
	service, host *field // nil for none
	// ids is the beginning of the identities of its scopes.
	ids idPrefix
}

func newOTLPResource(raw string, attributes []field) otlpResource {
	return otlpResource{
		attributes: shared(attributes), ids: idBeginning("scope", raw),
		service: attributeOf(attributes, "service.name"), host: attributeOf(attributes, "host.name"),
	}
}

// otlpScope is the part of a program that records come from.
type otlpScope struct {
	name, version string
	attributes    []field
	// ids is the beginning of its records' ids.
	ids idPrefix
}

func (o *otlpReceiver) newScope(raw, name, version string, attributes []field) otlpScope {
	identity := o.resource.ids.id(raw)
	return otlpScope{
		name: request.CutText(name, domain.MaxLogAttribute), version: request.CutText(version, domain.MaxLogAttribute),
		attributes: shared(attributes), ids: o.ownIDs("otlp", string(identity[:])),
	}
}

// otlpRecord is a log record.
type otlpRecord struct {
	timeNano, observedNano uint64
	severity               int
	severityText           string
	// text is the body that is a string; json that of another kind, "" for none.
	text, json string
	attributes []field
	// traceID and spanID are in hexadecimal digits.
	traceID, spanID, event string
	raw                    []byte
}

// maxUID is how long the log.record.uid of a record may be, in bytes; a longer one is
// an attribute only.
const maxUID = 512

// add adds the entry of a record, or rejects it.
func (o *otlpReceiver) add(rec *otlpRecord) error {
	entry, err := o.entry(rec)
	if err != nil {
		o.reject(o.n, err)
		return nil
	}
	if uid := attributeOf(rec.attributes, "log.record.uid"); uid != nil && uid.text != "" && len(uid.text) <= maxUID {
		entry.ID = o.ownID("otlp.uid", uid.text)
	} else if o.key == "" && rec.observedNano != 0 {
		// SDKs and Collectors note when they saw a record, to the nanosecond.
		entry.ID = o.contentID(o.scope.ids.id(string(rec.raw)))
	}
	return o.receiver.add(o.n, rec.raw, entry)
}

// entry makes an entry of a record.
func (o *otlpReceiver) entry(rec *otlpRecord) (domain.LogEntry, error) {
	entry, err := o.begin(rec)
	if err != nil {
		return entry, err
	}
	at := rec.timeNano
	if at == 0 && entry.Timestamp.IsZero() {
		at = rec.observedNano
	}
	if at > math.MaxInt64 {
		return entry, &domain.ValidationError{Field: "timeUnixNano", Rule: "must be before the year 2262"}
	}
	if at != 0 {
		entry.Timestamp = time.Unix(0, int64(at))
	}
	usedText := rec.severityText == ""
	if level, ok := otlpLevel(rec.severity); ok {
		entry.Level = level
		named, ok := parseLevel(rec.severityText)
		usedText = usedText || ok && named == level
	} else if level, ok := parseLevel(rec.severityText); ok {
		entry.Level, usedText = level, true
	}
	source := o.takeSource(&entry, rec.attributes)
	o.addAttributes(&entry, rec.attributes, source)
	named := []field{
		{name: "trace_id", text: rec.traceID}, {name: "span_id", text: rec.spanID}, {name: "event_name", text: rec.event},
		{name: "scope.name", text: o.scope.name}, {name: "scope.version", text: o.scope.version},
	}
	if !usedText {
		named = append(named, field{name: "severity_text", text: rec.severityText})
	}
	for _, f := range named {
		if f.text != "" && f.text != entry.Source {
			entry.Attributes = addAttribute(entry.Attributes, f.name, f.text)
		}
	}
	o.addAttributes(&entry, o.scope.attributes, nil)
	o.addAttributes(&entry, o.resource.attributes, source)
	return entry, nil
}

// addAttributes adds attributes but the one that became the source.
func (o *otlpReceiver) addAttributes(entry *domain.LogEntry, list []field, source *field) {
	for i := range list {
		if f := &list[i]; f != source {
			entry.Attributes = addAttribute(entry.Attributes, f.name, f.text)
		}
	}
}

// begin makes an entry of the body of a record. A string is a log line; an object
// is read like one that was posted; the message of a record without a body is the
// name of its event.
func (o *otlpReceiver) begin(rec *otlpRecord) (domain.LogEntry, error) {
	switch {
	case len(rec.json) > domain.MaxLogMessage || len(rec.text) > domain.MaxLogMessage:
		return domain.LogEntry{}, errLongLine
	case strings.HasPrefix(rec.json, "{"):
		object := []byte(rec.json)
		fields, err := o.readFields(object)
		if err != nil {
			return domain.LogEntry{}, err
		}
		return o.entryOf(fields, object)
	case rec.json != "":
		return o.plainEntry([]byte(rec.json))
	case strings.TrimSpace(rec.text) != "":
		return o.plainEntry([]byte(strings.TrimRight(rec.text, "\r\n")))
	default:
		return o.plainEntry([]byte(rec.event))
	}
}

// takeSource gives the entry its source, and returns the attribute that it is, if it
// is one. SDKs name a service that nobody named unknown_service; that is better than
// nothing only.
func (o *otlpReceiver) takeSource(entry *domain.LogEntry, record []field) (used *field) {
	service := o.resource.service
	switch {
	case service != nil && service.text != "" && !strings.HasPrefix(service.text, "unknown_service"):
		used = service
	case entry.Source != "": // that of a body
	default:
		for _, used = range []*field{attributeOf(record, "log.file.name"), o.resource.host, {text: o.scope.name}, service} {
			if used != nil && used.text != "" {
				break
			}
		}
	}
	if used != nil {
		entry.Source = used.text
	}
	entry.Source = request.CutText(entry.Source, domain.MaxLogSource)
	return used
}

// attributeOf returns the attribute of the name, or nil.
func attributeOf(list []field, name string) *field {
	for i := range list {
		if list[i].name == name {
			return &list[i]
		}
	}
	return nil
}

// otlpLevel is the level of a severity number: four numbers to each, from trace.
func otlpLevel(n int) (domain.LogLevel, bool) {
	if n < 1 || n > 24 {
		return domain.LogLevelUnknown, false
	}
	return domain.LogLevelTrace + domain.LogLevel((n-1)/4), true
}

// otlpPartial is the partialSuccess of an answer; zero for a whole success.
type otlpPartial struct {
	Rejected int64  `json:"rejectedLogRecords,string,omitempty"`
	Message  string `json:"errorMessage,omitempty"`
}

// writeOTLP answers with an ExportLogsServiceResponse.
func writeOTLP(w http.ResponseWriter, media string, partial otlpPartial) error {
	if media == wire.MediaJSON {
		out := struct {
			PartialSuccess *otlpPartial `json:"partialSuccess,omitempty"`
		}{}
		if partial != (otlpPartial{}) {
			out.PartialSuccess = &partial
		}
		return wire.Write(w, http.StatusOK, out)
	}
	var inner, body []byte
	if partial != (otlpPartial{}) {
		inner = protowire.AppendVarint(protowire.AppendTag(inner, 1, protowire.VarintType), uint64(partial.Rejected))
		inner = protowire.AppendString(protowire.AppendTag(inner, 2, protowire.BytesType), partial.Message)
		body = protowire.AppendBytes(protowire.AppendTag(body, 1, protowire.BytesType), inner)
	}
	wire.Send(w, http.StatusOK, media, body)
	return nil
}

// otlpCodes are the codes of google.rpc.Code for statuses of HTTP.
var otlpCodes = map[int]int{
	http.StatusBadRequest: 3, http.StatusRequestEntityTooLarge: 3, http.StatusUnsupportedMediaType: 3,
	http.StatusTooManyRequests: 8, http.StatusServiceUnavailable: 14,
}

// OTLPFailure answers with a google.rpc.Status.
func OTLPFailure(w http.ResponseWriter, r *http.Request, p wire.Problem) {
	status := retryable(p.Status)
	const internal = 13
	code := cmp.Or(otlpCodes[status], internal)
	text := cmp.Or(p.Detail, p.Title)
	media, err := otlpMedia(r)
	if err != nil || media == wire.MediaJSON {
		out := struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		}{code, text}
		if err := wire.Write(w, status, out); err != nil {
			panic(fmt.Sprintf("marshal status: %v", err)) // a number and a string always marshal
		}
		return
	}
	body := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(code))
	body = protowire.AppendString(protowire.AppendTag(body, 2, protowire.BytesType), text)
	wire.Send(w, status, media, body)
}
