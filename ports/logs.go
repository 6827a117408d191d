package ports

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"logsift/domain"
)

// LogRepository keeps log entries, the batches that they are analysed in, what
// the analyses found, and what analysers learned. The rules of [TaskQueue] about
// time, concurrent calls, repeated calls (but for SaveDocument), contexts, copies and
// unavailable stores hold here too.
type LogRepository interface {
	LogStore
	AnalysisStore
	DocumentStore
}

// LogStore keeps log entries. An entry belongs to one batch; the batch's id is
// that of the task which analyses it.
type LogStore interface {
	// SaveLogs stores the entries in the batch, in one step for each
	// MaxSaveLogs of them, and returns how many entries the batch has now.
	// Entries keep the order of their arguments. ReceivedAt is set to the
	// store's now. An entry whose id is stored already is left as it is.
	//
	// The batch comes into being with its first entry. If it is closed, nothing
	// is stored and the error is domain.ErrBatchClosed, also for entries that it
	// has already. A *domain.ValidationError
	// tells of an entry that breaks a limit; nothing is stored then.
	SaveLogs(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error)
	// CloseBatch lets no more entries into the batch and returns the ids of its
	// entries in their order. A batch that has none, or never was, is closed and
	// gives none. Closing it again gives the same ids, but those of entries that
	// were purged since.
	CloseBatch(ctx context.Context, batch domain.BatchID) ([]domain.LogID, error)
	// ListBatch returns entries of the batch in their order, without the first skip of them:
	// at most limit, from 1 to domain.MaxPageSize, and no more, but for the last, than have
	// MaxCallBytes; and what to skip to go on. It closes nothing, so that later calls find what came
	// since. A batch that never was has none. What is purged does not count any more.
	ListBatch(ctx context.Context, batch domain.BatchID, skip, limit int) (entries []domain.LogEntry, next int, err error)
	// GetLogs returns the entries with these ids in the order of the arguments,
	// without those that are not stored.
	GetLogs(ctx context.Context, ids ...domain.LogID) ([]domain.LogEntry, error)
	// ListLogs returns a page of the entries that the filter selects, newest
	// first by Timestamp. Paging has the promise of TaskReader.ListTasks.
	ListLogs(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error)
	// DeleteBatches removes the batches with their entries, all indexes of them,
	// and their analyses. Unknown batches are passed over.
	DeleteBatches(ctx context.Context, batches ...domain.BatchID) error
	// PurgeLogs removes entries that were received age or longer ago, at most
	// limit of them, the oldest first, and returns how many. The limit is at least 1.
	PurgeLogs(ctx context.Context, age time.Duration, limit int) (int, error)
}

// ValidateBatch checks the id of a batch. The error is a *domain.ValidationError.
func ValidateBatch(batch domain.BatchID) error {
	if batch == (domain.BatchID{}) {
		return &domain.ValidationError{Field: "batch_id", Rule: "must be a UUID that is not nil"}
	}
	return nil
}

// ValidateLogs checks the arguments of SaveLogs. The error wraps a
// *domain.ValidationError and says which entry it is about.
func ValidateLogs(batch domain.BatchID, entries []domain.LogEntry) error {
	for i := range entries {
		if err := entries[i].Validate(); err != nil {
			return fmt.Errorf("log entry %d: %w", i, err)
		}
	}
	return ValidateBatch(batch)
}

// ValidateLogPurge checks the arguments of PurgeLogs and PurgeAnalyses. The error is
// a *domain.ValidationError.
func ValidateLogPurge(age time.Duration, limit int) error {
	switch {
	case age < 0:
		return &domain.ValidationError{Field: "age", Value: age.String(), Rule: "must not be negative"}
	case limit < 1:
		return &domain.ValidationError{Field: "limit", Value: strconv.Itoa(limit), Rule: "must be at least 1"}
	}
	return nil
}

// ValidateBatchPage checks the arguments of ListBatch. The error is a *domain.ValidationError.
func ValidateBatchPage(batch domain.BatchID, skip, limit int) error {
	switch {
	case skip < 0:
		return &domain.ValidationError{Field: "skip", Value: strconv.Itoa(skip), Rule: "must not be negative"}
	case limit < 1 || limit > domain.MaxPageSize:
		return &domain.ValidationError{Field: "limit", Value: strconv.Itoa(limit), Rule: fmt.Sprintf("must be between 1 and %d", domain.MaxPageSize)}
	}
	return ValidateBatch(batch)
}

// MaxSaveLogs is how many entries SaveLogs stores in one step at most.
const MaxSaveLogs = 1000

// ValidateAnalysed checks the id of a task whose analysis is to be stored. The error
// is a *domain.ValidationError.
func ValidateAnalysed(task domain.TaskID) error {
	if task == (domain.TaskID{}) {
		return &domain.ValidationError{Field: "task_id", Rule: "must be a UUID that is not nil"}
	}
	return nil
}

// AnalysisStore keeps what analyses found.
type AnalysisStore interface {
	// SaveAnalysis stores the result under its task, in one step. If one is
	// stored already, that is kept, and no error is returned.
	SaveAnalysis(ctx context.Context, task domain.TaskID, result domain.AnalysisResult) error
	// GetAnalysis returns the analysis of the task, or
	// domain.ErrAnalysisNotFound.
	GetAnalysis(ctx context.Context, task domain.TaskID) (domain.Analysis, error)
	// ListAnomalies returns a page of the anomalies that the filter selects,
	// newest analysis first. Paging has the promise of TaskReader.ListTasks.
	ListAnomalies(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error)
	// PurgeAnalyses removes analyses with their anomalies that were stored age or
	// longer ago, at most limit of them, the oldest first, and returns how many.
	// The limit is at least 1.
	PurgeAnalyses(ctx context.Context, age time.Duration, limit int) (int, error)
}

// DocumentStore keeps what analysers share between analyses and processes. A key is
// any bytes; what they mean is the analyser's business, and the store makes no
// difference between them.
type DocumentStore interface {
	// LoadDocuments returns one document for each key, in the order of the arguments. A
	// key that has nothing, or whose document expired, gives Revision 0 and no Data.
	// A document is read whole; those of several keys may be of different moments.
	// The reply is as large as what is stored: a caller bounds how much it asks
	// for.
	//
	// A *domain.ValidationError names a key that breaks a limit. A document that
	// cannot be read gives domain.ErrCorruptRecord, which names the key; other
	// keys are read without it.
	LoadDocuments(ctx context.Context, keys ...string) ([]domain.Document, error)
	// SaveDocument stores the document in one step if the stored one still has its
	// Revision (0 for none, or one that expired), and returns the new revision;
	// otherwise it changes nothing, and the error is domain.ErrDocumentConflict.
	//
	// A revision is above all that the key had before, and no key is given one
	// twice, not even after its document expired: who holds an old revision never
	// overwrites a document that it has not seen. Revisions have gaps. Saving the
	// Data that is stored already is a save like any other.
	//
	// The document expires ttl after this save, by the store's clock, if ttl is not
	// 0; the ttl of an earlier save no longer counts.
	//
	// It is not idempotent: a call that is repeated after its reply was lost may
	// find its own save and return the conflict. So after an error that wraps
	// domain.ErrStoreUnavailable, the document must be loaded to learn whether it was
	// saved. A *domain.ValidationError names a limit that is broken, or a ttl
	// below 0; a stored document that cannot be read gives domain.ErrCorruptRecord
	// and stays.
	SaveDocument(ctx context.Context, document domain.Document, ttl time.Duration) (int64, error)
}
