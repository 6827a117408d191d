package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"logsift/bootstrap"
)

// printable shows text on a terminal; see [bootstrap.Printable].
func printable(s string) string { return bootstrap.Printable(s) }

// printableLines is printable for text of several lines, which stay lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = printable(strings.TrimSuffix(line, "\r"))
	}
	return strings.Join(lines, "\n")
}

// fit cuts a text to what is shown in width columns, by the width that a terminal
// gives each character.
func fit(s string, width int) string {
	if len(s) <= width { // No character is wider than its bytes are many.
		return s
	}
	return runewidth.Truncate(s, width, "…")
}

// pad fills a text up to width columns.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-runewidth.StringWidth(s)))
}

// wrap breaks a text at its spaces into lines of width columns. A word that is
// longer has a line of its own.
func wrap(s string, width int) []string {
	var out []string
	line, used := "", 0
	for _, word := range strings.Fields(s) {
		w := runewidth.StringWidth(word)
		if used > 0 && used+1+w > width {
			out = append(out, line)
			line, used = "", 0
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		line, used = line+word, used+w
	}
	if used > 0 {
		out = append(out, line)
	}
	return out
}

// columns writes rows in columns as wide as their widest cell; the last column may
// be as long as it is. Cells are made printable.
func columns(w io.Writer, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], runewidth.StringWidth(row[i]))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i < len(row)-1 {
				cell = pad(cell, widths[i]+2)
			}
			line.WriteString(cell)
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// printer remembers the first error of writing.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return thousands(n) + " " + stem + "ies"
	}
	if stem, ok := strings.CutSuffix(noun, "is"); ok {
		return thousands(n) + " " + stem + "es"
	}
	return thousands(n) + " " + noun + "s"
}

// thousands writes a number with a comma between each three digits.
func thousands(n int) string {
	s := strconv.Itoa(n)
	first := 0
	if n < 0 {
		first = 1
	}
	for at := len(s) - 3; at > first; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

func shortTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// optionalTime is a time for people, or "" for none.
func optionalTime(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return shortTime(*t)
}

// bars are the heights of a sparkline.
var bars = []rune("▁▂▃▄▅▆▇█")

// sparkline draws counts, the greatest at full height and none at the lowest.
func sparkline(counts []int) string {
	highest := 0
	for _, n := range counts {
		highest = max(highest, n)
	}
	if highest == 0 {
		return ""
	}
	out := make([]rune, len(counts))
	for i, n := range counts {
		// Whatever is there is seen: it is at least one step above the ground.
		height := 0
		if n > 0 {
			height = max(1, n*(len(bars)-1)/highest)
		}
		out[i] = bars[height]
	}
	return string(out)
}

// jsonWriter writes JSON that is safe on a terminal. Each Write has whole values.
type jsonWriter struct{ w io.Writer }

func (j jsonWriter) Write(p []byte) (int, error) {
	if _, err := j.w.Write(bootstrap.PrintableJSON(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}
