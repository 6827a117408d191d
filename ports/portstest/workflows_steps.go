package portstest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// workflowStepCases are the promises of what the tasks of a workflow wait for, and how they end.
var workflowStepCases = []storeCase{
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
				s.update(t, Completed(claimed)...)
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
