package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/openapitest"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

func TestRouting(t *testing.T) {
	t.Parallel()
	t.Run("a wrong method is told the right ones", func(t *testing.T) {
		t.Parallel()
		id := "/" + uuid.NewString()
		for path, allow := range map[string]string{
			tasksPath: "GET, HEAD, POST", batchPath: "POST", tasksPath + id: "DELETE, GET, HEAD",
			tasksPath + id + ":retry": "POST", tasksPath + id + ":cancel": "POST", tasksPath + id + ":run": "POST",
			statsPath: "GET, HEAD", logsPath: "GET, HEAD, POST", logsPath + id: "GET, HEAD", anomaliesPath: "GET, HEAD",
			"/healthz": "GET, HEAD", "/readyz": "GET, HEAD",
		} {
			w := apitest.New(httpapi.Config{})
			for _, method := range []string{"PUT", "PATCH", "OPTIONS", "TRACE"} {
				res := w.Do(method, path, "")
				apitest.Problem(t, res, http.StatusMethodNotAllowed, "method-not-allowed")
				require.Equal(t, allow, res.Header().Get("Allow"), path)
				require.Empty(t, res.Header().Get("Access-Control-Allow-Origin"))
			}
		}
	})
	t.Run("an unknown path is a problem, never a redirect", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/api", "/api/v2/queue/tasks", tasksPath + "/", "/" + tasksPath, tasksPath + "/../tasks", tasksPath + "/" + uuid.NewString() + ":explode", tasksPath + "/..%2ftasks", logsPath + "//"} {
			apitest.Problem(t, apitest.New(httpapi.Config{}).Do("GET", path, ""), http.StatusNotFound, "no-such-path")
		}
	})
	apitest.Run(t, "HEAD changes nothing and answers as GET does", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		require.Equal(t, http.StatusOK, w.Do("HEAD", statsPath, "").Code)
		require.Equal(t, http.StatusOK, w.Do("HEAD", tasksPath, "").Code)
		require.Zero(t, w.Queue.Writes)
	})
}

func TestErrorsOfTheServices(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err        error
		status     int
		kind       string
		retryAfter string
	}{
		"a store that is away": {domain.ErrStoreUnavailable, 503, "store-unavailable", "1"},
		"a full store":         {domain.ErrStoreFull, 507, "store-full", ""},
		"a read-only store":    {domain.ErrStoreReadOnly, 503, "store-read-only", "1"},
		"a closed store":       {domain.ErrClosed, 503, "stopping", "1"},
		"a corrupt record":     {domain.ErrCorruptRecord, 500, "internal", ""},
		"an unknown error":     {errors.New("secret of 10.1.2.3"), 500, "internal", ""},
	} {
		apitest.Run(t, name+" is answered without its insides", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
			w.Queue.Err = fmt.Errorf("dial 10.1.2.3: %w", c.err)
			w.Logs.Err = w.Queue.Err
			id := "/" + uuid.NewString()
			level := zapcore.WarnLevel
			if c.status == http.StatusInternalServerError {
				level = zapcore.ErrorLevel
			}
			for _, call := range []struct{ method, path, body string }{
				{"POST", tasksPath, `{"type":"echo"}`}, {"POST", batchPath, `[{"type":"echo"}]`}, {"POST", logsPath, `{"message":"m"}`},
				{"POST", tasksPath + id + ":retry", ""}, {"POST", tasksPath + id + ":cancel", ""}, {"POST", tasksPath + id + ":run", ""},
				{"DELETE", tasksPath + id, ""}, {"GET", tasksPath, ""}, {"GET", tasksPath + id, ""}, {"GET", statsPath, ""},
				{"GET", logsPath, ""}, {"GET", logsPath + id, ""}, {"GET", anomaliesPath, ""},
			} {
				res := w.Do(call.method, call.path, call.body)
				p := apitest.Problem(t, res, c.status, c.kind)
				require.Equal(t, c.retryAfter, res.Header().Get("Retry-After"))
				require.NotContains(t, res.Body.String(), "10.1.2.3")
				logged := w.Log.FilterField(zap.String("request_id", p.RequestID)).FilterLevelExact(level).All()
				require.Len(t, logged, 1, "%s %s", call.method, call.path)
				require.Contains(t, logged[0].ContextMap()["error"], "10.1.2.3", "the log has it in full")
			}
		})
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	require.Equal(t, "abc-1_2.Z", w.Do("GET", "/healthz", "", "X-Request-Id", "abc-1_2.Z").Header().Get("X-Request-Id"))
	for _, bad := range []string{"", "a b", "a\"b", "a\nb", strings.Repeat("a", 129)} {
		got := w.Do("GET", "/healthz", "", "X-Request-Id", bad).Header().Get("X-Request-Id")
		require.NoError(t, uuid.Validate(got), "a request without a usable id gets one")
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	res := w.Do("GET", tasksPath+"?type=secret-type", "")
	logged := w.Log.FilterMessage("request").All()
	require.Len(t, logged, 1)
	require.Equal(t, zapcore.DebugLevel, logged[0].Level)
	fields := logged[0].ContextMap()
	require.Equal(t, "GET", fields["method"])
	require.Equal(t, tasksPath, fields["path"])
	require.Equal(t, int64(200), fields["status"])
	require.Equal(t, int64(res.Body.Len()), fields["bytes"])
	require.Equal(t, res.Header().Get("X-Request-Id"), fields["request_id"])
	require.NotContains(t, fmt.Sprint(fields), "secret-type", "queries are not logged")
}

// panicking is a queue that panics.
type panicking struct{ *apitest.QueueStub }

func (panicking) GetSchedulerStats() domain.SchedulerStats { panic("secret") }

func TestPanicsAreAnswered(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	w.API = httpapi.New(httpapi.Deps{Queue: panicking{w.Queue}, Logs: w.Logs, Readiness: apitest.ProbeFunc(nil)}, httpapi.Config{})
	res := w.Do("GET", statsPath, "")
	apitest.Problem(t, res, http.StatusInternalServerError, "internal")
	require.NotContains(t, res.Body.String(), "secret")
	require.NotContains(t, res.Body.String(), "goroutine")
}

func TestAllowedHosts(t *testing.T) {
	t.Parallel()
	get := func(cfg httpapi.Config, host string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
		r.Host = host
		return openapitest.API().Serve(apitest.New(cfg).API.Handler(), r)
	}
	loopback := httpapi.Config{AllowedHosts: []string{"localhost", "127.0.0.1", "::1"}}
	for _, host := range []string{"localhost", "localhost:8080", "LOCALHOST.:80", "127.0.0.1:8080", "[::1]:8080", "[::1]"} {
		require.Equal(t, http.StatusOK, get(loopback, host).Code, host)
	}
	for _, host := range []string{"evil.test", "evil.test:8080", "localhost.evil.test", "", "127.0.0.1.evil.test", "10.0.0.1"} {
		apitest.Problem(t, get(loopback, host), http.StatusMisdirectedRequest, "host-not-allowed")
	}
	require.Equal(t, http.StatusOK, get(httpapi.Config{}, "any.test").Code)
}

func TestCrossOriginRequestsAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"no browser":        {nil, 201},
		"same origin":       {[]string{"Sec-Fetch-Site", "same-origin"}, 201},
		"typed by the user": {[]string{"Sec-Fetch-Site", "none"}, 201},
		"own origin":        {[]string{"Origin", "http://example.com"}, 201},
		"cross-site":        {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"same-site":         {[]string{"Sec-Fetch-Site", "same-site"}, 403},
		"another origin":    {[]string{"Origin", "https://evil.test"}, 403},
		"the null origin":   {[]string{"Origin", "null"}, 403},
	} {
		w := apitest.New(httpapi.Config{})
		task := w.Add(nil)
		res := w.Do("POST", tasksPath, `{"type":"echo"}`, c.headers...)
		require.Equal(t, c.status, res.Code, name)
		require.Empty(t, res.Header().Get("Access-Control-Allow-Origin"))
		if c.status == 403 {
			apitest.Problem(t, res, 403, "cross-origin")
			apitest.Problem(t, w.Do("DELETE", tasksPath+"/"+task.ID.String(), "", c.headers...), 403, "cross-origin")
			apitest.Problem(t, w.Do("POST", tasksPath+"/"+task.ID.String()+":cancel", "", c.headers...), 403, "cross-origin")
			require.Zero(t, w.Queue.Writes)
			apitest.Answer[wire.Stats](t, w.Do("GET", statsPath, "", c.headers...), 200)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	for _, path := range []string{"/healthz", statsPath, "/none"} {
		res := w.Do("GET", path, "")
		require.Equal(t, "nosniff", res.Header().Get("X-Content-Type-Options"))
		require.Equal(t, "no-store", res.Header().Get("Cache-Control"))
	}
}
