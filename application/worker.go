package application

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"logsift/domain"
	"logsift/ports"
)

// ending is how a processor ended.
type ending struct {
	result []byte
	err    error
	// stack is where it panicked, "" if it did not.
	stack string
}

var errGoexit = errors.New("the processor called runtime.Goexit")

// work runs r in its slot, and then whatever waits for the slot. The end of ctx
// cancels the runs of a worker that is stopping.
func (s *DefaultScheduler) work(ctx context.Context, r *run) {
	for r != nil {
		r = s.attempt(ctx, r)
	}
}

// attempt runs r, hands its outcome to the reporter, and returns the next run for
// the slot.
//
// The processor runs on this goroutine. Should its context end, supervise waits
// for it beside; and should it end the goroutine, the slot goes on with another.
func (s *DefaultScheduler) attempt(ctx context.Context, r *run) (next *run) {
	held, cancel := context.WithCancelCause(ctx)
	if !s.leases.begin(r, cancel) {
		cancel(nil)
		return s.pool.leave()
	}
	r.began = time.Now()
	if wait, known := r.waited(); known {
		s.cfg.History.started(wait)
	}
	timeout := orDefault(r.info.Timeout, domain.DefaultTimeout)
	task, stop := context.WithTimeoutCause(held, timeout, errTimedOut)
	r.returned = make(chan struct{})
	unwatch := context.AfterFunc(task, func() { s.supervise(ctx, r, context.Cause(task)) })

	e := ending{err: errGoexit}
	exited := true
	defer func() {
		if v := recover(); v != nil {
			e = ending{err: fmt.Errorf("panic: %v", v), stack: string(debug.Stack())}
			exited = false
		} else if exited {
			e.stack = string(debug.Stack())
		}
		unwatch()
		cause := context.Cause(task)
		stop()
		cancel(nil)
		close(r.returned)
		if r.settled.CompareAndSwap(false, true) {
			s.conclude(r, e, true, cause)
			next = s.pool.leave()
		} else {
			s.logger.Info("stuck processor returned", taskFields(r)...)
			next = s.pool.unstick()
		}
		if exited && next != nil {
			go s.work(ctx, next)
		}
	}()
	result, err := s.registry.lookup(r.info.Type).Process(task, r.task)
	e, exited = ending{result: result, err: err}, false
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
				s.conclude(r, ending{}, false, cause)
				s.release(s.pool.stick())
			}
			return
		}
	}
}

// conclude decides what follows a run that ended for the given cause, nil if it
// ended by itself, and hands that to the reporter.
func (s *DefaultScheduler) conclude(r *run, e ending, returned bool, cause error) {
	r.took = time.Since(r.began)
	if !s.leases.end(r) {
		s.logger.Debug("run stopped, its lease is lost", taskFields(r)...)
		if !returned {
			s.logger.Warn("processor ignores that its lease is lost, its worker is stuck until it returns", taskFields(r)...)
		}
		s.observe(r, ports.RunLeaseLost, "")
		return
	}
	if len(e.result) > domain.MaxResult {
		e.err = domain.Permanent(fmt.Errorf("result of %d bytes is too large, at most %d are kept", len(e.result), domain.MaxResult))
	}
	switch {
	case returned && e.err == nil:
		s.counters.processed.Add(1)
		s.observe(r, ports.RunCompleted, "")
		s.settle(settlement{run: r, update: ports.TaskUpdate{
			Lease: r.lease, Outcome: ports.OutcomeCompleted, Result: e.result,
		}})
	case errors.Is(cause, errDraining):
		s.counters.cut.Add(1)
		s.observe(r, ports.RunReleased, "")
		s.release([]*run{r})
	default:
		s.fail(r, e, returned, errors.Is(cause, errTimedOut))
	}
}

// fail reports the failure of a run.
func (s *DefaultScheduler) fail(r *run, e ending, returned, timedOut bool) {
	reason := domain.ReasonError
	switch {
	case !returned:
		reason = domain.ReasonTimeout
		e.err = fmt.Errorf("time-out of %v passed, and the processor did not return within %v of it", r.info.Timeout, s.cfg.TimeoutGrace)
		s.logger.Warn("processor ignores its time-out, its worker is stuck until it returns", taskFields(r)...)
	case e.stack != "":
		reason = domain.ReasonPanic
		s.counters.panicked.Add(1)
	case timedOut:
		reason = domain.ReasonTimeout
		e.err = fmt.Errorf("time-out of %v passed: %w", r.info.Timeout, e.err)
	}
	if reason == domain.ReasonTimeout {
		s.counters.timedOut.Add(1)
	}
	next := s.cfg.RetryPolicy.Decide(&r.info, e.err, reason, s.cfg.Random())
	update := ports.TaskUpdate{
		Lease: r.lease, Outcome: ports.OutcomeFailed, RetryIn: next.In,
		Failure: domain.TaskError{Reason: next.Reason, Message: e.err.Error(), Stack: e.stack}.Bounded(),
	}
	s.counters.processed.Add(1)
	s.counters.failed.Add(1)
	fields := append(taskFields(r), zap.String("reason", string(next.Reason)), zap.String("error", update.Failure.Message))
	if next.Retry {
		s.observe(r, ports.RunRetried, next.Reason)
		update.Outcome = ports.OutcomeRetry
		s.counters.retried.Add(1)
		s.logger.Info("task failed, it will be retried", append(fields, zap.Duration("in", next.In))...)
	} else {
		s.observe(r, ports.RunFailed, next.Reason)
		s.logger.Warn("task failed for good", fields...)
	}
	s.settle(settlement{run: r, update: update})
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
