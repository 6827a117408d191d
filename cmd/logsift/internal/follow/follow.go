// Package follow reads files as they grow and sends their log entries, each once,
// across rotations, restarts, and times in which the server is away.
package follow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"logsift/domain"
	"logsift/domain/logline"
)

// Times and limits of follow.
const (
	// pollInterval is how often files are looked at for more.
	pollInterval = 250 * time.Millisecond
	// joinWait is how long the last entry of a file waits for lines of its own.
	joinWait = time.Second
	// rotationGrace is how long a file that was rotated away is read on, since its
	// writer may not have opened the new one yet.
	rotationGrace = 10 * time.Second
	// batchBytes and batchEntries bound a request.
	batchBytes   = 2 << 20
	batchEntries = 2000
	// drainTimeout bounds the last request when follow is asked to stop.
	drainTimeout = 10 * time.Second
	// minBackOff and maxBackOff bound the wait for a server that is away,
	// and maxRetryAfter what a server may ask for.
	minBackOff    = 500 * time.Millisecond
	maxBackOff    = 30 * time.Second
	maxRetryAfter = 5 * time.Minute
)

// Options say what to follow and where to send it.
type Options struct {
	// Patterns are names of files, with wildcards as [path/filepath.Match] has them.
	Patterns []string
	// Positions is the file that remembers how far each file was sent, "" for none.
	Positions string
	// Source is that of the entries; "" is the file's name.
	Source string
	// FromStart is whether files that are there already are read from their start.
	FromStart bool
	// Parser reads the lines.
	Parser logline.Parser
	// Send sends a batch once. It returns a *RetryError if a repeat may help, and
	// ErrTooLarge if the batch must be parted.
	Send func(context.Context, Batch) error
	// Server is how notes call the server.
	Server string
	// Note tells the user something.
	Note func(format string, args ...any)
}

// Batch is what is sent at once: entries of one file. A repeat has the same Key.
type Batch struct {
	Path, Source, Key string
	Entries           []domain.LogEntry
}

// RetryError is an error that a repeat may mend. After is how long the server asks to
// wait before, 0 if it does not.
type RetryError struct {
	Err   error
	After time.Duration
}

func (e *RetryError) Error() string { return e.Err.Error() }
func (e *RetryError) Unwrap() error { return e.Err }

// ErrTooLarge is returned by Options.Send for a batch of several entries that the
// server takes only in parts.
var ErrTooLarge = errors.New("the server takes only smaller requests")

// follower follows files. It works in one goroutine: reading a file, sending what
// was read and remembering it come one after another, so that no more than one
// request's entries are ever held.
type follower struct {
	Options

	files   []*followed
	saved   []position // of files that were not found again yet
	written string     // what the positions file has
	wait    time.Duration
	away    bool // the server was last seen away
}

// Run follows until ctx ends, or the server refuses what no repeat can mend.
func Run(ctx context.Context, o Options) error {
	f := &follower{Options: o}
	var err error
	if f.saved, err = loadPositions(f.Positions); err != nil {
		return err
	}
	defer f.close()
	if err := f.discover(true); err != nil {
		return err
	}
	tick := time.NewTicker(pollInterval)
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if f.Positions != "" {
		return nil
	}
	for _, file := range f.files {
		b, err := file.batch(f, true)
		if err == nil && len(b.entries) > 0 {
			if err = f.send(ctx, file, b); err != nil {
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
			f.Note("logsift: cannot read %s: %v", file.Path, reason(err))
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
	if f.Positions != "" {
		file.Pending, file.DateOrder = b.end, b.order
		if err := f.save(); err != nil {
			return err
		}
	}
	for {
		err := f.send(ctx, file, b)
		if err == nil {
			if f.away {
				f.Note("logsift: %s is back", f.Server)
			}
			f.away, f.wait = false, 0
			return nil
		}
		var retry *RetryError
		if !errors.As(err, &retry) {
			return fmt.Errorf("send %s: %w", file.Path, err)
		}
		f.wait = min(max(2*f.wait, minBackOff), maxBackOff)
		pause := max(f.wait, min(retry.After, maxRetryAfter))
		if !f.away {
			f.Note("logsift: %v; trying again until it works", err)
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
	tick := time.NewTicker(pollInterval)
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

// send sends a batch once, in two halves if it is too large for the server.
func (f *follower) send(ctx context.Context, file *followed, b batch) error {
	source := f.Source
	if source == "" {
		source = file.Source
	}
	err := f.Send(ctx, Batch{Path: file.Path, Source: source, Key: file.key(), Entries: b.entries})
	if !errors.Is(err, ErrTooLarge) {
		return err
	}
	n := len(b.entries) / 2
	first := b
	first.entries = b.entries[:n]
	if err := f.send(ctx, file, first); err != nil {
		return err
	}
	// The second half is a request of its own from here on, also when repeated.
	rest := *file
	rest.Offset = b.starts[n]
	second := b
	second.entries, second.starts = b.entries[n:], b.starts[n:]
	return f.send(ctx, &rest, second)
}
