package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// The invariants of a storm of limits.
const (
	invStoreLimit Invariant = "limit in the store"
	invRunLimit   Invariant = "limit of the runs"
	invOrder      Invariant = "order by key"
	invRate       Invariant = "rate"
	invDrained    Invariant = "drained"
)

const (
	// limitSlack is how far the times of a store and of the histories may be apart, of
	// which the store's are cut to microseconds.
	limitSlack = int64(time.Millisecond)
	// rateSpan is over what time the rate is judged, and rateTolerance how much more may
	// begin in it than the rate says.
	rateSpan      = 3 * time.Second
	rateTolerance = 1.05
)

// limitsMet is what a storm has met.
type limitsMet struct {
	// granted counts claims, lost those of them whose run did not end within its lease.
	granted, lost int
	// most is how many claims under the rate began in a rateSpan at most.
	most int
	// paced is how many claims the rate has let through, of pacedCould.
	paced, pacedCould int
	// overtaken counts the claims of tasks whose key has begun a later one before.
	overtaken int
}

// Summary says what the storm has met.
func (s *LimitStorm) Summary() string {
	return fmt.Sprintf("%d tasks, %d faults, %d looks, of which %d saw all slots of the type taken; %+v", len(s.tasks), s.kills, s.looks, s.full, s.met)
}

// limitedRun is a claim that was granted, by the clock of this machine in nanoseconds.
type limitedRun struct {
	task    string
	fence   int
	granted int64
	// ends is when its processor returned, if its lease was held until then; 0 else.
	ends  int64
	queue string
}

// judgeEnd looks at the store when all tasks have ended.
func (s *LimitStorm) judgeEnd(ctx context.Context) error {
	uses, err := s.store.ListLimits(ctx)
	if err != nil {
		return err
	}
	for _, u := range uses {
		if u.Running != 0 || u.Waiting != 0 {
			s.report(invDrained, "", "the limit %s has %d that run and %d that wait", u.Name, u.Running, u.Waiting)
		}
	}
	finals, err := listAll(ctx, s.store)
	if err != nil {
		return err
	}
	if len(finals) != len(s.tasks) {
		s.report(invDrained, "", "there are %d tasks of %d", len(finals), len(s.tasks))
	}
	ended := map[string]time.Time{}
	for _, t := range finals {
		ended[t.ID.String()] = t.CompletedAt
	}
	for key, line := range s.lines() {
		for i, id := range line[:max(len(line)-1, 0)] {
			if ended[line[i+1]].Before(ended[id]) {
				s.report(invOrder, id, "%s: it ended at %v, after the next one at %v", key, ended[id], ended[line[i+1]])
			}
		}
	}
	return nil
}

// lines are the tasks of each key that run in order, in that order.
func (s *LimitStorm) lines() map[string][]string {
	out := map[string][]string{}
	for id, t := range s.tasks {
		if t.line != "" {
			out[t.line] = append(out[t.line], id)
		}
	}
	for _, line := range out {
		slices.SortFunc(line, func(a, b string) int { return s.tasks[a].number - s.tasks[b].number })
	}
	return out
}

// judgeHistory judges what the workers wrote down.
func (s *LimitStorm) judgeHistory() error {
	events, err := ReadHistory(s.dir)
	if err != nil {
		return err
	}
	runs, err := ReadRuns(s.dir)
	if err != nil {
		return err
	}
	s.judgeRuns(grants(events, runs))
	return nil
}

// grants are the claims that were granted, the first one first.
func grants(events []Event, runs []Run) []limitedRun {
	type claim struct {
		task  string
		fence int
	}
	granted, expires := map[claim]*limitedRun{}, map[claim]int64{}
	for _, e := range events {
		of := claim{e.Task, e.Fence}
		if e.Outcome != OK || e.Op != OpClaim && e.Op != OpExtend {
			continue
		}
		expires[of] = max(expires[of], e.Ends*int64(time.Microsecond))
		if e.Op == OpClaim {
			granted[of] = &limitedRun{task: e.Task, fence: e.Fence, granted: e.Start * int64(time.Microsecond), queue: e.Queue}
		}
	}
	for _, r := range runs {
		of := claim{r.Task, r.Fence}
		if g := granted[of]; g != nil && r.End <= expires[of] {
			g.ends = r.End
		}
	}
	return slices.SortedFunc(func(yield func(limitedRun) bool) {
		for g := range maps.Values(granted) {
			if !yield(*g) {
				return
			}
		}
	}, func(a, b limitedRun) int {
		return cmp.Or(cmp.Compare(a.granted, b.granted), cmp.Compare(a.task, b.task))
	})
}

// judgeRuns judges claims, the first one first.
func (s *LimitStorm) judgeRuns(claims []limitedRun) {
	s.met.granted = len(claims)
	begun := map[string]int{}
	var paced []int64
	for i, c := range claims {
		if c.ends == 0 {
			s.met.lost++
		}
		task := s.tasks[c.task]
		if task == nil {
			continue // It is none of the storm's.
		}
		if c.queue == pacedQueue && c.granted < s.unpaced {
			paced = append(paced, c.granted)
		}
		for _, u := range task.under {
			running := s.runningAt(claims[:i+1], u, c.granted)
			if most := s.bounds[u.bound].most(c.granted, c.granted); running > most {
				s.report(invRunLimit, c.task, "%s: %d ran when it was claimed where %d may", u.group, running, most)
			}
			if u.bound == looseLimit.Name && task.number < begun[u.group] {
				s.met.overtaken++
			}
			begun[u.group] = max(begun[u.group], task.number)
		}
		if task.line != "" && task.number < begun["line "+task.line] {
			s.report(invOrder, c.task, "%s: number %d began after number %d", task.line, task.number, begun["line "+task.line])
		}
		begun["line "+task.line] = max(begun["line "+task.line], task.number)
	}
	s.judgeRate(paced)
}

// runningAt counts those of the claims of a group that ran at a time.
func (s *LimitStorm) runningAt(claims []limitedRun, u under, at int64) int {
	n := 0
	for _, c := range claims {
		if c.ends > at+limitSlack && s.tasks[c.task] != nil && slices.Contains(s.tasks[c.task].under, u) {
			n++
		}
	}
	return n
}

// judgeRate judges the times of the claims under the rate.
func (s *LimitStorm) judgeRate(claims []int64) {
	may := int(math.Floor(pacedPerSecond * rateSpan.Seconds() * rateTolerance))
	first := 0
	for i, at := range claims {
		for claims[first] < at-rateSpan.Nanoseconds() {
			first++
		}
		n := i - first + 1
		s.met.most = max(s.met.most, n)
		if n > may {
			s.report(invRate, "", "%d began within %v where %d may", n, rateSpan, may)
		}
	}
	if s.met.paced = len(claims); len(claims) > 0 {
		s.met.pacedCould = int(time.Duration(s.unpaced-claims[0]).Seconds()*pacedPerSecond) + pacedBurst
	}
}

// Weak tells if the storm has met too little to show something.
func (s *LimitStorm) Weak() error {
	if m := s.met; s.kills < 5 || s.looks < 30 || s.full == 0 || m.overtaken == 0 || m.paced < m.pacedCould/10 {
		return errors.New(s.Summary())
	}
	return nil
}
