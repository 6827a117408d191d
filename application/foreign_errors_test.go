package application_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"logsift/application"
	"logsift/domain"
)

// foreignError is an error whose methods do anything at all.
type foreignError struct {
	text   func() string
	as     func(any) bool
	unwrap func() error
}

func (e *foreignError) Error() string {
	if e.text == nil { // a typed nil panics here, as those of many programs do
		return "foreign"
	}
	return e.text()
}

func (e *foreignError) As(target any) bool { return e.as != nil && e.as(target) }

func (e *foreignError) Unwrap() error {
	if e.unwrap == nil {
		return nil
	}
	return e.unwrap()
}

// badText is a value whose text cannot be had.
type badText struct{ do func() }

func (b badText) String() string { b.do(); return "" }

// wideError unwraps to very many errors, itself among them.
type wideError struct{}

func (wideError) Error() string { return "wide" }

func (wideError) Unwrap() []error {
	errs := make([]error, 5000)
	for i := range errs {
		errs[i] = wideError{}
	}
	return errs
}

func TestNothingOfAProcessorsErrorReachesTheScheduler(t *testing.T) {
	t.Parallel()
	goexit := func() string { runtime.Goexit(); return "" }
	loop := &foreignError{}
	loop.unwrap = func() error { return loop }
	endless := []any{nil}
	endless[0] = endless
	fails := func(err error) func() error { return func() error { return err } }
	panics := func(v any) func() error { return func() error { panic(v) } }
	for name, c := range map[string]struct {
		end     func() error
		reason  domain.FailureReason
		message string
	}{
		"a typed nil":                           {fails((*foreignError)(nil)), domain.ReasonPanic, "nil pointer"},
		"a typed nil in a permanent error":      {fails(domain.Permanent((*foreignError)(nil))), domain.ReasonPanic, "nil pointer"},
		"a typed nil behind a delay":            {fails(domain.RetryAfter(time.Hour, (*foreignError)(nil))), domain.ReasonPanic, "nil pointer"},
		"a text that panics":                    {fails(&foreignError{text: func() string { panic("no text") }}), domain.ReasonPanic, "panic: no text"},
		"a text that ends the goroutine":        {fails(&foreignError{text: goexit}), domain.ReasonPanic, "Goexit"},
		"an As that panics":                     {fails(&foreignError{as: func(any) bool { panic("no as") }}), domain.ReasonPanic, "panic: no as"},
		"an As that ends the goroutine":         {fails(&foreignError{as: func(any) bool { runtime.Goexit(); return false }}), domain.ReasonPanic, "Goexit"},
		"an Unwrap that panics":                 {fails(&foreignError{unwrap: func() error { panic("no cause") }}), domain.ReasonPanic, "panic: no cause"},
		"an error that unwraps to itself":       {fails(loop), domain.ReasonError, "foreign"},
		"an error that unwraps to many":         {fails(wideError{}), domain.ReasonError, "wide"},
		"a joined typed nil":                    {fails(errors.Join(errors.New("a"), (*foreignError)(nil))), domain.ReasonPanic, "nil pointer"},
		"a huge text":                           {fails(errors.New(strings.Repeat("x", 64<<20))), domain.ReasonError, "xxx"},
		"a text that is no UTF-8":               {fails(errors.New("\x80\x81" + strings.Repeat("\x82", 1<<20))), domain.ReasonError, "\uFFFD"},
		"a panic with a typed nil":              {panics((*foreignError)(nil)), domain.ReasonPanic, "panic: <nil>"},
		"a panic with a text that panics":       {panics(badText{func() { panic("again") }}), domain.ReasonPanic, "again"},
		"a panic whose panic panics":            {panics(badText{func() { panic(badText{func() { panic("a third time") }}) }}), domain.ReasonPanic, "panics when it is printed"},
		"a panic whose text ends the goroutine": {panics(badText{runtime.Goexit}), domain.ReasonPanic, "panics when it is printed"},
		"a panic with a huge text":              {panics(strings.Repeat("x", 64<<20)), domain.ReasonPanic, "panic: xxx"},
		"a panic with a value without end":      {panics(endless), domain.ReasonPanic, "a value of type []interface {}"},
		"a panic with nil":                      {panics(nil), domain.ReasonPanic, "nil"},
	} {
		inBubble(t, name, func(t *testing.T) {
			var runs journal
			w := startWorld(t, application.SchedulerConfig{Workers: 1}, func(_ context.Context, task *domain.Task) ([]byte, error) {
				if runs.note(task) == 1 {
					return nil, c.end()
				}
				return []byte(`"fine"`), nil
			})
			bad, good := newTestTask(func(t *domain.Task) { t.MaxRetries = 0 }), newTestTask()
			w.enqueue(bad, good)
			settle(3 * time.Millisecond)
			require.Equal(t, domain.TaskStatusCompleted, w.task(good.ID).Status, "the worker lives")
			failed := w.task(bad.ID)
			require.Equal(t, domain.TaskStatusFailed, failed.Status)
			require.Equal(t, c.reason, failed.Errors[0].Reason)
			require.Contains(t, failed.LastError(), c.message)
			require.LessOrEqual(t, len(failed.LastError()), domain.MaxErrorMessage)
			require.True(t, utf8.ValidString(failed.LastError()))
			require.Zero(t, w.stats().BusyWorkers)
			w.stop()
		})
	}
}

func TestAnErrorWhoseTextNeverComesTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		slow := &foreignError{text: func() string { <-release; return "late" }}
		w := startWorld(t, application.SchedulerConfig{Workers: 2}, func(context.Context, *domain.Task) ([]byte, error) {
			return nil, slow
		})
		task := newTestTask(func(t *domain.Task) { t.MaxRetries, t.Timeout = 0, time.Minute })
		w.enqueue(task)
		settle(time.Minute + application.DefaultTimeoutGrace)
		require.Equal(t, domain.ReasonTimeout, w.task(task.ID).Errors[0].Reason)
		close(release)
		synctest.Wait()
		w.stop()
	})
}

func TestASnoozedTaskWaitsUncounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs journal
		w := startWorld(t, application.SchedulerConfig{}, func(_ context.Context, task *domain.Task) ([]byte, error) {
			if runs.note(task) < 4 {
				return nil, fmt.Errorf("the service is down: %w", &foreignError{unwrap: func() error { return domain.Snooze(time.Hour) }})
			}
			return []byte(`"fine"`), nil
		})
		task := newTestTask(func(t *domain.Task) { t.MaxRetries = 0 })
		w.enqueue(task)
		settle(time.Minute)
		got := w.task(task.ID)
		require.Equal(t, domain.TaskStatusPending, got.Status)
		require.WithinDuration(t, time.Now().Add(59*time.Minute), got.ScheduledAt, 0)
		settle(3 * time.Hour)
		got = w.task(task.ID)
		require.Equal(t, domain.TaskStatusCompleted, got.Status)
		require.Equal(t, 1, got.Attempt)
		require.Equal(t, 4, got.Deliveries)
		require.Empty(t, got.Errors)
		require.Zero(t, w.stats().FailedTasks)
		w.stop()
	})
}

func TestWhatAForeignErrorAsksForIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		outer := &foreignError{unwrap: func() error { return domain.RetryAfter(7*time.Second, errors.New("busy")) }}
		w := startWorld(t, application.SchedulerConfig{}, func(context.Context, *domain.Task) ([]byte, error) { return nil, outer })
		task := newTestTask()
		w.enqueue(task)
		synctest.Wait()
		require.WithinDuration(t, time.Now().Add(7*time.Second), w.task(task.ID).ScheduledAt, 0)
		w.stop()
	})
}
