package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// fill sets every field of a report that can be set to something, and every text
// to the given one.
func fill(v reflect.Value, text string) {
	switch v.Interface().(type) {
	case domain.Severity:
		v.SetUint(uint64(domain.SeverityHigh))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)))
		return
	case uuid.UUID:
		v.Set(reflect.ValueOf(uuid.Max))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), text)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf(text), reflect.ValueOf(3))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), text)
			}
		}
	default:
		panic("a report has a field of kind " + v.Kind().String())
	}
}

// filled is a report that has everything, every text of it the given one.
func filled(text string) *report {
	r := newReport()
	fill(reflect.ValueOf(r).Elem(), text)
	low := r.Anomalies[1]
	low.Severity = domain.SeverityLow
	r.Anomalies = []domain.Anomaly{r.Anomalies[0], low}
	r.Window.To = r.Window.From.Add(time.Hour)
	r.times = map[string][]time.Time{text: {r.Window.From, r.Window.From.Add(time.Minute), r.Window.To}}
	return r
}

// hostile are texts that want to be more than text.
var hostile = map[string]string{
	"html":            `</pre></details></article><script>alert(1)</script><img src=x onerror="alert(1)">`,
	"an attribute":    `" onmouseover="alert(1)" x='y' style=x`,
	"markdown":        "# title\n> quote\n- [click](javascript:alert(1)) ![x](http://evil.example/x.png) **bold** | cell | <b>x</b> @everyone www.evil.example",
	"fences":          "```\n</details>\n````\n~~~\n`x` ``y`` `",
	"a code span":     "`",
	"template code":   `{{.Anomalies}} {{template "x"}} %s %d %!(EXTRA)`,
	"ansi":            "\x1b[31mred\x1b]0;title\x07\x1b[2J\x9b31m\r\b",
	"nul":             "a\x00b",
	"bidi":            "user\u202eexe.txt\u2066\u200b\u2028\ufeff\U000e0041",
	"invalid UTF-8":   "\xff\xfe caf\xe9",
	"empty":           "",
	"a long word":     strings.Repeat("x", 5000),
	"wide characters": strings.Repeat("日本語ログ", 100),
}

func TestHostileTextStaysTextInHTML(t *testing.T) {
	t.Parallel()
	tags := regexp.MustCompile(`<[a-zA-Z/!][^>]*>`)
	// values are those of attributes that show text.
	values := regexp.MustCompile(`="[^"]*"`)
	render := func(t *testing.T, text string) (page string, markup []string) {
		t.Helper()
		var out bytes.Buffer
		require.NoError(t, writeHTML(&out, filled(text), 10))
		page = out.String()
		for _, tag := range tags.FindAllString(page, -1) {
			markup = append(markup, values.ReplaceAllString(tag, "=…"))
		}
		return page, markup
	}
	_, want := render(t, "harmless")
	for name, text := range hostile {
		if name == "empty" {
			continue // What is empty is left out.
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, got := render(t, text)
			require.Equal(t, want, got, "the page has the same elements whatever the texts are")
			require.NotContains(t, page, "ZgotmplZ", "the template did not have to defend itself")
			requirePrintable(t, page)
		})
	}
}

var unprintable = regexp.MustCompile(`[\x00-\x09\x0b-\x1f\x7f-\x{9f}\x{200b}\x{200e}\x{200f}\x{2028}\x{202a}-\x{202e}\x{2066}-\x{2069}\x{feff}\x{e0000}-\x{e007f}]`)

// requirePrintable requires that nothing of the output controls a terminal or hides.
func requirePrintable(t *testing.T, text string) {
	t.Helper()
	require.Empty(t, unprintable.FindAllString(text, -1))
}

func TestAHTMLReportNeedsNothingElse(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, writeHTML(&out, filled("http://example.com/x"), 10))
	page := out.String()
	require.NotRegexp(t, `(?i)<(script|link|img|iframe|object|embed|base|form|a)\b`, page)
	require.NotRegexp(t, `(?i)\b(src|href|srcset|action)\s*=|url\(|@import`, page)
	require.Contains(t, page, `http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'`)
	require.Contains(t, page, "prefers-color-scheme: dark")
	require.Contains(t, page, "@media print")
}

func TestATimelineIsDrawnInTheWindow(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	r := newReport()
	r.Window = domain.TimeWindow{From: begin, To: begin.Add(time.Hour)}
	r.times = map[string][]time.Time{"a": {begin, begin, begin.Add(30 * time.Minute), begin.Add(time.Hour), begin.Add(-time.Second), begin.Add(2 * time.Hour)}}
	counts, complete := r.timeline(&domain.Anomaly{ID: "a", Count: 4}, 4)
	require.Equal(t, []int{2, 0, 1, 1}, counts)
	require.True(t, complete)
	require.Equal(t, "█▁▄▄", sparkline(counts))
	_, complete = r.timeline(&domain.Anomaly{ID: "a", Count: 5}, 4)
	require.False(t, complete, "it says that some are not in it")
	counts, _ = r.timeline(&domain.Anomaly{ID: "b", Count: 5}, 4)
	require.Nil(t, counts)
	r.Window.To = begin
	counts, _ = r.timeline(&domain.Anomaly{ID: "a", Count: 4}, 4)
	require.Nil(t, counts, "a window without length has none")

	r.Window.To = begin.Add(time.Hour)
	drawn := newHTMLAnomaly(1, r, &domain.Anomaly{ID: "a", Count: 4})
	require.Equal(t, []htmlBar{{X: 0, Y: 0, Height: 24, Count: 2}, {X: 120, Y: 12, Height: 12, Count: 1}, {X: 236, Y: 12, Height: 12, Count: 1}}, drawn.Bars)
	require.Equal(t, 4, drawn.Drawn)
	require.False(t, drawn.Partial)
}

// markdownParts takes Markdown apart as CommonMark does: the contents of its fenced
// blocks and code spans, and what is left.
func markdownParts(t *testing.T, text string) (fenced, spans []string, rest string) {
	t.Helper()
	var out strings.Builder
	open := ""
	var block []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		ticks := len(line) - len(strings.TrimLeft(line, "`"))
		switch {
		case open == "" && ticks >= 3 && !strings.Contains(line[ticks:], "`"):
			require.Equal(t, "text", line[ticks:])
			open, block = line[:ticks], nil
		case open != "" && strings.Trim(line, "`") == "" && ticks >= len(open):
			fenced, open = append(fenced, strings.Join(block, "\n")), ""
		case open != "":
			block = append(block, line)
		default:
			for {
				begin := strings.IndexByte(line, '`')
				if begin > 0 && line[begin-1] == '\\' {
					out.WriteString(line[:begin+1])
					line = line[begin+1:]
					continue
				}
				if begin < 0 {
					break
				}
				n := len(line[begin:]) - len(strings.TrimLeft(line[begin:], "`"))
				after := line[begin+n:]
				end := regexp.MustCompile("(?:^|[^`])(`{" + strconv.Itoa(n) + "})(?:[^`]|$)").FindStringSubmatchIndex(after)
				require.NotNil(t, end, "a code span has no end: %s", line)
				spans = append(spans, after[:end[2]])
				out.WriteString(line[:begin] + "CODE")
				line = after[end[3]:]
			}
			out.WriteString(line + "\n")
		}
	}
	require.Empty(t, open, "a block has no end")
	return fenced, spans, out.String()
}

func TestHostileTextStaysTextInMarkdown(t *testing.T) {
	t.Parallel()
	render := func(t *testing.T, text string) (fenced, spans []string, rest string) {
		t.Helper()
		var out bytes.Buffer
		require.NoError(t, writeMarkdown(&out, filled(text), 10))
		requirePrintable(t, strings.ReplaceAll(out.String(), "@\u200b", "@"))
		return markdownParts(t, out.String())
	}
	wantFenced, wantSpans, harmless := render(t, "harmless")
	for name, text := range hostile {
		if name == "empty" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fenced, spans, rest := render(t, text)
			require.Len(t, fenced, len(wantFenced))
			require.Equal(t, printableLines(text), fenced[0], "a template is shown as it is")
			require.Len(t, spans, len(wantSpans))
			require.Equal(t, strings.Count(harmless, "\n"), strings.Count(rest, "\n"), "no text adds a line")
			require.NotRegexp(t, `(^|[^\\])[\[\]<*_#|~!]`, strings.NewReplacer(
				// What the report itself has.
				"<details>", "", "</details>", "", "<summary>", "", "</summary>", "", "**", "",
			).Replace(withoutStructure(rest)))
			require.NotRegexp(t, `@[a-z]|[^\\]://|www\.`, rest)
		})
	}
}

// withoutStructure leaves out the lines of Markdown that are tables, headings and
// quotes, whose cells are code and numbers only.
func withoutStructure(markdown string) string {
	var out strings.Builder
	for line := range strings.Lines(markdown) {
		if !strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "#") {
			out.WriteString(strings.TrimPrefix(line, "> "))
		}
	}
	return out.String()
}

func TestACellsBarIsEscapedInATable(t *testing.T) {
	t.Parallel()
	r := filled("a|b")
	var out bytes.Buffer
	require.NoError(t, writeMarkdown(&out, r, 10))
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "| 1 |") {
			require.NotContains(t, line, "a|b")
			require.Contains(t, line, `a\|b`)
		}
	}
}

func TestHostileTextStaysTextOnATerminal(t *testing.T) {
	t.Parallel()
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, color := range []bool{false, true} {
				var out bytes.Buffer
				p := &tableReport{printer: printer{w: &out}, color: color, width: 80}
				r := filled(text)
				p.head(r)
				p.body(r, 10)
				require.NoError(t, p.err)
				plain := out.String()
				require.Equal(t, color, strings.Contains(plain, "\x1b"))
				for _, code := range severityColor {
					plain = strings.ReplaceAll(plain, code, "")
				}
				plain = strings.ReplaceAll(plain, colorEnd, "")
				requirePrintable(t, plain)
				if strings.HasPrefix(name, "wide") || strings.HasPrefix(name, "a long") {
					for line := range strings.Lines(plain) {
						require.LessOrEqual(t, runewidth.StringWidth(strings.TrimSuffix(line, "\n")), 140, line)
					}
				}
			}
		})
	}
}

func TestTheReportShowsAllThatItKnows(t *testing.T) {
	t.Parallel()
	r := filled("TEXT")
	r.Redactions = map[string]int{"email": 4, "aws_key": 1}
	r.Usage = &domain.Usage{PromptTokens: 1200, CompletionTokens: 34, Calls: 2, Estimated: true}
	r.Costs = []domain.Cost{{AmountMicros: 1_020_304, Currency: "USD"}}
	r.Cache = &domain.CacheUse{Hits: 3, Misses: 2}
	r.Baseline = &baselineReport{Name: "normal", Lines: 7, Sources: []string{"ok.log"}}
	r.DegradedReasons = []string{"the daily budget is used up"}
	write := map[string]func(*bytes.Buffer) error{
		"table": func(out *bytes.Buffer) error {
			return (&environment{stdout: out, getenv: func(string) string { return "" }}).printReport(r, 10)
		},
		"markdown": func(out *bytes.Buffer) error { return writeMarkdown(out, r, 10) },
		"html":     func(out *bytes.Buffer) error { return writeHTML(out, r, 10) },
	}
	for name, write := range write {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			require.NoError(t, write(&out))
			text := regexp.MustCompile(`\s+`).ReplaceAllString(strings.NewReplacer("\\_", "_", "`", "", "**", "").Replace(out.String()), " ")
			for _, want := range []string{
				"3 lines", "3 of 3 tasks failed", "2026-05-01 08:00:00", "normal", "7 lines of ok.log", "the daily budget is used up",
				"ost suspicious services", "TEXT", "asked 2 times: 1200 prompt and 34 completion tokens, by estimate, 1.020304 USD",
				"3 of 5 explanations were known", "1 aws_key, 4 email", "3 lines went from the store",
				"there were more anomalies than a result holds", "1 high, 1 low",
			} {
				require.Contains(t, text, want)
			}
		})
	}
}

func TestWhatIsBeyondTheLimitIsTold(t *testing.T) {
	t.Parallel()
	r := filled("TEXT")
	for name, want := range map[string]string{"table": "… and 1 more", "markdown": "and 1 more", "html": "and 1 more, less severe"} {
		var out bytes.Buffer
		e := &environment{stdout: &out, output: name, getenv: func(string) string { return "" }}
		require.NoError(t, e.writeReport(r, 1))
		require.Contains(t, out.String(), want)
	}
	var out bytes.Buffer
	e := &environment{stdout: &out, output: formatJSON}
	require.NoError(t, e.writeReport(r, 1))
	var back report
	require.NoError(t, json.Unmarshal(out.Bytes(), &back))
	require.Len(t, back.Anomalies, 2, "programs get all of them")
}

func TestReportsOfSeveralTasksArePutTogether(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return time.Date(2026, 5, n, 0, 0, 0, 0, time.UTC) }
	r := newReport()
	r.add(domain.AnalysisResult{
		Analyzer: "builtin", AnalysedCount: 10, TemplateCount: 2, Window: domain.TimeWindow{From: day(2), To: day(3)}, Warnings: []string{"w", "v"},
		Anomalies: []domain.Anomaly{
			{ID: "a", Severity: domain.SeverityLow, Count: 1, Evidence: "low", Services: []string{"web"}},
			{ID: "b", Severity: domain.SeverityMedium, Count: 1, Services: []string{"db"}},
		},
		Usage: &domain.Usage{Calls: 1, PromptTokens: 5}, Cost: &domain.Cost{AmountMicros: 3, Currency: "USD"}, Cache: &domain.CacheUse{Hits: 1},
		Redactions: map[string]int{"email": 1},
	})
	r.add(domain.AnalysisResult{
		Analyzer: "builtin", AnalysedCount: 5, MissingCount: 1, TemplateCount: 3, Window: domain.TimeWindow{From: day(1), To: day(2)}, Warnings: []string{"w"},
		DegradedReason: "budget",
		Anomalies:      []domain.Anomaly{{ID: "a", Severity: domain.SeverityHigh, Count: 2, Evidence: "high", Services: []string{"web"}}},
		Usage:          &domain.Usage{Calls: 2, PromptTokens: 6, Estimated: true}, Cost: &domain.Cost{AmountMicros: 4, Currency: "USD"}, Cache: &domain.CacheUse{Misses: 1},
		Redactions: map[string]int{"email": 2, "jwt": 1},
	})
	r.finish()
	require.Equal(t, [4]int{15, 1, 5, 2}, [4]int{r.Analysed, r.Missing, r.Templates, len(r.Anomalies)})
	require.Equal(t, domain.SeverityHigh, r.Severity)
	require.Equal(t, domain.TimeWindow{From: day(1), To: day(3)}, r.Window)
	require.Equal(t, domain.Anomaly{
		ID: "a", Severity: domain.SeverityHigh, Count: 3, Evidence: "high", Services: []string{"web"},
		LogIDs: []domain.LogID{}, SampleLines: []string{}, Sessions: []string{},
	}, r.Anomalies[0], "the words of the more severe finding stay")
	require.Equal(t, "web", r.Services[0].Name)
	require.Equal(t, []string{"v", "w"}, r.Warnings)
	require.Equal(t, []string{"builtin"}, r.Analyzers)
	require.Equal(t, []string{"budget"}, r.DegradedReasons)
	require.Equal(t, &domain.Usage{Calls: 3, PromptTokens: 11, Estimated: true}, r.Usage)
	require.Equal(t, []domain.Cost{{AmountMicros: 7, Currency: "USD"}}, r.Costs)
	require.Equal(t, &domain.CacheUse{Hits: 1, Misses: 1}, r.Cache)
	require.Equal(t, map[string]int{"email": 3, "jwt": 1}, r.Redactions)
}

func TestWhatBrokeFirstComesFirst(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	of := func(id string, severity domain.Severity, kind domain.AnomalyKind, from, to time.Duration) domain.Anomaly {
		return domain.Anomaly{ID: id, Severity: severity, Kind: kind, FirstSeen: begin.Add(from), LastSeen: begin.Add(to)}
	}
	r := newReport()
	r.Window = domain.TimeWindow{From: begin, To: begin.Add(30 * time.Hour)}
	r.Anomalies = []domain.Anomaly{
		of("always", domain.SeverityHigh, domain.AnomalyRecurringError, time.Minute, 30*time.Hour),
		of("late", domain.SeverityHigh, domain.AnomalyErrorBurst, 10*time.Hour, 20*time.Hour+41*time.Minute+45*time.Second),
		of("early", domain.SeverityHigh, domain.AnomalyErrorBurst, 5*time.Hour, 30*time.Hour),
		of("warning", domain.SeverityMedium, domain.AnomalyFrequencySpike, 4*time.Hour, 4*time.Hour+time.Minute),
		of("stops", domain.SeverityMedium, domain.AnomalyMissingEvent, time.Hour, 6*time.Hour),
		of("hint", domain.SeverityLow, domain.AnomalyRareTemplate, time.Hour, time.Hour),
	}
	r.finish()
	var ids, when []string
	for i := range r.Anomalies {
		ids, when = append(ids, r.Anomalies[i].ID), append(when, r.when(&r.Anomalies[i]))
	}
	require.Equal(t, []string{"early", "late", "always", "warning", "stops", "hint"}, ids)
	require.Equal(t, []string{
		"from 2026-05-01 13:00:00 to the end (1 day 1 h)", "from 2026-05-01 18:00:00 to 2026-05-02 04:41:45 (10 h 42 min)", "all the time (1 day 6 h)",
		"from 2026-05-01 12:00:00 to 12:01:00 (1 min)", "since 2026-05-01 14:00:00", "at 2026-05-01 09:00:00",
	}, when)
	require.Equal(t, 4, r.brokeFirst(4), "the first that is at least medium")
	require.Zero(t, r.brokeFirst(3), "it is not shown")
	first := r.Anomalies[0]
	r.Anomalies[0].FirstSeen = time.Time{}
	require.Zero(t, r.brokeFirst(25), "nobody knows when the first began")
	r.Anomalies[0] = r.Anomalies[2]
	require.Zero(t, r.brokeFirst(25), "the first went on all the time")
	r.Anomalies = []domain.Anomaly{first}
	require.Zero(t, r.brokeFirst(25), "it is the first of the report")
}

// forms are the report as a person gets it.
func forms(t *testing.T, r *report) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, form := range []string{"table", "markdown", "html"} {
		var text bytes.Buffer
		e := &environment{stdout: &text, output: form, getenv: func(string) string { return "" }}
		require.NoError(t, e.writeReport(r, 10))
		out[form] = text.String()
	}
	return out
}

func TestAStoppedLineIsMissingSinceItsLast(t *testing.T) {
	t.Parallel()
	r := filled("TEXT")
	a := &r.Anomalies[0]
	a.Kind, a.Count, a.Sessions, a.LastSeen = domain.AnomalyMissingEvent, 0, nil, a.FirstSeen.Add(20*time.Second)
	text := forms(t, r)
	require.Contains(t, text["markdown"], "| 1 | **high** | `TEXT` | 2026-05-01 08:00:20 | 0 |")
	for form := range text {
		require.Regexp(t, "no line in .* since 2026-05-01 08:00:20", text[form], form)
	}
}

func TestSessionsThatLackALineAreCounted(t *testing.T) {
	t.Parallel()
	r := filled("TEXT")
	a := &r.Anomalies[0]
	a.Kind, a.Count, a.LastSeen = domain.AnomalyMissingEvent, 0, a.FirstSeen.Add(20*time.Second)
	for form, text := range forms(t, r) {
		require.Regexp(t, "2 sessions in .* from 2026-05-01 08:00:00 to 08:00:20", text, form)
		require.NotContains(t, text, "no line", form)
	}
	a.Sessions = make([]string, domain.MaxAnomalySessions)
	require.Equal(t, "100+ sessions", lines(a), "no more are known")
}

func TestTheRestOfACauseIsALineOfItsOwn(t *testing.T) {
	t.Parallel()
	r := filled("TEXT")
	r.Anomalies[0].Evidence = "why; with it: ERROR x (1 line); with it: f(y); and z (1 line); and 4 <b>other</b> kinds"
	text := forms(t, r)
	require.Contains(t, text["table"], "   with: f(y); and z (1 line)\n   with: 4 <b>other</b> kinds\n")
	require.Contains(t, text["markdown"], "- **with:** `f(y); and z (1 line)`\n- **with:** 4 \\<b\\>other\\</b\\> kinds\n")
	require.Contains(t, text["html"], "<code>f(y); and z (1 line)</code></dd><dt>With it</dt><dd>4 &lt;b&gt;other&lt;/b&gt; kinds</dd>")
	_, with, rest := evidenceParts(&domain.Anomaly{Evidence: "why; with it: f(y); and z (1 line)"})
	require.Equal(t, []string{"f(y); and z (1 line)"}, with)
	require.Empty(t, rest)
}

func TestAWindowWithoutLengthHasNoSpan(t *testing.T) {
	t.Parallel()
	r := filled("TEXT")
	r.Window.To = r.Window.From
	for form, text := range forms(t, r) {
		require.Regexp(t, `2026-05-01 08:00:00 to 2026-05-01 08:00:00 UTC\.?[\n<]`, text, form)
		require.NotContains(t, text, "0 ms", form)
	}
}

func TestATitleSaysWhatBroke(t *testing.T) {
	t.Parallel()
	require.Equal(t, "disk is full", title(&domain.Anomaly{Template: "disk is full", Kind: domain.AnomalyRareTemplate}))
	require.Equal(t, "no line of db for 5 min", title(&domain.Anomaly{Evidence: "no line of db for 5 min; 30 are normal", Kind: domain.AnomalyMissingEvent}))
	require.Equal(t, "missing event", title(&domain.Anomaly{Kind: domain.AnomalyMissingEvent}))
}
