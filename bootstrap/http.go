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
	"logsift/ports"
)

func httpModule() fx.Option {
	return fx.Module("http",
		fx.Provide(newAPI, newAPIServer),
		// The one place where things run: the API first, then the scheduler; they
		// stop the other way round.
		fx.Invoke(func(lc fx.Lifecycle, server *apiServer, scheduler *application.DefaultScheduler, config Config) {
			lc.Append(fx.StartStopHook(server.start, server.stop))
			lc.Append(fx.StartStopHook(startScheduler(scheduler), stopScheduler(scheduler, config)))
		}),
	)
}

func newAPI(queue *application.QueueService, fleet *application.FleetService, logs *application.LogService, ready storeReady, scheduler ports.TaskScheduler, degraded analyzerDegraded, config Config, logger *zap.Logger) *httpapi.API {
	return httpapi.New(httpapi.Deps{
		Queue: queue, Fleet: fleet, Logs: logs, Readiness: probe{store: ready, scheduler: scheduler, degraded: degraded},
		Dashboard: dashboard.Handler(), Logger: logger, Now: time.Now,
		NewID: func() uuid.UUID { return uuid.Must(uuid.NewV7()) },
	}, httpapi.Config{AllowedHosts: allowedHosts(config.Addr)})
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
