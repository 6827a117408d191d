package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// row is a line of the report.
type row struct {
	section, name, figure string
	// goal is empty where there is none; met counts only where there is one.
	goal string
	met  bool
}

// report gathers figures and prints them as a table.
type report struct{ rows []row }

// add appends a figure that has no goal.
func (r *report) add(section, name, figure string) {
	r.rows = append(r.rows, row{section: section, name: name, figure: figure})
}

// check appends a figure and whether it met its goal.
func (r *report) check(section, name, figure, goal string, met bool) {
	r.rows = append(r.rows, row{section: section, name: name, figure: figure, goal: goal, met: met})
}

// missed is how many goals were not met.
func (r *report) missed() int {
	n := 0
	for _, row := range r.rows {
		if row.goal != "" && !row.met {
			n++
		}
	}
	return n
}

// print writes what was measured and the table, with an empty line between sections.
func (r *report) print(out io.Writer, measured string) error {
	var text strings.Builder
	text.WriteString(measured + "\n\n")
	text.WriteString("SECTION\tNAME\tFIGURE\tGOAL\tMET\n")
	last := ""
	for _, row := range r.rows {
		if last != "" && row.section != last {
			text.WriteString("\t\t\t\t\n")
		}
		last = row.section
		met := ""
		switch {
		case row.goal == "":
		case row.met:
			met = "yes"
		default:
			met = "NO"
		}
		fmt.Fprintf(&text, "%s\t%s\t%s\t%s\t%s\n", row.section, row.name, row.figure, row.goal, met)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}
