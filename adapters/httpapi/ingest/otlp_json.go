package ingest

import (
	"bytes"
	"errors"
	"math"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"logsift/adapters/httpapi/request"
)

// readJSON reads an ExportLogsServiceRequest in JSON.
func (o *otlpReceiver) readJSON(data []byte) error {
	request, err := readWhole(data)
	if err != nil {
		return err
	}
	return elements(request, "resourceLogs", func(resourceLogs jsontext.Value) error {
		resource, err := member(resourceLogs, "resource")
		if err != nil {
			return err
		}
		attributes, err := jsonAttributes(resource)
		if err != nil {
			return err
		}
		o.resource = newOTLPResource(string(resource), attributes)
		return elements(resourceLogs, "scopeLogs", func(scopeLogs jsontext.Value) error {
			if err := o.readJSONScope(scopeLogs); err != nil {
				return err
			}
			return elements(scopeLogs, "logRecords", o.readJSONRecord)
		})
	})
}

func (o *otlpReceiver) readJSONScope(scopeLogs jsontext.Value) error {
	scope, err := member(scopeLogs, "scope")
	if err != nil {
		return err
	}
	var named struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	if scope != nil {
		if err := jsonv2.Unmarshal(scope, &named, request.Lenient); err != nil {
			return request.DecodeError(err)
		}
	}
	attributes, err := jsonAttributes(scope)
	o.scope = o.newScope(string(scope), named.Name, named.Version, attributes)
	return err
}

func (o *otlpReceiver) readJSONRecord(value jsontext.Value) error {
	o.n++
	if err := o.Record(); err != nil {
		return err
	}
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
	if err := jsonv2.Unmarshal(value, &in, request.Lenient); err != nil {
		return o.addOrReject(nil, request.DecodeError(err))
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
func (o *otlpReceiver) addOrReject(rec *otlpRecord, err error) error {
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

// otlpJSONValue reads an AnyValue: the text of a string, the JSON of another.
func otlpJSONValue(value jsontext.Value) (text string, isText bool, err error) {
	plain, err := appendJSONValue(nil, jsontext.NewDecoder(bytes.NewBuffer(value), request.Lenient), 0)
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
	object, err := appendJSONPairs(nil, jsontext.NewDecoder(bytes.NewBuffer(list), request.Lenient), 0)
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
			key = raw
		case "value":
			value = raw
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
	return appendJSONValue(to, jsontext.NewDecoder(bytes.NewBuffer(value), request.Lenient), depth)
}

// appendJSONValue appends an AnyValue as plain JSON; one without a value is null.
func appendJSONValue(to []byte, dec *jsontext.Decoder, depth int) ([]byte, error) {
	if depth == request.MaxDepth {
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
