package sqlitestore

import "logsift/domain"

// mirror is what the writer knows of the file without reading it again: the lanes that
// it met, whose counts are written once for each transaction, and the tasks that were
// claimed here, so that their reports need no look at their rows. It holds as long as
// nobody else writes: SQLite's change counter tells of that. It belongs to the writer.
type mirror struct {
	lanes map[int64]*lane
	byKey map[laneKey]*lane
	// changed are the lanes whose rows are older.
	changed []*lane
	// held are the records, of shapeChange, of tasks in stateProcessing, without their leases.
	// Not all: those that others claimed, or that were claimed before the last
	// load, are not among them.
	held map[domain.TaskID]*record
	// lastSeq is the newest creation time. The tasks in the file tell it too, so
	// it has to be noted, and clockDirty is set, only when some are removed.
	lastSeq    int64
	clockDirty bool
	// limits are those of the file, nil for none.
	limits *limits
	// keys are the keys that the writer met. Not all that are stored.
	keys map[keyID]*taskKey
	// steps are those that settleKeys has not brought to keys yet, and dirty the keys that
	// it has not looked at since they changed.
	steps []keyStep
	dirty []*taskKey
	// log is the row of event_log.
	log eventLog
	// hasWorkflows is whether there may be workflows, stepsLeft whether there are rows in
	// node_step, and acting whether something is being done to a workflow.
	hasWorkflows, stepsLeft, acting bool
	// version is the change counter when the mirror was read. It does not count
	// the writer's own commits, which the mirror follows by itself.
	version int64
	// valid is false before the first load and after a rollback.
	valid bool
}

// load begins anew if another connection has written since, at a cost that does not
// grow with what is stored. The caller has begun a transaction, so that nobody writes
// from here on.
func (m *mirror) load(q *statements) error {
	version, _, err := q.number("PRAGMA data_version")
	if err != nil || m.valid && version == m.version {
		return err
	}
	m.lanes, m.byKey, m.changed = make(map[int64]*lane), make(map[laneKey]*lane), nil
	m.held = make(map[domain.TaskID]*record)
	m.limits, m.keys, m.steps, m.dirty = nil, make(map[keyID]*taskKey), nil, nil
	limited := false
	err = q.each(func(r *row) error {
		m.lastSeq, limited = r.int(0), r.int(1) > 0
		m.hasWorkflows, m.stepsLeft, m.acting = r.int(2) != 0, r.int(3) != 0, r.int(4) != 0
		return r.err
	}, `SELECT max(last_us, ifnull((SELECT max(seq) FROM task), 0)), limits, EXISTS (SELECT 1 FROM workflow), EXISTS (SELECT 1 FROM node_step),
		EXISTS (SELECT 1 FROM workflow INDEXED BY workflow_action WHERE action IN (1, 2)) FROM clock`)
	if err == nil && limited {
		m.limits, err = readLimits(q)
	}
	if err != nil {
		return err
	}
	if m.log, err = readEventLog(q); err != nil {
		return err
	}
	m.clockDirty, m.version, m.valid = false, version, true
	return nil
}

// learnLanes reads lanes by a query of laneColumns.
func (m *mirror) learnLanes(q *statements, query string, args ...any) error {
	return q.each(func(r *row) error {
		l := readLane(r)
		m.lanes[l.id], m.byKey[l.laneKey] = l, l
		return r.err
	}, query, args...)
}

// change notes that the row of a lane has to be written.
func (m *mirror) change(l *lane) {
	if !l.changed {
		l.changed = true
		m.changed = append(m.changed, l)
	}
}

// store writes what changed since load.
func (m *mirror) store(q *statements) error {
	if err := m.storeLanes(q); err != nil {
		return err
	}
	if len(m.keys) > maxKeys {
		clear(m.keys)
	}
	if err := m.limits.store(q); err != nil {
		return err
	}
	if m.clockDirty {
		m.clockDirty = false
		_, err := q.exec("UPDATE clock SET last_us = ? WHERE id = 1", m.lastSeq)
		return err
	}
	return nil
}

// storeLanes writes the lanes that changed. One without tasks is removed, so that names
// once used cost nothing.
func (m *mirror) storeLanes(q *statements) error {
	if err := m.findHeads(q); err != nil {
		return err
	}
	var empty []int64
	for _, l := range m.changed {
		l.changed = false
		if l.tasks() == 0 {
			empty = append(empty, l.id)
			delete(m.lanes, l.id)
			delete(m.byKey, l.laneKey)
			continue
		}
		c := &l.counts
		_, err := q.exec(`UPDATE lane SET ready = ?, scheduled = ?, processing = ?, retrying = ?,
			completed = ?, failed = ?, cancelled = ? WHERE id = ?`,
			c[stateReady], c[stateScheduled], c[stateProcessing], c[stateRetrying],
			c[stateCompleted], c[stateFailed], c[stateCancelled], l.id)
		head, oldest := l.heads()
		switch {
		case err != nil:
		case l.keyed || oldest != l.storedOldest:
			_, err = q.exec("UPDATE lane SET head = ?, oldest = ?, round = ? WHERE id = ?", head, oldest, l.round, l.id)
		case head != l.storedHead:
			// The head alone is in indexes.
			_, err = q.exec("UPDATE lane SET head = ? WHERE id = ?", head, l.id)
		}
		l.storedHead, l.storedOldest = head, oldest
		if err != nil {
			return err
		}
	}
	m.changed = m.changed[:0]
	if len(empty) > 0 {
		if _, err := q.exec("DELETE FROM lane WHERE id IN (SELECT value FROM json_each(?))", seqList(empty)); err != nil {
			return err
		}
	}
	return nil
}

// findHeads looks up the oldest ready tasks of the lanes whose own is gone, and the first
// ones of keyed lanes.
func (m *mirror) findHeads(q *statements) error {
	var gone, first []int64
	for _, l := range m.changed {
		if l.firstGone {
			l.first, l.firstGone = 0, false
			first = append(first, l.id)
		}
		if l.headGone {
			l.head, l.headGone = 0, false
			if l.counts[stateReady] > 0 {
				gone = append(gone, l.id)
			}
		}
	}
	if len(first) > 0 {
		err := q.each(func(r *row) error {
			m.lanes[r.int(0)].first = r.int(1)
			return r.err
		}, `SELECT value, ifnull((SELECT next FROM line INDEXED BY line_turn
			WHERE next > 0 AND lane = j.value ORDER BY turn, next LIMIT 1), 0) FROM json_each(?) j`, seqList(first))
		if err != nil {
			return err
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return q.each(func(r *row) error {
		m.lanes[r.int(0)].head = r.int(1)
		return r.err
	}, `SELECT value, ifnull((SELECT seq FROM task INDEXED BY task_lane
		WHERE state = 1 AND state <> 3 AND lane = j.value ORDER BY seq LIMIT 1), 0) FROM json_each(?) j`, seqList(gone))
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
