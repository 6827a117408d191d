package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

var _ ports.TaskEventReader = (*TaskQueue)(nil)

// eventRenewal is how much longer than ports.EventLinger a call that reads has
// events kept, so that not each of them writes.
const eventRenewal = 15 * time.Second

// eventSlack is how many events more than ports.EventsKept are kept, so that not
// each transaction removes some.
const eventSlack = ports.EventsKept / 2

// eventLog is the row of the table event_log.
type eventLog struct{ until, first, last int64 }

const selectEventLog = "SELECT until_us, first_no, last_no FROM event_log"

func readEventLog(q *statements) (l eventLog, err error) {
	err = q.each(func(r *row) error {
		l = eventLog{r.int(0), r.int(1), r.int(2)}
		return r.err
	}, selectEventLog)
	return l, err
}

// emit remembers a step of a task for those who read events, if somebody does.
// from and to are 0 for no state.
func (tx *transaction) emit(t *domain.Task, from, to state, reason domain.FailureReason) {
	if tx.now <= tx.log.until && t.ID != uuid.Nil {
		tx.emitted = append(tx.emitted, emittedStep{t.ID, t.Queue, t.Type, from, to, t.Attempt, reason})
	}
}

// emittedStep is a step that is about to be stored as an event.
type emittedStep struct {
	id       domain.TaskID
	queue    string
	typ      domain.TaskType
	from, to state
	attempt  int
	reason   domain.FailureReason
}

// emitPromoted remembers that tasks which were waiting became ready.
func (tx *transaction) emitPromoted(tasks []dueTask) error {
	if tx.now > tx.log.until {
		return nil
	}
	recs, err := tx.records(shapeChange, bySeq, seqList(seqsOf(tasks)))
	for _, rec := range recs {
		tx.emit(rec.task, rec.state, stateReady, "")
	}
	return err
}

// storeEvents writes the steps of the transaction, and removes what is kept for
// nobody or for too long.
func (tx *transaction) storeEvents() error {
	l := &tx.log
	switch {
	case l.until != 0 && tx.now > l.until:
		l.until, l.first = 0, l.last
	case len(tx.emitted) == 0:
		return nil
	default:
		if err := tx.insertEvents(); err != nil {
			return err
		}
	}
	return tx.saveEventLog()
}

func (tx *transaction) insertEvents() error {
	l := &tx.log
	first := l.last + 1
	l.last += int64(len(tx.emitted))
	if l.last-l.first > ports.EventsKept+eventSlack {
		l.first = l.last - ports.EventsKept
	}
	var rows []any
	for i, s := range tx.emitted {
		if no := first + int64(i); no > l.first {
			rows = append(rows, no, tx.now, s.id[:], s.queue, string(s.typ), int64(s.from), int64(s.to), int64(s.attempt), string(s.reason))
		}
	}
	_, err := tx.insert("INSERT INTO event (no, at_us, task, queue, type, was, became, attempt, reason) VALUES ", 9, rows, "")
	return err
}

// saveEventLog writes what the log is now, and removes the events before it.
func (tx *transaction) saveEventLog() error {
	if _, err := tx.exec("DELETE FROM event WHERE no <= ?", tx.log.first); err != nil {
		return err
	}
	_, err := tx.exec("UPDATE event_log SET until_us = ?, first_no = ?, last_no = ?", tx.log.until, tx.log.first, tx.log.last)
	return err
}

// keepEvents has events kept for those who read, anew if nobody has read for too
// long.
func (tx *transaction) keepEvents() error {
	l := &tx.log
	if tx.now > l.until {
		// A number that no event before can have, even of a file that was replaced.
		l.last = max(l.last+1, tx.now)
		l.first = l.last
	}
	l.until = tx.now + (ports.EventLinger + eventRenewal).Microseconds()
	return tx.saveEventLog()
}

// ReadTaskEvents is woken at once by steps that are made through its own [DB], and
// within watchInterval by those of others.
func (q *TaskQueue) ReadTaskEvents(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error) {
	if err := req.Validate(); err != nil {
		return domain.TaskEventPage{}, err
	}
	after, err := parseCursor(req.After, position{}, eventList)
	if err != nil {
		return domain.TaskEventPage{}, err
	}
	w := q.db.hub.join(nil)
	defer q.db.hub.leave(w)
	end := time.NewTimer(req.Wait)
	defer end.Stop()
	for {
		page, err := q.readEvents(ctx, req, after.major)
		if err != nil || page.Lost || len(page.Events) > 0 || req.After == "" || req.Wait == 0 {
			return page, err
		}
		again := time.NewTimer(q.db.config.PollInterval)
		select {
		case <-ctx.Done():
			err = fmt.Errorf("read task events: %w", ctx.Err())
		case <-q.db.closed:
			err = fmt.Errorf("read task events: %w", domain.ErrClosed)
		case <-end.C:
			again.Stop()
			return page, nil
		case <-w.woken:
		case <-again.C:
		}
		again.Stop()
		if err != nil {
			return domain.TaskEventPage{}, err
		}
	}
}

// eventList is what ties a cursor to the events.
const eventList = "events"

func eventCursor(no int64) string { return cursorOf(position{major: no}, eventList) }

// readEvents returns the events after a number. It writes only if nobody has read
// for a while.
func (q *TaskQueue) readEvents(ctx context.Context, req ports.EventRequest, after int64) (domain.TaskEventPage, error) {
	const action = "read task events"
	var page domain.TaskEventPage
	var kept bool
	look := func(s *statements) error {
		log, err := readEventLog(s)
		// What was kept anew is read, however long that took.
		kept = kept || log.until >= q.db.now()+ports.EventLinger.Microseconds()
		if err != nil || !kept {
			return err
		}
		page, err = eventPage(s, log, req, after)
		return err
	}
	err := q.db.read(ctx, action, look)
	if err == nil && !kept {
		if err = q.db.writer.do(ctx, action, (*transaction).keepEvents); err == nil {
			kept = true
			err = q.db.read(ctx, action, look)
		}
	}
	if err != nil {
		return domain.TaskEventPage{}, err
	}
	return page, nil
}

// eventPage reads a page. One that cannot be read is lost.
func eventPage(s *statements, log eventLog, req ports.EventRequest, after int64) (domain.TaskEventPage, error) {
	now := domain.TaskEventPage{Next: eventCursor(log.last), Lost: req.After != ""}
	if req.After == "" || after < log.first || after > log.last {
		return now, nil
	}
	page := domain.TaskEventPage{Next: req.After}
	err := loadEvents(s, &page, after, req.Max)
	switch {
	case errors.Is(err, domain.ErrCorruptRecord):
		return now, nil
	case err == nil && len(page.Events) > 0:
		page.Next = page.Events[len(page.Events)-1].Cursor
	}
	return page, err
}

// loadEvents fills in the events after a number.
func loadEvents(q *statements, page *domain.TaskEventPage, after int64, limit int) error {
	return q.each(func(r *row) error {
		page.Events = append(page.Events, domain.TaskEvent{
			Cursor: eventCursor(r.int(0)), At: timeOf(r.int(1)), TaskID: r.uuid(2), Queue: r.text(3), Type: domain.TaskType(r.text(4)),
			From: statusOf(r.int(5)), To: statusOf(r.int(6)), Attempt: int(min(r.int(7), math.MaxInt32)), Reason: domain.FailureReason(r.text(8)),
		})
		return r.err
	}, "SELECT no, at_us, task, queue, type, was, became, attempt, reason FROM event WHERE no > ? ORDER BY no LIMIT ?", after, limit)
}

// statusOf is the status of a state, 0 if there is none.
func statusOf(n int64) domain.TaskStatus {
	if s := state(n); s.valid() {
		return statuses[s]
	}
	return 0
}
