package main

import (
	"github.com/spf13/cobra"

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
	return cmd
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
