package domain_test

import (
	"fmt"
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
	t.Run("one severe anomaly outweighs three of the severity below", func(t *testing.T) {
		t.Parallel()
		medium := anomaly(domain.SeverityMedium, 1, "noisy")
		got := domain.RankServices([]domain.Anomaly{medium, medium, medium, anomaly(domain.SeverityHigh, 1, "faulty")})
		require.Equal(t, []domain.ServiceRank{
			{Name: "faulty", Score: 1, Severity: domain.SeverityHigh, Anomalies: 1},
			{Name: "noisy", Score: 0.75, Severity: domain.SeverityMedium, Anomalies: 3},
		}, got)
	})
	t.Run("what all services show points to none of them", func(t *testing.T) {
		t.Parallel()
		all := make([]string, 10)
		for i := range all {
			all[i] = fmt.Sprintf("s%d", i)
		}
		got := domain.RankServices([]domain.Anomaly{anomaly(domain.SeverityHigh, 1, all...), anomaly(domain.SeverityMedium, 1, "s5")})
		require.Equal(t, "s5", got[0].Name)
		require.Less(t, got[1].Score, 0.5)
	})
	t.Run("the score decides within a severity, and the name where nothing does", func(t *testing.T) {
		t.Parallel()
		got := domain.RankServices([]domain.Anomaly{
			anomaly(domain.SeverityLow, 0.1, "c"), anomaly(domain.SeverityLow, 0.1, "b"), anomaly(domain.SeverityLow, 0.9, "z"),
		})
		require.Equal(t, []string{"z", "b", "c"}, names(got))
	})
	t.Run("anomalies without services rank none", func(t *testing.T) {
		t.Parallel()
		require.Empty(t, domain.RankServices([]domain.Anomaly{anomaly(domain.SeverityHigh, 1)}))
	})
}
