package httpapi

import (
	"net/http"

	"github.com/gorilla/mux"

	"logsift/adapters/httpapi/wire"
)

// elasticVersion is the version of Elasticsearch that clients are told: the last
// one that both they of version 8 and of version 9 speak to.
const elasticVersion = "8.19.0"

// elasticRoutes adds what Elasticsearch's clients ask for before they send: who is
// there, its licence and health, and whether templates, policies and pipelines are
// in place. There are none, so any that a client brings is acknowledged.
func (a *API) elasticRoutes(r *mux.Router) {
	bulk := a.speak(elasticFailure, a.bulk)
	writes := []string{http.MethodPost, http.MethodPut}
	r.Handle("/_bulk", bulk).Methods(writes...)
	r.Handle("/{index:[^/]+}/_bulk", bulk).Methods(writes...)

	for _, path := range []string{"/_refresh", "/{index:[^/]+}/_refresh"} {
		r.Handle(path, elasticStub(map[string]any{"_shards": bulkShards{Total: 1, Successful: 1}})).Methods(http.MethodGet, http.MethodPost)
	}

	reads := []string{http.MethodGet, http.MethodHead}
	r.Handle("/", elasticStub(map[string]any{
		"name": "logsift", "cluster_name": "logsift", "cluster_uuid": "logsift",
		"version": map[string]string{"number": elasticVersion, "build_flavor": "default"},
		"tagline": "You Know, for Search",
	})).Methods(reads...).MatcherFunc(noBrowser)
	r.Handle("/_license", elasticStub(map[string]any{
		"license": map[string]any{"status": "active", "uid": "logsift", "type": "basic"},
	})).Methods(reads...)
	health := map[string]any{"cluster_name": "logsift", "status": "green", "timed_out": false, "number_of_nodes": 1, "number_of_data_nodes": 1}
	r.Handle("/_cluster/health", elasticStub(health)).Methods(reads...)
	r.Handle("/_cat/health", elasticStub([]any{map[string]any{"cluster": "logsift", "status": "green"}})).Methods(reads...)
	for _, prefix := range []string{"/_ilm/policy", "/_index_template", "/_component_template", "/_template", "/_data_stream", "/_ingest", "/_nodes", "/_logstash"} {
		r.PathPrefix(prefix).Handler(elasticStub(map[string]any{})).Methods(reads...)
		r.PathPrefix(prefix).Handler(elasticStub(map[string]any{"acknowledged": true})).Methods(writes...)
	}
}

// noBrowser keeps the root path free of Elasticsearch for people.
func noBrowser(r *http.Request, m *mux.RouteMatch) bool { return !browser(r, m) }

func elasticStub(answer any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := writeElastic(w, http.StatusOK, answer); err != nil {
			panic(err) // the answers are of strings and numbers
		}
	})
}

// writeElastic answers with JSON, and with the header by which clients tell
// Elasticsearch from others.
func writeElastic(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	return writeJSON(w, status, v)
}

// elasticCause is what Elasticsearch says of an error.
type elasticCause struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
}

// elasticTypes are Elasticsearch's names of errors by their status.
var elasticTypes = map[int]string{
	http.StatusBadRequest: "illegal_argument_exception", http.StatusRequestEntityTooLarge: "content_too_long_exception",
	http.StatusUnsupportedMediaType: "media_type_header_exception", http.StatusTooManyRequests: "es_rejected_execution_exception",
	http.StatusServiceUnavailable: "cluster_block_exception", http.StatusUnauthorized: "security_exception", http.StatusForbidden: "security_exception",
}

// elasticFailure answers as Elasticsearch does.
func elasticFailure(w http.ResponseWriter, _ *http.Request, p wire.Problem) {
	status := retryable(p.Status)
	cause := elasticCause{Type: orDefault(elasticTypes[status], "exception"), Reason: orDefault(p.Detail, p.Title)}
	answer := struct {
		Error struct {
			RootCause []elasticCause `json:"root_cause"`
			elasticCause
		} `json:"error"`
		Status int `json:"status"`
	}{Status: status}
	answer.Error.RootCause, answer.Error.elasticCause = []elasticCause{cause}, cause
	if err := writeElastic(w, status, answer); err != nil {
		panic(err) // strings and a number always marshal
	}
}
