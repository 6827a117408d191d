package application

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"go.uber.org/zap"

	"logsift/domain"
	"logsift/ports"
)

const (
	// logsPerCall is how many entries are read from the repository at once.
	logsPerCall = 1000
	// maxMissingLogIDs is how many missing entries a result names.
	maxMissingLogIDs = 20
)

// LogAnalysisProcessor runs log analysis tasks: it reads the entries that a task
// names, has them analysed, and stores the analysis before it returns it.
//
// A task that runs again after its analysis was stored is not analysed again.
//
// While the repository is unavailable, full or read-only, a run waits for it with
// growing pauses until its context ends: an outage costs no attempt, and what an AI service was paid
// for is not thrown away.
type LogAnalysisProcessor struct {
	logs     ports.LogRepository
	analyzer ports.LogAnalyzer
	logger   *zap.Logger
}

var _ ports.TaskProcessor = (*LogAnalysisProcessor)(nil)

// NewLogAnalysisProcessor returns the processor of domain.TaskTypeLogAnalysis. A
// nil logger logs nothing.
func NewLogAnalysisProcessor(logs ports.LogRepository, analyzer ports.LogAnalyzer, logger *zap.Logger) *LogAnalysisProcessor {
	if logger == nil {
		logger = zap.NewNop()
	}
	return &LogAnalysisProcessor{logs: logs, analyzer: analyzer, logger: logger}
}

// Process analyses the entries of a task and returns the domain.AnalysisResult as
// JSON of at most domain.MaxResult bytes. Entries that are no longer stored are
// counted in the result, and are no error.
//
// A payload that cannot be read is a permanent error, and so is an error of the
// analyser that repeating does not mend. If the analyser asks to wait, the error
// carries the delay.
func (p *LogAnalysisProcessor) Process(ctx context.Context, task *domain.Task) ([]byte, error) {
	stored, err := whenAvailable(ctx, func() (domain.Analysis, error) { return p.logs.GetAnalysis(ctx, task.ID) })
	switch {
	case err == nil:
		_, encoded, err := fitResult(stored.Result, domain.MaxResult)
		return encoded, err
	case !errors.Is(err, domain.ErrAnalysisNotFound):
		return nil, fmt.Errorf("look for an earlier analysis: %w", err)
	}
	payload, err := domain.ParseLogAnalysisPayload(task.Payload)
	if err != nil {
		return nil, domain.Permanent(err)
	}
	ids, err := p.logIDs(ctx, payload)
	if err != nil {
		return nil, err
	}
	logs, err := p.read(ctx, ids)
	if err != nil {
		return nil, err
	}
	result, err := p.analyzer.Analyze(ctx, domain.AnalysisRequest{
		TaskID: task.ID, Logs: logs, Baseline: payload.Baseline, Learn: payload.Learn,
		LastAttempt: task.Attempt >= task.MaxRetries,
	})
	if err != nil {
		return nil, classify(fmt.Errorf("analyse %d log entries: %w", len(logs), err))
	}
	result.LogCount = len(ids)
	p.noteMissing(task.ID, &result, ids, logs)
	result, encoded, err := fitResult(result, domain.MaxResult)
	if err != nil {
		return nil, err
	}
	_, err = whenAvailable(ctx, func() (struct{}, error) {
		return struct{}{}, p.logs.SaveAnalysis(ctx, task.ID, result)
	})
	if err != nil {
		return nil, fmt.Errorf("store the analysis: %w", err)
	}
	return encoded, nil
}

// whenAvailable repeats a call for as long as the store cannot carry it out and ctx
// lasts, and returns what it then returned.
func whenAvailable[T any](ctx context.Context, call func() (T, error)) (T, error) {
	var wait backoff
	for {
		v, err := call()
		away := errors.Is(err, domain.ErrStoreUnavailable) || errors.Is(err, domain.ErrStoreFull) || errors.Is(err, domain.ErrStoreReadOnly)
		if !away || !sleep(ctx, wait.next(rand.Float64())) {
			return v, err
		}
	}
}

// logIDs returns the ids that the payload names, each once, and closes its
// batch.
func (p *LogAnalysisProcessor) logIDs(ctx context.Context, payload domain.LogAnalysisPayload) ([]domain.LogID, error) {
	named := payload.LogIDs
	if payload.BatchID != nil {
		batch, err := whenAvailable(ctx, func() ([]domain.LogID, error) { return p.logs.CloseBatch(ctx, *payload.BatchID) })
		if err != nil {
			return nil, fmt.Errorf("close log batch %s: %w", *payload.BatchID, err)
		}
		named = append(named, batch...)
	}
	seen := make(map[domain.LogID]struct{}, len(named))
	ids := named[:0]
	for _, id := range named {
		if _, twice := seen[id]; !twice {
			seen[id] = struct{}{}
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// read returns the entries that are stored, in the order of the ids.
func (p *LogAnalysisProcessor) read(ctx context.Context, ids []domain.LogID) ([]domain.LogEntry, error) {
	logs := make([]domain.LogEntry, 0, len(ids))
	for first := 0; first < len(ids); first += logsPerCall {
		some := ids[first:min(first+logsPerCall, len(ids))]
		part, err := whenAvailable(ctx, func() ([]domain.LogEntry, error) { return p.logs.GetLogs(ctx, some...) })
		if err != nil {
			return nil, fmt.Errorf("read log entries: %w", err)
		}
		logs = append(logs, part...)
	}
	return logs, nil
}

// noteMissing tells in the result which entries are no longer stored.
func (p *LogAnalysisProcessor) noteMissing(task domain.TaskID, result *domain.AnalysisResult, ids []domain.LogID, logs []domain.LogEntry) {
	result.MissingCount, result.MissingLogIDs = len(ids)-len(logs), nil
	if result.MissingCount <= 0 {
		result.MissingCount = 0
		return
	}
	stored := make(map[domain.LogID]struct{}, len(logs))
	for i := range logs {
		stored[logs[i].ID] = struct{}{}
	}
	for _, id := range ids {
		if _, ok := stored[id]; !ok && len(result.MissingLogIDs) < maxMissingLogIDs {
			result.MissingLogIDs = append(result.MissingLogIDs, id)
		}
	}
	result.Warnings = append(result.Warnings, fmt.Sprintf("%d of %d log entries are no longer stored", result.MissingCount, len(ids)))
	p.logger.Warn("log entries to analyse are no longer stored",
		zap.Stringer("task_id", task), zap.Int("missing", result.MissingCount), zap.Int("entries", len(ids)))
}

// classify marks an error of the analyser for the queue: retry, retry later, or never.
func classify(err error) error {
	var cause *domain.AnalyzerError
	switch {
	case !errors.As(err, &cause):
		return err
	case !cause.Retryable():
		return domain.Permanent(err)
	case cause.RetryAfter > 0:
		return domain.RetryAfter(cause.RetryAfter, err)
	default:
		return err
	}
}

// fitResult returns the result as JSON of at most limit bytes, and the result as
// it then is: without sample lines and with few log ids where it was too long,
// and without its last anomalies, the least severe, where it still was.
func fitResult(result domain.AnalysisResult, limit int) (domain.AnalysisResult, []byte, error) {
	const fewLogIDs = 10
	for step := 0; ; step++ {
		encoded, err := encodeResult(result)
		if err != nil || len(encoded) <= limit {
			return result, encoded, err
		}
		result.Truncated = true
		switch {
		case step == 0:
			result.Anomalies = append([]domain.Anomaly(nil), result.Anomalies...)
			for i := range result.Anomalies {
				a := &result.Anomalies[i]
				a.SampleLines = []string{}
				a.LogIDs = a.LogIDs[:min(len(a.LogIDs), fewLogIDs)]
			}
		case len(result.Anomalies) > 0:
			result.Anomalies = result.Anomalies[:len(result.Anomalies)/2]
		default:
			return result, nil, domain.Permanent(fmt.Errorf("analysis of %d bytes without anomalies is too large, at most %d are kept", len(encoded), limit))
		}
	}
}

func encodeResult(result domain.AnalysisResult) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	// The wildcard <*> of templates stays readable.
	enc.SetEscapeHTML(false)
	if err := enc.Encode(result); err != nil {
		return nil, domain.Permanent(fmt.Errorf("encode the analysis: %w", err))
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
