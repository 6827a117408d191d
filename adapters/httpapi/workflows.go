package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
	"logsift/ports"
)

const workflowsPath = "/api/v1/queue/workflows"

// createWorkflow stores a graph of tasks. With an Idempotency-Key its id is made of that, so
// that the store itself recognises a repeat.
func (a *API) createWorkflow(w http.ResponseWriter, r *http.Request) error {
	ids, err := taskIDsOf(r)
	if err != nil {
		return err
	}
	data, free, err := a.bodies.Read(w, r, a.cfg.MaxBodyBytes)
	if err != nil {
		return err
	}
	defer free()
	var in wire.CreateWorkflow
	err = request.Decode(data, &in, request.AtMost[[]wire.WorkflowTask](domain.MaxWorkflowTasks),
		request.AtMost[wire.Refs](domain.MaxWorkflowEdges), request.AtMost[[]string](domain.MaxWorkflowTasks*domain.MaxTags))
	if err != nil {
		return err
	}
	if n := len(in.Tasks); n < 1 || n > domain.MaxWorkflowTasks {
		return &domain.ValidationError{Field: "tasks", Value: strconv.Itoa(n), Rule: fmt.Sprintf("must be from 1 to %d", domain.MaxWorkflowTasks)}
	}
	workflow := &domain.Workflow{ID: ids.one(), Name: in.Name}
	role := request.HolderOf(r.Context()).Role
	for i := range in.Tasks {
		t := &in.Tasks[i]
		when, err := domain.ParseWhen(t.When)
		var task *domain.Task
		if err == nil {
			task, err = newTask(role, &t.CreateTask, workflow.ID)
		}
		if err != nil {
			return domain.InField(fmt.Sprintf("tasks.%d", i), err)
		}
		workflow.Nodes = append(workflow.Nodes, domain.WorkflowNode{Ref: t.Ref, Task: task, After: t.After, When: when})
	}
	if err := workflow.Validate(); err != nil {
		return err
	}
	return a.once(w, r, data, func(ctx context.Context) (reply, error) {
		info, err := a.workflows.CreateWorkflow(ctx, workflow)
		if err != nil {
			return reply{}, err
		}
		answer, err := newReply(http.StatusCreated, workflowView(&info))
		answer.Location = workflowsPath + "/" + info.ID.String()
		return answer, err
	})
}

func (a *API) listWorkflows(w http.ResponseWriter, r *http.Request) error {
	q := request.NewQuery(r)
	page := ports.WorkflowRequest{Limit: cmp.Or(q.Limit(), domain.DefaultPageSize), Cursor: q.Cursor()}
	if err := q.Err(); err != nil {
		return err
	}
	list, err := a.workflows.ListWorkflows(r.Context(), page)
	if err != nil {
		return err
	}
	out := wire.WorkflowList{Workflows: make([]wire.Workflow, len(list.Workflows)), NextCursor: cursorView(list.NextCursor)}
	for i := range list.Workflows {
		out.Workflows[i] = workflowView(&list.Workflows[i])
	}
	return wire.Write(w, http.StatusOK, out)
}

// getWorkflow shows a workflow with a page of its tasks.
func (a *API) getWorkflow(w http.ResponseWriter, r *http.Request) error {
	id, places, err := placePage(r)
	if err != nil {
		return err
	}
	page, err := a.workflows.GetWorkflow(r.Context(), id, places)
	if err != nil {
		return err
	}
	out := workflowView(&page.WorkflowInfo)
	out.Tasks, out.NextCursor = make([]wire.WorkflowNode, len(page.Nodes)), placeCursor(page.Next)
	for i, n := range page.Nodes {
		out.Tasks[i] = wire.WorkflowNode{
			Ref: n.Ref, TaskID: n.TaskID, Type: string(n.Type), Queue: n.Queue, After: append([]string{}, n.After...), When: n.When.String(),
			Status: n.Status.String(), Waiting: n.Waiting,
		}
	}
	return wire.Write(w, http.StatusOK, out)
}

// changeWorkflow makes a handler of a change of a workflow, which answers with it.
func (a *API) changeWorkflow(change func(WorkflowService, context.Context, domain.WorkflowID) (domain.WorkflowInfo, error)) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := pathID(r)
		if err != nil {
			return err
		}
		return a.once(w, r, nil, func(ctx context.Context) (reply, error) {
			info, err := change(a.workflows, ctx, id)
			if err != nil {
				return reply{}, err
			}
			return newReply(http.StatusOK, workflowView(&info))
		})
	}
}

// listPredecessors shows how the tasks ended that a task waited for, with their results.
func (a *API) listPredecessors(w http.ResponseWriter, r *http.Request) error {
	id, places, err := placePage(r)
	if err != nil {
		return err
	}
	page, err := a.workflows.GetPredecessors(r.Context(), id, places)
	if err != nil {
		return err
	}
	out := wire.PredecessorList{Predecessors: make([]wire.Predecessor, len(page.Predecessors)), NextCursor: placeCursor(page.Next)}
	for i, p := range page.Predecessors {
		out.Predecessors[i] = wire.Predecessor{Ref: p.Ref, TaskID: p.TaskID, Status: p.Status.String(), Result: jsonView(p.Result), Error: p.Error}
	}
	return wire.Write(w, http.StatusOK, out)
}

// listHeldPredecessors is listPredecessors for the worker that holds the lease of the task.
func (a *API) listHeldPredecessors(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	run, err := parseLeaseToken(request.CallerID(r.Context()), r.URL.Query().Get("lease"))
	if err == nil && run.Task.ID != id {
		err = errLeaseToken
	}
	if err != nil {
		return &domain.ValidationError{Field: "lease", Rule: err.Error()}
	}
	task, err := a.queue.GetTask(r.Context(), id)
	if err != nil {
		return err
	}
	if task.Lease == nil || !task.Lease.SameFence(*run.Task.Lease) {
		return domain.ErrLeaseLost
	}
	return a.listPredecessors(w, r)
}

// placePage reads the id in the path, and limit and cursor of a list whose cursor is a place.
func placePage(r *http.Request) (id uuid.UUID, page ports.PlacePage, err error) {
	if id, err = pathID(r); err != nil {
		return id, page, err
	}
	q := request.NewQuery(r)
	page.Limit = cmp.Or(q.Limit(), domain.DefaultPageSize)
	cursor := q.Cursor()
	if err = q.Err(); err == nil && cursor != "" {
		if page.From, err = strconv.Atoi(cursor); err != nil || page.From < 0 {
			err = domain.ErrInvalidCursor
		}
	}
	return id, page, err
}

func placeCursor(next int) *string {
	if next == 0 {
		return nil
	}
	return new(strconv.Itoa(next))
}

func workflowView(w *domain.WorkflowInfo) wire.Workflow {
	return wire.Workflow{
		ID: w.ID, Name: w.Name, CreatedAt: timeView(w.CreatedAt), FinishedAt: timeView(w.FinishedAt),
		Total: w.Counts.Total(), Counts: wire.WorkflowCounts(w.Counts),
	}
}
