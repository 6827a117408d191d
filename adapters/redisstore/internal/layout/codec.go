package layout

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"time"

	"logsift/domain"
)

// A record is what a task is created with; it is written once, and again if a later
// enqueue replaces the task.
//
//	version   1 byte, recordVersion, plus 1 with a trace, plus 2 with options, plus 4
//	          if the unique key is free once the task is claimed, plus 8 if the task
//	          was replaced, plus 16 with times
//	ready list      2 bytes, big-endian as all numbers here
//	priority  1 byte
//	scheduled 8 bytes, a double: microseconds since 1970; negative: a delay; 0
//	times     two doubles, only if one is not 0: microseconds since 1970 when it expires,
//	          negative: after its creation, 0: never, or not any more; retention
//	retries   uvarint
//	timeout   uvarint, nanoseconds
//	queue, type, unique key: a uvarint length and the bytes
//	options   a uvarint length and the bytes, only if there are any
//	payload   the rest, but for the trace
//	trace     its id (16 bytes), that of the span (8 bytes), flags (1 byte)
//	replaced  the id of the task that replaced it last (16 bytes)
//
// The scripts read the first twelve bytes (HEAD in common.lua), and the times. Two records are
// equal, but for their versions, traces and times, exactly if the tasks have the same
// contents.
const (
	recordVersion = 1
	// These are added to the version. queue/claim.lua knows uniqueWaiting, many
	// scripts timed, and queue/enqueue.lua and queue/replace.lua all.
	traced        = 1
	withOptions   = 2
	uniqueWaiting = 4
	replaced      = 8
	timed         = 16
	newest        = recordVersion + traced + withOptions + uniqueWaiting + replaced + timed
	recordHead    = 12
	recordTrace   = 25
	recordTimes   = 16
	// recordReplaced is the size of who replaced it.
	recordReplaced = 16
)

// EncodeRecord returns the record of a task.
func EncodeRecord(t *domain.Task, list int) []byte {
	b := make([]byte, 0, recordHead+32+recordTrace+len(t.Queue)+len(t.Type)+len(t.UniqueKey)+len(t.Payload))
	scheduled := float64(TimeMicro(t.ScheduledAt))
	if t.Delay > 0 {
		scheduled = -float64(DelayMicro(t.Delay))
	}
	options := t.EncodeOptions()
	version := byte(recordVersion)
	if t.TraceParent != "" {
		version += traced
	}
	if options != nil {
		version += withOptions
	}
	if t.UniqueWhile == domain.UniqueWhileWaiting {
		version += uniqueWaiting
	}
	expires, retention := givenTimes(&t.TaskOptions)
	if expires != 0 || retention != 0 {
		version += timed
	}
	b = append(b, version, byte(list>>8), byte(list), byte(t.Priority))
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(scheduled))
	if expires != 0 || retention != 0 {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(expires))
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(retention))
	}
	b = binary.AppendUvarint(b, uint64(t.MaxRetries))
	b = binary.AppendUvarint(b, uint64(t.Timeout))
	for _, s := range []string{t.Queue, string(t.Type), t.UniqueKey} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	if options != nil {
		b = binary.AppendUvarint(b, uint64(len(options)))
		b = append(b, options...)
	}
	b = append(b, t.Payload...)
	if t.TraceParent != "" {
		b = appendTrace(b, t.TraceParent)
	}
	return b
}

// givenTimes are the times of the record of a task with these options.
func givenTimes(o *domain.TaskOptions) (expires, retention float64) {
	if o.ExpiresIn > 0 {
		expires = -float64(DelayMicro(o.ExpiresIn))
	} else {
		expires = float64(TimeMicro(o.ExpiresAt))
	}
	return expires, float64(DelayMicro(o.Retention))
}

// Times are those of a record that can be read: when its task expires (negative: after its
// creation), and its retention, in microseconds; 0 for none.
func Times(record string) (expires, retention float64) {
	if (record[0]-recordVersion)&timed == 0 {
		return 0, 0
	}
	at := func(i int) float64 { return math.Float64frombits(binary.BigEndian.Uint64([]byte(record[i : i+8]))) }
	return at(recordHead), at(recordHead + 8)
}

// appendTrace appends a valid trace parent without its version.
func appendTrace(b []byte, parent string) []byte {
	for _, part := range []string{parent[3:35], parent[36:52], parent[53:]} {
		// A valid trace parent is of hexadecimal digits.
		b, _ = hex.AppendDecode(b, []byte(part))
	}
	return b
}

// traceParent is the inverse of appendTrace.
func traceParent(b string) string { return fmt.Sprintf("00-%x-%x-%x", b[:16], b[16:24], b[24:]) }

// DecodeRecord reads a record into a task that has its id. The error wraps
// domain.ErrCorruptRecord.
func DecodeRecord(t *domain.Task, record string) error {
	if len(record) < recordHead {
		return corrupt(t.ID, "record", "is too short")
	}
	parts := record[0] - recordVersion
	if parts > newest-recordVersion {
		return corrupt(t.ID, "record", fmt.Sprintf("has version %d; this program reads up to version %d", record[0], newest))
	}
	if parts&replaced != 0 {
		if len(record) < recordHead+recordReplaced {
			return corrupt(t.ID, "record", "is too short")
		}
		record = record[:len(record)-recordReplaced]
	}
	if parts&traced != 0 {
		if len(record) < recordHead+recordTrace {
			return corrupt(t.ID, "record", "is too short")
		}
		t.TraceParent = traceParent(record[len(record)-recordTrace:])
		if domain.ValidateTraceParent(t.TraceParent) != nil {
			return corrupt(t.ID, "record", "is damaged")
		}
		record = record[:len(record)-recordTrace]
	}
	t.Status = domain.TaskStatusPending
	t.Priority = domain.Priority(record[3])
	scheduled := math.Float64frombits(binary.BigEndian.Uint64([]byte(record[4:12])))
	if scheduled < 0 {
		t.Delay = time.Duration(-scheduled) * time.Microsecond
	} else {
		t.ScheduledAt = MicroTime(int64(scheduled))
	}
	fields := record[recordHead:]
	if parts&timed != 0 {
		if len(fields) < recordTimes {
			return corrupt(t.ID, "record", "is too short")
		}
		fields = fields[recordTimes:]
	}
	r := &reader{s: fields}
	t.MaxRetries = int(r.uvarint())
	t.Timeout = time.Duration(r.uvarint())
	t.Queue = r.text()
	t.Type = domain.TaskType(r.text())
	t.UniqueKey = r.text()
	if parts&withOptions != 0 {
		var err error
		if t.TaskOptions, err = domain.DecodeTaskOptions([]byte(r.text())); err != nil {
			return corrupt(t.ID, "record", "has damaged options")
		}
	}
	if parts&timed != 0 {
		expires, retention := Times(record)
		wantExpires, wantRetention := givenTimes(&t.TaskOptions)
		if retention != wantRetention || expires != 0 && expires != wantExpires {
			return corrupt(t.ID, "record", "has times that are not those of its options")
		}
	}
	waiting := t.UniqueWhile == domain.UniqueWhileWaiting
	if r.bad || waiting != (parts&uniqueWaiting != 0) || t.Type == "" || t.Queue == "" || t.Priority > domain.PriorityCritical {
		return corrupt(t.ID, "record", "is damaged")
	}
	t.Payload = []byte(r.s)
	return nil
}

// state is what common.lua packs; its offsets are described there.
type state struct {
	status                          byte
	list                            int
	deliveries, attempt, recoveries int
	seq, started, finished          int64
	claim                           domain.ClaimID
	// scheduled counts if rescheduled is set; else the record says when.
	scheduled   int64
	rescheduled bool
}

const (
	stateSize = 44
	// StatusBits are the bits of the first byte that hold the status; the others
	// hold the priority.
	StatusBits = 7
)

// Numbers of the statuses in the store. They are part of the data layout, and
// so do not follow the constants of the domain.
var (
	StatusOf = map[byte]domain.TaskStatus{
		1: domain.TaskStatusPending, 2: domain.TaskStatusProcessing, 3: domain.TaskStatusCompleted,
		4: domain.TaskStatusFailed, 5: domain.TaskStatusRetrying, 6: domain.TaskStatusCancelled,
	}
	CodeOf = map[domain.TaskStatus]byte{
		domain.TaskStatusPending: 1, domain.TaskStatusProcessing: 2, domain.TaskStatusCompleted: 3,
		domain.TaskStatusFailed: 4, domain.TaskStatusRetrying: 5, domain.TaskStatusCancelled: 6,
	}
)

// SequenceStart is SEQUENCE_START in common.lua: sequence numbers count from it.
const SequenceStart = 1735689600000000

// decodeState reads a packed state.
func decodeState(s string) (state, bool) {
	if len(s) != stateSize && len(s) != stateSize+7 {
		return state{}, false
	}
	st := state{
		status:     s[0] & StatusBits,
		list:       int(s[1])<<8 | int(s[2]),
		attempt:    int(s[3]),
		recoveries: int(s[4]),
		seq:        Int56(s[5:]),
		started:    Int56(s[12:]),
		finished:   Int56(s[19:]),
		deliveries: int(s[26])<<8 | int(s[27]),
	}
	copy(st.claim[:], s[28:stateSize])
	if len(s) > stateSize {
		st.scheduled, st.rescheduled = Int56(s[stateSize:]), true
	}
	return st, true
}

// Int56 reads the seven bytes that a text has at least, as scripts pack a number with >I7.
func Int56(s string) int64 {
	var n int64
	for i := range 7 {
		n = n<<8 | int64(s[i])
	}
	return n
}

// FenceSize is how many bytes AppendFence appends.
const FenceSize = 34

// AppendFence appends what names a lease to the scripts: the id of the task, and
// the deliveries and claim id as they stand in its state.
func AppendFence(b []byte, l domain.Lease) []byte {
	b = append(b, l.TaskID[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(min(max(l.Delivery, 0), math.MaxUint16)))
	return append(b, l.ClaimID[:]...)
}

// StoredTask is what the store holds of one task.
type StoredTask struct {
	ID                             domain.TaskID
	Record, State, Results, Errors string
	// LeaseEnds is in microseconds since 1970, 0 if there is no lease; of a CANCELLED task that of a
	// run which may not have stopped.
	LeaseEnds int64
}

// DecodeTask reads a task. The error wraps domain.ErrCorruptRecord; the task is
// then returned as far as it could be read.
func DecodeTask(s StoredTask) (*domain.Task, error) {
	t := &domain.Task{ID: s.ID}
	err := DecodeRecord(t, s.Record)
	st, ok := decodeState(s.State)
	if !ok {
		return t, corrupt(s.ID, "state", "is damaged")
	}
	status, known := StatusOf[st.status]
	if !known {
		return t, corrupt(s.ID, "state", fmt.Sprintf("has the unknown status %d", st.status))
	}
	t.Status = status
	t.Deliveries, t.Attempt, t.Recoveries = st.deliveries, st.attempt, st.recoveries
	t.CreatedAt = MicroTime(st.seq + SequenceStart)
	switch {
	case st.rescheduled:
		t.ScheduledAt = MicroTime(st.scheduled)
	case t.Delay > 0:
		t.ScheduledAt = t.CreatedAt.Add(t.Delay)
	}
	t.ExpiresAt = t.Expiry(t.CreatedAt)
	if err == nil {
		if expires, _ := Times(s.Record); expires == 0 {
			t.ExpiresAt = time.Time{}
		}
	}
	t.StartedAt = MicroTime(st.started)
	t.CompletedAt = MicroTime(st.finished)
	if status == domain.TaskStatusProcessing {
		t.Lease = &domain.Lease{TaskID: s.ID, ClaimID: st.claim, Delivery: st.deliveries, ExpiresAt: MicroTime(s.LeaseEnds)}
	}
	t.Stopping = status == domain.TaskStatusCancelled && s.LeaseEnds != 0
	if s.Results != "" {
		t.Result = []byte(s.Results)
	}
	t.Errors = decodeErrors(s.Errors)
	return t, err
}

// EncodeProgress returns what is kept of a progress: the percent, the length of the note,
// the note, and the data. The script puts the fence and the time before it.
func EncodeProgress(p domain.Progress) []byte {
	b := append([]byte{byte(p.Percent), byte(len(p.Note))}, p.Note...)
	return append(b, p.Data...)
}

// DecodeProgress reads what is kept of a progress, nil if it is of another lease or
// damaged.
func DecodeProgress(l domain.Lease, kept string) *domain.Progress {
	const fence, head = FenceSize - 16, FenceSize - 16 + 7 + 2
	if len(kept) < head || kept[:fence] != string(AppendFence(nil, l)[16:]) {
		return nil
	}
	note, rest := int(kept[head-1]), kept[head:]
	if note > len(rest) {
		return nil
	}
	p := &domain.Progress{Percent: int(kept[head-2]), Note: rest[:note], At: MicroTime(Int56(kept[fence:]))}
	if data := rest[note:]; data != "" {
		p.Data = []byte(data)
	}
	if p.Validate() != nil {
		return nil
	}
	return p
}

// EncodeFailure is what the client gives to append_error: reason, message and
// stack, each ended by NUL but the last.
func EncodeFailure(e domain.TaskError) []byte {
	e = e.Bounded()
	clean := func(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }
	var b bytes.Buffer
	b.WriteString(clean(string(e.Reason)))
	b.WriteByte(0)
	b.WriteString(clean(e.Message))
	b.WriteByte(0)
	b.WriteString(clean(e.Stack))
	return b.Bytes()
}

// decodeErrors reads what append_error wrote; it stops at damage.
func decodeErrors(s string) []domain.TaskError {
	const head = 22
	var out []domain.TaskError
	for len(s) >= head {
		b := []byte(s[:head])
		n := int(binary.BigEndian.Uint32(b[18:]))
		if n > len(s)-head {
			return out
		}
		parts := strings.SplitN(s[head:head+n], "\x00", 3)
		for len(parts) < 3 {
			parts = append(parts, "")
		}
		out = append(out, domain.TaskError{
			Attempt:   int(binary.BigEndian.Uint16(b)),
			StartedAt: MicroTime(int64(math.Float64frombits(binary.BigEndian.Uint64(b[2:])))),
			At:        MicroTime(int64(math.Float64frombits(binary.BigEndian.Uint64(b[10:])))),
			Reason:    domain.FailureReason(parts[0]), Message: parts[1], Stack: parts[2],
		})
		s = s[head+n:]
	}
	return out
}

func corrupt(id domain.TaskID, what, problem string) error {
	return fmt.Errorf("task %s: %w: its %s %s", id, domain.ErrCorruptRecord, what, problem)
}

// reader takes a record apart; after damage, bad is set and it gives zeros.
type reader struct {
	s   string
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint([]byte(r.s[:min(len(r.s), binary.MaxVarintLen64)]))
	if n <= 0 || v > math.MaxInt64 {
		r.bad, r.s = true, ""
		return 0
	}
	r.s = r.s[n:]
	return v
}

func (r *reader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.s)) {
		r.bad, r.s = true, ""
		return ""
	}
	out := r.s[:n]
	r.s = r.s[n:]
	return out
}
