package chaos

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// readyLimit is within how long a process tells that writes fail, or that they
// succeed again.
const readyLimit = 5 * time.Second

// excused reports whether an outage explains that a call of a process has failed.
func (j *judge) excused(process string, e Event) bool {
	return slices.ContainsFunc(j.Outages, func(o Outage) bool {
		return (o.On == "" || o.On == process) && e.TCall <= o.To+o.Within.Nanoseconds() && e.TRet >= o.From
	})
}

// A call may fail for no reason that the plan knows, since the machine is busy and a
// call has its time. Not so two in a row of the same kind over strayTime, or more
// than one in strayShare.
const (
	strayTime  = time.Second
	strayShare = 10
)

// answers judges that the calls which a probe makes of the API, and those by which a
// worker claims, succeed unless an outage explains it.
func (j *judge) answers() {
	type kind struct {
		process string
		op      Op
	}
	calls := map[kind][]Event{}
	for _, e := range j.Events {
		k := kind{e.On, e.Op}
		if e.Op == OpDequeue {
			k.process, _, _ = strings.Cut(e.Proc, ".")
		} else if !strings.HasPrefix(e.Proc, probeName) || e.Op == OpReady {
			continue
		}
		if e.TRet > 0 && !strings.Contains(e.Out, "context canceled") && !j.excused(k.process, e) {
			calls[k] = append(calls[k], e)
		}
	}
	for k, all := range calls {
		var failed []Event
		lasted := time.Duration(0)
		for _, run := range sameOutcome(all) {
			if run[0].Outcome != OK {
				failed = append(failed, run...)
				lasted = max(lasted, time.Duration(run[len(run)-1].TCall-run[0].TCall))
			}
		}
		if lasted >= strayTime || len(failed) > 1+len(all)/strayShare {
			j.report(AnswersSoon, "", "%d of %d calls of %s (%s) failed, for up to %v, the first %s: %s",
				len(failed), len(all), k.process, k.op, lasted.Round(time.Millisecond), j.since(k.process, failed[0].TCall), failed[0].Out)
		}
	}
}

// since tells what the last outage of a process was before a time.
func (j *judge) since(process string, at int64) string {
	last := Outage{Fault: Calm}
	for _, o := range j.Outages {
		if (o.On == "" || o.On == process) && o.From <= at && o.To >= last.To {
			last = o
		}
	}
	if last.To == 0 {
		return "before any fault"
	}
	return time.Duration(at-last.To).Round(time.Millisecond).String() + " after " + string(last.Fault)
}

// readiness judges what processes say of themselves, by whether the writes that they
// were asked for succeeded.
func (j *judge) readiness() {
	writes, ready := map[string][]Event{}, map[string][]Event{}
	for _, e := range j.Events {
		switch {
		case e.TRet == 0:
		case e.Op == OpReady && e.Outcome == OK:
			ready[e.On] = append(ready[e.On], e)
		case e.Op == OpEnqueue && (e.Outcome == OK || e.Outcome == Unknown):
			writes[e.On] = append(writes[e.On], e)
		}
	}
	for _, process := range slices.Sorted(maps.Keys(ready)) {
		for _, run := range sameOutcome(writes[process]) {
			works := run[0].Outcome == OK
			from, to := run[0].TRet+readyLimit.Nanoseconds(), run[len(run)-1].TCall
			for _, e := range ready[process] {
				says := e.Out == strconv.Itoa(http.StatusOK)
				if e.TCall < from || e.TRet > to || says == works {
					continue
				}
				// Writes may have been repeated until a fault was over; a question is not.
				if !works || !j.excused(process, e) {
					j.report(ReadinessTrue, "", "%s answers %s to GET /readyz, and for %v all writes had the outcome %s: %s", process, e.Out,
						time.Duration(e.TCall-run[0].TRet).Round(time.Millisecond), run[0].Outcome, run[0].Out)
					break
				}
			}
		}
	}
}

// sameOutcome splits calls into runs of the same outcome, in the order of their ends.
func sameOutcome(calls []Event) [][]Event {
	slices.SortStableFunc(calls, func(a, b Event) int { return int(a.TRet - b.TRet) })
	var runs [][]Event
	for i, e := range calls {
		if i == 0 || e.Outcome != calls[i-1].Outcome {
			runs = append(runs, nil)
		}
		runs[len(runs)-1] = append(runs[len(runs)-1], e)
	}
	return runs
}
