package portstest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// logTime is a time in the middle of what entries may claim.
var logTime = time.Date(2024, 2, 29, 23, 59, 59, 123456000, time.UTC)

// newLog returns a valid entry with a random id, so that no order of ids can
// stand in for the order of arrival.
func newLog(message string) domain.LogEntry {
	return domain.LogEntry{ID: uuid.New(), Timestamp: logTime, Level: domain.LogLevelInfo, Source: "api", Message: message}
}

// newLogs returns n entries, each a second after the one before.
func newLogs(n int) []domain.LogEntry {
	out := make([]domain.LogEntry, n)
	for i := range out {
		out[i] = newLog(fmt.Sprintf("line %d", i))
		out[i].Timestamp = logTime.Add(time.Duration(i) * time.Second)
	}
	return out
}

func logIDs(entries []domain.LogEntry) []domain.LogID {
	return each(entries, func(e *domain.LogEntry) domain.LogID { return e.ID })
}

// mustSave stores entries and returns how many the batch has then.
func mustSave(t *testing.T, r ports.LogRepository, batch domain.BatchID, entries ...domain.LogEntry) int {
	t.Helper()
	n, err := r.SaveLogs(t.Context(), batch, entries...)
	require.NoError(t, err)
	return n
}

// mustGet returns the entries that are stored of those that are asked for.
func mustGet(t *testing.T, r ports.LogRepository, ids ...domain.LogID) []domain.LogEntry {
	t.Helper()
	got, err := r.GetLogs(t.Context(), ids...)
	require.NoError(t, err)
	return got
}

// mustClose closes a batch and returns its ids.
func mustClose(t *testing.T, r ports.LogRepository, batch domain.BatchID) []domain.LogID {
	t.Helper()
	ids, err := r.CloseBatch(t.Context(), batch)
	require.NoError(t, err)
	return ids
}

// mustGetAnalysis returns the analysis of a task.
func mustGetAnalysis(t *testing.T, r ports.LogRepository, task domain.TaskID) domain.Analysis {
	t.Helper()
	a, err := r.GetAnalysis(t.Context(), task)
	require.NoError(t, err)
	return a
}

// mustPurge removes entries and returns how many, mustPurgeAnalyses does so with analyses.
func mustPurge(t *testing.T, r ports.LogRepository, age time.Duration, limit int) int {
	t.Helper()
	n, err := r.PurgeLogs(t.Context(), age, limit)
	require.NoError(t, err)
	return n
}

func mustPurgeAnalyses(t *testing.T, r ports.LogRepository, age time.Duration, limit int) int {
	t.Helper()
	n, err := r.PurgeAnalyses(t.Context(), age, limit)
	require.NoError(t, err)
	return n
}

// maxPages bounds how many pages a test reads: a cursor that leads in a circle
// must not hang it.
const maxPages = 2000

// pages reads all pages of a list from a cursor on, each of which holds so many items at
// most. between, if not nil, is called after each page but the last.
func pages[T any](t *testing.T, cursor string, size int, read func(cursor string) ([]T, string, error), between func()) (out []T) {
	t.Helper()
	for range maxPages {
		items, next, err := read(cursor)
		require.NoError(t, err)
		require.LessOrEqual(t, len(items), size, "a page holds at most its limit")
		out = append(out, items...)
		if next == "" {
			return out
		}
		cursor = next
		if between != nil {
			between()
		}
	}
	require.FailNow(t, "the list does not end")
	return nil
}

// logPages reads all pages of a list of entries.
func logPages(t *testing.T, r ports.LogRepository, f domain.LogFilter, between func()) []domain.LogEntry {
	t.Helper()
	return pages(t, f.Cursor, f.PageSize(), func(cursor string) ([]domain.LogEntry, string, error) {
		f.Cursor = cursor
		page, err := r.ListLogs(t.Context(), f)
		return page.Logs, page.NextCursor, err
	}, between)
}

// anomalyPages is logPages for anomalies.
func anomalyPages(t *testing.T, r ports.LogRepository, f domain.AnomalyFilter, between func()) []domain.FoundAnomaly {
	t.Helper()
	return pages(t, f.Cursor, f.PageSize(), func(cursor string) ([]domain.FoundAnomaly, string, error) {
		f.Cursor = cursor
		page, err := r.ListAnomalies(t.Context(), f)
		return page.Anomalies, page.NextCursor, err
	}, between)
}

// fillAll sets every exported field below v to a value that is not its zero
// value and, where the type allows it, not that of another field. A kind that it
// does not know fails the test, so that no new field goes unchecked.
func fillAll(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(logTime.Add(time.Duration(*n) * time.Minute)))
		return
	case uuid.UUID:
		v.Set(reflect.ValueOf(uuid.New()))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8:
		v.SetUint(uint64(*n%5 + 1)) // a valid level or severity
	case reflect.Float64:
		v.SetFloat(1 / float64(*n+1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillAll(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fillAll(t, v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fillAll(t, key, n)
			fillAll(t, value, n)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fillAll(t, v.Field(i), n)
		}
	default:
		require.FailNow(t, "no value for this kind of field", "%s: extend fillAll", v.Type())
	}
}
