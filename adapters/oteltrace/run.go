package oteltrace

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"logsift/domain"
	"logsift/ports"
)

// taskProcessor is a processor whose runs are traced.
type taskProcessor struct {
	processor ports.TaskProcessor
	t         *Tracing
}

// Processor returns a processor that does what the given one does, each run as a span
// of the trace that its task was enqueued in, or of a new one.
func (t *Tracing) Processor(processor ports.TaskProcessor) ports.TaskProcessor {
	return &taskProcessor{processor: processor, t: t}
}

// Process implements ports.TaskProcessor.
func (p *taskProcessor) Process(ctx context.Context, task *domain.Task) ([]byte, error) {
	ctx, span := p.t.begin(p.t.within(ctx, task.TraceParent), "process "+string(task.Type), trace.SpanKindConsumer,
		system, attribute.String("messaging.operation.name", "process"), attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", task.Queue), attribute.String("messaging.message.id", task.ID.String()),
		attribute.String("logsift.task.type", string(task.Type)), attribute.Int("logsift.task.attempt", task.Attempt+1),
		attribute.Int("logsift.task.delivery", task.Deliveries),
	)
	returned := false
	defer func() {
		if !returned { // It panicked, or ended its goroutine.
			span.SetAttributes(attribute.String("error.type", "panic"))
			span.SetStatus(codes.Error, "panic")
			span.End()
		}
	}()
	result, err := p.processor.Process(ctx, task)
	returned = true
	end(span, err)
	return result, err
}

// logAnalyzer is an analyser whose work is traced.
type logAnalyzer struct {
	analyzer ports.LogAnalyzer
	name     string
	t        *Tracing
}

// Analyzer returns an analyser that does what the given one does, within a trace as
// spans of it.
func (t *Tracing) Analyzer(name string, analyzer ports.LogAnalyzer) ports.LogAnalyzer {
	return &logAnalyzer{analyzer: analyzer, name: name, t: t}
}

// Analyze implements ports.LogAnalyzer.
func (a *logAnalyzer) Analyze(ctx context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	ctx, span := a.t.begin(ctx, "analyze "+a.name, trace.SpanKindInternal,
		attribute.String("logsift.analyzer", a.name), attribute.Int("logsift.log_entries", len(req.Logs)))
	result, err := a.analyzer.Analyze(ctx, req)
	if err == nil {
		span.SetAttributes(attribute.Int("logsift.anomalies", len(result.Anomalies)), attribute.Bool("logsift.degraded", result.DegradedReason != ""))
	}
	end(span, err)
	return result, err
}

// BeginAICall begins the span of a request to an AI service, and returns what to call
// when it is answered. The service is not told of the trace.
func (t *Tracing) BeginAICall(ctx context.Context, model string) (context.Context, func(domain.Usage, domain.Cost, error)) {
	ctx, span := t.begin(ctx, "chat "+model, trace.SpanKindClient,
		attribute.String("gen_ai.operation.name", "chat"), attribute.String("gen_ai.provider.name", "openai"), attribute.String("gen_ai.request.model", model))
	return ctx, func(usage domain.Usage, _ domain.Cost, err error) {
		span.SetAttributes(attribute.Int("gen_ai.usage.input_tokens", usage.PromptTokens), attribute.Int("gen_ai.usage.output_tokens", usage.CompletionTokens))
		end(span, err)
	}
}
