package portstest

import (
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

var logSaveCases = []storeCase{
	{
		name:    "keeps every field of an entry",
		promise: "GetLogs returns the entries as they were stored",
		run: func(t *testing.T, h *storeTest) {
			var want domain.LogEntry
			fillAll(t, reflect.ValueOf(&want).Elem(), new(int))
			mustSave(t, h.Logs, uuid.New(), want)
			got := mustGet(t, h.Logs, want.ID)
			require.Len(t, got, 1)
			require.NotZero(t, got[0].ReceivedAt)
			got[0].ReceivedAt = want.ReceivedAt
			require.Equal(t, want, got[0])
		},
	},
	{
		name:    "gives an entry without a timestamp the time of its arrival",
		promise: "A store replaces a zero Timestamp by the time of the arrival",
		run: func(t *testing.T, h *storeTest) {
			e := newLog("no time")
			e.Timestamp = time.Time{}
			mustSave(t, h.Logs, uuid.New(), e)
			got := mustGet(t, h.Logs, e.ID)
			require.Len(t, got, 1)
			require.False(t, got[0].Timestamp.IsZero())
			require.Equal(t, got[0].ReceivedAt, got[0].Timestamp)
			listed := logPages(t, h.Logs, domain.LogFilter{From: got[0].Timestamp}, nil)
			require.Equal(t, got, listed, "the list has it under that time")
		},
	},
	{
		name:    "sets the time of the arrival by the store's clock",
		promise: "ReceivedAt is set to the store's now",
		run: func(t *testing.T, h *storeTest) {
			first, second := newLog("first"), newLog("second")
			first.ReceivedAt = logTime
			mustSave(t, h.Logs, uuid.New(), first)
			h.Advance(time.Hour)
			mustSave(t, h.Logs, uuid.New(), second)
			got := mustGet(t, h.Logs, first.ID, second.ID)
			require.Len(t, got, 2)
			require.NotEqual(t, logTime, got[0].ReceivedAt)
			between := got[1].ReceivedAt.Sub(got[0].ReceivedAt)
			require.GreaterOrEqual(t, between, time.Hour)
			require.Less(t, between, time.Hour+time.Minute)
			require.Equal(t, time.UTC, got[0].ReceivedAt.Location())
		},
	},
	{
		name:    "keeps timestamps in whole microseconds of UTC",
		promise: "Timestamp is the time that the entry claims, in whole microseconds",
		run: func(t *testing.T, h *storeTest) {
			zone := time.FixedZone("CEST", 2*60*60)
			var entries []domain.LogEntry
			for _, at := range []time.Time{
				logTime.Add(789 * time.Nanosecond).In(zone),
				time.Unix(0, 1000).UTC(),
				time.Date(1970, 1, 1, 0, 30, 0, 0, zone), // before 1970 in UTC
				time.Date(2300, 6, 1, 0, 0, 0, 123457000, time.UTC),
				time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
			} {
				e := newLog("at " + at.String())
				e.Timestamp = at
				entries = append(entries, e)
			}
			mustSave(t, h.Logs, uuid.New(), entries...)
			got := mustGet(t, h.Logs, logIDs(entries)...)
			require.Len(t, got, len(entries))
			for i, e := range got {
				require.Equal(t, entries[i].Timestamp.Truncate(time.Microsecond).UTC(), e.Timestamp)
			}
		},
	},
	{
		name:    "keeps text as it came",
		promise: "Message is the entry's text as it came",
		run: func(t *testing.T, h *storeTest) {
			var entries []domain.LogEntry
			for _, text := range []string{
				"tab\tquote\"backslash\\ <*> & '", "zero \x00 byte", "lines\nand\r\n\x1b[31mcolours\x1b[0m ", "日本語 🪵 \u202e", " \uFFFD ", "{\"json\": true}",
			} {
				e := newLog(text)
				e.Source = text
				e.Attributes = map[string]string{text: text, "empty": ""}
				entries = append(entries, e)
			}
			mustSave(t, h.Logs, uuid.New(), entries...)
			for i, e := range mustGet(t, h.Logs, logIDs(entries)...) {
				require.Equal(t, entries[i].Message, e.Message)
				require.Equal(t, entries[i].Source, e.Source)
				require.Equal(t, entries[i].Attributes, e.Attributes)
			}
		},
	},
	{
		name:    "keeps entries of the largest size",
		promise: "the limits of domain.LogEntry are what a store takes",
		run: func(t *testing.T, h *storeTest) {
			e := newLog(strings.Repeat("m", domain.MaxLogMessage))
			e.Source = strings.Repeat("s", domain.MaxLogSource)
			e.Attributes = map[string]string{}
			for len(e.Attributes) < domain.MaxLogAttributes {
				e.Attributes[uuid.NewString()] = strings.Repeat("v", domain.MaxLogAttribute)
			}
			mustSave(t, h.Logs, uuid.New(), e)
			got := mustGet(t, h.Logs, e.ID)
			require.Len(t, got, 1)
			require.True(t, got[0].Message == e.Message, "the message is unchanged")
			require.Equal(t, e.Source, got[0].Source)
			require.Equal(t, e.Attributes, got[0].Attributes)
		},
	},
	{
		name:    "refuses an entry that breaks a limit and stores nothing",
		promise: "A *domain.ValidationError tells of an entry that breaks a limit; nothing is stored then",
		run:     refusesInvalidLogs,
	},
	{
		name:    "stores a repeated call once and gives the same count",
		promise: "Every call may be repeated with the same arguments, and then has the outcome of the first",
		run: func(t *testing.T, h *storeTest) {
			batch, entries := uuid.New(), newLogs(3)
			require.Equal(t, 3, mustSave(t, h.Logs, batch, entries...))
			before := mustGet(t, h.Logs, logIDs(entries)...)
			h.Advance(time.Minute)
			require.Equal(t, 3, mustSave(t, h.Logs, batch, entries...))
			require.Equal(t, before, mustGet(t, h.Logs, logIDs(entries)...))
			require.Len(t, logPages(t, h.Logs, domain.LogFilter{}, nil), 3)
			require.Equal(t, logIDs(entries), mustClose(t, h.Logs, batch))
		},
	},
	{
		name:    "leaves an entry as it is whose id is stored already",
		promise: "An entry whose id is stored already is left as it is",
		run: func(t *testing.T, h *storeTest) {
			first, second := uuid.New(), uuid.New()
			old, fresh := newLog("old"), newLog("fresh")
			mustSave(t, h.Logs, first, old)
			changed := old
			changed.Message, changed.Timestamp = "changed", logTime.Add(time.Hour)
			require.Equal(t, 1, mustSave(t, h.Logs, second, changed, fresh), "only the fresh entry is in the second batch")
			got := mustGet(t, h.Logs, old.ID)
			require.Len(t, got, 1)
			require.Equal(t, "old", got[0].Message)
			require.Equal(t, logTime, got[0].Timestamp)
			require.Len(t, logPages(t, h.Logs, domain.LogFilter{}, nil), 2)
			require.Equal(t, []domain.LogID{fresh.ID}, mustClose(t, h.Logs, second))
		},
	},
	{
		name:    "stores an id once that one call names twice",
		promise: "An entry whose id is stored already is left as it is",
		run: func(t *testing.T, h *storeTest) {
			batch, e := uuid.New(), newLog("first")
			again := e
			again.Message = "second"
			require.Equal(t, 1, mustSave(t, h.Logs, batch, e, again))
			got := mustGet(t, h.Logs, e.ID)
			require.Len(t, got, 1)
			require.Equal(t, "first", got[0].Message)
			require.Len(t, logPages(t, h.Logs, domain.LogFilter{}, nil), 1)
		},
	},
	{
		name:    "takes more entries than one step holds",
		promise: "SaveLogs stores the entries in one step for each MaxSaveLogs of them; they keep the order of their arguments",
		run: func(t *testing.T, h *storeTest) {
			batch, entries := uuid.New(), newLogs(2*ports.MaxSaveLogs+500)
			require.Equal(t, len(entries), mustSave(t, h.Logs, batch, entries...))
			require.Equal(t, len(entries), mustSave(t, h.Logs, batch, entries...), "and again")
			require.Equal(t, logIDs(entries), logIDs(mustGet(t, h.Logs, logIDs(entries)...)))
			require.Equal(t, logIDs(entries), mustClose(t, h.Logs, batch))
		},
	},
	{
		name:    "does nothing without entries",
		promise: "A call without items does nothing",
		run: func(t *testing.T, h *storeTest) {
			batch := uuid.New()
			require.Zero(t, mustSave(t, h.Logs, batch))
			mustSave(t, h.Logs, batch, newLogs(2)...)
			require.Equal(t, 2, mustSave(t, h.Logs, batch))
			require.Empty(t, mustGet(t, h.Logs))
			require.NoError(t, h.Logs.DeleteBatches(t.Context()))
			require.Len(t, logPages(t, h.Logs, domain.LogFilter{}, nil), 2)
		},
	},
	{
		name:    "shares no memory with its callers",
		promise: "Entries that go in and come out are copies; neither side keeps them",
		run: func(t *testing.T, h *storeTest) {
			e := newLog("original")
			e.Attributes = map[string]string{"k": "v"}
			want := maps.Clone(e.Attributes)
			entries := []domain.LogEntry{e}
			mustSave(t, h.Logs, uuid.New(), entries...)
			require.Zero(t, entries[0].ReceivedAt, "the argument is not changed")
			e.Attributes["k"] = "changed by the writer"
			got := mustGet(t, h.Logs, e.ID)
			require.Equal(t, want, got[0].Attributes)
			got[0].Attributes["k"] = "changed by a reader"
			listed := logPages(t, h.Logs, domain.LogFilter{}, nil)
			require.Equal(t, want, listed[0].Attributes)
			listed[0].Attributes["k"] = "changed by another"
			require.Equal(t, want, mustGet(t, h.Logs, e.ID)[0].Attributes)
		},
	},
	{
		name:    "stores entries once that many callers save at the same time",
		promise: "All methods may be called at the same time",
		run: func(t *testing.T, h *storeTest) {
			batch, entries := uuid.New(), newLogs(40)
			require.NoError(t, errors.Join(atOnce(8, func(i int) error {
				for j := range entries {
					if _, err := h.Logs.SaveLogs(t.Context(), batch, entries[(j+i*5)%len(entries)]); err != nil {
						return err
					}
				}
				return nil
			})...))
			require.Equal(t, len(entries), mustSave(t, h.Logs, batch))
			require.ElementsMatch(t, logIDs(entries), mustClose(t, h.Logs, batch))
		},
	},
}

func refusesInvalidLogs(t *testing.T, h *storeTest) {
	attributes := func(n int, key, value string) map[string]string {
		out := map[string]string{key: value}
		for len(out) < n {
			out[uuid.NewString()] = "v"
		}
		return out
	}
	for _, c := range []struct {
		field string
		spoil func(e *domain.LogEntry)
	}{
		{"id", func(e *domain.LogEntry) { e.ID = uuid.Nil }},
		{"message", func(e *domain.LogEntry) { e.Message = "" }},
		{"message", func(e *domain.LogEntry) { e.Message = " \n" }},
		{"message", func(e *domain.LogEntry) { e.Message = strings.Repeat("m", domain.MaxLogMessage+1) }},
		{"message", func(e *domain.LogEntry) { e.Message = "not \xff UTF-8" }},
		{"source", func(e *domain.LogEntry) { e.Source = strings.Repeat("s", domain.MaxLogSource+1) }},
		{"source", func(e *domain.LogEntry) { e.Source = "\xc3" }},
		{"attributes", func(e *domain.LogEntry) { e.Attributes = attributes(domain.MaxLogAttributes+1, "k", "v") }},
		{"attributes", func(e *domain.LogEntry) { e.Attributes = attributes(1, "", "v") }},
		{"attributes", func(e *domain.LogEntry) { e.Attributes = attributes(1, "k", "\xff") }},
		{"attributes", func(e *domain.LogEntry) {
			e.Attributes = attributes(1, "k", strings.Repeat("v", domain.MaxLogAttribute+1))
		}},
		{"timestamp", func(e *domain.LogEntry) { e.Timestamp = time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC) }},
		{"timestamp", func(e *domain.LogEntry) { e.Timestamp = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
	} {
		batch, good, bad := uuid.New(), newLog("good"), newLog("bad")
		c.spoil(&bad)
		_, err := h.Logs.SaveLogs(t.Context(), batch, good, bad)
		requireField(t, err, c.field)
		require.Empty(t, mustGet(t, h.Logs, good.ID, bad.ID))
		require.Zero(t, mustSave(t, h.Logs, batch))
	}

	many := newLogs(ports.MaxSaveLogs + 1)
	many[ports.MaxSaveLogs].Message = ""
	_, err := h.Logs.SaveLogs(t.Context(), uuid.New(), many...)
	requireField(t, err, "message")
	require.Empty(t, logPages(t, h.Logs, domain.LogFilter{}, nil), "nothing is stored where a later step would be refused")
}
