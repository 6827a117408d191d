// Package prommetrics holds the metrics of the system for Prometheus.
//
// [New] registers the metrics with a registerer that it is given. [Metrics] is a
// ports.Observer of calls and a ports.RunObserver of runs; [Metrics.BeginRequest] and
// [Metrics.ObserveIngest] are called by the API. [Metrics.CollectStore],
// [Metrics.CollectScheduler], [Metrics.CollectKeys] and [Metrics.CollectAI] add metrics
// that are read at each scrape. [Metrics.Handler] answers a scrape.
//
// # Names
//
// All begin with logsift_, are in base units (seconds, tokens, whole units of a
// currency), and counters end in _total, as
// https://prometheus.io/docs/practices/naming has it. Counters and histograms are
// of this process, so they add up over processes. What is read from the store
// (logsift_tasks, logsift_queue_*, logsift_oldest_pending_task_age_seconds) is the
// same in every process that shares it: take the max over them, not the sum.
//
// # Cardinality
//
// Labels have values from a fixed list, except the types of tasks and the queues, which
// users name: the MaxNames names with the most tasks have a series each, and all others
// share the value "other". A name that others overtake loses its series. No label holds
// an id, a path with one, a host, or anything out of a payload or log.
package prommetrics
