package fault_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"logsift/adapters/redisstore"
	"logsift/application"
	"logsift/bootstrap"
	"logsift/domain"
)

// Roles of a child.
const (
	roleWorker = "worker" // a scheduler on a Redis
	roleApp    = "app"    // the whole product
)

// childConfig is what a child is to be.
type childConfig struct {
	Role string
	// Name is what a worker signs its results with.
	Name string
	// The store and the scheduler of a worker.
	URL, Namespace string
	Offset         time.Duration
	Workers        int
	Lease          time.Duration
	Drain          time.Duration
	// Quick makes all tasks complete at once, whatever they ask for.
	Quick bool
	// App configures a product.
	App *bootstrap.Config
}

// order is a line to a child.
type order struct {
	N  int
	Do string // stats, release
}

// event is a line from a child.
type event struct {
	// N is that of the order that is answered.
	N    int    `json:",omitempty"`
	Kind string // ready, answer, start, end, cancelled, failed
	Text string `json:",omitempty"`
	Task string `json:",omitempty"`
	// Delivery is that of the task.
	Delivery int `json:",omitempty"`
	Stats    domain.SchedulerStats
	// CPU is what the process has used, Goroutines how many it has.
	CPU        time.Duration
	Goroutines int

	// At is when it happened, by the clock that all processes of a machine share.
	At time.Time
}

// taskType is the type of the tasks that workers run.
const taskType domain.TaskType = "fault"

// work is the payload of a task.
type work struct {
	Do string
	// For is how long.
	For time.Duration
}

// What a task can do.
const (
	doNothing = ""      // complete
	doSleep   = "sleep" // complete after For
	doHold    = "hold"  // complete when the child is ordered to release, or fail with the context
	doExit    = "exit"  // end the process after For
	doAlloc   = "alloc" // take more memory than there is, after For
)

// child is a running worker process.
type child struct {
	config  childConfig
	queue   *redisstore.TaskQueue
	release chan struct{}
	stats   func() domain.SchedulerStats
}

var stdout sync.Mutex // lines of children must not mix

// tell writes an event. A child whose parent is gone has nobody to tell.
func tell(e event) {
	e.At = time.Now()
	line, err := json.Marshal(e)
	if err != nil {
		panic(err) // A struct of plain fields always marshals.
	}
	stdout.Lock()
	defer stdout.Unlock()
	_, _ = os.Stdout.Write(append(line, '\n'))
}

// childMain is the main function of all children.
func childMain(raw []byte) int {
	var config childConfig
	if err := json.Unmarshal(raw, &config); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	// One signal to drain, and a second to stop at once, as the program has it.
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // This is a main function.
	defer cancel()
	force := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		close(force)
	}()
	c := &child{config: config, release: make(chan struct{}), stats: func() domain.SchedulerStats { return domain.SchedulerStats{} }}
	main := map[string]func(context.Context, <-chan struct{}) error{
		roleWorker: c.runWorker, roleApp: c.runApp,
	}[config.Role]
	if err := main(ctx, force); err != nil {
		tell(event{Kind: "failed", Text: err.Error()})
		return 1
	}
	return 0
}

// obey carries orders out until there are no more, which ends the process: the
// test is gone.
func (c *child) obey() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			break
		}
		if o.Do == "release" {
			close(c.release)
		}
		tell(event{Kind: "answer", N: o.N, Stats: c.stats(), CPU: cpuTime(), Goroutines: runtime.NumGoroutine()})
	}
	os.Exit(9)
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	// It cannot fail for the process itself.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// open opens the store, again if a call takes too long, as it may where the lease is
// short and the machine busy.
func (c *child) open(ctx context.Context) (client *redisstore.Client, err error) {
	for range 10 {
		client, err = redisstore.Open(ctx, redisstore.Config{
			URL: c.config.URL, Namespace: c.config.Namespace, CallTimeout: min(5*time.Second, c.config.Lease/2),
			ClockOffset: func() time.Duration { return c.config.Offset },
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			return client, err
		}
	}
	return client, err
}

func (c *child) runWorker(ctx context.Context, _ <-chan struct{}) error {
	client, err := c.open(ctx)
	if err != nil {
		return err
	}
	c.queue = client.TaskQueue
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(os.Stderr), zap.InfoLevel))
	scheduler, err := application.NewScheduler(c.queue, application.SchedulerConfig{
		Workers: c.config.Workers, Maintain: true, Lease: c.config.Lease,
	}, logger)
	if err != nil {
		return err
	}
	if err := scheduler.RegisterProcessor(taskType, c); err != nil {
		return err
	}
	if err := scheduler.Start(ctx); err != nil {
		return err
	}
	c.stats = scheduler.GetSchedulerStats
	go c.obey()
	tell(event{Kind: "ready"})
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.config.Drain)
	defer cancel()
	err = scheduler.Stop(stop)
	return errors.Join(err, client.Close())
}

// Process implements ports.TaskProcessor.
func (c *child) Process(ctx context.Context, task *domain.Task) ([]byte, error) {
	what := event{Task: task.ID.String(), Delivery: task.Deliveries}
	say := func(kind, text string) {
		e := what
		e.Kind, e.Text = kind, text
		tell(e)
	}
	say("start", "")
	var w work
	if err := json.Unmarshal(task.Payload, &w); err != nil {
		return nil, domain.Permanent(err)
	}
	if c.config.Quick {
		w = work{}
	}
	timer := time.NewTimer(w.For)
	defer timer.Stop()
	// What a task never waits for is nil.
	timeUp, released := timer.C, (<-chan struct{})(nil)
	if w.Do == doHold {
		timeUp, released = nil, c.release
	}
	select {
	case <-timeUp:
	case <-released:
	case <-ctx.Done():
		say("cancelled", context.Cause(ctx).Error())
		return nil, ctx.Err()
	}
	switch w.Do {
	case doExit:
		os.Exit(3)
	case doAlloc:
		var limit syscall.Rlimit
		_ = syscall.Getrlimit(syscall.RLIMIT_AS, &limit)
		limit.Cur = 1 // There is no more than what it has.
		_ = syscall.Setrlimit(syscall.RLIMIT_AS, &limit)
		hog := make([]byte, 2<<30)
		hog[0] = 1
		runtime.KeepAlive(hog)
	}
	say("end", "")
	return json.Marshal(c.config.Name)
}

func (c *child) runApp(ctx context.Context, force <-chan struct{}) error {
	app, err := bootstrap.New(ctx, *c.config.App)
	if err != nil {
		return err
	}
	go c.obey()
	return app.Run(ctx, force, func(addr string) { tell(event{Kind: "ready", Text: addr}) })
}
