package chaos

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore"
	"logsift/bootstrap/systemtest/proc"
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
	// Group is nil for one server, and for a group without replicas.
	Group Group
	// Strict is whether a master acknowledges nothing while it has no replica.
	Strict bool
}

// Server is a redis-server that can be broken.
type Server interface {
	Addr() string
	Kill()
	Restart()
	Pause()
	Resume()
	// Backup copies the data, and Restore kills the server and starts it on them.
	Backup() string
	Restore(backup string)
}

// Group is a Redis whose master has a replica.
type Group interface {
	// KillMaster ends a master by SIGKILL.
	KillMaster()
	// AwaitPromotion returns once the replica has taken its place.
	AwaitPromotion()
	// Heal starts the dead master again, as a replica.
	Heal()
}

// LinkCutter is a group whose replica can be cut off from its master.
type LinkCutter interface {
	// CutLink has the replica get nothing more until it is the master.
	CutLink()
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
	proxies *proc.Proxies
	procs   map[string]*Process
	targets Targets
	history *Recorder
	client  *Client
	probes  []*Probe
	// began is when the plan began.
	began time.Time
	// outages are what the plan has broken so far, and rollbacks what was lost by it.
	outages   []Outage
	rollbacks []Rollback
	// backup is where the backup of Redis is.
	backup string
}

// NewCluster starts the processes, whose files are in dir, and waits until they
// are ready. Close it.
func NewCluster(dir string, redis Redis, options Options) (*Cluster, error) {
	c := &Cluster{options: options, dir: dir, redis: redis, procs: map[string]*Process{}}
	if err := c.start(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) start() (err error) {
	_, link := c.redis.Group.(LinkCutter)
	c.targets.Server, c.targets.Replica, c.targets.Link = c.redis.Server != nil, c.redis.Group != nil, link
	if c.redis.Server != nil {
		if c.proxies, err = proc.NewProxies(); err != nil {
			return err
		}
	}
	for i := range serves {
		// The last one has no proxy; see NewClient.
		if err := c.add(RoleServe, i, i < serves-1, 0); err != nil {
			return err
		}
	}
	for i := range workers {
		if err := c.add(RoleWorker, i, i%2 == 0, c.options.Skew*time.Duration(2*i-1)); err != nil {
			return err
		}
	}
	for _, p := range c.procs {
		if err := p.AwaitReady(); err != nil {
			return err
		}
	}
	if c.history, err = NewRecorder(c.dir, "client"); err != nil {
		return err
	}
	c.client = NewClient(c.history, c.options.Load, c.options.Seed, c.procs["serve-1"], c.procs["serve-2"])
	for i, name := range c.targets.Serves {
		p, err := NewProbe(c.dir, c.options.Seed+uint64(i), c.procs[name])
		if err != nil {
			return err
		}
		c.probes = append(c.probes, p)
	}
	return nil
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
	for _, p := range c.probes {
		_ = p.client.recorder.Close() // As above.
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
	var asking sync.WaitGroup
	asking.Go(func() { c.client.Run(loading) })
	for _, p := range c.probes {
		asking.Go(func() { p.Run(loading) })
	}
	c.began = time.Now()
	err = c.carryOut(loading, plan)
	asking.Wait()
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
	// outage is what the step breaks.
	outage *Outage
	ends   bool
}

// carryOut does what the plan says, to the end of ctx, and then ends what has
// begun.
func (c *Cluster) carryOut(ctx context.Context, plan Plan) error {
	var turns []turn
	for _, s := range plan {
		if !c.targets.meet(s) {
			return fmt.Errorf("the plan has %s on %q, and this system has no such thing", s.Fault, s.On)
		}
		o := &Outage{Fault: s.Fault, On: s.On, Within: nemeses[s.Fault].within}
		turns = append(turns, turn{at: s.At, step: s, outage: o}, turn{at: s.At + s.For, step: s, outage: o, ends: true})
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return cmp.Compare(a.at, b.at) })
	for _, m := range turns {
		if !pause(ctx, time.Until(c.began.Add(m.at))) && !m.ends {
			continue
		}
		if err := c.take(m); err != nil {
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

// take begins a fault, or ends it if it has begun.
func (c *Cluster) take(m turn) error {
	o, n := m.outage, nemeses[m.step.Fault]
	do := n.begin
	if m.ends {
		do = n.end
		if o.From == 0 {
			return nil
		}
	} else {
		o.From = time.Now().UnixNano()
	}
	if do != nil {
		if err := do(c, m.step); err != nil {
			return err
		}
	}
	if !m.ends || !n.brief {
		o.To = time.Now().UnixNano()
	}
	if m.ends {
		c.outages = append(c.outages, *o)
	}
	return nil
}

func (c *Cluster) backUp(Step) error {
	r := Rollback{From: time.Now().UnixNano()}
	c.backup = c.redis.Server.Backup()
	r.Known = time.Now().UnixNano()
	c.rollbacks = append(c.rollbacks, r)
	return nil
}

func (c *Cluster) restore(Step) error {
	r := &c.rollbacks[len(c.rollbacks)-1]
	c.redis.Server.Kill()
	r.To = time.Now().UnixNano()
	c.redis.Server.Restore(c.backup)
	r.Back = time.Now().UnixNano()
	return nil
}

func (c *Cluster) cutLink(Step) error {
	r := Rollback{From: time.Now().UnixNano()}
	c.redis.Group.(LinkCutter).CutLink()
	r.Known = time.Now().UnixNano()
	c.rollbacks = append(c.rollbacks, r)
	return nil
}

// killMaster returns once the replica is the master. Unless the link was cut before,
// the replica lacks the last that its master acknowledged.
func (c *Cluster) killMaster(Step) error {
	if len(c.rollbacks) == 0 {
		c.rollbacks = append(c.rollbacks, Rollback{From: time.Now().Add(-exposure).UnixNano()})
	}
	r := &c.rollbacks[len(c.rollbacks)-1]
	c.redis.Group.KillMaster()
	r.To = time.Now().UnixNano()
	if c.redis.Strict {
		// It has acknowledged nothing more since it knew that the link was cut.
		r.Known += clockSlack.Nanoseconds()
		r.To = r.Known
	}
	if r.Known == 0 {
		r.Known = r.To
	}
	c.redis.Group.AwaitPromotion()
	if c.redis.Strict {
		c.redis.Group.Heal()
	}
	r.Back = time.Now().UnixNano()
	return nil
}

func (c *Cluster) heal(Step) error {
	if !c.redis.Strict {
		c.redis.Group.Heal()
	}
	return nil
}

// orderAll sends one command to each node of Redis.
func (c *Cluster) orderAll(command string) error {
	var words []any
	for word := range strings.FieldsSeq(command) {
		words = append(words, word)
	}
	for _, addr := range c.redis.Nodes {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) //nolint:forbidigo // A plan is carried out to its end.
		node := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, ContextTimeoutEnabled: true})
		err := node.Do(ctx, words...).Err()
		cancel()
		if err = errors.Join(err, node.Close()); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	}
	return nil
}

// observe lets the queue drain, stops all processes, and reads what they left.
func (c *Cluster) observe(ctx context.Context) (*Observation, error) {
	o := &Observation{Settings: c.options.Settings, Rollbacks: c.rollbacks, Outages: c.outages}
	var faults []error
	err := o.read(ctx, c.redis, c.dir, c.options.DrainLimit, func() { faults = c.stop() })
	if err != nil {
		return nil, err
	}
	return o, errors.Join(append(faults, Crashes(c.dir)...)...)
}

// read waits until the queue has drained, stops what works on it, and reads what is
// left in the store and in the histories.
func (o *Observation) read(ctx context.Context, redis Redis, dir string, limit time.Duration, stop func()) error {
	client, err := redisstore.Open(ctx, redisstore.Config{URL: redis.URL, Partitions: redis.Partitions})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	queue := client.TaskQueue
	if o.Undrained, err = drain(ctx, queue, limit); err != nil {
		return err
	}
	stop()
	o.At = time.Now().UnixNano()
	if o.Stats, err = queue.GetQueueStats(ctx); err != nil {
		return err
	}
	if o.Final, err = listAll(ctx, queue); err != nil {
		return err
	}
	_, err = redisstore.NewVerifier(client).Verify(ctx, ports.VerifyRequest{Report: func(f domain.Finding) { o.Findings = append(o.Findings, f) }})
	if err != nil {
		return err
	}
	if o.Events, err = ReadHistory(dir); err != nil {
		return err
	}
	o.Runs, err = ReadRuns(dir)
	return err
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
func drain(ctx context.Context, queue ports.TaskReader, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
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
				limit, stats.Pending, stats.Scheduled, stats.Processing, stats.Retrying), nil
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

// Crashes are the panics and data races that the children's standard errors show.
func Crashes(dir string) []error {
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
