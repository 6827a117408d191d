package chaos

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"logsift/domain"
)

// Invariant is a promise of the queue: the sentence that holds in every history.
type Invariant string

// The invariants, with their numbers in section 3.2 of the reliability notes. The tenth,
// the order of tasks, is not judged here: with retries and recoveries there is none to
// hold. The contract suite of the stores judges it.
const (
	NothingLost       Invariant = "an acknowledged task is never lost"                                    // I1
	NothingInvented   Invariant = "no task is invented or doubled"                                        // I2
	OneEnd            Invariant = "at most one end of a task is accepted, and its result is kept"         // I3
	FencesIncrease    Invariant = "fences strictly increase, and no report with an older one is accepted" // I4
	LeaseRespected    Invariant = "no task is given out again while its lease lasts"                      // I5
	CountersTrue      Invariant = "the counters of a task are those of its history"                       // I6
	NoEarlyRetry      Invariant = "no retry is claimed before it is due"                                  // I7
	OneIndex          Invariant = "each record is in exactly one index"                                   // I8
	CountedOnce       Invariant = "the statistics count every task once"                                  // I9
	Drains            Invariant = "once faults stop, the queue drains"                                    // I11
	StatesFollow      Invariant = "what the API shows of a task is a path of its states"                  // I12
	LinesAnalysedOnce Invariant = "an accepted log line is analysed once, unless a person ends its task"  // I13
	OneHolder         Invariant = "a unique key has one holder"
	AnswersSoon       Invariant = "a process that nothing breaks answers, and does so soon after a fault"                  // I14
	ReadinessTrue     Invariant = "a process says that it is ready when writes succeed, and that it is not when they fail" // I15
)

// Violation is a broken promise.
type Violation struct {
	Invariant Invariant
	// Task is "" for what is about no single one.
	Task   string
	Detail string
}

// String shows all of it in one line.
func (v Violation) String() string {
	s := string(v.Invariant) + ": " + v.Detail
	if v.Task != "" {
		s += " (task " + v.Task + ")"
	}
	return s
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
	// Foreign is whether the workers wrote no history and had no runs to tell of.
	Foreign bool
	// Outages are what was broken when, and Rollbacks when Redis went back.
	Outages   []Outage
	Rollbacks []Rollback
}

// Outage is a fault that was there from one time to another, in nanoseconds since
// 1970. On is the process that it hit, "" if it hit all.
type Outage struct {
	Fault    Fault
	On       string
	From, To int64
	// Within is how long after it a process has to be back.
	Within time.Duration
}

// Judge returns what the run shows to be broken, but for the order of the fences,
// which [CheckFencing] judges, too.
func Judge(o *Observation) []Violation {
	j := &judge{Observation: o, left: o.left(), tasks: map[string]*taskHistory{}, calls: map[string]*claimCalls{}}
	j.collect()
	if o.Undrained != "" {
		j.report(Drains, "", "%s", o.Undrained)
	}
	for _, f := range o.Findings {
		j.report(OneIndex, f.ID.String(), "%s: %s: %s", f.Kind, f.Place, f.Detail)
	}
	j.stats()
	j.tokens()
	j.answers()
	j.readiness()
	ids := slices.Sorted(maps.Keys(j.tasks))
	for _, id := range ids {
		j.lost(j.tasks[id])
		j.shown(j.tasks[id])
	}
	if o.Foreign {
		j.foreign(ids)
		return j.found
	}
	j.claimedOnce()
	j.holders()
	j.lines()
	for _, id := range ids {
		t := j.tasks[id]
		j.invented(t)
		j.ends(t)
		j.fences(t)
		j.leases(t)
		j.counters(t)
		j.backoff(t)
	}
	j.ghosts()
	return j.found
}

type judge struct {
	*Observation
	left  []Event
	tasks map[string]*taskHistory
	calls map[string]*claimCalls
	found []Violation
}

// taskHistory is what is known of one task, in the order of the calls.
type taskHistory struct {
	id     string
	of     map[Op][]Event
	claims []Event // by fence, those that surely are
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

func (j *judge) report(invariant Invariant, task, format string, args ...any) {
	j.found = append(j.found, Violation{Invariant: invariant, Task: task, Detail: fmt.Sprintf(format, args...)})
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
	for _, e := range j.left {
		if e.Op == OpDequeue {
			j.call(e)
		}
		if e.Task == "" {
			continue
		}
		t := j.task(e.Task)
		t.of[e.Op] = append(t.of[e.Op], e)
		if e.Op == OpClaim {
			if e.Outcome == OK {
				t.claims = append(t.claims, e)
			}
			if c := j.calls[e.Claim]; c != nil {
				c.got++
			}
		}
	}
	for _, t := range j.tasks {
		slices.SortStableFunc(t.claims, byFence)
	}
	for _, r := range j.Runs {
		t := j.task(r.Task)
		t.runs = append(t.runs, r)
	}
	for _, f := range j.Final {
		j.task(f.ID.String()).final = f
	}
}

func byFence(a, b Event) int { return cmp.Compare(a.Fence, b.Fence) }

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
	case Fail, Undone:
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
			j.report(NothingInvented, id, "task %s came of the same enqueue", before)
		}
		owner[token] = id
	}
	for _, e := range j.left {
		if e.Op == OpEnqueue {
			sent[e.In] = true
			if e.Outcome == OK {
				claim(e.In, e.Task)
			}
		}
	}
	seen := func(token, id, where string) {
		if token == batchToken {
			return
		}
		if !sent[token] {
			j.report(NothingInvented, id, "%s shows a task with token %q, which nobody enqueued", where, token)
			return
		}
		claim(token, id)
	}
	for _, e := range j.left {
		if e.Op == OpClaim && e.Outcome == OK {
			seen(e.Out, e.Task, "a claim of "+e.Proc)
		}
	}
	for _, f := range j.Final {
		plan := planOf(f.Payload)
		seen(plan.token, f.ID.String(), "the store")
		queue := cmp.Or(plan.Queue, domain.DefaultQueue)
		if f.Queue != queue {
			j.report(NothingInvented, f.ID.String(), "it was enqueued in the queue %q, and the store has it in %q", queue, f.Queue)
		}
		for _, c := range j.tasks[f.ID.String()].of[OpClaim] {
			if c.Queue != "" && c.Queue != queue {
				j.report(NothingInvented, f.ID.String(), "it was enqueued in the queue %q, and claimed from %q", queue, c.Queue)
			}
		}
	}
}

// claimedOnce judges that no two claims were given the same fence.
func (j *judge) claimedOnce() {
	for id, t := range j.tasks {
		by := map[int]string{}
		for _, c := range t.claims {
			if before, ok := by[c.Fence]; ok && before != c.Claim {
				j.report(FencesIncrease, id, "delivery %d was given to the claims %s and %s", c.Fence, before, c.Claim)
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
		j.report(CountedOnce, "", "they say %+v, and the list has %+v", got, count)
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
		// A claim that may have been undone accounts for a delivery, too.
		claims := t.some(OpClaim)
		slices.SortStableFunc(claims, byFence)
		for _, c := range append(claims, Event{Fence: t.final.Deliveries + 1}) {
			if missing := c.Fence - seen - 1; missing > 0 {
				total += missing
				explained := slices.ContainsFunc(lost, func(l *claimCalls) bool {
					return (c.TRet == 0 || l.first < c.TRet) && (l.answered == 0 || l.answered > before)
				})
				if !explained {
					j.report(CountersTrue, id, "delivery %d was counted, and no claim was given it", seen+1)
				}
			}
			seen, before = max(seen, c.Fence), c.TCall
		}
	}
	if total > most {
		j.report(CountersTrue, "", "%d deliveries were counted that no claim was given, and claims without a reply explain %d", total, most)
	}
}
