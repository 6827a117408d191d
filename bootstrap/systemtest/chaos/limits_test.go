package chaos_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/bootstrap/systemtest/chaos"
)

var limitSeeds = flag.String("chaos.limitseeds", "1", "the seeds of the storms of limits")

// Three processes work on tasks that are under limits of every kind, and are killed and
// paused all the time, while the limits change.
func TestChaosOfLimits(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a quarter of a minute")
	}
	onEachStore(t, *limitSeeds, stormOfLimits)
}

func stormOfLimits(t *testing.T, url string, store anyStore, seed uint64) {
	t.Helper()
	child := chaos.ChildConfig{Dir: t.ArtifactDir()}
	child.Store, child.SQLite = strings.CutPrefix(url, "sqlite:")
	storm, err := chaos.NewLimitStorm(store, child, seed)
	require.NoError(t, err)
	defer storm.Close()
	requireStorm(t, storm, url, fmt.Sprintf("-run TestChaosOfLimits -chaos.limitseeds %d", seed))
}
