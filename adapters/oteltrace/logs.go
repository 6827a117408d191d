package oteltrace

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"logsift/domain"
	"logsift/ports"
)

// logRepository is a log repository whose calls are traced where they are part of a
// trace.
type logRepository struct {
	ports.LogRepository

	t *Tracing
}

var _ ports.LogRepository = (*logRepository)(nil)

// Logs returns a repository that does what the given one does, within a trace as
// spans of it.
func (t *Tracing) Logs(logs ports.LogRepository) ports.LogRepository {
	return &logRepository{LogRepository: logs, t: t}
}

// batchID tells by which task the entries of a call are analysed, also to those whose
// trace the task is not in.
func batchID(id domain.BatchID) attribute.KeyValue {
	return attribute.String("logsift.batch.id", id.String())
}

// SaveLogs implements ports.LogStore.
func (l *logRepository) SaveLogs(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error) {
	return inStore(ctx, l.t, "SaveLogs", func(ctx context.Context) (int, error) { return l.LogRepository.SaveLogs(ctx, batch, entries...) },
		batchID(batch), attribute.Int("logsift.log_entries", len(entries)))
}

// CloseBatch implements ports.LogStore.
func (l *logRepository) CloseBatch(ctx context.Context, batch domain.BatchID) ([]domain.LogID, error) {
	return inStore(ctx, l.t, "CloseBatch", func(ctx context.Context) ([]domain.LogID, error) { return l.LogRepository.CloseBatch(ctx, batch) }, batchID(batch))
}

// GetLogs implements ports.LogStore.
func (l *logRepository) GetLogs(ctx context.Context, ids ...domain.LogID) ([]domain.LogEntry, error) {
	return inStore(ctx, l.t, "GetLogs", func(ctx context.Context) ([]domain.LogEntry, error) { return l.LogRepository.GetLogs(ctx, ids...) },
		attribute.Int("logsift.log_entries", len(ids)))
}

// ListLogs implements ports.LogStore.
func (l *logRepository) ListLogs(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error) {
	return inStore(ctx, l.t, "ListLogs", func(ctx context.Context) (domain.LogPage, error) { return l.LogRepository.ListLogs(ctx, filter) })
}

// SaveAnalysis implements ports.AnalysisStore.
func (l *logRepository) SaveAnalysis(ctx context.Context, task domain.TaskID, result domain.AnalysisResult) error {
	_, err := inStore(ctx, l.t, "SaveAnalysis", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, l.LogRepository.SaveAnalysis(ctx, task, result)
	}, attribute.Int("logsift.anomalies", len(result.Anomalies)))
	return err
}

// GetAnalysis implements ports.AnalysisStore. That there is none yet is what a run
// expects to hear, and no error of its span.
func (l *logRepository) GetAnalysis(ctx context.Context, task domain.TaskID) (domain.Analysis, error) {
	if !inTrace(ctx) {
		return l.LogRepository.GetAnalysis(ctx, task)
	}
	var told error
	found, _ := inStore(ctx, l.t, "GetAnalysis", func(ctx context.Context) (domain.Analysis, error) {
		analysis, err := l.LogRepository.GetAnalysis(ctx, task)
		told = err
		return analysis, unlessNotFound(err)
	})
	return found, told
}

func unlessNotFound(err error) error {
	if errors.Is(err, domain.ErrAnalysisNotFound) {
		return nil
	}
	return err
}

// ListAnomalies implements ports.AnalysisStore.
func (l *logRepository) ListAnomalies(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error) {
	return inStore(ctx, l.t, "ListAnomalies", func(ctx context.Context) (domain.AnomalyPage, error) {
		return l.LogRepository.ListAnomalies(ctx, filter)
	})
}

// LoadStates implements ports.StateStore.
func (l *logRepository) LoadStates(ctx context.Context, keys ...string) ([]domain.State, error) {
	return inStore(ctx, l.t, "LoadStates", func(ctx context.Context) ([]domain.State, error) { return l.LogRepository.LoadStates(ctx, keys...) })
}

// SaveState implements ports.StateStore.
func (l *logRepository) SaveState(ctx context.Context, state domain.State, ttl time.Duration) (int64, error) {
	return inStore(ctx, l.t, "SaveState", func(ctx context.Context) (int64, error) { return l.LogRepository.SaveState(ctx, state, ttl) })
}
