//go:build browser

package browser_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestATaskCanBeChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withoutWorkers)
	s := w.seedTasks()
	tb := newTab(t, w.app.URL())
	tb.allow("404") // what the page asks about a task that it has deleted
	act := func(id domain.TaskID, action, confirm string) {
		tb.open("/ui/tasks/" + id.String())
		tb.click("main .page-actions button", action)
		if confirm != "" {
			tb.shows("dialog[open]", confirm)
			tb.click("dialog[open] .dialog-actions button:not(:first-child)", "")
			tb.hides("dialog[open]", "")
		}
	}
	act(s.failed, "Retry", "")
	w.awaitStatus(s.failed, "PENDING")
	tb.shows(".page-head .badge", "Pending")

	act(s.scheduled, "Run now", "")
	require.Eventually(t, func() bool { return w.task(s.scheduled).ScheduledAt == nil }, patience, patience/300)

	act(s.pending, "Cancel", "Cancel")
	w.awaitStatus(s.pending, "CANCELLED")
	tb.shows(".page-head .badge", "Cancelled")

	act(s.completed, "Delete", "Delete")
	w.awaitStatus(s.completed, "")
	tb.await("location.pathname === '/ui/tasks' || __t.find('main', 'no longer') || __t.find('main', 'removed') || __t.find('main', 'deleted')", "the page should say that its task is gone")
}

func TestSelectedTasksAreChangedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withoutWorkers)
	ids := []domain.TaskID{w.add("email.send", `{}`), w.add("email.send", `{}`), w.add("email.send", `{}`)}
	tb := newTab(t, w.app.URL())
	tb.open("/ui/tasks")
	for _, id := range ids[:2] {
		tb.click("input[aria-label*='"+id.String()+"']", "")
	}
	tb.shows(".bulk-bar", "2 selected")
	tb.click(".bulk-bar button", "Cancel")
	tb.shows("dialog[open]", "2 tasks of 2 would be changed")
	tb.click("dialog[open] button", "Cancel 2 tasks")
	tb.hides("dialog[open]", "")
	tb.shows(".toast", "2 tasks cancelled")
	w.awaitStatus(ids[0], "CANCELLED")
	w.awaitStatus(ids[1], "CANCELLED")
	w.awaitStatus(ids[2], "PENDING")
	require.Equal(t, 2, len(tb.sent("POST /api/v1/queue/tasks:cancel")), "a dry run and one call")
}

func TestAllTasksOfAFilterAreChangedAfterACount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withoutWorkers)
	for range 60 {
		w.add("email.send", `{}`)
	}
	other := w.add("report.render", `{}`)
	tb := newTab(t, w.app.URL())
	tb.open("/ui/tasks?type=email.send")
	tb.shows(".pager", "50 tasks on this page")
	tb.click("summary", "All that match")
	tb.click(".menu-item", "Delete")
	tb.shows("dialog[open]", "60 tasks of 60 would be changed")
	// Who changes their mind changes nothing.
	tb.click("dialog[open] button", "Cancel")
	tb.hides("dialog[open]", "")
	w.awaitStatus(other, "PENDING")
	tb.shows(".pager", "50 tasks on this page")

	tb.click("summary", "All that match")
	tb.click(".menu-item", "Delete")
	tb.click("dialog[open] button", "Delete 60 tasks")
	tb.shows(".toast", "60 tasks deleted")
	tb.shows(".empty", "No task matches")
	w.awaitStatus(other, "PENDING")
}

func TestAQueueIsPausedAndResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withoutWorkers)
	w.add("email.send", `{}`, func(task *domain.Task) { task.Queue = "mail" })
	tb := newTab(t, w.app.URL())
	tb.open("/ui/queues")
	tb.shows("tbody tr", "Active")
	tb.click("button[aria-label='Pause the queue mail']", "")
	tb.shows("dialog[open]", "No process takes a task of this queue until somebody resumes it")
	tb.click("dialog[open] button", "Cancel")
	tb.hides("dialog[open]", "")
	tb.shows("tbody tr", "Active")

	tb.click("button[aria-label='Pause the queue mail']", "")
	tb.click("dialog[open] button.primary", "Pause")
	tb.shows("tbody tr", "Paused")
	tb.shows(".toast", "The queue mail is paused")
	tb.await("document.activeElement.getAttribute('aria-label') === 'Resume the queue mail'", "the focus should be on the button that takes it back")
	require.Empty(t, w.claimNow("email.send"), "a paused queue gives out no tasks")

	tb.click("button[aria-label='Resume the queue mail']", "")
	tb.click("dialog[open] button.primary", "Resume")
	tb.shows("tbody tr", "Active")
	w.claim("email.send")
}

func TestSchedulesAndWorkflowsAreChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withoutWorkers)
	w.seedPlans()
	tb := newTab(t, w.app.URL())
	for _, c := range []struct{ page, button, label, told, shown string }{
		{"schedules", "Pause the schedule nightly", "Pause", "The schedule nightly is paused", "Paused"},
		{"schedules", "Run now the schedule nightly", "Run now", "The task of nightly is enqueued", "fired"},
		{"schedules", "Resume the schedule nightly", "Resume", "The schedule nightly goes on", "in 5"},
		{"workflows", "Cancel the workflow daily", "Cancel", "The workflow is cancelled", "3 of 3"},
		{"workflows", "Retry the workflow daily", "Retry", "The tasks run again", "0 of 3"},
	} {
		tb.open("/ui/" + c.page)
		tb.click("button[aria-label='"+c.button+"']", "")
		tb.click("dialog[open] button.primary", c.label)
		tb.shows(".toast", c.told)
		tb.shows("tbody tr", c.shown)
	}
}
