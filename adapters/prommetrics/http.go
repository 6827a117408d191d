package prommetrics

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// protocols are the values of the label protocol.
var protocols = []string{"http", "otlp", "loki", "elasticsearch"}

// methods are the values of the label method.
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// noRoute is the value of the label route for requests that no route takes.
const noRoute = "none"

// BeginRequest notes a request, and returns what to call when it is answered, with
// the pattern of its route ("" for none) and its status.
func (m *Metrics) BeginRequest(r *http.Request) (context.Context, func(route string, status int)) {
	begun := time.Now()
	ctx, method := r.Context(), r.Method
	if !slices.Contains(methods, method) {
		method = other
	}
	m.inFlight.Inc()
	return ctx, func(route string, status int) {
		m.inFlight.Dec()
		if route == "" {
			route = noRoute
		}
		m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
		observe(m.requestTime.WithLabelValues(method, route), time.Since(begun), m.traceOf(ctx))
	}
}

// ObserveIngest counts the log entries of one request.
func (m *Metrics) ObserveIngest(protocol string, accepted, rejected int) {
	if !slices.Contains(protocols, protocol) {
		protocol = other
	}
	m.accepted.WithLabelValues(protocol).Add(float64(accepted))
	m.rejected.WithLabelValues(protocol).Add(float64(rejected))
}
