package ports

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"logsift/domain"
)

// EventRequest asks for a part of the stream of events.
type EventRequest struct {
	// After is the cursor to go on after; "" begins now, with no events, at once.
	After string
	// Max is how many events to return at most, from 1 to MaxEvents. A page may be
	// shorter although there are more.
	Max int
	// Wait is how long to wait for an event if there is none; 0 for not at all. The
	// call is woken by a step of this or another process, without polling in
	// between.
	Wait time.Duration
}

// Validate checks Max and Wait. The error is a *domain.ValidationError.
func (r EventRequest) Validate() error {
	switch {
	case r.Max < 1 || r.Max > MaxEvents:
		return &domain.ValidationError{Field: "max", Value: strconv.Itoa(r.Max), Rule: fmt.Sprintf("must be between 1 and %d", MaxEvents)}
	case r.Wait < 0:
		return &domain.ValidationError{Field: "wait", Value: r.Wait.String(), Rule: "must not be negative"}
	}
	return nil
}

// MaxEvents bounds an EventRequest. EventsKept is how many events a store keeps at
// least while somebody reads; each of its partitions keeps twice as many at most.
const (
	MaxEvents  = 1000
	EventsKept = 10_000
)

// EventLinger is how long a store goes on keeping events, at least, after the last
// call that read them: within it, a reader may come back and miss nothing.
const EventLinger = time.Minute

// TaskEventReader reads the steps that tasks take, in any process.
// The rules of [TaskQueue] about time, concurrent calls, contexts and unavailable
// stores hold here too.
type TaskEventReader interface {
	// ReadTaskEvents returns the events after a place, oldest first. Reading never
	// holds up the queue, and a reader holds nothing in the store: it may go away,
	// or go on in another process. A store that nobody reads from need not keep
	// events, so that the queue pays nothing for them then; it begins with the
	// first call and goes on for EventLinger after the last.
	//
	// Every step of a task is one event: the enqueue, a claim, a scheduled or
	// RETRYING task that became ready, a report, a release, a recovery, a
	// cancellation, a deletion, a removal after the retention. What is not a step is
	// none: an extended lease, a repeated or refused call.
	//
	// The events of one task come in the order of its steps; those of several are
	// in order where they share a partition of the store. Each step after the
	// first call's return is told exactly once to a reader that goes on from Next,
	// or from the cursor of an event, unless a page has Lost set: then some after
	// After are not kept any more. Such a page has no events and begins now, as "" does.
	//
	// When ctx ends while it waits, it returns the context's error. Errors:
	// domain.ErrInvalid for Max and Wait, domain.ErrInvalidCursor for an After that
	// no page gave.
	ReadTaskEvents(ctx context.Context, req EventRequest) (domain.TaskEventPage, error)
}
