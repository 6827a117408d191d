package domain_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestRankServices(t *testing.T) {
	t.Parallel()
	anomaly := func(severity domain.Severity, score float64, services ...string) domain.Anomaly {
		return domain.Anomaly{Severity: severity, Score: score, Services: services}
	}
	names := func(ranks []domain.ServiceRank) []string {
		var out []string
		for _, r := range ranks {
			out = append(out, r.Name)
		}
		return out
	}
	t.Run("the worst anomaly decides, not how many there are", func(t *testing.T) {
		t.Parallel()
		medium := anomaly(domain.SeverityMedium, 1, "noisy")
		got := domain.RankServices([]domain.Anomaly{medium, medium, medium, anomaly(domain.SeverityHigh, 0, "faulty"), anomaly(domain.SeverityLow, 1, "faulty")})
		require.Equal(t, []domain.ServiceRank{
			{Name: "faulty", Score: 0.6, Severity: domain.SeverityHigh, Anomalies: 2},
			{Name: "noisy", Score: 0.6, Severity: domain.SeverityMedium, Anomalies: 3},
		}, got)
	})
	t.Run("the score decides within a severity, and the name where nothing does", func(t *testing.T) {
		t.Parallel()
		got := domain.RankServices([]domain.Anomaly{
			anomaly(domain.SeverityLow, 0.1, "c", "b"), anomaly(domain.SeverityLow, 0.9, "z"), anomaly(domain.SeverityCritical, 1, "y"),
		})
		require.Equal(t, []string{"y", "z", "b", "c"}, names(got))
		require.InDelta(t, 1, got[0].Score, 1e-9)
	})
	t.Run("anomalies without services rank none", func(t *testing.T) {
		t.Parallel()
		require.Empty(t, domain.RankServices([]domain.Anomaly{anomaly(domain.SeverityHigh, 1)}))
	})
}
