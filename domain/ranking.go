package domain

import (
	"cmp"
	"slices"
)

// ServiceRank says how much of what is unusual points to one service.
type ServiceRank struct {
	Name string `json:"name"`
	// Score ranks the services of one report; the first has 1, none has 0.
	Score float64 `json:"score"`
	// Severity is the highest of its anomalies.
	Severity Severity `json:"severity"`
	// Anomalies is how many name it.
	Anomalies int `json:"anomalies"`
}

// severityWeight is how many anomalies of the severity below one counts for: a
// service with one high anomaly comes before one with three medium ones.
const severityWeight = 4

// RankServices orders the services that the anomalies name, the most suspicious
// first. An anomaly counts by its severity and score, and is shared among the
// services that it names: what all of them show points to none of them. Equal
// scores are ordered by name.
func RankServices(anomalies []Anomaly) []ServiceRank {
	ranks := map[string]*ServiceRank{}
	for i := range anomalies {
		a := &anomalies[i]
		weight := 0.5 + a.Score/2
		for s := SeverityInfo; s < a.Severity; s++ {
			weight *= severityWeight
		}
		for _, name := range a.Services {
			r := ranks[name]
			if r == nil {
				r = &ServiceRank{Name: name}
				ranks[name] = r
			}
			r.Score += weight / float64(len(a.Services))
			r.Severity = max(r.Severity, a.Severity)
			r.Anomalies++
		}
	}
	out := make([]ServiceRank, 0, len(ranks))
	highest := 0.0
	for _, r := range ranks {
		out = append(out, *r)
		highest = max(highest, r.Score)
	}
	for i := range out {
		out[i].Score /= highest
	}
	slices.SortFunc(out, func(a, b ServiceRank) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Name, b.Name))
	})
	return out
}
