package application

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"logsift/domain"
)

const (
	// registerInterval is how often a scheduler looks at itself and reports what has
	// changed; registerAtLeast is how often it reports in any case; registrationTTL is
	// how long a report lasts, so that two may be lost on the way.
	registerInterval = 2 * time.Second
	registerAtLeast  = 10 * time.Second
	registrationTTL  = 30 * time.Second
	// unregisterTimeout bounds what Stop takes to tell the store that the scheduler is
	// gone, and what it counted: the report ends by itself, and nothing else waits
	// for either.
	unregisterTimeout = 2 * time.Second
)

// ProcessInfo tells other processes which one this is.
type ProcessInfo struct {
	Host    string
	PID     int
	Version string
}

// GetRunningTasks returns the tasks that the scheduler works on now, those that run
// longest first, at most domain.MaxRunningReported. One whose processor is stuck is
// not among them: its run has failed.
func (s *DefaultScheduler) GetRunningTasks() []domain.RunningTask {
	running := s.leases.running()
	slices.SortFunc(running, func(a, b domain.RunningTask) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), strings.Compare(a.TaskID.String(), b.TaskID.String()))
	})
	return running[:min(len(running), domain.MaxRunningReported)]
}

// reportOf is what the scheduler reports of itself.
func (s *DefaultScheduler) reportOf() domain.SchedulerReport {
	stats := s.GetSchedulerStats()
	stats.LastStoreError = reportText(stats.LastStoreError)
	stats.TaskTypes = stats.TaskTypes[:min(len(stats.TaskTypes), domain.MaxReportList)]
	p := s.cfg.Process
	return domain.SchedulerReport{
		ID: s.id, Host: reportText(p.Host), PID: p.PID, Version: reportText(p.Version),
		Queues: s.cfg.Queues[:min(len(s.cfg.Queues), domain.MaxReportList)],
		Stats:  stats, Running: s.GetRunningTasks(),
	}
}

// reportText is a text as a report may hold it.
func reportText(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), domain.MaxReportText)], "")
}

// register tells the registry of the scheduler until ctx ends. Where the store fails
// that harms nothing: the next look reports anew.
func (s *DefaultScheduler) register(ctx context.Context) {
	var told domain.SchedulerReport
	var at time.Time // zero if nothing was told yet
	for {
		now := s.reportOf()
		if at.IsZero() || time.Since(at) >= registerAtLeast || !reflect.DeepEqual(now, told) {
			call, cancel := context.WithTimeout(ctx, callTimeout)
			begin := time.Now()
			seen, err := s.cfg.Registry.ReportScheduler(call, now, registrationTTL)
			cancel()
			if s.noteStore(ctx, "ReportScheduler", err) {
				told, at = now, begin
				s.clock.learn(seen, begin, time.Now())
			}
		}
		// Processes that were started together do not report in step.
		if !sleep(ctx, registerInterval+time.Duration(s.cfg.Random()*float64(registerInterval/4))) {
			return
		}
	}
}

// serveWorkers looks after the workers of other programs until ctx ends, and then has the
// registry forget them.
func (s *DefaultScheduler) serveWorkers(ctx, calls context.Context) {
	served, p := s.cfg.Served, s.cfg.Process
	for sleep(ctx, registerInterval+time.Duration(s.cfg.Random()*float64(registerInterval/4))) {
		s.noteStore(ctx, "UpdateTask", served.endOverdue(ctx))
		if s.cfg.Registry == nil {
			continue
		}
		for _, r := range served.book.tell() {
			r.Host, r.PID, r.Version = reportText(p.Host), p.PID, reportText(p.Version)
			call, cancel := context.WithTimeout(ctx, callTimeout)
			_, err := s.cfg.Registry.ReportScheduler(call, r.SchedulerReport, r.ttl)
			cancel()
			if !s.noteStore(ctx, "ReportScheduler", err) {
				served.book.untold(r.Worker)
			}
		}
	}
	if s.cfg.Registry == nil {
		return
	}
	call, cancel := context.WithTimeout(calls, unregisterTimeout)
	defer cancel()
	for _, id := range served.book.ids() {
		s.noteStore(calls, "RemoveScheduler", s.cfg.Registry.RemoveScheduler(call, id))
	}
}

// unregister has the registry forget the scheduler.
func (s *DefaultScheduler) unregister(ctx context.Context) {
	call, cancel := context.WithTimeout(ctx, unregisterTimeout)
	defer cancel()
	s.noteStore(ctx, "RemoveScheduler", s.cfg.Registry.RemoveScheduler(call, s.id))
}

// keepHistory merges what the history counted into the store, until ctx ends and then
// once more. sampled is whether it counts what waits and runs, too.
func (s *DefaultScheduler) keepHistory(ctx, calls context.Context, sampled bool) {
	// The first comes soon, so that there is something to see.
	for wait := registerInterval; sleep(ctx, wait); wait = historyInterval + time.Duration(s.cfg.Random()*float64(historyInterval/4)) {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		if sampled {
			stats, err := s.queue.GetQueueStats(call)
			if s.noteStore(ctx, "GetQueueStats", err) {
				s.cfg.History.sample(stats)
			}
		}
		s.noteStore(ctx, "SaveDocument", s.cfg.History.Flush(call))
		cancel()
	}
	call, cancel := context.WithTimeout(calls, unregisterTimeout)
	defer cancel()
	s.noteStore(calls, "SaveDocument", s.cfg.History.Flush(call))
}

// storeClock is the store's clock as far as this process knows it: its own, moved by
// what they differed when the store last told its time. Until then it is its own.
type storeClock struct {
	mu     sync.Mutex // guards the fields below
	offset time.Duration
	told   bool
}

// learn notes that the store said seen some time between begin and end.
func (c *storeClock) learn(seen, begin, end time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset, c.told = seen.Sub(begin.Add(end.Sub(begin)/2)), true
}

// known reports whether the store has told its time.
func (c *storeClock) known() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.told
}

func (c *storeClock) now() time.Time { return c.at(time.Now()) }

// at is what the store's clock shows at a time of this process.
func (c *storeClock) at(t time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return t.Add(c.offset).UTC()
}
