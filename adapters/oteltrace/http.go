package oteltrace

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// untraced are the paths that machines ask for all the time.
var untraced = []string{"/healthz", "/readyz", "/ready", "/metrics"}

// methods are those that a span's name may begin with.
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// BeginRequest begins the span of a request, in the trace that its traceparent header
// names, if it has one, and returns what to call when it is answered, with the path of
// its route ("" for none) and its status.
func (t *Tracing) BeginRequest(r *http.Request) (context.Context, func(route string, status int)) {
	if slices.Contains(untraced, r.URL.Path) {
		return r.Context(), func(string, int) {}
	}
	method := r.Method
	if !slices.Contains(methods, method) {
		method = "_OTHER"
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	ctx := t.headers.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.begin(ctx, method, trace.SpanKindServer, attribute.String("http.request.method", method), attribute.String("url.scheme", scheme))
	return ctx, func(route string, status int) {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if route != "" {
			span.SetName(method + " " + route)
			span.SetAttributes(attribute.String("http.route", route))
		}
		if status >= http.StatusInternalServerError {
			span.SetAttributes(attribute.String("error.type", strconv.Itoa(status)))
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}
