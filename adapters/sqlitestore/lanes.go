package sqlitestore

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"logsift/domain"
)

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

// finished reports whether s is a terminal state.
func (s state) finished() bool { return s >= stateCompleted && s < stateEnd }

// laneKey is what the tasks of a lane share; keyed is whether they have keys.
type laneKey struct {
	queue    string
	typ      domain.TaskType
	priority domain.Priority
	keyed    bool
}

// lane is a row of the table lane.
type lane struct {
	laneKey
	id     int64
	counts [stateEnd]int64
	// head is the oldest ready task, 0 if none is ready. The next one has to be looked
	// up where headGone is set.
	head     int64
	headGone bool
	// first is the task of a keyed lane that a claim takes first, 0 if its keys have none
	// to be claimed. It has to be looked up where firstGone is set.
	first     int64
	firstGone bool
	// turns is the keyed lane of the same queue, type and priority, with whose keys the
	// tasks of a lane without keys take turns; 0 if there is none.
	turns int64
	// class says which limits the lane is under, see classOf.
	class int64
	// round is the newest round of turns that the keyed lane has served.
	round int64
	// storedHead and storedOldest are in the file.
	storedHead, storedOldest int64
	// paused is whether the queue gives out no tasks.
	paused bool
	// changed is whether the row in the file is older.
	changed bool
	// notified is whether those who wait for tasks of the lane will be woken.
	notified bool
}

// tasks is how many tasks the lane has.
func (l *lane) tasks() (n int64) {
	for _, count := range l.counts {
		n += count
	}
	return n
}

// heads returns the columns head and oldest: the task that a claim takes first, and the
// oldest ready one where that may be another.
func (l *lane) heads() (head, oldest int64) {
	switch {
	case l.keyed:
		return l.first, l.head
	case l.turns != 0:
		return 0, l.head
	}
	return l.head, 0
}

// move counts a task from one state into another; 0 is no state.
func (l *lane) move(seq int64, from, to state) {
	if from != 0 {
		l.counts[from]--
	}
	if to != 0 {
		l.counts[to]++
	}
	switch {
	case from == stateReady && seq == l.head:
		l.headGone = true
	case to == stateReady && (l.head == 0 || seq < l.head):
		l.head, l.headGone = seq, false
	}
}

const (
	laneColumns = `id, queue, type, priority, head, paused, keyed, oldest, turns, class, round,
		ready, scheduled, processing, retrying, completed, failed, cancelled`
	selectLanes = "SELECT " + laneColumns + " FROM lane "
)

// readLane reads a row of laneColumns.
func readLane(r *row) *lane {
	l := &lane{
		id:      r.int(0),
		laneKey: laneKey{queue: r.text(1), typ: domain.TaskType(r.text(2)), priority: domain.Priority(r.int(3)), keyed: r.int(6) != 0},
		head:    r.int(4), storedHead: r.int(4), storedOldest: r.int(7), paused: r.int(5) != 0,
		turns: r.int(8), class: r.int(9), round: r.int(10),
	}
	if l.keyed || l.turns != 0 {
		l.first, l.head = l.storedHead, l.storedOldest
	}
	for s := stateReady; s < stateEnd; s++ {
		l.counts[s] = r.int(10 + int(s))
	}
	return l
}

// lane returns the lane with this key, made if there was none.
func (tx *transaction) lane(key laneKey) (*lane, error) {
	for _, query := range []string{
		selectLanes + "WHERE queue = ? AND type = ? AND priority = ? AND keyed = ?",
		`INSERT INTO lane (queue, type, priority, keyed, paused, turns) VALUES (?1, ?2, ?3, ?4, EXISTS (SELECT 1 FROM pause WHERE queue = ?1),
			ifnull((SELECT id FROM lane WHERE queue = ?1 AND type = ?2 AND priority = ?3 AND keyed > ?4), 0)) RETURNING ` + laneColumns,
	} {
		if l, ok := tx.byKey[key]; ok {
			return l, nil
		}
		if err := tx.learnLanes(tx.statements, query, key.queue, string(key.typ), int64(key.priority), key.keyed); err != nil {
			return nil, err
		}
	}
	l := tx.byKey[key]
	// It goes again if it gets no task.
	tx.change(l)
	if l.class = tx.limits.classOf(key.queue, key.typ); l.class != 0 {
		if _, err := tx.exec("UPDATE lane SET class = ? WHERE id = ?", l.class, l.id); err != nil {
			return nil, err
		}
	}
	return l, tx.beginTurns(l)
}

// lanesByID returns the lanes with these ids, nil in place of one that is not there.
func (tx *transaction) lanesByID(ids []int64) ([]*lane, error) {
	var missing []int64
	for _, id := range ids {
		if tx.lanes[id] == nil {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		missing = slices.Compact(missing)
		if err := tx.learnLanes(tx.statements, selectLanes+"WHERE id IN (SELECT value FROM json_each(?))", seqList(missing)); err != nil {
			return nil, err
		}
	}
	lanes := make([]*lane, len(ids))
	for i, id := range ids {
		lanes[i] = tx.lanes[id]
	}
	return lanes, nil
}

// selection is which tasks a claim may take; the zero value is all.
type selection struct {
	queues []string
	types  []domain.TaskType
}

// wants reports whether tasks of the queue and type are among them; "" is for any.
func (s *selection) wants(queue string, typ domain.TaskType) bool {
	return (queue == "" || len(s.queues) == 0 || slices.Contains(s.queues, queue)) &&
		(typ == "" || len(s.types) == 0 || slices.Contains(s.types, typ))
}

// heads are the two oldest ready tasks of a lane; next is 0 if there is one only. Of a
// keyed lane, head is the one that a claim takes first.
type heads struct {
	lane, head, next int64
	priority         domain.Priority
	keyed            bool
	class            int64
}

// ageing is what a claim weighs waits with; the zero value weighs none.
type ageing struct {
	now  int64
	step time.Duration
}

// level is the priority of a task of a lane, with what it has gained by waiting.
func (a ageing) level(h *heads) domain.Priority {
	return h.priority.Aged(time.Duration(a.now-h.head)*time.Microsecond, a.step)
}

// compare orders lanes by what they offer.
func (a ageing) compare(one, two *heads) int {
	return cmp.Or(cmp.Compare(a.level(two), a.level(one)), cmp.Compare(one.head, two.head))
}

// What firstLanes reads. Each takes as many rows from an index as it returns, but that
// of queues, which takes the lanes of these queues.
const (
	selectHeads = `SELECT id, head, CASE WHEN ready > 1 AND keyed = 0 THEN ifnull((SELECT seq FROM task INDEXED BY task_lane
		WHERE state = 1 AND state <> 3 AND lane = lane.id AND seq > head ORDER BY seq LIMIT 1), 0) ELSE 0 END, priority, keyed, class FROM lane `
	ofAny    = "INDEXED BY lane_head WHERE head > 0 AND paused = 0 AND class = ?"
	ofType   = "INDEXED BY lane_type_head WHERE head > 0 AND paused = 0 AND class = ? AND type = ?"
	ofQueues = `INDEXED BY sqlite_autoindex_lane_1 WHERE head > 0 AND paused = 0 AND queue IN (SELECT value FROM json_each(?1))
		AND (?2 = 'null' OR type IN (SELECT value FROM json_each(?2)))`
	ofClasses = " AND class IN (SELECT value FROM json_each(?4))"
	inOrder   = " ORDER BY priority DESC, head LIMIT "
)

// firstLanes returns the first n lanes of some classes that have ready tasks to be
// claimed, in the order of their heads. classes is nil where all lanes have class 0.
func firstLanes(q *statements, wanted selection, classes []int64, n int, aged ageing) (out []heads, err error) {
	unlimited := classes == nil
	if unlimited {
		classes = []int64{0}
	}
	priorities := []string{""}
	if aged.step > 0 {
		priorities = nil
		for p := domain.PriorityCritical; p >= domain.PriorityLowest; p-- {
			priorities = append(priorities, fmt.Sprintf(" AND priority = %d", p))
		}
	}
	read := func(query, limit string, args ...any) {
		for _, of := range priorities {
			if err == nil {
				err = q.each(func(r *row) error {
					out = append(out, heads{r.int(0), r.int(1), r.int(2), domain.Priority(r.int(3)), r.int(4) != 0, r.int(5)})
					return r.err
				}, selectHeads+query+of+inOrder+limit, args...)
			}
		}
	}
	switch {
	case len(wanted.queues) > 0 && unlimited:
		read(ofQueues, "?3", jsonList(wanted.queues), jsonList(wanted.types), n)
	case len(wanted.queues) > 0:
		read(ofQueues+ofClasses, "?3", jsonList(wanted.queues), jsonList(wanted.types), n, seqList(classes))
	default:
		for _, class := range classes {
			if len(wanted.types) == 0 {
				read(ofAny, "?", class, n)
			}
			for _, typ := range wanted.types {
				read(ofType, "?", class, string(typ), n)
			}
		}
	}
	slices.SortFunc(out, func(a, b heads) int { return aged.compare(&a, &b) })
	return out[:min(len(out), n)], err
}

// jsonList returns a JSON array of names; null if there are none.
func jsonList[T ~string](names []T) string {
	// Names are valid texts: that cannot fail.
	list, _ := json.Marshal(names)
	return string(list)
}

// oldest returns the first n ready tasks that are wanted and that limits admit, in the
// order of claims with that ageing. more says that there may be others, if these are claimed.
func (tx *transaction) oldest(wanted selection, n int, step time.Duration) (out []int64, more bool, err error) {
	if err := tx.settleKeys(); err != nil {
		return nil, false, err
	}
	if err := tx.storeLanes(tx.statements); err != nil {
		return nil, false, err
	}
	classes, _, err := tx.limits.openClasses(tx.statements, tx.now, &wanted)
	if err != nil {
		return nil, false, err
	}
	aged := ageing{tx.now, step}
	lanes, err := firstLanes(tx.statements, wanted, classes, n, aged)
	if err == nil && (step > 0 || slices.ContainsFunc(lanes, func(h heads) bool { return h.keyed || h.class != 0 })) {
		return tx.pick(lanes, n, aged)
	}
	for err == nil && len(lanes) > 0 && len(out) < n {
		other := slices.IndexFunc(lanes, func(h heads) bool { return h.priority != lanes[0].priority })
		if other < 0 {
			other = len(lanes)
		}
		var seqs []int64
		seqs, err = merge(tx.statements, lanes[:other], n-len(out))
		out, lanes = append(out, seqs...), lanes[other:]
	}
	return out, false, err
}

// merge returns the first n of the ready tasks of lanes. These are the first n lanes, or
// all, in the order of their heads.
func merge(q *statements, lanes []heads, n int) ([]int64, error) {
	seqs := make([]int64, 0, 2*len(lanes))
	// more are the lanes that may have further tasks, and their last known one.
	more := make([]heads, 0, len(lanes))
	for _, h := range lanes {
		if seqs = append(seqs, h.head); h.next > 0 {
			seqs, more = append(seqs, h.next), append(more, heads{lane: h.lane, head: h.next})
		}
	}
	share := n/len(lanes) + 1
	for {
		slices.Sort(seqs)
		last := int64(never)
		if len(seqs) >= n {
			seqs = seqs[:n]
			last = seqs[n-1]
		}
		more = slices.DeleteFunc(more, func(h heads) bool { return h.head >= last })
		if len(more) == 0 {
			return seqs, nil
		}
		for i, h := range more {
			found, err := q.numbers(`SELECT seq FROM task INDEXED BY task_lane
				WHERE state = 1 AND state <> 3 AND lane = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?`, h.lane, h.head, last, share)
			if err != nil {
				return nil, err
			}
			if seqs = append(seqs, found...); len(found) == share {
				more[i].head = found[share-1]
			} else {
				more[i].head = never
			}
		}
	}
}

// source is a lane that pick takes tasks from, in its order.
type source struct {
	heads

	// tasks are the next ones of a lane without keys, lines those of a keyed one.
	tasks []int64
	lines []pickedLine
	round int64
}

// pickedLine is a line that pick takes tasks from. next is 0 if it is not known: one after
// the task after.
type pickedLine struct {
	turn, next, after, ready int64
	key                      *taskKey
	tasks                    []int64
}

// pick is oldest for lanes that have keys or are under limits, and for claims with ageing.
// What it returns is not counted yet.
func (tx *transaction) pick(lanes []heads, n int, aged ageing) (out []int64, more bool, err error) {
	sources := make([]source, len(lanes))
	for i, h := range lanes {
		if sources[i].heads = h; h.keyed {
			if err := tx.pickLines(&sources[i], n); err != nil {
				return nil, false, err
			}
		}
	}
	free, freeOfKeys := map[*limit]int64{}, map[*taskKey]int64{}
	for len(out) < n && len(sources) > 0 {
		i := 0
		for j := range sources {
			if aged.compare(&sources[j].heads, &sources[i].heads) < 0 {
				i = j
			}
		}
		s := &sources[i]
		under := tx.limits.ofClass(s.class)
		closed := false
		for _, l := range under {
			if _, known := free[l]; !known {
				free[l] = l.free(l.running, l.full, tx.now)
			}
			closed = closed || free[l] <= 0
		}
		if closed {
			more, sources = true, slices.Delete(sources, i, i+1)
			continue
		}
		seq := s.head
		if s.keyed {
			if seq, err = tx.pickKeyed(s, freeOfKeys, n-len(out)); seq == 0 {
				more = true
			}
		} else if err = tx.pickPlain(s, (n-len(out))/len(sources)+1); err != nil {
			return nil, false, err
		}
		if err != nil {
			return nil, false, err
		}
		if seq > 0 {
			out = append(out, seq)
			for _, l := range under {
				free[l]--
			}
		}
		if s.head == 0 {
			sources = slices.Delete(sources, i, i+1)
		}
	}
	return out, more, nil
}

// pickPlain moves a lane without keys on to its next task. It reads share tasks if it has
// to.
func (tx *transaction) pickPlain(s *source, share int) (err error) {
	if s.next > 0 {
		s.head, s.next = s.next, 0
		return nil
	}
	if len(s.tasks) == 0 {
		if s.tasks, err = tx.laneTasks(s.lane, s.head, share); err != nil {
			return err
		}
	}
	s.head, s.tasks = shift(s.tasks)
	return nil
}

// laneTasks returns the first n ready tasks of a lane after one of them.
func (tx *transaction) laneTasks(lane, after int64, n int) ([]int64, error) {
	return tx.numbers(`SELECT seq FROM task INDEXED BY task_lane
		WHERE state = 1 AND state <> 3 AND lane = ? AND seq > ? ORDER BY seq LIMIT ?`, lane, after, n)
}

// shift takes the first number off a list; it is 0 of none.
func shift(list []int64) (first int64, rest []int64) {
	if len(list) == 0 {
		return 0, nil
	}
	return list[0], list[1:]
}

// pickLines reads the first n lines of a keyed lane.
func (tx *transaction) pickLines(s *source, n int) error {
	var ids []keyID
	lanes, err := tx.lanesByID([]int64{s.lane})
	if err != nil || lanes[0] == nil {
		return err
	}
	s.round = lanes[0].round
	err = tx.each(func(r *row) error {
		s.lines = append(s.lines, pickedLine{turn: r.int(1), next: r.int(2), ready: r.int(3)})
		id := keyID{queue: lanes[0].queue, key: string(r.blob(0))}
		if id.key == "" {
			id = keyID{turns: s.lane}
		}
		ids = append(ids, id)
		return r.err
	}, "SELECT key, turn, next, ready FROM line INDEXED BY line_turn WHERE next > 0 AND lane = ? ORDER BY turn, next LIMIT ?", s.lane, n)
	if err == nil {
		err = tx.learnKeys(ids)
	}
	for i, id := range ids {
		s.lines[i].key = tx.keys[id]
	}
	return err
}

// pickKeyed takes the next task of a keyed lane, 0 if it had none, and moves the lane on.
func (tx *transaction) pickKeyed(s *source, free map[*taskKey]int64, left int) (seq int64, err error) {
	if len(s.lines) > 0 {
		i := s.firstLine()
		l := &s.lines[i]
		limit := tx.limits.ofKey(l.key.queue, l.key.key)
		if limit != nil {
			if _, known := free[l.key]; !known {
				free[l.key] = limit.free(l.key.running, l.key.full, tx.now)
			}
			if free[l.key] <= 0 {
				// Others of the key have taken its slots, or the clock was set back.
				tx.doubt(l.key)
				s.lines = slices.Delete(s.lines, i, i+1)
				return 0, tx.advance(s, left)
			}
			free[l.key]--
		}
		seq = l.next
		s.round = max(s.round, l.turn)
		if l.ready--; l.ready == 0 || limit != nil && (free[l.key] <= 0 || limit.Ordered()) {
			s.lines = slices.Delete(s.lines, i, i+1)
		} else {
			l.turn, l.after = s.round+1, seq
			l.next, l.tasks = shift(l.tasks)
		}
	}
	return seq, tx.advance(s, left)
}

// advance finds the task that the keyed lane gives next, of which left are still to come.
func (tx *transaction) advance(s *source, left int) error {
	for s.head = 0; s.head == 0 && len(s.lines) > 0; {
		i := s.firstLine()
		l := &s.lines[i]
		if l.next == 0 {
			tasks, err := tx.nextOfLine(s, l.key, l.after, left/len(s.lines)+1)
			if err != nil {
				return err
			}
			if l.next, l.tasks = shift(tasks); l.next == 0 {
				s.lines = slices.Delete(s.lines, i, i+1)
				continue
			}
		}
		s.head = l.next
	}
	return nil
}

// nextOfLine returns the first n ready tasks of a line of the lane after one of them.
func (tx *transaction) nextOfLine(s *source, k *taskKey, after int64, n int) ([]int64, error) {
	if k.turns == 0 {
		return tx.lineTasks(s.lane, k.key, after, n)
	}
	lanes, err := tx.lanesByID([]int64{s.lane})
	if err != nil {
		return nil, err
	}
	plain, err := tx.plainLane(lanes[0])
	if err != nil || plain == nil {
		return nil, err
	}
	return tx.laneTasks(plain.id, after, n)
}

// firstLine is which line has its turn. Those whose next task is not known come last.
func (s *source) firstLine() (first int) {
	for i := range s.lines {
		a, b := &s.lines[i], &s.lines[first]
		if a.turn < b.turn || a.turn == b.turn && a.next != 0 && (b.next == 0 || a.next < b.next) {
			first = i
		}
	}
	return first
}
