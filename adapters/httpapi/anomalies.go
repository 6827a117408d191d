package httpapi

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// listAnomalies lists what the analyses found; the severity is the least.
func (a *API) listAnomalies(w http.ResponseWriter, r *http.Request) error {
	q := request.NewQuery(r)
	filter := domain.AnomalyFilter{
		MinSeverity: request.Named(q, "severity", func(s string) (domain.Severity, error) {
			return domain.ParseSeverity(strings.ToLower(s))
		}),
		Kind: request.Named(q, "kind", domain.ParseAnomalyKind), ID: q.Text("id"),
		Source: q.Text("source"), Text: q.Text("text"), From: q.Time("from"), To: q.Time("to"),
		Limit: q.Limit(), Cursor: q.Cursor(),
	}
	if err := q.Err(); err != nil {
		return err
	}
	if err := filter.Validate(); err != nil {
		return err
	}
	var page domain.AnomalyPage
	selects := filter.Text != "" || filter.Source != "" || filter.Kind != ""
	err := a.search(r, selects, func() (err error) {
		page, err = a.logs.ListAnomalies(r.Context(), filter)
		return err
	})
	if err != nil {
		return err
	}
	out := wire.AnomalyList{Anomalies: make([]wire.Anomaly, len(page.Anomalies)), NextCursor: cursorView(page.NextCursor)}
	for i := range page.Anomalies {
		out.Anomalies[i] = anomalyView(&page.Anomalies[i])
	}
	return wire.Write(w, http.StatusOK, out)
}

// getAnomaly shows one anomaly over all analyses that found it.
func (a *API) getAnomaly(w http.ResponseWriter, r *http.Request) error {
	h, err := a.logs.GetAnomaly(r.Context(), mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	return request.WriteVersion(w, r, wire.AnomalyHistory{
		Anomaly: anomalyView(&h.FoundAnomaly), Analyses: len(h.TaskIDs), TaskIDs: wire.List(h.TaskIDs), Truncated: h.Truncated,
	})
}

// listAnomalyLogs lists the log entries behind an anomaly.
func (a *API) listAnomalyLogs(w http.ResponseWriter, r *http.Request) error {
	q := request.NewQuery(r)
	limit, cursor := q.Limit(), q.Cursor()
	if err := q.Err(); err != nil {
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
	return wire.Write(w, http.StatusOK, out)
}

func anomalyView(f *domain.FoundAnomaly) wire.Anomaly {
	return wire.Anomaly{
		ID: f.ID, TaskID: f.TaskID, FoundAt: timeView(f.FoundAt),
		Kind: string(f.Kind), Category: string(f.Category), Severity: f.Severity.String(),
		Score: f.Score, Confidence: f.Confidence, TemplateID: f.TemplateID, Template: f.Template,
		LogIDs: wire.List(f.LogIDs), SampleLines: wire.List(f.SampleLines), Count: f.Count, Expected: f.Expected,
		FirstSeen: timeView(f.FirstSeen), LastSeen: timeView(f.LastSeen), Services: wire.List(f.Services),
		Sessions: wire.List(f.Sessions),
		Evidence: f.Evidence, Explanation: f.Explanation, SuggestedAction: f.SuggestedAction, Cause: f.Cause, Source: f.Source,
	}
}
