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

// redisCallTimeout bounds a call to Redis, unless the lease asks for less.
const redisCallTimeout = 5 * time.Second

// store is what a store module provides.
type store struct {
	fx.Out

	Queue      ports.TaskQueue
	Queues     ports.QueueController
	Events     ports.TaskEventReader
	Schedulers ports.SchedulerRegistry
	Logs       ports.LogRepository
	Ready      storeReady
}

// storeReady tells why the store takes no tasks now, if it does not.
type storeReady func(ctx context.Context) error

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
	client, err := redisstore.Open(ctx, redisstore.Config{
		URL: config.Store, Namespace: config.Namespace, AllowEviction: config.AllowEviction,
		Partitions: config.Partitions,
		// A heartbeat that hangs must end while there is time for another.
		CallTimeout: min(redisCallTimeout, config.Lease/2),
	})
	if err != nil {
		return store{}, err
	}
	for _, w := range client.Warnings() {
		logger.Warn(w)
	}
	queue := redisstore.NewTaskQueue(client)
	o.add(func() error {
		queue.Close()
		return client.Close()
	})
	return store{
		Queue: queue, Queues: queue, Events: queue, Schedulers: redisstore.NewSchedulerRegistry(client),
		Logs: redisstore.NewLogRepository(client), Ready: client.Ready,
	}, nil
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
	queue := sqlitestore.NewTaskQueue(db)
	return store{
		Queue: queue, Queues: queue, Events: queue, Schedulers: sqlitestore.NewSchedulerRegistry(db),
		Logs: sqlitestore.NewLogRepository(db), Ready: readable(queue),
	}, nil
}

func newMemoryStore(logger *zap.Logger) store {
	logger.Warn("the store memory: keeps nothing when the program ends")
	queue := memstore.NewTaskQueue(memstore.Config{})
	return store{
		Queue: queue, Queues: queue, Events: queue, Schedulers: memstore.NewSchedulerRegistry(memstore.Config{}),
		Logs: memstore.NewLogRepository(memstore.Config{}), Ready: readable(queue),
	}
}

// probe tells the readiness of the components.
type probe struct {
	store     storeReady
	scheduler ports.TaskScheduler
	degraded  func() string
}

// Ready implements httpapi.ReadinessProbe.
func (p probe) Ready(ctx context.Context) map[string]error {
	out := map[string]error{"store": p.store(ctx), "scheduler": nil}
	if p.scheduler.GetSchedulerStats().Draining {
		out["scheduler"] = errDraining
	}
	out["analyzer"] = nil
	if reason := p.degraded(); reason != "" {
		out["analyzer"] = &httpapi.DegradedError{Reason: reason}
	}
	return out
}
