package domain_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func newSchedule(cron string) domain.Schedule {
	return domain.Schedule{Name: "s", Cron: cron, Task: domain.NewTask(uuid.Nil, "work", []byte(`{}`))}
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	out, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return out.UTC()
}

// Where clocks are set forward, what is in the hour that is skipped ticks once, at its
// end; where they are set back, what is in the hour that comes twice ticks once. A line for
// every hour ticks as time passes.
func TestTicksWhereClocksAreSet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, cron, after string
		want              []string
	}{
		{"Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"Europe/Berlin", "*/20 2 * * *", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}},
		{"Europe/Berlin", "0 2,3 * * *", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}},
		{"Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"Europe/Berlin", "0 3 * * *", "2026-10-25T00:00:00Z", []string{"2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"}},
		{"Europe/Berlin", "30 * * * *", "2026-03-29T00:00:00Z", []string{"2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"}},
		{"Europe/Berlin", "@hourly", "2026-03-29T00:30:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
		{"Europe/Berlin", "30 * * * *", "2026-10-25T00:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}},
		{"America/New_York", "30 2 * * *", "2026-03-07T12:00:00Z", []string{"2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"}},
		{"America/New_York", "30 1 * * *", "2026-11-01T00:00:00Z", []string{"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
		// From within the second of the two hours on.
		{"America/New_York", "30 1 * * *", "2026-11-01T06:10:00Z", []string{"2026-11-02T06:30:00Z"}},
		{"Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00:00Z", []string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
		{"Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00:00Z", []string{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},
		{"Australia/Lord_Howe", "45 * * * *", "2026-04-04T14:30:00Z", []string{"2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "2026-04-04T16:15:00Z"}},
		{"", "15 10 5 * * *", "2026-01-01T00:00:00Z", []string{"2026-01-01T05:10:15Z", "2026-01-02T05:10:15Z"}},
	} {
		s := newSchedule(c.cron)
		s.Timezone = c.zone
		table, err := s.Compile(time.LoadLocation, time.Time{})
		require.NoError(t, err)
		tick := at(t, c.after)
		for _, want := range c.want {
			tick = table.Next(tick)
			require.Equal(t, want, tick.Format(time.RFC3339), "%s in %s after %s", c.cron, c.zone, c.after)
		}
	}
}

// Ticks rise, and each is one on the clock on the wall, whatever the zone does.
func FuzzTicks(f *testing.F) {
	f.Add("30 2 * * *", "Europe/Berlin", int64(1774656000))
	f.Add("*/7 * * * *", "Australia/Lord_Howe", int64(1775311000))
	f.Add("0 0 * * *", "Pacific/Apia", int64(1325200000))
	f.Fuzz(func(t *testing.T, cron, zone string, unix int64) {
		s := newSchedule(cron)
		s.Timezone = zone
		table, err := s.Compile(time.LoadLocation, time.Time{})
		if err != nil || unix < 0 || unix > 4e9 {
			return
		}
		last := time.Unix(unix, 0)
		for range 200 {
			next := table.Next(last)
			if next.IsZero() {
				return
			}
			require.True(t, next.After(last), "%v is not after %v", next, last)
			require.Equal(t, next, table.Next(next.Add(-time.Nanosecond)), "the tick is found from just before it too")
			last = next
		}
	})
}

func TestTicksOfAnInterval(t *testing.T) {
	t.Parallel()
	since := at(t, "2026-01-01T00:00:30Z")
	s := newSchedule("")
	s.Every = time.Minute
	table, err := s.Compile(time.LoadLocation, since)
	require.NoError(t, err)
	require.Equal(t, since.Add(time.Minute), table.Next(since))
	require.Equal(t, since.Add(2*time.Minute), table.Next(since.Add(time.Minute)))
	s.Start, s.End = at(t, "2026-01-01T01:00:00Z"), at(t, "2026-01-01T01:01:00Z")
	table, err = s.Compile(time.LoadLocation, since)
	require.NoError(t, err)
	require.Equal(t, s.Start, table.Next(since), "the start is a tick")
	require.Equal(t, s.End, table.Next(s.Start), "the end is one")
	require.Zero(t, table.Next(s.End))
}

func TestWhatBreaksARuleOfASchedule(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-01-01T00:00:00Z")
	for _, c := range []struct {
		field  string
		change func(s *domain.Schedule)
	}{
		{"name", func(s *domain.Schedule) { s.Name = "a b" }},
		{"cron", func(s *domain.Schedule) { s.Cron = "" }},
		{"cron", func(s *domain.Schedule) { s.Cron = "0 0 30 2 *" }},
		{"cron", func(s *domain.Schedule) { s.Cron = "61 * * * *" }},
		{"cron", func(s *domain.Schedule) { s.Cron = "* * * *" }},
		{"cron", func(s *domain.Schedule) { s.Cron = "@every 1m" }},
		{"cron", func(s *domain.Schedule) { s.Cron = "TZ=UTC * * * * *" }},
		{"cron", func(s *domain.Schedule) { s.Cron = strings.Repeat("1,", 200) + "1 * * * *" }},
		{"every_seconds", func(s *domain.Schedule) { s.Every = time.Minute }},
		{"every_seconds", func(s *domain.Schedule) { s.Cron, s.Every = "", time.Second-1 }},
		{"every_seconds", func(s *domain.Schedule) { s.Cron, s.Every = "", domain.MaxEvery+1 }},
		{"timezone", func(s *domain.Schedule) { s.Timezone = "Europe/Bonn" }},
		{"timezone", func(s *domain.Schedule) { s.Timezone = "Local" }},
		{"jitter_seconds", func(s *domain.Schedule) { s.Jitter = -1 }},
		{"jitter_seconds", func(s *domain.Schedule) { s.Jitter = time.Hour + 1 }},
		{"jitter_seconds", func(s *domain.Schedule) { s.Cron, s.Every, s.Jitter = "", time.Second, 2*time.Second }},
		{"start", func(s *domain.Schedule) { s.Start = at(t, "1999-01-01T00:00:00Z") }},
		{"end", func(s *domain.Schedule) { s.Start, s.End = now.Add(time.Hour), now }},
		{"end", func(s *domain.Schedule) { s.End = now }},
		{"overlap", func(s *domain.Schedule) { s.Overlap = "never" }},
		{"missed", func(s *domain.Schedule) { s.Missed = "some" }},
		{"max_missed", func(s *domain.Schedule) { s.Missed, s.MaxMissed = domain.MissedAll, domain.MaxMaxMissed+1 }},
		{"max_missed", func(s *domain.Schedule) { s.MaxMissed = 1 }},
		{"task", func(s *domain.Schedule) { s.Task = nil }},
		{"task", func(s *domain.Schedule) { s.Source = make([]byte, domain.MaxScheduleSource+1) }},
		{"task.type", func(s *domain.Schedule) { s.Task.Type = "" }},
		{"task.scheduled_at", func(s *domain.Schedule) { s.Task.ScheduledAt = now }},
		{"task.expires_at", func(s *domain.Schedule) { s.Task.ExpiresAt = now.Add(time.Hour) }},
	} {
		s := newSchedule("@hourly")
		c.change(&s)
		table, err := s.Compile(time.LoadLocation, now)
		if err == nil {
			err = table.MustFire(now)
		}
		var invalid *domain.ValidationError
		require.ErrorAs(t, err, &invalid, c.field)
		require.Equal(t, c.field, invalid.Field, invalid.Error())
	}
}

// decided is what Decide made of the record after a while: pending ticks, and outcomes,
// in seconds from its begin.
func decided(t *testing.T, change func(r *domain.ScheduleRecord), after time.Duration, busy bool) (pending []int, left map[int]domain.FiringOutcome, first bool) {
	t.Helper()
	begin := at(t, "2026-01-01T00:00:00Z")
	var r domain.ScheduleRecord
	s := newSchedule("")
	s.Every = 10 * time.Second
	table, err := s.Compile(time.LoadLocation, begin)
	require.NoError(t, err)
	r.Set(s, table, begin)
	change(&r)
	first = r.Decide(table, begin.Add(after), busy)
	left = map[int]domain.FiringOutcome{}
	for _, f := range r.Pending {
		pending = append(pending, int(f.Tick.Sub(begin).Seconds()))
	}
	for _, f := range r.Firings {
		left[int(f.Tick.Sub(begin).Seconds())] = f.Outcome
	}
	require.True(t, r.NextTick.After(begin.Add(after)), "the ticks are dealt with")
	return pending, left, first
}

func TestWhatIsDecidedOfTicks(t *testing.T) {
	t.Parallel()
	const missed, skipped = domain.FiringMissed, domain.FiringSkipped
	type outcomes = map[int]domain.FiringOutcome
	for name, c := range map[string]struct {
		change  func(r *domain.ScheduleRecord)
		after   time.Duration
		busy    bool
		pending []int
		left    outcomes
		first   bool
	}{
		"none is due":         {after: 9 * time.Second},
		"one is due":          {after: 10 * time.Second, busy: true, pending: []int{10}},
		"it is a little late": {after: 15 * time.Second, pending: []int{10}},
		"missed, one for all": {after: 46 * time.Second, pending: []int{40}, left: outcomes{10: missed, 20: missed, 30: missed}, first: true},
		"missed, and one in time": {
			after: 41 * time.Second, pending: []int{30, 40}, left: outcomes{10: missed, 20: missed}, first: true,
		},
		"missed, none": {
			change: func(r *domain.ScheduleRecord) { r.Schedule.Missed = domain.MissedSkip }, after: 41 * time.Second,
			pending: []int{40}, left: outcomes{10: missed, 20: missed, 30: missed}, first: true,
		},
		"missed, all": {
			change: func(r *domain.ScheduleRecord) { r.Schedule.Missed = domain.MissedAll }, after: 36 * time.Second,
			pending: []int{10, 20, 30}, first: true,
		},
		"missed, all up to two": {
			change: func(r *domain.ScheduleRecord) { r.Schedule.Missed, r.Schedule.MaxMissed = domain.MissedAll, 2 }, after: 36 * time.Second,
			pending: []int{20, 30}, left: outcomes{10: missed}, first: true,
		},
		"the first claim was in time": {
			change: func(r *domain.ScheduleRecord) {
				r.Schedule.Missed, r.ClaimedAt = domain.MissedSkip, r.Since.Add(10*time.Second)
			}, after: 41 * time.Second,
			pending: []int{10, 40}, left: outcomes{20: missed, 30: missed}, first: true,
		},
		"overlap, skip": {
			change: func(r *domain.ScheduleRecord) { r.Schedule.Overlap = domain.OverlapSkip }, after: 10 * time.Second, busy: true,
			left: outcomes{10: skipped}, first: true,
		},
		"overlap, skip, and all is done": {
			change: func(r *domain.ScheduleRecord) { r.Schedule.Overlap = domain.OverlapSkip }, after: 10 * time.Second,
			pending: []int{10}, first: true,
		},
		"overlap, skip what is missed too": {
			change: func(r *domain.ScheduleRecord) {
				r.Schedule.Overlap, r.Schedule.Missed = domain.OverlapSkip, domain.MissedAll
			}, after: 36 * time.Second,
			pending: []int{10}, left: outcomes{20: skipped, 30: skipped}, first: true,
		},
		"overlap, replace": {
			change: func(r *domain.ScheduleRecord) {
				r.Schedule.Overlap, r.Schedule.Missed = domain.OverlapReplace, domain.MissedAll
			}, after: 26 * time.Second, busy: true,
			pending: []int{20}, left: outcomes{10: skipped}, first: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.change == nil {
				c.change = func(*domain.ScheduleRecord) {}
			}
			if c.left == nil {
				c.left = outcomes{}
			}
			pending, left, first := decided(t, c.change, c.after, c.busy)
			require.Equal(t, c.pending, pending)
			require.Equal(t, c.left, left)
			require.Equal(t, c.first, first)
		})
	}
}

// A year of ticks that nobody saw costs no more than those that are kept.
func TestALongDowntime(t *testing.T) {
	t.Parallel()
	begin := at(t, "2026-01-01T00:00:00Z")
	var r domain.ScheduleRecord
	s := newSchedule("* * * * * *")
	s.Missed = domain.MissedAll
	table, err := s.Compile(time.LoadLocation, begin)
	require.NoError(t, err)
	r.Set(s, table, begin)
	now := begin.AddDate(1, 0, 0)
	r.Decide(table, now, false)
	require.Len(t, r.Firings, domain.MaxFirings-2)
	require.Len(t, r.Pending, domain.DefaultMaxMissed+2)
	require.Equal(t, now.Add(time.Second), r.NextTick)
}

func TestTheLifeOfASchedule(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-01-01T00:00:00Z")
	var r domain.ScheduleRecord
	s := newSchedule("")
	s.Every = time.Minute
	compile := func() *domain.Timetable {
		table, err := s.Compile(time.LoadLocation, now)
		require.NoError(t, err)
		return table
	}
	table := compile()
	r.Set(s, table, now)
	r.Revision = 1
	first := r.NextTick
	r.Decide(table, first, false)
	require.Len(t, r.Pending, 1)
	done := r.Pending[0]
	done.Outcome = domain.FiringFired
	for range 2 { // a repeat changes nothing
		r.Settle(table, []domain.Firing{done})
		require.Empty(t, r.Pending)
		require.Equal(t, []domain.Firing{done}, r.Firings)
		require.Equal(t, done.TaskID, r.LastTask)
	}
	require.Equal(t, s.TaskIDAt(first), done.TaskID)

	s.Task = domain.NewTask(uuid.Nil, "other", nil)
	r.Set(s, table, first.Add(time.Second))
	require.Equal(t, first.Add(time.Minute), r.NextTick, "another task changes no tick")
	s.Every = 2 * time.Minute
	now = first.Add(-time.Hour) // the clock was set back
	r.Set(s, compile(), now)
	require.True(t, r.NextTick.After(first), "no tick comes twice")
	require.Equal(t, []domain.Firing{done}, r.Firings, "the history stays")

	r.Pause(now)
	require.Zero(t, r.DueAt())
	run := uuid.New()
	require.True(t, r.RunNow(run, now))
	require.False(t, r.RunNow(run, now))
	require.True(t, r.RunNow(uuid.New(), now))
	require.Equal(t, now, r.DueAt(), "a person's word counts in a pause too")
	require.NotEqual(t, r.Pending[0].Tick, r.Pending[1].Tick)
	r.Settle(table, slices.Clone(r.Pending))
	require.False(t, r.RunNow(run, now))
	later := first.Add(time.Hour)
	r.Resume(compile(), later)
	require.True(t, r.NextTick.After(later))
	require.False(t, r.Paused())
}

func TestAScheduleWithJitterIsTakenOnAnyDay(t *testing.T) {
	t.Parallel()
	s := newSchedule("0 3 * * *")
	s.Timezone, s.Jitter = "Europe/Berlin", domain.MaxJitter
	for _, day := range []string{"2026-12-01T00:00:00Z", "2027-02-20T00:00:00Z", "2027-03-28T00:00:00Z"} {
		_, err := s.Compile(time.LoadLocation, at(t, day))
		require.NoError(t, err, day)
	}
}

func TestJitterIsTheSameForAll(t *testing.T) {
	t.Parallel()
	s := newSchedule("@hourly")
	s.Jitter = time.Minute
	tick := at(t, "2026-01-01T00:00:00Z")
	seen := map[time.Duration]bool{}
	for range 100 {
		due := s.DueAt(tick)
		require.Equal(t, due, s.DueAt(tick))
		require.False(t, due.Before(tick))
		require.Less(t, due.Sub(tick), time.Minute)
		seen[due.Sub(tick)] = true
		tick = tick.Add(time.Hour)
	}
	require.Greater(t, len(seen), 50)
}

func TestATickKeepsTheKeyOfItsTime(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-01-01T00:00:00Z")
	s := newSchedule("* * * * *")
	s.Task.Key = "old"
	table, err := s.Compile(time.LoadLocation, now)
	require.NoError(t, err)
	var r domain.ScheduleRecord
	r.Set(s, table, now)
	r.Revision = 1
	set := func(key string, at time.Time) {
		s.Task = s.Task.Clone()
		s.Task.Key = key
		r.Set(s, table, at)
	}
	set("before", now)
	require.Nil(t, r.Earlier, "nobody is at a tick")
	first := r.NextTick
	r.ClaimedAt = first
	set("new", first.Add(time.Second)) // Somebody may have enqueued the task of the tick.
	set("newer", first.Add(2*time.Second))
	r.Decide(table, first.Add(time.Minute), false)
	keys := make([]string, len(r.Pending))
	for i, f := range r.Pending {
		keys[i] = r.TaskOf(f).Key
		require.Equal(t, f.TaskID, r.TaskOf(f).ID)
	}
	require.Equal(t, []string{"before", "newer"}, keys)
	r.Settle(table, r.Pending[:1])
	require.Nil(t, r.Earlier)
}
