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
	claim    domain.ClaimID
	given    int64
	failures int64
	report   int64
	// corrupt says what cannot be read, nil if everything can.
	corrupt error
}

// recordColumns are read by readRecord, with the large columns last.
const recordColumns = `t.seq, t.lane, t.state, t.wake_us, t.claim, t.given_us, t.failures, t.report,
	t.id, l.queue, l.type, l.priority, t.unique_key, t.max_retries, t.timeout_ns, t.delay_ns,
	t.scheduled_us, t.attempt, t.deliveries, t.recoveries, t.started_us, t.completed_us, t.payload_size`

// The large columns of a record. A bare record is for changes of state.
const (
	bareColumns  = recordColumns + `, NULL, NULL`
	workColumns  = recordColumns + `, CASE WHEN t.payload_size > 0 THEN (SELECT data FROM payload p WHERE p.seq = t.seq) END, NULL`
	wholeColumns = recordColumns + `, CASE WHEN t.payload_size > 0 THEN (SELECT data FROM payload p WHERE p.seq = t.seq) END,
	CASE WHEN t.state = 5 THEN (SELECT data FROM result r WHERE r.seq = t.seq) END`
)

// The places that records are selected from. The order of the argument, a JSON
// array, is that of the rows.
const (
	fromSeqs = ` FROM json_each(?) j CROSS JOIN task t ON t.seq = j.value LEFT JOIN lane l ON l.id = t.lane`
	fromIDs  = ` FROM json_each(?) j CROSS JOIN task t ON t.id = unhex(j.value) LEFT JOIN lane l ON l.id = t.lane`
)

// readRecord reads a row. bare says that the payload was not asked for.
func readRecord(r *row, bare bool) *record {
	rec := &record{
		seq: r.int(0), laneID: r.int(1), state: state(r.int(2)), wake: r.int(3), claim: r.uuid(4),
		given: r.int(5), failures: r.int(6), report: r.int(7),
	}
	rec.task = &domain.Task{
		ID: r.uuid(8), Queue: r.text(9), Type: domain.TaskType(r.text(10)), Priority: domain.Priority(r.int(11)),
		UniqueKey: string(r.blob(12)), MaxRetries: int(r.int(13)), Timeout: time.Duration(r.int(14)), Delay: time.Duration(r.int(15)),
		ScheduledAt: timeOf(r.int(16)), Attempt: int(r.int(17)), Deliveries: int(r.int(18)), Recoveries: int(r.int(19)),
		StartedAt: timeOf(r.int(20)), CompletedAt: timeOf(r.int(21)), CreatedAt: timeOf(rec.seq),
	}
	size := r.int(22)
	t := rec.task
	if payload := r.blob(23); len(payload) > 0 {
		t.Payload = payload
	}
	if result := r.blob(24); len(result) > 0 {
		t.Result = result
	}
	if rec.state.valid() {
		t.Status = statuses[rec.state]
	}
	if rec.state == stateProcessing {
		t.Lease = &domain.Lease{TaskID: t.ID, ClaimID: rec.claim, Delivery: t.Deliveries, ExpiresAt: timeOf(rec.wake)}
	}
	rec.corrupt = r.err
	if rec.corrupt == nil {
		rec.corrupt = rec.check(size, bare)
	}
	return rec
}

// check finds what the types of the columns do not rule out.
func (rec *record) check(size int64, bare bool) error {
	t := rec.task
	if !rec.state.valid() {
		return fmt.Errorf("%w: task %s has the state %d", domain.ErrCorruptRecord, t.ID, rec.state)
	}
	if !bare && int64(len(t.Payload)) != size {
		return fmt.Errorf("%w: task %s has %d bytes of its %d bytes of payload", domain.ErrCorruptRecord, t.ID, len(t.Payload), size)
	}
	if t.Attempt < 0 || t.Deliveries < 0 || t.Recoveries < 0 || rec.failures < 0 {
		return fmt.Errorf("%w: task %s has a negative counter", domain.ErrCorruptRecord, t.ID)
	}
	asked := *t
	asked.ScheduledAt = timeOf(rec.given)
	if err := asked.Validate(); err != nil {
		return fmt.Errorf("%w: task %s: %w", domain.ErrCorruptRecord, t.ID, err)
	}
	return nil
}

// at returns the time of a step at now, but never before the step it follows,
// should the clock have been set back.
func (rec *record) at(now int64) time.Time {
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

// idOrNull returns how an id is stored.
func idOrNull(id uuid.UUID) any {
	if id == uuid.Nil {
		return nil
	}
	return id[:]
}

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
