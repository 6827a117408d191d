package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
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
		apitest.Run(t, name, httpapi.Config{}, func(t *testing.T, w *apitest.World) {
			got := apitest.Answer[wire.BatchResults](t, w.Do("POST", batchPath, c.body, "Content-Type", c.media), http.StatusOK)
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
			require.Len(t, w.Queue.Tasks, 2)
			require.Equal(t, 1, w.Queue.Writes, "the service is called once")
		})
	}
	apitest.Run(t, "a broken line concerns only its own task", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		got := apitest.Answer[wire.BatchResults](t, w.Do("POST", batchPath, "{\"type\":\n{\"type\":\"echo\"}"), http.StatusOK)
		require.Equal(t, 400, got.Results[0].Status)
		require.Equal(t, 201, got.Results[1].Status)
	})
	apitest.Run(t, "a batch of bad tasks does not reach the service", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		apitest.Answer[wire.BatchResults](t, w.Do("POST", batchPath, `[{},{}]`), http.StatusOK)
		require.Zero(t, w.Queue.Writes)
	})
	apitest.Run(t, "a broken array is refused as a whole", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		for _, body := range []string{``, ` `, `[]`, `[{"type":"echo"}`, `[{"type":"echo"},]`, `[{"type":"echo"} {"type":"echo"}]`, `[{"type":"echo"}][]`, `[{"type":"echo"}] x`} {
			apitest.FieldProblem(t, w.Do("POST", batchPath, body), "body")
		}
		require.Zero(t, w.Queue.Writes)
	})
	apitest.Run(t, "a batch may have as many tasks as the limit", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		line := "{}\n"
		got := apitest.Answer[wire.BatchResults](t, w.Do("POST", batchPath, strings.Repeat(line, httpapi.MaxBatch)), http.StatusOK)
		require.Len(t, got.Results, httpapi.MaxBatch)
		apitest.Problem(t, w.Do("POST", batchPath, strings.Repeat(line, httpapi.MaxBatch+1)), http.StatusRequestEntityTooLarge, "too-large")
		apitest.Problem(t, w.Do("POST", batchPath, "["+strings.Repeat("{},", httpapi.MaxBatch)+"{}]"), http.StatusRequestEntityTooLarge, "too-large")
	})
	t.Run("another content type is refused", func(t *testing.T) {
		t.Parallel()
		apitest.Problem(t, apitest.New(httpapi.Config{}).Do("POST", batchPath, `[]`, "Content-Type", "text/csv"), http.StatusUnsupportedMediaType, "unsupported-media-type")
	})
}
