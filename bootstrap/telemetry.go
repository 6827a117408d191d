package bootstrap

import (
	"context"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"logsift/adapters/httpapi"
	"logsift/adapters/openai"
	"logsift/adapters/oteltrace"
	"logsift/adapters/prommetrics"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// observers are told of what goes on. The zero value is for nobody.
type observers struct {
	runs     ports.RunObserver
	batches  func()
	calls    openai.CallObserver
	requests []httpapi.RequestObserver
	intake   httpapi.IntakeObserver
	// metrics answers a scrape.
	metrics http.Handler
	// traceID tells the trace of a context, "" for none. Nil if there are no traces.
	traceID func(context.Context) string
	// tracing is nil if there is none.
	tracing *oteltrace.Tracing
}

// processor returns a processor whose runs are traced, if there are traces.
func (o observers) processor(p ports.TaskProcessor) ports.TaskProcessor {
	if o.tracing == nil {
		return p
	}
	return o.tracing.Processor(p)
}

// telemetry measures and traces the system. What nobody asks for is nil.
type telemetry struct {
	registry *prometheus.Registry
	metrics  *prommetrics.Metrics
	tracing  *oteltrace.Tracing
}

// measured is whether somebody can ask for metrics.
func (c *Config) measured() bool { return c.Addr != "" || c.MetricsAddr != "" }

// telemetryModule has the system measured if somebody can ask for the figures, and
// traced if there is somebody to take the traces; otherwise nothing is put in the way
// of its work. What it decorates it decorates for all modules, so it is none itself.
func telemetryModule(config *Config) fx.Option {
	if !config.measured() && config.OTLPEndpoint == "" {
		return fx.Supply(observers{})
	}
	return fx.Options(
		fx.Provide(newTelemetry, telemetry.observers),
		fx.Decorate(telemetry.queue, telemetry.analyzer, telemetry.logs),
		fx.Invoke(collectMetrics),
	)
}

func newTelemetry(config Config, ctx startContext, o *opened, logger *zap.Logger) (t telemetry, err error) {
	v := ReadVersion()
	settings := prommetrics.Config{Version: v.Version, Revision: v.Revision, GoVersion: v.Go}
	if config.OTLPEndpoint != "" {
		if t.tracing, err = newTracing(config, ctx, o, v.Version, logger); err != nil {
			return telemetry{}, err
		}
		settings.TraceID, settings.TaskTraceID = oteltrace.TraceID, (*domain.Task).TraceID
	}
	if config.measured() {
		// A registry of this system's own, so that several may run in one process.
		t.registry = prometheus.NewRegistry()
		t.metrics, err = prommetrics.New(t.registry, settings)
	}
	return t, err
}

// newTracing begins to trace. What is left when the system stops is sent after all
// else has stopped; if that fails, nothing else does.
func newTracing(config Config, ctx startContext, o *opened, version string, logger *zap.Logger) (*oteltrace.Tracing, error) {
	failed := func(err error) { logger.Warn("traces could not be sent", zap.Error(err)) }
	tracing, err := oteltrace.New(ctx, oteltrace.Config{
		Endpoint: config.OTLPEndpoint, Ratio: config.TraceRatio, Version: version, Failed: failed,
	})
	if err != nil {
		return nil, err
	}
	closing := context.WithoutCancel(ctx)
	o.add(func() error {
		if err := tracing.Close(closing); err != nil {
			failed(err)
		}
		return nil
	})
	return tracing, nil
}

func (t telemetry) queue(queue ports.TaskQueue) ports.TaskQueue {
	if t.metrics != nil {
		queue = t.metrics.Queue(queue)
	}
	if t.tracing != nil {
		queue = t.tracing.Queue(queue)
	}
	return queue
}

func (t telemetry) analyzer(analyzer ports.LogAnalyzer, config Config) ports.LogAnalyzer {
	if t.metrics != nil {
		analyzer = t.metrics.Analyzer(config.Analyzer, analyzer)
	}
	if t.tracing != nil {
		analyzer = t.tracing.Analyzer(config.Analyzer, analyzer)
	}
	return analyzer
}

func (t telemetry) logs(logs ports.LogRepository) ports.LogRepository {
	if t.tracing != nil {
		logs = t.tracing.Logs(logs)
	}
	return logs
}

// observers puts the traces first, so that what is measured knows its trace.
func (t telemetry) observers() observers {
	var o observers
	var calls callObservers
	if t.tracing != nil {
		o.tracing, o.traceID = t.tracing, oteltrace.TraceID
		o.requests, calls = append(o.requests, t.tracing), append(calls, t.tracing)
	}
	if m := t.metrics; m != nil {
		o.runs, o.batches, o.intake, o.metrics = m, m.ObserveBatch, m, m.Handler(t.registry)
		o.requests, calls = append(o.requests, m), append(calls, m)
	}
	o.calls = calls
	return o
}

// callObservers are told of requests to an AI service, the first one first, and of
// their ends the other way round.
type callObservers []openai.CallObserver

// BeginAICall implements openai.CallObserver.
func (c callObservers) BeginAICall(ctx context.Context, model string) (context.Context, func(domain.Usage, domain.Cost, error)) {
	ends := make([]func(domain.Usage, domain.Cost, error), len(c))
	for i, o := range c {
		ctx, ends[i] = o.BeginAICall(ctx, model)
	}
	return ctx, func(usage domain.Usage, cost domain.Cost, err error) {
		for _, end := range slices.Backward(ends) {
			end(usage, cost, err)
		}
	}
}

// collectMetrics adds what is read when somebody asks.
func collectMetrics(t telemetry, queue ports.TaskQueue, queues ports.QueueController, scheduler *application.DefaultScheduler, state analyzerState, config Config) error {
	m := t.metrics
	if m == nil {
		return nil
	}
	if err := m.CollectStore(queue, queues); err != nil {
		return err
	}
	if err := m.CollectScheduler(scheduler.GetSchedulerStats); err != nil {
		return err
	}
	if state.ai == nil {
		return nil
	}
	return m.CollectAI(state.ai, domain.Cost{AmountMicros: int64(config.AIDailyBudget), Currency: config.AIPrices.Currency})
}
