package memstore

// Store is a whole store in memory: its methods are those of the ports that it keeps,
// tasks, schedules, logs, and who works on them. It is safe for concurrent use.
type Store struct {
	*TaskQueue
	*LogRepository
	*SchedulerRegistry
	*ScheduleStore
}

// New returns an empty store. There is nothing to close.
func New(cfg Config) *Store {
	return &Store{NewTaskQueue(cfg), NewLogRepository(cfg), NewSchedulerRegistry(cfg), NewScheduleStore(cfg)}
}
