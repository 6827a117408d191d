package sqlitestore

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// TaskQueue is the [ports.TaskQueue] of a [DB]. All queues of one file, in any process,
// are the same queue. It is safe for concurrent use.
type TaskQueue struct {
	db *DB
	// expired counts what claims ended, until the next PromoteDue.
	expired atomic.Int64
}

var _ ports.TaskQueue = (*TaskQueue)(nil)

// Enqueue stores all tasks that are accepted in one transaction.
func (q *TaskQueue) Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	refused := make([]error, len(tasks))
	asked := make([]*domain.Task, len(tasks))
	for i, t := range tasks {
		if refused[i] = ports.ValidateTask(t); refused[i] == nil {
			asked[i] = askedTask(t)
		}
	}
	var stored []*domain.Task
	var errs []error
	err := q.db.writer.do(ctx, "enqueue", func(tx *transaction) (err error) {
		stored, errs = make([]*domain.Task, len(asked)), append([]error(nil), refused...)
		if err := tx.enqueue(asked, stored, errs); err != nil {
			return err
		}
		return tx.completeGathered()
	})
	if err != nil {
		return nil, err
	}
	return stored, domain.NewBatchError(errs)
}

// askedTask returns a task with the fields that a caller may set, as they are
// stored.
func askedTask(t *domain.Task) *domain.Task {
	asked := t.AsEnqueued()
	asked.ScheduledAt, asked.OnConflict = timeOf(microsOf(t.ScheduledAt)), t.OnConflict
	return asked
}

// newTask is a task that is about to be stored.
type newTask struct {
	// place is where it stands among the arguments of the call.
	place int
	asked *domain.Task
	lane  *lane
	seq   int64
	state state
	// wake is what the state has to do with time.
	wake int64
	// given and scheduled are when the caller, and then the store, said that it
	// is due.
	given, scheduled int64
	expires          time.Time
}

// enqueueMany is enqueue for tasks of which none is special.
func (tx *transaction) enqueueMany(asked, stored []*domain.Task, refused []error) error {
	tasks := make([]newTask, 0, len(asked))
	rows := make([]any, 0, 13*len(asked))
	for i, t := range asked {
		if t == nil {
			continue
		}
		n, err := tx.newTask(i, t)
		if err != nil {
			return err
		}
		var key any
		if t.UniqueKey != "" {
			key = bytesOf(t.UniqueKey)
		}
		tasks = append(tasks, n)
		var expires, retention, workflow any
		if !n.expires.IsZero() {
			expires = microsOf(n.expires)
		}
		if t.Retention > 0 {
			retention = t.Retention.Microseconds()
		}
		if t.Workflow != nil {
			// These are all nodes of one.
			retention, workflow = keptWithWorkflow, tasks[0].seq
		}
		rows = append(rows, n.seq, t.ID[:], n.lane.id, int64(n.state), n.wake, n.scheduled, n.seq, key, expires, retention, keyBytes(t), workflow, groupBytes(t))
	}
	inserted, err := tx.insert("INSERT INTO task (seq, id, lane, state, wake_us, scheduled_us, started_us, unique_key, expires_us, retention_us, key, workflow, grp) VALUES ", 13, rows, " ON CONFLICT DO NOTHING")
	if err != nil {
		return err
	}
	var there []newTask
	if inserted < int64(len(tasks)) {
		if tasks, there, err = tx.inserted(tasks); err != nil {
			return err
		}
	}
	rows = rows[:0]
	for _, n := range tasks {
		t := n.asked
		payload := t.Payload
		if payload == nil {
			payload = []byte{} // nil would be NULL.
		}
		rows = append(rows, n.seq, int64(t.MaxRetries), int64(t.Timeout), int64(t.Delay), n.given, payload, traceBlob(t.TraceParent), optionsBlob(t.TaskOptions))
		tx.move(n.lane, member{seq: n.seq, key: t.Key}, 0, n.state)
		tx.emit(t, 0, n.state, "")
		tx.gather(t)
		made := *t
		made.CreatedAt, made.ScheduledAt, made.OnConflict, made.ExpiresAt = timeOf(n.seq), timeOf(n.scheduled), "", n.expires
		stored[n.place] = &made
	}
	if _, err := tx.insert("INSERT INTO contents (seq, max_retries, timeout_ns, delay_ns, given_us, payload, trace, options) VALUES ", 8, rows, ""); err != nil {
		return err
	}
	// After what was stored: a call may name a task twice.
	for _, n := range there {
		if stored[n.place], refused[n.place], err = tx.enqueued(n.asked); err != nil {
			return err
		}
	}
	return nil
}

// newTask decides where and when a task is stored.
func (tx *transaction) newTask(place int, asked *domain.Task) (newTask, error) {
	l, err := tx.lane(laneKey{queue: asked.Queue, typ: asked.Type, priority: asked.Priority, keyed: asked.Key != ""})
	if err != nil {
		return newTask{}, err
	}
	n := newTask{place: place, asked: asked, lane: l, seq: tx.nextSeq(tx.now), state: stateReady, given: microsOf(asked.ScheduledAt)}
	n.scheduled, n.expires = n.given, asked.Expiry(timeOf(n.seq))
	if asked.Delay > 0 {
		// Rounded up: no task is ready before its delay has passed.
		n.scheduled = tx.now + int64((asked.Delay+time.Microsecond-1)/time.Microsecond)
	}
	switch n.wake = tx.now; {
	case len(asked.WaitingFor) > 0:
		n.state, n.wake, n.scheduled = stateScheduled, never, n.given
	case n.scheduled > tx.now:
		n.state, n.wake = stateScheduled, n.scheduled
	}
	return n, nil
}

// inserted tells the tasks that were just inserted from those that were not.
func (tx *transaction) inserted(tasks []newTask) (in, out []newTask, err error) {
	seqs := make([]int64, len(tasks))
	for i, n := range tasks {
		seqs[i] = n.seq
	}
	found, err := tx.numbers("SELECT seq FROM task WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq", seqList(seqs))
	if err != nil {
		return nil, nil, err
	}
	for _, n := range tasks {
		if len(found) > 0 && found[0] == n.seq {
			in, found = append(in, n), found[1:]
		} else {
			out = append(out, n)
		}
	}
	return in, out, nil
}

// enqueued finds out why a task could not be inserted: it is there already, or
// something else holds its id or its unique key.
func (tx *transaction) enqueued(asked *domain.Task) (stored *domain.Task, refused, err error) {
	recs, err := tx.records(shapeWhole, byID, idList([]uuid.UUID{asked.ID}))
	if err != nil {
		return nil, nil, err
	}
	if len(recs) == 0 {
		refused, err := tx.duplicate(asked.UniqueKey, asked.ID)
		if err == nil && refused == nil {
			err = fmt.Errorf("%w: task %s can be neither inserted nor found", domain.ErrCorruptRecord, asked.ID)
		}
		return nil, refused, err
	}
	rec := recs[0]
	if rec.corrupt != nil {
		return nil, rec.corrupt, nil
	}
	if same, err := tx.sameAsStored(rec, asked); err != nil || !same {
		return nil, fmt.Errorf("task %s: %w", asked.ID, domain.ErrTaskExists), err
	}
	rec.task.Stopping = rec.stopping(tx.now)
	return rec.task, nil, loadFailures(tx.statements, rec)
}

// load reads records. list is the JSON array that from takes.
func load(q *statements, as shape, from, list string) ([]*record, error) {
	recs, _, err := readRecords(q, math.MaxInt, as, from, list)
	for _, rec := range recs {
		rec.check(as)
	}
	return recs, err
}

// readRecords reads records that are not checked, up to about so many bytes of payload
// as there is room for, at least one. full is whether it left others.
func readRecords(q *statements, room int, as shape, from, list string) (out []*record, full bool, err error) {
	err = q.each(func(r *row) error {
		rec := readRecord(r, as)
		if full = len(out) > 0 && len(rec.task.Payload) > room; full {
			return errEnough
		}
		room -= len(rec.task.Payload)
		out = append(out, rec)
		return nil
	}, "SELECT "+shapes[as].columns+from+shapes[as].tables, list)
	return out, full, enough(err)
}

// records reads records with their lanes.
func (tx *transaction) records(as shape, from, list string) ([]*record, error) {
	recs, _, err := tx.recordsWithin(math.MaxInt, as, from, list)
	return recs, err
}

// recordsWithin is records for as many bytes as there is room for; see readRecords.
func (tx *transaction) recordsWithin(room int, as shape, from, list string) (recs []*record, full bool, err error) {
	recs, full, err = readRecords(tx.statements, room, as, from, list)
	if err != nil {
		return nil, false, err
	}
	ids := make([]int64, len(recs))
	for i, rec := range recs {
		ids[i] = rec.laneID
	}
	lanes, err := tx.lanesByID(ids)
	if err != nil {
		return nil, false, err
	}
	for i, rec := range recs {
		if rec.lane = lanes[i]; rec.lane != nil {
			rec.task.Queue, rec.task.Type, rec.task.Priority = rec.lane.queue, rec.lane.typ, rec.lane.priority
		}
		rec.check(as)
	}
	return recs, full, nil
}

// loadFailures fills in the errors of the task.
func loadFailures(q *statements, rec *record) error {
	if rec.failures == 0 {
		return nil
	}
	return q.each(func(r *row) error {
		rec.task.Errors = append(rec.task.Errors, domain.TaskError{
			Attempt: int(r.int(0)), Reason: domain.FailureReason(r.text(1)), Message: string(r.blob(2)), Stack: string(r.blob(3)),
			StartedAt: timeOf(r.int(4)), At: timeOf(r.int(5)),
		})
		return r.err
	}, "SELECT attempt, reason, message, stack, started_us, at_us FROM failure WHERE seq = ? ORDER BY n", rec.seq)
}

// loadByID returns records of shapeChange.
func (tx *transaction) loadByID(ids []domain.TaskID) (map[domain.TaskID]*record, error) {
	out := make(map[domain.TaskID]*record, len(ids))
	var missing []domain.TaskID
	for _, id := range ids {
		if rec := tx.held[id]; rec != nil {
			out[id] = rec
		} else {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	recs, err := tx.records(shapeChange, byID, idList(missing))
	if err != nil {
		return nil, err
	}
	for _, rec := range recs {
		out[rec.task.ID] = rec
	}
	return out, nil
}

const updateTask = `UPDATE task SET state = ?, wake_us = ?, scheduled_us = ?, attempt = ?, deliveries = ?, recoveries = ?,
	failures = ?, report = ? WHERE seq = ?`

// save writes a record of shapeChange whose task has made a step, with the failures that
// the step appended. report is what made it, 0 if no report did.
func (tx *transaction) save(rec *record, report int64) error {
	t := rec.task
	next, wake := tx.stateOf(t)
	switch {
	case rec.waits && t.Status == domain.TaskStatusPending:
		next, wake = stateScheduled, never
	case rec.state == stateProcessing && next == stateScheduled && (report == 0 || report == reportReleased):
		// It was taken along with its group before its time, and comes back unasked.
		next, wake = stateReady, tx.now
	}
	for _, e := range t.Errors {
		rec.failures++
		_, err := tx.exec("INSERT INTO failure (seq, n, attempt, reason, message, stack, started_us, at_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			rec.seq, rec.failures, e.Attempt, string(e.Reason), bytesOf(e.Message), bytesOf(e.Stack), microsOf(e.StartedAt), microsOf(e.At))
		if err != nil {
			return err
		}
	}
	if len(t.Errors) > 0 && rec.failures > domain.MaxTaskErrors {
		if _, err := tx.exec("DELETE FROM failure WHERE seq = ? AND n <= ?", rec.seq, rec.failures-domain.MaxTaskErrors); err != nil {
			return err
		}
	}
	_, err := tx.exec(updateTask, int64(next), wake, microsOf(t.ScheduledAt), int64(t.Attempt), int64(t.Deliveries), int64(t.Recoveries),
		rec.failures, report, rec.seq)
	if err != nil {
		return err
	}
	if expires := microsOf(t.ExpiresAt); expires != rec.expires {
		if _, err := tx.exec("UPDATE task SET expires_us = ? WHERE seq = ?", expires, rec.seq); err != nil {
			return err
		}
		rec.expires = expires
	}
	tx.move(rec.lane, rec.member(), rec.state, next)
	if rec.state != next {
		tx.emit(t, rec.state, next, t.LastReason())
	}
	if next != stateProcessing {
		delete(tx.held, t.ID)
	}
	// The record goes on as it is stored: a call may name a task twice.
	rec.state, rec.wake, rec.report, t.Errors = next, wake, report, nil
	return nil
}

// stateOf returns the state of a task, and what that has to do with time.
func (tx *transaction) stateOf(t *domain.Task) (state, int64) {
	switch t.Status {
	case domain.TaskStatusPending:
		if due := microsOf(t.ScheduledAt); due > tx.now {
			return stateScheduled, due
		}
		return stateReady, tx.now
	case domain.TaskStatusProcessing:
		return stateProcessing, microsOf(t.Lease.ExpiresAt)
	case domain.TaskStatusRetrying:
		return stateRetrying, microsOf(t.ScheduledAt)
	case domain.TaskStatusCompleted:
		return stateCompleted, microsOf(t.CompletedAt)
	case domain.TaskStatusFailed:
		return stateFailed, microsOf(t.CompletedAt)
	case domain.TaskStatusCancelled:
		return stateCancelled, microsOf(t.CompletedAt)
	}
	return 0, 0
}
