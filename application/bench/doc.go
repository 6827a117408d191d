// Package bench measures a task queue through its ports: how fast it takes tasks
// in and gives them out, how soon an idle worker has a task, what it costs the
// store, and what a dead worker's tasks wait for.
//
// The harness that measures other queues has the same workloads, sizes and names of
// figures, so that both can take turns on one server and be compared. The tasks do
// nothing; each carries about 810 bytes. They are run by a scheduler as in production:
// there is no mode for benchmarks.
//
// Each run also proves exact delivery: once it has measured, it lets the
// scheduler finish whatever is left, and fails with a [DeliveryError] unless each
// task was run once and the store counts each as completed.
//
// [Plan] is what there is to measure, [Run] measures one cell of it.
package bench
