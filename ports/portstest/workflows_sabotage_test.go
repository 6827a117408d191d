package portstest_test

import (
	"context"
	"slices"
	"sync/atomic"

	"logsift/domain"
	"logsift/ports"
)

func (q *brokenQueue) CreateWorkflow(ctx context.Context, w *domain.Workflow) (domain.WorkflowInfo, error) {
	return q.create(ctx, w)
}
func (q *brokenQueue) GetWorkflow(ctx context.Context, id domain.WorkflowID, page ports.PlacePage) (domain.WorkflowPage, error) {
	return q.workflow(ctx, id, page)
}
func (q *brokenQueue) ListWorkflows(ctx context.Context, req ports.WorkflowRequest) (domain.WorkflowList, error) {
	return q.workflows(ctx, req)
}
func (q *brokenQueue) CancelWorkflow(ctx context.Context, id domain.WorkflowID) (domain.WorkflowInfo, error) {
	return q.cancelAll(ctx, id)
}
func (q *brokenQueue) RetryWorkflow(ctx context.Context, id domain.WorkflowID) (domain.WorkflowInfo, error) {
	return q.retryAll(ctx, id)
}
func (q *brokenQueue) GetPredecessors(ctx context.Context, id domain.TaskID, page ports.PlacePage) (domain.Predecessors, error) {
	return q.before(ctx, id, page)
}

// created has workflows created otherwise than they were given.
func (q *brokenQueue) created(change func(w *domain.Workflow)) {
	q.create = func(ctx context.Context, w *domain.Workflow) (domain.WorkflowInfo, error) {
		if ports.ValidateWorkflow(w) != nil {
			return q.TaskQueue.CreateWorkflow(ctx, w)
		}
		other := *w
		other.Nodes = slices.Clone(w.Nodes)
		change(&other)
		return q.TaskQueue.CreateWorkflow(ctx, &other)
	}
}

var workflowSabotages = map[string]sabotage[*brokenQueue]{
	"tasks wait for nobody": {"Steps_of_workflows/a_chain_runs_in_its_order", func(q *brokenQueue) {
		q.created(func(w *domain.Workflow) {
			for i := range w.Nodes {
				w.Nodes[i].After, w.Nodes[i].When = nil, ""
			}
		})
	}},
	"one of many predecessors is forgotten": {"Steps_of_workflows/many_wait_for_one_and_one_for_many", func(q *brokenQueue) {
		q.created(func(w *domain.Workflow) {
			last := &w.Nodes[len(w.Nodes)-1]
			last.After = last.After[1:]
		})
	}},
	"a report that meets another is lost": {"Steps_of_workflows/predecessors_that_end_at_the_same_time_make_a_task_ready_once", func(q *brokenQueue) {
		var under atomic.Int32
		q.update = func(ctx context.Context, updates ...ports.TaskUpdate) error {
			if under.Add(1) == 3 {
				return nil
			}
			return q.TaskQueue.UpdateTask(ctx, updates...)
		}
	}},
	"any end is a success": {"Steps_of_workflows/a_task_waits_for_success_or_failure_or_the_end_of_others", func(q *brokenQueue) {
		q.created(func(w *domain.Workflow) {
			for i := range w.Nodes {
				if len(w.Nodes[i].After) > 0 {
					w.Nodes[i].When = domain.WhenDone
				}
			}
		})
	}},
	"what is cancelled is not followed": {"Steps_of_workflows/what_can_never_run_is_cancelled_with_all_that_waits_for_it", func(q *brokenQueue) {
		q.created(func(w *domain.Workflow) {
			for i := range w.Nodes {
				if w.Nodes[i].Ref == "n20" {
					w.Nodes[i].When = domain.WhenFailure
				}
			}
		})
	}},
	"a repeat is refused": {"Workflows/creating_a_workflow_twice_makes_one", func(q *brokenQueue) {
		n := 0
		q.created(func(w *domain.Workflow) {
			n++
			w.Nodes[0].Task = w.Nodes[0].Task.Clone()
			w.Nodes[0].Task.MaxRetries = n
		})
	}},
	"any task may be deleted": {"Workflows/a_person_runs_and_deletes_no_task_before_its_workflow_lets_them", func(q *brokenQueue) {
		q.remove = func(context.Context, ...domain.TaskID) error { return nil }
	}},
	"delays begin at the creation": {"Steps_of_workflows/a_task_that_waits_may_expire_and_its_delay_begins_when_it_does_not_wait", func(q *brokenQueue) {
		q.created(func(w *domain.Workflow) {
			for i := range w.Nodes {
				w.Nodes[i].Task = w.Nodes[i].Task.Clone()
				w.Nodes[i].Task.Delay = 0
			}
		})
	}},
	"what was dropped stays so": {"Workflows/a_whole_workflow_is_cancelled_and_runs_again", func(q *brokenQueue) {
		q.retryAll = q.TaskQueue.CancelWorkflow
	}},
	"callbacks run in spite of a cancellation": {"Workflows/a_whole_workflow_is_cancelled_and_runs_again", func(q *brokenQueue) {
		q.cancelAll = func(ctx context.Context, id domain.WorkflowID) (domain.WorkflowInfo, error) {
			page, err := q.TaskQueue.GetWorkflow(ctx, id, ports.PlacePage{Limit: ports.MaxNodePage})
			for _, n := range page.Nodes {
				if !n.Waiting {
					_ = q.CancelTask(ctx, n.TaskID)
				}
			}
			return page.WorkflowInfo, err
		}
	}},
	"workers are not told": {"Workflows/the_worker_of_a_cancelled_workflow_is_told", func(q *brokenQueue) {
		q.watch = func(ctx context.Context, cancelled func([]domain.TaskID)) error {
			return q.TaskQueue.WatchCancelled(ctx, func([]domain.TaskID) { cancelled(nil) })
		}
	}},
	"tasks are removed one by one": {"Workflows/what_is_finished_stays_until_all_of_the_workflow_is", func(q *brokenQueue) {
		q.purge = func(ctx context.Context, req ports.PurgeRequest) ([]domain.TaskID, error) {
			req.FailedRetention = req.Retention
			return q.TaskQueue.PurgeFinished(ctx, req)
		}
	}},
	"results are forgotten": {"Workflows/results_of_predecessors_are_read_by_pages", func(q *brokenQueue) {
		q.before = func(ctx context.Context, id domain.TaskID, page ports.PlacePage) (domain.Predecessors, error) {
			got, err := q.TaskQueue.GetPredecessors(ctx, id, page)
			for i := range got.Predecessors {
				got.Predecessors[i].Result = nil
			}
			return got, err
		}
	}},
	"a list begins anew": {"Workflows/workflows_and_their_nodes_are_listed_by_pages", func(q *brokenQueue) {
		q.workflows = func(ctx context.Context, req ports.WorkflowRequest) (domain.WorkflowList, error) {
			list, err := q.TaskQueue.ListWorkflows(ctx, req)
			slices.Reverse(list.Workflows)
			return list, err
		}
	}},
	"another process sees nothing": {"Workflows/other_processes_see_a_workflow,_and_it_outlives_a_restart", func(q *brokenQueue) {
		other := newBrokenQueue(q.TaskQueue)
		other.dequeue = func(context.Context, ports.ClaimRequest) ([]*domain.Task, error) { return nil, nil }
		q.reopen = func() *brokenQueue { return other }
	}},
	"a success counts as a failure": {"Steps_of_workflows/any_graph_ends_as_the_rules_say", func(q *brokenQueue) {
		q.created(func(w *domain.Workflow) {
			for i := range w.Nodes {
				if w.Nodes[i].When == domain.WhenFailure {
					w.Nodes[i].When = domain.WhenSuccess
				}
			}
		})
	}},
	"a retry runs what is not allowed to": {"Steps_of_workflows/a_failed_task_that_runs_again_brings_back_what_was_dropped_because_of_it", func(q *brokenQueue) {
		q.retry = func(ctx context.Context, ids ...domain.TaskID) error {
			_ = q.TaskQueue.RetryTask(ctx, ids...)
			return nil
		}
	}},
	"a cancelled task does not come back": {"Steps_of_workflows/a_task_that_was_cancelled_waits_again_where_its_predecessors_have_not_finished", func(q *brokenQueue) {
		q.retry = func(context.Context, ...domain.TaskID) error { return nil }
	}},
}
