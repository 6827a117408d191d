package bootstrap_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/openapitest"
	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
)

var contractTime = flag.Duration("contract.time", 2*time.Second, "how long TestTheAPIKeepsItsContract makes requests")

// TestTheAPIKeepsItsContract sends requests that are made of the API's document, valid
// and broken, to a system over the store in memory, and follows tasks through their
// lives. Nothing may be answered that the document does not have, nor by a 5xx.
func TestTheAPIKeepsItsContract(t *testing.T) {
	t.Parallel()
	c := config("memory:")
	c.Workers = 0 // tasks stay as they are
	contract, err := openapitest.New(httpapi.OpenAPI())
	require.NoError(t, err)
	var root map[string]any
	require.NoError(t, json.Unmarshal(httpapi.OpenAPI(), &root))
	end := time.Now().Add(*contractTime)
	var counts [6]int
	failed := false // then the time is no bound, so that the failure can be made small
	rapid.Check(t, func(rt *rapid.T) {
		if !failed && time.Now().After(end) {
			return
		}
		failed = true
		a, err := bootstrap.New(rt.Context(), c)
		require.NoError(rt, err)
		require.NoError(rt, a.Start(rt.Context()))
		defer func() { require.NoError(rt, a.Stop(context.WithoutCancel(rt.Context()))) }()
		f := &fuzzer{T: rt, outer: t, root: root, contract: contract, client: client(a, contract), counts: &counts, tasks: map[string]bool{}}
		actions := map[string]func(*rapid.T){
			"operation": func(rt *rapid.T) { f.T = rt; f.anyOperation() },
			"create":    func(rt *rapid.T) { f.T = rt; f.create() },
			"follow":    func(rt *rapid.T) { f.T = rt; f.follow() },
			"repeat":    func(rt *rapid.T) { f.T = rt; f.repeat() },
			"delete":    func(rt *rapid.T) { f.T = rt; f.remove() },
		}
		rt.Repeat(actions)
		failed = false
	})
	t.Logf("answers by the first digit of their status: %v", counts)
	require.Positive(t, counts[2])
	require.Positive(t, counts[4])
	require.Zero(t, counts[5])
}

func client(a *bootstrap.App, contract *openapitest.Contract) *http.Client {
	out := a.Client()
	out.Transport = contract.Transport(out.Transport)
	out.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return out
}

// fuzzer makes requests of the document.
type fuzzer struct {
	*rapid.T

	outer    *testing.T
	root     map[string]any
	contract *openapitest.Contract
	client   *http.Client
	counts   *[6]int
	// tasks are those that were made, and whether they still are.
	tasks map[string]bool
}

// send sends a request, and fails if anything broke the contract.
func (f *fuzzer) send(method, target string, body []byte, header http.Header) (int, []byte) {
	req, err := http.NewRequestWithContext(f.Context(), method, "http://127.0.0.1"+target, bytes.NewReader(body))
	require.NoError(f, err)
	maps.Copy(req.Header, header)
	res, err := f.client.Do(req)
	require.NoError(f, err)
	data, err := io.ReadAll(res.Body)
	require.NoError(f, err)
	require.NoError(f, res.Body.Close())
	if violations := f.contract.Violations(); len(violations) > 0 {
		f.outer.Log(violations)
		f.FailNow()
	}
	f.counts[res.StatusCode/100]++
	return res.StatusCode, data
}

func asJSON() http.Header { return http.Header{"Content-Type": {"application/json"}} }

// task makes a valid task of the document.
func (f *fuzzer) task() []byte {
	schema := f.at("#/components/schemas/CreateTask")
	value := f.value(schema, 0).(map[string]any)
	value["type"] = "log_analysis"
	value["payload"] = map[string]any{"log_ids": []any{"0190f000-0000-7000-8000-000000000001"}}
	if value["scheduled_at"] != nil {
		delete(value, "delay_seconds")
	}
	if value["group_size"] == 1 { // The only number that the document leaves out by a "not".
		value["group_size"] = 2
	}
	if group, _ := value["group"].(string); group == "" {
		delete(value, "group_size")
		delete(value, "group_age_seconds")
	} else {
		for _, name := range []string{"key", "scheduled_at", "delay_seconds"} {
			delete(value, name)
		}
	}
	if key, _ := value["unique_key"].(string); key == "" {
		delete(value, "on_conflict")
		delete(value, "unique_while")
		delete(value, "unique_for_seconds")
	}
	if value["unique_while"] == "waiting" {
		delete(value, "unique_for_seconds")
	}
	if value["expires_at"] != nil {
		value["expires_at"] = "2099-12-31T23:59:59Z"
		delete(value, "expires_in_seconds")
	}
	// It is looked at later.
	for _, name := range []string{"expires_in_seconds", "retention_seconds"} {
		if seconds, ok := value[name].(float64); ok {
			value[name] = max(seconds, 3600)
		}
	}
	body, err := json.Marshal(value)
	require.NoError(f, err)
	return body
}

func (f *fuzzer) create() {
	body := f.task()
	status, data := f.send(http.MethodPost, "/api/v1/queue/tasks", body, asJSON())
	if status == http.StatusConflict || status == http.StatusOK {
		return // its unique key is held
	}
	require.Equal(f, http.StatusCreated, status, "a task that keeps to the document is taken: %s\n%s", body, data)
	var task wire.Task
	require.NoError(f, json.Unmarshal(data, &task))
	f.tasks[task.ID.String()] = true
}

// known draws a task that was made, "" if there is none.
func (f *fuzzer) known() string {
	if len(f.tasks) == 0 {
		return ""
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(f.tasks))).Draw(f.T, "task")
}

// follow takes a link of the answer that made a task.
func (f *fuzzer) follow() {
	id := f.known()
	if id == "" {
		return
	}
	step := rapid.SampledFrom([]string{"", ":cancel", ":run", ":retry"}).Draw(f.T, "step")
	method := http.MethodPost
	if step == "" {
		method = http.MethodGet
	}
	status, data := f.send(method, "/api/v1/queue/tasks/"+id+step, nil, nil)
	if !f.tasks[id] {
		require.Equal(f, http.StatusNotFound, status, "a task that was removed is gone")
		return
	}
	want := map[string][]string{"": {"PENDING", "CANCELLED"}, ":cancel": {"CANCELLED"}, ":run": {"PENDING"}, ":retry": {"PENDING"}}[step]
	if status == http.StatusConflict && step != "" {
		return
	}
	require.Equal(f, http.StatusOK, status)
	var task wire.Task
	require.NoError(f, json.Unmarshal(data, &task))
	require.Contains(f, want, task.Status)
}

// remove removes a task, again if it is gone.
func (f *fuzzer) remove() {
	id := f.known()
	if id == "" {
		return
	}
	status, _ := f.send(http.MethodDelete, "/api/v1/queue/tasks/"+id, nil, nil)
	if f.tasks[id] {
		require.Equal(f, http.StatusNoContent, status)
	} else {
		require.Equal(f, http.StatusNotFound, status)
	}
	f.tasks[id] = false
	status, _ = f.send(http.MethodGet, "/api/v1/queue/tasks/"+id, nil, nil)
	require.Equal(f, http.StatusNotFound, status)
}

// repeat sends a request with an Idempotency-Key twice, and its key with another one.
func (f *fuzzer) repeat() {
	header := asJSON()
	header.Set("Idempotency-Key", rapid.StringMatching(`[A-Za-z0-9]{20,40}`).Draw(f.T, "key"))
	body := f.task()
	status, first := f.send(http.MethodPost, "/api/v1/queue/tasks", body, header)
	again, second := f.send(http.MethodPost, "/api/v1/queue/tasks", body, header)
	require.Equal(f, status, again)
	if status != http.StatusCreated {
		return
	}
	require.Equal(f, string(first), string(second))
	var task wire.Task
	require.NoError(f, json.Unmarshal(first, &task))
	f.tasks[task.ID.String()] = true
	other := bytes.Replace(body, []byte(`{`), []byte(`{"queue":"other",`), 1)
	if !bytes.Contains(body, []byte(`"queue"`)) {
		status, _ = f.send(http.MethodPost, "/api/v1/queue/tasks", other, header)
		require.Equal(f, http.StatusUnprocessableEntity, status, "another request with the key")
	}
}

// anyOperation sends a request for any operation, perhaps a broken one.
func (f *fuzzer) anyOperation() {
	paths := f.root["paths"].(map[string]any)
	path := rapid.SampledFrom(slices.Sorted(maps.Keys(paths))).Draw(f.T, "path")
	if path == "/api/v1/queue/events" || strings.HasPrefix(path, "/docs") {
		return // a stream does not end, and the documentation is large
	}
	item := paths[path].(map[string]any)
	var methods []string
	for _, method := range []string{"get", "post", "put", "delete"} {
		if item[method] != nil {
			methods = append(methods, method)
		}
	}
	method := rapid.SampledFrom(methods).Draw(f.T, "method")
	op := item[method].(map[string]any)
	target, header := f.parameters(path, item, op)
	body := f.body(op, header)
	f.send(strings.ToUpper(method), target, body, header)
	if method != "get" && strings.HasPrefix(path, "/api/v1/queue/tasks") {
		clear(f.tasks) // it may have changed any of them
	}
}

func (f *fuzzer) parameters(path string, item, op map[string]any) (string, http.Header) {
	header, query := http.Header{}, url.Values{}
	list, _ := item["parameters"].([]any)
	more, _ := op["parameters"].([]any)
	for _, p := range slices.Concat(list, more) {
		p := f.resolve(p)
		name, in := p["name"].(string), p["in"].(string)
		if in != "path" && rapid.Bool().Draw(f.T, "leave out "+name) {
			continue
		}
		value := f.scalar(p["schema"])
		if name == "id" && rapid.Bool().Draw(f.T, "a known task") && f.known() != "" {
			value = f.known()
		}
		if rapid.IntRange(0, 9).Draw(f.T, "break "+name) == 0 {
			value = rapid.SampledFrom([]string{"", "x", "-1", "1e3", "é", "null", strings.Repeat("y", 300), "2026-02-30T00:00:00Z", "00000000"}).Draw(f.T, "broken "+name)
		}
		switch in {
		case "path":
			if value == "" {
				value = "x"
			}
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
		case "query":
			query.Set(name, value)
		case "header":
			header.Set(name, strings.ToValidUTF8(value, ""))
		}
	}
	if rapid.IntRange(0, 9).Draw(f.T, "an unknown parameter") == 0 {
		query.Set("unknown", "1")
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path, header
}

// body makes a body of an operation, and perhaps breaks it.
func (f *fuzzer) body(op map[string]any, header http.Header) []byte {
	if op["requestBody"] == nil {
		return nil
	}
	content := f.resolve(op["requestBody"])["content"].(map[string]any)
	media := rapid.SampledFrom(slices.Sorted(maps.Keys(content))).Draw(f.T, "media")
	header.Set("Content-Type", media)
	value := f.value(content[media].(map[string]any)["schema"], 0)
	var body []byte
	if text, ok := value.(string); ok && !strings.HasSuffix(media, "/json") {
		body = []byte(text)
	} else {
		var err error
		body, err = json.Marshal(value)
		require.NoError(f, err)
	}
	switch rapid.IntRange(0, 11).Draw(f.T, "what is broken") {
	case 0:
		return body[:rapid.IntRange(0, len(body)).Draw(f.T, "cut")]
	case 1:
		return append(body, rapid.SampledFrom([]string{"x", "{}", "\x00", ","}).Draw(f.T, "behind")...)
	case 2:
		header.Set("Content-Type", rapid.SampledFrom([]string{"text/html", "application/xml", "x", "application/json; charset=latin1"}).Draw(f.T, "other media"))
	case 3:
		return []byte(strings.Repeat("[", 40) + strings.Repeat("]", 40))
	case 4:
		return bytes.Replace(body, []byte(`"`), []byte("\"\xff"), 1)
	case 5:
		header.Set("Content-Encoding", rapid.SampledFrom([]string{"gzip", "zstd", "br", "snappy"}).Draw(f.T, "encoding"))
	case 6, 7, 8:
		if object, ok := value.(map[string]any); ok {
			f.breakField(object)
			body, _ = json.Marshal(object)
		}
	}
	return body
}

// breakField takes a field away, adds one, or gives one another type.
func (f *fuzzer) breakField(object map[string]any) {
	names := append(slices.Sorted(maps.Keys(object)), "unknown")
	name := rapid.SampledFrom(names).Draw(f.T, "field")
	other := []any{nil, "", "x", -1, 1e9, 0.5, true, []any{}, []any{1}, map[string]any{}, map[string]any{"x": 1}}
	switch i := rapid.IntRange(-1, len(other)-1).Draw(f.T, "other value"); {
	case i < 0:
		delete(object, name)
	default:
		object[name] = other[i]
	}
}

func (f *fuzzer) at(ref string) map[string]any {
	var v any = f.root
	for _, name := range strings.Split(ref, "/")[1:] {
		v = v.(map[string]any)[name]
	}
	return v.(map[string]any)
}

// resolve follows references.
func (f *fuzzer) resolve(v any) map[string]any {
	n, _ := v.(map[string]any)
	if ref, ok := n["$ref"].(string); ok {
		return f.resolve(f.at(ref))
	}
	return n
}

// scalar makes the text of a parameter.
func (f *fuzzer) scalar(schema any) string {
	switch v := f.value(schema, 0).(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	default:
		return fmt.Sprint(v)
	}
}

// value makes a value of a schema. Of what the document says it knows what bodies and
// parameters of the API need.
func (f *fuzzer) value(schema any, depth int) any {
	n := f.resolve(schema)
	for _, choice := range []string{"anyOf", "oneOf"} {
		if list, ok := n[choice].([]any); ok && n["properties"] == nil && depth < 8 {
			return f.value(rapid.SampledFrom(list).Draw(f.T, choice), depth+1)
		}
	}
	if list, ok := n["enum"].([]any); ok {
		return rapid.SampledFrom(list).Draw(f.T, "enum")
	}
	if v, ok := n["const"]; ok {
		return v
	}
	if pattern, ok := n["pattern"].(string); ok && n["format"] != "date-time" {
		longest := number(n["maxLength"], 255)
		return rapid.StringMatching(pattern).Filter(func(s string) bool { return len(s) <= int(longest) }).Draw(f.T, "text")
	}
	switch f.kind(n) {
	case "object":
		return f.object(n, depth)
	case "array":
		least := int(number(n["minItems"], 0))
		list := []any{}
		for range rapid.IntRange(least, max(least, 3)).Draw(f.T, "length") {
			if v := f.value(n["items"], depth+1); n["uniqueItems"] != true || !slices.Contains(list, v) {
				list = append(list, v)
			}
		}
		return list
	case "integer":
		return rapid.IntRange(int(number(n["minimum"], -1000)), int(number(n["maximum"], 1000))).Draw(f.T, "integer")
	case "number":
		return rapid.Float64Range(number(n["minimum"], -1000), number(n["maximum"], 1000)).Draw(f.T, "number")
	case "boolean":
		return rapid.Bool().Draw(f.T, "boolean")
	case "null":
		return nil
	case "string":
		if n["format"] == "date-time" {
			at := rapid.Int64Range(946684800, 4102444800).Draw(f.T, "time") // the years 2000 to 2100
			return time.Unix(at, 0).UTC().Format(time.RFC3339)
		}
		return rapid.StringMatching(`[ -~]{1,40}`).Draw(f.T, "text")
	default:
		return rapid.SampledFrom([]any{nil, "text", 1, true, []any{1}, map[string]any{"n": 1}}).Draw(f.T, "any value")
	}
}

// kind draws one of the types that a schema allows, "" if it allows any.
func (f *fuzzer) kind(n map[string]any) string {
	switch kind := n["type"].(type) {
	case string:
		return kind
	case []any:
		return rapid.SampledFrom(kind).Draw(f.T, "type").(string)
	default:
		return ""
	}
}

func (f *fuzzer) object(n map[string]any, depth int) any {
	out := map[string]any{}
	properties, _ := n["properties"].(map[string]any)
	required, _ := n["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if slices.Contains(required, any(name)) || rapid.Bool().Draw(f.T, "with "+name) {
			out[name] = f.value(properties[name], depth+1)
		}
	}
	return out
}

// number returns a limit of a schema, or the default.
func number(v any, def float64) float64 {
	if n, ok := v.(float64); ok {
		return n
	}
	return def
}
