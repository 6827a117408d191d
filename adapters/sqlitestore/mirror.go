package sqlitestore

import "logsift/domain"

// mirror is what the writer knows of the file without reading it again: the table
// lane, so that a claim knows where to look and counts are written once for each
// transaction, and the tasks that were claimed here, so that their reports need
// no look at their rows. It holds as long as nobody else writes: SQLite's change
// counter tells of that. It belongs to the writer.
type mirror struct {
	lanes map[int64]*lane
	byKey map[laneKey]*lane
	// paused are the queues that give out no tasks.
	paused map[string]bool
	// held are bare records of tasks in stateProcessing, without their leases.
	// Not all: those that others claimed, or that were claimed before the last
	// load, are not among them.
	held map[domain.TaskID]*record
	// lastSeq is the newest creation time. The tasks in the file tell it too, so
	// it has to be noted, and clockDirty is set, only when some are removed.
	lastSeq    int64
	clockDirty bool
	// log is the row of event_log.
	log eventLog
	// version is the change counter when the mirror was read. It does not count
	// the writer's own commits, which the mirror follows by itself.
	version int64
	// valid is false before the first load and after a rollback.
	valid bool
}

// load begins anew if another connection has written since. The caller has begun
// a transaction, so that nobody writes from here on.
func (m *mirror) load(q *statements) error {
	version, _, err := q.number("PRAGMA data_version")
	if err != nil || m.valid && version == m.version {
		return err
	}
	m.lanes, m.byKey = make(map[int64]*lane), make(map[laneKey]*lane)
	m.held = make(map[domain.TaskID]*record)
	err = q.each(func(r *row) error {
		l := readLane(r)
		m.lanes[l.id], m.byKey[l.laneKey] = l, l
		return r.err
	}, selectLanes)
	if err != nil {
		return err
	}
	m.paused = make(map[string]bool)
	err = q.each(func(r *row) error {
		m.paused[r.text(0)] = true
		return r.err
	}, "SELECT queue FROM pause")
	if err != nil {
		return err
	}
	m.lastSeq, _, err = q.number("SELECT max((SELECT last_us FROM clock), ifnull((SELECT max(seq) FROM task), 0))")
	if err != nil {
		return err
	}
	if m.log, err = readEventLog(q); err != nil {
		return err
	}
	m.clockDirty, m.version, m.valid = false, version, true
	return nil
}

// store writes what changed since load. A lane without tasks is removed, so
// that names once used cost nothing.
func (m *mirror) store(q *statements) error {
	for _, l := range m.lanes {
		if !l.dirty {
			continue
		}
		l.dirty = false
		if l.tasks() == 0 {
			if _, err := q.exec("DELETE FROM lane WHERE id = ?", l.id); err != nil {
				return err
			}
			delete(m.lanes, l.id)
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

// total is how many tasks are in the state, over all lanes.
func (m *mirror) total(s state) (n int64) {
	for _, l := range m.lanes {
		n += l.counts[s]
	}
	return n
}

// nextSeq returns the creation time of a task that is made at now: after all
// others.
func (m *mirror) nextSeq(now int64) int64 {
	m.lastSeq = max(now, m.lastSeq+1)
	return m.lastSeq
}

// hold remembers a task that was just claimed. The caller of the claim gets
// rec.task, so the mirror keeps a copy.
func (m *mirror) hold(rec *record) {
	t := *rec.task
	t.Payload, t.Errors, t.Lease = nil, nil, nil
	kept := *rec
	kept.task = &t
	m.held[t.ID] = &kept
}
