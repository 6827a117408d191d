package application

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"logsift/domain"
	"logsift/ports"
)

const (
	// historyInterval is how often a process merges what it counted, about.
	historyInterval = 30 * time.Second
	// maxHistoryTries bounds how often a merge is tried again at once because others
	// merged meanwhile. What is left goes with the next one.
	maxHistoryTries = 10
	// maxOpenMinutes bounds what is kept while the store is away.
	maxOpenMinutes = 26 * 60
)

// MaxHistoryMinutes is how far GetHistory looks back.
const MaxHistoryMinutes = 24 * 60

// RunHistory counts what happens to tasks, minute by minute over all processes, and
// keeps it in the store for a day. Each process counts on its own and merges that
// into one record for each hour, twice a minute and when its scheduler stops. Nothing
// is counted twice, whatever replies are lost; a process that dies takes with it what
// it had not merged. It is safe for concurrent use, and has no goroutines.
//
// Minutes are those of the store's clock, as far as the scheduler knows it. A repeated
// enqueue of a task counts again if it comes within some seconds of the first and
// before the task began to run.
type RunHistory struct {
	documents ports.DocumentStore
	logger    *zap.Logger
	clock     *storeClock
	id        uuid.UUID // names this process among the writers of an hour

	gate chan struct{} // held by the flush under way

	mu     sync.Mutex // guards the fields below
	open   map[int64]*minuteCounts
	frozen *historyBatch // on its way into the store, or in doubt
	number int64         // of the newest batch
	merged int           // how many batches were
}

var _ ports.Observer = (*RunHistory)(nil)

// NewRunHistory returns the history that is kept in a store. A nil logger logs nothing.
func NewRunHistory(documents ports.DocumentStore, logger *zap.Logger) *RunHistory {
	if logger == nil {
		logger = zap.NewNop()
	}
	return &RunHistory{
		documents: documents, logger: logger, clock: &storeClock{}, id: newID(),
		gate: make(chan struct{}, 1), open: map[int64]*minuteCounts{},
	}
}

// count changes the counts of the minute of a time. A nil history counts nothing.
func (h *RunHistory) count(at time.Time, change func(m *minuteCounts)) {
	if h == nil {
		return
	}
	minute := at.Unix() / 60
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.open[minute]
	if m == nil {
		if len(h.open) >= maxOpenMinutes {
			h.dropOldest()
		}
		m = &minuteCounts{}
		h.open[minute] = m
	}
	change(m)
}

// dropOldest forgets the oldest minute. Callers hold mu.
func (h *RunHistory) dropOldest() {
	oldest := int64(-1)
	for minute := range h.open {
		if oldest < 0 || minute < oldest {
			oldest = minute
		}
	}
	delete(h.open, oldest)
}

// started counts how long the task of a run that begins had been ready.
func (h *RunHistory) started(wait time.Duration) {
	if h == nil {
		return
	}
	h.count(h.clock.now(), func(m *minuteCounts) { m.Wait.Add(wait) })
}

// ended counts a run whose report the store has taken.
func (h *RunHistory) ended(outcome ports.Outcome, ran time.Duration) {
	if h == nil {
		return
	}
	h.count(h.clock.now(), func(m *minuteCounts) {
		m.Run.Add(ran)
		switch outcome {
		case ports.OutcomeCompleted:
			m.Completed++
		case ports.OutcomeFailed:
			m.Failed++
		case ports.OutcomeRetry:
			m.Retried++
		case ports.OutcomeSnooze:
		}
	})
}

// sample notes how many tasks are ready and running.
func (h *RunHistory) sample(stats domain.QueueStats) {
	now := h.clock.now()
	h.count(now, func(m *minuteCounts) {
		m.SampledAt, m.Pending, m.Processing = now.UnixMicro(), stats.Pending, stats.Processing
	})
}

// Flush merges what this process counted into the store. What cannot be merged stays
// for the next call.
func (h *RunHistory) Flush(ctx context.Context) error {
	select {
	case h.gate <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("flush history: %w", ctx.Err())
	}
	defer func() { <-h.gate }()
	for {
		b := h.next()
		if b == nil {
			return nil
		}
		switch err := h.merge(ctx, b); {
		case err == nil:
		case errors.Is(err, domain.ErrCorruptRecord), errors.Is(err, domain.ErrInvalid):
			// No repeat would change that, and it would hold the other hours up.
			h.logger.Warn("an hour of the history cannot be stored", zap.Int64("hour", b.hour), zap.Error(err))
		default:
			return fmt.Errorf("flush history: %w", err)
		}
		h.mu.Lock()
		h.frozen = nil
		h.merged++
		h.mu.Unlock()
	}
}

// next returns the batch that is in doubt, or makes one of what was counted in one
// hour; nil if there is nothing.
func (h *RunHistory) next() *historyBatch {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.frozen != nil || len(h.open) == 0 {
		return h.frozen
	}
	h.number++
	b := &historyBatch{hour: -1, number: h.number, minutes: map[int]*minuteCounts{}}
	for minute := range h.open {
		if hour := minute / 60; b.hour < 0 || hour < b.hour {
			b.hour = hour
		}
	}
	for minute, m := range h.open {
		if minute/60 == b.hour {
			b.minutes[int(minute%60)] = m
			delete(h.open, minute)
		}
	}
	h.frozen = b
	return b
}

// merge merges a batch into the stored hour, by compare and swap. After an error the
// batch may have been merged or not; a repeat finds out.
func (h *RunHistory) merge(ctx context.Context, b *historyBatch) error {
	key := historyKey(b.hour)
	var err error
	for try := range maxHistoryTries {
		// Those who met each other do not come back in step.
		if try > 0 && !sleep(ctx, time.Duration(1+int(h.id[15])%16)*time.Millisecond*time.Duration(try)) {
			return ctx.Err()
		}
		var documents []domain.Document
		if documents, err = h.documents.LoadDocuments(ctx, key); err != nil {
			return err
		}
		stored, damaged := readHour(documents[0].Data)
		if damaged != nil {
			h.logger.Warn("an hour of the history is begun anew, since it cannot be read", zap.String("key", key), zap.Error(damaged))
		}
		if stored.has(h.id, b) || !stored.merge(h.id, b) {
			return nil
		}
		if documents[0].Data, err = encodeHour(stored); err != nil {
			return err
		}
		if _, err = h.documents.SaveDocument(ctx, documents[0], historyKept); !errors.Is(err, domain.ErrDocumentConflict) {
			return err
		}
	}
	return err
}

// GetHistory returns so many minutes, from 1 to MaxHistoryMinutes, oldest first and
// without gaps, up to the one under way. It tells what all processes have merged,
// which is at most some 40 s behind, and what this one has counted since. It reads at
// most 25 documents. A minute whose depth was not counted has that of the one before it.
func (h *RunHistory) GetHistory(ctx context.Context, minutes int) ([]domain.RunHistoryPoint, error) {
	if minutes < 1 || minutes > MaxHistoryMinutes {
		return nil, &domain.ValidationError{
			Field: "minutes", Value: strconv.Itoa(minutes), Rule: fmt.Sprintf("must be between 1 and %d", MaxHistoryMinutes),
		}
	}
	last := h.clock.now().Unix() / 60
	first := last - int64(minutes) + 1
	counts, err := h.counts(ctx, first/60, last/60)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	points := make([]domain.RunHistoryPoint, 0, minutes)
	var depth minuteCounts
	for minute := first / 60 * 60; minute <= last; minute++ {
		m := counts[minute]
		if m == nil {
			m = &minuteCounts{}
		}
		if m.SampledAt > 0 {
			depth.Pending, depth.Processing = m.Pending, m.Processing
		}
		if minute >= first {
			points = append(points, domain.RunHistoryPoint{
				At:       time.Unix(minute*60, 0).UTC(),
				Enqueued: m.Enqueued, Completed: m.Completed, Failed: m.Failed, Retried: m.Retried,
				Pending: depth.Pending, Processing: depth.Processing,
				Wait: m.Wait.Percentiles(), Run: m.Run.Percentiles(),
			})
		}
	}
	return points, nil
}

// counts returns what was counted in some hours, by minute since 1970: what is stored,
// and what this process has not merged.
func (h *RunHistory) counts(ctx context.Context, first, last int64) (map[int64]*minuteCounts, error) {
	const tries = 3
	for try := 1; ; try++ {
		h.mu.Lock()
		before := h.merged
		h.mu.Unlock()
		hours, err := h.load(ctx, first, last)
		if err != nil {
			return nil, err
		}
		out := map[int64]*minuteCounts{}
		for hour, r := range hours {
			for n, m := range r.Minutes {
				out[hour*60+int64(n)] = m
			}
		}
		h.mu.Lock()
		// What was merged after the load is in neither; a flush is short.
		if h.merged == before || try == tries {
			h.addOwn(out, hours)
			h.mu.Unlock()
			return out, nil
		}
		h.mu.Unlock()
	}
}

// addOwn adds what this process has counted and the loaded hours do not have. Callers
// hold mu.
func (h *RunHistory) addOwn(out map[int64]*minuteCounts, hours map[int64]*hourRecord) {
	add := func(minute int64, m *minuteCounts) {
		if out[minute] == nil {
			out[minute] = &minuteCounts{}
		}
		out[minute].add(m)
	}
	for minute, m := range h.open {
		add(minute, m)
	}
	if b := h.frozen; b != nil {
		if stored := hours[b.hour]; stored == nil || !stored.has(h.id, b) {
			for n, m := range b.minutes {
				add(b.hour*60+int64(n), m)
			}
		}
	}
}

// load reads the stored hours from first to last. One that cannot be read counts as
// empty.
func (h *RunHistory) load(ctx context.Context, first, last int64) (map[int64]*hourRecord, error) {
	keys := make([]string, 0, last-first+1)
	for hour := first; hour <= last; hour++ {
		keys = append(keys, historyKey(hour))
	}
	documents, err := h.documents.LoadDocuments(ctx, keys...)
	if errors.Is(err, domain.ErrCorruptRecord) {
		documents, err = h.loadEach(ctx, keys)
	}
	if err != nil {
		return nil, err
	}
	out := make(map[int64]*hourRecord, len(keys))
	for i := range documents {
		r, err := readHour(documents[i].Data)
		if err != nil {
			h.logger.Debug("an hour of the history cannot be read", zap.String("key", keys[i]), zap.Error(err))
		}
		out[first+int64(i)] = r
	}
	return out, nil
}

// loadEach reads documents one by one, those that are damaged as empty ones.
func (h *RunHistory) loadEach(ctx context.Context, keys []string) ([]domain.Document, error) {
	out := make([]domain.Document, len(keys))
	for i, key := range keys {
		documents, err := h.documents.LoadDocuments(ctx, key)
		switch {
		case err == nil:
			out[i] = documents[0]
		case !errors.Is(err, domain.ErrCorruptRecord):
			return nil, err
		}
	}
	return out, nil
}

// Begin implements ports.Observer.
func (h *RunHistory) Begin(ctx context.Context, _ ports.Call) context.Context { return ctx }

// End counts what an enqueue has stored.
func (h *RunHistory) End(_ context.Context, call ports.Call) {
	if call.Op == ports.OpEnqueue {
		h.enqueued(h.clock.at(call.Begun), call.Tasks)
	}
}

// repeatTolerance is how far the clocks of a store's servers, and what a process
// knows of them, may be apart.
const repeatTolerance = 5 * time.Second

// enqueued counts the tasks of a call that began at a time, but for those that were
// stored before: a call for a task that is there returns it as it is.
func (h *RunHistory) enqueued(begin time.Time, stored []*domain.Task) {
	for _, t := range stored {
		known := h.clock.known()
		if t == nil || t.Status != domain.TaskStatusPending || t.Deliveries > 0 || known && t.CreatedAt.Before(begin.Add(-repeatTolerance)) {
			continue
		}
		h.count(t.CreatedAt, func(m *minuteCounts) { m.Enqueued++ })
	}
}
