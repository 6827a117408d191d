package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/adapters/sqlitestore"
	"logsift/bootstrap"
	"logsift/bootstrap/systemtest/chaos"
	"logsift/bootstrap/systemtest/proc"
	"logsift/domain"
	"logsift/ports"
)

var (
	duration   = flag.Duration("chaos.duration", 20*time.Second, "about how long a seed takes, three quarters of it under load and faults")
	seeds      = flag.String("chaos.seeds", "18,27", "the seeds on one server, as 1,2,5-9; these two kill, fill up and restore Redis")
	groupSeeds = flag.String("chaos.groupseeds", "1", "the seeds on each group")
)

// TestMain is the driver, and the main function of the children.
func TestMain(m *testing.M) {
	if code, child := proc.ChildMain(chaos.ChildMain); child {
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
func startRedis(t *testing.T) chaos.Redis {
	t.Helper()
	s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	return chaos.Redis{URL: s.URL(), Nodes: addrs(s), Server: server{t, s}}
}

// anyStore is the client of a store that processes share.
type anyStore interface {
	ports.TaskQueue
	ports.LimitKeeper
	ports.WorkflowKeeper
}

// onEachStore runs a test with each of the seeds, on Redis and on SQLite.
func onEachStore(t *testing.T, seeds string, run func(t *testing.T, url string, store anyStore, seed uint64)) {
	t.Helper()
	for _, seed := range parseSeeds(t, seeds) {
		t.Run(fmt.Sprint("redis/seed_", seed), func(t *testing.T) {
			t.Parallel()
			url := startRedis(t).URL
			client, err := redisstore.Open(t.Context(), redisstore.Config{URL: url})
			require.NoError(t, err)
			defer func() { require.NoError(t, client.Close()) }()
			run(t, url, client, seed)
		})
		t.Run(fmt.Sprint("sqlite/seed_", seed), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store.db")
			db, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
			require.NoError(t, err)
			defer func() { require.NoError(t, db.Close()) }()
			run(t, "sqlite:"+path, db, seed)
		})
	}
}

// requireStorm carries a storm out, and requires that nothing is wrong after it; rerun says how to have it
// once more.
func requireStorm(t *testing.T, storm interface {
	Run(ctx context.Context) ([]chaos.Violation, error)
	Summary() string
	Weak() error
}, url, rerun string,
) {
	t.Helper()
	violations, err := storm.Run(t.Context())
	t.Log(storm.Summary())
	require.NoError(t, err)
	require.Empty(t, strings.Join(lines(violations), "\n"), "rerun with %s -artifacts", rerun)
	require.NoError(t, storm.Weak(), "the storm shows too little")
	requireSound(t, url)
}

// requireSound requires that a check finds nothing in the store.
func requireSound(t *testing.T, url string) {
	t.Helper()
	config := bootstrap.DefaultConfig()
	config.Store = url
	verifier, err := bootstrap.OpenVerifier(t.Context(), config)
	require.NoError(t, err)
	defer func() { require.NoError(t, verifier.Close()) }()
	_, err = verifier.Verify(t.Context(), false, func(f domain.Finding) { t.Errorf("verify: %+v", f) }, nil)
	require.NoError(t, err)
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

func (s server) Backup() string        { return s.Server.Backup(s.t) }
func (s server) Restore(backup string) { s.Server.Restore(s.t, backup) }

// drainShare is the part of a seed's time, one in so many, that is left for starting and
// draining.
const drainShare = 4

func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("the chaos run takes minutes; -short leaves it out")
	}
	for _, seed := range parseSeeds(t, *seeds) {
		t.Run(fmt.Sprint("seed_", seed), func(t *testing.T) {
			o := chaos.Options{
				Seed: seed, Settings: chaos.DefaultSettings(), Load: chaos.DefaultLoad(),
				Length: *duration - *duration/drainShare, DrainLimit: 30 * time.Second,
			}
			if seed%2 == 0 {
				// Purging beside everything else.
				o.Settings.Retention = 5 * time.Second
			}
			found, err := run(t, startRedis(t), o)
			require.Empty(t, strings.Join(found, "\n"), "rerun with -run 'TestChaos$/seed_%d$' -chaos.seeds %d -chaos.duration %v -artifacts", seed, seed, *duration)
			require.NoError(t, err)
		})
	}
}

// TestChaosOnGroups breaks the processes on a Redis Cluster and on Sentinel groups,
// each of which then loses a master. The replica of a Sentinel group was cut off
// before that. If the group is strict, its master acknowledges nothing then.
func TestChaosOnGroups(t *testing.T) {
	if testing.Short() {
		t.Skip("each group takes 20 seconds; -short leaves it out")
	}
	for _, group := range []struct {
		name   string
		start  func(*testing.T) chaos.Redis
		length time.Duration
	}{
		{"cluster", startCluster, 16 * time.Second},
		{"sentinel", startSentinel, 10 * time.Second},
		{"strict", startStrictSentinel, 10 * time.Second},
	} {
		for _, seed := range parseSeeds(t, *groupSeeds) {
			t.Run(fmt.Sprint(group.name, "/seed_", seed), func(t *testing.T) {
				found, err := run(t, group.start(t), chaos.Options{
					Seed: seed, Settings: chaos.DefaultSettings(), Load: chaos.DefaultLoad(),
					Length: group.length, DrainLimit: 30 * time.Second,
				})
				require.Empty(t, strings.Join(found, "\n"), "rerun with -run 'TestChaosOnGroups/%s/seed_%d$' -chaos.groupseeds %d -artifacts", group.name, seed, seed)
				require.NoError(t, err)
			})
		}
	}
}

// cluster is a Redis Cluster whose first master dies.
type cluster struct {
	t *testing.T
	*redistest.Cluster
}

func startCluster(t *testing.T) chaos.Redis {
	t.Helper()
	c := redistest.StartReplicatedCluster(t, "--cluster-require-full-coverage", "no", "--cluster-node-timeout", "1500")
	return chaos.Redis{URL: c.URL(), Partitions: 6, Nodes: addrs(c.Nodes...), Group: cluster{t, c}}
}

func (c cluster) KillMaster()     { c.Nodes[0].Kill(c.t) }
func (c cluster) AwaitPromotion() { c.Cluster.AwaitPromotion(c.t, 0) }
func (c cluster) Heal()           { c.Nodes[0].Restart(c.t); c.Await(c.t) }

// sentinel is a Sentinel group whose master dies.
type sentinel struct {
	t *testing.T
	*redistest.Sentinel
	dead *redistest.Server
}

func startSentinel(t *testing.T) chaos.Redis {
	t.Helper()
	return sentinelRedis(t, redistest.StartSentinel(t))
}

func startStrictSentinel(t *testing.T) chaos.Redis {
	t.Helper()
	redis := sentinelRedis(t, redistest.StartSentinel(t, "--min-replicas-to-write", "1"))
	redis.Strict = true
	return redis
}

func sentinelRedis(t *testing.T, group *redistest.Sentinel) chaos.Redis {
	t.Helper()
	group.Patience(t, time.Minute) // Nobody takes over from a master that lives.
	return chaos.Redis{URL: group.URL(), Nodes: addrs(group.Servers...), Group: &sentinel{t: t, Sentinel: group}}
}

func (s *sentinel) CutLink() { s.Sentinel.CutLink(s.t) }

func (s *sentinel) KillMaster() {
	s.Patience(s.t, 500*time.Millisecond)
	s.dead = s.Sentinel.KillMaster(s.t)
}

func (s *sentinel) AwaitPromotion() {
	s.AwaitFailover(s.t, s.dead)
	s.Patience(s.t, time.Minute)
}

func (s *sentinel) Heal() { s.Rejoin(s.t, s.dead) }

// run runs a cluster and judges it.
func run(t *testing.T, redis chaos.Redis, o chaos.Options) ([]string, error) {
	t.Helper()
	dir := filepath.Join(t.ArtifactDir(), fmt.Sprint("seed_", o.Seed))
	require.NoError(t, os.Mkdir(dir, 0o750))
	c, err := chaos.NewCluster(dir, redis, o)
	require.NoError(t, err)
	defer c.Close()
	seen, err := c.Run(t.Context())
	if seen == nil {
		return nil, err
	}
	violations, lost := chaos.Verdict(seen, dir)
	t.Log(chaos.Summary(seen))
	if n := len(seen.Rollbacks); n > 0 {
		t.Logf("Redis went back %d times, which lost %d acknowledged tasks", n, lost)
	}
	return lines(violations), err
}

// maxOfEach is how many violations of one invariant are shown.
const maxOfEach = 3

// lines are the first violations of each invariant, each in a line, and how many there are
// besides.
func lines(violations []chaos.Violation) []string {
	var out []string
	count := map[chaos.Invariant]int{}
	for _, v := range violations {
		if count[v.Invariant]++; count[v.Invariant] <= maxOfEach {
			out = append(out, v.String())
		}
	}
	for _, invariant := range slices.Sorted(maps.Keys(count)) {
		if n := count[invariant] - maxOfEach; n > 0 {
			out = append(out, fmt.Sprintf("%s, %d times more", invariant, n))
		}
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
