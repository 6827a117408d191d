package openapitest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
)

// answered is what a server of the tests answers.
type answered struct {
	status int
	header map[string]string
	body   string
}

const (
	taskPath = "/api/v1/queue/tasks/0190f000-0000-7000-8000-000000000001"
	task     = `{"id":"0190f000-0000-7000-8000-000000000001","type":"echo","queue":"default","payload":{},"status":"PENDING","priority":5,` +
		`"attempt":0,"max_retries":3,"timeout_seconds":600,"unique_key":"","deliveries":0,"recoveries":0,"created_at":"2026-11-23T12:00:00Z",` +
		`"scheduled_at":null,"started_at":null,"completed_at":null,"result":null,"last_error":"","errors":[]}`
)

// asEvents are the headers of a stream.
var asEvents = map[string]string{"Content-Type": "text/event-stream"}

const taskStep = `{"task_id":"0190f000-0000-7000-8000-000000000001","type":"echo","queue":"default","from":null,"to":"PENDING","attempt":0,"reason":"","at":"2026-11-23T12:00:00Z"}`

func event(name, data string) string { return "id: 1\nevent: " + name + "\ndata: " + data + "\n\n" }

// problem is a problem of the API.
func problem(kind string, status string) string {
	return `{"type":"urn:logsift:problem:` + kind + `","title":"T","status":` + status + `,"detail":"d"}`
}

func newContract(t *testing.T) *Contract {
	t.Helper()
	c, err := New(httpapi.OpenAPI())
	require.NoError(t, err)
	return c
}

// ask sends a request to a server that answers so, and returns what is found to be
// wrong with it by Serve, and by the transport.
func ask(t *testing.T, c *Contract, method, target, sent string, a answered) string {
	t.Helper()
	serve := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Request-Id", "r")
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Type", "application/json")
		for name, value := range a.header {
			w.Header().Set(name, value)
		}
		if a.header["X-Request-Id"] == "-" {
			w.Header().Del("X-Request-Id")
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}
	var found [2]string
	for i := range found {
		req := httptest.NewRequest(method, target, strings.NewReader(sent))
		if i == 0 {
			c.Serve(http.HandlerFunc(serve), req)
		} else {
			res, err := c.Transport(served(serve)).RoundTrip(req)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, res.Body)
			require.NoError(t, res.Body.Close())
		}
		found[i] = strings.Join(c.Violations(), "\n")
	}
	require.Equal(t, found[0] == "", found[1] == "", "handler: %s\ntransport: %s", found[0], found[1])
	return found[0]
}

type served http.HandlerFunc

func (s served) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	s(rec, r)
	return rec.Result(), nil
}

func TestWhatKeepsToTheContractPasses(t *testing.T) {
	t.Parallel()
	contract := newContract(t)
	asProblem := map[string]string{"Content-Type": "application/problem+json"}
	for name, c := range map[string]struct {
		method, target, sent string
		answer               answered
	}{
		"a task":                         {"GET", taskPath, "", answered{200, nil, task}},
		"a task without its body":        {"HEAD", taskPath, "", answered{200, nil, ""}},
		"a task that is removed":         {"DELETE", taskPath, "", answered{204, map[string]string{"Content-Type": ""}, ""}},
		"a new task":                     {"POST", "/api/v1/queue/tasks", `{"type":"echo"}`, answered{201, map[string]string{"Location": taskPath}, task}},
		"an invalid body that is told":   {"POST", "/api/v1/queue/tasks", `{"typ":"echo"}`, answered{400, asProblem, problem("invalid-request", "400")}},
		"a parameter that is told":       {"GET", "/api/v1/queue/tasks?limit=0", "", answered{400, asProblem, problem("invalid-request", "400")}},
		"a cursor that nobody gave":      {"GET", "/api/v1/queue/stats?", "", answered{400, asProblem, problem("invalid-cursor", "400")}},
		"another path":                   {"GET", "/nowhere", "", answered{404, asProblem, problem("no-such-path", "404")}},
		"an id that is none":             {"GET", "/api/v1/queue/tasks/x:y", "", answered{404, asProblem, problem("no-such-path", "404")}},
		"another method":                 {"PATCH", taskPath, "", answered{405, map[string]string{"Content-Type": "application/problem+json", "Allow": "GET"}, problem("method-not-allowed", "405")}},
		"a line that is judged itself":   {"POST", "/_bulk", `x`, answered{200, map[string]string{"X-Elastic-Product": "Elasticsearch"}, `{"took":0,"errors":true,"items":[{"index":{"_index":"","status":400,"error":{"type":"t","reason":"r"}}}]}`}},
		"a stream of events":             {"GET", "/api/v1/queue/events", "", answered{200, asEvents, "retry: 2000\n" + event("task", taskStep) + event("reset", "{}") + ":\nid: 1\n\nid: 2\nevent: ta"}},
		"deep paths where they are told": {"GET", "/_nodes/_all/http", "", answered{200, map[string]string{"X-Elastic-Product": "Elasticsearch"}, `{}`}},
	} {
		require.Empty(t, ask(t, contract, c.method, c.target, c.sent, c.answer), name)
	}
}

func TestWhatBreaksTheContractIsFound(t *testing.T) {
	t.Parallel()
	contract := newContract(t)
	asProblem := map[string]string{"Content-Type": "application/problem+json"}
	location := map[string]string{"Location": taskPath}
	edit := func(old, replacement string) string {
		require.Contains(t, task, old)
		return strings.Replace(task, old, replacement, 1)
	}
	for name, c := range map[string]struct {
		method, target, sent string
		answer               answered
		want                 string
	}{
		"an undocumented status":              {"GET", taskPath, "", answered{202, nil, task}, "status is not documented"},
		"an undocumented path":                {"GET", "/nowhere", "", answered{200, nil, "{}"}, "status is not documented"},
		"an undocumented method":              {"PATCH", taskPath, "", answered{200, nil, task}, "status is not documented"},
		"a field more":                        {"GET", taskPath, "", answered{200, nil, edit(`"attempt":0`, `"attempt":0,"more":1`)}, "more"},
		"a field less":                        {"GET", taskPath, "", answered{200, nil, edit(`"attempt":0,`, ``)}, "attempt"},
		"a wrong type":                        {"GET", taskPath, "", answered{200, nil, edit(`"attempt":0`, `"attempt":"0"`)}, "attempt"},
		"a null that may not be":              {"GET", taskPath, "", answered{200, nil, edit(`"errors":[]`, `"errors":null`)}, "errors"},
		"a value that is none of the list":    {"GET", taskPath, "", answered{200, nil, edit(`PENDING`, `WAITING`)}, "status"},
		"a value out of its range":            {"GET", taskPath, "", answered{200, nil, edit(`"priority":5`, `"priority":11`)}, "priority"},
		"a time that is none":                 {"GET", taskPath, "", answered{200, nil, edit(`2026-11-23T12:00:00Z`, `2026-13-23T12:00:00Z`)}, "created_at"},
		"a body that is no JSON":              {"GET", taskPath, "", answered{200, nil, "{"}, "no JSON"},
		"another content type":                {"GET", taskPath, "", answered{200, map[string]string{"Content-Type": "text/html"}, task}, "content type"},
		"a body where there is none":          {"DELETE", taskPath, "", answered{204, nil, "x"}, "body that is not documented"},
		"a header less":                       {"POST", "/api/v1/queue/tasks", `{"type":"echo"}`, answered{201, nil, task}, "Location"},
		"a header that is wrong":              {"POST", "/api/v1/queue/tasks", `{"type":"echo"}`, answered{201, map[string]string{"Location": "/x"}, task}, "Location"},
		"no id of the request":                {"GET", taskPath, "", answered{200, map[string]string{"X-Request-Id": "-"}, task}, "X-Request-Id"},
		"an unknown problem":                  {"GET", taskPath, "", answered{404, asProblem, problem("gone", "404")}, "type"},
		"a problem of another status":         {"GET", taskPath, "", answered{404, asProblem, problem("task-not-found", "400")}, "status"},
		"a valid request that is refused":     {"GET", taskPath, "", answered{400, asProblem, problem("invalid-request", "400")}, "keeps to the document"},
		"an unknown field that is taken":      {"POST", "/api/v1/queue/tasks", `{"type":"echo","x":1}`, answered{201, location, task}, "body that breaks"},
		"a name twice that is taken":          {"POST", "/api/v1/queue/tasks", `{"type":"echo","type":"echo"}`, answered{201, location, task}, "body that breaks"},
		"both times that are taken":           {"POST", "/api/v1/queue/tasks", `{"type":"echo","delay_seconds":1,"scheduled_at":"2026-11-23T12:00:00Z"}`, answered{201, location, task}, "body that breaks"},
		"a payload of another kind":           {"POST", "/api/v1/queue/tasks", `{"type":"log_analysis","payload":{"log_ids":[]}}`, answered{201, location, task}, "body that breaks"},
		"a parameter that is unknown":         {"GET", "/api/v1/queue/stats?x=1", "", answered{200, nil, "{}"}, "no query parameter"},
		"a parameter that is given twice":     {"GET", "/api/v1/queue/tasks?limit=1&limit=2", "", answered{200, nil, `{"tasks":[],"next_cursor":null}`}, "twice"},
		"a parameter out of its range":        {"GET", "/api/v1/queue/tasks?limit=1000", "", answered{200, nil, `{"tasks":[],"next_cursor":null}`}, "limit"},
		"an id that is none":                  {"GET", "/api/v1/queue/tasks/x", "", answered{200, nil, task}, "id"},
		"another word of a text":              {"GET", "/ready", "", answered{200, map[string]string{"Content-Type": "text/plain"}, "no"}, "ready"},
		"an event of another name":            {"GET", "/api/v1/queue/events", "", answered{200, asEvents, event("tusk", taskStep)}, "tusk"},
		"an event with a field more":          {"GET", "/api/v1/queue/events", "", answered{200, asEvents, event("reset", `{"x":1}`)}, "x"},
		"an event that is no JSON":            {"GET", "/api/v1/queue/events", "", answered{200, asEvents, event("task", "x")}, "no JSON"},
		"a 404 of another kind for a good id": {"GET", taskPath, "", answered{404, asProblem, problem("no-such-path", "404")}, "type"},
	} {
		require.Contains(t, ask(t, contract, c.method, c.target, c.sent, c.answer), c.want, name)
	}
}
