package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestBrokenLogsAreFoundAndMended(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		want domain.FindingKind
		harm func(t tester, p *patient, batch domain.BatchID, id domain.LogID)
		// left is how many of the three entries are left.
		left int
	}{
		{"an entry that is not in the index by timestamp", domain.FindingLogNotIndexed, func(t tester, p *patient, _ domain.BatchID, id domain.LogID) {
			r, err := p.rdb.HGet(t.Context(), p.logKey("entries"), string(id[:])).Result()
			require.NoError(t, err)
			p.do(t, "ZREM", p.logKey("by_time"), r[17:25]+string(id[:]))
		}, 3},
		{"an entry that is not in the index by arrival", domain.FindingLogNotIndexed, func(t tester, p *patient, _ domain.BatchID, id domain.LogID) {
			p.do(t, "ZREM", p.logKey("received"), id)
		}, 3},
		{"an entry that arrived at another time", domain.FindingLogNotIndexed, func(t tester, p *patient, _ domain.BatchID, id domain.LogID) {
			p.do(t, "ZADD", p.logKey("received"), "+inf", id)
		}, 3},
		{"an entry that is not in its batch", domain.FindingLogNotIndexed, func(t tester, p *patient, batch domain.BatchID, id domain.LogID) {
			p.do(t, "LREM", p.logKey("batch:")+string(batch[:]), 1, id)
		}, 3},
		{"a batch that lists what is no entry", domain.FindingLogStray, func(t tester, p *patient, batch domain.BatchID, _ domain.LogID) {
			p.do(t, "RPUSH", p.logKey("batch:")+string(batch[:]), uuid.New())
		}, 3},
		{"a batch that lists an entry twice", domain.FindingLogStray, func(t tester, p *patient, batch domain.BatchID, id domain.LogID) {
			p.do(t, "RPUSH", p.logKey("batch:")+string(batch[:]), id)
		}, 3},
		{"a batch that lists the entry of another", domain.FindingLogStray, func(t tester, p *patient, _ domain.BatchID, id domain.LogID) {
			other := uuid.New()
			p.do(t, "RPUSH", p.logKey("batch:")+string(other[:]), id)
		}, 3},
		{"an index by timestamp that names no entry", domain.FindingLogStray, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			p.do(t, "ZADD", p.logKey("by_time"), 0, "12345678"+"1234567890123456")
		}, 3},
		{"an index by timestamp with garbage", domain.FindingLogStray, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			p.do(t, "ZADD", p.logKey("by_time"), 0, "garbage")
		}, 3},
		{"an index by arrival that names no entry", domain.FindingLogStray, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			p.do(t, "ZADD", p.logKey("received"), 0, uuid.New())
		}, 3},
		{"an entry of another version", domain.FindingLogCorrupt, func(t tester, p *patient, _ domain.BatchID, id domain.LogID) {
			p.do(t, "HSET", p.logKey("entries"), id, "\x09"+strings.Repeat("x", 60))
		}, 2},
		{"an entry that is cut", domain.FindingLogCorrupt, func(t tester, p *patient, _ domain.BatchID, id domain.LogID) {
			p.do(t, "HSET", p.logKey("entries"), id, "\x01cut")
		}, 2},
		{"an analysis that cannot be read", domain.FindingAnalysisCorrupt, func(t tester, p *patient, batch domain.BatchID, _ domain.LogID) {
			p.do(t, "HSET", p.logKey("analyses"), batch, "garbage")
		}, 3},
		{"an analysis that is not in the index", domain.FindingAnalysisNotIndexed, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			p.do(t, "DEL", p.logKey("history"))
		}, 3},
		{"an index of the analyses that names none", domain.FindingAnalysisStray, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			p.do(t, "ZADD", p.logKey("history"), 0, "12345678"+"1234567890123456")
		}, 3},
		{"a batch of another type", domain.FindingKeyType, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			other := uuid.New()
			p.do(t, "SET", p.logKey("batch:")+string(other[:]), "x")
		}, 3},
		{"a batch whose id is none", domain.FindingKeyUnknown, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			p.do(t, "RPUSH", p.logKey("batch:none"), "x")
		}, 3},
		{"an index by timestamp of another type", domain.FindingKeyType, func(t tester, p *patient, _ domain.BatchID, _ domain.LogID) {
			p.do(t, "DEL", p.logKey("by_time"))
			p.do(t, "SET", p.logKey("by_time"), "x")
		}, 3},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			batch, lines := uuid.New(), logLines(3)
			_, err := p.logs.SaveLogs(t.Context(), batch, lines...)
			require.NoError(t, err)
			require.NoError(t, p.logs.SaveAnalysis(t.Context(), batch, result(2)))
			require.Empty(t, p.verify(t, true))
			c.harm(t, p, batch, lines[1].ID)
			for range 2 {
				found := p.verify(t, false)
				require.Equal(t, []domain.FindingKind{c.want}, kinds(found), "%v", found)
				require.False(t, found[0].Repaired())
			}
			for _, f := range p.verify(t, true) {
				require.True(t, f.Repaired(), "%v", f)
			}
			require.Empty(t, p.verify(t, true))
			page, err := p.logs.ListLogs(t.Context(), domain.LogFilter{})
			require.NoError(t, err)
			require.Len(t, page.Logs, c.left)
			ids, err := p.logs.CloseBatch(t.Context(), batch)
			require.NoError(t, err)
			require.Len(t, ids, c.left)
			_, err = p.logs.ListAnomalies(t.Context(), domain.AnomalyFilter{})
			require.NoError(t, err)
			p.w.advance(time.Hour)
			n, err := p.logs.PurgeLogs(t.Context(), time.Minute, 100)
			require.NoError(t, err)
			require.Equal(t, c.left, n)
			require.Empty(t, p.verify(t, false))
		})
	}
}
