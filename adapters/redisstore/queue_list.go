package redisstore

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
	"logsift/ports"
)

const (
	// maxListRounds bounds how many stretches of an index one list reads for what its
	// filter selects.
	maxListRounds = 20
	// listScan is how long a stretch of tasks is if the filter selects by queue, type, tag
	// or reason.
	listScan = 2000
)

// position is the place of a task in the list of all: tasks come by falling
// sequence number, those of one number by falling partition. No two tasks share
// one, and none changes its own, so that a position divides the list exactly
// whatever happens to it.
type position struct {
	seq       int64
	partition int
}

// high is the highest sequence number of a partition from the position on.
func (p position) high(partition int) int64 {
	if partition <= p.partition {
		return p.seq
	}
	return p.seq - 1
}

// next is the position behind this one.
func (p position) next(partitions int) position {
	if p.partition > 0 {
		return position{p.seq, p.partition - 1}
	}
	return position{p.seq - 1, partitions - 1}
}

// before reports whether the list has this position before the other.
func (p position) before(q position) bool {
	return p.seq > q.seq || p.seq == q.seq && p.partition > q.partition
}

// listed is a task that an index named.
type listed struct {
	id domain.TaskID
	at position
}

// ListTasks lists a task whose record cannot be read as far as it can be, with the damage
// among its errors. For a filter by queue, type, tag or reason it looks at maxListRounds ×
// listScan tasks of each status at most for a page, and for the last two at about as many
// bytes of records as maxListRounds pages have.
func (q *TaskQueue) ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	if err := filter.Validate(); err != nil {
		return domain.TaskPage{}, err
	}
	at, err := decodeCursor(filter.Cursor, len(q.parts))
	if err != nil {
		return domain.TaskPage{}, err
	}
	if b := filter.CreatedBefore; !b.IsZero() {
		if high := layout.CeilMicro(b) - layout.SequenceStart - 1; high < at.seq {
			at = position{high, len(q.parts) - 1}
		}
	}
	sel := selection{statuses: "123456", tag: filter.Tag, reason: filter.Reason}
	if a := filter.CreatedAfter; !a.IsZero() {
		sel.low = max(0, a.UnixMicro()-layout.SequenceStart+1)
	}
	if filter.Status != 0 {
		sel.statuses = strconv.Itoa(int(layout.CodeOf[filter.Status]))
	}
	if filter.Queue != "" {
		sel.queues = []string{filter.Queue}
	}
	if filter.Type != "" {
		sel.types = []domain.TaskType{filter.Type}
	}

	if filter.Queue != "" || filter.Type != "" || sel.byRecord() {
		sel.scan = listScan
	}

	var page domain.TaskPage
	size, bytes := filter.PageSize(), 0
	for range maxListRounds {
		ids, end, err := q.listIDs(ctx, at, size-len(page.Tasks), sel)
		if err != nil {
			return domain.TaskPage{}, err
		}
		got, err := q.getListed(ctx, ids)
		if err != nil {
			return domain.TaskPage{}, err
		}
		for i, f := range got {
			if bytes >= ports.MaxCallBytes {
				got = got[:i]
				break
			}
			bytes += f.bytes
			switch {
			case errors.Is(f.err, domain.ErrTaskNotFound):
				continue
			case f.err != nil:
				f.task.Errors = append(f.task.Errors, domain.TaskError{Reason: domain.ReasonCorruptRecord, Message: f.err.Error()})
			}
			if filter.Matches(f.task) {
				page.Tasks = append(page.Tasks, f.task)
			}
		}
		if len(got) < len(ids) {
			end = &ids[len(got)-1].at
		}
		if end == nil {
			return page, nil
		}
		at = end.next(len(q.parts))
		if len(page.Tasks) == size || bytes >= ports.MaxCallBytes {
			break
		}
	}
	page.NextCursor = encodeCursor(at, len(q.parts))
	return page, nil
}

// listIDs merges one stretch of the indexes of all partitions, and returns the last
// position of it; nil if the list ends with it.
func (q *TaskQueue) listIDs(ctx context.Context, from position, limit int, sel selection) ([]listed, *position, error) {
	type stretch struct {
		ids []listed
		end *position
	}
	stretches, err := fromEach(q, func(p *partition) (stretch, error) {
		ids, end, err := p.listIDs(ctx, from.high(p.number), limit, sel)
		return stretch{ids, end}, err
	})
	if err != nil {
		return nil, nil, err
	}
	var all []listed
	var end *position
	for _, s := range stretches {
		all = append(all, s.ids...)
		if s.end != nil && (end == nil || s.end.before(*end)) {
			end = s.end
		}
	}
	slices.SortFunc(all, func(a, b listed) int {
		return cmp.Or(cmp.Compare(b.at.seq, a.at.seq), cmp.Compare(b.at.partition, a.at.partition))
	})
	if len(all) > limit {
		all = all[:limit]
		if last := &all[limit-1].at; end == nil || last.before(*end) {
			end = last
		}
	}
	if end != nil {
		all = slices.DeleteFunc(all, func(l listed) bool { return end.before(l.at) })
	}
	return all, end, nil
}

// getListed reads the tasks of a stretch, aligned with it: the first ones, as many as
// one answer of a partition may hold.
func (q *TaskQueue) getListed(ctx context.Context, ids []listed) ([]found, error) {
	byPartition := make([][]domain.TaskID, len(q.parts))
	for _, l := range ids {
		n := l.at.partition
		byPartition[n] = append(byPartition[n], l.id)
	}
	got, err := fromEach(q, func(p *partition) ([]found, error) {
		if len(byPartition[p.number]) == 0 {
			return nil, nil
		}
		return p.getTasks(ctx, byPartition[p.number]...)
	})
	if err != nil {
		return nil, err
	}
	var out []found
	for _, l := range ids {
		n := l.at.partition
		if len(got[n]) == 0 {
			break
		}
		out, got[n] = append(out, got[n][0]), got[n][1:]
	}
	return out, nil
}

// A cursor is the position that the next page begins at. The partition is left
// out if there is only one.
const cursorPrefix = "q1."

func encodeCursor(at position, partitions int) string {
	text := cursorPrefix + strconv.FormatInt(at.seq, 36)
	if partitions > 1 {
		text += "." + strconv.Itoa(at.partition)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func decodeCursor(cursor string, partitions int) (position, error) {
	const newest = math.MaxInt64 >> 14 // more than any sequence number, and exact as a double
	at := position{newest, partitions - 1}
	if cursor == "" {
		return at, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return at, fmt.Errorf("%w: it is not base64", domain.ErrInvalidCursor)
	}
	text, ok := strings.CutPrefix(string(raw), cursorPrefix)
	if partitions > 1 && ok {
		var digits string
		text, digits, ok = strings.Cut(text, ".")
		at.partition, err = strconv.Atoi(digits)
		ok = ok && err == nil && at.partition >= 0 && at.partition < partitions
	}
	at.seq, err = strconv.ParseInt(text, 36, 64)
	if !ok || err != nil || at.seq < -1 || at.seq > newest {
		return at, fmt.Errorf("%w: it is not one of this list's", domain.ErrInvalidCursor)
	}
	return at, nil
}
