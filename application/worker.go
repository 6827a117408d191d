package application

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"logsift/domain"
	"logsift/ports"
)

// runResult is how a processor ended.
type runResult struct {
	result []byte
	err    error // its methods are this package's or the standard library's
	// stack is where it panicked or ended its goroutine, "" if it returned.
	stack string
	// exited is whether its goroutine ends.
	exited bool
	// each are those of the tasks of a group; nil if the processor did not answer for each.
	each []runResult
}

var (
	errGoexit     = errors.New("the processor called runtime.Goexit")
	errPanicValue = errors.New("panic: its value panics when it is printed")
)

// call runs the processor and sets res to how it ended. Whatever is the processor's
// runs in here, the methods of its error and of the value that it panics with among
// them: before each step, res is what holds if that panics or ends the goroutine. A
// panic that leaves call is one of the panic's value.
func (res *runResult) call(ctx context.Context, p ports.TaskProcessor, r *run) {
	*res = runResult{err: errGoexit, exited: true}
	defer func() {
		v := recover()
		if v == nil && !res.exited {
			return
		}
		res.stack = string(debug.Stack())
		if v != nil {
			res.err = errPanicValue
			res.err = errors.New(boundedMessage("panic: " + panicText(v)))
			res.exited = false
		}
	}()
	if r.group != nil {
		*res = processGroup(ctx, p, r.group)
		return
	}
	result, err := p.Process(ctx, r.task)
	*res = runResult{result: result, err: plainError(err)}
}

// plainError returns an error that tells the queue the same as err, and has no methods
// of a processor's.
func plainError(err error) error {
	if err == nil {
		return nil
	}
	if delay, snoozed := domain.SnoozeDelay(err); snoozed {
		return domain.Snooze(delay)
	}
	plain := errors.New(boundedMessage(err.Error()))
	if domain.IsPermanent(err) {
		return domain.Permanent(plain)
	}
	if delay, named := domain.RetryDelay(err); named {
		return domain.RetryAfter(delay, plain)
	}
	return plain
}

// panicText shows the value of a panic. As the runtime does, it names only the type of
// a value that has no text: what that holds may be without end.
func panicText(v any) string {
	switch v.(type) {
	case error, fmt.Stringer:
		return fmt.Sprint(v)
	}
	switch reflect.TypeOf(v).Kind() {
	case reflect.Array, reflect.Slice, reflect.Map, reflect.Struct, reflect.Interface, reflect.Pointer:
		return fmt.Sprintf("a value of type %T", v)
	default:
		return fmt.Sprint(v)
	}
}

func boundedMessage(s string) string { return domain.TaskError{Message: s}.Bounded().Message }

// work runs r in its slot, and then whatever waits for the slot. The end of ctx
// cancels the runs of a worker that is stopping.
func (s *DefaultScheduler) work(ctx context.Context, r *run) {
	for r != nil {
		r = s.attempt(ctx, r)
	}
}

// begin begins r, and those of its group, and returns the context to run in; nil if no
// lease is held any more.
func (s *DefaultScheduler) begin(ctx context.Context, r *run) (context.Context, context.CancelCauseFunc) {
	held, cancel := context.WithCancelCause(ctx)
	if r.group != nil {
		return s.beginGroup(held, cancel, r), cancel
	}
	if !s.leases.begin(r, cancel) {
		s.releaseOne(r)
		return nil, cancel
	}
	s.noteBegun(r)
	return context.WithValue(held, runKey{}, currentRun{DefaultScheduler: s, run: r}), cancel
}

func (s *DefaultScheduler) noteBegun(r *run) {
	r.began = time.Now()
	if wait, known := r.waited(); known {
		s.cfg.History.started(wait)
	}
}

// attempt runs r, hands its outcome to the reporter, and returns the next run for
// the slot.
//
// The processor runs on this goroutine. Should its context end, supervise waits
// for it beside; and should it end the goroutine, the slot goes on with another.
func (s *DefaultScheduler) attempt(ctx context.Context, r *run) (next *run) {
	timed, stop := context.WithTimeoutCause(ctx, r.timeout(), errTimedOut)
	task, cancel := s.begin(timed, r)
	if task == nil {
		cancel(nil)
		stop()
		return s.pool.exit()
	}
	r.returned = make(chan struct{})
	unwatch := context.AfterFunc(task, func() { s.supervise(ctx, r, context.Cause(task)) })

	var res runResult
	defer func() {
		if recover() != nil {
			res.exited = false
		}
		unwatch()
		cause := context.Cause(task)
		stop()
		cancel(nil)
		for _, member := range r.all() {
			s.runLogs.end(member)
		}
		close(r.returned)
		if r.settled.CompareAndSwap(false, true) {
			s.settle(r, res, true, cause) //nolint:contextcheck // The contexts of a group have ended.
			next = s.pool.exit()
		} else {
			s.logger.Info("stuck processor returned", taskFields(r)...)
			for _, member := range r.all() {
				if s.leases.isLost(member) {
					s.tellStopped(member)
				}
			}
			next = s.pool.exitStuck()
		}
		if res.exited && next != nil {
			go s.work(ctx, next)
		}
	}()
	res.call(task, s.registry.lookup(r.info.Type), r)
	return nil
}

// supervise waits for a processor whose context has ended for the given cause, for
// as long as the graces allow. If it does not return, its run is over, and its
// slot is stuck until it does.
func (s *DefaultScheduler) supervise(ctx context.Context, r *run, cause error) {
	grace := time.NewTimer(s.cfg.TimeoutGrace)
	defer grace.Stop()
	draining := ctx.Done()
	for {
		select {
		case <-r.returned:
			return
		case <-draining:
			draining = nil
			grace.Reset(s.cfg.DrainGrace)
		case <-grace.C:
			if r.settled.CompareAndSwap(false, true) {
				s.settle(r, runResult{}, false, cause) //nolint:contextcheck // The contexts of a group have ended.
				s.release(s.pool.markStuck())
			}
			return
		}
	}
}

// conclude decides what follows a run that ended for the given cause, nil if it
// ended by itself, and returns what to report of it, false for nothing.
func (s *DefaultScheduler) conclude(r *run, res runResult, returned bool, cause error) (report, bool) {
	r.took = time.Since(r.began)
	if !s.leases.end(r) {
		s.noteStopped(r, returned)
		if returned {
			s.tellStopped(r)
		}
		return report{}, false
	}
	if len(res.result) > domain.MaxResult {
		res.err = domain.Permanent(fmt.Errorf("result of %d bytes is too large, at most %d are kept", len(res.result), domain.MaxResult))
	}
	delay, snoozed := domain.SnoozeDelay(res.err)
	switch {
	case returned && snoozed:
		s.observe(r, ports.RunSnoozed, "")
		s.logger.Debug("processor snoozed its task", append(taskFields(r), zap.Duration("in", delay))...)
		return report{run: r, update: ports.TaskUpdate{Lease: r.lease, Outcome: ports.OutcomeSnooze, RetryIn: delay}}, true
	case returned && res.err == nil:
		s.counters.processed.Add(1)
		s.observe(r, ports.RunCompleted, "")
		return report{run: r, update: ports.TaskUpdate{
			Lease: r.lease, Outcome: ports.OutcomeCompleted, Result: res.result,
		}}, true
	case errors.Is(cause, errLeaseLost):
		// The store did not answer. Nobody may have taken the task from this worker.
		s.noteStopped(r, returned)
	case errors.Is(cause, errDraining):
		s.counters.cut.Add(1)
		s.observe(r, ports.RunReleased, "")
	default:
		return report{run: r, update: s.fail(r, res, returned, errors.Is(cause, errTimedOut))}, true
	}
	return report{run: r, release: true}, true
}

// noteStopped notes that a run was stopped because of its lease.
func (s *DefaultScheduler) noteStopped(r *run, returned bool) {
	s.logger.Debug("run stopped, its lease is lost", taskFields(r)...)
	if !returned {
		s.logger.Warn("processor ignores that its lease is lost, its worker is stuck until it returns", taskFields(r)...)
	}
	s.observe(r, ports.RunLeaseLost, "")
}

// fail notes the failure of a run, and returns what to report of it.
func (s *DefaultScheduler) fail(r *run, res runResult, returned, timedOut bool) ports.TaskUpdate {
	reason := domain.ReasonError
	switch {
	case !returned:
		reason = domain.ReasonTimeout
		res.err = fmt.Errorf("time-out of %v passed, and the processor did not return within %v of it", r.info.Timeout, s.cfg.TimeoutGrace)
		s.logger.Warn("processor ignores its time-out, its worker is stuck until it returns", taskFields(r)...)
	case res.stack != "":
		reason = domain.ReasonPanic
		s.counters.panicked.Add(1)
	case timedOut:
		reason = domain.ReasonTimeout
		res.err = fmt.Errorf("time-out of %v passed: %w", r.info.Timeout, res.err)
	}
	if reason == domain.ReasonTimeout {
		s.counters.timedOut.Add(1)
	}
	update := failedUpdate(s.cfg.RetryPolicy, &r.info, r.lease, res, reason, s.cfg.Random())
	s.counters.processed.Add(1)
	s.counters.failed.Add(1)
	fields := append(taskFields(r), zap.String("reason", string(update.Failure.Reason)), zap.String("error", update.Failure.Message))
	if update.Outcome == ports.OutcomeRetry {
		s.observe(r, ports.RunRetried, update.Failure.Reason)
		s.counters.retried.Add(1)
		s.logger.Info("task failed, it will be retried", append(fields, zap.Duration("in", update.RetryIn))...)
	} else {
		s.observe(r, ports.RunFailed, update.Failure.Reason)
		s.logger.Warn("task failed for good", fields...)
	}
	return update
}

// failedUpdate is the report of a run of the task that failed: with a retry, if the policy
// and the error allow one.
func failedUpdate(policy domain.RetryPolicy, task *domain.Task, lease domain.Lease, res runResult, reason domain.FailureReason, random float64) ports.TaskUpdate {
	next := policy.Decide(task, res.err, reason, random)
	update := ports.TaskUpdate{
		Lease: lease, Outcome: ports.OutcomeFailed, RetryIn: next.In,
		Failure: domain.TaskError{Reason: next.Reason, Message: res.err.Error(), Stack: res.stack}.Bounded(),
	}
	if next.Retry {
		update.Outcome = ports.OutcomeRetry
	}
	return update
}

// observe tells the observer, if there is one, how a run ended.
func (s *DefaultScheduler) observe(r *run, outcome ports.RunOutcome, reason domain.FailureReason) {
	if s.cfg.Observer == nil {
		return
	}
	wait, known := r.waited()
	if !known {
		wait = -1
	}
	s.cfg.Observer.ObserveRun(ports.RunEnd{
		Task: &r.info, Outcome: outcome, Reason: reason, Wait: wait, Duration: r.took,
	})
}

// taskFields are what a log line about a run says of it.
func taskFields(r *run) []zap.Field {
	fields := []zap.Field{
		zap.Stringer("task_id", r.info.ID), zap.String("type", string(r.info.Type)),
		zap.Int("attempt", r.info.Attempt+1), zap.Int("delivery", r.lease.Delivery),
	}
	if id := r.info.TraceID(); id != "" {
		fields = append(fields, zap.String("trace_id", id))
	}
	return fields
}
