package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
)

func (e *environment) statsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "stats", Short: "Count the tasks by state", Args: cobra.NoArgs}
	watch := cmd.Flags().Bool("watch", false, "show them again and again until interrupted")
	interval := cmd.Flags().Duration("interval", 2*time.Second, "how often, with --watch")
	return e.clientCommand(cmd, func(cmd *cobra.Command, _ []string, c *client) error {
		if *interval < 100*time.Millisecond {
			return usageError("interval must be at least 100ms")
		}
		if !*watch {
			return e.printStats(cmd.Context(), c)
		}
		tick := time.NewTicker(*interval)
		defer tick.Stop()
		for {
			if isTerminal(e.stdout) && e.output != formatJSON {
				if _, err := e.stdout.Write([]byte("\x1b[H\x1b[2J")); err != nil {
					return err
				}
			}
			if err := e.printStats(cmd.Context(), c); err != nil {
				return err
			}
			select {
			case <-cmd.Context().Done():
				return nil
			case <-tick.C:
			}
		}
	})
}

func (e *environment) printStats(ctx context.Context, c *client) error {
	var s wire.Stats
	if err := c.get(ctx, "/api/v1/queue/stats", nil, &s); err != nil {
		return err
	}
	if e.output == formatJSON {
		return e.printJSON(s)
	}
	p := &printer{w: e.stdout}
	for _, row := range []struct {
		name  string
		count int64
	}{
		{"pending", s.PendingTasks}, {"scheduled", s.ScheduledTasks}, {"processing", s.ProcessingTasks},
		{"retrying", s.RetryingTasks}, {"completed", s.CompletedTasks}, {"failed", s.FailedTasks},
		{"cancelled", s.CancelledTasks}, {"total", s.TotalTasks},
	} {
		p.printf("%-12s %10d\n", row.name, row.count)
	}
	if s.PendingTasks > 0 {
		p.printf("%-12s %9.1fs\n", "oldest", s.OldestPendingSeconds)
	}
	for _, warning := range s.Warnings {
		p.printf("warning: %s\n", warning)
	}
	return p.err
}
