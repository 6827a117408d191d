package memstore

import (
	"time"

	"logsift/domain"
)

// holder returns who holds the task's unique key, if it has one and another holds it.
func (q *TaskQueue) holder(t *domain.Task, now time.Time) (id domain.TaskID, held bool) {
	h, held := q.unique[t.UniqueKey]
	if held && !h.until.IsZero() && !h.until.After(now) {
		delete(q.unique, t.UniqueKey)
		held = false
	}
	return h.id, held
}

// hold gives the task its unique key, if it has one that it holds in some states.
func (q *TaskQueue) hold(t *domain.Task) {
	if t.UniqueKey != "" && t.UniqueFor == 0 {
		q.unique[t.UniqueKey] = holder{id: t.ID}
	}
}

// free takes the unique key from the task, unless it has that for a time.
func (q *TaskQueue) free(t *domain.Task) {
	if h := q.unique[t.UniqueKey]; h.id == t.ID && h.until.IsZero() {
		delete(q.unique, t.UniqueKey)
	}
}

// stopped takes the unique key from a task that kept it since it was cancelled while it ran.
func (q *TaskQueue) stopped(t *domain.Task) {
	if t.UniqueFor == 0 && q.unique[t.UniqueKey].id == t.ID {
		delete(q.unique, t.UniqueKey)
	}
}

// forget frees the unique keys whose time has passed.
func (q *TaskQueue) forget(now time.Time) {
	for key, h := range q.unique {
		if !h.until.IsZero() && !h.until.After(now) {
			delete(q.unique, key)
		}
	}
}

// conflict does what is asked for if a task holds the unique key of another.
func (q *TaskQueue) conflict(t *domain.Task, id domain.TaskID, what domain.OnConflict, now time.Time) (*domain.Task, error) {
	old, ok := q.tasks[id]
	switch {
	case ok && what == domain.ConflictKeep:
		return q.shown(old), nil
	case ok && what == domain.ConflictReplace:
		asked := *old
		asked.ScheduledAt = q.asked[id].scheduled
		if q.replaced[id] == t.ID && asked.SameReplacement(t) {
			return old.Clone(), nil
		}
		if old.Replaceable(t) {
			return q.replace(old, t, now).Clone(), nil
		}
	}
	return nil, &domain.DuplicateError{UniqueKey: t.UniqueKey, Holder: id}
}

// replace puts a task that does what by asks for in the place of old.
func (q *TaskQueue) replace(old, by *domain.Task, now time.Time) *domain.Task {
	// What is left of the old one in the heaps is stale by that.
	t := old.Clone()
	t.Payload, t.Priority, t.Delay, t.ScheduledAt = by.Payload, by.Priority, by.Delay, by.ScheduledAt
	q.asked[t.ID], q.replaced[t.ID], q.tasks[t.ID] = asked{by.ScheduledAt, q.asked[t.ID].expires}, by.ID, t
	if !t.ExpiresAt.IsZero() {
		q.expiries.push(entry{t.ExpiresAt.UnixMicro(), t})
	}
	if t.Delay > 0 {
		t.ScheduledAt = now.Add(t.Delay)
	}
	delete(q.waiting, t.ID)
	q.regroup(old)
	q.emit(t, t.Status, t.Status, "")
	q.place(t, now)
	return t
}
