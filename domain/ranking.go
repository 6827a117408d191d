package domain

import (
	"cmp"
	"slices"
)

// ServiceRank says how suspicious a service is.
type ServiceRank struct {
	Name string `json:"name"`
	// Score, from 0 to 1, orders services by their most severe anomaly and, within
	// a severity, by the score of that.
	Score float64 `json:"score"`
	// Severity is the highest of its anomalies.
	Severity Severity `json:"severity"`
	// Anomalies is how many name it.
	Anomalies int `json:"anomalies"`
}

// RankServices orders the services that the anomalies name, the most suspicious
// first. The worst anomaly of a service decides, not how many there are: whatever
// depends on a faulty service shows many small anomalies. Equal scores are ordered
// by name.
func RankServices(anomalies []Anomaly) []ServiceRank {
	const severities = float64(SeverityCritical - SeverityInfo + 1)
	ranks := map[string]*ServiceRank{}
	for i := range anomalies {
		a := &anomalies[i]
		score := (float64(max(a.Severity, SeverityInfo)-SeverityInfo) + a.Score) / severities
		for _, name := range a.Services {
			r := ranks[name]
			if r == nil {
				r = &ServiceRank{Name: name}
				ranks[name] = r
			}
			r.Score = max(r.Score, score)
			r.Severity = max(r.Severity, a.Severity)
			r.Anomalies++
		}
	}
	out := make([]ServiceRank, 0, len(ranks))
	for _, r := range ranks {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b ServiceRank) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Name, b.Name))
	})
	return out
}
