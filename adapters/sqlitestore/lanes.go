package sqlitestore

import "logsift/domain"

// state is a status, with PENDING split by whether the time of the task has
// come. The numbers are those of the column task.state.
type state int64

const (
	stateReady state = iota + 1
	stateScheduled
	stateProcessing
	stateRetrying
	stateCompleted
	stateFailed
	stateCancelled
	stateEnd
)

// statuses maps states to statuses.
var statuses = [stateEnd]domain.TaskStatus{
	stateReady:      domain.TaskStatusPending,
	stateScheduled:  domain.TaskStatusPending,
	stateProcessing: domain.TaskStatusProcessing,
	stateRetrying:   domain.TaskStatusRetrying,
	stateCompleted:  domain.TaskStatusCompleted,
	stateFailed:     domain.TaskStatusFailed,
	stateCancelled:  domain.TaskStatusCancelled,
}

// valid reports whether s is one of the constants.
func (s state) valid() bool { return s >= stateReady && s < stateEnd }

// laneKey is what the tasks of a lane share.
type laneKey struct {
	queue    string
	typ      domain.TaskType
	priority domain.Priority
}

// lane is a row of the table lane.
type lane struct {
	laneKey
	id     int64
	counts [stateEnd]int64
	// dirty is whether the row in the file is older.
	dirty bool
}

// tasks is how many tasks the lane has.
func (l *lane) tasks() (n int64) {
	for _, count := range l.counts {
		n += count
	}
	return n
}

// laneMirror holds the table lane in memory, so that a claim knows where to look
// and counts are written once for each transaction. It belongs to the writer.
type laneMirror struct {
	byID  map[int64]*lane
	byKey map[laneKey]*lane
	// lastSeq is the newest creation time; clockDirty is whether the file has
	// an older one.
	lastSeq    int64
	clockDirty bool
	// version is SQLite's change counter when the mirror was read. It does not
	// count the writer's own commits, which the mirror follows by itself.
	version int64
	// valid is false before the first load and after a rollback.
	valid bool
}

const selectLanes = `SELECT id, queue, type, priority,
	ready, scheduled, processing, retrying, completed, failed, cancelled FROM lane`

// readLane reads a row of selectLanes.
func readLane(r *row) *lane {
	l := &lane{
		id:      r.int(0),
		laneKey: laneKey{queue: r.text(1), typ: domain.TaskType(r.text(2)), priority: domain.Priority(r.int(3))},
	}
	for s := stateReady; s < stateEnd; s++ {
		l.counts[s] = r.int(3 + int(s))
	}
	return l
}

// load reads the table again if another connection has written since. The
// caller has begun a transaction, so that nobody writes from here on.
func (m *laneMirror) load(q *statements) error {
	version, _, err := q.number("PRAGMA data_version")
	if err != nil || m.valid && version == m.version {
		return err
	}
	m.byID, m.byKey = make(map[int64]*lane), make(map[laneKey]*lane)
	err = q.each(func(r *row) error {
		l := readLane(r)
		m.byID[l.id], m.byKey[l.laneKey] = l, l
		return r.err
	}, selectLanes)
	if err != nil {
		return err
	}
	// The table of tasks has the last word, so that a clock row that went back
	// cannot make two tasks of one time.
	m.lastSeq, _, err = q.number("SELECT max((SELECT last_us FROM clock), ifnull((SELECT max(seq) FROM task), 0))")
	if err != nil {
		return err
	}
	m.clockDirty, m.version, m.valid = false, version, true
	return nil
}

// store writes what changed since load. A lane without tasks is removed, so
// that names once used cost nothing.
func (m *laneMirror) store(q *statements) error {
	for _, l := range m.byID {
		if !l.dirty {
			continue
		}
		l.dirty = false
		if l.tasks() == 0 {
			if _, err := q.exec("DELETE FROM lane WHERE id = ?", l.id); err != nil {
				return err
			}
			delete(m.byID, l.id)
			delete(m.byKey, l.laneKey)
			continue
		}
		c := &l.counts
		_, err := q.exec(`UPDATE lane SET ready = ?, scheduled = ?, processing = ?, retrying = ?,
			completed = ?, failed = ?, cancelled = ? WHERE id = ?`,
			c[stateReady], c[stateScheduled], c[stateProcessing], c[stateRetrying],
			c[stateCompleted], c[stateFailed], c[stateCancelled], l.id)
		if err != nil {
			return err
		}
	}
	if m.clockDirty {
		m.clockDirty = false
		_, err := q.exec("UPDATE clock SET last_us = ? WHERE id = 1", m.lastSeq)
		return err
	}
	return nil
}

// lane returns the lane with this key, made if there was none.
func (tx *transaction) lane(key laneKey) (*lane, error) {
	if l, ok := tx.lanes.byKey[key]; ok {
		return l, nil
	}
	id, _, err := tx.number("INSERT INTO lane (queue, type, priority) VALUES (?, ?, ?) RETURNING id",
		key.queue, string(key.typ), int64(key.priority))
	if err != nil {
		return nil, err
	}
	l := &lane{laneKey: key, id: id, dirty: true}
	tx.lanes.byID[id], tx.lanes.byKey[key] = l, l
	return l, nil
}

// total is how many tasks are in the state, over all lanes.
func (m *laneMirror) total(s state) (n int64) {
	for _, l := range m.byID {
		n += l.counts[s]
	}
	return n
}

// nextSeq returns the creation time of a new task: now, but after all others.
func (tx *transaction) nextSeq() int64 {
	tx.lanes.lastSeq = max(tx.now, tx.lanes.lastSeq+1)
	tx.lanes.clockDirty = true
	return tx.lanes.lastSeq
}
