// Package logsift runs tasks in a Go program: durable, retried, delayed and unique, in
// Redis, in an SQLite file or in memory.
//
// A store is opened by its own package, such as adapters/redisstore; [New] makes a queue
// of it, [Handle] says what runs the tasks of a type, and [Type.Enqueue] makes one. Any
// number of programs may share a store: each works on the types that it handles, and
// leaves the others.
//
// A task runs at least once; docs/go.md says what that asks of a handler. The command
// logsift, on the same store, shows and changes the tasks.
package logsift

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// Store keeps the tasks: what redisstore.Open, sqlitestore.Open and memstore.New return. Those
// are a ports.LogStore too, which keeps what handlers log.
type Store interface {
	ports.TaskQueue
	ports.TaskEventReader
	ports.RunTracker
	ports.SchedulerRegistry
	ports.ScheduleStore
	ports.LimitKeeper
}

// Handler runs tasks, as [Handle] makes it of a function; middleware is made of it.
// Its contract is that of ports.TaskProcessor.
type Handler = ports.TaskProcessor

// HandlerFunc is a function that is a [Handler].
type HandlerFunc func(ctx context.Context, task *StoredTask) (result []byte, err error)

var _ Handler = HandlerFunc(nil)

// Process calls f.
func (f HandlerFunc) Process(ctx context.Context, task *domain.Task) ([]byte, error) {
	return f(ctx, task)
}

// Options configure a [Queue]. The zero value works.
type Options struct {
	// Workers is how many tasks run at once, from 1 to application.MaxWorkers. 0 is
	// application.DefaultWorkers.
	Workers int
	// Queues are those whose tasks run here; empty for all. They can have weights, such as
	// "mail=3": see application.SchedulerConfig.
	Queues []string
	// Ageing has a waiting task gain a level of priority each time that it has passed, so that
	// low priorities do not starve, from ports.MinAgeing to ports.MaxAgeing; 0 for never.
	Ageing time.Duration
	// Lease is how long a task stays with a process that has died, from ports.MinLease
	// to ports.MaxLease. 0 is application.DefaultLease.
	Lease time.Duration
	// Retention is how long finished tasks are kept, with their results, and
	// FailedRetention, if it is longer, how long FAILED ones are. 0 is
	// application.DefaultRetention and application.DefaultFailedRetention. They and
	// MaxRecoveries are for all tasks of the store: of several programs, the one that
	// keeps them shortest decides.
	Retention, FailedRetention time.Duration
	// MaxRecoveries is how often a task is taken back from a dead process before it fails as
	// poison; negative fails it at the first time. 0 is application.DefaultMaxRecoveries.
	MaxRecoveries int
	// Logger takes what the queue has to say, such as that a run failed. Nil is nobody.
	Logger *slog.Logger
	// Observer, if set, is told how runs end, such as a prommetrics.Metrics.
	Observer ports.RunObserver
}

// Queue makes tasks, and runs them between Start and Stop. It is safe for concurrent use.
type Queue struct {
	store     Store
	scheduler *application.DefaultScheduler
	waiter    *application.TaskWaiter
	schedules *application.ScheduleService

	mu         sync.Mutex // guards the fields below
	middleware []func(Handler) Handler
	processors []*processor
	started    bool
	err        error // what New and Handle were refused for; Start returns it
}

// New returns a queue on the store. It starts nothing: a program that only enqueues
// and waits declares its types with [Declare], and need not call Start. A wrong option is
// the error of Start.
func New(store Store, opts Options) *Queue {
	q := &Queue{store: store, waiter: application.NewTaskWaiter(store, store), schedules: application.NewScheduleService(store, store, nil)}
	if store == nil {
		q.err = &domain.ValidationError{Field: "store", Rule: "must not be nil"}
		return q
	}
	host, _ := os.Hostname() // It is shown to people only.
	config := application.SchedulerConfig{
		Workers: opts.Workers, Queues: opts.Queues, Ageing: opts.Ageing, Lease: opts.Lease, Retention: opts.Retention,
		FailedRetention: opts.FailedRetention, MaxRecoveries: opts.MaxRecoveries,
		Registry: store, Runs: store, Schedules: q.schedules, Observer: opts.Observer,
		Process: application.ProcessInfo{Host: host, PID: os.Getpid()},
	}
	if logs, ok := store.(ports.LogStore); ok {
		config.RunLog, config.Purger = logs, application.RunLogPurger{Logs: logs}
	}
	if workflows, ok := store.(ports.WorkflowKeeper); ok {
		config.Workflows = workflows
	}
	q.scheduler, q.err = application.NewScheduler(store, config, application.SlogLogger(opts.Logger))
	return q
}

// Use has each run of a handler go through middleware, the first being the outermost. It
// is to be called before Start. A panic of a handler needs none: it fails the run.
func (q *Queue) Use(middleware ...func(next Handler) Handler) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.middleware = append(q.middleware, middleware...)
}

// Start begins to run tasks, and returns. Handlers see the values of ctx; its end does
// not stop the queue, Stop does. It fails for what [New] and [Handle] were given wrong,
// without any handler, and if the queue was started or stopped before. It does not
// look at the store: one that is away is waited for.
func (q *Queue) Start(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return q.err
	}
	if !q.started {
		for _, p := range q.processors {
			for i := len(q.middleware) - 1; i >= 0; i-- {
				p.next = q.middleware[i](p.next)
			}
		}
	}
	q.started = true
	return q.scheduler.Start(ctx)
}

// Stop begins no more runs, lets those under way end until ctx does, then cancels them
// and gives their tasks back; those run again elsewhere, or later. It returns when no
// goroutine of the queue is left, nil if every run ended by itself.
//
// It does not close the store, on which one may go on to enqueue and wait: whoever
// opened it closes it afterwards.
func (q *Queue) Stop(ctx context.Context) error {
	if q.scheduler == nil {
		return nil
	}
	return q.scheduler.Stop(ctx)
}

// handle registers the handler of a type, if there is one.
func (q *Queue) handle(taskType domain.TaskType, h Handler) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.scheduler == nil:
		return q.err
	case h == nil:
		return nil
	}
	p := &processor{next: h}
	var registered ports.TaskProcessor = p
	if _, ok := h.(groupHandler); ok {
		registered = groupProcessor{p}
	}
	err := q.scheduler.RegisterProcessor(taskType, registered)
	if err == nil {
		q.processors = append(q.processors, p)
	}
	q.err = errors.Join(q.err, err)
	return err
}

// processor runs the tasks of a type through the middleware.
type processor struct{ next Handler }

func (p *processor) Process(ctx context.Context, task *domain.Task) ([]byte, error) {
	return p.next.Process(context.WithValue(ctx, runKey{}, task), task)
}

type runKey struct{}

// Run is what a handler may know of its run.
type Run struct {
	ID    domain.TaskID
	Type  domain.TaskType
	Queue string
	// Attempt is the number of the run, from 1. Runs that a death of their process cut
	// short do not count.
	Attempt int
	// MaxRetries is how many more there may be after the first.
	MaxRetries int
	// Deadline is when the context of the run ends.
	Deadline time.Time

	log *slog.Logger
}

// Log adds a line to the log of the run, with attributes as slog.Info takes them.
func (r Run) Log(message string, args ...any) { r.Logger().Info(message, args...) }

// Logger writes to the log of the run, which is stored with the task and shown live on its
// page, by the API and by "logsift task logs", as application.Log says. It drops all lines
// outside of a run.
func (r Run) Logger() *slog.Logger {
	if r.log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.log
}

// Task returns what is known of the run that ctx belongs to, the zero Run outside of one.
func Task(ctx context.Context) Run {
	task, ok := ctx.Value(runKey{}).(*domain.Task)
	if !ok {
		return Run{}
	}
	deadline, _ := ctx.Deadline()
	return Run{
		ID: task.ID, Type: task.Type, Queue: task.Queue,
		Attempt: task.Attempt + 1, MaxRetries: task.MaxRetries, Deadline: deadline,
		log: application.RunLogger(ctx),
	}
}

// Progress says how far the run has come that ctx belongs to, for all to see until it
// ends, as application.Progress says: a percentage, a note, and JSON or nothing.
func Progress(ctx context.Context, percent int, note string, data []byte) error {
	return application.Progress(ctx, percent, note, data)
}
