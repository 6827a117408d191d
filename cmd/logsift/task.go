package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
	"logsift/domain"
)

// taskCommand groups the commands about tasks. They ask the server that
// --server names, or open the store themselves.
func (e *environment) taskCommand() *cobra.Command {
	return group(&cobra.Command{Use: "task", Short: "Look at tasks and change them"},
		e.taskListCommand(), e.taskGetCommand(), e.taskAddCommand(),
		e.taskChangeCommand("retry", "Run failed and cancelled tasks again", "will run again", domain.TaskStatusFailed, domain.TaskStatusCancelled),
		e.taskChangeCommand("cancel", "End tasks that are not finished", "cancelled", domain.TaskStatusPending, domain.TaskStatusRetrying, domain.TaskStatusProcessing),
		e.taskChangeCommand("run", "Make waiting tasks ready at once", "is ready", domain.TaskStatusPending, domain.TaskStatusRetrying),
		e.taskDeleteCommand(), e.taskWatchCommand(), e.taskWaitCommand(), e.taskLogsCommand())
}

// group makes a command of others.
func group(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.Args, cmd.RunE = cobra.NoArgs, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(commands...)
	return cmd
}

// clientCommand makes a command that talks to the API.
func (e *environment) clientCommand(cmd *cobra.Command, run func(cmd *cobra.Command, args []string, c *client) error) *cobra.Command {
	cmd.RunE = runClient(e.clientFlags(cmd), run)
	return cmd
}

// deleteCommand makes a command that deletes what has names.
func (e *environment) deleteCommand(what string, path func(name string) string, short string) *cobra.Command {
	cmd := &cobra.Command{Use: "delete NAME...", Short: short, Args: cobra.MinimumNArgs(1)}
	return e.clientCommand(cmd, func(cmd *cobra.Command, args []string, c *client) error {
		for _, name := range args {
			if err := c.do(cmd.Context(), http.MethodDelete, path(name), nil); err != nil {
				return fmt.Errorf("delete %s %q: %w", what, name, err)
			}
		}
		return nil
	})
}

// tasksCommand is clientCommand for one whose arguments are ids of tasks. The ids
// of those that have one of the statuses, or any if there is none, are completed by
// the shell.
func (e *environment) tasksCommand(cmd *cobra.Command, statuses []domain.TaskStatus, run func(cmd *cobra.Command, args []string, c *client) error) *cobra.Command {
	open := e.clientFlags(cmd)
	cmd.RunE = runClient(open, run)
	cmd.ValidArgsFunction = completeTasks(open, statuses)
	return cmd
}

func runClient(open opener, run func(cmd *cobra.Command, args []string, c *client) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return open(cmd, func(c *client) error { return run(cmd, args, c) })
	}
}

// opener calls a function with a client for what the flags of the command name.
type opener func(cmd *cobra.Command, f func(*client) error) error

// clientFlags adds the flags of a command that talks to the API.
func (e *environment) clientFlags(cmd *cobra.Command) opener {
	config := bootstrap.DefaultConfig()
	var server string
	cmd.Flags().StringVar(&server, "server", e.getenv("LOGSIFT_SERVER"), "URL of a running server to ask, instead of the store")
	config.Flags(cmd.Flags(), bootstrap.GroupStore)
	e.outputFlag(cmd)
	return func(cmd *cobra.Command, f func(*client) error) error {
		return e.withClient(cmd, &config, server, f)
	}
}

func (e *environment) taskListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List tasks, newest first", Args: cobra.NoArgs}
	flags := addListFlags(cmd, "tasks",
		filter{"status", "only this status, such as FAILED"},
		filter{"type", "only this type"},
		filter{"queue", "only this queue"},
		filter{"tag", "only tasks with this tag"},
		filter{"reason", "only tasks whose newest error has this reason, such as timeout"},
		filter{"created-after", "only tasks created after this time (RFC 3339)"},
		filter{"created-before", "only tasks created before this time (RFC 3339)"},
	)
	return e.listTasks(cmd, flags, "", e.printTasks)
}

// listTasks makes a command that lists the tasks of a status, "" for what its flags say.
func (e *environment) listTasks(cmd *cobra.Command, flags *listFlags, status string, printTable func([]wire.Task) error) *cobra.Command {
	return e.clientCommand(cmd, func(cmd *cobra.Command, _ []string, c *client) error {
		list := wire.TaskList{Tasks: []wire.Task{}}
		rest, err := flags.pages(func(query url.Values) (int, *string, error) {
			var page wire.TaskList
			if status != "" {
				query.Set("status", status)
			}
			err := c.get(cmd.Context(), "/api/v1/queue/tasks", query, &page)
			list.Tasks = append(list.Tasks, page.Tasks...)
			return len(page.Tasks), page.NextCursor, err
		})
		if err != nil {
			return err
		}
		if e.output == formatJSON {
			list.NextCursor = optionalCursor(rest)
			return e.printJSON(list)
		}
		if err := printTable(list.Tasks); err != nil {
			return err
		}
		e.more(rest)
		return nil
	})
}

func (e *environment) printTasks(tasks []wire.Task) error {
	rows := [][]string{{"ID", "STATUS", "TYPE", "QUEUE", "PRIORITY", "ATTEMPT", "CREATED", "LAST ERROR"}}
	for _, t := range tasks {
		rows = append(rows, []string{
			t.ID.String(), t.Status, t.Type, t.Queue, strconv.Itoa(t.Priority), strconv.Itoa(t.Attempt),
			optionalTime(t.CreatedAt), fit(t.LastError, shownWidth),
		})
	}
	return columns(e.stdout, rows)
}

func (e *environment) taskGetCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "get ID", Short: "Show one task", Args: cobra.ExactArgs(1)}
	return e.tasksCommand(cmd, nil, func(cmd *cobra.Command, args []string, c *client) error {
		t, err := c.task(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if e.output == formatJSON {
			return e.printJSON(t)
		}
		return e.printTask(&t)
	})
}

func (e *environment) printTask(t *wire.Task) error {
	p := &printer{w: e.stdout}
	row := func(name, value string) {
		if value != "" {
			p.printf("%-12s %s\n", name, printable(value))
		}
	}
	row("id", t.ID.String())
	row("type", t.Type)
	row("queue", t.Queue)
	if t.Stopping {
		row("status", t.Status+", but its run may not have stopped")
	} else {
		row("status", t.Status)
	}
	row("unique key", uniqueText(t))
	row("key", t.Key)
	row("group", groupText(t))
	row("tags", strings.Join(t.Tags, ", "))
	row("priority", strconv.Itoa(t.Priority))
	row("attempts", fmt.Sprintf("%d of at most %d", t.Attempt, t.MaxRetries+1))
	row("expires", optionalTime(t.ExpiresAt))
	if t.RetentionSeconds > 0 {
		row("retention", time.Duration(t.RetentionSeconds*float64(time.Second)).String())
	}
	row("created", optionalTime(t.CreatedAt))
	row("scheduled", optionalTime(t.ScheduledAt))
	row("started", optionalTime(t.StartedAt))
	row("completed", optionalTime(t.CompletedAt))
	row("kept until", optionalTime(t.KeptUntil))
	if p := t.Progress; p != nil {
		row("progress", strings.TrimSpace(fmt.Sprintf("%d %% %s", p.Percent, p.Note)))
		row("", string(p.Data))
	}
	row("payload", string(t.Payload))
	for _, f := range t.Errors {
		row("error", fmt.Sprintf("%s, attempt %d: %s: %s", optionalTime(f.At), f.Attempt, f.Reason, f.Message))
	}
	var result domain.AnalysisResult
	if t.Type != string(domain.TaskTypeLogAnalysis) || json.Unmarshal(t.Result, &result) != nil || result.SchemaVersion == 0 {
		row("result", string(t.Result))
		return p.err
	}
	row("analysed", analysedText(&result))
	row("baseline", result.Baseline)
	row("degraded", result.DegradedReason)
	if p.err != nil {
		return p.err
	}
	r := newReport()
	r.add(result)
	r.finish()
	out := &tableReport{printer: printer{w: e.stdout}, color: e.color(), width: e.width()}
	out.body(r, shownAnomalies)
	return out.err
}

// analysedText says how much of how much was analysed, and by whom.
func analysedText(a *domain.AnalysisResult) string {
	text := fmt.Sprintf("%d of %s by %s", a.AnalysedCount, plural(a.LogCount, "line"), a.Analyzer)
	if a.Model != "" {
		text += " (" + a.Model + ")"
	}
	if !a.Window.From.IsZero() {
		text += fmt.Sprintf(", from %s to %s", shortTime(a.Window.From), shortTime(a.Window.To))
	}
	return text
}

// groupText is the group of a task, with its size and age.
func groupText(t *wire.Task) string {
	if t.Group == "" {
		return ""
	}
	return fmt.Sprintf("%s, of up to %d, for up to %s", t.Group, t.GroupSize, time.Duration(t.GroupAgeSeconds*float64(time.Second)))
}

// uniqueText is the unique key of a task, and how long it holds that if not as usual.
func uniqueText(t *wire.Task) string {
	switch {
	case t.UniqueForSeconds > 0:
		return fmt.Sprintf("%s for %s", t.UniqueKey, time.Duration(t.UniqueForSeconds*float64(time.Second)))
	case t.UniqueWhile != "":
		return t.UniqueKey + " while " + t.UniqueWhile
	}
	return t.UniqueKey
}

func (e *environment) taskAddCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Schedule a task",
		Example: `  logsift task add --type log_analysis --payload '{"log_ids":["…"]}'
  logsift task add --type log_analysis --payload '{"log_ids":["…"]}' --priority 8 --delay 10m`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	typ := flags.String("type", string(domain.TaskTypeLogAnalysis), "type of the task")
	payload := flags.String("payload", "{}", "payload, as JSON")
	priority := flags.Int("priority", int(domain.PriorityNormal), "priority, from 0 to 10; higher runs first")
	queue := flags.String("queue", domain.DefaultQueue, "name of the queue")
	retries := flags.Int("max-retries", domain.DefaultMaxRetries, "how often to try again")
	timeout := flags.Duration("timeout", domain.DefaultTimeout, "how long one attempt may take")
	delay := flags.Duration("delay", 0, "how long to wait before the task is ready")
	key := flags.String("key", "", "relates the tasks of a queue that have the same key")
	group := flags.String("group", "", "gathers the tasks of a queue and type that have the same group into one run")
	size := flags.Int("group-size", 0, "how many tasks of a group run together at most; 0 for 100")
	age := flags.Duration("group-age", 0, "how long a task waits for others of its group; 0 for 10s")
	tags := flags.StringSlice("tag", nil, "labels of the task, up to 8")
	expires := flags.Duration("expires-in", 0, "how soon the task must begin, or it fails; 0 for no such time")
	retention := flags.Duration("retention", 0, "how long the task is kept when it has finished; 0 for what the server does")
	unique := flags.String("unique-key", "", "only one task at a time may hold this key")
	while := flags.String("unique-while", "", "until when it holds the key: unfinished (the default), or waiting")
	lasts := flags.Duration("unique-for", 0, "how long it holds the key instead, whatever becomes of it")
	conflict := flags.String("on-conflict", "", "if another task holds the key: reject (the default), keep or replace that one")
	id := flags.String("idempotency-key", "", "makes a repeat of this command safe")
	return e.clientCommand(cmd, func(cmd *cobra.Command, _ []string, c *client) error {
		if !json.Valid([]byte(*payload)) {
			return usageError("payload is not valid JSON: %s", *payload)
		}
		seconds, wait, begin := timeout.Seconds(), delay.Seconds(), expires.Seconds()
		body, err := json.Marshal(wire.CreateTask{
			Type: *typ, Payload: json.RawMessage(*payload), Priority: priority, Queue: *queue, MaxRetries: retries,
			TimeoutSeconds: &seconds, DelaySeconds: &wait, UniqueKey: *unique, Key: *key, Tags: *tags,
			UniqueWhile: *while, UniqueForSeconds: lasts.Seconds(), OnConflict: *conflict,
			Group: *group, GroupSize: *size, GroupAgeSeconds: age.Seconds(),
			ExpiresInSeconds: &begin, RetentionSeconds: retention.Seconds(),
		})
		if err != nil {
			return err
		}
		var t wire.Task
		if err := c.createTask(cmd.Context(), body, *id, &t); err != nil {
			return err
		}
		if e.output == formatJSON {
			return e.printJSON(t)
		}
		if t.Outcome != string(domain.EnqueueCreated) {
			if _, err := fmt.Fprintf(e.stderr, "%s: the task that holds the unique key\n", t.Outcome); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintln(e.stdout, t.ID)
		return err
	})
}

// taskChangeCommand makes a command that does one step to tasks; it makes sense for
// those in the statuses.
func (e *environment) taskChangeCommand(action, short, done string, statuses ...domain.TaskStatus) *cobra.Command {
	cmd := &cobra.Command{Use: action + " ID...", Short: short, Args: cobra.MinimumNArgs(1)}
	return e.tasksCommand(cmd, statuses, func(cmd *cobra.Command, args []string, c *client) error {
		return e.forEachTask(args, func(id string) (string, error) {
			return done, c.do(cmd.Context(), http.MethodPost, "/api/v1/queue/tasks/"+url.PathEscape(id)+":"+action, nil)
		})
	})
}

func (e *environment) taskDeleteCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "delete ID...", Short: "Remove tasks that are not processing", Args: cobra.MinimumNArgs(1)}
	return e.tasksCommand(cmd, nil, func(cmd *cobra.Command, args []string, c *client) error {
		return e.forEachTask(args, func(id string) (string, error) {
			return "deleted", c.do(cmd.Context(), http.MethodDelete, "/api/v1/queue/tasks/"+url.PathEscape(id), nil)
		})
	})
}

// forEachTask does a step to each task, reports each, and fails if one failed.
func (e *environment) forEachTask(ids []string, step func(id string) (string, error)) error {
	type outcome struct {
		ID    string `json:"id"`
		Error string `json:"error,omitempty"`
	}
	var outcomes []outcome
	failed := 0
	for _, id := range ids {
		if _, err := uuid.Parse(id); err != nil {
			return usageError("%q is not a task id: it must be a UUID", id)
		}
	}
	for _, id := range ids {
		done, err := step(id)
		o := outcome{ID: id}
		if err != nil {
			failed++
			o.Error = err.Error()
			e.note("task %s: %v", id, err)
		} else if e.output != formatJSON {
			if _, err := fmt.Fprintf(e.stdout, "task %s %s\n", id, done); err != nil {
				return err
			}
		}
		outcomes = append(outcomes, o)
	}
	if e.output == formatJSON {
		if err := e.printJSON(outcomes); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d tasks were not changed", failed, len(ids))
	}
	return nil
}
