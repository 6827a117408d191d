package chaostest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"logsift/domain"
)

// Violation is a broken promise.
type Violation struct {
	// Invariant is I1 to I12, and Promise the sentence that was broken.
	Invariant, Promise string
	// Task is "" for what is about no single one.
	Task   string
	Detail string
}

// String shows all of it in one line.
func (v Violation) String() string {
	s := v.Invariant + " " + v.Promise + ": " + v.Detail
	if v.Task != "" {
		s += " (task " + v.Task + ")"
	}
	return s
}

// promises are the sentences of the invariants, by section 3.2 of the reliability
// notes. I10, the order of tasks, is not judged here: with retries and recoveries
// there is none to hold. The contract suite of the stores judges it.
var promises = map[string]string{
	"I1":  "an acknowledged task is never lost",
	"I2":  "no task is invented or doubled",
	"I3":  "at most one end of a task is accepted, and its result is kept",
	"I4":  "fences strictly increase, and no report with an older one is accepted",
	"I5":  "no task is given out again while its lease lasts",
	"I6":  "the counters of a task are those of its history",
	"I7":  "no retry is claimed before it is due",
	"I8":  "each record is in exactly one index",
	"I9":  "the statistics count every task once",
	"I11": "once faults stop, the queue drains",
	"I12": "what the API shows of a task is a path of its states",
}

// Observation is all that a run has left to be judged.
type Observation struct {
	Events   []Event
	Runs     []Run
	Settings Settings
	// Final are the tasks in the store at the end.
	Final []*domain.Task
	Stats domain.QueueStats
	// Findings are those of the store's own check.
	Findings []domain.Finding
	// At is when the store was looked at, in nanoseconds.
	At int64
	// Undrained is why the queue was not taken to be drained, "" if it was.
	Undrained string
	// MasterDied is when the master of Redis died and a replica took its place; it
	// is zero if none did.
	MasterDied Moment
}

// Moment is a stretch of time, in nanoseconds since 1970.
type Moment struct{ From, To int64 }

// Judge returns what the run shows to be broken, but for the order of the fences,
// which [CheckFencing] judges, too.
func Judge(o *Observation) []Violation {
	j := &judge{Observation: o, tasks: map[string]*taskHistory{}, calls: map[string]*claimCalls{}}
	j.collect()
	if o.Undrained != "" {
		j.report("I11", "", "%s", o.Undrained)
	}
	for _, f := range o.Findings {
		j.report("I8", f.ID.String(), "%s: %s: %s", f.Kind, f.Place, f.Detail)
	}
	j.stats()
	j.tokens()
	j.claimedOnce()
	for _, id := range slices.Sorted(maps.Keys(j.tasks)) {
		t := j.tasks[id]
		j.lost(t)
		j.invented(t)
		j.ends(t)
		j.fences(t)
		j.leases(t)
		j.counters(t)
		j.backoff(t)
		j.shown(t)
	}
	j.ghosts()
	return j.found
}

type judge struct {
	*Observation
	tasks map[string]*taskHistory
	calls map[string]*claimCalls
	found []Violation
}

// taskHistory is what is known of one task, in the order of the calls.
type taskHistory struct {
	id     string
	of     map[Op][]Event
	claims []Event // by fence
	runs   []Run
	final  *domain.Task // nil if it is not in the store
}

// claimCalls are the dequeue calls of one claim id.
type claimCalls struct {
	first, last int64 // the first call's begin, the last one's end; 0 if it has none
	max         int
	unknown     bool // some call's outcome is
	answered    int64
	got         int
}

func (j *judge) report(invariant, task, format string, args ...any) {
	j.found = append(j.found, Violation{Invariant: invariant, Promise: promises[invariant], Task: task, Detail: fmt.Sprintf(format, args...)})
}

func (j *judge) task(id string) *taskHistory {
	t := j.tasks[id]
	if t == nil {
		t = &taskHistory{id: id, of: map[Op][]Event{}}
		j.tasks[id] = t
	}
	return t
}

func (j *judge) collect() {
	for _, e := range j.Events {
		if e.Op == OpDequeue {
			j.call(e)
		}
		if e.Task == "" {
			continue
		}
		t := j.task(e.Task)
		t.of[e.Op] = append(t.of[e.Op], e)
		if e.Op == OpClaim {
			t.claims = append(t.claims, e)
			if c := j.calls[e.Claim]; c != nil {
				c.got++
			}
		}
	}
	for _, t := range j.tasks {
		slices.SortStableFunc(t.claims, func(a, b Event) int { return cmp.Compare(a.Fence, b.Fence) })
	}
	for _, r := range j.Runs {
		t := j.task(r.Task)
		t.runs = append(t.runs, r)
	}
	for _, f := range j.Final {
		j.task(f.ID.String()).final = f
	}
}

func (j *judge) call(e Event) {
	c := j.calls[e.Claim]
	if c == nil {
		c = &claimCalls{first: e.TCall, max: e.Max}
		j.calls[e.Claim] = c
	}
	c.last = e.TRet
	switch e.Outcome {
	case OK:
		c.answered = e.TRet
	case Unknown:
		c.unknown = true
	case Fail:
	}
}

// some returns the events of these operations that may have had an effect.
func (t *taskHistory) some(ops ...Op) []Event {
	var out []Event
	for _, op := range ops {
		for _, e := range t.of[op] {
			if e.maybe() {
				out = append(out, e)
			}
		}
	}
	return out
}

// sure returns those that had.
func (t *taskHistory) sure(ops ...Op) []Event {
	return slices.DeleteFunc(t.some(ops...), func(e Event) bool { return e.Outcome != OK })
}

// tokens judges that each enqueued token became one task, and each task has one.
func (j *judge) tokens() {
	sent, owner := map[string]bool{}, map[string]string{}
	claim := func(token, id string) {
		if before, ok := owner[token]; ok && before != id {
			j.report("I2", id, "task %s came of the same enqueue", before)
		}
		owner[token] = id
	}
	for _, e := range j.Events {
		if e.Op == OpEnqueue {
			sent[e.In] = true
			if e.Outcome == OK {
				claim(e.In, e.Task)
			}
		}
	}
	seen := func(token, id, where string) {
		if !sent[token] {
			j.report("I2", id, "%s shows a task with token %q, which nobody enqueued", where, token)
			return
		}
		claim(token, id)
	}
	for _, e := range j.Events {
		if e.Op == OpClaim {
			seen(e.Out, e.Task, "a claim of "+e.Proc)
		}
	}
	for _, f := range j.Final {
		seen(planOf(f.Payload).token, f.ID.String(), "the store")
	}
}

// claimedOnce judges that no two claims were given the same fence.
func (j *judge) claimedOnce() {
	for id, t := range j.tasks {
		by := map[int]string{}
		for _, c := range t.claims {
			if before, ok := by[c.Fence]; ok && before != c.Claim {
				j.report("I4", id, "delivery %d was given to the claims %s and %s", c.Fence, before, c.Claim)
			}
			by[c.Fence] = c.Claim
		}
	}
}

// stats judges the statistics against the tasks that were listed.
func (j *judge) stats() {
	var count domain.QueueStats
	for _, f := range j.Final {
		switch f.Status {
		case domain.TaskStatusPending:
			count.Pending++
		case domain.TaskStatusProcessing:
			count.Processing++
		case domain.TaskStatusRetrying:
			count.Retrying++
		case domain.TaskStatusCompleted:
			count.Completed++
		case domain.TaskStatusFailed:
			count.Failed++
		case domain.TaskStatusCancelled:
			count.Cancelled++
		}
	}
	got := j.Stats
	got.Pending, got.Scheduled = got.Pending+got.Scheduled, 0
	got.OldestPending, got.Warnings = 0, nil
	if fmt.Sprint(got) != fmt.Sprint(count) {
		j.report("I9", "", "they say %+v, and the list has %+v", got, count)
	}
}

// ghosts judges the deliveries that no client has seen. Only a claim whose reply
// was lost for good explains one: its id is repeated until there is a reply, and
// then that tells all that it has taken, unless its leases have ended by then.
func (j *judge) ghosts() {
	var lost []*claimCalls
	most, total := 0, 0
	for _, c := range j.calls {
		late := c.answered > 0 && c.answered-c.first > j.Settings.Lease.Nanoseconds()
		// A call that is held up on its way may take tasks after a repeat of it has
		// found none.
		if c.unknown && (c.answered == 0 || late || c.got == 0) {
			lost = append(lost, c)
			most += c.max
		}
	}
	for _, id := range slices.Sorted(maps.Keys(j.tasks)) {
		t := j.tasks[id]
		if t.final == nil || len(t.some(OpDelete, OpCancel)) > 0 {
			continue
		}
		before := int64(0)
		seen := 0
		for _, c := range append(slices.Clone(t.claims), Event{Fence: t.final.Deliveries + 1}) {
			if missing := c.Fence - seen - 1; missing > 0 {
				total += missing
				explained := slices.ContainsFunc(lost, func(l *claimCalls) bool {
					return (c.TRet == 0 || l.first < c.TRet) && (l.answered == 0 || l.answered > before)
				})
				if !explained {
					j.report("I6", id, "delivery %d was counted, and no claim was given it", seen+1)
				}
			}
			seen, before = max(seen, c.Fence), c.TCall
		}
	}
	if total > most {
		j.report("I6", "", "%d deliveries were counted that no claim was given, and claims without a reply explain %d", total, most)
	}
}
