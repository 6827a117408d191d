//go:build browser

package browser_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestLogsAreFilteredOpenedAndPaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withoutWorkers)
	now := time.Now().UTC().Truncate(time.Second)
	var entries []domain.LogEntry
	for i := range 150 {
		e := domain.LogEntry{Timestamp: now.Add(-time.Duration(i) * time.Minute), Level: domain.LogLevelInfo, Source: "web", Message: "request served"}
		if i%50 == 7 {
			e.Level, e.Source, e.Message, e.Attributes = domain.LogLevelError, "db", "deadlock detected", map[string]string{"table": "orders"}
		}
		entries = append(entries, e)
	}
	w.seedLogs(entries...)
	tb := newTab(t, w.app.URL())
	tb.open("/ui/logs")
	tb.shows(".pager", "100 lines")
	tb.click(".pager button", "Older")
	tb.shows(".pager", "50 lines")
	tb.click(".pager button", "Newer")
	tb.shows(".pager", "100 lines")

	tb.choose("select[name=level]", "error")
	tb.shows(".pager", "3 lines")
	tb.hides(".log-line", "request served")
	tb.choose("select[name=since]", "1h")
	tb.shows(".pager", "2 lines")
	tb.fill("input[name=source]", "web")
	tb.shows(".empty", "No line matches the filters")
	tb.click(".empty button", "Clear filters")
	tb.shows(".pager", "100 lines")
	tb.fill("input[name=text]", "DEADLOCK")
	tb.shows(".pager", "3 lines")

	// The location says it all: whoever follows a link sees the same.
	tb.open(eval[string](tb, "location.pathname + location.search"))
	tb.shows(".pager", "3 lines")
	tb.click(".log-line", "deadlock")
	tb.shows(".log-detail .attribute", "table")
	tb.shows(".log-detail", entries[7].ID.String())
	tb.click(".log-detail a", "All of this source")
	tb.await("location.search === '?source=db'", "the link should filter by the source")
	tb.shows(".pager", "3 lines")
}

func TestAnomaliesAreFilteredAndFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withoutWorkers)
	anomaly, entries := explained(time.Now().Add(-time.Hour))
	w.anomalyOf(anomaly, entries...)
	other, entries := explained(time.Now().Add(-30 * time.Minute))
	other.ID, other.Severity, other.Kind, other.Template, other.SampleLines = "another", domain.SeverityLow, domain.AnomalyRareTemplate, "cache rebuilt in <*> ms", []string{"cache rebuilt in 12 ms"}
	other.Services, other.Source, other.Explanation = []string{"cache"}, "local", ""
	w.anomalyOf(other, entries...)
	tb := newTab(t, w.app.URL())
	tb.open("/ui/anomalies")
	tb.shows("tbody tr", "cache rebuilt")
	tb.choose("select[name=severity]", "high")
	tb.hides("tbody tr", "cache rebuilt")
	tb.shows("tbody tr", "pool exhausted")
	tb.choose("select[name=severity]", "")
	tb.choose("select[name=kind]", "rare_template")
	tb.hides("tbody tr", "pool exhausted")
	tb.shows("tbody tr", "cache rebuilt")
	tb.click("button", "Clear filters")
	tb.fill("input[name=text]", "shard a")
	tb.hides("tbody tr", "cache rebuilt")

	tb.click("tbody a", "pool exhausted")
	tb.shows("h1", "pool exhausted")
	require.Equal(t, 4, eval[int](tb, "__t.count('.pattern mark.wildcard')"), "the parts that vary are marked")
	tb.click("button[aria-label^='Show as a table']", "")
	tb.shows(".chart-table td", "6")

	// The same one is found again: it is one row, with the lines of both.
	again, entries := explained(time.Now().Add(-10 * time.Minute))
	w.anomalyOf(again, entries...)
	tb.open("/ui/anomalies")
	tb.shows("tbody tr", "80")
	require.Equal(t, 2, eval[int](tb, "__t.count('tbody tr')"))
	tb.click("tbody a", "pool exhausted")
	tb.shows("main", "found by 2 analyses")
	tb.shows(".log-message", "pool exhausted") // What comes later would move what is clicked.
	tb.click(".panel a", "Task")
	tb.await("location.pathname.startsWith('/ui/tasks/')", "an analysis links to its task")
	tb.allow("404") // the analyses of this test are of no task
}

func TestSettingsAreFilteredAndTheThemeStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withoutWorkers)
	tb := newTab(t, w.app.URL())
	tb.open("/ui/settings")
	tb.shows(".setting", "--lease")
	tb.fill("#settings-search", "retry")
	tb.hides(".setting", "--lease")
	tb.shows(".setting", "--retry-base")
	tb.fill("#settings-search", "LOGSIFT_WORKERS")
	tb.shows(".setting.changed", "default 10")
	tb.click("button", "Dark")
	tb.await("document.documentElement.dataset.theme === 'dark'", "the theme should be dark")
	tb.open("/ui/logs")
	tb.await("document.documentElement.dataset.theme === 'dark'", "the theme should stay")
	tb.await("getComputedStyle(document.body).colorScheme === 'dark'", "the theme should be seen")
}
