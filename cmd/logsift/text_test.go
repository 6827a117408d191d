package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":              "plain",
		"tab\tand\nline":     "tab and line",
		"\x1b[31mred\x1b[0m": "�[31mred�[0m",
		"a\x00b\x7fc\u009bd": "a�b�c�d",
		"user\u202egpj.exe":  "user�gpj.exe",
		"\ufeffbom\u2028sep": "�bom�sep",
		"\U000e0041tag":      "�tag",
		"می\u200cخواهم":      "می\u200cخواهم",
		"क्\u200dष 👩\u200d💻": "क्\u200dष 👩\u200d💻",
		"\xff":               "�",
	} {
		require.Equal(t, want, printable(text), "%q", text)
	}
	require.Equal(t, "a\nb c\n�", printableLines("a\r\nb\tc\n\x1b"))
}

func TestWidths(t *testing.T) {
	t.Parallel()
	require.Equal(t, "abc", fit("abc", 3))
	require.Equal(t, "ab…", fit("abcd", 3))
	require.Equal(t, "日本…", fit("日本語日本語", 5), "wide characters have two columns")
	require.Equal(t, "日本語", fit("日本語", 6))
	require.Equal(t, "日  ", pad("日", 4))
	require.Equal(t, []string{"one two", "three", "abcdefghijk", "x"}, wrap("one two\nthree   abcdefghijk x", 8))
	require.Empty(t, wrap(" \n", 8))
	var out bytes.Buffer
	require.NoError(t, columns(&out, [][]string{{"NAME", "N", "TEXT"}, {"日本", "1", "a"}, {"x\x1b", "22", ""}}))
	require.Equal(t, "NAME  N   TEXT\n日本  1   a\nx�    22\n", out.String())
}

func TestPlurals(t *testing.T) {
	t.Parallel()
	require.Equal(t, "1 anomaly, 2 anomalies, 1 analysis, 0 analyses, 3 lines",
		strings.Join([]string{plural(1, "anomaly"), plural(2, "anomaly"), plural(1, "analysis"), plural(0, "analysis"), plural(3, "line")}, ", "))
}

func TestSparkline(t *testing.T) {
	t.Parallel()
	require.Equal(t, "▁█▄▂", sparkline([]int{0, 1000, 500, 1}))
	require.Empty(t, sparkline([]int{0, 0}))
	require.Empty(t, sparkline(nil))
}

func TestWhatGoesToTheTerminalIsSafeThere(t *testing.T) {
	t.Parallel()
	const hostile = "f\x1b]0;P\a\u009b31m\u202ex\u2066\u2028.log"
	file := filepath.Join(t.TempDir(), hostile)
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("2026-05-01 12:00:00 ERROR failed "+hostile+"\n", 20)), 0o600))
	for _, args := range [][]string{
		{"analyze", "no-such-" + hostile}, {"analyze", file}, {"analyze", "-o", "json", file}, {"analyze", "-o", "markdown", file}, {"analyze", "-o", "html", file},
		{hostile}, {"task", "list", "--" + hostile}, {"follow", "--server", hostile, "x"}, {"stats", "--config", hostile}, {"key", "list", "--keys", "no-such-" + hostile},
	} {
		var out bytes.Buffer
		e := &environment{stdin: &bytes.Buffer{}, stdout: &out, stderr: &out, getenv: func(name string) string {
			return map[string]string{"LOGSIFT_LOG_LEVEL": "error"}[name]
		}}
		e.execute(t.Context(), args)
		require.NotEmpty(t, out.String(), args)
		requirePrintable(t, out.String())
	}
}
