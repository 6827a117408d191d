package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
)

// queueCommand groups the commands about queues. They ask the server that --server
// names, or open the store themselves.
func (e *environment) queueCommand() *cobra.Command {
	return group(&cobra.Command{Use: "queue", Short: "Look at queues, pause and resume them"},
		e.queueListCommand(),
		e.queueChangeCommand("pause", "Stop giving out tasks of queues, to any worker, until they are resumed",
			"A paused queue accepts tasks, and running tasks go on. The pause outlasts restarts."),
		e.queueChangeCommand("resume", "End the pause of queues", "Waiting workers take the tasks at once."))
}

func (e *environment) queueListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the queues with what is ready in them", Args: cobra.NoArgs}
	return e.clientCommand(cmd, func(cmd *cobra.Command, _ []string, c *client) error {
		var list wire.QueueList
		if err := c.get(cmd.Context(), "/api/v1/queue/queues", nil, &list); err != nil {
			return err
		}
		return e.printQueues(list)
	})
}

// queueChangeCommand makes a command that does one step to queues and shows them. It
// ends at the first that fails.
func (e *environment) queueChangeCommand(action, short, long string) *cobra.Command {
	cmd := &cobra.Command{
		Use: action + " NAME...", Short: short, Long: short + ".\n\n" + long, Args: cobra.MinimumNArgs(1),
		Example: "  logsift queue " + action + " default",
	}
	return e.clientCommand(cmd, func(cmd *cobra.Command, args []string, c *client) error {
		list := wire.QueueList{Queues: []wire.Queue{}}
		for _, name := range args {
			var q wire.Queue
			if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/queue/queues/"+url.PathEscape(name)+":"+action, &q); err != nil {
				return fmt.Errorf("%s queue %q: %w", action, name, err)
			}
			list.Queues = append(list.Queues, q)
		}
		return e.printQueues(list)
	})
}

func (e *environment) printQueues(list wire.QueueList) error {
	if e.output == formatJSON {
		return e.printJSON(list)
	}
	if len(list.Queues) == 0 {
		e.note("there are no queues yet: a queue begins with its first task")
		return nil
	}
	rows := [][]string{{"QUEUE", "STATE", "PENDING", "OLDEST", "TYPES"}}
	for _, q := range list.Queues {
		state, oldest := "running", ""
		if q.Paused {
			state = "paused since " + optionalTime(q.PausedAt)
		}
		if q.PendingTasks > 0 {
			oldest = fmt.Sprintf("%.1fs", q.OldestPendingSeconds)
		}
		types := make([]string, len(q.Types))
		for i, t := range q.Types {
			types[i] = t.Type + " " + strconv.FormatInt(t.PendingTasks, 10)
		}
		rows = append(rows, []string{q.Name, state, strconv.FormatInt(q.PendingTasks, 10), oldest, strings.Join(types, ", ")})
	}
	return columns(e.stdout, rows)
}
