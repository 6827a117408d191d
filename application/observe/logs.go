package observe

import (
	"context"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// Logs returns a log repository whose calls are observed, but for those that remove
// what nobody asks for any more.
func Logs(logs ports.LogRepository, observers ...ports.Observer) ports.LogRepository {
	if len(observers) == 0 {
		return logs
	}
	return &logRepository{LogRepository: logs, observers: observers}
}

type logRepository struct {
	ports.LogRepository

	observers ports.Observers
}

func (l *logRepository) SaveLogs(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error) {
	return made(ctx, l.observers, ports.Call{Op: ports.OpSaveLogs, Batch: batch, Entries: len(entries)}, func(ctx context.Context) (int, error) {
		return l.LogRepository.SaveLogs(ctx, batch, entries...)
	})
}

func (l *logRepository) CloseBatch(ctx context.Context, batch domain.BatchID) ([]domain.LogID, error) {
	return made(ctx, l.observers, ports.Call{Op: ports.OpCloseBatch, Batch: batch}, func(ctx context.Context) ([]domain.LogID, error) {
		return l.LogRepository.CloseBatch(ctx, batch)
	})
}

func (l *logRepository) ListBatch(ctx context.Context, batch domain.BatchID, skip, limit int) (entries []domain.LogEntry, next int, err error) {
	entries, err = made(ctx, l.observers, ports.Call{Op: ports.OpListBatch, Batch: batch}, func(ctx context.Context) (entries []domain.LogEntry, err error) {
		entries, next, err = l.LogRepository.ListBatch(ctx, batch, skip, limit)
		return entries, err
	})
	return entries, next, err
}

func (l *logRepository) GetLogs(ctx context.Context, ids ...domain.LogID) ([]domain.LogEntry, error) {
	return made(ctx, l.observers, ports.Call{Op: ports.OpGetLogs, Entries: len(ids)}, func(ctx context.Context) ([]domain.LogEntry, error) {
		return l.LogRepository.GetLogs(ctx, ids...)
	})
}

func (l *logRepository) ListLogs(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error) {
	return made(ctx, l.observers, ports.Call{Op: ports.OpListLogs}, func(ctx context.Context) (domain.LogPage, error) {
		return l.LogRepository.ListLogs(ctx, filter)
	})
}

func (l *logRepository) SaveAnalysis(ctx context.Context, task domain.TaskID, result domain.AnalysisResult) error {
	c := ports.Call{Op: ports.OpSaveAnalysis, Result: &result}
	ctx = l.observers.Begin(ctx, &c)
	err := l.LogRepository.SaveAnalysis(ctx, task, result)
	l.observers.End(ctx, &c, err)
	return err
}

func (l *logRepository) GetAnalysis(ctx context.Context, task domain.TaskID) (domain.Analysis, error) {
	return made(ctx, l.observers, ports.Call{Op: ports.OpGetAnalysis}, func(ctx context.Context) (domain.Analysis, error) {
		return l.LogRepository.GetAnalysis(ctx, task)
	})
}

func (l *logRepository) ListAnomalies(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error) {
	return made(ctx, l.observers, ports.Call{Op: ports.OpListAnomalies}, func(ctx context.Context) (domain.AnomalyPage, error) {
		return l.LogRepository.ListAnomalies(ctx, filter)
	})
}

func (l *logRepository) LoadDocuments(ctx context.Context, keys ...string) ([]domain.Document, error) {
	return made(ctx, l.observers, ports.Call{Op: ports.OpLoadDocuments}, func(ctx context.Context) ([]domain.Document, error) {
		return l.LogRepository.LoadDocuments(ctx, keys...)
	})
}

func (l *logRepository) SaveDocument(ctx context.Context, document domain.Document, ttl time.Duration) (int64, error) {
	return made(ctx, l.observers, ports.Call{Op: ports.OpSaveDocument}, func(ctx context.Context) (int64, error) {
		return l.LogRepository.SaveDocument(ctx, document, ttl)
	})
}
