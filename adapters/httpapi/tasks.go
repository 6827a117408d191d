package httpapi

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// idempotencySpace is the namespace of the task ids that are made of idempotency
// keys. It must never change: a repeat after an upgrade would make a second task.
var idempotencySpace = uuid.MustParse("8f2b6c1e-5d0a-4c57-9a43-1e7c0b9d6f28")

// createTask schedules one task. With an Idempotency-Key, the id of the task is
// made of the key too, so that the store itself recognises a repeat for as long as
// it keeps the task, even where the first answer was never stored.
func (a *API) createTask(w http.ResponseWriter, r *http.Request) error {
	if _, err := mediaType(r, mediaJSON); err != nil {
		return err
	}
	ids, err := a.taskIDs(r)
	if err != nil {
		return err
	}
	data, free, err := a.readBody(w, r, a.cfg.MaxTaskBytes)
	if err != nil {
		return err
	}
	defer free()
	task, err := decodeTask(data, ids.one())
	if err != nil {
		return err
	}
	return a.once(w, r, data, func(ctx context.Context) (reply, error) {
		stored, err := a.queue.ScheduleTasks(ctx, task)
		if err := domain.ItemError(err, 0); err != nil {
			return reply{}, err
		}
		answer, err := newTaskReply(http.StatusCreated, stored[0])
		answer.Location = tasksPath + "/" + stored[0].ID.String()
		return answer, err
	})
}

// taskIDs gives the tasks of one request their ids.
type taskIDs struct {
	key   string // of the request and its caller, "" for none
	newID func() uuid.UUID
}

func (a *API) taskIDs(r *http.Request) (taskIDs, error) {
	key, err := idempotencyKey(r)
	if err == nil && key != "" {
		key = callersKey(r, key)
	}
	return taskIDs{key: key, newID: a.newID}, err
}

// one returns the id for the task of a request that makes one.
func (t taskIDs) one() domain.TaskID {
	if t.key == "" {
		return t.newID()
	}
	return uuid.NewSHA1(idempotencySpace, []byte(t.key))
}

// at returns the id for the task at a place of a batch.
func (t taskIDs) at(i int) domain.TaskID {
	if t.key == "" {
		return t.newID()
	}
	return uuid.NewSHA1(idempotencySpace, []byte(t.key+"\x00batch\x00"+strconv.Itoa(i)))
}

// readBody reads a whole body. Until free is called, it counts among the bytes
// that all bodies may hold.
func (a *API) readBody(w http.ResponseWriter, r *http.Request, limit int64) (data []byte, free func(), err error) {
	b, err := a.openBody(w, r, limit)
	if err != nil {
		return nil, nil, err
	}
	data, err = io.ReadAll(b)
	if err != nil {
		b.close()
		return nil, nil, err
	}
	return data, b.close, nil
}

// decodeTask makes a valid task of a body. The error is a
// *domain.ValidationError.
func decodeTask(data []byte, id domain.TaskID) (*domain.Task, error) {
	var in wire.CreateTask
	if firstByte(data) != '{' {
		return nil, &domain.ValidationError{Field: "body", Rule: "must be a JSON object"}
	}
	if err := decodeStrict(data, &in); err != nil {
		return nil, err
	}
	if in.Type == "" {
		return nil, &domain.ValidationError{Field: "type", Rule: "is required"}
	}
	payload := jsontext.Value("{}")
	if in.Payload != nil {
		payload = jsontext.Value(in.Payload)
		// White space makes no other task, so that a repeat may be spaced otherwise.
		if err := payload.Compact(); err != nil {
			return nil, &domain.ValidationError{Field: "payload", Rule: "must be a JSON value"}
		}
	}
	task := domain.NewTask(id, domain.TaskType(in.Type), payload)
	task.UniqueKey = in.UniqueKey
	if in.Queue != "" {
		task.Queue = in.Queue
	}
	if in.Priority != nil {
		task.Priority = domain.Priority(*in.Priority)
	}
	if in.MaxRetries != nil {
		task.MaxRetries = *in.MaxRetries
	}
	if err := setTimes(task, &in); err != nil {
		return nil, err
	}
	if err := task.Validate(); err != nil {
		return nil, err
	}
	if task.Type == domain.TaskTypeLogAnalysis {
		if _, err := domain.ParseLogAnalysisPayload(task.Payload); err != nil {
			return nil, &domain.ValidationError{Field: "payload", Rule: "must be an object with log_ids, a list of UUIDs that is not empty, or batch_id, a UUID"}
		}
	}
	return task, nil
}

func setTimes(task *domain.Task, in *wire.CreateTask) error {
	var err error
	if in.TimeoutSeconds != nil {
		if task.Timeout, err = duration("timeout_seconds", *in.TimeoutSeconds, domain.MaxTimeout); err != nil {
			return err
		}
	}
	if in.DelaySeconds != nil {
		if in.ScheduledAt != nil {
			return &domain.ValidationError{Field: "delay_seconds", Rule: "cannot be combined with scheduled_at"}
		}
		if task.Delay, err = duration("delay_seconds", *in.DelaySeconds, domain.MaxScheduleAhead); err != nil {
			return err
		}
	}
	if in.ScheduledAt != nil {
		task.ScheduledAt = in.ScheduledAt.UTC().Truncate(time.Microsecond)
	}
	return nil
}

// duration returns seconds in whole microseconds. Beyond the limit they might not
// fit a time.Duration.
func duration(field string, seconds float64, limit time.Duration) (time.Duration, error) {
	if seconds < 0 || seconds > limit.Seconds() {
		return 0, &domain.ValidationError{
			Field: field, Value: strconv.FormatFloat(seconds, 'g', -1, 64),
			Rule: fmt.Sprintf("must be between 0 and %d", int64(limit.Seconds())),
		}
	}
	return time.Duration(math.Round(seconds*1e6)) * time.Microsecond, nil
}

func (a *API) listTasks(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r)
	filter := domain.TaskFilter{
		Status: named(q, "status", domain.ParseTaskStatus),
		Type:   domain.TaskType(q.text("type")), Queue: q.text("queue"),
		CreatedAfter: q.time("created_after"), CreatedBefore: q.time("created_before"),
		Limit: q.limit(), Cursor: q.cursor(),
	}
	if err := q.err(); err != nil {
		return err
	}
	if err := filter.Validate(); err != nil {
		return err
	}
	page, err := a.queue.ListTasks(r.Context(), filter)
	if err != nil {
		return err
	}
	out := wire.TaskList{Tasks: make([]wire.Task, len(page.Tasks)), NextCursor: cursorView(page.NextCursor)}
	for i, t := range page.Tasks {
		out.Tasks[i] = taskView(t)
	}
	return writeJSON(w, http.StatusOK, out)
}

func (a *API) getTask(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	task, err := a.queue.GetTask(r.Context(), id)
	if err != nil {
		return err
	}
	return writeVersion(w, r, singleTaskView(task))
}

func (a *API) deleteTask(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if err := a.checkVersion(r.Context(), r, id, domain.TaskActionDelete); err != nil {
		return err
	}
	if err := a.queue.DeleteTask(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// changeTask makes a handler of a change that a person asks for. It answers with
// the task as it is afterwards.
func (a *API) changeTask(action domain.TaskAction, change func(context.Context, ...domain.TaskID) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := pathID(r)
		if err != nil {
			return err
		}
		return a.once(w, r, nil, func(ctx context.Context) (reply, error) {
			if err := a.checkVersion(ctx, r, id, action); err != nil {
				return reply{}, err
			}
			if err := change(ctx, id); err != nil {
				return reply{}, err
			}
			task, err := a.queue.GetTask(ctx, id)
			if err != nil {
				return reply{}, err
			}
			return newTaskReply(http.StatusOK, task)
		})
	}
}
