package ports

import (
	"context"
	"errors"
	"time"

	"logsift/domain"
)

// Operation is a kind of call that observers see.
type Operation uint8

// The operations: the methods of TaskQueue first, then those of LogRepository, then
// the others.
const (
	OpEnqueue Operation = iota
	OpDequeue
	// OpDequeueWait is a Dequeue that may wait for a task.
	OpDequeueWait
	OpExtendLease
	OpUpdateTask
	OpReleaseTask
	OpGetTask
	OpListTasks
	OpGetQueueStats
	OpDeleteTask
	OpRetryTask
	OpCancelTask
	OpRunTaskNow
	OpPromoteDue
	OpReapExpired
	OpPurgeFinished
	// QueueOperations is how many there are of TaskQueue.
	QueueOperations = iota
)

const (
	OpSaveLogs Operation = iota + QueueOperations
	OpCloseBatch
	OpListBatch
	OpGetLogs
	OpListLogs
	OpDeleteBatches
	OpPurgeLogs
	OpSaveAnalysis
	OpGetAnalysis
	OpListAnomalies
	OpPurgeAnalyses
	OpLoadDocuments
	OpSaveDocument
	// OpOpenBatch begins a batch of log entries: its task is enqueued.
	OpOpenBatch
	// OpProcess is the run of a task by its processor.
	OpProcess
	// OpAnalyze is an analysis of log entries.
	OpAnalyze
	// OpChat is a request to an AI service.
	OpChat
)

// ErrPanicked is the Err of a call that panicked, or ended its goroutine.
var ErrPanicked = errors.New("panicked")

// Call is what observers see of one call. Fields that do not belong to its
// operation are zero.
type Call struct {
	Op Operation
	// Name is the analyser of OpAnalyze, and the model of OpChat.
	Name string
	// Tasks are those of OpEnqueue: as they are given when it begins, as they are stored
	// when it ends. Task is the one that OpProcess runs. Neither may be changed or kept.
	Tasks []*domain.Task
	Task  *domain.Task
	// Batch is the batch of the log entries, and Entries how many they are.
	Batch   domain.BatchID
	Entries int

	// Begun is when the call began. What follows is known when it has ended.
	Begun time.Time
	Took  time.Duration
	// Err is the error that the call returns, or [ErrPanicked].
	Err error
	// Poisoned and Expired are those of a Maintained.
	Poisoned, Expired int
	// Result is what OpAnalyze found, or OpSaveAnalysis stores.
	Result *domain.AnalysisResult
	// Usage and Cost are what OpChat was charged, perhaps by an estimate. The cost has
	// the amount 0 without prices.
	Usage domain.Usage
	Cost  domain.Cost
}

// Observer watches calls. Many goroutines use it at the same time, and its methods must
// return quickly.
type Observer interface {
	// Begin comes before a call, and returns the context for it.
	Begin(ctx context.Context, call Call) context.Context
	// End comes after the call, with its outcome and the context that all observers made.
	End(ctx context.Context, call Call)
}

// Observers are observers in a row: the first one is first when a call begins, and last
// when it ends.
type Observers []Observer

// Begin notes that the call begins now.
func (o Observers) Begin(ctx context.Context, call *Call) context.Context {
	for _, observer := range o {
		ctx = observer.Begin(ctx, *call)
	}
	call.Begun = time.Now()
	return ctx
}

// End notes that the call ends now.
func (o Observers) End(ctx context.Context, call *Call, err error) {
	call.Took, call.Err = time.Since(call.Begun), err
	for i := len(o) - 1; i >= 0; i-- {
		o[i].End(ctx, *call)
	}
}
