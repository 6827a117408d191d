//go:build tools

package bootstrap_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// promtool runs Prometheus' own checker, which .ci/tools installs.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Dir, cmd.Stdin = "../deploy/prometheus", strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "promtool %s: %s", strings.Join(args, " "), out)
}

func TestPrometheusTakesTheRulesAndTheirTestsPass(t *testing.T) {
	t.Parallel()
	promtool(t, "", "check", "rules", "alerts.yml")
	promtool(t, "", "check", "config", "prometheus.yml")
	promtool(t, "", "test", "rules", "alerts_test.yml")
}

func TestPrometheusHasNothingToSayAgainstTheMetrics(t *testing.T) {
	t.Parallel()
	promtool(t, scrape(t, worked(t).URL()), "check", "metrics")
}
