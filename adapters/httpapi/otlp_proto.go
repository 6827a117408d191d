package httpapi

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protowire"

	"logsift/domain"
)

// Protobuf messages are read field by field, not into generated types: those would
// take a hundred times the memory of a body that is made to do so, such as one of
// empty records.

// protoField is a field of a message: number of a varint or a fixed value, or bytes.
type protoField struct {
	num    protowire.Number
	kind   protowire.Type
	number uint64
	bytes  []byte
}

// eachField calls f with each field of a message in its order, without groups. The
// error is a *domain.ValidationError for "body", or f's own.
func eachField(msg []byte, f func(protoField) error) error {
	for len(msg) > 0 {
		num, kind, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return errNoProto
		}
		msg = msg[n:]
		field := protoField{num: num, kind: kind}
		switch kind {
		case protowire.VarintType:
			field.number, n = protowire.ConsumeVarint(msg)
		case protowire.Fixed64Type:
			field.number, n = protowire.ConsumeFixed64(msg)
		case protowire.BytesType:
			field.bytes, n = protowire.ConsumeBytes(msg)
		default:
			n = protowire.ConsumeFieldValue(num, kind, msg)
		}
		if n < 0 {
			return errNoProto
		}
		msg = msg[n:]
		if err := f(field); err != nil {
			return err
		}
	}
	return nil
}

// Errors of what an OTLP request has in it.
var (
	errOTLPDepth = &domain.ValidationError{Field: "value", Rule: "must be nested at most " + strconv.Itoa(maxDepth) + " deep"}
	errOTLPValue = &domain.ValidationError{Field: "value", Rule: "must be that of an OTLP attribute"}
)

var errNoProto = &domain.ValidationError{Field: "body", Rule: "must be a complete protobuf message"}

// is reports whether the field is this one. A field of another kind is an unknown
// one, which readers pass over.
func (f *protoField) is(num protowire.Number, kind protowire.Type) bool {
	return f.num == num && f.kind == kind
}

// eachMessage calls f with the messages of a repeated field.
func eachMessage(msg []byte, num protowire.Number, f func([]byte) error) error {
	return eachField(msg, func(field protoField) error {
		if !field.is(num, protowire.BytesType) {
			return nil
		}
		return f(field.bytes)
	})
}

// readProto reads an ExportLogsServiceRequest.
func (o *otlpIntake) readProto(data []byte) error {
	return eachMessage(data, 1, func(resourceLogs []byte) error {
		o.resource = otlpResource{}
		var resource []byte
		if err := eachMessage(resourceLogs, 1, func(msg []byte) (err error) {
			resource = msg
			o.resource.attributes, err = protoAttributes(msg, 1)
			return err
		}); err != nil {
			return err
		}
		return eachMessage(resourceLogs, 2, func(scopeLogs []byte) error {
			if err := o.readProtoScope(scopeLogs, resource); err != nil {
				return err
			}
			return eachMessage(scopeLogs, 2, o.readProtoRecord)
		})
	})
}

func (o *otlpIntake) readProtoScope(scopeLogs, resource []byte) error {
	o.scope = otlpScope{}
	var raw []byte
	err := eachMessage(scopeLogs, 1, func(msg []byte) (err error) {
		raw = msg
		if o.scope.attributes, err = protoAttributes(msg, 3); err != nil {
			return err
		}
		return eachField(msg, func(f protoField) error {
			switch {
			case f.is(1, protowire.BytesType):
				o.scope.name = validText(f.bytes)
			case f.is(2, protowire.BytesType):
				o.scope.version = validText(f.bytes)
			}
			return nil
		})
	})
	id := derivedID("scope", string(resource), string(raw))
	o.scope.identity = string(id[:])
	return err
}

func (o *otlpIntake) readProtoRecord(msg []byte) error {
	o.n++
	rec := &otlpRecord{raw: msg}
	err := eachField(msg, func(f protoField) (err error) {
		switch {
		case f.is(1, protowire.Fixed64Type):
			rec.timeNano = f.number
		case f.is(2, protowire.VarintType):
			rec.severity = int(int32(f.number))
		case f.is(3, protowire.BytesType):
			rec.severityText = validText(f.bytes)
		case f.is(5, protowire.BytesType):
			rec.text, rec.json, err = protoBody(f.bytes)
		case f.is(9, protowire.BytesType):
			rec.traceID = hex.EncodeToString(f.bytes)
		case f.is(10, protowire.BytesType):
			rec.spanID = hex.EncodeToString(f.bytes)
		case f.is(11, protowire.Fixed64Type):
			rec.observedNano = f.number
		case f.is(12, protowire.BytesType):
			rec.event = validText(f.bytes)
		}
		return err
	})
	if err == nil {
		rec.attributes, err = protoAttributes(msg, 6)
	}
	return o.addOrReject(rec, err)
}

// validText returns text as valid UTF-8.
func validText(text []byte) string { return strings.ToValidUTF8(string(text), "\uFFFD") }

// protoBody reads an AnyValue: the text of a string, the JSON of another value.
func protoBody(msg []byte) (text, json string, err error) {
	isText := false
	err = eachField(msg, func(f protoField) error {
		if isText = f.is(1, protowire.BytesType); isText {
			text = validText(f.bytes)
		}
		return nil
	})
	if err != nil || isText || len(msg) == 0 {
		return text, "", err
	}
	value, err := appendProtoValue(nil, msg, 0)
	if string(value) == "null" {
		value = nil
	}
	return "", string(value), err
}

// protoAttributes reads the KeyValues that are the field num of a message.
func protoAttributes(msg []byte, num protowire.Number) ([]field, error) {
	object, err := appendProtoObject(nil, msg, num, 0)
	if err != nil || len(object) == len("{}") {
		return nil, err
	}
	fields, err := readFields(object)
	if err != nil {
		return nil, err
	}
	return fields.list, nil
}

// appendProtoObject appends the KeyValues that are the field num of a message, as a
// JSON object.
func appendProtoObject(to, msg []byte, num protowire.Number, depth int) ([]byte, error) {
	to = append(to, '{')
	begin := len(to)
	err := eachMessage(msg, num, func(pair []byte) error {
		var key, value []byte
		err := eachField(pair, func(f protoField) error {
			switch {
			case f.is(1, protowire.BytesType):
				key = f.bytes
			case f.is(2, protowire.BytesType):
				value = f.bytes
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(to) > begin {
			to = append(to, ',')
		}
		to = appendQuoted(to, key)
		to, err = appendProtoValue(append(to, ':'), value, depth)
		return err
	})
	return append(to, '}'), err
}

// appendProtoValue appends an AnyValue as JSON; one without a value is null.
func appendProtoValue(to, msg []byte, depth int) ([]byte, error) {
	if depth == maxDepth {
		return to, errOTLPDepth
	}
	begin := len(to)
	err := eachField(msg, func(f protoField) (err error) {
		to = to[:begin] // of several the last counts
		switch {
		case f.is(1, protowire.BytesType):
			to = appendQuoted(to, f.bytes)
		case f.is(2, protowire.VarintType):
			to = strconv.AppendBool(to, f.number != 0)
		case f.is(3, protowire.VarintType):
			to = strconv.AppendInt(to, int64(f.number), 10)
		case f.is(4, protowire.Fixed64Type):
			to = appendFloat(to, math.Float64frombits(f.number))
		case f.is(5, protowire.BytesType):
			to, err = appendProtoArray(to, f.bytes, depth+1)
		case f.is(6, protowire.BytesType):
			to, err = appendProtoObject(to, f.bytes, 1, depth+1)
		case f.is(7, protowire.BytesType):
			to = append(base64.StdEncoding.AppendEncode(append(to, '"'), f.bytes), '"')
		}
		return err
	})
	if len(to) == begin {
		to = append(to, "null"...)
	}
	return to, err
}

func appendProtoArray(to, msg []byte, depth int) ([]byte, error) {
	to = append(to, '[')
	begin := len(to)
	err := eachMessage(msg, 1, func(value []byte) (err error) {
		if len(to) > begin {
			to = append(to, ',')
		}
		to, err = appendProtoValue(to, value, depth)
		return err
	})
	return append(to, ']'), err
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
