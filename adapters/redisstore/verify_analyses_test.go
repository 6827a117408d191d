package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// place is the time of an analysis and its task, as the indexes have them.
func (p *patient) place(t tester, task domain.TaskID) string {
	record, err := p.rdb.HGet(t.Context(), p.logKey("analyses"), string(task[:])).Result()
	require.NoError(t, err)
	return record[1:9] + string(task[:])
}

func TestABrokenIndexOfAnomaliesIsFoundAndMended(t *testing.T) {
	t.Parallel()
	const lost, stray = domain.FindingAnomalyNotIndexed, domain.FindingAnomalyStray
	for _, c := range []struct {
		name string
		want []domain.FindingKind
		harm func(t tester, p *patient, task domain.TaskID)
		// left is how many of the two analyses are left.
		left int
	}{
		{"that is lost", []domain.FindingKind{lost, lost}, func(t tester, p *patient, _ domain.TaskID) {
			p.do(t, "DEL", p.logKey("anomalies"))
		}, 2},
		{"that has lost one", []domain.FindingKind{lost}, func(t tester, p *patient, _ domain.TaskID) {
			p.do(t, "ZPOPMIN", p.logKey("anomalies"))
		}, 2},
		{"whose ids are lost", []domain.FindingKind{lost, lost}, func(t tester, p *patient, _ domain.TaskID) {
			p.do(t, "DEL", p.logKey("anomaly_ids"))
		}, 2},
		{"as of a store without one", []domain.FindingKind{lost, lost}, func(t tester, p *patient, _ domain.TaskID) {
			p.do(t, "DEL", p.logKey("anomalies"), p.logKey("anomaly_ids"))
		}, 2},
		{"whose ids are others", []domain.FindingKind{lost, stray}, func(t tester, p *patient, task domain.TaskID) {
			p.do(t, "HSET", p.logKey("anomaly_ids"), task, "12345678")
		}, 2},
		{"with ids of no analysis", []domain.FindingKind{stray}, func(t tester, p *patient, _ domain.TaskID) {
			p.do(t, "HSET", p.logKey("anomaly_ids"), uuid.New(), "12345678")
		}, 2},
		{"with garbage for ids", []domain.FindingKind{lost, stray}, func(t tester, p *patient, task domain.TaskID) {
			p.do(t, "HSET", p.logKey("anomaly_ids"), task, "short")
		}, 2},
		{"that names what its analysis has not", []domain.FindingKind{stray}, func(t tester, p *patient, task domain.TaskID) {
			p.do(t, "ZADD", p.logKey("anomalies"), 0, "12345678"+p.place(t, task))
		}, 2},
		{"that names no analysis", []domain.FindingKind{stray}, func(t tester, p *patient, _ domain.TaskID) {
			p.do(t, "ZADD", p.logKey("anomalies"), 0, strings.Repeat("12345678", 4))
		}, 2},
		{"that names an analysis of another time", []domain.FindingKind{stray}, func(t tester, p *patient, task domain.TaskID) {
			member := p.do(t, "ZRANGE", p.logKey("anomalies"), 0, 0).([]any)[0].(string)
			p.do(t, "ZADD", p.logKey("anomalies"), 0, member[:8]+"12345678"+string(task[:]))
		}, 2},
		{"with garbage", []domain.FindingKind{stray}, func(t tester, p *patient, _ domain.TaskID) {
			p.do(t, "ZADD", p.logKey("anomalies"), 0, "garbage")
		}, 2},
		{"of an analysis whose record is lost", []domain.FindingKind{domain.FindingAnalysisStray, stray}, func(t tester, p *patient, task domain.TaskID) {
			p.do(t, "HDEL", p.logKey("analyses"), task)
		}, 1},
		{"of an analysis that cannot be read", []domain.FindingKind{domain.FindingAnalysisCorrupt}, func(t tester, p *patient, task domain.TaskID) {
			p.do(t, "HSET", p.logKey("analyses"), task, "cut")
		}, 1},
		{"of another type", []domain.FindingKind{domain.FindingKeyType}, func(t tester, p *patient, _ domain.TaskID) {
			p.do(t, "DEL", p.logKey("anomalies"))
			p.do(t, "SET", p.logKey("anomalies"), "x")
		}, 2},
		{"with ids of another type", []domain.FindingKind{domain.FindingKeyType}, func(t tester, p *patient, _ domain.TaskID) {
			p.do(t, "DEL", p.logKey("anomaly_ids"))
			p.do(t, "SET", p.logKey("anomaly_ids"), "x")
		}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			task := uuid.New()
			require.NoError(t, p.logs.SaveAnalysis(t.Context(), task, result(2)))
			require.NoError(t, p.logs.SaveAnalysis(t.Context(), uuid.New(), result(1)))
			require.NoError(t, p.logs.SaveAnalysis(t.Context(), uuid.New(), result(0)))
			require.Empty(t, p.verify(t, true))
			c.harm(t, p, task)
			for range 2 {
				require.Equal(t, c.want, kinds(p.verify(t, false)))
			}
			for _, f := range p.verify(t, true) {
				require.True(t, f.Repaired(), "%v", f)
				require.NotEmpty(t, f.Detail)
			}
			require.Empty(t, p.verify(t, true))
			page, err := p.logs.ListAnomalies(t.Context(), domain.AnomalyFilter{ID: "a"})
			require.NoError(t, err)
			require.Len(t, page.Anomalies, 2*c.left-1, "the history is whole again")
			_, err = p.logs.PurgeAnalyses(t.Context(), 0, 100)
			require.NoError(t, err)
			require.Empty(t, p.verify(t, false))
			require.Equal(t, int64(0), p.do(t, "EXISTS", p.logKey("anomalies"), p.logKey("anomaly_ids"), p.logKey("analyses"), p.logKey("history")))
		})
	}
}

func TestBrokenStatesAreFoundAndMended(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		want domain.FindingKind
		harm func(t tester, p *patient)
		// gone is the key whose state is lost by the repair.
		gone string
	}{
		{"that is cut", domain.FindingAnalyserStateCorrupt, func(t tester, p *patient) {
			p.do(t, "SET", p.logKey("state:endless"), "\x01cut")
		}, "endless"},
		{"that is empty", domain.FindingAnalyserStateCorrupt, func(t tester, p *patient) {
			p.do(t, "SET", p.logKey("state:endless"), "")
		}, "endless"},
		{"of another version", domain.FindingAnalyserStateCorrupt, func(t tester, p *patient) {
			p.do(t, "SETRANGE", p.logKey("state:endless"), 0, "\x09")
		}, "endless"},
		{"that is larger than any", domain.FindingAnalyserStateCorrupt, func(t tester, p *patient) {
			p.do(t, "SETRANGE", p.logKey("state:short"), domain.MaxStateData+23, "x")
		}, "short"},
		{"that expires, and would stay", domain.FindingAnalyserStateExpiry, func(t tester, p *patient) {
			p.do(t, "PERSIST", p.logKey("state:short"))
		}, ""},
		{"that does not expire, and would go", domain.FindingAnalyserStateExpiry, func(t tester, p *patient) {
			p.do(t, "EXPIRE", p.logKey("state:endless"), 1000)
		}, ""},
		{"of another type", domain.FindingKeyType, func(t tester, p *patient) {
			p.do(t, "DEL", p.logKey("state:endless"))
			p.do(t, "RPUSH", p.logKey("state:endless"), "x")
		}, "endless"},
		{"without a key", domain.FindingKeyUnknown, func(t tester, p *patient) {
			p.do(t, "SET", p.logKey("state:"), "x")
		}, ""},
		{"with a key that is too long", domain.FindingKeyUnknown, func(t tester, p *patient) {
			p.do(t, "RPUSH", p.logKey("state:")+strings.Repeat("k", domain.MaxStateKey+1), "x")
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			revisions := map[string]int64{}
			for key, ttl := range map[string]time.Duration{"endless": 0, "short": time.Hour, "{}: \xff": time.Hour, "0123456789abcdef": 0} {
				revision, err := p.logs.SaveState(t.Context(), domain.State{Key: key, Data: []byte("of " + key)}, ttl)
				require.NoError(t, err)
				revisions[key] = revision
			}
			summary, err := p.verifier.Verify(t.Context(), ports.VerifyRequest{Repair: true})
			require.NoError(t, err)
			require.Equal(t, domain.VerifySummary{States: 4}, summary)
			c.harm(t, p)
			for range 2 {
				found := p.verify(t, false)
				require.Equal(t, []domain.FindingKind{c.want}, kinds(found), "%v", found)
				require.False(t, found[0].Repaired())
				require.NotEmpty(t, found[0].Detail)
			}
			for _, f := range p.verify(t, true) {
				require.True(t, f.Repaired(), "%v", f)
			}
			require.Empty(t, p.verify(t, true))
			for key, revision := range revisions {
				got, err := p.logs.LoadStates(t.Context(), key)
				require.NoError(t, err)
				if key == c.gone {
					require.Zero(t, got[0].Revision)
					next, err := p.logs.SaveState(t.Context(), domain.State{Key: key}, 0)
					require.NoError(t, err)
					require.Greater(t, next, revision, "no revision comes twice")
					continue
				}
				require.Equal(t, domain.State{Key: key, Revision: revision, Data: []byte("of " + key)}, got[0])
			}
			left := p.do(t, "PTTL", p.logKey("state:short"))
			if c.gone != "short" {
				require.Greater(t, left, int64(3_500_000))
				require.LessOrEqual(t, left, int64(3_600_000))
			}
			require.Equal(t, int64(-1), p.do(t, "PTTL", p.logKey("state:endless")))
			require.Empty(t, p.verify(t, false))
		})
	}
}

// TestStatesAreVerifiedInPages has more of them than a page holds, and a damaged one
// among them, of which the quarantine keeps the bytes.
func TestStatesAreVerifiedInPages(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	for i := range 1234 {
		_, err := p.logs.SaveState(t.Context(), domain.State{Key: string(rune('a'+i%26)) + uuid.NewString()}, time.Hour)
		require.NoError(t, err)
	}
	p.do(t, "SET", p.logKey("state:bad"), "garbage")
	summary, err := p.verifier.Verify(t.Context(), ports.VerifyRequest{Repair: true})
	require.NoError(t, err)
	require.Equal(t, domain.VerifySummary{States: 1235, Findings: 1, Repaired: 1}, summary)
	kept, err := p.rdb.HGet(t.Context(), p.logKey("quarantine"), "state:bad").Result()
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(kept, "garbage"))
}
