package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"logsift/bootstrap"
	"logsift/domain"
	"logsift/domain/logline"
)

// analyzeQueue is the queue of analyze's own tasks, so that it works on nothing
// else in a store that others use.
const analyzeQueue = "analyze"

// analyze has this many lines, or bytes of them, analysed together: a file whole,
// unless it is very large, since sessions that are spread over it are judged
// right only together. It is what bounds the memory, at about a gigabyte for the
// longest lines. Of lines that go straight to the analyser, which keeps little of
// them, it takes localBatch unless a smaller number was asked for.
const (
	analyzeBatch      = 250_000
	analyzeBatchBytes = 128 << 20
	localBatch        = 1_000_000
)

// analysis is what analyze is asked for.
type analysis struct {
	inputs, baseline []input
	// name is the name of the baseline; "" for none.
	name   string
	failOn domain.Severity
	parser logline.Parser
	limit  int
	// warnings are told in the report.
	warnings []string
	// local is whether nothing is kept and no AI service asked.
	local bool
}

// analyzeFlags are the flags of analyze beside the settings.
type analyzeFlags struct {
	failOn, baselineName string
	baseline             []string
	limit                int
}

func (e *environment) analyzeCommand() *cobra.Command {
	config := bootstrap.DefaultConfig()
	ownStore := config.Store
	config.BatchSize, config.BatchBytes, config.BatchAge = analyzeBatch, analyzeBatchBytes, time.Hour
	config.Workers = 1
	config.LogLevel = "error"
	cmd := &cobra.Command{
		Use:   "analyze FILE...",
		Short: "Read logs and report what is unusual in them",
		Long: `analyze reads text logs, plain or compressed by gzip, bzip2, xz or zstd, or standard input for
"-", joins the lines of stack traces, and reports the anomalies. It keeps nothing,
unless --store is given: then the logs are stored, and their analysis is queued and
worked, as by a server, in this process.

With --baseline, analyze learns files of normal operation first and compares the logs
with them. It makes the name of the baseline from their contents, unless
--baseline-name gives one; in a store that is kept (--store), that name can be used
again without the files. analyze neither uses nor changes what the services of such a
store have learned.

Up to a million lines are judged together, and more in several parts, one after the
other. With --store or an AI service, a part has at most 250,000 lines, and with
--workers above 1 parts are judged at the same time, each with what is known by then.
--batch-size lowers these numbers, and with them the memory that is needed.

Exit status: 0 done, 1 failed or an input could not be read in full, 2 wrong use,
3 --fail-on found an anomaly of that severity or a higher one, 130 interrupted.`,
		Example: `  logsift analyze /var/log/syslog
  journalctl | logsift analyze -
  logsift analyze --baseline monday.log tuesday.log
  logsift analyze -o html app.log >report.html
  logsift analyze --fail-on high -o json build.log`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("analyze needs a FILE, or - for standard input")
			}
			return nil
		},
	}
	var flags analyzeFlags
	cmd.Flags().StringVar(&flags.failOn, "fail-on", "", "exit with status 3 if there is an anomaly of this severity or a higher one: info, low, medium, high, critical")
	cmd.Flags().IntVar(&flags.limit, "limit", shownAnomalies, "anomalies to print, the most severe first; json has all")
	cmd.Flags().StringArrayVar(&flags.baseline, "baseline", nil, "file of normal operation to compare with, may be repeated")
	cmd.Flags().StringVar(&flags.baselineName, "baseline-name", "", "name of the baseline, to use one again that a kept store has learned")
	format := formatFlag(cmd)
	config.Flags(cmd.Flags(), bootstrap.GroupStore|bootstrap.GroupReading|bootstrap.GroupAnalysis|bootstrap.GroupWork|bootstrap.GroupLogging)
	cmd.Flags().Lookup("store").DefValue = "a temporary file"
	e.outputFlag(cmd, formatMarkdown, formatHTML)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		work, err := e.prepareAnalysis(args, flags)
		if err != nil {
			return err
		}
		if err := e.load(cmd, &config); err != nil {
			return err
		}
		if work.parser, err = newParser(*format, config.Timezone); err != nil {
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
		work.local = config.Store == ownStore && config.Analyzer == bootstrap.AnalyzerBuiltin
		if config.Store == ownStore {
			if work.name != "" && len(work.baseline) == 0 {
				return usageError("baseline-name without --baseline needs the --store that has learned it")
			}
		}
		if config.Store == ownStore && !work.local {
			remove, err := temporaryStore(&config)
			if err != nil {
				return err
			}
			defer remove()
		}
		r, err := e.analyze(cmd.Context(), config, work)
		if cmd.Context().Err() != nil {
			return &exitError{status: exitInterrupted, err: errors.New("interrupted")}
		}
		if r == nil {
			return err
		}
		return errors.Join(err, e.finishAnalyze(r, work))
	}
	return cmd
}

// prepareAnalysis checks what analyze is asked for.
func (e *environment) prepareAnalysis(args []string, flags analyzeFlags) (*analysis, error) {
	work := &analysis{name: flags.baselineName, limit: flags.limit}
	if flags.failOn != "" {
		var err error
		if work.failOn, err = domain.ParseSeverity(flags.failOn); err != nil {
			return nil, usageError("fail-on: %w", err)
		}
	}
	if work.limit < 1 {
		return nil, usageError("limit must be at least 1")
	}
	if work.name != "" {
		if err := domain.ValidateName("baseline-name", work.name); err != nil {
			return nil, err
		}
	}
	if slices.Contains(args, "-") && slices.Contains(flags.baseline, "-") {
		return nil, usageError("standard input cannot be both the logs and their baseline")
	}
	args, twice := withoutRepeats(args)
	work.warnings = append(work.warnings, twice...)
	baseline, twice := withoutRepeats(flags.baseline)
	work.warnings = append(work.warnings, twice...)
	var errs [2]error
	work.inputs, errs[0] = e.namedInputs(args)
	work.baseline, errs[1] = e.namedInputs(baseline)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if len(work.baseline) > 0 && work.name == "" {
		var err error
		work.name, err = baselineName(work.baseline)
		return work, err
	}
	return work, nil
}

// withoutRepeats drops arguments that name a file, or standard input, once more,
// and tells of each: what was read twice would count twice.
func withoutRepeats(args []string) (once, warnings []string) {
	var known []os.FileInfo
	for _, arg := range args {
		info, err := os.Stat(arg)
		if arg != "-" && err == nil {
			if slices.ContainsFunc(known, func(other os.FileInfo) bool { return os.SameFile(info, other) }) {
				warnings = append(warnings, arg+" is named twice; it was read once")
				continue
			}
			known = append(known, info)
		} else if slices.Contains(once, arg) {
			warnings = append(warnings, arg+" is named twice; it was read once")
			continue
		}
		once = append(once, arg)
	}
	return once, warnings
}

// namedInputs are the inputs of the arguments, by their paths where their names
// alone would not tell them apart.
func (e *environment) namedInputs(args []string) ([]input, error) {
	inputs, err := e.inputs(args)
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, in := range inputs {
		count[in.name]++
	}
	for i := range inputs {
		if path := args[i]; count[inputs[i].name] > 1 && len(path) <= domain.MaxLogSource {
			inputs[i].name = filepath.Clean(path)
		}
	}
	return inputs, nil
}

// baselineName names a baseline by the contents of its files. What can be read but
// once has a name of its own each time.
func baselineName(inputs []input) (string, error) {
	const digits = 16
	hash := sha256.New()
	for _, in := range inputs {
		if !in.regular() {
			return "input-" + uuid.NewString(), nil
		}
		if err := hashInput(hash, in); err != nil {
			return "", fmt.Errorf("cannot read %s: %w", in.name, reason(err))
		}
	}
	return "files-" + hex.EncodeToString(hash.Sum(nil))[:digits], nil
}

// regular reports whether the input is a file that can be read again.
func (in *input) regular() bool { return in.size > 0 }

func hashInput(w io.Writer, in input) error {
	f, err := in.open()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // Only read from: nothing is lost.
	_, err = io.Copy(w, f)
	return err
}

// analyze learns the baseline, if there is one to learn, and analyses the logs.
func (e *environment) analyze(ctx context.Context, config bootstrap.Config, work *analysis) (*report, error) {
	process := e.process
	if work.local {
		process = e.processLocally(bootstrap.NewPrivateAnalyzer())
	}
	var learned *report
	if len(work.baseline) > 0 {
		learning := config
		learning.Baseline, learning.Learn = work.name, true
		var err error
		if learned, err = process(ctx, learning, "learning", work.baseline, work.parser); err != nil {
			return nil, fmt.Errorf("learn the baseline: %w", err)
		}
		if learned.FailedTasks > 0 {
			return nil, fmt.Errorf("learn the baseline: %s", strings.Join(learned.Errors, "; "))
		}
	}
	config.Baseline, config.PrivateLearning = work.name, work.name == ""
	r, err := process(ctx, config, "analysing", work.inputs, work.parser)
	if r == nil {
		return nil, err
	}
	r.Warnings = append(work.warnings, r.Warnings...)
	if work.name != "" {
		r.Baseline = &baselineReport{Name: work.name, Sources: []string{}}
	}
	if learned != nil {
		r.Baseline.Lines, r.Baseline.Sources = learned.Analysed, learned.Sources
		for _, text := range slices.Concat(learned.Errors, learned.Warnings) {
			r.Warnings = append(r.Warnings, "baseline: "+text)
		}
	}
	return r, err
}

// processor works on inputs with a configuration.
type processor = func(ctx context.Context, config bootstrap.Config, verb string, inputs []input, parser logline.Parser) (*report, error)

// process has a system of this configuration work on the inputs.
func (e *environment) process(ctx context.Context, config bootstrap.Config, verb string, inputs []input, parser logline.Parser) (*report, error) {
	var r *report
	err := e.withApp(ctx, config, func(app *bootstrap.App) error {
		p := &pipeline{client: &client{http: app.Client(), base: "http://127.0.0.1"}, progress: newProgress(e.stderr), verb: verb, parser: parser}
		var err error
		r, err = p.run(ctx, inputs)
		return err
	})
	return r, err
}

// processLocally has an analyser work on the inputs, with no system around it.
func (e *environment) processLocally(analyzer *bootstrap.Analyzer) processor {
	return func(ctx context.Context, config bootstrap.Config, verb string, inputs []input, parser logline.Parser) (*report, error) {
		l := &local{
			analyzer: analyzer, progress: newProgress(e.stderr), verb: verb, parser: parser, partLines: config.BatchSize,
			req: domain.AnalysisRequest{Baseline: config.Baseline, Learn: config.Learn, LastAttempt: true},
		}
		if config.BatchSize == analyzeBatch {
			l.partLines = localBatch
		}
		return l.run(ctx, inputs)
	}
}

// finishAnalyze prints the report and turns it into an exit status.
func (e *environment) finishAnalyze(r *report, work *analysis) error {
	if err := e.writeReport(r, work.limit); err != nil {
		return err
	}
	switch {
	case len(r.Errors) > 0:
		for _, text := range r.Errors {
			e.note("logsift: %s", printable(text))
		}
		return &exitError{status: exitFailed}
	case work.failOn != 0 && r.Severity >= work.failOn:
		return &exitError{status: exitAnomaly}
	}
	return nil
}

// writeReport writes the report in the form that was asked for.
func (e *environment) writeReport(r *report, limit int) error {
	switch e.output {
	case formatJSON:
		return e.printJSON(r)
	case formatMarkdown:
		return writeMarkdown(e.stdout, r, limit)
	case formatHTML:
		return writeHTML(e.stdout, r, limit)
	default:
		return e.printReport(r, limit)
	}
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
