package sqlitestore

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// record is a task as its row holds it.
type record struct {
	// task is what could be read, even of a record that is corrupt. Errors that
	// were not loaded are not in it: those that a transition appends are new.
	task *domain.Task
	seq  int64
	// lane is nil in reads, and for a lane that is not known.
	lane   *lane
	laneID int64
	state  state
	wake   int64
	// claim is the newest claim, whether its lease is held or not.
	claim domain.ClaimID
	given int64
	// options are as they were given, expires is when the task still expires, 0 for never.
	options domain.TaskOptions
	expires int64
	// workflow is that whose node the task is, 0 if it is none, and waits whether it waits for
	// other nodes.
	workflow int64
	waits    bool
	failures int64
	report   int64
	// stops is, for a run that is being cancelled, when its lease ends. It takes the place of
	// report, which no report made.
	stops int64
	// corrupt says what cannot be read, nil if everything can.
	corrupt error
}

// member is a task as its key and its workflow count it, "" and 0 for none.
type member struct {
	seq      int64
	key      string
	workflow int64
}

func (rec *record) member() member { return member{rec.seq, rec.task.Key, rec.workflow} }

// shape is how much of a record is read.
type shape int

const (
	// shapeChange is what a change of state needs.
	shapeChange shape = iota
	// shapeClaim is what a claim needs of a task in stateReady.
	shapeClaim
	// shapeMember is that of a task that is ready or scheduled.
	shapeMember
	// shapeWhole is everything, with the names of the lane, which are otherwise
	// known to the writer.
	shapeWhole
)

// What is read of a record, in the order of readRecord.
const (
	commonColumns = `t.seq, t.id, t.lane, t.unique_key, t.scheduled_us, t.started_us, t.attempt, t.deliveries, t.recoveries, t.failures, t.expires_us, t.retention_us, t.key, t.workflow`
	stateColumns  = `, t.state, t.wake_us, t.claim, t.report`
	askedColumns  = `, c.max_retries, c.timeout_ns, c.delay_ns, c.given_us, c.payload, c.trace, c.options`
	readColumns   = `, l.queue, l.type, l.priority, CASE WHEN t.state = 5 THEN (SELECT data FROM result r WHERE r.seq = t.seq) END`
)

// shapes are what each shape reads, from which tables beside task. These are
// joined from the left: a record of which a part is gone is corrupt, not missing.
var shapes = [...]struct{ columns, tables string }{
	shapeChange: {commonColumns + stateColumns, ""},
	shapeClaim:  {commonColumns + askedColumns, " LEFT JOIN contents c ON c.seq = t.seq WHERE t.state = 1"},
	shapeMember: {commonColumns + stateColumns + askedColumns, " LEFT JOIN contents c ON c.seq = t.seq WHERE t.state <= 2"},
	shapeWhole:  {commonColumns + stateColumns + askedColumns + readColumns, " LEFT JOIN contents c ON c.seq = t.seq LEFT JOIN lane l ON l.id = t.lane"},
}

// Which records are selected. The argument is a JSON array, of numbers or of ids
// in hexadecimal; its order is that of the rows.
const (
	bySeq = ` FROM json_each(?) j CROSS JOIN task t ON t.seq = j.value`
	byID  = ` FROM json_each(?) j CROSS JOIN task t ON t.id = unhex(j.value)`
)

// readRecord reads a row. What is wrong with its columns is in corrupt.
func readRecord(r *row, as shape) *record {
	rec := &record{seq: r.int(0), laneID: r.int(2), failures: r.int(9), state: stateReady}
	t := &domain.Task{
		ID: r.uuid(1), UniqueKey: string(r.blob(3)), ScheduledAt: timeOf(r.int(4)),
		Attempt: int(r.int(6)), Deliveries: int(r.int(7)), Recoveries: int(r.int(8)), CreatedAt: timeOf(rec.seq),
	}
	rec.task = t
	if t.Deliveries > 0 {
		t.StartedAt = timeOf(r.int(5))
	}
	if r.values[10] != nil {
		rec.expires = r.int(10)
	}
	if r.values[13] != nil {
		rec.workflow = r.int(13)
	}
	next := 14
	if as != shapeClaim {
		rec.state, rec.wake, rec.claim, rec.report = state(r.int(next)), r.int(next+1), r.uuid(next+2), r.int(next+3)
		rec.waits = rec.state == stateScheduled && rec.wake == never
		next += 4
	}
	if as != shapeChange {
		t.MaxRetries, t.Timeout, t.Delay = int(r.int(next)), time.Duration(r.int(next+1)), time.Duration(r.int(next+2))
		rec.given = r.int(next + 3)
		if payload := r.blob(next + 4); len(payload) > 0 {
			t.Payload = payload
		}
		if trace := r.blob(next + 5); len(trace) > 0 {
			t.TraceParent = traceParent(trace)
		}
		options, err := domain.DecodeTaskOptions(r.blob(next + 6))
		if err != nil && r.err == nil {
			r.err = fmt.Errorf("task %s: %w", t.ID, err)
		}
		rec.options, t.TaskOptions = options, options
		next += 7
	}
	t.Key, t.ExpiresAt = string(r.blob(12)), timeOf(rec.expires)
	if as == shapeWhole {
		t.Queue, t.Type, t.Priority = r.text(next), domain.TaskType(r.text(next+1)), domain.Priority(r.int(next+2))
		if result := r.blob(next + 3); len(result) > 0 {
			t.Result = result
		}
	}
	if rec.state.valid() {
		t.Status = statuses[rec.state]
	}
	switch {
	case rec.state == stateProcessing:
		t.Lease = &domain.Lease{TaskID: t.ID, ClaimID: rec.claim, Delivery: t.Deliveries, ExpiresAt: timeOf(rec.wake)}
	case rec.state.finished():
		t.CompletedAt = timeOf(rec.wake)
	}
	rec.corrupt = r.err
	return rec
}

// traceBlob returns a valid trace parent without its version, nil if it is "".
func traceBlob(parent string) any {
	if parent == "" {
		return nil
	}
	b := make([]byte, 0, 25)
	for _, part := range []string{parent[3:35], parent[36:52], parent[53:]} {
		// A valid trace parent is of hexadecimal digits.
		b, _ = hex.AppendDecode(b, []byte(part))
	}
	return b
}

// optionsBlob returns the options as they are stored, nil if there are none.
func optionsBlob(o domain.TaskOptions) any {
	if encoded := o.EncodeOptions(); encoded != nil {
		return encoded
	}
	return nil
}

// traceParent is the inverse of traceBlob. What is damaged makes no valid one.
func traceParent(b []byte) string {
	if len(b) != 25 {
		return "?"
	}
	return fmt.Sprintf("00-%x-%x-%x", b[:16], b[16:24], b[24:])
}

// check sets corrupt by what the types of the columns do not rule out.
func (rec *record) check(as shape) {
	t := rec.task
	switch {
	case rec.corrupt != nil:
	case !rec.state.valid():
		rec.corrupt = fmt.Errorf("%w: task %s has the state %d", domain.ErrCorruptRecord, t.ID, rec.state)
	case t.Attempt < 0 || t.Deliveries < 0 || t.Recoveries < 0 || rec.failures < 0:
		rec.corrupt = fmt.Errorf("%w: task %s has a negative counter", domain.ErrCorruptRecord, t.ID)
	case as != shapeChange:
		// What can be stored is what Enqueue lets in.
		scheduled := t.ScheduledAt
		t.ScheduledAt, t.ExpiresAt = timeOf(rec.given), rec.options.ExpiresAt
		if err := t.ValidateStored(); err != nil {
			rec.corrupt = fmt.Errorf("%w: task %s: %w", domain.ErrCorruptRecord, t.ID, err)
		}
		t.ScheduledAt, t.ExpiresAt = scheduled, timeOf(rec.expires)
	}
}

// stepTime returns the time of a step at now, but never before the step it follows,
// should the clock have been set back.
func (rec *record) stepTime(now int64) time.Time {
	at := timeOf(max(now, rec.seq))
	if at.Before(rec.task.StartedAt) {
		return rec.task.StartedAt
	}
	return at
}

// holds reports whether the lease is held.
func (rec *record) holds(lease domain.Lease) bool {
	return rec.state == stateProcessing && rec.granted(lease)
}

// granted reports whether the newest claim granted the lease.
func (rec *record) granted(lease domain.Lease) bool {
	return rec.claim == lease.ClaimID && rec.claim != uuid.Nil && rec.task.Deliveries == lease.Delivery
}

// stopping reports whether a run may go on that was cancelled.
func (rec *record) stopping(now int64) bool {
	return rec.state == stateCancelled && rec.report > max(now, reportReleased)
}

// timeOf returns a stored time; 0 is the zero time.
func timeOf(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// microsOf returns how a time is stored, in whole microseconds.
func microsOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// bytesOf returns s as bytes that are never NULL.
func bytesOf(s string) []byte { return append([]byte{}, s...) }

// seqList returns a JSON array of numbers.
func seqList(seqs []int64) string {
	out := make([]byte, 0, 2+20*len(seqs))
	out = append(out, '[')
	for i, seq := range seqs {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, seq, 10)
	}
	return string(append(out, ']'))
}

// idList returns a JSON array of ids in hexadecimal.
func idList(ids []uuid.UUID) string {
	out := make([]byte, 0, 2+35*len(ids))
	out = append(out, '[')
	for i, id := range ids {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = hex.AppendEncode(out, id[:])
		out = append(out, '"')
	}
	return string(append(out, ']'))
}

// reportReleased marks a task that its worker gave back.
const reportReleased = 1

// reportOf returns the digest of a report, by which a repeat is known: a number
// other than 0 and reportReleased.
func reportOf(u ports.TaskUpdate) int64 {
	h := fnv.New64a()
	part := func(b []byte) {
		// The length keeps neighbours apart. A hash never fails to write.
		_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(b))))
		_, _ = h.Write(b)
	}
	_, _ = h.Write([]byte{byte(u.Outcome)})
	part(u.Result)
	part([]byte(u.Failure.Reason))
	part([]byte(u.Failure.Message))
	part([]byte(u.Failure.Stack))
	part(binary.AppendVarint(nil, int64(u.RetryIn)))
	return int64(h.Sum64() | 2)
}
