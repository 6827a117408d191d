package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
)

func TestBodiesThatArriveShareTheMemoryAmongTheirCallers(t *testing.T) {
	t.Parallel()
	// A quarter of it holds what arrives of one caller's large bodies.
	w := apitest.New(httpapi.Config{MaxBodyBytes: 1 << 20, MaxBufferedBytes: 4 << 20})
	post := func(caller string, body io.Reader) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, logsPath, body)
		r.RemoteAddr = caller + ":1"
		r.Header.Set("Content-Type", plain)
		res := httptest.NewRecorder()
		w.API.Handler().ServeHTTP(res, r)
		return res
	}
	pr, pw := io.Pipe()
	stalled := make(chan *httptest.ResponseRecorder)
	go func() { stalled <- post("192.0.2.7", pr) }()
	// The pipe hands over each write before it returns.
	_, err := io.WriteString(pw, strings.Repeat(strings.Repeat("x", 999)+"\n", 880))
	require.NoError(t, err)

	large := strings.Repeat(strings.Repeat("x", 999)+"\n", 480)
	refused := strings.NewReader(large)
	res := post("192.0.2.7", refused)
	require.Zero(t, refused.Len(), "a client that still sends would not see the answer")
	apitest.Problem(t, res, http.StatusTooManyRequests, "rate-limited")
	require.Equal(t, "1", res.Header().Get("Retry-After"))
	require.Zero(t, w.Logs.Writes)
	apitest.Answer[wire.LogReceipt](t, post("192.0.2.7", strings.NewReader("a small one")), http.StatusAccepted)
	apitest.Answer[wire.LogReceipt](t, post("192.0.2.8", strings.NewReader(large)), http.StatusAccepted)

	require.NoError(t, pw.Close())
	apitest.Answer[wire.LogReceipt](t, <-stalled, http.StatusAccepted)
	apitest.Answer[wire.LogReceipt](t, post("192.0.2.7", strings.NewReader(large)), http.StatusAccepted)
}

func TestWhatBecomesOfABodyIsBoundedByWhatWasSent(t *testing.T) {
	t.Parallel()
	// Records that say nothing, in one message of a scope and a resource.
	otlp := func(records int) string {
		return `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}` + strings.Repeat(",{}", records-1) + `]}]}]}`
	}
	loki := func(lines int) string {
		return `{"streams":[{"stream":{},"values":[["1","x"]` + strings.Repeat(`,["1",""]`, lines-1) + `]}]}`
	}
	for name, c := range map[string]struct {
		path, media string
		body        func(records int) string
		status      int
	}{
		"lines":     {logsPath, plain, func(n int) string { return strings.Repeat("x\n", n) }, 202},
		"NDJSON":    {logsPath, ndjson, func(n int) string { return strings.Repeat("{}\n", n) }, 400},
		"JSON":      {logsPath, "application/json", func(n int) string { return "[0" + strings.Repeat(",0", n-1) + "]" }, 400},
		"bulk":      {"/_bulk", ndjson, func(n int) string { return strings.Repeat("{\"delete\":{}}\n", n) }, 200},
		"documents": {"/_bulk", ndjson, func(n int) string { return strings.Repeat("{\"create\":{}}\n{\"m\":1}\n", n) }, 200},
		"OTLP":      {otlpPath, "application/json", otlp, 200},
		"Loki":      {"/loki/api/v1/push", "application/json", loki, 204},
	} {
		apitest.Run(t, name, httpapi.Config{}, func(t *testing.T, w *apitest.World) {
			require.Equal(t, c.status, w.Do("POST", c.path, c.body(10_000), "Content-Type", c.media).Code)
			w.Logs.Writes = 0
			res := w.Do("POST", c.path, apitest.Gzipped(t, []byte(c.body(60_000))), "Content-Type", c.media, "Content-Encoding", "gzip")
			require.Equal(t, http.StatusRequestEntityTooLarge, res.Code, "refused ones count")
			require.Zero(t, w.Logs.Writes)
		})
	}
	apitest.Run(t, "text", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		line := strings.Repeat("x", 1000) + "\n"
		send := func(lines int) int {
			return w.Do("POST", logsPath, apitest.Gzipped(t, []byte(strings.Repeat(line, lines))), "Content-Type", plain, "Content-Encoding", "gzip").Code
		}
		require.Equal(t, http.StatusAccepted, send(4000))
		require.Equal(t, http.StatusRequestEntityTooLarge, send(9000))
	})
}

func TestAClientThatLeavesEndsTheWorkOnItsBody(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, logsPath, strings.NewReader("x\n"))
	r.Header.Set("Content-Type", plain)
	res := httptest.NewRecorder()
	w.API.Handler().ServeHTTP(res, r)
	require.Equal(t, 499, res.Code)
	require.Zero(t, w.Logs.Writes)
}
