package chaostest

import "time"

// exposure is for how long before its death a master may have acknowledged what
// its replica never got: far more than the milliseconds that it lags behind.
const exposure = 2 * time.Second

// longestCall is how late a call whose end nobody wrote may have had its effect:
// its process may have been stopped in its midst, and killed after that.
const longestCall = 10 * time.Second

// excusable are the invariants that a fail-over may break for an exposed task; see
// [Verdict].
var excusable = map[string]bool{"I1": true, "I3": true, "I4": true, "I5": true, "I6": true, "I7": true, "I12": true}

// Verdict judges a run by all that [Judge] and [CheckFencing] look at, and tells
// what is broken from what a fail-over explains, which is to be counted.
//
// Redis replicates without waiting, so a replica that takes over lacks the last
// writes that its dead master acknowledged. Each task goes back, whole, to an
// earlier state. Only a task is exposed to this of which a call was under way at
// the death or in the two seconds before it. For an exposed task these are counted
// and not judged:
//
//   - I1: its enqueue was acknowledged and is lost;
//   - I3: its end was accepted and is lost, so that there is another;
//   - I4: a claim is lost, so that its fence is given out a second time;
//   - I5: a claim or an extension is lost, so that it is given out again in the
//     lease that it had been promised;
//   - I6: a claim or a report is lost, so that it is not counted;
//   - I7: the report of a retry is lost, and so is when it was due;
//   - I12: it was seen in a state that is lost.
//
// All other tasks, and I2, I8, I9 and I11 for every task, are judged in full: going
// back invents and doubles nothing, leaves each record whole and in one index, and
// what is left has to drain. If no master has died, nothing is excused.
func Verdict(o *Observation, dir string) (broken, excused []Violation) {
	exposed := o.exposed()
	for _, v := range Judge(o) {
		if excusable[v.Invariant] && exposed[v.Task] {
			excused = append(excused, v)
		} else {
			broken = append(broken, v)
		}
	}
	var in, out []Event
	for _, e := range o.Events {
		if e.Task == "" || exposed[e.Task] {
			in = append(in, e)
		}
		if !exposed[e.Task] {
			out = append(out, e)
		}
	}
	if len(exposed) > 0 {
		excused = append(excused, CheckFencing(in, dir)...)
	}
	return append(broken, CheckFencing(out, dir)...), excused
}

// exposed are the tasks that a fail-over may have put back.
func (o *Observation) exposed() map[string]bool {
	tasks := map[string]bool{}
	for _, e := range o.Events {
		end := e.TRet
		if end == 0 {
			end = e.TCall + longestCall.Nanoseconds()
		}
		if e.Task != "" && e.TCall <= o.MasterDied.To && end >= o.MasterDied.From-exposure.Nanoseconds() {
			tasks[e.Task] = true
		}
	}
	return tasks
}
