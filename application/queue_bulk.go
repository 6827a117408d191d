package application

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"logsift/domain"
)

const (
	// bulkStep is how many tasks of a bulk action are changed by one call of the
	// store.
	bulkStep = domain.MaxPageSize
	// maxBulkPages bounds the pages that are read to find the tasks of one bulk
	// action: a filter that selects few among many gives short pages.
	maxBulkPages = 4 * domain.MaxBulk / bulkStep
	// bulkReaders is how many tasks a dry run reads at the same time.
	bulkReaders = 8
)

// ChangeTasks does an action to many tasks, or with DryRun tells what it would do.
// Each task is changed in a step of its own, by the rules of ports.TaskManager, and
// judged by its state at that moment, so that a task which changed since it was
// selected is never forced; those that are refused hold no other up.
//
// A call handles at most domain.MaxBulk tasks. Tasks of a filter are taken newest
// first, so that going on with NextCursor ends: it meets each task at most once, and
// none that is enqueued meanwhile. A dry run knows of no unique keys.
//
// If the store fails after some tasks were changed or refused, the result counts those
// and says in Stopped why there are no more; if it fails before, the error is its own.
// Doing it again is safe.
func (s *QueueService) ChangeTasks(ctx context.Context, req domain.BulkRequest) (domain.BulkResult, error) {
	if err := req.Validate(); err != nil {
		return domain.BulkResult{}, err
	}
	b := bulk{queue: s, req: req}
	err := b.run(ctx)
	if err == nil {
		return b.result, nil
	}
	err = fmt.Errorf("%s tasks: %w", req.Action, err)
	if b.result.Matched == 0 || req.DryRun {
		return domain.BulkResult{}, err
	}
	b.result.Stopped = err
	return b.result, nil
}

// bulk is a bulk action under way.
type bulk struct {
	queue  *QueueService
	req    domain.BulkRequest
	result domain.BulkResult
}

func (b *bulk) run(ctx context.Context) error {
	if len(b.req.IDs) == 0 {
		return b.runFilter(ctx)
	}
	for rest := b.req.IDs; len(rest) > 0; {
		ids := rest[:min(len(rest), bulkStep)]
		step := b.change
		if b.req.DryRun {
			step = b.lookAt
		}
		if err := step(ctx, ids); err != nil {
			return err
		}
		rest = rest[len(ids):]
	}
	return nil
}

// runFilter pages through what the filter selects.
func (b *bulk) runFilter(ctx context.Context) error {
	filter, left := b.req.Filter, b.req.Filter.Limit
	if left == 0 {
		left = domain.MaxBulk
	}
	for range maxBulkPages {
		filter.Limit = min(left, bulkStep)
		page, err := b.queue.queue.ListTasks(ctx, filter)
		if err != nil {
			return err
		}
		if err := b.runPage(ctx, page.Tasks); err != nil {
			return err
		}
		left -= len(page.Tasks)
		filter.Cursor, b.result.NextCursor = page.NextCursor, page.NextCursor
		if left <= 0 || page.NextCursor == "" {
			break
		}
	}
	return nil
}

func (b *bulk) runPage(ctx context.Context, tasks []*domain.Task) error {
	ids := make([]domain.TaskID, len(tasks))
	for i, t := range tasks {
		if ids[i] = t.ID; b.req.DryRun {
			b.result.Add(t.ID, b.req.Action.Allowed(t))
		}
	}
	if b.req.DryRun {
		return nil
	}
	return b.change(ctx, ids)
}

// change does the action to tasks.
func (b *bulk) change(ctx context.Context, ids []domain.TaskID) error {
	if len(ids) == 0 {
		return nil
	}
	err := b.act(ctx, ids)
	var batch *domain.BatchError
	if err != nil && !errors.As(err, &batch) {
		return err
	}
	for i, id := range ids {
		b.result.Add(id, domain.ItemError(err, i))
	}
	return nil
}

func (b *bulk) act(ctx context.Context, ids []domain.TaskID) error {
	switch b.req.Action {
	case domain.TaskActionRetry:
		return b.queue.RetryTask(ctx, ids...)
	case domain.TaskActionCancel:
		return b.queue.CancelTask(ctx, ids...)
	case domain.TaskActionRun:
		return b.queue.RunTaskNow(ctx, ids...)
	case domain.TaskActionDelete:
		return b.queue.DeleteTask(ctx, ids...)
	default:
		return b.req.Validate()
	}
}

// lookAt tells what the action would do to tasks.
func (b *bulk) lookAt(ctx context.Context, ids []domain.TaskID) error {
	errs := make([]error, len(ids))
	var wg sync.WaitGroup
	for first := range min(bulkReaders, len(ids)) {
		wg.Go(func() {
			for i := first; i < len(ids); i += bulkReaders {
				task, err := b.queue.GetTask(ctx, ids[i])
				if err == nil {
					err = b.req.Action.Allowed(task)
				}
				errs[i] = err
			}
		})
	}
	wg.Wait()
	for i, id := range ids {
		err := errs[i]
		known := err == nil || errors.Is(err, domain.ErrTaskNotFound) || errors.Is(err, domain.ErrInvalidTransition) || errors.Is(err, domain.ErrCorruptRecord)
		if !known {
			return err
		}
		b.result.Add(id, err)
	}
	return nil
}
