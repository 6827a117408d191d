package domain

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Limits of a [Schedule].
const (
	MaxCron = 256
	// MinEvery and MaxEvery bound the interval of a schedule without a cron line, and
	// MaxJitter the jitter of any.
	MinEvery  = time.Second
	MaxEvery  = 366 * 24 * time.Hour
	MaxJitter = 24 * time.Hour
	// DefaultMaxMissed is how many missed ticks MissedAll makes up for, and MaxMaxMissed
	// the most that it can be told to.
	DefaultMaxMissed = 100
	MaxMaxMissed     = 1000
	// MaxScheduleSource is in bytes.
	MaxScheduleSource = MaxPayload + 64<<10
)

// Overlap says what a tick does while the task of an earlier one is unfinished.
type Overlap string

// The policies of overlap.
const (
	// OverlapAllow enqueues the task all the same.
	OverlapAllow Overlap = "allow"
	// OverlapSkip leaves the tick out.
	OverlapSkip Overlap = "skip"
	// OverlapReplace cancels the earlier task first.
	OverlapReplace Overlap = "replace"
)

// Missed says what becomes of ticks that passed while no process was there to see them.
type Missed string

// The policies of missed ticks.
const (
	// MissedSkip leaves them out.
	MissedSkip Missed = "skip"
	// MissedOne enqueues one task for all of them, that of the newest.
	MissedOne Missed = "one"
	// MissedAll enqueues a task for each, but for no more than the newest MaxMissed.
	MissedAll Missed = "all"
)

// Schedule enqueues a task at each of its ticks, for as long as it is stored. (What runs
// tasks is a scheduler.)
type Schedule struct {
	// Name is a name as [ValidateName] allows.
	Name string
	// Cron is a line of five fields (minute, hour, day of the month, month, day of the
	// week), of six with the second before them, or "@daily" and its like. Every is the
	// alternative: ticks at fixed intervals, from Start, or from when the schedule was set.
	Cron  string        `json:",omitempty"`
	Every time.Duration `json:",omitempty"`
	// Timezone is where the cron line is read, by its name in the IANA database; "" is UTC.
	Timezone string `json:",omitempty"`
	// Jitter moves each tick by a part of it that depends on the name and the tick alone.
	Jitter time.Duration `json:",omitempty"`
	// Start and End bound the ticks, both included; zero for no bound.
	Start time.Time `json:",omitzero"`
	End   time.Time `json:",omitzero"`
	// Overlap is OverlapAllow if empty, Missed is MissedOne, and MaxMissed, which goes with
	// MissedAll, is DefaultMaxMissed if 0.
	Overlap   Overlap `json:",omitempty"`
	Missed    Missed  `json:",omitempty"`
	MaxMissed int     `json:",omitempty"`
	// Task is what is enqueued, with an ID of its own at each tick.
	Task *Task
	// Source is the task as its author wrote it, in JSON, to be shown; nobody reads it.
	Source json.RawMessage `json:",omitempty"`
}

// Zones finds a time zone by its name, as time.LoadLocation does.
type Zones func(name string) (*time.Location, error)

// Compile checks the schedule and returns its ticks. since is where ticks of Every begin
// without a Start. The error is a *ValidationError.
func (s *Schedule) Compile(zones Zones, since time.Time) (*Timetable, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	zone := time.UTC
	if s.Timezone != "" && s.Timezone != "UTC" {
		var err error
		// "Local" is another one for each process.
		if zone, err = zones(s.Timezone); err != nil || s.Timezone == "Local" {
			return nil, &ValidationError{Field: "timezone", Value: CutString(s.Timezone, MaxNameLength), Rule: "must be a name of the IANA time zone database, such as Europe/Berlin"}
		}
	}
	t := &Timetable{every: s.Every, anchor: since, zone: zone, start: s.Start, end: s.End}
	if !s.Start.IsZero() {
		t.anchor = s.Start
	}
	if s.Cron != "" {
		if err := t.readCron(s.Cron); err != nil {
			return nil, err
		}
	}
	if s.Jitter > 0 {
		return t, s.checkJitter(t)
	}
	return t, nil
}

// MustFire checks that the schedule has a tick after now. The error is a *ValidationError.
func (t *Timetable) MustFire(now time.Time) error {
	switch {
	case !t.Next(now).IsZero():
		return nil
	case t.cron != nil && t.cron.Next(now).IsZero():
		return &ValidationError{Field: "cron", Rule: "must name a time that comes"}
	}
	return &ValidationError{Field: "end", Value: t.end.Format(time.RFC3339), Rule: "must leave a tick from now on"}
}

// validate checks all that needs neither a time zone nor a cron line that can be read.
func (s *Schedule) validate() error {
	if err := ValidateName("name", s.Name); err != nil {
		return err
	}
	switch {
	case s.Cron == "" && s.Every == 0:
		return &ValidationError{Field: "cron", Rule: "is required, or every_seconds"}
	case s.Cron != "" && s.Every != 0:
		return &ValidationError{Field: "every_seconds", Rule: "cannot be combined with cron"}
	case s.Cron == "" && (s.Every < MinEvery || s.Every > MaxEvery):
		return &ValidationError{Field: "every_seconds", Value: s.Every.String(), Rule: fmt.Sprintf("must be between %v and %v", MinEvery, MaxEvery)}
	case s.Jitter < 0 || s.Jitter > MaxJitter:
		return &ValidationError{Field: "jitter_seconds", Value: s.Jitter.String(), Rule: fmt.Sprintf("must be between 0 and %v", MaxJitter)}
	case !s.End.IsZero() && s.End.Before(s.Start):
		return &ValidationError{Field: "end", Value: s.End.Format(time.RFC3339), Rule: "must not be before start"}
	case s.Overlap != "" && s.Overlap != OverlapAllow && s.Overlap != OverlapSkip && s.Overlap != OverlapReplace:
		return &ValidationError{Field: "overlap", Value: CutString(string(s.Overlap), MaxNameLength), Rule: "must be allow, skip or replace"}
	case s.Missed != "" && s.Missed != MissedSkip && s.Missed != MissedOne && s.Missed != MissedAll:
		return &ValidationError{Field: "missed", Value: CutString(string(s.Missed), MaxNameLength), Rule: "must be skip, one or all"}
	case s.MaxMissed < 0 || s.MaxMissed > MaxMaxMissed:
		return rangeError("max_missed", s.MaxMissed, fmt.Sprintf("must be between 1 and %d", MaxMaxMissed))
	case s.MaxMissed > 0 && s.Missed != MissedAll:
		return &ValidationError{Field: "max_missed", Rule: "goes with the missed policy all"}
	}
	for _, f := range []struct {
		field string
		at    time.Time
	}{{"start", s.Start}, {"end", s.End}} {
		if y := f.at.Year(); !f.at.IsZero() && (y < 2000 || y > 2100) {
			return &ValidationError{Field: f.field, Value: f.at.String(), Rule: "must be between the years 2000 and 2100"}
		}
	}
	return s.validateTask()
}

func (s *Schedule) validateTask() error {
	if s.Task == nil {
		return &ValidationError{Field: "task", Rule: "is required"}
	}
	if !s.Task.ScheduledAt.IsZero() {
		return &ValidationError{Field: "task.scheduled_at", Rule: "cannot be the same for all ticks; use delay_seconds"}
	}
	if !s.Task.ExpiresAt.IsZero() {
		return &ValidationError{Field: "task.expires_at", Rule: "cannot be the same for all ticks; use expires_in_seconds"}
	}
	if len(s.Source) > MaxScheduleSource {
		return rangeError("task", len(s.Source), fmt.Sprintf("must be at most %d bytes", MaxScheduleSource))
	}
	task := s.Task.Clone()
	task.ID = s.TaskIDAt(time.Unix(0, 0))
	return InField("task", task.Validate())
}

// jitterTicks is how many ticks of a cron line are looked at for their distance.
const jitterTicks = 60

// checkJitter compares on the clock on the wall, and from a fixed day on: what is accepted
// today must not be refused on a day when clocks are set.
func (s *Schedule) checkJitter(t *Timetable) error {
	shortest := s.Every
	if s.Cron != "" {
		shortest = MaxJitter
		last := t.cron.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
		for range jitterTicks {
			next := t.cron.Next(last)
			if last.IsZero() || next.IsZero() {
				break
			}
			shortest, last = min(shortest, next.Sub(last)), next
		}
	}
	if s.Jitter > shortest {
		return &ValidationError{Field: "jitter_seconds", Value: s.Jitter.String(), Rule: fmt.Sprintf("must not be above the interval of %v", shortest)}
	}
	return nil
}

// Same reports whether both schedules are the same, however their Source is written.
func (s *Schedule) Same(o *Schedule) bool {
	a, b := *s, *o
	a.Source, b.Source = nil, nil
	left, errA := json.Marshal(a)
	right, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(left) == string(right)
}

// sameTicks reports whether both schedules have the same ticks.
func (s *Schedule) sameTicks(o *Schedule) bool {
	return s.Cron == o.Cron && s.Every == o.Every && s.Timezone == o.Timezone && s.Jitter == o.Jitter &&
		s.Start.Equal(o.Start) && s.End.Equal(o.End)
}

// Timetable is when a schedule has its ticks, without their jitter.
type Timetable struct {
	every      time.Duration
	anchor     time.Time
	cron       *cron.SpecSchedule // in UTC, read on the clock on the wall
	hourly     bool
	zone       *time.Location
	start, end time.Time
}

// everyHour is the bit by which the parser marks a field that is "*".
const everyHour = 1 << 63

var cronParser = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

func (t *Timetable) readCron(line string) error {
	fail := func(rule string) error {
		return &ValidationError{Field: "cron", Value: CutString(line, MaxCron), Rule: rule}
	}
	if len(line) > MaxCron {
		return fail(fmt.Sprintf("must be at most %d bytes", MaxCron))
	}
	if strings.Contains(line, "=") {
		return fail("must not name a time zone; timezone does")
	}
	read, err := cronParser.Parse(line)
	if err != nil {
		return fail("must be a cron line of five or six fields: " + err.Error())
	}
	spec, ok := read.(*cron.SpecSchedule)
	if !ok {
		return fail("must not be an interval; every_seconds is one")
	}
	spec.Location = time.UTC
	t.cron, t.hourly = spec, spec.Hour&everyHour != 0
	return nil
}

// Next returns the first tick after a time, the zero time if there is none.
func (t *Timetable) Next(after time.Time) time.Time {
	if !t.start.IsZero() && after.Before(t.start) {
		after = t.start.Add(-1)
	}
	var next time.Time
	switch {
	case t.cron == nil && after.Before(t.anchor):
		next = t.anchor
		if t.start.IsZero() {
			next = next.Add(t.every)
		}
	case t.cron == nil:
		next = after.Add(t.every - after.Sub(t.anchor)%t.every)
	case t.zone == time.UTC:
		next = t.cron.Next(after.UTC())
	case t.hourly:
		next = t.nextByOffset(after)
	default:
		next = t.nextOnWall(after)
	}
	if next.IsZero() || !t.end.IsZero() && next.After(t.end) {
		return time.Time{}
	}
	return next.UTC()
}

// nextByOffset is the next tick of a line for every hour. It ticks as time passes: the
// hour that a clock repeats has ticks of its own, the hour that it skips has none.
func (t *Timetable) nextByOffset(after time.Time) time.Time {
	at := after.In(t.zone)
	for {
		_, offset := at.Zone()
		moved := time.Duration(offset) * time.Second
		next := t.cron.Next(at.UTC().Add(moved))
		if next.IsZero() {
			return next
		}
		next = next.Add(-moved)
		_, until := at.ZoneBounds()
		if until.IsZero() || next.Before(until) {
			return next
		}
		// The first moment of the new offset may be a tick.
		at = until
		_, offset = at.Zone()
		if moved = time.Duration(offset) * time.Second; t.cron.Next(at.UTC().Add(moved - 1)).Equal(at.UTC().Add(moved)) {
			return at
		}
	}
}

// nextOnWall is the next tick of a line for some hours. Of an hour that comes twice it
// ticks in the first; what is in an hour that is skipped ticks once, at its end.
func (t *Timetable) nextOnWall(after time.Time) time.Time {
	wall := wallClock(after.In(t.zone))
	for {
		if wall = t.cron.Next(wall); wall.IsZero() {
			return wall
		}
		if at := t.onWall(wall); at.After(after) {
			return at
		}
	}
}

// wallClock is what a clock on the wall shows, as a time in UTC.
func wallClock(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// onWall is the first moment at which the clocks of the zone show wall, or something later.
func (t *Timetable) onWall(wall time.Time) time.Time {
	// Of the two moments that may be meant, time.Date does not say which it gives.
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, t.zone)
	from, until := at.ZoneBounds()
	switch shown := wallClock(at); {
	case shown.After(wall):
		return from
	case shown.Before(wall):
		return until
	case from.IsZero():
		return at
	}
	_, before := from.Add(-1).Zone()
	if first := wall.Add(-time.Duration(before) * time.Second); first.Before(from) {
		return first
	}
	return at
}

// newest returns the ticks from first to until, both included, but no more than n, and
// of more the newest.
func (t *Timetable) newest(first, until time.Time, n int) []time.Time {
	for span := time.Minute; ; span *= 4 {
		begin := until.Add(-span)
		whole := !begin.After(first)
		if whole {
			begin = first
		}
		var out []time.Time
		for at := t.Next(begin.Add(-1)); !at.IsZero() && !at.After(until); at = t.Next(at) {
			if out = append(out, at); len(out) > 2*n {
				out = append([]time.Time(nil), out[len(out)-n:]...)
			}
		}
		if whole || len(out) >= n {
			return out[max(len(out)-n, 0):]
		}
	}
}
