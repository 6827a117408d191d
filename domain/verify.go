package domain

import "github.com/google/uuid"

// FindingKind names the invariant of a store that is broken.
type FindingKind string

// What can be wrong with a store. Not every store can have every fault.
const (
	// FindingKeyType: one of the store's keys holds another type of value.
	FindingKeyType FindingKind = "key_type"
	// FindingKeyUnknown: a key is named as the store's, and can be none.
	FindingKeyUnknown FindingKind = "key_unknown"
	// FindingLanesDamaged: the table of queues and types, and of the queues that are
	// paused, contradicts itself.
	FindingLanesDamaged FindingKind = "lanes_damaged"
	// FindingSequenceBehind: the newest sequence number is below one in use, or
	// cannot be read.
	FindingSequenceBehind FindingKind = "sequence_behind"
	// FindingCountsDiffer: the statistics do not add up to the number of tasks,
	// and nothing else that was found says why.
	FindingCountsDiffer FindingKind = "counts_differ"

	// FindingRecordMissing: something is left of a task that has no record.
	FindingRecordMissing FindingKind = "record_missing"
	// FindingRecordCorrupt: the record of a task cannot be read.
	FindingRecordCorrupt FindingKind = "record_corrupt"
	// FindingLaneWrong: a record says another lane than that of its queue and
	// type.
	FindingLaneWrong FindingKind = "lane_wrong"
	// FindingStateCorrupt: the state of a task cannot be, or it is missing where
	// its index says that it was claimed.
	FindingStateCorrupt FindingKind = "state_corrupt"
	// FindingNotIndexed: a task is in no index, so that nothing ever finds it.
	FindingNotIndexed FindingKind = "not_indexed"
	// FindingIndexWrong: a task is in an index that its state contradicts.
	FindingIndexWrong FindingKind = "index_wrong"
	// FindingIndexDuplicate: a task is in another index besides the right one.
	FindingIndexDuplicate FindingKind = "index_duplicate"
	// FindingScoreWrong: a task is at the wrong place of the right index.
	FindingScoreWrong FindingKind = "score_wrong"
	// FindingLeaseMissing: a PROCESSING task has no lease that could expire.
	FindingLeaseMissing FindingKind = "lease_missing"
	// FindingLeaseEndless: a lease lasts longer than any may.
	FindingLeaseEndless FindingKind = "lease_endless"
	// FindingClaimMissing: a PROCESSING task belongs to no claim.
	FindingClaimMissing FindingKind = "claim_missing"
	// FindingDueMissing: a scheduled or RETRYING task has no due time.
	FindingDueMissing FindingKind = "due_missing"
	// FindingDueWrong: the due time is not that of the task.
	FindingDueWrong FindingKind = "due_wrong"
	// FindingDueStray: a task has a due time that waits for nothing.
	FindingDueStray FindingKind = "due_stray"
	// FindingFinishedMissing: a finished task is not listed for the retention,
	// so that it would stay for ever.
	FindingFinishedMissing FindingKind = "finished_missing"
	// FindingFinishedInvalid: an entry of the retention's list holds it up.
	FindingFinishedInvalid FindingKind = "finished_invalid"
	// FindingErrorsCorrupt: the kept errors of a task cannot be read to the end.
	FindingErrorsCorrupt FindingKind = "errors_corrupt"
	// FindingUniqueLost: an unfinished task does not hold its unique key.
	FindingUniqueLost FindingKind = "unique_lost"
	// FindingUniqueConflict: two unfinished tasks have one unique key.
	FindingUniqueConflict FindingKind = "unique_conflict"
	// FindingUniqueWrong: what is remembered of a task's unique key is not what
	// its record says.
	FindingUniqueWrong FindingKind = "unique_wrong"
	// FindingUniqueStray: a unique key is held by no unfinished task.
	FindingUniqueStray FindingKind = "unique_stray"

	// FindingLogCorrupt: the record of a log entry cannot be read.
	FindingLogCorrupt FindingKind = "log_corrupt"
	// FindingLogNotIndexed: a log entry is missing from an index or its batch.
	FindingLogNotIndexed FindingKind = "log_not_indexed"
	// FindingLogStray: an index or a batch names a log entry that is not there.
	FindingLogStray FindingKind = "log_stray"
	// FindingAnalysisCorrupt: the record of an analysis cannot be read.
	FindingAnalysisCorrupt FindingKind = "analysis_corrupt"
	// FindingAnalysisNotIndexed: an analysis is missing from the index.
	FindingAnalysisNotIndexed FindingKind = "analysis_not_indexed"
	// FindingAnalysisStray: the index names an analysis that is not there.
	FindingAnalysisStray FindingKind = "analysis_stray"
	// FindingAnomalyNotIndexed: anomalies of an analysis are missing from the index
	// by their id.
	FindingAnomalyNotIndexed FindingKind = "anomaly_not_indexed"
	// FindingAnomalyStray: the index names an anomaly that its analysis has not, or
	// of an analysis that is not there.
	FindingAnomalyStray FindingKind = "anomaly_stray"

	// FindingAnalyserStateCorrupt: a state that an analyser keeps cannot be read.
	FindingAnalyserStateCorrupt FindingKind = "analyser_state_corrupt"
	// FindingAnalyserStateExpiry: a state that an analyser keeps would stay although
	// it expires, or go although it does not.
	FindingAnalyserStateExpiry FindingKind = "analyser_state_expiry"

	// FindingFileDamaged: the database's own check of its file failed.
	FindingFileDamaged FindingKind = "file_damaged"
	// FindingRuleBroken: rows of the database contradict each other.
	FindingRuleBroken FindingKind = "rule_broken"
)

// Finding is one broken invariant of a store.
type Finding struct {
	Kind FindingKind
	// ID is the task, log entry or analysis that it is about; uuid.Nil for none,
	// or where what stands in the place of an id is none.
	ID uuid.UUID
	// Place is where in the store it was found, such as a key.
	Place string
	// Detail says what is wrong, for a person.
	Detail string
	// Action says what was done about it, "" for nothing.
	Action string
}

// Repaired reports whether something was done about it.
func (f Finding) Repaired() bool { return f.Action != "" }

// VerifySummary counts what a check has looked at and found so far.
type VerifySummary struct {
	// Tasks, Logs, Analyses and States (of analysers) are how many records were
	// read.
	Tasks, Logs, Analyses, States int64
	// Findings is how many there are, Repaired how many of them were mended.
	Findings, Repaired int64
}

// Clean reports whether nothing broken is left.
func (s VerifySummary) Clean() bool { return s.Findings == s.Repaired }
