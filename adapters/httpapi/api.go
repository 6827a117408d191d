package httpapi

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"go.uber.org/zap"

	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/auth"
	"logsift/adapters/httpapi/ingest"
	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/ports"
)

// Deps are what an [API] works with.
type Deps struct {
	// Queue, Operations, Logs and Readiness are required. They are called by many
	// goroutines at once.
	Queue      QueueService
	Operations OperationsService
	Logs       LogService
	Readiness  ReadinessProbe
	// Workers serves workers of other programs. Nil: there are no such paths.
	Workers WorkerService
	// Schedules serves the schedules. Nil: there are no such paths.
	Schedules ScheduleService
	// Workflows serves the workflows. Nil: there are no such paths.
	Workflows WorkflowService
	// Limits serves the limits of queues, types and keys. Nil: there are no such paths.
	Limits LimitService
	// Dashboard serves the pages for people: / for browsers, and /ui and what is
	// below it. It sets the headers of its answers by itself. Nil serves none.
	Dashboard http.Handler
	// Events feeds the stream of task events. Nil: there is no such path.
	Events ports.TaskEventReader
	// Waiter serves the parameter wait of a task. Nil: an answer waits for nothing.
	Waiter TaskWaiter
	// Keys returns the API keys as they are now. Nil asks nobody for a key, and lets
	// everybody do everything.
	Keys func() apikey.Keys
	// States keeps which sessions were ended. It is required with Keys.
	States ports.DocumentStore
	// Audit gets a line for each request that is to change something: at info level, but
	// at debug level if it stored logs. It holds who, from where, what, and of which
	// tasks, never what was sent. Of requests that are refused, or come from nobody that
	// is known, it gets the first of a caller, and how many followed within a minute. Nil
	// writes none.
	Audit *zap.Logger
	// Metrics answers GET /metrics. Nil: there is no such path.
	Metrics http.Handler
	// Observers are told of every request, the first one first, and of its answer the
	// other way round.
	Observers []RequestObserver
	// Ingest is told of log entries. Nil for nobody.
	Ingest ingest.Observer
	// Settings are shown to administrators as they are, so that they hold no secrets.
	Settings wire.Settings
	// Idempotent keeps the answers to requests with an Idempotency-Key. Nil keeps
	// none: then only tasks and log entries are recognised, by their ids.
	Idempotent IdempotentCalls
	// TraceID tells the trace that a request belongs to, for the log; "" for none. Nil
	// if there are no traces.
	TraceID func(ctx context.Context) string
	// Logger gets unexpected errors, and at debug level each request. Nil logs
	// nothing.
	Logger *zap.Logger
	// Now is the clock for log lines whose time lacks a year or a date, and for
	// the duration of requests. Nil is time.Now.
	Now func() time.Time
}

// API is the HTTP API. It is safe for concurrent use, and has no goroutines.
type API struct {
	queue      QueueService
	operations OperationsService
	schedules  ScheduleService
	limits     LimitService
	workflows  WorkflowService
	logs       LogService
	workers    WorkerService // nil for none
	readiness  ReadinessProbe
	dashboard  http.Handler // nil for none
	events     ports.TaskEventReader
	waiter     TaskWaiter
	metrics    http.Handler
	observers  []RequestObserver
	ingest     ingest.Endpoints
	idempotent IdempotentCalls
	settings   wire.Settings
	logger     *zap.Logger
	problems   problem.Writer
	now        func() time.Time
	cfg        Config

	origins  http.CrossOriginProtection
	bodies   *request.Bodies
	searches request.Pool // of reads that look at many log entries or anomalies
	streams  streams
	waits    streams
	claims   streams // of workers
	auth     auth.Authenticator
	audit    auth.Audit
	limiter  *request.Limiter // nil limits nothing
	router   *mux.Router
	rows     map[*mux.Route]*route // of the routes of the router
	handler  http.Handler
	contract func() *file // the OpenAPI document
}

// New returns the API of these services.
func New(deps Deps, cfg Config) *API {
	cfg = cfg.withDefaults()
	a := &API{
		queue: auditedQueue{deps.Queue}, operations: deps.Operations, schedules: deps.Schedules, limits: deps.Limits, workflows: deps.Workflows, logs: deps.Logs, workers: deps.Workers, readiness: deps.Readiness,
		idempotent: deps.Idempotent, settings: deps.Settings,
		dashboard: deps.Dashboard, events: deps.Events, waiter: deps.Waiter,
		metrics: deps.Metrics, observers: deps.Observers,
		logger: deps.Logger, now: deps.Now,
		cfg: cfg, limiter: request.NewLimiter(cfg.RateLimit),
		bodies: request.NewBodies(request.BodyLimits{
			BufferedBytes: cfg.MaxBufferedBytes, LogEntries: cfg.MaxLogEntries, Pause: cfg.BodyPause, Timeout: cfg.BodyTimeout,
		}),
		searches: request.Pool{What: "searches", Name: "searches", Full: problem.ErrOverloaded, Limit: maxSearches, Share: maxSearches / 2},
		streams:  newStreams("streams of events", "streams", cfg.MaxStreams),
		waits:    newStreams("requests that wait for a task", "waits", waitsPerStream*cfg.MaxStreams),
		claims:   newStreams("claims", "claims", cfg.MaxClaims),
	}
	if a.logger == nil {
		a.logger = zap.NewNop()
	}
	a.problems = problem.Writer{Logger: a.logger, TraceID: deps.TraceID}
	if a.now == nil {
		a.now = time.Now
	}
	a.ingest = ingest.Endpoints{
		Logs: auditedLogs{deps.Logs}, Observer: deps.Ingest, Bodies: a.bodies, MaxBodyBytes: cfg.MaxBodyBytes,
		Problems: &a.problems, Zone: cfg.LogZone, Now: a.now,
	}
	a.auth = auth.Authenticator{
		Keys: deps.Keys, SignedOut: apikey.NewSignedOut(deps.States, a.now), BehindTLS: cfg.BehindTLS, Bodies: a.bodies, Now: a.now,
	}
	a.audit = auth.Audit{Log: deps.Audit, Now: a.now, Route: a.routeRecord}
	a.contract = sync.OnceValue(func() *file { return newFile(wire.MediaJSON, OpenAPI()) })
	a.router = a.newRouter()
	a.handler = a.outer(cfg.AllowedHosts, a.router)
	return a
}

// Handler returns the handler of all routes.
func (a *API) Handler() http.Handler { return a.handler }

// outer puts around a handler what is done for every request, whichever it is.
func (a *API) outer(hosts []string, next http.Handler) http.Handler {
	return a.cfg.TrustedProxies.Handler(a.observe(a.audit.Handler(a.recoverPanics(a.guard(hosts, next)))))
}

// InProcessHandler returns the handler of all routes for callers within the process.
// It asks for no key and allows every host.
func (a *API) InProcessHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, auth.InProcess(r)) })
}

// OperationsHandler returns a handler of /metrics, /healthz and /readyz alone, for a
// server that does not offer the rest. The allowed hosts are those of its own, as in
// Config.AllowedHosts: it may be reached by other names than the API.
func (a *API) OperationsHandler(allowedHosts []string) http.Handler {
	some := a.outer(allowedHosts, a.router)
	none := a.cfg.TrustedProxies.Handler(a.observe(a.recoverPanics(a.guard(allowedHosts, a.router.NotFoundHandler))))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case metricsPath, healthPath, readyPath:
			some.ServeHTTP(w, r)
		default:
			none.ServeHTTP(w, r)
		}
	})
}

// pathID reads the id of the path.
func pathID(r *http.Request) (uuid.UUID, error) { return parseID("id", mux.Vars(r)["id"]) }
