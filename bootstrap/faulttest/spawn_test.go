//go:build unix

package faulttest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is a child process of a test.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	exited chan struct{}

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

// spawn starts a child and returns when it is ready. The end of the test kills it.
func spawn(t *testing.T, config childConfig) *process {
	t.Helper()
	return spawnWith(t, config)
}

// spawnWith is spawn behind another command, such as ip netns exec.
func spawnWith(t *testing.T, config childConfig, before ...string) *process {
	t.Helper()
	if config.Drain == 0 {
		config.Drain = patience
	}
	if config.Lease == 0 {
		config.Lease = lease
	}
	raw, err := json.Marshal(config)
	require.NoError(t, err)
	args := append(before, os.Args[0])
	// The process outlives the context of the test, which ends before its clean-up.
	p := &process{cmd: exec.Command(args[0], args[1:]...), exited: make(chan struct{}), changed: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(raw))
	p.stdin, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	logs, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	var readers sync.WaitGroup
	readers.Go(func() {
		eachLine(out, func(line []byte) {
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				e.Kind, e.Text = "garbled", string(line)
			}
			p.note(func() { p.events = append(p.events, e) })
		})
	})
	readers.Go(func() {
		eachLine(logs, func(line []byte) {
			p.note(func() { p.logs = append(p.logs, logLine{time.Now(), string(line)}) })
		})
	})
	go func() {
		readers.Wait()
		_ = p.cmd.Wait() // The status is read from the command.
		close(p.exited)
		p.note(func() {})
	}()
	t.Cleanup(func() {
		p.kill(t)
		if t.Failed() {
			log := p.log()
			t.Logf("standard error of %s %s:\n%s", config.Role, config.Name, log[max(0, len(log)-4<<10):])
		}
	})
	p.await(t, "being ready", func(e event) bool { return e.Kind == "ready" })
	return p
}

// eachLine calls do for each line, however long.
func eachLine(r io.Reader, do func([]byte)) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			do(line)
		}
		if err != nil {
			return
		}
	}
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
		case <-p.exited:
			if got := p.seen(want); len(got) >= n {
				return got
			}
			require.Fail(t, "the child ended before "+what, "%v\n%s", p.cmd.ProcessState, p.log())
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
		b.WriteString(l.text)
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
func (p *process) order(t *testing.T, o order) event {
	t.Helper()
	p.note(func() { p.orders++; o.N = p.orders })
	require.NoError(t, json.NewEncoder(p.stdin).Encode(o))
	answer := p.await(t, "obeying "+o.Do, func(e event) bool { return e.Kind == "answer" && e.N == o.N })
	require.Empty(t, answer.Text, "%s %s", o.Do, o.Toxic)
	return answer
}

// stats asks the child for its figures.
func (p *process) stats(t *testing.T) event {
	t.Helper()
	return p.order(t, order{Do: "stats"})
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(s))
}

func (p *process) pause(t *testing.T)  { t.Helper(); p.signal(t, syscall.SIGSTOP) }
func (p *process) resume(t *testing.T) { t.Helper(); p.signal(t, syscall.SIGCONT) }

// kill ends the child at once and returns when it is gone.
func (p *process) kill(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Kill() // It may have ended before.
	<-p.exited
}

// awaitExit returns the status of a child that ends by itself.
func (p *process) awaitExit(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		require.Fail(t, "the child does not end", "%s", p.log())
	}
	return p.cmd.ProcessState.ExitCode()
}

// proxy is a TCP proxy before a Redis that can be made to misbehave.
type proxy struct {
	*process
	// url is that of the Redis through the proxy.
	url string
}

func newProxy(t *testing.T, addr string) proxy {
	t.Helper()
	p := spawn(t, childConfig{Role: roleProxy, Addr: addr})
	listens := p.await(t, "being ready", kind("ready", "")).Text
	return proxy{process: p, url: "redis://" + listens + "/0"}
}

// toxic makes the connections misbehave, old and new ones. stream is upstream for
// what is sent to Redis, downstream for its replies.
func (p proxy) toxic(t *testing.T, name, stream string, attributes map[string]int) {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"name": name + " " + stream, "type": name, "stream": stream, "toxicity": 1, "attributes": attributes})
	require.NoError(t, err)
	p.order(t, order{Do: "toxic", Toxic: raw})
}

// clean removes all toxics, stop ends all connections and takes no new ones, and
// start takes them again.
func (p proxy) clean(t *testing.T) { t.Helper(); p.order(t, order{Do: "clean"}) }
func (p proxy) stop(t *testing.T)  { t.Helper(); p.order(t, order{Do: "stop"}) }
func (p proxy) start(t *testing.T) { t.Helper(); p.order(t, order{Do: "start"}) }
