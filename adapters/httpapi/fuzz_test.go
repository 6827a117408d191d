package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/openapitest"
	"logsift/adapters/httpapi/wire"
)

// FuzzCreateTask checks that no body panics, that a refused one reaches nothing
// and is answered with a problem, and that another reader takes an accepted one
// in the same way.
func FuzzCreateTask(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"type":"echo"}`, `{"type":"echo","payload":{"a":[1,2.5e3,null,"\u00e9\ud83d\ude00"]},"priority":9,"queue":"q"}`,
		`{"type":"echo","type":"x"}`, `{"type":"echo","timeout_seconds":1e999}`, `{"type":"echo","delay_seconds":0.0000001}`, `{"type":"echo","delay_seconds":0.0001000}`,
		`{"type":"echo","scheduled_at":"2027-01-01T00:00:00.123456789+23:59"}`, "{\"type\":\"echo\",\"unique_key\":\"\xff\"}",
		`{"type":"echo","payload":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}`, `{"type":"log_analysis","payload":{"log_ids":[""]}}`,
	} {
		f.Add([]byte(seed))
	}
	w := apitest.New(httpapi.Config{})
	f.Fuzz(func(t *testing.T, body []byte) {
		w.Forget()
		res := w.Do("POST", tasksPath, string(body))
		if res.Code != http.StatusCreated {
			require.Less(t, res.Code, 500)
			require.GreaterOrEqual(t, res.Code, 400)
			p := apitest.Decode[wire.Problem](t, res.Body)
			require.NotEmpty(t, p.Errors)
			require.Empty(t, w.Queue.Tasks)
			return
		}
		got := apitest.Decode[wire.Task](t, res.Body)
		stored := w.Queue.Tasks[got.ID]
		asked := stored.Clone()
		if asked.Delay > 0 {
			asked.ScheduledAt = time.Time{} // the store's answer to the delay
		}
		require.NoError(t, asked.Validate())
		var other wire.CreateTask
		require.NoError(t, json.Unmarshal(body, &other), "the standard library takes what we take")
		require.Equal(t, other.Type, string(stored.Type))
		require.Equal(t, other.UniqueKey, stored.UniqueKey)
		if other.Payload != nil {
			require.JSONEq(t, string(other.Payload), string(stored.Payload))
		}
		if other.Priority != nil {
			require.Equal(t, *other.Priority, int(stored.Priority))
		}
	})
}

// FuzzCreateTaskBatch checks that no batch panics, and that each of its tasks has
// one answer or the whole is refused.
func FuzzCreateTaskBatch(f *testing.F) {
	for _, seed := range []string{
		``, `[]`, `[{}]`, `{"type":"echo"}`, "{\"type\":\"echo\"}\n\n{\"type\":\"\"}\n7", `[{"type":"echo"},{"type":"echo","priority":99}]`,
		`[{"type":"echo"}`, `[[{"type":"echo"}]]`, "\xef\xbb\xbf[]", "{\"type\":\"echo\"} {\"type\":\"echo\"}",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	w := apitest.New(httpapi.Config{})
	f.Fuzz(func(t *testing.T, body []byte, lines bool) {
		w.Forget()
		media := "application/json"
		if lines {
			media = ndjson
		}
		res := w.Do("POST", batchPath, string(body), "Content-Type", media)
		require.Less(t, res.Code, 500, res.Body.String())
		if res.Code >= 400 {
			require.NotEmpty(t, apitest.Decode[wire.Problem](t, res.Body).Title)
			require.Empty(t, w.Queue.Tasks)
			return
		}
		created := 0
		for i, result := range apitest.Decode[wire.BatchResults](t, res.Body).Results {
			require.Equal(t, i, result.Index)
			if result.Status == http.StatusCreated {
				require.Contains(t, w.Queue.Tasks, result.Task.ID)
				created++
				continue
			}
			require.NotNil(t, result.Problem)
		}
		require.Len(t, w.Queue.Tasks, created)
	})
}

// FuzzQuery checks that any query of a list is refused with the names of its
// faults, or gives a filter that the stores take.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "status=PENDING&limit=5&cursor=abc", "status=&type=a+b&queue=%ff", "limit=0&limit=1", "created_after=2026-01-01T00:00:00Z&created_before=x",
		"from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:60+23:59", "level=error&source=%00&text=;", "severity=low&source=a", "%zz=1", "x=1&=&&",
	} {
		f.Add(seed)
	}
	w := apitest.New(httpapi.Config{})
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{tasksPath, logsPath, anomaliesPath, statsPath} {
			w.Forget()
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			req.URL.RawQuery = query
			res := openapitest.API().Serve(w.API.Handler(), req)
			if res.Code != http.StatusOK {
				require.Equal(t, http.StatusBadRequest, res.Code, res.Body.String())
				require.NotEmpty(t, apitest.Decode[wire.Problem](t, res.Body).Errors)
				continue
			}
			require.NoError(t, w.Queue.Filter.Validate())
			require.NoError(t, w.Logs.Filter.Validate())
			require.NoError(t, w.Logs.Anomalies.Validate())
		}
	})
}

// FuzzPath checks that an id that is none is refused wherever the path takes one.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"", "x", "00000000-0000-0000-0000-000000000000", "urn:uuid:00000000-0000-0000-0000-000000000000", "%2e%2e", "00000000000000000000000000000000", "a:retry", "a/b"} {
		f.Add(seed)
	}
	w := apitest.New(httpapi.Config{})
	f.Fuzz(func(t *testing.T, id string) {
		w.Forget()
		for _, route := range []struct{ method, before, after string }{
			{http.MethodGet, tasksPath + "/", ""}, {http.MethodDelete, tasksPath + "/", ""},
			{http.MethodPost, tasksPath + "/", ":retry"}, {http.MethodGet, logsPath + "/", ""},
		} {
			req := httptest.NewRequestWithContext(t.Context(), route.method, "/", nil)
			req.URL.Path, req.URL.RawPath = route.before+id+route.after, ""
			res := openapitest.API().Serve(w.API.Handler(), req)
			if _, err := uuid.Parse(id); err != nil {
				require.NotEqual(t, http.StatusNoContent, res.Code)
			}
			require.Less(t, res.Code, 500, res.Body.String())
			require.Zero(t, len(w.Queue.Tasks)+len(w.Logs.Entries))
		}
	})
}
