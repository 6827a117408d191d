package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
)

func (e *environment) statsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Count the tasks by state",
		Long: `stats counts the tasks by state. With --watch it repeats that until it is interrupted:
on a terminal it keeps one view with rates; elsewhere it prints a row each time, or
with -o json an object on a line of its own.`,
		Args: cobra.NoArgs,
	}
	watch := cmd.Flags().Bool("watch", false, "show them again and again until interrupted")
	interval := cmd.Flags().Duration("interval", 2*time.Second, "how often, with --watch; at least 100ms")
	return e.clientCommand(cmd, func(cmd *cobra.Command, _ []string, c *client) error {
		if *interval < 100*time.Millisecond {
			return usageError("interval must be at least 100ms")
		}
		if *watch {
			return e.watchStats(cmd.Context(), c, *interval)
		}
		return e.printStats(cmd.Context(), c)
	})
}

// stats reads the counts.
func (c *client) stats(ctx context.Context) (wire.Stats, error) {
	var s wire.Stats
	return s, c.get(ctx, "/api/v1/queue/stats", nil, &s)
}

// countRow is a count with its name.
type countRow struct {
	name  string
	count int64
}

// countRows are the counts of each state, and their sum.
func countRows(s *wire.Stats) []countRow {
	return []countRow{
		{"pending", s.PendingTasks}, {"scheduled", s.ScheduledTasks}, {"processing", s.ProcessingTasks},
		{"retrying", s.RetryingTasks}, {"completed", s.CompletedTasks}, {"failed", s.FailedTasks},
		{"cancelled", s.CancelledTasks}, {"total", s.TotalTasks},
	}
}

func (e *environment) printStats(ctx context.Context, c *client) error {
	s, err := c.stats(ctx)
	if err != nil {
		return err
	}
	if e.output == formatJSON {
		return e.printJSON(s)
	}
	p := &printer{w: e.stdout}
	for _, row := range countRows(&s) {
		p.printf("%-12s %10d\n", row.name, row.count)
	}
	if s.PendingTasks > 0 {
		p.printf("%-12s %9.1fs\n", "oldest", s.OldestPendingSeconds)
	}
	for _, warning := range s.Warnings {
		p.printf("warning: %s\n", printable(warning))
	}
	return p.err
}
