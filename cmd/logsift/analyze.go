package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
	"logsift/domain"
)

// analyzeQueue is the queue of analyze's own tasks, so that it works on nothing
// else in a store that others use.
const analyzeQueue = "analyze"

// analyzeBatch is how many lines analyze has analysed together: more than a
// service does, since it has them all at hand and need not answer at once.
const analyzeBatch = 10_000

func (e *environment) analyzeCommand() *cobra.Command {
	config := bootstrap.DefaultConfig()
	ownStore := config.Store
	config.BatchSize, config.BatchAge = analyzeBatch, time.Minute
	config.LogLevel = "error"
	cmd := &cobra.Command{
		Use:   "analyze FILE...",
		Short: "Read logs and report what is unusual in them",
		Long: `analyze reads text logs, plain or compressed by gzip or zstd, or standard input for
"-", joins the lines of stack traces, queues their analysis, works the queue, and reports the anomalies: the whole system in one
process. Unless --store is given, it keeps nothing.

Exit status: 0 done, 1 failed or an input could not be read in full, 2 wrong
use, 3 --fail-on found an anomaly of that severity or a higher one.`,
		Example: `  logsift analyze /var/log/syslog
  journalctl | logsift analyze -
  logsift analyze --fail-on high -o json build.log`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("analyze needs a FILE, or - for standard input")
			}
			return nil
		},
	}
	failOn := cmd.Flags().String("fail-on", "", "exit with status 3 if there is an anomaly of this severity or a higher one: info, low, medium, high, critical")
	limit := cmd.Flags().Int("limit", shownAnomalies, "anomalies to print, the most severe first")
	format := formatFlag(cmd)
	config.Flags(cmd.Flags(), bootstrap.GroupStore|bootstrap.GroupAnalysis|bootstrap.GroupWork|bootstrap.GroupLogging)
	cmd.Flags().Lookup("store").DefValue = "a temporary file"
	e.outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var least domain.Severity
		if *failOn != "" {
			var err error
			if least, err = domain.ParseSeverity(*failOn); err != nil {
				return usageError("fail-on: %w", err)
			}
		}
		if *limit < 1 {
			return usageError("limit must be at least 1")
		}
		logFormat, err := domain.ParseLogFormat(*format)
		if err != nil {
			return err
		}
		inputs, err := e.inputs(args)
		if err != nil {
			return err
		}
		if err := e.load(cmd, &config); err != nil {
			return err
		}
		if config.Workers == 0 {
			return usageError("workers must be at least 1 to analyse")
		}
		// The queues of a service's settings are not for analyze, which would wait
		// for tasks that it does not work on.
		config.AnalysisQueue, config.Queues = analyzeQueue, []string{analyzeQueue}
		// Nor is its limit: analyze waits for its own workers.
		config.Addr, config.MaxPending = "", 0
		if config.Store == ownStore {
			remove, err := temporaryStore(&config)
			if err != nil {
				return err
			}
			defer remove()
		}
		var r *report
		err = e.withApp(cmd.Context(), config, func(app *bootstrap.App) error {
			p := &pipeline{client: &client{http: app.Client(), base: "http://127.0.0.1"}, progress: newProgress(e.stderr), format: logFormat}
			r, err = p.run(cmd.Context(), inputs)
			return err
		})
		if r == nil {
			return err
		}
		return errors.Join(err, e.finishAnalyze(r, least, *limit))
	}
	return cmd
}

// finishAnalyze prints the report and turns it into an exit status.
func (e *environment) finishAnalyze(r *report, least domain.Severity, limit int) error {
	if e.output == formatJSON {
		if err := e.printJSON(r); err != nil {
			return err
		}
	} else if err := printReport(e.stdout, r, isTerminal(e.stdout) && e.getenv("NO_COLOR") == "", limit); err != nil {
		return err
	}
	switch {
	case len(r.Errors) > 0:
		for _, text := range r.Errors {
			e.note("logsift: %s", text)
		}
		return &exitError{status: exitFailed}
	case least != 0 && r.Severity >= least:
		return &exitError{status: exitAnomaly}
	}
	return nil
}

// temporaryStore gives the configuration a store that remove takes away.
func temporaryStore(config *bootstrap.Config) (remove func(), err error) {
	dir, err := os.MkdirTemp("", "logsift-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	config.Store = "sqlite:" + filepath.Join(dir, "logsift.db")
	return func() { _ = os.RemoveAll(dir) }, nil // What is left, the system's clean-up removes.
}

// pipeline sends logs to a running system and collects what it finds.
type pipeline struct {
	client   *client
	progress *progress
	format   domain.LogFormat
	// tasks are those that analyse the logs, in the order of their creation.
	tasks []uuid.UUID
}

// run sends the inputs, waits for their analysis and puts it together.
func (p *pipeline) run(ctx context.Context, inputs []input) (*report, error) {
	defer p.progress.clear()
	r := &report{Anomalies: []domain.Anomaly{}, Warnings: []string{}, Errors: []string{}, Sources: []string{}}
	for _, in := range inputs {
		if err := p.send(ctx, in, r); err != nil {
			return nil, err
		}
	}
	if r.Lines == 0 {
		return nil, errors.Join(append([]error{errors.New("no log lines to analyse")}, toErrors(r.Errors)...)...)
	}
	for _, id := range p.tasks {
		// Nothing more comes, so the last batch need not wait. A task that already
		// runs refuses, which is as good.
		err := p.client.do(ctx, http.MethodPost, "/api/v1/queue/tasks/"+id.String()+":run", nil)
		var problem *problemError
		if err != nil && !errors.As(err, &problem) {
			return nil, err
		}
	}
	if err := p.collect(ctx, r); err != nil {
		return nil, err
	}
	r.finish()
	return r, nil
}

func toErrors(texts []string) []error {
	out := make([]error, len(texts))
	for i, text := range texts {
		out[i] = errors.New(text)
	}
	return out
}

// send stores the lines of one input. What is wrong with the input is noted in
// the report; only a system that takes no lines is an error.
func (p *pipeline) send(ctx context.Context, in input, r *report) error {
	var sendErr error
	var sent int64
	lines, err := readChunks(in, p.format, func(c *chunk) error {
		receipt, err := p.client.sendLines(ctx, in.name, c.mediaType(), c.body.Bytes())
		if err != nil {
			sendErr = fmt.Errorf("send %s: %w", in.name, err)
			return sendErr
		}
		p.addTasks(receipt)
		if receipt.RejectedCount > 0 {
			r.Errors = append(r.Errors, fmt.Sprintf("%s: %s refused, the first because: %s", in.name, plural(receipt.RejectedCount, "line"), receipt.Rejected[0].Reason))
		}
		r.Lines += receipt.Accepted
		sent += int64(c.body.Len())
		p.progress.show("reading "+in.name, sent, in.size)
		return nil
	})
	if sendErr != nil {
		return sendErr
	}
	if err != nil {
		r.Errors = append(r.Errors, err.Error())
	}
	if lines.tooLong > 0 {
		r.Errors = append(r.Errors, lines.tooLongText(in.name))
	}
	if lines.mended > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s: bytes that are not UTF-8 were replaced in %s", in.name, plural(lines.mended, "line")))
	}
	if lines.lines > 0 {
		r.Sources = append(r.Sources, in.name)
	}
	return nil
}

func (p *pipeline) addTasks(receipt wire.LogReceipt) {
	for _, id := range receipt.TaskIDs {
		if len(p.tasks) == 0 || p.tasks[len(p.tasks)-1] != id {
			p.tasks = append(p.tasks, id)
		}
	}
}

// pollInterval is how often the state of the tasks is asked for.
const pollInterval = 50 * time.Millisecond

// collect waits until every task has ended and adds their results.
func (p *pipeline) collect(ctx context.Context, r *report) error {
	r.Tasks = len(p.tasks)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for i, id := range p.tasks {
		for {
			p.progress.show("analysing", int64(i), int64(len(p.tasks)))
			var t wire.Task
			err := p.client.whileUnavailable(ctx, func() error {
				return p.client.get(ctx, "/api/v1/queue/tasks/"+url.PathEscape(id.String()), nil, &t)
			})
			if err != nil {
				return fmt.Errorf("ask for task %s: %w", id, err)
			}
			if ended, err := r.addTask(&t); ended || err != nil {
				if err != nil {
					return err
				}
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("wait for task %s: %w", id, ctx.Err())
			case <-tick.C:
			}
		}
	}
	return nil
}

// addTask adds the result of a task that has ended.
func (r *report) addTask(t *wire.Task) (ended bool, err error) {
	status, err := domain.ParseTaskStatus(t.Status)
	if err != nil {
		return false, err
	}
	if status == domain.TaskStatusCompleted {
		var a domain.AnalysisResult
		if err := json.Unmarshal(t.Result, &a); err != nil {
			return true, fmt.Errorf("read the result of task %s: %w", t.ID, err)
		}
		r.add(a)
		return true, nil
	}
	if status.Terminal() {
		r.FailedTasks++
		r.Errors = append(r.Errors, fmt.Sprintf("task %s ended %s: %s", t.ID, t.Status, t.LastError))
	}
	return status.Terminal(), nil
}
