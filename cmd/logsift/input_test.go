package main

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestLinesUpToTheLimitAreRead(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", domain.MaxLogMessage)
	for name, c := range map[string]struct {
		text           string
		lines, tooLong int
	}{
		"with a newline":    {longest + "\n", 1, 0},
		"with both":         {longest + "\r\n", 1, 0},
		"without an end":    {longest, 1, 0},
		"one byte more":     {"y" + longest + "\nz\n", 1, 1},
		"and none at all":   {"y" + longest, 0, 1},
		"more and no end":   {"z\n" + longest + longest, 1, 1},
		"one after another": {longest + "\n" + longest + "\n", 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := input{name: "in", open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(c.text)), nil }}
			report, err := readChunks(in, func(*chunk) error { return nil })
			require.NoError(t, err)
			require.Equal(t, [2]int{c.lines, c.tooLong}, [2]int{report.lines, report.tooLong})
		})
	}
}
