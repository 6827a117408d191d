package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// watchRetry is after how long a watch comes back to a server that has gone, unless
// the server says otherwise.
const watchRetry = 2 * time.Second

func (e *environment) taskWatchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch [ID]",
		Short: "Show the steps of tasks as they happen",
		Long: `Show the steps of all tasks, or of one, as they happen in any process. With an ID it
ends when the task ends: exit status 0 for COMPLETED, and 1 for FAILED, CANCELLED or
removed. Without one it runs until it is interrupted. When the server goes away, it
connects again and goes on where it was.

With -o json each step is an object on a line of its own, as the API's
/api/v1/queue/events has them.`,
		Example: `  logsift task watch --queue mail --status FAILED
  logsift task watch $(logsift task add --type log_analysis --payload '{"log_ids":["…"]}')`,
		Args: cobra.MaximumNArgs(1),
	}
	status := cmd.Flags().String("status", "", "only steps into this status, such as FAILED")
	typ := cmd.Flags().String("type", "", "only tasks of this type")
	queue := cmd.Flags().String("queue", "", "only tasks of this queue")
	tag := cmd.Flags().String("tag", "", "only tasks with this tag")
	return e.tasksCommand(cmd, nil, func(cmd *cobra.Command, args []string, c *client) error {
		w := &taskWatch{environment: e, client: c, query: url.Values{}, pause: watchRetry}
		for name, value := range map[string]string{"status": *status, "type": *typ, "queue": *queue, "tag": *tag} {
			if value != "" {
				w.query.Set(name, value)
			}
		}
		if len(args) == 1 {
			if len(w.query) > 0 {
				return usageError("an ID allows no filter: leave out --status, --type, --queue and --tag")
			}
			id, err := uuid.Parse(args[0])
			if err != nil {
				return usageError("%q is not a task id: it must be a UUID", args[0])
			}
			w.id = id.String()
			w.query.Set("task_id", w.id)
		}
		return w.run(cmd.Context())
	})
}

// taskWatch follows a stream of events.
type taskWatch struct {
	*environment

	client *client
	query  url.Values
	id     string // of the one task to watch; "" for any

	at      string        // the id of the newest event
	pause   time.Duration // before coming back
	begun   bool          // a stream has begun
	printed bool          // the head of the table is printed
}

// endedError ends a watch: the task is at its end.
type endedError struct{ err error }

func (*endedError) Error() string { return "the task has ended" }

// run follows one stream after another, until the task has ended or ctx has.
func (w *taskWatch) run(ctx context.Context) error {
	for {
		err := w.follow(ctx)
		var ended *endedError
		var problem *problemError
		switch {
		case errors.As(err, &ended):
			return ended.err
		case ctx.Err() != nil && w.id == "":
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("interrupted before task %s ended", w.id)
		case errors.As(err, &problem) && problem.Status == http.StatusServiceUnavailable:
			w.pause = max(w.pause, problem.retryAfter)
		case errors.As(err, &problem) || !w.begun:
			return err
		}
		w.note("the stream of events ended (%v): trying again in %v", err, w.pause)
		timer := time.NewTimer(w.pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// follow follows one stream. It never returns nil.
func (w *taskWatch) follow(ctx context.Context) error {
	path := "/api/v1/queue/events?" + w.query.Encode()
	res, err := w.client.stream(ctx, path, w.at)
	if err != nil {
		return err
	}
	defer func() { _ = res.Close() }() // What it has to tell was read.
	return readEventStream(res, func(e streamEvent) error {
		first := !w.begun
		w.begun = true
		if e.id != "" {
			w.at = e.id
		}
		if e.retry > 0 {
			w.pause = e.retry
		}
		switch {
		case e.name == wire.EventTask:
			var step wire.TaskEvent
			if err := json.Unmarshal([]byte(e.data), &step); err != nil {
				return fmt.Errorf("read an event: %w", err)
			}
			return w.step(&step)
		case e.name == wire.EventReset:
			w.note("some steps were missed")
			return w.look(ctx)
		case first:
			return w.look(ctx)
		}
		return nil
	})
}

// look finds out whether the one task has ended before its steps were told.
func (w *taskWatch) look(ctx context.Context) error {
	if w.id == "" {
		return nil
	}
	t, err := w.client.task(ctx, w.id)
	if err != nil {
		return err
	}
	if !statusOf(t.Status).Terminal() {
		return nil
	}
	at := time.Time{}
	if t.CompletedAt != nil {
		at = *t.CompletedAt
	}
	return w.step(&wire.TaskEvent{TaskID: w.id, Type: t.Type, Queue: t.Queue, From: &t.Status, To: &t.Status, Attempt: t.Attempt, At: at})
}

// statusOf is the status of a name, or 0, which is not terminal, for one that is not
// known here.
func statusOf(name string) domain.TaskStatus {
	status, err := domain.ParseTaskStatus(name)
	if err != nil {
		return 0
	}
	return status
}

// step shows a step, and ends the watch with the one task.
func (w *taskWatch) step(s *wire.TaskEvent) error {
	if err := w.print(s); err != nil || w.id == "" {
		return err
	}
	if s.To == nil {
		return &endedError{fmt.Errorf("task %s was removed", w.id)}
	}
	switch status := statusOf(*s.To); {
	case !status.Terminal():
		return nil
	case status == domain.TaskStatusCompleted:
		return &endedError{}
	default:
		return &endedError{fmt.Errorf("task %s is %s: logsift task get %s shows why", w.id, *s.To, w.id)}
	}
}

// watchColumns are the columns of the table but the last, and their widths.
var watchColumns = []struct {
	name  string
	width int
}{{"TIME", 19}, {"ID", 36}, {"TYPE", 14}, {"QUEUE", 10}, {"FROM", 10}, {"TO", 10}, {"ATTEMPT", 7}}

func (w *taskWatch) print(s *wire.TaskEvent) error {
	if w.output == formatJSON {
		enc := json.NewEncoder(jsonWriter{w.stdout})
		enc.SetEscapeHTML(false)
		return enc.Encode(s)
	}
	line := func(cells ...string) error {
		var b strings.Builder
		for i, c := range watchColumns {
			b.WriteString(pad(printable(cells[i]), c.width) + "  ")
		}
		b.WriteString(printable(cells[len(cells)-1]))
		_, err := fmt.Fprintln(w.stdout, strings.TrimRight(b.String(), " "))
		return err
	}
	if !w.printed {
		w.printed = true
		names := make([]string, len(watchColumns), len(watchColumns)+1)
		for i, c := range watchColumns {
			names[i] = c.name
		}
		if err := line(append(names, "REASON")...); err != nil {
			return err
		}
	}
	status := func(name *string) string {
		if name == nil {
			return "-"
		}
		return *name
	}
	return line(shortTime(s.At), s.TaskID, s.Type, s.Queue, status(s.From), status(s.To), strconv.Itoa(s.Attempt), s.Reason)
}

// streamEvent is a part of a stream up to an empty line.
type streamEvent struct {
	id, name, data string
	retry          time.Duration
}

// maxStreamLine is more than any line of our events is long.
const maxStreamLine = 64 << 10

// readEventStream reads server-sent events, by the rules of the HTML standard as far
// as our server makes use of them, until each returns an error or the stream ends.
// It never returns nil.
func readEventStream(r io.Reader, each func(streamEvent) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxStreamLine)
	var e streamEvent
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			if err := each(e); err != nil {
				return err
			}
			e = streamEvent{}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data += value
		case "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				e.retry = time.Duration(min(max(ms, 0), 60_000)) * time.Millisecond
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the events: %w", err)
	}
	return io.EOF
}
