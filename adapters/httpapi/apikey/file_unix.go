//go:build unix

package apikey

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Times of waiting for another process that changes keys.
const (
	lockWait = 3 * time.Second
	lockPoll = 20 * time.Millisecond
)

// lock lets one process at a time change the files of the folder. The lock ends
// with the process at the latest. Whoever may read the folder can hold it, so that it is
// waited for no longer than lockWait.
func lock(path string) (unlock func(), err error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for end := time.Now().Add(lockWait); ; <-poll.C {
		err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = dir.Close() }, nil // Closing ends the lock.
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(end) {
			_ = dir.Close() // Nothing was written.
			return nil, fmt.Errorf("the keys were not changed: another process holds the folder %s locked (%w): see which by fuser %s, and try again", dir.Name(), err, dir.Name())
		}
	}
}

// open opens a file to read it, without waiting for the writer of a named pipe.
func open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // The operator names the file.
}

// keepOwner gives a file the owner and the mode of that whose place it is to take, if
// there is one: else a server that runs as another user could read it no more, and
// would go on with the keys from before, revoked ones among them.
func keepOwner(path string, file *os.File) error {
	like, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	mine, err := file.Stat()
	if err != nil {
		return err
	}
	is, ok := mine.Sys().(*syscall.Stat_t)
	want, known := like.Sys().(*syscall.Stat_t)
	if ok && known && (is.Uid != want.Uid || is.Gid != want.Gid) {
		if err := file.Chown(int(want.Uid), int(want.Gid)); err != nil {
			return fmt.Errorf("its owner must stay, so that servers can read it: %w: run the command as that user", err)
		}
	}
	return file.Chmod(like.Mode().Perm())
}

// syncDir has the name of a file survive a crash.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
