package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogIsMeasured(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.log")
	short := "\xff started\n\n" + strings.Repeat(strings.Repeat("x", longLine)+" 1\r\n", minMeasured-1)
	require.NoError(t, os.WriteFile(file, []byte(short), 0o600))
	w := &report{}
	require.NoError(t, measureLog(t.Context(), w, "x", []string{file, file + ".absent"}))
	require.Len(t, w.rows, 3)
	require.Equal(t, "5000 lines of 251 bytes, 2 templates", w.rows[0].figure)
	require.Contains(t, w.rows[1].figure, "lines/s")
	require.Equal(t, "≥ 150k lines/s", w.rows[2].goal)
	require.NoError(t, os.WriteFile(file, []byte("a few\nlines\n"), 0o600))
	require.NoError(t, measureLog(t.Context(), w, "few", []string{file}))
	require.Len(t, w.rows, 3, "a few lines are not measured")
}

func TestCostIsOfTheFastestRun(t *testing.T) {
	t.Parallel()
	runs := 0
	var keep []byte
	c := measure(1000, func() error {
		runs++
		keep = make([]byte, 8<<20)
		return nil
	})
	require.NoError(t, c.err)
	require.Equal(t, rounds, runs)
	require.Positive(t, c.lines)
	require.GreaterOrEqual(t, c.bytes, float64(len(keep))/1000)
	require.GreaterOrEqual(t, c.peak, uint64(len(keep)))
	require.ErrorIs(t, measure(1, func() error { return os.ErrInvalid }).err, os.ErrInvalid)
}
