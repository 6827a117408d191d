package domain_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// join returns the entries that a joiner makes of lines.
func join(j *domain.LineJoiner, lines ...string) []string {
	var out []string
	for _, line := range lines {
		if done, ok := j.Add(line, testNow()); ok {
			out = append(out, done.Text)
		}
	}
	if done, ok := j.Flush(); ok {
		out = append(out, done.Text)
	}
	return out
}

// Entries are set apart by lines of "==".
func TestLinesOfAnEntryAreJoined(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Java": "2026-03-01 10:11:12,345 ERROR [main] a.B - failed\njava.lang.IllegalStateException: no\n\tat a.B.c(B.java:7)\n\tat a.B.main(B.java:3)\n" +
			"Caused by: java.io.IOException: disk\n\tat a.D.e(D.java:9)\n\t... 23 more\n==\n2026-03-01 10:11:13,000 INFO [main] a.B - on",
		"Java without headers": "starting\n==\nException in thread \"main\" java.lang.Error: x\n\tat a.B.c(B.java:7)\nCaused by: java.io.IOException: disk\n\tat a.D.e(D.java:9)\n==\nstopping",
		"Python":               "2026-03-01 10:11:12,345 - app - ERROR - failed\nTraceback (most recent call last):\n  File \"a.py\", line 3, in f\n    g()\nValueError: bad\n==\n2026-03-01 10:11:13,345 - app - INFO - on",
		"Python without headers": "starting\n==\nTraceback (most recent call last):\n  File \"a.py\", line 3, in f\n    g()\nValueError: bad\n\nDuring handling of the above exception, another exception occurred:\n\n" +
			"Traceback (most recent call last):\n  File \"a.py\", line 5, in h\n    i()\nKeyError: 'x'\n==\nthe next line\n==\nand one more",
		"Go":      "2026/03/01 10:11:12 started\npanic: boom\n\ngoroutine 1 [running]:\nmain.f(0x1)\n\t/src/a.go:3 +0x1d\nmain.main()\n\t/src/a.go:9 +0x2\nexit status 2\n==\n2026/03/01 10:11:13 started",
		"Node":    "Error: connect refused\n    at f (/a.js:1:2)\n    at async g (/b.js:3:4) {\n  errno: -111,\n  code: 'X'\n}\n==\nlistening on 80",
		".NET":    "fail: App[0]\n      Unhandled\n      System.IO.IOException: no disk\n         at App.Main() in /a.cs:line 3\n   --- End of inner exception stack trace ---\n==\ninfo: App[0]\n      on",
		"Ruby":    "E, [2026-03-01T10:11:12.345678 #42] ERROR -- : boom (RuntimeError)\n/a.rb:1:in `f'\n\tfrom /a.rb:3:in `<main>'\n==\nI, [2026-03-01T10:11:13.345678 #42]  INFO -- : on",
		"indent":  "2026-03-01T10:11:12Z INFO config:\n  a: 1\n  b:\n    c: 2\n==\n2026-03-01T10:11:13Z INFO on",
		"SQL":     "2026-03-01 10:11:12 UTC [7] ERROR:  syntax error\n2026-03-01 10:11:12 UTC [7] STATEMENT:  SELECT",
		"JUL":     "Mar 01, 2026 1:11:12 PM a.B run\n==\nWARNING: x",
		"plain":   "one\n==\ntwo\n==\nthree: x\n==\n- four\n==\nfive (6)",
		"indents": "  CC a.o\n==\n  CC b.o\n==\n  LD x",
		"JSON":    "{\"level\":\"info\",\"msg\":\"a\"}\n==\n{\"level\":\"info\",\"msg\":\"b\"}",
		"pretty":  "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}\n==\n{\n  \"a\": 2\n}",
		"CRI":     "2026-03-01T10:11:12Z stderr F Traceback (most recent call last):\n2026-03-01T10:11:12Z stderr F   File \"a.py\", line 3, in f\n2026-03-01T10:11:12Z stderr F ValueError: bad\n==\n2026-03-01T10:11:13Z stdout F on",
		"Docker":  "{\"log\":\"Error: x\\n\",\"stream\":\"stderr\",\"time\":\"2026-03-01T10:11:12Z\"}\n{\"log\":\"    at f (/a.js:1:2)\\n\",\"stream\":\"stderr\",\"time\":\"2026-03-01T10:11:12Z\"}\n==\n{\"log\":\"on\\n\",\"stream\":\"stderr\",\"time\":\"2026-03-01T10:11:12Z\"}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "SQL" || name == "JUL" {
				want = strings.ReplaceAll(want, "\n==", "")
			}
			entries := strings.Split(want, "\n==\n")
			if name == "SQL" {
				entries = strings.Split(want, "\n")
			}
			require.Equal(t, entries, join(&domain.LineJoiner{}, strings.Split(strings.ReplaceAll(want, "\n==\n", "\n"), "\n")...))
		})
	}
}

// A log in which a time is the exception is one of lines by themselves.
func TestLinesWithoutHeadersAmongFewWithAreNotJoinedForLong(t *testing.T) {
	t.Parallel()
	lines := []string{"2026-03-01T10:11:12Z INFO up"}
	for range 200 {
		lines = append(lines, "something happened")
	}
	require.Greater(t, len(join(&domain.LineJoiner{}, lines...)), 190)
}

func TestAnEntryIsBounded(t *testing.T) {
	t.Parallel()
	lines := []string{"2026-03-01T10:11:12Z ERROR x"}
	for range 25 {
		lines = append(lines, "\tat a.B.c(B.java:7)")
	}
	for _, j := range []*domain.LineJoiner{{MaxLines: 10}, {MaxBytes: 200}} {
		entries := join(j, lines...)
		require.Len(t, entries, 3)
		require.Equal(t, strings.Join(lines, "\n"), strings.Join(entries, "\n"))
	}
	long := strings.Repeat("x", 1<<20)
	require.Equal(t, []string{long, long}, join(&domain.LineJoiner{}, long, long))
}

func TestAFlushEndsAnEntry(t *testing.T) {
	t.Parallel()
	var j domain.LineJoiner
	require.Zero(t, j.Pending())
	_, ok := j.Flush()
	require.False(t, ok)
	_, ok = j.Add("2026-03-01T10:11:12Z ERROR x", testNow())
	require.False(t, ok)
	require.Positive(t, j.Pending())
	done, ok := j.Flush()
	require.True(t, ok)
	require.Equal(t, domain.JoinedLines{Text: "2026-03-01T10:11:12Z ERROR x", Lines: 1}, done)
	require.Equal(t, []string{"\tat a.B.c(B.java:7)\n\tat a.B.d(B.java:8)"}, join(&j, "\tat a.B.c(B.java:7)", "\tat a.B.d(B.java:8)"), "the trace goes on")
}

// FuzzLineJoiner checks that no line is lost, changed or doubled, and that the
// bounds hold.
func FuzzLineJoiner(f *testing.F) {
	for _, c := range formatLines {
		f.Add(c.line + "\n\tat a.B\n\n" + c.line)
	}
	f.Add("Traceback (most recent call last):\n  File\nX: y\n{\n}\ngoroutine 1 [x]:\na.b()\n")
	f.Fuzz(func(t *testing.T, text string) {
		var want []string
		lines := strings.Split(text, "\n")
		for _, line := range lines {
			if strings.TrimSpace(line) != "" {
				want = append(want, line)
			}
		}
		var got []string
		for _, entry := range join(&domain.LineJoiner{MaxLines: 5, MaxBytes: 200}, lines...) {
			parts := strings.Split(entry, "\n")
			n := 0
			for _, part := range parts {
				if strings.TrimSpace(part) != "" {
					got = append(got, part)
					n++
				}
			}
			require.LessOrEqual(t, n, 5)
			require.True(t, n == 1 || len(entry) <= 200)
		}
		require.Equal(t, want, got)
	})
}

func BenchmarkLineJoiner(b *testing.B) {
	lines := []string{formatLines["Log4j"].line, formatLines["Log4j"].line, "java.lang.IllegalStateException: no", "\tat a.B.c(B.java:7)", "\tat a.B.d(B.java:8)"}
	var j domain.LineJoiner
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		j.Add(lines[i%len(lines)], testNow())
		i++
	}
}
