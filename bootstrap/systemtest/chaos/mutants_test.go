//go:build mutants

package chaos_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/bootstrap/systemtest/chaos"
	"logsift/bootstrap/systemtest/proc"
)

// mutantSeeds is how many seeds a mutant may survive. It is fixed, so that a
// checker which grows blind is noticed.
const mutantSeeds = 3

// trial is a scenario in which a mutant shows itself soon, and the invariants that
// it may break. The faults are those of a chaos run, only not drawn by chance.
type trial struct {
	mutant  string
	options chaos.Options
	breaks  []chaos.Invariant
}

func trials() []trial {
	const s, ms = time.Second, time.Millisecond
	options := func(length time.Duration, load chaos.Load, plan ...chaos.Step) chaos.Options {
		// An empty plan is none of the default one.
		return chaos.Options{
			Settings: chaos.DefaultSettings(), Load: load, Length: length, DrainLimit: 12 * s,
			Plan: append(chaos.Plan{}, plan...),
		}
	}
	load := chaos.Load{Rate: 60, Slow: 50, Cancel: 5}
	slow := chaos.Load{Rate: 60, Slow: 400}
	lost := &proc.Toxic{Type: "limit_data", Stream: "downstream", Toxicity: 1, Attributes: map[string]int{"bytes": 400}}

	purging := options(8*s, chaos.Load{Rate: 60, Long: 300, Rerun: 250, Cancel: 200})
	purging.Settings.Retention = 1500 * ms
	skewed := options(4*s, slow)
	skewed.Skew = 3 * s
	return []trial{
		{"no_fence", options(10*s, slow,
			chaos.Step{At: 1 * s, Fault: chaos.FaultPause, On: "worker-1", For: 2600 * ms},
			chaos.Step{At: 2 * s, Fault: chaos.FaultPause, On: "worker-2", For: 2800 * ms},
			chaos.Step{At: 4 * s, Fault: chaos.FaultPause, On: "worker-3", For: 2500 * ms},
			chaos.Step{At: 6 * s, Fault: chaos.FaultPause, On: "worker-4", For: 2700 * ms},
			chaos.Step{At: 7 * s, Fault: chaos.FaultPause, On: "worker-1", For: 2900 * ms},
		), []chaos.Invariant{chaos.OneEnd, chaos.FencesIncrease}},
		{"reap_held", options(4*s, slow), []chaos.Invariant{chaos.LeaseRespected}},
		{"no_lease", options(3*s, slow,
			chaos.Step{At: 1 * s, Fault: chaos.FaultKill, On: "worker-1", For: s},
			chaos.Step{At: 1 * s, Fault: chaos.FaultKill, On: "worker-2", For: s},
		), []chaos.Invariant{chaos.OneIndex, chaos.Drains}},
		{"claim_again", options(6*s, load,
			chaos.Step{At: 1 * s, Fault: chaos.FaultToxic, On: "worker-1", For: 700 * ms, Toxic: lost},
			chaos.Step{At: 2 * s, Fault: chaos.FaultToxic, On: "worker-3", For: 700 * ms, Toxic: lost},
			chaos.Step{At: 3 * s, Fault: chaos.FaultToxic, On: "worker-1", For: 700 * ms, Toxic: lost},
			chaos.Step{At: 4 * s, Fault: chaos.FaultToxic, On: "worker-3", For: 700 * ms, Toxic: lost},
		), []chaos.Invariant{chaos.CountersTrue}},
		{"purge_any", purging, []chaos.Invariant{chaos.NothingLost, chaos.OneIndex, chaos.StatesFollow}},
		{"no_attempt", options(3*s, load), []chaos.Invariant{chaos.CountersTrue, chaos.Drains}},
		{"worker_clock", skewed, []chaos.Invariant{chaos.FencesIncrease, chaos.LeaseRespected, chaos.NoEarlyRetry}},
		{"fence_number", options(8*s, slow,
			chaos.Step{At: 1 * s, Fault: chaos.FaultRestore, For: 500 * ms},
			chaos.Step{At: 2 * s, Fault: chaos.FaultRestore, For: 500 * ms},
			chaos.Step{At: 3 * s, Fault: chaos.FaultRestore, For: 500 * ms},
			chaos.Step{At: 4 * s, Fault: chaos.FaultRestore, For: 500 * ms},
			chaos.Step{At: 5 * s, Fault: chaos.FaultRestore, For: 500 * ms},
		), []chaos.Invariant{chaos.OneEnd, chaos.FencesIncrease}},
		{"same_epoch", options(8*s, chaos.Load{Rate: 60, Queues: 100},
			chaos.Step{At: 1 * s, Fault: chaos.FaultRestore, For: 2 * s},
		), []chaos.Invariant{chaos.NothingInvented, chaos.OneIndex, chaos.Drains}},
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
			require.Empty(t, strings.Join(found, "\n"))
		})
	}
}

func TestMutantsAreCaught(t *testing.T) {
	for _, c := range trials() {
		t.Run(c.mutant, func(t *testing.T) {
			if c.options.Skew == 0 {
				t.Setenv("LOGSIFT_MUTANT", c.mutant)
			}
			for seed := uint64(1); seed <= mutantSeeds; seed++ {
				c.options.Seed = seed
				// What the mutant does to the processes counts for nothing here.
				found, _ := run(t, startRedis(t), c.options)
				for _, v := range found {
					if slices.ContainsFunc(c.breaks, func(i chaos.Invariant) bool { return strings.HasPrefix(v, string(i)+": ") }) {
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
