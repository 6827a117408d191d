package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// section is a part of the report.
type section = func(context.Context, *report, string) error

// figures runs a section on a folder and returns its rows by name.
func figures(t *testing.T, run section, data string) map[string]row {
	t.Helper()
	var w report
	require.NoError(t, run(t.Context(), &w, data))
	out := map[string]row{}
	for _, r := range w.rows {
		out[r.name] = r
	}
	return out
}

// write makes a file of lines.
func write(t *testing.T, folder, name string, lines ...string) {
	t.Helper()
	path := filepath.Join(folder, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

// blocks are the lines and labels of 100 sessions, of which one lacks its end; odd
// is whether that is the one labelled bad.
func blocks(odd bool) (lines, labels []string) {
	labels = []string{"BlockId,Label"}
	for i := range 100 {
		id := fmt.Sprintf("blk_%08d", 1000+i)
		lines = append(lines, "INFO receiving block "+id, "INFO responder for block "+id+" ready")
		if i != 40 {
			lines = append(lines, "INFO stored block "+id)
		}
		label := "Normal"
		if i == 40 && odd || i == 41 && !odd {
			label = "Anomaly"
		}
		labels = append(labels, id+","+label)
	}
	return lines, labels
}

func TestSessionsAreScoredByTheirLabels(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	lines, labels := blocks(true)
	write(t, data, "hdfs_right/x.log", lines...)
	write(t, data, "hdfs_right/x.labels.csv", labels...)
	lines, labels = blocks(false)
	write(t, data, "openstack_wrong/x.log", lines...)
	write(t, data, "openstack_wrong/x.labels.csv", labels...)
	rows := figures(t, evalSessions, data)
	right := rows["hdfs_right, 100 sessions, 299 lines"]
	require.Equal(t, "F1 1.000 (P 1.000 R 1.000, 1 bad)", right.figure)
	require.True(t, right.met)
	wrong := rows["openstack_wrong, 100 sessions, 299 lines"]
	require.Equal(t, "F1 0.000 (P 0.000 R 0.000, 1 bad)", wrong.figure)
	require.False(t, wrong.met)
	require.Equal(t, "F1 ≥ 0.85", wrong.goal)
}

func TestSequencesAreWrittenAsLines(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	write(t, data, "seq/templates.csv", "EventId,EventTemplate", "E1,<*> begins", "E2,<*> ends")
	write(t, data, "seq/sessions.csv", "Id,Label,Events", "blk_00000001,Normal,E1 E2", "7,Anomaly,E1")
	l, err := readSequences(filepath.Join(data, "seq", "sessions.csv"))
	require.NoError(t, err)
	require.Equal(t, []string{"blk_00000001 Eb <*> begins", "session_00000001 Eb <*> begins", "blk_00000001 Ec <*> ends"}, l.lines)
	require.Equal(t, map[string]bool{"blk_00000001": false, "session_00000001": true}, l.bad)
}

func TestTheColumnOfAlertsIsNotShown(t *testing.T) {
	t.Parallel()
	lines := []string{"- a b", "- c", "ALARM d e", "- f"}
	alerts, ok := cutAlerts(lines)
	require.True(t, ok)
	require.Equal(t, map[int]bool{2: true}, alerts)
	require.Equal(t, []string{"a b", "c", "d e", "f"}, lines)
	_, ok = cutAlerts([]string{"INFO a", "INFO b"})
	require.False(t, ok)
}

// shopWindow are the lines of three services, of which one may break.
func shopWindow(hour int, broken string) []string {
	var out []string
	for i := range 1200 {
		pod := []string{"cart-866bd68c97-xcqfx", "shop-5dc8d4f9fd-46997", "bank-b5ccf8557-j4txs"}[i%3]
		say := "INFO request served"
		if broken != "" && strings.HasPrefix(pod, broken) && i > 600 && i%10 == 0 {
			say = "ERROR ledger is gone"
		}
		out = append(out, fmt.Sprintf("2026-05-01T%02d:%02d:%02dZ %s %s", hour, i/60%60, i%60, pod, say))
	}
	return out
}

func TestTheFaultyServiceIsRanked(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	write(t, data, "shop/normal.log", shopWindow(8, "")...)
	write(t, data, "shop/fault_1.log", shopWindow(9, "bank")...)
	write(t, data, "shop/faults.json", `[{"file":"fault_1.log","service":"bank","inject_type":"return"},{"file":"fault_2.log","service":"cart"}]`)
	rows := figures(t, evalFaults, data)
	require.Equal(t, "1 of 1", rows["faulty service first"].figure)
	require.True(t, rows["faulty service first"].met)
	require.Contains(t, rows["fault_1.log (return in bank)"].figure, "place 1: bank")

	write(t, data, "shop/faults.json", `[{"file":"fault_1.log","service":"cart","inject_type":"return"}]`)
	require.False(t, figures(t, evalFaults, data)["faulty service first"].met)
}

func TestTheOrderOfChunksIsMeasured(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	var lines []string
	labels := []string{"BlockId,Label"}
	for i := range 1500 {
		id := fmt.Sprintf("blk_%08d", 1000+i)
		lines = append(lines, "INFO receiving block "+id, "INFO stored block "+id)
		label := "Normal"
		if i == 1200 {
			lines = append(lines, "ERROR lost block "+id)
			label = "Anomaly"
		}
		labels = append(labels, id+","+label)
	}
	write(t, data, "b/x.log", lines...)
	write(t, data, "b/x.labels.csv", labels...)
	rows := figures(t, evalOrder, data)
	require.Equal(t, "F1 1.000 to 1.000 in 4 orders; 100 % of the flagged templates are the same, at least", rows["b, one request"].figure)
	require.Equal(t, "F1 1.000 to 1.000 in 4 orders; 100 % of the flagged templates are the same, at least", rows["b, a request for each"].figure)
}

func TestMissingDataIsAnError(t *testing.T) {
	t.Parallel()
	_, err := run(t.Context(), &bytes.Buffer{}, options{data: filepath.Join(t.TempDir(), "nothing")})
	require.ErrorContains(t, err, "-data must name the folder")
	for name, s := range map[string]section{"sessions": evalSessions, "lines": evalLines, "normal": evalNormal, "faults": evalFaults, "order": evalOrder} {
		require.ErrorIs(t, s(t.Context(), &report{}, t.TempDir()), errNoData, name)
	}
	data := t.TempDir()
	write(t, data, "x/faults.json", `[{"file":"fault_1.log","service":"bank"}]`)
	require.ErrorIs(t, evalFaults(t.Context(), &report{}, data), errNoData)
}

func TestAScoreIsThatOfItsCounts(t *testing.T) {
	t.Parallel()
	s := score{hits: 3, alarms: 4, truth: 6}
	require.InDelta(t, 0.75, s.precision(), 1e-9)
	require.InDelta(t, 0.5, s.recall(), 1e-9)
	require.InDelta(t, 0.6, s.f1(), 1e-9)
	require.Zero(t, score{}.f1())
	require.Equal(t, 70_000, lineOf(logID(70_000)))
	require.InDelta(t, 1.0/3, jaccard(map[string]bool{"a": true, "b": true}, map[string]bool{"b": true, "c": true}), 1e-9)
	require.Equal(t, score{hits: 1, alarms: 2, truth: 1}, scoreSessions(map[string]bool{"a": true, "b": false, "c": false}, map[string]bool{"a": true, "b": true, "z": true}))
	r := domain.AnalysisResult{Anomalies: []domain.Anomaly{
		{Severity: domain.SeverityMedium, Sessions: []string{"m"}, LogIDs: []domain.LogID{logID(1)}}, {Severity: domain.SeverityLow, Sessions: []string{"l"}, LogIDs: []domain.LogID{logID(2)}},
	}}
	require.Equal(t, map[string]bool{"m": true}, flaggedSessions(&r))
	require.Equal(t, map[int]bool{1: true}, flaggedLines(&r, flagged))
}
