package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/redistest"
)

// runs runs logsift to its end and returns its output and exit status.
func runs(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Args[0] = "logsift"
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestVerifyMendsARedisAndSaysSo(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	_, a := serve(t, "--store", server.URL(), "--batch-age", "50ms")
	id := a.sendLogs(t, someLines)
	a.awaitStatus(t, id, "COMPLETED")
	verify := []string{"verify", "--store", server.URL()}

	stdout, stderr, status := runs(t, verify...)
	require.Zero(t, status, stderr)
	require.Regexp(t, "^checked 1 task, 2 log entries, 1 analysis, [1-3] states?: nothing is broken\n$", stdout)
	require.Empty(t, stderr, "progress is for terminals")

	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { require.NoError(t, rdb.Close()) })
	require.NoError(t, rdb.Del(t.Context(), "{logsift:0}:completed").Err())
	stdout, stderr, status = runs(t, verify...)
	require.Equal(t, exitFailed, status)
	found, summary, _ := strings.Cut(stdout, "checked ")
	require.Equal(t, "not_indexed  "+id+"  in {logsift:0}:completed\n   it is COMPLETED, and in no index\n", found)
	require.Regexp(t, "^1 task, 2 log entries, 1 analysis, [1-3] states?: 1 finding\n$", summary)
	require.Contains(t, stderr, "--repair")

	stdout, stderr, status = runs(t, append(verify, "--repair", "-o", "json")...)
	require.Zero(t, status, stderr)
	var report struct {
		Findings []findingView
		Summary  summaryView
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &report), stdout)
	require.Len(t, report.Findings, 1)
	require.True(t, report.Findings[0].Repaired)
	require.Equal(t, id, report.Findings[0].ID.String())
	require.Equal(t, "put into completed", report.Findings[0].Action)
	// The server goes on meanwhile: besides what the analyser learned, it stores the
	// history of one hour, or of two.
	require.Contains(t, []int64{1, 2, 3}, report.Summary.States)
	report.Summary.States = 0
	require.Equal(t, summaryView{Tasks: 1, Logs: 2, Analyses: 1, Findings: 1, Repaired: 1, Clean: true}, report.Summary)

	_, _, status = runs(t, append(verify, "--repair")...)
	require.Zero(t, status)
	require.Equal(t, "COMPLETED", a.task(t, id).Status)

	_, stderr, status = runs(t, "verify", "--store", "memory:")
	require.Equal(t, exitUsage, status, stderr)
	_, _, status = runs(t, append(verify, "--repair=perhaps")...)
	require.Equal(t, exitUsage, status)
}
