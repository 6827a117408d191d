package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheProductIsMeasuredAsProcesses(t *testing.T) {
	t.Parallel()
	p := &product{binary: filepath.Join(t.TempDir(), "logsift"), dir: t.TempDir(), speedLines: 1000}
	built, err := exec.CommandContext(t.Context(), "go", "build", "-o", p.binary, "logsift/cmd/logsift").CombinedOutput()
	require.NoError(t, err, string(built))
	data := t.TempDir()
	lines, labels := blocks(true)
	write(t, data, "right/x.log", lines...)
	write(t, data, "right/x.labels.csv", labels...)
	write(t, data, "shop/normal.log", shopWindow(8, "")...)
	write(t, data, "shop/fault_1.log", shopWindow(9, "bank")...)
	write(t, data, "shop/faults.json", `[{"file":"fault_1.log","service":"bank","inject_type":"return"},{"file":"fault_2.log","service":"cart"}]`)
	marked := make([]string, 200)
	for i := range marked {
		marked[i] = fmt.Sprintf("- 2026-05-01T08:%02d:%02dZ INFO job %d is done", i/60, i%60, i)
	}
	marked[150] = "ALARM 2026-05-01T08:02:30Z FATAL kernel panic, memory is broken"
	write(t, data, "loghub_2k/X/X_2k.log", marked...)

	for name, check := range map[string]func(t *testing.T){
		"sessions": func(t *testing.T) {
			t.Helper()
			rows := figures(t, p.sessions, data)
			require.Equal(t, "F1 1.000 (P 1.000 R 1.000, 1 bad)", rows["right"].figure)
			require.Contains(t, rows["right, 1 % noise lines added"].figure, "1 of 1 verdicts kept")
			require.Contains(t, rows, "right, 5 % of the lines lost")
			require.Contains(t, rows, "right, mixed with another system's lines")
			require.Equal(t, "F1 1.000 (P 1.000 R 1.000, 1 bad)", rows["right, requests of 1,000 lines in order"].figure)
			require.Contains(t, rows, "right, requests of 1,000 lines shuffled")
		},
		"faults": func(t *testing.T) {
			t.Helper()
			require.Equal(t, "1 of 1", figures(t, p.faults, data)["faulty service first"].figure)
		},
		"normal": func(t *testing.T) {
			t.Helper()
			rows := figures(t, p.normal, data)
			require.Len(t, rows, 3)
			require.True(t, rows["normal.log, analyze, baseline is the first half"].met)
		},
		"alerts": func(t *testing.T) {
			t.Helper()
			require.Equal(t, "F1 1.000 (P 1.000 R 1.000, 1 bad)", figures(t, p.alerts, data)["X_2k.log"].figure)
		},
		"speed": func(t *testing.T) {
			t.Helper()
			rows := figures(t, p.speed, data)
			require.Contains(t, rows["1000 made-up lines of 154 bytes, speed"].figure, "lines for a second")
			require.False(t, rows["1000 made-up lines of 154 bytes, speed"].met, "what starts is slow")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t)
		})
	}
}

func TestAProgramThatIsNoneIsAnError(t *testing.T) {
	t.Parallel()
	_, err := run(t.Context(), &bytes.Buffer{}, options{product: t.TempDir(), binary: filepath.Join(t.TempDir(), "absent")})
	require.ErrorContains(t, err, "for its version")
}
