package redistest

import "syscall"

// dieWithParent makes the kernel kill the process when the test binary dies, so
// that a binary that is killed leaves no server behind.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
