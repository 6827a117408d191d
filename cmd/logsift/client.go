package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
	"logsift/domain"
)

// requestTimeout bounds one request of the commands.
const requestTimeout = time.Minute

// client speaks the HTTP API, over the network or within the process.
type client struct {
	http *http.Client
	base string
	// key is the API key, "" for none.
	key string
}

// apiKeyEnvVar has the API key. There is no flag for it: every user of a machine can
// read the command lines of the others.
const apiKeyEnvVar = "LOGSIFT_API_KEY" //nolint:gosec // the name of a variable

// problemError is an answer of the API with a problem.
type problemError struct {
	wire.Problem
	// retryAfter is how long the server asks to wait; 0 if it does not.
	retryAfter time.Duration
}

func (e *problemError) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Title
	}
	fields := make([]string, 0, len(e.Errors))
	for _, f := range e.Errors {
		fields = append(fields, f.Field+": "+f.Detail)
	}
	if len(fields) > 0 {
		text = strings.Join(fields, "; ")
	}
	if e.Status == http.StatusUnauthorized {
		text += "; commands take it from " + apiKeyEnvVar
	}
	return fmt.Sprintf("%s (HTTP %d)", text, e.Status)
}

// do sends a request and decodes the answer into out, if that is not nil.
func (c *client) do(ctx context.Context, method, path string, out any) error {
	return c.send(ctx, method, path, http.Header{}, nil, out)
}

// sendJSON is do with a body.
func (c *client) sendJSON(ctx context.Context, method, path string, body, out any) error {
	sent, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode a request: %w", err)
	}
	return c.send(ctx, method, path, http.Header{"Content-Type": {"application/json"}}, sent, out)
}

// ask sends a request and returns the answer, whose body is to be closed.
func (c *client) ask(ctx context.Context, method, path string, header http.Header, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header = header
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask logsift: %w", err)
	}
	return res, nil
}

func (c *client) send(ctx context.Context, method, path string, header http.Header, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := c.ask(ctx, method, path, header, body)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // The answer was read, or is given up.
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		return c.problem(res, raw)
	}
	if out == nil || len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
	return nil
}

// problem is the error in an answer with this body.
func (c *client) problem(res *http.Response, body []byte) error {
	problem := &problemError{}
	if err := json.Unmarshal(body, &problem.Problem); err != nil || problem.Status == 0 {
		return fmt.Errorf("%s %s: HTTP %d, and no answer of logsift: is %s a logsift server?", res.Request.Method, res.Request.URL.Path, res.StatusCode, c.base)
	}
	problem.retryAfter = retryAfter(res.Header.Get("Retry-After"), time.Now())
	return problem
}

// stream begins to read a stream of events, after the one with this id if it is not
// "". The stream is to be closed; it ends with ctx.
func (c *client) stream(ctx context.Context, path, after string) (io.ReadCloser, error) {
	header := http.Header{"Accept": {"text/event-stream"}}
	if after != "" {
		header.Set("Last-Event-ID", after)
	}
	res, err := c.ask(ctx, http.MethodGet, path, header, nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer func() { _ = res.Body.Close() }() // The answer was read, or is given up.
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", path, err)
	}
	return nil, c.problem(res, raw)
}

func (c *client) get(ctx context.Context, path string, query url.Values, out any) error {
	if q := query.Encode(); q != "" {
		path += "?" + q
	}
	return c.do(ctx, http.MethodGet, path, out)
}

// task reads one task.
func (c *client) task(ctx context.Context, id string) (wire.Task, error) {
	var t wire.Task
	return t, c.get(ctx, "/api/v1/queue/tasks/"+url.PathEscape(id), nil, &t)
}

// createTask schedules a task. A key makes a repeat safe.
func (c *client) createTask(ctx context.Context, body []byte, key string, out *wire.Task) error {
	header := http.Header{"Content-Type": {"application/json"}}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	return c.send(ctx, http.MethodPost, "/api/v1/queue/tasks", header, body, out)
}

// sendLines stores log lines, as text or as JSON. It sends them again while the
// store is away or the queue is full, under a key by which a repeat is known.
func (c *client) sendLines(ctx context.Context, source, mediaType string, lines []byte) (wire.LogReceipt, error) {
	var receipt wire.LogReceipt
	path := "/api/v1/logs?" + url.Values{"source": {source}}.Encode()
	header := http.Header{"Content-Type": {mediaType}, "Idempotency-Key": {uuid.NewString()}}
	err := c.whileUnavailable(ctx, func() error {
		return c.send(ctx, http.MethodPost, path, header, lines, &receipt)
	})
	return receipt, err
}

// retryAfter reads the header of that name: seconds, or a time (RFC 9110, section
// 10.2.3).
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 24*3600)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// sendEntries stores log entries. The server stores an entry once that is sent
// again under the same key.
func (c *client) sendEntries(ctx context.Context, source, key string, entries []domain.LogEntry) (wire.LogReceipt, error) {
	var receipt wire.LogReceipt
	var body bytes.Buffer
	z, err := gzip.NewWriterLevel(&body, gzip.BestSpeed)
	if err != nil {
		return receipt, fmt.Errorf("compress the entries: %w", err)
	}
	enc := json.NewEncoder(z)
	enc.SetEscapeHTML(false)
	for i := range entries {
		if err := enc.Encode(jsonEntryOf(&entries[i])); err != nil {
			return receipt, fmt.Errorf("encode the entries: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return receipt, fmt.Errorf("compress the entries: %w", err)
	}
	header := http.Header{"Content-Type": {"application/x-ndjson"}, "Content-Encoding": {"gzip"}, "Idempotency-Key": {key}}
	return receipt, c.send(ctx, http.MethodPost, "/api/v1/logs?"+url.Values{"source": {source}}.Encode(), header, body.Bytes(), &receipt)
}

// jsonEntry is a log entry as POST /api/v1/logs takes it.
type jsonEntry struct {
	Message    string            `json:"message"`
	Timestamp  *time.Time        `json:"timestamp,omitempty"`
	Level      string            `json:"level"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

func jsonEntryOf(e *domain.LogEntry) jsonEntry {
	out := jsonEntry{Message: e.Message, Level: e.Level.String(), Attributes: e.Attributes}
	if !e.Timestamp.IsZero() {
		out.Timestamp = &e.Timestamp
	}
	return out
}

// unavailableFor is how long the commands bear a store that is away, or a queue
// that is full.
const unavailableFor = 2 * time.Minute

// whileUnavailable repeats a call that fails because the store is away or the
// queue full, each second, for a while.
func (c *client) whileUnavailable(ctx context.Context, call func() error) error {
	ctx, cancel := context.WithTimeout(ctx, unavailableFor)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		err := call()
		var problem *problemError
		if !errors.As(err, &problem) || problem.Status != http.StatusServiceUnavailable && problem.Status != http.StatusTooManyRequests {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// withClient calls f with a client for the server that --server names, or else
// for the store, which is opened for as long.
func (e *environment) withClient(cmd *cobra.Command, config *bootstrap.Config, server string, f func(*client) error) error {
	if server != "" {
		u, err := url.Parse(server)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return usageError("server %q is not a URL: use one such as http://127.0.0.1:8080", server)
		}
		key := e.getenv(apiKeyEnvVar)
		if ip := net.ParseIP(u.Hostname()); key != "" && u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			e.note("warning: the API key is sent to %s without TLS, so that anyone on the network can read it: use https", u.Host)
		}
		return f(&client{http: &http.Client{CheckRedirect: refuseRedirect}, base: strings.TrimRight(server, "/"), key: key})
	}
	if err := e.load(cmd, config); err != nil {
		return err
	}
	config.Addr, config.Workers, config.LogLevel = "", 0, "error"
	return e.withApp(cmd.Context(), *config, func(app *bootstrap.App) error {
		return f(&client{http: app.Client(), base: "http://127.0.0.1"})
	})
}

// refuseRedirect follows no redirect, as the API has none. A proxy that sends from http
// to https would have a POST repeated as a GET, whose answer is not that of the POST.
func refuseRedirect(next *http.Request, _ []*http.Request) error {
	return fmt.Errorf("the server sends on to %s://%s: use that as --server", next.URL.Scheme, next.URL.Host)
}

// withApp runs f while an App runs.
func (e *environment) withApp(ctx context.Context, config bootstrap.Config, f func(*bootstrap.App) error) error {
	app, err := bootstrap.New(ctx, config)
	if err != nil {
		return err
	}
	if err := app.Start(ctx); err != nil {
		return err
	}
	err = f(app)
	// If ctx has ended, nobody waits for what still runs: it is given back.
	return errors.Join(err, app.Stop(ctx))
}

// printJSON writes a value for programs.
func (e *environment) printJSON(v any) error {
	enc := json.NewEncoder(jsonWriter{e.stdout})
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// encodeIndented is a value as indented JSON, without an end of line; the prefix
// stands before every line but the first.
func encodeIndented(v any, prefix string) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(jsonWriter{&buf})
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	err := enc.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}
