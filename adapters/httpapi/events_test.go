//nolint:bodyclose // openStream has each body closed when its test ends
package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/openapitest"
	"logsift/adapters/httpapi/wire"
	"logsift/adapters/memstore"
	"logsift/adapters/sqlitestore"
	"logsift/domain"
	"logsift/ports"
)

const eventsPath = "/api/v1/queue/events"

// eventAPI is an API over a reader of events.
func eventAPI(events ports.TaskEventReader, cfg httpapi.Config) *httpapi.API {
	return httpapi.New(httpapi.Deps{Queue: &queueStub{}, Logs: &logsStub{}, Readiness: probeFunc(nil), Events: events}, cfg)
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
			return decode[wire.TaskEvent](t, strings.NewReader(e.data)), e.id
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

func ptr[T any](v T) *T { return &v }

func TestStreamTellsOfEachStep(t *testing.T) {
	t.Parallel()
	queue := memstore.NewTaskQueue(memstore.Config{})
	server := httptest.NewServer(eventAPI(queue, httpapi.Config{}).Handler())
	t.Cleanup(server.Close)
	res, stream := openStream(t, server.Client(), server.URL+eventsPath)
	require.Equal(t, http.StatusOK, res.StatusCode)
	for name, value := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no",
	} {
		require.Equal(t, value, res.Header.Get(name), name)
	}
	begin, ok := stream.next()
	require.True(t, ok)
	require.Equal(t, "2000", stream.retry)
	require.NotEmpty(t, begin.id, "a client may come back before the first event")
	require.Empty(t, begin.name+begin.data, "a browser shows nothing of it")

	task := domain.NewTask(uuid.New(), "echo", nil)
	task.Queue = "mail"
	_, err := queue.Enqueue(t.Context(), task)
	require.NoError(t, err)
	got, err := queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
	require.NoError(t, err)
	failure := domain.TaskError{Reason: domain.ReasonTimeout}
	require.NoError(t, queue.UpdateTask(t.Context(), ports.TaskUpdate{Lease: *got[0].Lease, Outcome: ports.OutcomeFailed, Failure: failure}))
	require.NoError(t, queue.DeleteTask(t.Context(), task.ID))

	want := []wire.TaskEvent{
		{To: ptr("PENDING")}, {From: ptr("PENDING"), To: ptr("PROCESSING")},
		{From: ptr("PROCESSING"), To: ptr("FAILED"), Attempt: 1, Reason: "timeout"}, {From: ptr("FAILED"), Attempt: 1},
	}
	ids := map[string]bool{begin.id: true}
	for _, w := range want {
		event, id := stream.task(t)
		require.WithinDuration(t, time.Now(), event.At, time.Minute)
		w.TaskID, w.Type, w.Queue, w.At = task.ID.String(), "echo", "mail", event.At
		require.Equal(t, w, event)
		require.False(t, ids[id], "each event has an id of its own")
		ids[id] = true
	}
}

func TestStreamGoesOnInAnotherProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	var queues []*sqlitestore.TaskQueue
	var servers []*httptest.Server
	for range 2 {
		db, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{Synchronous: sqlitestore.SynchronousNormal})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		queues = append(queues, sqlitestore.NewTaskQueue(db))
		server := httptest.NewServer(eventAPI(queues[len(queues)-1], httpapi.Config{}).Handler())
		t.Cleanup(server.Close)
		servers = append(servers, server)
	}
	const rounds, each = 4, 5
	var want, got []string
	at := ""
	for round := range rounds {
		// Each round comes back to the other process, which tells of steps of both.
		headers := []string{}
		if at != "" {
			headers = []string{"Last-Event-ID", at}
		}
		res, stream := openStream(t, servers[round%2].Client(), servers[round%2].URL+eventsPath, headers...)
		if at == "" {
			_, ok := stream.next()
			require.True(t, ok)
		}
		for i := range 2 * each { // half of them are read by the next round
			task := domain.NewTask(uuid.New(), "echo", nil)
			_, err := queues[i%2].Enqueue(t.Context(), task)
			require.NoError(t, err)
			want = append(want, task.ID.String())
		}
		for range each + each*min(round, 1) {
			event, id := stream.task(t)
			got, at = append(got, event.TaskID), id
		}
		require.NoError(t, res.Body.Close())
	}
	require.Equal(t, want[:len(got)], got, "nothing is lost, and nothing told twice")
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
	server := &http.Server{Handler: api.Handler(), ReadTimeout: httpapi.DefaultReadTimeout, WriteTimeout: httpapi.DefaultWriteTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	transport := &http.Transport{DialContext: listener.dial}
	f(&http.Client{Transport: transport})
	transport.CloseIdleConnections()
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
}

func TestStreamKeepsTheConnectionAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := &scriptedReader{steps: []func(ports.EventRequest) (domain.TaskEventPage, error){page("begin")}}
		inBubble(t, eventAPI(reader, httpapi.Config{}), func(client *http.Client) {
			res, stream := openStream(t, client, "http://logsift"+eventsPath)
			begun := time.Now()
			for i := range 40 { // longer than the server gives other requests
				e, ok := stream.next()
				require.True(t, ok)
				require.Equal(t, sseEvent{id: "begin", comment: ":"}, e)
				require.Equal(t, time.Duration(i)*15*time.Second, time.Since(begun))
			}
			require.NoError(t, res.Body.Close())
		})
	})
}

func TestStreamEndsWithItsKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lifetime time.Duration // 0: the key does not expire
		revoked  time.Duration // 0: it is not revoked
		events   bool          // whether something happens after the key has ended
		want     time.Duration // when the stream ends
	}{
		"revoked while all is quiet":   {revoked: 20 * time.Second, want: 30 * time.Second},
		"revoked while tasks go on":    {revoked: 20 * time.Second, events: true, want: 25 * time.Second},
		"expired while all is quiet":   {lifetime: 20 * time.Second, want: 30 * time.Second},
		"a session longer than it may": {want: apikey.SessionLifetime},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				var expires time.Time
				if c.lifetime > 0 {
					expires = begun.Add(c.lifetime)
				}
				key, text := apikey.New("reader", apikey.Read, begun, expires)
				_, session, _, err := apikey.Of(key).SignIn(text, begun)
				require.NoError(t, err)
				keys := func() apikey.Keys {
					now := key
					if c.revoked > 0 && time.Since(begun) >= c.revoked {
						now.Revoked = begun.Add(c.revoked)
					}
					return apikey.Of(now)
				}
				steps := []func(ports.EventRequest) (domain.TaskEventPage, error){page("begin")}
				if c.events {
					steps = append(steps, page("secret", domain.TaskEvent{Cursor: "secret", Type: "mail"}))
					steps[1] = after(c.want, begun, steps[1])
				}
				w := newWorld(httpapi.Config{}, func(deps *httpapi.Deps) {
					deps.Events, deps.Keys, deps.Now = &scriptedReader{steps: steps}, keys, time.Now
				})
				inBubble(t, w.api, func(client *http.Client) {
					res, stream := openStream(t, client, "http://logsift"+eventsPath, "Cookie", "logsift_session="+session)
					for {
						e, more := stream.next()
						if !more {
							break
						}
						require.Equal(t, "begin", e.id, "nothing is told after the key has ended")
						require.Less(t, time.Since(begun), c.want, "the stream goes on")
					}
					require.Equal(t, c.want, time.Since(begun))
					require.NoError(t, res.Body.Close())
				})
			})
		})
	}
}

// after is a step that takes until so long after the beginning.
func after(d time.Duration, begun time.Time, step func(ports.EventRequest) (domain.TaskEventPage, error)) func(ports.EventRequest) (domain.TaskEventPage, error) {
	return func(req ports.EventRequest) (domain.TaskEventPage, error) {
		<-time.After(d - time.Since(begun))
		return step(req)
	}
}

func TestStreamsThatAreNotReadHoldUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const slow, tasks = 100, 3000
		queue := memstore.NewTaskQueue(memstore.Config{})
		api := eventAPI(queue, httpapi.Config{MaxStreams: slow + 1})
		inBubble(t, api, func(client *http.Client) {
			for range slow {
				openStream(t, client, "http://logsift"+eventsPath) // and read no further
			}
			synctest.Wait()
			_, healthy := openStream(t, client, "http://logsift"+eventsPath)
			_, ok := healthy.next()
			require.True(t, ok)
			res, _ := openStream(t, client, "http://logsift"+eventsPath)
			require.Equal(t, http.StatusServiceUnavailable, res.StatusCode, "all places are taken")

			begun := time.Now()
			for range tasks {
				_, err := queue.Enqueue(t.Context(), domain.NewTask(uuid.New(), "echo", nil))
				require.NoError(t, err)
			}
			require.Zero(t, time.Since(begun), "no enqueue waited for a reader")
			seen := map[string]bool{}
			for range tasks {
				event, _ := healthy.task(t)
				seen[event.TaskID] = true
			}
			require.Len(t, seen, tasks)
			require.Less(t, time.Since(begun), httpapi.DefaultStreamWriteTimeout, "nor did another reader")

			timer := time.NewTimer(2 * httpapi.DefaultStreamWriteTimeout)
			<-timer.C
			synctest.Wait()
			for range slow { // the slow ones were cut off, and have given their places back
				res, _ := openStream(t, client, "http://logsift"+eventsPath)
				require.Equal(t, http.StatusOK, res.StatusCode)
			}
			api.EndStreams()
			for ok := true; ok; {
				_, ok = healthy.next()
			}
		})
	})
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(eventAPI(memstore.NewTaskQueue(memstore.Config{}), httpapi.Config{MaxStreams: 2}).Handler())
	t.Cleanup(server.Close)
	first, _ := openStream(t, server.Client(), server.URL+eventsPath)
	openStream(t, server.Client(), server.URL+eventsPath)
	res, _ := openStream(t, server.Client(), server.URL+eventsPath)
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, "5", res.Header.Get("Retry-After"))
	require.Equal(t, "urn:logsift:problem:too-many-streams", decode[wire.Problem](t, res.Body).Type)
	require.NoError(t, first.Body.Close())
	require.Eventually(t, func() bool {
		res, _ := openStream(t, server.Client(), server.URL+eventsPath)
		return res.StatusCode == http.StatusOK
	}, 5*time.Second, 5*time.Millisecond, "a client that goes makes room")
}

func TestStreamsEndWithTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := memstore.NewTaskQueue(memstore.Config{})
		api := eventAPI(queue, httpapi.Config{})
		listener := newPipes()
		server := &http.Server{Handler: api.Handler()}
		server.RegisterOnShutdown(api.EndStreams)
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		client := &http.Client{Transport: &http.Transport{DialContext: listener.dial}}
		_, idle := openStream(t, client, "http://logsift"+eventsPath)
		_, ok := idle.next()
		require.True(t, ok)
		openStream(t, client, "http://logsift"+eventsPath) // never read
		begun := time.Now()
		for range 600 {
			_, err := queue.Enqueue(t.Context(), domain.NewTask(uuid.New(), "echo", nil))
			require.NoError(t, err)
		}
		synctest.Wait()
		require.NoError(t, server.Shutdown(t.Context()))
		require.LessOrEqual(t, time.Since(begun), 2*time.Second, "a stream that writes to nobody ends too")
		require.ErrorIs(t, <-served, http.ErrServerClosed)
		out := httptest.NewRecorder()
		api.Handler().ServeHTTP(out, httptest.NewRequest(http.MethodGet, eventsPath, http.NoBody))
		problem(t, out, http.StatusServiceUnavailable, "stopping")
		for ok {
			_, ok = idle.next()
		}
	})
}

func TestServerEndsStreams(t *testing.T) {
	t.Parallel()
	api := eventAPI(memstore.NewTaskQueue(memstore.Config{}), httpapi.Config{})
	server := httpapi.NewServer(api.Handler(), httpapi.ServerConfig{Addr: "127.0.0.1:0", OnShutdown: api.EndStreams})
	addr, err := server.Listen(t.Context())
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	_, stream := openStream(t, client, "http://"+addr.String()+eventsPath)
	_, ok := stream.next()
	require.True(t, ok)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, server.Shutdown(ctx))
	require.NoError(t, <-served)
	_, ok = stream.next()
	require.False(t, ok)
	require.NoError(t, stream.lines.Err(), "it ends as an answer does, not in its midst")
}

func TestStreamFilters(t *testing.T) {
	t.Parallel()
	first, second := uuid.New(), uuid.New()
	events := []domain.TaskEvent{
		{Cursor: "1", TaskID: first, Type: "mail", Queue: "a", To: domain.TaskStatusPending},
		{Cursor: "2", TaskID: second, Type: "echo", Queue: "b", To: domain.TaskStatusPending},
		{Cursor: "3", TaskID: first, Type: "mail", Queue: "a", From: domain.TaskStatusPending, To: domain.TaskStatusProcessing},
		{Cursor: "4", TaskID: first, Type: "mail", Queue: "a", From: domain.TaskStatusProcessing, To: domain.TaskStatusFailed},
		{Cursor: "5", TaskID: first, Type: "mail", Queue: "a", From: domain.TaskStatusFailed},
	}
	for query, want := range map[string]string{
		"":                                     "1 2 3 4 5",
		"?status=pending":                      "1 2",
		"?status=FAILED":                       "4",
		"?type=echo":                           "2",
		"?queue=a":                             "1 3 4 5",
		"?task_id=" + second.String():          "2",
		"?queue=a&status=PROCESSING&type=mail": "3",
	} {
		api := eventAPI(&scriptedReader{steps: []func(ports.EventRequest) (domain.TaskEventPage, error){page("5", events...), failing(domain.ErrClosed)}}, httpapi.Config{})
		out := httptest.NewRecorder()
		openapitest.API().Handler(api.Handler()).ServeHTTP(out, httptest.NewRequest(http.MethodGet, eventsPath+query, http.NoBody))
		var got []string
		stream := newSSEReader(io.NopCloser(out.Body))
		for e, ok := stream.next(); ok; e, ok = stream.next() {
			got = append(got, e.id)
		}
		require.Equal(t, want, strings.Join(got, " "), query)
	}
	api := eventAPI(&scriptedReader{}, httpapi.Config{})
	for query, field := range map[string]string{
		"status=none": "status", "type=%00": "type", "queue=a%20b": "queue", "task_id=7": "task_id", "limit=1": "limit", "queue=": "queue", "queue=a&queue=b": "queue",
	} {
		out := httptest.NewRecorder()
		api.Handler().ServeHTTP(out, httptest.NewRequest(http.MethodGet, eventsPath+"?"+query, http.NoBody))
		fieldProblem(t, out, field)
	}
}

func TestStreamTellsOfALoss(t *testing.T) {
	t.Parallel()
	lost := func(ports.EventRequest) (domain.TaskEventPage, error) {
		return domain.TaskEventPage{Next: "here", Lost: true}, nil
	}
	for name, steps := range map[string][]func(ports.EventRequest) (domain.TaskEventPage, error){
		"at its begin":                {lost, failing(domain.ErrClosed)},
		"later":                       {page("there", domain.TaskEvent{Cursor: "there"}), lost, failing(domain.ErrClosed)},
		"with an id of another store": {failing(domain.ErrInvalidCursor), page("here"), failing(domain.ErrClosed)},
	} {
		reader := &scriptedReader{steps: steps}
		req := httptest.NewRequest(http.MethodGet, eventsPath, http.NoBody)
		req.Header.Set("Last-Event-ID", "earlier")
		out := httptest.NewRecorder()
		eventAPI(reader, httpapi.Config{}).Handler().ServeHTTP(out, req)
		require.Contains(t, out.Body.String(), "id: here\nevent: reset\ndata: {}\n\n", name)
		require.Equal(t, "earlier", reader.calls[0].After, name)
		require.Equal(t, "here", reader.calls[len(reader.calls)-1].After, "%s: and goes on after it", name)
	}
}

func TestStreamOutlivesAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	out := httptest.NewRecorder()
	away := &scriptedReader{steps: []func(ports.EventRequest) (domain.TaskEventPage, error){failing(domain.ErrStoreUnavailable)}}
	eventAPI(away, httpapi.Config{}).Handler().ServeHTTP(out, httptest.NewRequest(http.MethodGet, eventsPath, http.NoBody))
	problem(t, out, http.StatusServiceUnavailable, "store-unavailable")

	synctest.Test(t, func(t *testing.T) {
		reader := &scriptedReader{steps: []func(ports.EventRequest) (domain.TaskEventPage, error){
			page("a"), failing(domain.ErrStoreUnavailable), failing(errors.New("odd")), page("b", domain.TaskEvent{Cursor: "b"}), failing(domain.ErrClosed),
		}}
		out := httptest.NewRecorder()
		eventAPI(reader, httpapi.Config{}).Handler().ServeHTTP(out, httptest.NewRequest(http.MethodGet, eventsPath, http.NoBody))
		require.Contains(t, out.Body.String(), "id: b\nevent: task\n")
		for _, call := range reader.calls[1:4] {
			require.Equal(t, "a", call.After, "it goes on where it was")
		}
	})
}

func TestStreamEscapesWhatTasksSay(t *testing.T) {
	t.Parallel()
	const hostile = "x\n\nevent: reset\ndata: {}\r\n\r\u2028</script><script>alert(1)</script>\x00\x1b[31m\xff"
	event := domain.TaskEvent{Cursor: "1", Type: hostile, Queue: hostile, Reason: hostile, To: domain.TaskStatusFailed}
	reader := &scriptedReader{steps: []func(ports.EventRequest) (domain.TaskEventPage, error){page("1", event), failing(domain.ErrClosed)}}
	out := httptest.NewRecorder()
	eventAPI(reader, httpapi.Config{}).Handler().ServeHTTP(out, httptest.NewRequest(http.MethodGet, eventsPath, http.NoBody))
	require.NotContains(t, out.Body.String(), "\r")
	stream := newSSEReader(io.NopCloser(out.Body))
	e, ok := stream.next()
	require.True(t, ok)
	require.Equal(t, wire.EventTask, e.name)
	var got wire.TaskEvent
	require.NoError(t, json.Unmarshal([]byte(e.data), &got))
	want := strings.ToValidUTF8(hostile, "\uFFFD")
	require.Equal(t, []string{want, want, want}, []string{got.Type, got.Queue, got.Reason})
	_, ok = stream.next()
	require.False(t, ok, "there is one event")
}

func TestHeadOfAStreamHasNoBody(t *testing.T) {
	t.Parallel()
	out := httptest.NewRecorder()
	api := eventAPI(memstore.NewTaskQueue(memstore.Config{}), httpapi.Config{})
	api.Handler().ServeHTTP(out, httptest.NewRequest(http.MethodHead, eventsPath, http.NoBody))
	require.Equal(t, http.StatusOK, out.Code)
	require.Equal(t, "text/event-stream", out.Header().Get("Content-Type"))
	require.Empty(t, out.Body.String())
}
