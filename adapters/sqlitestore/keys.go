package sqlitestore

import (
	"encoding/hex"
	"slices"

	"logsift/domain"
)

// maxKeys is how many keys the mirror goes on knowing after a transaction.
const maxKeys = 10_000

// keyID names the ready tasks of a queue that have one key. The tasks without a key that
// take turns with the keys of a lane have "" for both, and that lane.
type keyID struct {
	queue, key string
	turns      int64
}

// taskKey is what the writer knows of a key.
type taskKey struct {
	keyID
	lines []*line
	slot
	stored slot
	// used is what the use of its limit has of it.
	used keyUse
	// dirty is whether it was changed since admit.
	dirty bool
}

// slot is a row of the table slot; of the zero value there need be none.
type slot struct{ running, holder, holderLane, full, wake int64 }

// keyUse is how many slots a key holds, and how many of its ready tasks have none.
type keyUse struct{ running, waiting int64 }

// use tells what a limit of the key, nil for none, has of it.
func (k *taskKey) use(l *limit) (u keyUse) {
	if l == nil {
		return u
	}
	u.running = k.running
	if k.holder != 0 && k.holderLane != holderRuns {
		u.running++
	}
	if l.Concurrency == 0 {
		return u
	}
	for _, one := range k.lines {
		u.waiting += one.ready
	}
	if k.holderLane > 0 {
		u.waiting--
	}
	u.waiting = max(u.waiting-max(int64(l.Concurrency)-u.running, 0), 0)
	return u
}

// Values of slot.holderLane, beside the lane where the holder is ready.
const (
	holderWaits = 0
	holderRuns  = -1
)

// line is the ready tasks of a key in one lane.
type line struct {
	lineRow
	stored lineRow
	lane   *lane
	// headGone is whether the oldest one has to be looked up.
	headGone bool
}

// lineRow is a row of the table line; there is none if no task is ready.
type lineRow struct{ ready, head, next, turn int64 }

// keyStep is a step of a task that has a key, or of one that takes turns with those.
type keyStep struct {
	lane     *lane
	seq      int64
	key      string
	from, to state
}

// keyOf names the key whose task makes a step; the zero value if it is nobody's.
func (s *keyStep) keyOf() keyID {
	if s.lane.keyed {
		return keyID{queue: s.lane.queue, key: s.key}
	}
	return keyID{turns: s.lane.turns}
}

// line returns the line of a lane, made if there was none.
func (k *taskKey) line(l *lane) *line {
	for _, one := range k.lines {
		if one.lane == l {
			return one
		}
	}
	one := &line{lane: l}
	k.lines = append(k.lines, one)
	return one
}

// learnKeys reads the keys that are not known.
func (tx *transaction) learnKeys(ids []keyID) error {
	var names []string
	for _, id := range ids {
		if id == (keyID{}) || tx.keys[id] != nil {
			continue
		}
		tx.keys[id] = &taskKey{keyID: id}
		if id.turns == 0 {
			names = append(names, id.key)
			continue
		}
		if err := tx.learnLines("WHERE key = x'' AND lane = ?", id.turns); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	list := hexList(slices.Compact(names))
	if err := tx.learnLines("WHERE key IN (SELECT unhex(value) FROM json_each(?))", list); err != nil {
		return err
	}
	if tx.limits == nil {
		return nil
	}
	if err := tx.learnSlots("WHERE key IN (SELECT unhex(value) FROM json_each(?))", list); err != nil {
		return err
	}
	for _, id := range ids {
		if k := tx.keys[id]; k != nil && !k.dirty {
			k.used = k.use(tx.limits.ofKey(id.queue, id.key))
		}
	}
	return nil
}

// learnLines reads the lines of keys that are known, but were not read.
func (tx *transaction) learnLines(where string, args ...any) error {
	type found struct {
		lineRow
		key string
	}
	var rows []found
	var ids []int64
	err := tx.each(func(r *row) error {
		rows = append(rows, found{lineRow{r.int(2), r.int(3), r.int(4), r.int(5)}, string(r.blob(0))})
		ids = append(ids, r.int(1))
		return r.err
	}, "SELECT key, lane, ready, head, next, turn FROM line "+where, args...)
	if err != nil {
		return err
	}
	lanes, err := tx.lanesByID(ids)
	if err != nil {
		return err
	}
	for i, f := range rows {
		l := lanes[i]
		if l == nil {
			continue
		}
		id := keyID{queue: l.queue, key: f.key}
		if f.key == "" {
			id = keyID{turns: l.id}
		}
		if k := tx.keys[id]; k != nil && !slices.ContainsFunc(k.lines, func(one *line) bool { return one.lane == l }) {
			k.lines = append(k.lines, &line{lineRow: f.lineRow, stored: f.lineRow, lane: l})
		}
	}
	return nil
}

// learnSlots reads the slots of keys that are known, but were not read.
func (tx *transaction) learnSlots(where string, args ...any) error {
	return tx.each(func(r *row) error {
		s := slot{r.int(2), r.int(3), r.int(4), r.int(5), r.int(6)}
		if k := tx.keys[keyID{queue: r.text(1), key: string(r.blob(0))}]; k != nil && k.stored == (slot{}) && !k.dirty {
			k.slot, k.stored = s, s
		}
		return r.err
	}, "SELECT key, queue, running, holder, holder_lane, full_ns, wake_us FROM slot "+where, args...)
}

// hexList returns a JSON array of texts in hexadecimal.
func hexList(texts []string) string {
	out := []byte{'['}
	for i, text := range texts {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = append(hex.AppendEncode(out, []byte(text)), '"')
	}
	return string(append(out, ']'))
}

// lineTasks returns the first n ready tasks of a line after one of them.
func (tx *transaction) lineTasks(lane int64, key string, after int64, n int) ([]int64, error) {
	return tx.numbers(`SELECT seq FROM task INDEXED BY task_key WHERE key IS NOT NULL AND state = 1
		AND lane = ? AND key = ? AND seq > ? ORDER BY seq LIMIT ?`, lane, bytesOf(key), after, n)
}

// plainLane returns the lane of the tasks without a key that take turns with those of a
// keyed lane, nil if there is none.
func (tx *transaction) plainLane(keyed *lane) (*lane, error) {
	key := keyed.laneKey
	key.keyed = false
	if l := tx.byKey[key]; l != nil {
		return l, nil
	}
	err := tx.learnLanes(tx.statements, selectLanes+"WHERE queue = ? AND type = ? AND priority = ? AND keyed = 0", key.queue, string(key.typ), int64(key.priority))
	return tx.byKey[key], err
}

// beginTurns has a keyed lane that was just made take turns with the one without keys.
func (tx *transaction) beginTurns(l *lane) error {
	if !l.keyed {
		if l.turns == 0 {
			return nil
		}
		return tx.doubtTurns(l.turns)
	}
	plain, err := tx.plainLane(l)
	if err != nil || plain == nil {
		return err
	}
	plain.turns = l.id
	tx.change(plain)
	if _, err := tx.exec("UPDATE lane SET turns = ? WHERE id = ?", l.id, plain.id); err != nil {
		return err
	}
	return tx.doubtTurns(l.id)
}

// doubtTurns has the turns of the tasks without a key looked at.
func (tx *transaction) doubtTurns(keyed int64) error {
	id := keyID{turns: keyed}
	if err := tx.learnKeys([]keyID{id}); err != nil {
		return err
	}
	lanes, err := tx.lanesByID([]int64{keyed})
	if err == nil && lanes[0] != nil {
		tx.keys[id].line(lanes[0])
		tx.doubt(tx.keys[id])
	}
	return err
}

// endTurns frees the lanes without keys whose keyed lanes have no task any more.
func (tx *transaction) endTurns() error {
	for _, l := range tx.changed {
		if !l.keyed || l.tasks() > 0 {
			continue
		}
		plain, err := tx.plainLane(l)
		if err != nil {
			return err
		}
		if plain == nil {
			continue
		}
		delete(tx.keys, keyID{turns: l.id})
		plain.turns = 0
		tx.change(plain)
		if _, err = tx.exec("UPDATE lane SET turns = 0 WHERE id = ?", plain.id); err != nil {
			return err
		}
		if _, err = tx.exec("DELETE FROM line WHERE key = x'' AND lane = ?", l.id); err != nil {
			return err
		}
	}
	return nil
}

// keyBytes is how the key of a task is stored.
func keyBytes(t *domain.Task) any {
	if t.Key == "" {
		return nil
	}
	return bytesOf(t.Key)
}

// doubtLines has the lines looked at that name one of these tasks as the next one.
func (tx *transaction) doubtLines(seqs []int64) error {
	var ids []keyID
	var lanes []int64
	err := tx.each(func(r *row) error {
		id := keyID{queue: r.text(2), key: string(r.blob(0))}
		if id.key == "" {
			id = keyID{turns: r.int(1)}
		}
		ids, lanes = append(ids, id), append(lanes, r.int(1))
		return r.err
	}, `SELECT key, lane, queue FROM line JOIN lane ON lane.id = line.lane WHERE next IN (SELECT value FROM json_each(?))`, seqList(seqs))
	if err != nil {
		return err
	}
	if err := tx.learnKeys(ids); err != nil {
		return err
	}
	for i, id := range ids {
		for _, l := range tx.keys[id].lines {
			l.headGone = l.headGone || l.lane.id == lanes[i]
		}
		tx.doubt(tx.keys[id])
	}
	return nil
}
