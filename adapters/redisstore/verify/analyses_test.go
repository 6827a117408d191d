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
	"logsift/ports"
)

// place is the time of an analysis and its task, as the indexes have them.
func place(t storetest.T, p *storetest.Patient, task domain.TaskID) string {
	record, err := p.Redis.HGet(t.Context(), p.LogKey("analyses"), string(task[:])).Result()
	require.NoError(t, err)
	return record[1:9] + string(task[:])
}

func TestABrokenIndexOfAnomaliesIsFoundAndMended(t *testing.T) {
	t.Parallel()
	const lost, stray = verify.KindAnomalyNotIndexed, verify.KindAnomalyStray
	for _, c := range []struct {
		name string
		want []string
		harm step // of an analysis
		// left is how many of the two analyses are left.
		left int
	}{
		{"that is lost", []string{lost, lost}, onLogs("DEL", "anomalies"), 2},
		{"that has lost one", []string{lost}, onLogs("ZPOPMIN", "anomalies"), 2},
		{"whose ids are lost", []string{lost, lost}, onLogs("DEL", "anomaly_ids"), 2},
		{"as of a store without one", []string{lost, lost}, func(t storetest.T, p *storetest.Patient, _ domain.TaskID) {
			p.Do(t, "DEL", p.LogKey("anomalies"), p.LogKey("anomaly_ids"))
		}, 2},
		{"whose ids are others", []string{lost, stray}, onLogs("HSET", "anomaly_ids", it, "12345678"), 2},
		{"with ids of no analysis", []string{stray}, onLogs("HSET", "anomaly_ids", uuid.New(), "12345678"), 2},
		{"with garbage for ids", []string{lost, stray}, onLogs("HSET", "anomaly_ids", it, "short"), 2},
		{"that names what its analysis has not", []string{stray}, func(t storetest.T, p *storetest.Patient, task domain.TaskID) {
			p.Do(t, "ZADD", p.LogKey("anomalies"), 0, "12345678"+place(t, p, task))
		}, 2},
		{"that names no analysis", []string{stray}, onLogs("ZADD", "anomalies", 0, strings.Repeat("12345678", 4)), 2},
		{"that names an analysis of another time", []string{stray}, func(t storetest.T, p *storetest.Patient, task domain.TaskID) {
			member := p.Do(t, "ZRANGE", p.LogKey("anomalies"), 0, 0).([]any)[0].(string)
			p.Do(t, "ZADD", p.LogKey("anomalies"), 0, member[:8]+"12345678"+string(task[:]))
		}, 2},
		{"with garbage", []string{stray}, onLogs("ZADD", "anomalies", 0, "garbage"), 2},
		{"of an analysis whose record is lost", []string{verify.KindAnalysisStray, stray}, onLogs("HDEL", "analyses", it), 1},
		{"of an analysis that cannot be read", []string{verify.KindAnalysisCorrupt}, onLogs("HSET", "analyses", it, "cut"), 1},
		{"of another type", []string{verify.KindKeyType}, all(onLogs("DEL", "anomalies"), onLogs("SET", "anomalies", "x")), 2},
		{"with ids of another type", []string{verify.KindKeyType}, all(onLogs("DEL", "anomaly_ids"), onLogs("SET", "anomaly_ids", "x")), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := storetest.NewPatient(t)
			task := uuid.New()
			require.NoError(t, p.Logs.SaveAnalysis(t.Context(), task, storetest.Result(2)))
			require.NoError(t, p.Logs.SaveAnalysis(t.Context(), uuid.New(), storetest.Result(1)))
			require.NoError(t, p.Logs.SaveAnalysis(t.Context(), uuid.New(), storetest.Result(0)))
			require.Empty(t, p.Verify(t, true))
			c.harm(t, p, task)
			for range 2 {
				require.Equal(t, c.want, storetest.Kinds(p.Verify(t, false)))
			}
			for _, f := range p.Verify(t, true) {
				require.True(t, f.Repaired(), "%v", f)
				require.NotEmpty(t, f.Detail)
			}
			require.Empty(t, p.Verify(t, true))
			page, err := p.Logs.ListAnomalies(t.Context(), domain.AnomalyFilter{ID: "a"})
			require.NoError(t, err)
			require.Len(t, page.Anomalies, 2*c.left-1, "the history is whole again")
			_, err = p.Logs.PurgeAnalyses(t.Context(), 0, 100)
			require.NoError(t, err)
			require.Empty(t, p.Verify(t, false))
			require.Equal(t, int64(0), p.Do(t, "EXISTS", p.LogKey("anomalies"), p.LogKey("anomaly_ids"), p.LogKey("analyses"), p.LogKey("history")))
		})
	}
}

func TestBrokenStatesAreFoundAndMended(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		want string
		harm step
		// gone is the key whose state is lost by the repair.
		gone string
	}{
		{"that is cut", verify.KindAnalyserStateCorrupt, onLogs("SET", "state:endless", "\x01cut"), "endless"},
		{"that is empty", verify.KindAnalyserStateCorrupt, onLogs("SET", "state:endless", ""), "endless"},
		{"of another version", verify.KindAnalyserStateCorrupt, onLogs("SETRANGE", "state:endless", 0, "\x09"), "endless"},
		{"that is larger than any", verify.KindAnalyserStateCorrupt, onLogs("SETRANGE", "state:short", domain.MaxDocumentData+23, "x"), "short"},
		{"that expires, and would stay", verify.KindAnalyserStateExpiry, onLogs("PERSIST", "state:short"), ""},
		{"that does not expire, and would go", verify.KindAnalyserStateExpiry, onLogs("EXPIRE", "state:endless", 1000), ""},
		{"of another type", verify.KindKeyType, all(onLogs("DEL", "state:endless"), onLogs("RPUSH", "state:endless", "x")), "endless"},
		{"without a key", verify.KindKeyUnknown, onLogs("SET", "state:", "x"), ""},
		{"with a key that is too long", verify.KindKeyUnknown, onLogs("RPUSH", "state:"+strings.Repeat("k", domain.MaxDocumentKey+1), "x"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := storetest.NewPatient(t)
			revisions := map[string]int64{}
			for key, ttl := range map[string]time.Duration{"endless": 0, "short": time.Hour, "{}: \xff": time.Hour, "0123456789abcdef": 0} {
				revision, err := p.Logs.SaveDocument(t.Context(), domain.Document{Key: key, Data: []byte("of " + key)}, ttl)
				require.NoError(t, err)
				revisions[key] = revision
			}
			summary, err := p.Verifier.Verify(t.Context(), ports.VerifyRequest{Repair: true})
			require.NoError(t, err)
			require.Equal(t, domain.VerifySummary{States: 4}, summary)
			c.harm(t, p, uuid.Nil)
			for range 2 {
				found := p.Verify(t, false)
				require.Equal(t, []string{c.want}, storetest.Kinds(found), "%v", found)
				require.False(t, found[0].Repaired())
				require.NotEmpty(t, found[0].Detail)
			}
			p.Mend(t)
			for key, revision := range revisions {
				got, err := p.Logs.LoadDocuments(t.Context(), key)
				require.NoError(t, err)
				if key == c.gone {
					require.Zero(t, got[0].Revision)
					next, err := p.Logs.SaveDocument(t.Context(), domain.Document{Key: key}, 0)
					require.NoError(t, err)
					require.Greater(t, next, revision, "no revision comes twice")
					continue
				}
				require.Equal(t, domain.Document{Key: key, Revision: revision, Data: []byte("of " + key)}, got[0])
			}
			left := p.Do(t, "PTTL", p.LogKey("state:short"))
			if c.gone != "short" {
				require.Greater(t, left, int64(3_500_000))
				require.LessOrEqual(t, left, int64(3_600_000))
			}
			require.Equal(t, int64(-1), p.Do(t, "PTTL", p.LogKey("state:endless")))
			require.Empty(t, p.Verify(t, false))
		})
	}
}

// TestStatesAreVerifiedInPages has more of them than a page holds, and a damaged one
// among them, of which the quarantine keeps the bytes.
func TestStatesAreVerifiedInPages(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	for i := range 1234 {
		_, err := p.Logs.SaveDocument(t.Context(), domain.Document{Key: string(rune('a'+i%26)) + uuid.NewString()}, time.Hour)
		require.NoError(t, err)
	}
	p.Do(t, "SET", p.LogKey("state:bad"), "garbage")
	summary, err := p.Verifier.Verify(t.Context(), ports.VerifyRequest{Repair: true})
	require.NoError(t, err)
	require.Equal(t, domain.VerifySummary{States: 1235, Findings: 1, Repaired: 1}, summary)
	kept, err := p.Redis.HGet(t.Context(), p.LogKey("quarantine"), "state:bad").Result()
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(kept, "garbage"))
}
