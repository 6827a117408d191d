package chaostest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	readyTimeout = 20 * time.Second // for a process to say that it is ready
	stopTimeout  = 20 * time.Second // for a process to obey SIGTERM
	respawnPause = 100 * time.Millisecond
	readyWord    = "ready "
)

// exitNotStarted is the status of a child that could not start, such as while
// Redis is down. It is started again.
const exitNotStarted = 3

// Process is a child that is kept running, as a supervisor of a real system
// does: it is started again until it is ready, after it was killed, and if it
// dies by itself, which is noted. Its methods are for one goroutine, but Addr.
type Process struct {
	config ChildConfig

	// life ends when the process is not to run any more, and has ended.
	life chan struct{}

	mu sync.Mutex // guards the fields below, which the supervising goroutine sets
	// wanted is whether it shall run; wake is closed to tell that it changed.
	wanted, quit bool
	wake         chan struct{}
	running      *child
	starts       int
	addr         string
	ready        chan struct{} // closed when it is ready, replaced at each start
	faults       []string
}

// child is one start of a process.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	exited chan struct{}
	// ordered is whether its end was asked for.
	ordered bool
}

// NewProcess begins to keep a child running. Close it.
func NewProcess(config ChildConfig) *Process {
	p := &Process{config: config, life: make(chan struct{}), wanted: true, wake: make(chan struct{}), ready: make(chan struct{})}
	go p.supervise()
	return p
}

// supervise starts the child whenever it is wanted and does not run.
func (p *Process) supervise() {
	defer close(p.life)
	for {
		p.mu.Lock()
		wanted, quit, wake := p.wanted, p.quit, p.wake
		p.mu.Unlock()
		if quit {
			return
		}
		if !wanted {
			<-wake
			continue
		}
		p.runOnce()
		pause := time.NewTimer(respawnPause)
		select {
		case <-pause.C:
		case <-wake:
		}
		pause.Stop()
	}
}

// runOnce starts the child and returns when it has ended.
func (p *Process) runOnce() {
	p.mu.Lock()
	p.starts++
	config := p.config
	config.Name = fmt.Sprintf("%s.%d", config.Name, p.starts)
	c, stdout, err := spawn(config)
	if err != nil {
		p.faults = append(p.faults, err.Error())
		p.mu.Unlock()
		return
	}
	p.running = c
	p.mu.Unlock()

	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), readyWord); ok {
			p.mu.Lock()
			p.addr = addr
			close(p.ready)
			p.mu.Unlock()
		}
	}
	err = c.cmd.Wait()
	_ = c.stdin.Close() // The child has ended.
	p.mu.Lock()
	defer p.mu.Unlock()
	var exit *exec.ExitError
	notStarted := errors.As(err, &exit) && exit.ExitCode() == exitNotStarted
	if !c.ordered && !notStarted {
		p.faults = append(p.faults, fmt.Sprintf("%s ended by itself: %v", config.Name, err))
	}
	if c.ordered && p.quit && err != nil && !errors.As(err, &exit) {
		p.faults = append(p.faults, fmt.Sprintf("%s: %v", config.Name, err))
	}
	p.running, p.addr = nil, ""
	select {
	case <-p.ready:
		p.ready = make(chan struct{})
	default:
	}
	close(c.exited)
}

// spawn starts this binary as a child. Its standard error is a file of its folder.
func spawn(config ChildConfig) (*child, io.Reader, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return nil, nil, err
	}
	log, err := os.Create(filepath.Join(config.Dir, config.Name+".stderr"))
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = log.Close() }() // The child has its own handle.
	cmd := exec.Command(self)          //nolint:noctx,gosec // Its end is ordered by signals, and it is this program.
	cmd.Env = append(os.Environ(), childEnv+"="+string(raw))
	cmd.Stderr = log
	cmd.SysProcAttr = ownGroup()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", config.Name, err)
	}
	return &child{cmd: cmd, stdin: stdin, exited: make(chan struct{})}, stdout, nil
}

// Addr is where the process listens, "" while it is not ready.
func (p *Process) Addr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addr
}

// AwaitReady waits until the process is ready.
func (p *Process) AwaitReady() error {
	p.mu.Lock()
	ready := p.ready
	p.mu.Unlock()
	timeout := time.NewTimer(readyTimeout)
	defer timeout.Stop()
	select {
	case <-ready:
		return nil
	case <-timeout.C:
		return fmt.Errorf("%s is not ready after %v", p.config.Name, readyTimeout)
	}
}

// want changes whether the process shall run, and returns what runs now, if it is
// not to.
func (p *Process) want(wanted, quit bool) *child {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted, p.quit = wanted, quit
	close(p.wake)
	p.wake = make(chan struct{})
	if wanted || p.running == nil {
		return nil
	}
	p.running.ordered = true
	return p.running
}

// Kill ends the process by SIGKILL, until Start.
func (p *Process) Kill() {
	if c := p.want(false, false); c != nil {
		_ = c.cmd.Process.Kill() // It may have ended.
		<-c.exited
	}
}

// Start lets a killed process run again.
func (p *Process) Start() { p.want(true, false) }

// Pause stops the process from running by SIGSTOP.
func (p *Process) Pause() { p.signal(suspend) }

// Resume lets it run again by SIGCONT.
func (p *Process) Resume() { p.signal(resume) }

func (p *Process) signal(send func(*os.Process) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		_ = send(p.running.cmd.Process) // It may have ended.
	}
}

// Stop ends the process by SIGTERM for good and returns how it ended.
func (p *Process) Stop() error {
	c := p.want(false, true)
	if c == nil {
		<-p.life
		return nil
	}
	_ = terminate(c.cmd.Process) // It may have ended.
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-c.exited:
	case <-timeout.C:
		_ = c.cmd.Process.Kill()
		<-c.exited
		<-p.life
		return fmt.Errorf("%s did not stop within %v of SIGTERM", p.config.Name, stopTimeout)
	}
	<-p.life
	if code := c.cmd.ProcessState.ExitCode(); code != 0 && code != exitNotStarted {
		return fmt.Errorf("%s ended with status %d after SIGTERM", p.config.Name, code)
	}
	return nil
}

// Close ends the process at once, if it runs.
func (p *Process) Close() {
	if c := p.want(false, true); c != nil {
		_ = c.cmd.Process.Kill() // It may have ended.
	}
	<-p.life
}

// Faults are what the process did that no order explains.
func (p *Process) Faults() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults
}
