package sqlitestore

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// TaskQueue is a [ports.TaskQueue] in a [DB]. It is safe for concurrent use.
type TaskQueue struct{ db *DB }

var _ ports.TaskQueue = (*TaskQueue)(nil)

// NewTaskQueue returns the queue of the store. All queues of one file, in any
// process, are the same queue.
func NewTaskQueue(db *DB) *TaskQueue { return &TaskQueue{db: db} }

const insertTask = `INSERT INTO task (seq, id, lane, state, wake_us, unique_key, max_retries, timeout_ns, delay_ns, given_us, scheduled_us, payload_size)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`

// Enqueue stores the tasks, all that are accepted in one transaction, as
// [ports.TaskEnqueuer] says.
func (q *TaskQueue) Enqueue(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	refused := make([]error, len(tasks))
	asked := make([]*domain.Task, len(tasks))
	for i, t := range tasks {
		if t == nil {
			refused[i] = &domain.ValidationError{Field: "task", Rule: "must not be nil"}
		} else if refused[i] = t.Validate(); refused[i] == nil {
			asked[i] = askedTask(t)
		}
	}
	var stored []*domain.Task
	var errs []error
	err := q.db.writer.do(ctx, "enqueue", func(tx *transaction) error {
		stored, errs = make([]*domain.Task, len(asked)), append([]error(nil), refused...)
		for i, t := range asked {
			if t == nil {
				continue
			}
			var err error
			if stored[i], errs[i], err = tx.enqueue(t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return stored, domain.NewBatchError(errs)
}

// askedTask returns a task with the fields that a caller may set, as they are
// stored.
func askedTask(t *domain.Task) *domain.Task {
	return &domain.Task{
		ID: t.ID, Type: t.Type, Queue: t.Queue, Payload: bytes.Clone(t.Payload), Priority: t.Priority,
		MaxRetries: t.MaxRetries, Timeout: t.Timeout, UniqueKey: t.UniqueKey, Delay: t.Delay,
		ScheduledAt: timeOf(microsOf(t.ScheduledAt)), Status: domain.TaskStatusPending,
	}
}

// enqueue stores one task. It returns it as stored, or why it is refused.
func (tx *transaction) enqueue(asked *domain.Task) (stored *domain.Task, refused, err error) {
	l, err := tx.lane(laneKey{queue: asked.Queue, typ: asked.Type, priority: asked.Priority})
	if err != nil {
		return nil, nil, err
	}
	seq, given := tx.nextSeq(), microsOf(asked.ScheduledAt)
	scheduled := given
	if asked.Delay > 0 {
		// Rounded up: no task is ready before its delay has passed.
		scheduled = tx.now + int64((asked.Delay+time.Microsecond-1)/time.Microsecond)
	}
	st, wake := stateReady, int64(0)
	if scheduled > tx.now {
		st, wake = stateScheduled, scheduled
	}
	var key any
	if asked.UniqueKey != "" {
		key = bytesOf(asked.UniqueKey)
	}
	n, err := tx.exec(insertTask, seq, asked.ID[:], l.id, int64(st), wake, key, asked.MaxRetries,
		int64(asked.Timeout), int64(asked.Delay), given, scheduled, len(asked.Payload))
	if err != nil {
		return nil, nil, err
	}
	if n == 0 {
		return tx.enqueued(asked)
	}
	if len(asked.Payload) > 0 {
		if _, err := tx.exec("INSERT INTO payload (seq, data) VALUES (?, ?)", seq, asked.Payload); err != nil {
			return nil, nil, err
		}
	}
	tx.move(l, 0, st)
	made := *asked
	made.CreatedAt, made.ScheduledAt = timeOf(seq), timeOf(scheduled)
	made.Payload = bytes.Clone(asked.Payload)
	return &made, nil, nil
}

// enqueued finds out why a task could not be inserted: it is there already, or
// something else holds its id or its unique key.
func (tx *transaction) enqueued(asked *domain.Task) (stored *domain.Task, refused, err error) {
	recs, err := load(tx.statements, wholeColumns, fromIDs, idList([]uuid.UUID{asked.ID}))
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
	before := *rec.task
	before.ScheduledAt = timeOf(rec.given)
	if !before.SameContents(asked) {
		return nil, fmt.Errorf("task %s: %w", asked.ID, domain.ErrTaskExists), nil
	}
	return rec.task, nil, loadFailures(tx.statements, rec)
}

// duplicate returns the *domain.DuplicateError if an unfinished task other than
// id holds the unique key.
func (tx *transaction) duplicate(key string, id domain.TaskID) (refused, err error) {
	if key == "" {
		return nil, nil
	}
	err = tx.each(func(r *row) error {
		if holder := r.uuid(0); holder != id {
			refused = &domain.DuplicateError{UniqueKey: key, Holder: holder}
		}
		return r.err
	}, "SELECT id FROM task WHERE unique_key = ? AND unique_key IS NOT NULL AND state <= 4", bytesOf(key))
	return refused, err
}

// load reads records. list is the JSON array that from takes.
func load(q *statements, columns, from, list string) ([]*record, error) {
	var out []*record
	err := q.each(func(r *row) error {
		out = append(out, readRecord(r, columns == bareColumns))
		return nil
	}, "SELECT "+columns+from, list)
	return out, err
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

// loadByID reads bare records for a change of state.
func (tx *transaction) loadByID(ids []domain.TaskID) (map[domain.TaskID]*record, error) {
	recs, err := load(tx.statements, bareColumns, fromIDs, idList(ids))
	if err != nil {
		return nil, err
	}
	out := make(map[domain.TaskID]*record, len(recs))
	for _, rec := range recs {
		rec.lane = tx.lanes.byID[rec.laneID]
		out[rec.task.ID] = rec
	}
	return out, nil
}

const updateTask = `UPDATE task SET state = ?, wake_us = ?, claim = ?, attempt = ?, deliveries = ?, recoveries = ?,
	scheduled_us = ?, started_us = ?, completed_us = ?, failures = ?, report = ? WHERE seq = ?`

// save writes a bare record whose task has made a step, with the failures that
// the step appended. report is what made it, 0 if no report did.
func (tx *transaction) save(rec *record, report int64) error {
	t := rec.task
	next, wake := tx.stateOf(t)
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
	_, err := tx.exec(updateTask, int64(next), wake, idOrNull(rec.claim), t.Attempt, t.Deliveries, t.Recoveries,
		microsOf(t.ScheduledAt), microsOf(t.StartedAt), microsOf(t.CompletedAt), rec.failures, report, rec.seq)
	if err != nil {
		return err
	}
	tx.move(rec.lane, rec.state, next)
	// The record goes on as it is stored: a call may name a task twice.
	rec.state, rec.wake, rec.report, t.Errors = next, wake, report, nil
	return nil
}

// stateOf returns the state of a task and when that asks for attention.
func (tx *transaction) stateOf(t *domain.Task) (state, int64) {
	switch t.Status {
	case domain.TaskStatusPending:
		if due := microsOf(t.ScheduledAt); due > tx.now {
			return stateScheduled, due
		}
		return stateReady, 0
	case domain.TaskStatusProcessing:
		return stateProcessing, microsOf(t.Lease.ExpiresAt)
	case domain.TaskStatusRetrying:
		return stateRetrying, microsOf(t.ScheduledAt)
	case domain.TaskStatusCompleted:
		return stateCompleted, tx.now
	case domain.TaskStatusFailed:
		return stateFailed, tx.now
	case domain.TaskStatusCancelled:
		return stateCancelled, tx.now
	}
	return 0, 0
}

// limitError checks the limit of a maintenance call.
func limitError(limit, most int) error {
	if limit < 1 || limit > most {
		return &domain.ValidationError{Field: "limit", Value: fmt.Sprint(limit), Rule: fmt.Sprintf("must be between 1 and %d", most)}
	}
	return nil
}
