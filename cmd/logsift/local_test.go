package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTextsAreKept(t *testing.T) {
	t.Parallel()
	kept := &texts{first: 7}
	random := rand.New(rand.NewPCG(1, 2))
	var all []string
	for i := range 5000 {
		all = append(all, fmt.Sprintf("%d %s", i, strings.Repeat("x", random.IntN(60))))
	}
	all[17] = strings.Repeat("long ", textBlockBytes)
	at := time.Date(2026, 5, 1, 8, 0, 0, 1000, time.UTC)
	for i, text := range all {
		kept.add([]time.Time{{}, at}[i%2], text)
	}
	require.Greater(t, len(kept.blocks), 3)
	for i := range all {
		n := (i * 1237) % len(all)
		when, text := kept.read(n)
		require.Equal(t, all[n], text)
		require.Equal(t, n%2 == 0, when.IsZero())
		require.True(t, when.IsZero() || when.Equal(at))
		require.Equal(t, n, kept.number(kept.ID(n)))
	}
	require.Equal(t, "00000000-0000-8000-8000-000000000008", kept.ID(1).String())
}

func TestAnInterruptedAnalysisSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	stdin, writer := io.Pipe()
	t.Cleanup(func() { _ = writer.Close() })
	go func() {
		_, _ = writer.Write([]byte("INFO a line\n"))
		cancel()
	}()
	var stdout, stderr bytes.Buffer
	e := &environment{stdin: stdin, stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
	require.Equal(t, exitInterrupted, e.execute(ctx, []string{"analyze", "-"}))
	require.Equal(t, "logsift: interrupted\n", stderr.String())
	require.Empty(t, stdout.String())
}
