package portstest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// anomalyCases check what ListAnomalies selects, and how it pages through it.
var anomalyCases = []storeCase{
	{
		name:    "lists what each filter selects",
		promise: "ListAnomalies returns the anomalies that the filter selects, with any page size",
		run:     filtersAnomalies,
	},
	{
		name:    "gives the history of one anomaly",
		promise: "ID selects the findings of one anomaly, in every analysis that found it",
		run:     givesHistory,
	},
	{
		name:    "compares ids by all of their bytes",
		promise: "ID selects the findings of one anomaly",
		run: func(t *testing.T, h *storeTest) {
			ids := []string{"a", "ab", "A", "a ", " a", "a:b", "{a}", "*", "%", "'", "é", "\u00e9\u0301", "a\x00", "a\x00b", "12345678", "123456789", fmt.Sprintf("%0250d", 1)}
			for range 2 {
				result := newAnalysis("run", len(ids))
				for i, id := range ids {
					result.Anomalies[i].ID = id
				}
				mustSaveAnalysis(t, h.Logs, uuid.New(), result)
			}
			for _, id := range ids {
				found := anomalyNames(anomalyPages(t, h.Logs, domain.AnomalyFilter{ID: id}, nil))
				require.Equal(t, []string{id, id}, found, "id %q", id)
			}
			require.Empty(t, anomalyPages(t, h.Logs, domain.AnomalyFilter{ID: "b"}, nil))
		},
	},
	{
		name:    "has no history of an anomaly whose analyses are gone",
		promise: "DeleteBatches and PurgeAnalyses remove analyses with their anomalies, and all indexes of them",
		run: func(t *testing.T, h *storeTest) {
			var tasks []domain.TaskID
			for i := range 6 {
				tasks = append(tasks, uuid.New())
				mustSaveAnalysis(t, h.Logs, tasks[i], sharedAnalysis(i, 3))
				h.Advance(time.Minute)
			}
			history := func(want ...int) {
				t.Helper()
				var runs []int
				for _, a := range anomalyPages(t, h.Logs, domain.AnomalyFilter{ID: "shared", Limit: 2}, nil) {
					runs = append(runs, slices.Index(tasks, a.TaskID))
				}
				require.Equal(t, want, runs)
			}
			history(5, 4, 3, 2, 1, 0)
			require.NoError(t, h.Logs.DeleteBatches(t.Context(), tasks[3], tasks[5]))
			history(4, 2, 1, 0)
			require.Equal(t, 2, mustPurgeAnalyses(t, h.Logs, 0, 2))
			history(4, 2)
			mustSaveAnalysis(t, h.Logs, tasks[0], sharedAnalysis(7, 1))
			history(0, 4, 2)
			require.Equal(t, 3, mustPurgeAnalyses(t, h.Logs, 0, 100))
			require.Empty(t, anomalyPages(t, h.Logs, domain.AnomalyFilter{ID: "shared"}, nil))
		},
	},
	{
		name:    "purges more anomalies than one step removes",
		promise: "PurgeAnalyses removes analyses with their anomalies, at most limit of them, and returns how many",
		run: func(t *testing.T, h *storeTest) {
			const analyses = 12
			for i := range analyses {
				mustSaveAnalysis(t, h.Logs, uuid.New(), newAnalysis(fmt.Sprint("run ", i), domain.MaxAnomalies))
			}
			h.Advance(time.Hour)
			require.Equal(t, analyses-1, mustPurgeAnalyses(t, h.Logs, 0, analyses-1))
			require.Empty(t, anomalyPages(t, h.Logs, domain.AnomalyFilter{ID: "run 3-7"}, nil))
			require.Len(t, anomalyPages(t, h.Logs, domain.AnomalyFilter{Limit: domain.MaxPageSize}, nil), domain.MaxAnomalies)
		},
	},
	keepsPlaceCase("keeps its place while analyses come and go", domain.AnomalyFilter{Limit: 2}),
	keepsPlaceCase("keeps its place in the history of one anomaly", domain.AnomalyFilter{ID: "shared", Limit: 2}),
	keepsPlaceCase("keeps its place among those of one kind with a text", domain.AnomalyFilter{Kind: domain.AnomalyNewTemplate, Text: "TEMPLATE", Limit: 2}),
}

// sharedAnalysis is the result of a run: n anomalies of its own, of which the
// middle one is "shared" by all runs.
func sharedAnalysis(run, n int) domain.AnalysisResult {
	result := newAnalysis(fmt.Sprint("run ", run), n)
	for i := range result.Anomalies {
		a := &result.Anomalies[i]
		a.Evidence = a.ID // tells findings of one id apart
		a.Kind, a.Template = domain.AnomalyNewTemplate, "a template of "+a.ID
	}
	if n > 0 {
		result.Anomalies[n/2].ID = "shared"
	}
	return result
}

func anomaliesOf(found []domain.FoundAnomaly) []domain.Anomaly {
	return each(found, func(a *domain.FoundAnomaly) domain.Anomaly { return a.Anomaly })
}

// filtersAnomalies compares the list with what domain.AnomalyFilter.Matches
// selects.
func filtersAnomalies(t *testing.T, h *storeTest) {
	var all []domain.Anomaly // in the order of the list
	services := [][]string{{"api"}, {"db", "api"}, nil, {"API"}}
	kinds := []domain.AnomalyKind{domain.AnomalyErrorBurst, domain.AnomalyNewTemplate, domain.AnomalyCountVector, domain.AnomalyMissingEvent, domain.AnomalyNewTemplate}
	for i := range 6 {
		result := sharedAnalysis(i, 6)
		for j := range result.Anomalies {
			a := &result.Anomalies[j]
			a.Services = services[(i+j)%len(services)]
			a.Kind = kinds[(i+2*j)%len(kinds)]
			a.SampleLines = []string{"a line", fmt.Sprintf("Connection REFUSED by host-%d", (i*6+j)%7)}
			a.LastSeen = logTime.Add(time.Duration(i*6+j) * time.Minute)
		}
		mustSaveAnalysis(t, h.Logs, uuid.New(), result)
		h.Advance(time.Second)
		all = append(slices.Clone(result.Anomalies), all...)
	}
	at := func(minutes int) time.Time { return logTime.Add(time.Duration(minutes) * time.Minute) }
	for name, filter := range map[string]domain.AnomalyFilter{
		"severity":                 {MinSeverity: domain.SeverityHigh},
		"the lowest severity":      {MinSeverity: domain.SeverityInfo},
		"source among several":     {Source: "api"},
		"source that is not there": {Source: "nobody"},
		"from, included":           {From: at(30)},
		"from, just after":         {From: at(30).Add(time.Nanosecond)},
		"to, excluded":             {To: at(3)},
		"to, just after":           {To: at(3).Add(time.Nanosecond)},
		"from and to":              {From: at(7), To: at(22)},
		"to before from":           {From: at(22), To: at(7)},
		"id of many":               {ID: "shared"},
		"id of one":                {ID: "run 2-1"},
		"id that is not there":     {ID: "run 2"},
		"id in other case":         {ID: "Shared"},
		"kind":                     {Kind: domain.AnomalyNewTemplate},
		"kind that is not there":   {Kind: domain.AnomalyNumericOutlier},
		"text of a template":       {Text: "template of run 3-"},
		"text of a sample line":    {Text: "by host-4"},
		"text in other case":       {Text: "connection refused BY HOST-0"},
		"text that is not there":   {Text: "host-8"},
		"text of no such place":    {Text: "network"}, // the category
		"id, kind and text":        {ID: "shared", Kind: domain.AnomalyNewTemplate, Text: "HOST-1"},
		"id and severity":          {ID: "shared", MinSeverity: domain.SeverityMedium, From: at(5), To: at(30)},
		"id and lower severity":    {ID: "shared", MinSeverity: domain.SeverityLow, Source: "api"},
		"all": {
			MinSeverity: domain.SeverityLow, ID: "shared", Kind: domain.AnomalyNewTemplate, Source: "api", Text: "refused", From: at(2), To: at(33),
		},
		"all but the id": {MinSeverity: domain.SeverityMedium, Kind: domain.AnomalyNewTemplate, Source: "db", Text: "refused", From: at(2), To: at(33)},
	} {
		want := []domain.Anomaly{}
		for i := range all {
			if filter.Matches(&all[i]) {
				want = append(want, all[i])
			}
		}
		for _, limit := range []int{1, 4, 0} {
			filter.Limit = limit
			require.Equal(t, want, anomaliesOf(anomalyPages(t, h.Logs, filter, nil)), "filter %s with limit %d", name, limit)
		}
	}
}

// givesHistory follows one anomaly through many analyses, most of which did not
// find it, and some twice.
func givesHistory(t *testing.T, h *storeTest) {
	var want []domain.Anomaly
	for i := range 120 {
		result := sharedAnalysis(i, i%5)
		switch {
		case i%4 == 0:
			for j := range result.Anomalies {
				result.Anomalies[j].ID = fmt.Sprintf("other %d-%d", i, j)
			}
		case i%9 == 0 && len(result.Anomalies) > 1:
			result.Anomalies[0].ID = "shared"
		}
		mustSaveAnalysis(t, h.Logs, uuid.New(), result)
		if i%10 == 0 {
			h.Advance(time.Second)
		}
		var found []domain.Anomaly
		for _, a := range result.Anomalies {
			if a.ID == "shared" {
				found = append(found, a)
			}
		}
		want = append(found, want...)
	}
	for _, limit := range []int{1, 7, len(want) - 1, len(want), domain.MaxPageSize} {
		// Analyses of one moment may be listed in any order.
		require.ElementsMatch(t, want, anomaliesOf(anomalyPages(t, h.Logs, domain.AnomalyFilter{ID: "shared", Limit: limit}, nil)), "limit %d", limit)
	}
	page, err := h.Logs.ListAnomalies(t.Context(), domain.AnomalyFilter{ID: "shared", Limit: len(want)})
	require.NoError(t, err)
	require.Len(t, page.Anomalies, len(want), "a page of one id is as full as it can be")
}

func keepsPlaceCase(name string, filter domain.AnomalyFilter) storeCase {
	return storeCase{
		name, "Paging through sees each anomaly that is selected for the whole time exactly once, whatever is added or deleted meanwhile",
		func(t *testing.T, h *storeTest) { keepsPlace(t, h, filter) },
	}
}

// keepsPlace pages through what the filter selects of sharedAnalysis while analyses
// are stored and deleted.
func keepsPlace(t *testing.T, h *storeTest, filter domain.AnomalyFilter) {
	var want []string
	var goes []domain.TaskID
	for i := range 12 {
		task, result := uuid.New(), sharedAnalysis(i, 3)
		mustSaveAnalysis(t, h.Logs, task, result)
		h.Advance(time.Second)
		if i%3 == 0 {
			goes = append(goes, task)
			continue
		}
		for _, a := range result.Anomalies {
			if filter.Matches(&a) {
				want = append(want, a.Evidence)
			}
		}
	}
	require.NotEmpty(t, want)
	round := 0
	got := anomalyPages(t, h.Logs, filter, func() {
		h.Advance(time.Second)
		if round < 40 { // a list that is counted off would never end
			mustSaveAnalysis(t, h.Logs, uuid.New(), sharedAnalysis(100+round, 2))
		}
		if round < len(goes) {
			// From the newest on: one of these is where the list stands.
			require.NoError(t, h.Logs.DeleteBatches(t.Context(), goes[len(goes)-1-round]))
		}
		round++
	})
	var names []string
	for i := range got {
		require.True(t, filter.Matches(&got[i].Anomaly))
		names = append(names, got[i].Evidence)
	}
	for _, name := range want {
		require.True(t, slices.Contains(names, name), "anomaly %s was not seen", name)
	}
	slices.Sort(names)
	require.Len(t, slices.Compact(names), len(got), "an anomaly was seen twice")
}
