package ports

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"logsift/domain"
)

// Limits of the pages of workflows, and of the nodes or predecessors of one.
const (
	MaxWorkflowPage = 500
	MaxNodePage     = 1000
)

// WorkflowKeeper keeps workflows, whose tasks are in the [TaskQueue] of the same store. The
// rules of TaskQueue about steps, time, concurrent and repeated calls, contexts, copies and
// unavailable stores hold here too.
//
// A task that has predecessors waits for them: it is PENDING, is not ready, has no due time, and
// TaskReader.GetTask shows its WaitingFor. It counts as scheduled. With the step that ends a
// task, or soon after where it has many successors, in the order of such steps:
//
//   - a task whose predecessors have all ended as it asks for (domain.When) is ready, as
//     domain.Task.MarkAsReleased says, by which its Delay begins;
//   - a task that has one which did not is CANCELLED, as domain.Task.MarkAsDropped says, and so on for
//     those that wait for it.
//
// A store that does not do all of that in the one step does the rest with later calls of
// Dequeue, UpdateTask and PromoteDue, and loses none of it.
//
// What else may happen to such tasks:
//
//   - TaskManager.RunTaskNow refuses one that waits, and DeleteTask any: both give a
//     *domain.TransitionError with Node set. CancelTask cancels one that waits.
//   - One that expires while it waits ends FAILED, as any.
//   - TaskManager.RetryTask has it ready at once, or wait if predecessors have not finished. It
//     refuses one with a predecessor that did not end as it asks for, and any while the workflow
//     is being cancelled (Node is set). Of several in one call, the later ones see the steps of
//     those before. With a retried task, the ones wait again that were dropped because of it, unless
//     another predecessor forbids it; those that wait for it because of its end wait for its next end. What has
//     begun, or is ready, goes on.
//   - QueueMaintainer.PurgeFinished keeps them all until the workflow has been finished for
//     the retention, or the failed retention if one of its tasks is FAILED. Then it
//     removes tasks and workflow together.
type WorkflowKeeper interface {
	// CreateWorkflow stores the workflow and its tasks, all or nothing, and returns it as stored.
	// Of its tasks the first in the order of Nodes is the oldest. Their ids are those of
	// domain.TaskIDOf. A workflow whose id is taken by one of the same contents
	// is returned as it is now. Errors: domain.ErrInvalid (a *domain.ValidationError
	// names a field), domain.ErrWorkflowExists (the id is taken by other contents),
	// domain.ErrQueueFull as for an enqueue, domain.ErrTaskExists.
	CreateWorkflow(ctx context.Context, w *domain.Workflow) (domain.WorkflowInfo, error)
	// GetWorkflow returns a workflow and its nodes from a place on. Errors:
	// domain.ErrInvalid, domain.ErrWorkflowNotFound.
	GetWorkflow(ctx context.Context, id domain.WorkflowID, page PlacePage) (domain.WorkflowPage, error)
	// ListWorkflows returns workflows, newest first by CreatedAt. Paging through sees each that
	// is there for the whole time exactly once. Errors: domain.ErrInvalid,
	// domain.ErrInvalidCursor.
	ListWorkflows(ctx context.Context, page WorkflowRequest) (domain.WorkflowList, error)
	// CancelWorkflow cancels all tasks that have not finished, as TaskManager.CancelTask does, and
	// returns the workflow. From its begin on no task of the workflow becomes ready because of
	// another; what waits for a failure does not run. A call that ends early is
	// completed by a repeat or by maintenance.
	CancelWorkflow(ctx context.Context, id domain.WorkflowID) (domain.WorkflowInfo, error)
	// RetryWorkflow runs all FAILED and CANCELLED tasks again, but for those that have a
	// predecessor which ended otherwise than they ask for and does not run again; those whose predecessors
	// run again wait for them. It returns the workflow. A call that ends early is completed by a
	// repeat or by maintenance.
	RetryWorkflow(ctx context.Context, id domain.WorkflowID) (domain.WorkflowInfo, error)
	// GetPredecessors returns how the predecessors of a task ended, or are, from a
	// place on. A page ends early, with a Next, once its results have MaxCallBytes. A task without
	// predecessors has none. While PurgeFinished removes the workflow, some or all may be missing, or the
	// task. Errors: domain.ErrInvalid, domain.ErrTaskNotFound.
	GetPredecessors(ctx context.Context, id domain.TaskID, page PlacePage) (domain.Predecessors, error)
}

// PlacePage asks for a part of a list whose order never changes.
type PlacePage struct {
	// From is the place of the first, from 0.
	From int
	// Limit is how many to return at most, from 1 to MaxNodePage.
	Limit int
}

// Validate checks the fields. The error is a *domain.ValidationError.
func (p PlacePage) Validate() error {
	if p.From < 0 {
		return &domain.ValidationError{Field: "from", Value: strconv.Itoa(p.From), Rule: "must not be negative"}
	}
	if p.Limit < 1 || p.Limit > MaxNodePage {
		return &domain.ValidationError{Field: "limit", Value: strconv.Itoa(p.Limit), Rule: fmt.Sprintf("must be between 1 and %d", MaxNodePage)}
	}
	return nil
}

// Cut returns the places from which and before which the page of so many is, and the
// place after it, 0 if it is the last.
func (p PlacePage) Cut(all int) (from, to, next int) {
	from = min(p.From, all)
	to = min(from+p.Limit, all)
	if to < all {
		next = to
	}
	return from, to, next
}

// ValidateWorkflow checks a workflow that is to be created. The error is a
// *domain.ValidationError.
func ValidateWorkflow(w *domain.Workflow) error {
	if w == nil {
		return &domain.ValidationError{Field: "workflow", Rule: "must not be nil"}
	}
	return w.Validate()
}

// WorkflowRequest asks for a page of workflows.
type WorkflowRequest struct {
	// Cursor continues a list where an earlier page ended; "" begins it.
	Cursor string
	// Limit is how many to return at most, from 1 to MaxWorkflowPage.
	Limit int
}

// Validate checks the limit. The error is a *domain.ValidationError.
func (r WorkflowRequest) Validate() error {
	if r.Limit < 1 || r.Limit > MaxWorkflowPage {
		return &domain.ValidationError{Field: "limit", Value: strconv.Itoa(r.Limit), Rule: fmt.Sprintf("must be between 1 and %d", MaxWorkflowPage)}
	}
	return nil
}

// Page returns the page of the request of the workflows that there are: of all, or at least
// the first Limit+1 that come after its cursor.
func (r WorkflowRequest) Page(all []domain.WorkflowInfo) (domain.WorkflowList, error) {
	newestFirst := func(a, b domain.WorkflowInfo) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), bytes.Compare(b.ID[:], a.ID[:]))
	}
	created, id, behind, err := DecodeWorkflowCursor(r.Cursor)
	if err != nil {
		return domain.WorkflowList{}, err
	}
	if behind {
		last := domain.WorkflowInfo{ID: id, CreatedAt: created}
		all = slices.DeleteFunc(all, func(w domain.WorkflowInfo) bool { return newestFirst(w, last) <= 0 })
	}
	slices.SortFunc(all, newestFirst)
	out := domain.WorkflowList{Workflows: all[:min(len(all), r.Limit)]}
	if len(all) > r.Limit {
		out.NextCursor = EncodeWorkflowCursor(all[r.Limit-1])
	}
	return out, nil
}

const workflowCursorSize = 24

// EncodeWorkflowCursor is the cursor behind a workflow, for all stores.
func EncodeWorkflowCursor(w domain.WorkflowInfo) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(w.CreatedAt.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(b, w.ID[:]...))
}

// DecodeWorkflowCursor is the inverse of EncodeWorkflowCursor; ok is false for "". The error wraps
// domain.ErrInvalidCursor.
func DecodeWorkflowCursor(cursor string) (created time.Time, id domain.WorkflowID, ok bool, err error) {
	if cursor == "" {
		return created, id, false, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != workflowCursorSize {
		return created, id, false, fmt.Errorf("%w: it is not one of a list of workflows", domain.ErrInvalidCursor)
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC(), domain.WorkflowID(b[8:]), true, nil
}
