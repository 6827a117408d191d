package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"logsift/adapters/httpapi/problem"
	"logsift/domain"
)

// MaxDepth bounds how deep the values of a body may be nested.
const MaxDepth = 32

// Decode reads one JSON object into v. It refuses what another reader might
// take otherwise: fields that are unknown, given twice or in another case, other
// types, invalid UTF-8, and anything behind the value. The error is a
// *domain.ValidationError for the field, or for "body".
func Decode(data []byte, v any, lists ...ListLimit) error {
	if FirstByte(data) != '{' {
		return &domain.ValidationError{Field: "body", Rule: "must be a JSON object"}
	}
	if Deeper(data, MaxDepth) {
		return &domain.ValidationError{Field: "body", Rule: fmt.Sprintf("must be nested at most %d deep", MaxDepth)}
	}
	if err := jsonv2.Unmarshal(data, v, jsonv2.RejectUnknownMembers(true), jsonv2.WithUnmarshalers(jsonv2.JoinUnmarshalers(lists...))); err != nil {
		return DecodeError(err)
	}
	return nil
}

// ListLimit bounds lists while they are read: an element may take a hundred times the memory
// of its text. It is for one call of [Decode].
type ListLimit = *jsonv2.Unmarshalers

// AtMost bounds how many elements all lists of a type have together.
func AtMost[L ~[]E, E any](most int) ListLimit {
	read := 0
	return jsonv2.UnmarshalFromFunc(func(dec *jsontext.Decoder, list *L) error {
		if dec.PeekKind() != jsontext.KindBeginArray {
			return errors.ErrUnsupported
		}
		field := dec.StackPointer()
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
		*list = L{}
		for dec.PeekKind() != jsontext.KindEndArray {
			if read++; read > most {
				return fieldError(field, fmt.Sprintf("must have at most %d elements", most))
			}
			var element E
			if err := jsonv2.UnmarshalDecode(dec, &element); err != nil {
				return err
			}
			*list = append(*list, element)
		}
		_, err := dec.ReadToken()
		return err
	})
}

// DecodeError tells of an error of the decoder in terms of the JSON.
func DecodeError(err error) error {
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		if errors.Is(syntactic.Err, jsontext.ErrDuplicateName) {
			return fieldError(syntactic.JSONPointer, "is given twice")
		}
		if errors.Is(syntactic.Err, io.ErrUnexpectedEOF) {
			return &domain.ValidationError{Field: "body", Rule: "must be complete JSON"}
		}
		return fieldError(syntactic.JSONPointer, fmt.Sprintf("must be valid JSON in UTF-8: byte %d of the body is not", syntactic.ByteOffset))
	}
	if invalid, ok := errors.AsType[*domain.ValidationError](err); ok {
		return invalid
	}
	var semantic *jsonv2.SemanticError
	if !errors.As(err, &semantic) {
		return &domain.ValidationError{Field: "body", Rule: "must be valid JSON"}
	}
	if errors.Is(semantic.Err, jsonv2.ErrUnknownName) {
		return fieldError(semantic.JSONPointer, "is unknown")
	}
	return fieldError(semantic.JSONPointer, "must be "+jsonKind(semantic.GoType))
}

// fieldError names the field of a JSON pointer, such as payload.log_ids.
func fieldError(p jsontext.Pointer, rule string) error {
	var path []string
	for token := range p.Tokens() {
		path = append(path, token)
	}
	field := CutText(strings.Join(path, "."), 128)
	if field == "" { // or a member whose name is
		field = "body"
	}
	return &domain.ValidationError{Field: field, Rule: rule}
}

// jsonKind says what JSON a Go type is read from.
func jsonKind(t reflect.Type) string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == nil:
		return "another value"
	case t == reflect.TypeFor[time.Time]():
		return "an RFC 3339 time such as 2006-01-02T15:04:05Z"
	case t == reflect.TypeFor[json.RawMessage]():
		return "a JSON value"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Int:
		return "an integer"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}

// Deeper reports whether brackets are nested deeper than limit. Of text that is
// no JSON it may say either.
func Deeper(data []byte, limit int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// Lenient are the options for values that are checked one by one later.
var Lenient = jsonv2.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// EachValue calls f with each element of a JSON array, or with each value of a
// stream of values, numbered from 1. The value is valid until f returns. An error
// is f's own, one of the reader, or a *domain.ValidationError for "body".
func EachValue(r io.Reader, f func(n int, value jsontext.Value) error) error {
	dec := jsontext.NewDecoder(r, Lenient)
	array := dec.PeekKind() == jsontext.KindBeginArray
	if array {
		if _, err := dec.ReadToken(); err != nil {
			return streamError(err)
		}
	}
	for n := 1; !array || dec.PeekKind() != jsontext.KindEndArray; n++ {
		value, err := dec.ReadValue()
		if !array && err == io.EOF { //nolint:errorlint // the decoder returns io.EOF itself
			return nil
		}
		if err != nil {
			return streamError(err)
		}
		if err := f(n, value); err != nil {
			return err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return streamError(err)
	}
	if _, err := dec.ReadToken(); err != io.EOF { //nolint:errorlint // the decoder returns io.EOF itself
		if err != nil {
			return streamError(err)
		}
		return &domain.ValidationError{Field: "body", Rule: "must have nothing behind the array"}
	}
	return nil
}

// streamError keeps the errors of the body, and explains those of the decoder.
func streamError(err error) error {
	if problem.KindOf(err) != nil {
		return err
	}
	return DecodeError(err)
}

// FirstByte returns the first byte that is no white space, or 0.
func FirstByte(data []byte) byte {
	data = bytes.TrimLeft(data, " \t\r\n")
	if len(data) == 0 {
		return 0
	}
	return data[0]
}

// CutText returns at most limit bytes of s, whole characters only, as valid
// UTF-8.
func CutText(s string, limit int) string {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
