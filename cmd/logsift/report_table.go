package main

import (
	"fmt"
	"strings"

	"logsift/domain"
)

// Shown by the table form.
const (
	shownAnomalies = 25
	shownSamples   = 2
	shownServices  = 5
	shownSessions  = 3
	shownTimeline  = 24
	// shownWidth is the width of output that goes to no terminal.
	shownWidth = 160
	// leastWidth is the width for a terminal that says it is narrower.
	leastWidth = 60
)

const colorEnd = "\x1b[0m"

var severityColor = map[domain.Severity]string{
	domain.SeverityCritical: "\x1b[1;35m", domain.SeverityHigh: "\x1b[1;31m",
	domain.SeverityMedium: "\x1b[33m", domain.SeverityLow: "\x1b[36m", domain.SeverityInfo: "\x1b[2m",
}

// tableReport prints a report for a person.
type tableReport struct {
	printer
	color bool
	width int
}

// printReport writes the report: what was analysed, where to look first, the
// anomalies of medium severity and above in full and the others in a line each,
// at most limit of them, and what is to be known beside.
func (e *environment) printReport(r *report, limit int) error {
	p := &tableReport{printer: printer{w: e.stdout}, color: e.color(), width: e.width()}
	p.head(r)
	p.body(r, limit)
	return p.err
}

// body prints all but what was analysed.
func (p *tableReport) body(r *report, limit int) {
	if len(r.Anomalies) == 0 {
		p.printf("\nNo anomalies found.\n")
	} else {
		p.printf("\n%s: %s\n", plural(len(r.Anomalies), "anomaly"), p.severities(r))
	}
	if n := r.brokeFirst(limit); n > 0 {
		p.printf("broke first: number %d, at %s\n", n, shortTime(r.begin(&r.Anomalies[n-1])))
	}
	p.services(r)
	brief := false
	for i := range r.Anomalies[:min(limit, len(r.Anomalies))] {
		a := &r.Anomalies[i]
		if a.Severity >= domain.SeverityMedium {
			p.anomaly(i+1, r, a)
			continue
		}
		if !brief {
			p.printf("\n")
		}
		brief = true
		p.brief(i+1, r, a)
	}
	if more := len(r.Anomalies) - limit; more > 0 {
		p.printf("\n… and %d more; --limit shows more, -o json all of them\n", more)
	}
	p.foot(r)
}

func (p *tableReport) head(r *report) {
	p.printf("%s from %s%s\n", r.amount(), plural(len(r.Sources), "source"), r.shortfall())
	if !r.Window.From.IsZero() {
		p.printf("from %s\n", windowText(r.Window))
	}
	if b := r.Baseline; b != nil {
		p.printf("%s\n", fit(printable("compared with "+b.text()), p.width))
	}
	if len(r.Models) > 0 {
		p.printf("%s\n", fit(printable("analysed by "+strings.Join(r.Analyzers, ", ")+" with "+strings.Join(r.Models, ", ")), p.width))
	}
	for _, reason := range r.DegradedReasons {
		p.printf("%s\n", p.paint(domain.SeverityMedium, fit(printable("less than was asked for: "+reason), p.width)))
	}
}

// text names the baseline for a person.
func (b *baselineReport) text() string {
	if b.Lines == 0 {
		return "baseline " + b.Name + ", learned before"
	}
	return fmt.Sprintf("baseline %s: %s of %s", b.Name, plural(b.Lines, "line"), strings.Join(b.Sources, ", "))
}

func (p *tableReport) paint(s domain.Severity, text string) string {
	if !p.color {
		return text
	}
	return severityColor[s] + text + colorEnd
}

// severities is "2 critical, 5 high", the most severe first.
func (p *tableReport) severities(r *report) string {
	var parts []string
	for _, c := range r.counts() {
		parts = append(parts, p.paint(c.Severity, fmt.Sprintf("%d %s", c.Count, c.Severity)))
	}
	return strings.Join(parts, ", ")
}

func (p *tableReport) services(r *report) {
	suspects := r.suspects(shownServices)
	if len(suspects) == 0 {
		return
	}
	p.printf("\nmost suspicious services:\n")
	const bar = 10
	for i, s := range suspects {
		p.printf("%3d. %s %s  %s, the worst %s\n", i+1, pad(strings.Repeat("█", max(1, int(s.Score*bar))), bar),
			fit(printable(s.Name), p.width/2), plural(s.Anomalies, "anomaly"), p.paint(s.Severity, s.Severity.String()))
	}
}

// kindText is a kind in words.
func kindText(k domain.AnomalyKind) string {
	if !k.Valid() {
		return "unknown kind"
	}
	return strings.ReplaceAll(string(k), "_", " ")
}

// servicesText names the services of an anomaly, the first few of many.
func servicesText(a *domain.Anomaly) string {
	const few = 3
	text := strings.Join(a.Services[:min(len(a.Services), few)], ", ")
	if more := len(a.Services) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (p *tableReport) anomaly(n int, r *report, a *domain.Anomaly) {
	head := fmt.Sprintf("%d. %s  ", n, strings.ToUpper(a.Severity.String()))
	p.printf("\n%s%s\n   %s", p.paint(a.Severity, head), fit(printable(title(a)), p.width-len(head)), lines(a))
	if len(a.Services) > 0 {
		p.printf(" in %s", fit(printable(servicesText(a)), p.width/2))
	}
	if when := r.when(a); when != "" {
		p.printf(" %s", when)
	}
	p.printf("; %s", kindText(a.Kind))
	if counts, complete := r.timeline(a, shownTimeline); complete && a.Count > 1 {
		p.printf("  %s", sparkline(counts))
	}
	p.printf("\n")
	why, with, rest := evidenceParts(a)
	p.text("why: ", why)
	for _, other := range with {
		p.printf("   with: %s\n", fit(printable(other), p.width-len("   with: ")))
	}
	p.text("with: ", rest)
	p.text("what: ", a.Explanation)
	p.text("cause: ", a.Cause)
	p.text("try: ", a.SuggestedAction)
	p.text("ids: ", sessionsText(a.Sessions, shownSessions))
	for i, line := range a.SampleLines {
		if i == shownSamples {
			break
		}
		p.printf("   | %s\n", fit(printable(line), p.width-5))
	}
}

// text prints a labelled text, broken into lines.
func (p *tableReport) text(label, text string) {
	for _, line := range wrap(printable(text), p.width-3-len(label)) {
		p.printf("   %s%s\n", label, fit(line, p.width-3-len(label)))
		label = strings.Repeat(" ", len(label))
	}
}

// brief prints an anomaly in one line.
func (p *tableReport) brief(n int, r *report, a *domain.Anomaly) {
	head := fmt.Sprintf("%3d. %s  %s  %s  ", n, pad(strings.ToUpper(a.Severity.String()), len("INFO")), pad(kindText(a.Kind), len("recurring error")),
		pad(lines(a), len("100000 lines")))
	text := title(a)
	if services := servicesText(a); services != "" && len(r.Services) > 1 {
		text = services + ": " + text
	}
	p.printf("%s%s\n", p.paint(a.Severity, head), fit(printable(text), max(p.width-len(head), 20)))
}

// sessionsText names the first sessions.
func sessionsText(sessions []string, few int) string {
	text := strings.Join(sessions[:min(len(sessions), few)], ", ")
	if more := len(sessions) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// foot tells what is to be known beside the anomalies.
func (p *tableReport) foot(r *report) {
	notes := r.notes()
	if len(notes) > 0 {
		p.printf("\n")
	}
	for _, note := range notes {
		for i, line := range wrap(printable(note), p.width-len("note: ")) {
			p.printf("%s%s\n", []string{"note: ", "      "}[min(i, 1)], fit(line, p.width-len("note: ")))
		}
	}
}

// notes are what is to be known beside the anomalies: limits that were met, what
// an AI service cost, warnings.
func (r *report) notes() []string {
	var out []string
	if r.Missing > 0 {
		out = append(out, plural(r.Missing, "line")+" went from the store before they were analysed")
	}
	if r.Truncated {
		out = append(out, "there were more anomalies than a result holds: the least severe are left out")
	}
	if u := r.Usage; u != nil {
		parts := []string{fmt.Sprintf("the AI service was asked %s: %d prompt and %d completion tokens", plural(u.Calls, "time"), u.PromptTokens, u.CompletionTokens)}
		if u.Estimated {
			parts = append(parts, "by estimate")
		}
		for _, c := range r.Costs {
			parts = append(parts, fmt.Sprintf("%d.%06d %s", c.AmountMicros/1e6, c.AmountMicros%1e6, c.Currency))
		}
		out = append(out, strings.Join(parts, ", "))
	}
	if c := r.Cache; c != nil && c.Hits > 0 {
		out = append(out, fmt.Sprintf("%d of %d explanations were known from before", c.Hits, c.Hits+c.Misses))
	}
	if len(r.Redactions) > 0 {
		parts := make([]string, 0, len(r.Redactions))
		for _, class := range r.redactedClasses() {
			parts = append(parts, fmt.Sprintf("%d %s", r.Redactions[class], class))
		}
		out = append(out, "replaced before anything was sent to the AI service: "+strings.Join(parts, ", "))
	}
	return append(out, r.Warnings...)
}
