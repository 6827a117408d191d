package portstest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

var logBatchCases = []logCase{
	{
		name:    "keeps the order of the calls and of their arguments",
		promise: "CloseBatch returns the ids of its entries in their order",
		run: func(t *testing.T, h LogHarness) {
			first, second := uuid.New(), uuid.New()
			var want, other []domain.LogEntry
			for i, size := range []int{1, 7, 3} {
				// Later calls have older timestamps: these have no say.
				entries := newLogs(size)
				for j := range entries {
					entries[j].Timestamp = logTime.Add(-time.Duration(i*10+j) * time.Hour)
				}
				want = append(want, entries...)
				require.Equal(t, len(want), mustSave(t, h.Repository, first, entries...))
				entries = newLogs(2)
				other = append(other, entries...)
				require.Equal(t, len(other), mustSave(t, h.Repository, second, entries...))
			}
			ids, err := h.Repository.CloseBatch(t.Context(), first)
			require.NoError(t, err)
			require.Equal(t, logIDs(want), ids)
			ids, err = h.Repository.CloseBatch(t.Context(), second)
			require.NoError(t, err)
			require.Equal(t, logIDs(other), ids)
		},
	},
	{
		name:    "takes no more entries once it is closed",
		promise: "If the batch is closed, nothing is stored and the error is domain.ErrBatchClosed",
		run: func(t *testing.T, h LogHarness) {
			batch, open := uuid.New(), uuid.New()
			mustSave(t, h.Repository, batch, newLogs(2)...)
			_, err := h.Repository.CloseBatch(t.Context(), batch)
			require.NoError(t, err)
			late := newLog("late")
			_, err = h.Repository.SaveLogs(t.Context(), batch, late)
			require.ErrorIs(t, err, domain.ErrBatchClosed)
			require.Empty(t, mustGet(t, h.Repository, late.ID))
			require.Len(t, logPages(t, h.Repository, domain.LogFilter{}, nil), 2)
			require.Equal(t, 1, mustSave(t, h.Repository, open, late), "another batch takes it")
		},
	},
	{
		name:    "gives the same ids each time it is closed",
		promise: "Closing it again gives the same ids",
		run: func(t *testing.T, h LogHarness) {
			batch, entries := uuid.New(), newLogs(5)
			mustSave(t, h.Repository, batch, entries...)
			for range 3 {
				ids, err := h.Repository.CloseBatch(t.Context(), batch)
				require.NoError(t, err)
				require.Equal(t, logIDs(entries), ids)
				_, err = h.Repository.SaveLogs(t.Context(), batch, newLog("late"))
				require.ErrorIs(t, err, domain.ErrBatchClosed)
				h.Advance(time.Minute)
			}
		},
	},
	{
		name:    "is closed although it never was",
		promise: "A batch that has none, or never was, is closed and gives none",
		run: func(t *testing.T, h LogHarness) {
			batch := uuid.New()
			for range 2 {
				ids, err := h.Repository.CloseBatch(t.Context(), batch)
				require.NoError(t, err)
				require.Empty(t, ids)
			}
			late := newLog("late")
			_, err := h.Repository.SaveLogs(t.Context(), batch, late)
			require.ErrorIs(t, err, domain.ErrBatchClosed)
			require.Empty(t, mustGet(t, h.Repository, late.ID))
		},
	},
	{
		name:    "holds exactly what was saved before it was closed",
		promise: "CloseBatch lets no more entries into the batch, in one atomic step",
		run:     closesUnderLoad,
	},
	{
		name:    "goes with all that belongs to it and nothing else",
		promise: "DeleteBatches removes the batches with their entries, all indexes of them, and their analyses",
		run: func(t *testing.T, h LogHarness) {
			gone, kept := []domain.BatchID{uuid.New(), uuid.New()}, uuid.New()
			var goneLogs []domain.LogEntry
			for i, batch := range gone {
				entries := newLogs(3)
				goneLogs = append(goneLogs, entries...)
				mustSave(t, h.Repository, batch, entries...)
				if i == 0 {
					_, err := h.Repository.CloseBatch(t.Context(), batch)
					require.NoError(t, err)
				}
				mustSaveAnalysis(t, h.Repository, batch, newAnalysis("gone", 2))
			}
			keptLogs := newLogs(3)
			mustSave(t, h.Repository, kept, keptLogs...)
			mustSaveAnalysis(t, h.Repository, kept, newAnalysis("kept", 2))

			for range 2 { // The repeat finds nothing, and says nothing.
				require.NoError(t, h.Repository.DeleteBatches(t.Context(), gone[0], uuid.New(), gone[1], gone[0]))
				require.Empty(t, mustGet(t, h.Repository, logIDs(goneLogs)...))
				require.ElementsMatch(t, logIDs(keptLogs), logIDs(logPages(t, h.Repository, domain.LogFilter{}, nil)))
				for _, batch := range gone {
					_, err := h.Repository.GetAnalysis(t.Context(), batch)
					require.ErrorIs(t, err, domain.ErrAnalysisNotFound)
				}
				anomalies := anomalyPages(t, h.Repository, domain.AnomalyFilter{}, nil)
				require.Len(t, anomalies, 2)
				for _, a := range anomalies {
					require.Equal(t, kept, a.TaskID)
				}
			}
			_, err := h.Repository.GetAnalysis(t.Context(), kept)
			require.NoError(t, err)
			ids, err := h.Repository.CloseBatch(t.Context(), kept)
			require.NoError(t, err)
			require.Equal(t, logIDs(keptLogs), ids)
			h.Advance(time.Hour)
			n, err := h.Repository.PurgeLogs(t.Context(), time.Minute, 100)
			require.NoError(t, err)
			require.Equal(t, len(keptLogs), n, "the purge finds nothing of the deleted entries")
			n, err = h.Repository.PurgeAnalyses(t.Context(), time.Minute, 100)
			require.NoError(t, err)
			require.Equal(t, 1, n)
		},
	},
	{
		name:    "may come again after it was deleted",
		promise: "The batch comes into being with its first entry",
		run: func(t *testing.T, h LogHarness) {
			batch, entries := uuid.New(), newLogs(2)
			mustSave(t, h.Repository, batch, entries...)
			_, err := h.Repository.CloseBatch(t.Context(), batch)
			require.NoError(t, err)
			require.NoError(t, h.Repository.DeleteBatches(t.Context(), batch))
			require.Equal(t, 2, mustSave(t, h.Repository, batch, entries...))
			require.Equal(t, logIDs(entries), logIDs(mustGet(t, h.Repository, logIDs(entries)...)))
		},
	},
	{
		name:    "goes whatever its size, and whatever the number of batches",
		promise: "DeleteBatches removes the batches with their entries",
		run: func(t *testing.T, h LogHarness) {
			large := uuid.New()
			mustSave(t, h.Repository, large, newLogs(2*ports.MaxSaveLogs+1)...)
			batches := []domain.BatchID{large}
			for range 250 {
				batch := uuid.New()
				mustSave(t, h.Repository, batch, newLog("small"))
				batches = append(batches, batch)
			}
			require.NoError(t, h.Repository.DeleteBatches(t.Context(), batches...))
			require.Empty(t, logPages(t, h.Repository, domain.LogFilter{}, nil))
			require.Zero(t, mustSave(t, h.Repository, large))
		},
	},
}

// closesUnderLoad closes a batch while many callers save into it.
func closesUnderLoad(t *testing.T, h LogHarness) {
	const callers, calls = 6, 200
	batch := uuid.New()
	under := make(chan struct{})
	var (
		running sync.WaitGroup
		mu      sync.Mutex // guards the fields below, which all callers write
		saved   []domain.LogID
		refused []domain.LogID
		broken  error
	)
	for i := range callers {
		running.Go(func() {
			for j := range calls {
				entries := []domain.LogEntry{newLog(fmt.Sprintf("line %d of %d", j, i)), newLog("and another")}
				_, err := h.Repository.SaveLogs(t.Context(), batch, entries...)
				mu.Lock()
				switch {
				case err == nil:
					saved = append(saved, logIDs(entries)...)
					if len(saved) == 20 {
						close(under)
					}
				case errors.Is(err, domain.ErrBatchClosed):
					refused = append(refused, logIDs(entries)...)
				default:
					broken = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		running.Wait()
		close(done)
	}()
	select {
	case <-under:
	case <-done:
	}
	ids, closeErr := h.Repository.CloseBatch(t.Context(), batch)
	<-done
	require.NoError(t, closeErr)
	require.NoError(t, broken)
	require.Len(t, ids, len(saved))
	require.ElementsMatch(t, saved, ids, "each entry whose save succeeded is in the closed batch, and no other")
	for part := range slices.Chunk(ids, ports.MaxSaveLogs) {
		require.Len(t, mustGet(t, h.Repository, part...), len(part))
	}
	require.Empty(t, mustGet(t, h.Repository, refused...), "what was refused is not stored")
	again, err := h.Repository.CloseBatch(t.Context(), batch)
	require.NoError(t, err)
	require.Equal(t, ids, again)
}
