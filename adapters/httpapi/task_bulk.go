package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// changeTasks makes a handler of an action on many tasks.
func (a *API) changeTasks(action domain.TaskAction) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		data, free, err := a.bodies.Read(w, r, a.cfg.MaxTaskBytes)
		if err != nil {
			return err
		}
		defer free()
		req, err := decodeBulk(data, action)
		if err != nil {
			return err
		}
		return a.once(w, r, data, func(ctx context.Context) (reply, error) {
			result, err := a.queue.ChangeTasks(ctx, req)
			if err != nil {
				return reply{}, err
			}
			view := a.bulkView(result, req.DryRun)
			answer, err := newReply(http.StatusOK, view)
			answer.final = result.Changed > 0 && !req.DryRun && result.Stopped == nil
			for i := range view.Refusals {
				answer.final = answer.final && !passing(view.Refusals[i].Problem.Status)
			}
			return answer, err
		})
	}
}

func (a *API) bulkView(result domain.BulkResult, dryRun bool) wire.BulkResult {
	out := wire.BulkResult{
		DryRun: dryRun, Matched: result.Matched, Changed: result.Changed, Refused: result.Refused,
		Refusals: make([]wire.BulkRefusal, len(result.Refusals)),
		More:     result.NextCursor != "", NextCursor: cursorView(result.NextCursor),
	}
	if result.Stopped != nil {
		p := problem.Of(result.Stopped)
		out.Stopped = &p
	}
	for i, refusal := range result.Refusals {
		out.Refusals[i] = wire.BulkRefusal{ID: refusal.ID, Problem: problem.Of(refusal.Err)}
	}
	return out
}

// decodeBulk makes a valid request of a body. The error is a
// *domain.ValidationError.
func decodeBulk(data []byte, action domain.TaskAction) (domain.BulkRequest, error) {
	var in wire.BulkTasks
	req := domain.BulkRequest{Action: action}
	if err := request.Decode(data, &in, request.AtMost[[]string](domain.MaxBulk)); err != nil {
		return req, err
	}
	req.DryRun = in.DryRun
	var err error
	switch {
	case (in.IDs == nil) == (in.Filter == nil):
		return req, &domain.ValidationError{Field: "body", Rule: "must have exactly one of ids and filter"}
	case in.IDs != nil:
		req.IDs, err = bulkIDs(&in)
	default:
		req.Filter, err = bulkFilter(&in)
	}
	if err != nil {
		return req, err
	}
	return req, req.Validate()
}

func bulkIDs(in *wire.BulkTasks) ([]domain.TaskID, error) {
	switch {
	case len(in.IDs) == 0:
		return nil, &domain.ValidationError{Field: "ids", Rule: "must name at least one task"}
	case in.All:
		return nil, &domain.ValidationError{Field: "all", Rule: "goes with an empty filter only"}
	case in.Cursor != "":
		return nil, &domain.ValidationError{Field: "cursor", Rule: "goes with a filter only"}
	}
	ids := make([]domain.TaskID, len(in.IDs))
	for i, text := range in.IDs {
		id, err := parseID(fmt.Sprintf("ids.%d", i), text)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
}

func bulkFilter(in *wire.BulkTasks) (domain.TaskFilter, error) {
	f := in.Filter
	out := domain.TaskFilter{
		Type: domain.TaskType(f.Type), Queue: f.Queue, Tag: f.Tag, Reason: domain.FailureReason(f.Reason), Cursor: in.Cursor,
		CreatedAfter: timeOf(f.CreatedAfter), CreatedBefore: timeOf(f.CreatedBefore),
	}
	if empty := *f == (wire.TaskFilter{}); empty != in.All {
		if empty {
			return out, &domain.ValidationError{Field: "filter", Rule: `must not be empty, unless "all" is true`}
		}
		return out, &domain.ValidationError{Field: "all", Rule: "goes with an empty filter only"}
	}
	if f.Status != "" {
		status, err := domain.ParseTaskStatus(f.Status)
		if err != nil {
			return out, domain.InField("filter", err)
		}
		out.Status = status
	}
	return out, domain.InField("filter", out.Validate())
}

// timeOf returns the time in UTC, zero for none.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// parseID reads an id in its canonical spelling.
func parseID(field, text string) (uuid.UUID, error) {
	const canonical = 36 // uuid.Parse knows other spellings too
	id, err := uuid.Parse(text)
	if err != nil || len(text) != canonical {
		return uuid.Nil, &domain.ValidationError{Field: field, Value: request.CutText(text, 64), Rule: "must be a UUID"}
	}
	return id, nil
}
