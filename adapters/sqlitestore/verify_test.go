package sqlitestore_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/sqlitestore"
	"logsift/domain"
	"logsift/ports"
)

func TestVerifyFindsRowsThatContradictEachOther(t *testing.T) {
	t.Parallel()
	harms := map[string]string{
		"the statistics":          `UPDATE lane SET ready = ready + 1`,
		"the head of a lane":      `UPDATE lane SET head = head + 1`,
		"the pause of a lane":     `INSERT INTO pause (queue, since_us) SELECT queue, 1 FROM lane`,
		"a lane that is gone":     `DELETE FROM lane`,
		"a state that is none":    `UPDATE task SET state = 9, wake_us = 1`,
		"a claim that is lost":    `UPDATE task SET state = 3, wake_us = 1`,
		"contents without a task": `UPDATE contents SET seq = 1`,
		"a task without contents": `DELETE FROM contents`,
		"a result without a task": `INSERT INTO result (seq, data) VALUES (1, x'00')`,
		"the entries of a batch":  `UPDATE log_batch SET entries = 7`,
		"an anomaly of nothing":   `INSERT INTO anomaly (analysis, n, severity, last_seen_us, body) VALUES (99, 1, 1, 1, x'00')`,
		"the id of an anomaly":    `UPDATE anomaly SET id = CAST('other' AS BLOB) WHERE n = 1`,
		"a state without a key":   `INSERT INTO state (key, until_us, data) VALUES (x'', 0, x'00')`,
		"a state that is large":   `INSERT INTO state (key, until_us, data) VALUES (x'01', 0, zeroblob(5000000))`,
		"a state of no time":      `UPDATE state SET until_us = -1`,
		"a schedule of no JSON":   `INSERT INTO schedule (name, revision, claimed_us, due_us, body) VALUES ('a', 1, 0, 0, x'00')`,
		"a schedule of another":   `INSERT INTO schedule (name, revision, claimed_us, due_us, body) VALUES ('a', 1, 0, 0, CAST('{"Schedule":{"Name":"b"}}' AS BLOB))`,
		"an event too many":       `INSERT INTO event (no, at_us, task, queue, type, was, became, attempt, reason) VALUES (9, 1, x'00', 'a', 'b', 0, 1, 0, '')`,
	}
	for name, harm := range harms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store.db")
			db := open(t, path, sqlitestore.Config{})
			_, err := db.Enqueue(t.Context(), newTask())
			require.NoError(t, err)
			_, err = db.SaveLogs(t.Context(), uuid.New(), domain.LogEntry{ID: uuid.New(), Source: "a", Message: "m"})
			require.NoError(t, err)
			require.NoError(t, db.SaveAnalysis(t.Context(), uuid.New(), domain.AnalysisResult{
				Anomalies: []domain.Anomaly{{ID: "plain"}, {ID: "<&>\"\u2028é"}, {ID: "nul\x00nul"}, {ID: "no UTF-8 \xff\xfe"}, {}},
			}))
			_, err = db.SaveDocument(t.Context(), domain.Document{Key: "key"}, time.Hour)
			require.NoError(t, err)
			var found []domain.Finding
			req := ports.VerifyRequest{Repair: true, Report: func(f domain.Finding) { found = append(found, f) }}
			summary, err := db.Verify(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, domain.VerifySummary{Tasks: 1, Logs: 1, Analyses: 1, States: 1}, summary, "%v", found)
			require.True(t, summary.Clean())

			_, err = raw(t, path).ExecContext(t.Context(), harm)
			require.NoError(t, err)
			summary, err = db.Verify(t.Context(), req)
			require.NoError(t, err)
			require.NotEmpty(t, found)
			require.False(t, summary.Clean(), "nothing is mended")
			for _, f := range found {
				require.Equal(t, sqlitestore.KindRuleBroken, f.Kind)
				require.NotEmpty(t, f.Detail)
			}
		})
	}
}
