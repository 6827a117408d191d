package logsift

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
)

// Type is a type of tasks, whose payload is an In and whose result is an Out, both as
// JSON. It is safe for concurrent use.
type Type[In, Out any] struct {
	queue *Queue
	// defaults is a task of the type without an id and a payload.
	defaults domain.Task
	err      error // what Handle was refused for; Enqueue returns it
}

// Handle has the tasks of a type run by f, and returns the type. The options hold for
// each task that is enqueued here, unless its own say otherwise. A payload that is no In
// fails the task for good; so does a result that is no JSON.
//
// It is to be called before Start, which returns what is wrong with it: a name that
// domain.ValidateName refuses, or a type that has a handler.
func Handle[In, Out any](q *Queue, name string, f func(ctx context.Context, in In) (Out, error), opts ...Option) *Type[In, Out] {
	return newType[In, Out](q, name, HandlerFunc(func(ctx context.Context, task *domain.Task) ([]byte, error) {
		in, err := decodePayload[In](task)
		if err != nil {
			return nil, err
		}
		out, err := f(ctx, in)
		if err != nil {
			return nil, err
		}
		return encodeResult(task, out)
	}), opts)
}

// Declare returns a type whose tasks other programs run.
func Declare[In, Out any](q *Queue, name string, opts ...Option) *Type[In, Out] {
	return newType[In, Out](q, name, nil, opts)
}

func newType[In, Out any](q *Queue, name string, h Handler, opts []Option) *Type[In, Out] {
	t := &Type[In, Out]{queue: q, defaults: *domain.NewTask(uuid.Nil, domain.TaskType(name), nil)}
	for _, set := range opts {
		set(&t.defaults)
	}
	t.err = q.handle(t.defaults.Type, h)
	return t
}

// Enqueue makes a task. Once it returns, the task is as safe as the store is. Errors are
// those of ports.TaskEnqueuer, such as [ErrDuplicateTask], and a
// *[ValidationError] for an option or a payload. After [ErrStoreUnavailable]
// the task may exist: [ID] makes it safe to repeat the call.
func (t *Type[In, Out]) Enqueue(ctx context.Context, in In, opts ...Option) (*Enqueued[Out], error) {
	tasks, err := t.EnqueueMany(ctx, []In{in}, opts...)
	if err != nil {
		return nil, err
	}
	return tasks[0], nil
}

// EnqueueMany makes a task of each payload, many in one step of the store. If some are
// refused, the others are made: the error is a *[BatchError] then, and the
// returned slice has nil for those refused.
func (t *Type[In, Out]) EnqueueMany(ctx context.Context, in []In, opts ...Option) ([]*Enqueued[Out], error) {
	if t.err != nil {
		return nil, t.err
	}
	tasks := make([]*domain.Task, len(in))
	for i := range in {
		var err error
		if tasks[i], err = t.task(in[i], opts); err != nil {
			return nil, err
		}
	}
	stored, err := t.queue.store.Enqueue(ctx, tasks...)
	out := make([]*Enqueued[Out], len(in))
	for i, task := range stored {
		if task != nil {
			out[i] = t.Task(task.ID)
			out[i].Outcome = tasks[i].EnqueueOutcome(task)
		}
	}
	return out, err
}

// task is a task of the type that is not stored yet.
func (t *Type[In, Out]) task(in In, opts []Option) (*domain.Task, error) {
	if t.err != nil {
		return nil, t.err
	}
	payload, err := json.Marshal(in)
	if err != nil {
		return nil, &domain.ValidationError{Field: "payload", Rule: "must be JSON: " + err.Error()}
	}
	task := t.defaults
	task.ID, task.Payload = uuid.Must(uuid.NewV7()), payload
	for _, set := range opts {
		set(&task)
	}
	setGroup(&task)
	if task.Type != t.defaults.Type {
		return nil, &domain.ValidationError{Field: "type", Value: string(task.Type), Rule: "must stay that of Handle or Declare, where Version belongs"}
	}
	return &task, nil
}

// Task returns a task of the type by its id, to wait for it.
func (t *Type[In, Out]) Task(id domain.TaskID) *Enqueued[Out] {
	return &Enqueued[Out]{ID: id, queue: t.queue}
}

// Enqueued is a task of which this program knows the id.
type Enqueued[Out any] struct {
	ID domain.TaskID
	// Outcome tells whether Enqueue made the task, or it is another one that holds the
	// unique key; see [OnConflict].
	Outcome domain.EnqueueOutcome

	queue *Queue
}

// Wait waits until the task has ended, in whichever process it runs, and returns its
// result. It learns of the end as it happens, and does not poll. Errors are a
// *[NoResultError] for a task that is FAILED or CANCELLED, [ErrTaskNotFound] for
// one that was removed, those of a store that is away or closed, and that of ctx.
func (e *Enqueued[Out]) Wait(ctx context.Context) (Out, error) {
	var out Out
	task, err := e.queue.waiter.WaitTask(ctx, e.ID)
	if err != nil {
		return out, err
	}
	if task.Status != domain.TaskStatusCompleted {
		return out, &NoResultError{task}
	}
	if len(task.Result) == 0 { // as of a worker of another program
		return out, nil
	}
	if err := json.Unmarshal(task.Result, &out); err != nil {
		return out, fmt.Errorf("result of task %s: %w", e.ID, err)
	}
	return out, nil
}

// NoResultError says that a task ended without a result.
type NoResultError struct {
	// Task is FAILED or CANCELLED, and has the errors of its runs.
	Task *domain.Task
}

// Error tells the newest error of the task, or its status.
func (e *NoResultError) Error() string {
	text := fmt.Sprintf("task %s is %s", e.Task.ID, e.Task.Status)
	if last := e.Task.LastError(); last != "" {
		text += ": " + last
	}
	return text
}

// Option sets something of a task: of one if it is given to Enqueue, of each of a type if
// it is given to Handle or Declare.
type Option func(task *domain.Task)

// MaxRetries is how often the task runs again after a run that failed, 3 unless set.
func MaxRetries(n int) Option { return func(t *domain.Task) { t.MaxRetries = n } }

// Backoff is how long the task waits after a run that failed: 1, 4 and 9 minutes unless set.
func Backoff(p RetryPolicy) Option { return func(t *domain.Task) { t.Backoff = p } }

// Timeout bounds each run, by the end of its context. It is 10 minutes unless set.
func Timeout(d time.Duration) Option { return func(t *domain.Task) { t.Timeout = d } }

// Priority has tasks of a higher one run first, from 0 to 10. It is 5 unless set.
func Priority(n int) Option { return func(t *domain.Task) { t.Priority = domain.Priority(n) } }

// OnQueue puts the task into a queue, "default" unless set. [Options] say which queues a
// program works on; the command line and the API can pause one.
func OnQueue(name string) Option { return func(t *domain.Task) { t.Queue = name } }

// In has the task wait for so long, by the clock of the store.
func In(d time.Duration) Option { return func(t *domain.Task) { t.Delay = d } }

// At has the task wait until then.
func At(when time.Time) Option { return func(t *domain.Task) { t.ScheduledAt = when } }

// Unique refuses the task with [ErrDuplicateTask] while an unfinished one has the
// key, unless [UniqueWhile], [UniqueFor] or [OnConflict] says otherwise.
func Unique(key string) Option { return func(t *domain.Task) { t.UniqueKey = key } }

// UniqueWhile is until when the task holds its unique key, such as
// [UniqueWhileWaiting].
func UniqueWhile(w domain.UniqueWhile) Option { return func(t *domain.Task) { t.UniqueWhile = w } }

// UniqueFor has the task hold its unique key for so long from its enqueue.
func UniqueFor(d time.Duration) Option { return func(t *domain.Task) { t.UniqueFor = d } }

// OnConflict is what to do if another task holds the unique key: [ConflictKeep]
// gives that task, [ConflictReplace] gives it the new payload, priority and time.
func OnConflict(c domain.OnConflict) Option { return func(t *domain.Task) { t.OnConflict = c } }

// Key relates tasks of a queue, such as those of one customer; [Unique] is another key.
func Key(key string) Option { return func(t *domain.Task) { t.Key = key } }

// ExpiresIn has the task fail without a run if its first one has not begun so long after
// the enqueue, by the clock of the store.
func ExpiresIn(d time.Duration) Option { return func(t *domain.Task) { t.ExpiresIn = d } }

// Retention is how long the task is kept once it is finished, instead of that of the queue.
func Retention(d time.Duration) Option { return func(t *domain.Task) { t.Retention = d } }

// Tags are labels that are shown with the task.
func Tags(names ...string) Option { return func(t *domain.Task) { t.Tags = names } }

// ID names the task, by an id of the caller's making: an Enqueue that is repeated with it
// makes no second task.
func ID(id domain.TaskID) Option { return func(t *domain.Task) { t.ID = id } }

// Version is the version of a type's payload, given to Handle or Declare, 1 unless set.
// Each version has its own handler and its own In; a program leaves the versions that it
// has no handler for to those that do, so old and new programs may run at once.
//
// A version above 1 is a part of the type's name, "greet.v2": a claim names its types to
// the store, so that a task of an unknown version is never taken, and statistics tell
// when the last task of an old version is gone.
func Version(n int) Option {
	return func(t *domain.Task) {
		if n > 1 {
			t.Type = domain.TaskType(fmt.Sprintf("%s.v%d", t.Type, n))
		}
	}
}
