package main

import (
	"fmt"
	"io"
	"strings"

	"logsift/domain"
)

// Shown by the Markdown form.
const (
	markdownSamples  = 3
	markdownServices = 10
	markdownSessions = 10
	// markdownWidth is how much of a template is shown as a title.
	markdownWidth = 120
)

// writeMarkdown writes the report for a chat or an issue: GitHub's Markdown, which
// most chats show too. What comes from logs stands in code, where nothing of it is
// Markdown, a link or a mention; what an AI service wrote is escaped.
func writeMarkdown(w io.Writer, r *report, limit int) error {
	p := &printer{w: w}
	p.printf("# Log analysis: %s\n\n", markdownTitle(r))
	p.printf("%s from %s%s", r.amount(), markdownList(r.Sources), r.shortfall())
	if !r.Window.From.IsZero() {
		p.printf("; %s", windowText(r.Window))
	}
	p.printf(".\n")
	if b := r.Baseline; b != nil {
		p.printf("\nCompared with baseline %s", code(b.Name))
		if b.Lines > 0 {
			p.printf(" (%s of %s)", plural(b.Lines, "line"), markdownList(b.Sources))
		}
		p.printf(".\n")
	}
	if len(r.Models) > 0 {
		p.printf("\nAnalysed by %s with %s.\n", markdownList(r.Analyzers), markdownList(r.Models))
	}
	for _, reason := range r.DegradedReasons {
		p.printf("\n> **Less than was asked for:** %s\n", markdownText(reason))
	}
	p.markdownServices(r)
	shown := r.Anomalies[:min(limit, len(r.Anomalies))]
	p.markdownTable(r, shown)
	for i := range shown {
		p.markdownAnomaly(i+1, r, &shown[i])
	}
	p.markdownNotes(r)
	return p.err
}

func markdownTitle(r *report) string {
	if len(r.Anomalies) == 0 {
		return "no anomalies"
	}
	var parts []string
	for _, c := range r.counts() {
		parts = append(parts, fmt.Sprintf("%d %s", c.Count, c.Severity))
	}
	return plural(len(r.Anomalies), "anomaly") + " (" + strings.Join(parts, ", ") + ")"
}

// markdownList names sources or services, the first few of many.
func markdownList(names []string) string {
	const few = 5
	var parts []string
	for i, name := range names {
		if i == few {
			parts = append(parts, fmt.Sprintf("%d more", len(names)-few))
			break
		}
		parts = append(parts, code(name))
	}
	return strings.Join(parts, ", ")
}

func (p *printer) markdownServices(r *report) {
	suspects := r.suspects(markdownServices)
	if len(suspects) == 0 {
		return
	}
	p.printf("\n## Most suspicious services\n\n| | service | score | anomalies | worst |\n|--:|---|--:|--:|---|\n")
	for i, s := range suspects {
		p.printf("| %d | %s | %.2f | %d | %s |\n", i+1, cell(code(s.Name)), s.Score, s.Anomalies, s.Severity)
	}
}

func (p *printer) markdownTable(r *report, shown []domain.Anomaly) {
	if len(shown) == 0 {
		return
	}
	p.printf("\n## Anomalies\n\n")
	if n := r.brokeFirst(len(shown)); n > 0 {
		p.printf("Broke first: number %d, at %s.\n\n", n, shortTime(r.begin(&r.Anomalies[n-1])))
	}
	p.printf("| | severity | what | since | lines | where | kind |\n|--:|---|---|---|--:|---|---|\n")
	for i := range shown {
		a := &shown[i]
		began := since(a)
		p.printf("| %d | %s | %s | %s | %d | %s | %s |\n", i+1, markdownSeverity(a.Severity), cell(code(fit(printable(title(a)), markdownWidth))),
			optionalTime(&began), a.Count, cell(markdownList(a.Services)), kindText(a.Kind))
	}
	if more := len(r.Anomalies) - len(shown); more > 0 {
		p.printf("\nand %d more.\n", more)
	}
}

func markdownSeverity(s domain.Severity) string {
	if s >= domain.SeverityHigh {
		return "**" + s.String() + "**"
	}
	return s.String()
}

func (p *printer) markdownAnomaly(n int, r *report, a *domain.Anomaly) {
	p.printf("\n### %d. %s %s\n\n%s", n, markdownSeverity(a.Severity), code(fit(printable(title(a)), markdownWidth)), lines(a))
	if len(a.Services) > 0 {
		p.printf(" in %s", markdownList(a.Services))
	}
	if when := r.when(a); when != "" {
		p.printf(" %s", when)
	}
	p.printf("; %s", kindText(a.Kind))
	if counts, complete := r.timeline(a, shownTimeline); complete && a.Count > 1 {
		p.printf(" `%s`", sparkline(counts))
	}
	p.printf("\n\n")
	why, with, rest := evidenceParts(a)
	if why != "" {
		p.printf("- **why:** %s\n", markdownText(why))
	}
	for _, other := range with {
		p.printf("- **with:** %s\n", code(other))
	}
	if rest != "" {
		p.printf("- **with:** %s\n", markdownText(rest))
	}
	for _, row := range []struct{ label, text string }{{"what", a.Explanation}, {"cause", a.Cause}, {"try", a.SuggestedAction}} {
		if row.text != "" {
			p.printf("- **%s:** %s\n", row.label, markdownText(row.text))
		}
	}
	if len(a.Sessions) > 0 {
		p.printf("- **ids:** %s", code(strings.Join(a.Sessions[:min(len(a.Sessions), markdownSessions)], ", ")))
		if more := len(a.Sessions) - markdownSessions; more > 0 {
			p.printf(" and %d more", more)
		}
		p.printf("\n")
	}
	p.printf("\n<details><summary>template and lines</summary>\n\n")
	if a.Template != "" {
		p.printf("%s\n", fence(a.Template))
	}
	if len(a.SampleLines) > 0 {
		p.printf("%s\n", fence(strings.Join(a.SampleLines[:min(len(a.SampleLines), markdownSamples)], "\n")))
	}
	p.printf("</details>\n")
}

func (p *printer) markdownNotes(r *report) {
	notes := r.notes()
	if len(notes) > 0 {
		p.printf("\n## Notes\n\n")
	}
	for _, note := range notes {
		p.printf("- %s\n", markdownText(note))
	}
	for _, text := range r.Errors {
		p.printf("- **error:** %s\n", markdownText(text))
	}
}

// code is a text as a code span: a fence of more backticks than any that it holds,
// and a space on either side where it begins or ends with one.
func code(s string) string {
	s = printable(s)
	if strings.TrimSpace(s) == "" {
		return "(none)"
	}
	ticks := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return ticks + s + ticks
}

// cell makes a code span or a list of them fit into a table, where a bar ends the
// cell even within code.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

// fence is a text as a block of code.
func fence(s string) string {
	s = printableLines(s)
	ticks := strings.Repeat("`", max(3, longestRun(s, '`')+1))
	return ticks + "text\n" + s + "\n" + ticks + "\n"
}

func longestRun(s string, of rune) int {
	longest, run := 0, 0
	for _, r := range s {
		if r != of {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// markdownEscaper escapes what begins something in Markdown, within a line or as a
// link. A mention is broken by a space of no width, since it cannot be escaped.
var markdownEscaper = strings.NewReplacer(
	"\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "<", "\\<", ">", "\\>", "#", "\\#",
	"|", "\\|", "~", "\\~", "&", "\\&", "!", "\\!", "$", "\\$", "://", "\\://", "www.", "www\\.", "@", "@\u200b",
)

// markdownText is a text on one line in which nothing is Markdown.
func markdownText(s string) string { return markdownEscaper.Replace(printable(s)) }
