package httpapi_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/wire"
)

func TestALimitIsNamedWithItsValue(t *testing.T) {
	t.Parallel()
	const good = `{"type":"echo"}`
	for name, c := range map[string]struct {
		config httpapi.Config
		path   string
		body   string
		header []string
		status int
		kind   string
		want   wire.Limit
	}{
		"a body": {httpapi.Config{MaxTaskBytes: 10}, tasksPath, good, nil, 413, "too-large", wire.Limit{Name: "body_bytes", Value: 10}},
		"a batch": {
			httpapi.Config{}, batchPath, strings.Repeat("{}\n", httpapi.MaxBatch+1), nil, 413, "too-large",
			wire.Limit{Name: "batch_tasks", Value: httpapi.MaxBatch},
		},
		"a head": {
			httpapi.Config{MaxHeadBytes: 400}, tasksPath, good, []string{"X-Long", strings.Repeat("x", 400)}, 431, "head-too-large",
			wire.Limit{Name: "head_bytes", Value: 400},
		},
		"all bodies together": {
			httpapi.Config{MaxBodyBytes: 10, MaxBufferedBytes: 12, MaxTaskBytes: 20}, tasksPath, good, nil, 503, "overloaded",
			wire.Limit{Name: "buffered_bytes", Value: 12},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(c.config)
			p := problem(t, w.do("POST", c.path, c.body, c.header...), c.status, c.kind)
			require.Equal(t, c.want, *p.Limit)
			if c.status < 500 {
				require.Contains(t, p.Detail, strconv.FormatInt(c.want.Value, 10))
			}
			require.Zero(t, w.queue.writes)
		})
	}
	t.Run("a task of a batch", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{MaxTaskBytes: int64(len(good))})
		got := answer[wire.BatchResults](t, w.do("POST", batchPath, "["+good+`,{"type": "echo"}]`), http.StatusOK)
		require.Equal(t, http.StatusCreated, got.Results[0].Status)
		require.Equal(t, wire.Limit{Name: "task_bytes", Value: int64(len(good))}, *got.Results[1].Problem.Limit)
	})
	t.Run("a page", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{tasksPath, logsPath, anomaliesPath} {
			require.Contains(t, fieldProblem(t, newWorld(httpapi.Config{}).do("GET", path+"?limit=1000000", ""), "limit").Detail, "200")
		}
	})
	t.Run("a body that says that it is too large is not read", func(t *testing.T) {
		t.Parallel()
		body := strings.NewReader(strings.Repeat("x", 1000))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, tasksPath, body)
		res := httptest.NewRecorder()
		newWorld(httpapi.Config{MaxTaskBytes: 999}).api.Handler().ServeHTTP(res, r)
		require.Equal(t, http.StatusRequestEntityTooLarge, res.Code)
		require.Equal(t, 1000, body.Len())
	})
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	at := now
	ring := newKeyring()
	w := newWorld(httpapi.Config{RateLimit: 2}, func(deps *httpapi.Deps) {
		deps.Now = func() time.Time { return at }
		deps.Keys = func() apikey.Keys { return ring.keys }
	})
	get := func(who, path string) *httptest.ResponseRecorder { return w.do("GET", path, "", ring.bearer(who)...) }
	for i := range 20 {
		res := get("read", tasksPath)
		require.Equal(t, http.StatusOK, res.Code)
		require.Equal(t, `"requests";q=20;w=10`, res.Header().Get("Ratelimit-Policy"))
		require.Equal(t, `"requests";r=`+strconv.Itoa(19-i)+`;t=`+strconv.Itoa((i+2)/2), res.Header().Get("Ratelimit"))
	}
	res := get("read", tasksPath)
	p := problem(t, res, http.StatusTooManyRequests, "rate-limited")
	require.Equal(t, wire.Limit{Name: "requests_per_second", Value: 2}, *p.Limit)
	require.Equal(t, "1", res.Header().Get("Retry-After"))
	require.Equal(t, `"requests";r=0;t=10`, res.Header().Get("Ratelimit"))

	require.Equal(t, http.StatusOK, get("write", tasksPath).Code, "another key has its own")
	for range 100 {
		require.Equal(t, http.StatusOK, get("none", "/healthz").Code, "what is open to everybody is not limited")
	}
	require.Equal(t, http.StatusUnauthorized, get("bad", tasksPath).Code)
	at = at.Add(500 * time.Millisecond)
	require.Equal(t, http.StatusOK, get("read", tasksPath).Code)
	require.Equal(t, http.StatusTooManyRequests, get("read", tasksPath).Code)

	// Shippers are told in their own words.
	for range 30 {
		res = w.do("POST", "/loki/api/v1/push", `{"streams":[]}`, append(ring.bearer("admin"), "Content-Type", "application/json")...)
	}
	require.Equal(t, http.StatusTooManyRequests, res.Code)
	require.Equal(t, "a caller may send 2 requests a second\n", res.Body.String())
	require.NotEmpty(t, res.Header().Get("Retry-After"))
}

func TestWithoutKeysACallerIsAnAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(httpapi.Config{RateLimit: 1})
	from := func(remote string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, tasksPath, nil)
		r.RemoteAddr = remote
		res := httptest.NewRecorder()
		w.api.Handler().ServeHTTP(res, r)
		return res.Code
	}
	for i := range 20 {
		require.Equal(t, http.StatusOK, from("[2001:db8::"+strconv.Itoa(i)+"]:1"), "a network of IPv6 is one caller")
	}
	require.Equal(t, http.StatusTooManyRequests, from("[2001:db8::ffff]:2"))
	require.Equal(t, http.StatusOK, from("[2001:db8:0:1::1]:2"))
	require.Equal(t, http.StatusOK, from("192.0.2.7:1"))
	res := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, tasksPath, nil)
	r.RemoteAddr = "[2001:db8::1]:1"
	w.api.InProcessHandler().ServeHTTP(res, r)
	require.Equal(t, http.StatusOK, res.Code, "commands within the process are not limited")
	require.Empty(t, newWorld(httpapi.Config{}).do("GET", tasksPath, "").Header().Get("Ratelimit"))
}

func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	t.Parallel()
	_, addr, _ := serve(t, newWorld(httpapi.Config{}).api.Handler(), httpapi.ServerConfig{MaxConnections: 1})
	const request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	first, second := dial(t, addr), dial(t, addr)
	ask := func(conn io.ReadWriter) int {
		_, err := io.WriteString(conn, request)
		require.NoError(t, err)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	require.Equal(t, http.StatusOK, ask(first))
	require.NoError(t, second.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := io.WriteString(second, request)
	require.NoError(t, err)
	_, err = second.Read(make([]byte, 1))
	require.ErrorContains(t, err, "timeout", "the first connection has the only place")
	require.NoError(t, first.Close())
	require.NoError(t, second.SetReadDeadline(time.Now().Add(20*time.Second)))
	res, err := http.ReadResponse(bufio.NewReader(second), nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
}

func TestOthersAreServedBesideSlowClients(t *testing.T) {
	t.Parallel()
	_, addr, _ := serve(t, newWorld(httpapi.Config{}).api.Handler(), httpapi.ServerConfig{
		ReadHeaderTimeout: 200 * time.Millisecond, ReadTimeout: 300 * time.Millisecond, WriteTimeout: time.Second,
	})
	// Each of these sends its next byte just in time to never be idle, and none ends.
	var slow sync.WaitGroup
	for i := range 100 {
		conn := dial(t, addr)
		text := "GET /healthz HTTP/1.1\r\nX-Slow: "
		if i%2 == 0 {
			text = "POST " + tasksPath + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
		}
		slow.Go(func() {
			ticks := time.NewTicker(20 * time.Millisecond)
			defer ticks.Stop()
			_, err := io.WriteString(conn, text)
			for err == nil {
				<-ticks.C
				_, err = io.WriteString(conn, " ")
			}
		})
	}
	done := make(chan struct{})
	go func() { defer close(done); slow.Wait() }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	for served := 0; ; served++ {
		res, err := client.Get("http://" + addr + "/healthz")
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode)
		select {
		case <-done:
			require.Positive(t, served, "others were served meanwhile")
			return
		default:
		}
	}
}
