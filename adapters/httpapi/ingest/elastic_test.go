package ingest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/domain"
)

type bulkItem struct {
	Index  string `json:"_index"`
	ID     string `json:"_id"`
	Status int
	Result string
	Error  struct{ Type, Reason string }
}

type bulkResponse struct {
	Took   *int64
	Errors bool
	Items  []map[string]bulkItem
}

// bulked sends a bulk request that is to get answers for its items.
func bulked(t *testing.T, w *apitest.World, target, body string, headers ...string) bulkResponse {
	t.Helper()
	res := w.Do("POST", target, body, append([]string{"Content-Type", ndjson}, headers...)...)
	require.Equal(t, http.StatusOK, res.Code, res.Body.String())
	require.Equal(t, "Elasticsearch", res.Header().Get("X-Elastic-Product"))
	var out bulkResponse
	require.NoError(t, json.Unmarshal(res.Body.Bytes(), &out))
	require.NotNil(t, out.Took)
	return out
}

func TestBulk(t *testing.T) {
	t.Parallel()
	apitest.Run(t, "documents become entries", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		body := `{"index":{"_index":"logs","_id":"1"}}` + "\n" +
			`{"@timestamp":"2026-11-23T10:20:30.123Z","log":{"level":"error"},"message":"one","service":{"name":"shop"},"http":{"status":500}}` + "\n\n" +
			`{"create":{}}` + "\r\n" + `{"msg":"two","level":40}` + "\r\n" +
			`{"index":{"_index":"metrics"}}` + "\n" + `{"cpu":0.5}`
		got := bulked(t, w, "/app-logs/_bulk?refresh=true&filter_path=items", body)
		require.False(t, got.Errors)
		require.Len(t, got.Items, 3)
		e := w.Logs.Entries
		require.Equal(t, bulkItem{Index: "logs", ID: "1", Status: 201, Result: "created"}, got.Items[0]["index"])
		require.Equal(t, bulkItem{Index: "app-logs", ID: e[1].ID.String(), Status: 201, Result: "created"}, got.Items[1]["create"])
		require.Equal(t, domain.LogEntry{
			ID: e[0].ID, Message: "one", Timestamp: time.Date(2026, 11, 23, 10, 20, 30, 123e6, time.UTC), Level: domain.LogLevelError, Source: "shop",
			Attributes: map[string]string{"http.status": "500", "_index": "logs", "_id": "1"},
		}, e[0])
		require.Equal(t, domain.LogEntry{ID: e[1].ID, Message: "two", Level: domain.LogLevelWarn, Source: "app-logs"}, e[1])
		require.Equal(t, domain.LogEntry{ID: e[2].ID, Message: `{"cpu":0.5}`, Source: "metrics", Attributes: map[string]string{"cpu": "0.5"}}, e[2], "a document without a message is its own")
	})
	apitest.Run(t, "each item that is refused says why", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		index := `{"index":{"_index":"l"}}` + "\n"
		body := index + `{"message":"one"}` + "\n" + index + `{"message":` + "\n" + `{"delete":{"_index":"l","_id":"7"}}` + "\n" + `{"update":{"_id":"8"}}` + "\n" + `{"doc":{}}` + "\n" +
			index + `{"message":"x","@timestamp":"never"}` + "\n" + index + `{"message":"` + strings.Repeat("x", domain.MaxLogMessage) + `"}` + "\n" + index + "\n" + index + `{"message":" "}` + "\n" + index + `{"message":"two"}` + "\n"
		got := bulked(t, w, "/_bulk", body)
		require.True(t, got.Errors)
		reasons := make([]string, 0, len(got.Items))
		for _, item := range got.Items {
			for action, result := range item {
				require.Equal(t, result.Status == 400, result.Error.Reason != "")
				reasons = append(reasons, action+": "+result.Error.Reason)
			}
		}
		require.Equal(t, []string{
			"index: ", "index: entry must be valid JSON", "delete: logs are only added: delete is not supported", "update: logs are only added: update is not supported",
			"index: ", "index: document must be at most 1048576 bytes", "index: entry must be a JSON object", "index: message must not be empty", "index: ",
		}, reasons)
		require.Equal(t, "7", got.Items[2]["delete"].ID)
		require.Equal(t, []string{"one", "x", "two"}, apitest.Messages(w.Logs.Entries))
		require.Equal(t, map[string]string{"@timestamp": "never"}, w.Logs.Entries[1].Attributes, "a time that cannot be read is kept")

		got = bulked(t, w, "/_bulk", `{"delete":{"_id":"7"}}`)
		require.True(t, got.Errors)
		require.Equal(t, 1, w.Logs.Writes, "of nothing there is no batch")
	})
	apitest.Run(t, "a document is known by its index and id, or by the key of its request", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		ids := func(body string, headers ...string) uuid.UUID {
			before := len(w.Logs.Entries)
			bulked(t, w, "/_bulk", body+"\n{\"message\":\"m\"}\n", headers...)
			return w.Logs.Entries[before].ID
		}
		named := ids(`{"create":{"_index":"l","_id":"1"}}`)
		require.Equal(t, named, ids(`{"index":{"_index":"l","_id":"1"}}`))
		require.NotEqual(t, named, ids(`{"create":{"_index":"k","_id":"1"}}`))
		require.NotEqual(t, named, ids(`{"create":{"_index":"l","_id":"2"}}`))
		require.NotEqual(t, ids(`{"create":{"_index":"l"}}`), ids(`{"create":{"_index":"l"}}`))
		require.Equal(t, ids(`{"create":{}}`, "Idempotency-Key", "k"), ids(`{"create":{}}`, "Idempotency-Key", "k"))
	})
	t.Run("the content types of all clients", func(t *testing.T) {
		t.Parallel()
		for _, media := range []string{"application/json", "application/x-ndjson", "application/vnd.elasticsearch+x-ndjson; compatible-with=9", "application/vnd.elasticsearch+json;compatible-with=8", "application/json; charset=UTF-8"} {
			w := apitest.New(httpapi.Config{})
			require.Equal(t, http.StatusOK, w.Do("PUT", "/_bulk", "{\"index\":{}}\n{\"message\":\"m\"}\n", "Content-Type", media).Code, media)
			require.Equal(t, http.StatusOK, w.Do("PUT", "/app-logs/_bulk", "{\"index\":{}}\n{\"message\":\"m\"}\n", "Content-Type", media).Code, media)
		}
	})
}

func TestBulkRefuses(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, w *apitest.World, status int, kind, body string, headers ...string) string {
		t.Helper()
		res := w.Do("POST", "/_bulk", body, append([]string{"Content-Type", ndjson}, headers...)...)
		require.Equal(t, status, res.Code, res.Body.String())
		require.Equal(t, "Elasticsearch", res.Header().Get("X-Elastic-Product"))
		var got struct {
			Error struct {
				Type, Reason string
				RootCause    []struct{ Type, Reason string } `json:"root_cause"`
			}
			Status int
		}
		require.NoError(t, json.Unmarshal(res.Body.Bytes(), &got))
		require.Equal(t, status, got.Status)
		require.Equal(t, kind, got.Error.Type)
		require.Equal(t, kind, got.Error.RootCause[0].Type)
		require.NotEmpty(t, got.Error.Reason)
		return got.Error.Reason
	}
	one := "{\"index\":{}}\n{\"message\":\"m\"}\n"
	w := apitest.New(httpapi.Config{MaxBodyBytes: 4096, MaxLogEntries: 3})
	for body, reason := range map[string]string{
		"":                               "body must have at least one action",
		one + "{\"index\":{}}":           "body must not end between an action and its document",
		one + "{\"message\":\"m\"}\n":    "line 3 must be an action",
		one + "no JSON\n" + one:          "line 3 must be an action",
		"{\"index\":{},\"create\":{}}\n": "line 1 must be an action",
		"{\"index\":{\"_id\":{}}}\n{}\n": "line 1 must be an action",
		"{}\n":                           "line 1 must be an action",
	} {
		require.Contains(t, refused(t, w, 400, "illegal_argument_exception", body), reason)
	}
	refused(t, w, 413, "content_too_long_exception", strings.Repeat(one, 4))
	refused(t, w, 413, "content_too_long_exception", strings.Repeat("{\"delete\":{}}\n", 4))
	refused(t, w, 413, "content_too_long_exception", strings.Repeat(" ", 5000))
	refused(t, w, 415, "media_type_header_exception", one, "Content-Encoding", "br")
	require.Zero(t, w.Logs.Writes, "nothing of a request that is refused is stored")
	for err, want := range map[error]int{domain.ErrQueueFull: 429, domain.ErrStoreUnavailable: 503, domain.ErrStoreFull: 503} {
		w.Logs.Err = err
		kind := "cluster_block_exception"
		if want == 429 {
			kind = "es_rejected_execution_exception"
		}
		refused(t, w, want, kind, one)
	}
}

func TestWhatElasticsearchClientsAskFor(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	for _, path := range []string{"/", "/_license", "/_cluster/health", "/_cat/health?h=status", "/_ilm/policy/logs", "/_index_template/logs", "/_template/x", "/_ingest/pipeline/p", "/_nodes/http"} {
		for _, method := range []string{"GET", "HEAD"} {
			res := w.Do(method, path, "", "Accept", "application/vnd.elasticsearch+json; compatible-with=9")
			require.Equal(t, http.StatusOK, res.Code, path)
			require.Equal(t, "Elasticsearch", res.Header().Get("X-Elastic-Product"))
			require.True(t, json.Valid(res.Body.Bytes()))
		}
	}
	require.JSONEq(t, `{"acknowledged":true}`, w.Do("PUT", "/_index_template/logs", `{"index_patterns":["logs-*"]}`).Body.String())
	require.JSONEq(t, `{"_shards":{"total":1,"successful":1,"failed":0}}`, w.Do("POST", "/logs/_refresh", "").Body.String())
	require.Equal(t, http.StatusOK, w.Do("HEAD", "/logs/_refresh", "").Code)
	require.Contains(t, w.Do("GET", "/", "").Body.String(), `"number":"8.`)
	apitest.Problem(t, w.Do("GET", "/", "", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8"), http.StatusNotFound, "no-such-path")
	res := w.Do("GET", "/_bulk", "")
	apitest.Problem(t, res, http.StatusMethodNotAllowed, "method-not-allowed")
	require.Equal(t, "POST, PUT", res.Header().Get("Allow"))
}
