//nolint:bodyclose // openStream has each body closed when its test ends
package httpapi_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/openapitest"
	"logsift/adapters/httpapi/wire"
	"logsift/adapters/memstore"
	"logsift/adapters/sqlitestore"
	"logsift/domain"
	"logsift/ports"
)

const eventsPath = "/api/v1/queue/events"

func ptr[T any](v T) *T { return &v }

func TestStreamTellsOfEachStep(t *testing.T) {
	t.Parallel()
	queue := memstore.NewTaskQueue(memstore.Config{})
	api := eventAPI(queue, httpapi.Config{})
	server := httptest.NewServer(api.Handler())
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
	api.Close()
	_, ok = stream.next()
	require.False(t, ok)
	require.NoError(t, stream.lines.Err(), "it ends as an answer does, not in its midst")
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
		queues = append(queues, db.TaskQueue)
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
				w := apitest.New(httpapi.Config{}, func(deps *httpapi.Deps) {
					deps.Events, deps.Keys, deps.Now = &scriptedReader{steps: steps}, keys, time.Now
				})
				inBubble(t, w.API, func(client *http.Client) {
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
		api := eventAPI(queue, httpapi.Config{MaxStreams: 2 * (slow + 1)})
		inBubble(t, api, func(client *http.Client) {
			for range slow {
				openStream(t, client, "http://logsift"+eventsPath) // and read no further
			}
			synctest.Wait()
			_, healthy := openStream(t, client, "http://logsift"+eventsPath)
			_, ok := healthy.next()
			require.True(t, ok)
			res, _ := openStream(t, client, "http://logsift"+eventsPath)
			require.Equal(t, http.StatusTooManyRequests, res.StatusCode, "all places of the caller are taken")

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
			api.Close()
			for ok := true; ok; {
				_, ok = healthy.next()
			}
		})
	})
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(eventAPI(memstore.NewTaskQueue(memstore.Config{}), httpapi.Config{MaxStreams: 4}).Handler())
	t.Cleanup(server.Close)
	from := func(address string) *http.Client {
		transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	open := func(client *http.Client) *http.Response {
		res, _ := openStream(t, client, server.URL+eventsPath)
		return res
	}
	one, other := from("127.0.0.1"), from("127.0.0.2")
	first := open(one)
	open(one)
	res := open(one)
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode, "a caller has half of the places")
	require.Equal(t, wire.Limit{Name: "streams_per_caller", Value: 2}, *apitest.Decode[wire.Problem](t, res.Body).Limit)
	open(other)
	open(other)
	res = open(from("127.0.0.3"))
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, "5", res.Header.Get("Retry-After"))
	require.Equal(t, "urn:logsift:problem:too-many-streams", apitest.Decode[wire.Problem](t, res.Body).Type)
	require.NoError(t, first.Body.Close())
	require.Eventually(t, func() bool { return open(one).StatusCode == http.StatusOK }, 5*time.Second, 5*time.Millisecond, "a client that goes makes room")
}

func TestStreamsEndWithTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := memstore.NewTaskQueue(memstore.Config{})
		api := eventAPI(queue, httpapi.Config{})
		listener := newPipes()
		server := &http.Server{Handler: api.Handler()}
		server.RegisterOnShutdown(api.Close)
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
		out := openapitest.API().Serve(api.Handler(), httptest.NewRequest(http.MethodGet, eventsPath, http.NoBody))
		apitest.Problem(t, out, http.StatusServiceUnavailable, "stopping")
		for ok {
			_, ok = idle.next()
		}
	})
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
		"?tag=red":                             "1 3 4 5",
		"?tag=red&status=FAILED":               "4",
		"?tag=green":                           "5", // the place alone
		"?queue=a&status=PROCESSING&type=mail": "3",
	} {
		api := taggedEventAPI(&scriptedReader{steps: []func(ports.EventRequest) (domain.TaskEventPage, error){page("5", slices.Clone(events)...), failing(domain.ErrClosed)}}, first)
		out := openapitest.API().Serve(api.Handler(), httptest.NewRequest(http.MethodGet, eventsPath+query, http.NoBody))
		var got []string
		stream := newSSEReader(io.NopCloser(out.Body))
		for e, ok := stream.next(); ok; e, ok = stream.next() {
			got = append(got, e.id)
		}
		require.Equal(t, want, strings.Join(got, " "), query)
	}
	api := eventAPI(&scriptedReader{}, httpapi.Config{})
	for query, field := range map[string]string{
		"status=none": "status", "type=%00": "type", "queue=a%20b": "queue", "tag=%20": "tag", "task_id=7": "task_id", "limit=1": "limit", "queue=": "queue", "queue=a&queue=b": "queue",
	} {
		out := openapitest.API().Serve(api.Handler(), httptest.NewRequest(http.MethodGet, eventsPath+"?"+query, http.NoBody))
		apitest.FieldProblem(t, out, field)
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
	apitest.Problem(t, out, http.StatusServiceUnavailable, "store-unavailable")

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
