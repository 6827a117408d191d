// Package proc runs the processes of the tests of systems: this test binary once more, as
// what its TestMain makes of it, or any other program. It needs a Unix.
package proc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// childEnv makes this binary a child; it holds the child's configuration as JSON.
const childEnv = "LOGSIFT_SYSTEMTEST_CHILD"

// Self is a command that runs this binary again with a configuration, behind another
// command such as ip netns exec if there is one.
func Self(config any, before ...string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	cmd := Command(append(before, program)...)
	cmd.Env = append(os.Environ(), childEnv+"="+string(raw))
	return cmd, nil
}

// Command is a command that ends by signals only, so it outlives every context.
func Command(line ...string) *exec.Cmd {
	return exec.CommandContext(context.Background(), line[0], line[1:]...) //nolint:forbidigo,gosec // See above; tests name the programs.
}

// ChildMain runs what a child has to do, if this process is one, and returns its status.
// TestMain calls it first. main gets the configuration.
func ChildMain(main func(config []byte) int) (code int, isChild bool) {
	raw, isChild := os.LookupEnv(childEnv)
	switch {
	case !isChild:
		return 0, false
	case raw == proxyConfig:
		return proxyMain(os.Stdin, os.Stdout), true
	default:
		return main([]byte(raw)), true
	}
}

// Process is a program that runs or has ended.
type Process struct {
	// Stdin is the other end of its standard input.
	Stdin io.WriteCloser
	// Exited is closed when it has ended and all that it wrote was read.
	Exited <-chan struct{}

	cmd *exec.Cmd
	err error // how it ended; set before Exited is closed
}

// Start runs a command. out and log get each line of its standard output and standard
// error, without the line's end.
func Start(cmd *exec.Cmd, out, log func(line []byte)) (*Process, error) {
	// If the test is killed, the kernel resumes a group that it leaves paused, and a child
	// ends with its standard input.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, errIn := cmd.StdinPipe()
	stdout, errOut := cmd.StdoutPipe()
	stderr, errLog := cmd.StderrPipe()
	if err := errors.Join(errIn, errOut, errLog, cmd.Start()); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	exited, logged := make(chan struct{}), make(chan struct{})
	p := &Process{Stdin: stdin, Exited: exited, cmd: cmd}
	go func() {
		defer close(logged)
		eachLine(stderr, log)
	}()
	go func() {
		defer close(exited)
		eachLine(stdout, out)
		<-logged
		p.err = cmd.Wait()
	}()
	return p, nil
}

// Run runs a command until the test ends, and shows what it wrote if the test failed. It
// returns when a line holds ready, at once if that is empty.
func Run(tb testing.TB, cmd *exec.Cmd, ready string) {
	tb.Helper()
	var mu sync.Mutex // guards output
	var output strings.Builder
	seen := make(chan struct{}, 1)
	note := func(line []byte) {
		mu.Lock()
		defer mu.Unlock()
		output.Write(append(line, '\n'))
		if ready != "" && strings.Contains(string(line), ready) {
			select {
			case seen <- struct{}{}:
			default:
			}
		}
	}
	p, err := Start(cmd, note, note)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		p.Kill()
		if tb.Failed() {
			tb.Logf("%s: %s", filepath.Base(cmd.Path), output.String())
		}
	})
	if ready == "" {
		return
	}
	select {
	case <-seen:
	case <-p.Exited:
		require.Fail(tb, "the process ended before it was ready")
	case <-time.After(time.Minute):
		require.Fail(tb, "the process is not ready after a minute")
	}
}

// eachLine calls do for each line, however long.
func eachLine(r io.Reader, do func([]byte)) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = line[:n-1]
		}
		if len(line) > 0 || err == nil {
			do(line)
		}
		if err != nil {
			return
		}
	}
}

// Status is the exit status of a process that has ended, -1 if a signal ended it.
func (p *Process) Status() int { return p.cmd.ProcessState.ExitCode() }

// Err is how a process ended, nil for status 0.
func (p *Process) Err() error { return p.err }

// Signal sends a signal, unless the process has ended.
func (p *Process) Signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// Kill ends the process at once and returns when it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.Exited
}

// Pause stops the process from running, and Resume lets it run again.
func (p *Process) Pause() { p.Signal(syscall.SIGSTOP) }

// Resume lets a paused process run again.
func (p *Process) Resume() { p.Signal(syscall.SIGCONT) }

// Stop asks the process to end, resumes it in case it is paused, and reports whether it
// has ended within a time. It kills it otherwise.
func (p *Process) Stop(within time.Duration) bool {
	p.Signal(syscall.SIGTERM)
	p.Resume()
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	select {
	case <-p.Exited:
		return true
	case <-timeout.C:
		p.Kill()
		return false
	}
}
