package redisstore

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"time"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
	"logsift/ports"
)

var _ ports.TaskEventReader = (*TaskQueue)(nil)

var eventsScript = layout.LoadScript("events/read")

// eventEntries is how many entries of a partition one call reads at most: about as
// many calls of the queue, each with one event or many.
const eventEntries = 256

// place is where a reader is in the events of one partition: the number and the time
// of the newest event that it has read. The time tells events apart that have the
// same number, as there may be after a fail-over.
type place struct{ number, at int64 }

// partEvent is an event of a partition, and where a reader is after it.
type partEvent struct {
	event domain.TaskEvent
	part  int
	place place
}

// ReadTaskEvents reads all events by one call to each partition; a call that waits is
// woken by a message, and looks by itself every Config.PollInterval. Events of several partitions come in the order of their
// times, as far as they are read together.
func (q *TaskQueue) ReadTaskEvents(ctx context.Context, req ports.EventRequest) (domain.TaskEventPage, error) {
	if err := req.Validate(); err != nil {
		return domain.TaskEventPage{}, err
	}
	at, err := q.decodeEventCursor(req.After)
	if err != nil {
		return domain.TaskEventPage{}, err
	}
	deadline := time.Now().Add(req.Wait)
	for {
		if err := ctx.Err(); err != nil {
			return domain.TaskEventPage{}, fmt.Errorf("read task events: %w", err)
		}
		// Listen before looking, so that no event is missed in between.
		notified, err := q.readers.listen(req.Wait > 0 && at != nil)
		if err != nil {
			return domain.TaskEventPage{}, err
		}
		page, err := q.readEvents(ctx, req, at)
		left := time.Until(deadline)
		if err != nil || at == nil || page.Lost || len(page.Events) > 0 || left <= 0 {
			return page, err
		}
		if err := q.readers.wait(ctx, notified, min(left, q.client.Config.PollInterval)); err != nil {
			return domain.TaskEventPage{}, fmt.Errorf("read task events: %w", err)
		}
	}
}

// readEvents reads a page after the places, nil to begin now.
func (q *TaskQueue) readEvents(ctx context.Context, req ports.EventRequest, at []place) (domain.TaskEventPage, error) {
	parts, err := fromEach(q, func(p *partition) (partEvents, error) {
		if at == nil {
			return p.readEvents(ctx, nil, false)
		}
		return p.readEvents(ctx, &at[p.number], req.Wait > 0)
	})
	if err != nil {
		return domain.TaskEventPage{}, err
	}
	page := domain.TaskEventPage{Lost: slices.ContainsFunc(parts, func(p partEvents) bool { return p.lost })}
	if page.Lost || at == nil {
		now := make([]place, len(parts))
		for i, p := range parts {
			now[i] = p.newest
		}
		page.Next = q.encodeEventCursor(now)
		return page, nil
	}
	all := mergeEvents(parts)
	at = slices.Clone(at)
	for _, t := range all[:min(len(all), req.Max)] {
		at[t.part] = t.place
		t.event.Cursor = q.encodeEventCursor(at)
		page.Events = append(page.Events, t.event)
	}
	page.Next = q.encodeEventCursor(at)
	return page, nil
}

// mergeEvents puts the events of all partitions in the order of their times. Those of
// one partition stay in the order in which it emitted them, as cursors need, even if its
// clock was set back between them: each counts as no older than those before it.
func mergeEvents(parts []partEvents) []partEvent {
	type timed struct {
		partEvent
		after time.Time
	}
	var all []timed
	for _, p := range parts {
		var newest time.Time
		for _, t := range p.events {
			if t.event.At.After(newest) {
				newest = t.event.At
			}
			all = append(all, timed{t, newest})
		}
	}
	slices.SortStableFunc(all, func(a, b timed) int { return a.after.Compare(b.after) })
	out := make([]partEvent, len(all))
	for i, t := range all {
		out[i] = t.partEvent
	}
	return out
}

// partEvents is what a partition has emitted.
type partEvents struct {
	events []partEvent
	newest place
	// lost is set if the place of the reader is not among what is kept.
	lost bool
}

// readEvents reads events after a place, or none for nil. If there are none and the
// reader is going to wait, the next event sends a message.
func (p *partition) readEvents(ctx context.Context, after *place, wait bool) (partEvents, error) {
	from, mode := "", ""
	if after != nil {
		from = strconv.FormatInt(after.number, 10)
	}
	if wait {
		mode = "wait"
	}
	var table *readyTable
	reply, err := p.withTable(ctx, func(t *readyTable) ([]any, error) {
		table = t
		return p.client.RunSlice(ctx, eventsScript, []string{p.keys.Meta, p.keys.Events},
			p.client.Offset(), t.epoch, from, eventEntries, mode, ports.EventLinger.Microseconds())
	})
	if err != nil {
		return partEvents{}, err
	}
	out := partEvents{}
	if out.newest, err = parsePlace(layout.TextAt(reply, 0) + "-" + layout.TextAt(reply, 1)); err != nil || after == nil {
		return out, err
	}
	out.lost = true // unless the entry of the reader's place is the first
	for i := 2; i+1 < len(reply); i += 2 {
		end, err := parsePlace(layout.TextAt(reply, i))
		if err != nil {
			return out, err
		}
		events, ok := p.decodeEvents(table, end, layout.TextAt(reply, i+1))
		if !ok {
			return p.forgetEvents(ctx)
		}
		if i == 2 {
			behind := int(end.number - after.number) // how many of the entry are new
			if end.at != after.at || behind < 0 || behind > 0 && behind >= len(events) {
				return out, nil
			}
			out.lost = false
			events = events[len(events)-behind:]
		}
		out.events = append(out.events, events...)
	}
	return out, nil
}

// forgetEvents has all readers begin anew, since what is kept cannot be read.
func (p *partition) forgetEvents(ctx context.Context) (partEvents, error) {
	bounded, cancel := p.client.Bound(ctx)
	defer cancel()
	if err := p.client.Redis.Del(bounded, p.keys.Events).Err(); err != nil {
		return partEvents{}, fmt.Errorf("forget damaged events: %w", p.client.Translate(bounded, err))
	}
	out, err := p.readEvents(ctx, nil, false)
	out.lost = true
	return out, err
}

// parsePlace reads the id of an entry.
func parsePlace(id string) (place, error) {
	number, at, _ := strings.Cut(id, "-")
	n, err := strconv.ParseInt(number, 10, 64)
	us, err2 := strconv.ParseInt(at, 10, 64)
	if cmp.Or(err, err2) != nil {
		return place{}, fmt.Errorf("%w: an entry of the events has the id %.64q", domain.ErrCorruptRecord, id)
	}
	return place{n, us}, nil
}

// decodeEvents reads an entry of the stream, whose layout emit.lua describes; it
// returns false if the entry is damaged. end is its last event.
func (p *partition) decodeEvents(table *readyTable, end place, s string) ([]partEvent, bool) {
	const head = 21
	var out []partEvent
	for s != "" {
		if len(s) < head || len(s) < head+int(s[head-1]) {
			return nil, false
		}
		e := domain.TaskEvent{
			TaskID: domain.TaskID([]byte(s[:16])), From: layout.StatusOf[s[16]>>3], To: layout.StatusOf[s[16]&layout.StatusBits], Attempt: int(s[17]),
			Reason: domain.FailureReason(s[head : head+int(s[head-1])]), At: layout.MicroTime(end.at),
		}
		// A task whose record cannot be read has no ready list.
		if list := int(s[18])<<8 | int(s[19]); list < len(table.names) {
			queue, typ, _ := strings.Cut(table.names[list], "|")
			e.Queue, e.Type = queue, domain.TaskType(typ)
		}
		out = append(out, partEvent{event: e, part: p.number})
		s = s[head+len(e.Reason):]
	}
	for i := range out {
		out[i].place = place{end.number - int64(len(out)-1-i), end.at}
	}
	return out, true
}

// A cursor holds the place in each partition, and a check sum over the namespace
// and them.

func (q *TaskQueue) encodeEventCursor(at []place) string {
	b := make([]byte, 0, 16*len(at)+4)
	for _, p := range at {
		b = binary.AppendUvarint(b, uint64(p.number))
		b = binary.AppendVarint(b, p.at-p.number)
	}
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, q.eventSum(b)))
}

func (q *TaskQueue) decodeEventCursor(cursor string) ([]place, error) {
	if cursor == "" {
		return nil, nil
	}
	invalid := fmt.Errorf("%w: it is not one of this stream's", domain.ErrInvalidCursor)
	if len(cursor) > domain.MaxEventCursor {
		return nil, invalid
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	// The decoder passes over line ends.
	if err != nil || len(b) < 4 || len(cursor) != base64.RawURLEncoding.EncodedLen(len(b)) {
		return nil, invalid
	}
	b, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if sum != q.eventSum(b) {
		return nil, invalid
	}
	at := make([]place, len(q.parts))
	for i := range at {
		number, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, invalid
		}
		after, m := binary.Varint(b[n:])
		if m <= 0 {
			return nil, invalid
		}
		at[i], b = place{int64(number), int64(number) + after}, b[n+m:]
	}
	if len(b) > 0 {
		return nil, invalid
	}
	return at, nil
}

func (q *TaskQueue) eventSum(b []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE([]byte(q.client.Config.Namespace+":events")), crc32.IEEETable, b)
}
