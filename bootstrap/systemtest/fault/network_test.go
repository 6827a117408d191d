package fault_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestNetworkFaults(t *testing.T) {
	t.Parallel()
	t.Run("a bad network makes the work slower and nothing else", badNetwork)
	t.Run("a worker behind a silent network stops its runs before others have them", func(t *testing.T) {
		t.Parallel()
		w := sharedWorld(t)
		p := newProxy(t, w.server.Addr())
		partition(t, w, p.url, func() {
			p.toxic(t, "timeout", "upstream", map[string]int{"timeout": 0})
			p.toxic(t, "timeout", "downstream", map[string]int{"timeout": 0})
		}, func() { p.mend(t) })
	})
	t.Run("a worker that no connection lets through stops its runs before others have them", func(t *testing.T) {
		t.Parallel()
		w := sharedWorld(t)
		p := newProxy(t, w.server.Addr())
		partition(t, w, p.url, func() { p.cut(t) }, func() { p.mend(t) })
	})
	t.Run("a worker whose network link is down stops its runs before others have them", linkDown)
}

func badNetwork(t *testing.T) {
	t.Parallel()
	type toxic struct {
		name, stream string
		attributes   map[string]int
	}
	for name, c := range map[string]struct {
		toxics []toxic
		count  int
		// calm is whether all calls are in time, so that no lease may be lost; lasting
		// whether the fault stays until all is done.
		calm, lasting bool
	}{
		"latency of 100 ms, more or less by the half": {
			[]toxic{{"latency", "upstream", map[string]int{"latency": 50, "jitter": 25}}, {"latency", "downstream", map[string]int{"latency": 50, "jitter": 25}}}, 50, true, true,
		},
		"a bandwidth of 10 KB a second": {
			[]toxic{{"bandwidth", "upstream", map[string]int{"rate": 10}}, {"bandwidth", "downstream", map[string]int{"rate": 10}}}, 50, false, true,
		},
		"packets of a byte": {
			[]toxic{{"slicer", "upstream", map[string]int{"average_size": 1}}, {"slicer", "downstream", map[string]int{"average_size": 1}}}, 50, false, true,
		},
		"replies that end after 300 bytes": {
			[]toxic{{"limit_data", "downstream", map[string]int{"bytes": 300}}}, 20, false, false,
		},
		"connections that are reset after 300 ms": {
			[]toxic{{"reset_peer", "downstream", map[string]int{"timeout": 300}}}, 50, false, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := sharedWorld(t)
			p := newProxy(t, w.server.Addr())
			config := w.worker("worker", 4)
			config.URL, config.Lease = p.url, 4*time.Second
			worker := spawn(t, config)
			first := newTask(doNothing, 0)
			w.add(t, first)
			w.awaitStatus(t, domain.TaskStatusCompleted, first)
			before := worker.stats(t).Goroutines
			for _, c := range c.toxics {
				p.toxic(t, c.name, c.stream, c.attributes)
			}
			// One task takes longer than its lease, so that heartbeats are needed.
			all := append(tasks(c.count, doSleep, 10*time.Millisecond), newTask(doSleep, 5*time.Second))
			w.add(t, all...)
			if c.lasting {
				w.awaitStatus(t, domain.TaskStatusCompleted, all...)
			} else {
				pause(t, 4*time.Second)
			}
			p.mend(t)
			w.awaitStatus(t, domain.TaskStatusCompleted, all...)
			stats := worker.stats(t)
			for _, task := range all {
				got := w.task(t, task.ID)
				require.Equal(t, 1, got.Attempt)
				if c.calm {
					require.Zero(t, got.Recoveries, "no heartbeat is missed")
				}
			}
			if c.calm {
				require.Zero(t, stats.Stats.LeasesLost)
			}
			// What served the tasks and the connections is gone.
			require.Eventually(t, func() bool { return worker.stats(t).Goroutines <= before+4 }, patience, 100*time.Millisecond)
			w.audit(t)
		})
	}
}

// partition cuts a worker that reaches Redis by a URL off from it, while it runs a task
// that it does not finish, and heals the network again. The worker's process is started
// behind another command if there is one.
func partition(t *testing.T, w *world, url string, cut, heal func(), before ...string) {
	t.Helper()
	const lease = 4 * time.Second
	config := w.worker("cut off", 1)
	config.URL, config.Lease = url, lease
	task := newTask(doHold, 0)
	w.add(t, task)
	alone := spawn(t, config, before...)
	alone.await(t, "running the task", kind("start", ""))
	config = w.quick("heir", 1)
	config.Lease = lease
	heir := spawn(t, config)
	cut()
	begun := heir.await(t, "taking over", kind("start", task.ID.String()))
	stopped := alone.await(t, "its end", kind("cancelled", task.ID.String()))
	require.Contains(t, stopped.Text, "lease lost")
	require.True(t, stopped.At.Before(begun.At), "the old run ended %v after the new one began", stopped.At.Sub(begun.At))
	got := w.awaitStatus(t, domain.TaskStatusCompleted, task)
	require.Equal(t, onceRecovered, counters(got))
	require.Equal(t, `"heir"`, string(got.Result))
	heir.Kill()

	heal()
	again := newTask(doSleep, 0)
	w.add(t, again)
	got = w.awaitStatus(t, domain.TaskStatusCompleted, again)
	require.Equal(t, `"cut off"`, string(got.Result), "it claims afresh")
	require.EqualValues(t, 1, alone.stats(t).Stats.LeasesLost)
	w.audit(t)
}

// linkDown has the worker live in a network of its own, with one link to the outside, at
// whose end Redis listens too.
func linkDown(t *testing.T) {
	t.Parallel()
	needs(t, "netns")
	w := newWorld(t, "--protected-mode", "no")
	id := rand.Uint32()
	space, inside, outside := fmt.Sprintf("logsift-%x", id), fmt.Sprintf("li%x", id), fmt.Sprintf("lo%x", id)
	subnet := fmt.Sprintf("10.%d.%d.", 64+id%64, id/64%256)
	ip := func(args ...string) {
		t.Helper()
		require.NoError(t, command("ip", args...))
	}
	ip("netns", "add", space)
	t.Cleanup(func() { _ = command("ip", "netns", "del", space) }) // and the link with it
	ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", space)
	ip("addr", "add", subnet+"1/24", "dev", outside)
	ip("link", "set", outside, "up")
	ip("-n", space, "addr", "add", subnet+"2/24", "dev", inside)
	ip("-n", space, "link", "set", inside, "up")
	require.NoError(t, w.raw.ConfigSet(t.Context(), "bind", "127.0.0.1 "+subnet+"1").Err())
	partition(t, w, strings.Replace(w.server.URL(), "127.0.0.1", subnet+"1", 1),
		func() { ip("link", "set", outside, "down") }, func() { ip("link", "set", outside, "up") },
		"ip", "netns", "exec", space)
}
