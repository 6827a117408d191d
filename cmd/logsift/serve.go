package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
)

func (e *environment) serveCommand() *cobra.Command {
	config := bootstrap.DefaultConfig()
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the API and workers",
		Long: `serve runs the HTTP API and workers in one process. When it is ready it prints
one line, "listening on http://HOST:PORT", to standard error. The first
interrupt or SIGTERM drains: serve claims no more tasks, and running ones have
--drain-timeout to finish. The second gives them back at once.

On an address that other machines reach, serve needs API keys: see logsift key.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := e.load(cmd, &config); err != nil {
				return err
			}
			if config.Addr == "" {
				return usageError("addr must not be empty: use host:port, such as 127.0.0.1:8080")
			}
			return e.runApp(cmd, config)
		},
	}
	config.Flags(cmd.Flags(), bootstrap.GroupStore|bootstrap.GroupKeys|bootstrap.GroupAPI|bootstrap.GroupReading|bootstrap.GroupWork|bootstrap.GroupQueues|bootstrap.GroupAnalysis|bootstrap.GroupLogging|bootstrap.GroupServer)
	return cmd
}

func (e *environment) workerCommand() *cobra.Command {
	config := bootstrap.DefaultConfig()
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Run workers only",
		Long: `worker works on the tasks of the store without an API. Any number of worker and
serve processes may share a store. It stops as serve does. With --metrics-addr it
serves /metrics, /healthz and /readyz.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := e.load(cmd, &config); err != nil {
				return err
			}
			if config.Workers == 0 {
				return usageError("workers must be at least 1 for a worker")
			}
			config.Addr = ""
			return e.runApp(cmd, config)
		},
	}
	config.Flags(cmd.Flags(), bootstrap.GroupStore|bootstrap.GroupKeys|bootstrap.GroupWork|bootstrap.GroupQueues|bootstrap.GroupAnalysis|bootstrap.GroupLogging|bootstrap.GroupServer)
	cmd.AddCommand(e.workerListCommand())
	return cmd
}

func (e *environment) workerListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the processes that work on tasks, and the workers over HTTP", Args: cobra.NoArgs}
	return e.clientCommand(cmd, func(cmd *cobra.Command, _ []string, c *client) error {
		var list wire.WorkerList
		if err := c.get(cmd.Context(), "/api/v1/queue/workers", nil, &list); err != nil {
			return err
		}
		if e.output == formatJSON {
			return e.printJSON(list)
		}
		if len(list.Schedulers) == 0 {
			e.note("no process works on tasks")
			return nil
		}
		rows := [][]string{{"WORKER", "SEEN", "BUSY", "PROCESSED", "FAILED", "TYPES"}}
		for _, w := range list.Schedulers {
			name, busy := fmt.Sprintf("%s process %d", w.Host, w.PID), fmt.Sprintf("%d of %d", w.Scheduler.BusyWorkers, w.Scheduler.WorkersCount)
			if w.Worker != "" {
				name, busy = w.Worker+" over HTTP", fmt.Sprintf("%d leases", w.Scheduler.BusyWorkers)
			}
			rows = append(rows, []string{
				name, optionalTime(w.SeenAt), busy, strconv.FormatInt(w.Scheduler.ProcessedTasks, 10),
				strconv.FormatInt(w.Scheduler.FailedTasks, 10), strings.Join(w.Scheduler.TaskTypes, ","),
			})
		}
		return columns(e.stdout, rows)
	})
}

func (e *environment) runApp(cmd *cobra.Command, config bootstrap.Config) error {
	app, err := bootstrap.New(cmd.Context(), config)
	if err != nil {
		return err
	}
	return app.Run(cmd.Context(), e.force, func(addr string) {
		if metrics := app.MetricsAddr(); metrics != "" {
			e.note("metrics on http://%s/metrics", metrics)
		}
		if addr == "" {
			e.note("working on %d tasks at once", config.Workers)
			return
		}
		e.note("listening on %s://%s", app.Scheme(), addr)
	})
}
