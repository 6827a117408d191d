package application

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"logsift/domain"
	"logsift/ports"
)

// Defaults and limits of a [LogServiceConfig].
const (
	DefaultBatchSize = 1000
	// MaxBatchSize and MaxBatchBytes bound what an analysis holds in memory.
	MaxBatchSize      = 250_000
	MaxBatchBytes     = 1 << 30
	DefaultBatchBytes = 32 << 20
	DefaultBatchAge   = 2 * time.Second
	DefaultMaxAge     = 7 * 24 * time.Hour
)

// LogServiceConfig configures a [LogService]. The zero value works.
type LogServiceConfig struct {
	// BatchSize is how many entries are analysed together at most, from 1 to
	// MaxBatchSize. 0 is DefaultBatchSize.
	BatchSize int
	// BatchBytes is how many bytes of messages are analysed together, from 1 to
	// MaxBatchBytes; the last message may go beyond it. 0 is DefaultBatchBytes.
	BatchBytes int
	// BatchAge is how long a batch waits for more entries, from a millisecond to
	// an hour. 0 is DefaultBatchAge.
	BatchAge time.Duration
	// Queue is the queue of the analysis tasks. "" is domain.DefaultQueue.
	Queue string
	// Baseline and Learn go into the analysis tasks, as
	// domain.LogAnalysisPayload says.
	Baseline string
	Learn    bool
	// MaxRetries is for the analysis tasks, up to domain.MaxMaxRetries;
	// negative for none. 0 is domain.DefaultMaxRetries.
	MaxRetries int
	// Timeout is for the analysis tasks. 0 is domain.DefaultTimeout.
	Timeout time.Duration
	// MaxAge is how long entries and analyses are kept at most, should their task
	// not be purged before; negative for no end. It must be longer than a task
	// may take with all of its retries. 0 is DefaultMaxAge.
	MaxAge time.Duration
	// MaxPending is how many analysis tasks of Queue may be ready before no more
	// entries are taken in. The number is read at most four times a second, so that
	// it may be exceeded by what other processes take in meanwhile, and by the
	// batches of one call. 0 is no limit.
	MaxPending int
	// Queues tells how many tasks wait in Queue. If it is nil, all tasks of the store
	// count that are ready or wait for another attempt.
	Queues ports.QueueController
	// Observers are told of each batch that is begun, as a ports.OpOpenBatch.
	Observers ports.Observers
	// NewID makes the ids of entries that have none, and of batches. It is called
	// by many goroutines at once. Nil is UUIDs of version 7.
	NewID func() uuid.UUID
}

func (c LogServiceConfig) withDefaults() LogServiceConfig {
	c.BatchSize = orDefault(c.BatchSize, DefaultBatchSize)
	c.BatchBytes = orDefault(c.BatchBytes, DefaultBatchBytes)
	c.BatchAge = orDefault(c.BatchAge, DefaultBatchAge)
	c.Queue = orDefault(c.Queue, domain.DefaultQueue)
	c.MaxRetries = max(orDefault(c.MaxRetries, domain.DefaultMaxRetries), 0)
	c.Timeout = orDefault(c.Timeout, domain.DefaultTimeout)
	c.MaxAge = orDefault(c.MaxAge, DefaultMaxAge)
	if c.NewID == nil {
		c.NewID = newID
	}
	return c
}

func (c LogServiceConfig) validate() error {
	if c.BatchSize < 1 || c.BatchSize > MaxBatchSize {
		return &domain.ValidationError{Field: "batch_size", Value: strconv.Itoa(c.BatchSize), Rule: fmt.Sprintf("must be between 1 and %d", MaxBatchSize)}
	}
	if c.BatchBytes < 1 || c.BatchBytes > MaxBatchBytes {
		return &domain.ValidationError{Field: "batch_bytes", Value: strconv.Itoa(c.BatchBytes), Rule: fmt.Sprintf("must be between 1 and %d", MaxBatchBytes)}
	}
	if c.BatchAge < time.Millisecond || c.BatchAge > time.Hour {
		return &domain.ValidationError{Field: "batch_age", Value: c.BatchAge.String(), Rule: "must be between 1ms and 1h"}
	}
	if c.MaxPending < 0 {
		return &domain.ValidationError{Field: "max_pending", Value: strconv.Itoa(c.MaxPending), Rule: "must not be negative"}
	}
	task := c.task(uuid.Max)
	if _, err := domain.ParseLogAnalysisPayload(task.Payload); err != nil {
		return err
	}
	return task.Validate()
}

// task returns the analysis task of a batch, or of log entries if some are named.
func (c LogServiceConfig) task(id domain.TaskID, logs ...domain.LogID) *domain.Task {
	payload := domain.LogAnalysisPayload{LogIDs: logs, Baseline: c.Baseline, Learn: c.Learn}
	if len(logs) == 0 {
		payload.BatchID = &id
	}
	task := domain.NewLogAnalysisTaskOf(id, payload)
	task.Queue, task.MaxRetries, task.Timeout = c.Queue, c.MaxRetries, c.Timeout
	return task
}

// LogService stores log entries and schedules their analysis with them. It is
// safe for concurrent use, and has no goroutines.
//
// Entries are analysed in batches. The task of a batch is enqueued before its
// first entry is stored and becomes ready when the batch is BatchAge old, or has
// BatchSize entries or BatchBytes bytes; so whatever is stored is analysed, wherever
// this process or the store stops, and each entry by one task. A crash in between leaves at
// most a task whose batch is empty.
type LogService struct {
	logs   ports.LogRepository
	queue  ports.TaskQueue
	cfg    LogServiceConfig
	logger *zap.Logger

	gate  chan struct{} // guards the fields below and what open points to, see enter
	open  *openBatch    // the batch that takes entries, nil if none does
	depth queueDepth
}

var _ TaskPurger = (*LogService)(nil)

// NewLogService returns the service of a log repository whose analysis tasks go
// to the queue. The error is a *domain.ValidationError for a field of cfg. A nil
// logger logs nothing.
func NewLogService(logs ports.LogRepository, queue ports.TaskQueue, cfg LogServiceConfig, logger *zap.Logger) (*LogService, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("log service: %w", err)
	}
	if logger == nil {
		logger = zap.NewNop()
	}
	return &LogService{logs: logs, queue: queue, cfg: cfg, logger: logger, gate: make(chan struct{}, 1)}, nil
}

// maxReopen bounds how often a batch that was closed meanwhile is replaced for
// the same entries.
const maxReopen = 5

// CreateLogs stores the entries, and sees to it that each is analysed. Entries
// without an id get one. It returns the ids of the entries in their order, and
// those of the tasks that will analyse them.
//
// If an entry breaks a limit, the error is a *domain.ValidationError and nothing
// is stored; if too many tasks wait, it is domain.ErrQueueFull and nothing is
// stored either. Any other error may come after a part was stored, which the receipt
// then names; of the entries behind that part it is unknown whether they were.
// The call may be repeated: entries that have the ids of stored ones are not
// stored again and stay with the task that they have, which the new receipt
// need not name.
func (s *LogService) CreateLogs(ctx context.Context, entries ...domain.LogEntry) (domain.LogReceipt, error) {
	entries = slices.Clone(entries)
	for i := range entries {
		if entries[i].ID == uuid.Nil {
			entries[i].ID = s.cfg.NewID()
		}
		if err := entries[i].Validate(); err != nil {
			return domain.LogReceipt{}, fmt.Errorf("log entry %d: %w", i, err)
		}
	}
	if err := s.admit(ctx); err != nil {
		return domain.LogReceipt{}, err
	}
	var receipt domain.LogReceipt
	for reopened := 0; len(entries) > 0; {
		batch, n, err := s.reserve(ctx, entries[:min(len(entries), ports.MaxSaveLogs)])
		if err != nil {
			return receipt, err
		}
		_, err = s.logs.SaveLogs(ctx, batch.id, entries[:n]...)
		closed := errors.Is(err, domain.ErrBatchClosed)
		s.done(ctx, batch, closed)
		if closed && reopened < maxReopen {
			reopened++
			continue
		}
		if err != nil {
			return receipt, fmt.Errorf("store log entries: %w", err)
		}
		reopened = 0
		task, err := s.analysing(ctx, batch, entries[:n])
		if err != nil {
			return receipt, err
		}
		for _, e := range entries[:n] {
			receipt.LogIDs = append(receipt.LogIDs, e.ID)
		}
		if !slices.Contains(receipt.TaskIDs, task) {
			receipt.TaskIDs = append(receipt.TaskIDs, task)
		}
		entries = entries[n:]
	}
	return receipt, nil
}

// Flush has the open batch analysed at once. Entries that are being stored
// meanwhile may go to the next one.
func (s *LogService) Flush(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	b := s.open
	s.open = nil
	s.leave()
	if b == nil {
		return nil
	}
	if err := s.runNow(ctx, b); err != nil {
		return fmt.Errorf("flush log batch %s: %w", b.id, err)
	}
	return nil
}

// GetLog returns the entry, or domain.ErrLogNotFound.
func (s *LogService) GetLog(ctx context.Context, id domain.LogID) (domain.LogEntry, error) {
	logs, err := s.logs.GetLogs(ctx, id)
	if err != nil {
		return domain.LogEntry{}, err
	}
	if len(logs) == 0 {
		return domain.LogEntry{}, fmt.Errorf("%w: %s", domain.ErrLogNotFound, id)
	}
	return logs[0], nil
}

// ListLogs returns a page of entries, as ports.LogStore says.
func (s *LogService) ListLogs(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error) {
	return s.logs.ListLogs(ctx, filter)
}

// ListTaskLog returns lines that runs of the task have logged, as ports.LogStore.ListBatch
// says; a log analysis has none.
func (s *LogService) ListTaskLog(ctx context.Context, task domain.TaskID, skip, limit int) (lines []domain.LogEntry, next int, err error) {
	t, err := s.queue.GetTask(ctx, task)
	if err != nil || t.Type == domain.TaskTypeLogAnalysis {
		return nil, skip, err
	}
	return s.logs.ListBatch(ctx, task, skip, limit)
}

// ListAnomalies returns a page of anomalies, as ports.AnalysisStore says.
func (s *LogService) ListAnomalies(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error) {
	return s.logs.ListAnomalies(ctx, filter)
}

// GetAnalysis returns the analysis of a task, or domain.ErrAnalysisNotFound.
func (s *LogService) GetAnalysis(ctx context.Context, task domain.TaskID) (domain.Analysis, error) {
	return s.logs.GetAnalysis(ctx, task)
}

// purgeStep is how many old log entries, and analyses, one call of PurgeTasks removes
// at most.
const purgeStep = 1000

// PurgeTasks removes the entries and analyses of tasks that were purged. With
// them it removes up to 1,000 entries and 1,000 analyses that are older than MaxAge, and
// reports whether there may be more of these.
func (s *LogService) PurgeTasks(ctx context.Context, ids ...domain.TaskID) (more bool, err error) {
	if err := s.logs.DeleteBatches(ctx, ids...); err != nil {
		return false, fmt.Errorf("delete the log batches of purged tasks: %w", err)
	}
	if s.cfg.MaxAge < 0 {
		return false, nil
	}
	logs, err := s.logs.PurgeLogs(ctx, s.cfg.MaxAge, purgeStep)
	if err != nil {
		return false, fmt.Errorf("purge old log entries: %w", err)
	}
	analyses, err := s.logs.PurgeAnalyses(ctx, s.cfg.MaxAge, purgeStep)
	if err != nil {
		return false, fmt.Errorf("purge old analyses: %w", err)
	}
	return logs == purgeStep || analyses == purgeStep, nil
}
