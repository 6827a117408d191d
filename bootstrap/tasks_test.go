package bootstrap_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/openapitest"
	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
)

// keyed sends a request with an Idempotency-Key.
func keyed(t *testing.T, a *bootstrap.App, path, body, key string) (status int, answer string, replayed bool) {
	t.Helper()
	status, header, answer := roundTrip(t, openapitest.API().Transport, http.MethodPost, a.URL()+path, body, "Content-Type", "application/json", "Idempotency-Key", key)
	return status, answer, header.Get("Idempotency-Replayed") == "true"
}

func TestAnIdempotencyKeyCountsInEveryProcess(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		c := config(store)
		c.Workers = 0
		one, two := start(t, c), start(t, c)
		const path = "/api/v1/queue/tasks"
		body := fmt.Sprintf(`{"type":"log_analysis","payload":{"log_ids":[%q]}}`, uuid.New())

		var wg sync.WaitGroup
		var mu sync.Mutex
		answers := map[string]int{}
		for i := range 50 {
			wg.Go(func() {
				status, answer, _ := keyed(t, []*bootstrap.App{one, two}[i%2], path, body, "k")
				if status == http.StatusConflict {
					require.Contains(t, answer, "idempotency-key-in-use")
					return
				}
				require.Equal(t, http.StatusCreated, status, answer)
				mu.Lock()
				defer mu.Unlock()
				answers[answer]++
			})
		}
		wg.Wait()
		require.Len(t, answers, 1, "all that were answered got the same answer")
		var stats wire.Stats
		require.Equal(t, http.StatusOK, call(t, one, http.MethodGet, "/api/v1/queue/stats", "", "", &stats))
		require.Equal(t, int64(1), stats.TotalTasks)

		require.NoError(t, one.Stop(t.Context()))
		require.NoError(t, two.Stop(t.Context()))
		again := start(t, c)
		status, answer, replayed := keyed(t, again, path, body, "k")
		require.Equal(t, http.StatusCreated, status)
		require.True(t, replayed)
		require.Contains(t, answers, answer, "a restart forgets nothing")
		status, _, _ = keyed(t, again, path, strings.Replace(body, "{", `{"priority":1,`, 1), "k")
		require.Equal(t, http.StatusUnprocessableEntity, status)
	})
}

func TestBulkActionsReachTheStore(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		c := config(store)
		c.Workers = 0
		a := start(t, c)
		const path = "/api/v1/queue/tasks"
		var batch strings.Builder
		for i := range 450 {
			fmt.Fprintf(&batch, `{"type":"log_analysis","queue":"q%d","payload":{"log_ids":[%q]}}`+"\n", i%2, uuid.New())
		}
		var created wire.BatchResults
		require.Equal(t, http.StatusOK, call(t, a, http.MethodPost, path+":batch", "application/x-ndjson", batch.String(), &created))
		require.Len(t, created.Results, 450)

		bulk := func(action, body string) (got wire.BulkResult) {
			require.Equal(t, http.StatusOK, call(t, a, http.MethodPost, path+":"+action, "application/json", body, &got))
			require.False(t, got.More)
			return got
		}
		one := created.Results[0].Task.ID
		require.Equal(t, 225, bulk("cancel", `{"filter":{"queue":"q1"},"dry_run":true}`).Changed)
		require.Equal(t, 225, bulk("cancel", `{"filter":{"queue":"q1"}}`).Changed)
		got := bulk("retry", fmt.Sprintf(`{"ids":[%q,%q]}`, one, created.Results[1].Task.ID))
		require.Equal(t, []int{2, 1, 1}, []int{got.Matched, got.Changed, got.Refused})
		require.Equal(t, one, got.Refusals[0].ID)
		require.Equal(t, "PENDING", got.Refusals[0].Problem.TaskStatus)
		require.Equal(t, 224, bulk("delete", `{"filter":{"status":"CANCELLED"}}`).Changed)
		require.Equal(t, 226, bulk("delete", `{"filter":{},"all":true}`).Changed)
		var stats wire.Stats
		require.Equal(t, http.StatusOK, call(t, a, http.MethodGet, "/api/v1/queue/stats", "", "", &stats))
		require.Zero(t, stats.TotalTasks)
	})
}
