package fault_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

func TestCorruptRecords(t *testing.T) {
	t.Parallel()
	t.Run("records that cannot be read stop neither the workers nor the API", corruptRecords)
	t.Run("payloads that are no task's fail for good and can be shown", garbagePayloads)
}

// shows requires that the API tells about all tasks, whatever is wrong with them.
func shows(t *testing.T, a api, ids ...domain.TaskID) {
	t.Helper()
	require.Equal(t, http.StatusOK, a.get(t, statsPath).status)
	for _, query := range []string{"", "?status=PENDING", "?status=PROCESSING", "?status=FAILED", "?status=COMPLETED", "?type=log_analysis"} {
		got := a.get(t, tasksPath+query)
		require.Equal(t, http.StatusOK, got.status, "%s %s", query, got.body)
		decode[wire.TaskList](t, got)
	}
	for _, id := range ids {
		got := a.get(t, tasksPath+"/"+id.String())
		require.NotContains(t, string(got.body), "panic")
		require.NotContains(t, string(got.body), "goroutine")
	}
}

func corruptRecords(t *testing.T) {
	t.Parallel()
	w := sharedWorld(t)
	_, a := app(t, w.apiOnly())
	garbage := []string{
		"", "x", strings.Repeat("\x00", 60), strings.Repeat("\xff", 60), "\x7f\x00\x00\x05" + strings.Repeat("\x00", 60),
		`{"id":"foreign","payload":{}}`, strings.Repeat("[", 100), "\xc3\x28\x00NUL",
	}
	var bad, good []domain.TaskID
	for _, g := range garbage {
		id := a.posted(t)
		require.NoError(t, w.raw.HSet(t.Context(), w.key("tasks"), string(id[:]), g).Err())
		bad = append(bad, id)
		good = append(good, a.posted(t))
	}
	shows(t, a, bad...)
	// The workers come only now.
	_, a = app(t, w.config())
	for _, id := range good {
		a.awaitTask(t, id, domain.TaskStatusCompleted)
	}
	w.awaitStats(t, "those that cannot be read are set aside", func(s domain.QueueStats) bool {
		return s.Failed == int64(len(bad)) && s.Completed == int64(len(good))
	})
	shows(t, a, append(bad, good...)...)
	failed := decode[wire.TaskList](t, a.get(t, tasksPath+"?status=FAILED")).Tasks
	require.Len(t, failed, len(bad))
	for _, task := range failed {
		require.Contains(t, bad, task.ID)
		require.Equal(t, string(domain.ReasonCorruptRecord), task.Errors[0].Reason)
	}
	for i, id := range bad {
		got := a.get(t, tasksPath+"/"+id.String())
		require.Equal(t, http.StatusInternalServerError, got.status, "%s", got.body)
		require.Equal(t, "urn:logsift:problem:internal", decode[wire.Problem](t, got).Type)
		raw, err := w.raw.HGet(t.Context(), w.key("tasks"), string(id[:])).Result()
		require.NoError(t, err)
		require.Equal(t, garbage[i], raw, "the bytes are kept")
	}
}

func garbagePayloads(t *testing.T) {
	t.Parallel()
	w := sharedWorld(t)
	_, a := app(t, w.config())
	var ids []domain.TaskID
	for _, payload := range []string{
		"", "\x00\xff", `{"log_ids":`, `{"log_ids":"all"}`, `null`, `{"foreign":true}`,
		strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), `{"log_ids":["` + "\xc3\x28" + `"]}`, strings.Repeat("[", 10_000),
	} {
		task := domain.NewTask(uuid.Must(uuid.NewV7()), domain.TaskTypeLogAnalysis, []byte(payload))
		w.add(t, task)
		ids = append(ids, task.ID)
	}
	good := a.posted(t)
	for _, id := range ids {
		task := a.awaitTask(t, id, domain.TaskStatusFailed)
		require.Equal(t, 1, task.Attempt, "what can never run is not retried")
		require.Equal(t, string(domain.ReasonPermanent), task.Errors[0].Reason)
	}
	a.awaitTask(t, good, domain.TaskStatusCompleted)
	shows(t, a, ids...)
	w.audit(t)
}
