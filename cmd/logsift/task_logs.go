package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
)

// followPause is between two looks at the log of a task.
const followPause = time.Second

func (e *environment) taskLogsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logs ID",
		Short: "Show what the runs of a task have logged",
		Long: `Show what the runs of a task have logged, the oldest line first. With --follow it goes on
until the task is finished. With -o json each line is an object on a line of its own.`,
		Example: "  logsift task logs --follow 0198c5a2-0000-7000-8000-000000000001",
		Args:    cobra.ExactArgs(1),
	}
	follow := cmd.Flags().BoolP("follow", "f", false, "go on with what is logged, until the task is finished")
	return e.tasksCommand(cmd, nil, func(cmd *cobra.Command, args []string, c *client) error {
		if _, err := uuid.Parse(args[0]); err != nil {
			return usageError("%q is not a task id: it must be a UUID", args[0])
		}
		ctx, path, query := cmd.Context(), "/api/v1/queue/tasks/"+args[0], url.Values{"limit": {strconv.Itoa(maxPage)}}
		for left := 1; ; {
			var page wire.TaskLog
			if err := c.get(ctx, path+"/logs", query, &page); err != nil {
				return err
			}
			for i := range page.Logs {
				if err := e.printLine(&page.Logs[i]); err != nil {
					return err
				}
			}
			query.Set("cursor", page.NextCursor)
			if page.More {
				continue
			}
			if left--; left < 0 || !*follow {
				return nil
			}
			t, err := c.task(ctx, args[0])
			if err != nil {
				return err
			}
			if !statusOf(t.Status).Terminal() {
				left = 1 // What a run logs at its end may come a little later.
			}
			timer := time.NewTimer(followPause)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return nil
			}
		}
	})
}

// printLine prints a line of a run with its attributes, but for those that name the task.
func (e *environment) printLine(l *wire.LogEntry) error {
	if e.output == formatJSON {
		return json.NewEncoder(jsonWriter{e.stdout}).Encode(l)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s %-5s %s", optionalTime(l.Timestamp), l.Level, l.Message)
	for _, name := range slices.Sorted(maps.Keys(l.Attributes)) {
		if name != "task_id" {
			fmt.Fprintf(&text, " %s=%s", name, l.Attributes[name])
		}
	}
	_, err := fmt.Fprintln(e.stdout, printable(text.String()))
	return err
}
