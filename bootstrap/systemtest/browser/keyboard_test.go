//go:build browser

package browser_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// tabTo presses Tab until an element that the selector matches has the focus, and
// requires that the focus is seen at each step.
func (tb *tab) tabTo(selector string, opts ...chromedp.KeyOption) {
	tb.t.Helper()
	const most = 60
	var path []string
	for range most {
		tb.press(kb.Tab, opts...)
		if eval[bool](tb, "document.activeElement.matches("+js(selector)+")") {
			require.True(tb.t, eval[bool](tb, "document.activeElement.matches(':focus-visible') && getComputedStyle(document.activeElement).outlineStyle !== 'none'"), "the focus on %s should be seen", selector)
			return
		}
		path = append(path, eval[string](tb, "__t.focused()"))
	}
	require.Fail(tb.t, "Tab does not reach "+selector, "%q", path)
}

// Whoever has no mouse can do what others do.
func TestTasksCanBeWorkedByKeyboardAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withoutWorkers)
	s := w.seedTasks()
	tb := newTab(t, w.app.URL())
	tb.open("/")
	tb.shows("h1", "Overview")

	// The first stop leads past the navigation.
	tb.tabTo(".skip-link")
	tb.press(kb.Enter)
	tb.await("document.activeElement.id === 'main'", "the focus should skip to the content")

	// A shortcut goes to the tasks, and the heading has the focus.
	tb.press("gt")
	tb.await("location.pathname === '/ui/tasks' && document.activeElement.matches('h1')", "the focus should be on the heading of the tasks")
	tb.shows("tbody tr", "Failed")

	// The filter.
	tb.tabTo("select[name=status]")
	tb.press("F")
	tb.await("new URLSearchParams(location.search).get('status') === 'FAILED'", "the filter should be in the location")
	tb.await("__t.count('tbody tr') === 2", "the failed tasks should be listed")

	// Into the list, down a row, and into the task.
	tb.tabTo("a.row-link")
	tb.press(kb.ArrowDown)
	tb.await(fmt.Sprintf("document.activeElement.matches('a.row-link[href*=%q]')", s.failed.String()), "the arrow should go to the next task")
	tb.press(kb.Enter)
	tb.await(fmt.Sprintf("location.pathname === '/ui/tasks/%s' && document.activeElement.matches('h1')", s.failed), "Enter should open the task")
	tb.shows(".page-head .badge", "Failed")

	// A dialog is left by Escape, and nothing happened.
	tb.tabTo(".page-actions button.danger-quiet, .page-actions button.danger, .page-actions button:last-child")
	button := eval[string](tb, "__t.focused()")
	tb.press(kb.Enter)
	tb.await("document.querySelector('dialog[open]')?.contains(document.activeElement)", "the dialog should have the focus")
	tb.press(kb.Escape)
	tb.await("!document.querySelector('dialog[open]')", "Escape should close the dialog")
	require.Equal(t, button, eval[string](tb, "__t.focused()"), "the focus returns to where it was")
	w.awaitStatus(s.failed, "FAILED")

	// And confirmed by Enter.
	tb.press(kb.Enter)
	tb.await("document.querySelector('dialog[open]')?.contains(document.activeElement)", "the dialog should have the focus again")
	tb.tabTo("dialog[open] .dialog-actions button:last-child")
	tb.press(kb.Enter)
	tb.allow("404") // what the page asks about a task that it has deleted
	w.awaitStatus(s.failed, "")
}

func TestLogsCanBeReadByKeyboardAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withoutWorkers)
	_, entries := explained(time.Now().Add(-time.Hour))
	w.seedLogs(entries...)
	tb := newTab(t, w.app.URL())
	tb.open("/ui/logs")
	tb.shows(".log-line", "pool exhausted")
	tb.tabTo(".log-line")
	first := eval[string](tb, "document.activeElement.textContent")
	tb.press(kb.ArrowDown)
	require.NotEqual(t, first, eval[string](tb, "document.activeElement.textContent"))
	tb.press(kb.Enter)
	tb.await("document.activeElement.getAttribute('aria-expanded') === 'true'", "Enter should open the line")
	tb.shows(".log-detail", "4bf92f3577b34da6")
	tb.tabTo(".log-links a")
	tb.press(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift))
	tb.tabTo(".log-links a")
	tb.press(kb.Enter)
	tb.await("new URLSearchParams(location.search).get('since') === 'custom' && document.activeElement.matches('h1')", "the lines around it should be shown")
	tb.shows(".log-line", "pool exhausted")
}
