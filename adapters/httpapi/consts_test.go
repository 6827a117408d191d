package httpapi_test

const (
	tasksPath     = "/api/v1/queue/tasks"
	batchPath     = "/api/v1/queue/tasks:batch"
	statsPath     = "/api/v1/queue/stats"
	logsPath      = "/api/v1/logs"
	anomaliesPath = "/api/v1/anomalies"
	sessionPath   = "/api/v1/session"
	otlpPath      = "/v1/logs"
	lokiPath      = "/loki/api/v1/push"

	plain  = "text/plain"
	ndjson = "application/x-ndjson"
)
