package logline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain/logline"
)

// timesOf reads the lines of a log that was written last at modified, and is read now.
func timesOf(text string, modified, now time.Time) []string {
	p := logline.Parser{}
	p.Dates = logline.Survey(p, text, "", modified)
	var out []string
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		shown := "none"
		if at := p.Header(line, now).Time; !at.IsZero() {
			shown = at.Format("2006-01-02T15:04:05")
		}
		out = append(out, shown)
	}
	return out
}

func TestALogTellsWhatItsLinesDoNot(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"the 13th has the day first, so all have": {
			"11/10/2026 09:00:01 INFO a\n12/10/2026 09:00:01 INFO b\n13/10/2026 09:00:01 INFO c\n",
			[]string{"2026-10-11T09:00:01", "2026-10-12T09:00:01", "2026-10-13T09:00:01"},
		},
		"the 13th has the month first": {
			"10/11/2026 09:00:01 INFO a\n10/12/2026 09:00:01 INFO b\n10/13/2026 09:00:01 INFO c\n",
			[]string{"2026-10-11T09:00:01", "2026-10-12T09:00:01", "2026-10-13T09:00:01"},
		},
		"the month first behind dashes, too": {
			"10-11-2026 09:00:01 INFO a\n10-12-2026 09:00:01 INFO b\n10-13-2026 09:00:01 INFO c\n",
			[]string{"2026-10-11T09:00:01", "2026-10-12T09:00:01", "2026-10-13T09:00:01"},
		},
		"of two orders that are possible, the one without leaps": {
			"01/10/2026 09:00:01 INFO a\n02/10/2026 09:00:01 INFO b\n03/10/2026 09:00:01 INFO c\n",
			[]string{"2026-10-01T09:00:01", "2026-10-02T09:00:01", "2026-10-03T09:00:01"},
		},
		"none is in the future": {"05/12/2026 09:00:01 INFO a\n", []string{"2026-05-12T09:00:01"}},
		"a year of two digits, the month first": {
			"10/11/26 09:00:01 INFO a\n10/12/26 09:00:01 INFO b\n10/13/26 09:00:01 INFO c\n",
			[]string{"2026-10-11T09:00:01", "2026-10-12T09:00:01", "2026-10-13T09:00:01"},
		},
		"a year of two digits, the year first": {
			"10/11/11 09:00:01 INFO a\n10/11/12 09:00:01 INFO b\n10/11/13 09:00:01 INFO c\n",
			[]string{"2010-11-11T09:00:01", "2010-11-12T09:00:01", "2010-11-13T09:00:01"},
		},
		"without a year, over today's date": {
			"Nov 27 10:00:00 web1 app[7]: a\nNov 30 10:00:00 web1 app[7]: b\nDec  2 10:00:00 web1 app[7]: c\n",
			[]string{"2025-11-27T10:00:00", "2025-11-30T10:00:00", "2025-12-02T10:00:00"},
		},
		"without a year, over two New Years": {
			"Dec 30 10:00:00 h a: x\nJan  2 10:00:00 h a: x\nAug  2 10:00:00 h a: x\nFeb  2 10:00:00 h a: x\n",
			[]string{"2024-12-30T10:00:00", "2025-01-02T10:00:00", "2025-08-02T10:00:00", "2026-02-02T10:00:00"},
		},
		"without a year, not quite in order": {
			"Jan  1 00:00:01 h a: x\nDec 31 23:59:59 h a: x\nJan  1 00:00:02 h a: x\n",
			[]string{"2026-01-01T00:00:01", "2025-12-31T23:59:59", "2026-01-01T00:00:02"},
		},
		"clocks are of the day before them": {
			"2026-11-18 23:59:58 INFO a\n23:59:59 INFO b\n00:00:01 INFO c\n[00:00:02] INFO d\n",
			[]string{"2026-11-18T23:59:58", "2026-11-18T23:59:59", "2026-11-19T00:00:01", "2026-11-19T00:00:02"},
		},
		"a whole time in the text says no year": {
			"Nov 20 10:00:00 h a: x\nBuilt 2019-05-05 10:00:00 by jenkins\nNov 20 10:00:01 h a: x\n",
			[]string{"2026-11-20T10:00:00", "2019-05-05T10:00:00", "2026-11-20T10:00:01"},
		},
		"nor does one above all": {
			"Built 2019-05-05 10:00:00 by jenkins\nNov 20 10:00:00 h a: x\nNov 20 10:00:01 h a: x\n",
			[]string{"2019-05-05T10:00:00", "2026-11-20T10:00:00", "2026-11-20T10:00:01"},
		},
		"nor does one at the head that is of another day": {
			"2019-05-05 10:00:00 x\n2019-05-05 10:00:00 x\nNov 20 10:00:00 h a: x\n2019-05-05 10:00:00 x\n2019-05-05 10:00:00 x\nNov 20 10:00:01 h a: x\nNov 20 10:00:02 h a: x\nNov 20 10:00:03 h a: x\n",
			[]string{"2019-05-05T10:00:00", "2019-05-05T10:00:00", "2026-11-20T10:00:00", "2019-05-05T10:00:00", "2019-05-05T10:00:00", "2026-11-20T10:00:01", "2026-11-20T10:00:02", "2026-11-20T10:00:03"},
		},
		"nor does one in the future": {
			"Nov 20 10:00:00 h a: x\n2031-01-01 00:00:00 expiry\nNov 20 10:00:01 h a: x\n",
			[]string{"2026-11-20T10:00:00", "2031-01-01T00:00:00", "2026-11-20T10:00:01"},
		},
		"nor does one in the future at the end": {
			"Nov 20 10:00:00 h a: x\nNov 20 10:00:01 h a: x\n2031-01-01 00:00:00 expiry\n",
			[]string{"2026-11-20T10:00:00", "2026-11-20T10:00:01", "2031-01-01T00:00:00"},
		},
		"a whole time of the same day says the year": {
			"Nov 20 10:00:00 h a: x\n2025-11-20 10:00:01 INFO x\nNov 20 10:00:02 h a: x\n",
			[]string{"2025-11-20T10:00:00", "2025-11-20T10:00:01", "2025-11-20T10:00:02"},
		},
		"most whole times say the year": {
			"Nov 20 10:00:00 h a: x\n2025-11-20 10:00:01 INFO x\nNov 20 10:00:02 h a: x\n2025-11-20 10:00:03 INFO x\nNov 20 10:00:04 h a: x\nNov 20 10:00:05 h a: x\n2024-11-20 10:00:03 INFO x\n",
			[]string{"2025-11-20T10:00:00", "2025-11-20T10:00:01", "2025-11-20T10:00:02", "2025-11-20T10:00:03", "2025-11-20T10:00:04", "2025-11-20T10:00:05", "2024-11-20T10:00:03"},
		},
		"whole times that agree say the year where they are most": {
			"2025-03-01 10:00:00 INFO x\n2025-03-01 10:00:01 INFO x\n2025-03-01 10:00:02 INFO x\nMar 20 10:00:00 h a: x\n2025-06-01 10:00:00 INFO x\n2025-06-01 10:00:01 INFO x\nJun 20 10:00:00 h a: x\n",
			[]string{"2025-03-01T10:00:00", "2025-03-01T10:00:01", "2025-03-01T10:00:02", "2025-03-20T10:00:00", "2025-06-01T10:00:00", "2025-06-01T10:00:01", "2025-06-20T10:00:00"},
		},
		"a whole time in the text says no day of clocks": {
			"09:00:01 INFO a\nBuilt 2019-05-05 10:00:00 by jenkins\n09:00:02 INFO b\n",
			[]string{"2026-11-30T09:00:01", "2019-05-05T10:00:00", "2026-11-30T09:00:02"},
		},
		"nor does one of another hour": {
			"09:00:01 INFO a\n2019-05-05 14:00:00 x\n09:00:02 INFO b\n",
			[]string{"2026-11-30T09:00:01", "2019-05-05T14:00:00", "2026-11-30T09:00:02"},
		},
		"one that goes on from the clocks says their day": {
			"2026-11-18 23:00:00 start\n23:59:58 INFO a\n2026-11-21 00:00:01 day\n00:00:02 INFO b\n",
			[]string{"2026-11-18T23:00:00", "2026-11-18T23:59:58", "2026-11-21T00:00:01", "2026-11-21T00:00:02"},
		},
		"clocks alone end when the log was written": {
			"22:00:00.123 [main] INFO a\n04:00:00.123 [main] INFO b\n10:00:00.123 [main] INFO c\n",
			[]string{"2026-11-29T22:00:00", "2026-11-30T04:00:00", "2026-11-30T10:00:00"},
		},
		"a text": {"hello\nworld\n", []string{"none", "none"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, timesOf(c.text, now, now))
		})
	}
}

// An old log is as old as its file.
func TestTheYearIsThatOfTheFile(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	written := time.Date(2023, 2, 1, 0, 0, 0, 0, time.UTC)
	require.Equal(t, []string{"2022-12-30T10:00:00", "2023-01-31T10:00:00"}, timesOf("Dec 30 10:00:00 h a: x\nJan 31 10:00:00 h a: x\n", written, now))
}

// FuzzDates checks that reading a log in the light of its dates never fails.
func FuzzDates(f *testing.F) {
	for _, line := range headers {
		f.Add(line + "\n" + line)
	}
	f.Add("Dec 30 10:00:00 h a: x\nFeb 29 10:00:00 h a: x\n11/12/13 10:11:12 x\n10:11:12 x")
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		p := logline.Parser{}
		p.Dates = logline.Survey(p, text, "", now)
		for line := range strings.SplitSeq(text, "\n") {
			h := p.Header(line, now)
			require.True(t, 0 <= h.TimeBegin && h.TimeBegin <= h.TimeEnd && h.TimeEnd <= len(line))
			if !h.Time.IsZero() {
				_, err := h.Time.MarshalJSON()
				require.NoError(t, err, "a time can be shown")
			}
		}
	})
}
