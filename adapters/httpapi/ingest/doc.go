// Package ingest takes in logs: as they are posted to the API itself (logs.go), by
// OTLP/HTTP (otlp.go), as a push to Loki (loki.go), and as a bulk request to
// Elasticsearch (elastic_bulk.go), with what clients of these ask for beside it.
//
// A receiver gathers the entries of one body. A line that breaks a rule is rejected
// without the others, unknown fields become attributes, and errors are answered in the
// protocol's own format. What is accepted is stored before the answer, whatever the form,
// and its analysis is scheduled.
//
// An entry that is sent again, because the answer was lost, has the id of the first one
// and is not stored twice, see id.go.
package ingest
