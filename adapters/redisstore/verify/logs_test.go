package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/verify"
	"logsift/domain"
)

// theBatch is that of the entries that are harmed, otherBatch another one.
var theBatch, otherBatch = domain.BatchID{1}, domain.BatchID{2}

func TestBrokenLogsAreFoundAndMended(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		want string
		harm step // of an entry
		// left is how many of the three entries are left.
		left int
	}{
		{"an entry that is not in the index by timestamp", verify.KindLogNotIndexed, func(t storetest.T, p *storetest.Patient, id uuid.UUID) {
			r, err := p.Redis.HGet(t.Context(), p.LogKey("entries"), string(id[:])).Result()
			require.NoError(t, err)
			p.Do(t, "ZREM", p.LogKey("by_time"), r[17:25]+string(id[:]))
		}, 3},
		{"an entry that is not in the index by arrival", verify.KindLogNotIndexed, onLogs("ZREM", "received", it), 3},
		{"an entry that arrived at another time", verify.KindLogNotIndexed, onLogs("ZADD", "received", "+inf", it), 3},
		{"an entry that is not in its batch", verify.KindLogNotIndexed, onLogs("LREM", "batch:"+string(theBatch[:]), 1, it), 3},
		{"a batch that lists what is no entry", verify.KindLogStray, onLogs("RPUSH", "batch:"+string(theBatch[:]), uuid.New()), 3},
		{"a batch that lists an entry twice", verify.KindLogStray, onLogs("RPUSH", "batch:"+string(theBatch[:]), it), 3},
		{"a batch that lists the entry of another", verify.KindLogStray, onLogs("RPUSH", "batch:"+string(otherBatch[:]), it), 3},
		{"an index by timestamp that names no entry", verify.KindLogStray, onLogs("ZADD", "by_time", 0, "12345678"+"1234567890123456"), 3},
		{"an index by timestamp with garbage", verify.KindLogStray, onLogs("ZADD", "by_time", 0, "garbage"), 3},
		{"an index by arrival that names no entry", verify.KindLogStray, onLogs("ZADD", "received", 0, uuid.New()), 3},
		{"an entry of another version", verify.KindLogCorrupt, onLogs("HSET", "entries", it, "\x09"+strings.Repeat("x", 60)), 2},
		{"an entry that is cut", verify.KindLogCorrupt, onLogs("HSET", "entries", it, "\x01cut"), 2},
		{"an analysis that cannot be read", verify.KindAnalysisCorrupt, onLogs("HSET", "analyses", theBatch, "garbage"), 3},
		{"an analysis that is not in the index", verify.KindAnalysisNotIndexed, onLogs("DEL", "history"), 3},
		{"an index of the analyses that names none", verify.KindAnalysisStray, onLogs("ZADD", "history", 0, "12345678"+"1234567890123456"), 3},
		{"a batch of another type", verify.KindKeyType, onLogs("SET", "batch:"+string(otherBatch[:]), "x"), 3},
		{"a batch whose id is none", verify.KindKeyUnknown, onLogs("RPUSH", "batch:none", "x"), 3},
		{"an index by timestamp of another type", verify.KindKeyType, all(onLogs("DEL", "by_time"), onLogs("SET", "by_time", "x")), 3},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := storetest.NewPatient(t)
			batch, lines := theBatch, storetest.LogLines(3)
			_, err := p.Logs.SaveLogs(t.Context(), batch, lines...)
			require.NoError(t, err)
			require.NoError(t, p.Logs.SaveAnalysis(t.Context(), batch, storetest.Result(2)))
			require.Empty(t, p.Verify(t, true))
			c.harm(t, p, lines[1].ID)
			for range 2 {
				found := p.Verify(t, false)
				require.Equal(t, []string{c.want}, storetest.Kinds(found), "%v", found)
				require.False(t, found[0].Repaired())
			}
			p.Mend(t)
			page, err := p.Logs.ListLogs(t.Context(), domain.LogFilter{})
			require.NoError(t, err)
			require.Len(t, page.Logs, c.left)
			ids, err := p.Logs.CloseBatch(t.Context(), batch)
			require.NoError(t, err)
			require.Len(t, ids, c.left)
			_, err = p.Logs.ListAnomalies(t.Context(), domain.AnomalyFilter{})
			require.NoError(t, err)
			p.Advance(time.Hour)
			n, err := p.Logs.PurgeLogs(t.Context(), time.Minute, 100)
			require.NoError(t, err)
			require.Equal(t, c.left, n)
			require.Empty(t, p.Verify(t, false))
		})
	}
}
