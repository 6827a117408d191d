package httpapi_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/wire"
)

// keyring are keys of every kind, by name.
type keyring struct {
	text map[string]string
	keys apikey.Keys
}

func newKeyring() keyring {
	ring := keyring{text: map[string]string{"none": "", "bad": "ls_aaaaaaaaaa_" + strings.Repeat("a", 52)}}
	var list []apikey.Key
	add := func(name string, role apikey.Role, expires time.Time, revoked time.Time) {
		key, text := apikey.New(name, role, now.Add(-time.Hour), expires)
		key.Revoked = revoked
		list, ring.text[name] = append(list, key), text
	}
	add("expired", apikey.Admin, now, time.Time{})
	add("revoked", apikey.Admin, time.Time{}, now.Add(-time.Minute))
	add("read", apikey.Read, now.Add(time.Second), time.Time{})
	add("write", apikey.Write, time.Time{}, time.Time{})
	add("admin", apikey.Admin, time.Time{}, time.Time{})
	ring.keys = apikey.Of(list...)
	// The right id with the secret of another key.
	parts, other := strings.Split(ring.text["admin"], "_"), strings.Split(ring.text["write"], "_")
	ring.text["forged"] = "ls_" + parts[1] + "_" + other[2]
	return ring
}

func (k keyring) bearer(name string) []string {
	if k.text[name] == "" {
		return nil
	}
	return []string{"Authorization", "Bearer " + k.text[name]}
}

// guarded is an API that asks for keys.
func guarded(cfg httpapi.Config) (*world, keyring) {
	ring := newKeyring()
	w := newWorld(cfg, func(deps *httpapi.Deps) {
		deps.Keys = func() apikey.Keys { return ring.keys }
		deps.Dashboard = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") })
	})
	return w, ring
}

// roleOf says what role a route is to need, apart from the table of the API: GET reads, what
// is about single tasks and logs writes, the rest is for administrators.
func roleOf(r httpapi.Route) apikey.Role {
	switch {
	case regexp.MustCompile(`^/(healthz|readyz|problems(/.*)?|openapi\.json|docs(/.*)?|ui/?|api/v1/session|)$`).MatchString(r.Path):
		return 0
	case r.Path == "/api/v1/settings", r.Method == http.MethodDelete:
		return apikey.Admin
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		return apikey.Read
	case strings.Contains(r.Path, "/queues/"), regexp.MustCompile(`/tasks:(retry|cancel|run|delete)$`).MatchString(r.Path):
		return apikey.Admin
	default:
		return apikey.Write
	}
}

// sample is a path that goes to the route.
func sample(r httpapi.Route) string {
	if r.Path == "/problems/{name}" {
		return "/problems/too-large"
	}
	path := strings.NewReplacer("{id}", uuid.NewString(), "{index}", "logs", "{name}", "default", "{asset}", "start.js").Replace(r.Path)
	return strings.TrimSuffix(path, "{path}")
}

func TestEveryRouteAsksForItsRole(t *testing.T) {
	t.Parallel()
	w, ring := guarded(httpapi.Config{})
	routes := w.api.Routes()
	require.Greater(t, len(routes), 40)
	for _, route := range routes {
		t.Run(route.Method+" "+route.Path, func(t *testing.T) {
			t.Parallel()
			require.True(t, route.Listed, "accessTable in access.go needs a row for the route")
			require.Equal(t, roleOf(route), route.Role, "who may do this?")
			unsafe := route.Method != http.MethodGet && route.Method != http.MethodHead
			require.Equal(t, unsafe, route.Action != "", "what changes something has an action for the audit log")
			w, ring := w, ring
			for name := range ring.text {
				role, _ := apikey.ParseRole(name)
				res := w.do(route.Method, sample(route), "", ring.bearer(name)...)
				switch {
				case route.Role != 0 && role == 0:
					require.Equal(t, http.StatusUnauthorized, res.Code, name)
					require.Equal(t, `Bearer realm="logsift"`, res.Header().Get("WWW-Authenticate"))
				case route.Role != 0 && role < route.Role:
					require.Equal(t, http.StatusForbidden, res.Code, name)
				case route.Role == 0 && route.Action == "session.create":
					require.Equal(t, http.StatusBadRequest, res.Code, "a sign-in without a body")
				default:
					require.NotContains(t, []int{401, 403, 405}, res.Code, name)
					require.Less(t, res.Code, 500, name)
					require.False(t, res.Code == http.StatusNotFound && strings.Contains(res.Body.String(), "no-such-path"), name)
				}
			}
		})
	}
}

func TestARouteWithoutARoleIsRefused(t *testing.T) {
	t.Parallel()
	w, ring := guarded(httpapi.Config{})
	w.api.Router().HandleFunc("/api/v1/new", func(http.ResponseWriter, *http.Request) { t.Error("it was served") }).Methods("GET")
	problem(t, w.do("GET", "/api/v1/new", "", ring.bearer("admin")...), http.StatusForbidden, "forbidden")
	w = newWorld(httpapi.Config{})
	w.api.Router().HandleFunc("/api/v1/new", func(http.ResponseWriter, *http.Request) { t.Error("it was served") }).Methods("GET")
	problem(t, w.do("GET", "/api/v1/new", ""), http.StatusForbidden, "forbidden")
}

func TestRefusalsTellNothingOfTheKeys(t *testing.T) {
	t.Parallel()
	w, ring := guarded(httpapi.Config{})
	get := func(authorization string) string {
		res := w.do("GET", tasksPath, "", "X-Request-Id", "r", "Authorization", authorization)
		body := res.Body.String()
		problem(t, res, http.StatusUnauthorized, "unauthorized")
		return body
	}
	none := w.do("GET", tasksPath, "", "X-Request-Id", "r").Body.String()
	for name, authorization := range map[string]string{
		"an unknown id": "Bearer " + ring.text["bad"], "a wrong secret": "Bearer " + ring.text["forged"], "another scheme": "Digest " + ring.text["admin"],
		"no key": "Bearer", "an empty key": "Bearer ", "a part of a key": "Bearer " + ring.text["admin"][:40], "a longer key": "Bearer " + ring.text["admin"] + "a",
		"a long key": "Bearer " + strings.Repeat("a", 9000), "underscores": "Bearer ___", "an id alone": "Bearer ls_" + strings.Split(ring.text["admin"], "_")[1] + "_",
		"no base64": "Basic !!", "no colon": "Basic " + base64.StdEncoding.EncodeToString([]byte("abc")), "upper case": "Bearer " + strings.ToUpper(ring.text["admin"]),
	} {
		require.Equal(t, none, get(authorization), name)
	}
	// Only who has the key learns what became of it.
	require.Contains(t, get("Bearer "+ring.text["expired"]), "expired")
	require.Contains(t, get("Bearer "+ring.text["revoked"]), "revoked")
	require.Contains(t, w.do("DELETE", tasksPath+"/"+uuid.NewString(), "", ring.bearer("read")...).Body.String(), "has the role read, this needs the role admin")
}

func TestKeysAreTakenInTheSchemesOfShippers(t *testing.T) {
	t.Parallel()
	w, ring := guarded(httpapi.Config{})
	key := ring.text["write"]
	encoded := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, authorization := range []string{
		"Bearer " + key, "bearer " + key, "Bearer  " + key, "Basic " + encoded("anybody:"+key), "Basic " + encoded(":"+key),
		"ApiKey " + key, "ApiKey " + encoded("id:"+key),
	} {
		require.Equal(t, http.StatusNoContent, w.do("POST", "/loki/api/v1/push", `{"streams":[]}`, "Content-Type", "application/json", "Authorization", authorization).Code, authorization)
	}
	// A bad key is not made good by a session, nor taken from the address.
	cookie := signIn(t, w, key)
	require.Equal(t, http.StatusUnauthorized, w.do("GET", tasksPath, "", "Authorization", "Bearer x", "Cookie", cookie).Code)
	require.Equal(t, http.StatusUnauthorized, w.do("GET", statsPath+"?key="+key, "").Code)
}

func TestRefusalsSpeakTheProtocolOfTheirRoute(t *testing.T) {
	t.Parallel()
	w, ring := guarded(httpapi.Config{})
	for path, media := range map[string]string{
		"/v1/logs": "application/json", "/loki/api/v1/push": "text/plain; charset=utf-8", "/_bulk": "application/json", "/logs/_bulk": "application/json", logsPath: "application/problem+json",
	} {
		for name, status := range map[string]int{"none": http.StatusUnauthorized, "read": http.StatusForbidden} {
			res := w.do("POST", path, "{}", append(ring.bearer(name), "Content-Type", "application/json")...)
			require.Equal(t, status, res.Code, path)
			require.Equal(t, media, res.Header().Get("Content-Type"), path)
		}
	}
	require.Contains(t, w.do("POST", "/_bulk", "").Body.String(), `"type":"security_exception"`)
}

func TestWithoutKeysEverybodyMayDoEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(httpapi.Config{})
	for _, route := range w.api.Routes() {
		require.NotContains(t, []int{401, 403}, w.do(route.Method, sample(route), "").Code, route)
	}
	require.Equal(t, wire.Session{Role: "admin"}, answer[wire.Session](t, w.do("GET", sessionPath, ""), 200))
	require.Equal(t, wire.Session{Role: "admin"}, answer[wire.Session](t, w.do("POST", sessionPath, `{"key":"any"}`), 200))
}

func TestCallersWithinTheProcessNeedNoKey(t *testing.T) {
	t.Parallel()
	w, _ := guarded(httpapi.Config{AllowedHosts: []string{"logs.test"}})
	task := w.add(nil)
	res := httptest.NewRecorder()
	w.api.InProcessHandler().ServeHTTP(res, httptest.NewRequest(http.MethodDelete, tasksPath+"/"+task.ID.String(), nil))
	require.Equal(t, http.StatusNoContent, res.Code)
}

func TestReadsChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(httpapi.Config{})
	task := w.add(nil)
	for _, route := range w.api.Routes() {
		if route.Method != http.MethodGet && route.Method != http.MethodHead {
			continue
		}
		path := strings.NewReplacer("{id}", task.ID.String()).Replace(route.Path)
		w.do(route.Method, path, `{"type":"echo"}`, "Content-Type", "application/json")
		require.Zero(t, w.queue.writes+w.logs.writes, "%s %s", route.Method, path)
	}
}
