package bootstrap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"logsift/adapters/redisstore/redisbench"
	"logsift/adapters/sqlitestore"
	"logsift/application/bench"
	"logsift/domain"
	"logsift/ports"
)

// What the command needs of the benchmark, under this package's name.
type (
	// BenchCell is one measurement.
	BenchCell = bench.Cell
	// BenchMetrics are what it found.
	BenchMetrics = bench.Metrics
)

// DefaultBenchWorks are the workloads that are measured unless others are named.
const DefaultBenchWorks = bench.DefaultWorks

// BenchPlan returns the cells of the named workloads.
func BenchPlan(works ...string) ([]BenchCell, error) { return bench.Plan(works...) }

// Bench measures the task queue on a store that is its own for the time. Make one
// with NewBench, and close it.
type Bench struct {
	config Config
	store  benchStore
	erase  bool
}

// benchStore is a store as a whole, beside the queue in it.
type benchStore interface {
	bench.Store
	// IsEmpty reports whether the store holds nothing at all.
	IsEmpty(ctx context.Context) (bool, error)
	// Clear removes whatever the store holds.
	Clear(ctx context.Context) error
	Close() error
}

// NewBench prepares measurements on the store of the configuration, a Redis or an
// SQLite file. Of the rest of the configuration only the logging is used: all
// else is as [DefaultConfig] has it.
//
// With erase, the whole store is emptied before each measurement. Without, one
// that holds anything is refused with a *domain.ValidationError; so is, in either
// case, the default store, which may be a person's data.
func NewBench(ctx context.Context, config Config, erase bool) (*Bench, error) {
	defaults := DefaultConfig()
	own := defaults
	own.Store, own.Namespace, own.AllowEviction, own.Partitions = config.Store, config.Namespace, config.AllowEviction, config.Partitions
	own.LogLevel, own.LogFormat, own.Addr = config.LogLevel, config.LogFormat, ""
	kind, rest, err := own.storeKind()
	if err != nil {
		return nil, err
	}
	b := &Bench{config: own, erase: erase}
	switch kind {
	case storeRedis:
		store, err := redisbench.Open(ctx, own.redis())
		if err != nil {
			return nil, err
		}
		b.store = store
	case storeSQLite:
		_, standard, err := defaults.storeKind()
		if err != nil {
			return nil, err
		}
		if sameFile(rest, standard) {
			return nil, &domain.ValidationError{Field: "store", Rule: "must not be the default store: a benchmark needs a file of its own"}
		}
		b.store = sqliteFile(rest)
		if err := b.refuseForeign(ctx, rest); err != nil {
			return nil, err
		}
	default:
		return nil, &domain.ValidationError{Field: "store", Rule: "must be a Redis or sqlite:PATH for a benchmark"}
	}
	if err := b.refuseFull(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// refuseForeign returns an error if there is a file that is no store of ours.
func (b *Bench) refuseForeign(ctx context.Context, path string) error {
	if empty, err := b.store.IsEmpty(ctx); empty || err != nil {
		return err
	}
	db, err := sqlitestore.Open(ctx, path, sqlitestore.Config{})
	if err != nil {
		return err
	}
	return db.Close()
}

// refuseFull returns an error if the store holds something that must not be
// removed.
func (b *Bench) refuseFull(ctx context.Context) error {
	if b.erase {
		return nil
	}
	empty, err := b.store.IsEmpty(ctx)
	if err != nil {
		return err
	}
	if !empty {
		return &domain.ValidationError{Field: "store", Rule: "must be empty for a benchmark: name another, or give --yes to have everything in it removed before each measurement"}
	}
	return nil
}

// Warnings are what makes figures of this store hard to compare, such as a Redis
// that does not write to disk.
func (b *Bench) Warnings() []string {
	if c, ok := b.store.(*redisbench.Store); ok {
		return c.Warnings()
	}
	return nil
}

// Close ends the connection to the store, whose contents stay.
func (b *Bench) Close() error { return b.store.Close() }

// Run measures one cell, on a system that is wired for it alone: it is that of a
// worker process with as many workers as the cell says. The command that hold
// returns is a process that calls [Bench.Hold] with as many workers.
func (b *Bench) Run(ctx context.Context, cell BenchCell, hold func(context.Context) *exec.Cmd) (m BenchMetrics, err error) {
	if err := cell.Validate(); err != nil {
		return nil, err
	}
	if err := b.refuseFull(ctx); err != nil {
		return nil, err
	}
	if b.erase {
		if err := b.store.Clear(ctx); err != nil {
			return nil, fmt.Errorf("empty the store: %w", err)
		}
	}
	err = b.with(ctx, cell.Workers(), func(queue ports.TaskQueue, scheduler ports.TaskScheduler) error {
		m, err = bench.Run(ctx, cell, bench.Deps{
			Queue: queue, Scheduler: scheduler, Store: b.store, ProcessCPU: processCPU,
			Hold: func(ctx context.Context) (bench.Holder, error) { return startHolder(hold(ctx)) },
		})
		return err
	})
	return m, err
}

// Hold claims the tasks of a benchmark that runs beside it on the same store, and
// finishes none, until in or ctx ends. It writes a line when it works, and one for
// each task that it has begun. It is the whole life of a process: in is read until
// that ends.
func (b *Bench) Hold(ctx context.Context, workers int, in io.Reader, out io.Writer) error {
	tell := func() {
		// If nobody reads it, whoever started this process is gone, and in ends too.
		_, _ = fmt.Fprintln(out, "ok")
	}
	return b.with(ctx, workers, func(_ ports.TaskQueue, scheduler ports.TaskScheduler) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			_, _ = io.Copy(io.Discard, in) // Whatever ends it ends the holding.
			cancel()
		}()
		return bench.Hold(ctx, scheduler, tell, tell)
	})
}

// with calls f with a queue in the store and a scheduler of so many workers, which
// was not started.
func (b *Bench) with(ctx context.Context, workers int, f func(ports.TaskQueue, ports.TaskScheduler) error) error {
	config := b.config
	config.Workers = workers
	var queue ports.TaskQueue
	var scheduler ports.TaskScheduler
	o := &opened{}
	err := fx.New(
		coreOptions(ctx, config, o), fx.Supply(observers{}),
		fx.Populate(&queue, &scheduler),
		fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger }),
	).Err()
	if err != nil {
		return errors.Join(rootCause(err), o.close())
	}
	return errors.Join(f(queue, scheduler), o.close())
}

// holder is a process that holds tasks.
type holder struct {
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	stdin  io.Closer
	killed bool
}

// startHolder starts the process and returns when it is ready. The process ends
// when its standard input does, so that it does not outlive this one.
func startHolder(cmd *exec.Cmd) (*holder, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the process to be killed: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the process to be killed: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the process to be killed: %w", err)
	}
	h := &holder{cmd: cmd, lines: bufio.NewScanner(out), stdin: in}
	if err := h.AwaitTasks(1); err != nil { // the line that tells that it is ready
		return nil, errors.Join(err, h.Kill())
	}
	return h, nil
}

func (h *holder) AwaitTasks(n int) error {
	for range n {
		if !h.lines.Scan() {
			return errors.Join(errors.New("the process to be killed has already ended"), h.lines.Err())
		}
	}
	return nil
}

func (h *holder) Kill() error {
	if h.killed {
		return nil
	}
	h.killed = true
	err := h.cmd.Process.Kill()
	// The status is the status of a killed process.
	_ = h.cmd.Wait()
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill the process: %w", err)
	}
	return nil
}

// sqliteFile is a store in an SQLite file, by its path.
type sqliteFile string

var _ benchStore = sqliteFile("")

// files are those that make up the store.
func (f sqliteFile) files() []string {
	return []string{string(f), string(f) + "-wal", string(f) + "-shm"}
}

// ServerCPU is nothing: there is no server.
func (f sqliteFile) ServerCPU(context.Context) (time.Duration, error) { return 0, nil }

func (f sqliteFile) Bytes(context.Context) (int64, error) {
	var sum int64
	for _, name := range f.files() {
		info, err := os.Stat(name)
		switch {
		case err == nil:
			sum += info.Size()
		case !errors.Is(err, fs.ErrNotExist):
			return 0, fmt.Errorf("size of the store: %w", err)
		}
	}
	return sum, nil
}

func (f sqliteFile) IsEmpty(ctx context.Context) (bool, error) {
	n, err := f.Bytes(ctx)
	return n == 0, err
}

func (f sqliteFile) Clear(context.Context) error {
	for _, name := range f.files() {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f sqliteFile) Close() error { return nil }

// sameFile reports whether two paths name one file, or would.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	if errX == nil && errY == nil {
		return os.SameFile(x, y)
	}
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && absA == absB
}
