package main

import (
	"fmt"
	"io"
	"strings"
)

// progress shows one line that changes, on a terminal; elsewhere it shows
// nothing. It is used by one goroutine.
type progress struct {
	w    io.Writer
	on   bool
	last int
}

func newProgress(w io.Writer) *progress { return &progress{w: w, on: isTerminal(w)} }

const barWidth = 30

// show replaces the line. total is 0 where it is unknown.
func (p *progress) show(label string, done, total int64) {
	if !p.on {
		return
	}
	label = printable(label)
	line := fmt.Sprintf("%s %d", label, done)
	if total > 0 {
		done = min(done, total)
		filled := int(done * barWidth / total)
		line = fmt.Sprintf("%s [%s%s] %3d%%", label, strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), done*100/total)
	}
	// A terminal that went away is no reason to fail.
	_, _ = fmt.Fprintf(p.w, "\r%s%s", line, strings.Repeat(" ", max(0, p.last-len(line))))
	p.last = len(line)
}

// clear removes the line.
func (p *progress) clear() {
	if p.on && p.last > 0 {
		_, _ = fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.last))
		p.last = 0
	}
}
