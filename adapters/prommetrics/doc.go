// Package prommetrics tells Prometheus what the system does.
//
// [New] registers the metrics with a registerer that it is given. [Metrics.Queue]
// and [Metrics.Analyzer] decorate ports; [Metrics.BeginRequest],
// [Metrics.ObserveIntake], [Metrics.ObserveRun], [Metrics.ObserveBatch] and
// [Metrics.BeginAICall] are called by whoever has something to tell;
// [Metrics.CollectStore], [Metrics.CollectScheduler] and [Metrics.CollectAI] add
// what is read when it is asked for. [Metrics.Handler] answers a scrape.
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
// Labels have values from a fixed list, but for the types of tasks and the queues,
// which users name: of those the first MaxNames that come have a series each, and
// the others share the value "other". No label holds an id, a path with one, a
// host, or anything out of a payload or log.
package prommetrics
