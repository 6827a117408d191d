package bootstrap_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestSecretsScriptsAndPagesKeepToTheRules(t *testing.T) {
	t.Parallel()
	require.Empty(t, secretViolations(os.DirFS("..")))
}

func TestViolationsOfSecretsAreCaught(t *testing.T) {
	t.Parallel()
	inFunc := func(text string) string { return "package p\nfunc f() bool { " + text + " }" }
	for name, c := range map[string]struct{ file, text, want string }{
		"a secret by ==":             {"p/x.go", inFunc("return password == given"), "constant time"},
		"a secret by != in a field":  {"p/x.go", inFunc("return c.apiKey != given"), "constant time"},
		"a hash by ==":               {"p/x.go", inFunc("return key.hash == sum"), "constant time"},
		"a secret by bytes.Equal":    {"p/x.go", inFunc("return bytes.Equal(secret, given)"), "constant time"},
		"a secret by EqualFold":      {"p/x.go", inFunc("return strings.EqualFold(given, cfg.Password)"), "constant time"},
		"a signature by Compare":     {"p/x.go", inFunc("return 0 == bytes.Compare(signature, given)"), "constant time"},
		"a secret in a switch":       {"p/x.go", inFunc("switch apiKey { case given: }; return true"), "constant time"},
		"a script by Sprintf":        {"adapters/redisstore/x.go", inFunc(`redis.NewScript(fmt.Sprintf("return %s", x)); return true`), "script"},
		"a script of parts":          {"adapters/redisstore/x.go", inFunc(`redis.NewScript("return " + x); return true`), "script"},
		"a script by Eval":           {"adapters/redisstore/x.go", inFunc(`rdb.Eval(ctx, text, nil); return true`), "script"},
		"HTML by text":               {"adapters/dashboard/assets/x.js", "node.innerHTML = text", "innerHTML"},
		"HTML beside":                {"adapters/dashboard/assets/x.js", "node.insertAdjacentHTML('x', y)", "insertAdjacentHTML"},
		"code by text":               {"adapters/dashboard/assets/x.js", "new Function(text)", "new Function"},
		"code by eval":               {"adapters/dashboard/assets/x.js", "eval(text)", "eval"},
		"a handler in the page":      {"adapters/dashboard/assets/x.html", `<a onclick="f()">`, "onclick"},
		"code in the page":           {"adapters/dashboard/assets/x.html", "<script>f()</script>", "<script>"},
		"a script of another server": {"adapters/dashboard/assets/x.html", `<script src="https://cdn.example/x.js"></script>`, "https://"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, strings.Join(secretViolations(fstest.MapFS{c.file: {Data: []byte(c.text)}}), "\n"), c.want)
		})
	}
	require.Empty(t, secretViolations(fstest.MapFS{
		"p/x.go":      {Data: []byte(inFunc(`return password == "" || 1 != len(secret) || subtle.ConstantTimeCompare(hash, given) == 1`))},
		"p/x_test.go": {Data: []byte(inFunc("return password == given"))},
	}))
}

// secretName matches the names of variables and fields that hold what others must not
// guess by how long a comparison takes.
var secretName = regexp.MustCompile(`(?i)^(.*(secret|password|passwd|apikey)|hash|keyHash|signature|mac|session)$`)

// loadsScripts is the one function that makes scripts, of files that are embedded.
const loadsScripts = "adapters/redisstore/internal/layout/scripts.go"

// secretFinder looks for secrets in text that is others'; nobody learns them by its time.
const secretFinder = "adapters/openai/redact/"

// pageViolations match what the pages must not hold.
var pageViolations = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|\beval\(|new Function|<script>|\son[a-z]+="|(src|href)="https?://`)

// secretViolations returns where production files compare secrets otherwise than in
// constant time, build scripts of text, or write HTML.
func secretViolations(tree fs.FS) []string {
	var out []string
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(skipped, d.Name()):
			return fs.SkipDir
		case strings.HasPrefix(name, "adapters/dashboard/assets/") && !d.IsDir():
			raw, err := fs.ReadFile(tree, name)
			for _, found := range pageViolations.FindAllString(string(raw), -1) {
				out = append(out, fmt.Sprintf("%s: pages must not hold %s", name, strings.TrimSpace(found)))
			}
			return err
		case path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "test/") || strings.HasPrefix(name, secretFinder):
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, src, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if rule := secretRule(name, n); rule != "" {
				out = append(out, fmt.Sprintf("%s: %s", files.Position(n.Pos()), rule))
			}
			return true
		})
		return nil
	})
	if err != nil {
		out = append(out, err.Error())
	}
	return out
}

// secretRule returns the rule that a node breaks, "" for none.
func secretRule(file string, n ast.Node) string {
	const compare = "secrets are compared in constant time: use subtle.ConstantTimeCompare"
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if (n.Op == token.EQL || n.Op == token.NEQ) && (holdsSecret(n.X) && !constant(n.Y) || holdsSecret(n.Y) && !constant(n.X)) {
			return compare
		}
	case *ast.SwitchStmt:
		if n.Tag != nil && holdsSecret(n.Tag) {
			return compare
		}
	case *ast.CallExpr:
		sel, ok := n.Fun.(*ast.SelectorExpr)
		if !ok {
			return ""
		}
		switch sel.Sel.Name {
		case "Equal", "EqualFold", "Compare":
			if pkg, ok := sel.X.(*ast.Ident); ok && (pkg.Name == "bytes" || pkg.Name == "strings") && slices.ContainsFunc(n.Args, holdsSecret) {
				return compare
			}
		case "NewScript", "Eval", "EvalRO", "ScriptLoad":
			if strings.HasPrefix(file, "adapters/redisstore/") && file != loadsScripts && !strings.Contains(file, "redistest/") {
				return "a script is a file of scripts/, what varies goes into its arguments"
			}
		}
	}
	return ""
}

// holdsSecret reports whether an expression is a variable or field with the name of a
// secret.
func holdsSecret(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return secretName.MatchString(e.Name)
	case *ast.SelectorExpr:
		return secretName.MatchString(e.Sel.Name)
	case *ast.ParenExpr:
		return holdsSecret(e.X)
	case *ast.SliceExpr:
		return holdsSecret(e.X)
	}
	return false
}

// constant reports whether an expression is written out, such as "" or nil, which tells
// nothing of a secret.
func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return e.Name == "nil"
	}
	return false
}
