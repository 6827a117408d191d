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

// lane returns the lane with this key, made if there was none.
func (tx *transaction) lane(key laneKey) (*lane, error) {
	if l, ok := tx.byKey[key]; ok {
		return l, nil
	}
	id, _, err := tx.number("INSERT INTO lane (queue, type, priority) VALUES (?, ?, ?) RETURNING id",
		key.queue, string(key.typ), int64(key.priority))
	if err != nil {
		return nil, err
	}
	l := &lane{laneKey: key, id: id, dirty: true}
	tx.lanes[id], tx.byKey[key] = l, l
	return l, nil
}
