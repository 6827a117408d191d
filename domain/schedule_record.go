package domain

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

const (
	// MaxFirings is how many firings a ScheduleRecord remembers, the newest.
	MaxFirings = 20
	// ScheduleGrace is how late a tick may be seen and not count as missed; one of a
	// shorter interval has no more than the interval.
	ScheduleGrace = 5 * time.Second
	// ScheduleLease is how long a claim of a schedule keeps others from it.
	ScheduleLease = 5 * time.Second
)

// FiringOutcome is what became of a tick.
type FiringOutcome string

// The outcomes of a tick.
const (
	// FiringFired: its task was enqueued.
	FiringFired FiringOutcome = "fired"
	// FiringSkipped: it was left out, since the task of another tick was unfinished, or
	// its unique key held.
	FiringSkipped FiringOutcome = "skipped"
	// FiringMissed: it passed while no process was there, and was left out.
	FiringMissed FiringOutcome = "missed"
	// FiringFailed: its task was refused.
	FiringFailed FiringOutcome = "failed"
)

// Firing is what became of a tick. Outcome is "" for one that is to be fired.
type Firing struct {
	Tick time.Time
	// TaskID is the task that was enqueued, or would have been; where another task has its
	// unique key and was kept or replaced, it is that one.
	TaskID  TaskID
	Outcome FiringOutcome `json:",omitempty"`
	// Manual is whether a person asked for it, and Run what names the request.
	Manual bool      `json:",omitempty"`
	Run    uuid.UUID `json:",omitzero"`
	// Detail says why it was not fired.
	Detail string `json:",omitempty"`
	// At is when it was decided, by the store's clock.
	At time.Time `json:",omitzero"`
}

// ScheduleRecord is a schedule as it is stored.
type ScheduleRecord struct {
	Schedule Schedule
	// CreatedAt is when the name was first set, SetAt the last time. Since is where its
	// ticks began: the last time that they were set otherwise.
	CreatedAt, SetAt, Since time.Time
	// PausedAt is since when it is paused; zero if it is not.
	PausedAt time.Time `json:",omitzero"`
	// NextTick is the next tick to look at; zero for none.
	NextTick time.Time `json:",omitzero"`
	// Pending are ticks that are decided to fire; what fires them is repeated until it has
	// succeeded.
	Pending []Firing `json:",omitempty"`
	// Earlier is the task of ticks until EarlierUntil, instead of the schedule's: one of them
	// may have been enqueued by a process that was lost, and with another key its repeat
	// might not find the task. Nil for none.
	Earlier      *Task     `json:",omitempty"`
	EarlierUntil time.Time `json:",omitzero"`
	// LastTask is the newest task that a tick enqueued; one that a person asked for does
	// not count.
	LastTask TaskID
	// Firings are the newest ticks, oldest first, at most MaxFirings.
	Firings []Firing `json:",omitempty"`

	// Revision rises with each change; 0 is a record that is not stored. ClaimedAt is when
	// the claim began that holds the record, or held it first; zero for none. The store
	// keeps both.
	Revision  int64     `json:"-"`
	ClaimedAt time.Time `json:"-"`
}

// scheduleSpace is the namespace of the ids of the tasks of schedules. It must never
// change: after an upgrade a tick would fire twice.
var scheduleSpace = uuid.MustParse("5c0e3b8e-06a5-4f5b-9d9a-7f0d7f2c4b61")

// TaskIDAt is the id of the task of a tick.
func (s *Schedule) TaskIDAt(tick time.Time) TaskID {
	return uuid.NewSHA1(scheduleSpace, []byte(s.Name+"\x00"+strconv.FormatInt(tick.UnixMicro(), 10)))
}

// DueAt is when a tick is to fire: at most Jitter later.
func (s *Schedule) DueAt(tick time.Time) time.Time {
	if s.Jitter <= 0 || tick.IsZero() {
		return tick
	}
	id := s.TaskIDAt(tick)
	share := float64(binary.BigEndian.Uint32(id[:4])) / (1 << 32)
	return tick.Add(time.Duration(share * float64(s.Jitter)).Truncate(time.Microsecond))
}

// Paused reports whether the schedule is paused.
func (r *ScheduleRecord) Paused() bool { return !r.PausedAt.IsZero() }

// DueAt is when the record is to be looked at; zero for never.
func (r *ScheduleRecord) DueAt() time.Time {
	switch {
	case len(r.Pending) > 0:
		return r.Pending[0].Tick
	case r.Paused():
		return time.Time{}
	}
	return r.Schedule.DueAt(r.NextTick)
}

// Set puts a definition in place of the one before. Ticks go on from now where they are
// others than before; the history stays.
func (r *ScheduleRecord) Set(s Schedule, table *Timetable, now time.Time) {
	if r.CreatedAt.IsZero() {
		r.CreatedAt = now
	}
	same := r.Revision > 0 && r.Schedule.sameTicks(&s)
	begun := len(r.Pending) > 0 || !r.ClaimedAt.IsZero()
	if old := r.Schedule.Task; begun && r.Earlier == nil && (old.Key != s.Task.Key || old.UniqueKey != s.Task.UniqueKey) {
		r.Earlier, r.EarlierUntil = old, now
	}
	r.Schedule, r.SetAt = s, now
	if !same {
		r.Since, r.NextTick = now, table.Next(r.from(now))
	}
	r.dropEarlier()
}

// dropEarlier forgets the earlier task once no tick of its time may be fired.
func (r *ScheduleRecord) dropEarlier() {
	if r.Earlier != nil && (r.NextTick.IsZero() || r.NextTick.After(r.EarlierUntil)) &&
		!slices.ContainsFunc(r.Pending, func(f Firing) bool { return !f.Tick.After(r.EarlierUntil) }) {
		r.Earlier, r.EarlierUntil = nil, time.Time{}
	}
}

// TaskOf returns the task of a firing.
func (r *ScheduleRecord) TaskOf(f Firing) *Task {
	task := r.Schedule.Task
	if r.Earlier != nil && !f.Tick.After(r.EarlierUntil) {
		task = r.Earlier
	}
	task = task.Clone()
	task.ID = f.TaskID
	return task
}

// from is now, or the newest tick that was dealt with, if the clock was set back before it.
func (r *ScheduleRecord) from(now time.Time) time.Time {
	for _, f := range r.Firings {
		if f.Tick.After(now) {
			now = f.Tick
		}
	}
	return now
}

// Pause lets no more ticks fire. One that is paused already stays so.
func (r *ScheduleRecord) Pause(now time.Time) {
	if !r.Paused() {
		r.PausedAt = now
	}
}

// Resume ends a pause. The ticks of its time are gone.
func (r *ScheduleRecord) Resume(table *Timetable, now time.Time) {
	if r.Paused() {
		r.PausedAt, r.NextTick = time.Time{}, table.Next(r.from(now))
	}
}

// RunNow has the task enqueued once more, whatever the overlap, also in a pause. It
// reports whether that is new: a repeat of the run changes nothing. One that comes after
// MaxFirings others has the same task.
func (r *ScheduleRecord) RunNow(run uuid.UUID, now time.Time) bool {
	for _, f := range slices.Concat(r.Pending, r.Firings) {
		if f.Run == run {
			return false
		}
		if f.Tick.Equal(now) {
			now = now.Add(time.Microsecond) // Pending ticks differ.
		}
	}
	id := uuid.NewSHA1(scheduleSpace, []byte(r.Schedule.Name+"\x00run\x00"+run.String()))
	r.Pending = append(r.Pending, Firing{Tick: now, TaskID: id, Manual: true, Run: run})
	return true
}

// Decide makes Pending of the ticks that are due, or history of those that are left out;
// busy is whether LastTask is unfinished. It reports whether this must be stored before
// anything is enqueued, since it might be decided otherwise later.
func (r *ScheduleRecord) Decide(table *Timetable, now time.Time, busy bool) (first bool) {
	if len(r.Pending) > 0 || r.NextTick.IsZero() || r.Paused() {
		return false
	}
	s := &r.Schedule
	makeUp := r.makeUp()
	fire := r.seenInTime(table, now)
	rest := r.NextTick
	if len(fire) > 0 {
		rest = table.Next(fire[len(fire)-1])
	}
	var missed []time.Time
	last := time.Time{}
	if !rest.IsZero() {
		for _, tick := range table.newest(rest, now, makeUp+MaxFirings) {
			if s.DueAt(tick).After(now) {
				break
			}
			if last = tick; now.Sub(s.DueAt(tick)) > r.grace(table, tick) {
				missed = append(missed, tick)
			} else {
				fire = append(fire, tick)
			}
		}
	}
	first = len(missed) > 0
	made := max(len(missed)-makeUp, 0)
	for _, tick := range missed[:made] {
		r.note(Firing{Tick: tick, Outcome: FiringMissed, At: now, Detail: "no process was there"})
	}
	fire = append(missed[made:], fire...)
	slices.SortFunc(fire, time.Time.Compare)
	if len(fire) == 0 && last.IsZero() {
		return false
	}
	if len(fire) > 0 && fire[len(fire)-1].After(last) {
		last = fire[len(fire)-1]
	}
	r.NextTick = table.Next(last)
	return r.overlap(fire, now, busy) || first
}

// overlap makes Pending of ticks that are to fire, and history of those that the policy
// leaves out.
func (r *ScheduleRecord) overlap(fire []time.Time, now time.Time, busy bool) (first bool) {
	first = len(fire) > 1
	for i, tick := range fire {
		detail := ""
		switch r.Schedule.Overlap {
		case OverlapSkip:
			first = true
			if busy || i > 0 {
				detail = "an earlier task is unfinished"
			}
		case OverlapReplace:
			first = true
			if i < len(fire)-1 {
				detail = "a later tick replaces it"
			}
		case OverlapAllow, "":
		}
		if detail != "" {
			r.note(Firing{Tick: tick, Outcome: FiringSkipped, Detail: detail, At: now})
			continue
		}
		r.Pending = append(r.Pending, Firing{Tick: tick, TaskID: r.Schedule.TaskIDAt(tick)})
	}
	return first
}

// makeUp is how many missed ticks are made up for.
func (r *ScheduleRecord) makeUp() int {
	switch r.Schedule.Missed {
	case MissedSkip:
		return 0
	case MissedAll:
		if r.Schedule.MaxMissed > 0 {
			return r.Schedule.MaxMissed
		}
		return DefaultMaxMissed
	case MissedOne:
	}
	return 1
}

// seenInTime returns the ticks that were not missed because a process was there: it
// claimed the record for the first of them in time, and was lost.
func (r *ScheduleRecord) seenInTime(table *Timetable, now time.Time) (out []time.Time) {
	s := &r.Schedule
	if r.ClaimedAt.IsZero() || r.ClaimedAt.Sub(s.DueAt(r.NextTick)) > r.grace(table, r.NextTick) {
		return nil
	}
	until := r.ClaimedAt.Add(ScheduleLease)
	for tick := r.NextTick; !tick.IsZero(); tick = table.Next(tick) {
		if due := s.DueAt(tick); due.After(now) || due.After(until) {
			break
		}
		out = append(out, tick)
	}
	return out
}

// grace is how late the tick may be.
func (r *ScheduleRecord) grace(table *Timetable, tick time.Time) time.Duration {
	if next := table.Next(tick); !next.IsZero() {
		return min(ScheduleGrace, next.Sub(tick))
	}
	return ScheduleGrace
}

// Settle notes what became of pending ticks. It may be told of ticks that another process
// has settled, or that this record does not know to be pending.
func (r *ScheduleRecord) Settle(table *Timetable, done []Firing) {
	r.Pending = slices.DeleteFunc(r.Pending, func(f Firing) bool {
		return slices.ContainsFunc(done, func(d Firing) bool { return d.Tick.Equal(f.Tick) })
	})
	for _, f := range done {
		if slices.ContainsFunc(r.Firings, func(k Firing) bool { return k.Tick.Equal(f.Tick) && k.Outcome == f.Outcome }) {
			continue
		}
		if f.Outcome == FiringFired && !f.Manual {
			r.LastTask = f.TaskID
		}
		r.note(f)
		if !f.Manual && !r.NextTick.IsZero() && !r.NextTick.After(f.Tick) {
			r.NextTick = table.Next(f.Tick)
		}
	}
	r.dropEarlier()
}

// note adds to the history.
func (r *ScheduleRecord) note(f Firing) {
	if f.TaskID == uuid.Nil {
		f.TaskID = r.Schedule.TaskIDAt(f.Tick)
	}
	f.Detail = CutString(f.Detail, MaxUniqueKey)
	r.Firings = append(r.Firings, f)
	if extra := len(r.Firings) - MaxFirings; extra > 0 {
		r.Firings = slices.Clone(r.Firings[extra:])
	}
}

// Validate checks what a store relies on. The error is a *ValidationError.
func (r *ScheduleRecord) Validate() error {
	if err := r.Schedule.validate(); err != nil {
		return err
	}
	switch {
	case r.Revision < 0:
		return &ValidationError{Field: "revision", Rule: "must not be negative"}
	case len(r.Firings) > MaxFirings:
		return rangeError("firings", len(r.Firings), fmt.Sprintf("must be at most %d", MaxFirings))
	case len(r.Pending) > MaxMaxMissed+MaxFirings:
		return rangeError("pending", len(r.Pending), fmt.Sprintf("must be at most %d", MaxMaxMissed+MaxFirings))
	}
	return nil
}

// Encode returns what a store keeps of the record beside Revision and ClaimedAt.
func (r *ScheduleRecord) Encode() ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode schedule %q: %w", r.Schedule.Name, err)
	}
	return body, nil
}

// DecodeSchedule is the inverse of Encode, for the record under a name. The error wraps
// ErrCorruptRecord.
func DecodeSchedule(name string, body []byte) (r ScheduleRecord, err error) {
	err = json.Unmarshal(body, &r)
	if err == nil {
		err = r.Validate()
	}
	if err == nil && r.Schedule.Name != name {
		err = fmt.Errorf("it is that of %q", CutString(r.Schedule.Name, MaxNameLength))
	}
	if err != nil {
		return ScheduleRecord{}, fmt.Errorf("schedule %q: %w: %w", name, ErrCorruptRecord, err)
	}
	return r, nil
}
