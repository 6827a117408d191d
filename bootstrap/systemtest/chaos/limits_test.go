package chaos_test

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/sqlitestore"
	"logsift/bootstrap"
	"logsift/bootstrap/systemtest/chaos"
	"logsift/domain"
)

var limitSeeds = flag.String("chaos.limitseeds", "1", "the seeds of the storms of limits")

// Three processes work on tasks that are under limits of every kind, and are killed and
// paused all the time, while the limits change.
func TestChaosOfLimits(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a quarter of a minute")
	}
	for _, seed := range parseSeeds(t, *limitSeeds) {
		t.Run(fmt.Sprint("redis/seed_", seed), func(t *testing.T) {
			t.Parallel()
			redis := startRedis(t)
			client, err := redisstore.Open(t.Context(), redisstore.Config{URL: redis.URL})
			require.NoError(t, err)
			t.Cleanup(func() { _ = client.Close() })
			stormOfLimits(t, redis.URL, client, chaos.ChildConfig{Store: redis.URL}, seed)
		})
		t.Run(fmt.Sprint("sqlite/seed_", seed), func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "logsift.db")
			db, err := sqlitestore.Open(t.Context(), file, sqlitestore.Config{})
			require.NoError(t, err)
			t.Cleanup(func() { _ = db.Close() })
			stormOfLimits(t, "sqlite:"+file, db, chaos.ChildConfig{Store: file, SQLite: true}, seed)
		})
	}
}

func stormOfLimits(t *testing.T, name string, store chaos.LimitStore, child chaos.ChildConfig, seed uint64) {
	t.Helper()
	child.Dir = t.ArtifactDir()
	storm, err := chaos.NewLimitStorm(store, child, seed)
	require.NoError(t, err)
	defer storm.Close()
	violations, err := storm.Run(t.Context())
	t.Log(storm.Summary())
	require.NoError(t, err)
	require.Empty(t, strings.Join(lines(violations), "\n"), "rerun with -run TestChaosOfLimits -chaos.limitseeds %d -artifacts", seed)
	require.NoError(t, storm.Weak(), "the storm shows too little")

	config := bootstrap.DefaultConfig()
	config.Store = name
	verifier, err := bootstrap.OpenVerifier(t.Context(), config)
	require.NoError(t, err)
	defer func() { require.NoError(t, verifier.Close()) }()
	var findings []domain.Finding
	_, err = verifier.Verify(t.Context(), false, func(f domain.Finding) { findings = append(findings, f) }, func(domain.VerifySummary) {})
	require.NoError(t, err)
	require.Empty(t, findings)
}
