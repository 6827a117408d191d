package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const (
	docsDir = moduleRoot + "/docs"
	// alertsFile is what the guides quote PromQL of.
	alertsFile = moduleRoot + "/deploy/prometheus/alerts.yml"
)

// docReader is someone who follows a guide on a machine where logsift is installed.
type docReader struct {
	*reader
	// next is how many of the guide's commands have been run.
	next     int
	commands []readmeCommand
}

// newDocReader makes a machine for a guide: logsift in PATH is this test binary, the
// folder is one with the files of a user and the folder deploy, and what the guides
// write of /etc and /var is in it.
func newDocReader(t *testing.T, commands []readmeCommand) *docReader {
	t.Helper()
	r := &docReader{reader: &reader{dir: t.TempDir()}, commands: commands}
	r.prepare(t)
	require.NoError(t, os.CopyFS(filepath.Join(r.dir, "deploy"), os.DirFS(moduleRoot+"/deploy")))
	bin := filepath.Join(r.dir, "bin")
	for _, dir := range []string{bin, filepath.Join(r.dir, "etc"), filepath.Join(r.dir, "var"), filepath.Join(r.dir, "backup")} {
		require.NoError(t, os.MkdirAll(dir, 0o700))
	}
	self, err := filepath.Abs(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(bin, "logsift")))
	r.env = append(r.env, "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+r.dir)
	r.replace = []string{
		"/etc/logsift", filepath.Join(r.dir, "etc"), "/var/lib/logsift", filepath.Join(r.dir, "var"),
		"/var/backups/logsift", filepath.Join(r.dir, "backup"),
		"--addr 127.0.0.1:8443", "--addr 127.0.0.1:0", "--metrics-addr 127.0.0.1:9464", "--metrics-addr 127.0.0.1:0",
	}
	return r
}

// guides are the names of the guides and what is in them.
func guides(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(docsDir + "/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	out := map[string]string{}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		require.NoError(t, err)
		out[filepath.Base(name)] = string(raw)
	}
	return out
}

func TestDocsDoWhatTheySay(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("the guides' commands need curl, which this machine does not have")
	}
	all := guides(t)
	for name := range docCommands {
		require.Contains(t, all, name, "the table has commands of a guide that is none")
	}
	for name, text := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blocks, err := blocks(text)
			require.NoError(t, err)
			r := newDocReader(t, docCommands[name])
			for _, b := range blocks {
				require.NoError(t, r.check(t, b))
			}
			require.Len(t, r.commands, r.next, "the table has commands that the guide has not")
			r.stop(t)
		})
	}
}

// check follows one block. An error is a block that nobody checks; what fails to do
// what it says fails the test.
func (r *docReader) check(t *testing.T, b block) error {
	t.Helper()
	switch b.language {
	case "sh":
		return r.checkCommands(t, b.text)
	case "go":
		return stands(b.text, goSources())
	case "python":
		raw, err := os.ReadFile(docsDir + "/examples/worker.py")
		require.NoError(t, err)
		return stands(b.text, string(raw))
	case "yaml":
		file := filepath.Join(r.dir, "snippet.yaml")
		require.NoError(t, os.WriteFile(file, []byte(b.text), 0o600))
		r.output(t, "logsift config check --config "+file, 0)
		return nil
	case "promql":
		raw, err := os.ReadFile(alertsFile)
		require.NoError(t, err)
		return stands(b.text, string(raw))
	case "json":
		return sameShape(b.text, r.last)
	case "text":
		return sameLines(b.text, r.last)
	}
	return fmt.Errorf("a block of language %q is checked by nobody:\n%s", b.language, b.text)
}

func (r *docReader) checkCommands(t *testing.T, script string) error {
	t.Helper()
	for _, line := range shellLines(script) {
		if r.next == len(r.commands) || r.commands[r.next].line != line {
			return fmt.Errorf("this command is run by nobody, or not in its turn:\n%s", line)
		}
		r.commands[r.next].run(t, r.reader, line)
		r.next++
	}
	return nil
}

// squeeze takes white space for a space.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// goSources are all Go files of the module, one after the other.
var goSources = sync.OnceValue(func() string {
	var b strings.Builder
	root := os.DirFS(moduleRoot)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" {
			return err
		}
		raw, err := fs.ReadFile(root, name)
		b.Write(raw)
		return err
	})
	if err != nil {
		panic(err)
	}
	return squeeze(b.String())
})

// stands tells whether a text is in another, white space aside.
func stands(text, in string) error {
	if !strings.Contains(squeeze(in), squeeze(text)) {
		return fmt.Errorf("this stands nowhere else:\n%s", text)
	}
	return nil
}

// sameShape tells whether the objects of a guide's JSON have the keys, and values of
// the kinds, of a real answer. Of arrays the first elements count; of several
// objects, a line each, the first.
func sameShape(shown, answer string) error {
	var want, got any
	if err := json.Unmarshal([]byte(shown), &want); err != nil {
		return fmt.Errorf("this is no JSON: %w:\n%s", err, shown)
	}
	if err := json.NewDecoder(strings.NewReader(answer)).Decode(&got); err != nil {
		return fmt.Errorf("the answer is no JSON: %w:\n%s", err, answer)
	}
	if a, b := shape(want), shape(got); a != b {
		return fmt.Errorf("the guide shows JSON of the shape\n%s\nand the answer has\n%s", a, b)
	}
	return nil
}

// shape writes what a JSON value is made of.
func shape(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var b strings.Builder
		for _, key := range slices.Sorted(maps.Keys(v)) {
			fmt.Fprintf(&b, "%q:%s,", key, shape(v[key]))
		}
		return "{" + b.String() + "}"
	case []any:
		if len(v) == 0 {
			return "[]"
		}
		return "[" + shape(v[0]) + "]"
	default:
		return fmt.Sprintf("%T", v)
	}
}

// varying is what differs from run to run: ids, times and numbers.
var varying = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{16}\b|[0-9]+(\.[0-9]+)?`)

// sameLines tells whether each line that a guide shows is in a real output, varying
// parts and white space aside. A line … stands for some that are left out.
func sameLines(shown, answer string) error {
	mask := func(line string) string { return squeeze(varying.ReplaceAllString(line, "#")) }
	var got []string
	for line := range strings.Lines(answer) {
		got = append(got, mask(line))
	}
	for line := range strings.Lines(shown) {
		line := mask(line)
		if line == "…" || line == "" {
			continue
		}
		i := slices.Index(got, line)
		if i < 0 {
			return fmt.Errorf("the output has no such line, or not there: %q\n%s", line, answer)
		}
		got = got[i+1:]
	}
	return nil
}

// A guide that shows what is not so is told apart from one that shows what is.
func TestDocsUncheckedBlocksAreCaught(t *testing.T) {
	t.Parallel()
	r := newDocReader(t, []readmeCommand{{"logsift version", runToEnd("logsift", 0)}})
	r.last = `{"id":"a","list":[{"n":1}]}`
	for name, b := range map[string]block{
		"an unknown language":                 {"cobol", "STOP RUN."},
		"Python that no example has":          {"python", "print(1)"},
		"no language":                         {"", "logsift version"},
		"a command that is not in the table":  {"sh", "logsift dance"},
		"Go that is no code of ours":          {"go", "func ExampleNew" + "Dance() {}"},
		"PromQL that is no rule of ours":      {"promql", "logsift_dances_total > 0"},
		"JSON that is none":                   {"json", `{"id":`},
		"JSON with a key too few":             {"json", `{"list":[{"n":1}]}`},
		"JSON with a value of another kind":   {"json", `{"id":1,"list":[{"n":1}]}`},
		"JSON with another key in an element": {"json", `{"id":"a","list":[{"m":1}]}`},
		"a text that nothing printed":         {"text", "dancing"},
	} {
		require.Error(t, r.check(t, b), name)
	}
	for _, b := range []block{
		{"sh", "# asks\nlogsift \\\n  version   # a comment\n"},
		{"go", "func\tExampleNew()"},
		{"text", "logsift …"},
	} {
		if b.language == "text" {
			r.last = "logsift …\n"
		}
		require.NoError(t, r.check(t, b))
	}
	r.last = `{"id":"b","list":[{"n":7},{"n":8}]}`
	require.NoError(t, r.check(t, block{"json", `{"id":"a","list":[{"n":1}]}`}))
}

func TestDocsFlagsVariablesAndLinksExist(t *testing.T) {
	t.Parallel()
	known := knownNames()
	// Options of other programs.
	for _, name := range []string{"--data-binary", "--now", "--build", "--scale", "--stop-timeout", "--appendonly", "--appendfsync", "--maxmemory-policy", "--rdb", "--dir", "--dbfilename", "--reference"} {
		known[name] = true
	}
	for guide, text := range guides(t) {
		for _, name := range regexp.MustCompile(`--[a-z][a-z-]+|LOGSIFT_[A-Z_]+[A-Z]`).FindAllString(text, -1) {
			require.True(t, known[name], "%s names %s, which does not exist", guide, name)
		}
		for _, link := range regexp.MustCompile(`\]\(([^):#\s]+)\)`).FindAllStringSubmatch(text, -1) {
			require.FileExists(t, filepath.Join(docsDir, link[1]), guide)
		}
	}
}

func TestDocsIndexHasEachGuide(t *testing.T) {
	t.Parallel()
	all := guides(t)
	for name := range all {
		if name != "README.md" {
			require.Contains(t, all["README.md"], "]("+name+")")
		}
	}
}

// repoPath is a path of the repository in prose: from its root, or the name of a Go or
// Lua file. The first group is what stands before it, which must not be part of a URL,
// a module or a longer path.
var repoPath = regexp.MustCompile(`(^|[^\w/.*-])((?:adapters|application|bootstrap|cmd|deploy|docs|domain|mocks|ports|scripts|\.ci)/[\w./*+-]*\w|[\w*]+\.(?:go|lua))\b`)

// missingPaths returns the paths of a text that are neither in the repository nor below
// the folder that the text is about.
func missingPaths(tree fs.FS, folder, text string) []string {
	var missing []string
	for _, m := range repoPath.FindAllStringSubmatch(text, -1) {
		name := strings.TrimSuffix(m[2], "/...")
		if strings.HasPrefix(name, "application/") && (strings.Contains(name, "+") || strings.Contains(name, "json")) {
			continue // a media type
		}
		found := slices.ContainsFunc([]string{name, path.Join(folder, name)}, func(name string) bool {
			files, err := fs.Glob(tree, name)
			return err == nil && len(files) > 0
		})
		if !found {
			missing = append(missing, name)
		}
	}
	return missing
}

// goName is a name of a package of logsift in prose, such as ports.TaskQueue.
var goName = regexp.MustCompile(`\b(?:application|bootstrap|domain|ports|portstest|wire)\.([A-Z]\w*)`)

func TestDocsPathsExist(t *testing.T) {
	t.Parallel()
	root := os.DirFS(moduleRoot)
	require.Equal(t, []string{"ports/none.go", "none.lua"},
		missingPaths(root, "adapters/redisstore", "`ports/none.go`, doc.go, `domain/*.go`, none.lua, application/problem+json, https://a/docs/b and logsift/ports/none"))
	missing := map[string][]string{}
	require.NoError(t, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".git" && d.IsDir():
			return fs.SkipDir
		case d.Name() == "doc.go", filepath.Ext(name) == ".md" && name != "CHANGELOG.md":
			raw, err := fs.ReadFile(root, name)
			none := missingPaths(root, path.Dir(name), string(raw))
			for _, m := range goName.FindAllStringSubmatch(string(raw), -1) {
				if !slices.ContainsFunc([]string{"func %s(", "type %s ", "var %s ", "const %s ", " %s = "}, func(form string) bool {
					return strings.Contains(goSources(), fmt.Sprintf(form, m[1]))
				}) {
					none = append(none, m[0])
				}
			}
			if len(none) > 0 {
				missing[name] = none
			}
			return err
		}
		return nil
	}))
	require.Empty(t, missing, "these files name what is not there")
}

// The table of command-line.md says which schema of the API's document the JSON of a
// command has.
func TestDocsJSONIsThatOfTheAPI(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(moduleRoot + "/adapters/httpapi/openapi/openapi.yaml")
	require.NoError(t, err)
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Required   []string       `yaml:"required"`
				Properties map[string]any `yaml:"properties"`
			} `yaml:"schemas"`
		} `yaml:"components"`
	}
	require.NoError(t, yaml.Unmarshal(raw, &document))

	r := newDocReader(t, nil)
	r.output(t, "logsift analyze --store sqlite:json.db app.log", 0)
	for _, name := range []string{"TASK", "LOG", "ANOMALY"} {
		line := map[string]string{
			"TASK":    "logsift task list --store sqlite:json.db -o json",
			"LOG":     "logsift logs --store sqlite:json.db -o json",
			"ANOMALY": "logsift anomalies list --store sqlite:json.db -o json",
		}[name]
		id := regexp.MustCompile(`"id": "([^"]+)"`).FindStringSubmatch(r.output(t, line, 0))
		require.NotNil(t, id, line)
		r.replace = append(r.replace, name, id[1])
	}
	runServer(t, r.reader, "logsift serve --store sqlite:json.db --workers 1")
	rows := regexp.MustCompile("(?m)^\\| `(logsift [^`]+)` \\| `([A-Za-z]+)` \\|").FindAllStringSubmatch(guides(t)["command-line.md"], -1)
	require.Len(t, rows, 14)
	for _, row := range rows {
		schema, ok := document.Components.Schemas[row[2]]
		require.True(t, ok, "the API's document has no schema %s", row[2])
		var got map[string]any
		line := row[1] + " --store sqlite:json.db"
		if strings.Contains(line, "health") {
			line = row[1] + " --server http://127.0.0.1:8080"
		}
		require.NoError(t, json.Unmarshal([]byte(r.output(t, line, 0)), &got), line)
		require.NotEmpty(t, schema.Properties, row[2])
		for key := range got {
			require.Contains(t, schema.Properties, key, "%s is a %s", row[1], row[2])
		}
		for _, key := range schema.Required {
			require.Contains(t, got, key, "%s is a %s", row[1], row[2])
		}
	}
	r.stop(t)
}
