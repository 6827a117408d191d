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

// demoShown is how many anomalies the demo prints: what one screen holds.
const demoShown = 8

func (e *environment) demoCommand() *cobra.Command {
	config := bootstrap.DefaultConfig()
	config.LogLevel = "error"
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See the whole system at work on a real sample",
		Long: `demo starts the whole system on an embedded store in a temporary folder, sends it
the logs of nginx, PostgreSQL and Redis on a day with faults, over HTTP as any
client would, and prints the anomalies that its workers find. It ends when it has
printed them, and leaves nothing behind.`,
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
		config.Addr = "127.0.0.1:0"
		// The sample is judged as a whole, as analyze does, however slow the machine is.
		config.BatchSize, config.BatchBytes, config.BatchAge = analyzeBatch, analyzeBatchBytes, time.Hour
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
	begun := time.Now()
	p.printf("logsift runs at %s with %d workers and an embedded store\n", app.URL(), config.Workers)
	names := make([]string, len(inputs))
	for i, in := range inputs {
		names[i] = in.name
	}
	p.printf("sending it %s over HTTP\n", strings.Join(names, ", "))
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
	p.printf("received, queued, worked and judged in %.1f s\n\n", time.Since(begun).Seconds())
	if p.err != nil {
		return p.err
	}
	if err := e.printReport(r, demoShown); err != nil {
		return err
	}
	p.printf("\n%s ran, %d completed, %d failed. Now try it on your own logs:\n\n  logsift analyze FILE...                        what is unusual in them\n"+
		"  logsift analyze --baseline GOOD.log BAD.log    what is different from a good day\n  logsift analyze -o html FILE... >report.html   to send to a colleague\n",
		plural(int(stats.TotalTasks), "task"), stats.CompletedTasks, stats.FailedTasks)
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
