package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"logsift/adapters/httpapi"
	"logsift/application"
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

func newAPI(queue *application.QueueService, logs *application.LogService, ready storeReady, scheduler ports.TaskScheduler, state analyzerState, o observers, config Config, logger *zap.Logger) *httpapi.API {
	return httpapi.New(httpapi.Deps{
		Queue: queue, Logs: logs, Readiness: probe{store: ready, scheduler: scheduler, degraded: state.degraded},
		Metrics: o.metrics, Observers: o.requests, Intake: o.intake,
		Logger: logger, Now: time.Now,
		NewID: func() uuid.UUID { return uuid.Must(uuid.NewV7()) },
	}, httpapi.Config{AllowedHosts: allowedHosts(cmp.Or(config.Addr, config.MetricsAddr))})
}

// allowedHosts keeps other sites' names away from an API on the loopback
// address, where a browser could otherwise be led to it.
func allowedHosts(addr string) []string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return []string{"localhost", "127.0.0.1", "::1", host}
	}
	return nil
}

// metricsServer serves the metrics and the health of a process that may not serve
// the rest of the API.
type metricsServer struct{ apiServer }

func newMetricsServer(api *httpapi.API, config Config) *metricsServer {
	s := &metricsServer{apiServer{failed: make(chan error, 1)}}
	if config.MetricsAddr != "" {
		s.server = httpapi.NewServer(api.OperationsHandler(), httpapi.ServerConfig{Addr: config.MetricsAddr})
	}
	return s
}

// apiServer runs the API's server, or does nothing if there is to be none.
type apiServer struct {
	server *httpapi.Server
	addr   net.Addr
	// failed gets the error of a server that ended by itself.
	failed chan error
	done   chan struct{}
}

func newAPIServer(api *httpapi.API, config Config) *apiServer {
	s := &apiServer{failed: make(chan error, 1)}
	if config.Addr != "" {
		s.server = httpapi.NewServer(api.Handler(), httpapi.ServerConfig{Addr: config.Addr})
	}
	return s
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
