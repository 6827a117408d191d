package redisstore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"logsift/domain"
)

var (
	getScript   = loadScript("get")
	listScript  = loadScript("list")
	statsScript = loadScript("stats")
)

// maxListRounds bounds how many pages of the index one ListTasks call looks
// through for tasks that its filter selects.
const maxListRounds = 20

// found is one task that was looked up: the task, or why there is none.
type found struct {
	task *domain.Task
	err  error
}

// GetTask implements ports.TaskReader.
func (q *TaskQueue) GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	got, err := q.getTasks(ctx, id)
	if err != nil {
		return nil, err
	}
	if got[0].err != nil {
		return nil, got[0].err
	}
	return got[0].task, nil
}

// getTasks reads tasks whole, aligned with the ids. A task that cannot be read
// comes with an error and as far as it could be.
func (q *TaskQueue) getTasks(ctx context.Context, ids ...domain.TaskID) ([]found, error) {
	reply, err := q.withLanes(ctx, func(table *laneTable) ([]any, error) {
		args := []any{table.generation, len(table.names)}
		for _, id := range ids {
			args = append(args, id[:])
		}
		return q.client.runSlice(ctx, getScript, q.keys.all(table.ready), args...)
	})
	if err != nil {
		return nil, err
	}
	out := make([]found, len(ids))
	for i, id := range ids {
		s := stored{id: id, record: textAt(reply, i*5), state: textAt(reply, i*5+1), results: textAt(reply, i*5+2), errors: textAt(reply, i*5+3)}
		if s.record == "" && s.state == "" {
			out[i].err = fmt.Errorf("task %s: %w", id, domain.ErrTaskNotFound)
			continue
		}
		if ends := textAt(reply, i*5+4); ends != "" {
			f, err := strconv.ParseFloat(ends, 64)
			if err != nil {
				return nil, fmt.Errorf("redis script get: end of lease: %w", err)
			}
			s.leaseEnds = int64(f)
		}
		out[i].task, out[i].err = decodeTask(s)
	}
	return out, nil
}

// ListTasks implements ports.TaskReader. A task whose record cannot be read is
// listed as far as it can be, with the damage among its errors.
func (q *TaskQueue) ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	if err := filter.Validate(); err != nil {
		return domain.TaskPage{}, err
	}
	high, err := decodeCursor(filter.Cursor)
	if err != nil {
		return domain.TaskPage{}, err
	}
	if b := filter.CreatedBefore; !b.IsZero() {
		high = min(high, ceilMicro(b)-sequenceEpoch-1)
	}
	low := int64(0)
	if a := filter.CreatedAfter; !a.IsZero() {
		low = max(low, a.UnixMicro()-sequenceEpoch+1)
	}
	statuses := "123456"
	if filter.Status != 0 {
		statuses = strconv.Itoa(int(codeOf[filter.Status]))
	}
	var queues []string
	if filter.Queue != "" {
		queues = []string{filter.Queue}
	}
	var types []domain.TaskType
	if filter.Type != "" {
		types = []domain.TaskType{filter.Type}
	}

	var page domain.TaskPage
	size := filter.PageSize()
	for range maxListRounds {
		want := size - len(page.Tasks)
		ids, seqs, err := q.listIDs(ctx, high, low, want, statuses, queues, types)
		if err != nil || len(ids) == 0 {
			return page, err
		}
		got, err := q.getTasks(ctx, ids...)
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
		high = seqs[len(seqs)-1] - 1
		if len(ids) < want {
			return page, nil
		}
		if len(page.Tasks) == size {
			break
		}
	}
	page.NextCursor = encodeCursor(high)
	return page, nil
}

// listIDs reads one stretch of the indexes by falling sequence number.
func (q *TaskQueue) listIDs(ctx context.Context, high, low int64, limit int, statuses string, queues []string, types []domain.TaskType) ([]domain.TaskID, []int64, error) {
	if high < low {
		return nil, nil, nil
	}
	reply, err := q.withLanes(ctx, func(table *laneTable) ([]any, error) {
		args := []any{table.generation, len(table.names), high, low, limit, statuses}
		for _, lane := range table.selected(queues, types) {
			args = append(args, lane)
		}
		return q.client.runSlice(ctx, listScript, q.keys.all(table.ready), args...)
	})
	if err != nil {
		return nil, nil, err
	}
	ids := make([]domain.TaskID, 0, len(reply)/2)
	seqs := make([]int64, 0, len(reply)/2)
	for i := 0; i+1 < len(reply); i += 2 {
		// A member that is no id becomes the nil id, which no task has: it is
		// passed over as a task that is gone.
		id, _ := uuid.FromBytes([]byte(textAt(reply, i)))
		seq, err := strconv.ParseInt(textAt(reply, i+1), 10, 64)
		if err != nil {
			return nil, nil, fmt.Errorf("redis script list: sequence number: %w", err)
		}
		ids, seqs = append(ids, id), append(seqs, seq)
	}
	return ids, seqs, nil
}

// GetQueueStats implements ports.TaskReader.
func (q *TaskQueue) GetQueueStats(ctx context.Context) (domain.QueueStats, error) {
	reply, err := q.withLanes(ctx, func(table *laneTable) ([]any, error) {
		return q.client.runSlice(ctx, statsScript, q.keys.all(table.ready), q.client.offset(), table.generation, len(table.names))
	})
	if err != nil {
		return domain.QueueStats{}, err
	}
	n := func(i int) int64 {
		v, _ := intAt(reply, i)
		return v
	}
	return domain.QueueStats{
		Pending: n(0), Scheduled: n(1), Processing: n(2), Retrying: n(3),
		Completed: n(4), Failed: n(5), Cancelled: n(6),
		OldestPending: microDuration(n(7)), Warnings: q.client.Warnings(),
	}, nil
}

// A cursor is the highest sequence number of the next page.
const cursorPrefix = "q1."

func encodeCursor(high int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + strconv.FormatInt(high, 36)))
}

func decodeCursor(cursor string) (int64, error) {
	const newest = math.MaxInt64 >> 14 // more than any sequence number, and exact as a double
	if cursor == "" {
		return newest, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, fmt.Errorf("%w: it is not base64", domain.ErrInvalidCursor)
	}
	digits, ok := strings.CutPrefix(string(raw), cursorPrefix)
	high, err := strconv.ParseInt(digits, 36, 64)
	if !ok || err != nil || high < -1 || high > newest {
		return 0, fmt.Errorf("%w: it is not one of this list's", domain.ErrInvalidCursor)
	}
	return high, nil
}
