package bootstrap

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"

	"logsift/adapters/httpapi"
	"logsift/adapters/openai"
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
}

// telemetryModule has the system measured if somebody can ask for the figures;
// otherwise nothing is put in the way of its work. What it decorates it decorates for
// all modules, so it is none itself.
func telemetryModule(config *Config) fx.Option {
	if config.Addr == "" && config.MetricsAddr == "" {
		return fx.Supply(observers{})
	}
	return fx.Options(
		fx.Provide(newRegistry, newMetrics, newObservers),
		fx.Decorate(
			func(queue ports.TaskQueue, m *prommetrics.Metrics) ports.TaskQueue { return m.Queue(queue) },
			func(analyzer ports.LogAnalyzer, m *prommetrics.Metrics, config Config) ports.LogAnalyzer {
				return m.Analyzer(config.Analyzer, analyzer)
			},
		),
		fx.Invoke(collectMetrics),
	)
}

// newRegistry returns a registry of this system's own, so that several may run in
// one process.
func newRegistry() *prometheus.Registry { return prometheus.NewRegistry() }

func newMetrics(registry *prometheus.Registry) (*prommetrics.Metrics, error) {
	v := ReadVersion()
	return prommetrics.New(registry, prommetrics.Config{Version: v.Version, Revision: v.Revision, GoVersion: v.Go})
}

func newObservers(m *prommetrics.Metrics, registry *prometheus.Registry) observers {
	return observers{
		runs: m, batches: m.ObserveBatch, calls: m,
		requests: []httpapi.RequestObserver{m}, intake: m,
		metrics: m.Handler(registry),
	}
}

// collectMetrics adds what is read when somebody asks.
func collectMetrics(m *prommetrics.Metrics, queue ports.TaskQueue, queues ports.QueueController, scheduler *application.DefaultScheduler, state analyzerState, config Config) error {
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
