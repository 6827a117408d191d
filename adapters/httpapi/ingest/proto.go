package ingest

import (
	"strings"

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

// lastMessage returns the last of the messages of a field, which is the one that
// counts, or nil.
func lastMessage(msg []byte, num protowire.Number) (last []byte, err error) {
	err = eachMessage(msg, num, func(one []byte) error {
		last = one
		return nil
	})
	return last, err
}

// validText returns text as valid UTF-8.
func validText(text []byte) string { return strings.ToValidUTF8(string(text), "\uFFFD") }
