package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

const limitsPath = "/api/v1/queue/limits"

// limitCommand groups the commands about limits. They ask the server that --server
// names, or open the store themselves.
func (e *environment) limitCommand() *cobra.Command {
	return group(&cobra.Command{Use: "limit", Short: "Bound how many tasks run at the same time, or begin in a time"},
		e.limitSetCommand(), e.limitListCommand(), e.limitShowCommand(), e.deleteCommand("limit", limitPath, "Remove limits; what they held back is ready at once"))
}

func limitPath(name string) string { return limitsPath + "/" + url.PathEscape(name) }

func (e *environment) limitSetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "set NAME", Short: "Make a limit, or change one", Args: cobra.ExactArgs(1),
		Example: `  logsift limit set mail --queue mail --concurrency 5
  logsift limit set ai --type log_analysis --rate 60/1m --burst 5
  logsift limit set tenants --queue default --each-key --concurrency 1`,
	}
	var body wire.PutLimit
	flags := cmd.Flags()
	flags.StringVar(&body.Queue, "queue", "", "limit the tasks of this queue")
	flags.StringVar(&body.Type, "type", "", "limit the tasks of this type, of whatever queue")
	eachKey := flags.Bool("each-key", false, "with --queue: limit the tasks of each key by themselves")
	flags.StringVar(&body.Key, "key", "", "with --queue: limit the tasks of this key, as an exception from --each-key")
	concurrency := flags.Int("concurrency", 0, "how many run at the same time; 1 for each key runs the tasks of a key in order")
	rate := flags.String("rate", "", "how many begin in a time, such as 100/1m")
	burst := flags.Int("burst", 0, "how many of --rate may begin at once (default all of them)")
	flags.StringVar(&body.Retries, "retries", "", "with --concurrency 1 for keys: whether a task that waits for a retry lets the next of its key overtake it: block or overtake (default block)")
	return e.clientCommand(cmd, func(cmd *cobra.Command, args []string, c *client) error {
		switch {
		case *eachKey || body.Key != "":
			body.Scope = string(domain.LimitKey)
		case body.Type != "":
			body.Scope = string(domain.LimitType)
		case body.Queue != "":
			body.Scope = string(domain.LimitQueue)
		default:
			return usageError("name the tasks: --queue or --type")
		}
		if *eachKey && body.Key != "" {
			return usageError("--each-key and --key exclude each other")
		}
		if cmd.Flags().Changed("concurrency") {
			body.Concurrency = concurrency
		}
		if *rate != "" {
			parsed, err := parseRate(*rate)
			if err != nil {
				return err
			}
			body.Rate = parsed
		}
		if cmd.Flags().Changed("burst") {
			if body.Rate == nil {
				return usageError("--burst goes with --rate")
			}
			body.Rate.Burst = burst
		}
		var l wire.TaskLimit
		if err := c.sendJSON(cmd.Context(), http.MethodPut, limitPath(args[0]), body, &l); err != nil {
			return fmt.Errorf("set limit %q: %w", args[0], err)
		}
		return e.printLimits([]wire.TaskLimit{l}, l)
	})
}

// parseRate reads a rate such as 100/1m.
func parseRate(text string) (*wire.Rate, error) {
	count, span, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(count)
	if err == nil {
		var per time.Duration
		if per, err = time.ParseDuration(span); err == nil {
			return &wire.Rate{Count: n, PerSeconds: per.Seconds()}, nil
		}
	}
	return nil, usageError("--rate must be a number and a time, such as 100/1m, not %q", text)
}

func (e *environment) limitListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the limits by name, with their use now", Args: cobra.NoArgs}
	return e.clientCommand(cmd, func(cmd *cobra.Command, _ []string, c *client) error {
		var list wire.LimitList
		if err := c.get(cmd.Context(), limitsPath, nil, &list); err != nil {
			return err
		}
		if e.output != formatJSON && len(list.Limits) == 0 {
			e.note("there are no limits yet: logsift limit set makes one")
			return nil
		}
		return e.printLimits(list.Limits, list)
	})
}

func (e *environment) limitShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show NAME", Short: "Show a limit with its use now", Args: cobra.ExactArgs(1)}
	return e.clientCommand(cmd, func(cmd *cobra.Command, args []string, c *client) error {
		var l wire.TaskLimit
		if err := c.get(cmd.Context(), limitPath(args[0]), nil, &l); err != nil {
			return fmt.Errorf("show limit %q: %w", args[0], err)
		}
		return e.printLimits([]wire.TaskLimit{l}, l)
	})
}

// printLimits prints a table of limits, or the answer as JSON.
func (e *environment) printLimits(limits []wire.TaskLimit, answer any) error {
	if e.output == formatJSON {
		return e.printJSON(answer)
	}
	rows := [][]string{{"LIMIT", "OF", "AT ONCE", "RATE", "RUNNING", "WAITING"}}
	for i := range limits {
		rows = append(rows, limitRow(&limits[i]))
	}
	return columns(e.stdout, rows)
}

func limitRow(l *wire.TaskLimit) []string {
	of, atOnce, rate, waiting := l.Scope+" "+l.Queue+l.Type, "any", "any", ""
	switch {
	case l.Key != "":
		of = "key " + l.Key + " of queue " + l.Queue
	case l.Scope == string(domain.LimitKey):
		of = "each key of queue " + l.Queue
	}
	if l.Concurrency != nil {
		atOnce = strconv.Itoa(*l.Concurrency)
	}
	if l.Retries != "" {
		atOnce += ", in order, retries " + l.Retries
	}
	if r := l.Rate; r != nil {
		per := strings.TrimSuffix(strings.TrimSuffix(time.Duration(r.PerSeconds*float64(time.Second)).String(), "0s"), "0m")
		rate = fmt.Sprintf("%d/%s", r.Count, per)
		if r.Burst != nil && *r.Burst != r.Count {
			rate += fmt.Sprintf(", %d at once", *r.Burst)
		}
	}
	if l.Waiting != nil {
		waiting = strconv.FormatInt(*l.Waiting, 10)
	}
	return []string{l.Name, of, atOnce, rate, strconv.FormatInt(l.Running, 10), waiting}
}
