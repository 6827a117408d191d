package sqlitestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"logsift/domain"
)

// The files of a store: the database, its write-ahead log, and the index of that.
var suffixes = [...]string{"", "-wal", "-shm"}

// files knows the files that a store was opened with, and notices when their names come
// to stand for others, or something else writes into the database. SQLite itself does
// not: it goes on with the files that it has open, and gives those that it opens later
// to the wrong database.
type files struct {
	path string
	// database reads the head of the database. It is open for as long as SQLite has the
	// database open: closing it would give SQLite's locks away.
	database *os.File
	opened   [len(suffixes)]os.FileInfo

	// mu guards size, the newest size of the database.
	mu   sync.Mutex
	size int64
	// lost is set once and for all.
	lost atomic.Pointer[lostError]
}

// harm is what happened to the files.
type harm int

const (
	// harmMoved: the name of the database stands for another file, or none.
	harmMoved harm = iota
	// harmOverwritten: something else wrote into the database.
	harmOverwritten
	// harmLog: the name of the write-ahead log or its index stands for another file, or
	// none.
	harmLog
)

// lostError says how a store lost its files. It is a domain.ErrStoreReplaced.
type lostError struct {
	harm harm
	what string
}

func (e *lostError) Error() string {
	return fmt.Sprintf("%v: %s; nothing more is read or written: stop this process, see to it that the right file is in its place, and start it again",
		domain.ErrStoreReplaced, e.what)
}

func (e *lostError) Unwrap() error { return domain.ErrStoreReplaced }

// openFiles creates the database with narrow rights if there is none, and finds out
// early, with the system's own words, what stands in the way.
func openFiles(path string) (*files, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // The path is the operator's choice.
	switch {
	case err == nil:
		return &files{path: path, database: f}, nil
	case errors.Is(err, fs.ErrPermission):
		if _, statErr := os.Stat(path); statErr == nil {
			return nil, fmt.Errorf("open store file: %w: %w", domain.ErrStoreReadOnly, err)
		}
	}
	return nil, fmt.Errorf("open store file: %w: %w", domain.ErrStoreUnavailable, err)
}

// remember notes the files as they are, once SQLite has opened all of them.
func (f *files) remember() (err error) {
	if f.opened[0], err = f.database.Stat(); err != nil {
		return err
	}
	for i, suffix := range suffixes[1:] {
		if f.opened[i+1], err = os.Stat(f.path + suffix); err != nil {
			return err
		}
	}
	return f.check()
}

// check returns the *lostError if the files are no longer those that were opened. It
// costs a few microseconds.
func (f *files) check() error {
	if f.lost.Load() == nil {
		f.mu.Lock()
		found := f.look()
		f.mu.Unlock()
		if found != nil {
			f.lost.CompareAndSwap(nil, found)
		}
	}
	return f.state()
}

// state returns the *lostError that check has found, if it has.
func (f *files) state() error {
	if lost := f.lost.Load(); lost != nil {
		return lost
	}
	return nil
}

// look compares the files with those that were opened. The caller holds mu.
func (f *files) look() *lostError {
	if f.opened[0] == nil {
		return nil // They are about to be opened.
	}
	for i, suffix := range suffixes {
		kind, name := harmMoved, f.path+suffix
		if i > 0 {
			kind = harmLog
		}
		info, err := os.Stat(name)
		switch {
		case errors.Is(err, fs.ErrPermission):
			// Who may not look does not know.
		case err != nil:
			return &lostError{kind, name + " was deleted or moved away"}
		case !os.SameFile(info, f.opened[i]):
			return &lostError{kind, "another file was put in the place of " + name}
		case i == 0 && !f.sound(info.Size()):
			return &lostError{harmOverwritten, name + " was cut off or written over by another program"}
		}
	}
	return nil
}

// sound reports whether the database, of a size, is what SQLite may have made of it. The
// caller holds mu.
func (f *files) sound(size int64) bool {
	// SQLite makes it smaller by VACUUM only, and its head tells its size then.
	shrunk := size < f.size
	f.size = size
	head := make([]byte, 100)
	if _, err := f.database.ReadAt(head, 0); err != nil {
		// A new database is empty until its write-ahead log is folded into it.
		return size == 0 && !shrunk
	}
	pageSize := int64(binary.BigEndian.Uint16(head[16:]))
	pages := int64(binary.BigEndian.Uint32(head[28:]))
	// A copy that SQLite made, as by VACUUM INTO, has no write-ahead log: 1 in place of 2.
	return bytes.HasPrefix(head, []byte("SQLite format 3\x00")) && head[18] == 2 && head[19] == 2 && (!shrunk || pages*pageSize <= size)
}

// removeLog removes the write-ahead log and its index from beside a database that they
// do not belong to, which would be destroyed by them. Those of others stay.
func (f *files) removeLog() error {
	var errs []error
	for i, suffix := range suffixes[1:] {
		info, err := os.Stat(f.path + suffix)
		if err == nil && os.SameFile(info, f.opened[i+1]) {
			errs = append(errs, os.Remove(f.path+suffix))
		}
	}
	return errors.Join(errs...)
}
