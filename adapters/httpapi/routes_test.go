package httpapi_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
	"logsift/ports"
)

// roleOf says what role a route is to need, apart from the table of the API: shippers send
// logs and ask first who is there, workers work, other GETs read, what is about single tasks writes, the
// rest is for administrators.
func roleOf(r httpapi.Route) apikey.Role {
	switch {
	case regexp.MustCompile(`^/(healthz|readyz|problems(/.*)?|openapi\.json|docs(/.*)?|ui/?|api/v1/session|)$`).MatchString(r.Path):
		return 0
	case regexp.MustCompile(`^(/_.*|/\{index\}/_(bulk|refresh)|/ready)$`).MatchString(r.Path) && r.Method != http.MethodPost && r.Method != http.MethodPut:
		return apikey.AnyRole
	case regexp.MustCompile(`^(/_.*|/\{index\}/_(bulk|refresh)|/api/v1/logs|/v1/logs|/loki/api/v1/push)$`).MatchString(r.Path) && r.Method != http.MethodGet && r.Method != http.MethodHead:
		return apikey.Ingest
	case strings.HasPrefix(r.Path, "/api/v1/worker/"):
		return apikey.Worker
	case r.Path == "/api/v1/settings", r.Method == http.MethodDelete:
		return apikey.Admin
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		return apikey.Read
	case strings.Contains(r.Path, "/queues/"), strings.Contains(r.Path, "/schedules/"), strings.Contains(r.Path, "/limits/"), regexp.MustCompile(`/tasks:(retry|cancel|run|delete)$`).MatchString(r.Path):
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
	w, ring := apitest.Guarded(httpapi.Config{})
	routes := w.API.Routes()
	require.Greater(t, len(routes), 40)
	for _, route := range routes {
		t.Run(route.Method+" "+route.Path, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, roleOf(route), route.Role, "who may do this?")
			unsafe := route.Method != http.MethodGet && route.Method != http.MethodHead
			require.Equal(t, unsafe, route.Action != "", "what changes something has an action for the audit log")
			w, ring := w, ring
			for name := range ring.Text {
				role, _ := apikey.ParseRole(name)
				res := w.Do(route.Method, sample(route), "", ring.Bearer(name)...)
				switch {
				case route.Role != 0 && role == 0:
					require.Equal(t, http.StatusUnauthorized, res.Code, name)
					require.Equal(t, `Bearer realm="logsift"`, res.Header().Get("WWW-Authenticate"))
				case route.Role != 0 && !role.Includes(route.Role):
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

func TestTheGuideListsTheRoutes(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(raw), "|---|---|\n")
	require.True(t, found)
	table, _, _ := strings.Cut(rest, "\n\n")
	listed := map[string]bool{}
	for row := range strings.Lines(table) {
		var method, path string
		for i, span := range strings.Split(strings.Split(row, "|")[1], "`") {
			if i%2 == 0 {
				continue // between two names
			}
			if verb, rest, ok := strings.Cut(span, " "); ok {
				method, span = verb, rest
			}
			if strings.HasPrefix(span, ":") {
				span = path[:strings.LastIndexByte(path, ':')] + span
			}
			path = span
			listed[method+" "+path] = true
		}
	}
	w := apitest.New(httpapi.Config{}, func(deps *httpapi.Deps) {
		deps.Events, deps.Metrics = struct{ ports.TaskEventReader }{}, http.NotFoundHandler()
	})
	for _, route := range w.API.Routes() {
		name := route.Method + " " + route.Path
		if strings.HasPrefix(route.Path, "/api/v1/") && route.Method != http.MethodHead && !strings.HasPrefix(route.Action, "session.") {
			require.True(t, listed[name], "the guide needs a row for %s", name)
		}
		delete(listed, name)
	}
	require.Empty(t, listed, "the guide lists what there is not")
}

func TestARouteWithoutARoleIsRefused(t *testing.T) {
	t.Parallel()
	guarded, ring := apitest.Guarded(httpapi.Config{})
	for _, w := range []*apitest.World{guarded, apitest.New(httpapi.Config{})} {
		w.API.Router().HandleFunc("/api/v1/new", func(http.ResponseWriter, *http.Request) { t.Error("it was served") }).Methods("GET")
		w.API.ForgetRole(statsPath)
		for _, path := range []string{"/api/v1/new", statsPath} {
			apitest.Problem(t, w.Do("GET", path, "", ring.Bearer("admin")...), http.StatusForbidden, "forbidden")
		}
	}
}

func TestRefusalsTellNothingOfTheKeys(t *testing.T) {
	t.Parallel()
	w, ring := apitest.Guarded(httpapi.Config{})
	get := func(authorization string) string {
		res := w.Do("GET", tasksPath, "", "X-Request-Id", "r", "Authorization", authorization)
		body := res.Body.String()
		apitest.Problem(t, res, http.StatusUnauthorized, "unauthorized")
		return body
	}
	none := w.Do("GET", tasksPath, "", "X-Request-Id", "r").Body.String()
	for name, authorization := range map[string]string{
		"an unknown id": "Bearer " + ring.Text["bad"], "a wrong secret": "Bearer " + ring.Text["forged"], "another scheme": "Digest " + ring.Text["admin"],
		"no key": "Bearer", "an empty key": "Bearer ", "a part of a key": "Bearer " + ring.Text["admin"][:40], "a longer key": "Bearer " + ring.Text["admin"] + "a",
		"a long key": "Bearer " + strings.Repeat("a", 9000), "underscores": "Bearer ___", "an id alone": "Bearer ls_" + strings.Split(ring.Text["admin"], "_")[1] + "_",
		"no base64": "Basic !!", "no colon": "Basic " + base64.StdEncoding.EncodeToString([]byte("abc")), "upper case": "Bearer " + strings.ToUpper(ring.Text["admin"]),
	} {
		require.Equal(t, none, get(authorization), name)
	}
	// Only who has the key learns what became of it.
	require.Contains(t, get("Bearer "+ring.Text["expired"]), "expired")
	require.Contains(t, get("Bearer "+ring.Text["revoked"]), "revoked")
	require.Contains(t, w.Do("DELETE", tasksPath+"/"+uuid.NewString(), "", ring.Bearer("read")...).Body.String(), "has the role read, this needs the role admin")
}

func TestKeysAreTakenInTheSchemesOfShippers(t *testing.T) {
	t.Parallel()
	w, ring := apitest.Guarded(httpapi.Config{})
	key := ring.Text["write"]
	encoded := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, authorization := range []string{
		"Bearer " + key, "bearer " + key, "Bearer  " + key, "Basic " + encoded("anybody:"+key), "Basic " + encoded(":"+key),
		"ApiKey " + key, "ApiKey " + encoded("id:"+key),
	} {
		require.Equal(t, http.StatusNoContent, w.Do("POST", "/loki/api/v1/push", `{"streams":[]}`, "Content-Type", "application/json", "Authorization", authorization).Code, authorization)
	}
	// A bad key is not made good by a session, nor taken from the address.
	cookie := apitest.SignIn(t, w, key)
	require.Equal(t, http.StatusUnauthorized, w.Do("GET", tasksPath, "", "Authorization", "Bearer x", "Cookie", cookie).Code)
	require.Equal(t, http.StatusUnauthorized, w.Do("GET", statsPath+"?key="+key, "").Code)
}

func TestRefusalsSpeakTheProtocolOfTheirRoute(t *testing.T) {
	t.Parallel()
	w, ring := apitest.Guarded(httpapi.Config{})
	for path, media := range map[string]string{
		"/v1/logs": "application/json", "/loki/api/v1/push": "text/plain; charset=utf-8", "/_bulk": "application/json", "/logs/_bulk": "application/json", logsPath: "application/problem+json",
	} {
		for name, status := range map[string]int{"none": http.StatusUnauthorized, "read": http.StatusForbidden} {
			res := w.Do("POST", path, "{}", append(ring.Bearer(name), "Content-Type", "application/json")...)
			require.Equal(t, status, res.Code, path)
			require.Equal(t, media, res.Header().Get("Content-Type"), path)
		}
	}
	require.Contains(t, w.Do("POST", "/_bulk", "").Body.String(), `"type":"security_exception"`)
}

func TestOnlyAnAdministratorTeachesABaseline(t *testing.T) {
	t.Parallel()
	task := func(payload string) string { return `{"type":"log_analysis","payload":` + payload + `}` }
	id := uuid.NewString()
	for _, learns := range []string{
		`{"batch_id":"` + id + `","baseline":"b","learn":true}`, `{"batch_id":"` + id + `","BASELINE":"b","Learn":true}`, `{"log_ids":["` + id + `"],"baseline":"b","learn":true}`,
	} {
		w, ring := apitest.Guarded(httpapi.Config{})
		refused := w.Do("POST", tasksPath, task(learns), ring.Bearer("write")...)
		require.Equal(t, "the key has the role write, a task that learns a baseline needs the role admin", apitest.Problem(t, refused, http.StatusForbidden, "forbidden").Detail)
		batch := apitest.Answer[wire.BatchResults](t, w.Do("POST", batchPath, "["+task(learns)+","+task(`{"batch_id":"`+id+`","baseline":"b"}`)+"]", ring.Bearer("write")...), 200)
		require.Equal(t, http.StatusForbidden, batch.Results[0].Status)
		require.Equal(t, http.StatusCreated, batch.Results[1].Status, "to compare with one is everybody's")
		require.Equal(t, http.StatusCreated, w.Do("POST", tasksPath, task(learns), ring.Bearer("admin")...).Code)
		require.Equal(t, http.StatusCreated, apitest.New(httpapi.Config{}).Do("POST", tasksPath, task(learns)).Code, "nor where no keys are asked for")
	}
}

func TestWithoutKeysEverybodyMayDoEverything(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	for _, route := range w.API.Routes() {
		require.NotContains(t, []int{401, 403}, w.Do(route.Method, sample(route), "").Code, route)
	}
	require.Equal(t, wire.Session{Role: "admin"}, apitest.Answer[wire.Session](t, w.Do("GET", sessionPath, ""), 200))
	require.Equal(t, wire.Session{Role: "admin"}, apitest.Answer[wire.Session](t, w.Do("POST", sessionPath, `{"key":"any"}`), 200))
}

func TestCallersWithinTheProcessNeedNoKey(t *testing.T) {
	t.Parallel()
	w, _ := apitest.Guarded(httpapi.Config{AllowedHosts: []string{"logs.test"}})
	task := w.Add(nil)
	res := httptest.NewRecorder()
	w.API.InProcessHandler().ServeHTTP(res, httptest.NewRequest(http.MethodDelete, tasksPath+"/"+task.ID.String(), nil))
	require.Equal(t, http.StatusNoContent, res.Code)
}

func TestReadsChangeNothing(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	task := w.Add(nil)
	for _, route := range w.API.Routes() {
		if route.Method != http.MethodGet && route.Method != http.MethodHead {
			continue
		}
		path := strings.NewReplacer("{id}", task.ID.String()).Replace(route.Path)
		w.Do(route.Method, path, `{"type":"echo"}`, "Content-Type", "application/json")
		require.Zero(t, w.Queue.Writes+w.Logs.Writes, "%s %s", route.Method, path)
	}
}
