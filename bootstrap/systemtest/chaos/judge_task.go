package chaos

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"logsift/domain"
)

// lost judges a task that was acknowledged.
func (j *judge) lost(t *taskHistory) {
	if len(t.sure(OpEnqueue)) == 0 {
		return
	}
	if t.final == nil {
		if len(t.some(OpDelete)) == 0 && !j.mayBePurged(t, j.At) {
			j.report(NothingLost, t.id, "it is not in the store, and nothing has deleted it, or ended it %v before", j.Settings.Retention)
		}
		return
	}
	if j.Undrained == "" && !t.final.Status.Terminal() {
		j.report(NothingLost, t.id, "it is %v after the queue has drained", t.final.Status)
	}
}

// mayBePurged reports whether the retention of the task may have passed by then,
// counted from an end that may have come after the last time it was run again.
func (j *judge) mayBePurged(t *taskHistory, by int64) bool {
	ends := t.some(OpComplete, OpFail, OpCancel)
	if n := len(t.claims); n > 0 && t.claims[n-1].Fence > j.Settings.MaxRecoveries {
		// The reaper, which writes no history, may have given it up as poison.
		ends = append(ends, Event{TCall: t.claims[n-1].TCall, Outcome: Unknown})
	}
	rerun := int64(0)
	for _, e := range t.sure(OpRerun) {
		if e.TCall < by {
			rerun = max(rerun, e.TCall)
		}
	}
	return slices.ContainsFunc(ends, func(e Event) bool {
		after := e.Outcome != OK || e.TRet > rerun // what is unknown may have happened at any time since
		return after && max(e.TCall, rerun)+(j.Settings.Retention-clockSlack).Nanoseconds() <= by
	})
}

// invented judges that a terminal state has a cause in the history.
func (j *judge) invented(t *taskHistory) {
	if t.final == nil {
		return
	}
	cause := OpComplete
	switch t.final.Status {
	case domain.TaskStatusCompleted:
	case domain.TaskStatusFailed:
		if n := len(t.final.Errors); n > 0 && t.final.Errors[n-1].Reason == domain.ReasonPoison {
			if t.final.Recoveries <= j.Settings.MaxRecoveries {
				j.report(CountersTrue, t.id, "it is poison after %d recoveries, the limit is %d", t.final.Recoveries, j.Settings.MaxRecoveries)
			}
			return
		}
		cause = OpFail
	case domain.TaskStatusCancelled:
		cause = OpCancel
	case domain.TaskStatusPending, domain.TaskStatusProcessing, domain.TaskStatusRetrying:
		return
	}
	if len(t.some(cause)) == 0 {
		j.report(NothingInvented, t.id, "it is %v, and nobody has asked for that", t.final.Status)
	}
}

// ends judges the reports that were accepted as a task's last.
func (j *judge) ends(t *taskHistory) {
	accepted := map[int]Event{}
	for _, e := range t.sure(OpComplete, OpFail) {
		if before, ok := accepted[e.Fence]; ok && (before.Op != e.Op || before.In != e.In) {
			j.report(OneEnd, t.id, "two different reports of delivery %d were accepted: %s and %s", e.Fence, before.Op, e.Op)
		}
		accepted[e.Fence] = e
	}
	// An end that is run again makes room for another.
	if lives := 1 + len(t.some(OpRerun)); len(accepted) > lives {
		j.report(OneEnd, t.id, "%d reports were accepted as its end, of the deliveries %v", len(accepted), slices.Sorted(maps.Keys(accepted)))
	}
	for _, e := range t.sure(OpComplete) {
		if f := t.final; f != nil && (f.Status != domain.TaskStatusCompleted || string(f.Result) != e.In || f.Deliveries != e.Fence) {
			j.report(OneEnd, t.id, "delivery %d was acknowledged as completed with %s, and it is %v at delivery %d with %s", e.Fence, e.In, f.Status, f.Deliveries, f.Result)
		}
		// A run writes its result before it is reported.
		if !slices.ContainsFunc(t.runs, func(r Run) bool { return r.Fence == e.Fence && r.Result == e.In }) {
			j.report(NothingInvented, t.id, "delivery %d was completed, and no run has returned that", e.Fence)
		}
	}
}

// fences judges the order of claims, and reports that come after a newer claim.
func (j *judge) fences(t *taskHistory) {
	// newest is the highest fence that was granted before each moment, found by
	// going through the claims in the order of their replies.
	claims := slices.Clone(t.claims)
	slices.SortStableFunc(claims, func(a, b Event) int { return cmp.Compare(a.TRet, b.TRet) })
	newest := func(before int64) int {
		high := 0
		for _, c := range claims {
			if c.TRet >= before {
				break
			}
			high = max(high, c.Fence)
		}
		return high
	}
	if len(t.some(OpDelete)) > 0 {
		return
	}
	for _, c := range t.claims {
		first := c.TCall
		if call := j.calls[c.Claim]; call != nil {
			first = call.first // a repeat gives what the first call took
		}
		if high := newest(first); c.Fence <= high {
			j.report(FencesIncrease, t.id, "%s was given delivery %d after delivery %d", c.Proc, c.Fence, high)
		}
	}
	for _, e := range t.sure(OpComplete, OpRetry, OpFail, OpSnooze, OpExtend, OpRelease) {
		high := newest(e.TCall)
		same := func(before Event) bool {
			return before.Op == e.Op && before.Fence == e.Fence && before.Proc == e.Proc && before.TCall < e.TCall && before.Outcome == Unknown
		}
		// A repeat of a report is accepted for as long as the task is in the state
		// that it has put it in.
		if e.Fence < high && !slices.ContainsFunc(t.of[e.Op], same) {
			j.report(FencesIncrease, t.id, "%s of delivery %d by %s was accepted after delivery %d was given out", e.Op, e.Fence, e.Proc, high)
		}
	}
}

// leases judges that a task is given out again only when its lease has ended, by
// the store's own times.
func (j *judge) leases(t *taskHistory) {
	for i, c := range t.claims[:max(len(t.claims)-1, 0)] {
		next := t.claims[i+1]
		if next.Fence == c.Fence || len(t.some(OpCancel, OpDelete)) > 0 {
			continue
		}
		ended := slices.ContainsFunc(t.some(OpComplete, OpRetry, OpFail, OpSnooze, OpRelease), func(e Event) bool {
			return e.Fence == c.Fence && e.TCall < next.TRet
		})
		ends := c.Ends
		for _, e := range t.sure(OpExtend) {
			if e.Fence == c.Fence && e.Claim == c.Claim {
				ends = max(ends, e.Ends)
			}
		}
		if !ended && next.Start < ends {
			j.report(LeaseRespected, t.id, "delivery %d was given to %s %v before the lease of delivery %d, held by %s, ended",
				next.Fence, next.Proc, time.Duration(ends-next.Start)*time.Microsecond, c.Fence, c.Proc)
		}
	}
	for _, r := range t.runs {
		if !slices.ContainsFunc(t.of[OpClaim], func(c Event) bool { return c.Fence == r.Fence && c.Claim == r.Claim }) {
			j.report(LeaseRespected, t.id, "%s ran delivery %d, which no claim has given out", r.Proc, r.Fence)
		}
	}
}

// counters judges attempts, deliveries and recoveries.
func (j *judge) counters(t *taskHistory) {
	f := t.final
	if f == nil || len(t.some(OpDelete)) > 0 {
		return
	}
	if n := len(t.claims); n > 0 && f.Deliveries < t.claims[n-1].Fence {
		j.report(CountersTrue, t.id, "it counts %d deliveries, and delivery %d was given out", f.Deliveries, t.claims[n-1].Fence)
	}
	if f.Attempt+f.Recoveries > f.Deliveries {
		j.report(CountersTrue, t.id, "%d attempts and %d recoveries are more than %d deliveries", f.Attempt, f.Recoveries, f.Deliveries)
	}
	if f.Attempt > f.MaxRetries+1 {
		j.report(CountersTrue, t.id, "it had %d attempts, with %d retries", f.Attempt, f.MaxRetries)
	}
	if f.Recoveries > j.Settings.MaxRecoveries+1 {
		j.report(CountersTrue, t.id, "it was recovered %d times, the limit is %d", f.Recoveries, j.Settings.MaxRecoveries)
	}
	fences := func(events []Event) int {
		set := map[int]bool{}
		for _, e := range events {
			set[e.Fence] = true
		}
		return len(set)
	}
	least, most := fences(t.sure(OpComplete, OpRetry, OpFail)), fences(t.some(OpComplete, OpRetry, OpFail))
	if len(t.some(OpRerun)) > 0 {
		least = 0
	}
	if f.Attempt < least || f.Attempt > most {
		j.report(CountersTrue, t.id, "it counts %d attempts, and the history has %d to %d reports", f.Attempt, least, most)
	}
}

// clockSlack is how much the time of Redis may lag behind that of the machine: it
// is read once for each command.
const clockSlack = 100 * time.Millisecond

// backoff judges that a retry, or a task that was snoozed, is not claimed before its time.
func (j *judge) backoff(t *taskHistory) {
	if len(t.some(OpRunNow, OpRerun, OpDelete, OpCancel)) > 0 {
		return
	}
	for _, e := range t.sure(OpRetry, OpSnooze) {
		i := slices.IndexFunc(t.claims, func(c Event) bool { return c.Fence > e.Fence })
		if i < 0 {
			continue
		}
		// Repeats of a report count from the first.
		asked := e.TCall
		for _, before := range t.of[e.Op] {
			if before.Fence == e.Fence {
				asked = min(asked, before.TCall)
			}
		}
		due := asked/1000 + e.For - clockSlack.Microseconds()
		if early := due - t.claims[i].Start; early > 0 {
			j.report(NoEarlyRetry, t.id, "delivery %d was given out %v before the %s was due", t.claims[i].Fence, time.Duration(early)*time.Microsecond, e.Op)
		}
	}
}

// shown judges what the API showed, in the order of looks that did not overlap.
func (j *judge) shown(t *taskHistory) {
	acked := int64(0)
	for _, e := range t.sure(OpEnqueue) {
		if acked == 0 || e.TRet < acked {
			acked = e.TRet
		}
	}
	completed := int64(0)
	for _, e := range t.of[OpGet] {
		switch {
		case e.Out == NotFound && e.Outcome == Fail && acked > 0 && e.TCall > acked:
			if len(t.some(OpDelete)) == 0 && !j.mayBePurged(t, e.TRet) {
				j.report(StatesFollow, t.id, "it was not found after it was acknowledged")
			}
		case e.Outcome != OK:
		case e.Out == domain.TaskStatusCompleted.String():
			if completed == 0 || e.TRet < completed {
				completed = e.TRet
			}
		case completed > 0 && e.TCall > completed:
			j.report(StatesFollow, t.id, "it is %s after it was COMPLETED", e.Out)
		}
	}
}
