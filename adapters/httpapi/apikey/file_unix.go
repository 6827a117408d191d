//go:build unix

package apikey

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lock lets one process at a time change the files of the folder. The lock ends
// with the process at the latest.
func lock(path string) (unlock func(), err error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		_ = dir.Close() // Nothing was written.
		return nil, fmt.Errorf("lock %s: %w", dir.Name(), err)
	}
	return func() { _ = dir.Close() }, nil // Closing ends the lock.
}
