//go:build unix

package faulttest_test

import (
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestNetworkFaults(t *testing.T) {
	t.Parallel()
	t.Run("R7 a bad network makes the work slower and nothing else", badNetwork)
	t.Run("R8 a worker behind a silent network stops its runs before others have them", func(t *testing.T) {
		t.Parallel()
		w := sharedWorld(t)
		p := newProxy(t, w.server.Addr())
		partition(t, w, func(c childConfig) *process {
			c.URL = p.url
			return spawn(t, c)
		}, func() {
			p.toxic(t, "timeout", "upstream", map[string]int{"timeout": 0})
			p.toxic(t, "timeout", "downstream", map[string]int{"timeout": 0})
		}, func() { p.clean(t); p.stop(t); p.start(t) })
	})
	t.Run("R8 a worker that no connection lets through stops its runs before others have them", func(t *testing.T) {
		t.Parallel()
		w := sharedWorld(t)
		p := newProxy(t, w.server.Addr())
		partition(t, w, func(c childConfig) *process {
			c.URL = p.url
			return spawn(t, c)
		}, func() { p.stop(t) }, func() { p.start(t) })
	})
	t.Run("R8 a worker whose network link is down stops its runs before others have them", linkDown)
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
			p.clean(t)
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

// partition cuts a worker off from Redis while it runs a task that it does not
// finish, and heals the network again.
func partition(t *testing.T, w *world, hire func(childConfig) *process, cut, heal func()) {
	t.Helper()
	const lease = 4 * time.Second
	config := w.worker("cut off", 1)
	config.Lease = lease
	task := newTask(doHold, 0)
	w.add(t, task)
	alone := hire(config)
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
	heir.kill(t)

	heal()
	again := newTask(doSleep, 0)
	w.add(t, again)
	got = w.awaitStatus(t, domain.TaskStatusCompleted, again)
	require.Equal(t, `"cut off"`, string(got.Result), "it claims afresh")
	require.EqualValues(t, 1, alone.stats(t).Stats.LeasesLost)
	w.audit(t)
}

func linkDown(t *testing.T) {
	t.Parallel()
	needs(t, "netns")
	w := sharedWorld(t)
	// The worker lives in a network of its own, with one link to the outside and
	// at its end a relay to Redis, which listens on the loopback address only.
	hash := fnv.New32a()
	fmt.Fprint(hash, t.Name(), time.Now().UnixNano())
	id := hash.Sum32()
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
	addr := relay(t, subnet+"1:0", w.server.Addr())
	partition(t, w, func(c childConfig) *process {
		c.URL = "redis://" + addr + "/0"
		return spawnWith(t, c, "ip", "netns", "exec", space)
	}, func() { ip("link", "set", outside, "down") }, func() { ip("link", "set", outside, "up") })
}

// relay passes connections on until the test ends, and returns where it listens.
func relay(t *testing.T, listen, to string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", listen)
	require.NoError(t, err)
	var serving sync.WaitGroup
	var mu sync.Mutex // guards open
	open := map[net.Conn]bool{}
	pass := func(from, to net.Conn) {
		_, _ = io.Copy(to, from) // The other end learns of it by the end.
		_, _ = from.Close(), to.Close()
	}
	serving.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			mu.Lock()
			open[in], open[out] = true, true
			mu.Unlock()
			serving.Go(func() { pass(in, out) })
			serving.Go(func() { pass(out, in) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return listener.Addr().String()
}
