package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
)

// taskType is the type of the tasks of a benchmark.
const taskType domain.TaskType = "bench"

// ledger makes tasks, is their processor, and counts how often each is run. It
// may be used by many goroutines at once. A task's place in it is in the last
// four bytes of its id, after a random tag of the ledger, so that the counting
// costs the measurement next to nothing.
type ledger struct {
	tag   [3]byte
	tails [][]byte
	made  atomic.Int64
	runs  []atomic.Int32 // by place, how often the task was run
	late  []atomic.Int64 // by place, how long after its time it was run, in ns

	handled atomic.Int64 // runs
	foreign atomic.Int64 // runs of tasks that are not of this ledger
	target  int64
	reached chan struct{} // closed when handled is target
}

// tagAt and placeAt are where tag and place are in an id: behind the time and the
// version and variant bits of a UUID.
const (
	tagAt   = 9
	placeAt = 12
)

// newLedger returns a ledger with room for so many tasks.
func newLedger(room, target int) *ledger {
	l := &ledger{
		tails: make([][]byte, 256),
		runs:  make([]atomic.Int32, room), late: make([]atomic.Int64, room),
		target: int64(target), reached: make(chan struct{}),
	}
	// It never fails, says its documentation.
	_, _ = rand.Read(l.tag[:])
	for i := range l.tails {
		l.tails[i] = newTail()
	}
	return l
}

// newTail returns the part of a payload behind its time: the ids of 20 logs.
func newTail() []byte {
	b := []byte(`,"log_ids":[`)
	for i := range 20 {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, uuid.NewString())
	}
	return append(b, "]}"...)
}

// newTask returns a task whose run is late from the time sent on. It becomes
// ready at the time at; zero for at once.
func (l *ledger) newTask(sent, at time.Time) *domain.Task {
	place := l.made.Add(1) - 1
	id := uuid.Must(uuid.NewV7())
	copy(id[tagAt:], l.tag[:])
	binary.BigEndian.PutUint32(id[placeAt:], uint32(place))
	tail := l.tails[int(place)%len(l.tails)]
	payload := make([]byte, 0, len(timeKey)+20+len(tail))
	payload = append(payload, timeKey...)
	payload = strconv.AppendInt(payload, sent.UnixMicro(), 10)
	t := domain.NewTask(id, taskType, append(payload, tail...))
	t.ScheduledAt = at
	return t
}

// timeKey begins a payload; the time follows, in microseconds since 1970.
const timeKey = `{"t":`

// sentAt reads the time back.
func sentAt(payload []byte) (time.Time, error) {
	rest, ok := bytes.CutPrefix(payload, []byte(timeKey))
	digits, _, found := bytes.Cut(rest, []byte{','})
	if !ok || !found {
		return time.Time{}, errors.New("payload is not as it was enqueued")
	}
	us, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("payload is not as it was enqueued: %w", err)
	}
	return time.UnixMicro(us), nil
}

// Process counts the run of a task. It implements ports.TaskProcessor.
func (l *ledger) Process(_ context.Context, t *domain.Task) ([]byte, error) {
	sent, err := sentAt(t.Payload)
	if err != nil {
		return nil, domain.Permanent(err)
	}
	late := time.Since(sent)
	place := int64(binary.BigEndian.Uint32(t.ID[placeAt:]))
	if !bytes.Equal(t.ID[tagAt:placeAt], l.tag[:]) || place >= l.made.Load() {
		l.foreign.Add(1)
		return nil, nil
	}
	l.late[place].Store(int64(late))
	l.runs[place].Add(1)
	if l.handled.Add(1) == l.target {
		close(l.reached)
	}
	return nil, nil
}

// lateness returns how late each task was that was run.
func (l *ledger) lateness() []time.Duration {
	out := make([]time.Duration, 0, l.made.Load())
	for i := range l.made.Load() {
		if l.runs[i].Load() > 0 {
			out = append(out, time.Duration(l.late[i].Load()))
		}
	}
	return out
}

// tally counts the tasks that were not run, and those that were run twice or
// more.
func (l *ledger) tally() (missing, repeated int) {
	for i := range l.made.Load() {
		switch n := l.runs[i].Load(); {
		case n == 0:
			missing++
		case n > 1:
			repeated++
		}
	}
	return missing, repeated
}
