//go:build browser

package browsertest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Every page, in every view: it shows its data, fits the window, and has no barrier
// that axe-core knows.
func TestPagesShowTheirData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.seedTasks()
	w.seedSample()
	anomaly, entries := explained(time.Now().Add(-25 * time.Minute))
	w.anomalyOf(anomaly, entries...)
	pages := []struct {
		name, path string
		shows      [][2]string // selector and text
	}{
		{"anomalies", "/ui/anomalies", [][2]string{{"tbody tr", "pool exhausted"}, {"tbody tr svg.sparkline", ""}}},
		{"anomaly", "/ui/anomalies/an-explained-one", [][2]string{{"h1", "Error burst"}, {"section", "Explained by an AI service"}, {".log-line", "pool exhausted"}, {"svg.chart path", ""}}},
		{"logs", "/ui/logs", [][2]string{{".log-line", "pool exhausted"}}},
		{"workers", "/ui/workers", nil},
		{"queues", "/ui/queues", nil},
		{"settings", "/ui/settings", nil},
	}
	_ = s
	for _, p := range pages {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			tb := newTab(t, w.app.URL())
			tb.allow("404")
			for _, v := range views {
				tb.look(v)
				tb.open(p.path)
				for _, want := range p.shows {
					tb.shows(want[0], want[1])
				}
				tb.picture(v.name)
				tb.fits()
				tb.accessible()
			}
		})
	}
	require.NotEmpty(t, pages)
}
