package redistest

import (
	"errors"
	"fmt"
	"os"
)

func suspend(*os.Process) error {
	return fmt.Errorf("pause a process on Windows: %w", errors.ErrUnsupported)
}

func resume(*os.Process) error {
	return fmt.Errorf("resume a process on Windows: %w", errors.ErrUnsupported)
}

// terminate ends the process: Windows has no way to ask it.
func terminate(p *os.Process) error { return p.Kill() }
