package chaostest

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// Fault is a kind of trouble.
type Fault string

// The faults. Those of a process or a proxy name it; each lasts for Step.For,
// where it can last.
const (
	FaultKill        Fault = "kill"         // SIGKILL, started again at the end
	FaultPause       Fault = "pause"        // SIGSTOP, SIGCONT at the end
	FaultRedisKill   Fault = "redis_kill"   // SIGKILL, started again at the end
	FaultRedisPause  Fault = "redis_pause"  // SIGSTOP, SIGCONT at the end
	FaultMasterKill  Fault = "master_kill"  // SIGKILL of a group's master, whole again at the end
	FaultScriptFlush Fault = "script_flush" // Redis, each node of it, forgets its scripts
	FaultClientKill  Fault = "client_kill"  // Redis, each node of it, ends all connections
	FaultCut         Fault = "cut"          // the proxy ends its connections and takes no new ones
	FaultToxic       Fault = "toxic"        // Step.Toxic, then the connections are cut
	Calm             Fault = "calm"
)

// Step is one fault of a plan.
type Step struct {
	At    time.Duration `json:"at"`
	Fault Fault         `json:"fault"`
	On    string        `json:"on,omitempty"`
	For   time.Duration `json:"for,omitempty"`
	Toxic *Toxic        `json:"toxic,omitempty"`
}

// Plan is what is broken when, in the order of time.
type Plan []Step

// Targets are the names that a plan may use.
type Targets struct {
	Serves, Workers []string
	// Proxied are those of them that reach Redis through a proxy of their name. If
	// there are none, Redis is a group.
	Proxied []string
	// MasterDies is whether a group loses its master once.
	MasterDies bool
}

// NewPlan makes a plan of a seed that is over after the given time. Two lanes of
// faults run beside each other, one for the processes, one for Redis and the
// network; about a quarter of each is calm.
func NewPlan(seed uint64, length time.Duration, lease time.Duration, on Targets) Plan {
	plan := lane(rand.New(rand.NewPCG(seed, 1)), length, func(r *rand.Rand) Step { return processFault(r, lease, on) })
	store := lane(rand.New(rand.NewPCG(seed, 2)), length, func(r *rand.Rand) Step { return storeFault(r, lease, on) })
	if on.MasterDies {
		death := Step{At: length / 2, Fault: FaultMasterKill, For: failoverTime}
		store = append(slices.DeleteFunc(store, func(s Step) bool { return s.At >= death.At && s.At <= death.At+death.For }), death)
	}
	plan = append(plan, store...)
	slices.SortStableFunc(plan, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	return plan
}

// failoverTime is about how long a group needs for another master.
const failoverTime = 2 * time.Second

func lane(r *rand.Rand, length time.Duration, fault func(*rand.Rand) Step) Plan {
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
	if len(on.Proxied) == 0 {
		return Step{Fault: []Fault{FaultScriptFlush, FaultClientKill}[r.IntN(2)]}
	}
	proxy := pick(r, on.Proxied)
	toxic := func(length time.Duration, typ, stream string, toxicity float32, attributes map[string]int) Step {
		return Step{Fault: FaultToxic, On: proxy, For: length, Toxic: &Toxic{Type: typ, Stream: stream, Toxicity: toxicity, Attributes: attributes}}
	}
	switch r.IntN(11) {
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
