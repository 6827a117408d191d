package ports

//go:generate go tool mockgen -source=$GOFILE -destination=../mocks/$GOFILE -package=mocks -write_package_comment=false

import (
	"context"
	"time"

	"logsift/domain"
)

// EventRequest asks for a part of the stream of events.
type EventRequest struct {
	// After is the cursor to go on after; "" begins now, with no events.
	After string
	// Max is how many events to return at most, from 1 to MaxEvents.
	Max int
	// Wait is how long to wait for an event if there is none; 0 for not at all.
	Wait time.Duration
}

// MaxEvents bounds an EventRequest, and EventsKept is how many events a store
// keeps at least while somebody reads.
const (
	MaxEvents  = 1000
	EventsKept = 10_000
)

// EventLinger is how long a store goes on keeping events, at least, after the last
// call that read them: within it, a reader may come back and miss nothing.
const EventLinger = time.Minute

// TaskEventReader tells of the steps that tasks take, whichever process makes them.
// The rules of [TaskQueue] about time, concurrent calls, contexts and unavailable
// stores hold here too.
type TaskEventReader interface {
	// ReadTaskEvents returns the events after a place, oldest first. Reading never
	// holds up the queue, and a reader holds nothing in the store: it may go away,
	// or go on in another process. A store that nobody reads from need not keep
	// events, so that the queue pays nothing for them then; it begins with the
	// first call and goes on for EventLinger after the last.
	//
	// The events of one task come in the order of its steps; those of several are
	// in order where they share a partition of the store. Each step from the first
	// call's return on is told exactly once to a reader that goes on from Next,
	// unless a page has Lost set: then After is older than what is kept.
	//
	// When ctx ends while it waits, it returns the context's error. Errors:
	// domain.ErrInvalid for Max and Wait, domain.ErrInvalidCursor for an After that
	// no page gave.
	ReadTaskEvents(ctx context.Context, req EventRequest) (domain.TaskEventPage, error)
}
