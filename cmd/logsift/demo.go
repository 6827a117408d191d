package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
)

//go:embed sample/*.log.gz
var sample embed.FS

// The demo prints this many anomalies, and has this many lines analysed together.
// A batch is closed by its size or because all was sent, not by its age, so that
// the demo finds the same on a slow machine.
const (
	demoShown    = 12
	demoBatch    = 2000
	demoBatchAge = time.Minute
)

func (e *environment) demoCommand() *cobra.Command {
	config := bootstrap.DefaultConfig()
	config.LogLevel = "error"
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See the whole system at work on a real sample",
		Long: `demo starts the whole system on an embedded store in a temporary folder, sends it
the logs of nginx, PostgreSQL and Redis on a day with faults, over HTTP as any
client would, and prints the anomalies that its workers find. It ends by itself
and leaves nothing behind.`,
		Args: cobra.NoArgs,
	}
	config.Flags(cmd.Flags(), bootstrap.GroupLogging)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		settings := config
		if err := e.load(cmd, &settings); err != nil {
			return err
		}
		// Only how it logs can be set: settings of a service, such as no workers,
		// could keep the demo from its end.
		config.LogLevel, config.LogFormat = settings.LogLevel, settings.LogFormat
		config.Addr, config.BatchSize, config.BatchAge = "127.0.0.1:0", demoBatch, demoBatchAge
		inputs, err := sampleInputs()
		if err != nil {
			return err
		}
		remove, err := temporaryStore(&config)
		if err != nil {
			return err
		}
		defer remove()
		ctx := cmd.Context()
		return e.withApp(ctx, config, func(app *bootstrap.App) error {
			return e.demo(ctx, app, &config, inputs)
		})
	}
	return cmd
}

func (e *environment) demo(ctx context.Context, app *bootstrap.App, config *bootstrap.Config, inputs []input) error {
	p := &printer{w: e.stdout}
	p.printf("logsift runs at %s with %d workers and an embedded store\n", app.URL(), config.Workers)
	names := make([]string, len(inputs))
	for i, in := range inputs {
		names[i] = in.name
	}
	p.printf("sending it %s over HTTP\n\n", strings.Join(names, ", "))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := &client{http: &http.Client{Transport: transport}, base: app.URL()}
	r, err := (&pipeline{client: c, progress: newProgress(e.stderr), verb: "analysing"}).run(ctx, inputs)
	if err != nil {
		return err
	}
	if len(r.Errors) > 0 {
		return errors.New(strings.Join(r.Errors, "; "))
	}
	var stats wire.Stats
	if err := c.get(ctx, "/api/v1/queue/stats", nil, &stats); err != nil {
		return err
	}
	if err := e.printReport(r, demoShown); err != nil {
		return err
	}
	p.printf("\n%d tasks ran, %d completed, %d failed. Now try it on your own logs:\n\n  logsift analyze FILE...\n", stats.TotalTasks, stats.CompletedTasks, stats.FailedTasks)
	return p.err
}

// sampleInputs are the logs that come with the program.
func sampleInputs() ([]input, error) {
	entries, err := sample.ReadDir("sample")
	if err != nil {
		return nil, fmt.Errorf("read the sample: %w", err)
	}
	var out []input
	for _, entry := range entries {
		file := path.Join("sample", entry.Name())
		raw, err := sample.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the sample: %w", err)
		}
		out = append(out, input{
			name: strings.TrimSuffix(entry.Name(), ".gz"), size: -1,
			open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil },
		})
	}
	return out, nil
}
