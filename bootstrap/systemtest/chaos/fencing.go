package chaos

import (
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/anishathalye/porcupine"
)

// fencingTimeout bounds the search. A history that takes longer is not judged to
// be right.
const fencingTimeout = 30 * time.Second

// fenceState is what a task must remember for its fences to be right.
type fenceState struct {
	// fence and claim are those of the newest delivery.
	fence int
	claim string
	// settled is the report or release that ended the delivery, "" while it may be
	// held; result what it brought.
	settled Op
	result  string
	// over is whether no delivery may follow unless a person asks for it.
	over bool
}

// fencingModel is one task as an object on which claims, reports and a person's
// orders happen one after the other. What the reaper does needs no event of its
// own: a delivery may be followed by another at any time; whether it was too early
// is judged by [Judge].
var fencingModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byTask := map[string][]porcupine.Operation{}
		var order []string
		for _, op := range history {
			id := op.Input.(Event).Task
			if byTask[id] == nil {
				order = append(order, id)
			}
			byTask[id] = append(byTask[id], op)
		}
		parts := make([][]porcupine.Operation, len(order))
		for i, id := range order {
			parts[i] = byTask[id]
		}
		return parts
	},
	Init: func() any { return fenceState{} },
	Step: func(state, input, _ any) (bool, any) {
		before, e := state.(fenceState), input.(Event)
		legal, after := before.step(e)
		if e.Outcome == OK {
			return legal, after
		}
		// It may have happened, or not at all.
		if !legal {
			after = before
		}
		return true, after
	},
	DescribeOperation: func(input, _ any) string {
		e := input.(Event)
		return fmt.Sprintf("%s: %s %d %.8s: %s %s", e.Proc, e.Op, e.Fence, e.Claim, e.Outcome, e.Out)
	},
	DescribeState: func(state any) string { return fmt.Sprintf("%+v", state) },
}

// step returns whether the event may happen in this state, and the next.
func (s fenceState) step(e Event) (bool, fenceState) {
	held := e.Fence == s.fence && e.Claim == s.claim
	switch e.Op {
	case OpClaim:
		if e.Fence == s.fence && e.Claim == s.claim && s.settled == "" {
			return true, s // a repeat of the claim
		}
		return e.Fence > s.fence && !s.over, fenceState{fence: e.Fence, claim: e.Claim}
	case OpExtend:
		return held && s.settled == "", s
	case OpComplete, OpRetry, OpFail, OpSnooze, OpRelease:
		if held && s.settled == e.Op && s.result == e.In {
			return true, s // a repeat of the report
		}
		next := s
		next.settled, next.result, next.over = e.Op, e.In, e.Op == OpComplete || e.Op == OpFail
		return held && s.settled == "", next
	case OpCancel:
		next := s
		next.settled, next.over = OpCancel, true
		return !s.over, next
	case OpRerun:
		// A FAILED task may be one that the reaper gave up.
		next := s
		next.settled, next.over = OpRerun, false
		return s.settled != OpComplete, next
	default:
		return true, s
	}
}

// CheckFencing judges the claims and reports of each task as a linearizable
// history. If one is none, its picture is written to DIR/fencing.html.
func CheckFencing(events []Event, dir string) []Violation {
	deleted, asked := map[string]bool{}, map[string]int64{}
	for _, e := range events {
		if e.Op == OpDelete && e.maybe() {
			deleted[e.Task] = true // its fences may begin anew
		}
		if _, known := asked[e.Claim]; e.Op == OpDequeue && !known {
			asked[e.Claim] = e.TCall
		}
	}
	var history []porcupine.Operation
	procs := map[string]int{}
	type report struct {
		op          Op
		task, claim string
		fence       int
		in          string
	}
	repeated := map[report]bool{} // the reports of unknown outcome that are in the history
	for _, e := range events {
		switch e.Op {
		case OpClaim, OpExtend, OpComplete, OpRetry, OpFail, OpSnooze, OpRelease, OpCancel, OpRerun:
		case OpEnqueue, OpDequeue, OpPurge, OpGet, OpRunNow, OpDelete, OpLogs, OpStats, OpReady:
			continue
		}
		// A refusal tells only that the lease was over by then, which it may have
		// been by its own end.
		if !e.maybe() || deleted[e.Task] || e.Task == "" || e.Out == LeaseLost && e.Op == OpExtend {
			continue
		}
		if e.Outcome != OK {
			// An extension changes nothing here. A report that is repeated until a store
			// answers happens once at most, so the first stands for all: each more would
			// double the search.
			same := report{e.Op, e.Task, e.Claim, e.Fence, e.In}
			if e.Op == OpExtend || repeated[same] {
				continue
			}
			repeated[same] = e.Claim != ""
		}
		if _, known := procs[e.Proc]; !known {
			procs[e.Proc] = len(procs)
		}
		op := porcupine.Operation{ClientId: procs[e.Proc], Input: e, Call: e.TCall, Return: e.TRet}
		if e.Outcome != OK {
			op.Return = math.MaxInt64
		}
		if e.Op == OpClaim {
			// A repeat may return what an earlier call, whose reply was lost, has taken.
			op.Call = min(op.Call, asked[e.Claim])
		}
		history = append(history, op)
	}
	result, info := porcupine.CheckOperationsVerbose(fencingModel, history, fencingTimeout)
	if result == porcupine.Ok {
		return nil
	}
	v := Violation{Invariant: FencesIncrease, Detail: fmt.Sprintf("no order of the calls explains their outcomes: %s", result)}
	if result == porcupine.Illegal {
		part := illegalPart(history)
		v.Task = part[0].Input.(Event).Task
		_, info = porcupine.CheckOperationsVerbose(fencingModel, part, fencingTimeout)
	}
	path := filepath.Join(dir, "fencing.html")
	if err := porcupine.VisualizePath(fencingModel, info, path); err != nil {
		v.Detail += fmt.Sprintf("; no picture: %v", err)
	} else {
		v.Detail += "; see " + path
	}
	return []Violation{v}
}

// illegalPart returns the first task's history that no order explains.
func illegalPart(history []porcupine.Operation) []porcupine.Operation {
	for _, part := range fencingModel.Partition(history) {
		if porcupine.CheckOperationsTimeout(fencingModel, part, fencingTimeout) != porcupine.Ok {
			return part
		}
	}
	return history
}
