package oteltrace

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"logsift/domain"
	"logsift/ports"
)

// storeSpans names the spans of calls to the store. The polling and the maintenance of
// the queue have none.
var storeSpans = map[ports.Operation]string{
	ports.OpGetTask: "GetTask", ports.OpListTasks: "ListTasks", ports.OpGetQueueStats: "GetQueueStats",
	ports.OpDeleteTask: "DeleteTask", ports.OpRetryTask: "RetryTask", ports.OpCancelTask: "CancelTask", ports.OpRunTaskNow: "RunTaskNow",
	ports.OpSaveLogs: "SaveLogs", ports.OpCloseBatch: "CloseBatch", ports.OpListBatch: "ListBatch", ports.OpGetLogs: "GetLogs", ports.OpListLogs: "ListLogs",
	ports.OpSaveAnalysis: "SaveAnalysis", ports.OpGetAnalysis: "GetAnalysis", ports.OpListAnomalies: "ListAnomalies",
	// Documents were called states when these names came about.
	ports.OpLoadDocuments: "LoadStates", ports.OpSaveDocument: "SaveState",
}

// system is the system in spans about the queue.
var system = attribute.String("messaging.system", "logsift")

var _ ports.Observer = (*Tracing)(nil)

// traced reports whether a call is a span: calls to the store are only within a trace.
// It says the same of the context of the call itself.
func traced(ctx context.Context, op ports.Operation) bool {
	switch op {
	case ports.OpProcess, ports.OpAnalyze, ports.OpChat:
		return true
	case ports.OpEnqueue:
		return inTrace(ctx)
	default:
		return storeSpans[op] != "" && inTrace(ctx)
	}
}

// inTrace reports whether ctx is part of a trace.
func inTrace(ctx context.Context) bool { return trace.SpanContextFromContext(ctx).IsValid() }

// Begin begins the span of a call. The run of a task is in the trace that the task was
// enqueued in. An AI service is not told of the trace.
func (t *Tracing) Begin(ctx context.Context, c ports.Call) context.Context {
	if !traced(ctx, c.Op) {
		return ctx
	}
	var kind trace.SpanKind
	var name string
	var attributes []attribute.KeyValue
	switch c.Op {
	case ports.OpEnqueue:
		kind = trace.SpanKindProducer
		name, attributes = enqueueSpan(c.Tasks)
	case ports.OpProcess:
		ctx = t.within(ctx, c.Task.TraceParent)
		kind, name, attributes = trace.SpanKindConsumer, "process "+string(c.Task.Type), []attribute.KeyValue{
			system, attribute.String("messaging.operation.name", "process"), attribute.String("messaging.operation.type", "process"),
			attribute.String("messaging.destination.name", c.Task.Queue), attribute.String("messaging.message.id", c.Task.ID.String()),
			attribute.String("logsift.task.type", string(c.Task.Type)), attribute.Int("logsift.task.attempt", c.Task.Attempt+1),
			attribute.Int("logsift.task.delivery", c.Task.Deliveries),
		}
	case ports.OpAnalyze:
		kind, name = trace.SpanKindInternal, "analyze "+c.Name
		attributes = []attribute.KeyValue{attribute.String("logsift.analyzer", c.Name), attribute.Int("logsift.log_entries", c.Entries)}
	case ports.OpChat:
		kind, name, attributes = trace.SpanKindClient, "chat "+c.Name, []attribute.KeyValue{
			attribute.String("gen_ai.operation.name", "chat"), attribute.String("gen_ai.provider.name", "openai"), attribute.String("gen_ai.request.model", c.Name),
		}
	default:
		kind, name, attributes = trace.SpanKindClient, storeSpans[c.Op], storeAttributes(c)
	}
	ctx, span := t.begin(ctx, name, kind, attributes...)
	return context.WithValue(ctx, spanKey{}, span)
}

// spanKey is the key of the newest span that Begin began: another observer of the same
// call may have begun one within it.
type spanKey struct{}

func enqueueSpan(tasks []*domain.Task) (string, []attribute.KeyValue) {
	name, attributes := "enqueue", []attribute.KeyValue{
		system, attribute.String("messaging.operation.name", "enqueue"), attribute.String("messaging.operation.type", "send"),
		attribute.Int("messaging.batch.message_count", len(tasks)),
	}
	if queue := commonQueue(tasks); queue != "" {
		name += " " + queue
		attributes = append(attributes, attribute.String("messaging.destination.name", queue))
	}
	if len(tasks) == 1 {
		attributes = append(attributes, attribute.String("messaging.message.id", tasks[0].ID.String()))
	}
	return name, attributes
}

// commonQueue returns the queue that all tasks go to, "" if there are several.
func commonQueue(tasks []*domain.Task) string {
	queue := ""
	for i, t := range tasks {
		if i > 0 && t.Queue != queue {
			return ""
		}
		queue = t.Queue
	}
	return queue
}

func storeAttributes(c ports.Call) []attribute.KeyValue {
	out := []attribute.KeyValue{attribute.String("db.operation.name", storeSpans[c.Op])}
	if c.Op == ports.OpSaveLogs || c.Op == ports.OpCloseBatch || c.Op == ports.OpListBatch {
		// By which task the entries are analysed, also for a trace that the task is not in.
		out = append(out, attribute.String("logsift.batch.id", c.Batch.String()))
	}
	if c.Op == ports.OpSaveAnalysis {
		out = append(out, attribute.Int("logsift.anomalies", len(c.Result.Anomalies)))
	}
	if c.Op == ports.OpSaveLogs || c.Op == ports.OpGetLogs {
		out = append(out, attribute.Int("logsift.log_entries", c.Entries))
	}
	return out
}

// End ends the span of a call.
func (t *Tracing) End(ctx context.Context, c ports.Call) {
	span, ok := ctx.Value(spanKey{}).(trace.Span)
	if !ok || !traced(ctx, c.Op) {
		return
	}
	switch {
	case c.Op == ports.OpChat:
		span.SetAttributes(attribute.Int("gen_ai.usage.input_tokens", c.Usage.PromptTokens), attribute.Int("gen_ai.usage.output_tokens", c.Usage.CompletionTokens))
	case c.Op == ports.OpAnalyze && c.Err == nil:
		span.SetAttributes(attribute.Int("logsift.anomalies", len(c.Result.Anomalies)), attribute.Bool("logsift.degraded", c.Result.DegradedReason != ""))
	}
	// A run expects to hear that there is no analysis yet.
	expected := c.Op == ports.OpGetAnalysis && errors.Is(c.Err, domain.ErrAnalysisNotFound)
	if c.Err != nil && !expected {
		kind := errorKind(c.Err)
		span.SetAttributes(attribute.String("error.type", kind))
		span.SetStatus(codes.Error, kind)
	}
	span.End()
}

// TraceParent returns the trace parent for what follows from ctx, "" for none.
func (t *Tracing) TraceParent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	t.headers.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}
