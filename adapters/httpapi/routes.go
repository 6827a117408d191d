package httpapi

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/auth"
	"logsift/adapters/httpapi/ingest"
	"logsift/adapters/httpapi/openapi"
	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
	"logsift/domain"
)

// route is a row of the table of routes, the one place that says what paths the API has
// and who may do what.
type route struct {
	methods []string
	// path is the pattern that mux matches, name the same with its variables by name
	// only: /tasks/{id} for /tasks/{id:[^/:]+}. The table has the path alone.
	path, name string
	// prefix is whether the route has every path that begins so.
	prefix bool
	// when selects among requests for the path; nil takes all.
	when func(*http.Request) bool
	// off is whether this API does without the route.
	off bool

	serve handlerFunc
	// query are the parameters that the query may hold, once each, and no others.
	query []string
	// anyQuery is whether the query may hold anything: clients put options into it.
	anyQuery bool
	// protocol is what the route's clients speak; zero is that of the API.
	protocol protocol

	// role is the least role of the caller. public is whether the route asks for none; one
	// that has neither is refused to everybody.
	role   apikey.Role
	public bool
	// action names for the audit log what the route changes, "" if it changes nothing.
	action string
}

// protocol is what the clients of a route speak.
type protocol struct {
	// fail answers with an error; nil answers with a problem.
	fail    problem.Format
	answers openapi.Protocol
}

// Protocols of log shippers.
var (
	otlp          = protocol{ingest.OTLPFailure, openapi.OTLP}
	loki          = protocol{ingest.LokiFailure, openapi.Loki}
	elasticsearch = protocol{ingest.ElasticFailure, openapi.Elasticsearch}
)

// handlerFunc answers a request. An error means that nothing was written.
type handlerFunc func(http.ResponseWriter, *http.Request) error

// Methods of routes. A HEAD is answered as its GET is, without the body.
var (
	get    = []string{http.MethodGet, http.MethodHead}
	post   = []string{http.MethodPost}
	remove = []string{http.MethodDelete}
	put    = []string{http.MethodPut}
	writes = []string{http.MethodPost, http.MethodPut}
)

// Paths that are named elsewhere too.
const (
	tasksPath   = "/api/v1/queue/tasks"
	metricsPath = "/metrics"
	healthPath  = "/healthz"
	readyPath   = "/readyz"
)

// table returns the table of routes. A route that comes first is looked at first.
func (a *API) table() []route {
	rows := slices.Concat(a.taskRoutes(), a.workerRoutes(), a.logRoutes(), a.elasticRoutes(), a.pageRoutes())
	for i := range rows {
		rows[i].name = variable.ReplaceAllString(rows[i].path, "{$1}")
	}
	return rows
}

// variable is a variable of a path with its pattern.
var variable = regexp.MustCompile(`\{(\w+):[^{}]+\}`)

func (a *API) taskRoutes() []route {
	const task, queues = tasksPath + "/{id:[^/:]+}", "/api/v1/queue/queues"
	rows := []route{
		{methods: post, path: tasksPath, serve: a.createTask, role: apikey.Write, action: "task.create"},
		{methods: get, path: tasksPath, serve: a.listTasks, role: apikey.Read, query: []string{"status", "type", "queue", "tag", "reason", "created_after", "created_before", "limit", "cursor"}},
		{methods: post, path: tasksPath + ":batch", serve: a.createTasks, role: apikey.Write, action: "task.create"},
		{methods: get, path: task, serve: a.getTask, role: apikey.Read, query: []string{"wait"}},
		{methods: get, path: task + "/logs", serve: a.listTaskLog, role: apikey.Read, query: []string{"limit", "cursor"}},
		{methods: remove, path: task, serve: a.deleteTask, role: apikey.Admin, action: "task.delete"},
		{methods: post, path: task + ":retry", serve: a.changeTask(domain.TaskActionRetry, QueueService.RetryTask), role: apikey.Write, action: "task.retry"},
		{methods: post, path: task + ":cancel", serve: a.changeTask(domain.TaskActionCancel, QueueService.CancelTask), role: apikey.Write, action: "task.cancel"},
		{methods: post, path: task + ":run", serve: a.changeTask(domain.TaskActionRun, QueueService.RunTaskNow), role: apikey.Write, action: "task.run"},
	}
	for _, action := range domain.TaskActions() {
		rows = append(rows, route{methods: post, path: tasksPath + ":" + action.String(), serve: a.changeTasks(action), role: apikey.Admin, action: "task." + action.String()})
	}
	rows = append(rows, a.scheduleRoutes()...)
	rows = append(rows, a.limitRoutes()...)
	rows = append(rows, a.workflowRoutes()...)
	return append(rows,
		route{methods: get, path: "/api/v1/queue/stats", serve: a.getStats, role: apikey.Read},
		route{methods: get, path: "/api/v1/queue/events", off: a.events == nil, serve: a.streamEvents, role: apikey.Read, query: []string{"status", "type", "queue", "tag", "task_id"}},
		route{methods: get, path: queues, serve: a.listQueues, role: apikey.Read},
		route{methods: post, path: queues + "/{name:[^/:]+}:pause", serve: a.changeQueue(OperationsService.PauseQueue), role: apikey.Admin, action: "queue.pause"},
		route{methods: post, path: queues + "/{name:[^/:]+}:resume", serve: a.changeQueue(OperationsService.ResumeQueue), role: apikey.Admin, action: "queue.resume"},
		route{methods: get, path: "/api/v1/queue/workers", serve: a.listWorkers, role: apikey.Read},
		route{methods: get, path: "/api/v1/queue/history", serve: a.getHistory, role: apikey.Read, query: []string{"minutes"}},
	)
}

// workerRoutes are for workers of other programs.
func (a *API) workerRoutes() []route {
	const tasks = "/api/v1/worker/tasks"
	off := a.workers == nil
	return []route{
		{methods: post, path: tasks + ":claim", off: off, serve: a.claimTasks, role: apikey.Worker, action: auth.ActionWork + "claim"},
		{methods: post, path: tasks + ":heartbeat", off: off, serve: a.extendLeases, role: apikey.Worker, action: auth.ActionWork + "heartbeat"},
		{methods: post, path: tasks + ":report", off: off, serve: a.reportRuns, role: apikey.Worker, action: auth.ActionWork + "report"},
		{methods: post, path: tasks + ":release", off: off, serve: a.releaseTasks, role: apikey.Worker, action: auth.ActionWork + "release"},
	}
}

func (a *API) scheduleRoutes() []route {
	const schedules, schedule = "/api/v1/queue/schedules", "/api/v1/queue/schedules/{name:[^/:]+}"
	off := a.schedules == nil
	return []route{
		{methods: get, path: schedules, off: off, serve: a.listSchedules, role: apikey.Read, query: []string{"limit", "cursor"}},
		{methods: get, path: schedule, off: off, serve: a.getSchedule, role: apikey.Read},
		{methods: put, path: schedule, off: off, serve: a.put(a.putSchedule), role: apikey.Admin, action: "schedule.set"},
		{methods: remove, path: schedule, off: off, serve: a.deleteSchedule, role: apikey.Admin, action: "schedule.delete"},
		{methods: post, path: schedule + ":pause", off: off, serve: a.changeSchedule(ScheduleService.PauseSchedule), role: apikey.Admin, action: "schedule.pause"},
		{methods: post, path: schedule + ":resume", off: off, serve: a.changeSchedule(ScheduleService.ResumeSchedule), role: apikey.Admin, action: "schedule.resume"},
		{methods: post, path: schedule + ":run", off: off, serve: a.runSchedule, role: apikey.Admin, action: "schedule.run"},
	}
}

func (a *API) workflowRoutes() []route {
	const workflow, predecessors = workflowsPath + "/{id:[^/:]+}", "/tasks/{id:[^/:]+}/predecessors"
	off := a.workflows == nil
	page := []string{"limit", "cursor"}
	return []route{
		{methods: post, path: workflowsPath, off: off, serve: a.createWorkflow, role: apikey.Write, action: "workflow.create"},
		{methods: get, path: workflowsPath, off: off, serve: a.listWorkflows, role: apikey.Read, query: page},
		{methods: get, path: workflow, off: off, serve: a.getWorkflow, role: apikey.Read, query: page},
		{methods: post, path: workflow + ":cancel", off: off, serve: a.changeWorkflow(WorkflowService.CancelWorkflow), role: apikey.Write, action: "workflow.cancel"},
		{methods: post, path: workflow + ":retry", off: off, serve: a.changeWorkflow(WorkflowService.RetryWorkflow), role: apikey.Write, action: "workflow.retry"},
		{methods: get, path: "/api/v1/queue" + predecessors, off: off, serve: a.listPredecessors, role: apikey.Read, query: page},
		{methods: get, path: "/api/v1/worker" + predecessors, off: off || a.workers == nil, serve: a.listHeldPredecessors, role: apikey.Worker, query: append(page, "lease")},
	}
}

func (a *API) limitRoutes() []route {
	const limits, limit = "/api/v1/queue/limits", "/api/v1/queue/limits/{name:[^/:]+}"
	off := a.limits == nil
	return []route{
		{methods: get, path: limits, off: off, serve: a.listLimits, role: apikey.Read},
		{methods: get, path: limit, off: off, serve: a.getLimit, role: apikey.Read},
		{methods: put, path: limit, off: off, serve: a.put(a.putLimit), role: apikey.Admin, action: "limit.set"},
		{methods: remove, path: limit, off: off, serve: a.deleteLimit, role: apikey.Admin, action: "limit.delete"},
	}
}

func (a *API) logRoutes() []route {
	const logs, anomalies, anomaly = "/api/v1/logs", "/api/v1/anomalies", "/api/v1/anomalies/{id:[^/]+}"
	return []route{
		{methods: post, path: logs, serve: a.ingest.Create, role: apikey.Ingest, action: auth.ActionIngest, query: ingest.LogParams},
		{methods: get, path: logs, serve: a.listLogs, role: apikey.Read, query: []string{"from", "to", "level", "source", "text", "limit", "cursor"}},
		{methods: get, path: logs + "/{id:[^/:]+}", serve: a.getLog, role: apikey.Read},
		{methods: get, path: anomalies, serve: a.listAnomalies, role: apikey.Read, query: []string{"severity", "kind", "source", "id", "text", "from", "to", "limit", "cursor"}},
		{methods: get, path: anomaly, serve: a.getAnomaly, role: apikey.Read},
		{methods: get, path: anomaly + "/logs", serve: a.listAnomalyLogs, role: apikey.Read, query: []string{"limit", "cursor"}},

		{methods: post, path: "/v1/logs", serve: a.ingest.OTLP, role: apikey.Ingest, action: auth.ActionIngest, anyQuery: true, protocol: otlp},
		{methods: post, path: "/loki/api/v1/push", serve: a.ingest.Loki, role: apikey.Ingest, action: auth.ActionIngest, anyQuery: true, protocol: loki},
		{methods: get, path: "/ready", serve: ingest.LokiReady, role: apikey.AnyRole, anyQuery: true, protocol: loki},
	}
}

// elasticRoutes are what Elasticsearch's clients send logs by, and what they ask for
// before: who is there, its licence and health, and whether templates, policies and
// pipelines are in place. There are none, so any that a client brings is acknowledged,
// and nothing of it is kept.
func (a *API) elasticRoutes() []route {
	rows := []route{
		{methods: get, path: "/", when: noBrowser, public: true, serve: ingest.ElasticRoot},
		{methods: get, path: "/_license", serve: ingest.ElasticLicense, role: apikey.AnyRole},
		{methods: get, path: "/_cluster/health", serve: ingest.ElasticHealth, role: apikey.AnyRole},
		{methods: get, path: "/_cat/health", serve: ingest.ElasticCatHealth, role: apikey.AnyRole},
	}
	for _, index := range []string{"", "/{index:[^/]+}"} {
		rows = append(rows,
			route{methods: writes, path: index + "/_bulk", serve: a.ingest.ElasticBulk, role: apikey.Ingest, action: auth.ActionIngest},
			route{methods: get, path: index + "/_refresh", serve: ingest.ElasticRefresh, role: apikey.AnyRole},
			route{methods: post, path: index + "/_refresh", serve: ingest.ElasticRefresh, role: apikey.Ingest, action: "elasticsearch.refresh"},
		)
	}
	for _, prefix := range []string{"/_ilm/policy", "/_index_template", "/_component_template", "/_template", "/_data_stream", "/_ingest", "/_nodes", "/_logstash"} {
		rows = append(rows,
			route{methods: get, path: prefix, prefix: true, serve: ingest.ElasticNothing, role: apikey.AnyRole},
			route{methods: writes, path: prefix, prefix: true, serve: ingest.ElasticAcknowledged, role: apikey.Ingest, action: "elasticsearch.setup"},
		)
	}
	for i := range rows {
		rows[i].anyQuery, rows[i].protocol = true, elasticsearch
	}
	return rows
}

// pageRoutes are for people and for those who operate the server. The dashboard shares
// the root path with what Elasticsearch's clients ask for, told apart by what is accepted.
func (a *API) pageRoutes() []route {
	const session = "/api/v1/session"
	return []route{
		{methods: get, path: session, public: true, serve: a.auth.GetSession},
		{methods: post, path: session, public: true, serve: a.auth.SignIn, action: "session.create"},
		{methods: remove, path: session, public: true, serve: a.auth.SignOut, action: "session.delete"},
		{methods: get, path: "/api/v1/settings", serve: a.getSettings, role: apikey.Admin},

		{methods: get, path: "/", when: browser, off: a.dashboard == nil, public: true, serve: pass(a.dashboard), anyQuery: true},
		{methods: get, path: "/ui", off: a.dashboard == nil, public: true, serve: pass(a.dashboard), anyQuery: true},
		{methods: get, path: "/ui/", prefix: true, off: a.dashboard == nil, public: true, serve: pass(a.dashboard), anyQuery: true},

		{methods: get, path: problem.Path, public: true, serve: explainProblems},
		{methods: get, path: problem.Path + "/{name:[a-z-]+}", public: true, serve: explainProblems},
		{methods: get, path: "/openapi.json", public: true, serve: a.getOpenAPI},
		{methods: get, path: "/docs", public: true, serve: a.getDocs},
		{methods: get, path: "/docs/{asset:[^/]+}", public: true, serve: a.getDocsAsset},

		{methods: get, path: healthPath, public: true, serve: a.healthz, anyQuery: true},
		{methods: get, path: readyPath, public: true, serve: a.readyz, anyQuery: true},
		{methods: get, path: metricsPath, off: a.metrics == nil, serve: pass(a.metrics), role: apikey.Read, anyQuery: true},
	}
}

func explainProblems(w http.ResponseWriter, r *http.Request) error {
	return problem.Explain(w, r, mux.Vars(r)["name"])
}

// browser tells people, whose browsers ask for HTML, from clients.
func browser(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

func noBrowser(r *http.Request) bool { return !browser(r) }

// pass leaves requests to a handler that answers them all by itself.
func pass(h http.Handler) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	}
}

// newRouter makes a router of the table.
func (a *API) newRouter() *mux.Router {
	// A path is taken as it came: cleaning would answer "//" and ".." with a
	// redirect, which turns a POST into a GET.
	r := mux.NewRouter().SkipClean(true)
	a.rows = map[*mux.Route]*route{}
	for _, row := range a.table() {
		if row.off {
			continue
		}
		to := r.NewRoute()
		if row.prefix {
			to.PathPrefix(row.path)
		} else {
			to.Path(row.path)
		}
		// mux writes into the slice that it is given, and routers share the table.
		to.Methods(slices.Clone(row.methods)...).Handler(a.handle(&row))
		if row.when != nil {
			to.MatcherFunc(func(r *http.Request, _ *mux.RouteMatch) bool { return row.when(r) })
		}
		a.rows[to] = &row
	}
	r.Use(a.noteRoute, a.authorize, a.limitRate)
	r.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		a.problems.Fail(w, req, problem.ErrNoRoute)
	})
	r.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Allow", strings.Join(a.allowed(req), ", "))
		a.problems.Fail(w, req, problem.ErrMethod)
	})
	return r
}

// rowOf returns the row of the route that takes a request, nil for a route that is not
// of the table.
func (a *API) rowOf(r *http.Request) *route { return a.rows[mux.CurrentRoute(r)] }

// handle makes the handler of a route.
func (a *API) handle(row *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if !row.anyQuery {
			err = request.CheckQuery(r, row.query)
		}
		if err == nil {
			err = row.serve(w, r)
		}
		if err != nil {
			a.problems.FailIn(row.protocol.fail, w, r, err)
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
