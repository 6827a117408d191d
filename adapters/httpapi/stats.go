package httpapi

import (
	"net/http"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

func (a *API) getStats(w http.ResponseWriter, r *http.Request) error {
	stats, err := a.queue.GetQueueStats(r.Context())
	if err != nil {
		return err
	}
	return wire.Write(w, http.StatusOK, wire.Stats{
		TotalTasks:   stats.Total(),
		PendingTasks: stats.Pending, ScheduledTasks: stats.Scheduled, ProcessingTasks: stats.Processing,
		RetryingTasks: stats.Retrying, CompletedTasks: stats.Completed, FailedTasks: stats.Failed,
		CancelledTasks: stats.Cancelled, OldestPendingSeconds: stats.OldestPending.Seconds(),
		Scheduler: schedulerView(a.queue.GetSchedulerStats()), Warnings: wire.List(stats.Warnings),
	})
}

func schedulerView(s domain.SchedulerStats) wire.Scheduler {
	types := make([]string, len(s.TaskTypes))
	for i, t := range s.TaskTypes {
		types[i] = string(t)
	}
	return wire.Scheduler{
		Running: s.Running, Draining: s.Draining, WorkersCount: s.WorkersCount, BusyWorkers: s.BusyWorkers,
		ProcessedTasks: s.ProcessedTasks, FailedTasks: s.FailedTasks, RetriedTasks: s.RetriedTasks,
		RecoveredTasks: s.RecoveredTasks, PurgedTasks: s.PurgedTasks, LeasesLost: s.LeasesLost,
		ReleasedTasks: s.ReleasedTasks, PanickedTasks: s.PanickedTasks, TimedOutTasks: s.TimedOutTasks,
		TaskTypes: types, StartedAt: timeView(s.StartedAt),
	}
}
