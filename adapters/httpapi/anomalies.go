package httpapi

import (
	"net/http"
	"strings"

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
		Source: q.text("source"), From: q.time("from"), To: q.time("to"),
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

func anomalyView(f *domain.FoundAnomaly) wire.Anomaly {
	return wire.Anomaly{
		ID: f.ID, TaskID: f.TaskID, FoundAt: timeView(f.FoundAt),
		Kind: string(f.Kind), Category: string(f.Category), Severity: f.Severity.String(),
		Score: f.Score, Confidence: f.Confidence, TemplateID: f.TemplateID, Template: f.Template,
		LogIDs: listOf(f.LogIDs), SampleLines: listOf(f.SampleLines), Count: f.Count, Expected: f.Expected,
		FirstSeen: timeView(f.FirstSeen), LastSeen: timeView(f.LastSeen), Services: listOf(f.Services),
		Evidence: f.Evidence, Explanation: f.Explanation, SuggestedAction: f.SuggestedAction, Source: f.Source,
	}
}
