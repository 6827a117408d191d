package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/httpapi/ingest"
	"logsift/domain"
	"logsift/ports"
)

// QueueService is what the API needs of the task queue. Its errors are those of
// the package domain; calls that take many items return a *domain.BatchError if
// some of them are refused.
type QueueService interface {
	// ScheduleTasks enqueues the tasks and returns them as stored, nil at those
	// that are refused. A type that nobody works on is a *domain.UnknownTypeError.
	ScheduleTasks(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error)
	GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error)
	ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error)
	DeleteTask(ctx context.Context, ids ...domain.TaskID) error
	RetryTask(ctx context.Context, ids ...domain.TaskID) error
	CancelTask(ctx context.Context, ids ...domain.TaskID) error
	RunTaskNow(ctx context.Context, ids ...domain.TaskID) error
	// ChangeTasks does an action to many tasks; those that are refused are in the
	// result.
	ChangeTasks(ctx context.Context, req domain.BulkRequest) (domain.BulkResult, error)
	GetQueueStats(ctx context.Context) (domain.QueueStats, error)
	GetSchedulerStats() domain.SchedulerStats
}

// TaskWaiter waits for tasks.
type TaskWaiter interface {
	// WaitTask returns the task once it is finished, or the error of ctx, wrapped. It
	// is called by many goroutines at once.
	WaitTask(ctx context.Context, id domain.TaskID) (*domain.Task, error)
}

// OperationsService is what the API needs to know of all processes: their queues and
// schedulers, and what they did.
type OperationsService interface {
	// ListQueues returns the queues by name.
	ListQueues(ctx context.Context) ([]domain.QueueInfo, error)
	// PauseQueue has the queue give out no tasks and returns it; ResumeQueue ends
	// that. A name that is none is a *domain.ValidationError.
	PauseQueue(ctx context.Context, name string) (domain.QueueInfo, error)
	ResumeQueue(ctx context.Context, name string) (domain.QueueInfo, error)
	// ListSchedulers returns what the schedulers last told of themselves.
	ListSchedulers(ctx context.Context) ([]domain.SchedulerReport, error)
	// GetHistory returns so many minutes, from 1 to MaxHistoryMinutes, oldest first
	// and without gaps.
	GetHistory(ctx context.Context, minutes int) ([]domain.RunHistoryPoint, error)
}

// ScheduleService is what the API needs of schedules. A name that has none is
// domain.ErrScheduleNotFound.
type ScheduleService interface {
	// PutSchedule stores the schedule and reports whether it is new.
	PutSchedule(ctx context.Context, schedule domain.Schedule) (r domain.ScheduleRecord, created bool, err error)
	GetSchedule(ctx context.Context, name string) (domain.ScheduleRecord, error)
	// ListSchedules returns a page of those whose names come after one, by name, and
	// whether there are more.
	ListSchedules(ctx context.Context, after string, limit int) (page []domain.ScheduleRecord, more bool, err error)
	DeleteSchedule(ctx context.Context, name string) error
	PauseSchedule(ctx context.Context, name string) (domain.ScheduleRecord, error)
	ResumeSchedule(ctx context.Context, name string) (domain.ScheduleRecord, error)
	// RunSchedule enqueues the task of the schedule at once, once for each run.
	RunSchedule(ctx context.Context, name string, run uuid.UUID) (domain.ScheduleRecord, error)
	// NextFirings returns when the schedule will fire next, at most n times.
	NextFirings(r domain.ScheduleRecord, n int) []time.Time
}

// LimitService is what the API needs of limits. A name that has none is
// domain.ErrLimitNotFound.
type LimitService interface {
	// PutLimit stores the limit and reports whether its name is new.
	PutLimit(ctx context.Context, limit domain.Limit) (use domain.LimitUse, created bool, err error)
	GetLimit(ctx context.Context, name string) (domain.LimitUse, error)
	// ListLimits returns all limits by name.
	ListLimits(ctx context.Context) ([]domain.LimitUse, error)
	DeleteLimit(ctx context.Context, name string) error
}

// WorkflowService is what the API needs of workflows. Its methods are those of
// ports.WorkflowKeeper; a type of a task that nobody works on is a *domain.UnknownTypeError.
type WorkflowService interface {
	CreateWorkflow(ctx context.Context, w *domain.Workflow) (domain.WorkflowInfo, error)
	GetWorkflow(ctx context.Context, id domain.WorkflowID, page ports.PlacePage) (domain.WorkflowPage, error)
	ListWorkflows(ctx context.Context, page ports.WorkflowRequest) (domain.WorkflowList, error)
	CancelWorkflow(ctx context.Context, id domain.WorkflowID) (domain.WorkflowInfo, error)
	RetryWorkflow(ctx context.Context, id domain.WorkflowID) (domain.WorkflowInfo, error)
	GetPredecessors(ctx context.Context, id domain.TaskID, page ports.PlacePage) (domain.Predecessors, error)
}

// Limits of the parameter minutes of the history.
const (
	MaxHistoryMinutes     = 24 * 60
	DefaultHistoryMinutes = 60
)

// LogService is what the API needs of logs and analyses.
type LogService interface {
	ingest.Service

	GetLog(ctx context.Context, id domain.LogID) (domain.LogEntry, error)
	ListLogs(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error)
	// ListTaskLog returns lines that runs of a task have logged, the oldest first: at most limit,
	// from 1 to domain.MaxPageSize, without the first skip, and what to skip to go on.
	ListTaskLog(ctx context.Context, task domain.TaskID, skip, limit int) (lines []domain.LogEntry, next int, err error)
	ListAnomalies(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error)
	GetAnomaly(ctx context.Context, id string) (domain.AnomalyHistory, error)
	// ListAnomalyLogs returns a page of the entries behind an anomaly; the limit is
	// from 1 to domain.MaxPageSize, or 0 for the default.
	ListAnomalyLogs(ctx context.Context, id string, limit int, cursor string) (domain.AnomalyLogs, error)
}

// WorkerService is what the API needs to give tasks to workers and to take their reports.
// Its methods are those of ports.TaskConsumer, where a lease of 0 is that of the settings;
// ReportRuns returns the states that the tasks are in afterwards, 0 at what is refused.
// Each worker has a name, under which it is shown.
type WorkerService interface {
	ClaimTasks(ctx context.Context, worker string, req ports.ClaimRequest) ([]*domain.Task, error)
	// ExtendLeases also keeps how far each of the runs has come, unless progress is nil.
	ExtendLeases(ctx context.Context, worker string, lease time.Duration, progress *domain.Progress, runs ...ports.RunReport) ([]domain.Lease, error)
	// LogRun adds lines to the log of a run that the worker has claimed.
	LogRun(ctx context.Context, task *domain.Task, lines ...domain.LogEntry) error
	ReportRuns(ctx context.Context, worker string, runs ...ports.RunReport) ([]domain.TaskStatus, error)
	ReleaseTasks(ctx context.Context, worker string, leases ...domain.Lease) error
}

// ReadinessProbe tells whether the process can do its work.
type ReadinessProbe interface {
	// Ready returns the components by name, nil for those that are ready. It
	// returns soon after ctx ends. The text of an error is shown to callers who may
	// read everything; others see the reason of a *ComponentError, or the kind of an
	// error of the package domain.
	Ready(ctx context.Context) map[string]error
}

// RequestObserver is told of requests, by many goroutines at once.
type RequestObserver interface {
	// BeginRequest is told of a request that came in. It returns the context that the
	// request goes on with, and what is called once when it is answered: with the
	// pattern of its route, such as /api/v1/logs/{id}, or "" if no route took it, and
	// with the status.
	BeginRequest(r *http.Request) (context.Context, func(route string, status int))
}
