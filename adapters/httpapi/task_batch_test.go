package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

func TestCreateTasks(t *testing.T) {
	t.Parallel()
	items := []string{
		`{"type":"echo","unique_key":"k"}`, `{"type":"nope"}`, `{"type":"echo","priority":99}`,
		`{"type":"echo","unique_key":"k"}`, `{"type":"echo","type":"echo"}`, `{"type":"echo","payload":"last"}`, `7`,
	}
	want := []int{201, 400, 400, 409, 400, 201, 400}
	for name, c := range map[string]struct{ body, media string }{
		"an array gives one answer for each":             {"[" + strings.Join(items, " ,\n") + "]\n", "application/json"},
		"lines give one answer for each":                 {strings.Join(items, "\n"), "application/x-ndjson"},
		"blank lines and carriage returns do not count":  {"\r\n" + strings.Join(items, "\r\n\r\n \n") + "\n\n", "application/x-ndjson"},
		"lines are known without their own content type": {strings.Join(items, "\n"), "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(httpapi.Config{})
			got := answer[wire.BatchResults](t, w.do("POST", batchPath, c.body, "Content-Type", c.media), http.StatusOK)
			require.Len(t, got.Results, len(want))
			for i, r := range got.Results {
				require.Equal(t, i, r.Index)
				require.Equal(t, want[i], r.Status, "item %d", i)
				require.Equal(t, r.Status == 201, r.Task != nil)
				require.Equal(t, r.Status != 201, r.Problem != nil)
			}
			require.Equal(t, "priority", got.Results[2].Problem.Errors[0].Field)
			require.Equal(t, got.Results[0].Task.ID.String(), got.Results[3].Problem.Holder)
			require.JSONEq(t, `"last"`, string(got.Results[5].Task.Payload))
			require.Len(t, w.queue.tasks, 2)
			require.Equal(t, 1, w.queue.writes, "the service is called once")
		})
	}
	t.Run("a broken line concerns only its own task", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		got := answer[wire.BatchResults](t, w.do("POST", batchPath, "{\"type\":\n{\"type\":\"echo\"}"), http.StatusOK)
		require.Equal(t, 400, got.Results[0].Status)
		require.Equal(t, 201, got.Results[1].Status)
	})
	t.Run("a batch of bad tasks does not reach the service", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		answer[wire.BatchResults](t, w.do("POST", batchPath, `[{},{}]`), http.StatusOK)
		require.Zero(t, w.queue.writes)
	})
	t.Run("a broken array is refused as a whole", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		for _, body := range []string{``, ` `, `[]`, `[{"type":"echo"}`, `[{"type":"echo"},]`, `[{"type":"echo"} {"type":"echo"}]`, `[{"type":"echo"}][]`, `[{"type":"echo"}] x`} {
			fieldProblem(t, w.do("POST", batchPath, body), "body")
		}
		require.Zero(t, w.queue.writes)
	})
	t.Run("a batch may have as many tasks as the limit", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		line := "{}\n"
		got := answer[wire.BatchResults](t, w.do("POST", batchPath, strings.Repeat(line, httpapi.MaxBatch)), http.StatusOK)
		require.Len(t, got.Results, httpapi.MaxBatch)
		problem(t, w.do("POST", batchPath, strings.Repeat(line, httpapi.MaxBatch+1)), http.StatusRequestEntityTooLarge, "too-large")
		problem(t, w.do("POST", batchPath, "["+strings.Repeat("{},", httpapi.MaxBatch)+"{}]"), http.StatusRequestEntityTooLarge, "too-large")
	})
	t.Run("one task of a batch has the limit of a task", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{MaxTaskBytes: 64})
		got := answer[wire.BatchResults](t, w.do("POST", batchPath, `[{"type":"echo","payload":"`+strings.Repeat("x", 64)+`"},{"type":"echo"}]`), http.StatusOK)
		require.Equal(t, 413, got.Results[0].Status)
		require.Equal(t, 201, got.Results[1].Status)
	})
	t.Run("a store that is away fails the whole call", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		w.queue.err = fmt.Errorf("dial 10.1.2.3: %w", domain.ErrStoreUnavailable)
		res := w.do("POST", batchPath, `[{"type":"echo"},{}]`)
		problem(t, res, http.StatusServiceUnavailable, "store-unavailable")
		require.Equal(t, "1", res.Header().Get("Retry-After"))
	})
	t.Run("another content type is refused", func(t *testing.T) {
		t.Parallel()
		problem(t, newWorld(httpapi.Config{}).do("POST", batchPath, `[]`, "Content-Type", "text/csv"), http.StatusUnsupportedMediaType, "unsupported-media-type")
	})
}
