package portstest

import (
	"context"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

var logListCases = []storeCase{
	{
		name:    "gets entries in the order of the arguments",
		promise: "GetLogs returns the entries with these ids in the order of the arguments, without those that are not stored",
		run: func(t *testing.T, h *storeTest) {
			entries := newLogs(3)
			mustSave(t, h.Logs, uuid.New(), entries[0], entries[1])
			mustSave(t, h.Logs, uuid.New(), entries[2])
			a, b, c := entries[0].ID, entries[1].ID, entries[2].ID
			require.Equal(t, []domain.LogID{c, a, b}, logIDs(mustGet(t, h.Logs, c, uuid.New(), a, uuid.Nil, b)))
			require.Equal(t, []domain.LogID{b, b}, logIDs(mustGet(t, h.Logs, b, b)), "an id that is named twice")
			require.Empty(t, mustGet(t, h.Logs, uuid.New()))
		},
	},
	{
		name:    "gets and lists entries that are large together",
		promise: "GetLogs returns the entries with these ids",
		run: func(t *testing.T, h *storeTest) {
			message := make([]byte, domain.MaxLogMessage)
			for i := range message {
				message[i] = 'a' + byte(i%26)
			}
			var want []domain.LogID
			batch := uuid.New()
			for i := range 20 {
				e := newLog(string(message))
				e.Timestamp = logTime.Add(-time.Duration(i) * time.Second)
				mustSave(t, h.Logs, batch, e)
				want = append(want, e.ID)
			}
			require.Equal(t, want, logIDs(mustGet(t, h.Logs, want...)))
			require.Equal(t, want, logIDs(logPages(t, h.Logs, domain.LogFilter{}, nil)))
			page, err := h.Logs.ListLogs(t.Context(), domain.LogFilter{})
			require.NoError(t, err)
			require.NotEmpty(t, page.NextCursor)
			require.LessOrEqual(t, len(page.Logs), ports.MaxCallBytes/domain.MaxLogMessage+1, "a page of large entries ends early")
		},
	},
	{
		name:    "lists the newest timestamps first",
		promise: "ListLogs returns a page of the entries that the filter selects, newest first by Timestamp",
		run: func(t *testing.T, h *storeTest) {
			entries := newLogs(7)
			for _, i := range []int{3, 0, 6, 1, 5, 2, 4} {
				mustSave(t, h.Logs, uuid.New(), entries[i])
			}
			for _, limit := range []int{1, 2, 7, 8, domain.MaxPageSize} {
				got := logPages(t, h.Logs, domain.LogFilter{Limit: limit}, nil)
				require.Len(t, got, len(entries))
				for i, e := range got {
					require.Equal(t, entries[len(entries)-1-i].ID, e.ID)
					require.Equal(t, entries[len(entries)-1-i].Message, e.Message)
				}
			}
		},
	},
	{
		name:    "lists entries of one timestamp each once",
		promise: "Paging through sees each entry exactly once",
		run: func(t *testing.T, h *storeTest) {
			entries := newLogs(60)
			for i := range entries {
				entries[i].Timestamp = logTime.Add(time.Duration(i%2) * time.Microsecond)
			}
			mustSave(t, h.Logs, uuid.New(), entries...)
			for _, limit := range []int{1, 7, 30, 59, 60} {
				got := logPages(t, h.Logs, domain.LogFilter{Limit: limit}, nil)
				require.ElementsMatch(t, logIDs(entries), logIDs(got))
				for i := 1; i < len(got); i++ {
					require.False(t, got[i].Timestamp.After(got[i-1].Timestamp))
				}
			}
		},
	},
	{
		name:    "gives pages of the default size and ends without a cursor",
		promise: "Limit 0 is DefaultPageSize; NextCursor is empty on the last page",
		run: func(t *testing.T, h *storeTest) {
			page, err := h.Logs.ListLogs(t.Context(), domain.LogFilter{})
			require.NoError(t, err)
			require.Empty(t, page.Logs)
			require.Empty(t, page.NextCursor, "an empty store has one page")
			mustSave(t, h.Logs, uuid.New(), newLogs(domain.DefaultPageSize+1)...)
			page, err = h.Logs.ListLogs(t.Context(), domain.LogFilter{})
			require.NoError(t, err)
			require.Len(t, page.Logs, domain.DefaultPageSize)
			require.NotEmpty(t, page.NextCursor)
			page, err = h.Logs.ListLogs(t.Context(), domain.LogFilter{Cursor: page.NextCursor})
			require.NoError(t, err)
			require.Len(t, page.Logs, 1)
			require.Empty(t, page.NextCursor)
		},
	},
	{
		name:    "lists what each filter selects",
		promise: "ListLogs returns the entries that the filter selects, with any page size",
		run:     filtersLogs,
	},
	{
		name:    "finds few entries among many",
		promise: "A page may be shorter than asked for and still have a NextCursor",
		run: func(t *testing.T, h *storeTest) {
			entries := newLogs(3000)
			var want []domain.LogID
			for i := range entries {
				if i%1000 == 10 {
					entries[i].Message = "the needle"
					want = append([]domain.LogID{entries[i].ID}, want...)
				}
			}
			mustSave(t, h.Logs, uuid.New(), entries...)
			require.Equal(t, want, logIDs(logPages(t, h.Logs, domain.LogFilter{Text: "NEEDLE", Limit: 2}, nil)))
			require.Empty(t, logPages(t, h.Logs, domain.LogFilter{Source: "nobody"}, nil))
		},
	},
	{
		name:    "keeps its place while entries come and go",
		promise: "Paging through sees each entry that is selected for the whole time exactly once, whatever is added or deleted meanwhile",
		run: func(t *testing.T, h *storeTest) {
			for _, filter := range []domain.LogFilter{{Limit: 3}, {Limit: 2, MinLevel: domain.LogLevelError}} {
				stays, goes := uuid.New(), uuid.New()
				entries := newLogs(30)
				var want []domain.LogID
				for i := range entries {
					entries[i].Level = domain.LogLevelError
					entries[i].Timestamp = logTime.Add(time.Duration(i/4) * time.Second) // with ties
					if i%3 == 0 {
						mustSave(t, h.Logs, goes, entries[i])
					} else {
						mustSave(t, h.Logs, stays, entries[i])
						want = append(want, entries[i].ID)
					}
				}
				round := 0
				got := logPages(t, h.Logs, filter, func() {
					newer, older, tied := newLog("newer"), newLog("older"), newLog("tied")
					newer.Timestamp = logTime.Add(time.Hour + time.Duration(round)*time.Second)
					older.Timestamp = logTime.Add(-time.Hour)
					tied.Timestamp = logTime.Add(3 * time.Second)
					tied.Level = domain.LogLevelError
					mustSave(t, h.Logs, goes, newer, older, tied)
					if round++; round == 3 {
						require.NoError(t, h.Logs.DeleteBatches(t.Context(), goes))
					}
				})
				seen := map[domain.LogID]int{}
				for _, e := range got {
					seen[e.ID]++
					require.Equal(t, 1, seen[e.ID], "an entry was seen twice")
				}
				for _, id := range want {
					require.Equal(t, 1, seen[id], "an entry was not seen")
				}
				require.NoError(t, h.Logs.DeleteBatches(t.Context(), goes, stays))
			}
		},
	},
	{
		name:    "refuses a cursor that it did not issue",
		promise: "Errors: domain.ErrInvalidCursor",
		run: func(t *testing.T, h *storeTest) {
			mustSave(t, h.Logs, uuid.New(), newLogs(3)...)
			mustSaveAnalysis(t, h.Logs, uuid.New(), newAnalysis("one", 3))
			logs, err := h.Logs.ListLogs(t.Context(), domain.LogFilter{Limit: 1})
			require.NoError(t, err)
			anomalies, err := h.Logs.ListAnomalies(t.Context(), domain.AnomalyFilter{Limit: 1})
			require.NoError(t, err)
			require.NotEmpty(t, logs.NextCursor)
			require.NotEmpty(t, anomalies.NextCursor)
			garbage := []string{"garbage", "!", "\x00\xff", "0", "AAAA", base64.RawURLEncoding.EncodeToString(make([]byte, 24)), logs.NextCursor + "x"}
			for _, cursor := range append(garbage, anomalies.NextCursor, logs.NextCursor[1:]) {
				require.ErrorIs(t, errOf(h.Logs.ListLogs(t.Context(), domain.LogFilter{Cursor: cursor})), domain.ErrInvalidCursor, "cursor %q", cursor)
			}
			for _, cursor := range append(garbage, logs.NextCursor, anomalies.NextCursor[1:]) {
				require.ErrorIs(t, errOf(h.Logs.ListAnomalies(t.Context(), domain.AnomalyFilter{Cursor: cursor})), domain.ErrInvalidCursor, "cursor %q", cursor)
			}
		},
	},
}

// filtersLogs compares the list with what domain.LogFilter.Matches selects.
func filtersLogs(t *testing.T, h *storeTest) {
	entries := newLogs(48)
	sources := []string{"api", "db", "", "API"}
	messages := []string{"Connection REFUSED by peer", "connection ok", "Ünïcode ÄÖÜ", "100%_done*"}
	for i := range entries {
		entries[i].Level = domain.LogLevel(i % 7)
		entries[i].Source = sources[i%len(sources)]
		entries[i].Message = fmt.Sprintf("%s %d", messages[(i/4)%len(messages)], i)
	}
	half := len(entries) / 2
	mustSave(t, h.Logs, uuid.New(), entries[half:]...)
	mustSave(t, h.Logs, uuid.New(), entries[:half]...)

	at := func(i int) time.Time { return entries[i].Timestamp }
	for name, filter := range map[string]domain.LogFilter{
		"from, included":                 {From: at(40)},
		"from, just after":               {From: at(40).Add(time.Nanosecond)},
		"to, excluded":                   {To: at(5)},
		"to, just after":                 {To: at(5).Add(time.Nanosecond)},
		"from and to":                    {From: at(10), To: at(20)},
		"from and to in another zone":    {From: at(10).In(time.FixedZone("", 3600)), To: at(20).In(time.FixedZone("", -3600))},
		"to before from":                 {From: at(20), To: at(10)},
		"from before all, to after all":  {From: time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), To: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
		"level":                          {MinLevel: domain.LogLevelError},
		"level of the known":             {MinLevel: domain.LogLevelTrace},
		"source, in its case":            {Source: "api"},
		"source that is not there":       {Source: "nobody"},
		"text in another case":           {Text: "refused BY"},
		"text with signs":                {Text: "%_DONE*"},
		"text beyond ASCII, in its case": {Text: "ÄÖÜ"},
		"text beyond ASCII, folded":      {Text: "äöü"},
		"all":                            {From: at(4), To: at(44), MinLevel: domain.LogLevelInfo, Source: "db", Text: "CONNECTION"},
	} {
		var want []domain.LogID
		for i := len(entries) - 1; i >= 0; i-- {
			if filter.Matches(&entries[i]) {
				want = append(want, entries[i].ID)
			}
		}
		for _, limit := range []int{1, 4, 0} {
			filter.Limit = limit
			got := logPages(t, h.Logs, filter, nil)
			require.Equal(t, len(want), len(got), "filter %s with limit %d", name, limit)
			for i := range got {
				require.Equal(t, want[i], got[i].ID, "filter %s with limit %d", name, limit)
			}
		}
	}
}

var logStoreCases = []storeCase{
	{
		name:    "ends a call whose context has ended",
		promise: "A call ends soon after its context, with the context's error wrapped",
		run:     endsWithContext,
	},
	{
		name:    "shows the same to another process",
		promise: "All methods may be called by any number of processes",
		run: func(t *testing.T, h *storeTest) {
			other := h.other(t).Logs
			batch, entries := uuid.New(), newLogs(3)
			mustSave(t, h.Logs, batch, entries[:2]...)
			require.Equal(t, 3, mustSave(t, other, batch, entries[2]))
			require.Equal(t, logIDs(entries), mustClose(t, h.Logs, batch))
			require.ErrorIs(t, errOf(other.SaveLogs(t.Context(), batch, newLog("late"))), domain.ErrBatchClosed)
			mustSaveAnalysis(t, other, batch, newAnalysis("one", 1))
			mustGetAnalysis(t, h.Logs, batch)
		},
	},
	{
		name:    "keeps everything over a restart",
		promise: "What was acknowledged is not lost",
		run: func(t *testing.T, h *storeTest) {
			closed, open := uuid.New(), uuid.New()
			entries := newLogs(6)
			mustSave(t, h.Logs, closed, entries[:4]...)
			mustSave(t, h.Logs, open, entries[4:]...)
			mustClose(t, h.Logs, closed)
			mustSaveAnalysis(t, h.Logs, closed, newAnalysis("one", 3))
			before := mustGetAnalysis(t, h.Logs, closed)
			logs := logPages(t, h.Logs, domain.LogFilter{}, nil)
			page, err := h.Logs.ListLogs(t.Context(), domain.LogFilter{Limit: 2})
			require.NoError(t, err)

			restarted := h.restarted(t).Logs
			require.Equal(t, logs, logPages(t, restarted, domain.LogFilter{}, nil))
			rest := logPages(t, restarted, domain.LogFilter{Limit: 2, Cursor: page.NextCursor}, nil)
			require.Equal(t, logs[2:], rest, "cursors outlive a restart")
			require.Equal(t, before, mustGetAnalysis(t, restarted, closed))
			require.Len(t, anomalyPages(t, restarted, domain.AnomalyFilter{}, nil), 3)
			require.Equal(t, logIDs(entries[:4]), mustClose(t, restarted, closed))
			require.ErrorIs(t, errOf(restarted.SaveLogs(t.Context(), closed, newLog("late"))), domain.ErrBatchClosed)
			require.Equal(t, 3, mustSave(t, restarted, open, newLog("in time")))
		},
	},
}

func endsWithContext(t *testing.T, h *storeTest) {
	batch, entries := uuid.New(), newLogs(2)
	mustSave(t, h.Logs, batch, entries...)
	mustSaveAnalysis(t, h.Logs, batch, newAnalysis("one", 1))
	revision := mustSaveDocument(t, h.Logs, "key", 0, "kept", 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := h.Logs
	for name, call := range map[string]func() error{
		"SaveLogs":      func() error { return errOf(r.SaveLogs(ctx, batch, newLog("late"))) },
		"CloseBatch":    func() error { return errOf(r.CloseBatch(ctx, batch)) },
		"ListBatch":     func() error { return listBatch(ctx, &h.Store, batch, 0, 1) },
		"GetLogs":       func() error { return errOf(r.GetLogs(ctx, entries[0].ID)) },
		"ListLogs":      func() error { return errOf(r.ListLogs(ctx, domain.LogFilter{})) },
		"DeleteBatches": func() error { return r.DeleteBatches(ctx, batch) },
		"PurgeLogs":     func() error { return errOf(r.PurgeLogs(ctx, 0, 10)) },
		"SaveAnalysis":  func() error { return r.SaveAnalysis(ctx, uuid.New(), newAnalysis("late", 1)) },
		"GetAnalysis":   func() error { return errOf(r.GetAnalysis(ctx, batch)) },
		"ListAnomalies": func() error { return errOf(r.ListAnomalies(ctx, domain.AnomalyFilter{})) },
		"PurgeAnalyses": func() error { return errOf(r.PurgeAnalyses(ctx, 0, 10)) },
		"LoadDocuments": func() error { return errOf(r.LoadDocuments(ctx, "key")) },
		"SaveDocument": func() error {
			return errOf(r.SaveDocument(ctx, domain.Document{Key: "key", Revision: revision, Data: []byte("late")}, 0))
		},
	} {
		require.ErrorIs(t, call(), ctx.Err(), "%s", name)
	}
	require.Len(t, logPages(t, r, domain.LogFilter{}, nil), 2, "a call that never began has changed nothing")
	require.Equal(t, 2, mustSave(t, r, batch), "and the batch is open")
	require.Len(t, anomalyPages(t, r, domain.AnomalyFilter{}, nil), 1)
	requireState(t, r, "key", revision, "kept")
}
