package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"logsift/domain"
)

// Times and limits of follow.
const (
	// followPoll is how often files are looked at for more.
	followPoll = 250 * time.Millisecond
	// followJoin is how long the last entry of a file waits for lines of its own.
	followJoin = time.Second
	// followGrace is how long a file that was rotated away is read on, since its
	// writer may not have opened the new one yet.
	followGrace = 10 * time.Second
	// followBytes and followEntries bound a request.
	followBytes   = 2 << 20
	followEntries = 2000
	// followDrain bounds the last request when follow is asked to stop.
	followDrain = 10 * time.Second
	// followBackOff and followMaxBackOff bound the wait for a server that is away,
	// and followMaxRetryAfter what a server may ask for.
	followBackOff       = 500 * time.Millisecond
	followMaxBackOff    = 30 * time.Second
	followMaxRetryAfter = 5 * time.Minute
)

func (e *environment) followCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "follow FILE...",
		Short: "Send the lines that files get to a running server",
		Long: `follow reads FILEs as they grow, for ever, and sends their log entries to the
server that --server names. A FILE may be a pattern such as '/var/log/app/*.log';
files that appear later are read from their start. Files may be rotated, by
renaming or by copying and truncating. Lines of a stack trace are one entry.

A server that is away, or asks to wait, is waited for: follow stops reading
meanwhile and loses nothing. With --positions, follow goes on after a restart
where the last entry ended that the server has confirmed, and sends again what
it has not in a way by which the server knows the repeat.`,
		Example: `  logsift follow --server http://127.0.0.1:8080 /var/log/syslog
  logsift follow --positions /var/lib/logsift/positions.json '/var/log/app/*.log'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("follow needs a FILE")
			}
			return nil
		},
	}
	var o followOptions
	server := cmd.Flags().String("server", e.getenv("LOGSIFT_SERVER"), "URL of the server that gets the lines")
	cmd.Flags().StringVar(&o.positions, "positions", "", "file that remembers how far each file was sent")
	cmd.Flags().StringVar(&o.source, "source", "", "source of the entries, instead of the files' names")
	fromStart := cmd.Flags().Bool("from-start", false, "read files that are there from their start")
	fromEnd := cmd.Flags().Bool("from-end", false, "read only what files that are there get from now on (the default)")
	format := formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *server == "" {
			return usageError("follow needs --server, such as http://127.0.0.1:8080")
		}
		if *fromStart && *fromEnd {
			return usageError("from-start and from-end exclude each other")
		}
		if len(o.source) > domain.MaxLogSource {
			return usageError("source must have at most %d bytes", domain.MaxLogSource)
		}
		var err error
		if o.format, err = domain.ParseLogFormat(*format); err != nil {
			return err
		}
		o.patterns, o.fromStart = args, *fromStart
		return e.withClient(cmd, nil, *server, func(c *client) error {
			f := &follower{followOptions: o, client: c, note: e.note, now: time.Now}
			return f.run(cmd.Context())
		})
	}
	return cmd
}

// formatFlag adds --format to a command that reads logs.
func formatFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("format", domain.LogFormatAuto.String(), "format of the lines: "+strings.Join(domain.LogFormatNames(), ", ")+", or a product such as java, postgres, nginx or docker")
}

type followOptions struct {
	patterns  []string
	positions string
	source    string
	fromStart bool
	format    domain.LogFormat
}

// follower follows files. It works in one goroutine: reading a file, sending what
// was read and remembering it come one after another, so that no more than one
// request's entries are ever held.
type follower struct {
	followOptions
	client *client
	note   func(format string, args ...any)
	now    func() time.Time

	files   []*followed
	saved   []position // of files that were not found again yet
	written string     // what the positions file has
	wait    time.Duration
	away    bool // the server was last seen away
}

// run follows until ctx ends, or the server refuses what no repeat can mend.
func (f *follower) run(ctx context.Context) error {
	var err error
	if f.saved, err = loadPositions(f.positions); err != nil {
		return err
	}
	defer f.close()
	if err := f.discover(true); err != nil {
		return err
	}
	tick := time.NewTicker(followPoll)
	defer tick.Stop()
	for {
		busy, err := f.round(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if ctx.Err() != nil {
			return f.finish(ctx)
		}
		if busy {
			continue
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
			if err := f.discover(false); err != nil {
				return err
			}
		}
	}
}

// finish sends, after ctx has ended, the lines that are complete, if no positions
// say where to go on.
func (f *follower) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), followDrain)
	defer cancel()
	if f.positions != "" {
		return nil
	}
	for _, file := range f.files {
		b, err := file.batch(f, true)
		if err == nil && len(b.entries) > 0 {
			if _, err = f.send(ctx, file, b); err != nil {
				return fmt.Errorf("send the last lines of %s: %w", file.Path, err)
			}
		}
	}
	return nil
}

func (f *follower) close() {
	for _, file := range f.files {
		_ = file.file.Close() // Only read from.
	}
}

// round sends what each file has. busy is whether there may be more at once.
func (f *follower) round(ctx context.Context) (busy bool, err error) {
	for _, file := range f.files {
		b, err := file.batch(f, false)
		if err != nil {
			f.note("logsift: cannot read %s: %v", file.Path, reason(err))
			continue
		}
		if b.end == file.Offset {
			continue
		}
		if len(b.entries) > 0 {
			if err := f.deliver(ctx, file, b); err != nil {
				return false, err
			}
		}
		file.Offset, file.Pending, file.skipping = b.end, 0, b.skipping
		file.Tail = file.nextTail
		if err := f.save(); err != nil {
			return false, err
		}
		busy = busy || b.full
	}
	return busy, nil
}

// deliver sends a batch until the server has it. Where it ends is written down
// before, so that a repeat after a restart is the same request.
func (f *follower) deliver(ctx context.Context, file *followed, b batch) error {
	if f.positions != "" {
		file.Pending = b.end
		if err := f.save(); err != nil {
			return err
		}
	}
	for {
		retry, err := f.send(ctx, file, b)
		if err == nil {
			if f.away {
				f.note("logsift: %s is back", f.client.base)
			}
			f.away, f.wait = false, 0
			return nil
		}
		if retry < 0 {
			return err
		}
		f.wait = min(max(2*f.wait, followBackOff), followMaxBackOff)
		pause := max(f.wait, min(retry, followMaxRetryAfter))
		if !f.away {
			f.note("logsift: %v; trying again until it works", err)
		}
		f.away = true
		if err := f.pause(ctx, pause); err != nil {
			return err
		}
	}
}

// pause waits, and looks after new and rotated files meanwhile.
func (f *follower) pause(ctx context.Context, d time.Duration) error {
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(followPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			return nil
		case <-tick.C:
			if err := f.discover(false); err != nil {
				return err
			}
		}
	}
}

// send sends a batch once. Of an error, retry is how long the server asks to wait
// before a repeat; negative if a repeat is of no use.
func (f *follower) send(ctx context.Context, file *followed, b batch) (retry time.Duration, err error) {
	source := f.source
	if source == "" {
		source = file.Source
	}
	receipt, err := f.client.sendEntries(ctx, source, file.key(), b.entries)
	var answer *problemError
	switch {
	case err == nil:
		if receipt.RejectedCount > 0 {
			f.note("logsift: %s: %s refused, the first because: %s", file.Path, plural(receipt.RejectedCount, "entry"), receipt.Rejected[0].Reason)
		}
		return 0, nil
	case !errors.As(err, &answer):
		return 0, err // The network's.
	case answer.Status == http.StatusBadRequest || answer.Status == http.StatusUnprocessableEntity:
		// Nothing of it can be stored, now or later.
		f.note("logsift: %s: %s refused: %s", file.Path, plural(len(b.entries), "entry"), answer.Error())
		return 0, nil
	case answer.Status == http.StatusRequestTimeout || answer.Status == http.StatusTooManyRequests || answer.Status >= http.StatusInternalServerError:
		return answer.retryAfter, err
	case answer.Status == http.StatusRequestEntityTooLarge && len(b.entries) > 1:
		return f.halve(ctx, file, b)
	}
	return -1, fmt.Errorf("send %s: %w", file.Path, err)
}

// halve sends the two halves of a batch that is too large for the server.
func (f *follower) halve(ctx context.Context, file *followed, b batch) (time.Duration, error) {
	n := len(b.entries) / 2
	first := b
	first.entries = b.entries[:n]
	if retry, err := f.send(ctx, file, first); err != nil {
		return retry, err
	}
	// The second half is a request of its own from here on, also when repeated.
	rest := *file
	rest.Offset = b.starts[n]
	second := b
	second.entries, second.starts = b.entries[n:], b.starts[n:]
	return f.send(ctx, &rest, second)
}
