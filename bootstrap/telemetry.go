package bootstrap

import (
	"context"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/ingest"
	"logsift/adapters/oteltrace"
	"logsift/adapters/prommetrics"
	"logsift/application"
	"logsift/application/observe"
	"logsift/domain"
	"logsift/ports"
)

// observers watch what goes on. The zero value is for nobody.
type observers struct {
	runs     ports.RunObserver
	calls    ports.Observers
	requests []httpapi.RequestObserver
	ingest   ingest.Observer
	// metrics answers a scrape.
	metrics http.Handler
	// tracing is nil if there is none; traceID then too.
	tracing *oteltrace.Tracing
	// traceID tells the trace of a context, "" for none.
	traceID func(context.Context) string
}

// queue has the calls to the queue observed, and its enqueues counted by the history.
func (o observers) queue(queue ports.TaskQueue, history *application.RunHistory) ports.TaskQueue {
	var traceParent observe.TraceParent
	if o.tracing != nil {
		traceParent = o.tracing.TraceParent
	}
	return observe.Queue(queue, traceParent, append(slices.Clip(o.calls), history)...)
}

// traces are the observers of calls that only traces show.
func (o observers) traces() []ports.Observer {
	if o.tracing == nil {
		return nil
	}
	return []ports.Observer{o.tracing}
}

func (o observers) logs(logs ports.LogRepository) ports.LogRepository {
	return observe.Logs(logs, o.traces()...)
}

func (o observers) analyzer(analyzer ports.LogAnalyzer, config Config) ports.LogAnalyzer {
	return observe.Analyzer(config.Analyzer, analyzer, o.calls...)
}

// processor has the runs of a processor traced; what else is told of them is the
// scheduler's to tell.
func (o observers) processor(p ports.TaskProcessor) ports.TaskProcessor {
	return observe.Processor(p, o.traces()...)
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
// traced if there is somebody to take the traces; otherwise only the history observes
// its work.
func telemetryModule(config *Config) fx.Option {
	if !config.measured() && config.OTLPEndpoint == "" {
		return fx.Supply(observers{})
	}
	return fx.Options(
		fx.Provide(newTelemetry, telemetry.observers),
		fx.Invoke(collectMetrics),
	)
}

func newTelemetry(config Config, ctx startContext, o *opened, logger *zap.Logger) (t telemetry, err error) {
	v := ReadVersion()
	settings := prommetrics.Config{Version: v.Version, Revision: v.Revision, GoVersion: v.Go, Analyzer: config.Analyzer}
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

// observers puts the traces first, so that what is measured knows its trace.
func (t telemetry) observers() observers {
	var o observers
	if t.tracing != nil {
		o.tracing, o.traceID = t.tracing, oteltrace.TraceID
		o.requests, o.calls = append(o.requests, t.tracing), append(o.calls, t.tracing)
	}
	if m := t.metrics; m != nil {
		o.runs, o.ingest, o.metrics = m, m, m.Handler(t.registry)
		o.requests, o.calls = append(o.requests, m), append(o.calls, m)
	}
	return o
}

// collectMetrics adds what is read when somebody asks.
func collectMetrics(t telemetry, queue ports.TaskQueue, queues ports.QueueController, limits ports.LimitKeeper, scheduler *application.DefaultScheduler, state analyzerState, keys apiKeys, config Config) error {
	m := t.metrics
	if m == nil {
		return nil
	}
	if err := m.CollectStore(queue, queues, limits); err != nil {
		return err
	}
	if err := m.CollectScheduler(scheduler.GetSchedulerStats); err != nil {
		return err
	}
	if keys.file != nil {
		if err := m.CollectKeys(func() bool { _, err := keys.file.State(); return err == nil }); err != nil {
			return err
		}
	}
	if state.ai == nil {
		return nil
	}
	return m.CollectAI(state.ai, domain.Cost{AmountMicros: int64(config.AIDailyBudget), Currency: config.AIPrices.Currency})
}
