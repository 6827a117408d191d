package sqlitestore

import (
	"encoding/hex"
	"slices"
	"strconv"

	"logsift/domain"
)

// doubt has a key looked at by settleKeys.
func (tx *transaction) doubt(k *taskKey) {
	if !k.dirty {
		k.dirty = true
		tx.dirty = append(tx.dirty, k)
	}
}

// settleKeys brings the lines and the slots of keys up to the steps of the transaction,
// decides what limits admit now, and writes that.
func (tx *transaction) settleKeys() error {
	if len(tx.steps) > 0 {
		ids := make([]keyID, len(tx.steps))
		for i := range tx.steps {
			ids[i] = tx.steps[i].keyOf()
		}
		if err := tx.learnKeys(ids); err != nil {
			return err
		}
		for i, id := range ids {
			if k := tx.keys[id]; k != nil {
				if err := tx.stepKey(k, &tx.steps[i]); err != nil {
					return err
				}
			}
		}
		tx.steps = tx.steps[:0]
	}
	if len(tx.dirty) > 0 {
		if err := tx.findHeads(tx.statements); err != nil {
			return err
		}
		if err := tx.findLineHeads(); err != nil {
			return err
		}
		for _, k := range tx.dirty {
			if err := tx.admit(k); err != nil {
				return err
			}
		}
		if err := tx.storeKeys(); err != nil {
			return err
		}
	}
	return tx.endTurns()
}

// stepKey counts a step for its key.
func (tx *transaction) stepKey(k *taskKey, s *keyStep) error {
	tx.doubt(k)
	begins := s.from == stateReady && s.to == stateProcessing
	if !s.lane.keyed {
		// What is ready, admit asks the lane.
		lanes, err := tx.lanesByID([]int64{k.turns})
		if err != nil || lanes[0] == nil {
			return err
		}
		if l := k.line(lanes[0]); begins {
			tx.serve(l)
		}
		return nil
	}
	l := k.line(s.lane)
	switch {
	case s.from == stateReady:
		l.ready--
		l.headGone = l.headGone || s.seq == l.head
	case s.to == stateReady:
		if l.ready++; l.ready == 1 {
			l.turn = l.lane.round + 1
		}
		if l.head == 0 || s.seq < l.head {
			l.head, l.headGone = s.seq, false
		}
	}
	if begins {
		tx.serve(l)
	}
	if lim := tx.limits.ofKey(k.queue, k.key); lim != nil {
		k.step(lim, s, tx.now)
	}
	return nil
}

// serve notes that a task of the line was claimed: the others of the lane have their turns
// before the next one.
func (tx *transaction) serve(l *line) {
	l.lane.round = max(l.lane.round, l.turn)
	l.turn = l.lane.round + 1
	l.lane.firstGone = true
	tx.change(l.lane)
}

// step counts a step for the slots that a limit gives a key.
func (s *slot) step(l *limit, step *keyStep, now int64) {
	if step.from == stateProcessing {
		s.running--
	}
	if step.to == stateProcessing {
		s.running++
		s.full = l.take(s.full, now)
		if l.Blocks() && s.holder == 0 {
			s.holder = step.seq
		}
	}
	if s.holder != step.seq {
		return
	}
	switch {
	case step.to == 0 || step.to.finished():
		s.holder, s.holderLane = 0, 0
	case step.to == stateProcessing:
		s.holderLane = holderRuns
	case step.to == stateReady:
		s.holderLane = step.lane.id
	default:
		s.holderLane = holderWaits
	}
}

// findLineHeads looks up the oldest ready tasks of the lines whose own is gone.
func (tx *transaction) findLineHeads() error {
	var gone []*line
	var names lineNames
	for _, k := range tx.dirty {
		for _, l := range k.lines {
			if !l.headGone {
				continue
			}
			if l.head, l.headGone = 0, false; l.ready > 0 {
				gone = append(gone, l)
				names.add(k.key, l.lane.id)
			}
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return tx.each(func(r *row) error {
		gone[r.int(0)].head = r.int(1)
		return r.err
	}, `SELECT j.key, ifnull((SELECT seq FROM task INDEXED BY task_key WHERE task.key IS NOT NULL AND state = 1
		AND lane = j.value->>1 AND task.key = unhex(j.value->>0) ORDER BY seq LIMIT 1), 0) FROM json_each(?) j`, names.list())
}

// lineNames makes a JSON array of lines, each an array of its key in hexadecimal and its
// lane.
type lineNames []byte

func (n *lineNames) add(key string, lane int64) {
	*n = append(*n, `,["`...)
	*n = append(hex.AppendEncode(*n, []byte(key)), `",`...)
	*n = append(strconv.AppendInt(*n, lane, 10), ']')
}

func (n lineNames) list() string { return "[" + string(n[min(1, len(n)):]) + "]" }

// admit decides which task of each line may be claimed next.
func (tx *transaction) admit(k *taskKey) error {
	k.dirty = false
	if k.turns != 0 && len(k.lines) > 0 {
		l := k.lines[0]
		plain, err := tx.plainLane(l.lane)
		if err != nil {
			return err
		}
		before := l.ready
		if l.ready, l.head = 0, 0; plain != nil {
			l.ready, l.head = plain.counts[stateReady], plain.head
		}
		if before == 0 {
			l.turn = l.lane.round + 1
		}
	}
	limit := tx.limits.ofKey(k.queue, k.key)
	k.admit(limit, tx.now)
	if u := k.use(limit); limit != nil && u != k.used {
		limit.running += u.running - k.used.running
		limit.waiting += u.waiting - k.used.waiting
		k.used = u
		tx.limits.change(limit)
	}
	for _, l := range k.lines {
		if l.next != 0 && l.stored.next == 0 || k.wake != 0 && k.wake != k.stored.wake {
			tx.notify(l.lane)
		}
	}
	return nil
}

// admit decides by the limit of the key, nil for none.
func (k *taskKey) admit(l *limit, now int64) {
	for _, one := range k.lines {
		one.next = one.head
	}
	if l == nil {
		k.slot = slot{}
		return
	}
	if k.wake = 0; k.full/1000 < now {
		k.full = 0
	}
	ready := slices.ContainsFunc(k.lines, func(one *line) bool { return one.ready > 0 })
	if free := l.free(k.running, k.full, now); free == 0 {
		for _, one := range k.lines {
			one.next = 0
		}
		if token := l.nextToken(k.full); ready && token > now {
			k.wake = token
		}
		return
	}
	if !l.Ordered() {
		return
	}
	var best *line
	for _, one := range k.lines {
		one.next = 0
		if one.head != 0 && (best == nil || one.lane.priority > best.lane.priority ||
			one.lane.priority == best.lane.priority && one.head < best.head) {
			best = one
		}
	}
	switch {
	case k.holder == 0 && best != nil:
		best.next = best.head
	case k.holder != 0:
		for _, one := range k.lines {
			if one.lane.id == k.holderLane {
				one.next = k.holder
			}
		}
	}
}

// storeKeys writes what changed of the keys that settleKeys has looked at.
func (tx *transaction) storeKeys() error {
	var lines, slots []any
	var gone lineNames
	for _, k := range tx.dirty {
		for _, l := range k.lines {
			if l.ready <= 0 {
				l.lineRow = lineRow{}
			}
			if l.lineRow == l.stored {
				continue
			}
			if l.next != l.stored.next || l.turn != l.stored.turn {
				l.lane.firstGone = true
				tx.change(l.lane)
			}
			if l.stored = l.lineRow; l.ready > 0 {
				lines = append(lines, bytesOf(k.key), l.lane.id, l.ready, l.head, l.next, l.turn)
			} else {
				gone.add(k.key, l.lane.id)
			}
		}
		k.lines = slices.DeleteFunc(k.lines, func(l *line) bool { return l.ready == 0 && k.turns == 0 })
		if s := k.slot; s != k.stored {
			// forgetSlots removes those that hold nothing.
			slots = append(slots, bytesOf(k.key), k.queue, s.running, s.holder, s.holderLane, s.full, s.wake)
			k.stored = s
		}
	}
	tx.dirty = tx.dirty[:0]
	if len(gone) > 0 {
		_, err := tx.exec("DELETE FROM line WHERE (key, lane) IN (SELECT unhex(value->>0), value->>1 FROM json_each(?))", gone.list())
		if err != nil {
			return err
		}
	}
	_, err := tx.insert("INSERT INTO line (key, lane, ready, head, next, turn) VALUES ", 6, lines,
		" ON CONFLICT DO UPDATE SET ready = excluded.ready, head = excluded.head, next = excluded.next, turn = excluded.turn")
	if err == nil {
		_, err = tx.insert("INSERT INTO slot (key, queue, running, holder, holder_lane, full_ns, wake_us) VALUES ", 7, slots,
			` ON CONFLICT DO UPDATE SET running = excluded.running, holder = excluded.holder, holder_lane = excluded.holder_lane,
			full_ns = excluded.full_ns, wake_us = excluded.wake_us`)
	}
	return err
}

// wakeKeys looks at some keys that wait for a token which has come by now.
func (tx *transaction) wakeKeys() error {
	if tx.limits == nil {
		return nil
	}
	var ids []keyID
	err := tx.each(func(r *row) error {
		ids = append(ids, keyID{queue: r.text(1), key: string(r.blob(0))})
		return r.err
	}, "SELECT key, queue FROM slot INDEXED BY slot_wake WHERE wake_us > 0 AND wake_us <= ? ORDER BY wake_us LIMIT ?", tx.now, promotePerClaim)
	if err == nil {
		err = tx.learnKeys(ids)
	}
	for _, id := range ids {
		if err == nil {
			tx.doubt(tx.keys[id])
		}
	}
	return err
}

// forgetSlots removes the slots of keys that have no state any more.
func (tx *transaction) forgetSlots() error {
	_, err := tx.exec("DELETE FROM slot WHERE running = 0 AND holder = 0 AND wake_us = 0 AND full_ns <= ?", tx.now*1000)
	return err
}

// rebuildKeys has the keys of a queue, or one of them, kept to the limits as they are now.
// before are the limits that there were.
func (tx *transaction) rebuildKeys(queue, only string, before *limits) error {
	if err := tx.knowKeys(queue, only, before); err != nil {
		return err
	}
	for id, k := range tx.keys {
		if id.queue != queue || id.key == "" || only != "" && id.key != only {
			continue
		}
		k.running, k.used = 0, keyUse{}
		was, is := before.ofKey(queue, id.key), tx.limits.ofKey(queue, id.key)
		if was == nil || is == nil || was.id != is.id || was.Rate != is.Rate {
			k.full = 0
		}
		if is == nil || !is.Blocks() {
			k.holder, k.holderLane = 0, 0
		}
		tx.doubt(k)
	}
	err := tx.each(func(r *row) error {
		k := tx.keys[keyID{queue: queue, key: string(r.blob(0))}]
		k.running++
		if l := tx.limits.ofKey(queue, k.key); l != nil && l.Blocks() && k.holder == 0 {
			k.holder, k.holderLane = r.int(1), holderRuns
		}
		return r.err
	}, "SELECT key, seq FROM "+processedOf+" ORDER BY priority DESC, seq", queue, bytesOf(only))
	if err != nil {
		return err
	}
	if err := tx.settleKeys(); err != nil {
		return err
	}
	return tx.forgetSlots()
}

// processedOf are the tasks of a queue that are processed and have keys, or one of these.
const processedOf = `task INDEXED BY task_wake JOIN lane ON lane.id = task.lane
	WHERE state = 3 AND state <> 1 AND state < 5 AND key IS NOT NULL AND queue = ?1 AND ?2 IN (key, x'')`

// knowKeys reads what rebuildKeys counts again, and takes it off the limits.
func (tx *transaction) knowKeys(queue, only string, before *limits) error {
	if only != "" {
		id := keyID{queue: queue, key: only}
		if err := tx.learnKeys([]keyID{id}); err != nil {
			return err
		}
		// learnKeys reads no slots if there are no limits any more.
		if err := tx.learnSlots("WHERE key = ? AND queue = ?", bytesOf(only), queue); err != nil {
			return err
		}
		was := before.ofKey(queue, only)
		if was == nil {
			return nil
		}
		if still := tx.limits.withID(was.id); still != nil {
			u := tx.keys[id].use(was)
			still.running, still.waiting = still.running-u.running, still.waiting-u.waiting
			tx.limits.change(still)
		}
		return nil
	}
	err := tx.each(func(r *row) error {
		id := keyID{queue: queue, key: string(r.blob(0))}
		tx.keys[id] = &taskKey{keyID: id}
		return r.err
	}, `SELECT key FROM line JOIN lane ON lane.id = line.lane WHERE queue = ?1 AND key <> x'' UNION SELECT key FROM slot WHERE queue = ?1
		UNION SELECT key FROM `+processedOf, queue, bytesOf(""))
	if err != nil {
		return err
	}
	if err := tx.learnLines("WHERE key <> x'' AND lane IN (SELECT id FROM lane WHERE queue = ?)", queue); err != nil {
		return err
	}
	if err := tx.learnSlots("WHERE queue = ?", queue); err != nil {
		return err
	}
	if tx.limits == nil {
		return nil
	}
	for _, l := range tx.limits.byID {
		if l.Scope == domain.LimitKey && l.Queue == queue {
			l.running, l.waiting = 0, 0
			tx.limits.change(l)
		}
	}
	return nil
}
