//go:build browser

package browser_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

func TestATaskThatComesInAppearsInTheOpenList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withoutWorkers)
	tb := newTab(t, w.app.URL())
	tb.open("/ui/tasks")
	tb.shows(".empty", "There are no tasks")
	loads := len(tb.sent("GET /ui/tasks"))

	task := w.create(`{"type":"log_analysis","payload":{"batch_id":"018f3c2e-0000-7000-8000-000000000001"}}`)
	tb.shows("tbody tr", task.ID.String()[24:])
	tb.shows("tbody tr", "Pending")

	require.NoError(t, w.queue.CancelTask(t.Context(), task.ID))
	tb.shows("tbody tr", "Cancelled")
	require.Len(t, tb.sent("GET /ui/tasks"), loads, "the document is not loaded again")
}

func TestATaskPageFollowsItsTask(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.add("invoice.pdf", `{"invoice":1}`)
	tb := newTab(t, w.app.URL())
	tb.open("/ui/tasks/" + id.String())
	tb.shows(".page-head .badge", "Pending")

	lease := w.claim("invoice.pdf")
	tb.shows(".page-head .badge", "Processing")

	w.report(ports.TaskUpdate{Lease: lease, Outcome: ports.OutcomeRetry, RetryIn: time.Hour, Failure: domain.TaskError{Reason: domain.ReasonError, Message: "the printer is out of paper"}})
	tb.shows(".page-head .badge", "Retrying")
	tb.shows("main", "the printer is out of paper")

	require.NoError(t, w.queue.RunTaskNow(t.Context(), id))
	w.report(ports.TaskUpdate{Lease: w.claim("invoice.pdf"), Outcome: ports.OutcomeCompleted, Result: []byte(`{"pages":7}`)})
	tb.shows(".page-head .badge", "Completed")
	tb.shows("main pre", `"pages": 7`)
	require.Len(t, tb.sent("GET /ui/tasks/"), 1, "the document is not loaded again")
}

func TestTheCountsOfTheOverviewMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("email.send", `{}`)
	tb := newTab(t, w.app.URL())
	tb.open("/")
	pending, failed := "a.tile[href*=PENDING]", "a.tile[href*=FAILED]"
	tb.shows(pending, "Pending1")
	tb.shows(failed, "Failed0")

	w.add("email.send", `{}`)
	tb.shows(pending, "Pending2")
	w.fail("email.send", domain.TaskError{Reason: domain.ReasonPermanent, Message: "mailbox is full"})
	tb.shows(pending, "Pending1")
	tb.shows(failed, "Failed1")
	tb.shows("main tbody tr", "mailbox is full")
}

func TestTheTailShowsLinesAsTheyCome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now().UTC()
	w.seedLogs(domain.LogEntry{Timestamp: now.Add(-time.Minute), Level: domain.LogLevelInfo, Source: "app", Message: "before the tail"})
	tb := newTab(t, w.app.URL())
	tb.open("/ui/logs?source=app")
	tb.shows(".log-line", "before the tail")
	tb.click("button.tail", "Live tail")
	tb.await(`document.querySelector('button.tail').getAttribute('aria-pressed') === 'true'`, "the tail should run")

	w.seedLogs(
		domain.LogEntry{Timestamp: now, Level: domain.LogLevelError, Source: "app", Message: "the first new line"},
		domain.LogEntry{Timestamp: now, Level: domain.LogLevelError, Source: "other", Message: "a line of another source"})
	tb.shows(".log-line", "the first new line")
	// A line of the same moment is not lost, and none is shown twice.
	w.seedLogs(domain.LogEntry{Timestamp: now, Level: domain.LogLevelWarn, Source: "app", Message: "the second new line"})
	tb.shows(".log-line", "the second new line")
	require.Equal(t, 3, eval[int](tb, "__t.count('.log-line')"))

	tb.click("button.tail", "Live tail")
	tb.await(`document.querySelector('button.tail').getAttribute('aria-pressed') === 'false'`, "the tail should stand still")
	require.Len(t, tb.sent("GET /ui/logs"), 1, "the document is not loaded again")
}
