package bootstrap

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"logsift/adapters/dashboard"
	"logsift/adapters/httpapi"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

func httpModule() fx.Option {
	return fx.Module("http",
		fx.Provide(newAPI, newAPIServer, newMetricsServer),
		// The one place where things run: the API first, then the scheduler; they
		// stop the other way round.
		fx.Invoke(func(lc fx.Lifecycle, server *apiServer, metrics *metricsServer, scheduler *application.DefaultScheduler, config Config) {
			lc.Append(fx.StartStopHook(metrics.start, metrics.stop))
			lc.Append(fx.StartStopHook(server.start, server.stop))
			lc.Append(fx.StartStopHook(startScheduler(scheduler), stopScheduler(scheduler, config)))
		}),
	)
}

// apiParams are what the API is made of.
type apiParams struct {
	fx.In

	Config    Config
	Logger    *zap.Logger
	Queue     *application.QueueService
	Fleet     *application.FleetService
	Logs      *application.LogService
	Keyed     *application.KeyedCalls
	Scheduler ports.TaskScheduler
	Events    ports.TaskEventReader
	Store     storeReady
	State     analyzerState
	Observers observers
	Keys      apiKeys
	Audit     auditLog
}

func newAPI(p apiParams) *httpapi.API {
	return httpapi.New(httpapi.Deps{
		Queue: p.Queue, Fleet: p.Fleet, Logs: p.Logs,
		Readiness:  probe{store: p.Store, scheduler: p.Scheduler, degraded: p.State.degraded},
		KeyedCalls: p.Keyed,
		Settings:   p.Config.Settings(),
		Events:     p.Events,
		Dashboard:  dashboard.Handler(),
		Metrics:    p.Observers.metrics, Observers: p.Observers.requests, Intake: p.Observers.intake, TraceID: p.Observers.traceID,
		Keys: p.Keys, Audit: p.Audit.Logger,
		Logger: p.Logger, Now: time.Now,
		NewID: func() uuid.UUID { return uuid.Must(uuid.NewV7()) },
	}, httpapi.Config{AllowedHosts: p.Config.hosts(p.Config.Addr), BehindTLS: p.Config.BehindTLS, RateLimit: p.Config.RateLimit})
}

// metricsServer serves the metrics and the health of a process that may not serve
// the rest of the API.
type metricsServer struct{ apiServer }

func newMetricsServer(api *httpapi.API, config Config, logger *zap.Logger) (*metricsServer, error) {
	s, err := newServer(api.OperationsHandler(config.hosts(config.MetricsAddr)), httpapi.ServerConfig{Addr: config.MetricsAddr}, config, logger)
	if err != nil {
		return nil, err
	}
	return &metricsServer{*s}, nil
}

// apiServer runs the API's server, or does nothing if there is to be none.
type apiServer struct {
	server *httpapi.Server
	addr   net.Addr
	// failed gets the error of a server that ended by itself.
	failed chan error
	done   chan struct{}
}

func newAPIServer(api *httpapi.API, config Config, logger *zap.Logger) (*apiServer, error) {
	return newServer(api.Handler(), httpapi.ServerConfig{Addr: config.Addr, MaxConnections: config.MaxConnections, OnShutdown: api.EndStreams}, config, logger)
}

// newServer makes a server, which does nothing without an address.
func newServer(handler http.Handler, server httpapi.ServerConfig, config Config, logger *zap.Logger) (*apiServer, error) {
	s := &apiServer{failed: make(chan error, 1)}
	if server.Addr == "" {
		return s, nil
	}
	if config.TLSCert != "" {
		var err error
		if server.TLS, err = httpapi.NewTLS(config.TLSCert, config.TLSKey, time.Now, func(err error) {
			logger.Error("the certificate has changed and cannot be used; that from before stays in use", zap.Error(err))
		}); err != nil {
			return nil, &domain.ValidationError{Field: "tls-cert", Rule: "cannot be used: " + err.Error()}
		}
	}
	s.server = httpapi.NewServer(handler, server)
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
