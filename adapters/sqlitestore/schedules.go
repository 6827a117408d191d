package sqlitestore

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// ScheduleStore is the [ports.ScheduleStore] of a [DB]. All of one file, in any process,
// are the same. It is safe for concurrent use.
type ScheduleStore struct{ db *DB }

var _ ports.ScheduleStore = (*ScheduleStore)(nil)

// scheduleColumns are those that scheduleOf reads.
const scheduleColumns = "name, revision, claimed_us, body"

// scheduleOf reads a row of scheduleColumns.
func scheduleOf(r *row) (domain.ScheduleRecord, error) {
	out, err := domain.DecodeSchedule(r.text(0), r.blob(3))
	out.Revision, out.ClaimedAt = r.int(1), timeOf(r.int(2))
	if r.err != nil {
		err = r.err
	}
	return out, err
}

func (s *ScheduleStore) LoadSchedules(ctx context.Context, names ...string) (ports.Schedules, error) {
	var out ports.Schedules
	if err := ports.ValidateScheduleNames(names...); err != nil {
		return out, err
	}
	err := s.db.read(ctx, "load schedules", func(st *statements) error {
		out = ports.Schedules{Now: timeOf(s.db.now()), Records: make([]domain.ScheduleRecord, len(names))}
		for i, name := range names {
			err := st.each(func(r *row) (err error) {
				out.Records[i], err = scheduleOf(r)
				return err
			}, "SELECT "+scheduleColumns+" FROM schedule WHERE name = ?", name)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

func (s *ScheduleStore) ListSchedules(ctx context.Context, after string, limit int) (ports.Schedules, error) {
	var out ports.Schedules
	if err := ports.ValidateSchedulePage(limit); err != nil {
		return out, err
	}
	err := s.db.read(ctx, "list schedules", func(st *statements) error {
		out = ports.Schedules{Now: timeOf(s.db.now())}
		size := 0
		return st.each(func(r *row) error {
			if size += len(r.blob(3)); size > ports.MaxCallBytes && len(out.Records) > 0 {
				return nil
			}
			if record, err := scheduleOf(r); err == nil {
				out.Records = append(out.Records, record)
			}
			return r.err
		}, "SELECT "+scheduleColumns+" FROM schedule WHERE name > ? ORDER BY name LIMIT ?", after, limit)
	})
	return out, err
}

func (s *ScheduleStore) SaveSchedules(ctx context.Context, records ...domain.ScheduleRecord) ([]domain.ScheduleRecord, error) {
	out, errs, bodies := slices.Clone(records), make([]error, len(records)), make([][]byte, len(records))
	for i := range out {
		if errs[i] = out[i].Validate(); errs[i] == nil {
			bodies[i], errs[i] = out[i].Encode()
		}
	}
	refused := slices.Clone(errs)
	err := s.db.writer.do(ctx, "save schedules", func(tx *transaction) error {
		errs = slices.Clone(refused)
		for i := range out {
			if errs[i] != nil {
				continue
			}
			revision, err := tx.saveSchedule(&records[i], bodies[i])
			if err != nil {
				return err
			}
			if out[i].Revision, out[i].ClaimedAt = revision, (time.Time{}); revision == 0 {
				errs[i] = fmt.Errorf("schedule %q: %w", records[i].Schedule.Name, domain.ErrScheduleConflict)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, domain.NewBatchError(errs)
}

// saveSchedule returns the new revision of the record, 0 if the stored one is another.
func (tx *transaction) saveSchedule(r *domain.ScheduleRecord, body []byte) (int64, error) {
	var stored, claimed int64
	var storedBody []byte
	err := tx.each(func(row *row) error {
		stored, claimed, storedBody = row.int(0), row.int(1), row.blob(2)
		return row.err
	}, "SELECT revision, claimed_us, body FROM schedule WHERE name = ?", r.Schedule.Name)
	if err != nil {
		return 0, err
	}
	if stored != r.Revision {
		if claimed == 0 && bytes.Equal(body, storedBody) {
			return stored, nil
		}
		return 0, nil
	}
	revision := max(tx.now, stored+1)
	_, err = tx.exec("INSERT OR REPLACE INTO schedule (name, revision, claimed_us, due_us, body) VALUES (?, ?, 0, ?, ?)",
		r.Schedule.Name, revision, microsOf(r.DueAt()), body)
	return revision, err
}

func (s *ScheduleStore) DeleteSchedule(ctx context.Context, name string) error {
	if err := ports.ValidateScheduleNames(name); err != nil {
		return err
	}
	return s.db.writer.do(ctx, "delete schedule", func(tx *transaction) error {
		_, err := tx.exec("DELETE FROM schedule WHERE name = ?", name)
		return err
	})
}

// ClaimSchedules writes only where something is due.
func (s *ScheduleStore) ClaimSchedules(ctx context.Context, limit int, lease time.Duration) (ports.ClaimedSchedules, error) {
	out := ports.ClaimedSchedules{Next: -1}
	if err := ports.ValidateScheduleClaim(limit, lease); err != nil {
		return out, err
	}
	look := func(st *statements, now int64) error {
		out = ports.ClaimedSchedules{Next: -1}
		out.Now = timeOf(now)
		due, some, err := st.number("SELECT min(due_us) FROM schedule WHERE due_us > 0")
		if some {
			out.Next = time.Duration(max(due-now, 0)) * time.Microsecond
		}
		return err
	}
	if err := s.db.read(ctx, "look for schedules", func(st *statements) error { return look(st, s.db.now()) }); err != nil || out.Next != 0 {
		return out, err
	}
	err := s.db.writer.do(ctx, "claim schedules", func(tx *transaction) error {
		var records []domain.ScheduleRecord
		var names []string
		size := 0
		err := tx.each(func(r *row) error {
			if size += len(r.blob(3)); size > ports.MaxCallBytes && len(names) > 0 {
				return nil
			}
			names = append(names, r.text(0))
			if record, err := scheduleOf(r); err == nil {
				records = append(records, record)
			}
			return r.err
		}, "SELECT "+scheduleColumns+" FROM schedule WHERE due_us > 0 AND due_us <= ? ORDER BY due_us, name LIMIT ?", tx.now, limit)
		if err != nil {
			return err
		}
		until := tx.now + int64((lease+time.Microsecond-1)/time.Microsecond)
		for _, name := range names {
			_, err := tx.exec("UPDATE schedule SET revision = max(revision + 1, ?1), claimed_us = iif(claimed_us > 0, claimed_us, ?1), due_us = ?2 WHERE name = ?3",
				tx.now, until, name)
			if err != nil {
				return err
			}
		}
		for i := range records {
			r := &records[i]
			if r.Revision = max(r.Revision+1, tx.now); r.ClaimedAt.IsZero() {
				r.ClaimedAt = timeOf(tx.now)
			}
		}
		err = look(tx.statements, tx.now)
		out.Records = records
		return err
	})
	return out, err
}
