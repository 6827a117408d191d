package httpapi

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// MaxBatch is how many tasks one batch may hold.
const MaxBatch = 10_000

// createTasks schedules the tasks of a batch, each for itself: one that is
// refused holds no other up.
func (a *API) createTasks(w http.ResponseWriter, r *http.Request) error {
	ids, err := taskIDsOf(r)
	if err != nil {
		return err
	}
	data, free, err := a.bodies.Read(w, r, a.cfg.MaxBodyBytes, request.NDJSONTypes...)
	if err != nil {
		return err
	}
	defer free()
	items, err := splitBatch(data)
	if err != nil {
		return err
	}
	return a.once(w, r, data, func(ctx context.Context) (reply, error) {
		results, err := a.scheduleBatch(ctx, items, ids)
		if err != nil {
			return reply{}, err
		}
		answer, err := newReply(http.StatusOK, wire.BatchResults{Results: results})
		answer.final = slices.ContainsFunc(results, func(r wire.BatchResult) bool { return r.Status < http.StatusMultipleChoices }) &&
			!slices.ContainsFunc(results, func(r wire.BatchResult) bool { return passing(r.Status) })
		return answer, err
	})
}

// scheduleBatch schedules the tasks of a batch and returns what became of each.
func (a *API) scheduleBatch(ctx context.Context, items [][]byte, ids taskIDs) ([]wire.BatchResult, error) {
	results := make([]wire.BatchResult, len(items))
	tasks, places := make([]*domain.Task, 0, len(items)), make([]int, 0, len(items))
	for i, item := range items {
		task, err := a.decodeBatchItem(ctx, item, ids.at(i))
		if err != nil {
			results[i] = refusedItem(i, err)
			continue
		}
		tasks, places = append(tasks, task), append(places, i)
	}
	if len(tasks) == 0 {
		return results, nil
	}
	stored, err := a.queue.ScheduleTasks(ctx, tasks...)
	var batch *domain.BatchError
	if err != nil && !errors.As(err, &batch) {
		return nil, err
	}
	for j, i := range places {
		if itemErr := domain.ItemError(err, j); itemErr != nil {
			results[i] = refusedItem(i, itemErr)
			continue
		}
		view := a.taskView(stored[j])
		results[i] = wire.BatchResult{Index: i, Task: &view}
		results[i].Status, view.Outcome = outcomeView(tasks[j], stored[j])
	}
	return results, nil
}

func (a *API) decodeBatchItem(ctx context.Context, item []byte, id domain.TaskID) (*domain.Task, error) {
	if int64(len(item)) > a.cfg.MaxTaskBytes {
		return nil, problem.Beyond(problem.ErrTooLarge, "task_bytes", a.cfg.MaxTaskBytes, "a task must be at most %d bytes", a.cfg.MaxTaskBytes)
	}
	return decodeTask(request.HolderOf(ctx).Role, item, id)
}

func refusedItem(i int, err error) wire.BatchResult {
	p := problem.Of(err)
	return wire.BatchResult{Index: i, Status: p.Status, Problem: &p}
}

// splitBatch returns the tasks of a JSON array, or of the lines that are not
// blank. In an array that is broken nothing is known of what follows, so it is
// refused as a whole; a broken line is the business of its own task.
func splitBatch(data []byte) ([][]byte, error) {
	var items [][]byte
	add := func(item []byte) error {
		if len(items) == MaxBatch {
			return problem.Beyond(problem.ErrTooLarge, "batch_tasks", MaxBatch, "a batch must have at most %d tasks", MaxBatch)
		}
		items = append(items, item)
		return nil
	}
	if request.FirstByte(data) == '[' {
		err := request.EachValue(bytes.NewReader(data), func(_ int, value jsontext.Value) error {
			return add(slices.Clone(value))
		})
		if err != nil {
			return nil, err
		}
	} else {
		for line := range bytes.Lines(data) {
			if request.FirstByte(line) == 0 {
				continue
			}
			if err := add(line); err != nil {
				return nil, err
			}
		}
	}
	if len(items) == 0 {
		return nil, &domain.ValidationError{Field: "body", Rule: "must have at least one task, in a JSON array or one on each line"}
	}
	return items, nil
}
