package redisstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/adapters/redisstore/internal/server"
	"logsift/domain"
	"logsift/ports"
)

// LogRepository is a ports.LogRepository on Redis. It is safe for concurrent use.
//
// The records of the entries are in the hash "entries". Two sorted sets index
// them: "by_time" by timestamp and id, "received" by the time of their arrival.
// The list "batch:ID" has the ids of a batch in their order, and the sorted set
// "closed" the batches that take no more. Analyses are in the hash "analyses",
// and in the sorted set "history" by the time of their storing. The sorted set
// "anomalies" indexes them by digests of their anomalies' ids, which the hash
// "anomaly_ids" has for each analysis. A document of an analyser is the string
// "state:KEY", with a time to live if it has one. Ids are stored as their 16 bytes. All
// keys share the hash tag {namespace:logs}.
type LogRepository struct {
	client *server.Client
	keys   layout.LogKeys
}

var _ ports.LogRepository = (*LogRepository)(nil)

var (
	logsSaveScript    = layout.LoadScript("logs/save")
	logsCloseScript   = layout.LoadScript("logs/close")
	logsBatchScript   = layout.LoadScript("logs/batch")
	logsGetScript     = layout.LoadScript("logs/get")
	logsListScript    = layout.LoadScript("logs/list")
	logsDeleteScript  = layout.LoadScript("logs/delete")
	logsExpiredScript = layout.LoadScript("logs/expired")
	logsPurgeScript   = layout.LoadScript("logs/purge")
)

const (
	// logStep is how many entries one script reads or removes at most.
	logStep = 1000
	// logScan is how many entries a script reads for a filter that may select
	// few of them.
	logScan = 500
	// batchStep is how many batches one script deletes at most.
	batchStep = 100
	// enoughBytes ends the reading of a script, and a page: both are some records
	// larger at most.
	enoughBytes = ports.MaxCallBytes
)

func newLogRepository(c *server.Client) *LogRepository {
	return &LogRepository{client: c, keys: layout.NewLogKeys(c.Config.Namespace)}
}

// runInt calls a script that replies with a number.
func (r *LogRepository) runInt(ctx context.Context, s *layout.Script, keys []string, args ...any) (int, error) {
	reply, err := r.client.Run(ctx, s, keys, args...)
	if err != nil {
		return 0, err
	}
	n, ok := reply.(int64)
	if !ok {
		return 0, fmt.Errorf("redis script %s: reply is %T, not a number", s.Name, reply)
	}
	return int(n), nil
}

func (r *LogRepository) SaveLogs(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error) {
	if err := ports.ValidateLogs(batch, entries); err != nil {
		return 0, err
	}
	if len(entries) == 0 {
		return r.countBatch(ctx, batch)
	}
	count := 0
	for part := range slices.Chunk(entries, ports.MaxSaveLogs) {
		var err error
		if count, err = r.saveLogs(ctx, batch, part); err != nil {
			return 0, err
		}
	}
	return count, nil
}

// saveLogs stores entries in one step.
func (r *LogRepository) saveLogs(ctx context.Context, batch domain.BatchID, entries []domain.LogEntry) (int, error) {
	k := &r.keys
	args := make([]any, 0, 2+3*len(entries))
	args = append(args, r.client.Offset(), batch[:])
	for i := range entries {
		e := &entries[i]
		stamp := ""
		if !e.Timestamp.IsZero() {
			stamp = layout.TimeKey(e.Timestamp.UnixMicro())
		}
		args = append(args, e.ID[:], stamp, layout.EncodeLog(e))
	}
	keys := []string{k.Entries, k.ByTime, k.Received, k.Closed, k.Batch(string(batch[:]))}
	count, err := r.runInt(ctx, logsSaveScript, keys, args...)
	if err != nil {
		return 0, err
	}
	if count < 0 {
		return 0, fmt.Errorf("batch %s: %w", batch, domain.ErrBatchClosed)
	}
	return count, nil
}

// countBatch returns how many entries the batch has.
func (r *LogRepository) countBatch(ctx context.Context, batch domain.BatchID) (int, error) {
	ctx, cancel := r.client.Bound(ctx)
	defer cancel()
	n, err := r.client.Redis.LLen(ctx, r.keys.Batch(string(batch[:]))).Result()
	if err != nil {
		return 0, fmt.Errorf("count the entries of batch %s: %w", batch, r.client.Translate(ctx, err))
	}
	return int(n), nil
}

func (r *LogRepository) CloseBatch(ctx context.Context, batch domain.BatchID) ([]domain.LogID, error) {
	if err := ports.ValidateBatch(batch); err != nil {
		return nil, err
	}
	keys := []string{r.keys.Closed, r.keys.Batch(string(batch[:]))}
	reply, err := r.client.RunSlice(ctx, logsCloseScript, keys, r.client.Offset(), batch[:])
	if err != nil {
		return nil, err
	}
	ids := make([]domain.LogID, len(reply))
	for i := range reply {
		if ids[i], err = uuid.FromBytes([]byte(layout.TextAt(reply, i))); err != nil {
			return nil, fmt.Errorf("batch %s: %w: entry %d of its list is no id", batch, domain.ErrCorruptRecord, i)
		}
	}
	return ids, nil
}

func (r *LogRepository) ListBatch(ctx context.Context, batch domain.BatchID, skip, limit int) (entries []domain.LogEntry, next int, err error) {
	if err := ports.ValidateBatchPage(batch, skip, limit); err != nil {
		return nil, 0, err
	}
	reply, err := r.client.RunSlice(ctx, logsBatchScript, []string{r.keys.Entries, r.keys.Batch(string(batch[:]))}, skip, limit, enoughBytes)
	if err != nil {
		return nil, 0, err
	}
	for i := 0; i+1 < len(reply); i += 2 {
		record := layout.TextAt(reply, i+1)
		if record == "" {
			continue
		}
		id, err := uuid.FromBytes([]byte(layout.TextAt(reply, i)))
		if err != nil {
			return nil, 0, fmt.Errorf("batch %s: %w: its list has no id", batch, domain.ErrCorruptRecord)
		}
		e, err := layout.DecodeLog(id, record)
		if err != nil {
			return nil, 0, err
		}
		entries = append(entries, e)
	}
	return entries, skip + len(reply)/2, nil
}

func (r *LogRepository) GetLogs(ctx context.Context, ids ...domain.LogID) ([]domain.LogEntry, error) {
	var out []domain.LogEntry
	for len(ids) > 0 {
		part := ids[:min(len(ids), logStep)]
		args := make([]any, 0, 1+len(part))
		args = append(args, enoughBytes)
		for i := range part {
			args = append(args, part[i][:])
		}
		reply, err := r.client.RunSlice(ctx, logsGetScript, []string{r.keys.Entries}, args...)
		if err != nil {
			return nil, err
		}
		if len(reply) == 0 || len(reply) > len(part) {
			return nil, fmt.Errorf("redis script %s: %d replies for %d entries", logsGetScript.Name, len(reply), len(part))
		}
		for i := range reply {
			if record := layout.TextAt(reply, i); record != "" {
				e, err := layout.DecodeLog(part[i], record)
				if err != nil {
					return nil, err
				}
				out = append(out, e)
			}
		}
		ids = ids[len(reply):]
	}
	return out, nil
}

// ListLogs looks at maxListRounds × logScan entries at most for a page, and cuts it where
// it becomes large.
func (r *LogRepository) ListLogs(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error) {
	if err := filter.Validate(); err != nil {
		return domain.LogPage{}, err
	}
	last, err := decodePlace(logCursorPrefix, filter.Cursor, 24)
	if err != nil {
		return domain.LogPage{}, err
	}
	// The ends of the index only leave out what filter.Matches would.
	high, low := "+", "-"
	if !filter.From.IsZero() {
		low = "[" + layout.TimeKey(filter.From.UnixMicro())
	}
	if !filter.To.IsZero() {
		high = "(" + layout.TimeKey(layout.CeilMicro(filter.To))
	}
	if last != "" && (high == "+" || last < high[1:]) {
		high = "(" + last
	}
	selective := filter.MinLevel > 0 || filter.Source != "" || filter.Text != ""
	var page domain.LogPage
	size, bytes := filter.PageSize(), 0
	for range maxListRounds {
		want := size - len(page.Logs) + 1 // one more, to know whether there is one
		if selective {
			want = logScan
		}
		reply, err := r.client.RunSlice(ctx, logsListScript, []string{r.keys.ByTime, r.keys.Entries}, high, low, want, enoughBytes)
		if err != nil {
			return domain.LogPage{}, err
		}
		for i := 1; i+1 < len(reply); i += 2 {
			if len(page.Logs) == size || bytes >= enoughBytes {
				page.NextCursor = encodePlace(logCursorPrefix, last)
				return page, nil
			}
			last = layout.TextAt(reply, i)
			id, err := layout.MemberID(last)
			if err != nil {
				return domain.LogPage{}, err
			}
			record := layout.TextAt(reply, i+1)
			if record == "" {
				continue
			}
			e, err := layout.DecodeLog(id, record)
			if err != nil {
				return domain.LogPage{}, err
			}
			if filter.Matches(&e) {
				page.Logs = append(page.Logs, e)
				bytes += len(record)
			}
		}
		if ended, _ := layout.IntAt(reply, 0); ended == 1 {
			return page, nil
		}
		high = "(" + last
	}
	page.NextCursor = encodePlace(logCursorPrefix, last)
	return page, nil
}

// DeleteBatches removes large batches in several steps, each of which may be repeated.
func (r *LogRepository) DeleteBatches(ctx context.Context, batches ...domain.BatchID) error {
	k := &r.keys
	for len(batches) > 0 {
		part := batches[:min(len(batches), batchStep)]
		keys := []string{k.Entries, k.ByTime, k.Received, k.Closed, k.Analyses, k.History, k.Anomalies, k.AnomalyIDs}
		args := []any{r.client.Offset(), logStep}
		for i := range part {
			keys = append(keys, k.Batch(string(part[i][:])))
			args = append(args, part[i][:])
		}
		gone, err := r.runInt(ctx, logsDeleteScript, keys, args...)
		if err != nil {
			return err
		}
		if gone < 0 || gone > len(part) {
			return fmt.Errorf("redis script %s: %d of %d batches deleted", logsDeleteScript.Name, gone, len(part))
		}
		batches = batches[gone:]
	}
	return nil
}

func (r *LogRepository) PurgeLogs(ctx context.Context, age time.Duration, limit int) (int, error) {
	return purge(age, limit, func(n int) (found, removed int, err error) {
		keys := []string{r.keys.Received, r.keys.Closed, r.keys.Entries}
		reply, err := r.client.RunSlice(ctx, logsExpiredScript, keys, r.client.Offset(), age.Microseconds(), n)
		if err != nil {
			return 0, 0, err
		}
		entries, _ := layout.IntAt(reply, 1)
		found = int(entries)
		if len(reply) < 2+2*found {
			return 0, 0, fmt.Errorf("redis script %s: %d replies for %d entries", logsExpiredScript.Name, len(reply), found)
		}
		if len(reply) > 2 {
			removed, err = r.purgeLogs(ctx, reply, found)
		}
		return found, removed, err
	})
}

// purgeLogs removes what logs/expired.lua found.
func (r *LogRepository) purgeLogs(ctx context.Context, expired []any, found int) (int, error) {
	k := &r.keys
	keys := []string{k.Entries, k.ByTime, k.Received, k.Closed}
	places := map[string]int{"": 0}
	place := func(batch string) int {
		p, ok := places[batch]
		if !ok {
			keys = append(keys, k.Batch(batch))
			p = len(keys)
			places[batch] = p
		}
		return p
	}
	args := []any{layout.TextAt(expired, 0), found}
	ends := 2 + 2*found
	for i := 2; i < ends; i += 2 {
		args = append(args, place(layout.TextAt(expired, i+1)), layout.TextAt(expired, i))
	}
	for i := ends; i < len(expired); i++ {
		args = append(args, place(layout.TextAt(expired, i)), layout.TextAt(expired, i))
	}
	return r.runInt(ctx, logsPurgeScript, keys, args...)
}

// purge calls step for some of the limit at a time, until it finds fewer than it
// may, and returns how many were removed.
func purge(age time.Duration, limit int, step func(n int) (found, removed int, err error)) (int, error) {
	if err := ports.ValidateLogPurge(age, limit); err != nil {
		return 0, err
	}
	all := 0
	for all < limit {
		n := min(limit-all, logStep)
		found, removed, err := step(n)
		if err != nil {
			return all, err
		}
		all += removed
		if found < n {
			break
		}
	}
	return all, nil
}
