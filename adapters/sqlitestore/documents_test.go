package sqlitestore

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// openIn opens a store in a folder of its own, with a clock that the test moves.
func openIn(t *testing.T, path string) (db *DB, advance func(time.Duration)) {
	t.Helper()
	var offset atomic.Int64
	db, err := Open(t.Context(), path, Config{
		Synchronous: SynchronousNormal, Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db, func(d time.Duration) { offset.Add(int64(d)) }
}

// count runs a query that counts.
func count(t *testing.T, db *DB, query string, args ...any) (n int64) {
	t.Helper()
	require.NoError(t, db.read(t.Context(), "count", func(s *statements) (err error) {
		n, _, err = s.number(query, args...)
		return err
	}))
	return n
}

func TestStatesThatExpiredLeaveTheFile(t *testing.T) {
	t.Parallel()
	db, advance := openIn(t, filepath.Join(t.TempDir(), "store.db"))
	logs := db.LogRepository
	save := func(key string, ttl time.Duration) {
		_, err := logs.SaveDocument(t.Context(), domain.Document{Key: key}, ttl)
		require.NoError(t, err)
	}
	rows := func() int64 { return count(t, db, "SELECT count(*) FROM state") }
	for i := range 10 {
		save(fmt.Sprint("short ", i), time.Minute)
	}
	save("long", time.Hour)
	save("endless", 0)
	require.Equal(t, int64(12), rows())
	advance(time.Minute)
	save("one more", 0)
	require.Equal(t, int64(13-expiredPerSave), rows(), "a save removes some")
	_, err := logs.PurgeAnalyses(t.Context(), time.Hour, 1)
	require.NoError(t, err)
	require.Equal(t, int64(3), rows(), "a purge removes what is left")
	for i := range 100 {
		save("short", time.Second)
		advance(time.Second)
		save(fmt.Sprint("shorter ", i), time.Millisecond)
		advance(time.Second)
		require.LessOrEqual(t, rows(), int64(6), "saves alone keep the number small")
	}
}

// TestTheHistoryOfOneAnomalyIsFoundByItsIndex looks at the plan: neither a scan nor a
// sort.
func TestTheHistoryOfOneAnomalyIsFoundByItsIndex(t *testing.T) {
	t.Parallel()
	db, _ := openIn(t, filepath.Join(t.TempDir(), "store.db"))
	var plan []string
	require.NoError(t, db.read(t.Context(), "explain", func(s *statements) error {
		return s.each(func(r *row) error {
			plan = append(plan, r.text(3))
			return r.err
		}, "EXPLAIN QUERY PLAN "+listAnomaliesByID, []byte("id"), 1, 1, 1, 1, 1, 1, 1)
	}))
	require.Len(t, plan, 2, "%q", plan)
	require.Contains(t, plan[0], "SEARCH a USING INDEX anomaly_by_id (id=? AND analysis<?)")
	require.Contains(t, plan[1], "SEARCH h USING INTEGER PRIMARY KEY")
}

// TestAFileOfTheFirstVersionIsBroughtUpToDate stores analyses as the first version
// did, and finds their anomalies by id.
func TestAFileOfTheFirstVersionIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	file := beside(t, path)
	execute := func(query string, args ...any) {
		_, err := file.ExecContext(t.Context(), query, args...)
		require.NoError(t, err)
	}
	script, err := migrations.ReadFile("migration/0001_init.sql")
	require.NoError(t, err)
	execute(string(script))
	execute(fmt.Sprintf("PRAGMA application_id = %d", applicationID))
	execute("PRAGMA user_version = 1")
	ids := []string{"shared", "<&>\"é", strings.Repeat("long", 100), "", "shared"}
	for no := range 3 {
		task := uuid.New()
		execute("INSERT INTO analysis (no, task, stored_us, result) VALUES (?, ?, ?, ?)", no+1, task[:], 1700000000000000+no, []byte(`{"anomalies":[]}`))
		for n, id := range ids {
			body, err := json.Marshal(domain.Anomaly{ID: id, Severity: domain.SeverityHigh, LastSeen: time.Unix(1700000000, 0)})
			require.NoError(t, err)
			execute("INSERT INTO anomaly (analysis, n, severity, last_seen_us, body) VALUES (?, ?, 4, 1700000000000000, ?)", no+1, n, body)
		}
	}
	// A record that cannot be read is no reason not to open the file.
	execute("INSERT INTO anomaly (analysis, n, severity, last_seen_us, body) VALUES (1, 9, 4, 0, x'ff')")

	db, _ := openIn(t, path)
	logs := db.LogRepository
	versions, err := migrations.ReadDir("migration")
	require.NoError(t, err)
	require.Equal(t, int64(len(versions)), count(t, db, "PRAGMA user_version"))
	for id, want := range map[string]int{"shared": 6, ids[1]: 3, ids[2][:256]: 0, "none": 0} {
		page, err := logs.ListAnomalies(t.Context(), domain.AnomalyFilter{ID: id})
		require.NoError(t, err)
		require.Len(t, page.Anomalies, want, "id %q", id)
	}
	require.Equal(t, int64(3), count(t, db, "SELECT count(*) FROM anomaly WHERE id = ?", []byte(ids[2])))
	_, err = logs.SaveDocument(t.Context(), domain.Document{Key: "key"}, 0)
	require.NoError(t, err)
}
