package bootstrap_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
)

func TestAFullQueueIsToldToEveryClient(t *testing.T) {
	t.Parallel()
	c := config("memory:")
	c.Workers, c.BatchSize, c.MaxPending = 0, 1, 2
	a := start(t, c)
	require.Equal(t, http.StatusAccepted, call(t, a, http.MethodPost, "/api/v1/logs", "text/plain", "one\ntwo\n", nil))
	for path, body := range map[string]string{
		"/api/v1/logs":      `{"message":"three"}`,
		"/v1/logs":          `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"three"}}]}]}]}`,
		"/_bulk":            "{\"index\":{}}\n{\"message\":\"three\"}\n",
		"/loki/api/v1/push": `{"streams":[{"stream":{},"values":[["1","three"]]}]}`,
	} {
		require.Equal(t, http.StatusTooManyRequests, call(t, a, http.MethodPost, path, "application/json", body, nil), path)
	}
	var list wire.LogList
	require.Equal(t, http.StatusOK, call(t, a, http.MethodGet, "/api/v1/logs", "", "", &list))
	require.Len(t, list.Logs, 2, "nothing that was refused is stored")
}
