package portstest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
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
		create("tasks.1.ref", func(w *domain.Workflow) { w.Nodes[1].Ref = "a" }),
		create("tasks.1.after", func(w *domain.Workflow) { w.Nodes[1].After = []string{"c"} }),
		create("tasks.0.after", func(w *domain.Workflow) { w.Nodes[0].After = []string{"b"} }),
		create("tasks.0.when", func(w *domain.Workflow) { w.Nodes[0].When = domain.WhenDone }),
		create("tasks.0.unique_key", func(w *domain.Workflow) { w.Nodes[0].Task.UniqueKey = "k" }),
		create("tasks.0.retention_seconds", func(w *domain.Workflow) { w.Nodes[0].Task.Retention = 1 }),
		create("tasks.0.priority", func(w *domain.Workflow) { w.Nodes[0].Task.Priority = 99 }),
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
