package httpapi

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"logsift/adapters/httpapi/apikey"
	"logsift/domain"
)

// maxAuditIDs is how many tasks a line of the audit log names.
const maxAuditIDs = 20

// auditRecord gathers what a request changed, for its line in the audit log. A nil
// record gathers nothing.
type auditRecord struct {
	path   string
	action string // "" if the request has changed nothing
	intake bool
	queue  string

	mu       sync.Mutex // guards the rest, which services may tell of from goroutines
	holder   apikey.Holder
	ids      []domain.TaskID // the first maxAuditIDs
	count    int
	bulk     *domain.BulkResult
	dryRun   bool
	replayed bool
}

type auditKey struct{}

// auditOf returns the record of a request, nil if it has none.
func auditOf(ctx context.Context) *auditRecord {
	rec, _ := ctx.Value(auditKey{}).(*auditRecord)
	return rec
}

// route remembers where the request goes. What it asks for is kept even if it is
// refused.
func (rec *auditRecord) route(path string, need access, r *http.Request) {
	if rec == nil {
		return
	}
	rec.path, rec.action, rec.intake = path, need.action, need.intake
	vars := mux.Vars(r)
	rec.queue = cutText(vars["name"], domain.MaxNameLength)
	if id, err := uuid.Parse(vars["id"]); err == nil {
		rec.tasks(id)
	}
}

// by remembers who sent the request.
func (rec *auditRecord) by(holder apikey.Holder) {
	if rec == nil {
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.holder = holder
}

// tasks remembers what tasks the request is about; a single one counts once.
func (rec *auditRecord) tasks(ids ...domain.TaskID) {
	if rec == nil {
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(ids) == 1 && rec.count == 1 && rec.ids[0] == ids[0] {
		return
	}
	rec.count += len(ids)
	rec.ids = append(rec.ids, ids[:min(len(ids), maxAuditIDs-len(rec.ids))]...)
}

// changed remembers what a bulk action did, or would do.
func (rec *auditRecord) changed(req domain.BulkRequest, result domain.BulkResult) {
	if !req.DryRun {
		rec.tasks(req.IDs...)
	}
	if rec == nil {
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.bulk, rec.dryRun = &result, req.DryRun
}

// replay remembers that the request got the answer of an earlier one, and did
// nothing.
func (rec *auditRecord) replay() {
	if rec == nil {
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.replayed = true
}

// audit writes one line to the audit log for each request that is to change
// something, when it is done: also for those that were refused. It never holds what
// was sent.
func (a *API) audit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.auditLog == nil || r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		rec := &auditRecord{}
		r = r.WithContext(context.WithValue(r.Context(), auditKey{}, rec))
		// A panic that cuts the connection leaves a line too.
		defer func() { a.writeAudit(rec, w, r) }()
		next.ServeHTTP(w, r)
	})
}

func (a *API) writeAudit(rec *auditRecord, w http.ResponseWriter, r *http.Request) {
	if rec.path == "" {
		// It was refused before it was routed.
		match := mux.RouteMatch{}
		if !a.router.Match(r, &match) || match.Route == nil {
			return
		}
		path, need, _ := a.accessOf(match.Route, r.Method)
		rec.route(path, need, mux.SetURLVars(r, match.Vars))
	}
	if rec.action == "" {
		return
	}
	status := 0
	if answered, ok := w.(*recorder); ok {
		status = answered.status
	}
	level := zapcore.InfoLevel
	if rec.intake && status < http.StatusBadRequest {
		level = zapcore.DebugLevel
	}
	if entry := a.auditLog.Check(level, rec.action); entry != nil {
		entry.Write(rec.fields(status, r)...)
	}
}

// fields are those of the line.
func (rec *auditRecord) fields(status int, r *http.Request) []zap.Field {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		remote = r.RemoteAddr
	}
	out := []zap.Field{
		zap.String("key_id", rec.holder.ID), zap.String("key_name", rec.holder.Name), zap.Stringer("role", rec.holder.Role),
		zap.String("method", r.Method), zap.String("route", rec.path), zap.Int("status", status),
		zap.String("remote", remote), zap.String("request_id", requestID(r.Context())),
	}
	if rec.queue != "" {
		out = append(out, zap.String("queue", rec.queue))
	}
	if rec.count > 0 {
		ids := make([]string, len(rec.ids))
		for i, id := range rec.ids {
			ids[i] = id.String()
		}
		out = append(out, zap.Strings("task_ids", ids), zap.Int("tasks", rec.count))
	}
	if rec.bulk != nil {
		out = append(out, zap.Bool("dry_run", rec.dryRun),
			zap.Int("matched", rec.bulk.Matched), zap.Int("changed", rec.bulk.Changed), zap.Int("refused", rec.bulk.Refused))
	}
	if rec.replayed {
		out = append(out, zap.Bool("replayed", true))
	}
	return out
}

// auditedQueue tells the audit log what tasks are changed.
type auditedQueue struct{ QueueService }

// ScheduleTasks tells of the tasks that were stored.
func (q auditedQueue) ScheduleTasks(ctx context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	stored, err := q.QueueService.ScheduleTasks(ctx, tasks...)
	ids := make([]domain.TaskID, 0, len(stored))
	for _, task := range stored {
		if task != nil {
			ids = append(ids, task.ID)
		}
	}
	auditOf(ctx).tasks(ids...)
	return stored, err
}

// DeleteTask tells of the tasks.
func (q auditedQueue) DeleteTask(ctx context.Context, ids ...domain.TaskID) error {
	auditOf(ctx).tasks(ids...)
	return q.QueueService.DeleteTask(ctx, ids...)
}

// RetryTask tells of the tasks.
func (q auditedQueue) RetryTask(ctx context.Context, ids ...domain.TaskID) error {
	auditOf(ctx).tasks(ids...)
	return q.QueueService.RetryTask(ctx, ids...)
}

// CancelTask tells of the tasks.
func (q auditedQueue) CancelTask(ctx context.Context, ids ...domain.TaskID) error {
	auditOf(ctx).tasks(ids...)
	return q.QueueService.CancelTask(ctx, ids...)
}

// RunTaskNow tells of the tasks.
func (q auditedQueue) RunTaskNow(ctx context.Context, ids ...domain.TaskID) error {
	auditOf(ctx).tasks(ids...)
	return q.QueueService.RunTaskNow(ctx, ids...)
}

// ChangeTasks tells of the tasks that were named, and of what was done.
func (q auditedQueue) ChangeTasks(ctx context.Context, req domain.BulkRequest) (domain.BulkResult, error) {
	result, err := q.QueueService.ChangeTasks(ctx, req)
	auditOf(ctx).changed(req, result)
	return result, err
}

// auditedLogs tells the audit log what tasks analyse the logs.
type auditedLogs struct{ LogService }

// CreateLogs tells of the tasks.
func (l auditedLogs) CreateLogs(ctx context.Context, entries ...domain.LogEntry) (domain.LogReceipt, error) {
	receipt, err := l.LogService.CreateLogs(ctx, entries...)
	auditOf(ctx).tasks(receipt.TaskIDs...)
	return receipt, err
}
