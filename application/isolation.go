package application

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A task that kills its process takes the leases of all that runs there with it, and
// each loss counts towards poison for all of them. So the more leases tasks have lost,
// the fewer of them run at once: of n slots, at most n^((limit-r)/limit) have tasks that
// lost r leases or more, where the limit is SchedulerConfig.MaxRecoveries. With ten slots
// and the limit of three, three slots have tasks that lost two leases, and one has a task
// that lost three. One loss isolates nobody, since most processes that die were killed by
// no task. A task that was beside a killer twice is mostly rid of it the next time, and a
// task on its last chance runs beside tasks only that never lost a lease: if the process
// dies, it was the one, unless one of those kills too.
//
// Tasks that would be too many are given back rather than held, since what is held is
// lost with the process too. They are claimed again and again meanwhile, by processes
// that may run them; one that is on its way back when the process dies is lost with it.

// isolationPause spaces the claims while some of what they got was given back.
const isolationPause = 250 * time.Millisecond

// isolate splits runs into those that may start now and those that must not, because of
// what runs already.
func (f *fetcher) isolate(runs []*run) (start, back []*run) {
	lost := slices.DeleteFunc(slices.Clone(runs), func(r *run) bool { return r.info.Recoveries == 0 })
	if len(lost) == 0 {
		return runs, nil
	}
	// Those that lost the most come first. What lost several begins at once or not now:
	// what waits for a slot can be lost without having run.
	slices.SortStableFunc(lost, func(a, b *run) int { return cmp.Compare(b.info.Recoveries, a.info.Recoveries) })
	beside := f.leases.recoveries(lost)
	free := f.pool.free()
	closed := false
	for _, r := range lost {
		full := len(start) >= free && (r.info.Recoveries > 1 || f.lastChance(r.info.Recoveries))
		if closed || full || !f.mayJoin(r.info.Recoveries, beside) {
			// While one on its last chance waits for the others to end, no other begins.
			closed = closed || f.lastChance(r.info.Recoveries)
			back = append(back, r)
			continue
		}
		if f.lastChance(r.info.Recoveries) {
			f.logger.Warn("task lost its workers often, it runs apart from others that lost theirs", taskFields(r)...)
		}
		beside = append(beside, r.info.Recoveries)
		start = append(start, r)
	}
	for _, r := range runs {
		if r.info.Recoveries == 0 {
			start = append(start, r)
		}
	}
	return start, back
}

// lastChance reports whether the next loss of its lease makes a task poison.
func (f *fetcher) lastChance(recoveries int) bool { return recoveries >= f.cfg.MaxRecoveries }

// mayJoin reports whether a task that lost leases may run beside others that did.
func (f *fetcher) mayJoin(recoveries int, beside []int) bool {
	if len(beside) > 0 && (f.lastChance(recoveries) || f.lastChance(slices.Max(beside))) {
		return false
	}
	slots, limit := float64(f.cfg.workers()), float64(f.cfg.MaxRecoveries)
	for level := 2; level <= recoveries; level++ {
		// One may run however many leases it lost: the limit may have been higher before.
		most := max(1, int(math.Ceil(math.Pow(slots, (limit-float64(level))/limit)-1e-9)))
		there := 0
		for _, n := range beside {
			if n >= level {
				there++
			}
		}
		if there >= most {
			return false
		}
	}
	return true
}
