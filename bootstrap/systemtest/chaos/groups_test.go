package chaos_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/bootstrap/systemtest/chaos"
)

var gatherSeeds = flag.String("chaos.gatherseeds", "1", "the seeds of the storms of groups")

// Three processes run groups of tasks, of which some fail or wait, and are killed all the time.
func TestChaosOfGroups(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes some ten seconds")
	}
	onEachStore(t, *gatherSeeds, stormOfGroups)
}

func stormOfGroups(t *testing.T, url string, store anyStore, seed uint64) {
	t.Helper()
	child := chaos.ChildConfig{Dir: t.ArtifactDir()}
	child.Store, child.SQLite = strings.CutPrefix(url, "sqlite:")
	storm, err := chaos.NewGroupStorm(store, child, seed)
	require.NoError(t, err)
	defer storm.Close()
	requireStorm(t, storm, url, fmt.Sprintf("-run TestChaosOfGroups -chaos.gatherseeds %d", seed))
}
