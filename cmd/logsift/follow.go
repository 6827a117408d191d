package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"logsift/cmd/logsift/internal/follow"
	"logsift/domain"
	"logsift/domain/logline"
)

func (e *environment) followCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "follow FILE...",
		Short: "Send the lines that are written to files to a running server",
		Long: `follow reads FILEs as they grow and sends their log entries to the server that
--server names, until it is interrupted. A FILE may be a pattern such as
'/var/log/app/*.log'; files that appear later are read from their start. follow
follows a symbolic link that is named, and skips those that a pattern finds. Files
may be rotated, by renaming or by copying and truncating. The lines of a stack trace
become one entry.

follow waits for a server that is away or asks it to wait: it stops reading meanwhile
and loses nothing. With --positions, it goes on after a restart behind the last entry
that the server has confirmed. It marks what it sends again, so that the server stores
it once.`,
		Example: `  logsift follow --server http://127.0.0.1:8080 /var/log/syslog
  logsift follow --positions /var/lib/logsift/positions.json '/var/log/app/*.log'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("follow needs a FILE")
			}
			return nil
		},
	}
	var o follow.Options
	server := cmd.Flags().String("server", e.getenv("LOGSIFT_SERVER"), "URL of the server that gets the lines")
	cmd.Flags().StringVar(&o.Positions, "positions", "", "file that remembers how far each file was sent")
	cmd.Flags().StringVar(&o.Source, "source", "", "source of the entries, instead of the files' names")
	fromStart := cmd.Flags().Bool("from-start", false, "read files that are there from their start")
	fromEnd := cmd.Flags().Bool("from-end", false, "read only what files that are there get from now on (the default)")
	format := formatFlag(cmd)
	timezone := cmd.Flags().String("timezone", cmp.Or(e.getenv("LOGSIFT_TIMEZONE"), "UTC"), "zone of times that name none: a name such as Europe/Berlin, an offset such as +02:00, or Local")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *server == "" {
			return usageError("follow needs --server, such as http://127.0.0.1:8080")
		}
		if *fromStart && *fromEnd {
			return usageError("from-start and from-end exclude each other")
		}
		if len(o.Source) > domain.MaxLogSource {
			return usageError("source must have at most %d bytes", domain.MaxLogSource)
		}
		var err error
		if o.Parser, err = newParser(*format, *timezone); err != nil {
			return err
		}
		for _, pattern := range args {
			if _, err := filepath.Match(pattern, ""); err != nil {
				return usageError("%q is not a pattern of file names", pattern)
			}
		}
		o.Patterns, o.FromStart = args, *fromStart
		return e.withClient(cmd, nil, *server, func(c *client) error { return followFiles(cmd.Context(), o, c, e.note) })
	}
	return cmd
}

// formatFlag adds --format to a command that reads logs.
func formatFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("format", logline.FormatAuto.String(), "format of the lines: "+strings.Join(logline.FormatNames(), ", ")+", or a product such as java, postgres, nginx or docker")
}

// newParser returns what reads lines of a format, whose times are of the zone if they name
// none.
func newParser(format, timezone string) (p logline.Parser, err error) {
	if p.Format, err = logline.ParseFormat(format); err == nil {
		p.Zone, err = logline.ParseZone(timezone)
	}
	return p, err
}

// followFiles sends what the files get to the client's server.
func followFiles(ctx context.Context, o follow.Options, c *client, note func(format string, args ...any)) error {
	o.Server, o.Note = c.base, note
	o.Send = func(ctx context.Context, b follow.Batch) error {
		receipt, err := c.sendEntries(ctx, b.Source, b.Key, b.Entries)
		var answer *problemError
		switch {
		case err == nil:
			if receipt.RejectedCount > 0 {
				note("logsift: %s: %s refused, the first because: %s", b.Path, plural(receipt.RejectedCount, "entry"), receipt.Rejected[0].Reason)
			}
			return nil
		case !errors.As(err, &answer):
			return &follow.RetryError{Err: err} // The network's.
		case answer.Status == http.StatusBadRequest || answer.Status == http.StatusUnprocessableEntity:
			// Nothing of it can be stored, now or later.
			note("logsift: %s: %s refused: %s", b.Path, plural(len(b.Entries), "entry"), answer.Error())
			return nil
		case answer.Status == http.StatusRequestTimeout || answer.Status == http.StatusTooManyRequests || answer.Status >= http.StatusInternalServerError:
			return &follow.RetryError{Err: err, After: answer.retryAfter}
		case answer.Status == http.StatusRequestEntityTooLarge && len(b.Entries) > 1:
			return follow.ErrTooLarge
		}
		return err
	}
	return follow.Run(ctx, o)
}
