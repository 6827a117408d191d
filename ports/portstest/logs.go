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

// LogHarness is one empty log repository, with what a test needs to steer it.
type LogHarness struct {
	Repository ports.LogRepository
	// Advance moves the store's clock forward.
	Advance func(d time.Duration)
	// Reopen gives a second repository on the same store, as another process
	// would open it. It is nil for a store that only one process can use.
	Reopen func(t *testing.T) ports.LogRepository
	// Restart gives the repository after the store was closed and opened again.
	// It is nil for a store that keeps nothing.
	Restart func(t *testing.T) ports.LogRepository
}

// logCase checks one promise of ports.LogRepository.
type logCase struct {
	name string
	// promise is the sentence of the contract that is broken if the case fails.
	promise string
	run     func(t *testing.T, h LogHarness)
}

// TestLogRepository checks that the repositories which newHarness makes keep the
// contract of ports.LogRepository. Each case gets one of its own, and they run
// in parallel.
func TestLogRepository(t *testing.T, newHarness func(t *testing.T) LogHarness) {
	t.Helper()
	for _, group := range []struct {
		name  string
		cases []logCase
	}{
		{"SaveLogs", logSaveCases},
		{"Batches", logBatchCases},
		{"GetLogs and ListLogs", logListCases},
		{"Analyses", analysisCases},
		{"Anomalies", anomalyCases},
		{"Purge", logPurgeCases},
		{"States", logStateCases},
		{"Store", logStoreCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					h := newHarness(t)
					t.Cleanup(func() {
						if t.Failed() {
							t.Logf("the broken promise: %s", c.promise)
						}
					})
					c.run(t, h)
				})
			}
		})
	}
}

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
	out := make([]domain.LogID, len(entries))
	for i := range entries {
		out[i] = entries[i].ID
	}
	return out
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

// maxPages bounds how many pages a test reads: a cursor that leads in a circle
// must not hang it.
const maxPages = 2000

// logPages reads all pages of a list. between, if not nil, is called after each
// page but the last.
func logPages(t *testing.T, r ports.LogRepository, filter domain.LogFilter, between func()) []domain.LogEntry {
	t.Helper()
	var out []domain.LogEntry
	for range maxPages {
		page, err := r.ListLogs(t.Context(), filter)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Logs), filter.PageSize(), "a page holds at most its limit")
		out = append(out, page.Logs...)
		if page.NextCursor == "" {
			return out
		}
		filter.Cursor = page.NextCursor
		if between != nil {
			between()
		}
	}
	require.FailNow(t, "the list does not end")
	return nil
}

// anomalyPages is logPages for anomalies.
func anomalyPages(t *testing.T, r ports.LogRepository, filter domain.AnomalyFilter, between func()) []domain.FoundAnomaly {
	t.Helper()
	var out []domain.FoundAnomaly
	for range maxPages {
		page, err := r.ListAnomalies(t.Context(), filter)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Anomalies), filter.PageSize(), "a page holds at most its limit")
		out = append(out, page.Anomalies...)
		if page.NextCursor == "" {
			return out
		}
		filter.Cursor = page.NextCursor
		if between != nil {
			between()
		}
	}
	require.FailNow(t, "the list does not end")
	return nil
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
