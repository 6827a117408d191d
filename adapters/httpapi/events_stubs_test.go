package httpapi_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/server"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
	"logsift/ports"
)

// eventAPI is an API over a reader of events.
func eventAPI(events ports.TaskEventReader, cfg httpapi.Config) *httpapi.API {
	return httpapi.New(httpapi.Deps{Queue: &apitest.QueueStub{}, Logs: &apitest.LogsStub{}, Readiness: apitest.ProbeFunc(nil), Events: events}, cfg)
}

// taggedEventAPI is eventAPI where one task has the tag red, and no other task is there.
func taggedEventAPI(events ports.TaskEventReader, id domain.TaskID) *httpapi.API {
	task := domain.NewTask(id, "mail", nil)
	task.Tags = []string{"blue", "red"}
	return httpapi.New(httpapi.Deps{Queue: &apitest.QueueStub{Tasks: map[domain.TaskID]*domain.Task{id: task}}, Logs: &apitest.LogsStub{}, Readiness: apitest.ProbeFunc(nil), Events: events}, httpapi.Config{})
}

// sseEvent is an event as a browser reads it, or a comment.
type sseEvent struct{ id, name, data, comment string }

// sseReader reads a stream by the rules of the HTML standard.
type sseReader struct {
	body  io.ReadCloser
	lines *bufio.Scanner
	retry string
}

func newSSEReader(body io.ReadCloser) *sseReader {
	return &sseReader{body: body, lines: bufio.NewScanner(body)}
}

// next returns the next block of the stream, false at its end.
func (s *sseReader) next() (sseEvent, bool) {
	var e sseEvent
	for s.lines.Scan() {
		line := s.lines.Text()
		field, value, colon := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			return e, true
		case field == "" && colon:
			e.comment = ":" + value
		case field == "id":
			e.id = value
		case field == "event":
			e.name = value
		case field == "data":
			e.data += value
		case field == "retry":
			s.retry = value
		}
	}
	return e, false
}

// task returns the next event about a task, and where the reader is then.
func (s *sseReader) task(t *testing.T) (wire.TaskEvent, string) {
	t.Helper()
	for {
		e, ok := s.next()
		require.True(t, ok, "the stream ended: %v", s.lines.Err())
		if e.name != "" {
			require.Equal(t, wire.EventTask, e.name)
			return apitest.Decode[wire.TaskEvent](t, strings.NewReader(e.data)), e.id
		}
	}
}

// open begins a stream; headers are pairs.
func openStream(t *testing.T, client *http.Client, url string, headers ...string) (*http.Response, *sseReader) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = res.Body.Close() })
	return res, newSSEReader(res.Body)
}

// scriptedReader answers each call by the next of its steps, and then waits.
type scriptedReader struct {
	mu    sync.Mutex
	steps []func(ports.EventRequest) (domain.TaskEventPage, error)
	calls []ports.EventRequest
}

func (r *scriptedReader) ReadTaskEvents(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error) {
	r.mu.Lock()
	r.calls = append(r.calls, req)
	if len(r.steps) > 0 {
		step := r.steps[0]
		r.steps = r.steps[1:]
		r.mu.Unlock()
		return step(req)
	}
	r.mu.Unlock()
	timer := time.NewTimer(req.Wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return domain.TaskEventPage{Next: req.After}, nil
	case <-ctx.Done():
		return domain.TaskEventPage{}, ctx.Err()
	}
}

func page(next string, events ...domain.TaskEvent) func(ports.EventRequest) (domain.TaskEventPage, error) {
	return func(ports.EventRequest) (domain.TaskEventPage, error) {
		return domain.TaskEventPage{Next: next, Events: events}, nil
	}
}

func failing(err error) func(ports.EventRequest) (domain.TaskEventPage, error) {
	return func(ports.EventRequest) (domain.TaskEventPage, error) { return domain.TaskEventPage{}, err }
}

// pipes is a listener whose connections hold nothing: who does not read has the
// server wait.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inBubble runs f with a client of a server whose clock is that of the test.
func inBubble(t *testing.T, api *httpapi.API, f func(client *http.Client)) {
	t.Helper()
	listener := newPipes()
	bounded := &http.Server{Handler: api.Handler(), ReadTimeout: server.DefaultReadTimeout, WriteTimeout: server.DefaultWriteTimeout}
	served := make(chan error, 1)
	go func() { served <- bounded.Serve(listener) }()
	transport := &http.Transport{DialContext: listener.dial}
	f(&http.Client{Transport: transport})
	transport.CloseIdleConnections()
	require.NoError(t, bounded.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
}
