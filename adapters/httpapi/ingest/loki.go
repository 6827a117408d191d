package ingest

import (
	"bytes"
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protowire"

	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
	"logsift/domain/logline"
)

// lokiNames are the labels that tell the source and the level of a stream, of
// several the first counts. Those of the source are what Loki itself takes for the
// name of a service, then where the lines were read.
var lokiNames = fieldNames{
	source: []string{
		"service_name", "service", "app", "application", "app_name", "name", "container", "container_name", "component", "workload", "job",
		"filename", "host", "hostname", "instance",
	},
	level: append([]string{"level", "detected_level"}, logline.Names().Level...),
}.ranked()

// Loki takes the streams of a Loki client, as JSON or as snappy protobuf. 204
// is success. If some of the entries are refused, the answer is 400, as Loki's own,
// and the others are stored all the same; a client does not send again what got 400.
func (e *Endpoints) Loki(w http.ResponseWriter, r *http.Request) error {
	media, err := request.MediaType(r, mediaProtobuf, wire.MediaJSON)
	if err != nil {
		return err
	}
	if media == mediaProtobuf && r.Header.Get("Content-Encoding") == "" {
		// Clients compress it without saying so.
		r.Header.Set("Content-Encoding", "snappy")
	}
	in, err := e.storeWhole(w, r, "loki", func(in *receiver, data []byte) error {
		streams := &lokiReceiver{receiver: in}
		if media == wire.MediaJSON {
			return streams.readJSON(data)
		}
		return streams.readProto(data)
	})
	if err != nil {
		return err
	}
	if in.rejectedCount > 0 {
		return problem.Refuse(domain.ErrInvalid, "%d entries were stored, %d were not: %s", len(in.entries), in.rejectedCount, in.reasons("entry"))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// LokiFailure answers with text.
func LokiFailure(w http.ResponseWriter, _ *http.Request, p wire.Problem) {
	wire.Send(w, retryable(p.Status), "text/plain; charset=utf-8", []byte(cmp.Or(p.Detail, p.Title)+"\n"))
}

// LokiReady answers those who ask Loki whether it is there.
func LokiReady(w http.ResponseWriter, _ *http.Request) error {
	wire.Send(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ready\n"))
	return nil
}

// lokiReceiver makes entries of the lines of streams.
type lokiReceiver struct {
	*receiver

	n      int // the lines so far
	stream lokiStream
}

// lokiStream is what is known of a stream, read once for all of its lines.
type lokiStream struct {
	labels []field
	named  parts
	// ids is the beginning of its entries' ids, the labels as they came.
	ids idPrefix
}

func (l *lokiReceiver) newStream(text string, labels []field) lokiStream {
	return lokiStream{labels: shared(labels), named: lokiNames.pick(labels, l.timeOf), ids: l.ownIDs("loki", text)}
}

// lokiLine is one entry of a stream.
type lokiLine struct {
	nano     int64 // 0 for none
	text     string
	metadata []field
}

// take adds the entry of a line, or rejects it. Blank lines are passed over.
func (l *lokiReceiver) take(line lokiLine) error {
	text := strings.TrimRight(line.text, "\r\n")
	if strings.TrimSpace(text) == "" {
		return nil
	}
	if len(text) > domain.MaxLogMessage {
		l.reject(l.n, errLongLine)
		return nil
	}
	entry, err := l.plainEntry([]byte(text))
	if err != nil {
		l.reject(l.n, err)
		return nil
	}
	named := lokiNames.pick(line.metadata, l.timeOf)
	source, level := named.source.or(l.stream.named.source).field, named.level.or(l.stream.named.level).field
	if source != nil && source.text != "" {
		entry.Source = request.CutText(source.text, domain.MaxLogSource)
	} else {
		source = nil
	}
	if level != nil {
		if known, ok := parseLevel(level.text); ok {
			entry.Level = known
		} else {
			level = nil
		}
	}
	for _, list := range [][]field{line.metadata, l.stream.labels} {
		for i := range list {
			if f := &list[i]; f != source && f != level {
				entry.Attributes = addAttribute(entry.Attributes, f.name, f.text)
			}
		}
	}
	if line.nano != 0 {
		entry.Timestamp = time.Unix(0, line.nano)
		if l.key == "" {
			// What Loki takes for the same entry, and stores once.
			entry.ID = l.contentID(l.stream.ids.id(strconv.FormatInt(line.nano, 10), line.text))
		}
	}
	return l.add(l.n, []byte(line.text), entry)
}

// readJSON reads {"streams":[{"stream":{…},"values":[[time,line,metadata],…]},…]}.
func (l *lokiReceiver) readJSON(data []byte) error {
	request, err := readWhole(data)
	if err != nil {
		return err
	}
	return elements(request, "streams", func(stream jsontext.Value) error {
		labels, err := member(stream, "stream")
		if err != nil {
			return err
		}
		l.stream = l.newStream(string(labels), nil)
		if labels != nil {
			fields, err := readFields(labels)
			if err != nil {
				return err
			}
			l.stream = l.newStream(string(labels), fields.list)
		}
		return elements(stream, "values", func(value jsontext.Value) error {
			l.n++
			if err := l.Record(); err != nil {
				return err
			}
			line, err := lokiJSONLine(value)
			if err != nil {
				l.reject(l.n, err)
				return nil
			}
			return l.take(line)
		})
	})
}

// lokiJSONLine reads [time,line] or [time,line,metadata].
func lokiJSONLine(value jsontext.Value) (lokiLine, error) {
	var line lokiLine
	wrong := &domain.ValidationError{Field: "values", Rule: "must be arrays of a time, a line and perhaps an object of metadata"}
	if value.Kind() != jsontext.KindBeginArray {
		return line, wrong
	}
	parts := 0
	err := request.EachValue(bytes.NewBuffer(value), func(n int, part jsontext.Value) error {
		parts = n
		switch {
		case n == 1:
			nano, err := jsonNumber("timestamp", part)
			if line.nano = int64(nano); line.nano < 0 {
				err = &domain.ValidationError{Field: "timestamp", Rule: "must be before the year 2262"}
			}
			return err
		case n == 2 && part.Kind() == jsontext.KindString:
			var err error
			line.text, err = fieldText(part)
			return err
		case n == 3 && part.Kind() == jsontext.KindBeginObject:
			fields, err := readFields(part)
			if err == nil {
				line.metadata = fields.list
			}
			return err
		case n == 3 && part.Kind() == jsontext.KindNull:
			return nil
		default:
			return wrong
		}
	})
	if err == nil && parts < 2 {
		err = wrong
	}
	return line, err
}

// readProto reads a logproto.PushRequest.
func (l *lokiReceiver) readProto(data []byte) error {
	return eachMessage(data, 1, func(stream []byte) error {
		l.stream = l.newStream("", nil)
		err := eachMessage(stream, 1, func(labels []byte) error {
			text := validText(labels)
			read, err := lokiLabels(text)
			l.stream = l.newStream(text, read)
			return err
		})
		if err != nil {
			return err
		}
		return eachMessage(stream, 2, func(entry []byte) error {
			l.n++
			if err := l.Record(); err != nil {
				return err
			}
			line, err := lokiProtoLine(entry)
			if err != nil {
				return err
			}
			return l.take(line)
		})
	})
}

// lokiProtoLine reads a logproto.EntryAdapter.
func lokiProtoLine(entry []byte) (lokiLine, error) {
	var line lokiLine
	err := eachField(entry, func(f protoField) error {
		switch {
		case f.is(1, protowire.BytesType):
			var seconds, nanos int64
			err := eachField(f.bytes, func(f protoField) error {
				switch {
				case f.is(1, protowire.VarintType):
					seconds = int64(f.number)
				case f.is(2, protowire.VarintType):
					nanos = int64(int32(f.number))
				}
				return nil
			})
			line.nano = time.Unix(seconds, nanos).UnixNano()
			return err
		case f.is(2, protowire.BytesType):
			line.text = validText(f.bytes)
		case f.is(3, protowire.BytesType) && len(line.metadata) < maxFields:
			var pair field
			err := eachField(f.bytes, func(f protoField) error {
				switch {
				case f.is(1, protowire.BytesType):
					pair.name = validText(f.bytes)
				case f.is(2, protowire.BytesType):
					pair.text = validText(f.bytes)
				}
				return nil
			})
			line.metadata = append(line.metadata, pair)
			return err
		}
		return nil
	})
	return line, err
}

// lokiLabels reads labels as Prometheus writes them: {a="b",c="d"}.
func lokiLabels(text string) ([]field, error) {
	wrong := &domain.ValidationError{Field: "labels", Value: request.CutText(text, 64), Rule: `must be like {a="b", c="d"}`}
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "{")
	if !ok {
		return nil, wrong
	}
	var out []field
	for {
		rest = strings.TrimLeft(rest, " ,")
		if rest == "}" {
			return out, nil
		}
		name, value, ok := strings.Cut(rest, "=")
		if !ok || len(out) == maxFields {
			return nil, wrong
		}
		quoted, err := strconv.QuotedPrefix(strings.TrimLeft(value, " "))
		if err != nil {
			return nil, wrong
		}
		plain, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, wrong
		}
		out = append(out, field{name: strings.TrimSpace(name), text: plain})
		rest = strings.TrimLeft(value, " ")[len(quoted):]
	}
}
