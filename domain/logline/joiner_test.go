package logline_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/domain/logline"
)

// join returns the entries that a joiner makes of lines.
func join(j *logline.Joiner, lines ...string) []string {
	var out []string
	for _, line := range lines {
		for _, done := range j.Add(line, testNow()) {
			out = append(out, done.Text)
		}
	}
	for _, done := range j.Flush() {
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
		"Go":               "2026/03/01 10:11:12 started\n==\npanic: boom\n\ngoroutine 1 [running]:\nmain.f(0x1)\n\t/src/a.go:3 +0x1d\nmain.main()\n\t/src/a.go:9 +0x2\nexit status 2\n==\n2026/03/01 10:11:13 started",
		"Node":             "Error: connect refused\n    at f (/a.js:1:2)\n    at async g (/b.js:3:4) {\n  errno: -111,\n  code: 'X'\n}\n==\nlistening on 80",
		".NET":             "fail: App[0]\n      Unhandled\n      System.IO.IOException: no disk\n         at App.Main() in /a.cs:line 3\n   --- End of inner exception stack trace ---\n==\ninfo: App[0]\n      on",
		"Ruby":             "E, [2026-03-01T10:11:12.345678 #42] ERROR -- : boom (RuntimeError)\n/a.rb:1:in `f'\n\tfrom /a.rb:3:in `<main>'\n==\nI, [2026-03-01T10:11:13.345678 #42]  INFO -- : on",
		"indent":           "2026-03-01T10:11:12Z INFO config:\n  a: 1\n  b:\n    c: 2\n==\n2026-03-01T10:11:13Z INFO on",
		"behind INFO":      "2026-03-01 10:11:12 INFO on\n==\njava.lang.IllegalStateException: no\n\tat a.B.c(B.java:7)\n==\n2026-03-01 10:11:13 INFO on",
		"behind WARN":      "2026-03-01 10:11:12 WARN slow\njava.lang.IllegalStateException: no\n\tat a.B.c(B.java:7)\n==\njava.lang.Error: another\n\tat a.B.d(B.java:8)",
		"Go behind ERROR":  "2026-03-01 10:11:12 ERROR off\n==\npanic: boom\n==\npanic: boom\n\tpanic: again\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/a.go:9 +0x2",
		"two of Python":    "2026-03-01 10:11:12 ERROR off\nTraceback (most recent call last):\n==\nTraceback (most recent call last):\n  File \"a.py\", line 3, in f\nValueError: bad",
		"behind JSON":      "{\"level\":\"error\",\"msg\":\"a\"}\n==\npanic: boom\n\ngoroutine 1 gp=0xc0 m=0 mp=0x5 [running]:\nmain.main()\n\t/src/a.go:9 +0x2",
		"headless":         "2026-03-01 10:11:12 INFO on\n==\nsdb: sector 0 unreadable\n==\nsdb: sector 1 unreadable\n==\n2026-03-01 10:11:13 INFO on",
		"headless behind":  "2026-03-01 10:11:12 ERROR off\n==\nsdb: sector 0 unreadable\n==\n2026-03-01 10:11:13 ERROR off\n\tat a.B.c(B.java:7)\n==\nsdb: sector 1 unreadable",
		"set to the right": " INFO [main] a.B on\n==\n INFO [main] a.B on\n==\nERROR [main] a.B off\n==\n WARN [main] a.B slow\n==\nDEBUG [main] a.B x",
		"indented heads":   "2026-03-01 10:11:12 INFO a\n==\n 2026-03-01 10:11:13 ERROR b\n==\n  [2026-03-01 10:11:14] ERROR c\n==\n   {\"time\":\"2026-03-01T10:11:15Z\",\"msg\":\"d\"}\n==\n\tERROR e\n  the e's own",
		"code in a trace":  "2026-03-01 10:11:12 ERROR a\nTraceback (most recent call last):\n  File \"a.py\", line 3, in f\n    ERROR = g()\nValueError: bad",
		"PHP":              "[2026-03-01 10:11:12] app.ERROR: no {\"exception\":\"[object] (RuntimeException(code: 0): no at /a/b.php:10)\n[stacktrace]\n#0 /a/c.php(3): A\\B->c()\n#1 {main}\n\"} \n==\n[2026-03-01 10:11:13] app.INFO: on",
		"PHP's own":        "[01-Mar-2026 10:11:12 UTC] PHP Fatal error:  Uncaught Exception: no in /a.php:3\nStack trace:\n#0 {main}\n  thrown in /a.php on line 3\n==\n[01-Mar-2026 10:11:13 UTC] PHP Notice:  x",
		"slow log":         "# Time: 2026-03-01T10:11:12.111111Z\n# User@Host: a[a] @ localhost []  Id:    12\n# Query_time: 3.1  Lock_time: 0.0\nSET timestamp=1763456401;\nSELECT *\n  FROM a;\n==\n# User@Host: b[b] @ localhost []\n# Query_time: 3.1\nuse b;\nSELECT 1;\n==\n# Time: 071015 21:43:52\n# User@Host: a[a] @ localhost []\nSELECT 2;",
		"JSON then pretty": "{\"time\":\"2026-03-01T10:11:12Z\",\"level\":\"info\",\"msg\":\"a\"}\n==\n{\n  \"time\": \"2026-03-01T10:11:13Z\",\n  \"level\": \"error\",\n  \"in\": {\n    \"a\": 1\n  },\n  \"msg\": \"b\"\n}\n==\n{\"level\":\"info\",\"msg\":\"a\"}",
		"open brackets":    "[2026-03-01 10:11:12,389][INFO ][env] using [1] data paths, mounts [[/\n(/dev/disk1)]], net usable_space [34.5gb], types [hfs]\n==\n[2026-03-01 10:11:13,389][INFO ][env] on\n==\n(a) b",
		"dump":             "2026-03-01 10:11:12 DEBUG got array(\na => [\n1,\n],\n)\n==\nnext",
		"parts":            "2026-03-01T10:11:12.1Z stdout P a \n2026-03-01T10:11:12.2Z stdout P b \n2026-03-01T10:11:12.3Z stdout F c\n==\n2026-03-01T10:11:12.4Z stdout F d",
		"Docker's parts":   "{\"log\":\"a\\n\",\"stream\":\"stdout\"}\n==\n{\"log\":\"b\",\"stream\":\"stdout\"}\n{\"log\":\"c\\n\",\"stream\":\"stdout\"}\n==\n{\"log\":\"d\\n\",\"stream\":\"stdout\"}",
		"no parts":         "{\"log\":\"a\",\"stream\":\"stdout\"}\n==\n{\"log\":\"b\",\"stream\":\"stdout\"}",
		"auditd":           "type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e success=no\ntype=CWD msg=audit(1364481363.243:24287):  cwd=\"/home\"\ntype=PATH msg=audit(1364481363.243:24287): item=0\n==\ntype=SYSCALL msg=audit(1364481363.243:24288): arch=c000003e",
		"Rust":             "thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1` environment variable\nstack backtrace:\n   0: rust_begin_unwind\n             at /rustc/1/library/std/src/panicking.rs:645:5\n==\nnext",
		"Rust's older":     "thread 'main' panicked at 'boom', src/main.rs:2:5\nnote: run with `RUST_BACKTRACE=1`\n==\nnext",
		"Ruby without":     "/app/a.rb:6:in `/': divided by 0 (ZeroDivisionError)\n\tfrom /app/a.rb:6:in `block in <main>'\n==\nhello world",
		"Rails":            "E, [2026-03-01T10:11:12.345678 #42] ERROR -- : x\nNoMethodError (undefined method `a' for nil):\napp/models/a.rb:3:in `b'\nlib/c.rb:4:in `d'\n==\nI, [2026-03-01T10:11:13.345678 #42]  INFO -- : on",
		"Node's own":       "/app/a.js:3\n  throw new Error('x');\n  ^\n\nError: x\n    at f (/app/a.js:3:9)\n    at node:internal/main:1:2\n\nNode.js v20.1.0\n==\nnext",
		"Elixir":           "10:11:12.123 [error] GenServer A terminating\n** (RuntimeError) boom\n    (app 0.1.0) lib/a.ex:3: A.b/1\nLast message: :x\nState: %{}\n==\n10:11:13.123 [info] on",
		"Erlang":           "=ERROR REPORT==== 1-Mar-2026::10:11:12 ===\nError in process <0.1.0>\nwith exit value: x\n==\n=INFO REPORT==== 1-Mar-2026::10:11:13 ===\non",
		"time alone":       "2026-03-01T10:11:12.123456+00:00\nErrors in file a.trc:\nORA-00600: internal error\n==\n2026-03-01T10:11:13.123456+00:00\nnext",
		"thread dump":      "2026-03-01 10:11:12\nFull thread dump OpenJDK 64-Bit Server VM (17):\n\n\"main\" #1 prio=5 tid=0x1\n   java.lang.Thread.State: RUNNABLE\n\tat a.B.c(B.java:7)\n\n\"other\" #2 prio=5 tid=0x2\n==\n2026-03-01 10:11:13 INFO on",
		"Compose":          "web-1  | 2026-03-01 10:11:12 ERROR off\nweb-1  | Traceback (most recent call last):\nweb-1  |   File \"a.py\", line 3, in f\nweb-1  | ValueError: bad\n==\ndb-1  |   File x",
		"forwarded":        "a.test 198.51.100.7 - - [18/Nov/2026:09:00:01 +0000] \"GET / HTTP/1.1\" 200 571 \"-\" \"-\"\n==\na.test 10.0.0.2, 10.0.0.1, 10.0.0.9, 10.0.0.8 - - [18/Nov/2026:09:00:02 +0000] \"GET / HTTP/1.1\" 502 571 \"-\" \"-\"",
		"Elasticsearch":    "[a-test] IndexNotFoundException[no such index]\n    at org.a.B....\n    at org.a.B.java:133)\n==\nanother",
		"Java's chain":     "2026-03-01 10:11:12 ERROR off\nException in thread \"main\" a.B: x\n     at a.B.c(B.java:7)\nCaused by: java.lang.NullPointerException\n     at a.B.d(B.java:8)\n     ... 1 more\n==\nsingle line",
		"SQL":              "2026-03-01 10:11:12 UTC [7] ERROR:  syntax error\n2026-03-01 10:11:12 UTC [7] STATEMENT:  SELECT",
		"JUL":              "Mar 01, 2026 1:11:12 PM a.B run\n==\nWARNING: x",
		"plain":            "one\n==\ntwo\n==\nthree: x\n==\n- four\n==\nfive (6)",
		"indents":          "  CC a.o\n==\n  CC b.o\n==\n  LD x",
		"JSON":             "{\"level\":\"info\",\"msg\":\"a\"}\n==\n{\"level\":\"info\",\"msg\":\"b\"}",
		"pretty":           "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}\n==\n{\n  \"a\": 2\n}",
		"CRI":              "2026-03-01T10:11:12Z stderr F Traceback (most recent call last):\n2026-03-01T10:11:12Z stderr F   File \"a.py\", line 3, in f\n2026-03-01T10:11:12Z stderr F ValueError: bad\n==\n2026-03-01T10:11:13Z stdout F on",
		"Docker":           "{\"log\":\"Error: x\\n\",\"stream\":\"stderr\",\"time\":\"2026-03-01T10:11:12Z\"}\n{\"log\":\"    at f (/a.js:1:2)\\n\",\"stream\":\"stderr\",\"time\":\"2026-03-01T10:11:12Z\"}\n==\n{\"log\":\"on\\n\",\"stream\":\"stderr\",\"time\":\"2026-03-01T10:11:12Z\"}",
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
			require.Equal(t, entries, join(&logline.Joiner{}, strings.Split(strings.ReplaceAll(want, "\n==\n", "\n"), "\n")...))
		})
	}
}

// The lines of a container's two streams are mixed.
func TestTheStreamsOfAContainerAreApart(t *testing.T) {
	t.Parallel()
	var lines, trace []string
	for _, text := range []string{"Traceback (most recent call last):", "  File \"a.py\", line 3, in f", "ValueError: bad"} {
		trace = append(trace, "2026-03-01T10:11:12Z stderr F "+text)
		lines = append(lines, trace[len(trace)-1], "2026-03-01T10:11:12Z stdout F on")
	}
	on := lines[1]
	require.ElementsMatch(t, []string{strings.Join(trace, "\n"), on, on, on}, join(&logline.Joiner{}, lines...))

	var j logline.Joiner
	require.Empty(t, j.Add(trace[0], testNow()))
	var done []string
	for range 20 {
		for _, d := range j.Add(on, testNow()) {
			done = append(done, d.Text)
		}
	}
	require.Contains(t, done, trace[0], "an entry does not wait for long")
}

// Lines that are not understood change nothing of how the others are joined.
func TestNoiseLeavesTheOthersAsTheyAre(t *testing.T) {
	t.Parallel()
	noise := []string{"something {", "12345", "} else", "a: b", "2026-03-01", "1764500000 x", "\u00a7 [", "warning: low", "--", "Mar 1"}
	var clean, noisy []string
	for i := range 3000 {
		clean = append(clean, " INFO request done")
		if i%100 == 99 {
			noisy = append(noisy, noise[i/100%len(noise)])
		}
		noisy = append(noisy, clean[i])
	}
	require.Equal(t, clean, join(&logline.Joiner{}, clean...))
	got := join(&logline.Joiner{}, noisy...)
	require.Equal(t, noisy, got)
}

// A trace that is an entry of its own says what it is.
func TestATraceHasALevel(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]domain.LogLevel{
		"panic: boom\n\ngoroutine 1 [running]:\nmain.main()":             domain.LogLevelFatal,
		"fatal error: all goroutines are asleep - deadlock!":             domain.LogLevelFatal,
		"Traceback (most recent call last):\n  File \"a.py\"":            domain.LogLevelFatal,
		"java.lang.IllegalStateException: no\n\tat a.B(B.java:7)":        domain.LogLevelError,
		"Exception in thread \"main\" a.B: x":                            domain.LogLevelFatal,
		"something\n    at f (/a.js:1:2)":                                domain.LogLevelError,
		"2026-03-01 10:11:12 failed\njava.lang.Error: no":                domain.LogLevelError,
		"thread 'main' panicked at src/main.rs:2:5:\nx":                  domain.LogLevelFatal,
		"/a.rb:6:in `/': divided by 0 (ZeroDivisionError)":               domain.LogLevelFatal,
		"2026-03-01 10:11:12 failed\nTraceback (most recent call last):": domain.LogLevelError,
		"created by a user":                   domain.LogLevelUnknown,
		"2026-03-01 10:11:12 INFO on\n\tat a": domain.LogLevelInfo,
	} {
		require.Equal(t, want, logline.Parser{}.Parse(text, testNow()).Level, text)
	}
}

func TestAnEntryIsBounded(t *testing.T) {
	t.Parallel()
	lines := []string{"2026-03-01T10:11:12Z ERROR x"}
	for range 25 {
		lines = append(lines, "\tat a.B.c(B.java:7)")
	}
	for _, j := range []*logline.Joiner{{MaxLines: 10}, {MaxBytes: 200}} {
		entries := join(j, lines...)
		require.Len(t, entries, 3)
		require.Equal(t, strings.Join(lines, "\n"), strings.Join(entries, "\n"))
	}
	long := strings.Repeat("x", 1<<20)
	require.Equal(t, []string{long, long}, join(&logline.Joiner{}, long, long))
}

func TestAFlushEndsAnEntry(t *testing.T) {
	t.Parallel()
	var j logline.Joiner
	require.Zero(t, j.Pending())
	require.Empty(t, j.Flush())
	require.Empty(t, j.Add("2026-03-01T10:11:12Z ERROR x", testNow()))
	require.Positive(t, j.Pending())
	done := j.Flush()
	require.Len(t, done, 1)
	require.Equal(t, "2026-03-01T10:11:12Z ERROR x", done[0].Text)
	require.Equal(t, 1, done[0].Lines)
	require.Equal(t, []string{"\tat a.B.c(B.java:7)\n\tat a.B.d(B.java:8)"}, join(&j, "\tat a.B.c(B.java:7)", "\tat a.B.d(B.java:8)"), "the trace goes on")
}

// containers are what writes the lines of a program into lines of its own: the text
// around each.
var containers = []struct{ name, before, after string }{
	{"none", "", ""},
	{"CRI", "2026-11-29T10:00:00.1Z stdout F ", ""},
	{"CRI error", "2026-11-29T10:00:00.1Z stderr F ", ""},
	{"CRI part", "2026-11-29T10:00:00.1+01:00 stderr P ", ""},
	{"CRI tags", "2026-11-29T10:00:00.123456789Z stdout F:x ", ""},
	{"CRI without a space", "2026-11-29T10:00:00.1Z stdout F", ""},
	{"Docker", `{"log":"`, `\n","stream":"stderr","time":"2026-11-29T10:00:00.1Z"}`},
	{"Docker indented", `{"log":"\t`, `\n","stream":"stdout","time":"2026-11-29T10:00:00.1Z"}`},
	{"Docker part", `{"time":"2026-11-29T10:00:00.1Z","stream":"stdout","log":"`, `"}`},
	{"Docker in CRI", `2026-11-29T10:00:00.1Z stdout F {"log":"`, `\n","stream":"stderr","time":"2026-11-29T10:00:00.1Z"}`},
	{"Docker cut", `{"log":"`, `\n","stream":"std`},
	{"Compose", "web-1  | ", ""},
	{"kubectl", "[pod/web-1/web] ", ""},
	{"RFC 3164", "<34>Mar  1 10:11:12 host app[1]: ", ""},
	{"RFC 5424", "<34>1 2026-03-01T10:11:12+01:00 host app 1 - - ", ""},
	{"journal", `{"PRIORITY":"6","MESSAGE":"`, `","__REALTIME_TIMESTAMP":"1772359872345000"}`},
	{"coloured", "\x1b[32m", "\x1b[0m"},
	{"coloured CRI", "\x1b[2m2026-11-29T10:00:00.1Z\x1b[0m stdout F ", ""},
}

func TestABlankLineInAContainerIsBlank(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"CRI", "CRI error", "CRI tags", "Docker", "Docker indented"} {
		for _, blank := range []string{"", " ", "  "} {
			t.Run(name+strconv.Quote(blank), func(t *testing.T) {
				t.Parallel()
				i := slices.IndexFunc(containers, func(c struct{ name, before, after string }) bool { return c.name == name })
				wrap := func(inner string) string { return containers[i].before + inner + containers[i].after }
				require.Equal(t, []string{wrap("first"), wrap("third")}, join(&logline.Joiner{}, wrap("first"), wrap(blank), wrap("third")))
			})
		}
	}
	trace := []string{
		"2026-11-29T10:00:00.1Z stderr F panic: no", "2026-11-29T10:00:00.1Z stderr F ", "2026-11-29T10:00:00.1Z stderr F goroutine 1 [running]:",
		"2026-11-29T10:00:00.1Z stderr F main.main()",
	}
	require.Equal(t, []string{trace[0] + "\n\n" + trace[2] + "\n" + trace[3]}, join(&logline.Joiner{}, trace...), "an entry goes on behind a blank line")
}

var (
	// writtenAsBlank is what stands for white space, or for nothing, in a string of JSON or on a terminal.
	writtenAsBlank = regexp.MustCompile(`\\(?:[nrtfb]|u00[0-9a-fA-F]{2})|\x1b\[[0-9;]*m`)
	tagAlone       = regexp.MustCompile(`^:\S*\s*$`) // such as in "stdout F:tag "
)

// FuzzJoiner checks that whatever a program writes is joined behind whatever its
// container writes before it: that no line is lost but blank ones, changed or
// doubled, that the bounds hold, and that each entry is valid and the one that its text is
// read as by itself.
func FuzzJoiner(f *testing.F) {
	for i := range containers {
		for _, text := range []string{"", "\n\n", "first\n\nthird", "panic: x\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:1", "{\n}\n{", "\r\n \r\n\t", `{"level":"error","msg":""}`, "\u00a0"} {
			f.Add(text, uint8(i), uint8(i+1), uint8(0))
			f.Add(text, uint8(i), uint8(0), uint8(logline.FormatContainer))
		}
	}
	for _, c := range formatLines {
		f.Add(c.line+"\n\tat a.B\n\n"+c.line, uint8(0), uint8(0), uint8(0))
	}
	f.Add("(\n \"000", uint8(9), uint8(8), uint8(0))
	f.Add("Traceback (most recent call last):\n  File\nX: y\n{\n}\ngoroutine 1 [x]:\na.b()\n", uint8(0), uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, text string, even, odd, format uint8) {
		const maxLines, maxBytes = 5, 1000
		parser := logline.Parser{Format: logline.Format(format % uint8(len(logline.FormatNames())))}
		var lines []string
		mayGo := map[string]bool{} // lines that are blank, in a container at least
		for i, inner := range strings.Split(text, "\n") {
			inner = logline.Text(inner)
			c := containers[int(even)%len(containers)]
			if i%2 == 1 {
				c = containers[int(odd)%len(containers)]
			}
			line := c.before + inner + c.after
			lines = append(lines, line)
			// A fuzzer may write a container's head itself, or the tags at its end.
			mayGo[line] = strings.TrimSpace(writtenAsBlank.ReplaceAllString(inner, "")) == "" || strings.Contains(inner, "std") ||
				c.name == "CRI without a space" && tagAlone.MatchString(inner)
		}
		j := logline.Joiner{Parser: parser, MaxLines: maxLines, MaxBytes: maxBytes}
		var entries []logline.Joined
		for _, line := range lines {
			entries = append(entries, j.Add(line, testNow())...)
		}
		entries = append(entries, j.Flush()...)
		left := map[string]int{}
		for _, line := range lines {
			left[line]++
		}
		for _, entry := range entries {
			parts := slices.DeleteFunc(strings.Split(entry.Text, "\n"), func(s string) bool { return strings.TrimSpace(s) == "" })
			require.Len(t, parts, entry.Lines)
			require.LessOrEqual(t, len(parts), maxLines)
			require.True(t, len(parts) == 1 || len(entry.Text) <= maxBytes)
			require.Equal(t, []string{lines[entry.First], lines[entry.Last]}, []string{parts[0], parts[len(parts)-1]})
			among := lines[entry.First : entry.Last+1]
			for _, part := range parts {
				left[part]--
				i := slices.Index(among, part)
				require.GreaterOrEqual(t, i, 0, "%q is not in its place", part)
				among = among[i+1:]
			}
			e := entry.Entry()
			require.Equal(t, parser.Parse(entry.Text, testNow()), e)
			e.ID = domain.LogID{1}
			require.NoError(t, e.Validate())
		}
		for line, n := range left {
			require.GreaterOrEqual(t, n, 0, "%q is doubled", line)
			require.True(t, n == 0 || mayGo[line], "%q is lost", line)
		}
	})
}

func BenchmarkLineJoiner(b *testing.B) {
	lines := []string{formatLines["Log4j"].line, formatLines["Log4j"].line, "java.lang.IllegalStateException: no", "\tat a.B.c(B.java:7)", "\tat a.B.d(B.java:8)"}
	var j logline.Joiner
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		j.Add(lines[i%len(lines)], testNow())
		i++
	}
}
