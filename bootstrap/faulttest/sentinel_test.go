//go:build unix

package faulttest_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
)

func TestSentinelFaults(t *testing.T) {
	t.Parallel()
	t.Run("R12 work goes on within ten seconds after a master died, and what was lost is counted", failover)
	t.Run("R12 a master that is to have a replica takes nothing without", lonelyMaster)
}

// follow makes a replica of the server at an address, which is in step when it
// returns.
func follow(t *testing.T, master *world, addr string) *world {
	t.Helper()
	host, port, _ := strings.Cut(addr, ":")
	replica := redistest.Start(t, "--replicaof", host+" "+port)
	w := &world{server: replica, namespace: master.namespace, raw: redis.NewClient(&redis.Options{Addr: replica.Addr()})}
	t.Cleanup(func() { require.NoError(t, w.raw.Close()) })
	require.Eventually(t, func() bool { return w.info(t, "replication")["master_link_status"] == "up" }, patience, 20*time.Millisecond)
	return w
}

// sentinel starts one that watches the master "queue", and returns its address.
func sentinel(t *testing.T, master string) string {
	t.Helper()
	program := os.Getenv(redistest.ServerEnv)
	if program == "" {
		program = "redis-server"
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().(*net.TCPAddr)
	require.NoError(t, listener.Close())
	dir := t.TempDir()
	file := filepath.Join(dir, "sentinel.conf")
	host, port, _ := strings.Cut(master, ":")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `bind 127.0.0.1
port %d
dir %s
sentinel monitor queue %s %s 2
sentinel down-after-milliseconds queue 2000
sentinel failover-timeout queue 5000
`, addr.Port, dir, host, port), 0o600))
	cmd := exec.Command(program, file, "--sentinel")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines := bufio.NewScanner(out); lines.Scan(); {
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-drained
		_ = cmd.Wait() // It was killed.
	})
	return addr.String()
}

func failover(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--appendonly", "yes")
	link := newProxy(t, w.server.Addr())
	replica := follow(t, w, strings.TrimSuffix(strings.TrimPrefix(link.url, "redis://"), "/0"))
	var sentinels []string
	for range 3 {
		sentinels = append(sentinels, sentinel(t, w.server.Addr()))
	}
	watch := redis.NewSentinelClient(&redis.Options{Addr: sentinels[0]})
	t.Cleanup(func() { require.NoError(t, watch.Close()) })
	require.Eventually(t, func() bool {
		m, err := watch.Master(t.Context(), "queue").Result()
		return err == nil && m["num-other-sentinels"] == "2" && m["num-slaves"] == "1"
	}, patience, 50*time.Millisecond, "the sentinels know each other and the replica")

	c := w.config()
	c.Store = "redis+sentinel://" + strings.Join(sentinels, ",") + "/0?master=queue"
	_, a := app(t, c)
	l := newLoad(t, a)
	l.awaitMore(t, 20)
	// What Redis acknowledges from now on its replica does not get.
	safe := l.count() - 1
	link.toxic(t, "timeout", "downstream", map[string]int{"timeout": 0})
	l.awaitMore(t, 20)
	require.Equal(t, "master", w.info(t, "replication")["role"], "no failover before the fault")
	w.server.Kill(t)
	died := time.Now()
	var first answer
	require.Eventually(t, func() bool {
		first = a.post(t)
		return first.status == http.StatusCreated
	}, patience, 20*time.Millisecond)
	a.awaitTask(t, decode[wire.Task](t, first).ID, domain.TaskStatusCompleted)
	resumed := time.Since(died)
	l.awaitMore(t, 20)
	acked, other := l.end()
	after := openWorld(t, replica.server, w.namespace)
	require.Equal(t, "master", after.info(t, "replication")["role"])
	var lost []int
	for i, id := range acked {
		got := a.get(t, tasksPath+"/"+id.String())
		if got.status == http.StatusNotFound {
			lost = append(lost, i)
			continue
		}
		require.Equal(t, http.StatusOK, got.status)
		a.awaitTask(t, id, domain.TaskStatusCompleted)
	}
	t.Logf("resumed after %v; lost %d of %d acknowledged tasks; other answers %v", resumed, len(lost), len(acked), other)
	require.Less(t, resumed, 10*time.Second)
	require.NotEmpty(t, lost, "an asynchronous replica loses, which is counted here rather than hidden")
	require.Greater(t, lost[0], safe, "what was replicated is kept")
	require.Equal(t, len(lost)-1, lost[len(lost)-1]-lost[0], "what came after the failover is kept")
	after.audit(t)
}

func lonelyMaster(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--appendonly", "yes", "--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")
	_, a := app(t, w.apiOnly())
	refused(t, a.post(t), http.StatusServiceUnavailable, "store-read-only")
	replica := follow(t, w, w.server.Addr())
	require.Eventually(t, func() bool { return a.post(t).status == http.StatusCreated }, patience, 50*time.Millisecond)
	replica.server.Kill(t)
	require.Eventually(t, func() bool { return a.post(t).status != http.StatusCreated }, patience, 50*time.Millisecond)
	before := w.audit(t).Total()
	refused(t, a.post(t), http.StatusServiceUnavailable, "store-read-only")
	require.Equal(t, before, w.audit(t).Total(), "it fails rather than lies")
}
