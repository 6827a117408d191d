package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// maxPage is how many items the API gives on a page.
const maxPage = domain.MaxPageSize

// listFlags are the flags of commands that list pages of the API.
type listFlags struct {
	limit  int
	all    bool
	cursor string
	// filters are the parameters of the query, by the names of their flags.
	filters map[string]*string
}

// filter is a flag that becomes a parameter of the query.
type filter struct{ name, usage string }

// addListFlags adds the flags of a list to a command. item is what is listed.
func addListFlags(cmd *cobra.Command, item string, filters ...filter) *listFlags {
	f := &listFlags{filters: map[string]*string{}}
	for _, param := range filters {
		f.filters[param.name] = cmd.Flags().String(param.name, "", param.usage)
	}
	cmd.Flags().IntVar(&f.limit, "limit", domain.DefaultPageSize, "how many "+item+" to list at most")
	cmd.Flags().BoolVar(&f.all, "all", false, "list all "+item+", however many there are")
	cmd.Flags().StringVar(&f.cursor, "cursor", "", "continue where an earlier list ended")
	return f
}

// query is the query of the first page.
func (f *listFlags) query() (url.Values, error) {
	if f.limit < 1 {
		return nil, usageError("limit must be at least 1")
	}
	values := url.Values{}
	for name, value := range f.filters {
		if *value != "" {
			values.Set(strings.ReplaceAll(name, "-", "_"), *value)
		}
	}
	if f.cursor != "" {
		values.Set("cursor", f.cursor)
	}
	return values, nil
}

// pages reads pages until the limit is reached or there are no more. page reads one
// by its query and returns how many items it had and the cursor of the next. The
// cursor where the list was left is returned, "" at its end.
func (f *listFlags) pages(page func(url.Values) (items int, next *string, err error)) (rest string, err error) {
	query, err := f.query()
	if err != nil {
		return "", err
	}
	for left := f.limit; ; {
		query.Set("limit", strconv.Itoa(maxPage))
		if !f.all {
			query.Set("limit", strconv.Itoa(min(left, maxPage)))
		}
		items, next, err := page(query)
		if err != nil || next == nil {
			return "", err
		}
		if left -= items; left <= 0 && !f.all {
			return *next, nil
		}
		query.Set("cursor", *next)
	}
}

// more tells how a list goes on.
func (e *environment) more(rest string) {
	if rest != "" {
		e.note("more with --cursor %s, or all with --all", rest)
	}
}

func (e *environment) anomaliesCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "anomalies",
		Short: "Look at what the analyses found",
		Example: `  logsift anomalies list --severity high --source app.log
  logsift anomalies show ID`,
	}, e.anomaliesListCommand(), e.anomaliesShowCommand())
}

func (e *environment) anomaliesListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List anomalies, newest analysis first",
		Args:  cobra.NoArgs,
	}
	flags := addListFlags(cmd, "anomalies",
		filter{"severity", "only this severity and those above: info, low, medium, high, critical"},
		filter{"kind", "only this kind, such as new_template"},
		filter{"source", "only anomalies that name this source or service"},
		filter{"id", "only this anomaly, once for each analysis that found it"},
		filter{"text", "only anomalies with this text in the template or a sample line"},
		filter{"from", "only anomalies last seen at this time or later (RFC 3339)"},
		filter{"to", "only anomalies last seen before this time (RFC 3339)"},
	)
	return e.clientCommand(cmd, func(cmd *cobra.Command, _ []string, c *client) error {
		list := wire.AnomalyList{Anomalies: []wire.Anomaly{}}
		rest, err := flags.pages(func(query url.Values) (int, *string, error) {
			var page wire.AnomalyList
			err := c.get(cmd.Context(), "/api/v1/anomalies", query, &page)
			list.Anomalies = append(list.Anomalies, page.Anomalies...)
			return len(page.Anomalies), page.NextCursor, err
		})
		if err != nil {
			return err
		}
		if e.output == formatJSON {
			list.NextCursor = optionalCursor(rest)
			return e.printJSON(list)
		}
		if len(list.Anomalies) == 0 {
			e.note("no anomalies: logsift analyze FILE... or POST /api/v1/logs has logs analysed")
			return nil
		}
		rows := [][]string{{"ID", "SEVERITY", "KIND", "LINES", "LAST SEEN", "SERVICE", "TEMPLATE"}}
		for i := range list.Anomalies {
			a := &list.Anomalies[i]
			rows = append(rows, []string{
				a.ID, a.Severity, a.Kind, strconv.Itoa(a.Count), optionalTime(a.LastSeen),
				fit(printable(strings.Join(a.Services, ",")), 30), fit(printable(firstText(a.Template, a.Evidence)), 80),
			})
		}
		if err := columns(e.stdout, rows); err != nil {
			return err
		}
		e.more(rest)
		return nil
	})
}

// firstText is the first text that is not empty.
func firstText(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func optionalCursor(cursor string) *string {
	if cursor == "" {
		return nil
	}
	return &cursor
}

func (e *environment) anomaliesShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one anomaly over all analyses that found it, and its newest log lines",
		Args:  cobra.ExactArgs(1),
	}
	lines := cmd.Flags().Int("lines", 10, "log lines to show, up to 200; 0 for none")
	return e.clientCommand(cmd, func(cmd *cobra.Command, args []string, c *client) error {
		if *lines < 0 || *lines > maxPage {
			return usageError("lines must be between 0 and %d", maxPage)
		}
		var shown struct {
			wire.AnomalyHistory
			Logs wire.AnomalyLogs `json:"logs"`
		}
		path := "/api/v1/anomalies/" + url.PathEscape(args[0])
		if err := c.get(cmd.Context(), path, nil, &shown.AnomalyHistory); err != nil {
			return notFound(err, "logsift anomalies list has the ids of those that there are")
		}
		shown.Logs.Logs = []wire.LogEntry{}
		if *lines > 0 {
			if err := c.get(cmd.Context(), path+"/logs", url.Values{"limit": {strconv.Itoa(*lines)}}, &shown.Logs); err != nil {
				return err
			}
		}
		if e.output == formatJSON {
			return e.printJSON(shown)
		}
		return e.printAnomaly(&shown.AnomalyHistory, &shown.Logs)
	})
}

// notFound adds to an error that something is not there where to look for what is.
func notFound(err error, advice string) error {
	var problem *problemError
	if errors.As(err, &problem) && problem.Status == http.StatusNotFound {
		return fmt.Errorf("%w; %s", err, advice)
	}
	return err
}

func (e *environment) printAnomaly(h *wire.AnomalyHistory, logs *wire.AnomalyLogs) error {
	p := &tableReport{printer: printer{w: e.stdout}, color: e.color(), width: e.width()}
	severity, err := domain.ParseSeverity(h.Severity)
	if err != nil {
		return fmt.Errorf("read the anomaly: %w", err)
	}
	p.row("anomaly", h.ID)
	p.printf("%-12s %s\n", "severity", p.paint(severity, h.Severity))
	p.row("kind", h.Kind)
	p.row("category", h.Category)
	p.row("services", strings.Join(h.Services, ", "))
	p.row("lines", strconv.Itoa(h.Count))
	p.row("first seen", optionalTime(h.FirstSeen))
	p.row("last seen", optionalTime(h.LastSeen))
	found := plural(h.Analyses, "analysis")
	if h.Truncated {
		found = "the newest " + found + ", and more before"
	}
	p.row("found by", fmt.Sprintf("%s; the newest is task %s of %s", found, h.TaskID, optionalTime(h.FoundAt)))
	p.row("template", h.Template)
	p.row("why", h.Evidence)
	p.row("what", h.Explanation)
	p.row("cause", h.Cause)
	p.row("try", h.SuggestedAction)
	p.row("ids", sessionsText(h.Sessions, 20))
	if len(logs.Logs) > 0 {
		p.printf("\n")
		if p.err == nil {
			p.err = e.printLogs(logs.Logs)
		}
	}
	if logs.Missing > 0 {
		p.printf("\n%s no longer stored\n", plural(logs.Missing, "line"))
	}
	return p.err
}

// row prints a labelled value, if there is one, broken into lines.
func (p *tableReport) row(label, value string) {
	for _, line := range wrap(printable(value), p.width-13) {
		p.printf("%-12s %s\n", label, line)
		label = ""
	}
}

func (e *environment) logsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logs [ID]",
		Short: "List stored log lines, newest first, or show one",
		Example: `  logsift logs --level error --source app.log --text timeout
  logsift logs --from 2026-05-01T08:00:00Z --to 2026-05-01T09:00:00Z --all -o json`,
		Args: cobra.MaximumNArgs(1),
	}
	flags := addListFlags(cmd, "lines",
		filter{"level", "only this level and those above: trace, debug, info, warn, error, fatal"},
		filter{"source", "only lines of this source"},
		filter{"text", "only lines with this text"},
		filter{"from", "only lines of this time or later (RFC 3339)"},
		filter{"to", "only lines before this time (RFC 3339)"},
	)
	return e.clientCommand(cmd, func(cmd *cobra.Command, args []string, c *client) error {
		if len(args) == 1 {
			return e.showLog(cmd.Context(), c, args[0])
		}
		// Lines are printed as their pages come, so that any number fits.
		out := &logLister{e: e}
		rest, err := flags.pages(func(query url.Values) (int, *string, error) {
			var page wire.LogList
			if err := c.get(cmd.Context(), "/api/v1/logs", query, &page); err != nil {
				return 0, nil, err
			}
			return len(page.Logs), page.NextCursor, out.add(page.Logs)
		})
		if err != nil {
			return err
		}
		return out.end(rest)
	})
}

// logLister prints log lines page by page. Its JSON form is a wire.LogList.
type logLister struct {
	e     *environment
	count int
}

func (l *logLister) add(logs []wire.LogEntry) error {
	defer func() { l.count += len(logs) }()
	if l.e.output != formatJSON {
		return l.e.printLogs(logs)
	}
	p := &printer{w: l.e.stdout}
	for i := range logs {
		separator := ",\n    "
		if l.count+i == 0 {
			separator = "{\n  \"logs\": [\n    "
		}
		raw, err := encodeIndented(logs[i], "    ")
		if err != nil {
			return err
		}
		p.printf("%s%s", separator, raw)
	}
	return p.err
}

func (l *logLister) end(rest string) error {
	switch {
	case l.e.output == formatJSON && l.count == 0:
		return l.e.printJSON(wire.LogList{Logs: []wire.LogEntry{}})
	case l.e.output == formatJSON:
		raw, err := encodeIndented(optionalCursor(rest), "  ")
		if err != nil {
			return err
		}
		p := &printer{w: l.e.stdout}
		p.printf("\n  ],\n  \"next_cursor\": %s\n}\n", raw)
		return p.err
	case l.count == 0:
		l.e.note("no log lines: POST /api/v1/logs stores them")
	default:
		l.e.more(rest)
	}
	return nil
}

func (e *environment) showLog(ctx context.Context, c *client, id string) error {
	if _, err := uuid.Parse(id); err != nil {
		return usageError("%q is not a log id: it must be a UUID", id)
	}
	var entry wire.LogEntry
	if err := c.get(ctx, "/api/v1/logs/"+url.PathEscape(id), nil, &entry); err != nil {
		return notFound(err, "logsift logs lists those that there are")
	}
	if e.output == formatJSON {
		return e.printJSON(entry)
	}
	p := &tableReport{printer: printer{w: e.stdout}, width: e.width()}
	p.row("id", entry.ID.String())
	p.row("time", optionalTime(entry.Timestamp))
	p.row("received", optionalTime(entry.ReceivedAt))
	p.row("level", entry.Level)
	p.row("source", entry.Source)
	for _, name := range slices.Sorted(maps.Keys(entry.Attributes)) {
		p.row("attribute", name+" = "+entry.Attributes[name])
	}
	p.printf("\n%s\n", printableLines(entry.Message))
	return p.err
}

// printLogs prints log lines, each on one line of the output.
func (e *environment) printLogs(logs []wire.LogEntry) error {
	width := e.width()
	p := &printer{w: e.stdout}
	color := e.color()
	for i := range logs {
		l := &logs[i]
		head := pad(optionalTime(l.Timestamp), 19) + "  " + pad(levelText(l.Level), 5) + "  " + pad(fit(printable(l.Source), 24), 16) + "  "
		text := fit(printable(l.Message), max(width-len(head), 40))
		if code := levelColor[l.Level]; color && code != "" {
			text = code + text + colorEnd
		}
		p.printf("%s%s\n", head, text)
	}
	return p.err
}

var levelColor = map[string]string{
	"fatal": severityColor[domain.SeverityCritical], "error": severityColor[domain.SeverityHigh],
	"warn": severityColor[domain.SeverityMedium], "debug": severityColor[domain.SeverityInfo], "trace": severityColor[domain.SeverityInfo],
}

// levelText is a level as it is printed; one that is not known is left out.
func levelText(level string) string {
	if level == domain.LogLevelUnknown.String() {
		return ""
	}
	return strings.ToUpper(level)
}
