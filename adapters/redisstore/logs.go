package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

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
// "anomaly_ids" has for each analysis. The state of an analyser is the string "state:KEY", with a time to live if it has one. Ids are
// stored as their 16 bytes. All keys share the hash tag {namespace:logs}.
type LogRepository struct {
	client *Client
	keys   logKeys
}

var _ ports.LogRepository = (*LogRepository)(nil)

var (
	logsSaveScript    = loadScript("logs_save")
	logsCloseScript   = loadScript("logs_close")
	logsGetScript     = loadScript("logs_get")
	logsListScript    = loadScript("logs_list")
	logsDeleteScript  = loadScript("logs_delete")
	logsExpiredScript = loadScript("logs_expired")
	logsPurgeScript   = loadScript("logs_purge")
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
	enoughBytes = 8 << 20
)

// logKeys are the keys of the logs.
type logKeys struct {
	entries, byTime, received, closed string
	analyses, history                 string
	anomalies, anomalyIDs             string
	batchPrefix, statePrefix          string
}

func newLogKeys(client *Client) logKeys {
	return logKeys{
		entries: client.logKey("entries"), byTime: client.logKey("by_time"), received: client.logKey("received"),
		closed: client.logKey("closed"), analyses: client.logKey("analyses"), history: client.logKey("history"),
		anomalies: client.logKey("anomalies"), anomalyIDs: client.logKey("anomaly_ids"),
		batchPrefix: client.logKey("batch:"), statePrefix: client.logKey("state:"),
	}
}

// batch is the key of a batch's list of ids.
func (k *logKeys) batch(id string) string { return k.batchPrefix + id }

// state is the key of an analyser's state.
func (k *logKeys) state(key string) string { return k.statePrefix + key }

// NewLogRepository returns the log repository of the client's namespace.
func NewLogRepository(client *Client) *LogRepository {
	return &LogRepository{client: client, keys: newLogKeys(client)}
}

// runInt calls a script that replies with a number.
func (r *LogRepository) runInt(ctx context.Context, s *script, keys []string, args ...any) (int, error) {
	reply, err := r.client.run(ctx, s, keys, args...)
	if err != nil {
		return 0, err
	}
	n, ok := reply.(int64)
	if !ok {
		return 0, fmt.Errorf("redis script %s: reply is %T, not a number", s.name, reply)
	}
	return int(n), nil
}

// SaveLogs implements ports.LogStore.
func (r *LogRepository) SaveLogs(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error) {
	if batch == uuid.Nil {
		return 0, &domain.ValidationError{Field: "batch_id", Rule: "must be a UUID that is not nil"}
	}
	for i := range entries {
		if err := entries[i].Validate(); err != nil {
			return 0, fmt.Errorf("log entry %d: %w", i, err)
		}
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
	args = append(args, r.client.offset(), batch[:])
	for i := range entries {
		e := &entries[i]
		stamp := ""
		if !e.Timestamp.IsZero() {
			stamp = timeKey(e.Timestamp.UnixMicro())
		}
		args = append(args, e.ID[:], stamp, encodeLog(e))
	}
	keys := []string{k.entries, k.byTime, k.received, k.closed, k.batch(string(batch[:]))}
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
	ctx, cancel := r.client.bound(ctx)
	defer cancel()
	n, err := r.client.rdb.LLen(ctx, r.keys.batch(string(batch[:]))).Result()
	if err != nil {
		return 0, fmt.Errorf("count the entries of batch %s: %w", batch, r.client.translate(ctx, err))
	}
	return int(n), nil
}

// CloseBatch implements ports.LogStore.
func (r *LogRepository) CloseBatch(ctx context.Context, batch domain.BatchID) ([]domain.LogID, error) {
	keys := []string{r.keys.closed, r.keys.batch(string(batch[:]))}
	reply, err := r.client.runSlice(ctx, logsCloseScript, keys, r.client.offset(), batch[:])
	if err != nil {
		return nil, err
	}
	ids := make([]domain.LogID, len(reply))
	for i := range reply {
		if ids[i], err = uuid.FromBytes([]byte(textAt(reply, i))); err != nil {
			return nil, fmt.Errorf("batch %s: %w: entry %d of its list is no id", batch, domain.ErrCorruptRecord, i)
		}
	}
	return ids, nil
}

// GetLogs implements ports.LogStore.
func (r *LogRepository) GetLogs(ctx context.Context, ids ...domain.LogID) ([]domain.LogEntry, error) {
	var out []domain.LogEntry
	for len(ids) > 0 {
		part := ids[:min(len(ids), logStep)]
		args := make([]any, 0, 1+len(part))
		args = append(args, enoughBytes)
		for i := range part {
			args = append(args, part[i][:])
		}
		reply, err := r.client.runSlice(ctx, logsGetScript, []string{r.keys.entries}, args...)
		if err != nil {
			return nil, err
		}
		if len(reply) == 0 || len(reply) > len(part) {
			return nil, fmt.Errorf("redis script logs_get: %d replies for %d entries", len(reply), len(part))
		}
		for i := range reply {
			if record := textAt(reply, i); record != "" {
				e, err := decodeLog(part[i], record)
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

// ListLogs implements ports.LogStore. A page looks at 10,000 entries at most, and
// is cut where it becomes large.
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
		low = "[" + timeKey(filter.From.UnixMicro())
	}
	if !filter.To.IsZero() {
		high = "(" + timeKey(ceilMicro(filter.To))
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
		reply, err := r.client.runSlice(ctx, logsListScript, []string{r.keys.byTime, r.keys.entries}, high, low, want, enoughBytes)
		if err != nil {
			return domain.LogPage{}, err
		}
		for i := 1; i+1 < len(reply); i += 2 {
			if len(page.Logs) == size || bytes >= enoughBytes {
				page.NextCursor = encodePlace(logCursorPrefix, last)
				return page, nil
			}
			last = textAt(reply, i)
			id, err := memberID(last)
			if err != nil {
				return domain.LogPage{}, err
			}
			record := textAt(reply, i+1)
			if record == "" {
				continue
			}
			e, err := decodeLog(id, record)
			if err != nil {
				return domain.LogPage{}, err
			}
			if filter.Matches(&e) {
				page.Logs = append(page.Logs, e)
				bytes += len(record)
			}
		}
		if ended, _ := intAt(reply, 0); ended == 1 {
			return page, nil
		}
		high = "(" + last
	}
	page.NextCursor = encodePlace(logCursorPrefix, last)
	return page, nil
}

// DeleteBatches implements ports.LogStore. Large batches are removed in several
// steps, each of which may be repeated.
func (r *LogRepository) DeleteBatches(ctx context.Context, batches ...domain.BatchID) error {
	k := &r.keys
	for len(batches) > 0 {
		part := batches[:min(len(batches), batchStep)]
		keys := []string{k.entries, k.byTime, k.received, k.closed, k.analyses, k.history, k.anomalies, k.anomalyIDs}
		args := []any{r.client.offset(), logStep}
		for i := range part {
			keys = append(keys, k.batch(string(part[i][:])))
			args = append(args, part[i][:])
		}
		gone, err := r.runInt(ctx, logsDeleteScript, keys, args...)
		if err != nil {
			return err
		}
		if gone < 0 || gone > len(part) {
			return fmt.Errorf("redis script logs_delete: %d of %d batches deleted", gone, len(part))
		}
		batches = batches[gone:]
	}
	return nil
}

// PurgeLogs implements ports.LogStore. The limit is at least 1.
func (r *LogRepository) PurgeLogs(ctx context.Context, age time.Duration, limit int) (int, error) {
	return purge(age, limit, func(n int) (found, removed int, err error) {
		keys := []string{r.keys.received, r.keys.closed, r.keys.entries}
		reply, err := r.client.runSlice(ctx, logsExpiredScript, keys, r.client.offset(), age.Microseconds(), n)
		if err != nil {
			return 0, 0, err
		}
		entries, _ := intAt(reply, 1)
		found = int(entries)
		if len(reply) < 2+2*found {
			return 0, 0, fmt.Errorf("redis script logs_expired: %d replies for %d entries", len(reply), found)
		}
		if len(reply) > 2 {
			removed, err = r.purgeLogs(ctx, reply, found)
		}
		return found, removed, err
	})
}

// purgeLogs removes what logs_expired.lua found.
func (r *LogRepository) purgeLogs(ctx context.Context, expired []any, found int) (int, error) {
	k := &r.keys
	keys := []string{k.entries, k.byTime, k.received, k.closed}
	places := map[string]int{"": 0}
	place := func(batch string) int {
		p, ok := places[batch]
		if !ok {
			keys = append(keys, k.batch(batch))
			p = len(keys)
			places[batch] = p
		}
		return p
	}
	args := []any{textAt(expired, 0), found}
	ends := 2 + 2*found
	for i := 2; i < ends; i += 2 {
		args = append(args, place(textAt(expired, i+1)), textAt(expired, i))
	}
	for i := ends; i < len(expired); i++ {
		args = append(args, place(textAt(expired, i)), textAt(expired, i))
	}
	return r.runInt(ctx, logsPurgeScript, keys, args...)
}

// purge calls step for some of the limit at a time, until it finds fewer than it
// may, and returns how many were removed.
func purge(age time.Duration, limit int, step func(n int) (found, removed int, err error)) (int, error) {
	if limit < 1 {
		return 0, &domain.ValidationError{Field: "limit", Value: strconv.Itoa(limit), Rule: "must be at least 1"}
	}
	if age < 0 {
		return 0, &domain.ValidationError{Field: "age", Value: age.String(), Rule: "must not be negative"}
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
