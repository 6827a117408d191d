package auth_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/openapitest"
	"logsift/adapters/httpapi/wire"
	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/ports"
)

const (
	sessionPath = "/api/v1/session"
	tasksPath   = "/api/v1/queue/tasks"
)

func TestABrowserSignsInWithAKey(t *testing.T) {
	t.Parallel()
	w, ring := apitest.Guarded(httpapi.Config{})
	require.Equal(t, wire.Session{AuthRequired: true}, apitest.Answer[wire.Session](t, w.Do("GET", sessionPath, ""), 200))

	res := w.Do("POST", sessionPath, fmt.Sprintf(`{"key":%q}`, ring.Text["write"]), "Content-Type", "application/json")
	require.Equal(t, wire.Session{AuthRequired: true, Name: "write", Role: "write"}, apitest.Answer[wire.Session](t, res, 200))
	cookie := res.Result().Cookies()[0]
	require.Equal(t, "logsift_session", cookie.Name)
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
	require.Equal(t, "/", cookie.Path)
	require.Empty(t, cookie.Domain)
	require.Equal(t, int(apikey.SessionLifetime/time.Second), cookie.MaxAge)
	require.False(t, cookie.Secure, "without TLS the browser would not keep it")
	require.NotContains(t, cookie.Value, strings.Split(ring.Text["write"], "_")[2], "the key is not in the cookie")
	require.NotContains(t, res.Body.String(), cookie.Value)

	session := []string{"Cookie", cookie.Name + "=" + cookie.Value}
	require.Equal(t, wire.Session{AuthRequired: true, Name: "write", Role: "write"}, apitest.Answer[wire.Session](t, w.Do("GET", sessionPath, "", session...), 200))
	require.Equal(t, http.StatusOK, w.Do("GET", tasksPath, "", session...).Code)
	require.Equal(t, http.StatusCreated, w.Do("POST", tasksPath, `{"type":"echo"}`, append(session, "Sec-Fetch-Site", "same-origin")...).Code)
	apitest.Problem(t, w.Do("POST", tasksPath, `{"type":"echo"}`, append(session, "Sec-Fetch-Site", "cross-site")...), http.StatusForbidden, "cross-origin")
	apitest.Problem(t, w.Do("DELETE", tasksPath+"/"+w.Add(nil).ID.String(), "", session...), http.StatusForbidden, "forbidden")

	out := w.Do("DELETE", sessionPath, "", session...)
	require.Equal(t, http.StatusNoContent, out.Code)
	gone := out.Result().Cookies()[0]
	require.Equal(t, "logsift_session", gone.Name)
	require.Negative(t, gone.MaxAge)
	require.Equal(t, wire.Session{AuthRequired: true}, apitest.Answer[wire.Session](t, w.Do("GET", sessionPath, "", session...), 200), "who kept a copy cannot use it")
	apitest.Problem(t, w.Do("GET", tasksPath, "", session...), http.StatusUnauthorized, "unauthorized")
	again := apitest.SignIn(t, w, ring.Text["write"])
	require.Equal(t, http.StatusOK, w.Do("GET", tasksPath, "", "Cookie", again).Code, "others are not ended with it")
	require.Empty(t, gone.Value)
}

// brokenStates is a store that takes no states.
type brokenStates struct {
	ports.DocumentStore

	err error
}

func (s *brokenStates) SaveDocument(ctx context.Context, state domain.Document, ttl time.Duration) (int64, error) {
	if s.err != nil {
		return 0, s.err
	}
	return s.DocumentStore.SaveDocument(ctx, state, ttl)
}

func TestWhoSignsOutIsOutEverywhereOrToldSo(t *testing.T) {
	t.Parallel()
	ring := apitest.NewKeyring()
	store := &brokenStates{DocumentStore: memstore.NewLogRepository(memstore.Config{})}
	process := func() *apitest.World {
		return apitest.New(httpapi.Config{}, func(deps *httpapi.Deps) {
			deps.Keys, deps.States = func() apikey.Keys { return ring.Keys }, store
		})
	}
	w := process()
	session := []string{"Cookie", apitest.SignIn(t, w, ring.Text["write"])}
	store.err = fmt.Errorf("save: %w", domain.ErrStoreUnavailable)
	res := w.Do("DELETE", sessionPath, "", session...)
	apitest.Problem(t, res, http.StatusServiceUnavailable, "store-unavailable")
	require.Empty(t, res.Result().Cookies(), "the browser can try again")
	require.Equal(t, http.StatusOK, w.Do("GET", tasksPath, "", session...).Code)

	store.err = nil
	require.Equal(t, http.StatusNoContent, w.Do("DELETE", sessionPath, "", session...).Code)
	apitest.Problem(t, w.Do("GET", tasksPath, "", session...), http.StatusUnauthorized, "unauthorized")
	apitest.Problem(t, process().Do("GET", tasksPath, "", session...), http.StatusUnauthorized, "unauthorized")
}

func TestTheCookieIsSecureWhereTheBrowserSpeaksTLS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg    httpapi.Config
		tls    *tls.ConnectionState
		secure bool
	}{
		"plain": {}, "TLS": {tls: &tls.ConnectionState{}, secure: true}, "a proxy with TLS": {cfg: httpapi.Config{BehindTLS: true}, secure: true},
	} {
		w, ring := apitest.Guarded(c.cfg)
		r := httptest.NewRequest(http.MethodPost, "http://example.com"+sessionPath, strings.NewReader(fmt.Sprintf(`{"key":%q}`, ring.Text["read"])))
		r.TLS = c.tls
		res := openapitest.API().Serve(w.API.Handler(), r)
		require.Equal(t, http.StatusOK, res.Code, name)
		cookie := res.Result().Cookies()[0]
		require.Equal(t, c.secure, cookie.Secure, name)
		require.Equal(t, map[bool]string{true: "__Host-logsift_session", false: "logsift_session"}[c.secure], cookie.Name, name)
		for _, sent := range []string{"logsift_session", "__Host-logsift_session"} {
			r := httptest.NewRequest(http.MethodGet, "http://example.com"+tasksPath, nil)
			r.TLS = c.tls
			r.AddCookie(&http.Cookie{Name: sent, Value: cookie.Value})
			res := openapitest.API().Serve(w.API.Handler(), r)
			require.Equal(t, sent == cookie.Name, res.Code == http.StatusOK, "%s: %s", name, sent)
		}
		require.Equal(t, 1, cookie.MaxAge, "the session ends with its key")
		require.Equal(t, c.secure, res.Header().Get("Strict-Transport-Security") != "", name)
	}
}

func TestASignInIsStrict(t *testing.T) {
	t.Parallel()
	w, ring := apitest.Guarded(httpapi.Config{})
	for body, status := range map[string]int{
		``: 400, `[]`: 400, `{"key":1}`: 400, `{"key":"a","key":"b"}`: 400, `{"Key":"a"}`: 400, `{"key":"a","role":"admin"}`: 400, `{"key":"a"} x`: 400,
		`{"key":"` + strings.Repeat("a", 5000) + `"}`: 413, `{"key":""}`: 401, `{}`: 401, fmt.Sprintf(`{"key":%q}`, ring.Text["expired"]): 401,
	} {
		res := w.Do("POST", sessionPath, body)
		require.Equal(t, status, res.Code, body)
		require.Empty(t, res.Result().Cookies())
	}
	apitest.Problem(t, w.Do("POST", sessionPath, `{"key":"a"}`, "Content-Type", "text/plain"), http.StatusUnsupportedMediaType, "unsupported-media-type")
}

func TestSignInsThatFailAreLimited(t *testing.T) {
	t.Parallel()
	at := apitest.Now
	ring := apitest.NewKeyring()
	w := apitest.New(httpapi.Config{}, func(deps *httpapi.Deps) {
		deps.Keys, deps.Now = func() apikey.Keys { return ring.Keys }, func() time.Time { return at }
	})
	try := func(remote, key string) int {
		r := httptest.NewRequest(http.MethodPost, sessionPath, strings.NewReader(fmt.Sprintf(`{"key":%q}`, key)))
		r.RemoteAddr = remote
		res := openapitest.API().Serve(w.API.Handler(), r)
		if res.Code == http.StatusTooManyRequests {
			require.Equal(t, "60", res.Header().Get("Retry-After"))
			require.Equal(t, "too-many-sign-ins", strings.TrimPrefix(apitest.Problem(t, res, 429, "too-many-sign-ins").Type, "urn:logsift:problem:"))
		}
		return res.Code
	}
	for range 10 {
		require.Equal(t, 200, try("192.0.2.1:1", ring.Text["admin"]), "those that succeed do not count")
		require.Equal(t, 401, try("192.0.2.1:2", "x"))
	}
	require.Equal(t, 429, try("192.0.2.1:3", "x"))
	require.Equal(t, 200, try("192.0.2.1:4", ring.Text["admin"]), "a right key is taken at any time: others may share the address")
	require.Equal(t, 429, try("192.0.2.1:4", "x"))
	require.Equal(t, 401, try("192.0.2.2:1", "x"), "others are not held up")
	for i := range 10 {
		require.Equal(t, 401, try(fmt.Sprintf("[2001:db8::%x]:1", i+1), "x"))
	}
	require.Equal(t, 429, try("[2001:db8::ffff]:1", "x"), "a network of IPv6 counts as one")
	// Many addresses do not make the table grow, and shut nobody out.
	for i := range 5000 {
		try(fmt.Sprintf("10.0.%d.%d:1", i/250, i%250), "x")
	}
	for range 11 {
		require.Equal(t, 401, try("10.9.9.9:1", "x"))
	}
	require.Equal(t, 200, try("10.9.9.9:1", ring.Text["admin"]))
	require.Equal(t, 429, try("192.0.2.1:5", "x"))
	at = at.Add(time.Minute)
	require.Equal(t, 401, try("192.0.2.1:5", "x"))
	require.Equal(t, 401, try("10.9.9.9:1", "x"))
}
