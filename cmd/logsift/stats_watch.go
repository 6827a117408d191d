package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"logsift/adapters/httpapi/wire"
)

// statsSample is what the counts were at a time of this machine.
type statsSample struct {
	at    time.Time
	stats wire.Stats
}

// watchedSamples is how many samples the curves of the view show.
const watchedSamples = 40

// statsWatch collects samples and shows them.
type statsWatch struct {
	out     io.Writer
	every   time.Duration
	samples []statsSample // the newest last, at most watchedSamples+1
	rows    int           // how many rows were written, for the heading of those
	failure string        // why there is no sample of now, "" if there is one
}

// watchStats shows the counts each interval until ctx ends. A failure after the
// first sample is shown, and bridged: a server that restarts does not end the view.
func (e *environment) watchStats(ctx context.Context, c *client, every time.Duration) error {
	w := &statsWatch{out: e.stdout, every: every}
	show := w.row
	switch {
	case e.output == formatJSON:
		show = w.line
	case isTerminal(e.stdout):
		show = func() error { return w.screen(e.color(), e.width()) }
		// The view has a screen of its own, without a cursor; what stood there
		// before comes back at the end.
		if _, err := io.WriteString(e.stdout, "\x1b[?1049h\x1b[?25l"); err != nil {
			return err
		}
		defer func() { _, _ = io.WriteString(e.stdout, "\x1b[?25h\x1b[?1049l") }() // The terminal may be gone.
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		stats, err := c.stats(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			w.add(statsSample{at: time.Now(), stats: stats})
			err = show()
		case len(w.samples) > 0:
			w.failure = err.Error()
			if err = show(); !isTerminal(e.stdout) {
				e.note("%s", w.failure)
			}
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (w *statsWatch) add(s statsSample) {
	w.failure = ""
	w.samples = append(w.samples, s)
	if len(w.samples) > watchedSamples+1 {
		w.samples = w.samples[1:]
	}
}

// rates are how much a count grew a second between each two samples. Tasks that are
// removed lower counts; a count that fell grew by nothing.
func (w *statsWatch) rates(count func(*wire.Stats) int64) []float64 {
	var out []float64
	for i := 1; i < len(w.samples); i++ {
		before, now := &w.samples[i-1], &w.samples[i]
		seconds := now.at.Sub(before.at).Seconds()
		if seconds <= 0 {
			continue
		}
		out = append(out, float64(max(0, count(&now.stats)-count(&before.stats)))/seconds)
	}
	return out
}

// finished counts the tasks that need no more work.
func finished(s *wire.Stats) int64 { return s.CompletedTasks + s.FailedTasks + s.CancelledTasks }

// line writes the newest sample as JSON in a line.
func (w *statsWatch) line() error {
	if w.failure != "" {
		return nil
	}
	return json.NewEncoder(jsonWriter{w.out}).Encode(w.samples[len(w.samples)-1].stats)
}

// headingEvery is how many rows share a heading.
const headingEvery = 20

// row writes the newest sample as one row of a table.
func (w *statsWatch) row() error {
	if w.failure != "" {
		return nil
	}
	now := &w.samples[len(w.samples)-1]
	p := &printer{w: w.out}
	if w.rows%headingEvery == 0 {
		p.printf("%-8s %9s %9s %10s %8s %9s %8s %9s %8s %8s\n", "UTC", "PENDING", "SCHEDULED", "PROCESSING", "RETRYING", "COMPLETED", "FAILED", "CANCELLED", "DONE/S", "OLDEST")
	}
	w.rows++
	s := &now.stats
	done := "-"
	if rates := w.rates(finished); len(rates) > 0 {
		done = strconv.FormatFloat(rates[len(rates)-1], 'f', 1, 64)
	}
	p.printf("%-8s %9d %9d %10d %8d %9d %8d %9d %8s %7.1fs\n", now.at.UTC().Format("15:04:05"),
		s.PendingTasks, s.ScheduledTasks, s.ProcessingTasks, s.RetryingTasks, s.CompletedTasks, s.FailedTasks, s.CancelledTasks, done, s.OldestPendingSeconds)
	return p.err
}

// screen draws the view anew, over what it showed before.
func (w *statsWatch) screen(color bool, width int) error {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for line := range strings.Lines(w.view(color, width)) {
		b.WriteString(strings.TrimSuffix(line, "\n") + "\x1b[K\r\n")
	}
	b.WriteString("\x1b[J")
	_, err := io.WriteString(w.out, b.String())
	return err
}

// Colours of the view.
const (
	bold = "\x1b[1m"
	red  = "\x1b[31m"
)

// view is what the screen shows.
func (w *statsWatch) view(color bool, width int) string {
	paint := func(code, text string) string {
		if !color {
			return text
		}
		return code + text + colorEnd
	}
	now := &w.samples[len(w.samples)-1]
	rows := countRows(&now.stats)
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s UTC, every %v; Ctrl-C ends\n\n", paint(bold, "logsift tasks"), now.at.UTC().Format("15:04:05"), w.every)
	const left = 24 // the columns of a name and a count, with their spaces
	total := max(1, now.stats.TotalTasks)
	for _, row := range rows {
		bar := ""
		if row.name != "total" && row.count > 0 {
			bar = strings.Repeat("█", max(1, int(int64(max(0, width-left-2))*row.count/total)))
		}
		count := fmt.Sprintf("%10d", row.count)
		if row.name == "failed" && row.count > 0 {
			count = paint(red, count)
		}
		fmt.Fprintf(&b, "%-12s %s %s\n", row.name, count, bar)
	}
	b.WriteString("\n")
	for _, curve := range []struct {
		name  string
		count func(*wire.Stats) int64
	}{
		{"new/s", func(s *wire.Stats) int64 { return s.TotalTasks }},
		{"done/s", finished},
		{"failed/s", func(s *wire.Stats) int64 { return s.FailedTasks }},
	} {
		rates := w.rates(curve.count)
		newest := 0.0
		points := make([]int, len(rates))
		for i, r := range rates {
			newest, points[i] = r, int(r*10)
		}
		fmt.Fprintf(&b, "%-12s %10.1f %s\n", curve.name, newest, sparkline(points))
	}
	fmt.Fprintf(&b, "%-12s %9.1fs\n", "oldest", now.stats.OldestPendingSeconds)
	for _, warning := range now.stats.Warnings {
		fmt.Fprintf(&b, "\n%s\n", fit("warning: "+printable(warning), width))
	}
	if w.failure != "" {
		fmt.Fprintf(&b, "\n%s\n", paint(red, fit("not up to date: "+printable(w.failure), width)))
	}
	return b.String()
}
