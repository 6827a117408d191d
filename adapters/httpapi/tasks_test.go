package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

func TestCreateTask(t *testing.T) {
	t.Parallel()
	apitest.Run(t, "a type alone makes a task with the defaults", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		res := w.Do("POST", tasksPath, `{"type":"echo"}`)
		got := apitest.Answer[wire.Task](t, res, http.StatusCreated)
		require.Equal(t, tasksPath+"/"+got.ID.String(), res.Header().Get("Location"))
		want := domain.NewTask(got.ID, "echo", []byte("{}"))
		stored := w.Queue.Tasks[got.ID]
		require.True(t, want.SameContents(stored))
		require.Equal(t, "PENDING", got.Status)
		require.JSONEq(t, `{}`, string(got.Payload))
		require.Nil(t, got.ScheduledAt)
		require.Len(t, got.History, 1)
	})
	apitest.Run(t, "every field reaches the task", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		got := apitest.Answer[wire.Task](t, w.Do("POST", tasksPath, `{"type":"echo","payload":[1, "<&>"],"priority":9,"queue":"fast",
			"max_retries":0,"timeout_seconds":0.25,"scheduled_at":"2027-01-02T03:04:05+01:00","unique_key":"k","unique_while":"waiting",
			"key":"c","tags":["a","b"],"backoff":{"kind":"fixed","base_seconds":1.5,"cap_seconds":9,"jitter":0.5},
			"expires_at":"2027-01-03T03:04:05+01:00","retention_seconds":90}`,
			"Content-Type", "application/json; charset=utf-8"), http.StatusCreated)
		stored := w.Queue.Tasks[got.ID]
		require.Equal(t, `[1,"<&>"]`, string(stored.Payload), "payloads are kept without white space")
		require.Equal(t, domain.Priority(9), stored.Priority)
		require.Equal(t, "fast", stored.Queue)
		require.Zero(t, stored.MaxRetries)
		require.Equal(t, 250*time.Millisecond, stored.Timeout)
		require.Equal(t, time.Date(2027, 1, 2, 2, 4, 5, 0, time.UTC), stored.ScheduledAt)
		require.Equal(t, "k", stored.UniqueKey)
		require.Equal(t, domain.TaskOptions{
			Key: "c", Tags: []string{"a", "b"}, UniqueWhile: domain.UniqueWhileWaiting,
			Backoff:   domain.RetryPolicy{Kind: domain.RetryFixed, Base: 1500 * time.Millisecond, Cap: 9 * time.Second, Jitter: 0.5},
			ExpiresAt: time.Date(2027, 1, 3, 2, 4, 5, 0, time.UTC), Retention: 90 * time.Second,
		}, stored.TaskOptions)
		require.Equal(t, &wire.Backoff{Kind: "fixed", BaseSeconds: 1.5, CapSeconds: 9, Jitter: 0.5}, got.Backoff)
		require.Equal(t, "c", got.Key)
		require.Equal(t, stored.ExpiresAt, *got.ExpiresAt)
		require.InDelta(t, 90, got.RetentionSeconds, 0)
		require.Equal(t, []string{"a", "b"}, got.Tags)
	})
	apitest.Run(t, "a group reaches the task", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		got := apitest.Answer[wire.Task](t, w.Do("POST", tasksPath, `{"type":"echo","group":"g","group_size":7,"group_age_seconds":1.5,"delay_seconds":0}`), http.StatusCreated)
		require.Equal(t, domain.TaskOptions{Group: "g", GroupSize: 7, GroupAge: 1500 * time.Millisecond}, w.Queue.Tasks[got.ID].TaskOptions)
		require.Equal(t, []any{"g", 7, 1.5}, []any{got.Group, got.GroupSize, got.GroupAgeSeconds})
		for body, field := range map[string]string{
			`"group":"g","key":"k"`: "group", `"group":"g","delay_seconds":10`: "group", `"group":"g","scheduled_at":"2027-01-02T03:04:05Z"`: "group",
			`"group":"g","group_size":1`: "group_size", `"group_size":2`: "group_size", `"group":"g","group_age_seconds":-1`: "group_age_seconds",
			`"group":"g","group_age_seconds":86401`: "group_age_seconds", `"group_age_seconds":1`: "group_age_seconds",
		} {
			apitest.FieldProblem(t, w.Do("POST", tasksPath, `{"type":"echo",`+body+`}`), field)
		}
	})
	apitest.Run(t, "an expiry is one of both, and left to the clock of the store", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		got := apitest.Answer[wire.Task](t, w.Do("POST", tasksPath, `{"type":"echo","expires_in_seconds":1.5}`), http.StatusCreated)
		require.Equal(t, 1500*time.Millisecond, w.Queue.Tasks[got.ID].ExpiresIn)
		apitest.FieldProblem(t, w.Do("POST", tasksPath, `{"type":"echo","expires_in_seconds":0,"expires_at":"2027-01-03T03:04:05Z"}`), "expires_in_seconds")
		apitest.FieldProblem(t, w.Do("POST", tasksPath, `{"type":"echo","expires_at":"1999-01-03T03:04:05Z"}`), "expires_at")
		apitest.FieldProblem(t, w.Do("POST", tasksPath, `{"type":"echo","retention_seconds":-1}`), "retention_seconds")
	})
	apitest.Run(t, "a delay is left to the clock of the store", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		got := apitest.Answer[wire.Task](t, w.Do("POST", tasksPath, `{"type":"echo","delay_seconds":1.5}`), http.StatusCreated)
		require.Equal(t, 1500*time.Millisecond, w.Queue.Tasks[got.ID].Delay)
		require.Equal(t, apitest.Now.Add(1500*time.Millisecond), *got.ScheduledAt)
	})
	apitest.Run(t, "a null is an absent field, but a payload of its own", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		got := apitest.Answer[wire.Task](t, w.Do("POST", tasksPath, `{"type":"echo","priority":null,"scheduled_at":null,"payload":null}`), http.StatusCreated)
		require.Equal(t, int(domain.PriorityNormal), got.Priority)
		require.Equal(t, "null", string(w.Queue.Tasks[got.ID].Payload))
	})
	apitest.Run(t, "a log analysis needs its payload", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		for _, payload := range []string{`{}`, `[]`, `{"log_ids":[]}`, `{"log_ids":["x"]}`, `{"batch_id":7}`} {
			p := apitest.FieldProblem(t, w.Do("POST", tasksPath, `{"type":"log_analysis","payload":`+payload+`}`), "payload")
			require.NotContains(t, p.Detail, "Go ", "no words of the decoder")
		}
		require.Zero(t, w.Queue.Writes)
		apitest.Answer[wire.Task](t, w.Do("POST", tasksPath, `{"type":"log_analysis","payload":{"log_ids":["`+uuid.NewString()+`"]}}`), http.StatusCreated)
	})
	apitest.Run(t, "an unknown type is answered with the known ones", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		p := apitest.Problem(t, w.Do("POST", tasksPath, `{"type":"nope"}`), http.StatusBadRequest, "unknown-task-type")
		require.Equal(t, "type", p.Errors[0].Field)
		require.Contains(t, p.Detail, `"echo", "log_analysis"`)
	})
	apitest.Run(t, "a held unique key names its holder", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		first := apitest.Answer[wire.Task](t, w.Do("POST", tasksPath, `{"type":"echo","unique_key":"k"}`), http.StatusCreated)
		p := apitest.Problem(t, w.Do("POST", tasksPath, `{"type":"echo","unique_key":"k"}`), http.StatusConflict, "duplicate-task")
		require.Equal(t, first.ID.String(), p.Holder)
	})
	apitest.Run(t, "the outcome says what became of a task whose unique key is held", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		body := func(conflict string) string {
			return `{"type":"echo","unique_key":"k","unique_for_seconds":1.5,"on_conflict":"` + conflict + `"}`
		}
		first := apitest.Answer[wire.Task](t, w.Do("POST", tasksPath, body("keep")), http.StatusCreated)
		require.Equal(t, "created", first.Outcome)
		require.InDelta(t, 1.5, first.UniqueForSeconds, 0)
		require.Equal(t, domain.ConflictKeep, w.Queue.Tasks[first.ID].OnConflict)
		for conflict, outcome := range map[string]string{"keep": "existing", "replace": "replaced"} {
			res := w.Do("POST", tasksPath, body(conflict))
			require.Equal(t, tasksPath+"/"+first.ID.String(), res.Header().Get("Location"))
			tag := res.Header().Get("ETag")
			got := apitest.Answer[wire.Task](t, res, http.StatusOK)
			require.Equal(t, first.ID, got.ID)
			require.Equal(t, outcome, got.Outcome)
			res = w.Do("GET", tasksPath+"/"+first.ID.String(), "")
			require.Equal(t, tag, res.Header().Get("ETag"), "it is that of the task")
			require.Empty(t, apitest.Answer[wire.Task](t, res, http.StatusOK).Outcome)
		}
		batch := apitest.Answer[wire.BatchResults](t, w.Do("POST", tasksPath+":batch", "["+body("replace")+","+body("reject")+"]"), http.StatusOK)
		require.Equal(t, http.StatusOK, batch.Results[0].Status)
		require.Equal(t, "replaced", batch.Results[0].Task.Outcome)
		require.Equal(t, first.ID.String(), batch.Results[1].Problem.Holder)
	})
}

func TestCreateTaskRefusesBadBodies(t *testing.T) {
	t.Parallel()
	// What the decoder refuses, package request tests.
	cases := map[string]struct{ body, field string }{
		"nothing":                   {``, "body"},
		"null":                      {`null`, "body"},
		"an array":                  {`[]`, "body"},
		"no JSON":                   {`{type:"echo"}`, "body"},
		"a comment":                 {`{"type":"echo"} // x`, "body"},
		"no type":                   {`{}`, "type"},
		"an empty type":             {`{"type":""}`, "type"},
		"a type that is no name":    {`{"type":"a:{b}\r\n"}`, "type"},
		"a long type":               {`{"type":"` + strings.Repeat("a", 10<<10) + `"}`, "type"},
		"a status":                  {`{"type":"echo","status":"COMPLETED"}`, "status"},
		"an id":                     {`{"type":"echo","id":"` + uuid.NewString() + `"}`, "id"},
		"an attempt":                {`{"type":"echo","attempt":3}`, "attempt"},
		"a result":                  {`{"type":"echo","result":{}}`, "result"},
		"invalid UTF-8":             {"{\"type\":\"ec\xffho\"}", "type"},
		"a payload over the limit":  {`{"type":"echo","payload":"` + strings.Repeat("x", domain.MaxPayload) + `"}`, "payload"},
		"a priority too high":       {`{"type":"echo","priority":11}`, "priority"},
		"a priority too low":        {`{"type":"echo","priority":-1}`, "priority"},
		"a priority beyond an int":  {`{"type":"echo","priority":99999999999999999999}`, "priority"},
		"a queue that is no name":   {`{"type":"echo","queue":"*"}`, "queue"},
		"too many retries":          {`{"type":"echo","max_retries":101}`, "max_retries"},
		"no time-out":               {`{"type":"echo","timeout_seconds":0}`, "timeout_seconds"},
		"a huge time-out":           {`{"type":"echo","timeout_seconds":1e300}`, "timeout_seconds"},
		"a time-out beyond a float": {`{"type":"echo","timeout_seconds":1e999}`, "timeout_seconds"},
		"a negative delay":          {`{"type":"echo","delay_seconds":-1}`, "delay_seconds"},
		"a delay beyond ten years":  {`{"type":"echo","delay_seconds":400000000}`, "delay_seconds"},
		"a delay and a time":        {`{"type":"echo","delay_seconds":0,"scheduled_at":"2027-01-01T00:00:00Z"}`, "delay_seconds"},
		"a time that is none":       {`{"type":"echo","scheduled_at":"tomorrow"}`, "scheduled_at"},
		"a time as a number":        {`{"type":"echo","scheduled_at":1700000000}`, "scheduled_at"},
		"a time without a zone":     {`{"type":"echo","scheduled_at":"2027-01-01T00:00:00"}`, "scheduled_at"},
		"a time of long ago":        {`{"type":"echo","scheduled_at":"1900-01-01T00:00:00Z"}`, "scheduled_at"},
		"a mode that is none":       {`{"type":"echo","unique_key":"k","unique_while":"asleep"}`, "unique_while"},
		"a conflict that is none":   {`{"type":"echo","unique_key":"k","on_conflict":"fight"}`, "on_conflict"},
		"a period that is too long": {`{"type":"echo","unique_key":"k","unique_for_seconds":31536001}`, "unique_for_seconds"},
		"a conflict of no key":      {`{"type":"echo","on_conflict":"keep"}`, "unique_key"},
		"a long unique key":         {`{"type":"echo","unique_key":"` + strings.Repeat("k", 257) + `"}`, "unique_key"},
	}
	for name, c := range cases {
		apitest.Run(t, name, httpapi.Config{}, func(t *testing.T, w *apitest.World) {
			apitest.FieldProblem(t, w.Do("POST", tasksPath, c.body, "Content-Type", "application/json"), c.field)
			require.Zero(t, w.Queue.Writes, "nothing reaches the service")
		})
	}
}

func TestCreateTaskRefusesBadRequests(t *testing.T) {
	t.Parallel()
	const good = `{"type":"echo"}`
	apitest.Run(t, "another content type", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "nonsense/", "application/x-ndjson"} {
			apitest.Problem(t, w.Do("POST", tasksPath, good, "Content-Type", media), http.StatusUnsupportedMediaType, "unsupported-media-type")
		}
		require.Zero(t, w.Queue.Writes)
	})
	apitest.Run(t, "another encoding", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		res := w.Do("POST", tasksPath, good, "Content-Encoding", "br")
		apitest.Problem(t, res, http.StatusUnsupportedMediaType, "unsupported-media-type")
		require.Equal(t, "gzip, zstd, snappy", res.Header().Get("Accept-Encoding"))
	})
	apitest.Run(t, "a body over the limit by one byte", httpapi.Config{MaxTaskBytes: int64(len(good))}, func(t *testing.T, w *apitest.World) {
		apitest.Answer[wire.Task](t, w.Do("POST", tasksPath, good), http.StatusCreated)
		apitest.Problem(t, w.Do("POST", tasksPath, good+" "), http.StatusRequestEntityTooLarge, "too-large")
		require.Equal(t, 1, w.Queue.Writes)
	})
	apitest.Run(t, "an unknown query parameter", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		apitest.FieldProblem(t, w.Do("POST", tasksPath+"?dry_run=1", good), "dry_run")
		require.Zero(t, w.Queue.Writes)
	})
}

func TestGetTask(t *testing.T) {
	t.Parallel()
	apitest.Run(t, "a task is shown with all that is known of it", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		task := w.Add(func(task *domain.Task) {
			require.NoError(t, task.MarkAsProcessing(uuid.New(), time.Minute, apitest.Now))
			require.NoError(t, task.MarkAsRetrying(domain.TaskError{Reason: domain.ReasonPanic, Message: "boom <b>", Stack: "at x"}, apitest.Now.Add(time.Minute), apitest.Now.Add(time.Second)))
			require.NoError(t, task.Promote())
			require.NoError(t, task.MarkAsProcessing(uuid.New(), time.Minute, apitest.Now.Add(2*time.Minute)))
			require.NoError(t, task.MarkAsCompleted([]byte(`{"ok":true}`), apitest.Now.Add(3*time.Minute)))
			task.UniqueKey = "k"
		})
		res := w.Do("GET", tasksPath+"/"+task.ID.String(), "")
		require.Equal(t, http.StatusOK, res.Code)
		require.Contains(t, res.Body.String(), "boom <b>", "no HTML escapes")
		require.JSONEq(t, `{
			"id":"`+task.ID.String()+`","type":"echo","queue":"default","payload":{"n":1},"status":"COMPLETED","priority":5,
			"attempt":2,"max_retries":3,"timeout_seconds":600,"unique_key":"k","deliveries":2,"recoveries":0,
			"created_at":"2026-11-23T12:00:00Z","scheduled_at":"2026-11-23T12:01:00Z","started_at":"2026-11-23T12:02:00Z",
			"completed_at":"2026-11-23T12:03:00Z","result":{"ok":true},"last_error":"boom <b>",
			"errors":[{"attempt":1,"reason":"panic","message":"boom <b>","stack":"at x","started_at":"2026-11-23T12:00:00Z","at":"2026-11-23T12:00:01Z"}],
			"history":[
				{"status":"PENDING","at":"2026-11-23T12:00:00Z","attempt":0,"reason":""},
				{"status":"PROCESSING","at":"2026-11-23T12:00:00Z","attempt":1,"reason":""},
				{"status":"RETRYING","at":"2026-11-23T12:00:01Z","attempt":1,"reason":"panic"},
				{"status":"PROCESSING","at":"2026-11-23T12:02:00Z","attempt":2,"reason":""},
				{"status":"COMPLETED","at":"2026-11-23T12:03:00Z","attempt":2,"reason":""}]}`, res.Body.String())
	})
	apitest.Run(t, "what has not come is null", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		task := w.Add(nil)
		body := w.Do("GET", tasksPath+"/"+task.ID.String(), "").Body.String()
		for _, want := range []string{`"scheduled_at":null`, `"started_at":null`, `"completed_at":null`, `"result":null`, `"errors":[]`} {
			require.Contains(t, body, want)
		}
	})
	apitest.Run(t, "stored bytes that are no JSON are shown as a string", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		for stored, want := range map[string]string{
			"plain text": `"plain text"`, "{\"a\":": `"{\"a\":"`, "\xff\xfe": `"�"`, "\"\xff\"": `"\"�\""`,
			`{"a":1,"a":2}`: `{"a":1,"a":2}`, "1 2": `"1 2"`,
		} {
			task := w.Add(func(task *domain.Task) { task.Payload = []byte(stored) })
			got := apitest.Answer[wire.Task](t, w.Do("GET", tasksPath+"/"+task.ID.String(), ""), http.StatusOK)
			require.Equal(t, want, string(got.Payload))
		}
	})
	t.Run("an unknown id is not found", func(t *testing.T) {
		t.Parallel()
		apitest.Problem(t, apitest.New(httpapi.Config{}).Do("GET", tasksPath+"/"+uuid.NewString(), ""), http.StatusNotFound, "task-not-found")
	})
	apitest.Run(t, "an id that is no UUID is refused", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		for _, id := range []string{"7", "*", "%7Bx%7D", "..%0d%0a", strings.Repeat("a", 10<<10), "urn%3Auuid", "{" + uuid.NewString() + "}", strings.ReplaceAll(uuid.NewString(), "-", "")} {
			for _, method := range []string{"GET", "DELETE"} {
				if strings.Contains(id, "%3A") {
					apitest.Problem(t, w.Do(method, tasksPath+"/"+id, ""), http.StatusNotFound, "no-such-path")
					continue
				}
				apitest.FieldProblem(t, w.Do(method, tasksPath+"/"+id, ""), "id")
			}
		}
		apitest.FieldProblem(t, w.Do("POST", tasksPath+"/7:retry", ""), "id")
		require.Zero(t, w.Queue.Writes)
	})
}

func TestListTasks(t *testing.T) {
	t.Parallel()
	apitest.Run(t, "every parameter reaches the filter", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		task := w.Add(nil)
		w.Queue.Page = domain.TaskPage{Tasks: []*domain.Task{task}, NextCursor: "next"}
		got := apitest.Answer[wire.TaskList](t, w.Do("GET", tasksPath+"?status=retrying&type=echo&queue=q&tag=red&reason=timeout&created_after=2026-01-01T00:00:00Z&created_before=2026-02-01T01:00:00%2B01:00&limit=7&cursor=c", ""), http.StatusOK)
		require.Equal(t, domain.TaskFilter{
			Status: domain.TaskStatusRetrying, Type: "echo", Queue: "q", Tag: "red", Reason: domain.ReasonTimeout,
			CreatedAfter: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), CreatedBefore: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC),
			Limit: 7, Cursor: "c",
		}, w.Queue.Filter)
		require.Equal(t, "next", *got.NextCursor)
		require.Equal(t, task.ID, got.Tasks[0].ID)
		require.Nil(t, got.Tasks[0].History, "lists show no history")
	})
	t.Run("an empty page is an empty list without a cursor", func(t *testing.T) {
		t.Parallel()
		res := apitest.New(httpapi.Config{}).Do("GET", tasksPath+"?status=PENDING&cursor=", "")
		require.JSONEq(t, `{"tasks":[],"next_cursor":null}`, res.Body.String())
	})
	t.Run("a wrong parameter is named", func(t *testing.T) {
		t.Parallel()
		for param, field := range map[string]string{
			"status=DONE": "status", "status=": "status", "status=PENDING&status=FAILED": "status", "type=a%20b": "type", "queue=%ff": "queue", "tag=%20": "tag", "reason=luck": "reason",
			"created_after=yesterday": "created_after", "created_before=1700000000": "created_before",
			"limit=0": "limit", "limit=201": "limit", "limit=1000000": "limit", "limit=-1": "limit", "limit=x": "limit", "limit=1.5": "limit",
			"page=2": "page", "Status=PENDING": "Status", "a=%zz": "query", "a;b": "query",
		} {
			p := apitest.FieldProblem(t, apitest.New(httpapi.Config{}).Do("GET", tasksPath+"?"+param, ""), field)
			require.NotEqual(t, p.Errors[0].Detail, p.Errors[0].Field)
		}
	})
	t.Run("all wrong parameters are named at once", func(t *testing.T) {
		t.Parallel()
		p := apitest.Problem(t, apitest.New(httpapi.Config{}).Do("GET", tasksPath+"?limit=x&status=y", ""), http.StatusBadRequest, "invalid-request")
		require.Len(t, p.Errors, 2)
	})
	apitest.Run(t, "a foreign cursor is refused", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Queue.Err = fmt.Errorf("list: %w", domain.ErrInvalidCursor)
		p := apitest.Problem(t, w.Do("GET", tasksPath+"?cursor=x", ""), http.StatusBadRequest, "invalid-cursor")
		require.Equal(t, "cursor", p.Errors[0].Field)
	})
}

func TestChangeTask(t *testing.T) {
	t.Parallel()
	status := func(s domain.TaskStatus) func(*domain.Task) { return func(task *domain.Task) { task.Status = s } }
	cases := []struct {
		method, step string
		from         domain.TaskStatus
		code         int
		to           string
	}{
		{"POST", ":retry", domain.TaskStatusFailed, http.StatusOK, "PENDING"},
		{"POST", ":retry", domain.TaskStatusCancelled, http.StatusOK, "PENDING"},
		{"POST", ":retry", domain.TaskStatusCompleted, http.StatusConflict, "COMPLETED"},
		{"POST", ":cancel", domain.TaskStatusProcessing, http.StatusOK, "CANCELLED"},
		{"POST", ":cancel", domain.TaskStatusFailed, http.StatusConflict, "FAILED"},
		{"POST", ":run", domain.TaskStatusRetrying, http.StatusOK, "PENDING"},
		{"POST", ":run", domain.TaskStatusCompleted, http.StatusConflict, "COMPLETED"},
		{"DELETE", "", domain.TaskStatusCompleted, http.StatusNoContent, ""},
		{"DELETE", "", domain.TaskStatusProcessing, http.StatusConflict, "PROCESSING"},
	}
	for _, c := range cases {
		apitest.Run(t, fmt.Sprintf("%s%s of a %s task gives %d", c.method, c.step, c.from, c.code), httpapi.Config{}, func(t *testing.T, w *apitest.World) {
			task := w.Add(status(c.from))
			res := w.Do(c.method, tasksPath+"/"+task.ID.String()+c.step, "")
			switch c.code {
			case http.StatusConflict:
				p := apitest.Problem(t, res, http.StatusConflict, "invalid-transition")
				require.Equal(t, task.ID.String(), p.TaskID)
				require.Equal(t, c.to, p.TaskStatus)
				require.Contains(t, p.Detail, c.to)
				require.NotContains(t, p.Detail, "INVALID")
			case http.StatusNoContent:
				require.Equal(t, http.StatusNoContent, res.Code)
				require.Empty(t, res.Body.String())
				require.Empty(t, w.Queue.Tasks)
			default:
				require.Equal(t, c.to, apitest.Answer[wire.Task](t, res, c.code).Status)
			}
		})
	}
	apitest.Run(t, "a colon may be escaped", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		task := w.Add(status(domain.TaskStatusFailed))
		apitest.Answer[wire.Task](t, w.Do("POST", tasksPath+"/"+task.ID.String()+"%3Aretry", ""), http.StatusOK)
	})
	apitest.Run(t, "an unknown id is not found by any of them", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		for _, step := range []string{":retry", ":cancel", ":run"} {
			apitest.Problem(t, w.Do("POST", tasksPath+"/"+uuid.NewString()+step, ""), http.StatusNotFound, "task-not-found")
		}
		apitest.Problem(t, w.Do("DELETE", tasksPath+"/"+uuid.NewString(), ""), http.StatusNotFound, "task-not-found")
	})
}

func TestATaskThatRunsShowsItsProgress(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	task := w.Add(func(task *domain.Task) {
		task.Status = domain.TaskStatusProcessing
		task.Progress = &domain.Progress{Percent: 42, Note: "half way", Data: []byte(`{"n":1}`), At: apitest.Now}
	})
	got := apitest.Answer[wire.Task](t, w.Do("GET", tasksPath+"/"+task.ID.String(), ""), http.StatusOK).Progress
	require.Equal(t, &wire.Progress{Percent: 42, Note: "half way", Data: []byte(`{"n":1}`), At: got.At}, got)
}

func TestACancelledTaskSaysThatItsRunMayGoOn(t *testing.T) {
	t.Parallel()
	apitest.Run(t, "until it has stopped", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		task := w.Add(func(t *domain.Task) { t.Status, t.Stopping = domain.TaskStatusCancelled, true })
		path := tasksPath + "/" + task.ID.String()
		require.Contains(t, w.Do("GET", path, "").Body.String(), `"stopping":true`)
		task.Stopping = false
		w.Queue.Tasks[task.ID] = task
		require.NotContains(t, w.Do("GET", path, "").Body.String(), "stopping")
	})
}
