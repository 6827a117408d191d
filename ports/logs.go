package ports

//go:generate go tool mockgen -source=$GOFILE -destination=../mocks/$GOFILE -package=mocks -write_package_comment=false

import (
	"context"
	"time"

	"logsift/domain"
)

// LogRepository keeps log entries, the batches that they are analysed in, and
// what the analyses found. The rules of [TaskQueue] about time, concurrent
// calls, repeated calls, contexts and unavailable stores hold here too.
type LogRepository interface {
	LogStore
	AnalysisStore
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
	// limit of them, the oldest first, and returns how many.
	PurgeLogs(ctx context.Context, age time.Duration, limit int) (int, error)
}

// MaxSaveLogs is how many entries SaveLogs stores in one step at most.
const MaxSaveLogs = 1000

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
	PurgeAnalyses(ctx context.Context, age time.Duration, limit int) (int, error)
}

// StateStore keeps what analysers share between analyses and processes.
type StateStore interface {
	// LoadStates returns the states of the keys, in the order of the arguments.
	// A key that has nothing, or whose state expired, gives Revision 0 and no Data.
	LoadStates(ctx context.Context, keys ...string) ([]domain.State, error)
	// SaveState stores the state if the stored one still has its Revision (0 for
	// none), and returns the next revision; otherwise it changes nothing, and the
	// error is domain.ErrStateConflict. A revision is never given twice to a key
	// that has a state. The state expires ttl after this save, if
	// ttl is not 0.
	//
	// It is not idempotent: a call that is repeated after its reply was lost may
	// find its own save and return the conflict. A *domain.ValidationError tells
	// of a limit that is broken.
	SaveState(ctx context.Context, state domain.State, ttl time.Duration) (int64, error)
}
