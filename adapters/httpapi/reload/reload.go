// Package reload keeps what was read from files, and reads them again when they
// have changed: keys and certificates are renewed without a restart.
//
// There is no goroutine: the files are looked at while their value is asked for, at
// most once in [Interval]. A file that cannot be read any more, or has become
// invalid, leaves the value as it was; that is told once for each change, and the file
// is read again at each look. [Value.Failure] lets the owner of the value decide how
// long it may still be used.
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
	paths  func() []string
	read   func() (T, error)
	now    func() time.Time
	failed func(error)

	value   atomic.Pointer[T]
	failure atomic.Pointer[failure] // nil if the newest look could read the files

	mu     sync.Mutex // guards what follows: one caller looks, the others go on with the value there is
	looked time.Time
	seen   []os.FileInfo
}

// failure is why the files cannot be read, and since when.
type failure struct {
	err   error
	since time.Time
}

// New reads the value; read gets it from files. Paths names them, and the folders whose
// mode matters, anew at each look. The error is that of read. Later errors go to failed,
// the value stays as it was.
func New[T any](paths func() []string, read func() (T, error), now func() time.Time, failed func(error)) (*Value[T], error) {
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

// Failure returns why the files could not be read at the newest look, and since when;
// nil if they could. Since is when the newest of the files changed after the last look
// that could read them, or that look if none shows a change.
func (v *Value[T]) Failure() (since time.Time, err error) {
	if f := v.failure.Load(); f != nil {
		return f.since, f.err
	}
	return time.Time{}, nil
}

// refresh reads the files again if they have changed, or could not be read.
func (v *Value[T]) refresh() {
	now, last := v.now(), v.looked
	if now.Sub(last) < Interval {
		return
	}
	v.looked = now
	seen, failing := v.look(), v.failure.Load()
	changed := !same(v.seen, seen)
	if !changed && failing == nil {
		return
	}
	v.seen = seen
	value, err := v.read()
	if err == nil {
		v.value.Store(&value)
		v.failure.Store(nil)
		return
	}
	since := newest(seen, last, now)
	if failing != nil {
		since = failing.since
	}
	v.failure.Store(&failure{err, since})
	if changed {
		v.failed(err)
	}
}

// newest returns when the newest of the files changed: not before the last look, nor
// after now.
func newest(files []os.FileInfo, last, now time.Time) time.Time {
	for _, file := range files {
		if file != nil && !file.IsDir() && file.ModTime().After(last) {
			last = file.ModTime()
		}
	}
	if last.After(now) {
		return now
	}
	return last
}

// look returns what identifies the contents of the files, and who may change them; nil
// for one that is not there.
func (v *Value[T]) look() []os.FileInfo {
	paths := v.paths()
	out := make([]os.FileInfo, len(paths))
	for i, path := range paths {
		if info, err := os.Stat(path); err == nil { // Else reading it tells why.
			out[i] = info
		}
	}
	return out
}

func same(a, b []os.FileInfo) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		switch {
		case a[i] == nil && b[i] == nil:
		case a[i] == nil || b[i] == nil || !os.SameFile(a[i], b[i]) || a[i].Mode() != b[i].Mode():
			return false
		case a[i].IsDir(): // What else changes in it concerns nobody.
		case a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime()):
			return false
		}
	}
	return true
}
