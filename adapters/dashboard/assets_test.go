package dashboard

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// forbidden is what the files may not contain, with the reason.
var forbidden = map[string]string{
	`\b(?:inner|outer)HTML\b`:                       "parses text as HTML",
	`\binsertAdjacentHTML\b|\bsetHTML(?:Unsafe)?\b`: "parses text as HTML",
	`\bdocument\.write(?:ln)?\b`:                    "parses text as HTML",
	`\bDOMParser\b|\bcreateContextualFragment\b`:    "parses text as HTML",
	`\beval\s*\(|\bnew Function\b`:                  "runs text as code",
	`\bset(?:Timeout|Interval)\(\s*['"` + "`" + `]`: "runs text as code",
	`javascript:`:                      "runs text as code",
	`\bpostMessage\b|\bwindow\.open\b`: "talks to other windows",
	`\bdocument\.cookie\b`:             "reads what only the server shall see",
	`@import\b|url\(`:                  "loads another file, which the document should name",
	`(?i)sourceMappingURL`:             "names a file that does not exist",
}

// elsewhere finds addresses of other sites: with a scheme, or without one.
var elsewhere = regexp.MustCompile(`(?:https?:|["'(])//[^\s"')]+`)

// names are addresses that name something and are never fetched.
var names = []string{"http://www.w3.org/2000/svg"}

// faults returns what is wrong with the files.
func faults(tree fs.FS) []string {
	var out []string
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		text := string(src)
		for pattern, reason := range forbidden {
			if found := regexp.MustCompile(pattern).FindString(withoutComments(name, text)); found != "" {
				out = append(out, fmt.Sprintf("%s: %q %s", name, found, reason))
			}
		}
		for _, address := range elsewhere.FindAllString(withoutComments(name, text), -1) {
			if !slices.Contains(names, address) {
				out = append(out, fmt.Sprintf("%s: %q is on another site", name, address))
			}
		}
		if path.Ext(name) == ".html" && regexp.MustCompile(`(?i)\son[a-z]+=|\sstyle=|<style`).MatchString(text) {
			out = append(out, name+": has inline code, which the policy refuses")
		}
		out = append(out, badImports(tree, name, text)...)
		return nil
	})
	if err != nil {
		out = append(out, err.Error())
	}
	return out
}

var (
	lineComment  = regexp.MustCompile(`(?m)(?:^|\s)//.*$`)
	blockComment = regexp.MustCompile(`(?s)/\*.*?\*/`)
)

// withoutComments returns a script without its comments, which may name what is
// forbidden.
func withoutComments(name, text string) string {
	if path.Ext(name) != ".js" {
		return text
	}
	return lineComment.ReplaceAllString(blockComment.ReplaceAllString(text, ""), "")
}

var imports = regexp.MustCompile(`(?:\bfrom\s+|\bimport\s*\(\s*|^import\s+)(['"])([^'"]+)['"]`)

// badImports returns the imports of a module that lead nowhere, and those that the
// browser could only guess.
func badImports(tree fs.FS, name, text string) []string {
	var out []string
	for _, found := range imports.FindAllStringSubmatch(text, -1) {
		target := found[2]
		if !strings.HasPrefix(target, "./") && !strings.HasPrefix(target, "../") {
			out = append(out, fmt.Sprintf("%s: import %q is not relative", name, target))
			continue
		}
		if _, err := fs.Stat(tree, path.Join(path.Dir(name), target)); err != nil {
			out = append(out, fmt.Sprintf("%s: import %q does not exist", name, target))
		}
	}
	return out
}

var exported = regexp.MustCompile(`(?m)^export\s+(?:async\s+)?(?:function\*?|const|let|class)\s+(\w+)`)

// unused returns what modules export and no other script names.
func unused(t *testing.T, tree fs.FS) []string {
	t.Helper()
	scripts := map[string]string{}
	require.NoError(t, fs.WalkDir(tree, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".js" {
			return err
		}
		src, err := fs.ReadFile(tree, name)
		scripts[name] = withoutComments(name, string(src))
		return err
	}))
	var out []string
	for name, text := range scripts {
		for _, found := range exported.FindAllStringSubmatch(text, -1) {
			word, used := regexp.MustCompile(`\b`+found[1]+`\b`), false
			for other, text := range scripts {
				used = used || other != name && word.MatchString(text)
			}
			if !used {
				out = append(out, name+": "+found[1])
			}
		}
	}
	return out
}

// TestModulesImportInNoCircle follows the imports, also those that load a page when
// it is shown.
func TestModulesImportInNoCircle(t *testing.T) {
	t.Parallel()
	const under, done = 1, 2
	state := map[string]int{}
	var visit func(name string)
	visit = func(name string) {
		require.NotEqual(t, under, state[name], "%s imports itself by others", name)
		if state[name] == done {
			return
		}
		state[name] = under
		src, err := fs.ReadFile(assets(t), name)
		require.NoError(t, err)
		for _, found := range imports.FindAllStringSubmatch(string(src), -1) {
			visit(path.Join(path.Dir(name), found[2]))
		}
		state[name] = done
	}
	visit("js/main.js")
	require.Greater(t, len(state), 40)
}

func assets(t *testing.T) fs.FS {
	t.Helper()
	tree, err := fs.Sub(embedded, "assets")
	require.NoError(t, err)
	return tree
}

func TestTheFilesAreSafeAndComplete(t *testing.T) {
	t.Parallel()
	require.Empty(t, faults(assets(t)))
}

// TestWhatModulesExportIsUsed finds code that nothing runs any more. What is only
// exported for the tests of testdata is named here.
func TestWhatModulesExportIsUsed(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, []string{"js/api.js: Problem", "js/dom.js: safeHref"}, unused(t, assets(t)))
	require.Equal(t, []string{"js/y.js: z"}, unused(t, fstest.MapFS{
		"js/x.js": {Data: []byte("import { y } from './y.js';\ny(); // not z")},
		"js/y.js": {Data: []byte("export const y = () => z();\nexport async function z() {}")},
	}))
}

func TestFaultsAreCaught(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"box.innerHTML = text":                     "innerHTML",
		"box.outerHTML = text":                     "outerHTML",
		"box.insertAdjacentHTML('x', text)":        "insertAdjacentHTML",
		"document.write(text)":                     "document.write",
		"eval(text)":                               "eval",
		"new Function(text)":                       "new Function",
		"setTimeout('x()', 1)":                     "setTimeout",
		"a.href = 'javascript:x'":                  "javascript:",
		"import { x } from './missing.js';":        "does not exist",
		"const x = import('../js/missing.js')":     "does not exist",
		"import x from 'lit';":                     "not relative",
		"fetch('https://cdn.example/x')":           "another site",
		"fetch('//cdn.example/x')":                 "another site",
		"x() // fine\nfetch(\"http://a.example\")": "another site",
	} {
		tree := fstest.MapFS{"js/x.js": {Data: []byte(src)}}
		require.Contains(t, strings.Join(faults(tree), "\n"), want, src)
	}
	for name, src := range map[string]string{"css/x.css": "a { background: url(x.png) }", "index.html": "<p style=\"color: red\">", "a.html": "<p onclick=\"x()\">"} {
		require.NotEmpty(t, faults(fstest.MapFS{name: {Data: []byte(src)}}), src)
	}
	require.Empty(t, faults(fstest.MapFS{
		"js/x.js": {Data: []byte("// never innerHTML, see https://example.org\nimport { y } from './y.js';\n/* eval() */ y(`${location.origin}/x`);")},
		"js/y.js": {Data: []byte("export const y = 1;")},
	}))
}

// TestThePagesAreThoseOfTheRouter keeps the two tables of pages alike: a page that
// only one of them knows answers 404, or shows that it does not exist.
func TestThePagesAreThoseOfTheRouter(t *testing.T) {
	t.Parallel()
	src, err := fs.ReadFile(assets(t), "js/routes.js")
	require.NoError(t, err)
	var got []string
	for _, found := range regexp.MustCompile(`path: '([^']+)'`).FindAllStringSubmatch(string(src), -1) {
		got = append(got, regexp.MustCompile(`:\w+`).ReplaceAllString(found[1], "*"))
	}
	require.Equal(t, pagePaths, got)
}

func TestTheVersionFollowsTheFiles(t *testing.T) {
	t.Parallel()
	tree := func(script string) fstest.MapFS {
		return fstest.MapFS{"index.html": {Data: []byte("{assets}")}, "js/main.js": {Data: []byte(script)}}
	}
	one, err := load(tree("a"))
	require.NoError(t, err)
	same, err := load(tree("a"))
	require.NoError(t, err)
	other, err := load(tree("b"))
	require.NoError(t, err)
	require.Equal(t, one.version, same.version)
	require.NotEqual(t, one.version, other.version, "a changed file must get another path")
	require.NotEqual(t, one.page.etag, other.page.etag, "the document must be fetched anew then")
}

func TestFilesOfUnknownKindsAreRefused(t *testing.T) {
	t.Parallel()
	_, err := load(fstest.MapFS{"index.html": {}, "js/main.ts": {}})
	require.ErrorContains(t, err, "js/main.ts")
}
