package application

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"logsift/domain"
	"logsift/ports"
)

const (
	// waitGather is how long a reader of events lets more of them gather, so that a busy
	// queue is not read for each of its steps.
	waitGather = 5 * time.Millisecond
	// waitPause is how long it waits while the store cannot be read.
	waitPause = time.Second
)

// TaskWaiter waits for tasks to finish. However many wait in a process, one reader of the
// events of the queue serves them, and there is none while nobody waits. It is safe for
// concurrent use.
type TaskWaiter struct {
	tasks  ports.TaskReader
	events ports.TaskEventReader

	mu sync.Mutex // guards watch; without it a waiter could join one that ends
	// watch is what those who wait share; nil while nobody does.
	watch *taskWatch
}

// taskWatch reads the events for those who wait.
type taskWatch struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the reader has ended
	begun  chan struct{} // closed when each step from then on is seen

	// mu guards waiting: who is to look at a task again, by its id.
	mu      sync.Mutex
	waiting map[domain.TaskID]map[chan<- struct{}]struct{}
}

// NewTaskWaiter returns a waiter for the tasks of a queue, whose events tell of them.
func NewTaskWaiter(tasks ports.TaskReader, events ports.TaskEventReader) *TaskWaiter {
	return &TaskWaiter{tasks: tasks, events: events}
}

// WaitTask returns the task once it is COMPLETED, FAILED or CANCELLED, at once if it is.
// It is woken by the events of the queue and looks at the task only then, never from time
// to time. Errors: domain.ErrTaskNotFound, also for a task that is removed meanwhile, and
// that of ctx, wrapped.
func (w *TaskWaiter) WaitTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	task, err := w.tasks.GetTask(ctx, id)
	if err != nil || task.Status.Terminal() {
		return task, err
	}
	again := make(chan struct{}, 1)
	watch := w.join(ctx, id, again)
	defer w.leave(watch, id, again)
	for next := (<-chan struct{})(watch.begun); ; next = again {
		select {
		case <-next:
		case <-watch.done:
			return nil, fmt.Errorf("wait for task %s: %w", id, domain.ErrClosed)
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for task %s: %w", id, ctx.Err())
		}
		task, err := w.tasks.GetTask(ctx, id)
		if err != nil || task.Status.Terminal() {
			return task, err
		}
	}
}

// join has again get an item when the task may have finished. The first who waits
// begins to read.
func (w *TaskWaiter) join(ctx context.Context, id domain.TaskID, again chan<- struct{}) *taskWatch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watch == nil {
		// It goes on for those who come later, when the first has gone.
		reading, cancel := context.WithCancel(context.WithoutCancel(ctx))
		w.watch = &taskWatch{
			cancel: cancel, done: make(chan struct{}), begun: make(chan struct{}),
			waiting: map[domain.TaskID]map[chan<- struct{}]struct{}{},
		}
		go w.watch.run(reading, w.events)
	}
	w.watch.mu.Lock()
	defer w.watch.mu.Unlock()
	of := w.watch.waiting[id]
	if of == nil {
		of = map[chan<- struct{}]struct{}{}
		w.watch.waiting[id] = of
	}
	of[again] = struct{}{}
	return w.watch
}

// leave ends the reading with the last who waits.
func (w *TaskWaiter) leave(watch *taskWatch, id domain.TaskID, again chan<- struct{}) {
	w.mu.Lock()
	watch.mu.Lock()
	of := watch.waiting[id]
	if delete(of, again); len(of) == 0 {
		delete(watch.waiting, id)
	}
	last := len(watch.waiting) == 0
	watch.mu.Unlock()
	if last && w.watch == watch {
		w.watch = nil
	}
	w.mu.Unlock()
	if last {
		watch.cancel()
		<-watch.done
	}
}

// run reads events until ctx ends or the store is closed.
func (w *taskWatch) run(ctx context.Context, events ports.TaskEventReader) {
	defer close(w.done)
	at := ""
	for ctx.Err() == nil {
		page, err := events.ReadTaskEvents(ctx, ports.EventRequest{After: at, Max: ports.MaxEvents, Wait: ports.EventLinger / 2})
		pause := time.Duration(0)
		switch {
		case errors.Is(err, domain.ErrClosed):
			return
		case errors.Is(err, domain.ErrInvalidCursor):
			at = "" // It is another store now.
			w.wake(nil)
			continue
		case err != nil:
			pause = waitPause
		case at == "":
			w.begin()
			at = page.Next
		default:
			at = page.Next
			if page.Lost {
				w.wake(nil)
			} else if len(page.Events) > 0 {
				w.wake(page.Events)
				pause = waitGather
			}
		}
		if pause > 0 {
			sleep(ctx, pause)
		}
	}
}

// begin notes that steps are seen from now on.
func (w *taskWatch) begin() {
	select {
	case <-w.begun:
		w.wake(nil)
	default:
		close(w.begun)
	}
}

// wake has those look again whose tasks an event ended; all, if there are no events.
func (w *taskWatch) wake(events []domain.TaskEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if events == nil {
		for _, of := range w.waiting {
			notifyAll(of)
		}
	}
	for i := range events {
		if to := events[i].To; to == 0 || to.Terminal() {
			notifyAll(w.waiting[events[i].TaskID])
		}
	}
}

func notifyAll(waiting map[chan<- struct{}]struct{}) {
	for again := range waiting {
		notify(again)
	}
}
