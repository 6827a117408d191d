package httpapi_test

import (
	"context"
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
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/openapitest"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
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
			wire.Limit{Name: "buffered_bytes", Value: 20},
		},
	} {
		apitest.Run(t, name, c.config, func(t *testing.T, w *apitest.World) {
			p := apitest.Problem(t, w.Do("POST", c.path, c.body, c.header...), c.status, c.kind)
			require.Equal(t, c.want, *p.Limit)
			if c.status < 500 {
				require.Contains(t, p.Detail, strconv.FormatInt(c.want.Value, 10))
			}
			require.Zero(t, w.Queue.Writes)
		})
	}
	apitest.Run(t, "a task of a batch", httpapi.Config{MaxTaskBytes: int64(len(good))}, func(t *testing.T, w *apitest.World) {
		got := apitest.Answer[wire.BatchResults](t, w.Do("POST", batchPath, "["+good+`,{"type": "echo"}]`), http.StatusOK)
		require.Equal(t, http.StatusCreated, got.Results[0].Status)
		require.Equal(t, wire.Limit{Name: "task_bytes", Value: int64(len(good))}, *got.Results[1].Problem.Limit)
	})
	t.Run("a page", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{tasksPath, logsPath, anomaliesPath} {
			require.Contains(t, apitest.FieldProblem(t, apitest.New(httpapi.Config{}).Do("GET", path+"?limit=1000000", ""), "limit").Detail, "200")
		}
	})
	t.Run("a body that says that it is too large is not read", func(t *testing.T) {
		t.Parallel()
		body := strings.NewReader(strings.Repeat("x", 1000))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, tasksPath, body)
		res := httptest.NewRecorder()
		apitest.New(httpapi.Config{MaxTaskBytes: 999}).API.Handler().ServeHTTP(res, r)
		require.Equal(t, http.StatusRequestEntityTooLarge, res.Code)
		require.Equal(t, 1000, body.Len())
	})
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	at := apitest.Now
	ring := apitest.NewKeyring()
	w := apitest.New(httpapi.Config{RateLimit: 2}, func(deps *httpapi.Deps) {
		deps.Now = func() time.Time { return at }
		deps.Keys = func() apikey.Keys { return ring.Keys }
	})
	get := func(who, path string) *httptest.ResponseRecorder { return w.Do("GET", path, "", ring.Bearer(who)...) }
	for i := range 20 {
		res := get("read", tasksPath)
		require.Equal(t, http.StatusOK, res.Code)
		require.Equal(t, `"requests";q=20;w=10`, res.Header().Get("Ratelimit-Policy"))
		require.Equal(t, `"requests";r=`+strconv.Itoa(19-i)+`;t=`+strconv.Itoa((i+2)/2), res.Header().Get("Ratelimit"))
	}
	res := get("read", tasksPath)
	p := apitest.Problem(t, res, http.StatusTooManyRequests, "rate-limited")
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
		res = w.Do("POST", "/loki/api/v1/push", `{"streams":[]}`, append(ring.Bearer("admin"), "Content-Type", "application/json")...)
	}
	require.Equal(t, http.StatusTooManyRequests, res.Code)
	require.Equal(t, "a caller may send 2 requests a second\n", res.Body.String())
	require.NotEmpty(t, res.Header().Get("Retry-After"))
}

func TestWithoutKeysACallerIsAnAddress(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{RateLimit: 1})
	from := func(remote string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, tasksPath, nil)
		r.RemoteAddr = remote
		res := openapitest.API().Serve(w.API.Handler(), r)
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
	w.API.InProcessHandler().ServeHTTP(res, r)
	require.Equal(t, http.StatusOK, res.Code, "commands within the process are not limited")
	require.Empty(t, apitest.New(httpapi.Config{}).Do("GET", tasksPath, "").Header().Get("Ratelimit"))
}

func TestSearchesOfACallerAreFewAtOnce(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	entered, leave := make(chan struct{}), make(chan struct{})
	w.Logs.Listing = func(filter domain.LogFilter) {
		if filter.Text == "slow" {
			entered <- struct{}{}
			<-leave
		}
	}
	get := func(ctx context.Context, caller, query string) int {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, logsPath+query, nil)
		r.RemoteAddr = caller + ":1"
		res := openapitest.API().Serve(w.API.Handler(), r)
		return res.Code
	}
	var searches sync.WaitGroup
	for range 2 {
		searches.Go(func() { get(t.Context(), "192.0.2.7", "?text=slow") })
		<-entered
	}
	require.Equal(t, http.StatusOK, get(t.Context(), "192.0.2.7", ""), "other reads do not wait")
	require.Equal(t, http.StatusOK, get(t.Context(), "192.0.2.8", "?text=quick"), "nor do others")
	ctx, cancel := context.WithCancel(t.Context())
	third := make(chan int)
	go func() { third <- get(ctx, "192.0.2.7", "?text=slow") }()
	select {
	case <-entered:
		require.Fail(t, "a third search is under way")
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	require.Equal(t, 499, <-third, "who leaves waits no longer")
	close(leave)
	searches.Wait()
	require.Equal(t, http.StatusOK, get(t.Context(), "192.0.2.7", "?text=quick"))
}
