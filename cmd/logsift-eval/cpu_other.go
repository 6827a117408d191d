//go:build !unix

package main

import (
	"os"
	"time"
)

// processorTime is the time on the clock.
func processorTime() time.Duration { return time.Duration(time.Now().UnixNano()) }

// peakMemory is not known.
func peakMemory(*os.ProcessState) int64 { return 0 }
