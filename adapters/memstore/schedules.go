package memstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// ScheduleStore is a ports.ScheduleStore in memory. It is safe for concurrent use.
type ScheduleStore struct {
	cfg Config

	mu      sync.Mutex // guards the fields below, of which a save compares one and writes both
	records map[string]storedSchedule
	last    int64 // the newest revision of any record
}

// storedSchedule is a record, and when it may be claimed; never if due is zero.
type storedSchedule struct {
	body      []byte
	revision  int64
	claimedAt time.Time
	due       time.Time
}

var _ ports.ScheduleStore = (*ScheduleStore)(nil)

// NewScheduleStore returns an empty store.
func NewScheduleStore(cfg Config) *ScheduleStore {
	return &ScheduleStore{cfg: cfg, records: map[string]storedSchedule{}}
}

func (s storedSchedule) record(name string) (domain.ScheduleRecord, error) {
	r, err := domain.DecodeSchedule(name, s.body)
	r.Revision, r.ClaimedAt = s.revision, s.claimedAt
	return r, err
}

func (s *ScheduleStore) LoadSchedules(ctx context.Context, names ...string) (ports.Schedules, error) {
	if err := ctx.Err(); err != nil {
		return ports.Schedules{}, fmt.Errorf("load schedules: %w", err)
	}
	if err := ports.ValidateScheduleNames(names...); err != nil {
		return ports.Schedules{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := ports.Schedules{Now: s.cfg.now(), Records: make([]domain.ScheduleRecord, len(names))}
	for i, name := range names {
		if stored, ok := s.records[name]; ok {
			var err error
			if out.Records[i], err = stored.record(name); err != nil {
				return ports.Schedules{}, err
			}
		}
	}
	return out, nil
}

func (s *ScheduleStore) ListSchedules(ctx context.Context, after string, limit int) (ports.Schedules, error) {
	if err := ctx.Err(); err != nil {
		return ports.Schedules{}, fmt.Errorf("list schedules: %w", err)
	}
	if err := ports.ValidateSchedulePage(limit); err != nil {
		return ports.Schedules{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := ports.Schedules{Now: s.cfg.now()}
	for _, name := range slices.Sorted(maps.Keys(s.records)) {
		if name <= after {
			continue
		}
		if len(out.Records) == limit {
			break
		}
		if r, err := s.records[name].record(name); err == nil {
			out.Records = append(out.Records, r)
		}
	}
	return out, nil
}

func (s *ScheduleStore) SaveSchedules(ctx context.Context, records ...domain.ScheduleRecord) ([]domain.ScheduleRecord, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("save schedules: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out, errs := slices.Clone(records), make([]error, len(records))
	for i := range out {
		errs[i] = s.save(&out[i])
	}
	return out, domain.NewBatchError(errs)
}

func (s *ScheduleStore) save(r *domain.ScheduleRecord) error {
	if err := r.Validate(); err != nil {
		return err
	}
	body, err := r.Encode()
	if err != nil {
		return err
	}
	name := r.Schedule.Name
	stored := s.records[name]
	switch {
	case stored.revision == r.Revision:
		s.last++
		stored = storedSchedule{body: body, revision: s.last, due: r.DueAt()}
		s.records[name] = stored
	case !stored.claimedAt.IsZero() || !bytes.Equal(stored.body, body):
		return fmt.Errorf("schedule %q: %w", name, domain.ErrScheduleConflict)
	}
	r.Revision, r.ClaimedAt = stored.revision, time.Time{}
	return nil
}

func (s *ScheduleStore) DeleteSchedule(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete schedule: %w", err)
	}
	if err := ports.ValidateScheduleNames(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, name)
	return nil
}

func (s *ScheduleStore) ClaimSchedules(ctx context.Context, limit int, lease time.Duration) (ports.ClaimedSchedules, error) {
	out := ports.ClaimedSchedules{Next: -1}
	if err := ctx.Err(); err != nil {
		return out, fmt.Errorf("claim schedules: %w", err)
	}
	if err := ports.ValidateScheduleClaim(limit, lease); err != nil {
		return out, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Now = s.cfg.now()
	var due []string
	for name, stored := range s.records {
		if !stored.due.IsZero() && !stored.due.After(out.Now) {
			due = append(due, name)
		}
	}
	slices.SortFunc(due, func(a, b string) int {
		return cmp.Or(s.records[a].due.Compare(s.records[b].due), cmp.Compare(a, b))
	})
	for _, name := range due[:min(len(due), limit)] {
		stored := s.records[name]
		s.last++
		stored.revision, stored.due = s.last, out.Now.Add(lease)
		if stored.claimedAt.IsZero() {
			stored.claimedAt = out.Now
		}
		s.records[name] = stored
		if r, err := stored.record(name); err == nil {
			out.Records = append(out.Records, r)
		}
	}
	for _, stored := range s.records {
		if wait := max(stored.due.Sub(out.Now), 0); !stored.due.IsZero() && (out.Next < 0 || wait < out.Next) {
			out.Next = wait
		}
	}
	return out, nil
}
