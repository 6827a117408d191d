package bootstrap

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"logsift/adapters/httpapi"
	"logsift/adapters/memstore"
	"logsift/adapters/redisstore"
	"logsift/adapters/sqlitestore"
	"logsift/ports"
)

// store is what a store module provides.
type store struct {
	fx.Out

	Queue      ports.TaskQueue
	Queues     ports.QueueController
	Events     ports.TaskEventReader
	Runs       ports.RunTracker
	Schedulers ports.SchedulerRegistry
	Schedules  ports.ScheduleStore
	Limits     ports.LimitKeeper
	Workflows  ports.WorkflowKeeper
	Logs       ports.LogRepository
	Ready      storeReady
}

// storeReady tells why the store takes no tasks now, if it does not.
type storeReady func(ctx context.Context) error

const (
	// readyFor is for how long what was found out about a store is told to whoever asks,
	// and readyTimeout how long finding it out may take.
	readyFor     = time.Second
	readyTimeout = 1500 * time.Millisecond
)

// recent asks the store once for all who ask at the same time or within readyFor.
func recent(ready storeReady) storeReady {
	turn := make(chan struct{}, 1) // held by the call that asks; it guards what follows
	var at time.Time
	var found error
	return func(ctx context.Context) error {
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("check the store: %w", ctx.Err())
		}
		defer func() { <-turn }()
		if at.IsZero() || time.Since(at) >= readyFor {
			// Whoever asks first may go away, and the answer is for all.
			bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
			defer cancel()
			found, at = ready(bound), time.Now()
		}
		return found
	}
}

// readable is the storeReady of stores that take writes whenever they can be read.
func readable(queue ports.TaskQueue) storeReady {
	return func(ctx context.Context) error {
		_, err := queue.GetQueueStats(ctx)
		return err
	}
}

// storeModule chooses the module of the store that the configuration names.
func storeModule(config *Config) fx.Option {
	kind, _, err := config.storeKind()
	if err != nil {
		return fx.Error(err)
	}
	switch kind {
	case storeRedis:
		return fx.Module("redis", fx.Provide(newRedisStore))
	case storeSQLite:
		return fx.Module("sqlite", fx.Provide(newSQLiteStore))
	default:
		return fx.Module("memory", fx.Provide(newMemoryStore))
	}
}

func newRedisStore(o *opened, ctx startContext, config Config, logger *zap.Logger) (store, error) {
	settings := config.redis()
	// A heartbeat that hangs must end while there is time for another.
	settings.CallTimeout = min(redisstore.DefaultCallTimeout, config.Lease/2)
	client, err := redisstore.Open(ctx, settings)
	if err != nil {
		return store{}, err
	}
	for _, w := range client.Warnings() {
		logger.Warn(w)
	}
	o.add(client.Close)
	return store{Queue: client, Queues: client, Events: client, Runs: client, Schedulers: client, Schedules: client, Limits: client, Workflows: client, Logs: client, Ready: recent(client.Ready)}, nil
}

func newSQLiteStore(o *opened, ctx startContext, config Config) (store, error) {
	_, path, err := config.storeKind()
	if err != nil {
		return store{}, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return store{}, fmt.Errorf("make the folder of the store: %w", err)
	}
	db, err := sqlitestore.Open(ctx, path, sqlitestore.Config{})
	if err != nil {
		return store{}, err
	}
	o.add(db.Close)
	return store{Queue: db, Queues: db, Events: db, Runs: db, Schedulers: db, Schedules: db, Limits: db, Workflows: db, Logs: db, Ready: recent(db.Ready)}, nil
}

func newMemoryStore(logger *zap.Logger) store {
	logger.Warn("the store memory: keeps nothing when the program ends")
	m := memstore.New(memstore.Config{})
	return store{Queue: m, Queues: m, Events: m, Runs: m, Schedulers: m, Schedules: m, Limits: m, Workflows: m, Logs: m, Ready: recent(readable(m))}
}

// probe tells the readiness of the components.
type probe struct {
	store     storeReady
	scheduler ports.TaskScheduler
	degraded  func() string
	keys      apiKeys
}

func (p probe) Ready(ctx context.Context) map[string]error {
	out := map[string]error{"store": p.store(ctx), "scheduler": nil}
	if p.scheduler.GetSchedulerStats().Draining {
		out["scheduler"] = errDraining
	}
	if p.keys.file != nil {
		out["keys"] = p.keys.ready()
	}
	out["analyzer"] = nil
	if reason := p.degraded(); reason != "" {
		out["analyzer"] = &httpapi.ComponentError{Degraded: true, Reason: "logs are analysed without the AI service for the time being", Detail: reason}
	}
	return out
}
