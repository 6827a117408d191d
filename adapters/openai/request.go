package openai

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// dialect is how a server wants to be asked. Servers differ, and tell only by
// refusing.
type dialect struct {
	format answerFormat
	limit  limitName
	// plainHeat leaves the temperature to the server.
	plainHeat bool
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
	limitNew  limitName = iota // max_completion_tokens, then max_tokens
	limitOld                   // max_tokens, then max_completion_tokens
	limitNew2                  // max_completion_tokens, after the other was refused
	limitOld2                  // max_tokens, after the other was refused
	limitNone                  // neither
)

// firstDialect is what is tried first. OpenAI has renamed max_tokens, and some of
// its models refuse the old name; servers of one's own know the old name, and some
// of them, such as Ollama and LM Studio, pass over the new one without a word.
func firstDialect(baseURL string) dialect {
	u, err := url.Parse(baseURL)
	if err == nil && (strings.HasSuffix(u.Hostname(), ".openai.com") || strings.HasSuffix(u.Hostname(), ".azure.com")) {
		return dialect{limit: limitNew}
	}
	return dialect{limit: limitOld}
}

// without returns the next dialect to try when a server complains about one, and
// false if the complaint is about something else or nothing is left to give up.
func (d dialect) without(status int, e apiError) (dialect, bool) {
	if status != http.StatusBadRequest && status != http.StatusUnprocessableEntity {
		return d, false
	}
	switch {
	case !d.plainHeat && e.names("temperature"):
		d.plainHeat = true
		return d, true
	case d.format != formatPlain && e.names("response_format", "json_schema", "json_object", "grammar", "structured output"):
		d.format++
		return d, true
	case d.limit != limitNone && e.names("max_completion_tokens", "max_tokens", "in the completion", "for the completion"):
		switch {
		case e.names("too large", "too high", "at most", "the completion"):
			// The name is right, but the context has no room for so many. How many it
			// has room for, the server knows best.
			d.limit = limitNone
		case d.limit == limitNew:
			d.limit = limitOld2
		case d.limit == limitOld:
			d.limit = limitNew2
		default:
			d.limit = limitNone
		}
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

// request is the body of a request whose answer may have so many tokens.
func (a *Analyzer) request(p prompt, d dialect, answerTokens int) []byte {
	var body struct {
		Model               string          `json:"model"`
		Messages            []message       `json:"messages"`
		ResponseFormat      *responseFormat `json:"response_format,omitempty"`
		Temperature         *float64        `json:"temperature,omitempty"`
		MaxCompletionTokens int             `json:"max_completion_tokens,omitempty"`
		MaxTokens           int             `json:"max_tokens,omitempty"`
	}
	body.Model = a.cfg.Model
	body.Messages = []message{{Role: "system", Content: system}, {Role: "user", Content: p.user}}
	switch d.format {
	case formatSchema:
		// The nested form: llama.cpp takes a flat one too, and then passes over it.
		body.ResponseFormat = &responseFormat{Type: "json_schema", JSONSchema: &jsonSchema{Name: "log_analysis", Strict: true, Schema: schema}}
	case formatObject:
		body.ResponseFormat = &responseFormat{Type: "json_object"}
	case formatPlain:
	}
	switch d.limit {
	case limitNew, limitNew2:
		body.MaxCompletionTokens = answerTokens
	case limitOld, limitOld2:
		body.MaxTokens = answerTokens
	case limitNone:
	}
	if !d.plainHeat {
		body.Temperature = a.cfg.Temperature
	}
	return []byte(encode(body))
}
