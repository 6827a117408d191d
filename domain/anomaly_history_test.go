package domain_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestMergeAnomalies(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return time.Date(2026, 5, n, 0, 0, 0, 0, time.UTC) }
	x, y, z := uuid.New(), uuid.New(), uuid.New()
	newer := domain.Anomaly{
		ID: "a", Severity: domain.SeverityLow, Score: 0.5, Confidence: 0.9, Count: 2, Expected: 1, Evidence: "new",
		LogIDs: []domain.LogID{x, y}, SampleLines: []string{"1", "2"}, Services: []string{"web", "db"}, Sessions: []string{"s1"},
		FirstSeen: day(3), LastSeen: day(4),
	}
	older := domain.Anomaly{
		ID: "a", Severity: domain.SeverityHigh, Score: 0.7, Confidence: 0.1, Count: 3, Expected: 0.5, Evidence: "old",
		LogIDs: []domain.LogID{y, z}, SampleLines: []string{"2", "3"}, Services: []string{"db", "api"}, Sessions: []string{"s2", "s1"},
		FirstSeen: day(1), LastSeen: day(2),
	}
	t.Run("entries count once, spans cover both, the higher ranks stay", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, domain.Anomaly{
			ID: "a", Severity: domain.SeverityHigh, Score: 0.7, Confidence: 0.9, Count: 3, Expected: 1, Evidence: "new",
			LogIDs: []domain.LogID{x, y, z}, SampleLines: []string{"1", "2", "3"}, Services: []string{"api", "db", "web"}, Sessions: []string{"s1", "s2"},
			FirstSeen: day(1), LastSeen: day(4),
		}, newer.Merge(older))
		require.Equal(t, []string{"web", "db"}, newer.Services, "what was given is not changed")
	})
	t.Run("a finding without times leaves them", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, day(3), newer.Merge(domain.Anomaly{}).FirstSeen)
		require.Equal(t, day(3), domain.Anomaly{}.Merge(newer).FirstSeen)
	})
	t.Run("lists keep to their limits", func(t *testing.T) {
		t.Parallel()
		many := domain.Anomaly{}
		for range domain.MaxAnomalyLogIDs {
			many.LogIDs = append(many.LogIDs, uuid.New())
			many.Sessions = append(many.Sessions, uuid.NewString())
			many.SampleLines = append(many.SampleLines, uuid.NewString())
		}
		got := newer.Merge(many)
		require.Len(t, got.LogIDs, domain.MaxAnomalyLogIDs)
		require.Len(t, got.Sessions, domain.MaxAnomalySessions)
		require.Len(t, got.SampleLines, domain.MaxAnomalySamples)
		require.Equal(t, x, got.LogIDs[0])
	})
}

func TestAnomalyHistory(t *testing.T) {
	t.Parallel()
	first, second := uuid.New(), uuid.New()
	var h domain.AnomalyHistory
	h.Add(domain.FoundAnomaly{TaskID: second, FoundAt: time.Unix(2, 0), Anomaly: domain.Anomaly{ID: "a", Count: 1, Evidence: "new"}})
	h.Add(domain.FoundAnomaly{TaskID: second, FoundAt: time.Unix(2, 0), Anomaly: domain.Anomaly{ID: "a", Count: 1, Evidence: "new"}})
	h.Add(domain.FoundAnomaly{TaskID: first, FoundAt: time.Unix(1, 0), Anomaly: domain.Anomaly{ID: "a", Count: 5, Evidence: "old", Severity: domain.SeverityHigh}})
	require.Equal(t, []domain.TaskID{second, first}, h.TaskIDs, "an analysis counts once")
	require.Equal(t, 7, h.Count)
	require.Equal(t, "new", h.Evidence)
	require.Equal(t, domain.SeverityHigh, h.Severity)
	require.Equal(t, time.Unix(2, 0), h.FoundAt)
}
