//go:build !unix

package apikey

import "os"

// lock does nothing where there are no such locks: keys are to be changed by one
// command at a time.
func lock(string) (unlock func(), err error) { return func() {}, nil }

// open opens a file to read it.
func open(path string) (*os.File, error) { return os.Open(path) }

// keepOwner does nothing where files take their rights from the folder.
func keepOwner(string, *os.File) error { return nil }

// syncDir does nothing where folders cannot be synced.
func syncDir(string) error { return nil }
