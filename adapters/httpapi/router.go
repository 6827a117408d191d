package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"go.uber.org/zap"

	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
	"logsift/ports"
)

// QueueService is what the API needs of the task queue. Its errors are those of
// the package domain; calls that take many items return a *domain.BatchError if
// some of them are refused.
type QueueService interface {
	// ScheduleTasks enqueues the tasks and returns them as stored, nil at those
	// that are refused. A type without a processor is domain.ErrUnknownTaskType.
	ScheduleTasks(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error)
	GetTask(ctx context.Context, id domain.TaskID) (*domain.Task, error)
	ListTasks(ctx context.Context, filter domain.TaskFilter) (domain.TaskPage, error)
	DeleteTask(ctx context.Context, ids ...domain.TaskID) error
	RetryTask(ctx context.Context, ids ...domain.TaskID) error
	CancelTask(ctx context.Context, ids ...domain.TaskID) error
	RunTaskNow(ctx context.Context, ids ...domain.TaskID) error
	// ChangeTasks does an action to many tasks; those that are refused are in the
	// result.
	ChangeTasks(ctx context.Context, req domain.BulkRequest) (domain.BulkResult, error)
	GetQueueStats(ctx context.Context) (domain.QueueStats, error)
	GetSchedulerStats() domain.SchedulerStats
}

// FleetService is what the API needs to know of all processes: their queues and
// schedulers, and what they did.
type FleetService interface {
	// ListQueues returns the queues by name.
	ListQueues(ctx context.Context) ([]domain.QueueInfo, error)
	// PauseQueue has the queue give out no tasks and returns it; ResumeQueue ends
	// that. A name that is none is a *domain.ValidationError.
	PauseQueue(ctx context.Context, name string) (domain.QueueInfo, error)
	ResumeQueue(ctx context.Context, name string) (domain.QueueInfo, error)
	// ListSchedulers returns what the schedulers last told of themselves.
	ListSchedulers(ctx context.Context) ([]domain.SchedulerReport, error)
	// GetHistory returns so many minutes, from 1 to MaxHistoryMinutes, oldest first
	// and without gaps.
	GetHistory(ctx context.Context, minutes int) ([]domain.HistoryPoint, error)
}

// Limits of the parameter minutes of the history.
const (
	MaxHistoryMinutes     = 24 * 60
	DefaultHistoryMinutes = 60
)

// LogService is what the API needs of logs and analyses.
type LogService interface {
	// CreateLogs stores the entries and has them analysed. Entries have an id and
	// are valid.
	CreateLogs(ctx context.Context, entries ...domain.LogEntry) (domain.LogReceipt, error)
	GetLog(ctx context.Context, id domain.LogID) (domain.LogEntry, error)
	ListLogs(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error)
	ListAnomalies(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error)
	GetAnomaly(ctx context.Context, id string) (domain.AnomalyHistory, error)
	// ListAnomalyLogs returns a page of the entries behind an anomaly; the limit is
	// from 1 to domain.MaxPageSize, or 0 for the default.
	ListAnomalyLogs(ctx context.Context, id string, limit int, cursor string) (domain.AnomalyLogs, error)
}

// ReadinessProbe tells whether the process can do its work.
type ReadinessProbe interface {
	// Ready returns the components by name, nil for those that are ready. It
	// returns soon after ctx ends. Errors that wrap those of the package domain
	// are shown by their kind, others with their text. A *DegradedError tells of a
	// component that is ready all the same.
	Ready(ctx context.Context) map[string]error
}

// RequestObserver is told of requests, by many goroutines at once.
type RequestObserver interface {
	// BeginRequest is told of a request that came in. It returns the context that the
	// request goes on with, and what is called once when it is answered: with the
	// pattern of its route, such as /api/v1/logs/{id}, or "" if no route took it, and
	// with the status.
	BeginRequest(r *http.Request) (context.Context, func(route string, status int))
}

// IntakeObserver is told of log entries, by many goroutines at once.
type IntakeObserver interface {
	// ObserveIntake is told how many entries of a request were stored, and how many
	// broke a rule. The protocol is http, otlp, loki or elasticsearch.
	ObserveIntake(protocol string, accepted, rejected int)
}

// Deps are what an [API] works with.
type Deps struct {
	// Queue, Fleet, Logs and Readiness are required. They are called by many
	// goroutines at once.
	Queue     QueueService
	Fleet     FleetService
	Logs      LogService
	Readiness ReadinessProbe
	// Dashboard serves the pages for people: / for browsers, and /ui and what is
	// below it. It sets the headers of its answers by itself. Nil serves none.
	Dashboard http.Handler
	// Events feeds the stream of task events. Nil: there is no such path.
	Events ports.TaskEventReader
	// Keys returns the API keys as they are now. Nil asks nobody for a key, and lets
	// everybody do everything.
	Keys func() apikey.Keys
	// Audit gets a line for each request that is to change something, done or
	// refused: at info level, but at debug level if it stored logs. It holds who, from
	// where, what, and of which tasks, never what was sent. Nil writes none.
	Audit *zap.Logger
	// Metrics answers GET /metrics. Nil: there is no such path.
	Metrics http.Handler
	// Observers are told of every request, the first one first, and of its answer the
	// other way round.
	Observers []RequestObserver
	// Intake is told of log entries. Nil for nobody.
	Intake IntakeObserver
	// Settings are shown to administrators as they are, so that they hold no secrets.
	Settings wire.Settings
	// KeyedCalls keeps the answers to requests with an Idempotency-Key. Nil keeps
	// none: then only tasks and log entries are recognised, by their ids.
	KeyedCalls KeyedCalls
	// TraceID tells the trace that a request belongs to, for the log; "" for none. Nil
	// if there are no traces.
	TraceID func(ctx context.Context) string
	// Logger gets unexpected errors, and at debug level each request. Nil logs
	// nothing.
	Logger *zap.Logger
	// Now is the clock for log lines whose time lacks a year or a date, and for
	// the duration of requests. Nil is time.Now.
	Now func() time.Time
	// NewID makes the ids of tasks, log entries and requests. Nil is UUIDs of
	// version 7.
	NewID func() uuid.UUID
}

// Defaults of a [Config].
const (
	DefaultMaxTaskBytes     = 2 << 20
	DefaultMaxBodyBytes     = 32 << 20
	DefaultMaxBufferedBytes = 256 << 20
	DefaultMaxLogEntries    = 250_000
	DefaultMaxHeadBytes     = 16 << 10
	DefaultReadyTimeout     = 2 * time.Second

	DefaultMaxStreams         = 200
	DefaultStreamKeepAlive    = 15 * time.Second
	DefaultStreamWriteTimeout = 10 * time.Second
)

// Config configures an [API]. The zero value works.
type Config struct {
	// AllowedHosts are the names that a request may ask for in its Host header,
	// without port; others get 421. Empty allows any. A server on the loopback
	// address should allow only the names of that.
	AllowedHosts []string
	// BehindTLS is whether clients speak TLS to a proxy before the server, so that
	// browsers are to use nothing else.
	BehindTLS bool
	// MaxTaskBytes bounds the body of one task, as sent and decompressed. 0 is
	// DefaultMaxTaskBytes.
	MaxTaskBytes int64
	// MaxBodyBytes bounds a body of logs or of a batch of tasks, as sent and
	// decompressed. 0 is DefaultMaxBodyBytes.
	MaxBodyBytes int64
	// MaxBufferedBytes bounds the decompressed bytes of all bodies that are being
	// worked on; a request beyond it gets 503. It is at least MaxBodyBytes. 0 is
	// DefaultMaxBufferedBytes.
	MaxBufferedBytes int64
	// MaxLogEntries bounds the entries of one request. 0 is DefaultMaxLogEntries.
	MaxLogEntries int
	// MaxHeadBytes bounds a request's line and headers; it is to be below the server's
	// MaxHeaderBytes, whose answer names no limit. 0 is DefaultMaxHeadBytes.
	MaxHeadBytes int
	// RateLimit is how many requests a second a caller may send, and twice as many,
	// but at least 20, at once. 0 is without bound.
	RateLimit int
	// ReadyTimeout is how long a readiness check may take. 0 is
	// DefaultReadyTimeout.
	ReadyTimeout time.Duration
	// MaxStreams bounds the streams of events that are open at once; one more gets
	// 503. 0 is DefaultMaxStreams.
	MaxStreams int
	// StreamKeepAlive is how long such a stream is silent at most. 0 is
	// DefaultStreamKeepAlive.
	StreamKeepAlive time.Duration
	// StreamWriteTimeout is how long a client may take to accept what a stream
	// sends; then it is cut off. 0 is DefaultStreamWriteTimeout.
	StreamWriteTimeout time.Duration
}

func (c Config) withDefaults() Config {
	c.MaxTaskBytes = orDefault(c.MaxTaskBytes, DefaultMaxTaskBytes)
	c.MaxBodyBytes = orDefault(c.MaxBodyBytes, DefaultMaxBodyBytes)
	c.MaxBufferedBytes = max(orDefault(c.MaxBufferedBytes, DefaultMaxBufferedBytes), c.MaxBodyBytes)
	c.MaxLogEntries = orDefault(c.MaxLogEntries, DefaultMaxLogEntries)
	c.MaxHeadBytes = orDefault(c.MaxHeadBytes, DefaultMaxHeadBytes)
	c.ReadyTimeout = orDefault(c.ReadyTimeout, DefaultReadyTimeout)
	c.MaxStreams = orDefault(c.MaxStreams, DefaultMaxStreams)
	c.StreamKeepAlive = orDefault(c.StreamKeepAlive, DefaultStreamKeepAlive)
	c.StreamWriteTimeout = orDefault(c.StreamWriteTimeout, DefaultStreamWriteTimeout)
	return c
}

func orDefault[T comparable](value, def T) T {
	var zero T
	if value == zero {
		return def
	}
	return value
}

// API is the HTTP API. It is safe for concurrent use, and has no goroutines.
type API struct {
	queue     QueueService
	fleet     FleetService
	logs      LogService
	readiness ReadinessProbe
	dashboard http.Handler // nil for none
	events    ports.TaskEventReader
	keys      func() apikey.Keys // nil asks for none
	metrics   http.Handler
	observers []RequestObserver
	intake    IntakeObserver
	keyed     KeyedCalls
	settings  wire.Settings
	traceID   func(context.Context) string // nil for none
	logger    *zap.Logger
	auditLog  *zap.Logger // nil writes none
	now       func() time.Time
	newID     func() uuid.UUID
	cfg       Config

	origins  http.CrossOriginProtection
	buffered budget
	streams  streams
	tries    tries
	limiter  *limiter // nil limits nothing
	router   *mux.Router
	paths    map[*mux.Route]string // of all routes, see routePath
	handler  http.Handler
}

// New returns the API of these services.
func New(deps Deps, cfg Config) *API {
	cfg = cfg.withDefaults()
	a := &API{
		queue: auditedQueue{deps.Queue}, fleet: deps.Fleet, logs: auditedLogs{deps.Logs}, readiness: deps.Readiness,
		keyed: deps.KeyedCalls, settings: deps.Settings,
		dashboard: deps.Dashboard, events: deps.Events,
		metrics: deps.Metrics, observers: deps.Observers, intake: deps.Intake, traceID: deps.TraceID,
		keys: deps.Keys, logger: deps.Logger, auditLog: deps.Audit, now: deps.Now, newID: deps.NewID,
		cfg: cfg, buffered: budget{limit: cfg.MaxBufferedBytes}, limiter: newLimiter(cfg.RateLimit),
		streams: streams{limit: cfg.MaxStreams, open: map[*stream]struct{}{}},
	}
	if a.logger == nil {
		a.logger = zap.NewNop()
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.newID == nil {
		a.newID = func() uuid.UUID { return uuid.Must(uuid.NewV7()) }
	}
	a.router = a.routes()
	a.router.Use(a.authorize, a.limitRate)
	a.paths = routePaths(a.router)
	a.handler = a.outer(cfg.AllowedHosts, a.router)
	return a
}

// Handler returns the handler of all routes.
func (a *API) Handler() http.Handler { return a.handler }

// outer puts around a handler what is done for every request, whichever it is.
func (a *API) outer(hosts []string, next http.Handler) http.Handler {
	return a.observe(a.audit(a.recoverPanics(a.guard(hosts, next))))
}

// OperationsHandler returns a handler of /metrics, /healthz and /readyz alone, for a
// server that does not offer the rest. The allowed hosts are those of its own, as in
// Config.AllowedHosts: it may be reached by other names than the API.
func (a *API) OperationsHandler(allowedHosts []string) http.Handler {
	some := a.outer(allowedHosts, a.router)
	none := a.observe(a.recoverPanics(a.guard(allowedHosts, a.router.NotFoundHandler)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case metricsPath, "/healthz", "/readyz":
			some.ServeHTTP(w, r)
		default:
			none.ServeHTTP(w, r)
		}
	})
}

// Paths of the API.
const (
	tasksPath     = "/api/v1/queue/tasks"
	taskPath      = tasksPath + "/{id:[^/:]+}"
	batchPath     = tasksPath + ":batch"
	statsPath     = "/api/v1/queue/stats"
	eventsPath    = "/api/v1/queue/events"
	queuesPath    = "/api/v1/queue/queues"
	queuePath     = queuesPath + "/{name:[^/:]+}"
	workersPath   = "/api/v1/queue/workers"
	historyPath   = "/api/v1/queue/history"
	logsPath      = "/api/v1/logs"
	logPath       = logsPath + "/{id:[^/:]+}"
	anomaliesPath = "/api/v1/anomalies"
	anomalyPath   = anomaliesPath + "/{id:[^/]+}"
	otlpPath      = "/v1/logs"
	lokiPath      = "/loki/api/v1/push"
	sessionPath   = "/api/v1/session"
	metricsPath   = "/metrics"
	settingsPath  = "/api/v1/settings"
)

func (a *API) routes() *mux.Router {
	// A path is taken as it came: cleaning would answer "//" and ".." with a
	// redirect, which turns a POST into a GET.
	r := mux.NewRouter().SkipClean(true)
	r.Use(a.noteRoute)
	get := []string{http.MethodGet, http.MethodHead}

	r.Handle(tasksPath, a.handle(a.createTask)).Methods(http.MethodPost)
	r.Handle(tasksPath, a.handle(a.listTasks, "status", "type", "queue", "created_after", "created_before", "limit", "cursor")).Methods(get...)
	r.Handle(batchPath, a.handle(a.createTasks)).Methods(http.MethodPost)
	r.Handle(taskPath, a.handle(a.getTask)).Methods(get...)
	r.Handle(taskPath, a.handle(a.deleteTask)).Methods(http.MethodDelete)
	r.Handle(taskPath+":retry", a.handle(a.changeTask(domain.TaskActionRetry, a.queue.RetryTask))).Methods(http.MethodPost)
	r.Handle(taskPath+":cancel", a.handle(a.changeTask(domain.TaskActionCancel, a.queue.CancelTask))).Methods(http.MethodPost)
	r.Handle(taskPath+":run", a.handle(a.changeTask(domain.TaskActionRun, a.queue.RunTaskNow))).Methods(http.MethodPost)
	for _, action := range domain.TaskActions() {
		r.Handle(tasksPath+":"+action.String(), a.handle(a.changeTasks(action))).Methods(http.MethodPost)
	}
	r.Handle(statsPath, a.handle(a.getStats)).Methods(get...)
	if a.events != nil {
		r.Handle(eventsPath, a.handle(a.streamEvents, "status", "type", "queue", "task_id")).Methods(get...)
	}
	r.Handle(queuesPath, a.handle(a.listQueues)).Methods(get...)
	r.Handle(queuePath+":pause", a.handle(a.changeQueue(FleetService.PauseQueue))).Methods(http.MethodPost)
	r.Handle(queuePath+":resume", a.handle(a.changeQueue(FleetService.ResumeQueue))).Methods(http.MethodPost)
	r.Handle(workersPath, a.handle(a.listWorkers)).Methods(get...)
	r.Handle(historyPath, a.handle(a.getHistory, "minutes")).Methods(get...)

	r.Handle(logsPath, a.handle(a.createLogs, logParams...)).Methods(http.MethodPost)
	r.Handle(logsPath, a.handle(a.listLogs, "from", "to", "level", "source", "text", "limit", "cursor")).Methods(get...)
	r.Handle(logPath, a.handle(a.getLog)).Methods(get...)
	r.Handle(anomaliesPath, a.handle(a.listAnomalies, "severity", "kind", "source", "id", "text", "from", "to", "limit", "cursor")).Methods(get...)
	r.Handle(anomalyPath, a.handle(a.getAnomaly)).Methods(get...)
	r.Handle(anomalyPath+"/logs", a.handle(a.listAnomalyLogs, "limit", "cursor")).Methods(get...)

	r.Handle(sessionPath, a.handle(a.getSession)).Methods(get...)
	r.Handle(sessionPath, a.handle(a.signIn)).Methods(http.MethodPost)
	r.Handle(sessionPath, a.handle(a.signOut)).Methods(http.MethodDelete)

	r.Handle(settingsPath, a.handle(a.getSettings)).Methods(get...)

	r.Handle(otlpPath, a.speak(otlpFailure, a.pushOTLP)).Methods(http.MethodPost)
	r.Handle(lokiPath, a.speak(lokiFailure, a.pushLoki)).Methods(http.MethodPost)
	r.HandleFunc("/ready", a.lokiReady).Methods(get...)
	a.elasticRoutes(r)
	a.dashboardRoutes(r)

	r.Handle(problemsPath, a.handle(a.listProblems)).Methods(get...)
	r.Handle(problemsPath+"/{name:[a-z-]+}", a.handle(a.getProblem)).Methods(get...)

	r.HandleFunc("/healthz", a.healthz).Methods(get...)
	r.HandleFunc("/readyz", a.readyz).Methods(get...)
	if a.metrics != nil {
		r.Handle(metricsPath, a.metrics).Methods(get...)
	}
	r.Handle("/openapi.json", a.handle(a.getOpenAPI)).Methods(get...)
	r.Handle("/docs", a.handle(a.getDocs)).Methods(get...)
	r.Handle("/docs/{asset:[^/]+}", a.handle(a.getDocsAsset)).Methods(get...)

	r.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		a.fail(w, req, errNoRoute)
	})
	r.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Allow", strings.Join(a.allowed(req), ", "))
		a.fail(w, req, errMethod)
	})
	return r
}

// handle makes a handler of a function whose error is answered as a problem. The
// query may hold these parameters, once each, and no others.
func (a *API) handle(f func(http.ResponseWriter, *http.Request) error, params ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := checkQuery(r, params)
		if err == nil {
			err = f(w, r)
		}
		if err != nil {
			a.fail(w, r, err)
		}
	})
}

// speak makes a handler of a function whose error is answered in the dialect of a
// protocol. The query may hold anything: clients put options into it.
func (a *API) speak(answer dialect, f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			a.failIn(answer, w, r, err)
		}
	})
}

// allowed returns the methods that the path of the request has.
func (a *API) allowed(r *http.Request) []string {
	var out []string
	probe := r.Clone(r.Context())
	for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut} {
		probe.Method = method
		if match := (mux.RouteMatch{}); a.router.Match(probe, &match) && match.MatchErr == nil {
			out = append(out, method)
		}
	}
	return out
}

// pathID reads the id of the path.
func pathID(r *http.Request) (uuid.UUID, error) { return parseID("id", mux.Vars(r)["id"]) }
