package sqlitestore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

func (q *TaskQueue) GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	var rec *record
	err := q.db.read(ctx, "get task", func(s *statements) error {
		recs, err := load(s, shapeWhole, byID, idList([]uuid.UUID{id}))
		if err != nil || len(recs) == 0 {
			return err
		}
		rec = recs[0]
		rec.task.Stopping = rec.stopping(q.db.now())
		if err := loadProgress(s, rec); err != nil {
			return err
		}
		if err := loadWaitingFor(s, rec); err != nil {
			return err
		}
		return loadFailures(s, rec)
	})
	switch {
	case err != nil:
		return nil, err
	case rec == nil:
		return nil, fmt.Errorf("task %s: %w", id, domain.ErrTaskNotFound)
	case rec.corrupt != nil && rec.state != stateFailed:
		return nil, rec.corrupt
	}
	return rec.task, nil
}

// ListTasks leaves out tasks whose id cannot be read. For a filter by tag or reason it looks at
// maxTaskScan tasks at most for a page, or at those of about ports.MaxCallBytes.
func (q *TaskQueue) ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	if err := filter.Validate(); err != nil {
		return domain.TaskPage{}, err
	}
	list := []any{"tasks", filter.Status, filter.Type, filter.Queue, filter.Tag, filter.Reason, microsOf(filter.CreatedAfter), microsOf(filter.CreatedBefore)}
	from, err := parseCursor(filter.Cursor, position{major: never}, list...)
	if err != nil {
		return domain.TaskPage{}, err
	}
	below, above := from.major, int64(-1)
	if !filter.CreatedAfter.IsZero() {
		above = filter.CreatedAfter.UnixMicro()
	}
	if !filter.CreatedBefore.IsZero() {
		// Rounded up, since a creation time has whole microseconds.
		below = min(below, filter.CreatedBefore.Add(time.Microsecond-1).UnixMicro())
	}
	var page domain.TaskPage
	err = q.db.read(ctx, "list tasks", func(s *statements) error {
		page = domain.TaskPage{}
		size := filter.PageSize()
		seqs, rest, err := selectScanned(s, filter, above, below, size+1)
		if err != nil {
			return err
		}
		more := len(seqs) > size
		seqs = seqs[:min(len(seqs), size)]
		recs, cut, err := loadPage(s, seqs)
		if err != nil {
			return err
		}
		for _, rec := range recs {
			if rec.task.ID == uuid.Nil {
				continue
			}
			if err := loadFailures(s, rec); err != nil {
				return err
			}
			rec.task.Stopping = rec.stopping(q.db.now())
			page.Tasks = append(page.Tasks, rec.task)
		}
		switch {
		case more || cut:
			page.NextCursor = cursorOf(position{major: recs[len(recs)-1].seq}, list...)
		case rest > 0:
			page.NextCursor = cursorOf(position{major: rest}, list...)
		}
		return nil
	})
	return page, err
}

const (
	// maxTaskScan is how many tasks a list by tag or reason looks at for a page, scanChunk how
	// many at a time.
	maxTaskScan = 20_000
	scanChunk   = 500
)

// selectScanned returns the newest n tasks between above and below that the filter selects. If
// it looked at as many as it may before it had them, rest is the last; else 0.
func selectScanned(s *statements, filter domain.TaskFilter, above, below int64, n int) (out []int64, rest int64, err error) {
	if filter.Tag == "" && filter.Reason == "" {
		out, err = selectSeqs(s, filter, above, below, n)
		return out, 0, err
	}
	bytes := int64(0)
	for looked := 0; ; looked += scanChunk {
		if looked >= maxTaskScan || bytes >= ports.MaxCallBytes {
			return out, below, nil
		}
		seqs, err := selectSeqs(s, filter, above, below, scanChunk)
		if err != nil || len(seqs) == 0 {
			return out, 0, err
		}
		err = s.each(func(r *row) error {
			if bytes += r.int(2); r.int(1) != 0 {
				out = append(out, r.int(0))
			}
			return r.err
		}, `SELECT j.value,
			(?2 = '' OR EXISTS (SELECT 1 FROM json_each(CAST(c.options AS TEXT), '$.tags') t WHERE t.value = ?2))
			AND (?3 = '' OR ?3 = ifnull((SELECT reason FROM failure f WHERE f.seq = j.value ORDER BY n DESC LIMIT 1), '')), ifnull(length(c.payload), 0)
			FROM json_each(?1) j LEFT JOIN contents c ON c.seq = j.value`, seqList(seqs), filter.Tag, string(filter.Reason))
		if err != nil || len(out) >= n {
			return out[:min(len(out), n)], 0, err
		}
		if below = seqs[len(seqs)-1]; len(seqs) < scanChunk {
			return out, 0, nil
		}
	}
}

// selectSeqs returns the newest n tasks between above and below, both excluded,
// that the filter selects by status, type and queue.
func selectSeqs(s *statements, filter domain.TaskFilter, above, below int64, n int) ([]int64, error) {
	if filter.Status == 0 && filter.Type == "" && filter.Queue == "" {
		return s.numbers("SELECT seq FROM task WHERE seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?", above, below, n)
	}
	var out []int64
	for st := stateReady; st < stateEnd; st++ {
		if filter.Status != 0 && statuses[st] != filter.Status {
			continue
		}
		newest := newestOfState
		if st == stateProcessing {
			newest = newestProcessing
		}
		seqs, err := newest(s, st, filter, above, below, n)
		if err != nil {
			return nil, err
		}
		out = append(out, seqs...)
	}
	return newestOf(out, n), nil
}

// newestOf returns the n highest of the numbers, the highest first.
func newestOf(seqs []int64, n int) []int64 {
	slices.Sort(seqs)
	slices.Reverse(seqs)
	return seqs[:min(len(seqs), n)]
}

// whereLane selects lanes by the names of a filter, "" for any.
const whereLane = " WHERE (?1 = '' OR queue = ?1) AND (?2 = '' OR type = ?2)"

// newestOfState returns the newest n tasks in one state, which is not
// stateProcessing. The lanes with the newest tasks have them: at most n lanes.
func newestOfState(s *statements, st state, filter domain.TaskFilter, above, below int64, n int) ([]int64, error) {
	type head struct{ lane, seq int64 }
	var lanes []head
	err := s.each(func(r *row) error {
		lanes = append(lanes, head{r.int(0), r.int(1)})
		return r.err
	}, `SELECT id, (SELECT seq FROM task INDEXED BY task_lane WHERE state = ?3 AND state <> 3 AND lane = lane.id
		AND seq > ?4 AND seq < ?5 ORDER BY seq DESC LIMIT 1) AS newest FROM lane`+whereLane+` AND newest > 0
		ORDER BY newest DESC LIMIT ?6`, filter.Queue, string(filter.Type), int64(st), above, below, n)
	if err != nil {
		return nil, err
	}
	if len(lanes) == n {
		// The heads alone are a page.
		above = max(above, lanes[n-1].seq-1)
	}
	var out []int64
	for _, l := range lanes {
		seqs, err := s.numbers(`SELECT seq FROM task INDEXED BY task_lane
			WHERE state = ? AND state <> 3 AND lane = ? AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?`, int64(st), l.lane, above, below, n)
		if err != nil {
			return nil, err
		}
		if out = newestOf(append(out, seqs...), n); len(out) == n {
			above = max(above, out[n-1])
		}
	}
	return out, nil
}

// newestProcessing returns the newest n tasks that are processed. They are few: all are
// looked at.
func newestProcessing(s *statements, st state, filter domain.TaskFilter, above, below int64, n int) ([]int64, error) {
	seqs, err := s.numbers(`SELECT seq FROM task INDEXED BY task_wake WHERE state = ?3 AND state <> 1 AND state < 5 AND seq > ?4 AND seq < ?5
		AND EXISTS (SELECT 1 FROM lane`+whereLane+" AND id = task.lane)", filter.Queue, string(filter.Type), int64(st), above, below)
	return newestOf(seqs, n), err
}

// loadPage loads whole records until they are too many bytes for one page, and
// whether that cut it.
func loadPage(s *statements, seqs []int64) (recs []*record, cut bool, err error) {
	bytes := 0
	// Some at a time, so that no more is read than is kept.
	for part := range slices.Chunk(seqs, 4) {
		if cut {
			break
		}
		more, err := load(s, shapeWhole, bySeq, seqList(part))
		if err != nil {
			return nil, false, err
		}
		for _, rec := range more {
			if cut = bytes >= ports.MaxCallBytes; cut {
				break
			}
			recs = append(recs, rec)
			bytes += len(rec.task.Payload) + len(rec.task.Result) + int(min(rec.failures, domain.MaxTaskErrors))*domain.MaxErrorMessage
		}
	}
	return recs, cut, nil
}

// GetQueueStats adds up the counts of the lanes.
func (q *TaskQueue) GetQueueStats(ctx context.Context) (domain.QueueStats, error) {
	var stats domain.QueueStats
	err := q.db.read(ctx, "get queue stats", func(s *statements) error {
		return s.each(func(r *row) error {
			stats = domain.QueueStats{
				Pending: r.int(0), Scheduled: r.int(1), Processing: r.int(2), Retrying: r.int(3),
				Completed: r.int(4), Failed: r.int(5), Cancelled: r.int(6),
			}
			if oldest := r.int(7); oldest > 0 {
				stats.OldestPending = max(time.Duration(q.db.now()-oldest)*time.Microsecond, 0)
			}
			return r.err
		}, `SELECT ifnull(sum(ready), 0), ifnull(sum(scheduled), 0), ifnull(sum(processing), 0), ifnull(sum(retrying), 0),
			ifnull(sum(completed), 0), ifnull(sum(failed), 0), ifnull(sum(cancelled), 0),
			ifnull(min(CASE WHEN oldest > 0 THEN oldest WHEN head > 0 THEN head END), 0) FROM lane`)
	})
	if err != nil {
		return domain.QueueStats{}, err
	}
	if q.db.config.Synchronous == SynchronousNormal {
		stats.Warnings = append(stats.Warnings, "a loss of power may lose the newest acknowledged tasks: the store runs with synchronous=normal")
	}
	return stats, nil
}
