package builtin

import "time"

// Bounds of what is known of a time of day or week.
const (
	// hourKnown is for how many seconds an hour of the day must have been seen, and
	// dayKnown the source, for the hour to count; weekdayKnown and weekKnown are the
	// same for a day of the week.
	hourKnown, dayKnown     = 1800, 24 * 3600
	weekdayKnown, weekKnown = 6 * 3600, 7 * 24 * 3600
	// leastSeason and mostSeason bound what a time of day can make of the average.
	leastSeason, mostSeason = 0.05, 20
	// longBatch is how many seconds a batch must last to be counted minute by minute.
	longBatch, secondsAMinute = 3600, 60
)

// slot is a part of the day or the week: how many lines there were, and for how long
// it was seen, in seconds.
type slot struct {
	lines   int
	seconds float64
}

func (s slot) plus(other slot) slot { return slot{s.lines + other.lines, s.seconds + other.seconds} }

// factor is how many times more lines the slot has than the average of all.
func (s slot) factor(average, known float64) float64 {
	if s.seconds < known || average <= 0 {
		return 1
	}
	return float64(s.lines) / s.seconds / average
}

// season is how many times more lines are normal at a time than on average.
func (k *learnedSource) season(at time.Time) float64 {
	if at.IsZero() || k.seconds < dayKnown {
		return 1
	}
	average := float64(k.lines) / k.seconds
	at = at.UTC()
	factor := k.hours[at.Hour()].factor(average, hourKnown)
	if k.seconds >= weekKnown {
		factor *= k.days[at.Weekday()].factor(average, weekdayKnown)
	}
	return min(mostSeason, max(leastSeason, factor))
}

// season is that at the end of the logs.
func (g *group) season() float64 {
	if g.learned == nil {
		return 1
	}
	return g.learned.season(timeOf(g.end))
}

// addSeason notes the lines of a batch that ends at until, in Unix seconds, and of which
// the source was seen for so long.
func (k *learnedSource) addSeason(b *learnedSource, seen float64) {
	if b.seconds >= longBatch {
		for h, s := range b.hours {
			k.hours[h] = k.hours[h].plus(s)
		}
		for d, s := range b.days {
			k.days[d] = k.days[d].plus(s)
		}
		return
	}
	at := time.Unix(b.until, 0).UTC()
	own := slot{b.lines, seen}
	k.hours[at.Hour()] = k.hours[at.Hour()].plus(own)
	k.days[at.Weekday()] = k.days[at.Weekday()].plus(own)
}
