package openai

import (
	"encoding/json"
	"net/http"
)

// dialect is how a server wants to be asked. Servers differ, and tell only by
// refusing.
type dialect struct {
	format answerFormat
	limit  limitName
}

// answerFormat is how the form of the answer is asked for.
type answerFormat uint8

const (
	formatSchema answerFormat = iota // response_format with a schema
	formatObject                     // response_format for any JSON object
	formatPlain                      // by the words of the prompt only
)

// limitName is the field that bounds the answer.
type limitName uint8

const (
	limitNew  limitName = iota // max_completion_tokens
	limitOld                   // max_tokens
	limitNone                  // neither
)

// without returns the next dialect to try when a server complains about one, and
// false if the complaint is about something else or nothing is left to give up.
func (d dialect) without(status int, e apiError) (dialect, bool) {
	if status != http.StatusBadRequest && status != http.StatusUnprocessableEntity {
		return d, false
	}
	switch {
	case d.format != formatPlain && e.names("response_format", "json_schema", "json_object"):
		d.format++
		return d, true
	case d.limit != limitNone && e.names("max_completion_tokens", "max_tokens"):
		d.limit++
		return d, true
	}
	return d, false
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type responseFormat struct {
	Type       string      `json:"type"`
	JSONSchema *jsonSchema `json:"json_schema,omitempty"`
}

type jsonSchema struct {
	Name   string          `json:"name"`
	Strict bool            `json:"strict"`
	Schema json.RawMessage `json:"schema"`
}

// request is the body of a request. The temperature is left to the server, since
// some models refuse any.
func (a *Analyzer) request(p prompt, d dialect) []byte {
	var body struct {
		Model               string          `json:"model"`
		Messages            []message       `json:"messages"`
		ResponseFormat      *responseFormat `json:"response_format,omitempty"`
		MaxCompletionTokens int             `json:"max_completion_tokens,omitempty"`
		MaxTokens           int             `json:"max_tokens,omitempty"`
	}
	body.Model = a.model
	body.Messages = []message{{Role: "system", Content: system}, {Role: "user", Content: p.user}}
	switch d.format {
	case formatSchema:
		body.ResponseFormat = &responseFormat{Type: "json_schema", JSONSchema: &jsonSchema{Name: "log_analysis", Strict: true, Schema: schema}}
	case formatObject:
		body.ResponseFormat = &responseFormat{Type: "json_object"}
	case formatPlain:
	}
	switch d.limit {
	case limitNew:
		body.MaxCompletionTokens = a.maxAnswerTokens
	case limitOld:
		body.MaxTokens = a.maxAnswerTokens
	case limitNone:
	}
	return []byte(encode(body))
}
