package portstest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

var logPurgeCases = []logCase{
	{
		name:    "removes entries that arrived long ago",
		promise: "PurgeLogs removes entries that were received age or longer ago",
		run: func(t *testing.T, h LogHarness) {
			old, young := newLogs(3), newLogs(2)
			for i := range old {
				old[i].Timestamp = logTime.AddDate(50, 0, i) // what an entry claims has no say
			}
			batch := uuid.New()
			mustSave(t, h.Repository, batch, old...)
			h.Advance(time.Hour)
			require.Equal(t, 5, mustSave(t, h.Repository, batch, young...))

			n, err := h.Repository.PurgeLogs(t.Context(), 2*time.Hour, 100)
			require.NoError(t, err)
			require.Zero(t, n, "nothing is as old")
			n, err = h.Repository.PurgeLogs(t.Context(), 30*time.Minute, 100)
			require.NoError(t, err)
			require.Equal(t, len(old), n)
			n, err = h.Repository.PurgeLogs(t.Context(), 30*time.Minute, 100)
			require.NoError(t, err)
			require.Zero(t, n)

			require.Empty(t, mustGet(t, h.Repository, logIDs(old)...))
			require.ElementsMatch(t, logIDs(young), logIDs(logPages(t, h.Repository, domain.LogFilter{}, nil)))
			require.Equal(t, 2, mustSave(t, h.Repository, batch), "the count is without them")
			ids, err := h.Repository.CloseBatch(t.Context(), batch)
			require.NoError(t, err)
			require.Equal(t, logIDs(young), ids)
		},
	},
	{
		name:    "removes the oldest arrivals first, no more than the limit",
		promise: "PurgeLogs removes at most limit entries, the oldest first, and returns how many",
		run: func(t *testing.T, h LogHarness) {
			batches := []domain.BatchID{uuid.New(), uuid.New(), uuid.New()}
			entries := newLogs(9)
			for i := range entries {
				entries[i].Timestamp = logTime.Add(-time.Duration(i) * time.Hour)
				mustSave(t, h.Repository, batches[i%3], entries[i])
				h.Advance(time.Second)
			}
			h.Advance(time.Hour)
			for _, step := range []struct{ limit, removed, left int }{{4, 4, 5}, {1, 1, 4}, {10, 4, 0}} {
				n, err := h.Repository.PurgeLogs(t.Context(), time.Hour, step.limit)
				require.NoError(t, err)
				require.Equal(t, step.removed, n)
				require.Equal(t, logIDs(entries[len(entries)-step.left:]), logIDs(mustGet(t, h.Repository, logIDs(entries)...)))
				require.Len(t, logPages(t, h.Repository, domain.LogFilter{}, nil), step.left)
			}
		},
	},
	{
		name:    "removes more entries than one step holds",
		promise: "PurgeLogs removes at most limit entries and returns how many",
		run: func(t *testing.T, h LogHarness) {
			for range 3 {
				mustSave(t, h.Repository, uuid.New(), newLogs(900)...)
			}
			h.Advance(time.Hour)
			n, err := h.Repository.PurgeLogs(t.Context(), time.Minute, 2500)
			require.NoError(t, err)
			require.Equal(t, 2500, n)
			require.Len(t, logPages(t, h.Repository, domain.LogFilter{Limit: domain.MaxPageSize}, nil), 200)
		},
	},
	{
		name:    "leaves analyses alone when it removes entries",
		promise: "PurgeLogs removes entries",
		run: func(t *testing.T, h LogHarness) {
			batch := uuid.New()
			mustSave(t, h.Repository, batch, newLogs(2)...)
			mustSaveAnalysis(t, h.Repository, batch, newAnalysis("kept", 2))
			h.Advance(time.Hour)
			n, err := h.Repository.PurgeLogs(t.Context(), time.Minute, 100)
			require.NoError(t, err)
			require.Equal(t, 2, n)
			_, err = h.Repository.GetAnalysis(t.Context(), batch)
			require.NoError(t, err)
			require.Len(t, anomalyPages(t, h.Repository, domain.AnomalyFilter{}, nil), 2)
		},
	},
	{
		name:    "removes analyses with their anomalies, the oldest first",
		promise: "PurgeAnalyses removes analyses with their anomalies that were stored age or longer ago, at most limit of them, the oldest first",
		run: func(t *testing.T, h LogHarness) {
			var tasks []domain.TaskID
			entry := newLog("kept")
			for i := range 6 {
				tasks = append(tasks, uuid.New())
				mustSaveAnalysis(t, h.Repository, tasks[i], newAnalysis(fmt.Sprint("run ", i), 2))
				h.Advance(time.Second)
			}
			mustSave(t, h.Repository, tasks[0], entry)
			h.Advance(time.Hour)
			young := uuid.New()
			mustSaveAnalysis(t, h.Repository, young, newAnalysis("young", 2))

			n, err := h.Repository.PurgeAnalyses(t.Context(), 2*time.Hour, 100)
			require.NoError(t, err)
			require.Zero(t, n, "nothing is as old")
			for _, step := range []struct{ limit, removed, gone int }{{4, 4, 4}, {100, 2, 6}, {100, 0, 6}} {
				n, err := h.Repository.PurgeAnalyses(t.Context(), 30*time.Minute, step.limit)
				require.NoError(t, err)
				require.Equal(t, step.removed, n)
				for i, task := range tasks {
					_, err := h.Repository.GetAnalysis(t.Context(), task)
					if i < step.gone {
						require.ErrorIs(t, err, domain.ErrAnalysisNotFound)
					} else {
						require.NoError(t, err)
					}
				}
				require.Len(t, anomalyPages(t, h.Repository, domain.AnomalyFilter{}, nil), 2*(len(tasks)-step.gone)+2)
			}
			require.Len(t, mustGet(t, h.Repository, entry.ID), 1, "entries stay")
			mustSaveAnalysis(t, h.Repository, tasks[0], newAnalysis("again", 1))
			_, err = h.Repository.GetAnalysis(t.Context(), tasks[0])
			require.NoError(t, err)
		},
	},
}
