package ingest

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protowire"

	"logsift/adapters/httpapi/request"
	"logsift/domain"
)

// Errors of what an OTLP request has in it.
var (
	errOTLPDepth = &domain.ValidationError{Field: "value", Rule: "must be nested at most " + strconv.Itoa(request.MaxDepth) + " deep"}
	errOTLPValue = &domain.ValidationError{Field: "value", Rule: "must be that of an OTLP attribute"}
)

// readProto reads an ExportLogsServiceRequest.
func (o *otlpReceiver) readProto(data []byte) error {
	return eachMessage(data, 1, func(resourceLogs []byte) error {
		resource, err := lastMessage(resourceLogs, 1)
		if err != nil {
			return err
		}
		attributes, err := protoAttributes(resource, 1)
		if err != nil {
			return err
		}
		o.resource = newOTLPResource(string(resource), attributes)
		return eachMessage(resourceLogs, 2, func(scopeLogs []byte) error {
			if err := o.readProtoScope(scopeLogs); err != nil {
				return err
			}
			return eachMessage(scopeLogs, 2, o.readProtoRecord)
		})
	})
}

func (o *otlpReceiver) readProtoScope(scopeLogs []byte) error {
	raw, err := lastMessage(scopeLogs, 1)
	if err != nil {
		return err
	}
	attributes, err := protoAttributes(raw, 3)
	if err != nil {
		return err
	}
	var name, version string
	err = eachField(raw, func(f protoField) error {
		switch {
		case f.is(1, protowire.BytesType):
			name = protoText(f.bytes)
		case f.is(2, protowire.BytesType):
			version = protoText(f.bytes)
		}
		return nil
	})
	o.scope = o.newScope(string(raw), name, version, attributes)
	return err
}

func (o *otlpReceiver) readProtoRecord(msg []byte) error {
	o.n++
	if err := o.Record(); err != nil {
		return err
	}
	rec := &otlpRecord{raw: msg}
	err := eachField(msg, func(f protoField) (err error) {
		switch {
		case f.is(1, protowire.Fixed64Type):
			rec.timeNano = f.number
		case f.is(2, protowire.VarintType):
			rec.severity = int(int32(f.number))
		case f.is(3, protowire.BytesType):
			rec.severityText = protoText(f.bytes)
		case f.is(5, protowire.BytesType):
			rec.text, rec.json, err = protoBody(f.bytes)
		case f.is(9, protowire.BytesType):
			rec.traceID = hex.EncodeToString(f.bytes[:min(len(f.bytes), maxTraceID)])
		case f.is(10, protowire.BytesType):
			rec.spanID = hex.EncodeToString(f.bytes[:min(len(f.bytes), maxTraceID)])
		case f.is(11, protowire.Fixed64Type):
			rec.observedNano = f.number
		case f.is(12, protowire.BytesType):
			rec.event = protoText(f.bytes)
		}
		return err
	})
	if err == nil {
		rec.attributes, err = protoAttributes(msg, 6)
	}
	return o.addOrReject(rec, err)
}

// protoText returns text as valid UTF-8, cut to what an attribute may have.
func protoText(text []byte) string {
	return request.CutText(string(text[:min(len(text), domain.MaxLogAttribute+1)]), domain.MaxLogAttribute)
}

// maxTraceID bounds the bytes of an id of a trace or span, which have 16 and 8.
const maxTraceID = 64

// protoBody reads an AnyValue: the text of a string, the JSON of another value. One
// that no entry can hold is errLongLine.
func protoBody(msg []byte) (text, json string, err error) {
	isText := false
	err = eachField(msg, func(f protoField) error {
		isText = f.is(1, protowire.BytesType)
		switch {
		case !isText:
		case len(f.bytes) > domain.MaxLogMessage:
			return errLongLine
		default:
			text = validText(f.bytes)
		}
		return nil
	})
	if err != nil || isText || len(msg) == 0 {
		return text, "", err
	}
	value := jsonBuilder{limit: domain.MaxLogMessage}
	if err := value.any(msg, 0); err != nil {
		return "", "", err
	}
	if string(value.text) == "null" {
		return "", "", nil
	}
	return "", string(value.text), nil
}

// protoAttributes reads the KeyValues that are the field num of a message.
func protoAttributes(msg []byte, num protowire.Number) ([]field, error) {
	out := &fields{}
	err := out.readProto(msg, num, 0, false, 0)
	return out.list, err
}

// readProto reads KeyValues as read does members: those of nested lists under their
// names joined by dots, arrays as JSON. Names and values are cut before they are made.
func (f *fields) readProto(msg []byte, num protowire.Number, prefix int, attribute bool, depth int) error {
	if depth == request.MaxDepth {
		return errOTLPDepth
	}
	return eachMessage(msg, num, func(pair []byte) error {
		key, err := lastMessage(pair, 1)
		if err != nil || f.full() {
			return err
		}
		value, err := lastMessage(pair, 2)
		if err != nil {
			return err
		}
		f.name = append(f.name[:prefix], key[:min(len(key), domain.MaxLogSource+1)]...)
		f.cutName()
		return f.putProto(value, prefix, attribute, depth)
	})
}

// putProto puts the value of an AnyValue under the name.
func (f *fields) putProto(msg []byte, prefix int, attribute bool, depth int) error {
	var value protoField // of several the last counts
	if err := eachField(msg, func(given protoField) error {
		if int(given.num) < len(protoKinds) && protoKinds[given.num] == given.kind {
			value = given
		}
		return nil
	}); err != nil {
		return err
	}
	switch value.num {
	case 0:
	case 1:
		f.put(jsontext.KindString, protoText(value.bytes), attribute)
	case 6:
		prefix, attribute = f.enter(prefix, attribute)
		return f.readProto(value.bytes, 1, prefix, attribute, depth+1)
	default:
		built := jsonBuilder{limit: domain.MaxLogAttribute}
		if err := built.value(value, depth); err != nil && !errors.Is(err, errLongLine) {
			return err
		}
		text := string(built.text)
		if inner, ok := strings.CutPrefix(text, `"`); ok {
			text = strings.TrimSuffix(inner, `"`)
		}
		f.put(jsontext.Value(built.text).Kind(), request.CutText(text, domain.MaxLogAttribute), attribute)
	}
	return nil
}

// protoKinds are the kinds of the fields of an AnyValue: string, bool, int, double,
// array, key-value list, bytes.
var protoKinds = [...]protowire.Type{
	1: protowire.BytesType, 2: protowire.VarintType, 3: protowire.VarintType, 4: protowire.Fixed64Type,
	5: protowire.BytesType, 6: protowire.BytesType, 7: protowire.BytesType,
}

// jsonBuilder makes JSON of values of OTLP. What is longer than the limit is
// errLongLine.
type jsonBuilder struct {
	text  []byte
	limit int
}

// any appends an AnyValue; one without a value is null.
func (b *jsonBuilder) any(msg []byte, depth int) error {
	if depth == request.MaxDepth {
		return errOTLPDepth
	}
	begin := len(b.text)
	err := eachField(msg, func(f protoField) error {
		b.text = b.text[:begin] // of several the last counts
		return b.value(f, depth)
	})
	if len(b.text) == begin {
		b.text = append(b.text, "null"...)
	}
	return err
}

// value appends a field of an AnyValue.
func (b *jsonBuilder) value(f protoField, depth int) (err error) {
	text := f.bytes[:min(len(f.bytes), b.limit)]
	switch {
	case f.is(1, protowire.BytesType):
		b.text = appendQuoted(b.text, text)
	case f.is(2, protowire.VarintType):
		b.text = strconv.AppendBool(b.text, f.number != 0)
	case f.is(3, protowire.VarintType):
		b.text = strconv.AppendInt(b.text, int64(f.number), 10)
	case f.is(4, protowire.Fixed64Type):
		b.text = appendFloat(b.text, math.Float64frombits(f.number))
	case f.is(5, protowire.BytesType):
		err = b.array(f.bytes, depth+1)
	case f.is(6, protowire.BytesType):
		err = b.object(f.bytes, depth+1)
	case f.is(7, protowire.BytesType):
		b.text = append(base64.StdEncoding.AppendEncode(append(b.text, '"'), text), '"')
	}
	if err == nil && len(b.text) > b.limit {
		err = errLongLine
	}
	return err
}

// object appends KeyValues as a JSON object.
func (b *jsonBuilder) object(msg []byte, depth int) error {
	b.text = append(b.text, '{')
	begin := len(b.text)
	err := eachMessage(msg, 1, func(pair []byte) error {
		key, err := lastMessage(pair, 1)
		if err != nil {
			return err
		}
		value, err := lastMessage(pair, 2)
		if err != nil {
			return err
		}
		b.comma(begin)
		b.text = append(appendQuoted(b.text, key[:min(len(key), b.limit)]), ':')
		return b.any(value, depth)
	})
	b.text = append(b.text, '}')
	return err
}

func (b *jsonBuilder) array(msg []byte, depth int) error {
	b.text = append(b.text, '[')
	begin := len(b.text)
	err := eachMessage(msg, 1, func(value []byte) error {
		b.comma(begin)
		return b.any(value, depth)
	})
	b.text = append(b.text, ']')
	return err
}

// comma separates a member or element from the one before.
func (b *jsonBuilder) comma(begin int) {
	if len(b.text) > begin {
		b.text = append(b.text, ',')
	}
}

// appendQuoted appends text as a JSON string.
func appendQuoted(to, text []byte) []byte {
	// The only error is invalid UTF-8, which is replaced.
	to, _ = jsontext.AppendQuote(to, text)
	return to
}

// appendFloat appends a number as JSON, or what is none, such as NaN, as a string.
func appendFloat(to []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.AppendQuote(to, strconv.FormatFloat(v, 'g', -1, 64))
	}
	return strconv.AppendFloat(to, v, 'g', -1, 64)
}
