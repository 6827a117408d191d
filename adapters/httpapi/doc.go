// Package httpapi serves logsift over HTTP: the task queue, logs and anomalies
// under /api/v1, and the health of the process. The JSON is in package wire.
//
// # Requests
//
// What is not understood is refused, never ignored: unknown fields, fields given
// twice or in another case, wrong types, unknown or repeated query parameters,
// other content types. A refused request has changed nothing. Log entries are
// the exception, since they come as they are: their unknown fields are kept, and
// a broken line is rejected without the others.
//
// What changes tasks by POST is carried out once for each Idempotency-Key, by which a
// client repeats a request whose answer it did not get. The first answer is kept for
// 24 hours, by all processes together, and given again with Idempotency-Replayed:
// true; another request with the key is refused with 422, and one whose first has no
// answer yet with 409. Keys count for a caller, a method and a path. Refusals that
// the client can mend, and what passes by itself (429, 5xx), are not kept. If a
// process dies between a change and its answer, the key is free again within a
// minute: a repeat makes no second task, but is told of the state that the first left.
//
// One task and one anomaly have strong entity tags. If-None-Match gets 304 for the
// version that the client has; a change of one task with If-Match is refused with 412
// if the task is another version by then (RFC 9110, section 13). That check comes just
// before the change, not in one step with it, see conditional.go. A repeat by its
// Idempotency-Key is given the first answer, whatever the version is by then.
//
// Bodies are bounded, on the wire and after decompression (gzip, zstd and snappy
// are understood), and so is the memory that all of them hold together.
//
// # Log shippers
//
// Logs are also taken as shippers send them: by OTLP/HTTP at /v1/logs, as a push to
// Loki at /loki/api/v1/push, and as a bulk request to Elasticsearch at /_bulk and
// /{index}/_bulk, with what clients of these ask for beside it. There, unknown
// fields and query parameters are passed over, as the protocols want it, and errors
// are told in the protocol's own words. What is accepted is stored before the
// answer, whatever the form, and its analysis is scheduled.
//
// An entry that is sent again, because the answer was lost, is known by its id and
// not stored twice, where something tells that it is the same: an Idempotency-Key,
// the _id of a document, the log.record.uid of an OTLP record or the time that it
// was seen with its contents, the time and contents of a line for Loki. See
// log_id.go.
//
// # Events
//
// /api/v1/queue/events is a stream of server-sent events: the steps of tasks that
// any process makes, fed by the store. Each stream reads the store at its own pace
// and holds one page at most, so that a client which is slow, or does not read at
// all, holds up neither the queue nor other clients: it is cut off, or told that it
// missed something. It comes back with the id of the last event (Last-Event-ID), to
// any process, and misses nothing for a minute. [API.EndStreams] ends streams.
//
// # Errors
//
// Every error of the API is an RFC 9457 problem with a stable type; the one table from
// errors to problems is in problem.go. An error that is not in it is a 500
// without detail, logged with the request id that the client got.
//
// # Safety
//
// There is no authentication: listen on the loopback address, or behind a proxy
// that has it. Requests that a browser makes for another site are refused on
// unsafe methods, no CORS headers are sent, and Config.AllowedHosts keeps other
// names away from a server on the loopback address (DNS rebinding). GET and HEAD
// change nothing.
package httpapi
