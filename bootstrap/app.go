package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"

	"logsift/adapters/httpapi"
)

// startTimeout bounds starting.
const startTimeout = 15 * time.Second

// StopMargin bounds how much longer than the drain time a stop takes, also on a store
// that does not answer.
const StopMargin = 10 * time.Second

// App is a wired system. New makes it, Start starts it once, Stop stops it; Run
// does all of it until its context ends.
type App struct {
	fx     *fx.App
	config Config
	logger *zap.Logger
	server *apiServer
	// metrics is the server of the metrics alone, which may do nothing.
	metrics *metricsServer
	opened  *opened
	// handler is the API for this process, whether or not a server offers it.
	handler http.Handler

	// mu guards phase. Start holds it while it runs, so that Stop finds a system
	// that was started in full or not at all.
	mu       sync.Mutex
	phase    phase
	stopOnce sync.Once
	stopErr  error // set by stopOnce
}

// phase is where an App is in its life.
type phase uint8

const (
	phaseNew phase = iota
	phaseStarted
	phaseStopped
)

// opened is what the constructors have opened. fx would close it only after a
// start, so it is kept apart from fx's hooks.
type opened struct{ closers []func() error }

// add remembers how to close something.
func (o *opened) add(closer func() error) { o.closers = append(o.closers, closer) }

// close closes everything, the newest first.
func (o *opened) close() error {
	var errs []error
	for _, closer := range slices.Backward(o.closers) {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}

// New wires the system that the configuration describes and opens its store;
// nothing runs yet. An address that other machines reach needs API keys. The errors
// are those of the configuration or the store, as they were, without the wiring's own
// words, and leave nothing open. Whoever does not start an App must still stop it.
func New(ctx context.Context, config Config) (*App, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if err := config.ValidateOpen(); err != nil {
		return nil, err
	}
	a := &App{config: config, opened: &opened{}}
	var api *httpapi.API
	a.fx = fx.New(
		options(ctx, config, a.opened),
		fx.Populate(&a.logger, &a.server, &a.metrics, &api),
		fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger }),
	)
	if err := a.fx.Err(); err != nil {
		return nil, errors.Join(rootCause(err), a.opened.close())
	}
	a.handler = api.InProcessHandler()
	return a, nil
}

// options chooses the modules.
func options(ctx context.Context, config Config, o *opened) fx.Option {
	return fx.Options(coreOptions(ctx, config, o), telemetryModule(&config), accessModule(), httpModule())
}

// coreOptions chooses the modules of a system without an API, in which nothing
// runs by itself. It needs observers besides.
func coreOptions(ctx context.Context, config Config, o *opened) fx.Option {
	return fx.Options(
		fx.Supply(config, o),
		fx.Provide(func() startContext { return startContext{ctx} }),
		loggerModule(),
		storeModule(&config),
		analyzerModule(&config),
		applicationModule(),
		fx.Decorate(observers.queue, observers.logs, observers.analyzer),
	)
}

// startContext carries the context of New to the constructors that connect. It
// is used while New runs and not kept.
type startContext struct{ context.Context } //nolint:containedctx // fx gives constructors no context.

// rootCause takes the words of fx and dig off an error.
func rootCause(err error) error {
	if root := dig.RootCause(err); root != nil {
		return root
	}
	return err
}

// hookContext is the context for fx's hooks: it carries ctx, which the hooks take
// from it by hookBound, and never ends itself. fx returns as soon as its context
// ends, while a hook still runs and with the others not run at all, so a stop that
// is cut short would leave the store open and tasks not given back.
func hookContext(ctx context.Context) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), hookKey{}, ctx)
}

type hookKey struct{}

// hookBound is what bounds a hook.
func hookBound(ctx context.Context) context.Context {
	if bound, ok := ctx.Value(hookKey{}).(context.Context); ok {
		return bound
	}
	return ctx
}

// Start starts the API, if there is one, and the scheduler, and returns when the
// API accepts requests. If that fails, everything is stopped and closed. An App
// starts once: a further call, or one after Stop, is an error and changes nothing.
func (a *App) Start(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch a.phase {
	case phaseNew:
	case phaseStarted:
		return errors.New("the system was started before")
	case phaseStopped:
		return errors.New("the system was stopped and cannot start again")
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	// fx stops by itself what it has started before the failure.
	if err := rootCause(a.fx.Start(hookContext(ctx))); err != nil {
		a.phase = phaseStopped
		a.stopOnce.Do(func() { err = errors.Join(err, a.opened.close()) })
		return err
	}
	a.phase = phaseStarted
	return nil
}

// Stop drains and stops everything: no claim from now on, running tasks have the
// drain time of the configuration, then the API and the store close. When ctx
// ends before, the running tasks are given back at once, and the rest still
// closes. It works before Start too. A further call waits for the first and
// returns what that did.
func (a *App) Stop(ctx context.Context) error {
	a.mu.Lock()
	a.phase = phaseStopped
	a.mu.Unlock()
	a.stopOnce.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, a.config.DrainTimeout+StopMargin)
		defer cancel()
		a.stopErr = errors.Join(rootCause(a.fx.Stop(hookContext(ctx))), a.opened.close())
		// What a logger could not write at the end, nobody can be told.
		_ = a.logger.Sync()
	})
	return a.stopErr
}

// Run starts the system, calls ready with the address of the API ("" if there is
// none), waits until ctx ends or the API fails, and stops. A value from force, or
// its closing, ends the drain.
func (a *App) Run(ctx context.Context, force <-chan struct{}, ready func(addr string)) error {
	if err := a.Start(ctx); err != nil {
		return err
	}
	ready(a.Addr())
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-a.server.failed:
		failure = fmt.Errorf("api server: %w", failure)
	case failure = <-a.metrics.failed:
		failure = fmt.Errorf("metrics server: %w", failure)
	}
	stopCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stopped, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-force:
			cancel()
		case <-stopped:
		}
	}()
	err := a.Stop(stopCtx)
	close(stopped)
	<-watched
	return errors.Join(failure, err)
}

// Addr is the address that the API listens on, once it was started, as
// host:port; "" if there is none.
func (a *App) Addr() string {
	if a.server.addr == nil {
		return ""
	}
	return a.server.addr.String()
}

// URL is the base URL of the API, "" if there is none. An address that listens
// everywhere is given by its loopback name.
func (a *App) URL() string {
	tcp, ok := a.server.addr.(*net.TCPAddr)
	if !ok {
		return ""
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return a.Scheme() + "://" + net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}

// Scheme is http or https, as the API speaks it.
func (a *App) Scheme() string {
	if a.config.TLSCert != "" {
		return "https"
	}
	return "http"
}

// MetricsAddr is the address that the server of the metrics alone listens on, once
// it was started, as host:port; "" if there is none.
func (a *App) MetricsAddr() string {
	if a.metrics.addr == nil {
		return ""
	}
	return a.metrics.addr.String()
}

// Logger is the program's own log.
func (a *App) Logger() *zap.Logger { return a.logger }
