package sqlitestore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// maxScan is how many rows a page looks at. A filter that selects little gives
// short pages and a cursor, instead of one call that reads the whole store.
const maxScan = 20_000

// LogRepository is the [ports.LogRepository] of a [DB]. It is safe for concurrent
// use.
type LogRepository struct{ db *DB }

var _ ports.LogRepository = (*LogRepository)(nil)

func (r *LogRepository) SaveLogs(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error) {
	if err := ports.ValidateLogs(batch, entries); err != nil {
		return 0, err
	}
	if len(entries) == 0 {
		return r.countBatch(ctx, batch)
	}
	entries = slices.Clone(entries)
	for i := range entries {
		entries[i].Attributes = maps.Clone(entries[i].Attributes)
	}
	var count int
	for part := range slices.Chunk(entries, ports.MaxSaveLogs) {
		var refused error
		err := r.db.writer.do(ctx, "save logs", func(tx *transaction) (err error) {
			count, refused, err = tx.saveLogs(batch, part)
			return err
		})
		if err = cmp.Or(err, refused); err != nil {
			return 0, err
		}
	}
	return count, nil
}

// countBatch returns how many entries the batch has.
func (r *LogRepository) countBatch(ctx context.Context, batch domain.BatchID) (int, error) {
	var n int64
	err := r.db.read(ctx, "count logs", func(s *statements) (err error) {
		n, _, err = s.number("SELECT entries FROM log_batch WHERE id = ?", batch[:])
		return err
	})
	return int(n), err
}

// logBatch is a row of log_batch.
type logBatch struct {
	no, entries int64
	closed      bool
}

// batch returns the batch, or nil if there is none.
func (tx *transaction) batch(id domain.BatchID) (b *logBatch, err error) {
	err = tx.each(func(r *row) error {
		b = &logBatch{no: r.int(0), closed: r.int(1) != 0, entries: r.int(2)}
		return r.err
	}, "SELECT no, closed, entries FROM log_batch WHERE id = ?", id[:])
	return b, err
}

// makeBatch makes the batch.
func (tx *transaction) makeBatch(id domain.BatchID) (*logBatch, error) {
	no, _, err := tx.number("INSERT INTO log_batch (id, closed, entries, made_us) VALUES (?, 0, 0, ?) RETURNING no", id[:], tx.now)
	return &logBatch{no: no}, err
}

// saveLogs stores entries in the batch and returns how many it has then.
func (tx *transaction) saveLogs(id domain.BatchID, entries []domain.LogEntry) (count int, refused, err error) {
	b, err := tx.batch(id)
	if err == nil && b == nil {
		b, err = tx.makeBatch(id)
	}
	if err != nil {
		return 0, nil, err
	}
	if b.closed {
		return 0, fmt.Errorf("batch %s: %w", id, domain.ErrBatchClosed), nil
	}
	added := int64(0)
	for i := range entries {
		e := &entries[i]
		at := tx.now
		if !e.Timestamp.IsZero() {
			at = e.Timestamp.UnixMicro()
		}
		attributes := []byte{}
		if len(e.Attributes) > 0 {
			if attributes, err = json.Marshal(e.Attributes); err != nil {
				return 0, nil, err
			}
		}
		n, err := tx.exec(`INSERT INTO log_entry (id, batch, timestamp_us, received_us, level, source, message, attributes)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			e.ID[:], b.no, at, tx.now, int64(e.Level), bytesOf(e.Source), bytesOf(e.Message), attributes)
		if err != nil {
			return 0, nil, err
		}
		added += n
	}
	_, err = tx.exec("UPDATE log_batch SET entries = entries + ? WHERE no = ?", added, b.no)
	return int(b.entries + added), nil, err
}

func (r *LogRepository) CloseBatch(ctx context.Context, batch domain.BatchID) ([]domain.LogID, error) {
	if err := ports.ValidateBatch(batch); err != nil {
		return nil, err
	}
	var ids []domain.LogID
	err := r.db.writer.do(ctx, "close batch", func(tx *transaction) error {
		ids = nil
		b, err := tx.batch(batch)
		if err == nil && b == nil {
			b, err = tx.makeBatch(batch)
		}
		if err != nil {
			return err
		}
		if !b.closed {
			if _, err := tx.exec("UPDATE log_batch SET closed = 1 WHERE no = ?", b.no); err != nil {
				return err
			}
		}
		return tx.each(func(r *row) error {
			ids = append(ids, r.uuid(0))
			return r.err
		}, "SELECT id FROM log_entry WHERE batch = ? ORDER BY no", b.no)
	})
	return ids, err
}

func (r *LogRepository) ListBatch(ctx context.Context, batch domain.BatchID, skip, limit int) (entries []domain.LogEntry, next int, err error) {
	if err := ports.ValidateBatchPage(batch, skip, limit); err != nil {
		return nil, 0, err
	}
	err = r.db.read(ctx, "list batch", func(s *statements) error {
		bytes := 0
		entries = nil
		return enough(s.each(func(r *row) error {
			if bytes >= ports.MaxCallBytes {
				return errEnough
			}
			_, e, err := readLog(r)
			entries, bytes = append(entries, e), bytes+len(e.Message)
			return err
		}, "SELECT "+logColumns+` FROM log_entry e INDEXED BY log_entry_batch
			WHERE e.batch = (SELECT no FROM log_batch WHERE id = ?) ORDER BY e.no LIMIT ? OFFSET ?`, batch[:], limit, skip))
	})
	if err != nil {
		return nil, 0, err
	}
	return entries, skip + len(entries), nil
}

const logColumns = `e.no, e.id, e.timestamp_us, e.received_us, e.level, e.source, e.message, e.attributes`

// readLog reads a row of logColumns.
func readLog(r *row) (no int64, e domain.LogEntry, err error) {
	no = r.int(0)
	e = domain.LogEntry{
		ID: r.uuid(1), Timestamp: time.UnixMicro(r.int(2)).UTC(), ReceivedAt: timeOf(r.int(3)),
		Level: domain.LogLevel(r.int(4)), Source: string(r.blob(5)), Message: string(r.blob(6)),
	}
	if attributes := r.blob(7); r.err == nil && len(attributes) > 0 {
		if err := json.Unmarshal(attributes, &e.Attributes); err != nil {
			return no, e, fmt.Errorf("%w: attributes of log entry %s: %w", domain.ErrCorruptRecord, e.ID, err)
		}
	}
	return no, e, r.err
}

func (r *LogRepository) GetLogs(ctx context.Context, ids ...domain.LogID) ([]domain.LogEntry, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var out []domain.LogEntry
	err := r.db.read(ctx, "get logs", func(s *statements) error {
		return s.each(func(r *row) error {
			_, e, err := readLog(r)
			out = append(out, e)
			return err
		}, "SELECT "+logColumns+" FROM json_each(?) j CROSS JOIN log_entry e ON e.id = unhex(j.value)", idList(ids))
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ListLogs looks for a page at maxScan entries at most.
func (r *LogRepository) ListLogs(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error) {
	if err := filter.Validate(); err != nil {
		return domain.LogPage{}, err
	}
	list := []any{"logs", microsOf(filter.From), microsOf(filter.To), filter.MinLevel, filter.Source, filter.Text}
	from, err := parseCursor(filter.Cursor, position{never, never}, list...)
	if err != nil {
		return domain.LogPage{}, err
	}
	oldest := int64(-never)
	if !filter.From.IsZero() {
		oldest = filter.From.UnixMicro()
	}
	if !filter.To.IsZero() && from.major == never {
		from.major = filter.To.UnixMicro() + 1
	}
	view := r.db.read
	if filter.Text != "" || filter.Source != "" || filter.MinLevel != 0 {
		view = r.db.search
	}
	var page domain.LogPage
	err = view(ctx, "list logs", func(s *statements) error {
		var last position
		seen, size := 0, 0
		err := s.each(func(r *row) error {
			no, e, err := readLog(r)
			if err != nil {
				return err
			}
			seen++
			if len(page.Logs) == filter.PageSize() || size >= ports.MaxCallBytes {
				page.NextCursor = cursorOf(last, list...)
				return errEnough
			}
			last = position{e.Timestamp.UnixMicro(), no}
			if filter.Matches(&e) {
				page.Logs = append(page.Logs, e)
				size += len(e.Message)
			}
			return nil
		}, "SELECT "+logColumns+` FROM log_entry e INDEXED BY log_entry_timestamp
			WHERE (e.timestamp_us, e.no) < (?, ?) AND e.timestamp_us >= ? ORDER BY e.timestamp_us DESC, e.no DESC LIMIT ?`,
			from.major, from.minor, oldest, maxScan)
		if seen == maxScan && page.NextCursor == "" {
			page.NextCursor = cursorOf(last, list...)
		}
		return enough(err)
	})
	if err != nil {
		return domain.LogPage{}, err
	}
	return page, nil
}

// errEnough ends the reading of rows.
var errEnough = errors.New("enough rows")

// enough turns errEnough into success.
func enough(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// DeleteBatches removes some entries in each transaction.
func (r *LogRepository) DeleteBatches(ctx context.Context, batches ...domain.BatchID) error {
	left := slices.Clone(batches)
	for len(left) > 0 {
		gone := 0
		err := r.db.writer.do(ctx, "delete batches", func(tx *transaction) (err error) {
			gone, err = tx.deleteBatches(left)
			return err
		})
		if err != nil {
			return err
		}
		left = left[gone:]
	}
	return nil
}

// deleteBatches removes some entries of the batches, and what else belongs to those that
// have none left. It returns how many batches are gone, the first ones.
func (tx *transaction) deleteBatches(batches []domain.BatchID) (gone int, err error) {
	room := int64(maxBatch)
	for i, id := range batches[:min(len(batches), maxBatch)] {
		b, err := tx.batch(id)
		if err != nil {
			return 0, err
		}
		if b != nil {
			n, err := tx.exec("DELETE FROM log_entry WHERE no IN (SELECT no FROM log_entry WHERE batch = ? LIMIT ?)", b.no, room)
			if err != nil {
				return 0, err
			}
			if room -= n; room == 0 {
				// Closed, so that nothing comes in while it goes.
				_, err := tx.exec("UPDATE log_batch SET entries = max(entries - ?, 0), closed = 1 WHERE no = ?", n, b.no)
				return i, err
			}
			if _, err := tx.exec("DELETE FROM log_batch WHERE no = ?", b.no); err != nil {
				return 0, err
			}
		}
		no, ok, err := tx.number("SELECT no FROM analysis WHERE task = ?", id[:])
		if err == nil && ok {
			err = tx.removeAnalyses([]int64{no})
		}
		if err != nil {
			return 0, err
		}
	}
	return min(len(batches), maxBatch), nil
}

// PurgeLogs removes some entries in each transaction.
func (r *LogRepository) PurgeLogs(ctx context.Context, age time.Duration, limit int) (int, error) {
	return purge(ctx, r.db, "purge logs", age, limit, func(tx *transaction, until int64, n int) (int, error) {
		perBatch := make(map[int64]int64)
		var nos []int64
		// Entries are numbered as they arrive: the first numbers are the oldest.
		err := tx.each(func(r *row) error {
			if r.int(2) > until {
				return errEnough
			}
			nos = append(nos, r.int(0))
			perBatch[r.int(1)]++
			return r.err
		}, "SELECT no, batch, received_us FROM log_entry ORDER BY no LIMIT ?", n)
		if err := enough(err); err != nil {
			return 0, err
		}
		if _, err := tx.exec("DELETE FROM log_entry WHERE no IN (SELECT value FROM json_each(?))", seqList(nos)); err != nil {
			return 0, err
		}
		for batch, removed := range perBatch {
			if _, err := tx.exec("UPDATE log_batch SET entries = max(entries - ?, 0) WHERE no = ?", removed, batch); err != nil {
				return 0, err
			}
		}
		// A batch that has lost its last entry is of no use any more.
		_, err = tx.exec(`DELETE FROM log_batch WHERE no IN
			(SELECT no FROM log_batch INDEXED BY log_batch_empty WHERE entries = 0 AND made_us <= ? LIMIT ?)`, until, n)
		return len(nos), err
	})
}

// purge calls fn with some of the limit at a time, each time in a transaction,
// until it has removed fewer than it might, and returns how many in all.
func purge(ctx context.Context, db *DB, action string, age time.Duration, limit int, fn func(tx *transaction, until int64, n int) (int, error)) (int, error) {
	if err := ports.ValidateLogPurge(age, limit); err != nil {
		return 0, err
	}
	all := 0
	for all < limit {
		n := min(limit-all, maxBatch)
		removed := 0
		err := db.writer.do(ctx, action, func(tx *transaction) (err error) {
			removed, err = fn(tx, tx.now-age.Microseconds(), n)
			return err
		})
		if err != nil {
			return all, err
		}
		if all += removed; removed < n {
			break
		}
	}
	return all, nil
}
