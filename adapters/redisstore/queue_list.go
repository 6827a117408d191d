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

	"logsift/domain"
)

// maxListRounds bounds how many pages of the index one ListTasks call looks
// through for tasks that its filter selects.
const maxListRounds = 20

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

// listed is a task that an index named.
type listed struct {
	id domain.TaskID
	at position
}

// ListTasks implements ports.TaskReader. A task whose record cannot be read is
// listed as far as it can be, with the damage among its errors.
func (q *TaskQueue) ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	if err := filter.Validate(); err != nil {
		return domain.TaskPage{}, err
	}
	at, err := decodeCursor(filter.Cursor, len(q.parts))
	if err != nil {
		return domain.TaskPage{}, err
	}
	if b := filter.CreatedBefore; !b.IsZero() {
		if high := ceilMicro(b) - sequenceEpoch - 1; high < at.seq {
			at = position{high, len(q.parts) - 1}
		}
	}
	sel := selection{statuses: "123456"}
	if a := filter.CreatedAfter; !a.IsZero() {
		sel.low = max(0, a.UnixMicro()-sequenceEpoch+1)
	}
	if filter.Status != 0 {
		sel.statuses = strconv.Itoa(int(codeOf[filter.Status]))
	}
	if filter.Queue != "" {
		sel.queues = []string{filter.Queue}
	}
	if filter.Type != "" {
		sel.types = []domain.TaskType{filter.Type}
	}

	var page domain.TaskPage
	size := filter.PageSize()
	for range maxListRounds {
		want := size - len(page.Tasks)
		ids, err := q.listIDs(ctx, at, want, sel)
		if err != nil || len(ids) == 0 {
			return page, err
		}
		got, err := q.getListed(ctx, ids)
		if err != nil {
			return page, err
		}
		for _, f := range got {
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
		at = ids[len(ids)-1].at.next(len(q.parts))
		if len(ids) < want {
			return page, nil
		}
		if len(page.Tasks) == size {
			break
		}
	}
	page.NextCursor = encodeCursor(at, len(q.parts))
	return page, nil
}

// listIDs merges one stretch of the indexes of all partitions. It is shorter than
// the limit only if the list ends with it.
func (q *TaskQueue) listIDs(ctx context.Context, from position, limit int, sel selection) ([]listed, error) {
	stretches, err := fromEach(q, func(p *partition) ([]listed, error) {
		return p.listIDs(ctx, from.high(p.number), limit, sel)
	})
	if err != nil {
		return nil, err
	}
	if len(stretches) == 1 {
		return stretches[0], nil
	}
	all := slices.Concat(stretches...)
	slices.SortFunc(all, func(a, b listed) int {
		return cmp.Or(cmp.Compare(b.at.seq, a.at.seq), cmp.Compare(b.at.partition, a.at.partition))
	})
	return all[:min(limit, len(all))], nil
}

// getListed reads the tasks of a stretch, aligned with it.
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
	out := make([]found, len(ids))
	for i, l := range ids {
		n := l.at.partition
		out[i], got[n] = got[n][0], got[n][1:]
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
