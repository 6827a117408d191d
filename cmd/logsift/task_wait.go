package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

const (
	// waitRequest is how long one request waits for a task.
	waitRequest = 30 * time.Second
	// answerGrace is how long an answer may take beyond the time-out.
	answerGrace = 2 * time.Second
)

func (e *environment) taskWaitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wait ID",
		Short: "Wait until a task is finished, and show it",
		Long: `Wait until a task is finished, and show it. The exit status is 0 for COMPLETED, and 1 for
FAILED, CANCELLED, or a task that is not finished in time. The events of the queue tell of the
end: nothing is asked again and again.`,
		Example: `  logsift task wait $(logsift task add --type log_analysis --payload '{"log_ids":["…"]}') --timeout 5m`,
		Args:    cobra.ExactArgs(1),
	}
	timeout := cmd.Flags().Duration("timeout", 0, "how long to wait at most; 0 for as long as it takes")
	return e.tasksCommand(cmd, nil, func(cmd *cobra.Command, args []string, c *client) error {
		if _, err := uuid.Parse(args[0]); err != nil {
			return usageError("%q is not a task id: it must be a UUID", args[0])
		}
		if *timeout < 0 {
			return usageError("timeout must not be negative, not %v", *timeout)
		}
		end, ctx := time.Now().Add(*timeout), cmd.Context()
		if *timeout > 0 {
			var cancel func()
			ctx, cancel = context.WithDeadline(ctx, end.Add(answerGrace))
			defer cancel()
		}
		var t wire.Task
		for !statusOf(t.Status).Terminal() {
			wait := waitRequest
			if *timeout > 0 {
				wait = min(wait, max(time.Until(end), 0))
			}
			query := url.Values{"wait": {wait.Round(time.Millisecond).String()}}
			err := c.whileUnavailable(ctx, func() error {
				t = wire.Task{}
				return c.get(ctx, "/api/v1/queue/tasks/"+args[0], query, &t)
			})
			if err != nil {
				return err
			}
			if !statusOf(t.Status).Terminal() && *timeout > 0 && !time.Now().Before(end) {
				return fmt.Errorf("task %s is %s after %v", args[0], t.Status, *timeout)
			}
		}
		show := e.printTask
		if e.output == formatJSON {
			show = func(t *wire.Task) error { return e.printJSON(t) }
		}
		if err := show(&t); err != nil {
			return err
		}
		if t.Status != domain.TaskStatusCompleted.String() {
			return fmt.Errorf("task %s is %s", args[0], t.Status)
		}
		return nil
	})
}
