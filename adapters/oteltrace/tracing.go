package oteltrace

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"logsift/domain"
	"logsift/ports"
)

const (
	// exportTimeout bounds one request to the collector with its repetitions.
	exportTimeout = 10 * time.Second
	// closeTimeout bounds the sending of what is left at the end.
	closeTimeout = 3 * time.Second
)

// Config configures [Tracing].
type Config struct {
	// Endpoint is the base URL of the collector, such as http://127.0.0.1:4318, to
	// which /v1/traces is added. It is required, unless Exporter is set.
	Endpoint string
	// Ratio is the share of the traces to record, from 0 to 1; of a trace that
	// began elsewhere, its beginning decides.
	Ratio float64
	// Version is the version of the program.
	Version string
	// Failed gets the error when spans could not be sent, by one goroutine at a time. It
	// may be nil.
	Failed func(error)
	// Exporter takes the spans in place of a collector; for tests.
	Exporter sdktrace.SpanExporter
}

// Tracing makes spans and sends them in the background. It is safe for concurrent
// use. A collector that is slow or away holds nobody up: spans beyond 2048 that wait
// are dropped.
type Tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	headers  propagation.TraceContext
	client   *http.Client

	closeOnce sync.Once
}

// ValidateEndpoint checks the URL of a collector. The error is a
// *domain.ValidationError for the field.
func ValidateEndpoint(field, endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return &domain.ValidationError{Field: field, Rule: "must be the base URL of an OTLP/HTTP collector, such as http://127.0.0.1:4318"}
	}
	return nil
}

// New begins to trace. It connects to nothing yet. Who calls it must call Close.
func New(ctx context.Context, cfg Config) (*Tracing, error) {
	t := &Tracing{client: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}, Timeout: exportTimeout}}
	exporter := cfg.Exporter
	if exporter == nil {
		if err := ValidateEndpoint("otlp-endpoint", cfg.Endpoint); err != nil {
			return nil, err
		}
		u, err := url.JoinPath(cfg.Endpoint, "v1/traces")
		if err != nil {
			return nil, fmt.Errorf("address of the collector: %w", err)
		}
		exporter, err = otlptracehttp.New(ctx,
			otlptracehttp.WithEndpointURL(u), otlptracehttp.WithHTTPClient(t.client), otlptracehttp.WithTimeout(exportTimeout),
			otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: exportTimeout}))
		if err != nil {
			return nil, fmt.Errorf("exporter of traces: %w", err)
		}
	}
	about, err := resource.Merge(
		resource.NewSchemaless(attribute.String("service.name", "logsift"), attribute.String("service.version", cfg.Version)),
		resource.Environment(), // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
	)
	if err != nil {
		return nil, fmt.Errorf("resource of traces: %w", err)
	}
	t.provider = sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&errorReporter{SpanExporter: exporter, failed: cfg.Failed}, sdktrace.WithExportTimeout(exportTimeout)),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.Ratio))),
		sdktrace.WithResource(about),
	)
	t.tracer = t.provider.Tracer("logsift")
	return t, nil
}

// Close sends what is left, for at most 3 s, and ends the tracing. A further call
// does nothing.
func (t *Tracing) Close(ctx context.Context) error {
	var err error
	t.closeOnce.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, closeTimeout)
		defer cancel()
		err = t.provider.Shutdown(ctx)
		t.client.CloseIdleConnections()
	})
	return err
}

// errorReporter is an exporter that reports its errors to failed. Otherwise the
// library prints them.
type errorReporter struct {
	sdktrace.SpanExporter

	failed func(error)
}

func (e *errorReporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil && e.failed != nil {
		e.failed(err)
	}
	return nil
}

// TraceID returns the id of the trace of ctx, 32 hexadecimal digits, "" if there is
// none that is recorded.
func TraceID(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.IsSampled() {
		return sc.TraceID().String()
	}
	return ""
}

// within returns ctx as a part of the trace that a trace parent names.
func (t *Tracing) within(ctx context.Context, parent string) context.Context {
	return t.headers.Extract(ctx, propagation.MapCarrier{"traceparent": parent})
}

// begin begins a span.
func (t *Tracing) begin(ctx context.Context, name string, kind trace.SpanKind, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	return t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attributes...))
}

// errorKinds are what is told of errors, whose texts may hold the users' data.
var errorKinds = []struct {
	err  error
	kind string
}{
	{domain.ErrStoreUnavailable, "store_unavailable"},
	{domain.ErrStoreFull, "store_full"},
	{domain.ErrStoreReadOnly, "store_read_only"},
	{domain.ErrStoreReplaced, "store_replaced"},
	{domain.ErrQueueFull, "queue_full"},
	{domain.ErrLeaseLost, "lease_lost"},
	{domain.ErrTaskNotFound, "task_not_found"},
	{domain.ErrLogNotFound, "log_not_found"},
	{domain.ErrTaskExists, "task_exists"},
	{domain.ErrDuplicateTask, "duplicate_task"},
	{domain.ErrInvalidTransition, "invalid_transition"},
	{domain.ErrBatchClosed, "batch_closed"},
	{domain.ErrDocumentConflict, "state_conflict"},
	{domain.ErrInvalid, "invalid"},
	{domain.ErrCorruptRecord, "corrupt_record"},
	{domain.ErrClosed, "closed"},
	{ports.ErrPanicked, "panic"},
	{context.Canceled, "canceled"},
	{context.DeadlineExceeded, "timeout"},
}

func errorKind(err error) string {
	var fault *domain.AnalyzerError
	if errors.As(err, &fault) {
		return "analyzer_" + string(fault.Kind)
	}
	for _, k := range errorKinds {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	return "_OTHER" // as the conventions have it
}
