package ingest

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"logsift/adapters/httpapi/request"
	"logsift/domain"
)

// pushDepth bounds how deep the JSON of OTLP and Loki may be nested: OTLP takes four
// levels for one of a value.
const pushDepth = 4 * request.MaxDepth

// readWhole checks that data is one JSON value.
func readWhole(data []byte) (jsontext.Value, error) {
	if request.Deeper(data, pushDepth) {
		return nil, &domain.ValidationError{Field: "body", Rule: "must be nested at most " + strconv.Itoa(pushDepth) + " deep"}
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), request.Lenient)
	value, err := dec.ReadValue()
	if err != nil {
		return nil, request.DecodeError(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, &domain.ValidationError{Field: "body", Rule: "must have nothing behind the JSON value"}
	}
	return value, nil
}

// member returns the member of an object, nil if there is none or it is null. Of
// several of the name, the last counts.
func member(object jsontext.Value, name string) (jsontext.Value, error) {
	if object == nil {
		return nil, nil
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(object), request.Lenient)
	if dec.PeekKind() != jsontext.KindBeginObject {
		return nil, &domain.ValidationError{Field: name, Rule: "must be in an object"}
	}
	var found jsontext.Value
	err := eachMember(dec, func(key string) error {
		value, err := dec.ReadValue()
		if err == nil && key == name {
			found = value
			if value.Kind() == jsontext.KindNull {
				found = nil
			}
		}
		return err
	})
	return found, err
}

// eachMember reads an object and calls f with the name of each member, which has to
// read its value.
func eachMember(dec *jsontext.Decoder, f func(name string) error) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if err := f(name.String()); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// elements calls f with the elements of the array that is the member of an object.
func elements(object jsontext.Value, name string, f func(jsontext.Value) error) error {
	array, err := member(object, name)
	if err != nil || array == nil {
		return err
	}
	if array.Kind() != jsontext.KindBeginArray {
		return &domain.ValidationError{Field: name, Rule: "must be an array"}
	}
	return request.EachValue(bytes.NewBuffer(array), func(_ int, value jsontext.Value) error { return f(value) })
}

// jsonNumber reads a number that may be in quotes, as JSON of protobuf has it; none
// is 0.
func jsonNumber(name string, value jsontext.Value) (uint64, error) {
	text := string(bytes.Trim(value, `"`))
	if text == "" || text == "null" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, &domain.ValidationError{Field: name, Value: request.CutText(text, 64), Rule: "must be a whole number"}
	}
	return n, nil
}
