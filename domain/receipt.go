package domain

// LogReceipt says what became of log entries that were handed in.
type LogReceipt struct {
	// LogIDs are the ids of the stored entries, in the order of the call.
	LogIDs []LogID
	// TaskIDs are the tasks that will analyse them, each named once.
	TaskIDs []TaskID
}
