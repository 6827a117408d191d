//go:build unix

package follow

import (
	"os"
	"syscall"
)

// fileID is what a file keeps when it is renamed: its device and inode.
func fileID(info os.FileInfo) [2]uint64 {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return [2]uint64{}
	}
	return [2]uint64{uint64(stat.Dev), stat.Ino} //nolint:unconvert // Dev has another type on other systems.
}
