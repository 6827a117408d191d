package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
)

const schedulesPath = "/api/v1/queue/schedules"

// scheduleCommand groups the commands about schedules. They ask the server that --server
// names, or open the store themselves.
func (e *environment) scheduleCommand() *cobra.Command {
	return group(&cobra.Command{Use: "schedule", Short: "Have tasks enqueued again and again"},
		e.scheduleSetCommand(), e.scheduleListCommand(), e.scheduleShowCommand(),
		e.scheduleChangeCommand("pause", "Let a schedule fire no more, until it is resumed"),
		e.scheduleChangeCommand("resume", "End the pause of a schedule"),
		e.scheduleRunCommand(),
		e.deleteCommand("schedule", schedulePath, "Remove schedules; the tasks that they enqueued stay"))
}

func schedulePath(name string) string { return schedulesPath + "/" + url.PathEscape(name) }

func (e *environment) scheduleSetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "set NAME", Short: "Make a schedule, or change one", Args: cobra.ExactArgs(1),
		Example: `  logsift schedule set nightly --cron '0 3 * * *' --timezone Europe/Berlin --task '{"type":"log_analysis","payload":{"batch_id":"0198c5a2-0000-7000-8000-000000000001"}}'
  logsift schedule set often --every 30s --overlap skip --task '{"type":"log_analysis","payload":{"batch_id":"0198c5a2-0000-7000-8000-000000000001"}}'`,
	}
	var body wire.PutSchedule
	flags := cmd.Flags()
	flags.StringVar(&body.Cron, "cron", "", "when, as minute, hour, day of the month, month and day of the week; or @daily and its like")
	every := flags.Duration("every", 0, "time between two ticks, instead of --cron")
	flags.StringVar(&body.Timezone, "timezone", "", "zone of --cron, such as Europe/Berlin (default UTC)")
	jitter := flags.Duration("jitter", 0, "move each tick by up to so much")
	start := flags.String("start", "", "no tick before this time, such as 2026-12-01T00:00:00Z")
	end := flags.String("end", "", "no tick after this time")
	flags.StringVar(&body.Overlap, "overlap", "", "while an earlier task is unfinished: allow, skip or replace (default allow)")
	flags.StringVar(&body.Missed, "missed", "", "for ticks that no process saw: one task, skip, or all (default one)")
	maxMissed := flags.Int("max-missed", 0, "how many tasks --missed all makes at most (default 100)")
	task := flags.String("task", "", "what to enqueue, as JSON: type, and what else a task may have")
	return e.clientCommand(cmd, func(cmd *cobra.Command, args []string, c *client) error {
		if !json.Valid([]byte(*task)) {
			return usageError("--task must be a task as JSON, such as '{\"type\":\"report\"}'")
		}
		body.Task = json.RawMessage(*task)
		if cmd.Flags().Changed("every") {
			seconds := every.Seconds()
			body.EverySeconds = &seconds
		}
		if *jitter != 0 {
			seconds := jitter.Seconds()
			body.JitterSeconds = &seconds
		}
		if *maxMissed != 0 {
			body.MaxMissed = maxMissed
		}
		for _, f := range []struct {
			flag, text string
			to         **time.Time
		}{{"start", *start, &body.Start}, {"end", *end, &body.End}} {
			if f.text == "" {
				continue
			}
			at, err := time.Parse(time.RFC3339, f.text)
			if err != nil {
				return usageError("--%s must be a time such as 2026-12-01T00:00:00Z, not %q", f.flag, f.text)
			}
			*f.to = &at
		}
		var s wire.Schedule
		if err := c.sendJSON(cmd.Context(), http.MethodPut, schedulePath(args[0]), body, &s); err != nil {
			return fmt.Errorf("set schedule %q: %w", args[0], err)
		}
		return e.printSchedule(s)
	})
}

func (e *environment) scheduleListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the schedules by name", Args: cobra.NoArgs}
	return e.clientCommand(cmd, func(cmd *cobra.Command, _ []string, c *client) error {
		all, query := wire.ScheduleList{Schedules: []wire.Schedule{}}, url.Values{"limit": {"200"}}
		for {
			var page wire.ScheduleList
			if err := c.get(cmd.Context(), schedulesPath, query, &page); err != nil {
				return err
			}
			all.Schedules = append(all.Schedules, page.Schedules...)
			if page.NextCursor == nil {
				break
			}
			query.Set("cursor", *page.NextCursor)
		}
		if e.output == formatJSON {
			return e.printJSON(all)
		}
		if len(all.Schedules) == 0 {
			e.note("there are no schedules yet: logsift schedule set makes one")
			return nil
		}
		rows := [][]string{{"SCHEDULE", "WHEN", "NEXT", "LAST", "TASK"}}
		for i := range all.Schedules {
			rows = append(rows, scheduleRow(&all.Schedules[i]))
		}
		return columns(e.stdout, rows)
	})
}

// scheduleRow is the line of a schedule in a list.
func scheduleRow(s *wire.Schedule) []string {
	when, next, last := s.Cron, optionalTime(s.NextFiringAt), ""
	if s.EverySeconds != nil {
		when = "every " + time.Duration(*s.EverySeconds*float64(time.Second)).String()
	} else if s.Timezone != "UTC" {
		when += " " + s.Timezone
	}
	if s.Paused {
		next = "paused since " + optionalTime(s.PausedAt)
	}
	if f := s.LastFiring; f != nil {
		last = f.Outcome + " " + optionalTime(f.Tick)
	}
	var task wire.CreateTask
	_ = json.Unmarshal(s.Task, &task) // A task that cannot be read has no type.
	return []string{s.Name, when, next, last, task.Type}
}

func (e *environment) scheduleShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show NAME", Short: "Show a schedule with its next and last firings", Args: cobra.ExactArgs(1)}
	return e.clientCommand(cmd, func(cmd *cobra.Command, args []string, c *client) error {
		var s wire.Schedule
		if err := c.get(cmd.Context(), schedulePath(args[0]), nil, &s); err != nil {
			return fmt.Errorf("show schedule %q: %w", args[0], err)
		}
		return e.printSchedule(s)
	})
}

// scheduleChangeCommand makes a command that does one step to a schedule and shows it.
func (e *environment) scheduleChangeCommand(action, short string) *cobra.Command {
	cmd := &cobra.Command{Use: action + " NAME", Short: short, Args: cobra.ExactArgs(1)}
	return e.clientCommand(cmd, func(cmd *cobra.Command, args []string, c *client) error {
		var s wire.Schedule
		if err := c.do(cmd.Context(), http.MethodPost, schedulePath(args[0])+":"+action, &s); err != nil {
			return fmt.Errorf("%s schedule %q: %w", action, args[0], err)
		}
		return e.printSchedule(s)
	})
}

func (e *environment) scheduleRunCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "run NAME", Short: "Enqueue the task of a schedule at once", Args: cobra.ExactArgs(1)}
	id := cmd.Flags().String("id", "", "name of this run: a repeat with the same one enqueues no second task")
	return e.clientCommand(cmd, func(cmd *cobra.Command, args []string, c *client) error {
		header := http.Header{}
		if *id != "" {
			header.Set("Idempotency-Key", *id)
		}
		var s wire.Schedule
		if err := c.send(cmd.Context(), http.MethodPost, schedulePath(args[0])+":run", header, nil, &s); err != nil {
			return fmt.Errorf("run schedule %q: %w", args[0], err)
		}
		return e.printSchedule(s)
	})
}

// printSchedule prints one schedule with its firings.
func (e *environment) printSchedule(s wire.Schedule) error {
	if e.output == formatJSON {
		return e.printJSON(s)
	}
	line := scheduleRow(&s)
	rows := [][]string{
		{"name", s.Name}, {"when", line[1]}, {"next", line[2]}, {"task", string(s.Task)},
		{"overlap", s.Overlap}, {"missed", s.Missed},
	}
	for i := range s.Firings {
		f := &s.Firings[i]
		text := optionalTime(f.Tick) + " " + f.Outcome + " " + f.TaskID.String()
		if f.Detail != "" {
			text += ": " + f.Detail
		}
		rows = append(rows, []string{"fired", text})
		if f.Outcome != "fired" {
			rows[len(rows)-1][0] = "left out"
		}
	}
	return columns(e.stdout, rows)
}
