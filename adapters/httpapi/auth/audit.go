package auth

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
	"logsift/domain"
)

// maxAuditIDs is how many tasks a line of the audit log names.
const maxAuditIDs = 20

// Record gathers what a request changed, for its line in the audit log. A nil
// record gathers nothing.
type Record struct {
	path   string
	action string // "" if the request has changed nothing
	queue  string

	mu     sync.Mutex // guards the rest, which services may tell of from goroutines
	holder apikey.Holder
	ids    []domain.TaskID // the first maxAuditIDs
	count  int
	bulk   *domain.BulkResult
	dryRun bool
}

type recordKey struct{}

// RecordOf returns the record of a request, nil if it has none.
func RecordOf(ctx context.Context) *Record {
	rec, _ := ctx.Value(recordKey{}).(*Record)
	return rec
}

// Route remembers the pattern of the path that the request is for, its action, "" if it
// changes nothing, and the variables of the path. They are kept even if it is refused.
func (rec *Record) Route(path, action string, vars map[string]string) {
	if rec == nil {
		return
	}
	rec.path, rec.action = path, action
	rec.queue = request.CutText(vars["name"], domain.MaxNameLength)
	if id, err := uuid.Parse(vars["id"]); err == nil {
		rec.Tasks(id)
	}
}

// By remembers who sent the request.
func (rec *Record) By(holder apikey.Holder) {
	if rec == nil {
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.holder = holder
}

// Tasks remembers what tasks the request is about; a single one counts once.
func (rec *Record) Tasks(ids ...domain.TaskID) {
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

// Changed remembers what a bulk action did, or would do.
func (rec *Record) Changed(req domain.BulkRequest, result domain.BulkResult) {
	if !req.DryRun {
		rec.Tasks(req.IDs...)
	}
	if rec == nil {
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.bulk, rec.dryRun = &result, req.DryRun
}

// What is done all the time: ActionIngest is the action of the routes that take in logs,
// and with ActionWork begin those of workers.
const (
	ActionIngest = "logs.create"
	ActionWork   = "worker."
)

// Audit writes one line to the audit log for each request that is to change something,
// when it is done. Of those that were refused the first of a caller gets a line, and
// those of the next minute one together. It never holds what was sent.
type Audit struct {
	// Log gets the lines, at info level, but at debug level if they are of stored logs or
	// of workers at work.
	// Nil writes none.
	Log *zap.Logger
	Now func() time.Time
	// Route tells the record of a request that was refused before it was routed.
	Route func(*Record, *http.Request)

	refusals refusals
}

// Handler writes the lines of what a handler answers with a writer that knows its Status.
func (a *Audit) Handler(next http.Handler) http.Handler {
	if a.Log == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.writeRefusals(false)
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		rec := &Record{}
		r = r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
		// A panic that cuts the connection leaves a line too.
		defer func() { a.write(rec, w, r) }()
		next.ServeHTTP(w, r)
	})
}

// Close writes of the refusals that were counted.
func (a *Audit) Close() {
	if a.Log != nil {
		a.writeRefusals(true)
	}
}

func (a *Audit) write(rec *Record, w http.ResponseWriter, r *http.Request) {
	if rec.path == "" {
		a.Route(rec, r)
	}
	if rec.action == "" {
		return
	}
	status := 0
	if answered, ok := w.(interface{ Status() int }); ok {
		status = answered.Status()
	}
	rec.mu.Lock()
	holder := rec.holder
	rec.mu.Unlock()
	if gathers(holder, status) && !a.refusals.count(holder, r.RemoteAddr, a.Now()) {
		return
	}
	level := zapcore.InfoLevel
	if (rec.action == ActionIngest || strings.HasPrefix(rec.action, ActionWork)) && status < http.StatusBadRequest {
		level = zapcore.DebugLevel
	}
	if entry := a.Log.Check(level, rec.action); entry != nil {
		fields := rec.fields(status, r)
		if w.Header().Get(request.ReplayedHeader) != "" { // it got the answer of an earlier one
			fields = append(fields, zap.Bool("replayed", true))
		}
		entry.Write(fields...)
	}
}

// fields are those of the line.
func (rec *Record) fields(status int, r *http.Request) []zap.Field {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		remote = r.RemoteAddr
	}
	out := []zap.Field{
		zap.String("key_id", rec.holder.ID), zap.String("key_name", rec.holder.Name), zap.Stringer("role", rec.holder.Role),
		zap.String("method", r.Method), zap.String("route", rec.path), zap.Int("status", status),
		zap.String("remote", remote), zap.String("request_id", problem.RequestID(r.Context())),
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
	return out
}
