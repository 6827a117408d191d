// Package oteltrace makes OpenTelemetry traces of the system's work, and sends them
// by OTLP/HTTP.
//
// One trace goes from a request to the API ([Tracing.BeginRequest], which honours the
// traceparent of W3C Trace Context) through the queue ([Tracing.TraceParent]) to the
// run in whatever process, its calls to the store, the analysis and the requests to an
// AI service ([Tracing.Begin] and [Tracing.End]). A service that is called does
// not learn of the trace. Every attempt of a task is in the trace that the task was
// enqueued in; a batch of log entries is in the trace of the request that began it.
//
// Calls to the store never begin a trace, so that polling and maintenance make none.
//
// Spans follow the semantic conventions of OpenTelemetry for HTTP, messaging and
// generative AI. No attribute holds a payload, a log line, a result or the text of an
// error: of an error it holds the kind.
package oteltrace
