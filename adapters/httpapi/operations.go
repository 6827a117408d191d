package httpapi

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/mux"

	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

func (a *API) listQueues(w http.ResponseWriter, r *http.Request) error {
	queues, err := a.operations.ListQueues(r.Context())
	if err != nil {
		return err
	}
	out := wire.QueueList{Queues: make([]wire.Queue, len(queues))}
	for i := range queues {
		out.Queues[i] = queueView(&queues[i])
	}
	return wire.Write(w, http.StatusOK, out)
}

// changeQueue pauses or resumes the queue of the path, and shows it.
func (a *API) changeQueue(change func(OperationsService, context.Context, string) (domain.QueueInfo, error)) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		info, err := change(a.operations, r.Context(), mux.Vars(r)["name"])
		if err != nil {
			return err
		}
		return wire.Write(w, http.StatusOK, queueView(&info))
	}
}

func queueView(q *domain.QueueInfo) wire.Queue {
	out := wire.Queue{
		Name: q.Name, Paused: q.Paused, PausedAt: timeView(q.PausedAt), PendingTasks: q.Ready(),
		OldestPendingSeconds: q.OldestPending.Seconds(), Types: []wire.QueueType{},
	}
	for _, typ := range slices.Sorted(maps.Keys(q.Pending)) {
		if n := q.Pending[typ]; n > 0 {
			out.Types = append(out.Types, wire.QueueType{Type: string(typ), PendingTasks: n})
		}
	}
	return out
}

func (a *API) listWorkers(w http.ResponseWriter, r *http.Request) error {
	reports, err := a.operations.ListSchedulers(r.Context())
	if err != nil {
		return err
	}
	out := wire.WorkerList{Schedulers: make([]wire.Worker, len(reports))}
	for i := range reports {
		out.Schedulers[i] = workerView(&reports[i])
	}
	return wire.Write(w, http.StatusOK, out)
}

func workerView(r *domain.SchedulerReport) wire.Worker {
	out := wire.Worker{
		ID: r.ID, Worker: r.Worker, Host: r.Host, PID: r.PID, Version: r.Version, SeenAt: timeView(r.SeenAt),
		Queues: wire.List(r.Queues), Scheduler: schedulerView(r.Stats), Running: make([]wire.RunningTask, len(r.Running)),
	}
	for i, t := range r.Running {
		out.Running[i] = wire.RunningTask{
			TaskID: t.TaskID, Type: string(t.Type), Queue: t.Queue, Attempt: t.Attempt, StartedAt: timeView(t.StartedAt),
		}
	}
	return out
}

func (a *API) getHistory(w http.ResponseWriter, r *http.Request) error {
	q := request.NewQuery(r)
	minutes := cmp.Or(q.Number("minutes", MaxHistoryMinutes), DefaultHistoryMinutes)
	if err := q.Err(); err != nil {
		return err
	}
	points, err := a.operations.GetHistory(r.Context(), minutes)
	if err != nil {
		return err
	}
	out := wire.History{StepSeconds: int(time.Minute / time.Second), Points: make([]wire.HistoryPoint, len(points))}
	for i, p := range points {
		out.Points[i] = wire.HistoryPoint{
			At: p.At.UTC(), Enqueued: p.Enqueued, Completed: p.Completed, Failed: p.Failed, Retried: p.Retried,
			Pending: p.Pending, Processing: p.Processing,
			WaitMS: percentilesView(p.Wait), RunMS: percentilesView(p.Run),
		}
	}
	return wire.Write(w, http.StatusOK, out)
}

// percentilesView shows percentiles, null where there are none.
func percentilesView(p *domain.Percentiles) wire.Percentiles {
	if p == nil {
		return wire.Percentiles{}
	}
	millis := func(d time.Duration) *float64 {
		ms := float64(d) / float64(time.Millisecond)
		return &ms
	}
	return wire.Percentiles{P50: millis(p.P50), P95: millis(p.P95), P99: millis(p.P99)}
}
