package httpapi

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
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
	ids, err := taskIDsOf(r)
	if err != nil {
		return err
	}
	data, free, err := a.bodies.Read(w, r, a.cfg.MaxTaskBytes)
	if err != nil {
		return err
	}
	defer free()
	task, err := decodeTask(request.HolderOf(r.Context()).Role, data, ids.one())
	if err != nil {
		return err
	}
	return a.once(w, r, data, func(ctx context.Context) (reply, error) {
		stored, err := a.queue.ScheduleTasks(ctx, task)
		if err := domain.ItemError(err, 0); err != nil {
			return reply{}, err
		}
		return a.newScheduledReply(task, stored[0])
	})
}

// newScheduledReply returns the answer for a task that was scheduled.
func (a *API) newScheduledReply(asked, stored *domain.Task) (reply, error) {
	view := a.singleTaskView(stored)
	plain, err := wire.Encode(view)
	if err != nil {
		return reply{}, fmt.Errorf("encode the task: %w", err)
	}
	var status int
	status, view.Outcome = outcomeView(asked, stored)
	answer, err := newReply(status, view)
	answer.Location, answer.ETag = tasksPath+"/"+stored.ID.String(), request.ETagOf(plain)
	return answer, err
}

// outcomeView is the status and the outcome of a task that was scheduled.
func outcomeView(asked, stored *domain.Task) (int, string) {
	outcome := asked.EnqueueOutcome(stored)
	if outcome == domain.EnqueueCreated {
		return http.StatusCreated, string(outcome)
	}
	return http.StatusOK, string(outcome)
}

// taskIDs gives the tasks of one request their ids. It is the key of the request and its
// caller, "" for none.
type taskIDs string

func taskIDsOf(r *http.Request) (taskIDs, error) {
	key, err := request.CallersKey(r)
	return taskIDs(key), err
}

// one returns the id for the task of a request that makes one.
func (t taskIDs) one() domain.TaskID {
	if t == "" {
		return uuid.Must(uuid.NewV7())
	}
	return uuid.NewSHA1(idempotencySpace, []byte(t))
}

// at returns the id for the task at a place of a batch.
func (t taskIDs) at(i int) domain.TaskID {
	if t == "" {
		return uuid.Must(uuid.NewV7())
	}
	return uuid.NewSHA1(idempotencySpace, []byte(string(t)+"\x00batch\x00"+strconv.Itoa(i)))
}

// decodeTask makes a valid task of a body, which a caller of the role may schedule. The error is
// a *domain.ValidationError, or a problem.ErrForbidden.
func decodeTask(role apikey.Role, data []byte, id domain.TaskID) (*domain.Task, error) {
	var in wire.CreateTask
	if err := request.Decode(data, &in); err != nil {
		return nil, err
	}
	return newTask(role, &in, id)
}

// newTask makes a valid task of a decoded body, as decodeTask does.
func newTask(role apikey.Role, in *wire.CreateTask, id domain.TaskID) (*domain.Task, error) {
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
	if err := setOptions(task, in); err != nil {
		return nil, err
	}
	if err := setTimes(task, in); err != nil {
		return nil, err
	}
	if err := task.Validate(); err != nil {
		return nil, err
	}
	if task.Type == domain.TaskTypeLogAnalysis {
		payload, err := domain.ParseLogAnalysisPayload(task.Payload)
		if err != nil {
			return nil, &domain.ValidationError{Field: "payload", Rule: "must be an object with log_ids, a list of UUIDs that is not empty, or batch_id, a UUID"}
		}
		// Who teaches a baseline decides what all others no longer hear of.
		if payload.Learn && !role.Includes(apikey.Admin) {
			return nil, problem.Refuse(problem.ErrForbidden, "the key has the role %s, a task that learns a baseline needs the role %s", role, apikey.Admin)
		}
	}
	return task, nil
}

// setOptions sets what only some tasks ask for.
func setOptions(task *domain.Task, in *wire.CreateTask) (err error) {
	task.Key, task.Tags = in.Key, in.Tags
	task.Group, task.GroupSize = in.Group, in.GroupSize
	if task.GroupAge, err = duration("group_age_seconds", in.GroupAgeSeconds, domain.MaxGroupAge); err != nil {
		return err
	}
	if in.GroupAgeSeconds > 0 {
		task.GroupAge = max(task.GroupAge, time.Microsecond)
	}
	if task.UniqueWhile, err = domain.ParseUniqueWhile(in.UniqueWhile); err != nil {
		return err
	}
	if task.OnConflict, err = domain.ParseOnConflict(in.OnConflict); err != nil {
		return err
	}
	if task.UniqueFor, err = duration("unique_for_seconds", in.UniqueForSeconds, domain.MaxUniqueFor); err != nil {
		return err
	}
	if in.UniqueForSeconds > 0 {
		task.UniqueFor = max(task.UniqueFor, time.Microsecond)
	}
	if task.Retention, err = duration("retention_seconds", in.RetentionSeconds, domain.MaxRetention); err != nil {
		return err
	}
	if in.Backoff == nil {
		return nil
	}
	task.Backoff = domain.RetryPolicy{Kind: domain.RetryKind(in.Backoff.Kind), Jitter: in.Backoff.Jitter}
	if task.Backoff.Base, err = duration("backoff.base_seconds", in.Backoff.BaseSeconds, domain.MaxScheduleAhead); err != nil {
		return err
	}
	task.Backoff.Cap, err = duration("backoff.cap_seconds", in.Backoff.CapSeconds, domain.MaxScheduleAhead)
	return err
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
		if task.Delay > 0 && task.Group != "" {
			return &domain.ValidationError{Field: "group", Rule: "cannot be combined with delay_seconds"}
		}
	}
	if in.ScheduledAt != nil {
		task.ScheduledAt = in.ScheduledAt.UTC().Truncate(time.Microsecond)
	}
	if in.ExpiresInSeconds != nil {
		if in.ExpiresAt != nil {
			return &domain.ValidationError{Field: "expires_in_seconds", Rule: "cannot be combined with expires_at"}
		}
		if task.ExpiresIn, err = duration("expires_in_seconds", *in.ExpiresInSeconds, domain.MaxScheduleAhead); err != nil {
			return err
		}
	}
	if in.ExpiresAt != nil {
		task.ExpiresAt = in.ExpiresAt.UTC().Truncate(time.Microsecond)
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
	q := request.NewQuery(r)
	filter := domain.TaskFilter{
		Status: request.Named(q, "status", domain.ParseTaskStatus),
		Type:   domain.TaskType(q.Text("type")), Queue: q.Text("queue"), Tag: q.Text("tag"), Reason: domain.FailureReason(q.Text("reason")),
		CreatedAfter: q.Time("created_after"), CreatedBefore: q.Time("created_before"),
		Limit: q.Limit(), Cursor: q.Cursor(),
	}
	if err := q.Err(); err != nil {
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
		out.Tasks[i] = a.taskView(t)
	}
	return wire.Write(w, http.StatusOK, out)
}

func (a *API) getTask(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := request.NewQuery(r)
	wait := request.Named(q, "wait", parseWait)
	if err := q.Err(); err != nil {
		return err
	}
	task, err := a.waitTask(w, r, id, wait)
	if err != nil {
		return err
	}
	return request.WriteVersion(w, r, a.singleTaskView(task))
}

// waitTask returns the task when it is finished, or as it is after the wait.
func (a *API) waitTask(w http.ResponseWriter, r *http.Request, id domain.TaskID, wait time.Duration) (*domain.Task, error) {
	if wait == 0 || a.waiter == nil {
		return a.queue.GetTask(r.Context(), id)
	}
	ctx, done, err := a.waits.begin(r.Context(), request.Caller(r), &stream{w: w, control: http.NewResponseController(w)})
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	task, err := a.waiter.WaitTask(ctx, id)
	if ctx.Err() != nil && r.Context().Err() == nil {
		return a.queue.GetTask(r.Context(), id)
	}
	return task, err
}

func parseWait(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > MaxTaskWait {
		return 0, &domain.ValidationError{Field: "wait", Value: text, Rule: fmt.Sprintf("must be a duration such as 30s, from 0s to %v", MaxTaskWait)}
	}
	return d, nil
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

// checkVersion decides the preconditions of a change of a task; a request without any
// costs nothing. That the task is not there, or in a state that forbids the change,
// comes first (section 13.2.1).
//
// The check and the change are two steps of the store. A change that comes between
// them is not noticed, so that this prevents most lost updates, not all. What the
// store decides in one step stays right all the same: whether the state that the task
// has then allows the change.
func (a *API) checkVersion(ctx context.Context, r *http.Request, id domain.TaskID, action domain.TaskAction) error {
	if !request.IsConditional(r) {
		return nil
	}
	task, err := a.queue.GetTask(ctx, id)
	if err != nil {
		return err
	}
	if err := action.Allowed(task); err != nil {
		return err
	}
	body, err := wire.Encode(a.singleTaskView(task))
	if err != nil {
		return fmt.Errorf("encode the task: %w", err)
	}
	_, err = request.Evaluate(r, request.ETagOf(body))
	return err
}

// changeTask makes a handler of a change that a person asks for. It answers with
// the task as it is afterwards.
func (a *API) changeTask(action domain.TaskAction, change func(QueueService, context.Context, ...domain.TaskID) error) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := pathID(r)
		if err != nil {
			return err
		}
		return a.once(w, r, nil, func(ctx context.Context) (reply, error) {
			if err := a.checkVersion(ctx, r, id, action); err != nil {
				return reply{}, err
			}
			if err := change(a.queue, ctx, id); err != nil {
				return reply{}, err
			}
			task, err := a.queue.GetTask(ctx, id)
			if err != nil {
				return reply{}, err
			}
			return a.newTaskReply(http.StatusOK, task)
		})
	}
}
