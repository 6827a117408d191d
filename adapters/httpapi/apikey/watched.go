package apikey

import (
	"errors"
	"io/fs"
	"time"

	"logsift/adapters/httpapi/reload"
)

// KeptFor is how long the keys that were read last stay good when their file cannot be
// read any more.
const KeptFor = time.Minute

// File is a file of keys that is read again when it changes. It is safe for concurrent
// use.
//
// A file that is missing, or that others than its owner can change, holds no good key:
// a key that was revoked is not to come back with it. One that cannot be read for
// another reason, such as a slip of the one who edits it, leaves the keys that were read
// last good for [KeptFor].
type File struct {
	value *reload.Value[Keys]
	now   func() time.Time
}

// Open reads the keys of a file. Later errors go to failed, once for each change of
// the file.
func Open(path string, now func() time.Time, failed func(error)) (*File, error) {
	value, err := reload.New(
		func() []string { return append(foldersOf(path), path) },
		func() (Keys, error) { return Load(path) }, now, failed)
	if err != nil {
		return nil, err
	}
	return &File{value, now}, nil
}

// Keys returns the keys that are good now.
func (f *File) Keys() Keys {
	keys := f.value.Get()
	if kept, err := f.failure(); err != nil && !kept {
		return Keys{}
	}
	return keys
}

// State returns why the file cannot be used, nil if it can. Kept is whether the keys
// that were read last are good for the time being.
func (f *File) State() (kept bool, err error) {
	f.value.Get() // It looks at the file.
	return f.failure()
}

func (f *File) failure() (kept bool, err error) {
	since, err := f.value.Failure()
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errExposed) {
		return false, err
	}
	return f.now().Sub(since) < KeptFor, err
}
