package prommetrics_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"logsift/adapters/prommetrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a set of metrics in a registry of its own, which checks that what is
// collected is what was described.
type world struct {
	*prommetrics.Metrics

	registry *prometheus.Registry
}

func newWorld(tb testing.TB, cfg prommetrics.Config) world {
	tb.Helper()
	registry := prometheus.NewPedanticRegistry()
	m, err := prommetrics.New(registry, cfg)
	require.NoError(tb, err)
	return world{m, registry}
}

// require requires that the metric has exactly these series, one on each line as
// Prometheus writes them, without its help and type.
func (w world) require(t *testing.T, name string, series ...string) {
	t.Helper()
	var got []string
	for line := range strings.Lines(w.scrape(t, "")) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, name+"{") || strings.HasPrefix(line, name+" ") {
			got = append(got, line)
		}
	}
	require.ElementsMatch(t, series, got)
}

// scrape asks for the metrics as Prometheus does.
func (w world) scrape(t *testing.T, accept string) string {
	t.Helper()
	rec, req := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil)
	req.Header.Set("Accept", accept)
	w.Handler(w.registry).ServeHTTP(rec, req)
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	return rec.Body.String()
}

// lint requires names, units and help as Prometheus asks for them. promtool check
// metrics has the same rules.
func (w world) lint(t *testing.T) {
	t.Helper()
	problems, err := testutil.GatherAndLint(w.registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}
