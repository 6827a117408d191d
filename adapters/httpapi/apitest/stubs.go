package apitest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/ports"
)

// Now is the time of the API's clock.
var Now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// QueueStub is a queue service that keeps tasks in a map and counts its calls.
type QueueStub struct {
	mu     sync.Mutex
	Tasks  map[domain.TaskID]*domain.Task
	Writes int   // calls that could have changed something
	Err    error // what every call but GetSchedulerStats returns, if not nil
	// PartErr is what each task of a call is refused with, if not nil.
	PartErr error
	Filter  domain.TaskFilter // of the newest list
	Page    domain.TaskPage
	Bulk    domain.BulkRequest // the newest one
	Result  domain.BulkResult  // of every bulk action
	Stats   domain.QueueStats
	Sched   domain.SchedulerStats
}

func (q *QueueStub) write() error {
	q.Writes++
	return q.Err
}

func (q *QueueStub) ScheduleTasks(_ context.Context, tasks ...*domain.Task) ([]*domain.Task, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.write(); err != nil {
		return nil, err
	}
	out, errs := make([]*domain.Task, len(tasks)), make([]error, len(tasks))
	for i, t := range tasks {
		out[i], errs[i] = q.schedule(t)
	}
	return out, domain.NewBatchError(errs)
}

func (q *QueueStub) schedule(t *domain.Task) (*domain.Task, error) {
	if q.PartErr != nil {
		return nil, q.PartErr
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	if !slices.Contains(q.Sched.TaskTypes, t.Type) {
		return nil, &domain.UnknownTypeError{Type: t.Type, Known: q.Sched.TaskTypes}
	}
	if old, ok := q.Tasks[t.ID]; ok {
		if !old.SameContents(t) {
			return nil, domain.ErrTaskExists
		}
		return old.Clone(), nil
	}
	for _, old := range q.Tasks {
		if t.UniqueKey != "" && old.UniqueKey == t.UniqueKey {
			if t.OnConflict != domain.ConflictReject {
				return old.Clone(), nil
			}
			return nil, &domain.DuplicateError{UniqueKey: t.UniqueKey, Holder: old.ID}
		}
	}
	t = t.Clone()
	t.CreatedAt = Now
	if t.Delay > 0 {
		t.ScheduledAt = Now.Add(t.Delay)
	}
	q.Tasks[t.ID] = t
	return t.Clone(), nil
}

func (q *QueueStub) GetTask(_ context.Context, id domain.TaskID) (*domain.Task, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.Err != nil {
		return nil, q.Err
	}
	t, ok := q.Tasks[id]
	if !ok {
		return nil, fmt.Errorf("%w: %s", domain.ErrTaskNotFound, id)
	}
	return t.Clone(), nil
}

func (q *QueueStub) ListTasks(_ context.Context, filter domain.TaskFilter) (domain.TaskPage, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.Filter = filter
	return q.Page, q.Err
}

// change applies f to the task, whose error is that of a call for one item.
func (q *QueueStub) change(ids []domain.TaskID, f func(*domain.Task) error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.write(); err != nil {
		return err
	}
	t, ok := q.Tasks[ids[0]]
	if !ok {
		return domain.NewBatchError([]error{domain.ErrTaskNotFound})
	}
	return domain.NewBatchError([]error{f(t)})
}

func (q *QueueStub) DeleteTask(_ context.Context, ids ...domain.TaskID) error {
	return q.change(ids, func(t *domain.Task) error {
		if t.Status == domain.TaskStatusProcessing {
			return &domain.TransitionError{TaskID: t.ID, From: t.Status}
		}
		delete(q.Tasks, t.ID)
		return nil
	})
}

func (q *QueueStub) RetryTask(_ context.Context, ids ...domain.TaskID) error {
	return q.change(ids, (*domain.Task).RunAgain)
}

func (q *QueueStub) CancelTask(_ context.Context, ids ...domain.TaskID) error {
	return q.change(ids, func(t *domain.Task) error { return t.MarkAsCancelled(Now) })
}

func (q *QueueStub) RunTaskNow(_ context.Context, ids ...domain.TaskID) error {
	return q.change(ids, (*domain.Task).RunNow)
}

func (q *QueueStub) ChangeTasks(_ context.Context, req domain.BulkRequest) (domain.BulkResult, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.Bulk = req
	return q.Result, q.write()
}

func (q *QueueStub) GetQueueStats(context.Context) (domain.QueueStats, error) { return q.Stats, q.Err }

func (q *QueueStub) GetSchedulerStats() domain.SchedulerStats { return q.Sched }

// LogsStub is a log service that remembers what it got.
type LogsStub struct {
	mu        sync.Mutex
	Entries   []domain.LogEntry
	Writes    int
	Err       error
	Partly    int // how many entries of a call are stored before err
	Filter    domain.LogFilter
	Page      domain.LogPage
	Anomalies domain.AnomalyFilter
	Found     domain.AnomalyPage
	History   domain.AnomalyHistory
	Behind    domain.AnomalyLogs
	Asked     []any // the arguments of the newest call for one anomaly
	// Wait is called before entries are taken, if not nil.
	Wait func(context.Context)
	// Listing is called before entries are listed, if not nil.
	Listing func(domain.LogFilter)
}

// AnalysisTask is the task that analyses all entries.
var AnalysisTask = uuid.MustParse("0190f000-0000-7000-8000-00000000a1a1")

func (l *LogsStub) CreateLogs(ctx context.Context, entries ...domain.LogEntry) (domain.LogReceipt, error) {
	if l.Wait != nil {
		l.Wait(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Writes++
	if l.Err != nil && l.Partly == 0 {
		return domain.LogReceipt{}, l.Err
	}
	if l.Err != nil {
		entries = entries[:l.Partly]
	}
	receipt := domain.LogReceipt{TaskIDs: []domain.TaskID{AnalysisTask}}
	for i := range entries {
		if err := entries[i].Validate(); err != nil {
			return domain.LogReceipt{}, fmt.Errorf("the API let an invalid entry through: %v", err) //nolint:errorlint // it must not look like the client's fault
		}
		receipt.LogIDs = append(receipt.LogIDs, entries[i].ID)
	}
	l.Entries = append(l.Entries, entries...)
	return receipt, l.Err
}

func (l *LogsStub) GetLog(_ context.Context, id domain.LogID) (domain.LogEntry, error) {
	if l.Err != nil {
		return domain.LogEntry{}, l.Err
	}
	for _, e := range l.Entries {
		if e.ID == id {
			return e, nil
		}
	}
	return domain.LogEntry{}, domain.ErrLogNotFound
}

func (l *LogsStub) ListLogs(_ context.Context, filter domain.LogFilter) (domain.LogPage, error) {
	if l.Listing != nil {
		l.Listing(filter)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Filter = filter
	return l.Page, l.Err
}

func (l *LogsStub) ListTaskLog(_ context.Context, task domain.TaskID, skip, limit int) (lines []domain.LogEntry, next int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Asked = []any{task, skip, limit}
	return l.Page.Logs, skip + len(l.Page.Logs), l.Err
}

func (l *LogsStub) ListAnomalies(_ context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Anomalies = filter
	return l.Found, l.Err
}

func (l *LogsStub) GetAnomaly(_ context.Context, id string) (domain.AnomalyHistory, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Asked = []any{id}
	if l.Err == nil && l.History.ID == "" {
		return l.History, domain.ErrAnomalyNotFound
	}
	return l.History, l.Err
}

func (l *LogsStub) ListAnomalyLogs(_ context.Context, id string, limit int, cursor string) (domain.AnomalyLogs, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Asked = []any{id, limit, cursor}
	return l.Behind, l.Err
}

// WorkersStub is a service for workers over a queue in memory, where every failure is one for good.
type WorkersStub struct {
	*memstore.TaskQueue

	Err error // what every call returns, if not nil
	// Claimed is called with the tasks of a claim before it returns, if not nil.
	Claimed  func([]*domain.Task)
	Reports  []ports.RunReport // of the newest call
	Progress *domain.Progress  // of the newest heartbeat
	Logged   map[domain.TaskID][]domain.LogEntry
}

func (s *WorkersStub) LogRun(_ context.Context, task *domain.Task, lines ...domain.LogEntry) error {
	if s.Logged == nil {
		s.Logged = map[domain.TaskID][]domain.LogEntry{}
	}
	s.Logged[task.ID] = append(s.Logged[task.ID], lines...)
	return s.Err
}

func (s *WorkersStub) ClaimTasks(ctx context.Context, _ string, req ports.ClaimRequest) ([]*domain.Task, error) {
	if s.Err != nil {
		return nil, s.Err
	}
	req.Lease = cmp.Or(req.Lease, time.Minute)
	tasks, err := s.Dequeue(ctx, req)
	if s.Claimed != nil {
		s.Claimed(tasks)
	}
	return tasks, err
}

func (s *WorkersStub) ExtendLeases(ctx context.Context, _ string, lease time.Duration, progress *domain.Progress, runs ...ports.RunReport) ([]domain.Lease, error) {
	s.Progress = progress
	leases := make([]domain.Lease, len(runs))
	for i, run := range runs {
		leases[i] = *run.Task.Lease
	}
	if s.Err != nil {
		return nil, s.Err
	}
	return s.ExtendLease(ctx, cmp.Or(lease, time.Minute), leases...)
}

func (s *WorkersStub) ReportRuns(ctx context.Context, _ string, runs ...ports.RunReport) ([]domain.TaskStatus, error) {
	s.Reports = runs
	if s.Err != nil {
		return nil, s.Err
	}
	updates, statuses := make([]ports.TaskUpdate, len(runs)), make([]domain.TaskStatus, len(runs))
	for i, run := range runs {
		updates[i] = ports.TaskUpdate{Lease: *run.Task.Lease, Outcome: ports.OutcomeCompleted, Result: run.Result}
		statuses[i] = domain.TaskStatusCompleted
		if run.Err != nil {
			updates[i].Outcome, statuses[i] = ports.OutcomeFailed, domain.TaskStatusFailed
			updates[i].Failure = domain.TaskError{Reason: domain.ReasonError, Message: run.Err.Error()}
		}
	}
	return statuses, s.UpdateTask(ctx, updates...)
}

func (s *WorkersStub) ReleaseTasks(ctx context.Context, _ string, leases ...domain.Lease) error {
	if s.Err != nil {
		return s.Err
	}
	return s.ReleaseTask(context.WithoutCancel(ctx), leases...)
}

// OperationsStub is a operations service that keeps which queues are paused.
type OperationsStub struct {
	mu         sync.Mutex // guards what calls change
	Queues     map[string]domain.QueueInfo
	Schedulers []domain.SchedulerReport
	Minutes    int // of the newest call for the history
	History    []domain.RunHistoryPoint
	Err        error
}

func (f *OperationsStub) ListQueues(context.Context) ([]domain.QueueInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := slices.SortedFunc(maps.Values(f.Queues), func(a, b domain.QueueInfo) int { return strings.Compare(a.Name, b.Name) })
	return out, f.Err
}

func (f *OperationsStub) PauseQueue(_ context.Context, name string) (domain.QueueInfo, error) {
	return f.set(name, Now)
}

func (f *OperationsStub) ResumeQueue(_ context.Context, name string) (domain.QueueInfo, error) {
	return f.set(name, time.Time{})
}

func (f *OperationsStub) set(name string, pausedAt time.Time) (domain.QueueInfo, error) {
	if err := domain.ValidateName("queue", name); err != nil || f.Err != nil {
		return domain.QueueInfo{}, cmp.Or(f.Err, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	info := f.Queues[name]
	info.Name, info.Paused, info.PausedAt = name, !pausedAt.IsZero(), pausedAt
	f.Queues[name] = info
	return info, nil
}

func (f *OperationsStub) ListSchedulers(context.Context) ([]domain.SchedulerReport, error) {
	return f.Schedulers, f.Err
}

func (f *OperationsStub) GetHistory(_ context.Context, minutes int) ([]domain.RunHistoryPoint, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Minutes = minutes
	return f.History, f.Err
}

// SchedulesStub is a schedule service that keeps schedules in a map, and runs none by
// itself.
type SchedulesStub struct {
	mu      sync.Mutex // guards what calls change
	Records map[string]domain.ScheduleRecord
	Err     error
}

func (s *SchedulesStub) PutSchedule(_ context.Context, def domain.Schedule) (domain.ScheduleRecord, bool, error) {
	table, err := def.Compile(time.LoadLocation, Now)
	if err == nil {
		err = table.MustFire(Now)
	}
	if err = cmp.Or(s.Err, err); err != nil {
		return domain.ScheduleRecord{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, stored := s.Records[def.Name]
	r.Set(def, table, Now)
	s.Records[def.Name] = r
	return r, !stored, nil
}

func (s *SchedulesStub) GetSchedule(_ context.Context, name string) (domain.ScheduleRecord, error) {
	return s.change(name, func(*domain.ScheduleRecord) {})
}

func (s *SchedulesStub) change(name string, do func(r *domain.ScheduleRecord)) (domain.ScheduleRecord, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.Records[name]
	if !ok {
		return r, cmp.Or(domain.ValidateName("name", name), s.Err, domain.ErrScheduleNotFound)
	}
	do(&r)
	s.Records[name] = r
	return r, s.Err
}

func (s *SchedulesStub) ListSchedules(_ context.Context, after string, limit int) (page []domain.ScheduleRecord, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.Records)) {
		if name > after {
			page = append(page, s.Records[name])
		}
	}
	return page[:min(len(page), limit)], len(page) > limit, s.Err
}

func (s *SchedulesStub) DeleteSchedule(ctx context.Context, name string) error {
	_, err := s.GetSchedule(ctx, name)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.Records, name)
	return err
}

func (s *SchedulesStub) PauseSchedule(_ context.Context, name string) (domain.ScheduleRecord, error) {
	return s.change(name, func(r *domain.ScheduleRecord) { r.Pause(Now) })
}

func (s *SchedulesStub) ResumeSchedule(_ context.Context, name string) (domain.ScheduleRecord, error) {
	return s.change(name, func(r *domain.ScheduleRecord) { r.PausedAt = time.Time{} })
}

func (s *SchedulesStub) RunSchedule(_ context.Context, name string, run uuid.UUID) (domain.ScheduleRecord, error) {
	return s.change(name, func(r *domain.ScheduleRecord) {
		if !r.RunNow(run, Now) {
			return
		}
		f := r.Pending[0]
		f.Outcome, f.At = domain.FiringFired, Now
		r.Firings, r.Pending = append(r.Firings, f), nil
	})
}

func (s *SchedulesStub) NextFirings(r domain.ScheduleRecord, n int) []time.Time {
	if r.Paused() {
		return nil
	}
	return slices.Repeat([]time.Time{r.NextTick}, n)
}

// ProbeFunc is a readiness probe.
type ProbeFunc func(context.Context) map[string]error

func (f ProbeFunc) Ready(ctx context.Context) map[string]error { return f(ctx) }

// IdempotentStub keeps the answers to keys in a map.
type IdempotentStub struct {
	mu    sync.Mutex
	Calls map[string]*IdempotentStubCall
}

// IdempotentStubCall is what is known of a key.
type IdempotentStubCall struct {
	Request, Answer string
	Done            bool
}

func (k *IdempotentStub) Do(ctx context.Context, scope, key string, request []byte, run func(context.Context) ([]byte, bool, error)) ([]byte, bool, error) {
	name := scope + "\x00" + key
	k.mu.Lock()
	first, ok := k.Calls[name]
	if !ok {
		k.Calls[name] = &IdempotentStubCall{Request: string(request)}
	}
	k.mu.Unlock()
	switch {
	case ok && first.Request != string(request):
		return nil, false, domain.ErrKeyReused
	case ok && !first.Done:
		return nil, false, domain.ErrKeyInUse
	case ok:
		return []byte(first.Answer), true, nil
	}
	answer, keep, err := run(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil || !keep {
		delete(k.Calls, name)
		return answer, false, err
	}
	k.Calls[name] = &IdempotentStubCall{Request: string(request), Answer: string(answer), Done: true}
	return answer, false, nil
}

// LimitsStub is a limit service that keeps limits in a map.
type LimitsStub struct {
	mu     sync.Mutex // guards what calls change
	Limits map[string]domain.LimitUse
	Err    error
}

func (s *LimitsStub) PutLimit(_ context.Context, limit domain.Limit) (domain.LimitUse, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	use, stored := s.Limits[limit.Name]
	if s.Err != nil {
		return use, false, s.Err
	}
	use.Limit = limit
	s.Limits[limit.Name] = use
	return use, !stored, nil
}

func (s *LimitsStub) GetLimit(_ context.Context, name string) (domain.LimitUse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	use, stored := s.Limits[name]
	if !stored {
		return use, cmp.Or(s.Err, domain.ErrLimitNotFound)
	}
	return use, s.Err
}

func (s *LimitsStub) ListLimits(context.Context) (out []domain.LimitUse, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.Limits)) {
		out = append(out, s.Limits[name])
	}
	return out, s.Err
}

func (s *LimitsStub) DeleteLimit(ctx context.Context, name string) error {
	_, err := s.GetLimit(ctx, name)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.Limits, name)
	return err
}
