// Package httpapi serves logsift over HTTP: the task queue, logs and anomalies
// under /api/v1, and the health of the process. The JSON is in package wire.
//
// # Rooms
//
// This package has the routes ([API]; their table is routes.go) and a file for each
// resource. What a request passes on its way has a package of its own: server takes its
// connection, request reads it, auth knows who sent it, ingest takes in logs in the protocols of
// shippers, problem answers what failed. Imports run from wire by problem and request to
// auth and ingest, and from these to here.
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
// process dies between a change and its answer, the key is free again within 15
// seconds: a repeat makes no second task, and is answered by the state that the first left.
//
// One task and one anomaly have strong entity tags. If-None-Match gets 304 for the
// version that the client has; a change of one task with If-Match is refused with 412
// if the task is another version by then (RFC 9110, section 13). That check comes just
// before the change, not in one step with it, see package request. A repeat by its
// Idempotency-Key is given the first answer, whatever the version is by then.
//
// Bodies are bounded, on the wire and after decompression (gzip, zstd and snappy
// are understood), and so is the memory that all of them hold together.
//
// # Log shippers
//
// Logs are also taken as shippers send them, by OTLP, Loki and Elasticsearch: see package
// ingest. Unknown fields and query parameters are passed over there, and errors have the
// protocol's own format.
//
// # Events
//
// /api/v1/queue/events is a stream of server-sent events: the steps of tasks that
// any process makes, fed by the store. Each stream reads the store at its own pace
// and holds one page at most, so that a client which is slow, or does not read at
// all, holds up neither the queue nor other clients: it is cut off, or told that it
// missed something. It comes back with the id of the last event (Last-Event-ID), to
// any process, and misses nothing for a minute. [API.Close] ends streams.
//
// # Errors
//
// Every error of the API is an RFC 9457 problem with a stable type; the one table from
// errors to problems is in package problem. An error that is not in it is a 500
// without detail, logged with the request id that the client got.
//
// # Safety
//
// With API keys, each route needs a role, which stands in the table of routes; without
// keys, everybody may do everything: then listen on the loopback address. Requests that a
// browser makes for another site are refused on unsafe methods, no CORS headers are sent,
// and Config.AllowedHosts keeps other names away from a server on the loopback address
// (DNS rebinding). GET and HEAD change nothing.
package httpapi
