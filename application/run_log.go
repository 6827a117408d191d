package application

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"logsift/domain"
	"logsift/ports"
)

// Bounds of the log of a run. How many lines of it were dropped is its last line.
const (
	// MaxRunLines is how many lines of a run are kept. MaxTaskLines is how many a task has when no
	// more are kept, of any run.
	MaxRunLines  = 2_000
	MaxTaskLines = 10_000
	// MaxRunLine is in bytes; a longer line is cut.
	MaxRunLine = 8 << 10
	// maxRunAttributes is how many attributes of a line are kept, beside those that name the run.
	maxRunAttributes = 32
	// maxUnsavedLines bounds the bytes that a process holds of lines which the store has not
	// taken.
	maxUnsavedLines = 16 << 20
	// runLogPause is between two saves of a process, and how long lines wait for others.
	runLogPause = 250 * time.Millisecond
	// runLogCalls is how many tasks' lines are saved at the same time.
	runLogCalls = 16
)

// runLogLine returns a line of a run as a log entry, false if it is empty. Its source is
// "task:TYPE", and it belongs to the batch of the task's id.
func runLogLine(task *domain.Task, level domain.LogLevel, message string, attributes map[string]string) (domain.LogEntry, bool) {
	message = strings.ToValidUTF8(strings.TrimRight(message, " \t\r\n"), "\uFFFD")
	if strings.TrimSpace(message) == "" {
		return domain.LogEntry{}, false
	}
	e := domain.LogEntry{
		Level: level, Source: RunLogSource(task.Type), Message: domain.CutString(message, MaxRunLine),
		Attributes: make(map[string]string, len(attributes)+2),
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if name != "" && len(e.Attributes) < maxRunAttributes {
			e.Attributes[domain.CutString(strings.ToValidUTF8(name, "\uFFFD"), domain.MaxLogSource)] =
				domain.CutString(strings.ToValidUTF8(attributes[name], "\uFFFD"), domain.MaxLogAttribute)
		}
	}
	e.Attributes["task_id"], e.Attributes["attempt"] = task.ID.String(), strconv.Itoa(task.Attempt+1)
	return e, true
}

// RunLogSource is the source of the lines that runs of tasks of a type log.
func RunLogSource(taskType domain.TaskType) string { return "task:" + string(taskType) }

// Log adds a line to the log of the run that ctx, the context of a processor, is of. It
// returns at once and never fails: the line is stored within about a second, among the log entries, of
// the source "task:TYPE" with the attributes task_id and attempt, and stands on the page of the task. It is not
// analysed. [MaxRunLines] and [MaxRunLine] bound what is kept. Without a run, in one
// of a log analysis, and where the scheduler has no SchedulerConfig.RunLog, it does nothing.
func Log(ctx context.Context, level domain.LogLevel, message string, attributes map[string]string) {
	if current, ok := ctx.Value(runKey{}).(currentRun); ok && current.runLogs != nil {
		for _, r := range current.runs() {
			current.runLogs.add(r, time.Now(), level, message, attributes)
		}
	}
}

// runLog is what a run has logged.
type runLog struct {
	task domain.Task
	// unsaved are the lines that the store has not taken. The saver's lock guards them and the fields below.
	unsaved       []domain.LogEntry
	kept, dropped int
	// full is whether the task has as many lines as are kept of it, or its log was closed.
	full bool
	// counted is whether it is known how many lines the task has.
	counted bool
	// ended is whether the processor has returned.
	ended bool
}

// endedLog is the log of all runs that have ended and logged nothing.
var endedLog = &runLog{ended: true}

// runLogSaver saves what runs log, that of all runs of a process.
type runLogSaver struct {
	*DefaultScheduler

	changed chan struct{} // has an item when there is something new

	mu    sync.Mutex // guards the fields below
	bytes int        // of all lines that are not saved
	logs  []*runLog  // those that have such lines, each once
}

func (s *runLogSaver) add(r *run, at time.Time, level domain.LogLevel, message string, attributes map[string]string) {
	if r.info.Type == domain.TaskTypeLogAnalysis {
		return
	}
	l := s.reserve(r)
	if l == nil {
		return
	}
	entry, ok := runLogLine(&l.task, level, message, attributes)
	if !ok {
		return
	}
	entry.ID, entry.Timestamp = s.cfg.NewID(), at
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(l, entry)
}

// reserve returns the log of a run if that takes one line more.
func (s *runLogSaver) reserve(r *run) *runLog {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.log == nil {
		r.log = &runLog{task: domain.Task{ID: r.info.ID, Type: r.info.Type, Attempt: r.info.Attempt}, counted: r.info.Deliveries <= 1}
	}
	l := r.log
	switch {
	case l.ended:
		return nil
	case l.full || l.kept >= MaxRunLines || s.bytes >= maxUnsavedLines:
		l.dropped++
		return nil
	}
	l.kept++
	return l
}

// put adds an entry to those that are to be saved. Callers hold mu.
func (s *runLogSaver) put(l *runLog, entries ...domain.LogEntry) {
	if len(l.unsaved) == 0 {
		s.logs = append(s.logs, l)
	}
	for i := range entries {
		s.bytes += runLogSize(&entries[i])
	}
	l.unsaved = append(l.unsaved, entries...)
	notify(s.changed)
}

func runLogSize(e *domain.LogEntry) int {
	n := len(e.Message) + len(e.Source)
	for k, v := range e.Attributes {
		n += len(k) + len(v)
	}
	return n
}

// end adds the last line of a run that has lost some, and takes no more of it. Nobody keeps
// lines if s is nil.
func (s *runLogSaver) end(r *run) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.log == nil {
		r.log = endedLog
	}
	l := r.log
	if l.ended {
		return
	}
	l.ended = true
	if l.dropped > 0 && !l.full {
		s.put(l, s.lastLine(l))
	}
}

func (s *runLogSaver) lastLine(l *runLog) domain.LogEntry {
	entry, _ := runLogLine(&l.task, domain.LogLevelWarn, fmt.Sprintf("%d more lines were dropped: %d of a run are kept, and no more than the store takes in time", l.dropped, MaxRunLines), nil)
	entry.ID, entry.Timestamp = s.cfg.NewID(), time.Now()
	return entry
}

// run saves lines until stop ends, and what there is then, while calls lasts.
func (s *runLogSaver) run(stop, calls context.Context) {
	for {
		select {
		case <-s.changed:
		case <-stop.Done():
			s.save(calls)
			return
		}
		if !sleep(stop, runLogPause) {
			s.save(calls)
			return
		}
		if !s.save(calls) {
			notify(s.changed)
			sleep(stop, progressPause)
		}
	}
}

// save saves all lines that there are, and reports whether the store took them.
func (s *runLogSaver) save(ctx context.Context) bool {
	s.mu.Lock()
	logs := s.logs
	s.logs = nil
	s.mu.Unlock()
	if len(logs) == 0 {
		return true
	}
	errs := make([]error, len(logs))
	var wg sync.WaitGroup
	for first := range min(runLogCalls, len(logs)) {
		wg.Go(func() {
			for i := first; i < len(logs); i += runLogCalls {
				errs[i] = s.saveOne(ctx, logs[i])
			}
		})
	}
	wg.Wait()
	return s.noteStore(ctx, "SaveLogs", errors.Join(errs...))
}

// saveOne saves the lines of one run. Lines that the store does not take now are kept.
func (s *runLogSaver) saveOne(ctx context.Context, l *runLog) error {
	s.mu.Lock()
	lines, counted := l.unsaved, l.counted
	l.unsaved = nil
	s.mu.Unlock()
	size := 0
	for i := range lines {
		size += runLogSize(&lines[i])
	}
	call, cancel := context.WithTimeout(ctx, callTimeout+ports.TransferTime(size))
	defer cancel()
	var count int
	var err error
	if !counted {
		count, err = s.cfg.RunLog.SaveLogs(call, l.task.ID)
	}
	if err == nil && count < MaxTaskLines {
		count, err = s.cfg.RunLog.SaveLogs(call, l.task.ID, lines...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes -= size
	switch {
	case err == nil:
		l.counted = true
		if count >= MaxTaskLines {
			l.full = true
		}
		return nil
	case errors.Is(err, domain.ErrBatchClosed) || errors.Is(err, domain.ErrInvalid):
		// Somebody had the log analysed, which takes no more lines.
		s.logger.Debug("log of a task takes no more lines", zap.Stringer("task_id", l.task.ID), zap.Error(err))
		l.full = true
		return nil
	}
	newer := l.unsaved
	l.unsaved = nil
	if len(newer) > 0 {
		// It is among the logs already, and put adds it once.
		s.logs = slices.DeleteFunc(s.logs, func(other *runLog) bool { return other == l })
		for i := range newer {
			s.bytes -= runLogSize(&newer[i])
		}
	}
	s.put(l, append(lines, newer...)...)
	return err
}

// RunLogPurger is a TaskPurger that removes what runs have logged, for a store whose log
// entries nobody else looks after.
type RunLogPurger struct{ Logs ports.LogStore }

// PurgeTasks removes the lines of the tasks.
func (p RunLogPurger) PurgeTasks(ctx context.Context, ids ...domain.TaskID) (more bool, err error) {
	if len(ids) == 0 {
		return false, nil
	}
	return false, p.Logs.DeleteBatches(ctx, ids...)
}

// workerLineSpace is the namespace of the ids of lines of workers of other programs.
var workerLineSpace = uuid.MustParse("5f0e6b0a-9f0b-4c38-9d1f-2a8d2c5f7e61")

// LogRun adds lines to the log of a run of a worker: Timestamp, Level and Message of each are
// read. A line that has a Timestamp and is sent again is stored once.
func (s *WorkerService) LogRun(ctx context.Context, task *domain.Task, lines ...domain.LogEntry) error {
	if s.cfg.RunLog == nil || task.Type == domain.TaskTypeLogAnalysis {
		return nil
	}
	var entries []domain.LogEntry
	for _, given := range lines {
		entry, ok := runLogLine(task, given.Level, given.Message, given.Attributes)
		if !ok {
			continue
		}
		entry.ID, entry.Timestamp = uuid.Must(uuid.NewV7()), given.Timestamp
		if !entry.Timestamp.IsZero() {
			key := fmt.Sprintf("%s %d %d %s", task.ID, task.Lease.Delivery, entry.Timestamp.UnixMicro(), entry.Message)
			entry.ID = uuid.NewSHA1(workerLineSpace, []byte(key))
		}
		entries = append(entries, entry)
	}
	if len(entries) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	count, err := s.cfg.RunLog.SaveLogs(ctx, task.ID)
	if err != nil || count >= MaxTaskLines {
		return err
	}
	_, err = s.cfg.RunLog.SaveLogs(ctx, task.ID, entries...)
	if errors.Is(err, domain.ErrBatchClosed) {
		return nil
	}
	return err
}
