// Package oteltrace makes OpenTelemetry traces of the system's work, and sends them
// by OTLP/HTTP.
//
// One trace goes from a request to the API ([Tracing.BeginRequest], which honours the
// traceparent of W3C Trace Context) through the queue ([Tracing.Queue], by
// domain.Task.TraceParent) to the run in whatever process ([Tracing.Processor]), its
// calls to the store ([Tracing.Logs]), the analysis ([Tracing.Analyzer]) and the
// requests to an AI service ([Tracing.BeginAICall]). A service that is called is not
// told of the trace. Every attempt of a task is in the trace that the task was
// enqueued in; a batch of log entries is in that of the request that began it.
//
// Calls to the store are traced within a trace only: the polling and the maintenance
// of the queue begin none.
//
// Spans follow the semantic conventions of OpenTelemetry for HTTP, messaging and
// generative AI. No attribute holds a payload, a log line, a result or the text of an
// error: of errors the kind is told.
package oteltrace
