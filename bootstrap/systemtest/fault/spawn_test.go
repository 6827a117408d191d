package fault_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/bootstrap/systemtest/proc"
)

// process is a child process of a test.
type process struct {
	*proc.Process

	mu      sync.Mutex // guards the fields below
	changed chan struct{}
	events  []event
	logs    []logLine
	orders  int
}

// logLine is one line of the child's standard error.
type logLine struct {
	at   time.Time
	text string
}

// patience bounds what should happen soon, generously for a busy machine.
const patience = 30 * time.Second

// spawn starts a child, behind another command such as ip netns exec if there is one,
// and returns when it is ready. The end of the test kills it.
func spawn(t *testing.T, config childConfig, before ...string) *process {
	t.Helper()
	if config.Drain == 0 {
		config.Drain = patience
	}
	if config.Lease == 0 {
		config.Lease = lease
	}
	cmd, err := proc.Self(config, before...)
	require.NoError(t, err)
	p := &process{changed: make(chan struct{})}
	p.Process, err = proc.Start(cmd, func(line []byte) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			e.Kind, e.Text = "garbled", string(line)
		}
		p.note(func() { p.events = append(p.events, e) })
	}, func(line []byte) {
		p.note(func() { p.logs = append(p.logs, logLine{time.Now(), string(line)}) })
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			log := p.log()
			t.Logf("standard error of %s %s:\n%s", config.Role, config.Name, log[max(0, len(log)-4<<10):])
		}
	})
	p.await(t, "being ready", func(e event) bool { return e.Kind == "ready" })
	return p
}

// note changes what is known of the process, and wakes who waits for that.
func (p *process) note(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

// seen returns the events so far that are wanted.
func (p *process) seen(want func(event) bool) []event {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []event
	for _, e := range p.events {
		if want(e) {
			out = append(out, e)
		}
	}
	return out
}

// kind selects events by their kind, and by their task unless that is "".
func kind(name, task string) func(event) bool {
	return func(e event) bool { return e.Kind == name && (task == "" || e.Task == task) }
}

// await returns the first wanted event, which may have come already.
func (p *process) await(t *testing.T, what string, want func(event) bool) event {
	t.Helper()
	return p.awaitMany(t, what, 1, want)[0]
}

// awaitMany returns the first wanted events, n of them at least.
func (p *process) awaitMany(t *testing.T, what string, n int, want func(event) bool) []event {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if got := p.seen(want); len(got) >= n {
			return got
		}
		select {
		case <-changed:
		case <-p.Exited:
			if got := p.seen(want); len(got) >= n {
				return got
			}
			require.Fail(t, "the child ended before "+what, "%v\n%s", p.Err(), p.log())
		case <-timeout.C:
			require.Fail(t, "the child takes too long for "+what, "%s", p.log())
		}
	}
}

// log returns the standard error of the child.
func (p *process) log() string {
	var b strings.Builder
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.logs {
		fmt.Fprintln(&b, l.text)
	}
	for _, e := range p.events {
		if e.Kind == "failed" || e.Kind == "garbled" {
			fmt.Fprintf(&b, "%s: %s\n", e.Kind, e.Text)
		}
	}
	return b.String()
}

// logged counts the lines that the child logged since a time.
func (p *process) logged(since time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, l := range p.logs {
		if l.at.After(since) {
			n++
		}
	}
	return n
}

// order has the child do something and returns its answer.
func (p *process) order(t *testing.T, do string) event {
	t.Helper()
	o := order{Do: do}
	p.note(func() { p.orders++; o.N = p.orders })
	require.NoError(t, json.NewEncoder(p.Stdin).Encode(o))
	return p.await(t, "obeying "+do, func(e event) bool { return e.Kind == "answer" && e.N == o.N })
}

// stats asks the child for its figures.
func (p *process) stats(t *testing.T) event {
	t.Helper()
	return p.order(t, "stats")
}

// terminate asks the child to drain and to end.
func (p *process) terminate() { p.Signal(syscall.SIGTERM) }

// proxy is a TCP proxy before a Redis that can be made to misbehave.
type proxy struct {
	*proc.Proxies
	// url is that of the Redis through the proxy.
	url string
}

// inFront is the name of the one proxy.
const inFront = "redis"

func newProxy(t *testing.T, addr string) proxy {
	t.Helper()
	proxies, err := proc.NewProxies()
	require.NoError(t, err)
	t.Cleanup(proxies.Close)
	listens, err := proxies.Add(inFront, addr)
	require.NoError(t, err)
	return proxy{proxies, "redis://" + listens + "/0"}
}

// toxic makes the connections misbehave, old and new ones. stream is upstream for
// what is sent to Redis, downstream for its replies.
func (p proxy) toxic(t *testing.T, name, stream string, attributes map[string]int) {
	t.Helper()
	require.NoError(t, p.Poison(inFront, proc.Toxic{Type: name, Stream: stream, Toxicity: 1, Attributes: attributes}))
}

// cut ends all connections and takes no new ones; mend takes new ones, without toxics.
func (p proxy) cut(t *testing.T)  { t.Helper(); require.NoError(t, p.Cut(inFront)) }
func (p proxy) mend(t *testing.T) { t.Helper(); require.NoError(t, p.Mend(inFront)) }
