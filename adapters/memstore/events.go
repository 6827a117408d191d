package memstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// eventLog is the newest steps, kept while somebody reads them. The queue's lock
// guards it.
type eventLog struct {
	// until is how long the readers are waited for.
	until time.Time
	// last is the number of the newest event, first that of the newest which is not
	// kept any more: whoever has seen it, or one after it, has missed nothing. Numbers
	// rise for ever, since a new log begins at the time in microseconds.
	first, last int64
	// ring holds the event of each number after first, at the number modulo its
	// length.
	ring []domain.TaskEvent
	// more is closed when there are more; nil if nobody waits.
	more chan struct{}
}

var _ ports.TaskEventReader = (*TaskQueue)(nil)

// emit tells of a step, which is made already, but for the place of a ready task: to those who
// read, to the limits, to its group, and to what waits for the task. Callers hold mu.
func (q *TaskQueue) emit(t *domain.Task, from, to domain.TaskStatus, reason domain.FailureReason) {
	q.limit(t, from, to)
	if to != domain.TaskStatusPending {
		q.regroup(t)
	}
	q.record(t, from, to, reason)
	q.follow(t, from, to)
}

// record keeps a step for those who read.
func (q *TaskQueue) record(t *domain.Task, from, to domain.TaskStatus, reason domain.FailureReason) {
	e := &q.events
	if e.until.IsZero() {
		return
	}
	now := q.cfg.now()
	if now.After(e.until) {
		*e = eventLog{last: e.last, more: e.more}
		return
	}
	e.last++
	if e.last-e.first > int64(len(e.ring)) {
		e.first++
	}
	e.ring[e.last%int64(len(e.ring))] = domain.TaskEvent{
		Cursor: encodeEventCursor(e.last), TaskID: t.ID, Type: t.Type, Queue: t.Queue,
		From: from, To: to, Attempt: t.Attempt, Reason: reason, At: now,
	}
	if e.more != nil {
		close(e.more)
		e.more = nil
	}
}

func (q *TaskQueue) ReadTaskEvents(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error) {
	if err := req.Validate(); err != nil {
		return domain.TaskEventPage{}, err
	}
	after, err := decodeEventCursor(req.After)
	if err != nil {
		return domain.TaskEventPage{}, err
	}
	timer := time.NewTimer(req.Wait)
	defer timer.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return domain.TaskEventPage{}, fmt.Errorf("read task events: %w", err)
		}
		page, more := q.readEvents(req, after)
		if req.After == "" || page.Lost || len(page.Events) > 0 || req.Wait == 0 {
			return page, nil
		}
		renew := time.NewTimer(ports.EventLinger / 2)
		select {
		case <-more:
		case <-renew.C:
		case <-timer.C:
			renew.Stop()
			return page, nil
		case <-ctx.Done():
		}
		renew.Stop()
	}
}

// readEvents returns what there is after a number, and what is closed when there
// is more.
func (q *TaskQueue) readEvents(req ports.EventRequest, after int64) (domain.TaskEventPage, <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e, now := &q.events, q.cfg.now()
	if e.until.Before(now) {
		begin := max(now.UnixMicro(), e.last+1)
		*e = eventLog{first: begin, last: begin, ring: make([]domain.TaskEvent, ports.EventsKept), more: e.more}
	}
	e.until = now.Add(ports.EventLinger)
	if e.more == nil {
		e.more = make(chan struct{})
	}
	page := domain.TaskEventPage{Next: req.After}
	switch {
	case req.After == "" || after < e.first || after > e.last:
		page.Next, page.Lost = encodeEventCursor(e.last), req.After != ""
	default:
		for n := after + 1; n <= min(e.last, after+int64(req.Max)); n++ {
			page.Events = append(page.Events, e.ring[n%int64(len(e.ring))])
			page.Next = page.Events[len(page.Events)-1].Cursor
		}
	}
	return page, e.more
}

// The cursor of an event is its number, as 16 digits.
const eventCursorPrefix = "m1e."

func encodeEventCursor(n int64) string { return fmt.Sprintf("%s%016x", eventCursorPrefix, n) }

func decodeEventCursor(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(cursor, eventCursorPrefix), 16, 64)
	if err != nil || cursor != encodeEventCursor(n) {
		return 0, fmt.Errorf("%w: it is not one of this stream's", domain.ErrInvalidCursor)
	}
	return n, nil
}
