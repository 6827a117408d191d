package openai

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"logsift/domain"
)

// failure is a request that brought no answer.
type failure struct {
	fault *domain.AnalyzerError
	// cut is whether there was an answer that its length limit cut.
	cut bool
	// final is whether the service said that repeating is of no use.
	final bool
	// charged is whether the service may charge for it: it may have worked on it.
	charged bool
}

// Error is the error of the fault.
func (f *failure) Error() string { return f.fault.Error() }

// Unwrap returns the fault.
func (f *failure) Unwrap() error { return f.fault }

// sentence says what is wrong, as a part of a sentence.
func sentence(fault *domain.AnalyzerError) string {
	if fault.StatusCode == 0 {
		return fault.Message
	}
	return fmt.Sprintf("%s (HTTP %d)", fault.Message, fault.StatusCode)
}

func badAnswer(message string) *failure {
	return &failure{fault: &domain.AnalyzerError{Kind: domain.AnalyzerBadAnswer, Message: message}, charged: true}
}

// apiError is the error in a server's body, as far as it has one.
type apiError struct{ message, code, kind, param string }

// readError reads the forms that are met: OpenAI's {"error":{…}}, {"error":"…"},
// {"message":"…"}, and FastAPI's {"detail":…}.
func readError(body []byte) apiError {
	type fields struct {
		Message string          `json:"message"`
		Type    string          `json:"type"`
		Param   string          `json:"param"`
		Code    json.RawMessage `json:"code"`
	}
	var doc struct {
		fields
		Error  json.RawMessage `json:"error"`
		Detail json.RawMessage `json:"detail"`
	}
	// A field of another type is left empty, and so is all of a body that is no JSON.
	_ = json.Unmarshal(body, &doc)
	f := doc.fields
	if err := json.Unmarshal(doc.Error, &f); err != nil {
		_ = json.Unmarshal(doc.Error, &f.Message)
	}
	if f.Message == "" && json.Unmarshal(doc.Detail, &f.Message) != nil {
		var details []struct {
			Loc []any  `json:"loc"`
			Msg string `json:"msg"`
		}
		_ = json.Unmarshal(doc.Detail, &details)
		for _, d := range details {
			f.Message += fmt.Sprintf("%v: %s. ", d.Loc, d.Msg)
		}
	}
	code := strings.Trim(string(f.Code), `"`)
	if code == "null" {
		code = ""
	}
	return apiError{message: f.Message, code: code, kind: f.Type, param: f.Param}
}

// names reports whether the error holds one of the words.
func (e apiError) names(words ...string) bool {
	text := strings.ToLower(e.message + " " + e.code + " " + e.kind + " " + e.param)
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// tooLong are the words by which servers say that the prompt is too long: OpenAI,
// vLLM, llama.cpp, Ollama, and OpenAI's limit of tokens a minute.
var tooLong = []string{
	"context_length_exceeded", "context length", "context size", "context window", "exceeds the available context", "request too large",
}

// refusal says what an answer that is no success means. data is what was sent of
// the logs.
func (c *client) refusal(r *reply, e apiError, data string) *failure {
	out := &domain.AnalyzerError{StatusCode: r.status}
	say := func(kind domain.AnalyzerErrorKind, message string) { out.Kind, out.Message = kind, message }
	quiet := false
	switch s := r.status; {
	case s == http.StatusPaymentRequired, e.names("insufficient_quota", "billing_hard_limit_reached", "billing_not_active"):
		say(domain.AnalyzerQuota, "the account at the AI service has no quota left")
	case s == http.StatusRequestEntityTooLarge, s >= 400 && s < 500 && e.names(tooLong...):
		say(domain.AnalyzerTooLarge, "the request is too long for the model")
	case s == http.StatusTooManyRequests:
		say(domain.AnalyzerRateLimited, "the AI service asks to wait")
	case s == http.StatusRequestTimeout, s == http.StatusConflict, s == http.StatusTooEarly, s >= 500:
		say(domain.AnalyzerUnavailable, "the AI service is not available")
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		// The service's message is left out: it likes to quote a part of the key.
		say(domain.AnalyzerMisconfigured, "the AI service refuses the key (LOGSIFT_AI_API_KEY)")
		quiet = true
	case s == http.StatusNotFound, e.names("model_not_found", "unexpected endpoint"):
		say(domain.AnalyzerMisconfigured, "the AI service does not know the model or the address (ai-model, ai-base-url)")
	case e.names("chat template"):
		say(domain.AnalyzerMisconfigured, "the model has no chat template (ai-model)")
	case s < 400:
		say(domain.AnalyzerMisconfigured, "the AI service redirects, which is not followed: give its final address (ai-base-url)")
		quiet = true
	case s == http.StatusMethodNotAllowed, s == http.StatusNotAcceptable, s == http.StatusProxyAuthRequired,
		s == http.StatusGone, s == http.StatusUnsupportedMediaType, s == http.StatusUpgradeRequired:
		say(domain.AnalyzerMisconfigured, "this is not the address of an OpenAI-compatible service (ai-base-url)")
	default:
		say(domain.AnalyzerRefused, "the AI service refuses the request")
	}
	f := &failure{fault: out, charged: r.status >= 500}
	c.obey(r.header.Get("X-Should-Retry"), f)
	if out.Retryable() {
		out.RetryAfter = c.retryAfter(r)
	}
	if told := cmp.Or(c.harmless(e.message, data), c.harmless(e.code, data)); told != "" && !quiet {
		out.Message += ": " + told
	}
	return f
}

// obey does as the service's header says about repeating, which overrides its
// status. A wrong key and a spent quota stay what they are: no header mends them.
func (c *client) obey(shouldRetry string, f *failure) {
	locked := f.fault.StatusCode == http.StatusUnauthorized || f.fault.StatusCode == http.StatusForbidden
	switch {
	case shouldRetry == "false":
		f.final = f.fault.Retryable()
	case shouldRetry == "true" && !f.fault.Retryable() && f.fault.Kind != domain.AnalyzerQuota && f.fault.Kind != domain.AnalyzerTooLarge && !locked:
		f.fault.Kind = domain.AnalyzerUnavailable
	}
}

// minEcho is how many bytes of the logs in a row make a text a quotation of them.
const minEcho = 12

// harmless returns a short form of a server's text, or nothing if the text quotes
// the key or the logs.
func (c *client) harmless(text, data string) string {
	if key := c.key(); key != "" && strings.Contains(text, key) {
		return ""
	}
	text = clean(text, maxErrorText)
	for i := 0; i+minEcho <= len(text); i++ {
		if strings.Contains(data, text[i:i+minEcho]) {
			return ""
		}
	}
	return text
}
