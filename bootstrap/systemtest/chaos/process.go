package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"logsift/bootstrap/systemtest/proc"
)

const (
	// readyWord begins the line that tells where a child listens, and listenWord that
	// of the program.
	readyWord    = "ready "
	listenWord   = "listening on http://"
	readyTimeout = 20 * time.Second // for a process to say that it is ready
	stopTimeout  = 20 * time.Second // for a process to obey SIGTERM
	respawnPause = 100 * time.Millisecond
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
	*proc.Process
	// ordered is whether its end was asked for.
	ordered bool
	// ended is closed when it has ended and the process knows it.
	ended chan struct{}
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
	c, log, err := p.spawn(config)
	if err != nil {
		p.faults = append(p.faults, err.Error())
		p.mu.Unlock()
		return
	}
	p.running = c
	p.mu.Unlock()
	<-c.Exited
	_ = log.Close() // It holds what can be read of it.
	p.mu.Lock()
	defer p.mu.Unlock()
	var exit *exec.ExitError
	if !c.ordered && c.Status() != exitNotStarted {
		p.faults = append(p.faults, fmt.Sprintf("%s ended by itself: %v", config.Name, c.Err()))
	}
	if err := c.Err(); c.ordered && p.quit && err != nil && !errors.As(err, &exit) {
		p.faults = append(p.faults, fmt.Sprintf("%s: %v", config.Name, err))
	}
	p.running, p.addr = nil, ""
	select {
	case <-p.ready:
		p.ready = make(chan struct{})
	default:
	}
	close(c.ended)
}

// spawn starts this binary as a child, or the program of the configuration. Its
// standard error is a file of its folder.
func (p *Process) spawn(config ChildConfig) (*child, *os.File, error) {
	cmd, err := proc.Self(config)
	if config.Program != "" {
		cmd = proc.Command(append([]string{config.Program}, config.Args...)...)
	}
	if err != nil {
		return nil, nil, err
	}
	log, err := os.Create(filepath.Join(config.Dir, config.Name+".stderr"))
	if err != nil {
		return nil, nil, err
	}
	c := &child{ended: make(chan struct{})}
	c.Process, err = proc.Start(cmd, func(line []byte) { p.look(line, readyWord) }, func(line []byte) {
		_, _ = log.Write(append(line, '\n')) // It is for people to read.
		p.look(line, listenWord)
	})
	if err != nil {
		return nil, nil, errors.Join(err, log.Close())
	}
	return c, log, nil
}

// look notes the address of a line that begins with a word: the process is ready.
func (p *Process) look(line []byte, word string) {
	if addr, ok := strings.CutPrefix(string(line), word); ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.addr = addr
		close(p.ready)
	}
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
		c.Signal(os.Kill)
		<-c.ended
	}
}

// Start lets a killed process run again.
func (p *Process) Start() { p.want(true, false) }

// Pause stops the process from running by SIGSTOP.
func (p *Process) Pause() { p.signal(syscall.SIGSTOP) }

// Resume lets it run again by SIGCONT.
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

func (p *Process) signal(s os.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		p.running.Signal(s)
	}
}

// Stop ends the process by SIGTERM for good and returns how it ended.
func (p *Process) Stop() error {
	c := p.want(false, true)
	inTime := c == nil || c.Stop(stopTimeout)
	<-p.life
	switch {
	case !inTime:
		return fmt.Errorf("%s did not stop within %v of SIGTERM", p.config.Name, stopTimeout)
	case c != nil && c.Status() != 0 && c.Status() != exitNotStarted:
		return fmt.Errorf("%s ended with status %d after SIGTERM", p.config.Name, c.Status())
	default:
		return nil
	}
}

// Close ends the process at once, if it runs.
func (p *Process) Close() {
	if c := p.want(false, true); c != nil {
		c.Signal(os.Kill)
	}
	<-p.life
}

// Faults are what the process did that no order explains.
func (p *Process) Faults() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults
}
