package httpapi_test

import (
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
	"logsift/adapters/httpapi/wire"
)

const sessionPath = "/api/v1/session"

// signIn returns the cookie of a session.
func signIn(t *testing.T, w *world, key string) string {
	t.Helper()
	res := w.do("POST", sessionPath, fmt.Sprintf(`{"key":%q}`, key), "Content-Type", "application/json")
	require.Equal(t, http.StatusOK, res.Code, res.Body.String())
	cookies := res.Result().Cookies()
	require.Len(t, cookies, 1)
	return cookies[0].Name + "=" + cookies[0].Value
}

func TestABrowserSignsInWithAKey(t *testing.T) {
	t.Parallel()
	w, ring := guarded(httpapi.Config{})
	require.Equal(t, wire.Session{AuthRequired: true}, answer[wire.Session](t, w.do("GET", sessionPath, ""), 200))

	res := w.do("POST", sessionPath, fmt.Sprintf(`{"key":%q}`, ring.text["write"]), "Content-Type", "application/json")
	require.Equal(t, wire.Session{AuthRequired: true, Name: "write", Role: "write"}, answer[wire.Session](t, res, 200))
	cookie := res.Result().Cookies()[0]
	require.Equal(t, "logsift_session", cookie.Name)
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
	require.Equal(t, "/", cookie.Path)
	require.Empty(t, cookie.Domain)
	require.Equal(t, int(apikey.SessionLifetime/time.Second), cookie.MaxAge)
	require.False(t, cookie.Secure, "without TLS the browser would not keep it")
	require.NotContains(t, cookie.Value, strings.Split(ring.text["write"], "_")[2], "the key is not in the cookie")
	require.NotContains(t, res.Body.String(), cookie.Value)

	session := []string{"Cookie", cookie.Name + "=" + cookie.Value}
	require.Equal(t, wire.Session{AuthRequired: true, Name: "write", Role: "write"}, answer[wire.Session](t, w.do("GET", sessionPath, "", session...), 200))
	require.Equal(t, http.StatusOK, w.do("GET", tasksPath, "", session...).Code)
	require.Equal(t, http.StatusCreated, w.do("POST", tasksPath, `{"type":"echo"}`, append(session, "Sec-Fetch-Site", "same-origin")...).Code)
	problem(t, w.do("POST", tasksPath, `{"type":"echo"}`, append(session, "Sec-Fetch-Site", "cross-site")...), http.StatusForbidden, "cross-origin")
	problem(t, w.do("DELETE", tasksPath+"/"+w.add(nil).ID.String(), "", session...), http.StatusForbidden, "forbidden")

	out := w.do("DELETE", sessionPath, "", session...)
	require.Equal(t, http.StatusNoContent, out.Code)
	gone := out.Result().Cookies()[0]
	require.Equal(t, "logsift_session", gone.Name)
	require.Negative(t, gone.MaxAge)
	require.Empty(t, gone.Value)
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
		w, ring := guarded(c.cfg)
		r := httptest.NewRequest(http.MethodPost, "http://example.com"+sessionPath, strings.NewReader(fmt.Sprintf(`{"key":%q}`, ring.text["read"])))
		r.TLS = c.tls
		res := httptest.NewRecorder()
		w.api.Handler().ServeHTTP(res, r)
		require.Equal(t, http.StatusOK, res.Code, name)
		cookie := res.Result().Cookies()[0]
		require.Equal(t, c.secure, cookie.Secure, name)
		require.Equal(t, 1, cookie.MaxAge, "the session ends with its key")
		require.Equal(t, c.secure, res.Header().Get("Strict-Transport-Security") != "", name)
	}
}

func TestASignInIsStrict(t *testing.T) {
	t.Parallel()
	w, ring := guarded(httpapi.Config{})
	for body, status := range map[string]int{
		``: 400, `[]`: 400, `{"key":1}`: 400, `{"key":"a","key":"b"}`: 400, `{"Key":"a"}`: 400, `{"key":"a","role":"admin"}`: 400, `{"key":"a"} x`: 400,
		`{"key":"` + strings.Repeat("a", 5000) + `"}`: 413, `{"key":""}`: 401, `{}`: 401, fmt.Sprintf(`{"key":%q}`, ring.text["expired"]): 401,
	} {
		res := w.do("POST", sessionPath, body)
		require.Equal(t, status, res.Code, body)
		require.Empty(t, res.Result().Cookies())
	}
	problem(t, w.do("POST", sessionPath, `{"key":"a"}`, "Content-Type", "text/plain"), http.StatusUnsupportedMediaType, "unsupported-media-type")
}

func TestSignInsThatFailAreLimited(t *testing.T) {
	t.Parallel()
	at := now
	ring := newKeyring()
	w := newWorld(httpapi.Config{}, func(deps *httpapi.Deps) {
		deps.Keys, deps.Now = func() apikey.Keys { return ring.keys }, func() time.Time { return at }
	})
	try := func(remote, key string) int {
		r := httptest.NewRequest(http.MethodPost, sessionPath, strings.NewReader(fmt.Sprintf(`{"key":%q}`, key)))
		r.RemoteAddr = remote
		res := httptest.NewRecorder()
		w.api.Handler().ServeHTTP(res, r)
		if res.Code == http.StatusTooManyRequests {
			require.Equal(t, "60", res.Header().Get("Retry-After"))
			require.Equal(t, "too-many-sign-ins", strings.TrimPrefix(problem(t, res, 429, "too-many-sign-ins").Type, "urn:logsift:problem:"))
		}
		return res.Code
	}
	for range 10 {
		require.Equal(t, 200, try("192.0.2.1:1", ring.text["admin"]), "those that succeed do not count")
		require.Equal(t, 401, try("192.0.2.1:2", "x"))
	}
	require.Equal(t, 429, try("192.0.2.1:3", "x"))
	require.Equal(t, 429, try("192.0.2.1:4", ring.text["admin"]), "not even the right key, which would tell it")
	require.Equal(t, 200, try("192.0.2.2:1", ring.text["admin"]), "others are not held up")
	for i := range 10 {
		require.Equal(t, 401, try(fmt.Sprintf("[2001:db8::%x]:1", i+1), "x"))
	}
	require.Equal(t, 429, try("[2001:db8::ffff]:1", "x"), "a network of IPv6 counts as one")
	// Many addresses do not make the table grow: those beyond its bound are one.
	for i := range 5000 {
		try(fmt.Sprintf("10.0.%d.%d:1", i/250, i%250), "x")
	}
	require.Equal(t, 429, try("10.9.9.9:1", "x"))
	at = at.Add(time.Minute)
	require.Equal(t, 401, try("192.0.2.1:5", "x"))
	require.Equal(t, 401, try("10.9.9.9:1", "x"))
}
