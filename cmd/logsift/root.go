package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"logsift/bootstrap"
	"logsift/domain"
)

// Exit statuses.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitAnomaly = 3
	// exitInterrupted is that of a program which a shell's Ctrl-C ended.
	exitInterrupted = 130
)

// Forms of the output.
const (
	formatTable    = "table"
	formatJSON     = "json"
	formatMarkdown = "markdown"
	formatHTML     = "html"
)

const configEnvVar = "LOGSIFT_CONFIG"

// environment is what the commands see of the process.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	// force ends a drain.
	force <-chan struct{}

	configFile string
	output     string
}

// exitError ends the program with a status of its own. A nil error prints
// nothing.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{status: exitUsage, err: fmt.Errorf(format, args...)}
}

// execute runs the command line and returns the exit status.
func (e *environment) execute(ctx context.Context, args []string) int {
	root := e.rootCommand() //nolint:contextcheck // The commands get the context from cobra.
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	status := exitFailed
	var exit *exitError
	var invalid *domain.ValidationError
	switch {
	case errors.As(err, &exit):
		status = exit.status
		if exit.err == nil {
			return status
		}
	case errors.As(err, &invalid):
		status = exitUsage
	}
	_, _ = fmt.Fprintf(e.stderr, "logsift: %s\n", printableLines(err.Error()))
	if status == exitUsage {
		_, _ = fmt.Fprintln(e.stderr, "Run 'logsift help' for usage.")
	}
	return status
}

func (e *environment) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "logsift",
		Short: "A durable task queue and scheduler for log analysis",
		Long: `logsift takes in logs, analyses them as tasks of a durable queue, and reports the
anomalies. Try:

  logsift demo                   see the whole system at work on a real sample
  logsift analyze FILE...        find what is unusual in your logs
  logsift serve                  run the API and the workers

Settings are flags, over LOGSIFT_* environment variables (--batch-size is
LOGSIFT_BATCH_SIZE), over a YAML file (batch_size), over defaults.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitUsage, err} })
	root.PersistentFlags().StringVar(&e.configFile, "config", e.getenv(configEnvVar), "YAML file with settings")
	root.AddCommand(
		e.demoCommand(), e.analyzeCommand(), e.followCommand(),
		e.serveCommand(), e.workerCommand(), e.healthCommand(),
		e.taskCommand(), e.deadCommand(), e.queueCommand(), e.scheduleCommand(), e.limitCommand(), e.workflowCommand(), e.statsCommand(),
		e.anomaliesCommand(), e.logsCommand(),
		e.keyCommand(), e.configCommand(),
		e.verifyCommand(), e.benchCommand(),
		e.manCommand(), e.versionCommand(),
	)
	for _, cmd := range allCommands(root) {
		completeFlags(cmd)
		if args := cmd.Args; args != nil {
			cmd.Args = func(cmd *cobra.Command, given []string) error {
				if err := args(cmd, given); err != nil {
					return &exitError{exitUsage, err}
				}
				return nil
			}
		}
	}
	return root
}

// allCommands lists a command and all below it.
func allCommands(root *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{root}
	for _, c := range root.Commands() {
		out = append(out, allCommands(c)...)
	}
	return out
}

// outputFlag adds -o to a command, which has the forms table and json, and perhaps
// more.
func (e *environment) outputFlag(cmd *cobra.Command, more ...string) {
	known := append([]string{formatTable, formatJSON}, more...)
	last := len(known) - 1
	f := &formatValue{output: &e.output, known: known, forms: strings.Join(known[:last], ", ") + " or " + known[last]}
	cmd.Flags().VarP(f, "output", "o", "form of the output: "+f.forms)
	e.output = formatTable
}

// formatValue accepts the names of a command's output forms only.
type formatValue struct {
	output *string
	known  []string
	forms  string
}

func (f *formatValue) String() string { return formatTable }
func (f *formatValue) Type() string   { return "format" }
func (f *formatValue) Set(s string) error {
	if !slices.Contains(f.known, s) {
		return errors.New("must be " + f.forms)
	}
	*f.output = s
	return nil
}

// load reads the settings of a command whose flags were parsed.
func (e *environment) load(cmd *cobra.Command, config *bootstrap.Config) error {
	return config.Load(cmd.Flags(), e.configFile, e.getenv)
}

// isTerminal reports whether w is a terminal that a person looks at.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// color reports whether the output may have colours: where a person looks at it who
// has not said otherwise.
func (e *environment) color() bool {
	return isTerminal(e.stdout) && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
}

// width is how many columns the output has.
func (e *environment) width() int {
	if f, ok := e.stdout.(*os.File); ok && isTerminal(f) {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return max(width, leastWidth)
		}
	}
	return shownWidth
}

// note writes a line for a person to standard error, safe on a terminal. A standard error that
// cannot be written is no reason to fail.
func (e *environment) note(format string, args ...any) {
	_, _ = fmt.Fprintf(e.stderr, "%s\n", printableLines(fmt.Sprintf(format, args...)))
}

func (e *environment) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
	}
	e.outputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		v := bootstrap.ReadVersion()
		if e.output == formatJSON {
			return e.printJSON(v)
		}
		_, err := fmt.Fprintf(e.stdout, "logsift %s (%s, %s)\n", v.Version, v.Revision, v.Go)
		return err
	}
	return cmd
}
