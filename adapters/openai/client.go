package openai

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
	now func() time.Time
}

func newClient(baseURL string, key Secret, now func() time.Time) *client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		transport = standard.Clone()
	}
	transport.MaxIdleConnsPerHost = maxIdleConns
	return &client{
		url: strings.TrimRight(baseURL, "/") + "/chat/completions",
		key: func() string { return string(key) },
		now: now,
		http: &http.Client{
			Transport: transport,
			// A redirect would take key and logs to another address.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// withoutKey takes the key out of a text of the server.
func (c *client) withoutKey(text string) string {
	if key := c.key(); key != "" {
		return strings.ReplaceAll(text, key, "[redacted]")
	}
	return text
}

// reply is what a server answered.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r *reply) ok() bool { return r.status >= 200 && r.status < 300 }

// post sends one request. The caller looks at the context itself.
func (c *client) post(ctx context.Context, body []byte) (*reply, *failure) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, &failure{fault: &domain.AnalyzerError{Kind: domain.AnalyzerMisconfigured, Message: "the address of the AI service is not valid (ai-base-url)"}}
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
		return nil, &failure{charged: true, fault: &domain.AnalyzerError{Kind: domain.AnalyzerUnavailable, StatusCode: r.status, Message: "the connection to the AI service broke within the answer"}}
	case len(r.body) > maxAnswerBytes:
		return nil, badAnswer(fmt.Sprintf("the answer is larger than %d bytes", maxAnswerBytes))
	}
	return r, nil
}

// connectionError shows and wraps those causes only that hold nothing of what was
// sent or received; net/http quotes a malformed answer.
func connectionError(err error) *failure {
	out := &domain.AnalyzerError{Kind: domain.AnalyzerUnavailable, Message: "cannot reach the AI service"}
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &network):
		out.Err = network
	case errors.As(err, &certificate):
		out.Err = certificate
	default:
		return &failure{fault: out, charged: true}
	}
	out.Message += ": " + clean(out.Err.Error(), maxErrorText)
	// Without a connection nothing was asked.
	return &failure{fault: out, charged: certificate == nil && network.Op != "dial"}
}
