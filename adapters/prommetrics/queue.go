package prommetrics

import (
	"context"
	"errors"

	"logsift/domain"
	"logsift/ports"
)

// callNames are the values of the label call.
var callNames = [ports.QueueOperations]string{
	ports.OpEnqueue: "enqueue", ports.OpDequeue: "dequeue", ports.OpDequeueWait: "dequeue_wait", ports.OpExtendLease: "extend_lease",
	ports.OpUpdateTask: "update_task", ports.OpReleaseTask: "release_task", ports.OpGetTask: "get_task", ports.OpListTasks: "list_tasks",
	ports.OpGetQueueStats: "get_queue_stats", ports.OpDeleteTask: "delete_task", ports.OpRetryTask: "retry_task",
	ports.OpCancelTask: "cancel_task", ports.OpRunTaskNow: "run_task_now", ports.OpPromoteDue: "promote_due",
	ports.OpReapExpired: "reap_expired", ports.OpPurgeFinished: "purge_finished",
}

// kindUnavailable is the kind of error that every call may meet.
const kindUnavailable = "unavailable"

// errorKinds are the values of the label kind; the first that an error matches
// counts.
var errorKinds = []struct {
	err  error
	kind string
}{
	{domain.ErrStoreUnavailable, kindUnavailable},
	{domain.ErrStoreFull, "full"},
	{domain.ErrStoreReadOnly, "read_only"},
	{domain.ErrStoreReplaced, "replaced"},
	{domain.ErrLeaseLost, "lease_lost"},
	{domain.ErrTaskNotFound, "not_found"},
	{domain.ErrTaskExists, "task_exists"},
	{domain.ErrDuplicateTask, "duplicate"},
	{domain.ErrInvalidTransition, "invalid_transition"},
	{domain.ErrInvalidCursor, "invalid_cursor"},
	{domain.ErrInvalid, "invalid"},
	{domain.ErrCorruptRecord, "corrupt_record"},
	{domain.ErrClosed, "closed"},
	{context.Canceled, "canceled"},
	{context.DeadlineExceeded, "timeout"},
}

func errorKind(err error) string {
	for _, k := range errorKinds {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	return other
}

var _ ports.Observer = (*Metrics)(nil)

// Begin implements ports.Observer.
func (m *Metrics) Begin(ctx context.Context, _ ports.Call) context.Context { return ctx }

// End counts and measures calls to the task queue, batches of log entries, analyses and
// requests to an AI service.
func (m *Metrics) End(ctx context.Context, c ports.Call) {
	switch c.Op {
	case ports.OpOpenBatch:
		if c.Err == nil {
			m.batches.Inc()
		}
	case ports.OpAnalyze:
		m.analysisEnded(ctx, c)
	case ports.OpChat:
		m.chatEnded(ctx, c)
	default:
		if c.Op < ports.QueueOperations {
			m.queueCallEnded(ctx, c)
		}
	}
}

func (m *Metrics) queueCallEnded(ctx context.Context, c ports.Call) {
	observe(m.calls[c.Op], c.Took, m.traceOf(ctx))
	m.poisoned.Add(float64(c.Poisoned))
	m.expired.Add(float64(c.Expired))
	if c.Op == ports.OpEnqueue {
		m.countEnqueued(c.Tasks)
	}
	if c.Err == nil {
		return
	}
	var batch *domain.BatchError
	if !errors.As(c.Err, &batch) {
		m.callErrors.WithLabelValues(callNames[c.Op], errorKind(c.Err)).Inc()
		return
	}
	for _, item := range batch.Errs {
		if item != nil {
			m.callErrors.WithLabelValues(callNames[c.Op], errorKind(item)).Inc()
		}
	}
}

// countEnqueued counts the tasks, those beside each other that are of one kind at
// once.
func (m *Metrics) countEnqueued(stored []*domain.Task) {
	for first := 0; first < len(stored); {
		t := stored[first]
		if t == nil {
			first++
			continue
		}
		last := first + 1
		for last < len(stored) && stored[last] != nil && stored[last].Type == t.Type && stored[last].Queue == t.Queue {
			last++
		}
		n := int64(last - first)
		m.enqueued.WithLabelValues(m.types.of(string(t.Type), n), m.queues.of(t.Queue, n)).Add(float64(n))
		first = last
	}
}
