//go:build !unix

package main

import "time"

// processorTime is the time on the clock.
func processorTime() time.Duration { return time.Duration(time.Now().UnixNano()) }
