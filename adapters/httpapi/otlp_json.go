package httpapi

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"logsift/domain"
)

// pushDepth bounds how deep the JSON of OTLP and Loki may be nested: OTLP takes four
// levels for one of a value.
const pushDepth = 4 * maxDepth

// readWhole checks that data is one JSON value.
func readWhole(data []byte) (jsontext.Value, error) {
	if deeper(data, pushDepth) {
		return nil, &domain.ValidationError{Field: "body", Rule: "must be nested at most " + strconv.Itoa(pushDepth) + " deep"}
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), lenient)
	value, err := dec.ReadValue()
	if err != nil {
		return nil, decodeError(err)
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
	dec := jsontext.NewDecoder(bytes.NewBuffer(object), lenient)
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
	return eachValue(bytes.NewBuffer(array), func(_ int, value jsontext.Value) error { return f(value) })
}

// readJSON reads an ExportLogsServiceRequest in JSON.
func (o *otlpIntake) readJSON(data []byte) error {
	request, err := readWhole(data)
	if err != nil {
		return err
	}
	return elements(request, "resourceLogs", func(resourceLogs jsontext.Value) error {
		resource, err := member(resourceLogs, "resource")
		if err != nil {
			return err
		}
		o.resource = otlpResource{}
		if o.resource.attributes, err = jsonAttributes(resource); err != nil {
			return err
		}
		return elements(resourceLogs, "scopeLogs", func(scopeLogs jsontext.Value) error {
			if err := o.readJSONScope(scopeLogs, resource); err != nil {
				return err
			}
			return elements(scopeLogs, "logRecords", o.readJSONRecord)
		})
	})
}

func (o *otlpIntake) readJSONScope(scopeLogs, resource jsontext.Value) error {
	o.scope = otlpScope{}
	scope, err := member(scopeLogs, "scope")
	if err != nil {
		return err
	}
	id := derivedID("scope", string(resource), string(scope))
	o.scope.identity = string(id[:])
	if scope == nil {
		return nil
	}
	var named struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	if err := jsonv2.Unmarshal(scope, &named, lenient); err != nil {
		return decodeError(err)
	}
	o.scope.name, o.scope.version = named.Name, named.Version
	o.scope.attributes, err = jsonAttributes(scope)
	return err
}

func (o *otlpIntake) readJSONRecord(value jsontext.Value) error {
	o.n++
	var in struct {
		TimeUnixNano         jsontext.Value `json:"timeUnixNano"`
		ObservedTimeUnixNano jsontext.Value `json:"observedTimeUnixNano"`
		SeverityNumber       jsontext.Value `json:"severityNumber"`
		SeverityText         string         `json:"severityText"`
		Body                 jsontext.Value `json:"body"`
		TraceID              string         `json:"traceId"`
		SpanID               string         `json:"spanId"`
		EventName            string         `json:"eventName"`
	}
	if err := jsonv2.Unmarshal(value, &in, lenient); err != nil {
		return o.addOrReject(nil, decodeError(err))
	}
	rec := &otlpRecord{severityText: in.SeverityText, traceID: in.TraceID, spanID: in.SpanID, event: in.EventName, raw: value}
	var err error
	if rec.timeNano, err = jsonNumber("timeUnixNano", in.TimeUnixNano); err != nil {
		return o.addOrReject(rec, err)
	}
	if rec.observedNano, err = jsonNumber("observedTimeUnixNano", in.ObservedTimeUnixNano); err != nil {
		return o.addOrReject(rec, err)
	}
	// A name of the enumeration, which JSON of protobuf allows, is told by its text.
	if severity, err := jsonNumber("severityNumber", in.SeverityNumber); err == nil {
		rec.severity = int(min(severity, math.MaxInt32))
	} else if name, ok := strings.CutPrefix(string(bytes.Trim(in.SeverityNumber, `"`)), "SEVERITY_NUMBER_"); ok && rec.severityText == "" {
		rec.severityText = strings.TrimRight(name, "234")
	}
	if in.Body != nil {
		text, isText, err := otlpJSONValue(in.Body)
		if err != nil {
			return o.addOrReject(rec, err)
		}
		if isText {
			rec.text = text
		} else if text != "null" {
			rec.json = text
		}
	}
	rec.attributes, err = jsonAttributes(value)
	return o.addOrReject(rec, err)
}

// addOrReject adds the entry of a record, unless reading it failed.
func (o *otlpIntake) addOrReject(rec *otlpRecord, err error) error {
	switch {
	case errors.Is(err, errNoProto):
		return err // the rest of the body cannot be read either
	case err != nil:
		o.reject(o.n, err)
		return nil
	default:
		return o.add(rec)
	}
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
		return 0, &domain.ValidationError{Field: name, Value: cutText(text, 64), Rule: "must be a whole number"}
	}
	return n, nil
}

// otlpJSONValue reads an AnyValue: the text of a string, the JSON of another.
func otlpJSONValue(value jsontext.Value) (text string, isText bool, err error) {
	plain, err := appendJSONValue(nil, jsontext.NewDecoder(bytes.NewBuffer(value), lenient), 0)
	if err != nil {
		return "", false, err
	}
	if jsontext.Value(plain).Kind() != jsontext.KindString {
		return string(plain), false, nil
	}
	// A value of bytes is a string here too: its base64 is all there is to show.
	text, err = fieldText(plain)
	return text, true, err
}

// jsonAttributes reads the attributes of a resource, scope or record.
func jsonAttributes(of jsontext.Value) ([]field, error) {
	list, err := member(of, "attributes")
	if err != nil || list == nil {
		return nil, err
	}
	object, err := appendJSONPairs(nil, jsontext.NewDecoder(bytes.NewBuffer(list), lenient), 0)
	if err != nil {
		return nil, err
	}
	fields, err := readFields(object)
	if err != nil {
		return nil, err
	}
	return fields.list, nil
}

// appendJSONPairs appends a list of KeyValues as a plain JSON object.
func appendJSONPairs(to []byte, dec *jsontext.Decoder, depth int) ([]byte, error) {
	if dec.PeekKind() != jsontext.KindBeginArray {
		return to, errOTLPValue
	}
	if _, err := dec.ReadToken(); err != nil {
		return to, err
	}
	to = append(to, '{')
	begin := len(to)
	for dec.PeekKind() == jsontext.KindBeginObject {
		if len(to) > begin {
			to = append(to, ',')
		}
		var err error
		if to, err = appendJSONPair(to, dec, depth); err != nil {
			return to, err
		}
	}
	if token, err := dec.ReadToken(); err != nil || token.Kind() != jsontext.KindEndArray {
		return to, errOTLPValue
	}
	return append(to, '}'), nil
}

// appendJSONPair appends a KeyValue as a member of an object.
func appendJSONPair(to []byte, dec *jsontext.Decoder, depth int) ([]byte, error) {
	var key, value jsontext.Value
	err := eachMember(dec, func(name string) error {
		raw, err := dec.ReadValue()
		switch name {
		case "key":
			key = raw.Clone()
		case "value":
			value = raw.Clone()
		}
		return err
	})
	if err != nil {
		return to, err
	}
	if key.Kind() != jsontext.KindString {
		return to, errOTLPValue
	}
	to = append(append(to, key...), ':')
	if value == nil || value.Kind() == jsontext.KindNull {
		return append(to, "null"...), nil
	}
	return appendJSONValue(to, jsontext.NewDecoder(bytes.NewBuffer(value), lenient), depth)
}

// appendJSONValue appends an AnyValue as plain JSON; one without a value is null.
func appendJSONValue(to []byte, dec *jsontext.Decoder, depth int) ([]byte, error) {
	if depth == maxDepth {
		return to, errOTLPDepth
	}
	if dec.PeekKind() != jsontext.KindBeginObject {
		return to, errOTLPValue
	}
	begin := len(to)
	err := eachMember(dec, func(name string) (err error) {
		to = to[:begin] // of several the last counts
		switch name {
		case "arrayValue":
			to, err = appendJSONArray(to, dec, depth+1)
		case "kvlistValue":
			to, err = appendJSONList(to, dec, depth+1, appendJSONPairs)
		default:
			var raw jsontext.Value
			if raw, err = dec.ReadValue(); err == nil {
				to, err = appendJSONScalar(to, name, raw)
			}
		}
		return err
	})
	if len(to) == begin {
		to = append(to, "null"...)
	}
	return to, err
}

// appendJSONScalar appends a value that is no list. Those of 64 bits may be in
// quotes.
func appendJSONScalar(to []byte, name string, raw jsontext.Value) ([]byte, error) {
	kind := raw.Kind()
	switch name {
	case "stringValue", "bytesValue":
		if kind != jsontext.KindString {
			return to, errOTLPValue
		}
	case "boolValue":
		if kind != jsontext.KindTrue && kind != jsontext.KindFalse {
			return to, errOTLPValue
		}
	case "intValue", "doubleValue":
		if kind != jsontext.KindString && kind != jsontext.KindNumber {
			return to, errOTLPValue
		}
		number := bytes.Trim(raw, `"`)
		if jsontext.Value(number).Kind() == jsontext.KindNumber && jsontext.Value(number).IsValid() {
			raw = number
		}
	default:
		return to, nil
	}
	return append(to, raw...), nil
}

func appendJSONArray(to []byte, dec *jsontext.Decoder, depth int) ([]byte, error) {
	return appendJSONList(to, dec, depth, func(to []byte, dec *jsontext.Decoder, depth int) ([]byte, error) {
		if dec.PeekKind() != jsontext.KindBeginArray {
			return to, errOTLPValue
		}
		if _, err := dec.ReadToken(); err != nil {
			return to, err
		}
		to = append(to, '[')
		begin := len(to)
		for dec.PeekKind() == jsontext.KindBeginObject {
			if len(to) > begin {
				to = append(to, ',')
			}
			var err error
			if to, err = appendJSONValue(to, dec, depth); err != nil {
				return to, err
			}
		}
		if token, err := dec.ReadToken(); err != nil || token.Kind() != jsontext.KindEndArray {
			return to, errOTLPValue
		}
		return append(to, ']'), nil
	})
}

// appendJSONList reads an object whose member "values" is a list, and appends that
// as f does.
func appendJSONList(to []byte, dec *jsontext.Decoder, depth int, f func([]byte, *jsontext.Decoder, int) ([]byte, error)) ([]byte, error) {
	if dec.PeekKind() != jsontext.KindBeginObject {
		return to, errOTLPValue
	}
	begin := len(to)
	err := eachMember(dec, func(name string) (err error) {
		if name != "values" {
			_, err = dec.ReadValue()
			return err
		}
		to, err = f(to[:begin], dec, depth)
		return err
	})
	if len(to) == begin {
		to = append(to, "null"...)
	}
	return to, err
}
