package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"logsift/domain"
)

// report is what analyze tells: the analyses of all tasks, put together. Its
// JSON form is stable.
type report struct {
	// Lines were read, Analysed of them analysed.
	Lines    int `json:"lines"`
	Analysed int `json:"analysed"`
	// Tasks were worked, FailedTasks of them failed.
	Tasks       int               `json:"tasks"`
	FailedTasks int               `json:"failed_tasks"`
	Severity    domain.Severity   `json:"severity"`
	Anomalies   []domain.Anomaly  `json:"anomalies"`
	Sources     []string          `json:"sources"`
	Window      domain.TimeWindow `json:"window"`
	Warnings    []string          `json:"warnings"`
	Errors      []string          `json:"errors"`
}

// add puts the result of one task into the report.
func (r *report) add(a domain.AnalysisResult) {
	r.Analysed += a.AnalysedCount
	r.Warnings = append(r.Warnings, a.Warnings...)
	if !a.Window.From.IsZero() && (r.Window.From.IsZero() || a.Window.From.Before(r.Window.From)) {
		r.Window.From = a.Window.From
	}
	if a.Window.To.After(r.Window.To) {
		r.Window.To = a.Window.To
	}
	r.Anomalies = append(r.Anomalies, a.Anomalies...)
}

// finish puts together what is the same anomaly in several batches, and sorts
// the most severe first.
func (r *report) finish() {
	byID := map[string]int{}
	merged := make([]domain.Anomaly, 0, len(r.Anomalies))
	for _, a := range r.Anomalies {
		i, seen := byID[a.ID]
		if !seen {
			byID[a.ID] = len(merged)
			merged = append(merged, a)
			continue
		}
		merged[i] = mergeAnomaly(merged[i], a)
	}
	slices.SortStableFunc(merged, func(a, b domain.Anomaly) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Score, a.Score), a.FirstSeen.Compare(b.FirstSeen), cmp.Compare(a.ID, b.ID))
	})
	r.Anomalies = merged
	if len(merged) > 0 {
		r.Severity = merged[0].Severity
	}
	slices.Sort(r.Warnings)
	r.Warnings = slices.Compact(r.Warnings)
}

// mergeAnomaly puts two findings of one anomaly together. The words of the more
// severe one stay.
func mergeAnomaly(a, b domain.Anomaly) domain.Anomaly {
	if b.Severity > a.Severity {
		a, b = b, a
	}
	a.Count += b.Count
	a.Expected += b.Expected
	a.Score = max(a.Score, b.Score)
	a.Confidence = max(a.Confidence, b.Confidence)
	a.LogIDs = slices.Concat(a.LogIDs, b.LogIDs)
	a.LogIDs = a.LogIDs[:min(len(a.LogIDs), domain.MaxAnomalyLogIDs)]
	a.SampleLines = slices.Concat(a.SampleLines, b.SampleLines)
	a.SampleLines = a.SampleLines[:min(len(a.SampleLines), domain.MaxAnomalySamples)]
	if !b.FirstSeen.IsZero() && (a.FirstSeen.IsZero() || b.FirstSeen.Before(a.FirstSeen)) {
		a.FirstSeen = b.FirstSeen
	}
	if b.LastSeen.After(a.LastSeen) {
		a.LastSeen = b.LastSeen
	}
	a.Services = slices.Concat(a.Services, b.Services)
	slices.Sort(a.Services)
	a.Services = slices.Compact(a.Services)
	return a
}

// counts are how many anomalies there are of each severity.
func (r *report) counts() map[domain.Severity]int {
	out := map[domain.Severity]int{}
	for _, a := range r.Anomalies {
		out[a.Severity]++
	}
	return out
}

// Shown by the table form.
const (
	shownAnomalies = 25
	shownSamples   = 2
	shownWidth     = 160
)

var severityColor = map[domain.Severity]string{
	domain.SeverityCritical: "\x1b[1;35m", domain.SeverityHigh: "\x1b[1;31m",
	domain.SeverityMedium: "\x1b[33m", domain.SeverityLow: "\x1b[36m", domain.SeverityInfo: "\x1b[2m",
}

// printReport writes the report for a person. least is the least severity that
// is shown in full.
func printReport(w io.Writer, r *report, color bool, limit int) error {
	p := &printer{w: w}
	p.printf("%s from %s, %d analysed in %s", plural(r.Lines, "log line"), plural(len(r.Sources), "source"), r.Analysed, plural(r.Tasks, "task"))
	if r.FailedTasks > 0 {
		p.printf(", %d of which failed", r.FailedTasks)
	}
	p.printf("\n")
	if !r.Window.From.IsZero() {
		p.printf("from %s to %s\n", shortTime(r.Window.From), shortTime(r.Window.To))
	}
	if len(r.Anomalies) == 0 {
		p.printf("\nNo anomalies found.\n")
	} else {
		p.printf("\n%s: %s\n", plural(len(r.Anomalies), "anomaly"), severityLine(r.counts()))
	}
	for i, a := range r.Anomalies {
		if i == limit {
			p.printf("\n… and %d more; -o json lists them all\n", len(r.Anomalies)-limit)
			break
		}
		p.anomaly(i+1, a, color)
	}
	for _, warning := range r.Warnings {
		p.printf("\nnote: %s", warning)
	}
	if len(r.Warnings) > 0 {
		p.printf("\n")
	}
	return p.err
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

func (p *printer) anomaly(n int, a domain.Anomaly, color bool) {
	label := strings.ToUpper(a.Severity.String())
	if color {
		label = severityColor[a.Severity] + label + "\x1b[0m"
	}
	p.printf("\n%d. %s  %s", n, label, strings.ReplaceAll(string(a.Kind), "_", " "))
	if len(a.Services) > 0 {
		p.printf("  in %s", printable(strings.Join(a.Services, ", ")))
	}
	p.printf("  (%s)\n", plural(a.Count, "line"))
	if a.Template != "" {
		p.printf("   %s\n", shorten(printable(a.Template)))
	}
	switch {
	case a.FirstSeen.IsZero():
	case a.FirstSeen.Equal(a.LastSeen):
		p.printf("   at %s\n", shortTime(a.FirstSeen))
	default:
		p.printf("   from %s to %s\n", shortTime(a.FirstSeen), shortTime(a.LastSeen))
	}
	if a.Evidence != "" {
		p.printf("   why: %s\n", printable(a.Evidence))
	}
	if a.Explanation != "" {
		p.printf("   %s\n", printable(a.Explanation))
	}
	for i, line := range a.SampleLines {
		if i == shownSamples {
			break
		}
		p.printf("   | %s\n", shorten(printable(line)))
	}
}

// severityLine is "2 critical, 5 high", the most severe first.
func severityLine(counts map[domain.Severity]int) string {
	var parts []string
	for s := domain.SeverityCritical; s >= domain.SeverityInfo; s-- {
		if n := counts[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	return strings.Join(parts, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func shortTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// shorten cuts a line to what fits a wide terminal.
func shorten(s string) string {
	runes := []rune(s)
	if len(runes) <= shownWidth {
		return s
	}
	return string(runes[:shownWidth-1]) + "…"
}
