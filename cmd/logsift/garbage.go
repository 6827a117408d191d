package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// garbageRoom is how many bytes of garbage may gather in a heap of up to leanHeap
	// before they are collected; both together bound the memory of most analyses.
	garbageRoom = 64 << 20
	leanHeap    = 192 << 20
	// mostGarbage is the highest GOGC that this makes, in percent of the live heap.
	mostGarbage = 400
)

// spareSmallHeaps has a small heap collected less often: Go collects when a heap has
// doubled, which that of a busy worker does dozens of times a second, at a third of
// the processor time of its tasks. A heap of garbageRoom to leanHeap is collected more
// often than that, a larger one as ever. A percentage that the environment names stays.
func spareSmallHeaps(getenv func(string) string) {
	if getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(mostGarbage)
	afterCollection(mostGarbage)
}

// afterCollection follows the live heap: after each collection it sets the percentage
// anew, if it was another.
func afterCollection(percent int) {
	// The pointer keeps it from being allocated together with others.
	type cycle struct{ _ *int }
	runtime.AddCleanup(&cycle{}, func(percent int) {
		next := garbagePercent(liveHeap())
		if next != percent {
			debug.SetGCPercent(next)
		}
		afterCollection(next)
	}, percent)
}

// garbagePercent is the GOGC of a heap with so many live bytes.
func garbagePercent(live uint64) int {
	if live > leanHeap {
		return 100
	}
	return int(min(100*garbageRoom/max(live, 1), mostGarbage))
}

func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
