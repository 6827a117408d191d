package application

import (
	"context"
	"errors"
	"fmt"

	"logsift/domain"
	"logsift/ports"
)

// WorkflowService is what a user of workflows calls: a ports.WorkflowKeeper that takes
// tasks in of types only which somebody works on. It is safe for concurrent use.
type WorkflowService struct {
	workflowKeeper

	scheduler ports.TaskScheduler
	types     *TaskTypes
}

// The role of the store that the service hands on, but for the creation.
type workflowKeeper = ports.WorkflowKeeper

// NewWorkflowService returns the service of a store. The scheduler and the types are as for
// [NewQueueService].
func NewWorkflowService(keeper ports.WorkflowKeeper, scheduler ports.TaskScheduler, types *TaskTypes) *WorkflowService {
	return &WorkflowService{workflowKeeper: keeper, scheduler: scheduler, types: types}
}

// CreateWorkflow stores a workflow as ports.WorkflowKeeper says. A further error is a
// *domain.UnknownTypeError, for the type of a task that nobody is known to work on.
func (s *WorkflowService) CreateWorkflow(ctx context.Context, w *domain.Workflow) (domain.WorkflowInfo, error) {
	if err := ports.ValidateWorkflow(w); err != nil {
		return domain.WorkflowInfo{}, err
	}
	tasks := make([]*domain.Task, len(w.Nodes))
	for i := range w.Nodes {
		tasks[i] = w.Nodes[i].Task
	}
	known := s.types.check(ctx, s.scheduler.GetSchedulerStats().TaskTypes, tasks...)
	for i, t := range tasks {
		if err := known(t.Type); err != nil {
			if unknown, ok := errors.AsType[*domain.UnknownTypeError](err); ok {
				unknown.Field = fmt.Sprintf("tasks.%d.type", i)
			}
			return domain.WorkflowInfo{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout+ports.TransferTime(domain.MaxWorkflowBytes))
	defer cancel()
	return s.workflowKeeper.CreateWorkflow(ctx, w)
}

// Predecessors returns how the tasks ended for which the task waited whose run ctx, the context of
// a processor, is of: from a place on, in the order of domain.WorkflowNode.After, with their results.
// A page ends early, with a Next, once its results have ports.MaxCallBytes. A task that waited for none has none, and so
// has any without a run or where the scheduler has no SchedulerConfig.Workflows.
func Predecessors(ctx context.Context, page ports.PlacePage) (domain.Predecessors, error) {
	if err := page.Validate(); err != nil {
		return domain.Predecessors{}, err
	}
	current, ok := ctx.Value(runKey{}).(currentRun)
	if !ok || current.cfg.Workflows == nil {
		return domain.Predecessors{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout+ports.TransferTime(ports.MaxCallBytes))
	defer cancel()
	return current.cfg.Workflows.GetPredecessors(ctx, current.run.lease.TaskID, page)
}
