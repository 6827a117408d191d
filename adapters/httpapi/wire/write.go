package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// MediaJSON is the content type of JSON.
const MediaJSON = "application/json"

// Write answers with v. An error means that nothing was written.
func Write(w http.ResponseWriter, status int, v any) error {
	body, err := Encode(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	Send(w, status, MediaJSON, body)
	return nil
}

// Encode returns v as JSON that ends with a newline, without HTML escapes.
func Encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return buf.Bytes(), err
}

// Send answers with a body.
func Send(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // if the client is gone, nobody can be told
}

// List returns the list, never nil, so that it is shown as [].
func List[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
