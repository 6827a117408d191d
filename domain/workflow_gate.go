package domain

import "fmt"

// GateState is what the predecessors of a node mean for its task.
type GateState uint8

// The states of a gate.
const (
	// GateOpen: nothing; the task goes its own way.
	GateOpen GateState = iota
	// GateWaiting: the task is PENDING and waits for them.
	GateWaiting
	// GateClosed: the task has ended since one of them did not end as the node asks for.
	// It waits again when these run again.
	GateClosed
)

// NodeGate is what a store keeps of the predecessors of a node, so that the end of one of
// them costs the same however many there are.
type NodeGate struct {
	// Unfinished counts those that have not finished, Unmet those that have and not as
	// the node asks for.
	Unfinished, Unmet int
	State             GateState
}

// NewGate is the gate of a node that was just created.
func NewGate(predecessors int) NodeGate {
	g := NodeGate{Unfinished: predecessors}
	if predecessors > 0 {
		g.State = GateWaiting
	}
	return g
}

// NodeStep is what happens to the task of a node.
type NodeStep uint8

// The steps of a node.
const (
	// NodeStays: nothing.
	NodeStays NodeStep = iota
	// NodeReady: it waits no more, see [Task.MarkAsReleased].
	NodeReady
	// NodeDropped: it can never run, see [Task.MarkAsDropped].
	NodeDropped
	// NodeWaits: it was dropped and waits again, see [Task.RunAgain].
	NodeWaits
)

// Follow records that a predecessor went from one state to another, and says what
// that means for the task. Only its finish, and its running again, mean anything.
// stopped says that the whole workflow is being cancelled: then the gate keeps its state.
func (g *NodeGate) Follow(when When, from, to TaskStatus, stopped bool) NodeStep {
	switch {
	case to.Terminal() && !from.Terminal():
		g.Unfinished--
		if !when.Met(to) {
			g.Unmet++
		}
	case from.Terminal() && !to.Terminal():
		g.Unfinished++
		if !when.Met(from) {
			g.Unmet--
		}
	default:
		return NodeStays
	}
	switch {
	case stopped:
	case g.State == GateWaiting && g.Unmet > 0:
		g.State = GateClosed
		return NodeDropped
	case g.State == GateWaiting && g.Unfinished == 0:
		g.State = GateOpen
		return NodeReady
	case g.State == GateClosed && g.Unmet == 0 && g.Unfinished > 0:
		g.State = GateWaiting
		return NodeWaits
	}
	return NodeStays
}

// Leave records that the task has left PENDING otherwise than by its predecessors: it was
// cancelled by a person, or expired.
func (g *NodeGate) Leave() {
	if g.State == GateWaiting {
		g.State = GateOpen
	}
}

// Retry records that the task, which is FAILED or CANCELLED, is to run again by itself. It
// returns NodeReady, or NodeWaits if predecessors have not finished, or NodeDropped if it
// cannot run before one of them has run again: then a person is refused, and a retry of the
// whole workflow closes the gate, see [NodeGate.Close].
func (g *NodeGate) Retry() NodeStep {
	switch {
	case g.Unmet > 0:
		return NodeDropped
	case g.Unfinished > 0:
		g.State = GateWaiting
		return NodeWaits
	}
	g.State = GateOpen
	return NodeReady
}

// Close has the task, which is FAILED or CANCELLED, wait again when its predecessors do.
func (g *NodeGate) Close() { g.State = GateClosed }

// DroppedMessage is that of the failure of a task that was dropped because of a
// predecessor.
func DroppedMessage(when When, ref string, end TaskStatus) string {
	return fmt.Sprintf("predecessor: it waited for the %s of %q, which ended %s", when, ref, end)
}
