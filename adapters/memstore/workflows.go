package memstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"time"

	"logsift/domain"
	"logsift/ports"
)

var _ ports.WorkflowKeeper = (*TaskQueue)(nil)

// workflow is a workflow with its nodes, by their places.
type workflow struct {
	info   domain.WorkflowInfo
	digest [32]byte
	nodes  []node
	places map[string]int
	// order has the places of the nodes, predecessors first.
	order []int
	// stopped is whether all of its tasks are being cancelled, removed whether it is gone
	// and some of its tasks are not yet.
	stopped, removed bool
}

// node is a node, with the places of those before and behind it.
type node struct {
	ref         string
	task        *domain.Task
	when        domain.When
	after, next []int
	gate        domain.NodeGate
	// counted is whether the counts of the workflow have it among those that wait.
	counted bool
}

// workflowEnd is a workflow that finished then.
type workflowEnd struct {
	at int64
	w  *workflow
}

func (q *TaskQueue) endsOfWorkflows() *heap[workflowEnd] {
	return newHeap(
		func(a, b workflowEnd) int { return cmp.Compare(a.at, b.at) },
		func(e workflowEnd) bool {
			return !e.w.info.FinishedAt.IsZero() && e.w.info.FinishedAt.UnixMicro() == e.at && len(e.w.nodes) > 0
		},
		func() int { return len(q.workflows) })
}

// nodeOf returns the node that a task is, nil if it is none.
func (q *TaskQueue) nodeOf(t *domain.Task) (*workflow, *node) {
	if t.Workflow == nil {
		return nil, nil
	}
	w, ok := q.workflows[t.Workflow.ID]
	if !ok || w.removed {
		return nil, nil
	}
	return w, &w.nodes[w.places[t.Workflow.Ref]]
}

// follow does what a step of a task means for its workflow.
func (q *TaskQueue) follow(t *domain.Task, from, to domain.TaskStatus) {
	w, n := q.nodeOf(t)
	if n == nil || to == 0 {
		return
	}
	if from == domain.TaskStatusPending && to != from {
		n.gate.Leave()
	}
	q.count(w, n, from)
	if from.Terminal() != to.Terminal() {
		for _, i := range n.next {
			next := &w.nodes[i]
			q.stepNode(w, next, next.gate.Follow(next.when, from, to, w.stopped), n.ref, to)
		}
	}
	switch {
	case w.info.Counts.Unfinished() > 0:
		w.info.FinishedAt = time.Time{}
	case w.info.FinishedAt.IsZero():
		w.info.FinishedAt = q.cfg.now()
		ends := q.endedWorkflows
		if w.info.Counts.Failed > 0 {
			ends = q.failedWorkflows
		}
		ends.push(workflowEnd{w.info.FinishedAt.UnixMicro(), w})
	}
}

// count moves a node from the count of a state to that of its present one.
func (q *TaskQueue) count(w *workflow, n *node, from domain.TaskStatus) {
	w.info.Counts.Add(from, n.counted, -1)
	n.counted = n.gate.State == domain.GateWaiting
	w.info.Counts.Add(n.task.Status, n.counted, 1)
}

// stepNode takes the step of a node whose predecessor ended, or runs again.
func (q *TaskQueue) stepNode(w *workflow, n *node, step domain.NodeStep, ref string, end domain.TaskStatus) {
	t, now := n.task, q.cfg.now()
	switch step {
	case domain.NodeReady:
		t.MarkAsReleased(now)
		q.count(w, n, t.Status)
		q.place(t, now)
		if !q.waiting[t.ID] {
			q.emit(t, t.Status, t.Status, "")
		}
	case domain.NodeDropped:
		// A PENDING task can always be cancelled, and a dropped one run again.
		_ = q.step(t, func() error { return t.MarkAsDropped(domain.DroppedMessage(n.when, ref, end), now) })
	case domain.NodeWaits:
		q.waiting[t.ID] = true
		_ = q.step(t, t.RunAgain)
	case domain.NodeStays:
	}
}

// runAgain runs a FAILED or CANCELLED task again, if its workflow lets it.
func (q *TaskQueue) runAgain(t *domain.Task) error {
	refused := &domain.TransitionError{TaskID: t.ID, From: t.Status, To: domain.TaskStatusPending}
	if !t.Status.CanBecome(domain.TaskStatusPending) || !t.Status.Terminal() {
		return refused
	}
	refused.Node = true
	_, n := q.nodeOf(t)
	if n == nil {
		return refused
	}
	switch n.gate.Retry() {
	case domain.NodeDropped:
		return refused
	case domain.NodeWaits:
		q.waiting[t.ID] = true
		return q.step(t, t.RunAgain)
	case domain.NodeReady, domain.NodeStays:
	}
	if err := q.step(t, t.RunAgain); err != nil {
		return err
	}
	q.makeReady(t)
	return nil
}

// waits reports whether a task waits for others.
func (q *TaskQueue) waits(t *domain.Task) bool {
	_, n := q.nodeOf(t)
	return n != nil && n.gate.State == domain.GateWaiting
}

// waitingFor are the first refs that a task waits for.
func (q *TaskQueue) waitingFor(t *domain.Task) []string {
	if !q.waits(t) {
		return nil
	}
	w, n := q.nodeOf(t)
	var out []string
	for _, i := range n.after {
		if len(out) == domain.MaxWaitingFor {
			break
		}
		if !w.nodes[i].task.Status.Terminal() {
			out = append(out, w.nodes[i].ref)
		}
	}
	return out
}

func (q *TaskQueue) CreateWorkflow(ctx context.Context, in *domain.Workflow) (domain.WorkflowInfo, error) {
	if err := ports.ValidateWorkflow(in); err != nil {
		return domain.WorkflowInfo{}, err
	}
	if err := ctx.Err(); err != nil {
		return domain.WorkflowInfo{}, fmt.Errorf("create workflow: %w", err)
	}
	digest := in.Digest()
	q.mu.Lock()
	defer q.mu.Unlock()
	if w, ok := q.workflows[in.ID]; ok {
		if w.digest != digest || w.removed {
			return domain.WorkflowInfo{}, fmt.Errorf("workflow %s: %w", in.ID, domain.ErrWorkflowExists)
		}
		return w.info, nil
	}
	now := q.cfg.now()
	w := &workflow{
		info:   domain.WorkflowInfo{ID: in.ID, Name: in.Name},
		digest: digest, places: make(map[string]int, len(in.Nodes)),
	}
	before, behind, order := in.Edges()
	w.order = order
	for i := range in.Nodes {
		n := &in.Nodes[i]
		w.places[n.Ref] = i
		t := in.Task(i)
		inStoredPrecision(t)
		if _, taken := q.tasks[t.ID]; taken {
			return domain.WorkflowInfo{}, fmt.Errorf("task %s: %w", t.ID, domain.ErrTaskExists)
		}
		w.nodes = append(w.nodes, node{ref: n.Ref, task: t, when: n.When, after: before[i], next: behind[i], gate: domain.NewGate(len(n.After))})
	}
	q.workflows[in.ID] = w
	for i := range w.nodes {
		q.store(w.nodes[i].task, now)
	}
	w.info.CreatedAt = w.nodes[0].task.CreatedAt
	return w.info, nil
}

func (q *TaskQueue) GetWorkflow(ctx context.Context, id domain.WorkflowID, page ports.PlacePage) (domain.WorkflowPage, error) {
	if err := page.Validate(); err != nil {
		return domain.WorkflowPage{}, err
	}
	if err := ctx.Err(); err != nil {
		return domain.WorkflowPage{}, fmt.Errorf("get workflow: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	w, err := q.workflow(id)
	if err != nil {
		return domain.WorkflowPage{}, err
	}
	out := domain.WorkflowPage{WorkflowInfo: w.info}
	from, to, next := page.Cut(len(w.nodes))
	out.Next = next
	for i := range w.nodes[from:to] {
		n := &w.nodes[from+i]
		info := domain.WorkflowNodeInfo{
			Ref: n.ref, TaskID: n.task.ID, Type: n.task.Type, Queue: n.task.Queue, When: n.when, Status: n.task.Status, Waiting: n.gate.State == domain.GateWaiting,
		}
		for _, p := range n.after {
			info.After = append(info.After, w.nodes[p].ref)
		}
		out.Nodes = append(out.Nodes, info)
	}
	return out, nil
}

func (q *TaskQueue) workflow(id domain.WorkflowID) (*workflow, error) {
	if w, ok := q.workflows[id]; ok && !w.removed {
		return w, nil
	}
	return nil, fmt.Errorf("workflow %s: %w", id, domain.ErrWorkflowNotFound)
}

func (q *TaskQueue) ListWorkflows(ctx context.Context, req ports.WorkflowRequest) (domain.WorkflowList, error) {
	if err := req.Validate(); err != nil {
		return domain.WorkflowList{}, err
	}
	if err := ctx.Err(); err != nil {
		return domain.WorkflowList{}, fmt.Errorf("list workflows: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []domain.WorkflowInfo
	for _, w := range q.workflows {
		if !w.removed {
			all = append(all, w.info)
		}
	}
	return req.Page(all)
}

func (q *TaskQueue) CancelWorkflow(ctx context.Context, id domain.WorkflowID) (domain.WorkflowInfo, error) {
	var running []domain.TaskID
	info, err := q.changeWorkflow(ctx, "cancel workflow", id, func(w *workflow) {
		w.stopped = true
		for i := range w.nodes {
			t := w.nodes[i].task
			if !t.Status.Terminal() {
				// Such a task can always be cancelled.
				running, _ = q.cancel(t, running)
			}
		}
		w.stopped = false
	})
	q.tellCancelled(running)
	return info, err
}

func (q *TaskQueue) RetryWorkflow(ctx context.Context, id domain.WorkflowID) (domain.WorkflowInfo, error) {
	return q.changeWorkflow(ctx, "retry workflow", id, func(w *workflow) {
		for _, i := range w.order {
			n := &w.nodes[i]
			if n.task.Status != domain.TaskStatusFailed && n.task.Status != domain.TaskStatusCancelled {
				continue
			}
			if err := q.runAgain(n.task); err != nil {
				n.gate.Close()
			}
		}
	})
}

func (q *TaskQueue) changeWorkflow(ctx context.Context, what string, id domain.WorkflowID, change func(w *workflow)) (domain.WorkflowInfo, error) {
	if err := ctx.Err(); err != nil {
		return domain.WorkflowInfo{}, fmt.Errorf("%s: %w", what, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	w, err := q.workflow(id)
	if err != nil {
		return domain.WorkflowInfo{}, err
	}
	change(w)
	q.trim()
	return w.info, nil
}

func (q *TaskQueue) GetPredecessors(ctx context.Context, id domain.TaskID, page ports.PlacePage) (domain.Predecessors, error) {
	if err := page.Validate(); err != nil {
		return domain.Predecessors{}, err
	}
	if err := ctx.Err(); err != nil {
		return domain.Predecessors{}, fmt.Errorf("get predecessors: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	t, ok := q.tasks[id]
	if !ok {
		return domain.Predecessors{}, fmt.Errorf("task %s: %w", id, domain.ErrTaskNotFound)
	}
	w, n := q.nodeOf(t)
	if n == nil {
		return domain.Predecessors{}, nil
	}
	var out domain.Predecessors
	from, to, next := page.Cut(len(n.after))
	room := ports.MaxCallBytes
	for i, place := range n.after[from:to] {
		p := w.nodes[place].task
		if room -= len(p.Result); room < 0 && i > 0 {
			next = from + i
			break
		}
		pre := domain.Predecessor{Ref: w.nodes[place].ref, TaskID: p.ID, Status: p.Status}
		if p.Status == domain.TaskStatusCompleted {
			pre.Result = bytes.Clone(p.Result)
		} else {
			pre.Error = p.LastError()
		}
		out.Predecessors = append(out.Predecessors, pre)
	}
	out.Next = next
	return out, nil
}

// purgeWorkflows removes tasks of finished workflows, as many as a call may, and returns their ids.
func (q *TaskQueue) purgeWorkflows(req ports.PurgeRequest, now time.Time) []domain.TaskID {
	var out []domain.TaskID
	for _, of := range []struct {
		ends      *heap[workflowEnd]
		retention time.Duration
	}{{q.endedWorkflows, req.Retention}, {q.failedWorkflows, req.Failed()}} {
		for len(out) < req.Limit {
			e, ok := of.ends.peek()
			if !ok || e.at > now.Add(-of.retention).UnixMicro() {
				break
			}
			e.w.removed = true
			last := len(e.w.nodes) - 1
			t := e.w.nodes[last].task
			q.remove(t)
			out = append(out, t.ID)
			if e.w.nodes = e.w.nodes[:last]; last == 0 {
				delete(q.workflows, e.w.info.ID)
			}
		}
	}
	return out
}
