package redisstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/adapters/redisstore/internal/server"
	"logsift/domain"
	"logsift/ports"
)

var (
	loadSchedulesScript  = layout.LoadScript("schedules/load")
	listSchedulesScript  = layout.LoadScript("schedules/list")
	saveSchedulesScript  = layout.LoadScript("schedules/save")
	claimSchedulesScript = layout.LoadScript("schedules/claim")
)

// schedulesAtOnce is how many schedules one call saves.
const schedulesAtOnce = 500

// ScheduleStore is a ports.ScheduleStore on Redis. It is safe for concurrent use.
type ScheduleStore struct {
	client *server.Client
	keys   layout.ScheduleKeys
}

var _ ports.ScheduleStore = (*ScheduleStore)(nil)

func newScheduleStore(c *server.Client) *ScheduleStore {
	return &ScheduleStore{client: c, keys: layout.NewScheduleKeys(c.Config.Namespace)}
}

// decodeSchedule reads a stored record.
func decodeSchedule(name, record string) (domain.ScheduleRecord, error) {
	if len(record) < layout.ScheduleHead {
		return domain.ScheduleRecord{}, fmt.Errorf("schedule %q: %w: its record is too short", name, domain.ErrCorruptRecord)
	}
	r, err := domain.DecodeSchedule(name, []byte(record[layout.ScheduleHead:]))
	r.Revision = layout.Int56(record)
	r.ClaimedAt = layout.MicroTime(layout.Int56(record[7:]))
	return r, err
}

// timeOf is the time that a reply begins with.
func (s *ScheduleStore) timeOf(script *layout.Script, reply []any) (time.Time, error) {
	now, ok := layout.IntAt(reply, 0)
	if !ok {
		return time.Time{}, fmt.Errorf("redis script %s: reply without a time", script.Name)
	}
	return layout.MicroTime(now), nil
}

func (s *ScheduleStore) LoadSchedules(ctx context.Context, names ...string) (ports.Schedules, error) {
	var out ports.Schedules
	if err := ports.ValidateScheduleNames(names...); err != nil {
		return out, err
	}
	for out.Now.IsZero() || len(out.Records) < len(names) {
		rest := names[len(out.Records):]
		args := []any{s.client.Offset(), ports.MaxCallBytes}
		for _, name := range rest[:min(len(rest), schedulesAtOnce)] {
			args = append(args, name)
		}
		reply, err := s.client.RunSlice(ctx, loadSchedulesScript, []string{s.keys.Records}, args...)
		if err != nil {
			return out, err
		}
		if out.Now, err = s.timeOf(loadSchedulesScript, reply); err != nil {
			return out, err
		}
		if len(reply) < 2 && len(rest) > 0 {
			return out, fmt.Errorf("redis script %s: reply without a record", loadSchedulesScript.Name)
		}
		for i := range reply[1:] {
			var r domain.ScheduleRecord
			if record := layout.TextAt(reply, 1+i); record != "" {
				if r, err = decodeSchedule(rest[i], record); err != nil {
					return out, err
				}
			}
			out.Records = append(out.Records, r)
		}
	}
	return out, nil
}

// ListSchedules asks again where all of a page are records that cannot be read.
func (s *ScheduleStore) ListSchedules(ctx context.Context, after string, limit int) (ports.Schedules, error) {
	var out ports.Schedules
	if err := ports.ValidateSchedulePage(limit); err != nil {
		return out, err
	}
	for {
		reply, err := s.client.RunSlice(ctx, listSchedulesScript, []string{s.keys.Records, s.keys.Names}, s.client.Offset(), ports.MaxCallBytes, after, limit)
		if err != nil {
			return out, err
		}
		if out.Now, err = s.timeOf(listSchedulesScript, reply); err != nil {
			return out, err
		}
		for i := 1; i+1 < len(reply); i += 2 {
			after = layout.TextAt(reply, i)
			if r, err := decodeSchedule(after, layout.TextAt(reply, i+1)); err == nil {
				out.Records = append(out.Records, r)
			}
		}
		if len(reply) < 3 || len(out.Records) > 0 {
			return out, nil
		}
	}
}

func (s *ScheduleStore) SaveSchedules(ctx context.Context, records ...domain.ScheduleRecord) ([]domain.ScheduleRecord, error) {
	out, errs := slices.Clone(records), make([]error, len(records))
	var part []int // places of records that travel together
	bytes := 0
	args := []any{s.client.Offset()}
	send := func() {
		reply, err := s.client.RunSlice(ctx, saveSchedulesScript, []string{s.keys.Records, s.keys.Names, s.keys.Due}, args...)
		for n, i := range part {
			revision, _ := layout.IntAt(reply, n)
			if out[i].Revision, out[i].ClaimedAt = revision, (time.Time{}); err != nil {
				errs[i] = err
			} else if revision == 0 {
				errs[i] = fmt.Errorf("schedule %q: %w", records[i].Schedule.Name, domain.ErrScheduleConflict)
			}
		}
		args, part, bytes = args[:1], part[:0], 0
	}
	for i := range records {
		r := &records[i]
		var body []byte
		if errs[i] = r.Validate(); errs[i] == nil {
			body, errs[i] = r.Encode()
		}
		if errs[i] != nil {
			continue
		}
		due := int64(0)
		if at := r.DueAt(); !at.IsZero() {
			due = layout.CeilMicro(at)
		}
		args, part = append(args, r.Schedule.Name, r.Revision, due, body), append(part, i)
		if bytes += len(body); len(part) == schedulesAtOnce || bytes > ports.MaxCallBytes {
			send()
		}
	}
	if len(part) > 0 {
		send()
	}
	return out, domain.NewBatchError(errs)
}

func (s *ScheduleStore) DeleteSchedule(ctx context.Context, name string) error {
	if err := ports.ValidateScheduleNames(name); err != nil {
		return err
	}
	ctx, cancel := s.client.Bound(ctx)
	defer cancel()
	_, err := s.client.Redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.HDel(ctx, s.keys.Records, name)
		pipe.ZRem(ctx, s.keys.Names, name)
		pipe.ZRem(ctx, s.keys.Due, name)
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete schedule: %w", s.client.Translate(ctx, err))
	}
	return nil
}

func (s *ScheduleStore) ClaimSchedules(ctx context.Context, limit int, lease time.Duration) (ports.ClaimedSchedules, error) {
	out := ports.ClaimedSchedules{Next: -1}
	if err := ports.ValidateScheduleClaim(limit, lease); err != nil {
		return out, err
	}
	reply, err := s.client.RunSlice(ctx, claimSchedulesScript, []string{s.keys.Records, s.keys.Due},
		s.client.Offset(), limit, layout.DelayMicro(lease), ports.MaxCallBytes)
	if err != nil {
		return out, err
	}
	if out.Now, err = s.timeOf(claimSchedulesScript, reply); err != nil {
		return out, err
	}
	if next, _ := layout.IntAt(reply, 1); next >= 0 {
		out.Next = microDuration(next)
	}
	for i := 2; i+1 < len(reply); i += 2 {
		if r, err := decodeSchedule(layout.TextAt(reply, i), layout.TextAt(reply, i+1)); err == nil {
			out.Records = append(out.Records, r)
		}
	}
	return out, nil
}
