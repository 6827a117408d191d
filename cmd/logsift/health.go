package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
)

// healthTimeout bounds the question whether a server is ready.
const healthTimeout = 5 * time.Second

// defaultServer is where serve listens if it is not told otherwise.
const defaultServer = "http://127.0.0.1:8080"

func (e *environment) healthCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running server whether it is ready",
		Long: `health asks a server whether it can do its work, and prints the state of its
components. The exit status is 0 if the server is ready, and 1 if it is not, or does
not answer within 5 seconds, as a container's health check needs it.`,
		Args: cobra.NoArgs,
	}
	server := cmd.Flags().String("server", e.getenv("LOGSIFT_SERVER"), "URL of the server (default "+defaultServer+")")
	e.outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return e.withClient(cmd, nil, cmp.Or(*server, defaultServer), func(c *client) error {
			ready, err := c.readiness(cmd.Context())
			if err != nil {
				return err
			}
			return e.printHealth(&ready)
		})
	}
	return cmd
}

// statusReady is the status of a server that is ready.
const statusReady = "ready"

func (e *environment) printHealth(ready *wire.Readiness) error {
	if e.output == formatJSON {
		if err := e.printJSON(ready); err != nil {
			return err
		}
	} else {
		var rows [][]string
		for _, name := range slices.Sorted(maps.Keys(ready.Components)) {
			component := ready.Components[name]
			state := "not ready"
			switch {
			case component.Degraded:
				state = "degraded"
			case component.Ready:
				state = statusReady
			}
			rows = append(rows, []string{name, state, component.Reason})
		}
		if err := columns(e.stdout, rows); err != nil {
			return err
		}
	}
	if ready.Status != statusReady {
		return errors.New("the server is " + printable(ready.Status))
	}
	return nil
}

// readiness asks whether the server is ready. It is an answer like any other, and no
// problem, that it is not.
func (c *client) readiness(ctx context.Context) (wire.Readiness, error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	const path, maxAnswer = "/readyz", 1 << 20
	var out wire.Readiness
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, http.NoBody)
	if err != nil {
		return out, fmt.Errorf("GET %s: %w", path, err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return out, fmt.Errorf("ask logsift: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // The answer was read, or is given up.
	known := res.StatusCode == http.StatusOK || res.StatusCode == http.StatusServiceUnavailable
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&out); err != nil || !known || out.Status == "" {
		return out, fmt.Errorf("GET %s: HTTP %d, and no answer of logsift: is %s a logsift server?", path, res.StatusCode, c.base)
	}
	return out, nil
}
