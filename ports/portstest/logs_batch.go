package portstest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

var logBatchCases = []storeCase{
	{
		name:    "keeps the order of the calls and of their arguments",
		promise: "CloseBatch returns the ids of its entries in their order",
		run: func(t *testing.T, h *storeTest) {
			first, second := uuid.New(), uuid.New()
			var want, other []domain.LogEntry
			for i, size := range []int{1, 7, 3} {
				// Later calls have older timestamps: these have no say.
				entries := newLogs(size)
				for j := range entries {
					entries[j].Timestamp = logTime.Add(-time.Duration(i*10+j) * time.Hour)
				}
				want = append(want, entries...)
				require.Equal(t, len(want), mustSave(t, h.Logs, first, entries...))
				entries = newLogs(2)
				other = append(other, entries...)
				require.Equal(t, len(other), mustSave(t, h.Logs, second, entries...))
			}
			require.Equal(t, logIDs(want), mustClose(t, h.Logs, first))
			require.Equal(t, logIDs(other), mustClose(t, h.Logs, second))
		},
	},
	{
		name:    "is listed in its order while it grows, from where one was",
		promise: "ListBatch returns entries of the batch in their order, without the first skip of them, and what to skip to go on",
		run: func(t *testing.T, h *storeTest) {
			batch := uuid.New()
			list := func(skip, limit int) ([]domain.LogID, int) {
				t.Helper()
				entries, next, err := h.Logs.ListBatch(t.Context(), batch, skip, limit)
				require.NoError(t, err)
				return logIDs(entries), next
			}
			got, next := list(0, 10)
			require.Empty(t, got)
			require.Zero(t, next)
			var want []domain.LogID
			for _, size := range []int{3, 4} {
				entries := newLogs(size)
				for i := range entries {
					entries[i].Timestamp = logTime.Add(-time.Duration(len(want)+i) * time.Hour)
				}
				mustSave(t, h.Logs, batch, entries...)
				mustSave(t, h.Logs, uuid.New(), newLogs(2)...)
				want = append(want, logIDs(entries)...)
				for next < len(want) {
					got, after := list(next, 2)
					require.Equal(t, want[next:min(next+2, len(want))], got)
					require.Equal(t, next+len(got), after)
					next = after
				}
			}
			entries, _, err := h.Logs.ListBatch(t.Context(), batch, 5, domain.MaxPageSize)
			require.NoError(t, err)
			require.Equal(t, mustGet(t, h.Logs, want[5:]...), entries, "they are whole")
			mustSave(t, h.Logs, batch, newLog("it is open still"))

			large := newLogs(6)
			for i := range large {
				large[i].Message = strings.Repeat("x", 1_000_000)
			}
			batch = uuid.New()
			mustSave(t, h.Logs, batch, large...)
			got, next = list(0, 6)
			require.Len(t, got, 5)
			got, _ = list(next, 6)
			require.Len(t, got, 1)
		},
	},
	{
		name:    "takes no more entries once it is closed",
		promise: "If the batch is closed, nothing is stored and the error is domain.ErrBatchClosed",
		run: func(t *testing.T, h *storeTest) {
			batch, open := uuid.New(), uuid.New()
			mustSave(t, h.Logs, batch, newLogs(2)...)
			mustClose(t, h.Logs, batch)
			late := newLog("late")
			require.ErrorIs(t, errOf(h.Logs.SaveLogs(t.Context(), batch, late)), domain.ErrBatchClosed)
			require.Empty(t, mustGet(t, h.Logs, late.ID))
			require.Len(t, logPages(t, h.Logs, domain.LogFilter{}, nil), 2)
			require.Equal(t, 1, mustSave(t, h.Logs, open, late), "another batch takes it")
		},
	},
	{
		name:    "gives the same ids each time it is closed",
		promise: "Closing it again gives the same ids",
		run: func(t *testing.T, h *storeTest) {
			batch, entries := uuid.New(), newLogs(5)
			mustSave(t, h.Logs, batch, entries...)
			for range 3 {
				require.Equal(t, logIDs(entries), mustClose(t, h.Logs, batch))
				require.ErrorIs(t, errOf(h.Logs.SaveLogs(t.Context(), batch, newLog("late"))), domain.ErrBatchClosed)
				h.Advance(time.Minute)
			}
		},
	},
	{
		name:    "is closed although it never was",
		promise: "A batch that has none, or never was, is closed and gives none",
		run: func(t *testing.T, h *storeTest) {
			batch := uuid.New()
			for range 2 {
				require.Empty(t, mustClose(t, h.Logs, batch))
			}
			late := newLog("late")
			require.ErrorIs(t, errOf(h.Logs.SaveLogs(t.Context(), batch, late)), domain.ErrBatchClosed)
			require.Empty(t, mustGet(t, h.Logs, late.ID))
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
		run: func(t *testing.T, h *storeTest) {
			gone, kept := []domain.BatchID{uuid.New(), uuid.New()}, uuid.New()
			var goneLogs []domain.LogEntry
			for i, batch := range gone {
				entries := newLogs(3)
				goneLogs = append(goneLogs, entries...)
				mustSave(t, h.Logs, batch, entries...)
				if i == 0 {
					mustClose(t, h.Logs, batch)
				}
				mustSaveAnalysis(t, h.Logs, batch, newAnalysis("gone", 2))
			}
			keptLogs := newLogs(3)
			mustSave(t, h.Logs, kept, keptLogs...)
			mustSaveAnalysis(t, h.Logs, kept, newAnalysis("kept", 2))

			for range 2 { // The repeat finds nothing, and says nothing.
				require.NoError(t, h.Logs.DeleteBatches(t.Context(), gone[0], uuid.New(), gone[1], gone[0]))
				require.Empty(t, mustGet(t, h.Logs, logIDs(goneLogs)...))
				require.ElementsMatch(t, logIDs(keptLogs), logIDs(logPages(t, h.Logs, domain.LogFilter{}, nil)))
				for _, batch := range gone {
					require.ErrorIs(t, errOf(h.Logs.GetAnalysis(t.Context(), batch)), domain.ErrAnalysisNotFound)
				}
				anomalies := anomalyPages(t, h.Logs, domain.AnomalyFilter{}, nil)
				require.Len(t, anomalies, 2)
				for _, a := range anomalies {
					require.Equal(t, kept, a.TaskID)
				}
			}
			mustGetAnalysis(t, h.Logs, kept)
			require.Equal(t, logIDs(keptLogs), mustClose(t, h.Logs, kept))
			h.Advance(time.Hour)
			require.Equal(t, len(keptLogs), mustPurge(t, h.Logs, time.Minute, 100), "the purge finds nothing of the deleted entries")
			require.Equal(t, 1, mustPurgeAnalyses(t, h.Logs, time.Minute, 100))
		},
	},
	{
		name:    "may come again after it was deleted",
		promise: "The batch comes into being with its first entry",
		run: func(t *testing.T, h *storeTest) {
			batch, entries := uuid.New(), newLogs(2)
			mustSave(t, h.Logs, batch, entries...)
			mustClose(t, h.Logs, batch)
			require.NoError(t, h.Logs.DeleteBatches(t.Context(), batch))
			require.Equal(t, 2, mustSave(t, h.Logs, batch, entries...))
			require.Equal(t, logIDs(entries), logIDs(mustGet(t, h.Logs, logIDs(entries)...)))
		},
	},
	{
		name:    "goes whatever its size, and whatever the number of batches",
		promise: "DeleteBatches removes the batches with their entries",
		run: func(t *testing.T, h *storeTest) {
			large := uuid.New()
			mustSave(t, h.Logs, large, newLogs(2*ports.MaxSaveLogs+1)...)
			batches := []domain.BatchID{large}
			for range 250 {
				batch := uuid.New()
				mustSave(t, h.Logs, batch, newLog("small"))
				batches = append(batches, batch)
			}
			require.NoError(t, h.Logs.DeleteBatches(t.Context(), batches...))
			require.Empty(t, logPages(t, h.Logs, domain.LogFilter{}, nil))
			require.Zero(t, mustSave(t, h.Logs, large))
		},
	},
}

// closesUnderLoad closes a batch while many callers save into it.
func closesUnderLoad(t *testing.T, h *storeTest) {
	const callers = 6
	batch := uuid.New()
	under, closed := make(chan struct{}), make(chan struct{})
	var (
		running sync.WaitGroup
		mu      sync.Mutex // guards the fields below, which all callers write
		saved   []domain.LogID
		refused []domain.LogID
		broken  error
	)
	for i := range callers {
		running.Go(func() {
			for j, last := 0, false; !last; j++ {
				select {
				case <-closed:
					last = true
				default:
				}
				entries := []domain.LogEntry{newLog(fmt.Sprintf("line %d of %d", j, i)), newLog("and another")}
				_, err := h.Logs.SaveLogs(t.Context(), batch, entries...)
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
	ids, closeErr := h.Logs.CloseBatch(t.Context(), batch)
	close(closed) // Each caller calls once more.
	<-done
	require.NoError(t, closeErr)
	require.NoError(t, broken)
	require.Len(t, ids, len(saved))
	require.ElementsMatch(t, saved, ids, "each entry whose save succeeded is in the closed batch, and no other")
	for part := range slices.Chunk(ids, ports.MaxSaveLogs) {
		require.Len(t, mustGet(t, h.Logs, part...), len(part))
	}
	require.Empty(t, mustGet(t, h.Logs, refused...), "what was refused is not stored")
	require.Equal(t, ids, mustClose(t, h.Logs, batch))
}
