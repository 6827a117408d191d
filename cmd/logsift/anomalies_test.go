package main

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
)

// ask reads an answer of the API, which must be of the status.
func ask[T any](t *testing.T, a api, path string, status int) T {
	t.Helper()
	got, raw := a.call(t, http.MethodGet, path, "", "")
	require.Equal(t, status, got, "%s: %s", path, raw)
	var out T
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

func TestAnAnomalyIsFoundWithItsLogEntriesOverHTTP(t *testing.T) {
	t.Parallel()
	_, a := serve(t, "--store", "sqlite:"+t.TempDir()+"/logsift.db", "--batch-age", "20ms")
	line := "2026-05-01 08:05:00 ERROR cannot open /etc/app.conf: permission denied\n"
	status, raw := a.call(t, http.MethodPost, "/api/v1/logs?source=app", "text/plain", usualLines(300)+line)
	require.Equal(t, http.StatusAccepted, status, string(raw))
	var list wire.AnomalyList
	require.Eventually(t, func() bool {
		list = ask[wire.AnomalyList](t, a, "/api/v1/anomalies?severity=medium&source=app&text=CANNOT%20OPEN", http.StatusOK)
		return len(list.Anomalies) > 0
	}, 30*time.Second, 50*time.Millisecond)
	found := list.Anomalies[0]

	history := ask[wire.AnomalyHistory](t, a, "/api/v1/anomalies/"+found.ID, http.StatusOK)
	require.Equal(t, found.ID, history.ID)
	require.Equal(t, 1, history.Analyses)
	require.Equal(t, found.TaskID, history.TaskIDs[0])
	require.Equal(t, found.Count, history.Count)
	logs := ask[wire.AnomalyLogs](t, a, "/api/v1/anomalies/"+found.ID+"/logs", http.StatusOK)
	require.Len(t, logs.Logs, 1)
	require.Equal(t, found.LogIDs[0], logs.Logs[0].ID)
	require.Contains(t, logs.Logs[0].Message, "permission denied")
	require.Zero(t, logs.Missing)
}
