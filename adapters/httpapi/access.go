package httpapi

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"logsift/adapters/httpapi/apikey"
)

// access is what a route asks of its caller, and how it is told in the audit log.
type access struct {
	// role is the least role; 0 for a route that is open to everybody.
	role apikey.Role
	// action names what a route changes, "" if it changes nothing.
	action string
	// intake is whether it takes in logs, as shippers do all the time.
	intake bool
	// refusal answers in the words of the route's clients; nil is a problem.
	refusal dialect
}

func public() access { return access{} }
func read() access   { return access{role: apikey.Read} }

func change(role apikey.Role, action string) access { return access{role: role, action: action} }

// ships is the access of a protocol by which shippers send logs.
func ships(answer dialect) access {
	return access{role: apikey.Write, action: "logs.create", intake: true, refusal: answer}
}

// elastic is the access of what Elasticsearch's clients ask for beside.
func elastic(role apikey.Role, action string) access {
	return access{role: role, action: action, refusal: elasticFailure}
}

// accessTable has each route of the API by its method and path, HEAD being GET. It
// is the one place that says who may do what: a route that is not here is refused
// to everybody.
var accessTable = map[string]access{
	"GET /healthz":           public(),
	"GET /readyz":            public(),
	"GET /problems":          public(),
	"GET /problems/{name}":   public(),
	"GET /openapi.json":      public(),
	"GET /docs":              public(),
	"GET /docs/{asset}":      public(),
	"GET /":                  public(), // the dashboard's page, or that this is an Elasticsearch
	"GET /ui":                public(),
	"GET /ui/":               public(),
	"GET /api/v1/session":    public(),
	"POST /api/v1/session":   {action: "session.create"},
	"DELETE /api/v1/session": {action: "session.delete"},

	"GET /api/v1/queue/tasks":              read(),
	"POST /api/v1/queue/tasks":             change(apikey.Write, "task.create"),
	"POST /api/v1/queue/tasks:batch":       change(apikey.Write, "task.create"),
	"POST /api/v1/queue/tasks:retry":       change(apikey.Admin, "task.retry"),
	"POST /api/v1/queue/tasks:cancel":      change(apikey.Admin, "task.cancel"),
	"POST /api/v1/queue/tasks:run":         change(apikey.Admin, "task.run"),
	"POST /api/v1/queue/tasks:delete":      change(apikey.Admin, "task.delete"),
	"GET /api/v1/queue/tasks/{id}":         read(),
	"DELETE /api/v1/queue/tasks/{id}":      change(apikey.Admin, "task.delete"),
	"POST /api/v1/queue/tasks/{id}:retry":  change(apikey.Write, "task.retry"),
	"POST /api/v1/queue/tasks/{id}:cancel": change(apikey.Write, "task.cancel"),
	"POST /api/v1/queue/tasks/{id}:run":    change(apikey.Write, "task.run"),

	"GET /api/v1/queue/stats":                 read(),
	"GET /api/v1/queue/events":                read(),
	"GET /api/v1/queue/history":               read(),
	"GET /api/v1/queue/workers":               read(),
	"GET /api/v1/queue/queues":                read(),
	"POST /api/v1/queue/queues/{name}:pause":  change(apikey.Admin, "queue.pause"),
	"POST /api/v1/queue/queues/{name}:resume": change(apikey.Admin, "queue.resume"),
	"GET /api/v1/settings":                    {role: apikey.Admin},
	"GET /metrics":                            read(),

	"POST /api/v1/logs":               {role: apikey.Write, action: "logs.create", intake: true},
	"GET /api/v1/logs":                read(),
	"GET /api/v1/logs/{id}":           read(),
	"GET /api/v1/anomalies":           read(),
	"GET /api/v1/anomalies/{id}":      read(),
	"GET /api/v1/anomalies/{id}/logs": read(),

	"POST /v1/logs":          ships(otlpFailure),
	"POST /loki/api/v1/push": ships(lokiFailure),
	"GET /ready":             {role: apikey.Read, refusal: lokiFailure},
	"POST /_bulk":            ships(elasticFailure),
	"PUT /_bulk":             ships(elasticFailure),
	"POST /{index}/_bulk":    ships(elasticFailure),
	"PUT /{index}/_bulk":     ships(elasticFailure),

	"GET /_refresh":            elastic(apikey.Read, ""),
	"POST /_refresh":           elastic(apikey.Write, "elasticsearch.refresh"),
	"GET /{index}/_refresh":    elastic(apikey.Read, ""),
	"POST /{index}/_refresh":   elastic(apikey.Write, "elasticsearch.refresh"),
	"GET /_license":            elastic(apikey.Read, ""),
	"GET /_cluster/health":     elastic(apikey.Read, ""),
	"GET /_cat/health":         elastic(apikey.Read, ""),
	"GET /_ilm/policy":         elastic(apikey.Read, ""),
	"GET /_index_template":     elastic(apikey.Read, ""),
	"GET /_component_template": elastic(apikey.Read, ""),
	"GET /_template":           elastic(apikey.Read, ""),
	"GET /_data_stream":        elastic(apikey.Read, ""),
	"GET /_ingest":             elastic(apikey.Read, ""),
	"GET /_nodes":              elastic(apikey.Read, ""),
	"GET /_logstash":           elastic(apikey.Read, ""),
	// These acknowledge what a client brings, and keep nothing of it.
	"POST /_ilm/policy":         elastic(apikey.Write, "elasticsearch.setup"),
	"PUT /_ilm/policy":          elastic(apikey.Write, "elasticsearch.setup"),
	"POST /_index_template":     elastic(apikey.Write, "elasticsearch.setup"),
	"PUT /_index_template":      elastic(apikey.Write, "elasticsearch.setup"),
	"POST /_component_template": elastic(apikey.Write, "elasticsearch.setup"),
	"PUT /_component_template":  elastic(apikey.Write, "elasticsearch.setup"),
	"POST /_template":           elastic(apikey.Write, "elasticsearch.setup"),
	"PUT /_template":            elastic(apikey.Write, "elasticsearch.setup"),
	"POST /_data_stream":        elastic(apikey.Write, "elasticsearch.setup"),
	"PUT /_data_stream":         elastic(apikey.Write, "elasticsearch.setup"),
	"POST /_ingest":             elastic(apikey.Write, "elasticsearch.setup"),
	"PUT /_ingest":              elastic(apikey.Write, "elasticsearch.setup"),
	"POST /_nodes":              elastic(apikey.Write, "elasticsearch.setup"),
	"PUT /_nodes":               elastic(apikey.Write, "elasticsearch.setup"),
	"POST /_logstash":           elastic(apikey.Write, "elasticsearch.setup"),
	"PUT /_logstash":            elastic(apikey.Write, "elasticsearch.setup"),
}

// accessOf returns the path of a route and its access by one method; ok is false if
// it has none.
func (a *API) accessOf(route *mux.Route, method string) (path string, _ access, ok bool) {
	path = a.paths[route]
	out, ok := accessTable[accessMethod(method)+" "+path]
	return path, out, ok
}

// routePaths returns the paths of all routes of a router.
func routePaths(r *mux.Router) map[*mux.Route]string {
	out := map[*mux.Route]string{}
	err := r.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		out[route] = routePath(route)
		return nil
	})
	if err != nil {
		panic(err) // the function returns none
	}
	return out
}

func accessMethod(method string) string {
	if method == http.MethodHead {
		return http.MethodGet
	}
	return method
}

// routePath returns the path of a route with its variables by name only:
// /tasks/{id} for /tasks/{id:[^/:]+}.
func routePath(route *mux.Route) string {
	template, err := route.GetPathTemplate()
	if err != nil {
		return ""
	}
	var out strings.Builder
	depth, pattern := 0, false
	for _, c := range template {
		switch c {
		case '{':
			depth++
		case '}':
			depth--
			pattern = pattern && depth > 0
		case ':':
			pattern = pattern || depth == 1
		}
		if !pattern {
			out.WriteRune(c)
		}
	}
	return out.String()
}
