package chaos

import (
	"slices"
	"time"
)

// Rollback is when Redis went back to an earlier state of its data: a replica that
// had not got everything took the place of its master, or an older copy was
// restored. Its times are in nanoseconds since 1970.
type Rollback struct {
	// From and Known bound the moment whose state came back. To is when the newer
	// state ended, Back when the older one began to serve.
	From, Known, To, Back int64
}

// exposure is for how long before its death a master may have acknowledged what
// its replica never got: far more than the milliseconds that it lags behind.
const exposure = 2 * time.Second

// of returns the outcome that a call has in the history that is left: one that was
// acknowledged may be undone, and surely is if it began after the state that came
// back and ended before the newer state did. So is a look that found no task, which may
// have been removed in the newer state only.
func (r Rollback) of(e Event) Outcome {
	switch {
	case e.Outcome != OK && e.Out != NotFound || e.TRet < r.From || e.TCall > r.To:
		return e.Outcome
	case e.TCall > r.Known && e.TRet < r.To:
		return Undone
	default:
		return Unknown
	}
}

// left returns the events as they are in the history that the rollbacks have left. A
// claim call keeps its outcome: it explains the deliveries of which nobody was told.
func (o *Observation) left() []Event {
	events := slices.Clone(o.Events)
	for i, e := range events {
		for _, r := range o.Rollbacks {
			if e.Op != OpDequeue {
				events[i].Outcome = r.of(events[i])
			}
		}
	}
	return events
}

// Verdict judges a run by all that [Judge] and [CheckFencing] look at, in the
// history that the rollbacks have left, and counts the tasks that they lost: those
// that were acknowledged and are not there. What was acknowledged in the time that
// a rollback took back may be lost, and nothing else is excused: what is left has
// to keep every promise, and what was undone must not come back.
func Verdict(o *Observation, dir string) (broken []Violation, lost int) {
	there := map[string]bool{}
	for _, f := range o.Final {
		there[f.ID.String()] = true
	}
	left := o.left()
	for i, e := range left {
		if e.Op == OpEnqueue && o.Events[i].Outcome == OK && e.Outcome != OK && !there[e.Task] {
			lost++
		}
	}
	return append(Judge(o), CheckFencing(left, dir)...), lost
}
