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
)

var logListCases = []logCase{
	{
		name:    "gets entries in the order of the arguments",
		promise: "GetLogs returns the entries with these ids in the order of the arguments, without those that are not stored",
		run: func(t *testing.T, h LogHarness) {
			entries := newLogs(3)
			mustSave(t, h.Repository, uuid.New(), entries[0], entries[1])
			mustSave(t, h.Repository, uuid.New(), entries[2])
			a, b, c := entries[0].ID, entries[1].ID, entries[2].ID
			require.Equal(t, []domain.LogID{c, a, b}, logIDs(mustGet(t, h.Repository, c, uuid.New(), a, uuid.Nil, b)))
			require.Equal(t, []domain.LogID{b, b}, logIDs(mustGet(t, h.Repository, b, b)), "an id that is named twice")
			require.Empty(t, mustGet(t, h.Repository, uuid.New()))
		},
	},
	{
		name:    "gets and lists entries that are large together",
		promise: "GetLogs returns the entries with these ids",
		run: func(t *testing.T, h LogHarness) {
			message := make([]byte, domain.MaxLogMessage)
			for i := range message {
				message[i] = 'a' + byte(i%26)
			}
			var want []domain.LogID
			batch := uuid.New()
			for i := range 20 {
				e := newLog(string(message))
				e.Timestamp = logTime.Add(-time.Duration(i) * time.Second)
				mustSave(t, h.Repository, batch, e)
				want = append(want, e.ID)
			}
			require.Equal(t, want, logIDs(mustGet(t, h.Repository, want...)))
			require.Equal(t, want, logIDs(logPages(t, h.Repository, domain.LogFilter{}, nil)))
		},
	},
	{
		name:    "lists the newest timestamps first",
		promise: "ListLogs returns a page of the entries that the filter selects, newest first by Timestamp",
		run: func(t *testing.T, h LogHarness) {
			entries := newLogs(7)
			for _, i := range []int{3, 0, 6, 1, 5, 2, 4} {
				mustSave(t, h.Repository, uuid.New(), entries[i])
			}
			for _, limit := range []int{1, 2, 7, 8, domain.MaxPageSize} {
				got := logPages(t, h.Repository, domain.LogFilter{Limit: limit}, nil)
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
		run: func(t *testing.T, h LogHarness) {
			entries := newLogs(60)
			for i := range entries {
				entries[i].Timestamp = logTime.Add(time.Duration(i%2) * time.Microsecond)
			}
			mustSave(t, h.Repository, uuid.New(), entries...)
			for _, limit := range []int{1, 7, 30, 59, 60} {
				got := logPages(t, h.Repository, domain.LogFilter{Limit: limit}, nil)
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
		run: func(t *testing.T, h LogHarness) {
			page, err := h.Repository.ListLogs(t.Context(), domain.LogFilter{})
			require.NoError(t, err)
			require.Empty(t, page.Logs)
			require.Empty(t, page.NextCursor, "an empty store has one page")
			mustSave(t, h.Repository, uuid.New(), newLogs(domain.DefaultPageSize+1)...)
			page, err = h.Repository.ListLogs(t.Context(), domain.LogFilter{})
			require.NoError(t, err)
			require.Len(t, page.Logs, domain.DefaultPageSize)
			require.NotEmpty(t, page.NextCursor)
			page, err = h.Repository.ListLogs(t.Context(), domain.LogFilter{Cursor: page.NextCursor})
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
		run: func(t *testing.T, h LogHarness) {
			entries := newLogs(3000)
			var want []domain.LogID
			for i := range entries {
				if i%1000 == 10 {
					entries[i].Message = "the needle"
					want = append([]domain.LogID{entries[i].ID}, want...)
				}
			}
			mustSave(t, h.Repository, uuid.New(), entries...)
			require.Equal(t, want, logIDs(logPages(t, h.Repository, domain.LogFilter{Text: "NEEDLE", Limit: 2}, nil)))
			require.Empty(t, logPages(t, h.Repository, domain.LogFilter{Source: "nobody"}, nil))
		},
	},
	{
		name:    "keeps its place while entries come and go",
		promise: "Paging through sees each entry that is selected for the whole time exactly once, whatever is added or deleted meanwhile",
		run: func(t *testing.T, h LogHarness) {
			for _, filter := range []domain.LogFilter{{Limit: 3}, {Limit: 2, MinLevel: domain.LogLevelError}} {
				stays, goes := uuid.New(), uuid.New()
				entries := newLogs(30)
				var want []domain.LogID
				for i := range entries {
					entries[i].Level = domain.LogLevelError
					entries[i].Timestamp = logTime.Add(time.Duration(i/4) * time.Second) // with ties
					if i%3 == 0 {
						mustSave(t, h.Repository, goes, entries[i])
					} else {
						mustSave(t, h.Repository, stays, entries[i])
						want = append(want, entries[i].ID)
					}
				}
				round := 0
				got := logPages(t, h.Repository, filter, func() {
					newer, older, tied := newLog("newer"), newLog("older"), newLog("tied")
					newer.Timestamp = logTime.Add(time.Hour + time.Duration(round)*time.Second)
					older.Timestamp = logTime.Add(-time.Hour)
					tied.Timestamp = logTime.Add(3 * time.Second)
					tied.Level = domain.LogLevelError
					mustSave(t, h.Repository, goes, newer, older, tied)
					if round++; round == 3 {
						require.NoError(t, h.Repository.DeleteBatches(t.Context(), goes))
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
				require.NoError(t, h.Repository.DeleteBatches(t.Context(), goes, stays))
			}
		},
	},
	{
		name:    "refuses a cursor that it did not issue",
		promise: "Errors: domain.ErrInvalidCursor",
		run: func(t *testing.T, h LogHarness) {
			mustSave(t, h.Repository, uuid.New(), newLogs(3)...)
			mustSaveAnalysis(t, h.Repository, uuid.New(), newAnalysis("one", 3))
			logs, err := h.Repository.ListLogs(t.Context(), domain.LogFilter{Limit: 1})
			require.NoError(t, err)
			anomalies, err := h.Repository.ListAnomalies(t.Context(), domain.AnomalyFilter{Limit: 1})
			require.NoError(t, err)
			require.NotEmpty(t, logs.NextCursor)
			require.NotEmpty(t, anomalies.NextCursor)
			garbage := []string{"garbage", "!", "\x00\xff", "0", "AAAA", base64.RawURLEncoding.EncodeToString(make([]byte, 24)), logs.NextCursor + "x"}
			for _, cursor := range append(garbage, anomalies.NextCursor, logs.NextCursor[1:]) {
				_, err := h.Repository.ListLogs(t.Context(), domain.LogFilter{Cursor: cursor})
				require.ErrorIs(t, err, domain.ErrInvalidCursor, "cursor %q", cursor)
			}
			for _, cursor := range append(garbage, logs.NextCursor, anomalies.NextCursor[1:]) {
				_, err := h.Repository.ListAnomalies(t.Context(), domain.AnomalyFilter{Cursor: cursor})
				require.ErrorIs(t, err, domain.ErrInvalidCursor, "cursor %q", cursor)
			}
		},
	},
	{
		name:    "refuses a filter that breaks a limit",
		promise: "Errors: domain.ErrInvalid",
		run: func(t *testing.T, h LogHarness) {
			long := string(make([]byte, domain.MaxLogSource+1))
			for _, c := range []struct {
				field  string
				filter domain.LogFilter
			}{
				{"limit", domain.LogFilter{Limit: -1}},
				{"limit", domain.LogFilter{Limit: domain.MaxPageSize + 1}},
				{"source", domain.LogFilter{Source: long}},
				{"text", domain.LogFilter{Text: long}},
			} {
				_, err := h.Repository.ListLogs(t.Context(), c.filter)
				requireField(t, err, c.field)
			}
			for _, c := range []struct {
				field  string
				filter domain.AnomalyFilter
			}{
				{"limit", domain.AnomalyFilter{Limit: -1}},
				{"limit", domain.AnomalyFilter{Limit: domain.MaxPageSize + 1}},
				{"source", domain.AnomalyFilter{Source: long}},
				{"severity", domain.AnomalyFilter{MinSeverity: domain.SeverityCritical + 1}},
			} {
				_, err := h.Repository.ListAnomalies(t.Context(), c.filter)
				requireField(t, err, c.field)
			}
		},
	},
}

// filtersLogs compares the list with what domain.LogFilter.Matches selects.
func filtersLogs(t *testing.T, h LogHarness) {
	entries := newLogs(48)
	sources := []string{"api", "db", "", "API"}
	messages := []string{"Connection REFUSED by peer", "connection ok", "Ünïcode ÄÖÜ", "100%_done*"}
	for i := range entries {
		entries[i].Level = domain.LogLevel(i % 7)
		entries[i].Source = sources[i%len(sources)]
		entries[i].Message = fmt.Sprintf("%s %d", messages[(i/4)%len(messages)], i)
	}
	half := len(entries) / 2
	mustSave(t, h.Repository, uuid.New(), entries[half:]...)
	mustSave(t, h.Repository, uuid.New(), entries[:half]...)

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
			got := logPages(t, h.Repository, filter, nil)
			require.Equal(t, len(want), len(got), "filter %s with limit %d", name, limit)
			for i := range got {
				require.Equal(t, want[i], got[i].ID, "filter %s with limit %d", name, limit)
			}
		}
	}
}

var logStoreCases = []logCase{
	{
		name:    "ends a call whose context has ended",
		promise: "A call ends soon after its context, with the context's error wrapped",
		run:     endsWithContext,
	},
	{
		name:    "shows the same to another process",
		promise: "All methods may be called by any number of processes",
		run: func(t *testing.T, h LogHarness) {
			if h.Reopen == nil {
				t.Skip("one process only")
			}
			other := h.Reopen(t)
			batch, entries := uuid.New(), newLogs(3)
			mustSave(t, h.Repository, batch, entries[:2]...)
			require.Equal(t, 3, mustSave(t, other, batch, entries[2]))
			ids, err := h.Repository.CloseBatch(t.Context(), batch)
			require.NoError(t, err)
			require.Equal(t, logIDs(entries), ids)
			_, err = other.SaveLogs(t.Context(), batch, newLog("late"))
			require.ErrorIs(t, err, domain.ErrBatchClosed)
			mustSaveAnalysis(t, other, batch, newAnalysis("one", 1))
			_, err = h.Repository.GetAnalysis(t.Context(), batch)
			require.NoError(t, err)
		},
	},
	{
		name:    "keeps everything over a restart",
		promise: "What was acknowledged is not lost",
		run: func(t *testing.T, h LogHarness) {
			if h.Restart == nil {
				t.Skip("nothing is kept over a restart")
			}
			closed, open := uuid.New(), uuid.New()
			entries := newLogs(6)
			mustSave(t, h.Repository, closed, entries[:4]...)
			mustSave(t, h.Repository, open, entries[4:]...)
			_, err := h.Repository.CloseBatch(t.Context(), closed)
			require.NoError(t, err)
			mustSaveAnalysis(t, h.Repository, closed, newAnalysis("one", 3))
			before, err := h.Repository.GetAnalysis(t.Context(), closed)
			require.NoError(t, err)
			logs := logPages(t, h.Repository, domain.LogFilter{}, nil)
			page, err := h.Repository.ListLogs(t.Context(), domain.LogFilter{Limit: 2})
			require.NoError(t, err)

			restarted := h.Restart(t)
			require.Equal(t, logs, logPages(t, restarted, domain.LogFilter{}, nil))
			rest := logPages(t, restarted, domain.LogFilter{Limit: 2, Cursor: page.NextCursor}, nil)
			require.Equal(t, logs[2:], rest, "cursors outlive a restart")
			after, err := restarted.GetAnalysis(t.Context(), closed)
			require.NoError(t, err)
			require.Equal(t, before, after)
			require.Len(t, anomalyPages(t, restarted, domain.AnomalyFilter{}, nil), 3)
			ids, err := restarted.CloseBatch(t.Context(), closed)
			require.NoError(t, err)
			require.Equal(t, logIDs(entries[:4]), ids)
			_, err = restarted.SaveLogs(t.Context(), closed, newLog("late"))
			require.ErrorIs(t, err, domain.ErrBatchClosed)
			require.Equal(t, 3, mustSave(t, restarted, open, newLog("in time")))
		},
	},
}

func endsWithContext(t *testing.T, h LogHarness) {
	batch, entries := uuid.New(), newLogs(2)
	mustSave(t, h.Repository, batch, entries...)
	mustSaveAnalysis(t, h.Repository, batch, newAnalysis("one", 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := h.Repository
	for name, call := range map[string]func() error{
		"SaveLogs":      func() error { _, err := r.SaveLogs(ctx, batch, newLog("late")); return err },
		"CloseBatch":    func() error { _, err := r.CloseBatch(ctx, batch); return err },
		"GetLogs":       func() error { _, err := r.GetLogs(ctx, entries[0].ID); return err },
		"ListLogs":      func() error { _, err := r.ListLogs(ctx, domain.LogFilter{}); return err },
		"DeleteBatches": func() error { return r.DeleteBatches(ctx, batch) },
		"PurgeLogs":     func() error { _, err := r.PurgeLogs(ctx, 0, 10); return err },
		"SaveAnalysis":  func() error { return r.SaveAnalysis(ctx, uuid.New(), newAnalysis("late", 1)) },
		"GetAnalysis":   func() error { _, err := r.GetAnalysis(ctx, batch); return err },
		"ListAnomalies": func() error { _, err := r.ListAnomalies(ctx, domain.AnomalyFilter{}); return err },
		"PurgeAnalyses": func() error { _, err := r.PurgeAnalyses(ctx, 0, 10); return err },
	} {
		require.ErrorIs(t, call(), ctx.Err(), "%s", name)
	}
	require.Len(t, logPages(t, r, domain.LogFilter{}, nil), 2, "a call that never began has changed nothing")
	require.Equal(t, 2, mustSave(t, r, batch), "and the batch is open")
	require.Len(t, anomalyPages(t, r, domain.AnomalyFilter{}, nil), 1)
}
