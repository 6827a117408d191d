package bootstrap

import (
	"context"
	"errors"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

var errDraining = errors.New("draining: no more tasks are claimed")

func applicationModule() fx.Option {
	return fx.Module("application",
		fx.Provide(
			newLogService,
			newScheduler,
			fx.Annotate(func(s *application.DefaultScheduler) *application.DefaultScheduler { return s }, fx.As(new(ports.TaskScheduler))),
			application.NewQueueService,
			func(logs ports.LogRepository, logger *zap.Logger) *application.KeyedCalls {
				return application.NewKeyedCalls(logs, logger)
			},
			application.NewLogAnalysisProcessor,
		),
	)
}

func newLogService(logs ports.LogRepository, queue ports.TaskQueue, config Config, logger *zap.Logger) (*application.LogService, error) {
	return application.NewLogService(logs, queue, application.LogServiceConfig{
		BatchSize: config.BatchSize, BatchBytes: config.BatchBytes, BatchAge: config.BatchAge,
		Queue: config.AnalysisQueue, Baseline: config.Baseline, Learn: config.Learn,
		MaxPending: config.MaxPending, MaxAge: config.LogRetention,
	}, logger)
}

// newScheduler makes the scheduler with its processors and has it started after
// the API, and stopped before it.
func newScheduler(queue ports.TaskQueue, logs *application.LogService, processor *application.LogAnalysisProcessor, config Config, logger *zap.Logger) (*application.DefaultScheduler, error) {
	workers := config.Workers
	if workers == 0 {
		workers = application.NoWorkers
	}
	recoveries := config.MaxRecoveries
	if recoveries == 0 {
		recoveries = -1
	}
	s, err := application.NewScheduler(queue, application.SchedulerConfig{
		Workers: workers, Maintain: config.Addr != "", Queues: config.Queues, Lease: config.Lease,
		RetryPolicy: config.Retry, MaxRecoveries: recoveries, Retention: config.TaskRetention, Purger: logs,
	}, logger)
	if err != nil {
		return nil, err
	}
	if err := s.RegisterProcessor(domain.TaskTypeLogAnalysis, processor); err != nil {
		return nil, err
	}
	return s, nil
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
