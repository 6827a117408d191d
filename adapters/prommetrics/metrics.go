package prommetrics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"logsift/domain"
	"logsift/ports"
)

// DefaultMaxNames is how many types and how many queues have series of their own.
const DefaultMaxNames = 50

// Config configures [Metrics]. The zero value works.
type Config struct {
	// Version, Revision and GoVersion are told by logsift_build_info.
	Version, Revision, GoVersion string
	// MaxNames bounds the types and the queues that have series of their own: those
	// with the most tasks. 0 is DefaultMaxNames.
	MaxNames int
	// Analyzer is the value of the label analyzer that is there from the beginning.
	Analyzer string
	// TraceID returns the id of the trace that ctx belongs to, as hexadecimal digits,
	// "" if there is none that is recorded. It makes the exemplars of durations. Nil
	// makes none.
	TraceID func(ctx context.Context) string
	// TaskTraceID is the same for the trace that a task was enqueued in.
	TaskTraceID func(task *domain.Task) string
}

// Metrics are the metrics of one process. They are safe for concurrent use.
type Metrics struct {
	registerer prometheus.Registerer
	cfg        Config
	types      *names
	queues     *names

	calls      [ports.QueueOperations]prometheus.Observer
	callErrors *prometheus.CounterVec
	enqueued   *prometheus.CounterVec
	poisoned   prometheus.Counter
	expired    prometheus.Counter
	runs       *prometheus.CounterVec
	runTime    *prometheus.HistogramVec
	queueWait  *prometheus.HistogramVec

	requests    *prometheus.CounterVec
	requestTime *prometheus.HistogramVec
	inFlight    prometheus.Gauge
	accepted    *prometheus.CounterVec
	rejected    *prometheus.CounterVec
	batches     prometheus.Counter

	analyses       *prometheus.CounterVec
	analysisTime   *prometheus.HistogramVec
	analysisErrors *prometheus.CounterVec
	analysed       *prometheus.CounterVec
	anomalies      *prometheus.CounterVec
	ai             aiMetrics

	refreshers []refresher // set before the handler is asked
}

// Buckets, in seconds. Calls to a store take from some 20 µs (in memory) to the
// time-out of 5 s; runs and waits from milliseconds to the longest time-out.
var (
	callBuckets    = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
	runBuckets     = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}
	waitBuckets    = []float64{.001, .005, .01, .05, .1, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600}
	requestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
)

// New makes the metrics and registers them, with those of the Go runtime and the
// process. It fails if the registerer has one of these names already.
func New(registerer prometheus.Registerer, cfg Config) (*Metrics, error) {
	if cfg.MaxNames == 0 {
		cfg.MaxNames = DefaultMaxNames
	}
	m := &Metrics{registerer: registerer, cfg: cfg}
	m.types = newNames(cfg.MaxNames, m.forget("type"))
	m.queues = newNames(cfg.MaxNames, m.forget("queue"))
	r := &registration{to: registerer}

	durations := r.histogram("store_call_duration_seconds", "Duration of calls to the task queue in the store. The call dequeue_wait includes the wait for a task.", callBuckets, "call")
	m.callErrors = r.counters("store_call_errors_total", "Calls to the task queue, or items of such calls, that failed, by kind of error.", "call", "kind")
	for op, name := range callNames {
		m.calls[op] = durations.WithLabelValues(name)
		m.callErrors.WithLabelValues(name, kindUnavailable) // A rate needs a zero to rise from.
	}
	m.enqueued = r.counters("tasks_enqueued_total", "Tasks that the queue took in. An enqueue that is repeated counts again.", "type", "queue")
	m.expired = r.counter("tasks_expired_total", "Tasks that this process found not to have begun by their time of expiry, and that failed for it.")
	m.poisoned = r.counter("tasks_poisoned_total", "Tasks that this process's scheduler found to have lost their workers too often, and that failed for it.")
	m.runs = r.counters("task_runs_total", "Runs of tasks, by how they ended.", "type", "outcome", "reason")
	m.runTime = r.histogram("task_run_duration_seconds", "How long runs of tasks took.", runBuckets, "type", "outcome")
	m.queueWait = r.histogram("task_queue_wait_seconds", "How long tasks were ready before they ran.", waitBuckets, "queue")

	m.requests = r.counters("http_requests_total", "Requests to the HTTP API, by route and status.", "method", "route", "code")
	m.requestTime = r.histogram("http_request_duration_seconds", "Duration of requests to the HTTP API.", requestBuckets, "method", "route")
	m.inFlight = r.gauge("http_requests_in_flight", "Requests to the HTTP API that are being answered.")
	m.accepted = r.counters("log_entries_accepted_total", "Log entries that were stored, by the protocol that they came by.", "protocol")
	m.rejected = r.counters("log_entries_rejected_total", "Log entries that broke a rule and were not stored, by the protocol that they came by.", "protocol")
	for _, protocol := range protocols {
		m.accepted.WithLabelValues(protocol)
		m.rejected.WithLabelValues(protocol)
	}
	m.batches = r.counter("log_batches_opened_total", "Batches of log entries that were begun; each is analysed by one task.")

	m.analyses = r.counters("analyses_total", "Analyses of log entries, by how they ended.", "analyzer", "outcome")
	m.analysisTime = r.histogram("analysis_duration_seconds", "How long analyses of log entries took.", runBuckets, "analyzer")
	m.analysisErrors = r.counters("analysis_errors_total", "Analyses that failed, by kind of error.", "analyzer", "kind")
	m.analysed = r.counters("analysis_log_entries_total", "Log entries that were analysed.", "analyzer")
	m.anomalies = r.counters("anomalies_total", "Anomalies that analyses found, by severity and kind.", "severity", "kind")
	if cfg.Analyzer != "" {
		for _, outcome := range []string{analysisCompleted, analysisDegraded, analysisFailed} {
			m.analyses.WithLabelValues(cfg.Analyzer, outcome)
		}
		m.analysisErrors.WithLabelValues(cfg.Analyzer, string(domain.AnalyzerUnavailable))
	}
	m.ai = newAIMetrics(r)

	r.gauge("build_info", "What program this is; always 1.", prometheus.Labels{
		"version": cfg.Version, "revision": cfg.Revision, "goversion": cfg.GoVersion,
	}).Set(1)
	r.register(collectors.NewGoCollector())
	r.register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m, r.err()
}

// forget returns a function that removes the series with a value of the label.
func (m *Metrics) forget(label string) func(value string) {
	return func(value string) {
		series := prometheus.Labels{label: value}
		m.enqueued.DeletePartialMatch(series)
		m.runs.DeletePartialMatch(series)
		m.runTime.DeletePartialMatch(series)
		m.queueWait.DeletePartialMatch(series)
	}
}

// registration makes metrics and registers them, and remembers what went wrong.
type registration struct {
	to   prometheus.Registerer
	errs []error
}

const namespace = "logsift"

func (r *registration) register(c prometheus.Collector) {
	if err := r.to.Register(c); err != nil {
		r.errs = append(r.errs, err)
	}
}

func (r *registration) err() error {
	if len(r.errs) == 0 {
		return nil
	}
	return fmt.Errorf("register metrics: %w", errors.Join(r.errs...))
}

func (r *registration) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	r.register(c)
	return c
}

func (r *registration) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	r.register(c)
	return c
}

func (r *registration) gauge(name, help string, labels ...prometheus.Labels) prometheus.Gauge {
	opts := prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}
	for _, l := range labels {
		opts.ConstLabels = l
	}
	g := prometheus.NewGauge(opts)
	r.register(g)
	return g
}

func (r *registration) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	r.register(h)
	return h
}

// observe adds a duration, with the trace that it is of, if there is one.
func observe(o prometheus.Observer, d time.Duration, traceID string) {
	if traceID != "" {
		if e, ok := o.(prometheus.ExemplarObserver); ok {
			e.ObserveWithExemplar(d.Seconds(), prometheus.Labels{"trace_id": traceID})
			return
		}
	}
	o.Observe(d.Seconds())
}

// traceOf returns the id of the trace of ctx, "" if there is none.
func (m *Metrics) traceOf(ctx context.Context) string {
	if m.cfg.TraceID == nil {
		return ""
	}
	return m.cfg.TraceID(ctx)
}
