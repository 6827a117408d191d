package ingest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

func TestAStoreThatTakesAPartIsToldTruly(t *testing.T) {
	t.Parallel()
	otlp := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a"}},{"body":{"stringValue":"b"}},{"body":{"stringValue":"c"}}]}]}]}`
	loki := `{"streams":[{"stream":{"app":"x"},"values":[["1","a"],["2","b"],["3","c"]]}]}`
	for name, c := range map[string]struct {
		err    error
		status int // of the protocols that shippers speak
		detail string
	}{
		"full":      {domain.ErrStoreFull, http.StatusInsufficientStorage, "the first 2 of 3 log entries were stored, the others were not"},
		"read-only": {domain.ErrStoreReadOnly, http.StatusServiceUnavailable, "the first 2 of 3 log entries were stored, the others were not"},
		"away":      {domain.ErrStoreUnavailable, http.StatusServiceUnavailable, "the first 2 of 3 log entries were stored, the others may or may not have been"},
	} {
		apitest.Run(t, name, httpapi.Config{}, func(t *testing.T, w *apitest.World) {
			w.Logs.Err, w.Logs.Partly = c.err, 2
			res := w.Do("POST", logsPath, "a\nb\nc\n", "Content-Type", "text/plain")
			require.Equal(t, c.status, res.Code)
			var p wire.Problem
			require.NoError(t, json.Unmarshal(res.Body.Bytes(), &p))
			require.Equal(t, c.detail, p.Detail)
			require.Equal(t, 2, p.Accepted)
			for path, body := range map[string]string{"/v1/logs": otlp, "/loki/api/v1/push": loki} {
				res := w.Do("POST", path, body, "Content-Type", "application/json")
				require.Equal(t, http.StatusServiceUnavailable, res.Code, path)
				require.Contains(t, res.Body.String(), c.detail)
			}
		})
	}
	apitest.Run(t, "an item of a bulk request for each document", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Logs.Err, w.Logs.Partly = domain.ErrStoreFull, 2
		body := strings.Join([]string{`{"index":{}}`, `{"message":"a"}`, `{"delete":{"_id":"1"}}`, `{"create":{}}`, `{"message":"b"}`, `{"index":{"_id":"7"}}`, `{"message":"c"}`, ""}, "\n")
		res := w.Do("POST", "/logs/_bulk", body, "Content-Type", "application/x-ndjson")
		require.Equal(t, http.StatusOK, res.Code)
		var got struct {
			Errors bool
			Items  []map[string]struct {
				Status int
				ID     string `json:"_id"`
				Error  *struct{ Type, Reason string }
			}
		}
		require.NoError(t, json.Unmarshal(res.Body.Bytes(), &got))
		require.True(t, got.Errors)
		require.Len(t, got.Items, 4)
		require.Equal(t, 201, got.Items[0]["index"].Status)
		require.Equal(t, 400, got.Items[1]["delete"].Status)
		require.Equal(t, 201, got.Items[2]["create"].Status)
		require.Equal(t, 503, got.Items[3]["index"].Status)
		require.Equal(t, "7", got.Items[3]["index"].ID)
		require.Equal(t, "cluster_block_exception", got.Items[3]["index"].Error.Type)
	})
	apitest.Run(t, "a bulk request of which nothing was stored", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Logs.Err = domain.ErrStoreFull
		require.Equal(t, http.StatusServiceUnavailable, w.Do("POST", "/_bulk", "{\"index\":{}}\n{\"message\":\"a\"}\n", "Content-Type", "application/x-ndjson").Code)
	})
}
