//go:build unix

package chaostest

import (
	"errors"
	"os"
	"syscall"
)

func suspend(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }

// terminate asks the process to end. A paused one is resumed, since it would not
// see the request before.
func terminate(p *os.Process) error {
	return errors.Join(p.Signal(syscall.SIGTERM), p.Signal(syscall.SIGCONT))
}

// ownGroup makes a child the only one of its group: if the test binary is killed,
// the kernel resumes it should it be paused, and it sees the end of its standard
// input and ends too.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
