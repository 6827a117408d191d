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

// server is a Redis of the test that forgets nothing that it has acknowledged.
type server struct {
	t *testing.T
	*redistest.Server
}

func startRedis(t *testing.T) server {
	t.Helper()
	return server{t, redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")}
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
			found, err := run(t, o)
			require.Empty(t, found, "rerun with -run 'TestChaos/seed_%d$' -chaos.seeds %d -chaos.duration %v -artifacts", seed, seed, *duration)
			require.NoError(t, err)
		})
	}
}

// run runs a cluster and judges it.
func run(t *testing.T, o chaostest.Options) ([]string, error) {
	t.Helper()
	dir := t.ArtifactDir()
	c, err := chaostest.NewCluster(dir, startRedis(t), o)
	require.NoError(t, err)
	defer c.Close()
	seen, err := c.Run(t.Context())
	if seen == nil {
		return nil, err
	}
	violations := append(chaostest.Judge(seen), chaostest.CheckFencing(seen.Events, dir)...)
	t.Log(chaostest.Summary(seen))
	var out []string
	for i, v := range violations {
		if i == 20 {
			out = append(out, fmt.Sprintf("and %d more", len(violations)-i))
			break
		}
		out = append(out, v.String())
	}
	return out, err
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
