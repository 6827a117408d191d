package builtin

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/domain/logline"
)

// FuzzAnalyze checks that no lines break the analysis, and that what it finds is
// valid.
func FuzzAnalyze(f *testing.F) {
	f.Add("ERROR cannot open x\nINFO fine\n", int64(0))
	f.Add(strings.Repeat("2026-03-01 10:11:12 request abcdef0123456789 begin\n2026-03-01 10:11:13 request abcdef0123456789 end\n", 60), int64(1)<<50)
	f.Add("\xff", int64(-1))
	f.Fuzz(func(t *testing.T, text string, us int64) {
		var logs []domain.LogEntry
		for line := range strings.SplitSeq(text, "\n") {
			e := logline.Parser{}.Parse(line, time.Unix(0, 0))
			e.ReceivedAt = time.UnixMicro(us)
			if e.Timestamp.IsZero() {
				e.Timestamp = e.ReceivedAt
			}
			logs = append(logs, e)
		}
		result, err := New(Config{}).Analyze(t.Context(), domain.AnalysisRequest{Logs: logs})
		require.NoError(t, err)
		require.LessOrEqual(t, len(result.Anomalies), domain.MaxAnomalies)
		for _, a := range result.Anomalies {
			require.LessOrEqual(t, len(a.Template), domain.MaxAnomalyTemplate)
			require.True(t, a.Score >= 0 && a.Score <= 1, a.Score)
		}
	})
}

// FuzzDocument checks that damaged state is an error and breaks nothing, and that
// what can be read is written the same.
func FuzzDocument(f *testing.F) {
	d := newDocument().with(domain.TaskID{1}, []addition{{source: "app", batch: &learnedSource{
		snapshot: []byte("x"), lines: 7, seconds: 1.5, minutes: 2, until: 99,
		templates: map[templateID]*learnedTemplate{{template: 5, service: "web"}: {lines: 7, level: 3, active: 2, squares: 25}},
		services:  map[string]learnedService{"web": {7, 1}},
		sessions: map[string]*learnedSessions{"blk_": {
			total: 3, templates: map[templateID]int{{template: 5}: 2, {template: 6, service: "web"}: 1}, sessionCounts: map[uint64]int{1 << 63: 3},
			gaps: map[gapID]learnedGap{{templateID{template: 5}, templateID{template: 6, service: "web"}}: {2, 7.5, 0.25}},
		}},
		suspects: map[templateID]*suspect{{template: 6}: {learnedTemplate: learnedTemplate{lines: 90, level: 5}}}, all: 97,
	}}}, time.Hour)
	data, err := d.encode()
	require.NoError(f, err)
	again, err := decodeDocument(data)
	require.NoError(f, err)
	require.Equal(f, d, again)
	f.Add(data)
	f.Add([]byte{})
	f.Add([]byte{stateVersion})
	f.Add([]byte{stateVersion - 1})
	f.Add([]byte{stateVersion + 1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := decodeDocument(data)
		if err != nil {
			return
		}
		out, err := d.encode()
		require.NoError(t, err)
		d.outdated = false // What is written is of this version.
		again, err := decodeDocument(out)
		require.NoError(t, err)
		require.Equal(t, d, again)
		a := New(Config{})
		e := domain.LogEntry{Message: "ERROR it broke", Source: "app"}
		if g, err := newGroup(&a.cfg, "app", d.source("app", true), requestLogs{e}); err == nil {
			g.add(&e, 0)
			g.finish()
			g.detect()
		}
	})
}
