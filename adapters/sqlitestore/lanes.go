package sqlitestore

import (
	"cmp"
	"encoding/json"
	"slices"

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
	// head is the oldest ready task, 0 if none is ready. The next one has to be looked
	// up where headGone is set.
	head     int64
	headGone bool
	// storedHead is the head in the file.
	storedHead int64
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
	laneColumns = `id, queue, type, priority, head, paused,
		ready, scheduled, processing, retrying, completed, failed, cancelled`
	selectLanes = "SELECT " + laneColumns + " FROM lane "
)

// readLane reads a row of laneColumns.
func readLane(r *row) *lane {
	l := &lane{
		id:      r.int(0),
		laneKey: laneKey{queue: r.text(1), typ: domain.TaskType(r.text(2)), priority: domain.Priority(r.int(3))},
		head:    r.int(4), storedHead: r.int(4), paused: r.int(5) != 0,
	}
	for s := stateReady; s < stateEnd; s++ {
		l.counts[s] = r.int(5 + int(s))
	}
	return l
}

// lane returns the lane with this key, made if there was none.
func (tx *transaction) lane(key laneKey) (*lane, error) {
	for _, query := range []string{
		selectLanes + "WHERE queue = ? AND type = ? AND priority = ?",
		`INSERT INTO lane (queue, type, priority, paused) VALUES (?1, ?2, ?3, EXISTS (SELECT 1 FROM pause WHERE queue = ?1))
			RETURNING ` + laneColumns,
	} {
		if l, ok := tx.byKey[key]; ok {
			return l, nil
		}
		if err := tx.learnLanes(tx.statements, query, key.queue, string(key.typ), int64(key.priority)); err != nil {
			return nil, err
		}
	}
	l := tx.byKey[key]
	// It goes again if it gets no task.
	tx.change(l)
	return l, nil
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

// wants reports whether tasks of the queue and type are among them.
func (s *selection) wants(queue string, typ domain.TaskType) bool {
	return (len(s.queues) == 0 || slices.Contains(s.queues, queue)) && (len(s.types) == 0 || slices.Contains(s.types, typ))
}

// heads are the two oldest ready tasks of a lane; next is 0 if there is one only.
type heads struct {
	lane, head, next int64
	priority         domain.Priority
}

// What firstLanes reads. Each takes as many rows from an index as it returns, but that
// of queues, which takes the lanes of these queues.
const (
	selectHeads = `SELECT id, head, CASE WHEN ready > 1 THEN ifnull((SELECT seq FROM task INDEXED BY task_lane
		WHERE state = 1 AND state <> 3 AND lane = lane.id AND seq > head ORDER BY seq LIMIT 1), 0) ELSE 0 END, priority FROM lane `
	ofAny    = "INDEXED BY lane_head WHERE head > 0 AND paused = 0"
	ofType   = "INDEXED BY lane_type_head WHERE head > 0 AND paused = 0 AND type = ?"
	ofQueues = `INDEXED BY sqlite_autoindex_lane_1 WHERE head > 0 AND paused = 0 AND queue IN (SELECT value FROM json_each(?1))
		AND (?2 = 'null' OR type IN (SELECT value FROM json_each(?2)))`
	inOrder = " ORDER BY priority DESC, head LIMIT "
)

// firstLanes returns the first n lanes that have ready tasks to be claimed, in the order
// of their oldest ones.
func firstLanes(q *statements, wanted selection, n int) (out []heads, err error) {
	read := func(query string, args ...any) {
		if err == nil {
			err = q.each(func(r *row) error {
				out = append(out, heads{r.int(0), r.int(1), r.int(2), domain.Priority(r.int(3))})
				return r.err
			}, selectHeads+query, args...)
		}
	}
	switch {
	case len(wanted.queues) > 0:
		read(ofQueues+inOrder+"?3", jsonList(wanted.queues), jsonList(wanted.types), n)
	case len(wanted.types) == 0:
		read(ofAny+inOrder+"?", n)
	default:
		for _, typ := range wanted.types {
			read(ofType+inOrder+"?", string(typ), n)
		}
		slices.SortFunc(out, func(a, b heads) int {
			return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.head, b.head))
		})
	}
	return out[:min(len(out), n)], err
}

// jsonList returns a JSON array of names; null if there are none.
func jsonList[T ~string](names []T) string {
	// Names are valid texts: that cannot fail.
	list, _ := json.Marshal(names)
	return string(list)
}

// oldest returns the first n ready tasks that are wanted, in the order of claims.
func (tx *transaction) oldest(wanted selection, n int) ([]int64, error) {
	if err := tx.storeLanes(tx.statements); err != nil {
		return nil, err
	}
	lanes, err := firstLanes(tx.statements, wanted, n)
	var out []int64
	for err == nil && len(lanes) > 0 && len(out) < n {
		other := slices.IndexFunc(lanes, func(h heads) bool { return h.priority != lanes[0].priority })
		if other < 0 {
			other = len(lanes)
		}
		var seqs []int64
		seqs, err = merge(tx.statements, lanes[:other], n-len(out))
		out, lanes = append(out, seqs...), lanes[other:]
	}
	return out, err
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
