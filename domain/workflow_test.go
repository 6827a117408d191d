package domain

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// workflowOf returns a workflow of nodes without predecessors, changed by change.
func workflowOf(nodes int, change func(w *Workflow)) *Workflow {
	w := &Workflow{ID: uuid.Max, Name: "w"}
	for i := range nodes {
		w.Nodes = append(w.Nodes, WorkflowNode{Ref: fmt.Sprintf("n%d", i), Task: NewTask(uuid.Nil, "work", nil)})
	}
	if change != nil {
		change(w)
	}
	return w
}

func TestWorkflowValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, workflowOf(3, func(w *Workflow) {
		w.Nodes[0].After, w.Nodes[2].After, w.Nodes[2].When = []string{"n1"}, []string{"n1", "n0"}, WhenDone
	}).Validate())
	for field, w := range map[string]*Workflow{
		"id":                        workflowOf(1, func(w *Workflow) { w.ID = uuid.Nil }),
		"name":                      workflowOf(1, func(w *Workflow) { w.Name = "a b" }),
		"tasks":                     workflowOf(0, nil),
		"tasks.1.ref":               workflowOf(2, func(w *Workflow) { w.Nodes[1].Ref = "n0" }),
		"tasks.0.ref":               workflowOf(1, func(w *Workflow) { w.Nodes[0].Ref = "" }),
		"tasks.0.task":              workflowOf(1, func(w *Workflow) { w.Nodes[0].Task = nil }),
		"tasks.0.priority":          workflowOf(1, func(w *Workflow) { w.Nodes[0].Task.Priority = 11 }),
		"tasks.0.unique_key":        workflowOf(1, func(w *Workflow) { w.Nodes[0].Task.UniqueKey = "k" }),
		"tasks.0.retention_seconds": workflowOf(1, func(w *Workflow) { w.Nodes[0].Task.Retention = time.Hour }),
		"tasks.0.group":             workflowOf(1, func(w *Workflow) { w.Nodes[0].Task.Group = "g" }),
		"tasks.0.when":              workflowOf(1, func(w *Workflow) { w.Nodes[0].When = WhenDone }),
		"tasks.1.when":              workflowOf(2, func(w *Workflow) { w.Nodes[1].When, w.Nodes[1].After = "never", []string{"n0"} }),
	} {
		var invalid *ValidationError
		require.ErrorAs(t, w.Validate(), &invalid)
		require.Equal(t, field, invalid.Field)
	}
	for name, after := range map[string][][]string{
		"unknown": {{"n9"}}, "twice": {{"n1", "n1"}, nil}, "itself": {{"n0"}},
		"cycle": {{"n2"}, {"n0"}, {"n1"}},
	} {
		w := workflowOf(len(after), func(w *Workflow) {
			for i := range after {
				w.Nodes[i].After = after[i]
			}
		})
		var invalid *ValidationError
		require.ErrorAs(t, w.Validate(), &invalid, name)
		require.Equal(t, "tasks.0.after", invalid.Field, name)
	}
	// What only waits for a cycle is not named.
	w := workflowOf(3, func(w *Workflow) {
		w.Nodes[0].After, w.Nodes[1].After, w.Nodes[2].After = []string{"n1"}, []string{"n2"}, []string{"n1"}
	})
	require.ErrorContains(t, w.Validate(), "tasks.1.after")
}

func TestWorkflowOfTheMostTasks(t *testing.T) {
	t.Parallel()
	w := workflowOf(MaxWorkflowTasks, func(w *Workflow) {
		for i := 1; i < MaxWorkflowTasks; i++ {
			for j := max(0, i-4); j < i; j++ {
				w.Nodes[i].After = append(w.Nodes[i].After, w.Nodes[j].Ref)
			}
		}
	})
	require.NoError(t, w.Validate())
	w.Nodes[0].After = []string{w.Nodes[MaxWorkflowTasks-1].Ref}
	require.ErrorContains(t, w.Validate(), "must not make the task wait for itself")
	for i := 10; i < 10_010; i++ {
		w.Nodes[MaxWorkflowTasks-1].After = append(w.Nodes[MaxWorkflowTasks-1].After, w.Nodes[i].Ref)
		w.Nodes[MaxWorkflowTasks-2].After = append(w.Nodes[MaxWorkflowTasks-2].After, w.Nodes[i].Ref)
		w.Nodes[MaxWorkflowTasks-3].After = append(w.Nodes[MaxWorkflowTasks-3].After, w.Nodes[i].Ref)
	}
	require.ErrorContains(t, w.Validate(), "tasks must have at most 100000 entries")
	require.ErrorContains(t, workflowOf(MaxWorkflowTasks+1, nil).Validate(), "tasks must be from 1 to 20000")
}

func TestWorkflowTasksAndDigest(t *testing.T) {
	t.Parallel()
	w := workflowOf(2, func(w *Workflow) { w.Nodes[1].After = []string{"n0"} })
	task := w.Task(1)
	require.Equal(t, &WorkflowRef{ID: w.ID, Ref: "n1"}, task.Workflow)
	require.Equal(t, TaskIDOf(w.ID, "n1"), task.ID)
	require.NotEqual(t, TaskIDOf(w.ID, "n0"), task.ID)
	w.Nodes[0].After, w.Nodes[1].After = []string{"n1"}, nil
	before, behind, order := w.Edges()
	require.Equal(t, [][]int{{1}, nil}, before)
	require.Equal(t, [][]int{nil, {0}}, behind)
	require.Equal(t, []int{1, 0}, order)
	w.Nodes[0].After, w.Nodes[1].After = nil, []string{"n0"}
	for i, change := range []func(w *Workflow){
		func(w *Workflow) { w.Name = "v" },
		func(w *Workflow) { w.Nodes[1].After = nil },
		func(w *Workflow) { w.Nodes[1].When = WhenDone },
		func(w *Workflow) { w.Nodes[0].Ref, w.Nodes[1].After = "m", []string{"m"} },
		func(w *Workflow) { w.Nodes[0].Task.Payload = []byte("1") },
		func(w *Workflow) { w.Nodes[0].Task.Delay = time.Second },
		func(w *Workflow) { w.Nodes[0].Task.Tags = []string{"x"} },
	} {
		other := workflowOf(2, func(w *Workflow) { w.Nodes[1].After = []string{"n0"} })
		require.Equal(t, w.Digest(), other.Digest())
		change(other)
		require.NotEqual(t, w.Digest(), other.Digest(), i)
	}
}

func TestNodeGate(t *testing.T) {
	t.Parallel()
	const completed, failed, cancelled, pending, running = TaskStatusCompleted, TaskStatusFailed, TaskStatusCancelled, TaskStatusPending, TaskStatusProcessing
	type step struct {
		from, to TaskStatus
		want     NodeStep
	}
	for name, c := range map[string]struct {
		predecessors int
		when         When
		steps        []step
		state        GateState
	}{
		"success":                   {2, WhenSuccess, []step{{running, completed, NodeStays}, {running, completed, NodeReady}}, GateOpen},
		"failure drops":             {2, WhenSuccess, []step{{running, failed, NodeDropped}, {running, completed, NodeStays}}, GateClosed},
		"failure":                   {2, WhenFailure, []step{{running, failed, NodeStays}, {pending, cancelled, NodeReady}}, GateOpen},
		"success drops":             {1, WhenFailure, []step{{running, completed, NodeDropped}}, GateClosed},
		"done":                      {3, WhenDone, []step{{running, completed, NodeStays}, {running, failed, NodeStays}, {running, cancelled, NodeReady}}, GateOpen},
		"nothing ends":              {1, WhenDone, []step{{pending, running, NodeStays}, {running, pending, NodeStays}}, GateWaiting},
		"retried":                   {1, WhenSuccess, []step{{running, failed, NodeDropped}, {failed, pending, NodeWaits}, {running, completed, NodeReady}}, GateOpen},
		"one of two retried":        {2, WhenSuccess, []step{{running, failed, NodeDropped}, {running, failed, NodeStays}, {failed, pending, NodeStays}}, GateClosed},
		"retried before the others": {2, WhenDone, []step{{running, failed, NodeStays}, {failed, pending, NodeStays}, {running, completed, NodeStays}}, GateWaiting},
	} {
		g := NewGate(c.predecessors)
		for i, s := range c.steps {
			require.Equal(t, s.want, g.Follow(c.when, s.from, s.to, false), "%s: step %d", name, i)
		}
		require.Equal(t, c.state, g.State, name)
	}

	g := NewGate(1)
	require.Equal(t, NodeStays, g.Follow(WhenDone, running, cancelled, true), "a workflow that is being cancelled")
	g.Leave()
	require.Equal(t, NodeGate{}, g)
	require.Equal(t, NodeReady, g.Retry())
	g = NodeGate{Unfinished: 1}
	require.Equal(t, NodeWaits, g.Retry())
	g = NodeGate{Unmet: 1}
	require.Equal(t, NodeDropped, g.Retry())
	g.Close()
	require.Equal(t, NodeWaits, g.Follow(WhenSuccess, failed, pending, false))
	g.Close()
	require.Equal(t, NodeStays, g.Follow(WhenSuccess, running, completed, false), "there is nothing to wait for")
	require.Equal(t, NodeReady, g.Retry())
}

func TestTasksOfWorkflows(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0).UTC()
	task := NewTask(uuid.Max, "work", nil)
	task.Delay = time.Minute
	task.MarkAsReleased(now)
	require.Equal(t, now.Add(time.Minute), task.ScheduledAt)
	task.Delay, task.ScheduledAt = 0, now.Add(time.Hour)
	task.MarkAsReleased(now)
	require.Equal(t, now.Add(time.Hour), task.ScheduledAt, "a time that has not come stays")

	require.NoError(t, task.MarkAsDropped(DroppedMessage(WhenSuccess, "a", TaskStatusFailed), now))
	require.Equal(t, TaskStatusCancelled, task.Status)
	require.Equal(t, `predecessor: it waited for the success of "a", which ended FAILED`, task.LastError())
	history := task.History()
	require.Len(t, history, 2)
	require.Equal(t, HistoryEntry{Status: TaskStatusCancelled, At: now, Reason: ReasonPredecessor}, history[1])
	require.NoError(t, task.RunAgain())
	require.NoError(t, task.MarkAsCancelled(now.Add(time.Second)))
	require.Len(t, task.History(), 3)
}
