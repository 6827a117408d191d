package verify

// What can be wrong with a store in Redis, as the kind of a domain.Finding.
const (
	// KindKeyType: one of the store's keys holds another type of value.
	KindKeyType = "key_type"
	// KindKeyUnknown: a key is named as the store's, and can be none.
	KindKeyUnknown = "key_unknown"
	// KindLanesDamaged: the table of queues and types, and of the queues that are
	// paused, contradicts itself.
	KindLanesDamaged = "lanes_damaged"
	// KindSequenceBehind: the newest sequence number is below one in use, or
	// cannot be read.
	KindSequenceBehind = "sequence_behind"
	// KindCountsDiffer: the statistics do not add up to the number of tasks,
	// and nothing else that was found says why.
	KindCountsDiffer = "counts_differ"

	// KindRecordMissing: something is left of a task that has no record.
	KindRecordMissing = "record_missing"
	// KindRecordCorrupt: the record of a task cannot be read.
	KindRecordCorrupt = "record_corrupt"
	// KindLaneWrong: a record says another ready list than that of its queue and
	// type.
	KindLaneWrong = "lane_wrong"
	// KindStateCorrupt: the state of a task cannot be, or it is missing where
	// its index says that it was claimed.
	KindStateCorrupt = "state_corrupt"
	// KindNotIndexed: a task is in no index, so that nothing ever finds it.
	KindNotIndexed = "not_indexed"
	// KindIndexWrong: a task is in an index that its state contradicts.
	KindIndexWrong = "index_wrong"
	// KindIndexDuplicate: a task is in another index besides the right one.
	KindIndexDuplicate = "index_duplicate"
	// KindScoreWrong: a task is at the wrong place of the right index.
	KindScoreWrong = "score_wrong"
	// KindLeaseMissing: a PROCESSING task has no lease that could expire.
	KindLeaseMissing = "lease_missing"
	// KindLeaseEndless: a lease lasts longer than any may.
	KindLeaseEndless = "lease_endless"
	// KindClaimMissing: a PROCESSING task belongs to no claim.
	KindClaimMissing = "claim_missing"
	// KindDueMissing: a scheduled or RETRYING task has no due time.
	KindDueMissing = "due_missing"
	// KindDueWrong: the due time is not that of the task.
	KindDueWrong = "due_wrong"
	// KindDueStray: a task has a due time that waits for nothing.
	KindDueStray = "due_stray"
	// KindExpiryWrong: a task expires at another time than its record says, or not at all.
	KindExpiryWrong = "expiry_wrong"
	// KindRetentionWrong: a task with a retention of its own is not to be removed when it
	// has passed.
	KindRetentionWrong = "retention_wrong"
	// KindFinishedMissing: a finished task is not listed for the retention,
	// so that it would stay for ever.
	KindFinishedMissing = "finished_missing"
	// KindFinishedInvalid: an entry of the retention's list holds it up.
	KindFinishedInvalid = "finished_invalid"
	// KindErrorsCorrupt: the kept errors of a task cannot be read to the end.
	KindErrorsCorrupt = "errors_corrupt"
	// KindUniqueLost: an unfinished task does not hold its unique key.
	KindUniqueLost = "unique_lost"
	// KindUniqueConflict: two unfinished tasks have one unique key.
	KindUniqueConflict = "unique_conflict"
	// KindUniqueWrong: what is remembered of a task's unique key is not what
	// its record says.
	KindUniqueWrong = "unique_wrong"
	// KindUniqueStray: a unique key is held by no unfinished task.
	KindUniqueStray = "unique_stray"
	// KindLimitDamaged: a limit is stored, and claims do not keep to it.
	KindLimitDamaged = "limit_damaged"
	// KindLimitCountWrong: what is counted of a limit or a key is not what its tasks say.
	KindLimitCountWrong = "limit_count_wrong"
	// KindLimitSlotStray: a task holds a slot of its key and does not run.
	KindLimitSlotStray = "limit_slot_stray"
	// KindLimitSlotMissing: a task runs and holds no slot of its key.
	KindLimitSlotMissing = "limit_slot_missing"
	// KindLimitTaskMissing: a ready task is not where claims find it by its limit.
	KindLimitTaskMissing = "limit_task_missing"
	// KindLimitTaskStray: claims find a task by its limit that is not ready, or a key that
	// has no task which may begin.
	KindLimitTaskStray = "limit_task_stray"

	// KindGroupsForgotten: tasks have groups, and their members are not kept.
	KindGroupsForgotten = "groups_forgotten"
	// KindGroupTaskMissing: a task is not at its place among the members of its group.
	KindGroupTaskMissing = "group_task_missing"
	// KindGroupTaskStray: a task is among the members of a group and is none.
	KindGroupTaskStray = "group_task_stray"

	// KindWorkflowCorrupt: what is kept of a workflow, or of one of its nodes, cannot be read.
	KindWorkflowCorrupt = "workflow_corrupt"
	// KindWorkflowNotListed: a workflow is missing from the list of all.
	KindWorkflowNotListed = "workflow_not_listed"
	// KindWorkflowCounts: the counts of a workflow, or its end, are not those of its tasks.
	KindWorkflowCounts = "workflow_counts_wrong"
	// KindWorkflowGate: a node counts other predecessors as unfinished, or as not having
	// ended as it asks for, than their states say.
	KindWorkflowGate = "workflow_gate_wrong"
	// KindWorkflowTaskMissing: the task of a node is gone.
	KindWorkflowTaskMissing = "workflow_task_missing"
	// KindWorkflowStray: a task is said to be of a workflow that is not there.
	KindWorkflowStray = "workflow_stray"

	// KindLogCorrupt: the record of a log entry cannot be read.
	KindLogCorrupt = "log_corrupt"
	// KindLogNotIndexed: a log entry is missing from an index or its batch.
	KindLogNotIndexed = "log_not_indexed"
	// KindLogStray: an index or a batch names a log entry that is not there.
	KindLogStray = "log_stray"
	// KindAnalysisCorrupt: the record of an analysis cannot be read.
	KindAnalysisCorrupt = "analysis_corrupt"
	// KindAnalysisNotIndexed: an analysis is missing from the index.
	KindAnalysisNotIndexed = "analysis_not_indexed"
	// KindAnalysisStray: the index names an analysis that is not there.
	KindAnalysisStray = "analysis_stray"
	// KindAnomalyNotIndexed: anomalies of an analysis are missing from the index
	// by their id.
	KindAnomalyNotIndexed = "anomaly_not_indexed"
	// KindAnomalyStray: the index names an anomaly that its analysis has not, or
	// of an analysis that is not there.
	KindAnomalyStray = "anomaly_stray"

	// KindAnalyserStateCorrupt: a state that an analyser keeps cannot be read.
	KindAnalyserStateCorrupt = "analyser_state_corrupt"
	// KindAnalyserStateExpiry: a state that an analyser keeps would stay although
	// it expires, or go although it does not.
	KindAnalyserStateExpiry = "analyser_state_expiry"

	// KindScheduleCorrupt: the record of a schedule cannot be read.
	KindScheduleCorrupt = "schedule_corrupt"
	// KindScheduleNotIndexed: a schedule is missing from the index of the names.
	KindScheduleNotIndexed = "schedule_not_indexed"
	// KindScheduleDueWrong: a schedule is due at another time than the index says.
	KindScheduleDueWrong = "schedule_due_wrong"
	// KindScheduleStray: an index names a schedule that is not there.
	KindScheduleStray = "schedule_stray"
)
