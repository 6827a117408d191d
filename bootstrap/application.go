package bootstrap

import (
	"context"
	"maps"
	"os"
	"slices"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"logsift/adapters/httpapi"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

var errDraining = &httpapi.ComponentError{Reason: "draining: no more tasks are claimed"}

func applicationModule() fx.Option {
	return fx.Module("application",
		fx.Provide(
			newLogService,
			newScheduler,
			func(s *application.DefaultScheduler) ports.TaskScheduler { return s },
			func(logs ports.LogRepository) ports.DocumentStore { return logs },
			application.NewRunHistory,
			application.NewQueueService,
			func(queue ports.TaskQueue, events ports.TaskEventReader) *application.TaskWaiter {
				return application.NewTaskWaiter(queue, events)
			},
			newTaskTypes,
			newWorkerService,
			application.NewOperationsService,
			application.NewScheduleService,
			application.NewLimitService,
			application.NewWorkflowService,
			application.NewIdempotentCalls,
			application.NewLogAnalysisProcessor,
		),
	)
}

func newLogService(logs ports.LogRepository, queue ports.TaskQueue, queues ports.QueueController, o observers, config Config, logger *zap.Logger) (*application.LogService, error) {
	return application.NewLogService(logs, queue, application.LogServiceConfig{
		BatchSize: config.BatchSize, BatchBytes: config.BatchBytes, BatchAge: config.BatchAge,
		Queue: config.AnalysisQueue, Baseline: config.Baseline, Learn: config.Learn,
		MaxPending: config.MaxPending, Queues: queues, MaxAge: config.LogRetention, Observers: o.calls,
	}, logger)
}

func newTaskTypes(config Config, schedulers ports.SchedulerRegistry, documents ports.DocumentStore, schedules ports.ScheduleStore, limits ports.LimitKeeper, logger *zap.Logger) *application.TaskTypes {
	named := make([]domain.TaskType, len(config.TaskTypes))
	for i, name := range config.TaskTypes {
		named[i] = domain.TaskType(name)
	}
	sources := []application.TypeSource{application.ScheduledTypes(schedules), application.LimitedTypes(limits)}
	return application.NewTaskTypes(schedulers, documents, logger, sources, named...)
}

func newWorkerService(config Config, queue ports.TaskQueue, types *application.TaskTypes, history *application.RunHistory, runs ports.RunTracker, logs ports.LogRepository, o observers) *application.WorkerService {
	return application.NewWorkerService(queue, application.WorkerServiceConfig{
		Lease: config.Lease, Ageing: config.Ageing, RetryPolicy: config.Retry, Runs: runs, RunLog: logs, Types: types, History: history, Observer: o.runs,
	})
}

// schedulerParams are what the scheduler is made of.
type schedulerParams struct {
	fx.In

	Config     Config
	Logger     *zap.Logger
	Queue      ports.TaskQueue
	Schedulers ports.SchedulerRegistry
	Runs       ports.RunTracker
	Schedules  *application.ScheduleService
	Workflows  ports.WorkflowKeeper
	History    *application.RunHistory
	Types      *application.TaskTypes
	Served     *application.WorkerService
	RunLog     ports.LogRepository
	Logs       *application.LogService
	Processor  *application.LogAnalysisProcessor
	Observers  observers
}

// newScheduler makes the scheduler with its processors and has it started after
// the API, and stopped before it.
func newScheduler(p schedulerParams) (*application.DefaultScheduler, error) {
	config := p.Config
	workers := config.Workers
	if workers == 0 {
		workers = application.NoWorkers
	}
	recoveries := config.MaxRecoveries
	if recoveries == 0 {
		recoveries = -1
	}
	s, err := application.NewScheduler(p.Queue, application.SchedulerConfig{
		Workers: workers, Maintain: config.Addr != "", Queues: config.Queues, Ageing: config.Ageing, Lease: config.Lease,
		RetryPolicy: config.Retry, MaxRecoveries: recoveries, Retention: config.TaskRetention, FailedRetention: config.FailedRetention, Purger: p.Logs,
		Schedules: p.Schedules, Workflows: p.Workflows, Registry: p.Schedulers, Runs: p.Runs, RunLog: p.RunLog, History: p.History, Types: p.Types, Served: p.Served, Process: thisProcess(), Observer: p.Observers.runs,
	}, p.Logger)
	if err != nil {
		return nil, err
	}
	if err := s.RegisterProcessor(domain.TaskTypeLogAnalysis, p.Observers.processor(p.Processor)); err != nil {
		return nil, err
	}
	for _, taskType := range slices.Sorted(maps.Keys(config.Processors)) {
		if err := s.RegisterProcessor(taskType, p.Observers.processor(config.Processors[taskType])); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// thisProcess is what other processes see of this one.
func thisProcess() application.ProcessInfo {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	version := ReadVersion()
	return application.ProcessInfo{Host: host, PID: os.Getpid(), Version: version.Version}
}

// startScheduler starts within the bound of the hook.
func startScheduler(s *application.DefaultScheduler) func(context.Context) error {
	return func(ctx context.Context) error { return s.Start(hookBound(ctx)) }
}

// stopScheduler drains within the drain time.
func stopScheduler(s *application.DefaultScheduler, config Config) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(hookBound(ctx), config.DrainTimeout)
		defer cancel()
		return s.Stop(ctx)
	}
}
