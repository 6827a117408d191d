package sqlitestore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
)

// maxPageBytes is about how much of payloads, results and errors a page holds:
// one with more is cut short, so that large tasks cannot exhaust the memory.
const maxPageBytes = 8 << 20

// GetTask returns the task as [ports.TaskReader] says.
func (q *TaskQueue) GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error) {
	var rec *record
	err := q.db.read(ctx, "get task", func(s *statements) error {
		recs, err := load(s, whole, byID, idList([]uuid.UUID{id}), nil)
		if err != nil || len(recs) == 0 {
			return err
		}
		rec = recs[0]
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

// ListTasks returns a page as [ports.TaskReader] says. Tasks whose id cannot be
// read are left out.
func (q *TaskQueue) ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	if err := filter.Validate(); err != nil {
		return domain.TaskPage{}, err
	}
	list := []any{"tasks", filter.Status, filter.Type, filter.Queue, microsOf(filter.CreatedAfter), microsOf(filter.CreatedBefore)}
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
		seqs, err := selectSeqs(s, filter, above, below, size+1)
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
			page.Tasks = append(page.Tasks, rec.task)
		}
		if more || cut {
			page.NextCursor = cursorOf(position{major: recs[len(recs)-1].seq}, list...)
		}
		return nil
	})
	return page, err
}

// selectSeqs returns the newest n tasks between above and below, both excluded,
// that the filter selects by status, type and queue.
func selectSeqs(s *statements, filter domain.TaskFilter, above, below int64, n int) ([]int64, error) {
	if filter.Status == 0 && filter.Type == "" && filter.Queue == "" {
		return s.numbers("SELECT seq FROM task WHERE seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?", above, below, n)
	}
	var lanes []*lane
	err := s.each(func(r *row) error {
		lanes = append(lanes, readLane(r))
		return r.err
	}, selectLanes)
	if err != nil {
		return nil, err
	}
	var out []int64
	processing := make(map[int64]bool)
	for _, l := range lanes {
		if filter.Type != "" && l.typ != filter.Type || filter.Queue != "" && l.queue != filter.Queue {
			continue
		}
		for st := stateReady; st < stateEnd; st++ {
			if l.counts[st] == 0 || filter.Status != 0 && statuses[st] != filter.Status {
				continue
			}
			if st == stateProcessing {
				processing[l.id] = true
				continue
			}
			seqs, err := s.numbers(`SELECT seq FROM task INDEXED BY task_lane
				WHERE state = ? AND state <> 3 AND lane = ? AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?`,
				int64(st), l.id, above, below, n)
			if err != nil {
				return nil, err
			}
			out = append(out, seqs...)
		}
	}
	if len(processing) > 0 {
		err := s.each(func(r *row) error {
			if processing[r.int(1)] {
				out = append(out, r.int(0))
			}
			return r.err
		}, "SELECT seq, lane FROM task INDEXED BY task_wake WHERE state = 3 AND state <> 1 AND seq > ? AND seq < ?", above, below)
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out[:min(len(out), n)], nil
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
		more, err := load(s, whole, bySeq, seqList(part), nil)
		if err != nil {
			return nil, false, err
		}
		for _, rec := range more {
			bytes += len(rec.task.Payload) + len(rec.task.Result) + int(min(rec.failures, domain.MaxTaskErrors))*domain.MaxErrorMessage
		}
		recs = append(recs, more...)
		cut = bytes > maxPageBytes && len(recs) < len(seqs)
	}
	return recs, cut, nil
}

// GetQueueStats reads the counts of the lanes and the head of each lane that has
// ready tasks.
func (q *TaskQueue) GetQueueStats(ctx context.Context) (domain.QueueStats, error) {
	var stats domain.QueueStats
	err := q.db.read(ctx, "get queue stats", func(s *statements) error {
		stats = domain.QueueStats{}
		err := s.each(func(r *row) error {
			l := readLane(r)
			stats.Pending += l.counts[stateReady]
			stats.Scheduled += l.counts[stateScheduled]
			stats.Processing += l.counts[stateProcessing]
			stats.Retrying += l.counts[stateRetrying]
			stats.Completed += l.counts[stateCompleted]
			stats.Failed += l.counts[stateFailed]
			stats.Cancelled += l.counts[stateCancelled]
			return r.err
		}, selectLanes)
		if err != nil {
			return err
		}
		oldest, ok, err := s.number(`SELECT min((SELECT seq FROM task INDEXED BY task_lane WHERE state = 1 AND state <> 3 AND lane = l.id ORDER BY seq LIMIT 1))
			FROM lane l WHERE l.ready > 0`)
		if ok {
			stats.OldestPending = max(time.Duration(q.db.now()-oldest)*time.Microsecond, 0)
		}
		return err
	})
	if err != nil {
		return domain.QueueStats{}, err
	}
	if q.db.config.Synchronous == SynchronousNormal {
		stats.Warnings = append(stats.Warnings, "a loss of power may lose the newest acknowledged tasks: the store runs with synchronous=normal")
	}
	return stats, nil
}
