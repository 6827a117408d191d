package prommetrics

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// other is the value of a label for what has no value of its own.
const other = "other"

// names bounds the values of a label: limit names stand for themselves, all others are
// "other". At first those are the ones that come first. A name that is met twice as
// often as the rarest of them takes its place, so that names nobody works with do not
// keep out those that matter. It is safe for concurrent use, and meeting a known name
// takes no lock.
type names struct {
	limit int
	// forget takes a name that has lost its place.
	forget func(name string)
	known  atomic.Pointer[map[string]*atomic.Int64] // how often each was met
	mu     sync.Mutex                               // guards the others, held by who adds a name
	others map[string]int64                         // how often, of at most othersPerName times limit
}

// othersPerName is how many names without a place are counted for each that has one.
const othersPerName = 8

func newNames(limit int, forget func(string)) *names {
	n := &names{limit: limit, forget: forget, others: map[string]int64{}}
	n.known.Store(&map[string]*atomic.Int64{})
	return n
}

// of returns the value for a name that is met times times.
func (n *names) of(name string, times int64) string {
	if met, ok := (*n.known.Load())[name]; ok {
		met.Add(times)
		return name
	}
	return n.place(name, times, 0)
}

// standing returns the value for a name that stands for so many tasks now, however
// often it is asked for.
func (n *names) standing(name string, tasks int64) string { return n.place(name, 0, tasks) }

// place is of and standing: times are added, and the sum is least or more.
func (n *names) place(name string, times, least int64) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	known := *n.known.Load()
	if met, ok := known[name]; ok {
		if sum := met.Add(times); sum < least {
			met.Add(least - sum)
		}
		return name
	}
	forgotten := ""
	times = max(times+n.others[name], least)
	if len(known) >= n.limit {
		rarest := n.rarest(known)
		if rarest == "" || times <= 2*known[rarest].Load() {
			n.note(name, times)
			return other
		}
		delete(n.others, name)
		n.forget(rarest)
		forgotten = rarest
	}
	more := maps.Clone(known)
	delete(more, forgotten)
	more[name] = &atomic.Int64{}
	more[name].Store(times)
	n.known.Store(&more)
	return name
}

// rarest returns the known name that was met least.
func (n *names) rarest(known map[string]*atomic.Int64) string {
	name, least := "", int64(0)
	for _, candidate := range slices.Sorted(maps.Keys(known)) {
		if met := known[candidate].Load(); name == "" || met < least {
			name, least = candidate, met
		}
	}
	return name
}

// note remembers how often a name without a place was met. When there are too many,
// each counts one less: those that are met again and again stay.
func (n *names) note(name string, times int64) {
	if _, counted := n.others[name]; counted || len(n.others) < othersPerName*n.limit {
		n.others[name] = times
		return
	}
	for one, met := range n.others {
		if met <= 1 {
			delete(n.others, one)
		} else {
			n.others[one] = met - 1
		}
	}
}
