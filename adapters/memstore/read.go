package memstore

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"logsift/domain"
	"logsift/ports"
)

func (q *TaskQueue) GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("get task: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	t, ok := q.tasks[id]
	if !ok {
		return nil, fmt.Errorf("task %s: %w", id, domain.ErrTaskNotFound)
	}
	out := q.shown(t)
	out.WaitingFor = q.waitingFor(t)
	return out, nil
}

// shown returns a copy of the task that says whether it is stopping.
func (q *TaskQueue) shown(t *domain.Task) *domain.Task {
	c := t.Clone()
	r, ok := q.reported[t.ID]
	c.Stopping = ok && r.status == domain.TaskStatusCancelled && r.lease.ExpiresAt.After(q.cfg.now())
	return c
}

func (q *TaskQueue) ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	if err := ctx.Err(); err != nil {
		return domain.TaskPage{}, fmt.Errorf("list tasks: %w", err)
	}
	if err := filter.Validate(); err != nil {
		return domain.TaskPage{}, err
	}
	before, err := decodeCursor(filter.Cursor)
	if err != nil {
		return domain.TaskPage{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var found []*domain.Task
	for _, t := range q.tasks {
		if t.CreatedAt.UnixMicro() < before && filter.Matches(t) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b *domain.Task) int { return b.CreatedAt.Compare(a.CreatedAt) })
	var page domain.TaskPage
	bytes := 0
	for i, t := range found {
		if i == filter.PageSize() || bytes >= ports.MaxCallBytes {
			page.NextCursor = encodeCursor(found[i-1].CreatedAt.UnixMicro())
			break
		}
		bytes += len(t.Payload) + len(t.Result) + len(t.Errors)*domain.MaxErrorMessage
		page.Tasks = append(page.Tasks, q.shown(t))
	}
	return page, nil
}

// A cursor is the time that the next page is older than.
const cursorPrefix = "m1."

func encodeCursor(before int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + strconv.FormatInt(before, 36)))
}

func decodeCursor(cursor string) (int64, error) {
	if cursor == "" {
		return math.MaxInt64, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, fmt.Errorf("%w: it is not base64", domain.ErrInvalidCursor)
	}
	digits, ok := strings.CutPrefix(string(raw), cursorPrefix)
	before, err := strconv.ParseInt(digits, 36, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("%w: it is not one of this list's", domain.ErrInvalidCursor)
	}
	return before, nil
}

func (q *TaskQueue) GetQueueStats(ctx context.Context) (domain.QueueStats, error) {
	if err := ctx.Err(); err != nil {
		return domain.QueueStats{}, fmt.Errorf("queue stats: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	s := domain.QueueStats{
		Scheduled:  int64(len(q.waiting)),
		Processing: q.counts[domain.TaskStatusProcessing], Retrying: q.counts[domain.TaskStatusRetrying],
		Completed: q.counts[domain.TaskStatusCompleted], Failed: q.counts[domain.TaskStatusFailed],
		Cancelled: q.counts[domain.TaskStatusCancelled],
	}
	s.Pending = q.counts[domain.TaskStatusPending] - s.Scheduled
	now := q.cfg.now()
	for _, r := range q.ready {
		for t := range r.all() {
			s.OldestPending = max(s.OldestPending, now.Sub(t.CreatedAt))
		}
	}
	return s, nil
}
