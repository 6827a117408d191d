//go:build unix

package bootstrap

import (
	"syscall"
	"time"
)

// processCPU is the processor time, of user and system, that this process has
// used.
func processCPU() time.Duration {
	var u syscall.Rusage
	// It cannot fail for the process itself.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
