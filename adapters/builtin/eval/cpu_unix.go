//go:build unix

package main

import (
	"syscall"
	"time"
)

// processorTime is the time that the process had of processors, so that what else
// the machine does counts little.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
