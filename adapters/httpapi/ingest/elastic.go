package ingest

import (
	"cmp"
	"net/http"

	"logsift/adapters/httpapi/wire"
)

// elasticVersion is the version of Elasticsearch that clients are told: the last
// one that both they of version 8 and of version 9 speak to.
const elasticVersion = "8.19.0"

// What clients ask for beside, and what they are told.
var (
	ElasticRoot = elasticStub(map[string]any{
		"name": "logsift", "cluster_name": "logsift", "cluster_uuid": "logsift",
		"version": map[string]string{"number": elasticVersion, "build_flavor": "default"},
		"tagline": "You Know, for Search",
	})
	ElasticLicense = elasticStub(map[string]any{
		"license": map[string]any{"status": "active", "uid": "logsift", "type": "basic"},
	})
	ElasticHealth = elasticStub(map[string]any{
		"cluster_name": "logsift", "status": "green", "timed_out": false, "number_of_nodes": 1, "number_of_data_nodes": 1,
	})
	ElasticCatHealth    = elasticStub([]any{map[string]any{"cluster": "logsift", "status": "green"}})
	ElasticRefresh      = elasticStub(map[string]any{"_shards": bulkShards{Total: 1, Successful: 1}})
	ElasticNothing      = elasticStub(map[string]any{})
	ElasticAcknowledged = elasticStub(map[string]any{"acknowledged": true})
)

func elasticStub(answer any) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error { return writeElastic(w, http.StatusOK, answer) }
}

// writeElastic answers with JSON, and with the header by which clients tell
// Elasticsearch from others.
func writeElastic(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	return wire.Write(w, status, v)
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

func elasticType(status int) string { return cmp.Or(elasticTypes[status], "exception") }

// ElasticFailure answers as Elasticsearch does.
func ElasticFailure(w http.ResponseWriter, _ *http.Request, p wire.Problem) {
	status := retryable(p.Status)
	cause := elasticCause{Type: elasticType(status), Reason: cmp.Or(p.Detail, p.Title)}
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
