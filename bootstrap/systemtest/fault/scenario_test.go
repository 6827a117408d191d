package fault_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// own is the folder of this package, from the root of the module.
const own = "bootstrap/systemtest/fault"

// scenarios are the ids that need a test.
func scenarios() []string {
	var out []string
	for prefix, last := range map[string]int{"P": 12, "R": 18, "T": 3} {
		for n := range last {
			if id := prefix + strconv.Itoa(n+1); id != "R13" { // of Redis Cluster, which has tests of its own
				out = append(out, id)
			}
		}
	}
	slices.Sort(out)
	return out
}

// entry is a line of the table.
type entry struct{ id, file, test, subtest, needs string }

func (e entry) String() string { return e.id + " " + e.file + ": " + e.test + "/" + e.subtest }

var entryLine = regexp.MustCompile(`^//\t([A-Z][0-9]+) +(\S+): ([A-Za-z]+)(?:/(.+?))?(?: \[needs ([a-z]+)\])?$`)

// readTable reads the table from the package comment, and returns what is wrong
// with its lines too.
func readTable(text string) (table []entry, faults []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, "//\t") {
			continue
		}
		m := entryLine.FindStringSubmatch(line)
		if m == nil {
			faults = append(faults, "not an entry: "+line)
			continue
		}
		e := entry{id: m[1], file: m[2], test: m[3], subtest: m[4], needs: m[5]}
		if !strings.Contains(e.file, "/") {
			e.file = own + "/" + e.file
		}
		table = append(table, e)
	}
	return table, faults
}

// tests are the names of a file: of its test functions, and behind a slash of
// their subtests and of the cases of a suite that are written out.
type tests map[string]bool

func readTests(tree fs.FS, name string) (tests, error) {
	src, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, src, 0)
	if err != nil {
		return nil, err
	}
	out := tests{}
	for _, decl := range file.Decls {
		test := "case"
		if f, ok := decl.(*ast.FuncDecl); ok {
			if !strings.HasPrefix(f.Name.Name, "Test") {
				continue
			}
			test = f.Name.Name
			out[test] = true
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			if text, ok := nameOf(n, test == "case"); ok {
				out[test+"/"+text] = true
			}
			return true
		})
	}
	return out, nil
}

// nameOf returns the name that a node gives to a subtest, or to a case by a field
// "name".
func nameOf(n ast.Node, isCase bool) (string, bool) {
	var value ast.Expr
	switch n := n.(type) {
	case *ast.CallExpr:
		// t.Run("name", …), or a helper that does so: inBubble(t, "name", …).
		if isCase || len(n.Args) == 0 {
			return "", false
		}
		value = n.Args[0]
		switch f := n.Fun.(type) {
		case *ast.SelectorExpr:
			if f.Sel.Name != "Run" {
				return "", false
			}
		case *ast.Ident:
			if f.Name != "inBubble" || len(n.Args) < 2 {
				return "", false
			}
			value = n.Args[1]
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); !isCase || !ok || key.Name != "name" {
			return "", false
		}
		value = n.Value
	}
	literal, ok := value.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}

// tableFaults compares the table with the tests of the tree.
func tableFaults(tree fs.FS, text string, ids []string) (table []entry, faults []string) {
	table, faults = readTable(text)
	files := map[string]tests{}
	listed := map[string]bool{}
	for _, e := range table {
		if !slices.Contains(ids, e.id) {
			faults = append(faults, fmt.Sprintf("%s: no such scenario", e))
		}
		listed[e.id], listed[e.file+":"+e.subtest] = true, true
		if files[e.file] == nil {
			var err error
			if files[e.file], err = readTests(tree, e.file); err != nil {
				faults = append(faults, fmt.Sprintf("%s: %v", e, err))
				continue
			}
		}
		name := e.test
		if e.subtest != "" {
			name += "/" + e.subtest
		}
		if !files[e.file][name] {
			faults = append(faults, fmt.Sprintf("%s: the file has no such test", e))
		}
	}
	for _, id := range ids {
		if !listed[id] {
			faults = append(faults, id+": no test")
		}
	}
	// The other way round: each fault of this package is listed.
	names, err := fs.Glob(tree, own+"/*_test.go")
	if err != nil {
		return table, append(faults, err.Error())
	}
	for _, name := range names {
		found, err := readTests(tree, name)
		if err != nil {
			return table, append(faults, err.Error())
		}
		for test := range found {
			if _, subtest, is := strings.Cut(test, "/"); is && !listed[name+":"+subtest] {
				faults = append(faults, fmt.Sprintf("%s: %s is not in the table", path.Base(name), test))
			}
		}
	}
	return table, faults
}

func TestEveryScenarioHasATest(t *testing.T) {
	t.Parallel()
	tree := os.DirFS("../../..")
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	table, faults := tableFaults(tree, string(text), scenarios())
	require.Empty(t, faults)
	require.Empty(t, unlistedNeeds(t, table))
	for _, e := range table {
		if e.needs == "" {
			continue
		}
		check, known := abilities[e.needs]
		require.True(t, known, "%s needs what nobody checks for", e)
		if err := check(); err != nil {
			t.Logf("not run on this machine: %s (%v)", e, err)
		}
	}
}

// unlistedNeeds finds what the tests of this package need without the table's
// saying so.
func unlistedNeeds(t *testing.T, table []entry) (out []string) {
	t.Helper()
	call := regexp.MustCompile(`needs\(t, "([a-z]+)"\)`)
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, name := range files {
		src, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, m := range call.FindAllSubmatch(src, -1) {
			if !slices.ContainsFunc(table, func(e entry) bool { return e.file == own+"/"+name && e.needs == string(m[1]) }) {
				out = append(out, fmt.Sprintf("%s needs %s", name, m[1]))
			}
		}
	}
	return out
}

func TestAWrongTableIsCaught(t *testing.T) {
	t.Parallel()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	tree := fstest.MapFS{
		own + "/a_test.go": file("package a\nfunc TestA(t *testing.T) { t.Run(\"it works\", f) }"),
		"b/b_test.go":      file("package b\nvar cases = []c{{name: \"it works\"}}\nfunc TestB(t *testing.T) {}"),
	}
	const first, second = "//\tP1 a_test.go: TestA/it works [needs luck]\n", "//\tP2 b/b_test.go: TestB\n"
	table, faults := tableFaults(tree, first+second+"//\tP2 b/b_test.go: case/it works\n", []string{"P1", "P2"})
	require.Empty(t, faults)
	require.Equal(t, entry{"P1", own + "/a_test.go", "TestA", "it works", "luck"}, table[0])
	for text, want := range map[string]string{
		first: "P2: no test",
		first + second + "//\tP3 b/b_test.go: TestB\n": "no such scenario",
		first + "//\tP2 b/b_test.go: TestC\n":          "has no such test",
		first + "//\tP2 b/b_test.go: TestB/it works\n": "has no such test",
		first + "//\tP2 b/c_test.go: TestB\n":          "does not exist",
		first + second + "//\tP2 TestB\n":              "not an entry",
		second + "//\tP1 b/b_test.go: TestB\n":         "is not in the table",
	} {
		_, faults := tableFaults(tree, text, []string{"P1", "P2"})
		require.Contains(t, strings.Join(faults, "\n"), want)
	}
}
