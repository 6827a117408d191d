package openai

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"logsift/domain"
)

// Bounds of what is read from a server.
const (
	// maxAnswerBytes bounds a body after decompression.
	maxAnswerBytes = 4 << 20
	// maxErrorText bounds what is shown of a server's error message.
	maxErrorText = 200
	// maxRetryAfter bounds how long a server can make a task wait.
	maxRetryAfter = time.Hour
	// maxIdleConns lets many workers keep their connections; two would be kept by
	// default.
	maxIdleConns = 100
)

// client talks to one server.
type client struct {
	http *http.Client
	url  string
	// key gives the key. It is a function since printing a struct shows its
	// unexported fields, even those of a type that hides itself.
	key func() string
}

func newClient(baseURL string, key Secret) *client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		transport = standard.Clone()
	}
	transport.MaxIdleConnsPerHost = maxIdleConns
	return &client{
		url: strings.TrimRight(baseURL, "/") + "/chat/completions",
		key: func() string { return string(key) },
		http: &http.Client{
			Transport: transport,
			// A redirect would take key and logs to another address.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// reply is what a server answered.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r *reply) ok() bool { return r.status >= 200 && r.status < 300 }

// post sends one request. Errors are *domain.AnalyzerErrors; the caller looks at
// the context itself.
func (c *client) post(ctx context.Context, body []byte) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, &domain.AnalyzerError{Kind: domain.AnalyzerMisconfigured, Message: "the address of the AI service is not valid (ai-base-url)"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "logsift")
	if key := c.key(); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, connectionError(err)
	}
	defer res.Body.Close() //nolint:errcheck // What was read is whole; there is nothing to flush.
	r := &reply{status: res.StatusCode, header: res.Header}
	r.body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes+1))
	switch {
	case !r.ok():
		return r, nil // What came of an error's body will do.
	case err != nil:
		return nil, &domain.AnalyzerError{Kind: domain.AnalyzerUnavailable, StatusCode: r.status, Message: "the connection to the AI service broke within the answer"}
	case len(r.body) > maxAnswerBytes:
		return nil, &domain.AnalyzerError{Kind: domain.AnalyzerBadAnswer, StatusCode: r.status, Message: fmt.Sprintf("the answer is larger than %d bytes", maxAnswerBytes)}
	}
	return r, nil
}

// connectionError shows and wraps those causes only that hold nothing of what was
// sent or received; net/http quotes a malformed answer.
func connectionError(err error) error {
	out := &domain.AnalyzerError{Kind: domain.AnalyzerUnavailable, Message: "cannot reach the AI service"}
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &network):
		out.Err = network
	case errors.As(err, &certificate):
		out.Err = certificate
	default:
		return out
	}
	out.Message += ": " + clean(out.Err.Error(), maxErrorText)
	return out
}

// apiError is the error in a server's body, as far as it has one.
type apiError struct{ message, code, kind, param string }

// apiError reads the forms that are met: OpenAI's {"error":{…}}, {"error":"…"},
// {"message":"…"}, and FastAPI's {"detail":…}.
func (r *reply) apiError() apiError {
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
	_ = json.Unmarshal(r.body, &doc)
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

// refusal says what an answer that is no success means for the task. data is
// what was sent of the logs.
func (c *client) refusal(r *reply, e apiError, data string) *domain.AnalyzerError {
	out := &domain.AnalyzerError{StatusCode: r.status}
	say := func(kind domain.AnalyzerErrorKind, message string) {
		out.Kind, out.Message = kind, message
	}
	switch s := r.status; {
	case s == http.StatusPaymentRequired, e.names("insufficient_quota", "billing_hard_limit_reached"):
		say(domain.AnalyzerQuota, "the account at the AI service has no quota left")
	case s == http.StatusRequestEntityTooLarge,
		s >= 400 && s < 500 && e.names("context_length_exceeded", "context length", "context size", "context window", "request too large"):
		say(domain.AnalyzerTooLarge, "the request is too long for the model")
	case s == http.StatusTooManyRequests:
		say(domain.AnalyzerRateLimited, "the AI service asks to wait")
		out.RetryAfter = retryAfter(r.header)
	case s == http.StatusRequestTimeout, s == http.StatusConflict, s == http.StatusTooEarly, s >= 500:
		say(domain.AnalyzerUnavailable, "the AI service is not available")
		out.RetryAfter = retryAfter(r.header)
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		// The service's message is left out: it likes to quote a part of the key.
		say(domain.AnalyzerMisconfigured, "the AI service refuses the key (LOGSIFT_AI_API_KEY)")
		return out
	case s == http.StatusNotFound, e.names("model_not_found"):
		say(domain.AnalyzerMisconfigured, "the AI service does not know the model or the address (ai-model, ai-base-url)")
	case s < 400:
		say(domain.AnalyzerMisconfigured, "the AI service redirects, which is not followed: give its final address (ai-base-url)")
		return out
	case s == http.StatusMethodNotAllowed, s == http.StatusNotAcceptable, s == http.StatusProxyAuthRequired,
		s == http.StatusGone, s == http.StatusUnsupportedMediaType, s == http.StatusUpgradeRequired:
		say(domain.AnalyzerMisconfigured, "this is not the address of an OpenAI-compatible service (ai-base-url)")
	default:
		say(domain.AnalyzerRefused, "the AI service refuses the request")
	}
	if told := c.harmless(e.message, data); told != "" {
		out.Message += ": " + told
	} else if told := c.harmless(e.code, data); told != "" {
		out.Message += ": " + told
	}
	return out
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

// retryAfter reads how long the server asks to wait: milliseconds as OpenAI gives
// them, else seconds, with a fraction or without, or a date. A date is compared
// with the server's own, since clocks differ.
func retryAfter(h http.Header) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil {
		return boundedWait(ms * float64(time.Millisecond))
	}
	value := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(value, 64); err == nil {
		return boundedWait(s * float64(time.Second))
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return boundedWait(float64(at.Sub(now)))
}

// boundedWait takes whatever a server may send, NaN and infinities included.
func boundedWait(nanoseconds float64) time.Duration {
	if !(nanoseconds > 0) {
		return 0
	}
	return time.Duration(min(nanoseconds, float64(maxRetryAfter)))
}
