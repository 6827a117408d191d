package domain

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Limits of a [Workflow].
const (
	MaxWorkflowTasks = 20_000
	// MaxWorkflowEdges is how many entries the After of all its nodes have together.
	MaxWorkflowEdges = 100_000
	// MaxWorkflowBytes is how many bytes the payloads of all its tasks have together.
	MaxWorkflowBytes = 16 << 20
	// MaxWaitingFor is how many refs a Task.WaitingFor has at most.
	MaxWaitingFor = 100
)

// WorkflowID names a workflow. Whoever creates it makes its id (version 7 by custom), so
// that the call can be repeated without making two.
type WorkflowID = uuid.UUID

// WorkflowRef says to which node of which workflow a task belongs.
type WorkflowRef struct {
	ID  WorkflowID `json:"id"`
	Ref string     `json:"ref"`
}

// When says how the predecessors of a node must end.
type When string

// What a node waits for.
const (
	// WhenSuccess: all of its predecessors are COMPLETED.
	WhenSuccess When = ""
	// WhenFailure: each is FAILED or CANCELLED.
	WhenFailure When = "failure"
	// WhenDone: each has finished, in whatever state.
	WhenDone When = "done"
)

// ParseWhen reads the name of a When, "" for the default. The error is a
// *ValidationError.
func ParseWhen(name string) (When, error) {
	if name == "success" {
		return WhenSuccess, nil
	}
	w := When(name)
	if w != WhenSuccess && w != WhenFailure && w != WhenDone {
		return "", &ValidationError{Field: "when", Value: CutString(name, MaxNameLength), Rule: "must be success, failure or done"}
	}
	return w, nil
}

// String returns the name, such as "success".
func (w When) String() string {
	if w == WhenSuccess {
		return "success"
	}
	return string(w)
}

// Met reports whether a predecessor that has finished in this state is what a node waits for.
func (w When) Met(end TaskStatus) bool {
	return w == WhenDone || (w == WhenFailure) != (end == TaskStatusCompleted)
}

// Workflow is a graph of tasks to be created.
type Workflow struct {
	ID WorkflowID
	// Name is a name as [ValidateName] allows, or "".
	Name string
	// Nodes are from 1 to MaxWorkflowTasks, in any order.
	Nodes []WorkflowNode
}

// WorkflowNode is a task of a workflow and what it waits for.
type WorkflowNode struct {
	// Ref names the node within its workflow, as [ValidateName] allows.
	Ref string
	// Task is as for an enqueue, but for its id, which is derived. It has no UniqueKey, no
	// Retention and no Group. A Delay counts from when the node waits for no other any more, an
	// ExpiresIn from the creation of the workflow.
	Task *Task
	// After are the refs of the predecessors, each once. Without any, the task is ready
	// as any other.
	After []string
	// When says how all of them must end.
	When When
}

// TaskIDOf returns the id of the task of a node.
func TaskIDOf(id WorkflowID, ref string) TaskID { return uuid.NewSHA1(id, []byte(ref)) }

// Validate checks everything, in time that is linear in nodes and edges. The error is a
// *ValidationError.
func (w *Workflow) Validate() error {
	if w.ID == uuid.Nil {
		return &ValidationError{Field: "id", Rule: "must be a UUID that is not nil"}
	}
	if w.Name != "" {
		if err := ValidateName("name", w.Name); err != nil {
			return err
		}
	}
	if n := len(w.Nodes); n < 1 || n > MaxWorkflowTasks {
		return rangeError("tasks", n, fmt.Sprintf("must be from 1 to %d", MaxWorkflowTasks))
	}
	places := make(map[string]int, len(w.Nodes))
	edges, bytes := 0, 0
	for i := range w.Nodes {
		n := &w.Nodes[i]
		if err := n.validate(); err != nil {
			return inNode(i, err)
		}
		if _, taken := places[n.Ref]; taken {
			return inNode(i, &ValidationError{Field: "ref", Value: n.Ref, Rule: "must be given once"})
		}
		places[n.Ref] = i
		edges += len(n.After)
		bytes += len(n.Task.Payload)
	}
	if edges > MaxWorkflowEdges {
		return &ValidationError{Field: "tasks", Value: strconv.Itoa(edges), Rule: fmt.Sprintf("must have at most %d entries in all their after", MaxWorkflowEdges)}
	}
	if bytes > MaxWorkflowBytes {
		return &ValidationError{Field: "tasks", Value: strconv.Itoa(bytes), Rule: fmt.Sprintf("must have payloads of at most %d bytes in all", MaxWorkflowBytes)}
	}
	for i := range w.Nodes {
		seen := make(map[string]bool, len(w.Nodes[i].After))
		for _, ref := range w.Nodes[i].After {
			if _, known := places[ref]; !known {
				return inNode(i, &ValidationError{Field: "after", Value: CutString(ref, MaxNameLength), Rule: "must be the ref of a task of the workflow"})
			}
			if seen[ref] {
				return inNode(i, &ValidationError{Field: "after", Value: ref, Rule: "must be different refs"})
			}
			seen[ref] = true
		}
	}
	return w.findCycle()
}

// findCycle returns an error for a node that waits for itself, directly or not.
func (w *Workflow) findCycle() error {
	before, _, order := w.Edges()
	if len(order) == len(w.Nodes) {
		return nil
	}
	left := slices.Repeat([]bool{true}, len(w.Nodes))
	for _, i := range order {
		left[i] = false
	}
	// What is left is on a cycle or behind one: going back from any ends on one.
	at := slices.Index(left, true)
	for seen := make([]bool, len(left)); !seen[at]; {
		seen[at] = true
		at = before[at][slices.IndexFunc(before[at], func(p int) bool { return left[p] })]
	}
	return inNode(at, &ValidationError{Field: "after", Value: w.Nodes[at].Ref, Rule: "must not make the task wait for itself"})
}

// Edges returns the places of the predecessors and of the successors of each node of a
// workflow, and those of all nodes in an order in which each comes after its predecessors:
// without those on a cycle and behind it, which a valid workflow has not.
func (w *Workflow) Edges() (before, behind [][]int, order []int) {
	places := make(map[string]int, len(w.Nodes))
	for i := range w.Nodes {
		places[w.Nodes[i].Ref] = i
	}
	before, behind = make([][]int, len(w.Nodes)), make([][]int, len(w.Nodes))
	left := make([]int, len(w.Nodes)) // how many predecessors are not in the order
	for i := range w.Nodes {
		for _, ref := range w.Nodes[i].After {
			before[i] = append(before[i], places[ref])
			behind[places[ref]] = append(behind[places[ref]], i)
		}
		if left[i] = len(before[i]); left[i] == 0 {
			order = append(order, i)
		}
	}
	for n := 0; n < len(order); n++ {
		for _, i := range behind[order[n]] {
			if left[i]--; left[i] == 0 {
				order = append(order, i)
			}
		}
	}
	return before, behind, order
}

func (n *WorkflowNode) validate() error {
	if err := ValidateName("ref", n.Ref); err != nil {
		return err
	}
	if _, err := ParseWhen(string(n.When)); err != nil {
		return err
	}
	switch {
	case n.When != WhenSuccess && len(n.After) == 0:
		return &ValidationError{Field: "when", Rule: "must not be given without after"}
	case n.Task == nil:
		return &ValidationError{Field: "task", Rule: "must not be nil"}
	case n.Task.UniqueKey != "":
		return &ValidationError{Field: "unique_key", Rule: "cannot be given for a task of a workflow"}
	case n.Task.Retention != 0:
		return &ValidationError{Field: "retention_seconds", Rule: "cannot be given for a task of a workflow"}
	case n.Task.Group != "":
		return &ValidationError{Field: "group", Rule: "cannot be given for a task of a workflow"}
	}
	probe := *n.Task
	probe.ID = uuid.Max
	return probe.Validate()
}

// inNode has an error name the node that it is about.
func inNode(i int, err error) error { return InField(fmt.Sprintf("tasks.%d", i), err) }

// Task returns the task of a node of a valid workflow as it is to be stored: with its id
// and its place in the workflow.
func (w *Workflow) Task(i int) *Task {
	n := &w.Nodes[i]
	t := n.Task.AsEnqueued()
	t.ID, t.Workflow = TaskIDOf(w.ID, n.Ref), &WorkflowRef{ID: w.ID, Ref: n.Ref}
	return t
}

// Digest is equal for workflows of equal contents, but for the traces of their tasks. By it
// a store knows that a call is repeated.
func (w *Workflow) Digest() [sha256.Size]byte {
	h := sha256.New()
	var b []byte
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	number := func(n int64) { b = binary.AppendVarint(b, n) }
	text(w.Name)
	for i := range w.Nodes {
		n, t := &w.Nodes[i], w.Nodes[i].Task
		text(n.Ref)
		text(n.When.String())
		number(int64(len(n.After)))
		for _, ref := range n.After {
			text(ref)
		}
		text(string(t.Type))
		text(t.Queue)
		text(string(t.Payload))
		number(int64(t.Priority))
		number(int64(t.MaxRetries))
		number(int64(t.Timeout))
		number(int64(ceilMicro(t.Delay)))
		if t.ScheduledAt.IsZero() {
			number(0)
		} else {
			number(t.ScheduledAt.UnixMicro())
		}
		text(string(t.EncodeOptions()))
		h.Write(b)
		b = b[:0]
	}
	return [sha256.Size]byte(h.Sum(b))
}

// WorkflowCounts counts the tasks of a workflow by state.
type WorkflowCounts struct {
	// Waiting are PENDING and wait for others; Pending are PENDING and do not.
	Waiting, Pending, Processing, Retrying int
	Completed, Failed, Cancelled           int
}

// Total is the number of tasks in all states.
func (c WorkflowCounts) Total() int {
	return c.Unfinished() + c.Completed + c.Failed + c.Cancelled
}

// Unfinished is the number of tasks that have not finished.
func (c WorkflowCounts) Unfinished() int {
	return c.Waiting + c.Pending + c.Processing + c.Retrying
}

// Add adds n to the count of a state; waiting tells the two kinds of PENDING apart.
func (c *WorkflowCounts) Add(s TaskStatus, waiting bool, n int) {
	switch s {
	case TaskStatusPending:
		if waiting {
			c.Waiting += n
		} else {
			c.Pending += n
		}
	case TaskStatusProcessing:
		c.Processing += n
	case TaskStatusRetrying:
		c.Retrying += n
	case TaskStatusCompleted:
		c.Completed += n
	case TaskStatusFailed:
		c.Failed += n
	case TaskStatusCancelled:
		c.Cancelled += n
	}
}

// WorkflowInfo is a workflow as it is stored, without its nodes.
type WorkflowInfo struct {
	ID   WorkflowID
	Name string
	// CreatedAt is the store's time of its creation. FinishedAt is when the last of its
	// tasks finished; zero while one has not.
	CreatedAt, FinishedAt time.Time
	Counts                WorkflowCounts
}

// WorkflowNodeInfo is a node as it is stored.
type WorkflowNodeInfo struct {
	Ref    string
	TaskID TaskID
	Type   TaskType
	Queue  string
	After  []string
	When   When
	Status TaskStatus
	// Waiting is whether it waits for others. It is PENDING then.
	Waiting bool
}

// WorkflowPage is a workflow and a part of its nodes.
type WorkflowPage struct {
	WorkflowInfo

	// Nodes are in the order in which they were given.
	Nodes []WorkflowNodeInfo
	// Next is the place of the node after the last one, 0 if there is none.
	Next int
}

// WorkflowList is a page of workflows, newest first.
type WorkflowList struct {
	Workflows []WorkflowInfo
	// NextCursor is where to go on, "" at the end.
	NextCursor string
}

// Predecessor is how a task ended for which another one waited.
type Predecessor struct {
	Ref    string
	TaskID TaskID
	Status TaskStatus
	// Result is that of a COMPLETED task, Error the newest message of another.
	Result []byte
	Error  string
}

// Predecessors are a part of those of a task, in the order of its After.
type Predecessors struct {
	Predecessors []Predecessor
	// Next is the place of the one after the last, 0 if there is none.
	Next int
}
