package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"logsift/domain"
)

//go:embed report.gohtml
var htmlSource string

// Shown by the HTML form.
const (
	htmlServices = 10
	htmlBars     = 60
	// htmlBarHeight is the height of the highest bar, in the units of the picture.
	htmlBarHeight = 24
)

var htmlReport = template.Must(template.New("report").Funcs(template.FuncMap{
	"text":   printable,
	"lines":  printableLines,
	"time":   shortTime,
	"title":  title,
	"count":  lines,
	"kind":   kindText,
	"plural": plural,
	"window": windowText,
	"join":   func(list []string) string { return printable(strings.Join(list, ", ")) },
}).Parse(htmlSource))

// htmlPage is what the template shows.
type htmlPage struct {
	*report
	Title string
	// Amount and Shortfall say how much was read, and what of it was not analysed.
	Amount, Shortfall string
	Counts            []severityCount
	Suspects          []domain.ServiceRank
	Shown             []htmlAnomaly
	// First is the number of the anomaly that broke first, at FirstSeen, if that is not
	// the first.
	First     int
	FirstSeen time.Time
	More      int
	Notes     []string
}

// htmlAnomaly is an anomaly with its timeline.
type htmlAnomaly struct {
	domain.Anomaly
	Number    int
	When, Why string
	With      []string
	Rest      string
	Bars      []htmlBar
	// Partial is whether the timeline has only the first entries.
	Partial bool
	Drawn   int
}

// htmlBar is a bar of a timeline.
type htmlBar struct {
	X, Y, Height int
	Count        int
}

// writeHTML writes the report as one page that needs nothing else: no script, no
// font, no picture from elsewhere. Its own policy forbids a browser to load or run
// anything, should a log line ever get through the escaping.
func writeHTML(w io.Writer, r *report, limit int) error {
	page := htmlPage{
		report: r, Title: markdownTitle(r), Amount: r.amount(), Shortfall: r.shortfall(), Counts: r.counts(), Suspects: r.suspects(htmlServices),
		More: max(len(r.Anomalies)-limit, 0), Notes: r.notes(),
	}
	for i := range r.Anomalies[:min(limit, len(r.Anomalies))] {
		page.Shown = append(page.Shown, newHTMLAnomaly(i+1, r, &r.Anomalies[i]))
	}
	if page.First = r.brokeFirst(limit); page.First > 0 {
		page.FirstSeen = r.begin(&r.Anomalies[page.First-1])
	}
	if err := htmlReport.Execute(w, page); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func newHTMLAnomaly(n int, r *report, a *domain.Anomaly) htmlAnomaly {
	out := htmlAnomaly{Anomaly: *a, Number: n, When: r.when(a)}
	out.Why, out.With, out.Rest = evidenceParts(a)
	counts, complete := r.timeline(a, htmlBars)
	if counts == nil {
		return out
	}
	highest := slices.Max(counts)
	out.Partial = !complete
	for i, count := range counts {
		out.Drawn += count
		if count > 0 {
			height := max(2, count*htmlBarHeight/highest)
			out.Bars = append(out.Bars, htmlBar{X: 4 * i, Y: htmlBarHeight - height, Height: height, Count: count})
		}
	}
	return out
}
