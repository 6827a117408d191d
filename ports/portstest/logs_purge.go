package portstest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

var logPurgeCases = []storeCase{
	{
		name:    "removes entries that arrived long ago",
		promise: "PurgeLogs removes entries that were received age or longer ago",
		run: func(t *testing.T, h *storeTest) {
			old, young := newLogs(3), newLogs(2)
			for i := range old {
				old[i].Timestamp = logTime.AddDate(50, 0, i) // what an entry claims has no say
			}
			batch := uuid.New()
			mustSave(t, h.Logs, batch, old...)
			h.Advance(time.Hour)
			require.Equal(t, 5, mustSave(t, h.Logs, batch, young...))

			require.Zero(t, mustPurge(t, h.Logs, 2*time.Hour, 100), "nothing is as old")
			require.Equal(t, len(old), mustPurge(t, h.Logs, 30*time.Minute, 100))
			require.Zero(t, mustPurge(t, h.Logs, 30*time.Minute, 100))

			require.Empty(t, mustGet(t, h.Logs, logIDs(old)...))
			require.ElementsMatch(t, logIDs(young), logIDs(logPages(t, h.Logs, domain.LogFilter{}, nil)))
			require.Equal(t, 2, mustSave(t, h.Logs, batch), "the count is without them")
			require.Equal(t, logIDs(young), mustClose(t, h.Logs, batch))
		},
	},
	{
		name:    "removes the oldest arrivals first, no more than the limit",
		promise: "PurgeLogs removes at most limit entries, the oldest first, and returns how many",
		run: func(t *testing.T, h *storeTest) {
			batches := []domain.BatchID{uuid.New(), uuid.New(), uuid.New()}
			entries := newLogs(9)
			for i := range entries {
				entries[i].Timestamp = logTime.Add(-time.Duration(i) * time.Hour)
				mustSave(t, h.Logs, batches[i%3], entries[i])
				h.Advance(time.Second)
			}
			h.Advance(time.Hour)
			for _, step := range []struct{ limit, removed, left int }{{4, 4, 5}, {1, 1, 4}, {10, 4, 0}} {
				require.Equal(t, step.removed, mustPurge(t, h.Logs, time.Hour, step.limit))
				require.Equal(t, logIDs(entries[len(entries)-step.left:]), logIDs(mustGet(t, h.Logs, logIDs(entries)...)))
				require.Len(t, logPages(t, h.Logs, domain.LogFilter{}, nil), step.left)
			}
		},
	},
	{
		name:    "removes more entries than one step holds",
		promise: "PurgeLogs removes at most limit entries and returns how many",
		run: func(t *testing.T, h *storeTest) {
			for range 3 {
				mustSave(t, h.Logs, uuid.New(), newLogs(900)...)
			}
			h.Advance(time.Hour)
			require.Equal(t, 2500, mustPurge(t, h.Logs, time.Minute, 2500))
			require.Len(t, logPages(t, h.Logs, domain.LogFilter{Limit: domain.MaxPageSize}, nil), 200)
		},
	},
	{
		name:    "leaves analyses alone when it removes entries",
		promise: "PurgeLogs removes entries",
		run: func(t *testing.T, h *storeTest) {
			batch := uuid.New()
			mustSave(t, h.Logs, batch, newLogs(2)...)
			mustSaveAnalysis(t, h.Logs, batch, newAnalysis("kept", 2))
			h.Advance(time.Hour)
			require.Equal(t, 2, mustPurge(t, h.Logs, time.Minute, 100))
			mustGetAnalysis(t, h.Logs, batch)
			require.Len(t, anomalyPages(t, h.Logs, domain.AnomalyFilter{}, nil), 2)
		},
	},
	{
		name:    "removes analyses with their anomalies, the oldest first",
		promise: "PurgeAnalyses removes analyses with their anomalies that were stored age or longer ago, at most limit of them, the oldest first",
		run: func(t *testing.T, h *storeTest) {
			var tasks []domain.TaskID
			entry := newLog("kept")
			for i := range 6 {
				tasks = append(tasks, uuid.New())
				mustSaveAnalysis(t, h.Logs, tasks[i], newAnalysis(fmt.Sprint("run ", i), 2))
				h.Advance(time.Second)
			}
			mustSave(t, h.Logs, tasks[0], entry)
			h.Advance(time.Hour)
			young := uuid.New()
			mustSaveAnalysis(t, h.Logs, young, newAnalysis("young", 2))

			require.Zero(t, mustPurgeAnalyses(t, h.Logs, 2*time.Hour, 100), "nothing is as old")
			for _, step := range []struct{ limit, removed, gone int }{{4, 4, 4}, {100, 2, 6}, {100, 0, 6}} {
				require.Equal(t, step.removed, mustPurgeAnalyses(t, h.Logs, 30*time.Minute, step.limit))
				for i, task := range tasks {
					_, err := h.Logs.GetAnalysis(t.Context(), task)
					if i < step.gone {
						require.ErrorIs(t, err, domain.ErrAnalysisNotFound)
					} else {
						require.NoError(t, err)
					}
				}
				require.Len(t, anomalyPages(t, h.Logs, domain.AnomalyFilter{}, nil), 2*(len(tasks)-step.gone)+2)
			}
			require.Len(t, mustGet(t, h.Logs, entry.ID), 1, "entries stay")
			mustSaveAnalysis(t, h.Logs, tasks[0], newAnalysis("again", 1))
			mustGetAnalysis(t, h.Logs, tasks[0])
		},
	},
}
