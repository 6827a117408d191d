package builtin

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"logsift/domain"
)

// Bounds of the detectors of slow sessions.
const (
	// minGaps is how many gaps of one kind must be known to tell what is usual, and minOwnGaps
	// how many there must be now to compare their median.
	minGaps, minOwnGaps = 20, 3
	// gapOffset is added to every gap before its logarithm is taken, so that what differs
	// by less than clocks and schedulers do is alike.
	gapOffset = float64(time.Millisecond / time.Microsecond)
	// slowScore is how many robust deviations on a logarithmic scale a gap must be above the
	// usual one, slowFactor how many times as long, slowLeast how much longer.
	slowScore, slowFactor = 8, 10
	slowLeast             = int64(time.Second / time.Microsecond)
	// maxSlow is the share of the sessions up to which slow ones are told one by one: more
	// of them are the nature of that gap.
	maxSlow = 0.05
	// shiftedScore is by how many standard errors a median must be above what was learned to
	// count, serviceScore how much a service must have of that.
	shiftedScore, slowServiceScore = 2, 10
	// verySlow is how many times that score makes a service's slowness grave, if at least
	// half of its steps are slow.
	verySlow = 5
	// gapSpread is the least robust deviation of the logarithm of a gap.
	gapSpread = 0.2
	// maxSlowServices bounds the services that are told to be slow.
	maxSlowServices = 3
	// gapSample bounds the gaps of one kind of which the median is taken.
	gapSample = 1023
)

// gapID names a gap in learned state: the templates of the lines before and after it.
type gapID struct{ from, to templateID }

// learnedGap is how long a gap is, on a logarithmic scale: the median and the
// robust deviation of n gaps.
type learnedGap struct {
	n              int
	median, spread float64
}

// plus joins what two logs tell of a gap.
func (k learnedGap) plus(other learnedGap) learnedGap {
	n := k.n + other.n
	if n == 0 {
		return learnedGap{}
	}
	a, b := float64(k.n)/float64(n), float64(other.n)/float64(n)
	return learnedGap{n, a*k.median + b*other.median, a*k.spread + b*other.spread}
}

// minus takes back what plus joined.
func (k learnedGap) minus(other learnedGap) learnedGap {
	other.n = -other.n
	if k.n+other.n <= 0 {
		return learnedGap{}
	}
	return k.plus(other)
}

// step are the times between two lines of these templates that follow each other in a
// session, in microseconds, each with the line after it.
type step struct {
	from, to int32
	times    []int64
	lines    []int32
	own      learnedGap
	learned  learnedGap
}

// sessionGaps are the times between the lines of the sessions of one kind.
type sessionGaps struct {
	g    *group
	set  *sessionSet
	gaps []*step
}

func newSessionGaps(g *group, set *sessionSet, learned *learnedSessions) *sessionGaps {
	s := &sessionGaps{g: g, set: set}
	if !g.claimed {
		return s
	}
	numbers := map[int64]*step{}
	for _, lines := range set.lines {
		for i := 1; i < len(lines); i++ {
			from, to := g.templateOf[lines[i-1]], g.templateOf[lines[i]]
			begin, end := g.times[lines[i-1]], g.times[lines[i]]
			if begin == noTime || end < begin {
				continue
			}
			key := int64(from)<<32 | int64(to)
			p := numbers[key]
			if p == nil {
				p = &step{from: from, to: to}
				numbers[key] = p
				s.gaps = append(s.gaps, p)
			}
			p.times = append(p.times, end-begin)
			p.lines = append(p.lines, lines[i])
		}
	}
	for _, p := range s.gaps {
		p.own = measureGap(p.times)
	}
	if learned != nil {
		s.recall(numbers, learned)
	}
	return s
}

// recall attaches what was learned to the gaps.
func (s *sessionGaps) recall(numbers map[int64]*step, learned *learnedSessions) {
	now := map[templateID]int32{}
	for n, t := range s.g.templates {
		for _, id := range t.before {
			now[id] = int32(n)
		}
	}
	for id, k := range learned.gaps {
		from, ok1 := now[id.from]
		to, ok2 := now[id.to]
		if p := numbers[int64(from)<<32|int64(to)]; ok1 && ok2 && p != nil {
			p.learned = p.learned.plus(k)
		}
	}
	if s.g.relearned {
		for _, p := range s.gaps {
			p.learned = p.learned.minus(p.own)
		}
	}
}

// measureGap takes the median and the robust deviation of gaps.
func measureGap(times []int64) learnedGap {
	sample := make([]int64, 0, min(len(times), gapSample))
	step := (len(times) + gapSample - 1) / gapSample
	for i := 0; i < len(times); i += step {
		sample = append(sample, times[i])
	}
	slices.Sort(sample)
	n := len(sample)
	return learnedGap{len(times), logGap(sample[n/2]), (logGap(sample[n-1-n/4]) - logGap(sample[n/4])) / 1.349}
}

func logGap(us int64) float64 { return math.Log(float64(us) + gapOffset) }

// ofLog is the gap whose logarithm this is.
func ofLog(v float64) time.Duration {
	return time.Duration(max(0, math.Exp(v)-gapOffset)) * time.Microsecond
}

// addition is what the gaps add to what was learned.
func (s *sessionGaps) addition() map[gapID]learnedGap {
	out := make(map[gapID]learnedGap, len(s.gaps))
	for _, p := range s.gaps {
		out[gapID{s.g.templates[p.from].id(s.g), s.g.templates[p.to].id(s.g)}] = p.own
	}
	return out
}

// slowSteps finds gaps that are far longer than the same ones are, here and by what was
// learned: one anomaly for each pair of lines.
func (s *sessionGaps) slowSteps() []domain.Anomaly {
	var out []domain.Anomaly
	for _, p := range s.gaps {
		usual := p.own.plus(p.learned)
		if usual.n < minGaps {
			continue
		}
		spread := max(gapSpread, usual.spread)
		least := int64(math.Exp(max(usual.median+slowScore*spread, usual.median+math.Log(slowFactor))) - gapOffset)
		least = max(least, int64(math.Exp(usual.median))+slowLeast)
		var lines []int32
		longest := 0
		for i, us := range p.times {
			if us >= least {
				lines = append(lines, p.lines[i])
				if us > p.times[longest] {
					longest = i
				}
			}
		}
		if len(lines) == 0 || float64(len(lines)) > max(1, maxSlow*float64(len(p.times))) {
			continue
		}
		slices.Sort(lines)
		took := time.Duration(p.times[longest]) * time.Microsecond
		f := finding{
			kind: domain.AnomalyNumericOutlier, severity: domain.SeverityLow, confidence: 0.6,
			surprise: surpriseOf(float64(p.times[longest]), math.Exp(usual.median)), observed: len(lines), lines: lines,
			evidence: fmt.Sprintf("took %s %s, where %s is usual (%d of %d sessions %s so slow)",
				inSeconds.text(took.Seconds()), s.between(p), inSeconds.text(ofLog(usual.median).Seconds()), len(lines), len(p.times), are(len(lines))),
		}
		for _, line := range lines {
			f.sessions = append(f.sessions, s.set.ids[s.set.of[line]])
		}
		out = append(out, s.g.anomaly(s.about(p, "slow"), []finding{f}))
	}
	return out
}

// about is the subject of a gap: the line after it.
func (s *sessionGaps) about(p *step, what string) subject {
	to := s.g.templates[p.to]
	about := s.g.ofTemplate(to)
	about.key = what + " " + s.g.templates[p.from].text + " " + to.text
	return about
}

func (s *sessionGaps) between(p *step) string {
	return fmt.Sprintf("between %q and %q", shorten(s.g.templates[p.from].text, 120), shorten(s.g.templates[p.to].text, 120))
}

// slowService is how much longer the steps that a service takes part in last than was learned.
type slowService struct {
	service     int32
	score       float64
	steps, slow int
	worst       *step
	excess      float64
}

// slowServices finds the services that became slow: whose gaps are longer than was
// learned by their medians. A gap between lines of two services counts for both; what
// all of them have in common stands out, since the neighbours of a slow service
// have other gaps that are as ever. What one service explains counts for no other.
func (s *sessionGaps) slowServices() []domain.Anomaly {
	type shifted struct {
		*step
		score float64
	}
	var all []shifted
	for _, p := range s.gaps {
		if p.own.n < minOwnGaps || p.learned.n < minOwnGaps {
			continue
		}
		// 1.25 is how much wider the error of a median is than that of a mean.
		deviation := max(gapSpread, p.learned.spread) * 1.25 * math.Sqrt(1/float64(p.own.n)+1/float64(p.learned.n))
		all = append(all, shifted{p, max(0, (p.own.median-p.learned.median)/deviation-shiftedScore)})
	}
	var out []domain.Anomaly
	for range maxSlowServices {
		services := map[int32]*slowService{}
		for _, p := range all {
			from, to := s.g.templates[p.from].service, s.g.templates[p.to].service
			for _, service := range slices.Compact([]int32{from, to}) {
				k := services[service]
				if k == nil {
					k = &slowService{service: service}
					services[service] = k
				}
				k.steps++
				k.score += p.score
				if p.score > 0 {
					k.slow++
				}
				if p.score > k.excess {
					k.worst, k.excess = p.step, p.score
				}
			}
		}
		var worst *slowService
		for _, k := range services {
			k.score *= share(k.slow, k.steps)
			if worst == nil || cmp.Or(cmp.Compare(k.score, worst.score), cmp.Compare(worst.service, k.service)) > 0 {
				worst = k
			}
		}
		if worst == nil || worst.score < slowServiceScore {
			break
		}
		var lines []int32
		rest := all[:0:0]
		for _, p := range all {
			if s.g.templates[p.from].service != worst.service && s.g.templates[p.to].service != worst.service {
				rest = append(rest, p)
			} else if p.score > 0 {
				lines = append(lines, p.lines...)
			}
		}
		all = rest
		slices.Sort(lines)
		p := worst.worst
		f := finding{
			kind: domain.AnomalyNumericOutlier, severity: domain.SeverityMedium,
			confidence: min(0.95, 0.5+0.5*share(worst.slow, worst.steps)),
			surprise:   worst.score / (worst.score + slowServiceScore), observed: len(lines), lines: lines,
			evidence: fmt.Sprintf("took %s %s, where %s is usual by what was learned; %d of %d steps take longer",
				inSeconds.text(ofLog(p.own.median).Seconds()), s.between(p), inSeconds.text(ofLog(p.learned.median).Seconds()), worst.slow, worst.steps),
		}
		if 2*worst.slow >= worst.steps && worst.score >= verySlow*slowServiceScore {
			f.severity = domain.SeverityHigh
		}
		about := s.about(p, "slow")
		about.key, about.service = "slow steps", s.g.serviceName(worst.service)
		out = append(out, s.g.anomaly(about, []finding{f}))
	}
	return out
}
