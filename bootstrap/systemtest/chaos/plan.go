package chaos

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"logsift/bootstrap/systemtest/proc"
)

// Step is one fault of a plan.
type Step struct {
	At    time.Duration `json:"at"`
	Fault Fault         `json:"fault"`
	On    string        `json:"on,omitempty"`
	For   time.Duration `json:"for,omitempty"`
	Toxic *proc.Toxic   `json:"toxic,omitempty"`
}

// Plan is what is broken when, in the order of time.
type Plan []Step

// Targets are what a plan may use.
type Targets struct {
	Serves, Workers []string
	// Proxied are those of them that reach Redis through a proxy of their name.
	Proxied []string
	// Server is whether Redis is one server, Replica whether it is a group that has
	// one, and Link whether the replica can be cut off from its master.
	Server, Replica, Link bool
}

// meet reports whether there is what a step needs.
func (on Targets) meet(s Step) bool {
	if s.Fault == Calm {
		return true
	}
	n, known := nemeses[s.Fault]
	return known && map[needs]bool{
		aProcess: slices.Contains(slices.Concat(on.Serves, on.Workers), s.On), aProxy: slices.Contains(on.Proxied, s.On),
		anyRedis: true, oneServer: on.Server, aReplica: on.Replica, aLink: on.Link,
	}[n.needs]
}

// NewPlan makes a plan of a seed that is over after the given time. Two series of
// faults run beside each other, one for the processes, one for Redis and the
// network; about a quarter of each is calm. A group that has a replica loses its
// master after a third of the time, for the rest of it.
func NewPlan(seed uint64, length time.Duration, lease time.Duration, on Targets) Plan {
	plan := series(rand.New(rand.NewPCG(seed, 1)), length, func(r *rand.Rand) Step { return processFault(r, lease, on) })
	store := series(rand.New(rand.NewPCG(seed, 2)), length, func(r *rand.Rand) Step { return storeFault(r, lease, on) })
	if on.Replica {
		// Whether all are back soon is judged after it, so nothing else is broken then.
		death := Step{At: length / 3, Fault: FaultMasterKill, For: length}
		late := func(s Step) bool { return s.At+s.For >= death.At-cutTime }
		plan, store = slices.DeleteFunc(plan, late), slices.DeleteFunc(store, late)
		if on.Link {
			store = append(store, Step{At: death.At - cutTime, Fault: FaultLinkCut})
		}
		store = append(store, death)
	}
	plan = append(plan, store...)
	slices.SortStableFunc(plan, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	return plan
}

// cutTime is for how long before the death of its master a replica gets nothing.
const cutTime = time.Second

// series makes faults of one kind, one after another.
func series(r *rand.Rand, length time.Duration, fault func(*rand.Rand) Step) Plan {
	var plan Plan
	for at := millis(r, 300, 1000); at < length; {
		s := Step{Fault: Calm, For: millis(r, 400, 1200)}
		if r.IntN(4) > 0 {
			s = fault(r)
		}
		s.At = at
		s.For = min(s.For, length-at)
		at += s.For + millis(r, 100, 400)
		plan = append(plan, s)
	}
	return plan
}

func processFault(r *rand.Rand, lease time.Duration, on Targets) Step {
	switch r.IntN(10) {
	case 0, 1, 2:
		return Step{Fault: FaultKill, On: pick(r, on.Workers), For: millis(r, 50, 1000)}
	case 3, 4:
		return Step{Fault: FaultPause, On: pick(r, on.Workers), For: millis(r, 100, 1000)}
	case 5, 6, 7:
		// Others take the tasks over meanwhile.
		return Step{Fault: FaultPause, On: pick(r, on.Workers), For: lease + millis(r, 200, 2000)}
	case 8:
		return Step{Fault: FaultKill, On: pick(r, on.Serves), For: millis(r, 50, 1000)}
	default:
		return Step{Fault: FaultPause, On: pick(r, on.Serves), For: millis(r, 200, 3000)}
	}
}

func storeFault(r *rand.Rand, lease time.Duration, on Targets) Step {
	if !on.Server {
		return Step{Fault: []Fault{FaultScriptFlush, FaultClientKill}[r.IntN(2)]}
	}
	proxy := pick(r, on.Proxied)
	toxic := func(length time.Duration, typ, stream string, toxicity float32, attributes map[string]int) Step {
		return Step{Fault: FaultToxic, On: proxy, For: length, Toxic: &proc.Toxic{Type: typ, Stream: stream, Toxicity: toxicity, Attributes: attributes}}
	}
	switch r.IntN(13) {
	case 0:
		return Step{Fault: FaultRedisKill, For: millis(r, 50, 1500)}
	case 1:
		return Step{Fault: FaultRedisPause, For: millis(r, 100, 1500)}
	case 2:
		return Step{Fault: FaultScriptFlush}
	case 3:
		return Step{Fault: FaultClientKill}
	case 4, 5:
		return Step{Fault: FaultCut, On: proxy, For: millis(r, 100, 3500)}
	case 6:
		return toxic(millis(r, 500, 2500), "latency", "downstream", 1, map[string]int{"latency": 20 + r.IntN(100), "jitter": 20})
	case 7:
		// Calls arrive when nobody waits for their replies any more, some after the
		// lease that they speak of.
		return toxic(lease+millis(r, 500, 1500), "latency", "upstream", 1, map[string]int{"latency": int(lease.Milliseconds()) + r.IntN(500)})
	case 8:
		return toxic(millis(r, 300, 1500), "reset_peer", "downstream", 0.5, map[string]int{"timeout": 20 + r.IntN(200)})
	case 9:
		return Step{Fault: FaultRedisFull, For: millis(r, 300, 2500)}
	case 10:
		return Step{Fault: FaultRestore, For: millis(r, 300, 2000)}
	case 11:
		return toxic(millis(r, 300, 1500), "slicer", "downstream", 1, map[string]int{"average_size": 16, "size_variation": 8, "delay": 100})
	default:
		// A connection ends after so many bytes of replies: in their midst.
		return toxic(millis(r, 300, 1500), "limit_data", "downstream", 0.8, map[string]int{"bytes": 300 + r.IntN(900)})
	}
}

func pick(r *rand.Rand, names []string) string { return names[r.IntN(len(names))] }

func millis(r *rand.Rand, least, most int) time.Duration {
	return time.Duration(least+r.IntN(most-least+1)) * time.Millisecond
}
