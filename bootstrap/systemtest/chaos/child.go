package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"logsift/adapters/redisstore"
	"logsift/adapters/sqlitestore"
	"logsift/application"
	"logsift/bootstrap"
	"logsift/domain"
	"logsift/ports"
)

// The roles of children.
const (
	RoleServe  = "serve"
	RoleWorker = "worker"
	// RoleBoth serves and works on tasks of PlanType, on any store.
	RoleBoth = "both"
)

// PlanType is the type of tasks that a process of RoleBoth runs as their payload says.
const PlanType domain.TaskType = "plan"

// ChildConfig says what a child is.
type ChildConfig struct {
	Role string `json:"role"`
	// Name is that of the process, with the number of its start in the child.
	Name string `json:"name"`
	// Dir is where it writes its files.
	Dir string `json:"dir"`
	// Store is the URL of Redis, of the proxy before it, or of a file, and Partitions is over
	// how many partitions its queue is spread, 0 for one.
	Store      string   `json:"store"`
	Partitions int      `json:"partitions,omitempty"`
	Settings   Settings `json:"settings"`
	// SQLite is whether Store is a file of sqlitestore.
	SQLite bool `json:"sqlite,omitempty"`
	// Types are those that a worker runs, those of log lines if there are none.
	Types []domain.TaskType `json:"types,omitempty"`
	// Skew moves the clock that a worker gives to the scripts. It is a mutant: the
	// product always uses that of Redis.
	Skew time.Duration `json:"skew,omitempty"`
	// Program is what runs with Args instead of this binary, if it is set: a build of
	// the whole program, whose command listens.
	Program string   `json:"-"`
	Args    []string `json:"-"`
}

// Settings are those of the product that the judge has to know.
type Settings struct {
	Lease         time.Duration `json:"lease"`
	Retention     time.Duration `json:"retention"`
	MaxRecoveries int           `json:"max_recoveries"`
	// Slots is how many tasks a worker runs at once.
	Slots int `json:"slots"`
}

// batchAge is for how long a batch of log lines waits for more.
const batchAge = 500 * time.Millisecond

// retryBase is the delay of retries, which has to be short to see many.
const retryBase = 300 * time.Millisecond

func (s Settings) retry() domain.RetryPolicy {
	return domain.RetryPolicy{Kind: domain.RetryFixed, Base: retryBase, Jitter: 0.3}
}

// ChildMain is the main function of a child. TestMain gives it to proc.ChildMain.
func ChildMain(raw []byte) int {
	var config ChildConfig
	if err := json.Unmarshal(raw, &config); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM) //nolint:forbidigo // This is the main function of the child.
	defer stop()
	// The driver holds the other end of the standard input and writes nothing.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	run := map[string]func(context.Context, ChildConfig) error{RoleServe: serve, RoleBoth: serve, RoleWorker: work}[config.Role]
	err := run(ctx, config)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "chaos:", err)
	if errors.Is(err, errNotStarted) {
		return exitNotStarted
	}
	return 1
}

var errNotStarted = errors.New("not started")

func ready(addr string) { fmt.Println(readyWord + addr) }

// callTimeout is that of bootstrap for the same lease.
func (s Settings) callTimeout() time.Duration { return min(5*time.Second, s.Lease/2) }

// openRuns makes the file of the process's runs.
func openRuns(config ChildConfig) (*os.File, error) {
	return os.OpenFile(filepath.Join(config.Dir, config.Name+".runs"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// serve is the program's serve, without workers unless they are asked for.
func serve(ctx context.Context, config ChildConfig) error {
	c := bootstrap.DefaultConfig()
	c.Store, c.Addr, c.Workers = config.Store, "127.0.0.1:0", 0
	c.Partitions = max(1, config.Partitions)
	c.Lease, c.TaskRetention, c.MaxRecoveries = config.Settings.Lease, config.Settings.Retention, config.Settings.MaxRecoveries
	c.BatchAge = batchAge
	c.DrainTimeout, c.LogLevel, c.LogFormat = 5*time.Second, "warn", "json"
	if config.Role == RoleBoth {
		runs, err := openRuns(config)
		if err != nil {
			return err
		}
		defer func() { _ = runs.Close() }() // Each line is one write.
		c.Workers, c.Retry = config.Settings.Slots, config.Settings.retry()
		c.Processors = map[domain.TaskType]ports.TaskProcessor{PlanType: newProcessor(config.Name, runs, nil)}
	}
	app, err := bootstrap.New(ctx, c)
	if err != nil {
		return errors.Join(errNotStarted, err)
	}
	return app.Run(ctx, nil, ready)
}

// workerStore is what a worker needs of a store.
type workerStore interface {
	ports.TaskQueue
	ports.RunTracker
	ports.LogRepository
	Close() error
}

func openStore(ctx context.Context, config ChildConfig) (workerStore, error) {
	if config.SQLite {
		return sqlitestore.Open(ctx, config.Store, sqlitestore.Config{})
	}
	c := redisstore.Config{URL: config.Store, Partitions: config.Partitions, CallTimeout: config.Settings.callTimeout()}
	if config.Skew != 0 {
		c.ClockOffset = func() time.Duration { return config.Skew }
	}
	return redisstore.Open(ctx, c)
}

// work is the program's worker, with a processor that does as the tasks ask, and
// with the recording decorator.
func work(ctx context.Context, config ChildConfig) error {
	client, err := openStore(ctx, config)
	if err != nil {
		return errors.Join(errNotStarted, err)
	}
	defer func() { _ = client.Close() }()
	recorder, err := NewRecorder(config.Dir, config.Name)
	if err != nil {
		return err
	}
	runs, err := openRuns(config)
	if err != nil {
		return err
	}
	logging := zap.NewProductionConfig()
	logging.Level = zap.NewAtomicLevelAt(zap.WarnLevel)
	logger, err := logging.Build()
	if err != nil {
		return err
	}
	scheduler, err := application.NewScheduler(&Recorded{TaskQueue: client, Recorder: recorder}, application.SchedulerConfig{
		Workers: config.Settings.Slots, Lease: config.Settings.Lease, RetryPolicy: config.Settings.retry(),
		MaxRecoveries: config.Settings.MaxRecoveries, Retention: config.Settings.Retention,
		Ageing: time.Duration(os.Getpid()%2) * time.Second, // Some do.
		Runs:   client, PurgeInterval: 500 * time.Millisecond, TimeoutGrace: 500 * time.Millisecond,
	}, logger)
	if err != nil {
		return err
	}
	processor := newProcessor(config.Name, runs, client)
	for _, typ := range append(config.Types, domain.TaskTypeLogAnalysis) {
		if err := scheduler.RegisterProcessor(typ, processor); err != nil {
			return err
		}
	}
	if err := scheduler.Start(ctx); err != nil {
		return err
	}
	ready("")
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return scheduler.Stop(stopping)
}

// processor does what the plan of a task says, or analyses the log lines of a task
// that has none, and writes when it starts and ends to its own file.
type processor struct {
	name  string
	lines *application.LogAnalysisProcessor

	mu   sync.Mutex // guards the file and analysed; lines must not mix
	file io.Writer
	// analysed are the lines of each task that were looked at.
	analysed map[domain.TaskID][]string
}

func newProcessor(name string, file io.Writer, logs ports.LogRepository) *processor {
	p := &processor{name: name, file: file, analysed: map[domain.TaskID][]string{}}
	p.lines = application.NewLogAnalysisProcessor(logs, p, nil)
	return p
}

// Analyze implements ports.LogAnalyzer. It finds nothing.
func (p *processor) Analyze(_ context.Context, req domain.AnalysisRequest) (domain.AnalysisResult, error) {
	var ids []string
	for _, l := range req.Logs {
		ids = append(ids, l.ID.String())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.analysed[req.TaskID] = ids
	return domain.AnalysisResult{Analyzer: "builtin", AnalysedCount: len(ids), Anomalies: []domain.Anomaly{}}, nil
}

func (p *processor) write(l runLine) {
	l.T = time.Now().UnixNano()
	line, err := json.Marshal(l)
	if err != nil {
		panic(err) // A struct of strings and numbers always marshals.
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.file.Write(append(line, '\n')); err != nil {
		panic(err)
	}
}

// Process implements ports.TaskProcessor.
func (p *processor) Process(ctx context.Context, task *domain.Task) ([]byte, error) {
	return p.process(ctx, task, "")
}

// ProcessGroup implements ports.GroupProcessor: it does as each of the tasks asks.
func (p *processor) ProcessGroup(ctx context.Context, tasks []*domain.Task) []ports.TaskResult {
	together := uuid.NewString()
	results := make([]ports.TaskResult, len(tasks))
	var running sync.WaitGroup
	for i, task := range tasks {
		running.Go(func() {
			results[i].Result, results[i].Err = p.process(application.MemberContext(ctx, i), task, together)
		})
	}
	running.Wait()
	return results
}

func (p *processor) process(ctx context.Context, task *domain.Task, together string) ([]byte, error) {
	l := runLine{Task: task.ID.String(), Together: together}
	if task.Lease != nil {
		l.Claim, l.Fence = task.Lease.ClaimID.String(), task.Lease.Delivery
	}
	p.write(l)
	l.Ended = true
	plan := planOf(task.Payload)
	if plan.token == batchToken {
		result, err := p.lines.Process(ctx, task)
		if err == nil {
			l.Result = string(result)
		}
		p.mu.Lock()
		l.Logs = p.analysed[task.ID]
		p.mu.Unlock()
		p.write(l)
		return result, err
	}
	var err error
	if l.Before, err = predecessors(ctx, task); err != nil {
		p.write(l)
		return nil, domain.Snooze(retryBase)
	}
	timer := time.NewTimer(time.Duration(plan.Millis) * time.Millisecond)
	defer timer.Stop()
	ended := ctx.Done()
	if plan.Deaf {
		ended = nil
	}
	select {
	case <-timer.C:
	case <-ended:
		p.write(l)
		return nil, ctx.Err()
	}
	if task.Deliveries <= plan.Snoozes {
		p.write(l)
		return nil, domain.Snooze(retryBase)
	}
	if task.Attempt < plan.Failures {
		p.write(l)
		if task.Attempt < plan.Panics {
			panic("the plan of the task says so")
		}
		return nil, errors.New("the plan of the task says so")
	}
	if plan.Permanent || plan.Without != "" && !exists(plan.Without) {
		p.write(l)
		return nil, domain.Permanent(errors.New("the plan of the task says so"))
	}
	l.Result = fmt.Sprintf(`{"by":%q,"fence":%d,"claim":%q}`, p.name, l.Fence, l.Claim)
	p.write(l)
	return []byte(l.Result), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// predecessors are the states of the tasks that a task waited for, in their order.
func predecessors(ctx context.Context, task *domain.Task) ([]domain.TaskStatus, error) {
	if task.Workflow == nil {
		return nil, nil
	}
	var out []domain.TaskStatus
	for page := (ports.PlacePage{Limit: ports.MaxNodePage}); ; {
		found, err := application.Predecessors(ctx, page)
		if err != nil {
			return nil, err
		}
		for _, p := range found.Predecessors {
			out = append(out, p.Status)
		}
		if page.From = found.Next; found.Next == 0 {
			return out, nil
		}
	}
}
