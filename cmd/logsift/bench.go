package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"logsift/bootstrap"
)

// workHold is the hidden work of the process that the workload w8 kills.
const workHold = "hold"

// Forms of the lines that bench prints.
const (
	benchFlat    = "json"
	benchResults = "results"
)

// benchOptions are the flags of bench.
type benchOptions struct {
	work string
	reps int
	yes  bool
	form string
	// sizes replace the sizes of the cells, where their flags are given.
	sizes bootstrap.BenchCell
}

func (e *environment) benchCommand() *cobra.Command {
	config := bootstrap.DefaultConfig()
	config.LogLevel = "error"
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench --store URL",
		Short: "Measure the task queue on a store of your choice",
		Long: `bench measures the task queue on an empty store that --store names, a Redis or
sqlite:PATH, with production settings. It prints the figures of each
measurement as one line of JSON. With --yes it removes EVERYTHING from that store
before each measurement, whoever put it there; without --yes, it makes one measurement
on a store that is empty.

  w1   tasks enqueued one at a time, by 1 and by 16 producers
  w2   tasks enqueued in batches of 1000
  w3   100,000 waiting tasks run by 10 and by 100 workers; bytes for a task
  w4   how soon an idle worker has a task: one each 100 to 200 ms
  w5   2000 tasks a second offered for 15 s, late from when each was to be sent
  w7   20,000 tasks run beside 1000 and 100,000 others that are scheduled or
       ready; listing of the scheduled ones, the first page and one at 90 %
  w7m  the same beside 1,000,000 scheduled ones; only where --work names it
  w8   a process that holds 10 tasks is killed; until others have begun them
  w9   500 tasks due in 3 s: how late they run, negative for early

Each measurement also proves that every task was delivered once, and fails if not.
rate is tasks a second; server_us and client_us are processor time for a task, in
microseconds, of Redis and of this process. The flags for sizes replace the sizes of
the chosen workloads.`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	config.Flags(flags, bootstrap.GroupStore|bootstrap.GroupLogging)
	flags.StringVar(&o.work, "work", bootstrap.DefaultBenchWorks, "workloads to measure, by comma")
	flags.IntVar(&o.reps, "reps", 1, "how often to measure all of them")
	flags.BoolVar(&o.yes, "yes", false, "remove everything from the store before each measurement")
	flags.StringVarP(&o.form, "output", "o", benchFlat, "form of the lines: json, or results for the harness that measures other queues")
	flags.IntVarP(&o.sizes.N, "tasks", "n", 0, "how many tasks")
	flags.IntVarP(&o.sizes.C, "workers", "c", 0, "how many tasks are run at once")
	flags.IntVar(&o.sizes.Producers, "producers", 0, "how many goroutines enqueue (w1, w5)")
	flags.IntVar(&o.sizes.Batch, "batch", 0, "how many tasks are enqueued in a call (w2)")
	flags.IntVar(&o.sizes.Depth, "depth", 0, "how many other tasks there are (w7)")
	flags.BoolVar(&o.sizes.Scheduled, "scheduled", false, "whether the other tasks are scheduled, not ready (w7)")
	flags.IntVar(&o.sizes.Rate, "rate", 0, "how many tasks are offered in a second (w5)")
	flags.DurationVar(&o.sizes.Cap, "cap", 0, "bound of the measured time (w1, w3, w7, w8)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		// A store that is only set somewhere may be one that people work with.
		if !flags.Changed("store") {
			return usageError("bench needs --store: it may remove everything there, so it takes no default")
		}
		if err := e.load(cmd, &config); err != nil {
			return err
		}
		if o.work == workHold {
			return e.benchHold(cmd.Context(), config, o.sizes.Workers())
		}
		cells, err := o.cells(flags)
		if err != nil {
			return err
		}
		return e.bench(cmd.Context(), config, &o, cells)
	}
	return cmd
}

// cells returns what is to be measured in one repetition.
func (o *benchOptions) cells(flags *pflag.FlagSet) ([]bootstrap.BenchCell, error) {
	if o.form != benchFlat && o.form != benchResults {
		return nil, usageError("output must be %s or %s", benchFlat, benchResults)
	}
	if o.reps < 1 {
		return nil, usageError("reps must be at least 1")
	}
	planned, err := bootstrap.BenchPlan(strings.Split(o.work, ",")...)
	if err != nil {
		return nil, err
	}
	var cells []bootstrap.BenchCell
	for _, c := range planned {
		for _, size := range []struct {
			flag      string
			field, to *int
		}{
			{"tasks", &c.N, &o.sizes.N},
			{"workers", &c.C, &o.sizes.C},
			{"producers", &c.Producers, &o.sizes.Producers},
			{"batch", &c.Batch, &o.sizes.Batch},
			{"depth", &c.Depth, &o.sizes.Depth},
			{"rate", &c.Rate, &o.sizes.Rate},
		} {
			// A workload has no use for a size that is 0.
			if *size.field != 0 && flags.Changed(size.flag) {
				*size.field = *size.to
			}
		}
		if c.Depth != 0 && flags.Changed("scheduled") {
			c.Scheduled = o.sizes.Scheduled
		}
		if c.Cap != 0 && flags.Changed("cap") {
			c.Cap = o.sizes.Cap
		}
		if err := c.Validate(); err != nil {
			return nil, err
		}
		if !slices.Contains(cells, c) {
			cells = append(cells, c)
		}
	}
	if n := len(cells) * o.reps; n > 1 && !o.yes {
		return nil, usageError("these are %d measurements, and bench empties the store before each: allow that by --yes, or choose one measurement by --work and sizes", n)
	}
	return cells, nil
}

func (e *environment) bench(ctx context.Context, config bootstrap.Config, o *benchOptions, cells []bootstrap.BenchCell) (err error) {
	b, err := bootstrap.NewBench(ctx, config, o.yes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, w := range b.Warnings() {
		e.note("warning: %s", w)
	}
	for rep := range o.reps {
		for _, cell := range cells {
			begun := time.Now()
			m, err := b.Run(ctx, cell, e.holdCommand(config, cell))
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			if err != nil {
				return err
			}
			if err := printBench(e.stdout, o.form, benchResult{"logsift", cell.Work, cell.Args(), rep + 1, begun, m}); err != nil {
				return err
			}
		}
	}
	return nil
}

// benchResult is one measurement, as the harness for other queues stores it.
type benchResult struct {
	Peer, Work, Args string
	Rep              int
	At               time.Time
	Metrics          bootstrap.BenchMetrics
}

// printBench writes a result as one line: whole, or with the metrics beside what
// they are of.
func printBench(w io.Writer, form string, r benchResult) error {
	w = jsonWriter{w}
	if form == benchResults {
		return json.NewEncoder(w).Encode(r)
	}
	head, err := json.Marshal(struct {
		Peer string    `json:"peer"`
		Work string    `json:"work"`
		Args string    `json:"args"`
		Rep  int       `json:"rep"`
		At   time.Time `json:"at"`
	}{r.Peer, r.Work, r.Args, r.Rep, r.At})
	if err != nil {
		return err
	}
	figures, err := json.Marshal(r.Metrics)
	if err != nil {
		return err
	}
	line := slices.Concat(bytes.TrimSuffix(head, []byte("}")), []byte(","), bytes.TrimPrefix(figures, []byte("{")), []byte("\n"))
	_, err = w.Write(line)
	return err
}

// holdCommand returns how to start this program as the process that is killed.
func (e *environment) holdCommand(config bootstrap.Config, cell bootstrap.BenchCell) func(context.Context) *exec.Cmd {
	return func(ctx context.Context) *exec.Cmd {
		program, err := os.Executable()
		if err != nil {
			program = os.Args[0]
		}
		cmd := exec.CommandContext(ctx, program, "bench", "--work", workHold, //nolint:gosec // It is this program.
			"--store", config.Store, "--namespace", config.Namespace,
			fmt.Sprintf("--allow-eviction=%t", config.AllowEviction), "--partitions", strconv.Itoa(config.Partitions),
			"--workers", strconv.Itoa(cell.Workers()))
		cmd.Args[0] = os.Args[0]
		cmd.Stderr = e.stderr
		return cmd
	}
}

// benchHold holds tasks until standard input ends, or ctx does.
func (e *environment) benchHold(ctx context.Context, config bootstrap.Config, workers int) error {
	// It empties nothing, but has to bear a store that is not empty.
	b, err := bootstrap.NewBench(ctx, config, true)
	if err != nil {
		return err
	}
	return errors.Join(b.Hold(ctx, workers, e.stdin, e.stdout), b.Close())
}
