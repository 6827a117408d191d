package redistest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// groupTimeout bounds how long the servers of a group take to find each other,
	// and to agree on another master.
	groupTimeout = 30 * time.Second
	// clusterMasters is how many masters a Cluster has.
	clusterMasters = 3
	clusterSlots   = 16384
	// sentinels is how many sentinels watch a master; two of them decide.
	sentinels = 3
	// masterName is what the sentinels call their master.
	masterName = "logsift"
	// groupPoll is how often a group is asked whether it is ready.
	groupPoll = 20 * time.Millisecond
)

// Cluster is a Redis Cluster of three masters, with or without a replica of each.
// Its nodes may be killed, paused and restarted. While a master is away that has no
// replica, the Cluster is, after a few seconds, too.
type Cluster struct {
	// Nodes are all of them: first the masters, each with a third of the slots, then
	// their replicas in the same order.
	Nodes []*Server
}

// StartCluster runs a Cluster of three masters without replicas for the test and
// returns once all of them say that it is sound. The arguments are those of
// [Start], for each node.
func StartCluster(t testing.TB, args ...string) *Cluster {
	t.Helper()
	return startCluster(t, clusterMasters, args)
}

// StartReplicatedCluster is [StartCluster] with a replica of each master, which has
// the master's data when it returns. A replica takes the place of a master that does
// not answer for the cluster-node-timeout, 5 s unless an argument sets another.
func StartReplicatedCluster(t testing.TB, args ...string) *Cluster {
	t.Helper()
	c := startCluster(t, 2*clusterMasters, args)
	for i, replica := range c.Nodes[clusterMasters:] {
		id, err := c.Nodes[i].call("CLUSTER MYID", time.Now().Add(callTimeout))
		if err != nil {
			t.Fatalf("redistest: %v", err)
		}
		must(t, replica, "CLUSTER REPLICATE "+id)
	}
	for i, replica := range c.Nodes[clusterMasters:] {
		await(t, replica, "INFO replication", "master_link_status:up")
		await(t, c.Nodes[i], "INFO replication", "connected_slaves:1")
	}
	return c
}

func startCluster(t testing.TB, nodes int, args []string) *Cluster {
	t.Helper()
	c := &Cluster{Nodes: make([]*Server, nodes)}
	startAll(t, nodes, func(i int) (err error) {
		c.Nodes[i], err = newServer(t.TempDir(), append([]string{
			"--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--cluster-announce-ip", "127.0.0.1",
		}, args...))
		return err
	}, c.Nodes)
	for i, node := range c.Nodes {
		must(t, node, "CLUSTER SET-CONFIG-EPOCH "+strconv.Itoa(i+1))
		must(t, c.Nodes[0], fmt.Sprintf("CLUSTER MEET 127.0.0.1 %d", node.port))
		if i >= clusterMasters {
			continue
		}
		slots := make([]string, 0, clusterSlots/clusterMasters+1)
		for slot := i * clusterSlots / clusterMasters; slot < (i+1)*clusterSlots/clusterMasters; slot++ {
			slots = append(slots, strconv.Itoa(slot))
		}
		// CLUSTER ADDSLOTSRANGE came with Redis 7.
		must(t, node, "CLUSTER ADDSLOTS "+strings.Join(slots, " "))
	}
	c.Await(t)
	return c
}

// Await returns once all nodes say that the Cluster is sound, as some time after a
// restart.
func (c *Cluster) Await(t testing.TB) {
	t.Helper()
	for _, node := range c.Nodes {
		await(t, node, "CLUSTER INFO", "cluster_state:ok", fmt.Sprintf("cluster_known_nodes:%d", len(c.Nodes)), "cluster_slots_ok:16384")
	}
}

// AwaitPromotion returns once the replica of the first, second or third master has
// taken its place, and the nodes that live agree that the Cluster is sound.
func (c *Cluster) AwaitPromotion(t testing.TB, master int) *Server {
	t.Helper()
	replica := c.Nodes[clusterMasters+master]
	await(t, replica, "INFO replication", "role:master")
	for i, node := range c.Nodes {
		if i != master {
			await(t, node, "CLUSTER INFO", "cluster_state:ok", "cluster_slots_ok:16384")
		}
	}
	return replica
}

// URL returns the address as logsift reads it.
func (c *Cluster) URL() string { return "redis+cluster://" + addrs(c.Nodes) }

// Sentinel is a master with a replica, and three sentinels that make the replica
// the master when the master is away for half a second, or for what
// [Sentinel.Patience] says. A master that comes back becomes a replica.
type Sentinel struct {
	// Servers are the two that hold data; either may be the master.
	Servers []*Server
	// Sentinels watch them.
	Sentinels []*Server
}

// StartSentinel runs a Sentinel group for the test and returns once the replica
// has the master's data and the sentinels know each other. The arguments are those
// of [Start], for the two servers that hold data.
func StartSentinel(t testing.TB, args ...string) *Sentinel {
	t.Helper()
	g := &Sentinel{Servers: []*Server{Start(t, args...)}, Sentinels: make([]*Server, sentinels)}
	master := fmt.Sprintf("127.0.0.1 %d", g.Servers[0].port)
	g.Servers = append(g.Servers, Start(t, append([]string{"--replicaof", master}, args...)...))
	await(t, g.Servers[1], "INFO replication", "master_link_status:up")

	startAll(t, sentinels, func(i int) (err error) {
		dir := t.TempDir()
		// Sentinels keep what they learn in their configuration.
		file := filepath.Join(dir, "sentinel.conf")
		config := fmt.Sprintf(`dir %q
sentinel monitor %[2]s %[3]s %[4]d
sentinel down-after-milliseconds %[2]s 500
sentinel failover-timeout %[2]s 5000
`, dir, masterName, master, sentinels/2+1)
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			return err
		}
		g.Sentinels[i], err = startServer(dir, []string{file, "--sentinel"})
		return err
	}, g.Sentinels)
	for _, s := range g.Sentinels {
		await(t, s, "INFO sentinel", g.status(g.Servers[0]), fmt.Sprintf("slaves=1,sentinels=%d", sentinels))
	}
	return g
}

// status is what a sentinel says of a master that it holds to be sound.
func (g *Sentinel) status(master *Server) string {
	return fmt.Sprintf("name=%s,status=ok,address=%s,", masterName, master.Addr())
}

// URL returns the address as logsift reads it.
func (g *Sentinel) URL() string {
	return "redis+sentinel://" + addrs(g.Sentinels) + "/0?master=" + masterName
}

// Master returns the server that all sentinels hold to be the master, and that
// knows it.
func (g *Sentinel) Master(t testing.TB) *Server {
	t.Helper()
	return g.awaitMaster(t, nil)
}

// Patience sets after how long a silence of the master the sentinels replace it.
// It is half a second unless it is set, which a busy machine may bring about too.
func (g *Sentinel) Patience(t testing.TB, d time.Duration) {
	t.Helper()
	for _, s := range g.Sentinels {
		must(t, s, fmt.Sprintf("SENTINEL SET %s down-after-milliseconds %d", masterName, d.Milliseconds()))
	}
}

// KillMaster ends the master at once by SIGKILL and returns it.
func (g *Sentinel) KillMaster(t testing.TB) *Server {
	t.Helper()
	master := g.Master(t)
	master.Kill(t)
	return master
}

// AwaitFailover returns the master once it is another one than before.
func (g *Sentinel) AwaitFailover(t testing.TB, before *Server) *Server {
	t.Helper()
	return g.awaitMaster(t, before)
}

// CutLink has the replica follow an address where nobody is, so that it keeps what
// it has and gets nothing more, until it is made the master. The sentinels set it
// right after five seconds, unless they replace the master before.
func (g *Sentinel) CutLink(t testing.TB) {
	t.Helper()
	master := g.Master(t)
	for _, s := range g.Servers {
		if s != master {
			must(t, s, "REPLICAOF 127.0.0.1 1")
			await(t, s, "INFO replication", "master_link_status:down")
		}
	}
}

// Rejoin starts a server again that was the master, as a replica, and returns once it
// has what the master has.
func (g *Sentinel) Rejoin(t testing.TB, dead *Server) {
	t.Helper()
	master := g.Master(t)
	dead.Restart(t)
	must(t, dead, fmt.Sprintf("REPLICAOF 127.0.0.1 %d", master.port))
	await(t, dead, "INFO replication", "master_link_status:up")
	await(t, master, "INFO replication", "connected_slaves:1")
}

// awaitMaster waits until all agree on a master that is not this one.
func (g *Sentinel) awaitMaster(t testing.TB, not *Server) *Server {
	t.Helper()
	tick := time.NewTicker(groupPoll)
	defer tick.Stop()
	for deadline := time.Now().Add(groupTimeout); ; <-tick.C {
		for _, s := range g.Servers {
			if s != not && g.agree(s) {
				return s
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("redistest: no master is agreed on after %v; the log of a sentinel:\n%s", groupTimeout, g.Sentinels[0].log())
		}
	}
}

// agree reports whether all hold a server to be the master.
func (g *Sentinel) agree(s *Server) bool {
	if role, err := s.call("INFO replication", time.Now().Add(callTimeout)); err != nil || !strings.Contains(role, "role:master") {
		return false
	}
	for _, sentinel := range g.Sentinels {
		info, err := sentinel.call("INFO sentinel", time.Now().Add(callTimeout))
		if err != nil || !strings.Contains(info, g.status(s)) {
			return false
		}
	}
	return true
}

// startAll calls start for n servers at the same time, and stops what runs of
// them with the test.
func startAll(t testing.TB, n int, start func(i int) error, servers []*Server) {
	t.Helper()
	errs := make([]error, n)
	var starting sync.WaitGroup
	for i := range n {
		starting.Go(func() { errs[i] = start(i) })
	}
	starting.Wait()
	t.Cleanup(func() {
		for _, s := range servers {
			if s == nil {
				continue
			}
			if err := s.stop(); err != nil {
				t.Errorf("redistest: %v", err)
			}
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("redistest: %v", err)
	}
}

// await waits until a server's answer to a command contains all of these texts.
func await(t testing.TB, s *Server, command string, texts ...string) {
	t.Helper()
	tick := time.NewTicker(groupPoll)
	defer tick.Stop()
	for deadline := time.Now().Add(groupTimeout); ; <-tick.C {
		answer, err := s.call(command, time.Now().Add(callTimeout))
		missing := ""
		for _, text := range texts {
			if !strings.Contains(answer, text) {
				missing = text
			}
		}
		if err == nil && missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("redistest: %s of %s lacks %q after %v: %v\n%s", command, s.Addr(), missing, groupTimeout, err, answer)
		}
	}
}

// must sends a command that a server has to carry out.
func must(t testing.TB, s *Server, command string) {
	t.Helper()
	if _, err := s.call(command, time.Now().Add(callTimeout)); err != nil {
		t.Fatalf("redistest: %.60s at %s: %v", command, s.Addr(), err)
	}
}

// addrs lists the addresses of servers as a URL does.
func addrs(servers []*Server) string {
	out := make([]string, len(servers))
	for i, s := range servers {
		out[i] = s.Addr()
	}
	return strings.Join(out, ",")
}
