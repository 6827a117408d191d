package portstest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// newAnalysis returns a result with n anomalies, the most severe first.
func newAnalysis(summary string, n int) domain.AnalysisResult {
	result := domain.AnalysisResult{
		Analyzer: "builtin", Summary: summary, LogCount: n, AnalysedCount: n, SchemaVersion: domain.AnalysisSchemaVersion,
		Window:    domain.TimeWindow{From: logTime, To: logTime.Add(time.Hour)},
		Anomalies: []domain.Anomaly{},
	}
	for i := range n {
		result.Anomalies = append(result.Anomalies, domain.Anomaly{
			ID: fmt.Sprintf("%s-%d", summary, i), Kind: domain.AnomalyErrorBurst, Category: domain.CategoryNetwork,
			Severity: max(domain.SeverityCritical-domain.Severity(min(i, 4)), domain.SeverityInfo),
			Score:    0.5, Confidence: 1, LogIDs: []domain.LogID{uuid.New()}, SampleLines: []string{"line"},
			Count: i + 1, FirstSeen: logTime, LastSeen: logTime.Add(time.Duration(i) * time.Minute),
			Services: []string{"api"}, Source: "local",
		})
		result.Severity = max(result.Severity, result.Anomalies[i].Severity)
	}
	return result
}

func mustSaveAnalysis(t *testing.T, r ports.LogRepository, task domain.TaskID, result domain.AnalysisResult) {
	t.Helper()
	require.NoError(t, r.SaveAnalysis(t.Context(), task, result))
}

// namesOf are the ids of a result's anomalies.
func namesOf(result domain.AnalysisResult) []string {
	return each(result.Anomalies, func(a *domain.Anomaly) string { return a.ID })
}

func anomalyNames(found []domain.FoundAnomaly) []string {
	return each(found, func(a *domain.FoundAnomaly) string { return a.ID })
}

var analysisCases = []storeCase{
	{
		name:    "keeps every field of a result",
		promise: "SaveAnalysis stores the result under its task",
		run: func(t *testing.T, h *storeTest) {
			var want domain.AnalysisResult
			fillAll(t, reflect.ValueOf(&want).Elem(), new(int))
			task := uuid.New()
			mustSaveAnalysis(t, h.Logs, task, want)
			got := mustGetAnalysis(t, h.Logs, task)
			require.Equal(t, task, got.TaskID)
			require.Equal(t, want, got.Result)
			found := anomalyPages(t, h.Logs, domain.AnomalyFilter{}, nil)
			require.Len(t, found, len(want.Anomalies))
			for i, a := range found {
				require.Equal(t, domain.FoundAnomaly{Anomaly: want.Anomalies[i], TaskID: task, FoundAt: got.StoredAt}, a)
			}
		},
	},
	{
		name:    "keeps a result that found nothing",
		promise: "SaveAnalysis stores the result under its task",
		run: func(t *testing.T, h *storeTest) {
			task, want := uuid.New(), newAnalysis("nothing", 0)
			mustSaveAnalysis(t, h.Logs, task, want)
			got := mustGetAnalysis(t, h.Logs, task)
			require.Equal(t, want, got.Result)
			require.Empty(t, anomalyPages(t, h.Logs, domain.AnomalyFilter{}, nil))
		},
	},
	{
		name:    "sets the time by the store's clock",
		promise: "StoredAt is the store's time",
		run: func(t *testing.T, h *storeTest) {
			first, second := uuid.New(), uuid.New()
			mustSaveAnalysis(t, h.Logs, first, newAnalysis("first", 1))
			h.Advance(time.Hour)
			mustSaveAnalysis(t, h.Logs, second, newAnalysis("second", 1))
			a := mustGetAnalysis(t, h.Logs, first)
			b := mustGetAnalysis(t, h.Logs, second)
			between := b.StoredAt.Sub(a.StoredAt)
			require.GreaterOrEqual(t, between, time.Hour)
			require.Less(t, between, time.Hour+time.Minute)
			require.Equal(t, time.UTC, a.StoredAt.Location())
		},
	},
	{
		name:    "keeps the first result of a task",
		promise: "If one is stored already, that is kept, and no error is returned",
		run: func(t *testing.T, h *storeTest) {
			task := uuid.New()
			mustSaveAnalysis(t, h.Logs, task, newAnalysis("first", 2))
			before := mustGetAnalysis(t, h.Logs, task)
			h.Advance(time.Minute)
			mustSaveAnalysis(t, h.Logs, task, newAnalysis("second", 5))
			require.Equal(t, before, mustGetAnalysis(t, h.Logs, task))
			require.Equal(t, []string{"first-0", "first-1"}, anomalyNames(anomalyPages(t, h.Logs, domain.AnomalyFilter{}, nil)))
		},
	},
	{
		name:    "keeps one result of those that are saved at the same time",
		promise: "SaveAnalysis stores the result in one step; the first is kept",
		run: func(t *testing.T, h *storeTest) {
			task := uuid.New()
			require.NoError(t, errors.Join(atOnce(8, func(i int) error {
				return h.Logs.SaveAnalysis(t.Context(), task, newAnalysis(fmt.Sprint("caller ", i), 3))
			})...))
			kept := mustGetAnalysis(t, h.Logs, task)
			want := newAnalysis(kept.Result.Summary, 3)
			require.Equal(t, namesOf(want), anomalyNames(anomalyPages(t, h.Logs, domain.AnomalyFilter{}, nil)))
		},
	},
	{
		name:    "says that there is none",
		promise: "GetAnalysis returns the analysis of the task, or domain.ErrAnalysisNotFound",
		run: func(t *testing.T, h *storeTest) {
			require.ErrorIs(t, errOf(h.Logs.GetAnalysis(t.Context(), uuid.New())), domain.ErrAnalysisNotFound)
		},
	},
	{
		name:    "shares no memory with its callers",
		promise: "Results that go in and come out are copies; neither side keeps them",
		run: func(t *testing.T, h *storeTest) {
			var result domain.AnalysisResult
			fillAll(t, reflect.ValueOf(&result).Elem(), new(int))
			task := uuid.New()
			mustSaveAnalysis(t, h.Logs, task, result)
			spoil := func(r *domain.AnalysisResult) {
				r.Warnings[0], r.MissingLogIDs[0], r.Usage.Calls = "changed", uuid.Nil, -1
				spoilAnomaly(&r.Anomalies[0])
			}
			want := mustGetAnalysis(t, h.Logs, task)
			spoil(&result)
			for range 2 {
				got := mustGetAnalysis(t, h.Logs, task)
				require.Equal(t, want, got)
				spoil(&got.Result)
				found := anomalyPages(t, h.Logs, domain.AnomalyFilter{}, nil)
				require.Equal(t, want.Result.Anomalies[0], found[0].Anomaly)
				spoilAnomaly(&found[0].Anomaly)
			}
		},
	},
	{
		name:    "lists the anomalies of the newest analysis first",
		promise: "ListAnomalies returns a page of the anomalies that the filter selects, newest analysis first and, within one, in the order of its result",
		run: func(t *testing.T, h *storeTest) {
			var want []string
			for i := range 5 {
				result := newAnalysis(fmt.Sprint("run ", i), i)
				mustSaveAnalysis(t, h.Logs, uuid.New(), result)
				h.Advance(time.Second)
				want = append(namesOf(result), want...)
			}
			for _, limit := range []int{1, 2, 3, 10, 11, domain.MaxPageSize} {
				require.Equal(t, want, anomalyNames(anomalyPages(t, h.Logs, domain.AnomalyFilter{Limit: limit}, nil)), "limit %d", limit)
			}
		},
	},
	{
		name:    "lists anomalies that were stored at one moment each once",
		promise: "Paging through sees each anomaly exactly once",
		run: func(t *testing.T, h *storeTest) {
			var want []string
			for i := range 20 {
				result := newAnalysis(fmt.Sprint("run ", i), 3)
				mustSaveAnalysis(t, h.Logs, uuid.New(), result)
				want = append(want, namesOf(result)...)
			}
			for _, limit := range []int{1, 7, 59, 60} {
				require.ElementsMatch(t, want, anomalyNames(anomalyPages(t, h.Logs, domain.AnomalyFilter{Limit: limit}, nil)))
			}
		},
	},
	{
		name:    "lists the anomalies of the largest result",
		promise: "an analysis may have domain.MaxAnomalies anomalies",
		run: func(t *testing.T, h *storeTest) {
			result := newAnalysis("large", domain.MaxAnomalies)
			for i := range result.Anomalies {
				for range 9 {
					result.Anomalies[i].LogIDs = append(result.Anomalies[i].LogIDs, uuid.New())
				}
			}
			mustSaveAnalysis(t, h.Logs, uuid.New(), newAnalysis("older", 0))
			h.Advance(time.Second)
			mustSaveAnalysis(t, h.Logs, uuid.New(), result)
			require.Equal(t, namesOf(result), anomalyNames(anomalyPages(t, h.Logs, domain.AnomalyFilter{Limit: domain.MaxPageSize}, nil)))
		},
	},
}

func spoilAnomaly(a *domain.Anomaly) {
	a.LogIDs[0], a.SampleLines[0], a.Services[0], a.Sessions[0], a.ID = uuid.Nil, "changed", "changed", "changed", "changed"
}
