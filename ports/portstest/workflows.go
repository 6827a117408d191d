package portstest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// node is a node of a workflow that waits for the success of others.
func node(ref string, after ...string) domain.WorkflowNode {
	return domain.WorkflowNode{Ref: ref, Task: domain.NewTask(uuid.Nil, "work", []byte(`"`+ref+`"`)), After: after}
}

// nodeWhen is a node that waits for others to end in some way.
func nodeWhen(ref string, when domain.When, after ...string) domain.WorkflowNode {
	n := node(ref, after...)
	n.When = when
	return n
}

func newWorkflow(nodes ...domain.WorkflowNode) *domain.Workflow {
	return &domain.Workflow{ID: uuid.New(), Name: "flow", Nodes: nodes}
}

// create creates a workflow of these nodes.
func (s *storeTest) create(t *testing.T, nodes ...domain.WorkflowNode) domain.WorkflowID {
	t.Helper()
	w := newWorkflow(nodes...)
	info, err := s.Workflows.CreateWorkflow(t.Context(), w)
	require.NoError(t, err)
	require.Equal(t, w.ID, info.ID)
	require.Equal(t, len(nodes), info.Counts.Total())
	return info.ID
}

// workflow returns a workflow with all its nodes, whose counts agree with them.
func (s *storeTest) workflow(t *testing.T, id domain.WorkflowID) (domain.WorkflowInfo, map[string]domain.WorkflowNodeInfo) {
	t.Helper()
	nodes, counts := map[string]domain.WorkflowNodeInfo{}, domain.WorkflowCounts{}
	var info domain.WorkflowInfo
	for from := 0; ; {
		page, err := s.Workflows.GetWorkflow(t.Context(), id, ports.PlacePage{From: from, Limit: ports.MaxNodePage})
		require.NoError(t, err)
		for _, n := range page.Nodes {
			nodes[n.Ref] = n
			counts.Add(n.Status, n.Waiting, 1)
		}
		info = page.WorkflowInfo
		if from = page.Next; from == 0 {
			break
		}
	}
	require.Equal(t, counts, info.Counts, "the counts must be those of the nodes")
	require.Equal(t, counts.Unfinished() == 0, !info.FinishedAt.IsZero())
	return info, nodes
}

// requireNodes requires the states of all nodes, by their refs; none stands for one that
// waits.
func (s *storeTest) requireNodes(t *testing.T, id domain.WorkflowID, want map[string]domain.TaskStatus) {
	t.Helper()
	_, nodes := s.workflow(t, id)
	got := map[string]domain.TaskStatus{}
	for ref, n := range nodes {
		if got[ref] = n.Status; n.Waiting {
			require.Equal(t, pending, n.Status)
			got[ref] = none
		}
		require.Equal(t, n.Status, s.get(t, n.TaskID).Status)
		require.Equal(t, n.Waiting, len(s.get(t, n.TaskID).WaitingFor) > 0, "WaitingFor of %s", ref)
	}
	require.Equal(t, want, got)
}

// claimNodes claims what is ready and requires that it is the tasks of these nodes.
func (s *storeTest) claimNodes(t *testing.T, refs ...string) map[string]*domain.Task {
	t.Helper()
	out := map[string]*domain.Task{}
	for _, task := range s.claim(t, 100) {
		require.NotNil(t, task.Workflow)
		out[task.Workflow.Ref] = task
	}
	require.ElementsMatch(t, refs, slices.Collect(maps.Keys(out)), "these must be ready, and no other")
	return out
}

// runNodes has the tasks of these nodes, which must be all that is ready, complete.
func (s *storeTest) runNodes(t *testing.T, refs ...string) {
	t.Helper()
	for ref, task := range s.claimNodes(t, refs...) {
		s.update(t, complete(task, `"of `+ref+`"`))
	}
}

// failNode has the one task that is ready fail.
func (s *storeTest) failNode(t *testing.T, ref string) {
	t.Helper()
	s.update(t, fail(s.claimNodes(t, ref)[ref], "broken"))
}

func requireRefusedNode(t *testing.T, err error) {
	t.Helper()
	var refused *domain.TransitionError
	require.ErrorAs(t, err, &refused)
	require.True(t, refused.Node)
}

// workflowCases are the promises of a ports.WorkflowKeeper.
var workflowCases = []storeCase{
	{
		name:    "a chain runs in its order",
		promise: "A task that has predecessors waits for them: it is PENDING, is not ready, and GetTask shows its WaitingFor.",
		run: func(t *testing.T, s *storeTest) {
			id := s.create(t, node("c", "b"), node("a"), node("b", "a"))
			s.requireNodes(t, id, map[string]domain.TaskStatus{"a": pending, "b": none, "c": none})
			b := s.get(t, domain.TaskIDOf(id, "b"))
			require.Equal(t, []string{"a"}, b.WaitingFor)
			require.Equal(t, &domain.WorkflowRef{ID: id, Ref: "b"}, b.Workflow)
			require.Zero(t, b.ScheduledAt)
			require.Equal(t, []byte(`"b"`), b.Payload)
			audited := s.audit(t)
			require.Equal(t, [2]int64{1, 2}, [2]int64{audited.Pending, audited.Scheduled})
			s.Advance(time.Hour)
			require.Zero(t, s.promote(t), "what waits for others is not due")
			s.runNodes(t, "a")
			s.requireNodes(t, id, map[string]domain.TaskStatus{"a": completed, "b": pending, "c": none})
			b = s.get(t, b.ID)
			require.False(t, b.ScheduledAt.Before(s.get(t, domain.TaskIDOf(id, "a")).CompletedAt), "since when it is ready")
			s.runNodes(t, "b")
			s.runNodes(t, "c")
			info, nodes := s.workflow(t, id)
			require.Equal(t, domain.WorkflowCounts{Completed: 3}, info.Counts)
			require.False(t, info.FinishedAt.Before(b.ScheduledAt))
			require.Equal(t, domain.WorkflowNodeInfo{Ref: "c", TaskID: domain.TaskIDOf(id, "c"), Type: "work", Queue: "default", After: []string{"b"}, Status: completed}, nodes["c"])
			s.audit(t)
		},
	},
	{
		name:    "many wait for one and one for many",
		promise: "A task whose predecessors have all ended as it asks for is ready; a store does the rest with later calls of PromoteDue, and loses none of it.",
		run: func(t *testing.T, s *storeTest) {
			nodes, middle := []domain.WorkflowNode{node("first")}, []string{}
			for i := range 1500 {
				middle = append(middle, fmt.Sprintf("m%d", i))
				nodes = append(nodes, node(middle[i], "first"))
			}
			id := s.create(t, append(nodes, node("last", middle...))...)
			require.Equal(t, middle[:domain.MaxWaitingFor], s.get(t, domain.TaskIDOf(id, "last")).WaitingFor)
			s.runNodes(t, "first")
			for range 30 {
				s.promote(t)
			}
			info, _ := s.workflow(t, id)
			require.Equal(t, domain.WorkflowCounts{Completed: 1, Pending: 1500, Waiting: 1}, info.Counts)
			for claimed := s.claim(t, 500); len(claimed) > 0; claimed = s.claim(t, 500) {
				s.update(t, each(claimed, func(task **domain.Task) ports.TaskUpdate { return complete(*task, "") })...)
				if last := s.get(t, domain.TaskIDOf(id, "last")); last.Status == pending {
					require.LessOrEqual(t, len(last.WaitingFor), domain.MaxWaitingFor)
				}
			}
			info, _ = s.workflow(t, id)
			require.Equal(t, domain.WorkflowCounts{Completed: 1502}, info.Counts)
		},
	},
	{
		name:    "predecessors that end at the same time make a task ready once",
		promise: "Each step of a task is one atomic change in the store.",
		run: func(t *testing.T, s *storeTest) {
			var before []string
			var nodes []domain.WorkflowNode
			for i := range 16 {
				before = append(before, fmt.Sprintf("n%d", i))
				nodes = append(nodes, node(before[i]))
			}
			id := s.create(t, append(nodes, node("last", before...))...)
			handles, claimed := s.handles(t, 1), s.claim(t, 100)
			require.Len(t, claimed, 16)
			for _, err := range atOnce(len(claimed), func(i int) error {
				return handles[i%len(handles)].Queue.UpdateTask(t.Context(), complete(claimed[i], ""))
			}) {
				require.NoError(t, err)
			}
			require.Equal(t, 1, s.claimNodes(t, "last")["last"].Deliveries)
			s.workflow(t, id)
		},
	},
	{
		name:    "a task waits for success or failure or the end of others",
		promise: "A task whose predecessors have all ended as it asks for (domain.When) is ready; one that has one which did not is CANCELLED.",
		run: func(t *testing.T, s *storeTest) {
			for _, end := range []struct {
				name string
				ends func(id domain.TaskID)
				want [3]domain.TaskStatus // of those that wait for success, failure and the end
			}{
				{"completed", func(domain.TaskID) { s.runNodes(t, "a") }, [3]domain.TaskStatus{pending, cancelled, pending}},
				{"failed", func(domain.TaskID) { s.failNode(t, "a") }, [3]domain.TaskStatus{cancelled, pending, pending}},
				{"cancelled", func(id domain.TaskID) { require.NoError(t, s.Queue.CancelTask(t.Context(), id)) }, [3]domain.TaskStatus{cancelled, pending, pending}},
				{"poison", func(domain.TaskID) {
					s.claimNodes(t, "a")
					s.Advance(2 * lease)
					s.reapAs(t, ports.ReapRequest{Limit: 1})
				}, [3]domain.TaskStatus{cancelled, pending, pending}},
				{"retried", func(domain.TaskID) {
					s.update(t, retry(s.claimNodes(t, "a")["a"], time.Second))
					s.Advance(time.Second)
					s.runNodes(t, "a")
				}, [3]domain.TaskStatus{pending, cancelled, pending}},
			} {
				id := s.create(t, node("a"), node("success", "a"), nodeWhen("failure", domain.WhenFailure, "a"), nodeWhen("done", domain.WhenDone, "a"))
				end.ends(domain.TaskIDOf(id, "a"))
				_, nodes := s.workflow(t, id)
				require.Equal(t, end.want, [3]domain.TaskStatus{nodes["success"].Status, nodes["failure"].Status, nodes["done"].Status}, end.name)
				for range 2 {
					s.update(t, complete(s.claimOne(t), ""))
				}
				require.Empty(t, s.claim(t, 1))
			}
		},
	},
	{
		name:    "what can never run is cancelled with all that waits for it",
		promise: "A task that has a predecessor which did not end as it asks for is CANCELLED, as domain.Task.MarkAsDropped says, and so on for those that wait for it.",
		run: func(t *testing.T, s *storeTest) {
			nodes := []domain.WorkflowNode{node("n0"), node("other"), nodeWhen("callback", domain.WhenFailure, "n40")}
			for i := range 40 {
				nodes = append(nodes, node(fmt.Sprintf("n%d", i+1), fmt.Sprintf("n%d", i)))
			}
			nodes = append(nodes, node("both", "other", "n40"))
			id := s.create(t, nodes...)
			if s.hasEvents() {
				s.beginEvents(t)
			}
			claimed := s.claimNodes(t, "n0", "other")
			s.update(t, fail(claimed["n0"], "broken"))
			s.promote(t)
			dropped := s.get(t, domain.TaskIDOf(id, "n1"))
			require.Equal(t, cancelled, dropped.Status)
			require.Equal(t, domain.DroppedMessage(domain.WhenSuccess, "n0", failed), dropped.LastError())
			require.Equal(t, domain.ReasonPredecessor, dropped.Errors[0].Reason)
			require.Equal(t, domain.DroppedMessage(domain.WhenSuccess, "n39", cancelled), s.get(t, domain.TaskIDOf(id, "n40")).LastError())
			require.Equal(t, cancelled, s.get(t, domain.TaskIDOf(id, "both")).Status)
			if s.hasEvents() {
				steps := stepsByTask(s.newEvents(t))
				require.Equal(t, []step{{pending, cancelled, 0, domain.ReasonPredecessor}}, steps[dropped.ID])
				require.Equal(t, []step{{pending, pending, 0, ""}}, steps[domain.TaskIDOf(id, "callback")])
			}
			s.update(t, complete(claimed["other"], ""))
			s.runNodes(t, "callback")
			info, _ := s.workflow(t, id)
			require.Equal(t, domain.WorkflowCounts{Completed: 2, Failed: 1, Cancelled: 41}, info.Counts)
			s.audit(t)
		},
	},
	{
		name:    "creating a workflow twice makes one",
		promise: "A workflow whose id is taken by one of the same contents is returned as it is now; another is refused with domain.ErrWorkflowExists.",
		run: func(t *testing.T, s *storeTest) {
			w := newWorkflow(node("a"), node("b", "a"))
			w.Nodes[0].Task.Delay = time.Nanosecond
			first, err := s.Workflows.CreateWorkflow(t.Context(), w)
			require.NoError(t, err)
			require.Equal(t, domain.WorkflowInfo{ID: w.ID, Name: "flow", CreatedAt: first.CreatedAt, Counts: domain.WorkflowCounts{Pending: 1, Waiting: 1}}, first)
			s.Advance(time.Second)
			s.promote(t)
			s.runNodes(t, "a")
			again, err := s.Workflows.CreateWorkflow(t.Context(), w)
			require.NoError(t, err)
			require.Equal(t, first.CreatedAt, again.CreatedAt)
			require.Equal(t, domain.WorkflowCounts{Pending: 1, Completed: 1}, again.Counts)
			w.Nodes[1].Task.Priority = domain.PriorityHigh
			_, err = s.Workflows.CreateWorkflow(t.Context(), w)
			require.ErrorIs(t, err, domain.ErrWorkflowExists)
			require.Equal(t, int64(2), s.audit(t).Total())

			other := newWorkflow(node("a"), node("b"))
			s.add(t, func(task *domain.Task) { task.ID = domain.TaskIDOf(other.ID, "b") })
			_, err = s.Workflows.CreateWorkflow(t.Context(), other)
			if s.Partition == nil {
				require.ErrorIs(t, err, domain.ErrTaskExists)
				require.Equal(t, int64(3), s.audit(t).Total(), "all or nothing")
			}
			_, err = s.Queue.Enqueue(t.Context(), newTask(func(task *domain.Task) { task.ID = domain.TaskIDOf(w.ID, "a") }))
			if s.Partition == nil {
				require.ErrorIs(t, err, domain.ErrTaskExists)
			}
		},
	},
	{
		name:    "a person runs and deletes no task before its workflow lets them",
		promise: "RunTaskNow refuses one that waits, and DeleteTask any: both give a *domain.TransitionError with Node set.",
		run: func(t *testing.T, s *storeTest) {
			id := s.create(t, node("a"), node("b", "a"), node("c", "b"))
			a, b := domain.TaskIDOf(id, "a"), domain.TaskIDOf(id, "b")
			s.unchanged(t, b, func() { requireRefusedNode(t, s.Queue.RunTaskNow(t.Context(), b)) })
			s.unchanged(t, b, func() { requireRefusedNode(t, s.Queue.DeleteTask(t.Context(), b)) })
			require.NoError(t, s.Queue.RunTaskNow(t.Context(), a), "what is ready stays as it is")
			s.runNodes(t, "a")
			s.unchanged(t, a, func() { requireRefusedNode(t, s.Queue.DeleteTask(t.Context(), a)) })
			require.NoError(t, s.Queue.CancelTask(t.Context(), b))
			s.requireNodes(t, id, map[string]domain.TaskStatus{"a": completed, "b": cancelled, "c": cancelled})
		},
	},
	{
		name:    "a task that waits may expire and its delay begins when it does not wait",
		promise: "A task that expires while it waits ends FAILED; a Delay counts from when the node waits for no other any more.",
		run: func(t *testing.T, s *storeTest) {
			late, slow, at := node("late", "a"), node("slow", "a"), node("at", "a")
			late.Task.ExpiresIn, slow.Task.Delay = time.Minute, time.Hour
			at.Task.ScheduledAt = s.in(t, completed).CreatedAt.Add(3 * time.Hour)
			id := s.create(t, node("a"), late, slow, at, nodeWhen("after", domain.WhenFailure, "late"))
			require.Zero(t, s.get(t, domain.TaskIDOf(id, "slow")).ScheduledAt)
			s.Advance(2 * time.Hour)
			s.promote(t)
			task := s.get(t, domain.TaskIDOf(id, "late"))
			require.Equal(t, failed, task.Status)
			require.Equal(t, domain.ReasonExpired, task.Errors[0].Reason)
			claimed := s.claimNodes(t, "a", "after")
			s.update(t, complete(claimed["a"], ""), complete(claimed["after"], ""))
			task = s.get(t, domain.TaskIDOf(id, "slow"))
			require.InDelta(t, time.Hour.Seconds(), task.ScheduledAt.Sub(s.get(t, domain.TaskIDOf(id, "a")).CompletedAt).Seconds(), 1)
			require.Empty(t, s.claim(t, 1))
			_, nodes := s.workflow(t, id)
			require.False(t, nodes["slow"].Waiting, "it waits for its time, and for no other")
			s.Advance(time.Hour + time.Minute)
			s.promote(t)
			claimed = s.claimNodes(t, "slow", "at")
			require.Equal(t, at.Task.ScheduledAt, claimed["at"].ScheduledAt)
		},
	},
	{
		name:    "a failed task that runs again brings back what was dropped because of it",
		promise: "With a retried task, the ones wait again that were dropped because of it, unless another predecessor forbids it.",
		run: func(t *testing.T, s *storeTest) {
			id := s.create(t, node("a"), node("x"), node("b", "a"), node("c", "b"), node("ax", "a", "x"), nodeWhen("d", domain.WhenDone, "a", "x"), nodeWhen("f", domain.WhenFailure, "a"))
			claimed := s.claimNodes(t, "a", "x")
			s.update(t, fail(claimed["a"], "broken"))
			s.requireNodes(t, id, map[string]domain.TaskStatus{"a": failed, "x": processing, "b": cancelled, "c": cancelled, "ax": cancelled, "d": none, "f": pending})
			requireRefusedNode(t, s.Queue.RetryTask(t.Context(), domain.TaskIDOf(id, "b")))
			require.NoError(t, s.Queue.RetryTask(t.Context(), domain.TaskIDOf(id, "a")))
			s.requireNodes(t, id, map[string]domain.TaskStatus{"a": pending, "x": processing, "b": none, "c": none, "ax": none, "d": none, "f": pending})
			s.update(t, complete(claimed["x"], ""))
			require.Equal(t, []string{"a"}, s.get(t, domain.TaskIDOf(id, "d")).WaitingFor, "it waits for the next end")
			s.runNodes(t, "a", "f")
			s.runNodes(t, "b", "ax", "d")
			s.failNode(t, "c")
			require.NoError(t, s.Queue.RetryTask(t.Context(), domain.TaskIDOf(id, "c")))
			s.runNodes(t, "c")
			info, _ := s.workflow(t, id)
			require.Equal(t, domain.WorkflowCounts{Completed: 7}, info.Counts)
			s.audit(t)
		},
	},
	{
		name:    "a task that was cancelled waits again where its predecessors have not finished",
		promise: "RetryTask has it ready at once, or wait if predecessors have not finished.",
		run: func(t *testing.T, s *storeTest) {
			id := s.create(t, node("a"), node("b", "a"), nodeWhen("c", domain.WhenDone, "b"))
			b := domain.TaskIDOf(id, "b")
			require.NoError(t, s.Queue.CancelTask(t.Context(), b))
			s.requireNodes(t, id, map[string]domain.TaskStatus{"a": pending, "b": cancelled, "c": pending})
			require.NoError(t, s.Queue.RetryTask(t.Context(), b))
			s.requireNodes(t, id, map[string]domain.TaskStatus{"a": pending, "b": none, "c": pending})
			s.runNodes(t, "a", "c")
			require.NoError(t, s.Queue.CancelTask(t.Context(), b))
			require.NoError(t, s.Queue.RetryTask(t.Context(), b))
			s.runNodes(t, "b")

			// The later ones of a call see what became of those before, once a store of several
			// parts knows where they are.
			id = s.create(t, node("x"), node("y", "x"), node("z", "y"))
			x, y, z := domain.TaskIDOf(id, "x"), domain.TaskIDOf(id, "y"), domain.TaskIDOf(id, "z")
			for _, task := range []domain.TaskID{z, y, x} {
				require.NoError(t, s.Queue.CancelTask(t.Context(), task))
			}
			requireRefusedNode(t, s.Queue.RetryTask(t.Context(), y))
			require.NoError(t, s.Queue.RetryTask(t.Context(), x, y, z))
			s.requireNodes(t, id, map[string]domain.TaskStatus{"x": pending, "y": none, "z": none})
			s.runNodes(t, "x")
			s.runNodes(t, "y")
			s.runNodes(t, "z")
			s.audit(t)
		},
	},
	{
		name:    "a whole workflow is cancelled and runs again",
		promise: "CancelWorkflow cancels all tasks that have not finished; RetryWorkflow runs all FAILED and CANCELLED tasks again.",
		run: func(t *testing.T, s *storeTest) {
			id := s.create(t, node("done"), node("run"), node("idle"), node("b", "run"), nodeWhen("f", domain.WhenFailure, "run", "idle"), nodeWhen("never", domain.WhenFailure, "done"), node("behind", "never"))
			claimed := s.claimNodes(t, "done", "run", "idle")
			s.update(t, complete(claimed["done"], ""))
			require.NoError(t, s.Queue.ReleaseTask(t.Context(), *claimed["idle"].Lease))
			for range 2 { // A repeat changes nothing.
				info, err := s.Workflows.CancelWorkflow(t.Context(), id)
				require.NoError(t, err)
				require.Equal(t, domain.WorkflowCounts{Completed: 1, Cancelled: 6}, info.Counts)
				require.NotZero(t, info.FinishedAt)
			}
			require.ErrorIs(t, s.Queue.UpdateTask(t.Context(), complete(claimed["run"], "")), domain.ErrLeaseLost)
			require.Empty(t, s.claim(t, 1))
			for range 2 {
				info, err := s.Workflows.RetryWorkflow(t.Context(), id)
				require.NoError(t, err)
				require.Equal(t, domain.WorkflowCounts{Completed: 1, Pending: 2, Waiting: 2, Cancelled: 2}, info.Counts)
				require.Zero(t, info.FinishedAt)
			}
			s.requireNodes(t, id, map[string]domain.TaskStatus{"done": completed, "run": pending, "idle": pending, "b": none, "f": none, "never": cancelled, "behind": cancelled})
			s.runNodes(t, "run", "idle")
			s.runNodes(t, "b")
			s.requireNodes(t, id, map[string]domain.TaskStatus{"done": completed, "run": completed, "idle": completed, "b": completed, "f": cancelled, "never": cancelled, "behind": cancelled})
			for _, change := range []func(context.Context, domain.WorkflowID) (domain.WorkflowInfo, error){s.Workflows.CancelWorkflow, s.Workflows.RetryWorkflow} {
				_, err := change(t.Context(), uuid.New())
				require.ErrorIs(t, err, domain.ErrWorkflowNotFound)
			}
			s.audit(t)
		},
	},
	{
		name:    "the worker of a cancelled workflow is told",
		promise: "CancelWorkflow cancels all tasks that have not finished, as TaskManager.CancelTask does.",
		run: func(t *testing.T, s *storeTest) {
			if !s.hasRuns() {
				t.Skip("the store does not track runs")
			}
			id := s.create(t, node("a"))
			lease := *s.claimNodes(t, "a")["a"].Lease
			ctx, told := soonContext(t), make(chan domain.TaskID, 10)
			began := make(chan struct{}, 10)
			watch := make(chan error, 1)
			ctx, stop := context.WithCancel(ctx)
			go func() {
				watch <- s.Runs.WatchCancelled(ctx, func(ids []domain.TaskID) {
					for _, id := range ids {
						told <- id
					}
					began <- struct{}{}
				})
			}()
			<-began
			_, err := s.Workflows.CancelWorkflow(t.Context(), id)
			require.NoError(t, err)
			select {
			case got := <-told:
				require.Equal(t, domain.TaskIDOf(id, "a"), got)
			case <-ctx.Done():
				t.Error("nobody was told")
			}
			stop()
			require.Error(t, <-watch)
			require.True(t, s.get(t, domain.TaskIDOf(id, "a")).Stopping)
			require.ErrorIs(t, s.Queue.ReleaseTask(t.Context(), lease), domain.ErrLeaseLost)
			require.False(t, s.get(t, domain.TaskIDOf(id, "a")).Stopping)
		},
	},
	{
		name:    "what is finished stays until all of the workflow is",
		promise: "PurgeFinished keeps them all until the workflow has been finished for the retention, or the failed retention if one of its tasks is FAILED.",
		run: func(t *testing.T, s *storeTest) {
			purge := func() int {
				n := 0
				for {
					ids, err := s.Queue.PurgeFinished(t.Context(), ports.PurgeRequest{Retention: time.Hour, FailedRetention: 3 * time.Hour, Limit: 1})
					require.NoError(t, err)
					if n += len(ids); len(ids) == 0 {
						return n
					}
				}
			}
			sound, broken := s.create(t, node("a"), node("b", "a")), s.create(t, node("a"))
			claimed := s.claim(t, 10)
			require.Len(t, claimed, 2)
			for _, task := range claimed {
				if task.Workflow.ID == sound {
					s.update(t, complete(task, `"kept"`))
				} else {
					s.update(t, fail(task, "broken"))
				}
			}
			s.Advance(2 * time.Hour)
			require.Zero(t, purge())
			s.runNodes(t, "b")
			s.Advance(time.Hour - 10*time.Second)
			s.add(t)
			require.Zero(t, purge())
			require.Equal(t, []byte(`"kept"`), s.get(t, domain.TaskIDOf(sound, "a")).Result)
			s.Advance(11 * time.Second)
			require.Equal(t, 3, purge(), "both tasks of the one, and that of the one that has been FAILED for three hours")
			for _, id := range []domain.WorkflowID{sound, broken} {
				_, err := s.Workflows.GetWorkflow(t.Context(), id, ports.PlacePage{Limit: 1})
				require.ErrorIs(t, err, domain.ErrWorkflowNotFound)
			}
			require.Equal(t, int64(1), s.audit(t).Total())

			s.update(t, complete(s.claimOne(t), "")) // the task without a workflow
			// One that runs again is not finished.
			id := s.create(t, nodeWhen("last", domain.WhenDone, "a", "b"), node("a"), node("b"))
			both := s.claimNodes(t, "a", "b")
			s.update(t, fail(both["a"], "broken"), complete(both["b"], ""))
			s.Advance(2 * time.Hour)
			require.NoError(t, s.Queue.RetryTask(t.Context(), domain.TaskIDOf(id, "a")))
			s.Advance(2 * time.Hour)
			require.Equal(t, 1, purge())
			s.runNodes(t, "a", "last")
			s.Advance(time.Hour - time.Minute)
			require.Zero(t, purge())
			s.Advance(time.Minute)
			for range 3 {
				ids, err := s.Queue.PurgeFinished(t.Context(), ports.PurgeRequest{Retention: time.Hour, Limit: 1})
				require.NoError(t, err)
				require.Len(t, ids, 1)
				before, err := s.Workflows.GetPredecessors(t.Context(), domain.TaskIDOf(id, "last"), ports.PlacePage{Limit: 2})
				if err != nil {
					require.ErrorIs(t, err, domain.ErrTaskNotFound)
				}
				require.Less(t, len(before.Predecessors), 2)
			}
			require.Zero(t, s.audit(t).Total())
		},
	},
	{
		name:    "results of predecessors are read by pages",
		promise: "GetPredecessors returns how the predecessors of a task ended, or are, from a place on. A page ends early once its results have MaxCallBytes.",
		run: func(t *testing.T, s *storeTest) {
			refs, nodes := []string{}, []domain.WorkflowNode{}
			for i := range 5 {
				refs = append(refs, fmt.Sprintf("n%d", i))
				nodes = append(nodes, node(refs[i]))
			}
			id := s.create(t, append(nodes, nodeWhen("last", domain.WhenDone, refs...))...)
			last, large := domain.TaskIDOf(id, "last"), bytes.Repeat([]byte{'7'}, ports.MaxCallBytes/2+1)
			for ref, task := range s.claimNodes(t, refs...) {
				switch ref {
				case "n3":
					s.update(t, fail(task, "broken"))
				case "n4":
				default:
					s.update(t, complete(task, string(large)))
				}
			}
			var got []domain.Predecessor
			sizes := []int{}
			for from := 0; ; {
				page, err := s.Workflows.GetPredecessors(t.Context(), last, ports.PlacePage{From: from, Limit: 3})
				require.NoError(t, err)
				got = append(got, page.Predecessors...)
				sizes = append(sizes, len(page.Predecessors))
				if from = page.Next; from == 0 {
					break
				}
			}
			require.Equal(t, []int{1, 1, 3}, sizes)
			for i, p := range got {
				want := domain.Predecessor{Ref: refs[i], TaskID: domain.TaskIDOf(id, refs[i]), Status: completed, Result: large}
				switch i {
				case 3:
					want.Status, want.Result, want.Error = failed, nil, "broken"
				case 4:
					want.Status, want.Result = processing, nil
				}
				require.Equal(t, want, p)
			}
			page, err := s.Workflows.GetPredecessors(t.Context(), s.add(t).ID, ports.PlacePage{Limit: 1})
			require.NoError(t, err)
			require.Zero(t, page)
			_, err = s.Workflows.GetPredecessors(t.Context(), uuid.New(), ports.PlacePage{Limit: 1})
			require.ErrorIs(t, err, domain.ErrTaskNotFound)
		},
	},
	{
		name:    "workflows and their nodes are listed by pages",
		promise: "ListWorkflows returns workflows, newest first; GetWorkflow returns a workflow and its nodes from a place on, in the order in which they were given.",
		run: func(t *testing.T, s *storeTest) {
			var want []domain.WorkflowID
			for range 5 {
				want = append(want, s.create(t, node("a"), node("b", "a"), node("c", "a", "b")))
				s.Advance(time.Second)
			}
			slices.Reverse(want)
			got := pages(t, "", 2, func(cursor string) ([]domain.WorkflowInfo, string, error) {
				page, err := s.Workflows.ListWorkflows(t.Context(), ports.WorkflowRequest{Cursor: cursor, Limit: 2})
				return page.Workflows, page.NextCursor, err
			}, nil)
			require.Equal(t, want, each(got, func(w *domain.WorkflowInfo) domain.WorkflowID { return w.ID }))
			require.Equal(t, domain.WorkflowCounts{Pending: 1, Waiting: 2}, got[0].Counts)
			_, err := s.Workflows.ListWorkflows(t.Context(), ports.WorkflowRequest{Cursor: "x", Limit: 2})
			require.ErrorIs(t, err, domain.ErrInvalidCursor)

			page, err := s.Workflows.GetWorkflow(t.Context(), want[0], ports.PlacePage{From: 1, Limit: 1})
			require.NoError(t, err)
			require.Equal(t, 2, page.Next)
			require.Equal(t, "b", page.Nodes[0].Ref)
			page, err = s.Workflows.GetWorkflow(t.Context(), want[0], ports.PlacePage{From: 2, Limit: 5})
			require.NoError(t, err)
			require.Zero(t, page.Next)
			require.Equal(t, []string{"a", "b"}, page.Nodes[0].After)
			_, err = s.Workflows.GetWorkflow(t.Context(), uuid.New(), ports.PlacePage{Limit: 1})
			require.ErrorIs(t, err, domain.ErrWorkflowNotFound)
		},
	},
	{
		name:    "other processes see a workflow, and it outlives a restart",
		promise: "All methods may be called by any number of processes.",
		run: func(t *testing.T, s *storeTest) {
			id := s.create(t, node("a"), node("b", "a"))
			s.other(t).runNodes(t, "a")
			s.restarted(t).runNodes(t, "b")
			s.other(t).requireNodes(t, id, map[string]domain.TaskStatus{"a": completed, "b": completed})
		},
	},
	{
		name:    "any graph ends as the rules say",
		promise: "Each task runs only after its predecessors ended as it asks for, and nothing is stuck.",
		run: func(t *testing.T, s *storeTest) {
			for seed := range uint64(12) {
				s.runGraph(t, rand.New(rand.NewPCG(seed, 7)))
			}
			s.audit(t)
		},
	},
}

// runGraph runs a random workflow twice, the second time from what failed, and requires the
// ends that follow from the graph.
func (s *storeTest) runGraph(t *testing.T, r *rand.Rand) {
	t.Helper()
	n := 2 + r.IntN(20)
	nodes, places, fails := make([]domain.WorkflowNode, n), map[string]int{}, make([]bool, n)
	for i := range nodes {
		nodes[i] = node(fmt.Sprintf("n%d", i))
		places[nodes[i].Ref] = i
		fails[i] = r.IntN(4) == 0
		for j := range i {
			if r.IntN(i+1) < 2 {
				nodes[i].After = append(nodes[i].After, nodes[j].Ref)
			}
		}
		if len(nodes[i].After) > 0 {
			nodes[i].When = []domain.When{domain.WhenSuccess, domain.WhenSuccess, domain.WhenFailure, domain.WhenDone}[r.IntN(4)]
		}
	}
	given := slices.Clone(nodes)
	r.Shuffle(n, func(i, j int) { given[i], given[j] = given[j], given[i] })
	id := s.create(t, given...)
	ends := make([]domain.TaskStatus, n)
	for round := range 2 {
		for i := range ends {
			if ends[i] == completed {
				continue
			}
			ends[i] = completed
			if fails[i] && round == 0 {
				ends[i] = failed
			}
			for _, ref := range nodes[i].After {
				if !nodes[i].When.Met(ends[places[ref]]) {
					ends[i] = cancelled
				}
			}
		}
		for claimed := s.claim(t, 1+r.IntN(4)); len(claimed) > 0; claimed = s.claim(t, 1+r.IntN(4)) {
			_, states := s.workflow(t, id)
			for _, task := range claimed {
				i := places[task.Workflow.Ref]
				for _, ref := range nodes[i].After {
					require.True(t, states[ref].Status.Terminal() && nodes[i].When.Met(states[ref].Status), "%s ran although %s is %s", task.Workflow.Ref, ref, states[ref].Status)
				}
				switch {
				case fails[i] && round == 0:
					s.update(t, fail(task, "broken"))
				case r.IntN(5) == 0:
					require.NoError(t, s.Queue.ReleaseTask(t.Context(), *task.Lease))
				default:
					s.update(t, complete(task, ""))
				}
			}
		}
		info, states := s.workflow(t, id)
		require.NotZero(t, info.FinishedAt, "nothing is stuck")
		for i := range ends {
			require.Equal(t, ends[i], states[nodes[i].Ref].Status, "round %d, %s", round, nodes[i].Ref)
		}
		if round == 0 {
			_, err := s.Workflows.RetryWorkflow(t.Context(), id)
			require.NoError(t, err)
		}
	}
}

func badWorkflowRequests() []badRequest {
	create := func(field string, change func(w *domain.Workflow)) badRequest {
		w := newWorkflow(node("a"), node("b", "a"))
		change(w)
		return badRequest{"CreateWorkflow", field, func(ctx context.Context, s *Store) error { return errOf(s.Workflows.CreateWorkflow(ctx, w)) }}
	}
	get := func(field string, page ports.PlacePage) badRequest {
		return badRequest{"GetWorkflow", field, func(ctx context.Context, s *Store) error {
			return errOf(s.Workflows.GetWorkflow(ctx, uuid.New(), page))
		}}
	}
	before := func(field string, page ports.PlacePage) badRequest {
		return badRequest{"GetPredecessors", field, func(ctx context.Context, s *Store) error {
			return errOf(s.Workflows.GetPredecessors(ctx, uuid.New(), page))
		}}
	}
	return []badRequest{
		{"CreateWorkflow", "workflow", func(ctx context.Context, s *Store) error { return errOf(s.Workflows.CreateWorkflow(ctx, nil)) }},
		create("id", func(w *domain.Workflow) { w.ID = uuid.Nil }),
		create("tasks", func(w *domain.Workflow) { w.Nodes = nil }),
		create("tasks[1].ref", func(w *domain.Workflow) { w.Nodes[1].Ref = "a" }),
		create("tasks[1].after", func(w *domain.Workflow) { w.Nodes[1].After = []string{"c"} }),
		create("tasks[0].after", func(w *domain.Workflow) { w.Nodes[0].After = []string{"b"} }),
		create("tasks[0].when", func(w *domain.Workflow) { w.Nodes[0].When = domain.WhenDone }),
		create("tasks[0].unique_key", func(w *domain.Workflow) { w.Nodes[0].Task.UniqueKey = "k" }),
		create("tasks[0].retention_seconds", func(w *domain.Workflow) { w.Nodes[0].Task.Retention = 1 }),
		create("tasks[0].priority", func(w *domain.Workflow) { w.Nodes[0].Task.Priority = 99 }),
		get("limit", ports.PlacePage{}),
		get("limit", ports.PlacePage{Limit: ports.MaxNodePage + 1}),
		get("from", ports.PlacePage{From: -1, Limit: 1}),
		before("limit", ports.PlacePage{}),
		{"ListWorkflows", "limit", func(ctx context.Context, s *Store) error {
			return errOf(s.Workflows.ListWorkflows(ctx, ports.WorkflowRequest{Limit: ports.MaxWorkflowPage + 1}))
		}},
		{"Enqueue", "workflow", func(ctx context.Context, s *Store) error {
			return errOf(s.Queue.Enqueue(ctx, newTask(func(task *domain.Task) { task.Workflow = &domain.WorkflowRef{ID: uuid.New(), Ref: "a"} })))
		}},
	}
}
