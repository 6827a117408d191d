package httpapi

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// listAnomalies lists what the analyses found; the severity is the least.
func (a *API) listAnomalies(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r)
	filter := domain.AnomalyFilter{
		MinSeverity: named(q, "severity", func(s string) (domain.Severity, error) {
			return domain.ParseSeverity(strings.ToLower(s))
		}),
		Kind: named(q, "kind", domain.ParseAnomalyKind), ID: q.text("id"),
		Source: q.text("source"), Text: q.text("text"), From: q.time("from"), To: q.time("to"),
		Limit: q.limit(), Cursor: q.cursor(),
	}
	if err := q.err(); err != nil {
		return err
	}
	if err := filter.Validate(); err != nil {
		return err
	}
	page, err := a.logs.ListAnomalies(r.Context(), filter)
	if err != nil {
		return err
	}
	out := wire.AnomalyList{Anomalies: make([]wire.Anomaly, len(page.Anomalies)), NextCursor: cursorView(page.NextCursor)}
	for i := range page.Anomalies {
		out.Anomalies[i] = anomalyView(&page.Anomalies[i])
	}
	return writeJSON(w, http.StatusOK, out)
}

// getAnomaly shows one anomaly over all analyses that found it.
func (a *API) getAnomaly(w http.ResponseWriter, r *http.Request) error {
	h, err := a.logs.GetAnomaly(r.Context(), mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	return writeVersion(w, r, wire.AnomalyHistory{
		Anomaly: anomalyView(&h.FoundAnomaly), Analyses: len(h.TaskIDs), TaskIDs: listOf(h.TaskIDs), Truncated: h.Truncated,
	})
}

// listAnomalyLogs lists the log entries behind an anomaly.
func (a *API) listAnomalyLogs(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r)
	limit, cursor := q.limit(), q.cursor()
	if err := q.err(); err != nil {
		return err
	}
	page, err := a.logs.ListAnomalyLogs(r.Context(), mux.Vars(r)["id"], limit, cursor)
	if err != nil {
		return err
	}
	out := wire.AnomalyLogs{Logs: make([]wire.LogEntry, len(page.Logs)), Missing: page.Missing, NextCursor: cursorView(page.NextCursor)}
	for i := range page.Logs {
		out.Logs[i] = logView(&page.Logs[i])
	}
	return writeJSON(w, http.StatusOK, out)
}

func anomalyView(f *domain.FoundAnomaly) wire.Anomaly {
	return wire.Anomaly{
		ID: f.ID, TaskID: f.TaskID, FoundAt: timeView(f.FoundAt),
		Kind: string(f.Kind), Category: string(f.Category), Severity: f.Severity.String(),
		Score: f.Score, Confidence: f.Confidence, TemplateID: f.TemplateID, Template: f.Template,
		LogIDs: listOf(f.LogIDs), SampleLines: listOf(f.SampleLines), Count: f.Count, Expected: f.Expected,
		FirstSeen: timeView(f.FirstSeen), LastSeen: timeView(f.LastSeen), Services: listOf(f.Services),
		Sessions: listOf(f.Sessions),
		Evidence: f.Evidence, Explanation: f.Explanation, SuggestedAction: f.SuggestedAction, Cause: f.Cause, Source: f.Source,
	}
}
