package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// deadCommand groups the commands about tasks that failed for good. They are lists of
// tasks and actions on many, for the status FAILED.
func (e *environment) deadCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "dead",
		Short: "Look at dead letters, run them again and delete them",
		Long: `Dead letters are the tasks that failed for good. They are kept for --failed-retention of
the server, or for as long as each asks for itself. "logsift task" has the commands for
one of them.`,
	},
		e.deadListCommand(),
		e.deadChangeCommand(domain.TaskActionRetry, "Run dead letters again", "will run again"),
		e.deadChangeCommand(domain.TaskActionDelete, "Remove dead letters", "deleted"))
}

// deadFilters select among the dead letters.
var deadFilters = []filter{
	{"queue", "only those of this queue"}, {"type", "only those of this type"}, {"tag", "only those with this tag"},
	{"reason", "only those that failed with this reason, such as timeout"},
}

func (e *environment) deadListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List dead letters, the newest task first", Args: cobra.NoArgs}
	return e.listTasks(cmd, addListFlags(cmd, "dead letters", deadFilters...), domain.TaskStatusFailed.String(), e.printDead)
}

func (e *environment) printDead(tasks []wire.Task) error {
	rows := [][]string{{"ID", "TYPE", "QUEUE", "REASON", "ATTEMPT", "FAILED", "KEPT UNTIL", "LAST ERROR"}}
	for i := range tasks {
		t := &tasks[i]
		reason := ""
		if n := len(t.Errors); n > 0 {
			reason = t.Errors[n-1].Reason
		}
		rows = append(rows, []string{
			t.ID.String(), t.Type, t.Queue, reason, strconv.Itoa(t.Attempt), optionalTime(t.CompletedAt), optionalTime(t.KeptUntil), fit(t.LastError, shownWidth),
		})
	}
	return columns(e.stdout, rows)
}

// deadChangeCommand makes a command that does an action to the dead letters of a filter.
func (e *environment) deadChangeCommand(action domain.TaskAction, short, done string) *cobra.Command {
	cmd := &cobra.Command{
		Use: action.String(), Short: short, Args: cobra.NoArgs,
		Example: fmt.Sprintf("  logsift dead %s --queue mail --reason timeout --dry-run\n  logsift dead %s --all", action, action),
	}
	values := map[string]*string{}
	for _, f := range deadFilters {
		values[f.name] = cmd.Flags().String(f.name, "", f.usage)
	}
	all := cmd.Flags().Bool("all", false, action.String()+" every dead letter")
	dry := cmd.Flags().Bool("dry-run", false, "change nothing, and say how many it would be")
	return e.clientCommand(cmd, func(cmd *cobra.Command, _ []string, c *client) error {
		filter := wire.TaskFilter{Queue: *values["queue"], Type: *values["type"], Tag: *values["tag"], Reason: *values["reason"]}
		if none := filter == (wire.TaskFilter{}); none != *all {
			return usageError("say which: --queue, --type, --tag or --reason, or else --all")
		}
		filter.Status = domain.TaskStatusFailed.String()
		total, err := c.changeTasks(cmd.Context(), action, wire.BulkTasks{Filter: &filter, DryRun: *dry})
		if err != nil {
			return err
		}
		switch {
		case e.output == formatJSON:
			err = e.printJSON(total)
		case *dry:
			_, err = fmt.Fprintf(e.stdout, "%s would be changed, %s refused\n", plural(total.Changed, "task"), thousands(total.Refused))
		default:
			_, err = fmt.Fprintf(e.stdout, "%s %s\n", plural(total.Changed, "task"), done)
		}
		if err != nil {
			return err
		}
		for _, r := range total.Refusals {
			e.note("task %s: %s", r.ID, r.Problem.Detail)
		}
		if total.Stopped != nil {
			return fmt.Errorf("it stopped before the end: %s", total.Stopped.Detail)
		}
		if total.Refused > 0 {
			return fmt.Errorf("%d of %d tasks were not changed", total.Refused, total.Matched)
		}
		return nil
	})
}

// changeTasks does an action to all tasks of a filter, from cursor to cursor.
func (c *client) changeTasks(ctx context.Context, action domain.TaskAction, in wire.BulkTasks) (wire.BulkResult, error) {
	total := wire.BulkResult{DryRun: in.DryRun, Refusals: []wire.BulkRefusal{}}
	for {
		var part wire.BulkResult
		if err := c.sendJSON(ctx, http.MethodPost, "/api/v1/queue/tasks:"+action.String(), in, &part); err != nil {
			return total, err
		}
		total.Matched, total.Changed, total.Refused = total.Matched+part.Matched, total.Changed+part.Changed, total.Refused+part.Refused
		total.Refusals = append(total.Refusals, part.Refusals...)
		total.Refusals = total.Refusals[:min(len(total.Refusals), domain.MaxBulkRefusals)]
		total.Stopped, total.More, total.NextCursor = part.Stopped, part.More, part.NextCursor
		if !part.More || part.NextCursor == nil || part.Stopped != nil {
			return total, nil
		}
		in.Cursor = *part.NextCursor
	}
}
