package memstore

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// LogRepository is a ports.LogRepository in memory. It is safe for concurrent
// use.
type LogRepository struct {
	cfg Config

	// mu guards all below: each method is one step of the store.
	mu      sync.Mutex
	logs    map[domain.LogID]*storedLog
	batches map[domain.BatchID]*logBatch
	// arrivals are the entries in the order of their arrival, byTime the same in
	// the order of their timestamps, once sortByTime was called.
	arrivals, byTime []*storedLog
	sorted           bool

	analyses map[domain.TaskID]*storedAnalysis
	// history are the analyses in the order in which they were stored.
	history []*storedAnalysis
	states  map[string]storedState
	// number is that of the newest entry, analysis or state.
	number int64
}

var _ ports.LogRepository = (*LogRepository)(nil)

// storedLog is an entry with its place.
type storedLog struct {
	domain.LogEntry
	number  int64
	batch   *logBatch
	removed bool
}

// logBatch is a batch with its entries in their order.
type logBatch struct {
	id     domain.BatchID
	logs   []*storedLog
	closed bool
	// changedAt is when the batch came into being or was closed.
	changedAt time.Time
}

// NewLogRepository returns an empty repository.
func NewLogRepository(cfg Config) *LogRepository {
	return &LogRepository{
		cfg:      cfg,
		logs:     map[domain.LogID]*storedLog{},
		batches:  map[domain.BatchID]*logBatch{},
		sorted:   true,
		analyses: map[domain.TaskID]*storedAnalysis{},
		states:   map[string]storedState{},
	}
}

// begin enters a step unless ctx has ended; the caller leaves it by mu.Unlock.
func (r *LogRepository) begin(ctx context.Context, what string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	r.mu.Lock()
	return nil
}

func (r *LogRepository) SaveLogs(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error) {
	if err := ports.ValidateLogs(batch, entries); err != nil {
		return 0, err
	}
	if err := r.begin(ctx, "save logs"); err != nil {
		return 0, err
	}
	defer r.mu.Unlock()
	b := r.batches[batch]
	switch {
	case len(entries) == 0 && b == nil:
		return 0, nil
	case len(entries) == 0:
		return len(b.logs), nil
	case b == nil:
		b = r.addBatch(batch)
	case b.closed:
		return 0, fmt.Errorf("batch %s: %w", batch, domain.ErrBatchClosed)
	}
	now := r.cfg.now()
	for i := range entries {
		if _, ok := r.logs[entries[i].ID]; ok {
			continue
		}
		r.number++
		e := &storedLog{LogEntry: copyLog(entries[i]), number: r.number, batch: b}
		e.ReceivedAt = now
		if e.Timestamp.IsZero() {
			e.Timestamp = now
		}
		e.Timestamp = e.Timestamp.UTC().Truncate(time.Microsecond)
		r.logs[e.ID] = e
		b.logs = append(b.logs, e)
		r.arrivals = append(r.arrivals, e)
		r.byTime = append(r.byTime, e)
		r.sorted = false
	}
	return len(b.logs), nil
}

func (r *LogRepository) addBatch(id domain.BatchID) *logBatch {
	b := &logBatch{id: id, changedAt: r.cfg.now()}
	r.batches[id] = b
	return b
}

func copyLog(e domain.LogEntry) domain.LogEntry {
	if len(e.Attributes) == 0 {
		e.Attributes = nil
	}
	e.Attributes = maps.Clone(e.Attributes)
	return e
}

func (r *LogRepository) CloseBatch(ctx context.Context, batch domain.BatchID) ([]domain.LogID, error) {
	if err := ports.ValidateBatch(batch); err != nil {
		return nil, err
	}
	if err := r.begin(ctx, "close batch"); err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	b := r.batches[batch]
	if b == nil {
		b = r.addBatch(batch)
	}
	if !b.closed {
		b.closed, b.changedAt = true, r.cfg.now()
	}
	ids := make([]domain.LogID, len(b.logs))
	for i, e := range b.logs {
		ids[i] = e.ID
	}
	return ids, nil
}

func (r *LogRepository) ListBatch(ctx context.Context, batch domain.BatchID, skip, limit int) (entries []domain.LogEntry, next int, err error) {
	if err := ports.ValidateBatchPage(batch, skip, limit); err != nil {
		return nil, 0, err
	}
	if err := r.begin(ctx, "list batch"); err != nil {
		return nil, 0, err
	}
	defer r.mu.Unlock()
	b := r.batches[batch]
	if b == nil {
		return nil, skip, nil
	}
	bytes := 0
	for _, e := range b.logs[min(skip, len(b.logs)):] {
		if len(entries) == limit || bytes >= ports.MaxCallBytes {
			break
		}
		bytes += len(e.Message)
		entries = append(entries, copyLog(e.LogEntry))
	}
	return entries, skip + len(entries), nil
}

func (r *LogRepository) GetLogs(ctx context.Context, ids ...domain.LogID) ([]domain.LogEntry, error) {
	if err := r.begin(ctx, "get logs"); err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	var out []domain.LogEntry
	for _, id := range ids {
		if e, ok := r.logs[id]; ok {
			out = append(out, copyLog(e.LogEntry))
		}
	}
	return out, nil
}

// place orders entries by their timestamps, and those of one by their arrival.
func (e *storedLog) place() position { return position{e.Timestamp.UnixMicro(), e.number} }

func (r *LogRepository) sortByTime() {
	if !r.sorted {
		slices.SortFunc(r.byTime, func(a, b *storedLog) int { return a.place().compare(b.place()) })
		r.sorted = true
	}
}

func (r *LogRepository) ListLogs(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error) {
	if err := filter.Validate(); err != nil {
		return domain.LogPage{}, err
	}
	before, err := parsePosition(logCursor, filter.Cursor, position{math.MaxInt64, math.MaxInt64})
	if err != nil {
		return domain.LogPage{}, err
	}
	if err := r.begin(ctx, "list logs"); err != nil {
		return domain.LogPage{}, err
	}
	defer r.mu.Unlock()
	r.sortByTime()
	next, _ := slices.BinarySearchFunc(r.byTime, before, func(e *storedLog, p position) int { return e.place().compare(p) })
	var page domain.LogPage
	var last position
	bytes := 0
	for next--; next >= 0; next-- {
		e := r.byTime[next]
		if !filter.From.IsZero() && e.Timestamp.Before(filter.From) {
			break
		}
		if !filter.Matches(&e.LogEntry) {
			continue
		}
		if len(page.Logs) == filter.PageSize() || bytes >= ports.MaxCallBytes {
			page.NextCursor = last.cursor(logCursor)
			break
		}
		bytes += len(e.Message)
		page.Logs = append(page.Logs, copyLog(e.LogEntry))
		last = e.place()
	}
	return page, nil
}

func (r *LogRepository) DeleteBatches(ctx context.Context, batches ...domain.BatchID) error {
	if err := r.begin(ctx, "delete batches"); err != nil {
		return err
	}
	defer r.mu.Unlock()
	var logs []*storedLog
	var analyses []*storedAnalysis
	for _, id := range batches {
		if b, ok := r.batches[id]; ok {
			logs = append(logs, b.logs...)
			delete(r.batches, id)
		}
		if a, ok := r.analyses[id]; ok {
			analyses = append(analyses, a)
			delete(r.analyses, id)
		}
	}
	r.removeLogs(logs)
	r.removeAnalyses(analyses)
	return nil
}

// removeLogs takes entries out of all indexes but their batches.
func (r *LogRepository) removeLogs(logs []*storedLog) {
	if len(logs) == 0 {
		return
	}
	for _, e := range logs {
		e.removed = true
		delete(r.logs, e.ID)
	}
	removed := func(e *storedLog) bool { return e.removed }
	r.arrivals = slices.DeleteFunc(r.arrivals, removed)
	r.byTime = slices.DeleteFunc(r.byTime, removed)
}

func (r *LogRepository) PurgeLogs(ctx context.Context, age time.Duration, limit int) (int, error) {
	if err := ports.ValidateLogPurge(age, limit); err != nil {
		return 0, err
	}
	if err := r.begin(ctx, "purge logs"); err != nil {
		return 0, err
	}
	defer r.mu.Unlock()
	until := r.cfg.now().Add(-age)
	n := 0
	for n < min(limit, len(r.arrivals)) && !r.arrivals[n].ReceivedAt.After(until) {
		n++
	}
	old := slices.Clone(r.arrivals[:n])
	r.removeLogs(old)
	touched := make(map[*logBatch]struct{})
	for _, e := range old {
		touched[e.batch] = struct{}{}
	}
	for b := range touched {
		b.logs = slices.DeleteFunc(b.logs, func(e *storedLog) bool { return e.removed })
	}
	// A batch of that age whose entries are gone is of no use any more.
	maps.DeleteFunc(r.batches, func(_ domain.BatchID, b *logBatch) bool {
		return len(b.logs) == 0 && !b.changedAt.After(until)
	})
	return n, nil
}

// position is a place in a list: two keys of its order.
type position struct{ major, minor int64 }

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.major, q.major), cmp.Compare(p.minor, q.minor))
}

// The lists that have a position as their cursor.
const (
	logCursor     = "ml1."
	anomalyCursor = "ma1."
)

// cursor names the position in a list.
func (p position) cursor(list string) string {
	b := binary.BigEndian.AppendUint64([]byte(list), uint64(p.major))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(b, uint64(p.minor)))
}

// parsePosition reads a cursor of the list; "" is the given start.
func parsePosition(list, cursor string, start position) (position, error) {
	if cursor == "" {
		return start, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	keys, ok := strings.CutPrefix(string(raw), list)
	if err != nil || !ok || len(keys) != 16 {
		return position{}, fmt.Errorf("%w: it is not one of this list's", domain.ErrInvalidCursor)
	}
	return position{
		int64(binary.BigEndian.Uint64([]byte(keys[:8]))),
		int64(binary.BigEndian.Uint64([]byte(keys[8:]))),
	}, nil
}
