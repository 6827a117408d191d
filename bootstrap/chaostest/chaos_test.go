package chaostest_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/redistest"
	"logsift/bootstrap/chaostest"
)

var (
	duration = flag.Duration("chaos.duration", 30*time.Second, "about how long a seed takes, three quarters of it under load and faults")
	seeds    = flag.String("chaos.seeds", "1,2,3", "the seeds, as 1,2,5-9")
)

// TestMain is the driver, and the main function of the children.
func TestMain(m *testing.M) {
	if code, child := chaostest.ChildMain(); child {
		os.Exit(code)
	}
	os.Exit(redistest.Main(m))
}

// server is a Redis of the test.
type server struct {
	t *testing.T
	*redistest.Server
}

// startRedis starts one that forgets nothing that it has acknowledged.
func startRedis(t *testing.T) chaostest.Redis {
	t.Helper()
	s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	return chaostest.Redis{URL: s.URL(), Nodes: addrs(s), Server: server{t, s}}
}

func addrs(servers ...*redistest.Server) []string {
	out := make([]string, len(servers))
	for i, s := range servers {
		out[i] = s.Addr()
	}
	return out
}

func (s server) Kill()    { s.Server.Kill(s.t) }
func (s server) Restart() { s.Server.Restart(s.t) }
func (s server) Pause()   { s.Server.Pause(s.t) }
func (s server) Resume()  { s.Server.Resume(s.t) }

// drainShare is the part of a seed's time, one in so many, that is left for starting and
// draining.
const drainShare = 4

func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("the chaos run takes minutes; -short leaves it out")
	}
	for _, seed := range parseSeeds(t, *seeds) {
		t.Run(fmt.Sprint("seed_", seed), func(t *testing.T) {
			o := chaostest.Options{
				Seed: seed, Settings: chaostest.DefaultSettings(), Load: chaostest.DefaultLoad(),
				Length: *duration - *duration/drainShare, DrainLimit: 30 * time.Second,
			}
			if seed%3 == 0 {
				// Purging beside everything else.
				o.Settings.Retention = 5 * time.Second
			}
			found, err := run(t, startRedis(t), o)
			require.Empty(t, found, "rerun with -run 'TestChaos$/seed_%d$' -chaos.seeds %d -chaos.duration %v -artifacts", seed, seed, *duration)
			require.NoError(t, err)
		})
	}
}

// TestChaosOnGroups breaks the processes on a Redis Cluster and on a Sentinel group,
// whose master dies once.
func TestChaosOnGroups(t *testing.T) {
	if testing.Short() {
		t.Skip("each group takes 20 seconds; -short leaves it out")
	}
	const length = 15 * time.Second
	for name, start := range map[string]func(*testing.T) chaostest.Redis{"cluster": startCluster, "sentinel": startSentinel} {
		t.Run(name, func(t *testing.T) {
			found, err := run(t, start(t), chaostest.Options{
				Seed: 1, Settings: chaostest.DefaultSettings(), Load: chaostest.DefaultLoad(),
				Length: length, DrainLimit: 30 * time.Second,
			})
			require.Empty(t, found, "rerun with -run 'TestChaosOnGroups/%s$' -artifacts", name)
			require.NoError(t, err)
		})
	}
}

func startCluster(t *testing.T) chaostest.Redis {
	t.Helper()
	c := redistest.StartCluster(t, "--cluster-require-full-coverage", "no")
	return chaostest.Redis{URL: c.URL(), Partitions: 6, Nodes: addrs(c.Nodes...)}
}

func startSentinel(t *testing.T) chaostest.Redis {
	t.Helper()
	group := redistest.StartSentinel(t)
	group.Patience(t, time.Minute) // Nobody takes over from a master that lives.
	var dead *redistest.Server
	return chaostest.Redis{
		URL: group.URL(), Nodes: addrs(group.Servers...),
		KillMaster: func() {
			group.Patience(t, 500*time.Millisecond)
			dead = group.KillMaster(t)
		},
		AwaitMaster: func() {
			if dead == nil {
				return // The machine was too busy to kill it in time.
			}
			group.AwaitFailover(t, dead)
			group.Patience(t, time.Minute)
			// It keeps nothing on disk, and becomes a replica.
			dead.Restart(t)
		},
	}
}

// run runs a cluster and judges it. What a fail-over explains is logged.
func run(t *testing.T, redis chaostest.Redis, o chaostest.Options) ([]string, error) {
	t.Helper()
	dir := t.ArtifactDir()
	c, err := chaostest.NewCluster(dir, redis, o)
	require.NoError(t, err)
	defer c.Close()
	seen, err := c.Run(t.Context())
	if seen == nil {
		return nil, err
	}
	violations, excused := chaostest.Verdict(seen, dir)
	t.Log(chaostest.Summary(seen))
	if seen.MasterDied.From > 0 {
		count := map[string]int{}
		for _, v := range excused {
			count[v.Invariant]++
		}
		t.Logf("the fail-over lost %d acknowledged tasks; what it explains, by invariant: %v\n%s", count["I1"], count, strings.Join(lines(excused), "\n"))
	}
	return lines(violations), err
}

// lines are the first violations, each in a line.
func lines(violations []chaostest.Violation) []string {
	var out []string
	for i, v := range violations {
		if i == 20 {
			return append(out, fmt.Sprintf("and %d more", len(violations)-i))
		}
		out = append(out, v.String())
	}
	return out
}

func parseSeeds(t *testing.T, list string) []uint64 {
	t.Helper()
	var out []uint64
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 64)
		require.NoError(t, err)
		to, err := strconv.ParseUint(last, 10, 64)
		require.NoError(t, err)
		for ; from <= to; from++ {
			out = append(out, from)
		}
	}
	return out
}
