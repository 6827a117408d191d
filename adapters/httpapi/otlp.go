package httpapi

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// pushOTLP takes the logs of an OTLP/HTTP exporter, as protobuf or as JSON. Success
// is exactly 200. Records that are refused do not keep the others from being
// stored; the answer counts them and says why, as partialSuccess.
func (a *API) pushOTLP(w http.ResponseWriter, r *http.Request) error {
	media, err := otlpMedia(r)
	if err != nil {
		return err
	}
	in, err := a.newIntake(r)
	if err != nil {
		return err
	}
	data, free, err := a.readBody(w, r, a.cfg.MaxBodyBytes)
	if err != nil {
		return err
	}
	defer free()
	logs := &otlpIntake{intake: in}
	if media == mediaJSON {
		err = logs.readJSON(data)
	} else {
		err = logs.readProto(data)
	}
	if err != nil {
		return err
	}
	if _, err := a.store(r.Context(), "otlp", in); err != nil {
		return err
	}
	return writeOTLP(w, media, otlpPartial{Rejected: int64(in.rejectedCount), Message: in.reasons("record")})
}

// otlpMedia returns the content type of an OTLP request.
func otlpMedia(r *http.Request) (string, error) {
	media, err := mediaType(r, mediaProtobuf, mediaJSON, "application/protobuf")
	if err == nil && media != mediaJSON {
		media = mediaProtobuf
	}
	return media, err
}

// otlpIntake makes entries of log records. It holds what is known of the record's
// surroundings.
type otlpIntake struct {
	*intake

	n        int // the records so far
	resource otlpResource
	scope    otlpScope
}

// otlpResource is where records come from.
type otlpResource struct{ attributes []field }

// otlpScope is the part of a program that records come from.
type otlpScope struct {
	name, version string
	attributes    []field
	// identity stands for the scope and its resource, see contentID.
	identity string
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

// add adds the entry of a record, or rejects it.
func (o *otlpIntake) add(rec *otlpRecord) error {
	entry, err := o.entry(rec)
	if err != nil {
		o.reject(o.n, err)
		return nil
	}
	if uid := attributeOf(rec.attributes, "log.record.uid"); uid != nil && uid.text != "" {
		entry.ID = derivedID("otlp.uid", uid.text)
	} else if o.key == "" && rec.observedNano != 0 {
		// SDKs and Collectors note when they saw a record, to the nanosecond.
		entry.ID = o.contentID("otlp", o.scope.identity, string(rec.raw))
	}
	return o.intake.add(o.n, rec.raw, entry)
}

// entry makes an entry of a record.
func (o *otlpIntake) entry(rec *otlpRecord) (domain.LogEntry, error) {
	entry, err := o.body(rec)
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
	resource, attributes := o.takeSource(&entry, rec.attributes)
	for _, f := range attributes {
		entry.Attributes = addAttribute(entry.Attributes, f.name, f.text)
	}
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
	for _, f := range append(o.scope.attributes[:len(o.scope.attributes):len(o.scope.attributes)], resource...) {
		entry.Attributes = addAttribute(entry.Attributes, f.name, f.text)
	}
	return entry, nil
}

// body begins an entry with the body of a record. A string is a log line; an object
// is read like one that was posted; the message of a record without a body is the
// name of its event.
func (o *otlpIntake) body(rec *otlpRecord) (domain.LogEntry, error) {
	switch {
	case strings.HasPrefix(rec.json, "{"):
		fields, err := readFields([]byte(rec.json))
		if err != nil {
			return domain.LogEntry{}, err
		}
		return o.entryOf(fields, strings.ToValidUTF8(rec.json, "\uFFFD"))
	case rec.json != "":
		return o.plainEntry([]byte(rec.json))
	case strings.TrimSpace(rec.text) != "":
		return o.plainEntry([]byte(strings.TrimRight(rec.text, "\r\n")))
	default:
		return o.plainEntry([]byte(rec.event))
	}
}

// takeSource gives the entry its source, and returns the attributes of the resource
// and those of the record without what it used. SDKs name a service that nobody
// named unknown_service; that is better than nothing only.
func (o *otlpIntake) takeSource(entry *domain.LogEntry, record []field) (resource, attributes []field) {
	resource, attributes = o.resource.attributes, record
	service := attributeOf(resource, "service.name")
	switch {
	case service != nil && service.text != "" && !strings.HasPrefix(service.text, "unknown_service"):
		entry.Source = service.text
		resource = without(resource, service)
	case entry.Source != "": // that of a body
	case setSource(entry, attributeOf(record, "log.file.name")):
		attributes = without(record, attributeOf(record, "log.file.name"))
	case setSource(entry, attributeOf(resource, "host.name")):
		resource = without(resource, attributeOf(resource, "host.name"))
	case o.scope.name != "":
		entry.Source = o.scope.name
	case setSource(entry, service):
		resource = without(resource, service)
	}
	entry.Source = cutText(entry.Source, domain.MaxLogSource)
	return resource, attributes
}

func setSource(entry *domain.LogEntry, f *field) bool {
	if f == nil || f.text == "" {
		return false
	}
	entry.Source = f.text
	return true
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

// without returns the list without one of its fields.
func without(list []field, f *field) []field {
	out := make([]field, 0, len(list))
	for i := range list {
		if &list[i] != f {
			out = append(out, list[i])
		}
	}
	return out
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
	if media == mediaJSON {
		out := struct {
			PartialSuccess *otlpPartial `json:"partialSuccess,omitempty"`
		}{}
		if partial != (otlpPartial{}) {
			out.PartialSuccess = &partial
		}
		return writeJSON(w, http.StatusOK, out)
	}
	var inner, body []byte
	if partial != (otlpPartial{}) {
		inner = protowire.AppendVarint(protowire.AppendTag(inner, 1, protowire.VarintType), uint64(partial.Rejected))
		inner = protowire.AppendString(protowire.AppendTag(inner, 2, protowire.BytesType), partial.Message)
		body = protowire.AppendBytes(protowire.AppendTag(body, 1, protowire.BytesType), inner)
	}
	send(w, http.StatusOK, media, body)
	return nil
}

// otlpCodes are the codes of google.rpc.Code for statuses of HTTP.
var otlpCodes = map[int]int{
	http.StatusBadRequest: 3, http.StatusRequestEntityTooLarge: 3, http.StatusUnsupportedMediaType: 3,
	http.StatusRequestTimeout: 4, http.StatusTooManyRequests: 8, http.StatusServiceUnavailable: 14,
}

// otlpFailure answers with a google.rpc.Status.
func otlpFailure(w http.ResponseWriter, r *http.Request, p wire.Problem) {
	status := retryable(p.Status)
	const internal = 13
	code := orDefault(otlpCodes[status], internal)
	text := orDefault(p.Detail, p.Title)
	media, err := otlpMedia(r)
	if err != nil || media == mediaJSON {
		out := struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		}{code, text}
		if err := writeJSON(w, status, out); err != nil {
			panic(fmt.Sprintf("marshal status: %v", err)) // a number and a string always marshal
		}
		return
	}
	body := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(code))
	body = protowire.AppendString(protowire.AppendTag(body, 2, protowire.BytesType), text)
	send(w, status, media, body)
}
