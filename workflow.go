package logsift

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"github.com/google/uuid"

	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// Node is a task of a workflow, made by [Type.Node].
type Node struct {
	node domain.WorkflowNode
	err  error
}

// Node makes a task of a workflow. The ref names it there, as domain.ValidateName allows. It
// can have no unique key and no retention of its own.
func (t *Type[In, Out]) Node(ref string, in In, opts ...Option) Node {
	task, err := t.task(in, opts)
	if err == nil && task.Group == defaultGroup {
		task.Group, task.GroupSize, task.GroupAge = "", 0, 0
	}
	return Node{node: domain.WorkflowNode{Ref: ref, Task: task}, err: err}
}

// After has the task wait until all of those with these refs are COMPLETED. If one of them
// ends otherwise, it is CANCELLED.
func (n Node) After(refs ...string) Node { return n.after(domain.WhenSuccess, refs) }

// AfterFailure has the task wait until all of those with these refs are FAILED or CANCELLED. If
// one of them completes, it is CANCELLED.
func (n Node) AfterFailure(refs ...string) Node { return n.after(domain.WhenFailure, refs) }

// AfterEnd has the task wait until all of those with these refs have ended in any way.
func (n Node) AfterEnd(refs ...string) Node { return n.after(domain.WhenDone, refs) }

func (n Node) after(when domain.When, refs []string) Node {
	if len(n.node.After) > 0 && n.node.When != when && n.err == nil {
		n.err = &domain.ValidationError{Field: "when", Value: when.String(), Rule: "must be the same for all that " + n.node.Ref + " waits for"}
	}
	n.node.When, n.node.After = when, slices.Concat(n.node.After, refs)
	return n
}

// Submit stores a graph of tasks in one step, each of which waits for others to end, and returns its id. Errors are those
// of ports.WorkflowKeeper, such as a *domain.ValidationError that names the task.
func (q *Queue) Submit(ctx context.Context, name string, nodes ...Node) (domain.WorkflowID, error) {
	id := uuid.Must(uuid.NewV7())
	return id, q.SubmitAs(ctx, id, name, nodes...)
}

// SubmitAs is Submit with an id of the caller's making: a repeat makes no second workflow.
func (q *Queue) SubmitAs(ctx context.Context, id domain.WorkflowID, name string, nodes ...Node) error {
	w := &domain.Workflow{ID: id, Name: name}
	for _, n := range nodes {
		if n.err != nil {
			return fmt.Errorf("task %q: %w", n.node.Ref, n.err)
		}
		w.Nodes = append(w.Nodes, n.node)
	}
	keeper, ok := q.store.(ports.WorkflowKeeper)
	if !ok {
		return &domain.ValidationError{Field: "store", Rule: "must be one that keeps workflows"}
	}
	_, err := keeper.CreateWorkflow(ctx, w)
	return err
}

// Predecessors are the tasks for which the task waited whose run ctx is of, with the results of
// those that are COMPLETED. They are read a part at a time; an error is the last item.
func Predecessors(ctx context.Context) iter.Seq2[domain.Predecessor, error] {
	return func(yield func(domain.Predecessor, error) bool) {
		for from, more := 0, true; more; {
			page, err := application.Predecessors(ctx, ports.PlacePage{From: from, Limit: ports.MaxNodePage})
			if err != nil {
				yield(domain.Predecessor{}, err)
				return
			}
			for _, p := range page.Predecessors {
				if !yield(p, nil) {
					return
				}
			}
			from, more = page.Next, page.Next > 0
		}
	}
}

// ResultOf returns the result of a predecessor, by its ref. The error is domain.ErrTaskNotFound if
// the task waited for none of the name, and a *[NoResultError] if that one did not complete.
func ResultOf[Out any](ctx context.Context, ref string) (Out, error) {
	var out Out
	for p, err := range Predecessors(ctx) {
		switch {
		case err != nil:
			return out, err
		case p.Ref != ref:
		case p.Status != domain.TaskStatusCompleted:
			task := &domain.Task{ID: p.TaskID, Status: p.Status}
			if p.Error != "" {
				task.Errors = []domain.TaskError{{Message: p.Error}}
			}
			return out, &NoResultError{task}
		case len(p.Result) == 0:
			return out, nil
		default:
			if err := json.Unmarshal(p.Result, &out); err != nil {
				return out, fmt.Errorf("result of %q: %w", ref, err)
			}
			return out, nil
		}
	}
	return out, fmt.Errorf("predecessor %q: %w", ref, domain.ErrTaskNotFound)
}
