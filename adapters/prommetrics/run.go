package prommetrics

import (
	"logsift/domain"
	"logsift/ports"
)

var _ ports.RunObserver = (*Metrics)(nil)

// noReason is the value of the label reason of runs that did not fail.
const noReason = "none"

func (m *Metrics) ObserveRun(end ports.RunEnd) {
	typ, outcome := m.types.of(string(end.Task.Type), 1), end.Outcome.String()
	m.runs.WithLabelValues(typ, outcome, runReason(end.Reason)).Inc()
	traceID := ""
	if m.cfg.TaskTraceID != nil {
		traceID = m.cfg.TaskTraceID(end.Task)
	}
	observe(m.runTime.WithLabelValues(typ, outcome), end.Duration, traceID)
	if end.Wait >= 0 {
		observe(m.queueWait.WithLabelValues(m.queues.of(end.Task.Queue, 1)), end.Wait, traceID)
	}
}

// runReason is the value of the label reason.
func runReason(reason domain.FailureReason) string {
	switch reason {
	case "":
		return noReason
	case domain.ReasonError, domain.ReasonPermanent, domain.ReasonTimeout, domain.ReasonPanic:
		return string(reason)
	default:
		return other
	}
}
