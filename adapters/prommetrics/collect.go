package prommetrics

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"logsift/domain"
	"logsift/ports"
)

const (
	// storeTimeout bounds what a scrape waits for the store.
	storeTimeout = 2 * time.Second
	// storeInterval is how old what is told of the store may be, so that scrapes
	// put a bounded load on it, however many ask.
	storeInterval = time.Second
	// maxLimitSeries is how many limits are told of, the first by name.
	maxLimitSeries = 100
)

// refresher is what is brought up to date before a scrape.
type refresher interface{ refresh(ctx context.Context) }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// storeCollector tells what the store says of its tasks.
type storeCollector struct {
	queue  ports.TaskReader
	queues ports.QueueController // nil if the store has none
	limits ports.LimitKeeper     // nil if the store has none
	m      *Metrics
	now    func() time.Time

	up, tasks, oldest           *prometheus.Desc
	pending, queueOldest, pause *prometheus.Desc
	running, waiting            *prometheus.Desc

	// gate is held by who asks the store, which may take time.
	gate chan struct{}

	mu     sync.Mutex // guards the fields below
	readAt time.Time  // zero until the first read
	stats  domain.QueueStats
	list   []domain.QueueInfo
	uses   []domain.LimitUse
	err    error
}

// CollectStore has [Metrics.Handler] tell how many tasks are in which state, and
// how old the oldest ready one is; by queue, if queues is not nil; and how much of its
// limits is used, if limits is not nil. It reads at
// most once a second and waits at most 2 s. If the store does not answer, these are
// left out, and logsift_store_up is 0.
func (m *Metrics) CollectStore(queue ports.TaskReader, queues ports.QueueController, limits ports.LimitKeeper) error {
	c := &storeCollector{
		queue: queue, queues: queues, limits: limits, m: m, now: time.Now, gate: make(chan struct{}, 1),
		up:          desc("store_up", "Whether the store answered when it was last asked for its statistics."),
		tasks:       desc("tasks", "Tasks in the store, by state. Pending ones are ready; scheduled ones wait for their time.", "state"),
		oldest:      desc("oldest_pending_task_age_seconds", "How long the ready task that waits longest has been ready; 0 if none waits."),
		pending:     desc("queue_pending_tasks", "Ready tasks, by queue and type.", "queue", "type"),
		queueOldest: desc("queue_oldest_pending_task_age_seconds", "How long the ready task of the queue that waits longest has been ready.", "queue"),
		running:     desc("limit_running", "Slots of the limit that are held; of a rule of keys, by all keys together.", "limit"),
		waiting:     desc("limit_waiting", "Ready tasks that have no slot of the limit, for limits of keys.", "limit"),
		pause:       desc("queue_paused", "Whether the queue is paused.", "queue"),
	}
	r := &registration{to: m.registerer}
	r.register(c)
	m.refreshers = append(m.refreshers, c)
	return r.err()
}

// refresh reads the store once for all who ask meanwhile.
func (c *storeCollector) refresh(ctx context.Context) {
	select {
	case c.gate <- struct{}{}:
		defer func() { <-c.gate }()
	case <-ctx.Done():
		return
	}
	c.mu.Lock()
	fresh := !c.readAt.IsZero() && c.now().Sub(c.readAt) < storeInterval
	c.mu.Unlock()
	if fresh {
		return
	}
	// A scrape that is given up says nothing about the store.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	var list []domain.QueueInfo
	var uses []domain.LimitUse
	stats, err := c.queue.GetQueueStats(ctx)
	if err == nil && c.queues != nil {
		list, err = c.queues.ListQueues(ctx)
	}
	if err == nil && c.limits != nil {
		uses, err = c.limits.ListLimits(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats, c.list, c.uses, c.err, c.readAt = stats, list, uses, err, c.now()
}

func (c *storeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.tasks, c.oldest} {
		ch <- d
	}
	if c.queues != nil {
		for _, d := range []*prometheus.Desc{c.pending, c.queueOldest, c.pause} {
			ch <- d
		}
	}
	if c.limits != nil {
		ch <- c.running
		ch <- c.waiting
	}
}

func (c *storeCollector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.readAt.IsZero() {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if c.err != nil {
		gauge(c.up, 0)
		return
	}
	gauge(c.up, 1)
	for _, s := range []struct {
		state string
		n     int64
	}{
		{"pending", c.stats.Pending},
		{"scheduled", c.stats.Scheduled},
		{"processing", c.stats.Processing},
		{"retrying", c.stats.Retrying},
		{"completed", c.stats.Completed},
		{"failed", c.stats.Failed},
		{"cancelled", c.stats.Cancelled},
	} {
		gauge(c.tasks, float64(s.n), s.state)
	}
	gauge(c.oldest, c.stats.OldestPending.Seconds())
	c.collectQueues(gauge)
	for _, l := range c.uses[:min(len(c.uses), maxLimitSeries)] {
		gauge(c.running, float64(l.Running), l.Name)
		if l.Scope == domain.LimitKey {
			gauge(c.waiting, float64(l.Waiting), l.Name)
		}
	}
}

// collectQueues tells of the queues; those without series of their own are told of
// together.
func (c *storeCollector) collectQueues(gauge func(d *prometheus.Desc, v float64, labels ...string)) {
	type kind struct{ queue, typ string }
	pending := map[kind]int64{}
	oldest, paused := map[string]time.Duration{}, map[string]float64{}
	// Those with the most tasks first, since some may have no place.
	slices.SortStableFunc(c.list, func(x, y domain.QueueInfo) int { return cmp.Compare(y.Ready(), x.Ready()) })
	for _, info := range c.list {
		queue := c.m.queues.standing(info.Name, info.Ready())
		oldest[queue] = max(oldest[queue], info.OldestPending)
		if info.Paused {
			paused[queue] = 1
		}
		for typ, n := range info.Pending {
			pending[kind{queue, c.m.types.standing(string(typ), n)}] += n
		}
	}
	for k, n := range pending {
		gauge(c.pending, float64(n), k.queue, k.typ)
	}
	for queue, age := range oldest {
		gauge(c.queueOldest, age.Seconds(), queue)
		gauge(c.pause, paused[queue], queue)
	}
}

// schedulerCollector tells what a scheduler says of itself.
type schedulerCollector struct {
	stats func() domain.SchedulerStats

	running, draining, workers, busy, start *prometheus.Desc
	recovered, purged, lost, released       *prometheus.Desc
}

// CollectScheduler has the scheduler's statistics told. stats is called at each
// scrape.
func (m *Metrics) CollectScheduler(stats func() domain.SchedulerStats) error {
	r := &registration{to: m.registerer}
	r.register(&schedulerCollector{
		stats:     stats,
		running:   desc("scheduler_running", "Whether the scheduler runs."),
		draining:  desc("scheduler_draining", "Whether the scheduler claims no more tasks, since it is stopping."),
		workers:   desc("scheduler_workers", "How many tasks the scheduler works on at once at most."),
		busy:      desc("scheduler_workers_busy", "How many tasks the scheduler works on now."),
		start:     desc("scheduler_start_time_seconds", "When the scheduler started, in seconds since the Unix epoch."),
		recovered: desc("scheduler_recovered_tasks_total", "Tasks that this scheduler took back from workers that stopped reporting."),
		purged:    desc("scheduler_purged_tasks_total", "Finished tasks that this scheduler removed after their retention."),
		lost:      desc("scheduler_leases_lost_total", "Runs of this scheduler whose lease ended before their report."),
		released:  desc("scheduler_released_tasks_total", "Tasks that this scheduler gave back unfinished."),
	})
	return r.err()
}

func (c *schedulerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.running, c.draining, c.workers, c.busy, c.start, c.recovered, c.purged, c.lost, c.released} {
		ch <- d
	}
}

func (c *schedulerCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	counter := func(d *prometheus.Desc, v int64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	gauge(c.running, number(s.Running))
	gauge(c.draining, number(s.Draining))
	gauge(c.workers, float64(s.WorkersCount))
	gauge(c.busy, float64(s.BusyWorkers))
	if !s.StartedAt.IsZero() {
		gauge(c.start, float64(s.StartedAt.UnixMilli())/1000)
	}
	counter(c.recovered, s.RecoveredTasks)
	counter(c.purged, s.PurgedTasks)
	counter(c.lost, s.LeasesLost)
	counter(c.released, s.ReleasedTasks)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// AIState tells how an AI service is dealt with. Its methods are called at each
// scrape.
type AIState interface {
	// BreakerOpen is whether the service is not asked for the time being, since it
	// did not serve.
	BreakerOpen() bool
	// BudgetSpent is whether the budget of this day does not suffice.
	BudgetSpent() bool
}

// CollectKeys has it told whether the file of the API keys can be used. Usable is called
// at each scrape.
func (m *Metrics) CollectKeys(usable func() bool) error {
	r := &registration{to: m.registerer}
	r.condition("api_keys_file_usable", "Whether the file of the API keys can be read, and only its owner can change it. If not, no key is good, or will be in a minute.", usable)
	return r.err()
}

// condition registers a gauge that is 1 while f says so, else 0.
func (r *registration) condition(name, help string, f func() bool) {
	r.register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, func() float64 { return number(f()) }))
}

// CollectAI has the state of an AI service told, and what may be spent on it in a
// day.
func (m *Metrics) CollectAI(state AIState, dailyBudget domain.Cost) error {
	r := &registration{to: m.registerer}
	r.condition("ai_breaker_open", "Whether the AI service is not asked for the time being, since it did not serve.", state.BreakerOpen)
	r.condition("ai_budget_spent", "Whether the daily budget for the AI service did not suffice for a request today.", state.BudgetSpent)
	if dailyBudget.AmountMicros > 0 {
		const micros = 1e6
		r.gauge("ai_daily_budget", "What all processes together may spend on the AI service in a day, in whole units of the currency.",
			prometheus.Labels{"currency": dailyBudget.Currency}).Set(float64(dailyBudget.AmountMicros) / micros)
	}
	m.ai.cost.WithLabelValues(dailyBudget.Currency)
	return r.err()
}
