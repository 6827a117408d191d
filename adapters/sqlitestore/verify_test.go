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
		"the pause of a lane":     `INSERT INTO pause (queue, since_us) SELECT DISTINCT queue, 1 FROM lane`,
		"a lane that is gone":     `DELETE FROM lane`,
		"a state that is none":    `UPDATE task SET state = 9, wake_us = 1`,
		"a claim that is lost":    `UPDATE task SET state = 3, wake_us = 1`,
		"contents without a task": `UPDATE contents SET seq = 1 WHERE seq = (SELECT min(seq) FROM contents)`,
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
		"a slot of nobody":        `UPDATE slot SET running = running + 1`,
		"a holder of nothing":     `UPDATE slot SET holder = 1`,
		"a task without a slot":   `DELETE FROM slot`,
		"a task without a line":   `DELETE FROM line WHERE key = CAST('b' AS BLOB)`,
		"a task that is too many": `UPDATE line SET ready = ready + 1`,
		"a task held back":        `UPDATE line SET next = 0 WHERE key = CAST('b' AS BLOB)`,
		"a task let in":           `UPDATE line SET next = head`,
		"the first of a lane":     `UPDATE lane SET head = 1 WHERE keyed = 1`,
		"the limits of a lane":    `UPDATE lane SET class = class + 1`,
		"the turns of a lane":     `UPDATE lane SET turns = 77 WHERE keyed = 0`,
		"the use of a queue":      `UPDATE task_limit SET running = 9 WHERE name = 'queue'`,
		"the use of keys":         `UPDATE task_limit SET waiting = 9 WHERE name = 'order'`,
		"the number of limits":    `UPDATE clock SET limits = 0`,
		"an event too many":       `INSERT INTO event (no, at_us, task, queue, type, was, became, attempt, reason) VALUES (9, 1, x'00', 'a', 'b', 0, 1, 0, '')`,
	}
	for name, harm := range harms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store.db")
			db := open(t, path, sqlitestore.Config{})
			task := func(key string) *domain.Task {
				task := newTask()
				task.Key = key
				return task
			}
			tasks, err := db.Enqueue(t.Context(), task("a"), task("a"), task("b"), task(""))
			require.NoError(t, err)
			require.NoError(t, db.SetLimit(t.Context(), domain.Limit{Name: "order", Scope: domain.LimitKey, Queue: "default", Concurrency: 1}))
			require.NoError(t, db.SetLimit(t.Context(), domain.Limit{Name: "queue", Scope: domain.LimitQueue, Queue: "default", Concurrency: 2}))
			_, err = db.Dequeue(t.Context(), claim(1, 0))
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
			require.Equal(t, domain.VerifySummary{Tasks: 4, Logs: 1, Analyses: 1, States: 1}, summary, "%v", found)
			require.True(t, summary.Clean())

			_, err = raw(t, path).ExecContext(t.Context(), harm)
			require.NoError(t, err)
			summary, err = db.Verify(t.Context(), req)
			require.NoError(t, err)
			require.NotEmpty(t, found)
			for _, f := range found {
				require.Equal(t, f.Kind != sqlitestore.KindRuleBroken, f.Repaired())
				require.NotEmpty(t, f.Detail)
			}
			if !summary.Clean() {
				return
			}
			found = nil
			summary, err = db.Verify(t.Context(), req)
			require.NoError(t, err)
			require.Zero(t, summary.Findings, "%v", found)
			claimed, err := db.Dequeue(t.Context(), claim(10, 0))
			require.NoError(t, err)
			require.Len(t, claimed, 1)
			require.NotEqual(t, tasks[1].ID, claimed[0].ID, "its key runs one at a time")
		})
	}
}
