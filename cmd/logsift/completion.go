package main

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
	"logsift/domain"
	"logsift/domain/logline"
)

// flagWords are the words that a shell offers for flags of these names, in every
// command that has them.
func flagWords() map[string][]string {
	var statuses, levels, severities, kinds, reasons []string
	for _, r := range domain.FailureReasons() {
		reasons = append(reasons, string(r))
	}
	for _, s := range domain.TaskStatuses() {
		statuses = append(statuses, s.String())
	}
	for l := domain.LogLevelTrace; l <= domain.LogLevelFatal; l++ {
		levels = append(levels, l.String())
	}
	for s := domain.SeverityInfo; s.Valid(); s++ {
		severities = append(severities, s.String())
	}
	for _, k := range domain.AnomalyKinds() {
		kinds = append(kinds, string(k))
	}
	return map[string][]string{
		"status": statuses, "level": levels, "severity": severities, "fail-on": severities, "kind": kinds, "reason": reasons,
		"format":     logline.FormatNames(),
		"type":       {string(domain.TaskTypeLogAnalysis)},
		"analyzer":   {bootstrap.AnalyzerBuiltin, bootstrap.AnalyzerOpenAI},
		"log-level":  {"debug", "info", "warn", "error"},
		"log-format": {"auto", "console", "json"},
		"retry-kind": {string(domain.RetryQuadratic), string(domain.RetryExponential), string(domain.RetryFixed)},
		"ai-redact":  {"auto", "always", "never"},
	}
}

// fileFlags are the flags, and fileCommands the commands whose arguments are the
// names of files.
var (
	fileFlags    = []string{"config", "baseline", "positions"}
	fileCommands = []string{"analyze", "follow", "man"}
)

// completeFlags has a shell complete the values of a command's flags, and offer
// files only where they make sense.
func completeFlags(cmd *cobra.Command) {
	known := flagWords()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		words := known[f.Name]
		if forms, ok := f.Value.(*formatValue); ok {
			words = forms.known
		}
		if !slices.Contains(fileFlags, f.Name) {
			// It fails for a flag that has words already.
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	})
	if cmd.ValidArgsFunction == nil && !slices.Contains(fileCommands, cmd.Name()) {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
}

// completionTimeout bounds how long a person waits for the ids of tasks.
const completionTimeout = 2 * time.Second

// completeTasks offers the newest tasks that have one of the statuses.
func completeTasks(open opener, statuses []domain.TaskStatus) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		cmd.SetContext(ctx)
		var out []cobra.Completion
		err := open(cmd, func(c *client) error {
			query := url.Values{"limit": {strconv.Itoa(domain.MaxPageSize)}}
			var page wire.TaskList
			if err := c.get(ctx, "/api/v1/queue/tasks", query, &page); err != nil {
				return err
			}
			for _, t := range page.Tasks {
				fits := len(statuses) == 0 || slices.ContainsFunc(statuses, func(s domain.TaskStatus) bool { return s.String() == t.Status })
				if fits && !slices.Contains(given, t.ID.String()) {
					out = append(out, cobra.CompletionWithDesc(t.ID.String(), t.Status+" "+t.Type+" "+optionalTime(t.CreatedAt)))
				}
			}
			return nil
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}
