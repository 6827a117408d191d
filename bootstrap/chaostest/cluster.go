package chaostest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"logsift/adapters/redisstore"
	"logsift/domain"
	"logsift/ports"
)

// Redis is what a cluster works on: one server, or a group of them. Its functions
// end the test if they fail.
type Redis struct {
	// URL is where clients find it, and Partitions is over how many partitions the
	// queue is spread, 0 for one.
	URL        string
	Partitions int
	// Nodes are the addresses of all that hold data.
	Nodes []string
	// Server is the one server, which may be broken and have proxies before it. It
	// is nil for a group: its clients go to the addresses that its nodes tell.
	Server Server
	// KillMaster ends the master of a group, and AwaitMaster returns once another
	// has taken over and the group is whole. Both are nil where none is to die.
	KillMaster, AwaitMaster func()
}

// Server is a redis-server that can be broken.
type Server interface {
	Addr() string
	Kill()
	Restart()
	Pause()
	Resume()
}

// Options say how a cluster is set up and what is asked of it.
type Options struct {
	Seed     uint64
	Settings Settings
	Load     Load
	// Length is how long the load and the faults last.
	Length time.Duration
	// DrainLimit bounds the drain.
	DrainLimit time.Duration
	// Plan is what is broken; nil is NewPlan's.
	Plan Plan
	// Skew moves the clocks of the workers apart, each by so much more than the
	// one before it, the first by so much the other way. It is a mutant.
	Skew time.Duration
}

// DefaultSettings are those of a chaos run: short, so that much happens.
func DefaultSettings() Settings {
	return Settings{Lease: 2 * time.Second, Retention: 24 * time.Hour, MaxRecoveries: 5, Slots: 8}
}

const (
	serves  = 2
	workers = 4
	// drainPoll is how often the queue is looked at while it drains.
	drainPoll = 100 * time.Millisecond
)

// Cluster is the running system.
type Cluster struct {
	options Options
	dir     string
	redis   Redis
	proxies *Proxies
	procs   map[string]*Process
	targets Targets
	history *Recorder
	client  *Client
	// began is when the plan began.
	began time.Time
	// died is when a master did.
	died Moment
}

// NewCluster starts the processes, whose files are in dir, and waits until they
// are ready. Close it.
func NewCluster(dir string, redis Redis, options Options) (c *Cluster, err error) {
	c = &Cluster{options: options, dir: dir, redis: redis, procs: map[string]*Process{}}
	c.targets.MasterDies = redis.KillMaster != nil
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if redis.Server != nil {
		if c.proxies, err = NewProxies(dir); err != nil {
			return nil, err
		}
	}
	for i := range serves {
		// The last one has no proxy; see NewClient.
		if err := c.add(RoleServe, i, i < serves-1, 0); err != nil {
			return nil, err
		}
	}
	for i := range workers {
		if err := c.add(RoleWorker, i, i%2 == 0, options.Skew*time.Duration(2*i-1)); err != nil {
			return nil, err
		}
	}
	for _, p := range c.procs {
		if err := p.AwaitReady(); err != nil {
			return nil, err
		}
	}
	if c.history, err = NewRecorder(dir, "client"); err != nil {
		return nil, err
	}
	c.client = NewClient(c.history, options.Load, options.Seed, c.procs["serve-1"], c.procs["serve-2"])
	return c, nil
}

// add begins to run a process.
func (c *Cluster) add(role string, i int, proxied bool, skew time.Duration) error {
	name := fmt.Sprintf("%s-%d", role, i+1)
	store := c.redis.URL
	if proxied && c.proxies != nil {
		addr, err := c.proxies.Add(name, c.redis.Server.Addr())
		if err != nil {
			return err
		}
		store = "redis://" + addr + "/0"
		c.targets.Proxied = append(c.targets.Proxied, name)
	}
	if role == RoleServe {
		c.targets.Serves = append(c.targets.Serves, name)
	} else {
		c.targets.Workers = append(c.targets.Workers, name)
	}
	c.procs[name] = NewProcess(ChildConfig{
		Role: role, Name: name, Dir: c.dir, Store: store, Partitions: c.redis.Partitions, Settings: c.options.Settings, Skew: skew,
	})
	return nil
}

// Close ends all processes.
func (c *Cluster) Close() {
	for _, p := range c.procs {
		p.Close()
	}
	if c.proxies != nil {
		c.proxies.Close()
	}
	if c.history != nil {
		_ = c.history.Close() // It was read, or nobody will.
	}
}

// Run makes the load and the faults, mends everything, lets the queue drain, and
// returns what there is to judge. The error tells that this could not be done, or
// that a process misbehaved.
func (c *Cluster) Run(ctx context.Context) (*Observation, error) {
	plan := c.options.Plan
	if plan == nil {
		plan = NewPlan(c.options.Seed, c.options.Length, c.options.Settings.Lease, c.targets)
	}
	raw, err := json.MarshalIndent(plan, "", " ")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(c.dir, "plan.json"), raw, 0o600); err != nil {
		return nil, err
	}
	loading, stop := context.WithTimeout(ctx, c.options.Length)
	defer stop()
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		c.client.Run(loading)
	}()
	c.began = time.Now()
	err = c.carryOut(loading, plan)
	<-loaded
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.observe(ctx)
}

// turn is the begin or the end of a step.
type turn struct {
	at   time.Duration
	step Step
	ends bool
}

// carryOut does what the plan says, to the end of ctx, and then ends what has
// begun.
func (c *Cluster) carryOut(ctx context.Context, plan Plan) error {
	var turns []turn
	for _, s := range plan {
		turns = append(turns, turn{at: s.At, step: s}, turn{at: s.At + s.For, step: s, ends: true})
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return int(a.at - b.at) })
	for _, m := range turns {
		if !pause(ctx, time.Until(c.began.Add(m.at))) && !m.ends {
			continue
		}
		if err := c.apply(m.step, m.ends); err != nil {
			return err
		}
	}
	<-ctx.Done()
	// A step may have ended that never began; everything is made whole.
	for _, name := range c.targets.Proxied {
		if err := c.proxies.Mend(name); err != nil {
			return err
		}
	}
	for _, p := range c.procs {
		p.Resume()
		p.Start()
	}
	return nil
}

func (c *Cluster) apply(s Step, ends bool) error {
	p := c.procs[s.On]
	switch s.Fault {
	case Calm:
	case FaultKill:
		if ends {
			p.Start()
		} else {
			p.Kill()
		}
	case FaultPause:
		if ends {
			p.Resume()
		} else {
			p.Pause()
		}
	case FaultRedisKill:
		if ends {
			c.redis.Server.Restart()
		} else {
			c.redis.Server.Kill()
		}
	case FaultRedisPause:
		if ends {
			c.redis.Server.Resume()
		} else {
			c.redis.Server.Pause()
		}
	case FaultMasterKill:
		if ends {
			c.redis.AwaitMaster()
		} else {
			c.died.From = time.Now().UnixNano()
			c.redis.KillMaster()
			c.died.To = time.Now().UnixNano()
		}
	case FaultScriptFlush:
		if !ends {
			return c.orderAll("SCRIPT FLUSH")
		}
	case FaultClientKill:
		if !ends {
			return c.orderAll("CLIENT KILL TYPE normal")
		}
	case FaultCut:
		if ends {
			return c.proxies.Mend(s.On)
		}
		return c.proxies.Cut(s.On)
	case FaultToxic:
		if ends {
			return c.proxies.Mend(s.On)
		}
		return c.proxies.Poison(s.On, *s.Toxic)
	default:
		return fmt.Errorf("there is no fault %q", s.Fault)
	}
	return nil
}

// orderAll sends one command to each node of Redis.
func (c *Cluster) orderAll(command string) error {
	for _, addr := range c.redis.Nodes {
		if err := order(addr, command); err != nil {
			return err
		}
	}
	return nil
}

// order sends one command to a node.
func order(addr, command string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second) //nolint:noctx // It is bounded.
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	defer func() { _ = conn.Close() }() // The answer was read.
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && strings.HasPrefix(line, "-") {
		err = errors.New(strings.TrimSpace(line))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	return nil
}

// observe lets the queue drain, stops all processes, and reads what they left.
func (c *Cluster) observe(ctx context.Context) (*Observation, error) {
	client, err := redisstore.Open(ctx, redisstore.Config{URL: c.redis.URL, Partitions: c.redis.Partitions})
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	queue := redisstore.NewTaskQueue(client)
	defer queue.Close()
	o := &Observation{Settings: c.options.Settings, MasterDied: c.died}
	if o.Undrained, err = c.drain(ctx, queue); err != nil {
		return nil, err
	}
	faults := c.stop()
	o.At = time.Now().UnixNano()
	if o.Stats, err = queue.GetQueueStats(ctx); err != nil {
		return nil, err
	}
	if o.Final, err = listAll(ctx, queue); err != nil {
		return nil, err
	}
	_, err = redisstore.NewVerifier(client).Verify(ctx, ports.VerifyRequest{Report: func(f domain.Finding) { o.Findings = append(o.Findings, f) }})
	if err != nil {
		return nil, err
	}
	if o.Events, err = ReadHistory(c.dir); err != nil {
		return nil, err
	}
	if o.Runs, err = ReadRuns(c.dir); err != nil {
		return nil, err
	}
	return o, errors.Join(append(faults, crashes(c.dir)...)...)
}

// stop ends all processes by SIGTERM, and returns what they did wrong in all their
// lives.
func (c *Cluster) stop() []error {
	names := slices.Concat(c.targets.Workers, c.targets.Serves)
	ends := make([]error, len(names))
	var stopping sync.WaitGroup
	for i, name := range names {
		stopping.Go(func() { ends[i] = c.procs[name].Stop() })
	}
	stopping.Wait()
	var errs []error
	for i, name := range names {
		if ends[i] != nil {
			errs = append(errs, ends[i])
		}
		for _, f := range c.procs[name].Faults() {
			errs = append(errs, errors.New(f))
		}
	}
	return errs
}

// drain waits until no task is unfinished, and says why that is not so in time.
func (c *Cluster) drain(ctx context.Context, queue ports.TaskReader) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.DrainLimit)
	defer cancel()
	for {
		stats, err := queue.GetQueueStats(context.WithoutCancel(ctx))
		if err != nil {
			return "", err
		}
		if stats.Pending+stats.Scheduled+stats.Processing+stats.Retrying == 0 {
			return "", nil
		}
		if !pause(ctx, drainPoll) {
			return fmt.Sprintf("%v after the last fault there are %d pending, %d scheduled, %d processing and %d retrying tasks",
				c.options.DrainLimit, stats.Pending, stats.Scheduled, stats.Processing, stats.Retrying), nil
		}
	}
}

// listAll reads every task, each whole.
func listAll(ctx context.Context, queue ports.TaskReader) ([]*domain.Task, error) {
	var out []*domain.Task
	filter := domain.TaskFilter{Limit: domain.MaxPageSize}
	for {
		page, err := queue.ListTasks(ctx, filter)
		if err != nil {
			return nil, err
		}
		out = append(out, page.Tasks...)
		if page.NextCursor == "" {
			return out, nil
		}
		filter.Cursor = page.NextCursor
	}
}

// crashes are the panics and data races that the children's standard errors show.
func crashes(dir string) []error {
	var out []error
	err := eachFile(dir, ".stderr", func(name string) error {
		raw, err := os.ReadFile(name) //nolint:gosec // The folder is the test's own.
		if err != nil {
			return err
		}
		if filepath.Base(name) == "proxy.stderr" {
			return nil // Its races are not ours.
		}
		for line := range strings.Lines(string(raw)) {
			for _, bad := range []string{"panic: ", "fatal error: ", "WARNING: DATA RACE"} {
				if strings.HasPrefix(line, bad) {
					out = append(out, fmt.Errorf("%s: %s", name, strings.TrimSpace(line)))
				}
			}
		}
		return nil
	})
	if err != nil {
		out = append(out, err)
	}
	return out
}
