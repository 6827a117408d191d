//go:build !unix

package bootstrap

import "time"

// processCPU would be the processor time that this process has used; it is not
// known on this system.
func processCPU() time.Duration { return 0 }
