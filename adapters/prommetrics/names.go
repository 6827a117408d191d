package prommetrics

import (
	"maps"
	"sync"
	"sync/atomic"
)

// other is the value of a label for what has no value of its own.
const other = "other"

// names bounds the values of a label: the first limit names that it meets stand for
// themselves, all others are "other". It is safe for concurrent use, and looking up
// a known name takes no lock.
type names struct {
	limit int
	known atomic.Pointer[map[string]struct{}]
	mu    sync.Mutex // held by who adds a name
}

func newNames(limit int) *names {
	n := &names{limit: limit}
	n.known.Store(&map[string]struct{}{})
	return n
}

// of returns the value for a name.
func (n *names) of(name string) string {
	known := *n.known.Load()
	if _, ok := known[name]; ok {
		return name
	}
	if len(known) >= n.limit {
		return other
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	known = *n.known.Load()
	if _, ok := known[name]; ok {
		return name
	}
	if len(known) >= n.limit {
		return other
	}
	more := maps.Clone(known)
	more[name] = struct{}{}
	n.known.Store(&more)
	return name
}
