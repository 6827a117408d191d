// Package reload keeps what was read from files, and reads them again when they
// have changed: keys and certificates are renewed without a restart.
//
// There is no goroutine: the files are looked at while their value is asked for, at
// most once in [Interval]. A file that cannot be read any more, or has become
// invalid, changes nothing; that is told once for each change, and it is tried again
// at each look: it may become readable without a change, by another mode.
package reload

import (
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Interval is the least time between two looks at the files.
const Interval = time.Second

// Value is what was read from files. It is safe for concurrent use.
type Value[T any] struct {
	paths  []string
	read   func() (T, error)
	now    func() time.Time
	failed func(error)

	value atomic.Pointer[T]

	mu     sync.Mutex // guards what follows: one caller looks, the others go on with the value there is
	looked time.Time
	seen   []os.FileInfo
	stale  bool // whether the files have changed and could not be read
}

// New reads the value; read gets it from the files of the paths. The error is that
// of read. Later errors go to failed, the value stays as it was.
func New[T any](paths []string, read func() (T, error), now func() time.Time, failed func(error)) (*Value[T], error) {
	v := &Value[T]{paths: paths, read: read, now: now, failed: failed, looked: now()}
	// Looking before reading: a change between the two is seen at the next look.
	v.seen = v.look()
	value, err := read()
	if err != nil {
		return nil, err
	}
	v.value.Store(&value)
	return v, nil
}

// Get returns the newest value that could be read.
func (v *Value[T]) Get() T {
	if v.mu.TryLock() {
		v.refresh()
		v.mu.Unlock()
	}
	return *v.value.Load()
}

// refresh reads the files again if they have changed.
func (v *Value[T]) refresh() {
	now := v.now()
	if now.Sub(v.looked) < Interval {
		return
	}
	v.looked = now
	seen := v.look()
	changed := !same(v.seen, seen)
	if !changed && !v.stale {
		return
	}
	v.seen = seen
	value, err := v.read()
	v.stale = err != nil
	switch {
	case err == nil:
		v.value.Store(&value)
	case changed:
		v.failed(err)
	}
}

// look returns what identifies the contents of the files, nil for one that is not
// there.
func (v *Value[T]) look() []os.FileInfo {
	out := make([]os.FileInfo, len(v.paths))
	for i, path := range v.paths {
		if info, err := os.Stat(path); err == nil { // Else reading it tells why.
			out[i] = info
		}
	}
	return out
}

func same(a, b []os.FileInfo) bool {
	for i := range a {
		switch {
		case a[i] == nil && b[i] == nil:
		case a[i] == nil || b[i] == nil:
			return false
		case !os.SameFile(a[i], b[i]) || a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime()):
			return false
		}
	}
	return true
}
