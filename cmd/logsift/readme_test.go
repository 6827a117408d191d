package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/redistest"
)

// updateReadme writes the demo's present output into the README:
//
//	go test ./cmd/logsift -run TestReadme -update
var updateReadme = flag.Bool("update", false, "write the demo's present output into the README")

const (
	moduleRoot = "../.."
	readmePath = moduleRoot + "/README.md"
	// demoLines is how many last lines of the demo the README shows.
	demoLines = 15
)

// readmeCommand is a command of the README, as it stands there without its
// comment, and how it is run.
type readmeCommand struct {
	line string
	run  func(t *testing.T, r *reader, line string)
}

// readmeCommands are all commands of the README in their order. They run through
// sh in a copy of the module, with the data folder of a new user. Only this is
// not as written:
//   - FILE... is two logs that the test has put there;
//   - 127.0.0.1:6379 is the Redis of the test, and 127.0.0.1:8080 the address of
//     the server that an earlier command has started, which gets a free port by
//     LOGSIFT_ADDR;
//   - sh .ci/test, which would run this test again, is checked but not run.
var readmeCommands = []readmeCommand{
	{"go run ./cmd/logsift demo", runDemo},
	{"sh .ci/test", checkTestScript},
	{"go build -o logsift ./cmd/logsift", runToEnd("", 0)},
	{"./logsift analyze FILE...", runToEnd("302 lines from 2 sources", 0)},
	{"./logsift analyze --baseline GOOD.log BAD.log", runToEnd("permission denied", 0)},
	{"./logsift analyze -o html FILE... >report.html", runToEnd("", 0)},
	{"./logsift analyze --fail-on medium FILE...", runToEnd("MEDIUM", 3)},
	{"./logsift serve", runServer},
	{"./logsift serve --store redis://127.0.0.1:6379/0", runServer},
	{"./logsift worker --store redis://127.0.0.1:6379/0", runWorker},
	{"curl -H 'Content-Type: text/plain' --data-binary @app.log 'http://127.0.0.1:8080/api/v1/logs?source=app'", runToEnd(`"accepted":301`, 0)},
	{"./logsift follow --server http://127.0.0.1:8080 --from-start --positions positions.json app.log", runFollow},
	{"./logsift anomalies list --server http://127.0.0.1:8080 --severity medium", runUntil("permission denied")},
	{"./logsift bench --store redis://127.0.0.1:6379/1 --yes --work w3 -n 20000", runToEnd(`"bytes_done":`, 0)},
}

// block is a fenced block of Markdown.
type block struct{ language, text string }

// blocks returns the fenced blocks of Markdown.
func blocks(markdown string) ([]block, error) {
	var out []block
	var open *block
	for line := range strings.Lines(markdown) {
		switch language, fence := strings.CutPrefix(strings.TrimSpace(line), "```"); {
		case fence && open == nil:
			open = &block{language: language}
		case fence:
			out, open = append(out, *open), nil
		case open != nil:
			open.text += line
		}
	}
	if open != nil {
		return nil, errors.New("a fenced block is not closed")
	}
	return out, nil
}

var shellComment = regexp.MustCompile(`(?m)\s+#.*$`)

// shellLines returns the commands of a script, continued lines put together and
// comments taken off.
func shellLines(script string) []string {
	text := regexp.MustCompile(`\s*\\\n\s*`).ReplaceAllString(shellComment.ReplaceAllString("\n"+script, ""), " ")
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

// commandsOf returns the commands of the sh blocks, continued lines put together
// and comments taken off. Other blocks may be the demo's output (text) and the
// one picture; anything else is an error, so that no block goes unchecked.
func commandsOf(markdown string) ([]string, error) {
	all, err := blocks(markdown)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, b := range all {
		switch {
		case b.language == "sh":
			out = append(out, shellLines(b.text)...)
		case b.language == "text" && strings.Contains(b.text, "logsift analyze FILE..."):
		case b.language == "" && strings.Contains(b.text, "cmd/logsift ──▶ bootstrap"):
		default:
			return nil, fmt.Errorf("a block of language %q is checked by nobody:\n%s", b.language, b.text)
		}
	}
	return out, nil
}

func readReadme(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(readmePath)
	require.NoError(t, err)
	return string(raw)
}

func TestReadmesCommandsRunAsWritten(t *testing.T) {
	t.Parallel()
	commands, err := commandsOf(readReadme(t))
	require.NoError(t, err)
	want := make([]string, len(readmeCommands))
	for i, c := range readmeCommands {
		want[i] = c.line
	}
	require.Equal(t, want, commands, "each command of the README is run by this test")
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("the README's commands need curl, which this machine does not have")
	}

	r := newReader(t)
	for _, c := range readmeCommands {
		c.run(t, r, c.line)
	}
	r.stop(t)
}

func TestReadmesUncheckedBlocksAreCaught(t *testing.T) {
	t.Parallel()
	for name, markdown := range map[string]string{
		"an unknown language":      "```python\nprint(1)\n```\n",
		"no language":              "```\nlogsift dance\n```\n",
		"a block that is not open": "```sh\nlogsift demo\n",
	} {
		_, err := commandsOf(markdown)
		require.Error(t, err, name)
	}
	commands, err := commandsOf("# A\n```sh\n./logsift dance   # a comment\ncurl a \\\n  -d b\n```\n")
	require.NoError(t, err)
	require.Equal(t, []string{"./logsift dance", "curl a -d b"}, commands)
}

// reader is someone who follows the README in a new checkout.
type reader struct {
	dir, redis, api string
	env             []string
	running         []*process
	// replace holds old and new of what else is not as written.
	replace []string
	// last is what the last line that has ended printed.
	last string
}

func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{dir: t.TempDir(), redis: redistest.Start(t).Addr()}
	copyModule(t, r.dir)
	r.prepare(t)
	return r
}

// prepare puts the files of a user there, and makes the environment that of a new one.
func (r *reader) prepare(t *testing.T) {
	t.Helper()
	for name, line := range map[string]string{
		"app.log":  usualLines(300) + "2026-05-01 08:05:00 ERROR cannot open /etc/app.conf: permission denied\n",
		"GOOD.log": usualLines(300),
		"BAD.log":  usualLines(300) + "2026-05-01 08:05:00 ERROR cannot open /etc/app.conf: permission denied\n",
		"b.log":    "2026-05-01 08:00:00 INFO started\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(r.dir, name), []byte(line), 0o600))
	}
	r.env = append(os.Environ(), "XDG_DATA_HOME="+filepath.Join(r.dir, "data"), "LOGSIFT_ADDR=127.0.0.1:0", "NO_PROXY=127.0.0.1")
}

// usualLines are n lines, one each second, with nothing unusual in them.
func usualLines(n int) string {
	var b strings.Builder
	for i := range n {
		text := []string{"INFO request %d served in 12 ms", "INFO cache hit for key user:%d", "DEBUG worker %d is idle"}[i%3]
		fmt.Fprintf(&b, "2026-05-01 08:%02d:%02d "+text+"\n", i/60, i%60, i)
	}
	return b.String()
}

// copyModule copies what the program is built of. Reading it here makes the
// cached result of the test depend on it.
func copyModule(t *testing.T, dir string) {
	t.Helper()
	root := os.DirFS(moduleRoot)
	require.NoError(t, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || slices.Contains([]string{".git", "docs", "deploy", "bootstrap/systemtest"}, name)):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, name), 0o700)
		case !d.Type().IsRegular() || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".md"):
			return nil
		}
		raw, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), raw, 0o600)
	}))
}

// shell makes the command of a line, with what is not as written replaced.
func (r *reader) shell(t *testing.T, line string) *exec.Cmd {
	t.Helper()
	pairs := append([]string{"FILE...", "app.log b.log", "127.0.0.1:6379", r.redis, "127.0.0.1:8080", r.api}, r.replace...)
	line = strings.NewReplacer(pairs...).Replace(line)
	// exec, so that a signal reaches the program and not the shell.
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec "+line)
	cmd.Dir, cmd.Env = r.dir, r.env
	return cmd
}

// output runs a line to its end.
func (r *reader) output(t *testing.T, line string, status int) string {
	t.Helper()
	cmd := r.shell(t, line)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	require.NotNil(t, cmd.ProcessState, "%s: %v", line, err)
	require.Equal(t, status, cmd.ProcessState.ExitCode(), "%s: %s", line, stderr.String())
	r.last = stdout.String()
	return r.last
}

func runToEnd(want string, status int) func(*testing.T, *reader, string) {
	return func(t *testing.T, r *reader, line string) {
		t.Helper()
		require.Contains(t, r.output(t, line, status), want, line)
	}
}

// runUntil runs a line again and again until its output is as wanted, since the
// system works on its own time.
func runUntil(want string) func(*testing.T, *reader, string) {
	return func(t *testing.T, r *reader, line string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(r.output(t, line, 0), want) },
			30*time.Second, 100*time.Millisecond, line)
	}
}

func runServer(t *testing.T, r *reader, line string) {
	t.Helper()
	p := startCommand(t, r.shell(t, line))
	_, api, ok := strings.Cut(p.awaitReady(t), "://")
	require.True(t, ok)
	r.api, r.running = api, append(r.running, p)
}

// runFollow waits until the server has confirmed what the file holds.
func runFollow(t *testing.T, r *reader, line string) {
	t.Helper()
	r.running = append(r.running, startCommand(t, r.shell(t, line)))
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(r.dir, "positions.json"))
		return err == nil
	}, 30*time.Second, 20*time.Millisecond, line)
}

func runWorker(t *testing.T, r *reader, line string) {
	t.Helper()
	p := startCommand(t, r.shell(t, line))
	p.awaitReady(t)
	r.running = append(r.running, p)
}

// stop interrupts what still runs, as a reader would.
func (r *reader) stop(t *testing.T) {
	t.Helper()
	for _, p := range slices.Backward(r.running) {
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGINT))
		require.Zero(t, p.awaitExit(t))
	}
}

// checkTestScript looks at what sh .ci/test would do, since it would run this
// test too: it is a script that sh can read, runs all tests of this module, and is what
// the continuous integration calls.
func checkTestScript(t *testing.T, _ *reader, line string) {
	t.Helper()
	script, err := os.ReadFile(filepath.Join(moduleRoot, ".ci/test"))
	require.NoError(t, err)
	require.Regexp(t, `(?m)^exec go test .*"\$@" \./\.\.\.$`, string(script))
	check := exec.CommandContext(t.Context(), "sh", "-n")
	check.Stdin = bytes.NewReader(script)
	out, err := check.CombinedOutput()
	require.NoError(t, err, string(out))
	integration, err := os.ReadFile(filepath.Join(moduleRoot, ".ci/run"))
	require.NoError(t, err)
	require.Contains(t, strings.Split(string(integration), "\n"), line)
}

// runDemo compares the end of the demo's output with what the README shows.
// Nothing in those lines depends on when or how fast it runs.
func runDemo(t *testing.T, r *reader, line string) {
	t.Helper()
	lines := strings.SplitAfter(r.output(t, line, 0), "\n")
	// SplitAfter gives an empty string after the last newline.
	want := "```text\n…\n" + strings.Join(lines[max(0, len(lines)-1-demoLines):], "") + "```\n"
	readme := readReadme(t)
	begin := strings.Index(readme, "```text\n")
	require.Positive(t, begin, "the README shows the demo's output")
	length := strings.Index(readme[begin:], "\n```\n")
	require.Positive(t, length)
	shown := readme[begin : begin+length+len("\n```\n")]
	if *updateReadme && shown != want {
		require.NoError(t, os.WriteFile(readmePath, []byte(strings.Replace(readme, shown, want, 1)), 0o600))
		return
	}
	require.Equal(t, want, shown, "the README shows what the demo prints; go test ./cmd/logsift -run TestReadme -update writes it anew")
}

// Beyond the commands, the README names flags and variables.

// knownNames are the flags of all commands, and the variables.
func knownNames() map[string]bool {
	e := &environment{getenv: func(string) string { return "" }, stderr: &bytes.Buffer{}}
	known := map[string]bool{"LOGSIFT_AI_API_KEY": true, "LOGSIFT_REDIS_SERVER": true, configEnvVar: true, "LOGSIFT_SERVER": true, apiKeyEnvVar: true}
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		cmd.InitDefaultHelpFlag()
		for _, set := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags()} {
			set.VisitAll(func(f *pflag.Flag) {
				known["--"+f.Name] = true
				known["LOGSIFT_"+strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))] = true
			})
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(e.rootCommand())
	return known
}

func TestReadmesFlagsAndVariablesExist(t *testing.T) {
	t.Parallel()
	known := knownNames()
	// Options of other programs.
	known["--data-binary"] = true
	for _, name := range regexp.MustCompile(`--[a-z][a-z-]+|LOGSIFT_[A-Z_]+[A-Z]`).FindAllString(readReadme(t), -1) {
		require.True(t, known[name], "the README names %s, which does not exist", name)
	}
}

func TestReadmesFilesExist(t *testing.T) {
	t.Parallel()
	links := regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(readReadme(t), -1)
	require.NotEmpty(t, links)
	for _, link := range links {
		require.FileExists(t, filepath.Join(moduleRoot, link[1]))
	}
}
