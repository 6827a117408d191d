//go:build mutants

package chaostest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/bootstrap/chaostest"
)

// mutantSeeds is how many seeds a mutant may survive. It is fixed, so that a
// checker which grows blind is noticed.
const mutantSeeds = 3

// trial is a scenario in which a mutant shows itself soon, and the invariants that
// it may break. The faults are those of a chaos run, only not drawn by chance.
type trial struct {
	mutant  string
	options chaostest.Options
	breaks  []string
}

func trials() []trial {
	const s, ms = time.Second, time.Millisecond
	options := func(length time.Duration, load chaostest.Load, plan ...chaostest.Step) chaostest.Options {
		// An empty plan is none of the default one.
		return chaostest.Options{
			Settings: chaostest.DefaultSettings(), Load: load, Length: length, DrainLimit: 12 * s,
			Plan: append(chaostest.Plan{}, plan...),
		}
	}
	load := chaostest.Load{Rate: 60, Slow: 50, Cancel: 5}
	slow := chaostest.Load{Rate: 60, Slow: 400}
	lost := &chaostest.Toxic{Type: "limit_data", Stream: "downstream", Toxicity: 1, Attributes: map[string]int{"bytes": 400}}

	purging := options(8*s, chaostest.Load{Rate: 60, Long: 300, Rerun: 250, Cancel: 200})
	purging.Settings.Retention = 1500 * ms
	skewed := options(4*s, slow)
	skewed.Skew = 3 * s
	return []trial{
		{"no_fence", options(10*s, slow,
			chaostest.Step{At: 1 * s, Fault: chaostest.FaultPause, On: "worker-1", For: 2600 * ms},
			chaostest.Step{At: 2 * s, Fault: chaostest.FaultPause, On: "worker-2", For: 2800 * ms},
			chaostest.Step{At: 4 * s, Fault: chaostest.FaultPause, On: "worker-3", For: 2500 * ms},
			chaostest.Step{At: 6 * s, Fault: chaostest.FaultPause, On: "worker-4", For: 2700 * ms},
			chaostest.Step{At: 7 * s, Fault: chaostest.FaultPause, On: "worker-1", For: 2900 * ms},
		), []string{"I3", "I4"}},
		{"reap_held", options(4*s, slow), []string{"I5"}},
		{"no_lease", options(3*s, slow,
			chaostest.Step{At: 1 * s, Fault: chaostest.FaultKill, On: "worker-1", For: s},
			chaostest.Step{At: 1 * s, Fault: chaostest.FaultKill, On: "worker-2", For: s},
		), []string{"I8", "I11"}},
		{"claim_again", options(6*s, load,
			chaostest.Step{At: 1 * s, Fault: chaostest.FaultToxic, On: "worker-1", For: 700 * ms, Toxic: lost},
			chaostest.Step{At: 2 * s, Fault: chaostest.FaultToxic, On: "worker-3", For: 700 * ms, Toxic: lost},
			chaostest.Step{At: 3 * s, Fault: chaostest.FaultToxic, On: "worker-1", For: 700 * ms, Toxic: lost},
			chaostest.Step{At: 4 * s, Fault: chaostest.FaultToxic, On: "worker-3", For: 700 * ms, Toxic: lost},
		), []string{"I6"}},
		{"purge_any", purging, []string{"I1", "I8", "I12"}},
		{"no_attempt", options(3*s, load), []string{"I6", "I11"}},
		{"worker_clock", skewed, []string{"I4", "I5", "I7"}},
	}
}

// The scenarios find nothing in the product as it is, so that what they find in a
// mutant is the mutant.
func TestScenariosPassWithoutAMutant(t *testing.T) {
	for _, c := range trials() {
		t.Run(c.mutant, func(t *testing.T) {
			c.options.Seed, c.options.Skew = 1, 0
			found, err := run(t, startRedis(t), c.options)
			require.NoError(t, err)
			require.Empty(t, found)
		})
	}
}

func TestMutantsAreCaught(t *testing.T) {
	for _, c := range trials() {
		t.Run(c.mutant, func(t *testing.T) {
			if c.options.Skew == 0 {
				t.Setenv(redisstore.MutantEnv, c.mutant)
			}
			for seed := uint64(1); seed <= mutantSeeds; seed++ {
				c.options.Seed = seed
				// What the mutant does to the processes counts for nothing here.
				found, _ := run(t, startRedis(t), c.options)
				for _, v := range found {
					invariant, _, _ := strings.Cut(v, " ")
					if slices.Contains(c.breaks, invariant) {
						t.Logf("caught by seed %d: %s", seed, v)
						return
					}
				}
				t.Logf("seed %d: %v", seed, found)
			}
			require.Fail(t, "it survived", "none of %d seeds shows that it breaks %v", mutantSeeds, c.breaks)
		})
	}
}
