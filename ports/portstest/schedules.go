package portstest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// newSchedule is a record that is due in a minute, as the store's clock has it.
func (h *storeTest) newSchedule(t *testing.T, name string) domain.ScheduleRecord {
	t.Helper()
	now := h.loadSchedules(t, name).Now
	return domain.ScheduleRecord{
		Schedule:  domain.Schedule{Name: name, Every: time.Minute, Task: domain.NewTask(uuid.Nil, "work", []byte(`{}`))},
		CreatedAt: now, SetAt: now, Since: now, NextTick: now.Add(time.Minute),
	}
}

func (h *storeTest) loadSchedules(t *testing.T, names ...string) ports.Schedules {
	t.Helper()
	got, err := h.Schedules.LoadSchedules(t.Context(), names...)
	require.NoError(t, err)
	require.Len(t, got.Records, len(names))
	return got
}

func (h *storeTest) saveSchedule(t *testing.T, r domain.ScheduleRecord) domain.ScheduleRecord {
	t.Helper()
	got, err := h.Schedules.SaveSchedules(t.Context(), r)
	require.NoError(t, err)
	return got[0]
}

// addSchedule stores a record that is due in a minute.
func (h *storeTest) addSchedule(t *testing.T, name string) domain.ScheduleRecord {
	t.Helper()
	return h.saveSchedule(t, h.newSchedule(t, name))
}

func (h *storeTest) claimSchedules(t *testing.T, limit int) ports.ClaimedSchedules {
	t.Helper()
	got, err := h.Schedules.ClaimSchedules(t.Context(), limit, scheduleLease)
	require.NoError(t, err)
	return got
}

func scheduleNames(records []domain.ScheduleRecord) []string {
	return each(records, func(r *domain.ScheduleRecord) string { return r.Schedule.Name })
}

// scheduleLease is longer than any case takes that does not move the clock.
const scheduleLease = time.Minute

var scheduleCases = []storeCase{
	{
		name:    "gives back every field of a schedule",
		promise: "LoadSchedules returns one record for each name.",
		run: func(t *testing.T, h *storeTest) {
			want := h.newSchedule(t, "every")
			task := domain.NewTask(uuid.Nil, "work", []byte("\x00\xff"))
			task.Queue, task.Priority, task.UniqueKey, task.Delay = otherQueue, domain.PriorityHigh, "key", time.Second
			task.MaxRetries, task.Timeout = 0, time.Millisecond
			want.Schedule = domain.Schedule{
				Name: "every", Every: time.Hour, Timezone: "Europe/Berlin", Jitter: time.Second, Start: want.Since, End: want.Since.Add(time.Hour),
				Overlap: domain.OverlapSkip, Missed: domain.MissedAll, MaxMissed: 7, Task: task, Source: []byte(`{"type":"work"}`),
			}
			firing := domain.Firing{Tick: want.Since, TaskID: uuid.New(), Outcome: domain.FiringFailed, Manual: true, Detail: "why", At: want.Since}
			want.Firings, want.Pending, want.LastTask, want.PausedAt = []domain.Firing{firing}, []domain.Firing{firing}, uuid.New(), want.Since
			want = h.saveSchedule(t, want)
			require.Positive(t, want.Revision)
			require.Equal(t, []domain.ScheduleRecord{want}, h.loadSchedules(t, "every").Records)
			list, err := h.Schedules.ListSchedules(t.Context(), "", 10)
			require.NoError(t, err)
			require.Equal(t, []domain.ScheduleRecord{want}, list.Records)
		},
	},
	{
		name:    "loads the schedules that are asked for, and nothing for the others",
		promise: "One record for each name, in the order of the arguments, with Revision 0 for a name that has none.",
		run: func(t *testing.T, h *storeTest) {
			a, b := h.addSchedule(t, "a"), h.addSchedule(t, "b")
			require.Equal(t, []domain.ScheduleRecord{b, {}, a}, h.loadSchedules(t, "b", "none", "a").Records)
		},
	},
	{
		name:    "lists schedules by name, page after page",
		promise: "ListSchedules returns the records by name, from the first one after a name on, at most limit of them.",
		run: func(t *testing.T, h *storeTest) {
			var want []string
			records := make([]domain.ScheduleRecord, 25)
			for i := range records {
				records[len(records)-1-i] = h.newSchedule(t, fmt.Sprintf("s%02d", i))
				want = append(want, fmt.Sprintf("s%02d", i))
			}
			require.NoError(t, errOf(h.Schedules.SaveSchedules(t.Context(), records...)))
			var got []string
			for after := ""; ; after = got[len(got)-1] {
				page, err := h.Schedules.ListSchedules(t.Context(), after, 10)
				require.NoError(t, err)
				require.LessOrEqual(t, len(page.Records), 10)
				if len(page.Records) == 0 {
					break
				}
				got = append(got, scheduleNames(page.Records)...)
			}
			require.Equal(t, want, got)
		},
	},
	{
		name:    "saves for who knows the newest revision alone",
		promise: "SaveSchedules stores each record if the stored one still has its Revision; else domain.ErrScheduleConflict.",
		run: func(t *testing.T, h *storeTest) {
			first := h.addSchedule(t, "a")
			second := first
			second.Schedule.Every = time.Hour
			second = h.saveSchedule(t, second)
			require.Greater(t, second.Revision, first.Revision)
			late, fresh, good := first, h.newSchedule(t, "a"), h.newSchedule(t, "b")
			late.Schedule.Every, fresh.Schedule.Every = time.Second, 2*time.Second
			got, err := h.Schedules.SaveSchedules(t.Context(), late, good, fresh)
			require.ErrorIs(t, domain.ItemError(err, 0), domain.ErrScheduleConflict)
			require.NoError(t, domain.ItemError(err, 1))
			require.ErrorIs(t, domain.ItemError(err, 2), domain.ErrScheduleConflict)
			require.Equal(t, []domain.ScheduleRecord{second, got[1]}, h.loadSchedules(t, "a", "b").Records)
		},
	},
	{
		name:    "a repeated save finds its own record",
		promise: "A repeat finds its own record and changes nothing.",
		run: func(t *testing.T, h *storeTest) {
			fresh := h.newSchedule(t, "a")
			first := h.saveSchedule(t, fresh)
			require.Equal(t, first, h.saveSchedule(t, fresh))
			require.Equal(t, first, h.loadSchedules(t, "a").Records[0])
		},
	},
	{
		name:    "a deleted schedule is gone, and its name gets no revision twice",
		promise: "DeleteSchedule removes the record, if there is one. Revisions are above all that the name had.",
		run: func(t *testing.T, h *storeTest) {
			old, other := h.addSchedule(t, "a"), h.addSchedule(t, "b")
			for range 2 {
				require.NoError(t, h.Schedules.DeleteSchedule(t.Context(), "a"))
			}
			require.Equal(t, []domain.ScheduleRecord{{}, other}, h.loadSchedules(t, "a", "b").Records)
			old.Schedule.Every = time.Hour
			require.ErrorIs(t, errOf(h.Schedules.SaveSchedules(t.Context(), old)), domain.ErrScheduleConflict)
			h.Advance(time.Minute)
			require.Equal(t, []string{"b"}, scheduleNames(h.claimSchedules(t, 10).Records))
			require.Greater(t, h.addSchedule(t, "a").Revision, old.Revision)
		},
	},
	{
		name:    "gives schedules out when they are due",
		promise: "ClaimSchedules returns records whose DueAt has come, the longest due first; Next is how long it is until another is due.",
		run: func(t *testing.T, h *storeTest) {
			require.Negative(t, h.claimSchedules(t, 10).Next, "there is none")
			later, early, paused, ended := h.newSchedule(t, "a"), h.newSchedule(t, "b"), h.newSchedule(t, "c"), h.newSchedule(t, "d")
			later.NextTick = later.NextTick.Add(time.Second)
			paused.PausedAt, ended.NextTick = paused.Since, time.Time{}
			require.NoError(t, errOf(h.Schedules.SaveSchedules(t.Context(), later, early, paused, ended)))
			got := h.claimSchedules(t, 10)
			require.Empty(t, got.Records)
			require.InDelta(t, time.Minute.Seconds(), got.Next.Seconds(), 10)
			h.Advance(time.Minute + 2*time.Second)
			got = h.claimSchedules(t, 1)
			require.Equal(t, []string{"b"}, scheduleNames(got.Records))
			require.Zero(t, got.Next, "another is due")
			require.Equal(t, []string{"a"}, scheduleNames(h.claimSchedules(t, 10).Records))
		},
	},
	{
		name:    "what is pending is due, also in a pause",
		promise: "ClaimSchedules returns records whose DueAt has come.",
		run: func(t *testing.T, h *storeTest) {
			r := h.newSchedule(t, "a")
			r.PausedAt, r.Pending = r.Since, []domain.Firing{{Tick: r.Since, TaskID: uuid.New()}}
			h.saveSchedule(t, r)
			require.Equal(t, []string{"a"}, scheduleNames(h.claimSchedules(t, 10).Records))
		},
	},
	{
		name:    "gives a schedule to one process until the claim ends",
		promise: "It gives none of them to others before lease has passed or they are saved.",
		run: func(t *testing.T, h *storeTest) {
			r := h.addSchedule(t, "a")
			h.Advance(time.Minute)
			first := h.claimSchedules(t, 10)
			require.Equal(t, []string{"a"}, scheduleNames(first.Records))
			require.Positive(t, first.Next)
			require.Greater(t, first.Records[0].Revision, r.Revision)
			require.WithinDuration(t, first.Now, first.Records[0].ClaimedAt, 0)
			h.Advance(scheduleLease / 2)
			require.Empty(t, h.claimSchedules(t, 10).Records)
			h.Advance(scheduleLease / 2)
			second := h.claimSchedules(t, 10)
			require.Equal(t, []string{"a"}, scheduleNames(second.Records))
			require.Equal(t, first.Records[0].ClaimedAt, second.Records[0].ClaimedAt, "an unsaved claim leaves it as it was")

			late := first.Records[0]
			late.NextTick = late.NextTick.Add(time.Minute)
			require.ErrorIs(t, errOf(h.Schedules.SaveSchedules(t.Context(), late)), domain.ErrScheduleConflict, "who claimed it before saves it no more")
			saved := second.Records[0]
			saved = h.saveSchedule(t, saved)
			require.Zero(t, saved.ClaimedAt)
			require.Equal(t, saved, h.loadSchedules(t, "a").Records[0])
			require.Equal(t, []string{"a"}, scheduleNames(h.claimSchedules(t, 10).Records), "a save ends the claim")
		},
	},
	{
		name:    "of many that claim at the same time each schedule goes to one",
		promise: "A record is claimed by one process at a time.",
		run: func(t *testing.T, h *storeTest) {
			const schedules, claimers = 300, 8
			records := make([]domain.ScheduleRecord, schedules)
			for i := range records {
				records[i] = h.newSchedule(t, fmt.Sprint("s", i))
			}
			require.NoError(t, errOf(h.Schedules.SaveSchedules(t.Context(), records...)))
			h.Advance(2 * time.Minute)
			handles := h.handles(t, 1)
			got := make([][]string, claimers)
			require.NoError(t, errors.Join(atOnce(claimers, func(i int) error {
				for {
					claimed, err := handles[i%len(handles)].Schedules.ClaimSchedules(t.Context(), 20, scheduleLease)
					if err != nil || len(claimed.Records) == 0 {
						return err
					}
					got[i] = append(got[i], scheduleNames(claimed.Records)...)
				}
			})...))
			seen := map[string]int{}
			for _, names := range got {
				for _, name := range names {
					seen[name]++
				}
			}
			require.Len(t, seen, schedules)
			for name, n := range seen {
				require.Equal(t, 1, n, name)
			}
		},
	},
	{
		name:    "keeps large schedules",
		promise: "A page may end early once its records have MaxCallBytes; none ends the list.",
		run: func(t *testing.T, h *storeTest) {
			var want []string
			for i := range 6 {
				r := h.newSchedule(t, fmt.Sprint("s", i))
				r.Schedule.Task.Payload = []byte(strings.Repeat("x", domain.MaxPayload))
				h.saveSchedule(t, r)
				want = append(want, r.Schedule.Name)
			}
			require.Equal(t, want, scheduleNames(h.loadSchedules(t, want...).Records))
			h.Advance(2 * time.Minute)
			var claimed []string
			for range want {
				claimed = append(claimed, scheduleNames(h.claimSchedules(t, 10).Records)...)
			}
			require.ElementsMatch(t, want, claimed)
		},
	},
	{
		name:    "shares no memory of schedules with its callers",
		promise: "What goes in and comes out are copies; neither side keeps them.",
		run: func(t *testing.T, h *storeTest) {
			r := h.newSchedule(t, "a")
			h.saveSchedule(t, r)
			r.Schedule.Task.Payload[0] = 'x'
			for range 2 {
				got := h.loadSchedules(t, "a").Records[0]
				require.JSONEq(t, `{}`, string(got.Schedule.Task.Payload))
				got.Schedule.Task.Payload[0] = 'x'
			}
		},
	},
	{
		name:    "shows every process the same schedules, and keeps them over a restart",
		promise: "ScheduleStore keeps schedules.",
		run: func(t *testing.T, h *storeTest) {
			other := h.other(t)
			want := h.addSchedule(t, "a")
			require.Equal(t, want, other.loadSchedules(t, "a").Records[0])
			want.Schedule.Every = time.Hour
			want = other.saveSchedule(t, want)
			again := h.restarted(t)
			require.Equal(t, want, again.loadSchedules(t, "a").Records[0])
		},
	},
	{
		name:    "ends a call of schedules whose context has ended",
		promise: "A call ends soon after its context, with the context's error wrapped.",
		run: func(t *testing.T, h *storeTest) {
			r := h.newSchedule(t, "a")
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.ErrorIs(t, errOf(h.Schedules.SaveSchedules(ctx, r)), context.Canceled)
			require.ErrorIs(t, errOf(h.Schedules.LoadSchedules(ctx, "a")), context.Canceled)
			require.ErrorIs(t, errOf(h.Schedules.ListSchedules(ctx, "", 1)), context.Canceled)
			require.ErrorIs(t, errOf(h.Schedules.ClaimSchedules(ctx, 1, scheduleLease)), context.Canceled)
			require.ErrorIs(t, h.Schedules.DeleteSchedule(ctx, "a"), context.Canceled)
			require.Equal(t, []domain.ScheduleRecord{{}}, h.loadSchedules(t, "a").Records)
		},
	},
}

func badScheduleRequests() []badRequest {
	save := func(field string, change func(r *domain.ScheduleRecord)) badRequest {
		return badRequest{"SaveSchedules", field, func(ctx context.Context, s *Store) error {
			r := domain.ScheduleRecord{Schedule: domain.Schedule{Name: "a", Every: time.Minute, Task: domain.NewTask(uuid.Nil, "work", nil)}}
			change(&r)
			return errOf(s.Schedules.SaveSchedules(ctx, r))
		}}
	}
	claim := func(field string, limit int, lease time.Duration) badRequest {
		return badRequest{"ClaimSchedules", field, func(ctx context.Context, s *Store) error { return errOf(s.Schedules.ClaimSchedules(ctx, limit, lease)) }}
	}
	list := func(limit int) badRequest {
		return badRequest{"ListSchedules", "limit", func(ctx context.Context, s *Store) error { return errOf(s.Schedules.ListSchedules(ctx, "", limit)) }}
	}
	return []badRequest{
		save("name", func(r *domain.ScheduleRecord) { r.Schedule.Name = "a b" }),
		save("every_seconds", func(r *domain.ScheduleRecord) { r.Schedule.Every = 1 }),
		save("task", func(r *domain.ScheduleRecord) { r.Schedule.Task = nil }),
		save("revision", func(r *domain.ScheduleRecord) { r.Revision = -1 }),
		save("firings", func(r *domain.ScheduleRecord) { r.Firings = make([]domain.Firing, domain.MaxFirings+1) }),
		save("pending", func(r *domain.ScheduleRecord) {
			r.Pending = make([]domain.Firing, domain.MaxMaxMissed+domain.MaxFirings+1)
		}),
		{"LoadSchedules", "name", func(ctx context.Context, s *Store) error { return errOf(s.Schedules.LoadSchedules(ctx, "a", "")) }},
		{"DeleteSchedule", "name", func(ctx context.Context, s *Store) error { return s.Schedules.DeleteSchedule(ctx, "{a}") }},
		list(0), list(ports.MaxSchedulePage + 1),
		claim("limit", 0, scheduleLease), claim("limit", ports.MaxClaim+1, scheduleLease), claim("lease", 1, 0),
	}
}
