package bootstrap

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"logsift/adapters/dashboard"
	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/server"
	"logsift/application"
	"logsift/domain"
	"logsift/domain/logline"
	"logsift/ports"
)

func httpModule() fx.Option {
	return fx.Module("http",
		fx.Provide(newAPI, newAPIServer, newMetricsServer),
		// The one place where things run: the API first, then the scheduler; they
		// stop the other way round.
		fx.Invoke(func(lc fx.Lifecycle, api *httpapi.API, server *apiServer, metrics *metricsServer, scheduler *application.DefaultScheduler, schedules *application.ScheduleService, limits *application.LimitService, config Config) {
			lc.Append(fx.StopHook(api.Close)) // again, when its servers have ended
			lc.Append(fx.StartStopHook(metrics.start, metrics.stop))
			lc.Append(fx.StartStopHook(server.start, server.stop))
			lc.Append(fx.StartStopHook(startScheduler(scheduler), stopScheduler(scheduler, config)))
			lc.Append(fx.StartHook(setLimits(limits, config)))
			lc.Append(fx.StartHook(setSchedules(schedules, config)))
		}),
	)
}

// apiParams are what the API is made of.
type apiParams struct {
	fx.In

	Config     Config
	Logger     *zap.Logger
	Queue      *application.QueueService
	Operations *application.OperationsService
	Schedules  *application.ScheduleService
	Limits     *application.LimitService
	Workflows  *application.WorkflowService
	Logs       *application.LogService
	Workers    *application.WorkerService
	Documents  ports.DocumentStore
	Idempotent *application.IdempotentCalls
	Scheduler  ports.TaskScheduler
	Events     ports.TaskEventReader
	Waiter     *application.TaskWaiter
	Store      storeReady
	State      analyzerState
	Observers  observers
	Keys       apiKeys
	Audit      auditLog
}

func newAPI(p apiParams) (*httpapi.API, error) {
	proxies, err := p.Config.trustedProxies()
	if err != nil {
		return nil, err
	}
	zone, err := logline.ParseZone(p.Config.Timezone)
	if err != nil {
		return nil, err
	}
	return httpapi.New(httpapi.Deps{
		Queue: p.Queue, Operations: p.Operations, Schedules: p.Schedules, Limits: p.Limits, Workflows: p.Workflows, Logs: p.Logs, Workers: p.Workers,
		Readiness:  probe{store: p.Store, scheduler: p.Scheduler, degraded: p.State.degraded, keys: p.Keys},
		Idempotent: p.Idempotent,
		Settings:   p.Config.Settings(),
		Events:     p.Events,
		Waiter:     p.Waiter,
		Dashboard:  dashboard.Handler(),
		Metrics:    p.Observers.metrics, Observers: p.Observers.requests, Ingest: p.Observers.ingest, TraceID: p.Observers.traceID,
		Keys: p.Keys.current(), States: p.Documents, Audit: p.Audit.Logger,
		Logger: p.Logger,
	}, httpapi.Config{AllowedHosts: p.Config.hosts(p.Config.Addr), BehindTLS: p.Config.BehindTLS, TrustedProxies: proxies, RateLimit: p.Config.RateLimit, LogZone: zone,
		Retention: p.Config.TaskRetention, FailedRetention: p.Config.FailedRetention}), nil
}

// metricsServer serves the metrics and the health of a process that may not serve
// the rest of the API.
type metricsServer struct{ apiServer }

func newMetricsServer(api *httpapi.API, config Config, logger *zap.Logger) (*metricsServer, error) {
	s, err := newServer(api.OperationsHandler(config.hosts(config.MetricsAddr)), server.Config{Addr: config.MetricsAddr}, config, logger)
	if err != nil {
		return nil, err
	}
	return &metricsServer{*s}, nil
}

// apiServer runs the API's server, or does nothing if there is to be none.
type apiServer struct {
	server *server.Server
	addr   net.Addr
	// failed gets the error of a server that ended by itself.
	failed chan error
	done   chan struct{}
}

func newAPIServer(api *httpapi.API, config Config, logger *zap.Logger) (*apiServer, error) {
	return newServer(api.Handler(), server.Config{Addr: config.Addr, MaxConnections: config.MaxConnections, OnShutdown: api.Close}, config, logger)
}

// newServer makes a server, which does nothing without an address.
func newServer(handler http.Handler, cfg server.Config, config Config, logger *zap.Logger) (*apiServer, error) {
	s := &apiServer{failed: make(chan error, 1)}
	if cfg.Addr == "" {
		return s, nil
	}
	if config.TLSCert != "" {
		var err error
		if cfg.TLS, err = server.NewTLS(config.TLSCert, config.TLSKey, time.Now, func(err error) {
			logger.Error("the certificate has changed and cannot be used; the earlier one stays in use", zap.Error(err))
		}); err != nil {
			return nil, &domain.ValidationError{Field: "tls-cert", Rule: "cannot be used: " + err.Error()}
		}
	}
	s.server = server.New(handler, cfg)
	return s, nil
}

func (s *apiServer) start(ctx context.Context) error {
	if s.server == nil {
		return nil
	}
	addr, err := s.server.Listen(hookBound(ctx))
	if err != nil {
		return err
	}
	s.addr, s.done = addr, make(chan struct{})
	go func() {
		defer close(s.done)
		if err := s.server.Serve(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	return nil
}

func (s *apiServer) stop(ctx context.Context) error {
	if s.done == nil {
		return nil
	}
	err := s.server.Shutdown(hookBound(ctx))
	<-s.done
	return err
}
