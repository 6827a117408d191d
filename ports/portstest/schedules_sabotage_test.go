package portstest_test

import (
	"context"
	"slices"
	"strings"
	"time"

	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/ports"
)

// brokenSchedules is a sound store of which some methods are replaced.
type brokenSchedules struct {
	ports.ScheduleStore

	load   func(ctx context.Context, names ...string) (ports.Schedules, error)
	list   func(ctx context.Context, after string, limit int) (ports.Schedules, error)
	save   func(ctx context.Context, records ...domain.ScheduleRecord) ([]domain.ScheduleRecord, error)
	remove func(ctx context.Context, name string) error
	claim  func(ctx context.Context, limit int, lease time.Duration) (ports.ClaimedSchedules, error)
	// reopen is what another process gets; nil for a store of one process.
	reopen func() ports.ScheduleStore
}

func newBrokenSchedules(s ports.ScheduleStore) *brokenSchedules {
	return &brokenSchedules{
		ScheduleStore: s,
		load:          s.LoadSchedules, list: s.ListSchedules, save: s.SaveSchedules, remove: s.DeleteSchedule, claim: s.ClaimSchedules,
	}
}

func (s *brokenSchedules) LoadSchedules(ctx context.Context, names ...string) (ports.Schedules, error) {
	return s.load(ctx, names...)
}
func (s *brokenSchedules) ListSchedules(ctx context.Context, after string, limit int) (ports.Schedules, error) {
	return s.list(ctx, after, limit)
}
func (s *brokenSchedules) SaveSchedules(ctx context.Context, records ...domain.ScheduleRecord) ([]domain.ScheduleRecord, error) {
	return s.save(ctx, records...)
}
func (s *brokenSchedules) DeleteSchedule(ctx context.Context, name string) error {
	return s.remove(ctx, name)
}
func (s *brokenSchedules) ClaimSchedules(ctx context.Context, limit int, lease time.Duration) (ports.ClaimedSchedules, error) {
	return s.claim(ctx, limit, lease)
}

// stored has records stored otherwise than they came.
func (s *brokenSchedules) stored(change func(ctx context.Context, r *domain.ScheduleRecord)) {
	s.save = func(ctx context.Context, records ...domain.ScheduleRecord) ([]domain.ScheduleRecord, error) {
		other, out := slices.Clone(records), slices.Clone(records)
		for i := range other {
			if other[i].Validate() == nil {
				change(ctx, &other[i])
			}
		}
		saved, err := s.ScheduleStore.SaveSchedules(ctx, other...)
		for i := range saved {
			out[i].Revision, out[i].ClaimedAt = saved[i].Revision, saved[i].ClaimedAt
		}
		return out, err
	}
}

// claimed has claims answered otherwise.
func (s *brokenSchedules) claimed(change func(got *ports.ClaimedSchedules)) {
	s.claim = func(ctx context.Context, limit int, lease time.Duration) (ports.ClaimedSchedules, error) {
		got, err := s.ScheduleStore.ClaimSchedules(ctx, limit, lease)
		if err == nil {
			change(&got)
		}
		return got, err
	}
}

// newest has each save find the revision that it asks for.
func (s *brokenSchedules) newest(ctx context.Context, r *domain.ScheduleRecord) {
	if now, err := s.ScheduleStore.LoadSchedules(ctx, r.Schedule.Name); err == nil {
		r.Revision = now.Records[0].Revision
	}
}

var scheduleSabotages = map[string]sabotage[*brokenSchedules]{
	"the history is forgotten": {"Schedules/gives_back_every_field_of_a_schedule", func(s *brokenSchedules) {
		s.stored(func(_ context.Context, r *domain.ScheduleRecord) { r.Firings = nil })
	}},
	"records come by name": {"Schedules/loads_the_schedules_that_are_asked_for,_and_nothing_for_the_others", func(s *brokenSchedules) {
		s.load = func(ctx context.Context, names ...string) (ports.Schedules, error) {
			got, err := s.ScheduleStore.LoadSchedules(ctx, names...)
			slices.SortFunc(got.Records, func(a, b domain.ScheduleRecord) int { return strings.Compare(a.Schedule.Name, b.Schedule.Name) })
			return got, err
		}
	}},
	"a page begins with the name": {"Schedules/lists_schedules_by_name,_page_after_page", func(s *brokenSchedules) {
		s.list = func(ctx context.Context, after string, limit int) (ports.Schedules, error) {
			if after == "s09" {
				after = "s08"
			}
			return s.ScheduleStore.ListSchedules(ctx, after, limit)
		}
	}},
	"the last save counts": {"Schedules/saves_for_who_knows_the_newest_revision_alone", func(s *brokenSchedules) {
		s.stored(func(ctx context.Context, r *domain.ScheduleRecord) { s.newest(ctx, r) })
	}},
	"a repeat is a conflict": {"Schedules/a_repeated_save_finds_its_own_record", func(s *brokenSchedules) {
		s.stored(func(_ context.Context, r *domain.ScheduleRecord) { r.SetAt = time.Now() })
	}},
	"a deletion does nothing": {"Schedules/a_deleted_schedule_is_gone,_and_its_name_gets_no_revision_twice", func(s *brokenSchedules) {
		s.remove = func(context.Context, string) error { return nil }
	}},
	"paused schedules are due": {"Schedules/gives_schedules_out_when_they_are_due", func(s *brokenSchedules) {
		s.stored(func(_ context.Context, r *domain.ScheduleRecord) { r.PausedAt = time.Time{} })
	}},
	"what is pending waits for the next tick": {"Schedules/what_is_pending_is_due,_also_in_a_pause", func(s *brokenSchedules) {
		s.stored(func(_ context.Context, r *domain.ScheduleRecord) { r.Pending = nil })
	}},
	"a claim ends by itself": {"Schedules/gives_a_schedule_to_one_process_until_the_claim_ends", func(s *brokenSchedules) {
		s.claim = func(ctx context.Context, limit int, lease time.Duration) (ports.ClaimedSchedules, error) {
			return s.ScheduleStore.ClaimSchedules(ctx, limit, min(lease, ports.MinLease))
		}
	}},
	"who claimed before may save": {"Schedules/gives_a_schedule_to_one_process_until_the_claim_ends", func(s *brokenSchedules) {
		s.stored(func(ctx context.Context, r *domain.ScheduleRecord) {
			if !r.ClaimedAt.IsZero() {
				s.newest(ctx, r)
			}
		})
	}},
	"each process claims for itself": {"Schedules/of_many_that_claim_at_the_same_time_each_schedule_goes_to_one", func(s *brokenSchedules) {
		s.claimed(func(got *ports.ClaimedSchedules) {
			if len(got.Records) > 1 {
				got.Records[0] = got.Records[1]
			}
		})
	}},
	"large payloads are cut": {"Schedules/keeps_large_schedules", func(s *brokenSchedules) {
		s.claimed(func(got *ports.ClaimedSchedules) { got.Records = got.Records[:min(len(got.Records), 1)] })
	}},
	"a load is the same memory twice": {"Schedules/shares_no_memory_of_schedules_with_its_callers", func(s *brokenSchedules) {
		var last *ports.Schedules
		s.load = func(ctx context.Context, names ...string) (ports.Schedules, error) {
			got, err := s.ScheduleStore.LoadSchedules(ctx, names...)
			if err == nil && got.Records[0].Revision > 0 {
				if last != nil {
					return *last, nil
				}
				last = &got
			}
			return got, err
		}
	}},
	"each process has schedules of its own": {"Schedules/shows_every_process_the_same_schedules,_and_keeps_them_over_a_restart", func(s *brokenSchedules) {
		s.reopen = func() ports.ScheduleStore { return memstore.NewScheduleStore(memstore.Config{}) }
	}},
	"contexts of schedules are not looked at": {"Schedules/ends_a_call_of_schedules_whose_context_has_ended", func(s *brokenSchedules) {
		s.remove = func(ctx context.Context, name string) error {
			return s.ScheduleStore.DeleteSchedule(context.WithoutCancel(ctx), name)
		}
	}},
}
