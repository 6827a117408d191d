package builtin

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hoursOfWeeks is a source learned hour by hour: 1000 lines by day from Monday to Friday,
// 20 at night and at weekends.
func hoursOfWeeks(days int) (*learnedSource, time.Time) {
	k := &learnedSource{}
	at := time.Date(2026, 5, 4, 0, 30, 0, 0, time.UTC) // a Monday
	for range days * 24 {
		lines := 20
		if h := at.Hour(); h >= 8 && h < 20 && at.Weekday() != time.Saturday && at.Weekday() != time.Sunday {
			lines = 1000
		}
		k.addSeason(&learnedSource{lines: lines, until: at.Unix()}, 3600)
		k.lines += lines
		k.seconds += 3600
		at = at.Add(time.Hour)
	}
	return k, at
}

func TestAFallAtNightIsExpectedAndASilenceByDayIsNot(t *testing.T) {
	t.Parallel()
	k, next := hoursOfWeeks(28)
	monday := next.Truncate(24 * time.Hour)
	fewer := func(at time.Time, lines int) bool {
		learned := &learnedTemplate{lines: k.lines}
		return k.usual(learned, lines, lines, 3600, k.season(at)).farFewer(lines)
	}
	day, night, sunday := monday.Add(12*time.Hour), monday.Add(3*time.Hour), monday.Add(-12*time.Hour)
	require.False(t, fewer(day, 1000))
	require.True(t, fewer(day, 0), "a silence by day")
	require.False(t, fewer(night, 20), "a fall at night")
	require.False(t, fewer(sunday, 20), "a fall on Sunday")
	require.Less(t, k.season(night), 0.1)
	require.Greater(t, k.season(day), 2.0)
	require.Less(t, k.season(sunday), k.season(day)/5, "the day of the week counts, too")
}

func TestASeasonIsKnownAfterADayAndThatOfTheWeekAfterAWeek(t *testing.T) {
	t.Parallel()
	k, _ := hoursOfWeeks(0)
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	require.InDelta(t, 1, k.season(noon), 0)
	k, _ = hoursOfWeeks(5)
	require.Greater(t, k.season(noon), 1.5)
	require.InDelta(t, k.season(noon), k.season(noon.Add(-24*time.Hour)), 1e-9, "the days of the week are not known yet")
}
