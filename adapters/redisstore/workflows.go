package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
	"logsift/ports"
)

var _ ports.WorkflowKeeper = (*TaskQueue)(nil)

// home is the partition of a workflow: all of its tasks are there.
func (q *TaskQueue) home(id domain.WorkflowID) *partition {
	return q.parts[layout.PartitionOf(id[:], len(q.parts))]
}

// CreateWorkflow is that of the port. In a queue of several partitions its tasks can have no
// Key: the tasks of a key are all in the partition of the key.
func (q *TaskQueue) CreateWorkflow(ctx context.Context, w *domain.Workflow) (domain.WorkflowInfo, error) {
	if err := ports.ValidateWorkflow(w); err != nil {
		return domain.WorkflowInfo{}, err
	}
	if len(q.parts) > 1 {
		for i := range w.Nodes {
			if w.Nodes[i].Task.Key != "" {
				return domain.WorkflowInfo{}, &domain.ValidationError{
					Field: fmt.Sprintf("tasks.%d.key", i), Rule: "needs a queue with one partition in a workflow",
				}
			}
		}
	}
	return q.home(w.ID).createWorkflow(ctx, w)
}

func (q *TaskQueue) GetWorkflow(ctx context.Context, id domain.WorkflowID, page ports.PlacePage) (domain.WorkflowPage, error) {
	if err := page.Validate(); err != nil {
		return domain.WorkflowPage{}, err
	}
	return q.home(id).getWorkflow(ctx, id, page)
}

func (q *TaskQueue) ListWorkflows(ctx context.Context, req ports.WorkflowRequest) (domain.WorkflowList, error) {
	if err := req.Validate(); err != nil {
		return domain.WorkflowList{}, err
	}
	created, _, behind, err := ports.DecodeWorkflowCursor(req.Cursor)
	if err != nil {
		return domain.WorkflowList{}, err
	}
	high := "+inf"
	if behind {
		high = strconv.FormatInt(layout.TimeMicro(created)-layout.SequenceStart, 10)
	}
	// One more tells whether there are more, and one may be that of the cursor.
	lists, err := fromEach(q, func(p *partition) ([]domain.WorkflowInfo, error) { return p.listWorkflows(ctx, high, req.Limit+2) })
	if err != nil {
		return domain.WorkflowList{}, err
	}
	return req.Page(slices.Concat(lists...))
}

func (q *TaskQueue) CancelWorkflow(ctx context.Context, id domain.WorkflowID) (domain.WorkflowInfo, error) {
	return q.home(id).changeWorkflow(ctx, id, layout.CancelWorkflow)
}

func (q *TaskQueue) RetryWorkflow(ctx context.Context, id domain.WorkflowID) (domain.WorkflowInfo, error) {
	return q.home(id).changeWorkflow(ctx, id, layout.RetryWorkflow)
}

func (q *TaskQueue) GetPredecessors(ctx context.Context, id domain.TaskID, page ports.PlacePage) (domain.Predecessors, error) {
	if err := page.Validate(); err != nil {
		return domain.Predecessors{}, err
	}
	first := q.partitionOf(id)
	out, err := q.parts[first].predecessors(ctx, id, page)
	if len(q.parts) == 1 || !errors.Is(err, domain.ErrTaskNotFound) {
		return out, err
	}
	at, errs := q.find(ctx, []domain.TaskID{id})
	if errs[0] != nil {
		return domain.Predecessors{}, errs[0]
	}
	if at[0] == first {
		return out, err
	}
	return q.parts[at[0]].predecessors(ctx, id, page)
}
