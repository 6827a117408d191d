package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"logsift/domain"
)

// report is what analyze tells: the analyses of all tasks, put together. Its
// JSON form is stable.
type report struct {
	// CreatedAt is when the report was made.
	CreatedAt time.Time `json:"created_at"`
	// Lines were read, blank ones not counted, and put together to Entries, which the JSON
	// form has always called lines; Analysed of these were analysed, Missing of them
	// no longer stored.
	Lines    int `json:"read_lines"`
	Entries  int `json:"lines"`
	Analysed int `json:"analysed"`
	Missing  int `json:"missing"`
	// Tasks were worked, FailedTasks of them failed; none where nothing is kept.
	Tasks       int `json:"tasks"`
	FailedTasks int `json:"failed_tasks"`
	// Templates are the shapes of line that were found, of all tasks together.
	Templates int               `json:"templates"`
	Severity  domain.Severity   `json:"severity"`
	Anomalies []domain.Anomaly  `json:"anomalies"`
	Truncated bool              `json:"truncated"`
	Sources   []string          `json:"sources"`
	Window    domain.TimeWindow `json:"window"`
	// Services are those that the anomalies name, the most suspicious first.
	Services []domain.ServiceRank `json:"services"`
	Baseline *baselineReport      `json:"baseline,omitempty"`
	// Analyzers are who analysed, DegradedReasons why that was less than was asked
	// for.
	Analyzers       []string         `json:"analyzers"`
	Models          []string         `json:"models"`
	DegradedReasons []string         `json:"degraded_reasons"`
	Usage           *domain.Usage    `json:"usage,omitempty"`
	Costs           []domain.Cost    `json:"costs,omitempty"`
	Cache           *domain.CacheUse `json:"cache,omitempty"`
	Redactions      map[string]int   `json:"redactions,omitempty"`
	Warnings        []string         `json:"warnings"`
	Errors          []string         `json:"errors"`

	// times are the times of the entries that anomalies name, by the anomaly's id,
	// where they were asked for.
	times map[string][]time.Time
}

// baselineReport says what the logs were compared with.
type baselineReport struct {
	Name string `json:"name"`
	// Lines and Sources are what it was made of, or extended by, in this run; none
	// if it was learned before.
	Lines   int      `json:"lines"`
	Sources []string `json:"sources"`
}

func newReport() *report {
	return &report{
		Anomalies: []domain.Anomaly{}, Sources: []string{}, Services: []domain.ServiceRank{}, Analyzers: []string{},
		Models: []string{}, DegradedReasons: []string{}, Warnings: []string{}, Errors: []string{},
	}
}

// addInput notes what reading an input met, and its error.
func (r *report) addInput(name string, lines lineReport, err error) {
	if err != nil {
		r.Errors = append(r.Errors, err.Error())
	}
	if lines.tooLong > 0 {
		r.Errors = append(r.Errors, lines.tooLongText(name))
	}
	if lines.mended > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s: bytes that are not UTF-8 were replaced in %s", name, plural(lines.mended, "line")))
	}
	if lines.lines > 0 {
		r.Sources = append(r.Sources, name)
	}
	r.Lines += lines.lines
}

// errNoLines says that there is nothing to analyse, and why.
func errNoLines(r *report) error {
	errs := []error{errors.New("no log lines to analyse")}
	for _, text := range r.Errors {
		errs = append(errs, errors.New(text))
	}
	return errors.Join(errs...)
}

// add puts the result of one task into the report.
func (r *report) add(a domain.AnalysisResult) {
	r.Analysed += a.AnalysedCount
	r.Missing += a.MissingCount
	r.Templates += a.TemplateCount
	r.Truncated = r.Truncated || a.Truncated
	r.Warnings = append(r.Warnings, a.Warnings...)
	r.Analyzers = appendText(r.Analyzers, a.Analyzer)
	r.Models = appendText(r.Models, a.Model)
	r.DegradedReasons = appendText(r.DegradedReasons, a.DegradedReason)
	if !a.Window.From.IsZero() && (r.Window.From.IsZero() || a.Window.From.Before(r.Window.From)) {
		r.Window.From = a.Window.From
	}
	if a.Window.To.After(r.Window.To) {
		r.Window.To = a.Window.To
	}
	r.Anomalies = append(r.Anomalies, a.Anomalies...)
	r.addCosts(a)
}

// addCosts adds what an AI service was asked.
func (r *report) addCosts(a domain.AnalysisResult) {
	if u := a.Usage; u != nil {
		if r.Usage == nil {
			r.Usage = &domain.Usage{}
		}
		r.Usage.PromptTokens += u.PromptTokens
		r.Usage.CachedTokens += u.CachedTokens
		r.Usage.CompletionTokens += u.CompletionTokens
		r.Usage.ReasoningTokens += u.ReasoningTokens
		r.Usage.Calls += u.Calls
		r.Usage.Estimated = r.Usage.Estimated || u.Estimated
	}
	if c := a.Cost; c != nil {
		i := slices.IndexFunc(r.Costs, func(known domain.Cost) bool { return known.Currency == c.Currency })
		if i < 0 {
			i = len(r.Costs)
			r.Costs = append(r.Costs, domain.Cost{Currency: c.Currency})
		}
		r.Costs[i].AmountMicros += c.AmountMicros
	}
	if c := a.Cache; c != nil {
		if r.Cache == nil {
			r.Cache = &domain.CacheUse{}
		}
		r.Cache.Hits += c.Hits
		r.Cache.Misses += c.Misses
	}
	for class, n := range a.Redactions {
		if r.Redactions == nil {
			r.Redactions = map[string]int{}
		}
		r.Redactions[class] += n
	}
}

// appendText adds a text that is not empty and not there yet.
func appendText(list []string, text string) []string {
	if text == "" || slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// finish puts together what is the same anomaly in several batches, sorts them, and ranks
// the services. The words of the more severe finding stay. The most severe come first,
// and of one severity those that began first: what broke first is often the cause of the
// rest. What went on all the time comes after them.
func (r *report) finish() {
	byID := map[string]int{}
	merged := make([]domain.Anomaly, 0, len(r.Anomalies))
	for _, a := range r.Anomalies {
		i, seen := byID[a.ID]
		switch {
		case !seen:
			byID[a.ID] = len(merged)
			merged = append(merged, a)
		case a.Severity > merged[i].Severity:
			merged[i] = a.Merge(merged[i])
		default:
			merged[i] = merged[i].Merge(a)
		}
	}
	slices.SortStableFunc(merged, func(a, b domain.Anomaly) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), r.begin(&a).Compare(r.begin(&b)), cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	r.Anomalies = merged
	if len(merged) > 0 {
		r.Severity = merged[0].Severity
	}
	r.Services = domain.RankServices(merged)
	slices.Sort(r.Warnings)
	r.Warnings = slices.Compact(r.Warnings)
}

// begin is when an anomaly began, for the order of the report: the end of the window for
// one that went on all the time or of which no time is known.
func (r *report) begin(a *domain.Anomaly) time.Time {
	if a.FirstSeen.IsZero() || r.always(a) {
		return r.Window.To
	}
	return since(a)
}

// since is when what an anomaly tells began: with its first line, or, where its lines
// stopped, with its last.
func since(a *domain.Anomaly) time.Time {
	if stopped(a) {
		return a.LastSeen
	}
	return a.FirstSeen
}

// stopped is whether the lines of an anomaly came no more after its last.
func stopped(a *domain.Anomaly) bool {
	return a.Count == 0 && len(a.Sessions) == 0 && (a.Kind == domain.AnomalyMissingEvent || a.Kind == domain.AnomalyFrequencyDrop)
}

// edge is the part of the window that an anomaly may leave out at either end and still have
// gone on all the time.
const edge = 20

// always is whether an anomaly went on all the time.
func (r *report) always(a *domain.Anomaly) bool {
	margin := r.Window.To.Sub(r.Window.From) / edge
	return a.Kind == domain.AnomalyRecurringError && !a.FirstSeen.After(r.Window.From.Add(margin)) && !a.LastSeen.Before(r.Window.To.Add(-margin))
}

// brokeFirst is the number of the anomaly, at least medium, that began before the one that
// the report has first, or 0: also where the first went on all the time or has no time, so
// that nothing is known to be before it, and where only limit anomalies are shown and that
// one is not among them.
func (r *report) brokeFirst(limit int) int {
	if len(r.Anomalies) == 0 || r.Anomalies[0].FirstSeen.IsZero() || r.always(&r.Anomalies[0]) {
		return 0
	}
	first := 0
	for i := range r.Anomalies {
		if a := &r.Anomalies[i]; a.Severity >= domain.SeverityMedium && r.begin(a).Before(r.begin(&r.Anomalies[first])) {
			first = i
		}
	}
	if first == 0 || first >= limit {
		return 0
	}
	return first + 1
}

// title is what broke: the template, or else the reason in short.
func title(a *domain.Anomaly) string {
	reason, _, _ := strings.Cut(a.Evidence, "; ")
	return firstText(a.Template, reason, kindText(a.Kind))
}

// evidenceParts are why something is an anomaly, the lines that came with it, each with
// how many there are in brackets, and what is said of the rest of them, "" for none.
func evidenceParts(a *domain.Anomaly) (why string, with []string, rest string) {
	with = strings.Split(a.Evidence, "; with it: ")
	why, with = with[0], with[1:]
	if n := len(with) - 1; n >= 0 && !strings.HasSuffix(with[n], ")") {
		if cut := strings.LastIndex(with[n], "); and "); cut >= 0 {
			with[n], rest = with[n][:cut+1], with[n][cut+len("); and "):]
		}
	}
	return why, with, rest
}

// when says since when, until when and how long an anomaly was seen, "" if that is not known.
func (r *report) when(a *domain.Anomaly) string {
	first, last := shortTime(a.FirstSeen), shortTime(a.LastSeen)
	margin := r.Window.To.Sub(r.Window.From) / edge
	lasted := " (" + domain.Span(a.LastSeen.Sub(a.FirstSeen)) + ")"
	switch {
	case a.FirstSeen.IsZero():
		return ""
	case stopped(a):
		return "since " + last
	case first == last:
		return "at " + first
	case r.always(a):
		return "all the time" + lasted
	case !a.LastSeen.Before(r.Window.To.Add(-margin)):
		return "from " + first + " to the end" + lasted
	case first[:10] == last[:10]:
		last = last[11:]
	}
	return "from " + first + " to " + last + lasted
}

// lines says how many lines show an anomaly: "12 lines", "no line", or "2 sessions" of those
// whose lines are missing, at most domain.MaxAnomalySessions of which are known.
func lines(a *domain.Anomaly) string {
	switch n := len(a.Sessions); {
	case a.Count > 0:
		return plural(a.Count, "line")
	case n >= domain.MaxAnomalySessions:
		return strconv.Itoa(n) + "+ sessions"
	case n > 0:
		return plural(n, "session")
	}
	return "no line"
}

// windowText says from when to when the lines are, and how long that is if it is anything.
func windowText(w domain.TimeWindow) string {
	text := shortTime(w.From) + " to " + shortTime(w.To) + " UTC"
	if span := w.To.Sub(w.From); span >= time.Millisecond {
		text += ", " + domain.Span(span)
	}
	return text
}

// amount says how much was read.
func (r *report) amount() string {
	if r.Entries == r.Lines {
		return plural(r.Lines, "line")
	}
	return plural(r.Lines, "line") + ", " + plural(r.Entries, "entry")
}

// shortfall says how much of what was read was not analysed, "" for nothing.
func (r *report) shortfall() string {
	text := ""
	if r.Analysed < r.Entries {
		text = ", " + thousands(r.Analysed) + " analysed"
	}
	if r.FailedTasks > 0 {
		text += fmt.Sprintf(", %s of %s failed", thousands(r.FailedTasks), plural(r.Tasks, "task"))
	}
	return text
}

// severityCount is how many anomalies there are of a severity.
type severityCount struct {
	Severity domain.Severity
	Count    int
}

// counts are the numbers of anomalies by severity, the highest first.
func (r *report) counts() []severityCount {
	var out []severityCount
	for _, a := range r.Anomalies {
		if n := len(out); n == 0 || out[n-1].Severity != a.Severity {
			out = append(out, severityCount{Severity: a.Severity})
		}
		out[len(out)-1].Count++
	}
	return out
}

// suspects are the services of the ranking, if there are several: where all is
// from one, a ranking says nothing.
func (r *report) suspects(limit int) []domain.ServiceRank {
	if len(r.Services) < 2 {
		return nil
	}
	return r.Services[:min(limit, len(r.Services))]
}

// redactedClasses are the classes of what was redacted, in the order of their names.
func (r *report) redactedClasses() []string { return slices.Sorted(maps.Keys(r.Redactions)) }

// timeline counts an anomaly's entries in n equal parts of the report's window.
// complete is whether all of its entries are in it, not only the first.
func (r *report) timeline(a *domain.Anomaly, n int) (counts []int, complete bool) {
	span := r.Window.To.Sub(r.Window.From)
	if span <= 0 {
		return nil, false
	}
	counts = make([]int, n)
	total := 0
	for _, at := range r.times[a.ID] {
		if at.Before(r.Window.From) || at.After(r.Window.To) {
			continue
		}
		counts[min(int(float64(at.Sub(r.Window.From))/float64(span)*float64(n)), n-1)]++
		total++
	}
	if total == 0 {
		return nil, false
	}
	return counts, total >= a.Count
}
