//go:build browser

package browser_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
)

// The page of tasks costs what it shows, not what there is.
func TestManyTasksCostNoMoreThanAPage(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	const calls, batch = 2, 10_000
	for call := range calls {
		var body bytes.Buffer
		for i := range batch {
			fmt.Fprintf(&body, `{"type":"log_analysis","payload":{"batch_id":"018f3c2e-0000-7000-8000-%012d"}}`+"\n", call*batch+i)
		}
		var answer wire.BatchResults
		require.Equal(t, http.StatusOK, w.call(http.MethodPost, "/api/v1/queue/tasks:batch", "application/x-ndjson", &body, &answer))
		require.Len(t, answer.Results, batch)
	}
	tb := newTab(t, w.app.URL())
	begun := time.Now()
	tb.open("/ui/tasks")
	tb.shows("tbody tr", "Pending")
	t.Logf("20,000 tasks are shown after %v", time.Since(begun))
	require.LessOrEqual(t, eval[int](tb, "document.querySelectorAll('tbody tr').length"), 50, "rows")
	require.LessOrEqual(t, eval[int](tb, "document.querySelectorAll('*').length"), 2000, "elements")
	tb.click(".pager button", "Older")
	tb.await("new URLSearchParams(location.search).has('cursor')", "the next page should be in the location")
	tb.await("!document.querySelector('.stale')", "the next page should be there")
	require.LessOrEqual(t, eval[int](tb, "document.querySelectorAll('tbody tr').length"), 50, "rows of the second page")
	tb.open("/")
	tb.shows("a.tile[href*=PENDING]", "20K")
	require.LessOrEqual(t, len(tb.sent("GET /api/v1/queue/tasks")), 8, "%q", tb.sent("GET /api/v1/queue/tasks"))
}
