package httpapi

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/auth"
	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// DecodeSchedule makes a schedule of its name and the JSON that a PUT has, for a
// caller of the role. The error is a *domain.ValidationError, or a problem.ErrForbidden.
func DecodeSchedule(role apikey.Role, name string, data []byte) (domain.Schedule, error) {
	var in wire.PutSchedule
	out := domain.Schedule{Name: name}
	err := request.Decode(data, &in)
	if err != nil {
		return out, err
	}
	out.Cron, out.Timezone = in.Cron, in.Timezone
	out.Overlap, out.Missed = domain.Overlap(in.Overlap), domain.Missed(in.Missed)
	if in.EverySeconds != nil {
		if *in.EverySeconds == 0 {
			return out, &domain.ValidationError{Field: "every_seconds", Value: "0", Rule: "must be at least 1"}
		}
		if out.Every, err = duration("every_seconds", *in.EverySeconds, domain.MaxEvery); err != nil {
			return out, err
		}
	}
	if in.JitterSeconds != nil {
		if out.Jitter, err = duration("jitter_seconds", *in.JitterSeconds, domain.MaxJitter); err != nil {
			return out, err
		}
	}
	for _, f := range []struct {
		from *time.Time
		to   *time.Time
	}{{in.Start, &out.Start}, {in.End, &out.End}} {
		if f.from != nil {
			*f.to = f.from.UTC().Truncate(time.Microsecond)
		}
	}
	if in.MaxMissed != nil {
		if out.MaxMissed = *in.MaxMissed; out.MaxMissed == 0 {
			return out, &domain.ValidationError{Field: "max_missed", Value: "0", Rule: "must be at least 1"}
		}
	}
	if in.Task == nil {
		return out, &domain.ValidationError{Field: "task", Rule: "is required"}
	}
	return out, decodeTemplate(role, &out, in.Task)
}

// decodeTemplate reads the task of a schedule. Its errors name the fields of the task
// behind "task.".
func decodeTemplate(role apikey.Role, s *domain.Schedule, data []byte) error {
	task, err := decodeTask(role, data, uuid.Max)
	if invalid, ok := errors.AsType[*domain.ValidationError](err); ok && invalid.Field == "body" {
		return &domain.ValidationError{Field: "task", Rule: invalid.Rule}
	}
	if err != nil {
		return domain.InField("task", err)
	}
	task.ID = uuid.Nil
	source := jsontext.Value(slices.Clone(data))
	if err := source.Compact(); err != nil {
		return &domain.ValidationError{Field: "task", Rule: "must be a JSON object"}
	}
	s.Task, s.Source = task, json.RawMessage(source)
	return nil
}

// put stores what the name in the path and the body say, and answers with it: 201 if the
// name is new.
func (a *API) put(store func(r *http.Request, name string, data []byte) (view any, created bool, err error)) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		data, free, err := a.bodies.Read(w, r, a.cfg.MaxTaskBytes)
		if err != nil {
			return err
		}
		defer free()
		view, created, err := store(r, mux.Vars(r)["name"], data)
		if err != nil {
			return err
		}
		status := http.StatusOK
		if created {
			status = http.StatusCreated
		}
		return wire.Write(w, status, view)
	}
}

func (a *API) putSchedule(r *http.Request, name string, data []byte) (any, bool, error) {
	schedule, err := DecodeSchedule(request.HolderOf(r.Context()).Role, name, data)
	if err != nil {
		return nil, false, err
	}
	record, created, err := a.schedules.PutSchedule(r.Context(), schedule)
	if err != nil {
		return nil, false, err
	}
	return a.scheduleView(&record), created, nil
}

func (a *API) getSchedule(w http.ResponseWriter, r *http.Request) error {
	record, err := a.schedules.GetSchedule(r.Context(), mux.Vars(r)["name"])
	if err != nil {
		return err
	}
	return wire.Write(w, http.StatusOK, a.scheduleView(&record))
}

func (a *API) listSchedules(w http.ResponseWriter, r *http.Request) error {
	q := request.NewQuery(r)
	limit, cursor := cmp.Or(q.Limit(), domain.DefaultPageSize), q.Cursor()
	if err := q.Err(); err != nil {
		return err
	}
	after, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(after) > 0 && domain.ValidateName("cursor", string(after)) != nil {
		return domain.ErrInvalidCursor
	}
	records, more, err := a.schedules.ListSchedules(r.Context(), string(after), limit)
	if err != nil {
		return err
	}
	out := wire.ScheduleList{Schedules: make([]wire.Schedule, len(records))}
	for i := range records {
		out.Schedules[i] = scheduleRow(&records[i])
	}
	if more {
		out.NextCursor = new(base64.RawURLEncoding.EncodeToString([]byte(records[len(records)-1].Schedule.Name)))
	}
	return wire.Write(w, http.StatusOK, out)
}

func (a *API) deleteSchedule(w http.ResponseWriter, r *http.Request) error {
	if err := a.schedules.DeleteSchedule(r.Context(), mux.Vars(r)["name"]); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// changeSchedule makes a handler of a change of a schedule, which answers with it.
func (a *API) changeSchedule(change func(ScheduleService, context.Context, string) (domain.ScheduleRecord, error)) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		return a.once(w, r, nil, func(ctx context.Context) (reply, error) {
			record, err := change(a.schedules, ctx, mux.Vars(r)["name"])
			if err != nil {
				return reply{}, err
			}
			return newReply(http.StatusOK, a.scheduleView(&record))
		})
	}
}

// runSchedule runs a schedule once for an Idempotency-Key, also if nobody learned of the
// first answer, and tells the audit log of the task.
func (a *API) runSchedule(w http.ResponseWriter, r *http.Request) error {
	ids, err := taskIDsOf(r)
	if err != nil {
		return err
	}
	run := ids.one()
	return a.changeSchedule(func(s ScheduleService, ctx context.Context, name string) (domain.ScheduleRecord, error) {
		record, err := s.RunSchedule(ctx, name, run)
		for _, f := range slices.Concat(record.Pending, record.Firings) {
			if f.Run == run {
				auth.RecordOf(ctx).Tasks(f.TaskID)
			}
		}
		return record, err
	})(w, r)
}

// scheduleRow shows a schedule as lists do.
func scheduleRow(r *domain.ScheduleRecord) wire.Schedule {
	s := &r.Schedule
	out := wire.Schedule{
		Name: s.Name, Cron: s.Cron, Timezone: cmp.Or(s.Timezone, "UTC"), JitterSeconds: s.Jitter.Seconds(),
		Start: timeView(s.Start), End: timeView(s.End),
		Overlap: string(cmp.Or(s.Overlap, domain.OverlapAllow)), Missed: string(cmp.Or(s.Missed, domain.MissedOne)),
		Task: s.Source, Paused: r.Paused(), PausedAt: timeView(r.PausedAt), CreatedAt: timeView(r.CreatedAt), UpdatedAt: timeView(r.SetAt),
	}
	if s.Every > 0 {
		every := s.Every.Seconds()
		out.EverySeconds = &every
	}
	if s.Missed == domain.MissedAll {
		out.MaxMissed = cmp.Or(s.MaxMissed, domain.DefaultMaxMissed)
	}
	if out.Task == nil {
		out.Task = templateView(s.Task)
	}
	if !r.Paused() {
		out.NextFiringAt = timeView(s.DueAt(r.NextTick))
	}
	if n := len(r.Firings); n > 0 {
		last := firingView(&r.Firings[n-1])
		out.LastFiring = &last
	}
	return out
}

// templateView shows the task of a schedule that was made in Go.
func templateView(t *domain.Task) json.RawMessage {
	priority, retries, timeout := int(t.Priority), t.MaxRetries, t.Timeout.Seconds()
	in := wire.CreateTask{
		Type: string(t.Type), Payload: jsonView(t.Payload), Priority: &priority, Queue: t.Queue,
		MaxRetries: &retries, TimeoutSeconds: &timeout, UniqueKey: t.UniqueKey, UniqueWhile: string(t.UniqueWhile),
		UniqueForSeconds: t.UniqueFor.Seconds(), OnConflict: string(t.OnConflict), Key: t.Key, Tags: t.Tags,
		Group: t.Group, GroupSize: t.GroupSize, GroupAgeSeconds: t.GroupAge.Seconds(),
		Backoff: backoffView(t.Backoff), RetentionSeconds: t.Retention.Seconds(),
	}
	for _, f := range []struct {
		d  time.Duration
		to **float64
	}{{t.Delay, &in.DelaySeconds}, {t.ExpiresIn, &in.ExpiresInSeconds}} {
		if seconds := f.d.Seconds(); seconds != 0 {
			*f.to = &seconds
		}
	}
	out, err := wire.Encode(in)
	if err != nil {
		return json.RawMessage("{}")
	}
	return out
}

// scheduleView shows one schedule, with its next and last firings.
func (a *API) scheduleView(r *domain.ScheduleRecord) wire.Schedule {
	out := scheduleRow(r)
	out.NextFirings = a.schedules.NextFirings(*r, nextFirings)
	for i := range r.Firings {
		out.Firings = append(out.Firings, firingView(&r.Firings[len(r.Firings)-1-i]))
	}
	return out
}

// nextFirings is how many a schedule shows.
const nextFirings = 5

func firingView(f *domain.Firing) wire.Firing {
	return wire.Firing{Tick: timeView(f.Tick), TaskID: f.TaskID, Outcome: string(f.Outcome), Manual: f.Manual, Detail: f.Detail, At: timeView(f.At)}
}
