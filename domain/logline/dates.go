package logline

import (
	"strings"
	"time"
)

// Dates is what the lines of one log say together of their times, where a line by itself
// does not say it: whether the day or the month comes first in 01/02/2026, the year of a
// time without one, the day of a clock without a date. [Survey] makes one; a [Parser] that
// has it notes in it the time of each line, so the lines are to be read in their order.
// The zero value knows nothing yet. It is not safe for concurrent use.
type Dates struct {
	order DateOrder
	// ambiguous is whether there are dates that can be read in several orders.
	ambiguous bool
	// last is the time that the next one without a year or a date is near: of the line
	// before it, unless that is a whole time that no other confirms. Zero for none.
	last time.Time
	// beside is the whole time at the head of the line before, whether another confirms it
	// or not; zero if that line has none.
	beside time.Time
	// completed is what the line that is read got a year or a date for, and noDate whether
	// it had none.
	completed time.Time
	noDate    bool
	// survey is set while a log is looked at.
	survey *survey
}

// DateOrder is how a log writes dates in numbers: whether the day, the month or the year
// comes first. The zero value says nothing.
type DateOrder uint8

const (
	orderUnknown DateOrder = iota
	orderDayMonth
	orderMonthDay
	orderYearMonth
)

// survey counts what speaks for and against a reading of dates.
type survey struct {
	// ambiguous are dates that can be read in several ways, wrong those that cannot be
	// read in the order that is tried.
	ambiguous, wrong int
	// noYear and noDate count the times without them, whole those with both at the head of
	// a line.
	noYear, noDate, whole int
	// first is the first time without a year or a date, firstWhole the first whole one.
	first, firstWhole time.Time
	// years counts the whole times beside one without a year by how many years are to be
	// added to that.
	years map[int]int
}

// vote counts a whole time and one without a year that are of one day in some year.
func (s *survey) vote(whole, noYear time.Time) {
	for years := whole.Year() - noYear.Year() - 1; years <= whole.Year()-noYear.Year()+1; years++ {
		if near(noYear.AddDate(years, 0, 0), whole, sameDay) {
			if s.years == nil {
				s.years = map[int]int{}
			}
			s.years[years]++
			return
		}
	}
}

// yearsToAdd is what most whole times say, the newer of two that as many say. None may
// put the last line after latest.
func (s *survey) yearsToAdd(last, latest time.Time) (years int, ok bool) {
	for n, votes := range s.years {
		if most := s.years[years]; !last.AddDate(n, 0, 0).After(latest) && (!ok || votes > most || votes == most && n > years) {
			years, ok = n, true
		}
	}
	return years, ok
}

// Limits of a survey. Where as many lines are clear, the others are too.
const (
	surveyBytes = 64 << 10
	surveyClear = 100
)

// Survey looks at the begin and the end of a log and returns what they say of its times.
// The end is "" if the begin is all of it, and else begins behind it. modified is when the
// log was written last, at the latest now. A line that is cut off does no harm.
//
// The order of day and month is the one that makes all dates possible, has none after
// modified, and lets them rise. The year of the times without one is the one that most
// whole times beside them confirm. Where none does, the newest line is the newest that is
// not after modified, and the years or days before it follow from the order of the lines.
func Survey(p Parser, begin, end string, modified time.Time) *Dates {
	begin, end = begin[:min(len(begin), surveyBytes)], end[max(0, len(end)-surveyBytes):]
	look := func(order DateOrder) (d *Dates, faults int) {
		p.Dates = &Dates{order: order, survey: &survey{}}
		faults = p.look(begin, modified)
		return p.Dates, faults + p.look(end, modified)
	}
	d, _ := look(orderUnknown)
	out := &Dates{}
	if d.survey.ambiguous > 0 {
		out.ambiguous = true
		best := -1
		for _, order := range []DateOrder{orderMonthDay, orderDayMonth, orderYearMonth} {
			tried, n := look(order)
			n += 10 * tried.survey.wrong
			switch {
			case best < 0 || n < best:
				best, d, out.order = n, tried, order
			case n == best && order == orderDayMonth:
				out.order = orderUnknown
			}
		}
	}
	const most = 200
	switch s := d.survey; {
	case s.noYear > 0:
		out.last = s.first
		if years, ok := s.yearsToAdd(d.last, modified.Add(clockSlack)); ok {
			out.last = out.last.AddDate(years, 0, 0)
			break
		}
		if s.whole > s.noYear {
			out.last = s.firstWhole
			break
		}
		for n := 0; n < most && d.last.After(modified.Add(clockSlack)); n++ {
			d.last, out.last = d.last.AddDate(-1, 0, 0), out.last.AddDate(-1, 0, 0)
		}
	case s.noDate > 0:
		out.last = s.first
		for n := 0; n < most && d.last.After(modified.Add(clockSlack/2)); n++ {
			d.last, out.last = d.last.AddDate(0, 0, -1), out.last.AddDate(0, 0, -1)
		}
	}
	return out
}

// Ambiguous reports whether the survey found dates whose order of day and month they do
// not say each for itself.
func (d *Dates) Ambiguous() bool { return d.ambiguous }

// Order is the order of dates that the survey found, 0 for none.
func (d *Dates) Order() DateOrder { return d.order }

// SetOrder makes dates be read in an order that more of the log said, unless it is 0.
func (d *Dates) SetOrder(order DateOrder) {
	if order != orderUnknown {
		d.order = order
	}
}

// look reads lines, and counts those that are after modified or before the one before.
func (p Parser) look(text string, modified time.Time) (faults int) {
	sure := 0
	var before time.Time
	for line := range strings.SplitSeq(text, "\n") {
		at := p.Header(strings.TrimSuffix(line, "\r"), modified).Time
		if at.IsZero() {
			continue
		}
		if at.After(modified.Add(clockSlack)) {
			faults++
		}
		if !before.IsZero() && (at.Before(before.Add(-time.Hour)) || at.After(before.Add(27*24*time.Hour))) {
			faults++
		}
		before = at
		if sure++; sure == surveyClear && p.Dates.survey.noYear == 0 && p.Dates.survey.noDate == 0 && p.Dates.survey.ambiguous == 0 {
			break
		}
	}
	return faults
}

const (
	// clockSlack is how far a clock may be ahead, or in another zone.
	clockSlack = 24 * time.Hour
	// sameDay is how far two lines beside each other may be apart, with zones, so that one
	// confirms the year of the other.
	sameDay = 36 * time.Hour
	// disorder is how far a line may be before the one above it: those of several writers
	// are not in order to the second.
	disorder = 7 * 24 * time.Hour
)

// near reports whether two times are at most so far apart.
func near(a, b time.Time, apart time.Duration) bool { return a.Sub(b).Abs() <= apart }

// note notes the time of a line that was read, and whether it is that of the line's head.
func (d *Dates) note(at time.Time, head bool, now time.Time) {
	beside := d.beside
	d.beside = time.Time{}
	switch {
	case at.Equal(d.completed):
		if d.survey != nil {
			d.survey.addCompleted(at, d.noDate, beside)
		}
		d.last = at
	case head && !at.After(now.Add(clockSlack)):
		d.beside = at
		if d.survey != nil {
			d.survey.addWhole(at, d.last, beside)
		}
		if d.confirms(at, beside) {
			d.last = at
		}
	}
}

// confirms reports whether a whole time says the year or day of those behind it: if it is
// near the time before it, or if the whole time before it is near and neither is older
// than the lines before.
func (d *Dates) confirms(at, beside time.Time) bool {
	agree := !beside.IsZero() && near(at, beside, sameDay)
	if d.last.IsZero() {
		return agree && d.survey == nil
	}
	return near(at, d.last, sameDay) || agree && !at.Before(d.last.Add(-disorder))
}

// addCompleted counts a time without a year or a date, behind a whole one or none.
func (s *survey) addCompleted(at time.Time, noDate bool, beside time.Time) {
	if s.first.IsZero() {
		s.first = at
	}
	if noDate {
		s.noDate++
		return
	}
	s.noYear++
	if !beside.IsZero() {
		s.vote(beside, at)
	}
}

// addWhole counts a whole time, behind another or one without a year, the last.
func (s *survey) addWhole(at, last, beside time.Time) {
	if s.whole++; s.firstWhole.IsZero() {
		s.firstWhole = at
	}
	if beside.IsZero() && s.noYear > 0 {
		s.vote(at, last)
	}
}

// atHead reports whether the time of a line is that of its head, and none of which its
// text speaks: words of prose do not stand before it.
func (h *Header) atHead(line string) bool {
	if h.Format != FormatPlain && h.Format != FormatText {
		return true
	}
	for word := range strings.FieldsSeq(line[:h.TimeBegin]) {
		word = strings.TrimRight(word, ":,=")
		if _, level := levelOfWord(word); !level && isProse(word) {
			return false
		}
	}
	return true
}

// dayAndMonth reads two numbers that are day and month in some order.
func (p *timeParser) dayAndMonth(c clock, first, second, year int, sep byte) (time.Time, bool) {
	dayFirst := sep != '/'
	if d := p.dates; d != nil && (d.order == orderDayMonth || d.order == orderMonthDay) {
		dayFirst = d.order == orderDayMonth
	}
	switch {
	case first > 12:
		p.learn(orderDayMonth)
		dayFirst = true
	case second > 12:
		p.learn(orderMonthDay)
		dayFirst = false
	case first != second:
		p.learn(orderUnknown)
	}
	if dayFirst {
		first, second = second, first
	}
	return c.on(year, first, second)
}

// learn notes the order that a date must have, orderUnknown if it may have several.
func (p *timeParser) learn(order DateOrder) {
	switch d := p.dates; {
	case d == nil:
	case d.survey == nil:
		if d.order == orderUnknown {
			d.order = order
		}
	default:
		d.survey.ambiguous++
		if order != orderUnknown && d.order != order {
			d.survey.wrong++
		}
	}
}

// shortYear reads three numbers of two digits: in the order of the log, else in the one
// that gives the newest day that is not in the future.
func (p *timeParser) shortYear(c clock, a, b, d int) (time.Time, bool) {
	var best time.Time
	latest := p.now.Add(clockSlack)
	for order, ymd := range [...][3]int{orderDayMonth: {d, b, a}, orderMonthDay: {d, a, b}, orderYearMonth: {a, b, d}} {
		if order == int(orderUnknown) {
			continue
		}
		t, ok := c.on(2000+ymd[0], ymd[1], ymd[2])
		if !ok {
			continue
		}
		if p.dates != nil && p.dates.order == DateOrder(order) {
			return t, true
		}
		if best.IsZero() || best.After(latest) && !t.After(latest) || t.After(best) && !t.After(latest) {
			best = t
		}
	}
	if p.dates != nil && p.dates.survey != nil {
		p.dates.survey.ambiguous++
		if p.dates.order != orderUnknown {
			p.dates.survey.wrong++
		}
	}
	return best, !best.IsZero()
}

// withYear gives a day without a year the first one in which it is not before the log's
// newest line. Without such a line, or if that were in the future, it is the newest year
// that is not.
func (p *timeParser) withYear(c clock, month, day int) (time.Time, bool) {
	t, ok := p.yearOf(c, month, day)
	if ok && p.dates != nil {
		p.dates.completed, p.dates.noDate = t, false
	}
	return t, ok
}

// yearOf is withYear without a note of it.
func (p *timeParser) yearOf(c clock, month, day int) (time.Time, bool) {
	latest := p.now.Add(clockSlack)
	if d := p.dates; d != nil {
		last := d.last
		if last.IsZero() && d.survey == nil {
			last = d.beside
		}
		if !last.IsZero() {
			from := last.Add(-disorder)
			for year := from.Year(); year <= from.Year()+8; year++ {
				t, ok := c.on(year, month, day)
				if !ok || t.Before(from) {
					continue
				}
				if d.survey != nil || !t.After(latest) {
					return t, true
				}
				break
			}
		}
	}
	newest := p.now.Year()
	if month == 1 && p.now.Month() == time.December {
		newest++
	}
	// Up to eight years lie between two 29th of February.
	for year := newest; year >= newest-9; year-- {
		if t, ok := c.on(year, month, day); ok && !t.After(latest) {
			return t, true
		}
	}
	return time.Time{}, false
}

// clockAlone reads a clock without a date.
func (p *timeParser) clockAlone() (time.Time, bool) {
	p.layout = layoutClock
	c, ok := p.clock()
	if !ok {
		return time.Time{}, false
	}
	return p.dayOf(c)
}

// dayOf gives a clock the day of the log's newest line, or one beside it, whichever is
// nearest. A whole time in the line before says the day if it is the first of the log, or
// less than an hour apart.
func (c timeContext) dayOf(at clock) (time.Time, bool) {
	d := c.dates
	last := d.last
	if last.IsZero() {
		last = d.beside
	}
	if last.IsZero() && d.survey != nil {
		last = c.now
	}
	if last.IsZero() {
		return time.Time{}, false
	}
	t, ok := at.nearest(last)
	if !d.beside.IsZero() {
		if beside, found := at.nearest(d.beside); found && near(beside, d.beside, time.Hour) {
			t, ok = beside, true
		}
	}
	if ok {
		d.completed, d.noDate = t, true
	}
	return t, ok
}

// nearest is the time of the clock that is nearest to t.
func (c clock) nearest(t time.Time) (time.Time, bool) {
	at, ok := c.on(t.Year(), int(t.Month()), t.Day())
	if !ok {
		return time.Time{}, false
	}
	switch apart := at.Sub(t); {
	case apart > 12*time.Hour:
		at = at.Add(-24 * time.Hour)
	case apart < -12*time.Hour:
		at = at.Add(24 * time.Hour)
	}
	return at, true
}
