package sqlitestore

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
)

// Values of task.hold: who holds the unique key of a task.
const (
	holdUnfinished = iota
	holdWaiting
	holdLetGo
	holdForTime
)

// special reports whether a task is to be enqueued by itself, since its unique key may ask
// for more than the index of unique keys does. timed is whether there are keys that are
// held for a time.
func special(t *domain.Task, timed bool) bool {
	return t.UniqueKey != "" && (timed || t.OnConflict != "" || t.UniqueWhile != "" || t.UniqueFor > 0)
}

// enqueue stores the tasks that are not nil, in their order. It fills in stored, or why a
// task is refused.
func (tx *transaction) enqueue(asked, stored []*domain.Task, refused []error) error {
	first, looked, timed := 0, false, false
	for i, t := range asked {
		if t == nil || t.UniqueKey == "" {
			continue
		}
		if !looked {
			var err error
			if _, timed, err = tx.number("SELECT 1 FROM unique_until LIMIT 1"); err != nil {
				return err
			}
			looked = true
		}
		timed = timed || t.UniqueFor > 0
		if !special(t, timed) {
			continue
		}
		if err := tx.enqueueMany(asked[first:i], stored[first:i], refused[first:i]); err != nil {
			return err
		}
		var err error
		if stored[i], refused[i], err = tx.enqueueUnique(t); err != nil {
			return err
		}
		first = i + 1
	}
	return tx.enqueueMany(asked[first:], stored[first:], refused[first:])
}

// enqueueUnique stores one task that has a unique key, or does what it asks for if
// another holds the key.
func (tx *transaction) enqueueUnique(t *domain.Task) (stored *domain.Task, refused, err error) {
	_, known, err := tx.number("SELECT seq FROM task WHERE id = ?", t.ID[:])
	if err != nil {
		return nil, nil, err
	}
	if known {
		return tx.enqueued(t)
	}
	holder, held, err := tx.holder(t.UniqueKey)
	if err != nil {
		return nil, nil, err
	}
	if held {
		return tx.conflict(t, holder)
	}
	out, errs := make([]*domain.Task, 1), make([]error, 1)
	if err := tx.enqueueMany([]*domain.Task{t}, out, errs); err != nil || errs[0] != nil {
		return nil, errs[0], err
	}
	switch {
	case t.UniqueFor > 0:
		until := tx.now + int64((t.UniqueFor+time.Microsecond-1)/time.Microsecond)
		_, err = tx.exec("INSERT INTO unique_until (key, task, until_us) VALUES (?, ?, ?)", bytesOf(t.UniqueKey), t.ID[:], until)
		if err == nil {
			err = tx.setHold(holdForTime, microsOf(out[0].CreatedAt))
		}
	case t.UniqueWhile == domain.UniqueWhileWaiting:
		err = tx.setHold(holdWaiting, microsOf(out[0].CreatedAt))
	}
	return out[0], nil, err
}

// setHold notes who holds the unique keys of tasks.
func (tx *transaction) setHold(hold int64, seqs ...int64) error {
	if len(seqs) == 0 {
		return nil
	}
	_, err := tx.exec("UPDATE task SET hold = ? WHERE seq IN (SELECT value FROM json_each(?))", hold, seqList(seqs))
	return err
}

// holder returns which task holds a unique key. It forgets one whose time has passed.
func (tx *transaction) holder(key string) (id domain.TaskID, held bool, err error) {
	if key == "" {
		return id, false, nil
	}
	expired := false
	err = tx.each(func(r *row) error {
		id, held = r.uuid(0), r.int(1) > tx.now
		expired = !held
		return r.err
	}, "SELECT task, until_us FROM unique_until WHERE key = ?", bytesOf(key))
	if err != nil || held {
		return id, held, err
	}
	if expired {
		if _, err := tx.exec("DELETE FROM unique_until WHERE key = ?", bytesOf(key)); err != nil {
			return id, false, err
		}
	}
	err = tx.each(func(r *row) error {
		id, held = r.uuid(0), true
		return r.err
	}, "SELECT id FROM task WHERE unique_key = ? AND unique_key IS NOT NULL AND state <= 4 AND hold < 2", bytesOf(key))
	return id, held, err
}

// duplicate returns the *domain.DuplicateError if a task other than id holds the unique
// key.
func (tx *transaction) duplicate(key string, id domain.TaskID) (refused, err error) {
	holder, held, err := tx.holder(key)
	if err == nil && held && holder != id {
		refused = &domain.DuplicateError{UniqueKey: key, Holder: holder}
	}
	return refused, err
}

// retake has a task that a person runs again take its unique key.
func (tx *transaction) retake(rec *record) (refused, err error) {
	if rec.task.UniqueKey == "" {
		return nil, nil
	}
	hold, _, err := tx.number("SELECT hold FROM task WHERE seq = ?", rec.seq)
	if err != nil || hold == holdForTime {
		return nil, err
	}
	refused, err = tx.duplicate(rec.task.UniqueKey, rec.task.ID)
	if err == nil && refused == nil {
		err = tx.dropKept(rec)
	}
	if err == nil && refused == nil && hold == holdLetGo {
		err = tx.setHold(holdWaiting, rec.seq)
	}
	return refused, err
}

// conflict does what is asked for if a task holds the unique key of another.
func (tx *transaction) conflict(t *domain.Task, holder domain.TaskID) (stored *domain.Task, refused, err error) {
	refused = &domain.DuplicateError{UniqueKey: t.UniqueKey, Holder: holder}
	if t.OnConflict == domain.ConflictReject {
		return nil, refused, nil
	}
	recs, err := tx.records(shapeWhole, byID, idList([]uuid.UUID{holder}))
	if err != nil || len(recs) == 0 || recs[0].corrupt != nil {
		return nil, refused, err
	}
	rec := recs[0]
	if t.OnConflict == domain.ConflictReplace {
		by, err := tx.replacedBy(rec)
		if err != nil {
			return nil, nil, err
		}
		before := *rec.task
		before.ScheduledAt, before.TaskOptions = timeOf(rec.given), rec.options
		if by != t.ID || !before.SameReplacement(t) {
			if !rec.task.Replaceable(t) {
				return nil, refused, nil
			}
			if err := tx.replace(rec, t); err != nil {
				return nil, nil, err
			}
		}
	}
	rec.task.Stopping = rec.stopping(tx.now)
	return rec.task, nil, loadFailures(tx.statements, rec)
}

// replacedBy returns which task replaced what a task does last, the nil id for none.
func (tx *transaction) replacedBy(rec *record) (by domain.TaskID, err error) {
	err = tx.each(func(r *row) error {
		by = r.uuid(0)
		return r.err
	}, "SELECT replaced_by FROM contents WHERE seq = ?", rec.seq)
	return by, err
}

// replace changes what a waiting task does, of which rec is of shapeWhole.
func (tx *transaction) replace(rec *record, by *domain.Task) error {
	// It keeps its key, and so its place.
	made := *by
	made.Key = rec.task.Key
	n, err := tx.newTask(0, &made)
	if err != nil {
		return err
	}
	if _, err := tx.exec("UPDATE task SET lane = ?, state = ?, wake_us = ?, scheduled_us = ?, report = 0 WHERE seq = ?",
		n.lane.id, int64(n.state), n.wake, n.scheduled, rec.seq); err != nil {
		return err
	}
	if _, err := tx.exec("UPDATE contents SET delay_ns = ?, given_us = ?, payload = ?, replaced_by = ? WHERE seq = ?",
		int64(by.Delay), n.given, bytesOf(string(by.Payload)), by.ID[:], rec.seq); err != nil {
		return err
	}
	if rec.lane != n.lane || rec.state != n.state {
		tx.move(rec.lane, rec.member(), rec.state, 0)
		tx.move(n.lane, rec.member(), 0, n.state)
	} else {
		// It may be due sooner.
		tx.notify(n.lane)
	}
	t := rec.task
	t.Payload, t.Priority, t.Delay, t.ScheduledAt = by.Payload, by.Priority, by.Delay, timeOf(n.scheduled)
	tx.emit(t, rec.state, n.state, "")
	return nil
}

// sameAsStored reports whether a repeated enqueue asks for what is stored.
func (tx *transaction) sameAsStored(rec *record, asked *domain.Task) (bool, error) {
	before := *rec.task
	before.ScheduledAt = timeOf(rec.given)
	if before.SameContents(asked) || !before.SameOrigin(asked) {
		return before.SameContents(asked), nil
	}
	by, err := tx.replacedBy(rec)
	if err != nil {
		return false, fmt.Errorf("task %s: %w", asked.ID, err)
	}
	return by != uuid.Nil, nil
}

// letGoUnique frees the unique keys that tasks hold until they are claimed.
func (tx *transaction) letGoUnique(claimed []*domain.Task) error {
	var seqs []int64
	for _, t := range claimed {
		if t.UniqueWhile == domain.UniqueWhileWaiting {
			seqs = append(seqs, microsOf(t.CreatedAt))
		}
	}
	return tx.setHold(holdLetGo, seqs...)
}

// keepUnique has a task hold its unique key, if it does, until its run has stopped or the
// lease of that has ended: it is cancelled.
func (tx *transaction) keepUnique(rec *record) error {
	_, err := tx.exec("INSERT OR REPLACE INTO unique_until (key, task, until_us) SELECT unique_key, id, ? FROM task WHERE seq = ? AND hold < 2", rec.stops, rec.seq)
	return err
}

// dropKept ends what keepUnique began.
func (tx *transaction) dropKept(rec *record) error {
	if rec.task.UniqueKey == "" {
		return nil
	}
	_, err := tx.exec("DELETE FROM unique_until WHERE key = ? AND task = ? AND (SELECT hold FROM task WHERE seq = ?) < 2",
		bytesOf(rec.task.UniqueKey), rec.task.ID[:], rec.seq)
	return err
}

// forgetUnique removes some unique keys whose time has passed.
func (tx *transaction) forgetUnique() error {
	_, err := tx.exec("DELETE FROM unique_until WHERE key IN (SELECT key FROM unique_until WHERE until_us <= ? ORDER BY until_us LIMIT ?)", tx.now, maxBatch)
	return err
}
